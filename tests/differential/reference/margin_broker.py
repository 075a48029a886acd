"""A margin account's orders (section 12): financing, what an account affords, trades through zero, legs, liquidation.

Nothing is locked. Where section 12 leaves a choice, in addition to the [A..] of decimal_ledger.py:

[M1]  A resting order is tested with the larger of the two fee rates (A3).
[M2]  An order is an entry or an exit at the moment at which it is asked. A second stop exit whose position the first has
      closed is an entry by then, and phase (b) is over: it waits.
[M3]  A stop exit that the liquidation would precede does not execute; whether the account is liquidated is asked once, after
      (c). It is asked without a position, too: an account below zero is forgiven its debt and loses its orders.
[M4]  Whatever is cut is floored to lots, the part that closes as well. An order for which no volume is left is not cut.
[M5]  The stop leg of a parent that filled inside the candle can fill there if the parent filled before the end of (c).
[M6]  Financing belongs to no round trip. The maintenance margin and the funding times are exact: a boundary is no breach.
"""

from collections.abc import Sequence
from decimal import Decimal

from reference.desk import Desk
from reference.inputs import ZERO, Parameters, exact, liquidation_draw
from reference.margin_account import SIGN, MarginAccount
from reference.margin_matching import in_phase, inside
from reference.margin_terms import MarginTerms
from reference.market import Market
from reference.matching import Execution, at_the_open
from reference.orders import OPPOSITE, TYPES, Fill, Order, OrderRequest, refusal_of_form
from reference.schemes import Wish

DAYS_PER_YEAR = Decimal("365.25")


class MarginBroker(Desk):
    """The broker of a margin account; the same face as the spot account's."""

    def __init__(self, market: Market, parameters: Parameters, start_row: int) -> None:
        super().__init__(market, parameters, start_row)
        self.terms = parameters.margin or MarginTerms()
        self.account = MarginAccount(exact(parameters.starting_balance), len(market.series))
        self.financed_row = -1
        self.liquidation_fractions: list[Decimal] | None = None
        self.opened_inside: set[int] = set()

    def open_row(self, row: int) -> None:
        """Turn to the next candle."""
        super().open_row(row)
        self.liquidation_fractions = None
        self.opened_inside = set()

    def cancel(self, submission: int, leg: str = "") -> None:
        """Take an order out of the book, if it is there."""
        for order in [one for one in self.book if (one.order, one.leg) == (submission, leg)]:
            self._remove(order)

    # ---- submitting -------------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest) -> None:
        """An explicit order: refused whole, filled at once (market), or booked."""
        if request["side"] not in OPPOSITE or request["type"] not in TYPES:
            raise ValueError(f"not a side and a type: {request['side']}, {request['type']}")
        symbol = request["symbol"]
        if symbol < len(self.instruments):
            self._finance()  # an order for a symbol that the exchange does not know does not reach the account
        order = self._new_order(symbol, request["side"], request["type"], ZERO)
        reason = refusal_of_form(request, self.market.closes(self.row - 1), self.instruments, short_brackets=True)
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
        closes = self.market.closes(self.row - 1)
        fee_rate = max(self.parameters.taker, self.parameters.maker)
        excess = order.quantity - self._affordable(order, order.price, closes, fee_rate)
        if self._is_more_than_rounding(excess * order.price):
            return self._reject(order, "insufficient_balance")
        self.book.append(order)
        return None

    def submit_wishes(self, wishes: Sequence[Wish]) -> None:
        """The orders of one action: cut to what the account affords; sells before buys."""
        orders = []
        for wish in wishes:
            if wish.quantity <= 0 and not wish.whole:
                continue  # sized by an equity that is not there
            order = self._new_order(wish.symbol, wish.side, "market", wish.quantity)
            if wish.whole:
                for one in [one for one in self.book if one.symbol == wish.symbol and one.side == "sell"]:
                    self._remove(one)
            if wish.of_holding:
                order.quantity = min(order.quantity, self.account.positions[wish.symbol])
            if order.quantity > 0:  # nothing to sell is no order [A7]
                orders.append(order)
        for order in orders:
            order.fraction = self._model_fraction(order)
        self._quote_liquidation(orders)
        self._finance()
        for order in sorted(orders, key=lambda one: (one.side != "sell", one.symbol)):
            self._fill_at_market(order, sized=True)

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
        cut = self._cut(order, price, self.parameters.taker)
        if cut and not sized:
            return self._reject(order, "insufficient_balance")
        if cut and self._is_dust(symbol, order.quantity):
            return self._reject(order, "min_notional")
        if cut and instrument.too_small(order.quantity):
            return self._reject(order, "invalid_quantity")
        quantity = self._within_capacity(symbol, order.quantity)
        if quantity > 0:
            self._settle(order, quantity, base, price, order.fraction, self.parameters.taker)
            self._activate_legs(order, quantity, None)
        return None

    # ---- what the account affords -----------------------------------------------------------------------------------

    def _prices(self) -> list[Decimal]:
        if self.parameters.fill_at == "close":
            return self.market.closes(self.row - 1)
        return [exact(one.open[self.row]) for one in self.market.series]

    def _affordable(self, order: Order, price: Decimal, others: list[Decimal], fee_rate: Decimal) -> Decimal:
        account, sign, leverage = self.account, SIGN[order.side], exact(self.terms.leverage)
        closing = account.closed_by(order.symbol, order.side, order.quantity)
        prices = [price if symbol == order.symbol else other for symbol, other in enumerate(others)]
        own = account.positions[order.symbol] * price
        room = leverage * account.equity(prices) - (account.gross(prices) - abs(own)) - sign * own
        amounts = exact(self.parameters.fee_per_trade), exact(self.parameters.fee_minimum)
        by_rate = (room - leverage * amounts[0]) / (1 + leverage * fee_rate)
        return max(min(by_rate, room - leverage * amounts[1]) / price, closing)

    def _cut(self, order: Order, price: Decimal, fee_rate: Decimal) -> bool:
        affordable = self._affordable(order, price, self._prices(), fee_rate)
        if order.quantity <= affordable:
            return False
        if affordable > 0 and not self._is_more_than_rounding((order.quantity - affordable) * price):
            order.quantity = affordable
            return False
        if not self._is_more_than_rounding(affordable * price):
            affordable = ZERO
        order.quantity = self.instruments[order.symbol].whole_lots(affordable)
        return True

    # ---- the candle -------------------------------------------------------------------------------------------------

    def match(self) -> None:
        """Run the book through the four phases of the candle, with the maintenance margin after the third."""
        if self.liquidation_fractions is None:
            self._quote_liquidation([])
        self._finance()
        for order in self.book:
            order.fraction = self._model_fraction(order)
        filled: set[int] = set()
        for phase in "abcd":
            self._run_phase(phase, filled)
            if phase == "c" and not self._keeps_margin(self._worst_prices()):
                self._liquidate()

    def _run_phase(self, phase: str, filled: set[int]) -> None:
        asked: set[int] = set()
        while True:
            waiting = [o for o in self.book if o.number not in asked and not self._is_closed(o)]
            if not waiting:
                return
            order = min(waiting, key=lambda one: one.number)
            asked.add(order.number)
            execution = None if order.number in filled else self._execution(order, phase)
            if execution is not None and self._execute(order, execution, inside=phase != "a"):
                filled.add(order.number)

    def _execution(self, order: Order, phase: str) -> Execution | None:
        if phase == "a":
            return at_the_open(order, self.market, self.row)
        if not in_phase(order, phase, self.account.positions[order.symbol]):
            return None
        if phase == "d" and (order.entered_inside(self.row) or order.symbol in self.opened_inside):
            return None
        execution = inside(order, self.market, self.row)
        if phase == "c" and execution is not None:
            prices = self._worst_prices()
            prices[order.symbol] = order.price
            return execution if self._keeps_margin(prices) else None
        return execution

    def _execute(self, order: Order, execution: Execution, *, inside: bool) -> bool:
        if not self._has_volume(order):
            return False  # nothing fills, so nothing is cut
        fraction = order.fraction if execution.slips else ZERO
        price = self._slipped(order, execution.price, fraction) if execution.slips else execution.price
        if execution.clamped:
            price = min(price, order.price) if order.side == "buy" else max(price, order.price)
        fee_rate = self.parameters.maker if execution.maker else self.parameters.taker
        wanted = self.account.closed_by(order.symbol, order.side, order.quantity)
        if not order.leg:
            self._cut(order, price, fee_rate)
            wanted = order.quantity
        if wanted == 0:
            self._remove(order)
            return True
        quantity = self._within_capacity(order.symbol, wanted)
        if quantity == 0:
            return False
        held = self.account.positions[order.symbol]
        for one in (order, order.sibling):
            if one is not None:
                left = one.quantity - quantity
                one.quantity = left if self._is_more_than_rounding(left * price) else ZERO
        self._settle(order, quantity, execution.price, price, fraction, fee_rate)
        if inside and held * self.account.positions[order.symbol] <= 0:
            self.opened_inside.add(order.symbol)
        if order.quantity == 0 and order in self.book:
            self._drop(order)
        self._activate_legs(order, quantity, execution.price if inside else None)
        return True

    # ---- financing, maintenance, liquidation ------------------------------------------------------------------------

    def _finance(self) -> None:
        if self.financed_row == self.row:
            return
        self.financed_row = self.row
        closes, terms, days = self.market.closes(self.row - 1), self.terms, self.parameters.bars_per_day
        if terms.funding_history is not None:
            held = enumerate(zip(self.account.positions, closes, strict=True))
            due = [terms.funding_due(symbol, self.row, days) * q * close for symbol, (q, close) in held]
            self.account.finance(sum(due, ZERO))
            return
        if terms.funding_rate is not None:
            value = sum((q * close for q, close in zip(self.account.positions, closes, strict=True)), ZERO)
            self.account.finance(terms.funding_times(self.row, days) * exact(terms.funding_rate) * value)
            return
        shorts = sum((-q * close for q, close in zip(self.account.positions, closes, strict=True) if q < 0), ZERO)
        rate = exact(terms.annual_borrow_rate) / (DAYS_PER_YEAR * days)
        self.account.finance(rate * (max(-self.account.cash, ZERO) + shorts))

    def _worst_prices(self) -> list[Decimal]:
        rows = zip(self.account.positions, self.market.series, strict=True)
        return [exact(one.low[self.row] if held > 0 else one.high[self.row]) for held, one in rows]

    def _keeps_margin(self, prices: list[Decimal]) -> bool:
        return self.account.equity(prices) >= exact(self.terms.maintenance) * self.account.gross(prices)

    def _quote_liquidation(self, orders: list[Order]) -> None:
        self.liquidation_fractions = []
        for symbol, held in enumerate(self.account.positions):
            added = sum((SIGN[one.side] * one.quantity for one in orders if one.symbol == symbol), ZERO)
            quantity = max(abs(held), abs(held + added))
            self.liquidation_fractions.append(self._quoted(symbol, quantity, liquidation_draw(symbol)))

    def _liquidate(self) -> None:
        assert self.liquidation_fractions is not None
        for symbol, worst in enumerate(self._worst_prices()):
            held, fraction = self.account.positions[symbol], self.liquidation_fractions[symbol]
            if held != 0:
                side = "sell" if held > 0 else "buy"
                self.numbers += 1
                order = Order(self.numbers, -1, "", symbol, side, "liquidation", abs(held), self.row)
                price = self._slipped(order, worst, fraction)
                fee_rate = self.parameters.taker + exact(self.terms.liquidation_fee)
                self._settle(order, abs(held), worst, price, fraction, fee_rate)
        self.book.clear()
        self.account.write_off()

    # ---- trades and legs --------------------------------------------------------------------------------------------

    def _settle(
        self, order: Order, quantity: Decimal, base: Decimal, price: Decimal, fraction: Decimal, fee_rate: Decimal
    ) -> None:
        held, sign = self.account.positions[order.symbol], SIGN[order.side]
        if sign * held < 0 and not self._is_more_than_rounding(abs(held + sign * quantity) * price):
            quantity = abs(held)
        fee = self.parameters.fee(fee_rate, price * quantity)
        pnl = self.account.trade(order.symbol, order.side, quantity, price, fee)
        fill = Fill(
            self.row, order.number, order.order, order.leg, order.symbol, order.side, order.type,
            quantity, price, fee, sign * (price / base - 1), fraction, pnl,
        )  # fmt: skip
        self.fills.append(fill)
        for leg in [one for one in self.book if one.symbol == order.symbol and one.leg]:
            if self.account.closed_by(leg.symbol, leg.side, leg.quantity) == 0:
                self._remove(leg)

    def _activate_legs(self, parent: Order, quantity: Decimal, entry_price: Decimal | None) -> None:
        named = (("stop", "stop_loss", parent.stop_price), ("take", "take_profit", parent.take_price))
        wanted = [(leg, kind, price) for leg, kind, price in named if price is not None]
        opened = self.account.closed_by(parent.symbol, OPPOSITE[parent.side], quantity)
        if not wanted or opened == 0:
            return
        legs = [one for one in self.book if one.order == parent.order and one.leg]
        if not legs:
            legs = [self._new_leg(parent, leg, kind, price) for leg, kind, price in wanted]
            if len(legs) == 2:
                legs[0].sibling, legs[1].sibling = legs[1], legs[0]
            self.book.extend(legs)
        for one in legs:
            one.quantity += opened
            one.entered_row, one.entry_price = (-1, ZERO) if entry_price is None else (self.row, entry_price)

    def _remove(self, order: Order) -> None:
        self.book.remove(order)
        if order.sibling is not None:
            order.sibling.sibling = None

    def _drop(self, order: Order) -> None:
        self.book.remove(order)
        if order.sibling is not None:
            self.book.remove(order.sibling)


def _price(value: float | None) -> Decimal | None:
    return None if value is None else exact(value)
