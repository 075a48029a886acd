"""A paper account over a replay is the backtest's exchange, to the last digit, wherever it is killed."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dying import died
from test_parity import PLAYED, START, market

from stepped import SteppedFeed
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.live import FeedEnded, GrowingReplayer, ReplayFeed, SessionJournal, Slot
from tradeready_gym.live.hub import FeedHub
from tradeready_gym.live.ledger import PaperLedger
from tradeready_gym.live.orders import PaperOrder, order_id_of
from tradeready_gym.live.paper import PaperAccount
from tradeready_gym.live.risk import RiskLimits
from tradeready_gym.market import Candles
from tradeready_gym.orders import Order

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
FREE = RiskLimits(max_position_size_pct=100.0, max_order_size_pct=100.0, daily_loss_limit_pct=100.0)
HOUR = 3_600_000_000


class Killed(BaseException):
    """The process is gone."""


def account(candles: Candles, **arguments: Any) -> PaperAccount:
    """An account over a replay that goes on only when it is told to."""
    composition: dict[str, Any] = {"limits": FREE, "patience": 0.0} | arguments
    died(composition.get("journal"))
    return PaperAccount(ReplayFeed(candles, START), **composition)


def orders_at(candles: Candles, k: int) -> list[Order]:
    """What is ordered at the k-th candle: all four types, and a bracket, on every symbol in turn."""
    symbol = candles.symbols[k % len(candles.symbols)]
    row = candles.row_of(START) + k
    price = float(candles.close[k % len(candles.symbols), row - 1])
    amount = 300.0 / price
    kinds = {
        0: [Order(symbol, "buy", amount)],
        1: [Order(symbol, "buy", amount, "limit", price=0.998 * price)],
        2: [Order(symbol, "buy", amount, stop_price=0.99 * price, take_price=1.01 * price)],
        3: [Order(symbol, "sell", 0.2 * amount, "stop_loss", price=0.995 * price)],
        4: [Order(symbol, "sell", 0.1 * amount, "take_profit", price=1.004 * price)],
        5: [Order(symbol, "sell", 0.3 * amount), Order(symbol, "buy", 0.5 * amount, "stop_loss", price=1.003 * price)],
    }
    return kinds.get(k % 11, [])


def play_both(slippage: Any) -> None:
    """The same orders on an account and on the backtest's exchange: equal after every candle."""
    candles = market(SYMBOLS)
    paper = account(candles, slippage=slippage, capacity=7)
    backtest = SimulatedExchange(candles, slippage=slippage)
    backtest.reset(START)
    filled = 0
    for k in range(PLAYED):
        for order in orders_at(candles, k):
            told = paper.submit(order)
            answer = backtest.submit([order])[0]
            if told.reason != "price_unavailable":  # the exchange says market_closed
                assert (told.status, told.executed_price) == (
                    answer["status"],
                    answer.get("price") if told.fee else None,
                )
        backtest.match()
        backtest.mark()
        assert paper.advance()
        mine = paper.ledger
        assert mine.exchange.net_worth == backtest.net_worth
        assert mine.exchange.balance == backtest.balance
        assert mine.exchange.portfolio == backtest.portfolio
        filled = len(backtest.trades)
        assert len(mine.records.fills) == filled
    assert [(f.price, f.quantity, f.fee) for f in mine.records.fills] == [
        (t["price"], t["quantity"], t["fee"]) for t in backtest.trades
    ]
    assert filled > 50
    assert {fill.type for fill in mine.records.fills} == {"market", "limit", "stop_loss", "take_profit"}
    with pytest.raises(FeedEnded):
        paper.advance()


@pytest.mark.parametrize("slippage", ["volume_share", None, 0.0005])
def test_an_account_equals_the_backtest(slippage: Any) -> None:
    play_both(slippage)


def test_a_defect_in_the_candles_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = GrowingReplayer.append

    def defective(self: GrowingReplayer, slot: Slot) -> int:
        row = genuine(self, slot)
        self.rows["close"][row] *= 1.0 + 1e-12
        return row

    monkeypatch.setattr(GrowingReplayer, "append", defective)
    with pytest.raises(AssertionError):
        play_both(None)


def test_a_market_order_answers_at_once_with_the_open_of_the_running_candle() -> None:
    candles = market(gaps=False)
    paper = account(candles, slippage=None)
    told = paper.submit(Order("btcusdt", "BUY", 0.01))
    assert (told.status, told.executed_price) == ("filled", candles.open[0, candles.row_of(START)])
    assert told.filled_at == paper.ledger.clock
    assert told.order_id == order_id_of("paper", paper.ledger.clock, 1)


def test_a_late_order_meets_the_candle_that_is_running() -> None:
    candles = market(gaps=False)
    paper = account(candles, slippage=None)
    assert isinstance(paper.feed, ReplayFeed)
    paper.feed.clock.advance_to(paper.feed.now() + 2 * HOUR + 5)
    told = paper.submit(Order("BTCUSDT", "buy", 0.01))
    assert told.executed_price == candles.open[0, candles.row_of(START) + 2]


def test_the_same_client_order_id_is_the_same_order(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    first = account(market(), journal=path).submit(Order("BTCUSDT", "buy", 0.01), "mine")
    again = account(market(), journal=path)
    assert again.submit(Order("BTCUSDT", "buy", 0.01), "mine") == first
    assert len(again.ledger.records.fills) == 1


def test_in_a_gap_there_is_no_price() -> None:
    paper = account(market())
    for _ in range(78):
        paper.advance()
    assert paper.submit(Order("BTCUSDT", "buy", 0.01)).reason == "price_unavailable"


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (Order("XRPUSDT", "buy", 1.0), "unknown_symbol"),
        (Order("BTCUSDT", "buy", float("nan")), "invalid_quantity"),
        (Order("BTCUSDT", "buy", -1.0), "invalid_quantity"),
        (Order("BTCUSDT", "buy", 1.0, "limit", price=float("inf")), "invalid_price"),
        (Order("BTCUSDT", "sell", 1.0), "insufficient_position"),
        (Order("BTCUSDT", "buy", 1e6), "order_too_large"),
    ],
)
def test_what_cannot_be_done_is_rejected_by_name(order: Order, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    paper = account(market(), journal=path)
    told = paper.submit(order)
    assert (told.status, told.reason) == ("rejected", reason)
    assert account(market(), journal=path).ledger.exchange.net_worth == 10_000.0


def test_what_is_no_order_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    paper = account(market(), journal=path)
    before = path.read_bytes()
    with pytest.raises(UnknownName):
        paper.submit(Order("BTCUSDT", "hold", 1.0))
    with pytest.raises(ConfigurationError):
        paper.submit(Order("BTCUSDT", "buy", 1.0, "limit"))
    assert path.read_bytes() == before


# ---- killed anywhere ----

STEPS = 14
COLLAPSE = 9


def collapsing() -> Candles:
    """A market that loses a third in the tenth candle."""
    whole = market(SYMBOLS[:2], gaps=False)
    values = [getattr(whole, name).copy() for name in ("open", "high", "low", "close", "volume")]
    row = whole.row_of(START) + COLLAPSE
    for array in values[:4]:
        array[:, row + 1 :] *= 0.6
    values[2][:, row] *= 0.6
    values[3][:, row] *= 0.6
    return Candles.from_arrays(whole.symbols, "1h", whole.times, *values)


def begin(path: Path | None) -> PaperAccount:
    limits = RiskLimits(max_position_size_pct=50.0, daily_loss_limit_pct=5.0)
    died(path)
    return PaperAccount(ReplayFeed(collapsing(), START), journal=path, limits=limits, patience=0.0, slippage=None)


def play(paper: PaperAccount) -> list[tuple[Any, ...]]:
    """Trade to the end from wherever the account is; its books after each candle."""
    told = []
    first = market().start + market().row_of(START) * HOUR
    while (k := (paper.ledger.clock - first) // HOUR) < STEPS:
        for n, order in enumerate(_orders(k)):
            paper.submit(order, f"{k}-{n}")
        if k == 6:
            for record in list(paper.ledger.records.resting.values()):
                if record.price == 1.0:
                    paper.cancel(record.order_id)
        if k == 4 and paper.ledger.limits.max_open_orders != 7:
            paper.set_limits(RiskLimits(max_position_size_pct=50.0, daily_loss_limit_pct=5.0, max_open_orders=7))
        if k == 12 and not paper.ledger.sessions:
            paper.reset(5_000.0)
        paper.catch_up()
        paper.advance()
        told.append(books(paper.ledger))
    return told


def _orders(k: int) -> list[Order]:
    if k == 2:
        return [Order("BTCUSDT", "buy", 0.03), Order("BTCUSDT", "buy", 2.0, "limit", price=1.0)]
    return [Order("ETHUSDT", "buy", 0.2)] if k in {3, 13} else []


def books(ledger: PaperLedger) -> tuple[Any, ...]:
    record = ledger.account
    return (
        ledger.clock, float(record.equity), float(record.cash), float(record.locked_cash), ledger.killed_at, ledger.limits,
        list(ledger.records.fills), [vars(order) for order in ledger.records.orders.values()], len(ledger.sessions),
    )  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[Any, ...]], int]:
    """What an account tells that nobody kills, and how many records it writes."""
    count = [0]
    genuine = SessionJournal.write

    def counting(self: SessionJournal, kind: str, **body: Any) -> None:
        count[0] += 1
        genuine(self, kind, **body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SessionJournal, "write", counting)
        told = play(begin(tmp_path_factory.mktemp("paper") / "a.journal"))
    return told, count[0]


RECORDS = 1 + 1 + 4 + 1 + 1 + 1 + 2 + STEPS


def test_an_account_writes_a_record_for_each_thing_that_happens(undisturbed: tuple[list[Any], int]) -> None:
    told, count = undisturbed
    # begin, open, four orders, limits, a cancellation, a reset, two sales of the kill switch, and a slot for each step
    assert count == RECORDS
    assert told[COLLAPSE][4] is not None
    assert [fill.type for fill in told[COLLAPSE + 1][6]].count("market") == 4


def test_without_a_journal_it_is_the_same(undisturbed: tuple[list[Any], int]) -> None:
    assert play(begin(None)) == undisturbed[0]


@pytest.mark.parametrize("after_write", [False, True], ids=["before the record", "after the record"])
@pytest.mark.parametrize("deadly", range(1, RECORDS + 1))
def test_killed_at_any_record_nothing_is_lost_or_doubled(
    deadly: int,
    after_write: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: tuple[list[tuple[Any, ...]], int],
) -> None:
    path, count = tmp_path / "a.journal", [0]
    genuine = SessionJournal.write

    def killing(self: SessionJournal, kind: str, **body: Any) -> None:
        count[0] += 1
        if count[0] == deadly and not after_write:
            raise Killed
        genuine(self, kind, **body)
        if count[0] == deadly:
            raise Killed

    monkeypatch.setattr(SessionJournal, "write", killing)
    with pytest.raises(Killed):
        play(begin(path))
    monkeypatch.setattr(SessionJournal, "write", genuine)
    again = begin(path)
    told = play(again)
    whole = undisturbed[0]
    assert (told or [books(again.ledger)]) == whole[len(whole) - max(1, len(told)) :]


def test_the_kill_switch_sells_at_the_next_open_also_when_nobody_heard_of_it() -> None:
    paper = begin(None)
    candles = collapsing()
    paper.submit(Order("BTCUSDT", "buy", 0.06))
    rests = paper.submit(Order("BTCUSDT", "buy", 2.0, "limit", price=1.0))
    for _ in range(COLLAPSE + 2):
        paper.advance()
    sale = paper.ledger.records.fills[-1]
    assert sale.price == candles.open[0, candles.row_of(START) + COLLAPSE + 1]
    assert paper.ledger.records.orders[sale.order_id].cause == "kill_switch"
    assert (rests.status, rests.reason) == ("cancelled", "daily_loss_limit")
    assert not paper.ledger.exchange.portfolio
    assert paper.submit(Order("BTCUSDT", "buy", 0.001)).reason == "daily_loss_limit"
    paper.reset()
    assert paper.submit(Order("BTCUSDT", "buy", 0.001)).status == "filled"


def test_another_account_does_not_continue_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    account(market(), journal=path, name="mine")
    with pytest.raises(ConfigurationError, match="belongs to another session"):
        account(market(), journal=path, name="yours")


def test_listeners_hear_of_orders_and_candles() -> None:
    heard: list[tuple[str, str | None]] = []

    def listener(kind: str, order: PaperOrder | None) -> None:
        heard.append((kind, order.status if order is not None else None))

    paper = account(market(gaps=False), listener=listener)
    paper.submit(Order("BTCUSDT", "buy", 0.01))
    rests = paper.submit(Order("BTCUSDT", "buy", 2.0, "limit", price=1.0))
    paper.cancel(rests.order_id)
    paper.advance()
    assert heard == [("order", "filled"), ("order", "pending"), ("order", "cancelled"), ("portfolio", None)]


# ---- a hub ----


def test_accounts_on_one_hub_are_those_on_feeds_of_their_own() -> None:
    candles = market(SYMBOLS)
    feed = SteppedFeed(candles, START)
    hub = FeedHub(feed, kept=120)
    heard: list[int] = []
    hub.listen(lambda slot: heard.append(slot.time))
    together = [PaperAccount(hub, name=str(n), symbols=SYMBOLS[n : n + 1], limits=FREE) for n in range(2)]
    hub.start()
    alone = [
        PaperAccount(ReplayFeed(candles.select(one.symbols), START), name=one.name, limits=FREE) for one in together
    ]
    for one in [*together, *alone]:
        # 5 000 of it is locked, and it fills at the next open
        one.ledger.execute(Order(one.symbols[0], "buy", 0.05, "limit", price=1e5), {})
    feed.release(100)
    for shared, own in zip(together, alone, strict=True):
        for _ in range(100):
            assert shared.advance(timeout=5.0)
            own.advance()
        assert shared.ledger.exchange.net_worth == own.ledger.exchange.net_worth != 10_000.0
        assert shared.ledger.records.fills == own.ledger.records.fills
    hub.close()
    assert len(heard) == 100


def test_a_hub_fetches_what_was_before_it() -> None:
    candles = market(SYMBOLS[:1])
    hub = FeedHub(ReplayFeed(candles, START), kept=100)
    assert len(hub.history(50)) == 50
    early = candles.start + (candles.row_of(START) - 200) * HOUR
    slot = hub.wait(early)
    assert slot is not None
    assert slot.values[0, 0] == candles.open[0, candles.row_of(START) - 200]
    assert hub.wait(hub.clock, timeout=0.0) is None
    hub.close()
    with pytest.raises(FeedEnded, match="closed"):
        hub.wait(hub.clock, timeout=1.0)


class SilentPast(SteppedFeed):
    """Tells as much of its past as it is asked for, and while it is silent nothing until `answers` is set."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked, self.answers, self.silent = threading.Event(), threading.Event(), False

    def history(self, bars: int) -> Candles:
        if self.silent:
            self.asked.set()
            assert self.answers.wait(30.0)
        whole = super().history(bars)
        return whole.between(whole.end - bars * HOUR)


def test_who_asks_for_an_old_candle_of_a_venue_that_does_not_answer_holds_up_nobody_else() -> None:
    candles = market(SYMBOLS[:1])
    feed = SilentPast(candles, START)
    hub = FeedHub(feed, kept=100)
    hub.start()
    feed.silent = True
    row = candles.row_of(START) - 200
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.append(hub.wait(int(candles.times[row]))), daemon=True)
    asking.start()
    assert feed.asked.wait(10.0)
    feed.release(3)
    # in a thread, so that a hub that is held up fails instead of waiting for ever
    others: list[Any] = []
    new = int(candles.times[candles.row_of(START) + 2])
    other = threading.Thread(target=lambda: others.extend([hub.wait(new, timeout=5.0), hub.clock]), daemon=True)
    other.start()
    other.join(10.0)
    assert [len(others), others and others[0].time] == [2, new]
    assert hub.wait(int(candles.times[row + 1]), timeout=0.05) is None
    feed.answers.set()
    asking.join(10.0)
    assert found[0].values[0, 0] == candles.open[0, row]
    second = hub.wait(int(candles.times[row + 1]), timeout=5.0)
    assert second is not None
    hub.close()


def test_what_a_feed_has_no_candle_of_is_said_and_asked_for_once() -> None:
    candles = market(SYMBOLS[:1])
    feed, asked = SilentPast(candles, START), []
    hub = FeedHub(feed, kept=30)

    def fetch(bars: int) -> Candles:
        asked.append(bars)
        return SilentPast.history(feed, 40)

    feed.history = fetch  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError, match="has no candle of"):
        hub.wait(int(candles.times[candles.row_of(START) - 60]), timeout=1.0)
    assert len(asked) == 1
    assert hub.wait(int(candles.times[candles.row_of(START) - 40]), timeout=1.0) is not None
    hub.close()


def test_what_closes_while_old_candles_are_fetched_leaves_no_hole() -> None:
    candles = market(SYMBOLS[:1])
    feed = SilentPast(candles, START)
    hub = FeedHub(feed, kept=30)
    row = candles.row_of(START) - 60
    released: list[int] = []

    def fetch(bars: int) -> Candles:
        seen = SilentPast.history(feed, bars)
        if not released:
            released.append(50)
            feed.release(50)
            assert hub.wait(int(candles.times[candles.row_of(START) + 49]), timeout=10.0)
        return seen

    assert hub.oldest == int(candles.times[candles.row_of(START) - 30])
    hub.start()
    feed.history = fetch  # type: ignore[method-assign]
    slot = hub.wait(int(candles.times[row]), timeout=20.0)
    assert slot is not None
    assert slot.values[0, 0] == candles.open[0, row]
    assert len(released) == 1
    assert np.unique(np.diff([one.time for one in hub.kept_from(slot.time, 1_000)])).tolist() == [HOUR]
    hub.close()
