"""A session in memory: its account, its orders, and what its journal can make it do."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy.typing as npt

from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.market import DataReplayer
from tradeready_gym.orders import Order
from tradeready_gym.platform.api.wire import decimal_text, exact_text
from tradeready_gym.platform.errors import BadRequest
from tradeready_gym.platform.sessions.account import UNAFFORDABLE, BacktestAccount

Kind = Literal["start", "order", "cancel_order", "step"]


@dataclass(frozen=True)
class Entry:
    """One line of a journal: what a client did."""

    kind: Kind
    body: dict[str, Any]


@dataclass
class OrderRecord:
    """What became of an order. `status` is pending, filled, cancelled or rejected; times are clocks in microseconds."""

    order_id: int
    symbol: str
    side: str
    type: str
    quantity: float
    price: float | None
    status: str
    created_at: int
    executed_price: float | None = None
    executed_qty: float | None = None
    fee: float | None = None
    realized_pnl: float | None = None
    filled_at: int | None = None
    reason: str | None = None


@dataclass
class Stepped:
    """What a number of steps did: the fills since the step before, and those among them that rested until then."""

    executed: int
    fills: npt.NDArray[Any]
    triggered: list[OrderRecord] = field(default_factory=list)


class Session:
    """A backtest that is being traded.

    The same entries in the same order give the same session, to the last digit: `length` is how many there were, and
    `tail` how many steps the last of them took (0 if it was something else).
    """

    def __init__(self, id: str, account_id: str, exchange: SimulatedExchange, replayer: DataReplayer, row: int) -> None:
        self.id, self.account_id = id, account_id
        self.account = BacktestAccount(exchange, replayer, row)
        self.symbols = exchange.symbols
        self.orders: dict[int, OrderRecord] = {}
        self.pending: set[int] = set()
        self.length = self.tail = 0

    @property
    def is_complete(self) -> bool:
        """Whether the last candle has been traded."""
        return self.account.steps >= self.account.total_steps

    def count(self, entry: Entry) -> None:
        """Take note that `entry` is in the journal; steps that follow steps lengthen the entry that is there."""
        joins = self.joins(entry)
        self.tail = (self.tail if joins else 0) + int(entry.body.get("steps", 0))
        self.length += 0 if joins else 1

    def joins(self, entry: Entry) -> bool:
        """Whether `entry` is written into the last line of the journal instead of a new one."""
        return entry.kind == "step" and self.tail > 0

    # ---- what a client does ----

    def submit(self, body: dict[str, Any]) -> OrderRecord:
        """Take an order; `body` holds symbol, side, type, quantity and price (None for a market order).

        Raises:
            BadRequest: INSUFFICIENT_BALANCE, or ORDER_REJECTED where there is no room; the session is as it was.
        """
        order = Order(body["symbol"], body["side"], body["quantity"], body["type"], body["price"])
        answer = self.account.submit(order)
        if answer.get("reason") in UNAFFORDABLE:
            raise self._unaffordable(order, str(answer["reason"]))
        if answer["order_id"] == 0:
            raise BadRequest(
                "too many orders since the last step; step first", code="ORDER_REJECTED", reason="risk_limit"
            )
        record = OrderRecord(
            answer["order_id"], order.symbol, order.side, order.type, order.quantity, order.price, answer["status"],
            self.account.clock, reason=answer.get("reason"),
        )  # fmt: skip
        self.orders[record.order_id] = record
        if record.status == "pending":
            self.pending.add(record.order_id)
        elif record.status == "filled":
            self._write_fill(record, self.account.last_fill)
        return record

    def cancel_order(self, order_id: int) -> bool:
        """Take a resting order back; False if it does not rest."""
        if not self.account.cancel(order_id):
            return False
        self.orders[order_id].status = "cancelled"
        self.pending.discard(order_id)
        return True

    def step(self, candles: int) -> Stepped:
        """Go on by so many candles, or to the end."""
        before = self.account.steps
        fills = self.account.advance(candles)
        triggered = []
        for fill in fills:
            record = self.orders[int(fill["order_id"])]
            if record.order_id in self.pending:
                self._write_fill(record, fill)
                self.pending.discard(record.order_id)
                triggered.append(record)
        self._drop_ended()
        return Stepped(self.account.steps - before, fills, triggered)

    def replay(self, entry: Entry) -> None:
        """Do again what the journal says was done."""
        if entry.kind == "order":
            self.submit(entry.body)
        elif entry.kind == "cancel_order":
            self.cancel_order(int(entry.body["order_id"]))
        elif entry.kind == "step":
            self.step(int(entry.body["steps"]))

    # ---- records ----

    def _write_fill(self, record: OrderRecord, fill: Any) -> None:
        record.status = "filled"
        record.executed_price, record.executed_qty = float(fill["price"]), float(fill["quantity"])
        record.fee, record.realized_pnl = float(fill["fee"]), float(fill["realized_pnl"])
        record.filled_at = self.account.time_of(int(fill["row"]))

    def _drop_ended(self) -> None:
        # a sale ends with the position, a stop buy whose price outran its lock with its lock
        if self.pending:
            resting = {int(order["order_id"]) for order in self.account.resting}
            for order_id in self.pending - resting:
                self.orders[order_id].status = "cancelled"
            self.pending &= resting

    def _unaffordable(self, order: Order, reason: str) -> BadRequest:
        base, quote = assets(order.symbol)
        account, place = self.account.record, self.symbols.index(order.symbol)
        if reason == "insufficient_position":
            position = self.account.state.positions[0][place]
            needed, available, asset = order.quantity, float(position.quantity - position.locked), base
        else:
            needed, available, asset = self.account.cost_of(order, place), float(account.cash), quote
        text = exact_text if asset == base else decimal_text
        return BadRequest(
            f"{order.side} {order.quantity:.12g} {order.symbol} needs {needed:.12g} {asset}; {available:.12g} is available",
            code="INSUFFICIENT_BALANCE",
            asset=asset,
            required=text(needed),
            available=text(available),
            reason=reason,
        )


_QUOTES = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "EUR", "BTC", "ETH", "BNB")


def assets(symbol: str) -> tuple[str, str]:
    """Base and quote asset of a symbol; one that ends in no known quote is quoted in USDT."""
    for quote in _QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol.removesuffix(quote), quote
    return symbol, "USDT"
