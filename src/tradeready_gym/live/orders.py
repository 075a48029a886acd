"""What became of the orders of a paper account."""

import uuid
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tradeready_gym.errors import TradeReadyError
from tradeready_gym.orders import Fill, Order

_IDS = uuid.UUID("5b0c7f0e-6d0a-5c1b-9a54-1f4f0f6f2c11")
KEPT = 10_000


@dataclass
class PaperOrder:
    """An order of a paper account. `status` is pending, filled, cancelled or rejected; times are microseconds since 1970.

    `number` is the exchange's own id. `cause` is "client", "bracket" for an exit that came with another order, or
    "kill_switch". `filled_at` is the open of the candle in which it was filled; `created_at` is when it came by the venue's clock.
    `decision_delay_ms` is how long its candle had been open then, `quote_moved_pct` how far the price had moved from that candle's
    open; None where it is not known. `stop_price` and `take_price` are those of the bracket that was asked for.
    """

    order_id: str
    number: int
    symbol: str
    side: str
    type: str
    quantity: float
    price: float | None
    status: str
    created_at: int
    cause: str = "client"
    client_order_id: str | None = None
    locked: float | None = None
    executed_price: float | None = None
    executed_quantity: float | None = None
    slippage_pct: float | None = None
    fee: float | None = None
    realized_pnl: float | None = None
    filled_at: int | None = None
    cancelled_at: int | None = None
    reason: str | None = None
    decision_delay_ms: float | None = None
    quote_moved_pct: float | None = None
    stop_price: float | None = None
    take_price: float | None = None

    def is_that_of(self, order: Order) -> bool:
        """Whether this is what became of an order that asks for the same."""
        mine = self.symbol, self.side, self.type, self.quantity, self.price, self.stop_price, self.take_price
        return mine == (
            order.symbol.upper(), order.side.lower(), order.type.lower(), float(order.quantity), order.price,
            order.stop_price, order.take_price,
        )  # fmt: skip


@dataclass(frozen=True)
class Arrival:
    """From whom an order came and when, and what it met; see `PaperOrder`."""

    at: int
    cause: str = "client"
    client_order_id: str | None = None
    decision_delay_ms: float | None = None
    quote_moved_pct: float | None = None


class ClientOrderIdTaken(TradeReadyError):
    """An id that a client gave to one order names another one now; nothing has happened. `order` is what has the id."""

    def __init__(self, order: PaperOrder) -> None:
        super().__init__(
            f"the client order id {order.client_order_id!r} is that of another order: {order.side} {order.quantity:.12g} "
            f"{order.symbol}, {order.type}. Take an id that is new for each order; the same order again has the same answer"
        )
        self.order = order


@dataclass(frozen=True)
class PaperFill:
    """One execution; `executed_at` is the open of its candle. The last three are those of its order."""

    trade_id: str
    order_id: str
    symbol: str
    side: str
    type: str
    quantity: float
    price: float
    fee: float
    slippage_pct: float
    realized_pnl: float
    executed_at: int
    created_at: int | None = None
    decision_delay_ms: float | None = None
    quote_moved_pct: float | None = None


def order_id_of(account: str, candle: int, sequence: int) -> str:
    """The id of the `sequence`-th order of an account in the candle that opens at `candle`: always the same one."""
    return str(uuid.uuid5(_IDS, f"{account}/{candle}/{sequence}"))


class OrderRecords:
    """The orders and fills of one account, the newest `kept` of them; what rests is always kept."""

    def __init__(self, account: str, kept: int = KEPT) -> None:
        self._account, self._kept = account, kept
        self._candle, self._sequence = 0, 0
        self.clear()

    def clear(self) -> None:
        """Forget all of them; ids go on."""
        self.orders: OrderedDict[str, PaperOrder] = OrderedDict()
        self.fills: deque[PaperFill] = deque(maxlen=self._kept)
        self.resting: dict[int, PaperOrder] = {}
        self._by_client: dict[str, PaperOrder] = {}
        self._count = 0

    def of_client(self, client_order_id: str | None) -> PaperOrder | None:
        """The order to which a client gave this id."""
        return None if client_order_id is None else self._by_client.get(client_order_id)

    def add(self, order: Order, answer: Mapping[str, Any], candle: int, arrival: Arrival) -> PaperOrder:
        """Write down what the exchange answered."""
        if candle != self._candle:
            self._candle, self._sequence = candle, 0
        self._sequence += 1
        record = PaperOrder(
            order_id_of(self._account, candle, self._sequence), int(answer["order_id"]), order.symbol.upper(),
            order.side.lower(), order.type.lower(), float(order.quantity), order.price, answer["status"], arrival.at,
            arrival.cause, arrival.client_order_id, reason=answer.get("reason"),
            decision_delay_ms=arrival.decision_delay_ms, quote_moved_pct=arrival.quote_moved_pct,
            stop_price=order.stop_price, take_price=order.take_price,
        )  # fmt: skip
        self.orders[record.order_id] = record
        if record.client_order_id is not None:
            self._by_client[record.client_order_id] = record
        if record.status == "pending":
            record.locked = float(answer["locked"])
            self.resting[record.number] = record
        elif record.status == "filled":
            self._fill(record, answer, candle)
        self._drop_oldest()
        return record

    def cancelled(self, record: PaperOrder, at: int, reason: str | None = None) -> None:
        """The order rests no more."""
        record.status, record.cancelled_at, record.reason = "cancelled", at, reason
        self.resting.pop(record.number, None)

    def matched(self, fills: Iterable[Fill], candle: int) -> list[PaperOrder]:
        """Write down the fills of resting orders in a candle; the orders."""
        changed = []
        for fill in fills:
            record = self.resting.pop(fill.order_id, None)
            if record is not None:
                self._fill(record, vars(fill), candle)
                changed.append(record)
        return changed

    def settle(self, book: Iterable[Mapping[str, Any]], candle: int, at: int) -> list[PaperOrder]:
        """Compare with the exchange's book: exits that a fill has activated, and orders that ended with it; those orders."""
        changed, seen = [], set()
        for entry in book:
            seen.add(entry["order_id"])
            if entry["order_id"] not in self.resting:
                leg = Order(entry["symbol"], entry["side"], entry["quantity"], entry["type"], entry["price"])
                changed.append(self.add(leg, {"status": "pending", **entry}, candle, Arrival(at, "bracket")))
        for record in [record for number, record in self.resting.items() if number not in seen]:
            self.cancelled(record, at, "ended_with_position")
            changed.append(record)
        return changed

    def to_plain(self) -> dict[str, Any]:
        """Everything, as JSON takes it; `restore` reads it back."""
        return {
            "candle": self._candle,
            "sequence": self._sequence,
            "count": self._count,
            "orders": [asdict(order) for order in self.orders.values()],
            "fills": [asdict(fill) for fill in self.fills],
        }

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Become what `to_plain` told."""
        self.clear()
        self._candle, self._sequence, self._count = plain["candle"], plain["sequence"], plain["count"]
        for values in plain["orders"]:
            order = PaperOrder(**values)
            self.orders[order.order_id] = order
            if order.client_order_id is not None:
                self._by_client[order.client_order_id] = order
            if order.status == "pending":
                self.resting[order.number] = order
        self.fills.extend(PaperFill(**values) for values in plain["fills"])

    def _fill(self, record: PaperOrder, fill: Mapping[str, Any], candle: int) -> None:
        record.status, record.filled_at, record.locked = "filled", candle, None
        record.executed_price, record.executed_quantity = fill["price"], fill["quantity"]
        record.slippage_pct, record.fee, record.realized_pnl = fill["slippage_pct"], fill["fee"], fill["realized_pnl"]
        self._count += 1
        what = {name: float(fill[name]) for name in ("quantity", "price", "fee", "slippage_pct", "realized_pnl")}
        trade_id = f"{record.order_id}-{self._count}"
        self.fills.append(
            PaperFill(
                trade_id, record.order_id, record.symbol, record.side, record.type, **what, executed_at=candle,
                created_at=record.created_at, decision_delay_ms=record.decision_delay_ms,
                quote_moved_pct=record.quote_moved_pct,
            )
        )  # fmt: skip

    def _drop_oldest(self) -> None:
        if len(self.orders) <= self._kept + len(self.resting):
            return
        oldest = next(record for record in self.orders.values() if record.status != "pending")
        del self.orders[oldest.order_id]
        self._by_client.pop(oldest.client_order_id or "", None)
