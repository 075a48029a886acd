"""What every broker of the reference has: order numbers, quotes, slipped prices, a candle's volume, and refusals."""

from decimal import Decimal

from reference.inputs import ONE, ZERO, Parameters, exact
from reference.market import Market
from reference.orders import OPPOSITE, Fill, Order, Rejection
from reference.slippage import Seen

USED_UP = Decimal(10) ** -12  # a share of a candle's cap that is left by rounding alone


class Desk:
    """Turns from row to row; `start_row` says which row is step 0. The two brokers keep the account and the book's rules."""

    def __init__(self, market: Market, parameters: Parameters, start_row: int) -> None:
        self.market = market
        self.parameters = parameters
        self.start_row = start_row
        self.book: list[Order] = []
        self.submissions = 0
        self.numbers = 0
        self.fills: list[Fill] = []
        self.rejects: list[Rejection] = []
        self.row = start_row
        self.capacity: list[Decimal | None] = []
        self.instruments = [parameters.instrument(symbol) for symbol in range(len(market.series))]

    def open_row(self, row: int) -> None:
        """Turn to the next candle: nothing of its volume is used yet, nothing is filled, nothing refused."""
        self.row = row
        self.fills, self.rejects = [], []
        share = self.parameters.max_volume_share
        self.capacity = [None if share is None else exact(share) * exact(s.volume[row]) for s in self.market.series]

    def _model_fraction(self, order: Order) -> Decimal:
        return self._quoted(order.symbol, order.quantity, order.number)

    def _quoted(self, symbol: int, quantity: Decimal, number: int) -> Decimal:
        draw = self.parameters.draw
        seen = Seen(
            order_value=quantity * self.market.last_close(symbol, self.row),
            quote_volume=self.market.quote_volume(symbol, self.row),
            volatility=lambda: self.market.daily_volatility(symbol, self.row),
            draw=lambda: draw(self.row - self.start_row, number) if draw else 0.0,
        )
        return self.parameters.slippage.fraction(seen)

    def _slipped(self, order: Order, base: Decimal, fraction: Decimal) -> Decimal:
        moved = base * (ONE + fraction) if order.side == "buy" else base * (ONE - fraction)
        return self.instruments[order.symbol].round_against_trader(moved, order.side)

    def _is_used_up(self, symbol: int) -> bool:
        left, share = self.capacity[symbol], self.parameters.max_volume_share
        if left is None or share is None:
            return False
        return left <= USED_UP * exact(share) * exact(self.market.series[symbol].volume[self.row])

    def _has_volume(self, order: Order) -> bool:
        left = self.capacity[order.symbol]
        if left is None or self._is_used_up(order.symbol):
            return left is None
        return order.quantity <= left or self.instruments[order.symbol].floor_quantity(left) > 0

    def _within_capacity(self, symbol: int, wanted: Decimal) -> Decimal:
        left = self.capacity[symbol]
        if left is None:
            return wanted
        if self._is_used_up(symbol):
            return ZERO
        quantity = wanted if wanted <= left else self.instruments[symbol].floor_quantity(left)
        self.capacity[symbol] = left - quantity
        return quantity

    def _is_more_than_rounding(self, value: Decimal) -> bool:
        return value > self.parameters.rounding

    def _is_dust(self, symbol: int, quantity: Decimal) -> bool:
        value = quantity * self.market.last_close(symbol, self.row)
        return value < max(self.parameters.dust, exact(self.instruments[symbol].min_notional or 0.0))

    def _is_closed(self, order: Order) -> bool:
        return self.market.series[order.symbol].closed(self.row)

    def _new_order(self, symbol: int, side: str, kind: str, quantity: Decimal) -> Order:
        self.numbers += 1
        self.submissions += 1
        return Order(self.numbers, self.submissions - 1, "", symbol, side, kind, quantity, self.row)

    def _new_leg(self, parent: Order, leg: str, kind: str, price: Decimal) -> Order:
        self.numbers += 1
        order = Order(
            self.numbers, parent.order, leg, parent.symbol, OPPOSITE[parent.side], kind, ZERO, self.row, price=price
        )
        order.fraction = parent.fraction  # until it is asked for its own [A10]
        return order

    def _reject(self, order: Order, reason: str) -> None:
        self.rejects.append(Rejection(self.row, order.number, order.order, order.symbol, reason))
