"""The books of a paper account: what they hold is a function of their journal, to the last digit.

Besides the records that a live environment writes there are

    open      what the account is made of: balance, costs, filters, limits
    limits    other limits
    snapshot  what the account was at a candle; the journal of a compacted account begins with the candles of the last days, what it
              is made of, and this
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.live.feed import Feed, Slot
from tradeready_gym.live.journal import JournaledFeed
from tradeready_gym.live.market import GrowingReplayer, LiveExchange
from tradeready_gym.live.orders import Arrival, OrderRecords, PaperOrder
from tradeready_gym.live.risk import RiskLimits
from tradeready_gym.live.snapshot import first_kept_row, plain_state, restore_state
from tradeready_gym.market import Instrument
from tradeready_gym.market.replayer import DAY_MICROSECONDS
from tradeready_gym.orders import Order

CAPACITY = 4096
MINUTE = 60_000_000
_KEPT = ("started_at", "killed_at", "opened_at", "minute", "accepted", "_day", "_day_equity")


@dataclass(frozen=True)
class MarketSeen:
    """What was known of a symbol's running candle when an order came: its open, and the newest price (the middle of the book)."""

    open: float | None = None
    price: float | None = None

    @property
    def moved_pct(self) -> float | None:
        """How far the price had moved from the open, in per cent; None where one of them is not known."""
        return None if not self.open or self.price is None else 100.0 * (self.price / self.open - 1.0)


NOTHING_SEEN = MarketSeen()


@dataclass(frozen=True)
class ClosedSession:
    """What an account was when it was reset. Times are microseconds since 1970."""

    number: int
    started_at: int
    ended_at: int
    starting_balance: float
    ending_equity: float


class PaperLedger:
    """An exchange over a feed, the records of its orders, and the kill switch; for one thread at a time.

    Every method writes down what is about to be done before it is done, if the feed is a journaled one. Making a ledger over a
    journal that exists does again what it says.

    Args:
        feed: the candles of the account's symbols.
        name: what the ids of its orders are made of.
        made_of: `starting_balance`, `fee_rate`, `slippage`, `limits`, `instruments`, `fill_at`, as plain data.
        capacity: candles that there is room for at first.
    """

    def __init__(self, feed: Feed, name: str, made_of: Mapping[str, Any], capacity: int = CAPACITY) -> None:
        self.feed, self.name, self.symbols = feed, name, feed.symbols
        self._journaled = feed if isinstance(feed, JournaledFeed) else None
        self._step = feed.timeframe.microseconds
        self._prices: Mapping[str, float] = {}
        self._about: dict[str, Any] = {}
        self._moment = self._day = 0
        self._day_equity = 0.0
        self.minute = self.accepted = 0
        self.records = OrderRecords(name)
        self.sessions: list[ClosedSession] = []
        market = GrowingReplayer(feed.history(max(2, DAY_MICROSECONDS // self._step) + 1), capacity)
        opened = self._made_of = self._opened(dict(made_of))
        self.limits = RiskLimits.from_plain(opened["limits"])
        self.exchange = LiveExchange(
            market, self._announce, self._announce_cancel, symbols=feed.symbols, timeframe=feed.timeframe,
            starting_balance=opened["starting_balance"], fee_rate=opened["fee_rate"], slippage=opened["slippage"],
            instruments={symbol: Instrument(**rule) for symbol, rule in opened["instruments"].items()},
            fill_at=opened["fill_at"],
        )  # fmt: skip
        self._begin(self.clock)
        self._recover()

    # ---- what it shows ----

    @property
    def clock(self) -> int:
        """When the newest closed candle ended, microseconds since 1970."""
        return self.exchange.live_market.clock

    @property
    def fill_at(self) -> str:
        """Where market orders fill: "next_open", the open of the running candle, or "book", the best bid or ask."""
        return self.exchange.fill_at

    @property
    def account(self) -> Any:
        """The engine's record: cash, locked_cash, equity, realized_pnl and more, marked at the newest closes."""
        return self.exchange.state.accounts[0]

    @property
    def positions(self) -> Any:
        """The engine's positions, in the order of `symbols`."""
        return self.exchange.state.positions[0]

    @property
    def closes(self) -> dict[str, float]:
        """The newest closes."""
        market = self.exchange.live_market
        return dict(zip(self.symbols, market.rows["close"][market.closed - 1].tolist(), strict=True))

    # ---- what is done to it ----

    def execute(
        self,
        order: Order,
        prices: Mapping[str, float],
        cause: str = "client",
        client_order_id: str | None = None,
        seen: MarketSeen = NOTHING_SEEN,
    ) -> list[PaperOrder]:
        """Submit an order at the opens of the candles that are running, or at the book; it, and the orders that changed with it."""
        self._prices = dict(prices)
        self._about = {"cause": cause, "client_order_id": client_order_id, "seen": asdict(seen)}
        answer = self.exchange.submit([order])[0]
        if self.fill_at == "book" and answer["status"] == "filled" and seen.open:
            worse = 1.0 if order.side.lower() == "buy" else -1.0
            answer = {**answer, "slippage_pct": worse * 100.0 * (answer["price"] / seen.open - 1.0)}
        delay = max(0, self._moment - self.clock) / 1000.0
        arrival = Arrival(self._moment, cause, client_order_id, delay, seen.moved_pct)
        record = self.records.add(order, answer, self.clock, arrival)
        if record.status != "rejected":
            minute = self._moment // MINUTE
            self.accepted = self.accepted + 1 if minute == self.minute else 1
            self.minute = minute
        return [record, *self._settled(self.clock)]

    def cancel(self, record: PaperOrder) -> list[PaperOrder]:
        """Take a resting order back; it, and the orders that ended with it."""
        self.exchange.cancel(record.number)
        self.records.cancelled(record, self._moment)
        return [record, *self._settled(self.clock)]

    def apply(self, slot: Slot) -> list[PaperOrder]:
        """Take the candle that has closed; the orders that it changed."""
        market = self.exchange.live_market
        market.append(slot)
        changed = self._sell_everything(slot.time) if self.killed_at is not None else []
        changed += self.records.matched(self.exchange.match(), slot.time)
        equity = self.exchange.mark()
        if market.full:
            self.exchange.move_to(market.with_room(len(market)))
        self.exchange.forget(CAPACITY)
        changed += self._settled(slot.time)
        if self.killed_at is None and equity <= self._day_equity * (1.0 - self.limits.daily_loss_limit_pct / 100.0):
            changed += self._kill()
        if self.clock // DAY_MICROSECONDS != self._day:
            self._day, self._day_equity = self.clock // DAY_MICROSECONDS, equity
        return changed

    def reset(self, starting_balance: float) -> ClosedSession:
        """Begin anew at the newest closed candle, with no position, order or kill; what the account was."""
        moment = self._did("reset", starting_balance=starting_balance)
        exchange = self.exchange
        ended = ClosedSession(
            len(self.sessions), self.started_at, moment, exchange.starting_balance, exchange.net_worth
        )
        self.sessions.append(ended)
        exchange.starting_balance = starting_balance
        self.records.clear()
        self._begin(moment)
        return ended

    def set_limits(self, limits: RiskLimits) -> None:
        """Trade under other limits from now on."""
        self._did("limits", limits=limits.to_plain())
        self.limits = limits

    def records_of_now(self) -> list[dict[str, Any]]:
        """A journal that gives the account as it is, between two candles, without how it came to be so.

        Raises:
            ConfigurationError: the account has no journal, or has traded since the newest candle closed.
        """
        account, market = self.account, self.exchange.live_market
        if self._journaled is None or account.fills or account.pending:
            raise ConfigurationError("an account is compacted between two candles, in its journal")
        first = first_kept_row(market.closed, market.day_bars)
        return [
            self._journaled.beginning(market.candles_so_far().between(int(market.times[first]), None)),
            {"message": "open", "at": self.started_at, **self._made_of},
            {
                "message": "snapshot",
                "at": self.clock,
                "state": plain_state(self.exchange.state, first),
                "records": self.records.to_plain(),
                "sessions": [asdict(session) for session in self.sessions],
                "limits": self.limits.to_plain(),
                "starting_balance": self.exchange.starting_balance,
                **{name: getattr(self, name) for name in _KEPT},
            },
        ]

    def sales(self) -> list[Order]:
        """The market orders that would sell everything."""
        held = zip(self.symbols, self.positions, strict=True)
        return [Order(symbol, "sell", float(p.quantity)) for symbol, p in held if p.quantity > 0.0]

    # ---- inside ----

    def _begin(self, moment: int) -> None:
        self.exchange.reset(self.clock)
        self.started_at = moment
        self.killed_at: int | None = None
        self.opened_at: dict[str, int] = {}
        self._day, self._day_equity = self.clock // DAY_MICROSECONDS, self.exchange.starting_balance

    def _opened(self, made_of: dict[str, Any]) -> dict[str, Any]:
        if self._journaled is not None and self._journaled.next_kind == "open":
            record = self._journaled.next_record() or {}
            # what a journal of an earlier version does not say was so
            made_of = {name: record[name] if name != "fill_at" else record.get(name, "next_open") for name in made_of}
        self._did("open", **made_of)
        return made_of

    def _recover(self) -> None:
        feed = self._journaled
        while feed is not None and feed.next_kind is not None:
            slot = feed.wait(self.clock) if feed.next_kind == "slot" else None
            if slot is not None:
                self.apply(slot)
            else:
                self._do_again(feed.next_record() or {})

    def _do_again(self, record: Mapping[str, Any]) -> None:
        kind = record["message"]
        if kind == "reset":
            self.reset(record["starting_balance"])
        elif kind == "limits":
            self.set_limits(RiskLimits.from_plain(record["limits"]))
        elif kind == "cancel":
            self.cancel(self.records.resting[record["order_id"]])
        elif kind == "snapshot":
            self._restore(record)
        elif kind == "order":
            order = Order(**record["orders"][0])
            seen = MarketSeen(**record.get("seen", {}))
            self.execute(order, record["prices"], record["cause"], record["client_order_id"], seen)

    def _restore(self, record: Mapping[str, Any]) -> None:
        self._did("snapshot")
        self.exchange.starting_balance = record["starting_balance"]
        self.exchange.reset(self.clock)
        restore_state(self.exchange.state, record["state"])
        account = self.account
        # there may be more or less room than there was
        account.end_row = account.data_end_row = len(self.exchange.live_market)
        self.records.restore(record["records"])
        self.sessions = [ClosedSession(**session) for session in record["sessions"]]
        self.limits = RiskLimits.from_plain(record["limits"])
        for name in _KEPT:
            setattr(self, name, record[name])

    def _did(self, kind: str, **body: Any) -> int:
        self._moment = self.feed.now() if self._journaled is None else self._journaled.did(kind, **body)
        return self._moment

    def _announce(self, orders: Sequence[Order]) -> Mapping[str, float]:
        self._did("order", orders=[asdict(order) for order in orders], prices=self._prices, **self._about)
        return self._prices

    def _announce_cancel(self, order_id: int) -> None:
        self._did("cancel", order_id=order_id)

    def _settled(self, candle: int) -> list[PaperOrder]:
        changed = self.records.settle(self.exchange.open_orders, candle, self.clock)
        for symbol, position in zip(self.symbols, self.positions, strict=True):
            if position.quantity == 0.0:
                self.opened_at.pop(symbol, None)
            else:
                self.opened_at.setdefault(symbol, candle)
        return changed

    # what follows from a candle is not written down itself: the journal has the candle

    def _kill(self) -> list[PaperOrder]:
        self.killed_at = self.clock
        changed = []
        for record in list(self.records.resting.values()):
            SimulatedExchange.cancel(self.exchange, record.number)
            self.records.cancelled(record, self.clock, "daily_loss_limit")
            changed.append(record)
        return changed

    def _sell_everything(self, candle: int) -> list[PaperOrder]:
        # at the open of a candle that has closed since: nobody heard of its open in time
        changed = []
        for order in self.sales():
            answer = SimulatedExchange.submit(self.exchange, [order])[0]
            changed.append(self.records.add(order, answer, candle, Arrival(candle, "kill_switch")))
        return changed
