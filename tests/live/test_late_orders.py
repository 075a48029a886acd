"""An order says how late in its candle it came, and how far the price had moved: nobody mistakes its fill for a real one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from recorded_days import HISTORY
from test_book import DAY, venue
from test_paper import FREE, account
from test_parity import START, market

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.live import BinanceFeed, ReplayFeed
from tradeready_gym.live.hub import FeedHub
from tradeready_gym.live.ledger import MarketSeen
from tradeready_gym.live.orders import ClientOrderIdTaken
from tradeready_gym.live.paper import PaperAccount
from tradeready_gym.live.replica import Replica
from tradeready_gym.orders import Order

SECOND = 1_000_000


@contextmanager
def at_venue(replica: Replica, **arguments: Any) -> Iterator[PaperAccount]:
    """An account of one symbol behind the real client."""
    feed = BinanceFeed(
        "BTCUSDT", "1m", rest_url=replica.rest_url, stream_url=replica.stream_url, clock=replica.clock, patience=5.0, seed=0
    )  # fmt: skip
    hub = FeedHub(feed, kept=HISTORY)
    hub.start()
    try:
        yield PaperAccount(hub, slippage=None, limits=FREE, patience=5.0, **arguments)
    finally:
        hub.close()


def late(replica: Replica, paper: PaperAccount, seconds: int) -> tuple[float, float]:
    """Let so much of the running candle pass; its open, and the price that the stream has told since."""
    paper.catch_up()
    open = float(DAY.candles.open[0, HISTORY])
    replica.clock.advance_to(paper.ledger.clock + seconds * SECOND)
    begin = time.monotonic()
    while paper.feed.prices().get("BTCUSDT") in (None, open):
        assert time.monotonic() - begin < 20.0
        time.sleep(0.01)
    return open, paper.feed.prices()["BTCUSDT"]


def test_an_order_40_s_into_a_candle_fills_at_its_open_and_says_so() -> None:
    with venue() as replica, at_venue(replica) as paper:
        open, price = late(replica, paper, 40)
        told = paper.submit(Order("BTCUSDT", "buy", 0.001))
        fill = paper.ledger.records.fills[-1]
    assert (told.executed_price, told.filled_at) == (open, paper.ledger.clock)
    assert told.decision_delay_ms is not None
    assert told.decision_delay_ms == pytest.approx(40_000.0, abs=9_500.0)
    assert told.created_at == paper.ledger.clock + int(told.decision_delay_ms * 1000)
    assert told.quote_moved_pct == pytest.approx(100.0 * (price / open - 1.0))
    assert told.quote_moved_pct != 0.0
    mine = (fill.created_at, fill.decision_delay_ms, fill.quote_moved_pct)
    assert mine == (told.created_at, told.decision_delay_ms, told.quote_moved_pct)


def test_at_the_book_it_fills_at_the_ask_and_the_bid_of_the_moment() -> None:
    with venue() as replica, at_venue(replica, fill_at="book") as paper:
        open, _ = late(replica, paper, 40)
        for side, place in (("buy", 1), ("sell", 0)):
            quote = replica.quote("BTCUSDT")
            told = paper.submit(Order("BTCUSDT", side, 0.001))
            assert told.executed_price == pytest.approx(quote[place], rel=2e-8)
            sign = 1.0 if side == "buy" else -1.0
            assert told.slippage_pct == pytest.approx(sign * 100.0 * (quote[place] / open - 1.0), rel=1e-4)
            assert told.quote_moved_pct == pytest.approx(100.0 * (0.5 * sum(quote) / open - 1.0), rel=1e-4)


def test_at_the_book_there_is_no_fill_without_a_book(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="order book"):
        PaperAccount(ReplayFeed(market(), START), fill_at="book")
    with venue() as replica, at_venue(replica, fill_at="book") as paper:
        late(replica, paper, 40)
        paper._patience = 0.0
        monkeypatch.setattr(paper, "_quote_of", lambda symbol: None)
        assert paper.submit(Order("BTCUSDT", "buy", 0.001)).reason == "price_unavailable"
        rests = paper.submit(Order("BTCUSDT", "buy", 0.001, "limit", price=1000.0))
        assert (rests.status, rests.quote_moved_pct) == ("pending", None)


def test_what_was_seen_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, candles = tmp_path / "a.journal", market(gaps=False)
    paper = account(candles, journal=path)
    monkeypatch.setattr(ReplayFeed, "prices", lambda self: {"BTCUSDT": 1.01 * self.opening_prices()["BTCUSDT"]})
    assert isinstance(paper._source, ReplayFeed)
    paper._source.clock.advance_to(paper.ledger.clock + 40 * SECOND)
    told = paper.submit(Order("BTCUSDT", "buy", 0.01))
    assert told.decision_delay_ms == 40_000.0
    assert told.quote_moved_pct == pytest.approx(1.0)
    monkeypatch.setattr(ReplayFeed, "prices", lambda self: {})
    again = account(candles, journal=path)
    assert again.ledger.records.orders[told.order_id] == told
    assert again.ledger.records.fills == paper.ledger.records.fills
    # and after the journal was replaced by what the account is
    again.advance()
    assert again.compact()
    third = account(candles, journal=path)
    assert third.ledger.records.fills == paper.ledger.records.fills
    assert third.ledger.records.orders[told.order_id] == told


def test_a_journal_of_an_earlier_version_is_gone_on_with(tmp_path: Path) -> None:
    path, candles = tmp_path / "a.journal", market(gaps=False)
    paper = account(candles, journal=path)
    told = paper.submit(Order("BTCUSDT", "buy", 0.01))
    without(path, "seen", "fill_at")
    again = account(candles, journal=path)
    assert again.ledger.fill_at == "next_open"
    old = again.ledger.records.orders[told.order_id]
    assert (old.executed_price, old.quote_moved_pct, old.decision_delay_ms) == (told.executed_price, None, 0.0)


def without(path: Path, *names: str) -> None:
    """Rewrite a journal as if nobody had ever written these fields."""
    from tradeready_gym.tracking import journal

    records = journal.read(path).records
    path.unlink()
    kept = [{name: value for name, value in record.items() if name not in names} for record in records]
    journal.append(path, b"".join(map(journal.encode, kept)), sync=True)


def test_the_move_is_not_made_up() -> None:
    assert MarketSeen(100.0, 101.0).moved_pct == pytest.approx(1.0)
    assert MarketSeen(None, 101.0).moved_pct is None
    assert MarketSeen(100.0, None).moved_pct is None


# ---- ids of clients ----


@pytest.mark.parametrize(
    "other",
    [
        Order("BTCUSDT", "buy", 0.02),
        Order("BTCUSDT", "sell", 0.01),
        Order("BTCUSDT", "buy", 0.01, "limit", price=10.0),
        Order("BTCUSDT", "buy", 0.01, stop_price=10.0),
        Order("BTCUSDT", "buy", 0.01, take_price=1e6),
    ],
    ids=["quantity", "side", "type", "stop", "take"],
)
def test_an_id_that_names_another_order_is_refused_also_after_a_restart(other: Order, tmp_path: Path) -> None:
    paper = account(market(gaps=False), journal=tmp_path / "a.journal")
    first = paper.submit(Order("btcusdt", "BUY", 0.01), "mine")
    for account_ in (paper, account(market(gaps=False), journal=tmp_path / "a.journal")):
        with pytest.raises(ClientOrderIdTaken, match="mine") as refused:
            account_.submit(other, "mine")
        assert refused.value.order == first
        assert account_.submit(Order("BTCUSDT", "buy", 0.01), "mine") == first
        assert len(account_.ledger.records.fills) == 1


def test_after_a_reset_ids_begin_anew_and_those_of_orders_do_not_collide(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    paper = account(market(gaps=False), journal=path)
    first = paper.submit(Order("BTCUSDT", "buy", 0.01), "mine")
    paper.reset()
    again = account(market(gaps=False), journal=path)
    second = again.submit(Order("BTCUSDT", "buy", 0.02), "mine")
    assert second.quantity == 0.02
    assert second.filled_at == first.filled_at  # the same candle, in which ids could collide
    assert second.order_id != first.order_id
    assert [fill.order_id for fill in again.ledger.records.fills] == [second.order_id]
