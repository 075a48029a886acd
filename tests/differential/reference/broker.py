"""What happens to an order: checks, locks, the market fill, the book, the candle, and the legs of brackets."""

from decimal import Decimal

from reference.account import Account
from reference.inputs import ONE, ZERO, Parameters, exact
from reference.market import Market
from reference.matching import PHASES, Execution, at_the_open
from reference.orders import OPPOSITE, TYPES, Fill, Order, OrderRequest, Rejection, refusal_of_form
from reference.schemes import Wish
from reference.slippage import Seen

SAME_HOLDING = Decimal(10) ** -12  # a sell this close to the holding, relative to it, is a sell of all of it [A5]


class Broker:
    """Takes the orders of one row after another; `start_row` says which row is step 0."""

    def __init__(self, market: Market, parameters: Parameters, start_row: int) -> None:
        self.market = market
        self.parameters = parameters
        self.start_row = start_row
        self.account = Account(exact(parameters.starting_balance), len(market.series))
        self.book: list[Order] = []
        self.submissions = 0
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

    def cancel(self, submission: int) -> None:
        """Take out what is still alive of a submission: the order, or the legs of its bracket [A11]."""
        for order in [order for order in self.book if order.order == submission]:
            self._remove(order)

    # ---- submitting -------------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest) -> None:
        """An explicit order: refused whole, filled at once (market), or booked with its lock."""
        if request["side"] not in OPPOSITE or request["type"] not in TYPES:
            raise ValueError(f"not a side and a type: {request['side']}, {request['type']}")
        index, symbol = self._next_submission(), request["symbol"]
        reason = refusal_of_form(request, len(self.instruments), self.instruments)
        if reason is not None:
            return self._reject(index, "", symbol, reason)
        quantity = self.instruments[symbol].floor_quantity(exact(request["quantity"]))
        if self._is_dust(symbol, quantity):
            return self._reject(index, "", symbol, "min_notional")
        order = Order(index, "", symbol, request["side"], request["type"], quantity, self.row)
        order.price = _price(request.get("price")) or ZERO
        order.stop_price, order.take_price = _price(request.get("stop_price")), _price(request.get("take_price"))
        if order.type == "market":
            return self._fill_at_market(order, sized=False)
        return self._book(order)

    def submit_wish(self, wish: Wish) -> None:
        """An order that a scheme has sized: cut to what the account affords instead of being refused."""
        account, symbol = self.account, wish.symbol
        if wish.whole:
            for order in [order for order in self.book if order.symbol == symbol and order.side == "sell"]:
                self._remove(order)
        quantity = wish.quantity
        if wish.side == "sell":
            quantity = account.unlocked(symbol) if wish.whole else min(quantity, account.unlocked(symbol))
            quantity = self._snapped_to_holding(symbol, quantity)
            if quantity == 0:
                return None  # nothing to sell is no order [A7]
        index = self._next_submission()
        quantity = self.instruments[symbol].floor_quantity(quantity)
        if quantity == 0:
            return self._reject(index, "", symbol, "invalid_quantity")
        if self._is_dust(symbol, quantity):
            return self._reject(index, "", symbol, "min_notional")
        return self._fill_at_market(Order(index, "", symbol, wish.side, "market", quantity, self.row), sized=True)

    def _book(self, order: Order) -> None:
        if order.side == "sell":
            order.quantity = self._snapped_to_holding(order.symbol, order.quantity)
            if order.quantity > self.account.unlocked(order.symbol):
                return self._reject(order.order, "", order.symbol, "insufficient_position")
            self.account.lock_position(order.symbol, order.quantity)
        else:
            lock = order.quantity * order.price * (1 + max(self.parameters.taker, self.parameters.maker))  # [A3]
            if order.is_stop:
                lock = order.quantity * order.price * (1 + self.parameters.taker)
                lock *= 1 + self.parameters.slippage.ceiling
            if lock > self.account.cash:
                return self._reject(order.order, "", order.symbol, "insufficient_balance")
            self.account.lock_cash(lock)
            order.locked_cash = lock
        self.book.append(order)
        return None

    def _fill_at_market(self, order: Order, *, sized: bool) -> None:
        symbol, series = order.symbol, self.market.series[order.symbol]
        if series.closed(self.row):
            return self._reject(order.order, "", symbol, "market_closed")
        at_open = self.parameters.fill_at == "next_open"
        base = exact(series.open[self.row]) if at_open else self.market.last_close(symbol, self.row)
        fraction = self._slippage(order)
        price = self._slipped(order, base, fraction)
        if order.side == "sell":
            order.quantity = self._snapped_to_holding(symbol, order.quantity)
            if order.quantity > self.account.unlocked(symbol):
                return self._reject(order.order, "", symbol, "insufficient_position")
        elif price * order.quantity * (1 + self.parameters.taker) > self.account.cash:
            if not sized:
                return self._reject(order.order, "", symbol, "insufficient_balance")
            affordable = self.account.cash / (price * (1 + self.parameters.taker))
            order.quantity = self.instruments[symbol].floor_quantity(affordable)
            if self._is_dust(symbol, order.quantity):
                return self._reject(order.order, "", symbol, "min_notional")
        quantity = self._within_capacity(order)
        if quantity > 0:
            self._settle(order, quantity, base, price, fraction, self.parameters.taker)
            self._activate_legs(order, quantity, None)
        return None

    # ---- the candle -------------------------------------------------------------------------------------------------

    def match(self) -> None:
        """Run the book through the four phases of the candle; every order meets it at most once."""
        filled: set[int] = set()
        for phase in PHASES:
            asked: set[int] = set()
            while True:
                waiting = [o for o in self.book if o.serial not in asked and not self._is_closed(o)]
                if not waiting:
                    break
                order = min(waiting, key=lambda one: one.age)
                asked.add(order.serial)
                execution = None if order.serial in filled else phase(order, self.market, self.row)
                if execution is not None and self._execute(order, execution, inside=phase is not at_the_open):
                    filled.add(order.serial)

    def _execute(self, order: Order, execution: Execution, *, inside: bool) -> bool:
        fraction = self._slippage(order) if execution.slips else ZERO
        price = self._slipped(order, execution.price, fraction) if execution.slips else execution.price
        if execution.clamped:
            price = min(price, order.price) if order.side == "buy" else max(price, order.price)
        fee_rate = self.parameters.maker if execution.maker else self.parameters.taker
        if order.side == "buy" and not self._cut_to_lock(order, price, fee_rate):
            return True
        quantity = self._within_capacity(order)
        if quantity == 0:
            return False
        self._free(order, quantity)
        self._settle(order, quantity, execution.price, price, fraction, fee_rate)
        order.quantity -= quantity
        if order.sibling is not None:
            order.sibling.quantity -= quantity
        if order.quantity == 0:
            self._drop(order)
        self._activate_legs(order, quantity, execution.price if inside else None)
        return True

    def _cut_to_lock(self, order: Order, price: Decimal, fee_rate: Decimal) -> bool:
        affordable = order.locked_cash / (price * (1 + fee_rate))
        if order.quantity <= affordable:
            return True
        order.quantity = self.instruments[order.symbol].floor_quantity(affordable)
        if order.quantity > 0:
            return True
        self._remove(order)
        self._reject(order.order, "", order.symbol, "insufficient_balance")
        return False

    def _activate_legs(self, parent: Order, quantity: Decimal, entry_price: Decimal | None) -> None:
        legs = []
        for leg, kind, price in (("stop", "stop_loss", parent.stop_price), ("take", "take_profit", parent.take_price)):
            if price is not None:
                legs.append(Order(parent.order, leg, parent.symbol, "sell", kind, quantity, self.row, price=price))
                legs[-1].entry_price = entry_price
        if not legs:
            return
        if len(legs) == 2:
            legs[0].sibling, legs[1].sibling = legs[1], legs[0]
        self.account.lock_position(parent.symbol, quantity)
        self.book.extend(legs)

    # ---- money ------------------------------------------------------------------------------------------------------

    def _settle(
        self, order: Order, quantity: Decimal, base: Decimal, price: Decimal, fraction: Decimal, fee_rate: Decimal
    ) -> None:
        fee = fee_rate * price * quantity
        pnl = ZERO
        if order.side == "buy":
            self.account.buy(order.symbol, quantity, price, fee)
        else:
            pnl = self.account.sell(order.symbol, quantity, price, fee)
        moved = (price / base - 1) if order.side == "buy" else (1 - price / base)
        fill = Fill(
            self.row, order.order, order.leg, order.symbol, order.side, order.type,
            quantity, price, fee, moved, fraction, pnl,
        )  # fmt: skip
        self.fills.append(fill)

    def _free(self, order: Order, quantity: Decimal) -> None:
        if order.side == "sell":
            return self.account.free_position(order.symbol, quantity)
        part = order.locked_cash if quantity == order.quantity else order.locked_cash * quantity / order.quantity
        order.locked_cash -= part
        return self.account.free_cash(part)

    def _remove(self, order: Order) -> None:
        if order in self.book:
            self._free(order, order.quantity)
            self._drop(order)

    def _drop(self, order: Order) -> None:
        self.book.remove(order)
        if order.sibling is not None:
            self.book.remove(order.sibling)

    def _slippage(self, order: Order) -> Decimal:
        value = order.quantity * self.market.last_close(order.symbol, self.row)
        draw = self.parameters.draw
        seen = Seen(
            order_value=value,
            quote_volume=self.market.quote_volume(order.symbol, self.row),
            volatility=lambda: self.market.daily_volatility(order.symbol, self.row),
            draw=lambda: draw(self.row - self.start_row, order.order, order.leg) if draw else 0.0,
        )
        return self.parameters.slippage.fraction(seen)

    def _slipped(self, order: Order, base: Decimal, fraction: Decimal) -> Decimal:
        moved = base * (ONE + fraction) if order.side == "buy" else base * (ONE - fraction)
        return self.instruments[order.symbol].round_against_trader(moved, order.side)

    def _within_capacity(self, order: Order) -> Decimal:
        left = self.capacity[order.symbol]
        if left is None:
            return order.quantity
        instrument = self.instruments[order.symbol]
        quantity = order.quantity if order.quantity <= left else instrument.floor_quantity(left)
        self.capacity[order.symbol] = left - quantity
        return quantity

    def _snapped_to_holding(self, symbol: int, quantity: Decimal) -> Decimal:
        unlocked = self.account.unlocked(symbol)
        return unlocked if abs(quantity - unlocked) <= SAME_HOLDING * self.account.positions[symbol] else quantity

    def _is_dust(self, symbol: int, quantity: Decimal) -> bool:
        value = quantity * self.market.last_close(symbol, self.row)
        return value < max(self.parameters.dust, exact(self.instruments[symbol].min_notional or 0.0))

    def _is_closed(self, order: Order) -> bool:
        return self.market.series[order.symbol].closed(self.row)

    def _next_submission(self) -> int:
        self.submissions += 1
        return self.submissions - 1

    def _reject(self, index: int, leg: str, symbol: int, reason: str) -> None:
        self.rejects.append(Rejection(self.row, index, leg, symbol, reason))


def _price(value: float | None) -> Decimal | None:
    return None if value is None else exact(value)
