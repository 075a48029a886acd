"""Candles through ccxt, against a faithful stand-in for one of its exchanges."""

import sys
from typing import Any

import numpy as np
import pytest
from market_cases import NAMES, series

from tradeready_gym.errors import ConfigurationError, DataUnavailable, DownloadError, UnknownName
from tradeready_gym.market import Candles, load_exchange, parse_time

HOUR_MS = 3_600_000
START, END = "2023-01-01T00:00:00Z", "2023-01-03T00:00:00Z"


class NetworkError(Exception):
    """What ccxt's errors that may pass derive from."""


class RateLimitExceeded(NetworkError):
    """One of them."""


class StandIn:
    """An exchange as ccxt presents it: pages from `since` on, at most `page` rows, the running candle last."""

    id = "standin"

    def __init__(self, candles: Candles, now: str = "2024-01-01T00:00:00Z", page: int = 10) -> None:
        self.timeframes = {"1h": "60", "1d": "1440"}
        self.now, self.page = parse_time(now) // 1000, page
        self.failures: list[Exception] = []
        self.calls: list[int] = []
        present = (~candles.gaps[0]).nonzero()[0]
        self.rows: list[list[Any]] = [
            [int(candles.times[row]) // 1000, *(float(getattr(candles, name)[0, row]) for name in NAMES)]
            for row in present
        ]

    def load_markets(self) -> dict[str, Any]:
        return {
            "BTC/USDT": {"base": "BTC", "quote": "USDT", "spot": True},
            "ETH/USDT": {"base": "ETH", "quote": "USDT", "spot": True},
            "BTC/USDT:USDT": {"base": "BTC", "quote": "USDT", "spot": False},
        }

    def milliseconds(self) -> int:
        return self.now

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> list[list[Any]]:
        assert (symbol, timeframe, limit) == ("BTC/USDT", "1h", 1000) or symbol == "ETH/USDT"
        self.calls.append(since)
        if self.failures:
            raise self.failures.pop(0)
        return [list(row) for row in self.rows if row[0] >= since and row[0] <= self.now][: self.page]


def load(venue: Any, symbols: Any = "BTCUSDT", end: str = END, waits: list[float] | None = None) -> Candles:
    taken = [] if waits is None else waits
    return load_exchange(venue, symbols=symbols, timeframe="1h", start=START, end=end, sleep=taken.append)


def test_pages_are_joined_into_the_range() -> None:
    venue = StandIn(series(count=100))
    candles = load(venue)
    assert np.array_equal(candles.close, series(count=48).close)
    assert len(venue.calls) == 5
    assert candles.source == "exchange standin"


def test_gaps_longer_than_a_page_are_crossed() -> None:
    without = tuple(range(5, 25))
    assert load(StandIn(series(count=60, without=without))).gaps[0].nonzero()[0].tolist() == list(without)


def test_listing_later_than_start_begins_at_the_first_candle() -> None:
    candles = load(StandIn(series("2023-01-02T00:00:00Z", count=48)))
    assert candles.start == parse_time("2023-01-02T00:00:00Z")


def test_running_candle_is_left_out() -> None:
    candles = load(StandIn(series(count=48), now="2023-01-01T10:59:59Z"))
    assert len(candles) == 10


def test_several_symbols_are_aligned_and_written_either_way() -> None:
    candles = load(StandIn(series(count=60)), ["BTC/USDT", "ethusdt"])
    assert candles.symbols == ("BTCUSDT", "ETHUSDT")


def test_errors_that_may_pass_are_tried_again() -> None:
    venue = StandIn(series(count=60))
    venue.failures = [RateLimitExceeded("slow down"), NetworkError("reset")]
    waits: list[float] = []
    assert len(load(venue, waits=waits)) == 48
    assert waits == [2.0, 4.0]
    venue.failures = [NetworkError("down")] * 5
    with pytest.raises(DownloadError, match="failed 5 times"):
        load(venue)


def test_other_errors_are_not_hidden() -> None:
    venue = StandIn(series(count=60))
    venue.failures = [PermissionError("no")]
    with pytest.raises(PermissionError):
        load(venue)


def test_incomplete_candle_is_refused() -> None:
    venue = StandIn(series(count=60))
    venue.rows[3][5] = None
    with pytest.raises(DownloadError, match="incomplete candle for BTC/USDT 2023-01-01T03:00:00Z"):
        load(venue)


def test_what_the_exchange_lacks_is_named() -> None:
    venue = StandIn(series(count=60))
    with pytest.raises(UnknownName, match="'SOLUSDT'; known: BTCUSDT, ETHUSDT"):
        load(venue, "SOLUSDT")
    with pytest.raises(UnknownName, match="'5m'; known: 1d, 1h"):
        load_exchange(venue, symbols="BTCUSDT", timeframe="5m", start=START, end=END)
    with pytest.raises(DataUnavailable, match="no complete 1h candles of BTC/USDT"):
        load(StandIn(series("2025-01-01T00:00:00Z"), now="2025-02-01T00:00:00Z"))


def test_missing_ccxt_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'tradeready-gym\[live\]'"):
        load("kraken")


def test_exchange_is_found_by_its_ccxt_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        exchanges = ("standin",)

        @staticmethod
        def standin(options: dict[str, Any]) -> StandIn:
            assert options == {"enableRateLimit": True}
            return StandIn(series(count=60))

    monkeypatch.setitem(sys.modules, "ccxt", Library)
    assert len(load("standin")) == 48
    with pytest.raises(UnknownName, match="unknown exchange 'standing'"):
        load("standing")
