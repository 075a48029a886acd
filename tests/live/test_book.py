"""Fills at the book's best prices, what a decision logs of the quote, and the venue's filters and weights in a live environment."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from recorded_days import HISTORY, made_day
from test_parity import START, market
from test_recorded_days import SECOND, SteppedBinance

from tradeready_gym import TradingEnvironment
from tradeready_gym.envs.live_book import BookTradingEnv
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.live import ReplayFeed, binance_rest
from tradeready_gym.live.binance_rest import BinanceRest
from tradeready_gym.live.replica import Replica
from tradeready_gym.market import Instrument, Timeframe
from tradeready_gym.orders import Order

DAY = made_day()
FILTERS = {"BTCUSDT": Instrument("BTCUSDT", lot_size=0.01, tick_size=0.25, min_notional=5000.0)}


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="tradeready_gym.live")


@contextmanager
def venue(**arguments: Any) -> Iterator[Replica]:
    """A replica whose clock goes on when it is told to, with a spread that can be seen."""
    replica = Replica(DAY.candles, DAY.start, speed=0.001, spread=0.002, **arguments)
    with replica.serving():
        yield replica


def make(replica: Replica, **arguments: Any) -> Any:
    """The registered id on this venue, bare."""
    feed = SteppedBinance(
        "BTCUSDT",
        "1m",
        rest_url=replica.rest_url,
        stream_url=replica.stream_url,
        clock=replica.clock,
        patience=1.0,
        seed=0,
    )
    plain = {"track_training": False, "disable_env_checker": True, "position_size": 0.9}
    return gym.make("TradeReady-Live-v0", feed=feed, **{**plain, **arguments}).unwrapped


def decide_late(
    env: Any, replica: Replica, action: int, seconds: int = 20
) -> tuple[dict[str, Any], tuple[float, float]]:
    """Decide so many seconds after the candle has opened; the info, and the book at that moment."""
    replica.clock.advance_to(env.clock_time + seconds * SECOND)
    book = replica.quote("BTCUSDT")
    return env.step(action)[4], book


def buy_and_sell_at_the_book(replica: Replica) -> list[dict[str, Any]]:
    """Buy, then sell, 20 seconds after the open; the infos, checked against the venue's book."""
    env = make(replica, fill_at="book")
    infos = []
    try:
        env.reset(seed=1)
        for action, side in ((1, "buy"), (2, "sell")):
            info, (bid, ask) = decide_late(env, replica, action)
            fill = info["filled_orders"][0]
            assert fill["side"] == side
            assert fill["price"] == pytest.approx(ask if side == "buy" else bid, rel=2e-8)
            assert info["bid_ask"]["BTCUSDT"] == pytest.approx([bid, ask], rel=2e-8)
            infos.append(info)
    finally:
        env.close()
    return infos


def test_orders_fill_at_the_best_ask_and_bid_of_the_moment() -> None:
    with venue() as replica:
        infos = buy_and_sell_at_the_book(replica)
    for k, info in enumerate(infos):
        open = float(DAY.candles.open[0, HISTORY + k])
        bid, ask = info["bid_ask"]["BTCUSDT"]
        assert info["decision_delay_ms"] == pytest.approx(20_000.0, abs=9_500.0)
        assert info["quote_moved_pct"]["BTCUSDT"] == pytest.approx(100.0 * (0.5 * (bid + ask) / open - 1.0))
        fill = info["filled_orders"][0]
        sign = 1.0 if fill["side"] == "buy" else -1.0
        assert fill["slippage_pct"] == pytest.approx(sign * 100.0 * (fill["price"] / open - 1.0))
        json.dumps(info)


def test_a_defect_in_the_price_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BookTradingEnv, "_price_orders", lambda self: None)
    with venue() as replica, pytest.raises(AssertionError):
        buy_and_sell_at_the_book(replica)


def test_filters_hold_at_the_book_too() -> None:
    with venue(instruments=FILTERS) as replica:
        env = make(replica, fill_at="book")
        env.reset(seed=1)
        info, (_, ask) = decide_late(env, replica, 1)
        fill = info["filled_orders"][0]
        assert fill["price"] % 0.25 == 0.0
        assert 0.0 <= fill["price"] - ask < 0.25 + 1e-6
        env.close()


def test_a_venue_that_shows_no_book_gets_no_order() -> None:
    with venue() as replica:
        env = make(replica, fill_at="book")
        env.reset(seed=1)
        # the stream is heard from the first step on; without it the next candle would come after half a minute of silence
        assert decide_late(env, replica, 0)[0]["bid_ask"] != {}
        env.feed._rest._hold(3.0)
        info, _ = decide_late(env, replica, 1)
        assert (info["filled_orders"], info["rejected_orders"][0]["reason"]) == ([], "market_closed")
        assert (info["bid_ask"], info["quote_moved_pct"]) == ({}, {"BTCUSDT": None})
        assert info["equity"] == 10_000.0
        env.close()


def test_a_person_sells_at_the_bid_without_slippage_upon_it() -> None:
    with venue() as replica:
        env = make(replica, fill_at="book")
        env.reset(seed=1)
        decide_late(env, replica, 1)
        replica.clock.advance_to(env.clock_time + 30 * SECOND)
        held = env.exchange.portfolio["BTCUSDT"]
        answer = env.exchange.submit([Order("BTCUSDT", "sell", held)])[0]
        assert answer["price"] == pytest.approx(replica.quote("BTCUSDT")[0], rel=2e-8)
        with pytest.raises(ConfigurationError, match="need a submit"):
            env.exchange.submit([Order("BTCUSDT", "buy", 0.01), Order("BTCUSDT", "sell", 0.01)])
        env.close()


def test_a_killed_session_remembers_the_book(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    with venue() as replica:
        env = make(replica, fill_at="book", journal=path)
        env.reset(seed=1)
        infos = [decide_late(env, replica, action)[0] for action in (1, 2)]
        env.close()
        again = make(replica, fill_at="book", journal=path)
        recovered = again.recover()
        assert recovered[1]["equity"] == infos[-1]["equity"]
        assert recovered[1]["bid_ask"] == infos[-1]["bid_ask"]
        assert again.exchange.trades == env.exchange.trades
        again.close()


def test_a_book_is_refused_where_there_is_none() -> None:
    with pytest.raises(ConfigurationError, match="needs a feed with an order book, .*; ReplayFeed has none"):
        gym.make("TradeReady-Live-v0", feed=ReplayFeed(market(), START), fill_at="book", track_training=False)
    with pytest.raises(UnknownName, match="no backtest equals what it fills"):
        TradingEnvironment(data=market(), timeframe="1h", fill_at="book")


# ---- what is logged of the quote without a book ----


def test_by_default_a_decision_says_how_far_the_price_had_moved() -> None:
    with venue() as replica:
        env = make(replica)
        env.reset(seed=1)
        decide_late(env, replica, 0)
        replica.clock.advance_to(env.clock_time + 40 * SECOND)
        begin, place = time.monotonic(), HISTORY + 1
        first = env.feed.prices().get("BTCUSDT")
        while env.feed.prices().get("BTCUSDT") in (first, float(DAY.candles.open[0, place])):
            assert time.monotonic() - begin < 20.0
            time.sleep(0.01)
        price = env.feed.prices()["BTCUSDT"]
        info = env.step(1)[4]
        open = float(DAY.candles.open[0, place])
        assert info["quote_moved_pct"]["BTCUSDT"] == pytest.approx(100.0 * (price / open - 1.0))
        assert info["quote_moved_pct"]["BTCUSDT"] != 0.0
        assert info["decision_delay_ms"] == pytest.approx(40_000.0, abs=9_500.0)
        env.close()


def test_in_replay_a_decision_at_the_open_meets_the_open() -> None:
    env = gym.make(
        "TradeReady-Live-v0", feed=ReplayFeed(market(), START), track_training=False, disable_env_checker=True
    ).unwrapped
    env.reset(seed=1)
    assert env.step(1)[4]["quote_moved_pct"] == {"BTCUSDT": 0.0}


# ---- filters and weights ----


def test_the_venues_filters_are_the_live_environments() -> None:
    with venue(instruments=FILTERS) as replica:
        env = make(replica)
        assert env.exchange.instruments["BTCUSDT"].min_notional == 5000.0
        env.reset(seed=1)
        quantity = env.step(1)[4]["filled_orders"][0]["quantity"]
        assert quantity == pytest.approx(round(quantity / 0.01) * 0.01, abs=1e-12)
        assert quantity > 0.0
        env.close()
        small = make(replica, position_size=0.31)
        small.reset(seed=1)
        assert small.step(1)[4]["rejected_orders"][0]["reason"] == "min_notional"
        small.close()


def ask_much(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """More questions than a venue allows in three seconds."""
    monkeypatch.setattr(binance_rest, "WEIGHT_WINDOW", 3.0)
    rest = BinanceRest(replica.rest_url, seed=0)
    rest.instruments(("BTCUSDT",))
    end = replica.clock.now()
    for _ in range(30):
        rest.klines("BTCUSDT", Timeframe("1m"), end - 10 * 60 * SECOND, end)
    assert rest.weight_limit == 60
    rest.close()


def test_the_weight_that_a_venue_allows_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    with venue(weight_limit=60, weight_window=3.0) as replica:
        ask_much(replica, monkeypatch)
        assert (replica.told.overweight, replica.told.impatient) == (0, 0)
        assert 40 < replica.told.heaviest <= 60
        assert replica.told.requests == 31


def test_a_client_that_does_not_count_its_weight_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binance_rest, "_SHARE_OF_WEIGHT", 100.0)
    with venue(weight_limit=60, weight_window=3.0) as replica:
        ask_much(replica, monkeypatch)
        assert replica.told.overweight > 0
