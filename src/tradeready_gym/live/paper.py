"""A paper account: the engine's own ledger and matching over a feed, without an environment, for orders of a client."""

import gc
import logging
import math
import threading
import time as wall
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypeVar

from tradeready_gym.errors import ConfigurationError, DataUnavailable, DownloadError, TradeReadyError
from tradeready_gym.exchanges.desk import order_record
from tradeready_gym.live.feed import Feed, FeedEnded
from tradeready_gym.live.hub import Selected
from tradeready_gym.live.journal import JournaledFeed, SessionJournal
from tradeready_gym.live.ledger import CAPACITY, MINUTE, ClosedSession, MarketSeen, PaperLedger
from tradeready_gym.live.orders import ClientOrderIdTaken, PaperOrder
from tradeready_gym.live.risk import Exposure, RiskLimits, refusal
from tradeready_gym.orders import Order

DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
COMPACT_BYTES = 4 * 1024 * 1024
_POLL = 0.02
_log = logging.getLogger(__name__)
Seen = TypeVar("Seen")
Listener = Callable[[str, PaperOrder | None], object]


class PaperAccount:
    """One account that trades at a feed's candles, from the newest closed one on.

    A market order fills at the open of the candle that is running, however late in it it came: its `decision_delay_ms` and
    `quote_moved_pct` say by how much that flatters. Others rest, and are matched with every candle that closes, as in a backtest.
    Methods may be called from any thread.

    Args:
        feed: where candles come from.
        name: what the ids of its orders are made of.
        symbols: what it trades, for good; by default those of BTCUSDT, ETHUSDT and SOLUSDT that the feed has, else all.
        journal: a file in which everything is written before it has an effect; one that exists is continued, with what is
            written there instead of the arguments below. It is compacted now and then.
        starting_balance, fee_rate, slippage: as in `SimulatedExchange`.
        fill_at: "book" fills market orders at the best bid and ask that the venue tells when they come; no backtest equals it.
        limits: what it may do.
        compact_bytes: how much is written into the journal until it is replaced by the account as it is.
        patience: seconds for which an order waits for the newest candle or an opening price.
        listener: called with ("order", order) after a change of an order, and ("portfolio", None) after a candle.

    Raises:
        ConfigurationError: the journal is that of another account, or another one writes it; there is no book behind the feed.
        DataUnavailable: the feed has too few candles.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        name: str = "paper",
        symbols: Sequence[str] | None = None,
        journal: str | Path | None = None,
        starting_balance: float = 10_000.0,
        fee_rate: float = 0.001,
        slippage: str | float | None = "volume_share",
        fill_at: Literal["next_open", "book"] = "next_open",
        limits: RiskLimits | None = None,
        compact_bytes: int = COMPACT_BYTES,
        patience: float = 2.0,
        capacity: int = CAPACITY,
        listener: Listener = lambda *_: None,
    ) -> None:
        if fill_at == "book" and not feed.has_book:
            raise ConfigurationError(f'fill_at="book" needs an order book; {type(feed).__name__} has none')
        chosen = tuple(symbols or [s for s in DEFAULT_SYMBOLS if s in feed.symbols] or feed.symbols)
        self.name, self.symbols, self.timeframe = name, chosen, feed.timeframe
        self.feed: Feed = feed if chosen == feed.symbols else Selected(feed, chosen)
        self._source, self._capacity = self.feed, capacity
        self._journal: SessionJournal | None = None
        self._compact_bytes = self._compact_at = compact_bytes
        self._step, self._patience, self._listener = feed.timeframe.microseconds, patience, listener
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._sold: set[tuple[str, int]] = set()
        self.ended = False
        made_of: dict[str, Any] = {
            "starting_balance": float(starting_balance),
            "fee_rate": fee_rate,
            "slippage": slippage,
            "fill_at": fill_at,
            "limits": (limits or RiskLimits()).to_plain(),
            "instruments": {s: asdict(i) for s, i in feed.instruments().items() if s in chosen},
        }
        self._made_of = made_of
        try:
            if journal is not None:
                self._journal = SessionJournal(journal)
                self.feed = self._journaled(self._journal)
            self.ledger = PaperLedger(self.feed, name, made_of, capacity)
        except BaseException:
            self.close()
            raise

    # ---- orders ----

    def submit(self, order: Order, client_order_id: str | None = None, candle: int | None = None) -> PaperOrder:
        """Take an order; what became of it at once. The same order with the same `client_order_id` again is that one, not another;
        after a `reset` ids begin anew. With `candle` it may trade in the candle that opens then, and in no other.

        `reason` of a rejected one is the exchange's, or daily_loss_limit, rate_limit_exceeded, order_too_small,
        order_too_large, position_limit_exceeded, max_open_orders_exceeded, or price_unavailable: the feed is behind, or
        nothing has been traded in this candle yet; or candle_over, or
        candle_not_begun.

        Raises:
            UnknownName, ConfigurationError: it is no order; nothing has happened.
            ClientOrderIdTaken: another order has this id; nothing has happened.
        """
        known = order_record(order, self.symbols).symbol >= 0
        problem = _malformed(order) if known else "unknown_symbol"
        deadline = wall.monotonic() + self._patience
        while problem is None:
            with self._lock:
                found = self.ledger.records.of_client(client_order_id)
                if found is not None and not found.is_that_of(order):
                    raise ClientOrderIdTaken(found)
                if found is not None:
                    return found
                self.catch_up()
                if candle is not None and self.ledger.clock > candle:
                    return self._refused(order, "candle_over")
                if candle is not None and candle >= self.ledger.clock + 2 * self._step and candle > self.feed.now():
                    return self._refused(order, "candle_not_begun")
                met = self._met_by(order) if candle in (None, self.ledger.clock) else None
                if met is not None and (order.price is not None or order.symbol.upper() in met[0]):
                    return self._take(order, *met, client_order_id)
            if self.ended or wall.monotonic() >= deadline:
                problem = "price_unavailable"
            else:
                self._stop.wait(_POLL)
        return self._refused(order, problem)

    def cancel(self, order_id: str) -> tuple[PaperOrder, float] | None:
        """Take a resting order back; the order and what it had locked, None if it does not rest."""
        with self._lock:
            self.catch_up()
            record = self.ledger.records.orders.get(order_id)
            if record is None or record.status != "pending":
                return None
            unlocked = record.locked or 0.0
            self._tell(self.ledger.cancel(record))
            return record, unlocked

    # ---- time ----

    def advance(self, timeout: float | None = 0.0) -> bool:
        """Take the next closed candle, if there is one after `timeout` seconds.

        Raises:
            FeedEnded: there will be none.
        """
        with self._lock:
            slot = self.feed.wait(self.ledger.clock, timeout)
            if slot is None:
                return False
            self._tell(self.ledger.apply(slot), portfolio=True)
            self._compact_if_large()
            return True

    def catch_up(self) -> None:
        """Take every candle that has closed by the feed's clock."""
        with self._lock:
            try:
                while self.ledger.clock + self._step <= self.feed.now() and self.advance():
                    pass
            except FeedEnded:
                self.ended = True
            self._sell_if_killed()

    def start(self) -> None:
        """Follow the feed in a thread of its own."""
        self._thread = threading.Thread(target=self._follow, name=f"tradeready-{self.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, and let another one write the journal; the feed stays open, it may be somebody else's."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if self._journal is not None:
            self._journal.close()

    # ---- the account as a whole ----

    def reset(self, starting_balance: float | None = None) -> ClosedSession:
        """Begin anew at the newest closed candle, with no position, order or kill; what the account was."""
        with self._lock:
            balance = self.ledger.exchange.starting_balance if starting_balance is None else float(starting_balance)
            ended = self.ledger.reset(balance)
            self._tell([], portfolio=True)
            return ended

    def set_limits(self, limits: RiskLimits) -> None:
        """Trade under other limits from now on."""
        with self._lock:
            self.ledger.set_limits(limits)

    def look(self, view: Callable[[PaperLedger], Seen]) -> Seen:
        """What `view` makes of the books, at one moment."""
        with self._lock:
            self.catch_up()
            return view(self.ledger)

    def compact(self) -> bool:
        """Replace the journal by one that says what the account is, instead of how it came to be; whether it was done.

        The new file is read back and must give the same account, to the last digit, before it takes the old one's place: at once
        and whole, whenever the machine stops. An account that traded since the newest candle closed is not compacted.

        Raises:
            OSError: the disk refuses; everything is as it was.
        """
        with self._lock:
            old, ledger = self._journal, self.ledger
            if old is None or ledger.account.fills or ledger.account.pending:
                return False
            contents = ledger.records_of_now()
            draft = old.draft(contents)
            feed = self._journaled(draft)
            made = PaperLedger(feed, self.name, self._made_of, self._capacity)
            if made.records_of_now() != contents:
                _log.error("the journal of %s could not be compacted: what was read back is another account", self.name)
                return False
            draft.take_place_of(old)
            self._journal, self.feed, self.ledger = draft, feed, made
            self._compact_at = draft.path.stat().st_size + self._compact_bytes
        del ledger, made
        gc.collect()  # books and exchange know one another; their arrays would wait for the collector for days
        return True

    # ---- inside ----

    def _journaled(self, journal: SessionJournal) -> JournaledFeed:
        parts = {"account": self.name, "symbols": list(self.symbols), "timeframe": self.timeframe.label}
        feed = JournaledFeed(self._source, journal, parts)
        journal.records.clear()  # the feed has its own list, and lets go of it
        return feed

    def _compact_if_large(self) -> None:
        if self._journal is None or self._journal.path.stat().st_size < self._compact_at:
            return
        # what fails now is tried again when the journal has grown
        self._compact_at = self._journal.path.stat().st_size + self._compact_bytes
        try:
            self.compact()
        except (OSError, TradeReadyError):
            _log.exception("the journal of %s could not be compacted", self.name)

    def _met_by(self, order: Order) -> tuple[dict[str, float], MarketSeen] | None:
        """At what an order fills now, by symbol, and what is seen of its market; None between two candles."""
        symbol = order.symbol.upper()
        opens = {s: price for s, price in self.feed.opening_prices().items() if s in self.symbols}
        price, prices = self.feed.prices().get(symbol), opens
        if self.ledger.fill_at == "book":
            quote = self._quote_of(symbol)
            price = None if quote is None else 0.5 * sum(quote)
            if order.price is None:
                prices = {s: value for s, value in opens.items() if s != symbol}
                if quote is not None:
                    prices[symbol] = quote[1] if order.side.lower() == "buy" else quote[0]
        # the venue may have gone on to the next candle meanwhile, whose opens these would be
        running = self.ledger.clock <= self.feed.now() < self.ledger.clock + self._step
        return (prices, MarketSeen(opens.get(symbol), price)) if running else None

    def _quote_of(self, symbol: str) -> tuple[float, float] | None:
        try:
            return self.feed.quotes().get(symbol)
        except (DownloadError, DataUnavailable):
            return None

    def _take(
        self, order: Order, prices: dict[str, float], seen: MarketSeen, client_order_id: str | None
    ) -> PaperOrder:
        symbol = order.symbol.upper()
        price = prices[symbol] if order.price is None else order.price
        reason = refusal(
            self.ledger.limits,
            self._exposure(symbol),
            value=order.quantity * price,
            buys=order.side.lower() == "buy",
            rests=order.type.lower() != "market",
        )
        if reason is not None:
            return self._refused(order, reason)
        changed = self.ledger.execute(order, prices, "client", client_order_id, seen)
        self._tell(changed)
        return changed[0]

    def _exposure(self, symbol: str) -> Exposure:
        ledger = self.ledger
        held = float(ledger.positions[self.symbols.index(symbol)].quantity) * ledger.closes[symbol]
        resting = ledger.records.resting.values()
        buys = [o.quantity * (o.price or 0.0) for o in resting if o.symbol == symbol and o.side == "buy"]
        return Exposure(
            equity=ledger.exchange.net_worth,
            position=held + math.fsum(buys),
            resting=len(ledger.records.resting),
            accepted=ledger.accepted if self.feed.now() // MINUTE == ledger.minute else 0,
            killed=ledger.killed_at is not None,
        )

    def _refused(self, order: Order, reason: str) -> PaperOrder:
        record = PaperOrder(
            "", 0, order.symbol.upper(), order.side.lower(), order.type.lower(), order.quantity, order.price, "rejected",
            self.feed.now(), reason=reason,
        )  # fmt: skip
        self._tell([record])
        return record

    def _sell_if_killed(self) -> None:
        if self.ledger.killed_at is None:
            return
        for order in self.ledger.sales():
            # once a candle: what the venue's filters refuse now, they refuse again
            attempt = order.symbol, self.ledger.clock
            met = None if attempt in self._sold else self._met_by(order)
            if met is not None and order.symbol in met[0]:
                self._sold = {done for done in self._sold if done[1] == self.ledger.clock} | {attempt}
                self._tell(self.ledger.execute(order, met[0], "kill_switch", None, met[1]))

    def _tell(self, orders: Sequence[PaperOrder], portfolio: bool = False) -> None:
        for order in orders:
            self._listener("order", order)
        if portfolio:
            self._listener("portfolio", None)

    def _follow(self) -> None:
        while not self._stop.is_set() and not self.ended:
            try:
                self.catch_up()
            except Exception:
                # such as a full disk: nothing has happened then, and it is tried again
                _log.exception("the paper account %s could not take a candle", self.name)
                self._stop.wait(1.0)
            self._stop.wait(_POLL)


def _malformed(order: Order) -> str | None:
    if not (math.isfinite(order.quantity) and order.quantity > 0.0):
        return "invalid_quantity"
    prices = (order.price, order.stop_price, order.take_price)
    return None if all(price is None or math.isfinite(price) for price in prices) else "invalid_price"
