"""What happens to an order: checks, locks, the market fill, the book, the candle, and the legs of brackets."""

from collections.abc import Sequence
from decimal import Decimal

from reference.account import Account
from reference.desk import Desk
from reference.inputs import ZERO, Parameters, exact
from reference.market import Market
from reference.matching import PHASES, Execution, at_the_open
from reference.orders import OPPOSITE, TYPES, Fill, Order, OrderRequest, refusal_of_form
from reference.schemes import Wish


class Broker(Desk):
    """The broker of a spot account: takes the orders of one row after another."""

    def __init__(self, market: Market, parameters: Parameters, start_row: int) -> None:
        super().__init__(market, parameters, start_row)
        self.account = Account(exact(parameters.starting_balance), len(market.series))

    def cancel(self, submission: int, leg: str = "") -> None:
        """Take an order out of the book, if it is there: the one of a submission, or one leg of its bracket [A11]."""
        for order in [one for one in self.book if (one.order, one.leg) == (submission, leg)]:
            self._remove(order)

    # ---- submitting -------------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest) -> None:
        """An explicit order: refused whole, filled at once (market), or booked with its lock."""
        if request["side"] not in OPPOSITE or request["type"] not in TYPES:
            raise ValueError(f"not a side and a type: {request['side']}, {request['type']}")
        symbol = request["symbol"]
        order = self._new_order(symbol, request["side"], request["type"], ZERO)
        reason = refusal_of_form(request, self.market.closes(self.row - 1), self.instruments)
        if reason is not None:
            return self._reject(order, reason)
        order.quantity = exact(request["quantity"])
        order.price = _price(request.get("price")) or ZERO
        order.stop_price, order.take_price = _price(request.get("stop_price")), _price(request.get("take_price"))
        if order.type == "market":
            order.fraction = self._model_fraction(order)
            return self._fill_at_market(order, sized=False)
        order.quantity = self.instruments[symbol].floor_quantity(order.quantity)
        if self._is_dust(symbol, order.quantity):
            return self._reject(order, "min_notional")
        return self._book(order)

    def submit_wishes(self, wishes: Sequence[Wish]) -> None:
        """The orders of one action: cut to what the account affords instead of being refused; sells before buys."""
        orders = []
        for wish in wishes:
            order = self._new_order(wish.symbol, wish.side, "market", wish.quantity)
            if wish.side == "sell":
                if wish.whole:
                    for one in [one for one in self.book if one.symbol == wish.symbol and one.side == "sell"]:
                        self._remove(one)
                unlocked = self.account.unlocked(wish.symbol)
                order.quantity = unlocked if wish.whole else min(wish.quantity, unlocked)
            if order.quantity > 0:  # nothing to sell is no order [A7]
                orders.append(order)
        for order in orders:
            order.fraction = self._model_fraction(order)
        for order in sorted(orders, key=lambda one: (one.side != "sell", one.symbol)):
            self._fill_at_market(order, sized=True)

    def _book(self, order: Order) -> None:
        if order.side == "sell":
            order.quantity = self._snapped_to_holding(order.symbol, order.quantity)
            if order.quantity > self.account.unlocked(order.symbol):
                return self._reject(order, "insufficient_position")
            self.account.lock_position(order.symbol, order.quantity)
        else:
            value, fee_rate = order.quantity * order.price, max(self.parameters.taker, self.parameters.maker)  # [A3]
            if order.is_stop:
                value, fee_rate = value * (1 + self.parameters.slippage.ceiling), self.parameters.taker
            lock = value + self.parameters.fee(fee_rate, value)
            if lock > self.account.cash + self.parameters.rounding:
                return self._reject(order, "insufficient_balance")
            order.locked_cash = min(lock, self.account.cash)
            self.account.lock_cash(order.locked_cash)
        self.book.append(order)
        return None

    def _fill_at_market(self, order: Order, *, sized: bool) -> None:
        symbol, series, instrument = order.symbol, self.market.series[order.symbol], self.instruments[order.symbol]
        order.quantity = instrument.floor_quantity(order.quantity)
        close = self.market.last_close(symbol, self.row)
        if sized and instrument.too_large(order.quantity, close):
            order.quantity = instrument.floor_quantity(instrument.largest(close) or ZERO)
        if order.quantity == 0 or instrument.too_small(order.quantity):
            return self._reject(order, "invalid_quantity")
        if self._is_dust(symbol, order.quantity):
            return self._reject(order, "min_notional")
        if series.closed(self.row):
            return self._reject(order, "market_closed")
        at_open = self.parameters.fill_at == "next_open"
        base = exact(series.open[self.row]) if at_open else self.market.last_close(symbol, self.row)
        price = self._slipped(order, base, order.fraction)
        if order.side == "sell":
            order.quantity = self._snapped_to_holding(symbol, order.quantity)
            if order.quantity > self.account.unlocked(symbol):
                return self._reject(order, "insufficient_position")
        elif self._cost(order, price, self.parameters.taker) > self.account.cash:
            affordable = self.parameters.value_paid(self.account.cash, self.parameters.taker) / price
            if self._is_more_than_rounding(self._cost(order, price, self.parameters.taker) - self.account.cash):
                if not sized:
                    return self._reject(order, "insufficient_balance")
                affordable = instrument.whole_lots(affordable)
                if self._is_dust(symbol, affordable):
                    return self._reject(order, "min_notional")
                if instrument.too_small(affordable):
                    return self._reject(order, "invalid_quantity")
            order.quantity = affordable
        quantity = self._within_capacity(order.symbol, order.quantity)
        if quantity > 0:
            self._settle(order, quantity, base, price, order.fraction, self.parameters.taker)
            self._activate_legs(order, quantity, None)
        return None

    # ---- the candle -------------------------------------------------------------------------------------------------

    def match(self) -> None:
        """Run the book through the four phases of the candle; every order meets it at most once."""
        for order in self.book:
            order.fraction = self._model_fraction(order)  # [A10]
        filled: set[int] = set()
        for phase in PHASES:
            asked: set[int] = set()
            while True:
                waiting = [o for o in self.book if o.number not in asked and not self._is_closed(o)]
                if not waiting:
                    break
                order = min(waiting, key=lambda one: one.number)  # by age [A14]
                asked.add(order.number)
                execution = None if order.number in filled else phase(order, self.market, self.row)
                if execution is not None and self._execute(order, execution, inside=phase is not at_the_open):
                    filled.add(order.number)

    def _execute(self, order: Order, execution: Execution, *, inside: bool) -> bool:
        fraction = order.fraction if execution.slips else ZERO
        price = self._slipped(order, execution.price, fraction) if execution.slips else execution.price
        if execution.clamped:
            price = min(price, order.price) if order.side == "buy" else max(price, order.price)
        fee_rate = self.parameters.maker if execution.maker else self.parameters.taker
        amounts = self.parameters.fee_per_trade + self.parameters.fee_minimum
        if amounts > 0 and not self._has_volume(order):
            return False  # where nothing fills, nothing is cut [A23]
        if order.side == "buy" and not self._cut_to_lock(order, price, fee_rate):
            return True
        quantity = self._within_capacity(order.symbol, order.quantity)
        if quantity == 0:
            return False
        left = self.account.positions[order.symbol] - quantity
        if order.side == "sell" and not self._is_more_than_rounding(left * price):
            quantity = self.account.positions[order.symbol]  # [A5]
        self._free(order, min(quantity, order.quantity), price, fee_rate)
        self._settle(order, quantity, execution.price, price, fraction, fee_rate)
        for one in (order, order.sibling):
            if one is not None:
                one.quantity = max(one.quantity - quantity, ZERO)
        if order.quantity == 0:
            self._drop(order)
        if order.side == "sell" and self.account.positions[order.symbol] == 0:
            for one in [one for one in self.book if one.symbol == order.symbol and one.side == "sell"]:
                self._remove(one)
        self._activate_legs(order, quantity, execution.price if inside else None)
        return True

    def _cut_to_lock(self, order: Order, price: Decimal, fee_rate: Decimal) -> bool:
        affordable = self.parameters.value_paid(order.locked_cash, fee_rate) / price
        if order.quantity <= affordable:
            return True
        if self._is_more_than_rounding(self._cost(order, price, fee_rate) - order.locked_cash):
            affordable = self.instruments[order.symbol].whole_lots(affordable)
        order.quantity = affordable
        if order.quantity == 0:
            self._remove(order)
        return order.quantity > 0

    def _activate_legs(self, parent: Order, quantity: Decimal, entry_price: Decimal | None) -> None:
        named = (("stop", "stop_loss", parent.stop_price), ("take", "take_profit", parent.take_price))
        wanted = [(leg, kind, price) for leg, kind, price in named if price is not None]
        if not wanted:
            return
        legs = [one for one in self.book if one.order == parent.order and one.leg]  # a further fill joins them [A12]
        if not legs:
            legs = [self._new_leg(parent, leg, kind, price) for leg, kind, price in wanted]
            if len(legs) == 2:
                legs[0].sibling, legs[1].sibling = legs[1], legs[0]
            self.book.extend(legs)
        self.account.lock_position(parent.symbol, quantity)
        for one in legs:
            one.quantity += quantity
            one.entered_row, one.entry_price = (-1, ZERO) if entry_price is None else (self.row, entry_price)

    # ---- money ------------------------------------------------------------------------------------------------------

    def _cost(self, order: Order, price: Decimal, fee_rate: Decimal) -> Decimal:
        value = order.quantity * price
        return value + self.parameters.fee(fee_rate, value)

    def _settle(
        self, order: Order, quantity: Decimal, base: Decimal, price: Decimal, fraction: Decimal, fee_rate: Decimal
    ) -> None:
        fee = self.parameters.fee(fee_rate, price * quantity)
        if order.side == "sell":
            fee = min(fee, price * quantity)  # a sale costs at most what it brings
        pnl = ZERO
        if order.side == "buy":
            self.account.buy(order.symbol, quantity, price, fee)
        else:
            pnl = self.account.sell(order.symbol, quantity, price, fee)
        moved = (price / base - 1) if order.side == "buy" else (1 - price / base)
        fill = Fill(
            self.row, order.number, order.order, order.leg, order.symbol, order.side, order.type,
            quantity, price, fee, moved, fraction, pnl,
        )  # fmt: skip
        self.fills.append(fill)

    def _free(self, order: Order, quantity: Decimal, price: Decimal = ZERO, fee_rate: Decimal = ZERO) -> None:
        if order.side == "sell":
            return self.account.free_position(order.symbol, quantity)
        part = order.locked_cash if quantity == order.quantity else order.locked_cash * quantity / order.quantity
        if price > 0 and quantity < order.quantity:
            # a part pays its amounts whole, and the rest of the lock has that much less
            part = min(max(part, quantity * price + self.parameters.fee(fee_rate, quantity * price)), order.locked_cash)
        order.locked_cash -= part
        return self.account.free_cash(part)

    def _remove(self, order: Order) -> None:
        if order not in self.book:
            return
        if order.sibling is None:
            self._free(order, order.quantity)
        else:
            order.sibling.sibling = None  # the lock of a pair stays with the leg that is left
        self.book.remove(order)

    def _drop(self, order: Order) -> None:
        self.book.remove(order)
        if order.sibling is not None:
            self.book.remove(order.sibling)

    def _snapped_to_holding(self, symbol: int, quantity: Decimal) -> Decimal:
        unlocked = self.account.unlocked(symbol)
        value = abs(quantity - unlocked) * self.market.last_close(symbol, self.row)
        return quantity if self._is_more_than_rounding(value) else unlocked


def _price(value: float | None) -> Decimal | None:
    return None if value is None else exact(value)
