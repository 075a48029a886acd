"""Venues through ccxt's own classes, pointed at local replicas: their candles are the recording's, and the backtest's."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ccxt
import gymnasium as gym
import numpy as np
import pytest
from kraken_replica import FAULTS, KrakenReplica
from recorded_days import PlayedDay, made_day
from test_recorded_days import FILTERS, Stepped, compare

from tradeready_gym.errors import ConfigurationError, DataUnavailable, DownloadError, UnknownName
from tradeready_gym.live import CcxtFeed, FeedEnded, FeedState
from tradeready_gym.live.clock import ShiftedClock
from tradeready_gym.live.feeds import make_feed
from tradeready_gym.live.replica import Replica, serve
from tradeready_gym.market import Candles, Instrument, format_time, synthetic

HISTORY, PLAYED = 220, 60


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.ERROR, logger="tradeready_gym.live")
    monkeypatch.setattr("tradeready_gym.live.ccxt_feed._REFUSED_FOR", 0.1)


class SteppedCcxt(Stepped, CcxtFeed):
    """Polling a venue whose clock stands still until a candle is waited for."""


def quarters(gaps: tuple[int, ...] = ()) -> PlayedDay:
    """Candles of 15 minutes; without those of `gaps`, counted from the start."""
    bars = HISTORY + PLAYED
    whole = synthetic(symbols=("BTCUSDT",), timeframe="15m", start="2024-01-01T00:00:00Z", bars=bars, seed=7)
    keep = np.ones(bars, np.bool_)
    keep[[HISTORY + gap for gap in gaps]] = False
    values = [np.round(getattr(whole, name)[:, keep], 8) for name in ("open", "high", "low", "close", "volume")]
    candles = Candles.from_arrays(("BTCUSDT",), "15m", whole.times[keep], *values, end=whole.end)
    return PlayedDay("15 minutes", candles, format_time(int(whole.times[HISTORY])), len(gaps))


@contextmanager
def kraken(day: PlayedDay, faults: tuple[str, ...] = ()) -> Iterator[tuple[Any, KrakenReplica]]:
    """ccxt's class for Kraken, at a replica of it."""
    replica = KrakenReplica(day.candles, day.start, faults)
    with serve(replica.app) as address:
        yield at(ccxt.kraken(), f"http://{address}"), replica


def at(venue: Any, url: str) -> Any:
    """ccxt's object, with its own throttle, at this address."""
    venue.urls["api"]["public"] = url
    venue.enableRateLimit, venue.rateLimit = True, 2
    return venue


def feed_of(venue: Any, replica: Any, **arguments: Any) -> CcxtFeed:
    return SteppedCcxt(venue, "BTC/USDT", replica.candles.timeframe, clock=replica.clock, patience=1.0, **arguments)


def test_kraken_equals_the_backtest() -> None:
    day = quarters(gaps=(20, 21))
    with kraken(day) as (venue, replica):
        feed = feed_of(venue, replica)
        counted = compare(day, feed, PLAYED)
        health = feed.health
    assert (counted["steps"], counted["gaps"], health.declared_gaps) == (PLAYED - 1, 2, 2)
    assert counted["fills"] > 10
    assert health.state is FeedState.CLOSED


def test_binance_through_ccxt_equals_the_backtest() -> None:
    day = made_day()
    replica = Replica(day.candles, day.start, speed=0.001, instruments=FILTERS)
    with replica.serving():
        venue = at(ccxt.binance({"options": {"fetchMarkets": {"types": ["spot"]}}}), f"{replica.rest_url}/api/v3")
        feed = feed_of(venue, replica)
        rule = feed.instruments()["BTCUSDT"]
        assert (rule.lot_size, rule.tick_size, rule.min_notional) == (0.00001, 0.01, 5.0)
        assert compare(day, feed, 60)["steps"] == 59


@pytest.mark.parametrize("fault", FAULTS)
def test_a_venue_that_fails_is_asked_again_and_loses_nothing(fault: str) -> None:
    day = quarters()
    with kraken(day) as (venue, replica):
        feed = feed_of(venue, replica)
        begin = int(day.candles.times[HISTORY])
        feed.history(100)
        replica.faults = [fault, fault]
        slots = [feed.wait(begin + k * feed.timeframe.microseconds) for k in range(4)]
        assert replica.told == [fault, fault]
        # what cannot be read reaches us as an empty answer
        assert (feed.health.malformed if fault == "junk" else feed.health.reconnects) == 2
        assert feed.health.declared_gaps == 0
        assert feed.health.last_problem is not None
        feed.close()
    closes = [slot.values[0, 3] for slot in slots if slot is not None]
    assert closes == day.candles.close[0, HISTORY : HISTORY + 4].tolist()


def test_a_candle_that_is_still_running_is_not_closed_whatever_our_clock_says() -> None:
    day = quarters()
    with kraken(day) as (venue, replica):
        clock = ShiftedClock(replica.clock, 0)
        feed = CcxtFeed(venue, "BTCUSDT", "15m", clock=clock, patience=1.0)
        begin = int(day.candles.times[HISTORY])
        feed.history(100)
        clock.shift(2 * feed.timeframe.microseconds)  # ours has been set forward
        assert feed.wait(begin, 0.3) is None
        assert feed.now() - replica.clock.now() < 2_000_000
        replica.clock.advance_to(begin + feed.timeframe.microseconds)
        slot = feed.wait(begin)
        assert slot is not None
        assert slot.values[0].tolist() == [
            getattr(day.candles, n)[0, HISTORY] for n in ("open", "high", "low", "close", "volume")
        ]
        assert feed.opening_prices() == {"BTCUSDT": day.candles.open[0, HISTORY + 1]}
        feed.close()
        with pytest.raises(FeedEnded):
            feed.wait(begin + feed.timeframe.microseconds)


def test_a_feed_that_believes_running_candles_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = CcxtFeed._venue_time
    monkeypatch.setattr(CcxtFeed, "_venue_time", lambda self: genuine(self) + self.timeframe.microseconds)
    day = quarters()
    with kraken(day) as (venue, replica), pytest.raises(AssertionError):
        compare(day, feed_of(venue, replica), 10)


def test_what_a_venue_hands_out_is_too_little_for_some_agents() -> None:
    day = made_day()
    with kraken(day) as (venue, replica):
        feed = feed_of(venue, replica)
        with pytest.raises(DataUnavailable, match="kraken hands out 7[12][0-9] of .* coarser timeframe"):
            feed.history(1471)
        assert len(feed.history(700)) >= 700
        feed.close()


def test_filters_and_quotes_are_the_venues() -> None:
    day = quarters()
    with kraken(day) as (venue, replica):
        feed = feed_of(venue, replica)
        rule = Instrument("BTCUSDT", lot_size=1e-6, tick_size=1e-8, min_notional=0.5, min_quantity=0.00005)
        assert feed.instruments() == {"BTCUSDT": rule}
        bid, ask = feed.quotes()["BTCUSDT"]
        price = day.candles.open[0, HISTORY]
        assert (bid, ask) == (round(price * 0.9999, 8), round(price * 1.0001, 8))
        feed.close()


def test_unknown_names_and_a_venue_that_is_away_are_named_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="unknown exchange 'krakn'.*'kraken'"):
        CcxtFeed("krakn", "BTCUSDT")
    day = quarters()
    with kraken(day) as (venue, _):
        with pytest.raises(UnknownName, match="DOGEUSDT"):
            CcxtFeed(venue, "DOGEUSDT", "15m")
        with pytest.raises(UnknownName, match="Those are what kraken offers"):
            venue.timeframes = {"1h": 60}
            CcxtFeed(venue, "BTCUSDT", "15m")
    monkeypatch.setattr("tradeready_gym.live.ccxt_feed._LONGEST_WAIT", 0.01)
    with pytest.raises(DownloadError, match="kraken failed: ExchangeNotAvailable|NetworkError"):
        CcxtFeed(at(ccxt.kraken(), "http://127.0.0.1:9"), "BTCUSDT", "1h")


def test_a_venue_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    day = quarters()
    with kraken(day) as (venue, replica):
        monkeypatch.setattr("ccxt.kraken", lambda _: venue)
        named = make_feed("ccxt:kraken", ("BTCUSDT",), "15m")
        assert isinstance(named, CcxtFeed)
        named.close()
        monkeypatch.setattr("tradeready_gym.live.ccxt_feed.WallClock", lambda: replica.clock)
        env = gym.make(
            "TradeReady-Live-v0", venue="kraken", timeframe="15m", track_training=False, disable_env_checker=True
        )
        _, info = env.reset(seed=1)
        assert info["virtual_time"] == day.start
        env.close()
    with pytest.raises(ConfigurationError, match="a feed is binance, ccxt:VENUE or replay"):
        make_feed("ccxt:", ("BTCUSDT",), "15m")
