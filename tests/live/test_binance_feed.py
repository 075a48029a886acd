"""The real client against a replica of the venue's public interface, with everything that a venue does to its clients."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import gymnasium as gym
import httpx2
import numpy as np
import pytest

from tradeready_gym import TradingEnvironment
from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.errors import DownloadError, UnknownName
from tradeready_gym.live import BinanceFeed, FeedEnded, FeedHealth, FeedState
from tradeready_gym.live.assembler import Assembler
from tradeready_gym.live.binance_rest import BinanceRest
from tradeready_gym.live.clock import ShiftedClock
from tradeready_gym.live.replica import REST_FAULTS, STREAM_FAULTS, Replica
from tradeready_gym.live.replica_wire import kline_event
from tradeready_gym.market import Candles, Instrument, Timeframe, synthetic

HISTORY, PLAYED, SPEED = 1500, 400, 240.0
START = "2024-01-02T01:00:00Z"


def recording(symbols: tuple[str, ...] = ("BTCUSDT",), gaps: tuple[int, ...] = ()) -> Candles:
    """Minutes with prices of eight decimals, as the wire has them; without the candles of `gaps`, counted from the start."""
    whole = synthetic(symbols=symbols, timeframe="1m", start="2024-01-01T00:00:00Z", bars=HISTORY + PLAYED, seed=3)
    keep = np.ones(HISTORY + PLAYED, np.bool_)
    keep[[HISTORY + slot for slot in gaps]] = False
    values = [np.round(getattr(whole, name)[:, keep], 8) for name in ("open", "high", "low", "close", "volume")]
    return Candles.from_arrays(symbols, "1m", whole.times[keep], *values, end=whole.end)


@contextmanager
def playing(
    replica: Replica, steps: int, corrected: bool = False, wrong_by: int = 0
) -> Iterator[tuple[list[str], FeedHealth]]:
    """Play and compare with the backtest of the recording; yields the clocks that were decided at, and the feed's health."""
    candles = replica.candles
    with replica.serving():
        feed = BinanceFeed(
            candles.symbols, "1m", rest_url=replica.rest_url, stream_url=replica.stream_url,
            clock=ShiftedClock(replica.clock, wrong_by), patience=20.0, seed=0,
        )  # fmt: skip
        scheme = "hold_buy_sell" if len(candles.symbols) == 1 else "per_asset_discrete"
        live = LiveTradingEnv(feed, action_scheme=scheme, history_bars=HISTORY, slippage=0.0005)
        seen, info = live.reset(seed=1)
        anchor = live._market.candles_so_far().start
        backtest = TradingEnvironment(
            data=candles.between(anchor, None), symbols=candles.symbols, timeframe="1m", slippage=0.0005,
            start_time=info["virtual_time"], action_scheme=scheme, episode_end="gymnasium",
            feature_pipeline=["candles", "balance", "position", "unrealized_pnl"],
            instruments=dict(feed.instruments()),
        )  # fmt: skip
        expected, _ = backtest.reset(seed=1)
        assert np.array_equal(seen, expected)
        backtest.action_space.seed(0)
        nothing = np.zeros_like(backtest.action_space.sample())
        clocks = []
        for _ in range(steps):
            clocks.append(info["virtual_time"])
            action = backtest.action_space.sample()
            seen, _, _, _, info = live.step(action)
            # candles that closed while the connection was away pass without a decision
            for _ in range(info["missed_candles"]):
                backtest.step(nothing)
            expected, _, _, _, told = backtest.step(action)
            # a correction that comes in time is what the agent sees, and the recording does not have it
            assert corrected or np.array_equal(seen, expected)
            assert (info["equity"], info["step"], info["virtual_time"]) == (
                told["equity"], told["step"], told["virtual_time"]
            )  # fmt: skip
        yield clocks, feed.health
        live.close()
        assert feed.health.state is FeedState.CLOSED


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="tradeready_gym.live")


def test_a_quiet_day_equals_the_backtest() -> None:
    with playing(Replica(recording(), START, speed=SPEED), 12) as (clocks, health):
        assert len(set(clocks)) == 12
        assert (health.reconnects, health.declared_gaps, health.malformed) == (0, 0, 0)


@pytest.mark.parametrize("fault", STREAM_FAULTS)
def test_no_fault_of_the_stream_loses_or_doubles_a_candle(fault: str) -> None:
    replica = Replica(recording(), START, speed=SPEED, faults={3: [fault], 6: [fault]})
    with playing(replica, 10, corrected=fault == "correction") as (clocks, health):
        assert len(set(clocks)) == 10
        assert replica.told.faults[fault] >= 1
        assert health.declared_gaps == 0
    if fault in ("disconnect", "shutdown"):
        assert health.reconnects >= 1
    if fault == "correction":
        assert health.corrections >= 1


@pytest.mark.parametrize("fault", REST_FAULTS)
def test_no_fault_of_rest_loses_or_doubles_a_candle(fault: str) -> None:
    replica = Replica(recording(), START, speed=SPEED, faults={3: [fault, "drop"], 6: [fault, "disconnect"]})
    with playing(replica, 10) as (clocks, health):
        assert len(set(clocks)) == 10
        assert replica.told.faults[fault] >= 1
        assert health.backfilled >= 1


def test_two_symbols_are_one_slot() -> None:
    replica = Replica(recording(("BTCUSDT", "ETHUSDT")), START, speed=SPEED, faults={4: ["swap"], 7: ["drop"]})
    with playing(replica, 10) as (clocks, _):
        assert len(set(clocks)) == 10


def test_a_halt_is_declared_and_nobody_decides_before() -> None:
    replica = Replica(recording(gaps=(5, 6)), START, speed=SPEED)
    with playing(replica, 14) as (clocks, health):
        assert len(set(clocks)) == 14
        assert health.declared_gaps == 2


def test_what_the_venue_denied_of_one_symbol_it_did_not_deny_of_another() -> None:
    feed = BinanceFeed(("BTCUSDT", "ETHUSDT"), "1m", patience=2.0)
    second, slot = 1_000_000, 60_000_000
    absent = Assembler(feed.symbols, slot, slot)

    def answered(symbol: str, moment: int) -> list[tuple[str, int]]:
        with feed._changed:
            feed._declare(absent, symbol, [slot], set(), moment * second)
        return absent.missing(2 * slot)

    assert len(answered("BTCUSDT", 0)) == len(answered("BTCUSDT", 16)) == 2
    # for a minute nothing is known of ETHUSDT, since its requests failed
    assert answered("BTCUSDT", 17) == answered("ETHUSDT", 60) == answered("ETHUSDT", 76) == [("ETHUSDT", slot)]
    assert answered("ETHUSDT", 77) == []
    assert feed.health.declared_gaps == 2
    feed.close()


def test_a_clock_that_is_wrong_is_measured() -> None:
    replica = Replica(recording(), START, speed=SPEED)
    with replica.serving():
        wrong = ShiftedClock(replica.clock, -30_000_000)
        feed = BinanceFeed("BTCUSDT", "1m", rest_url=replica.rest_url, stream_url=replica.stream_url, clock=wrong)
        feed.history(100)
        # half a round trip is not known; at this speed it is seconds
        assert abs(feed.health.clock_offset_us - 30_000_000) < 10_000_000
        feed.close()


def test_the_venues_filters_are_read() -> None:
    rule = Instrument(
        "BTCUSDT",
        lot_size=0.00001,
        tick_size=0.01,
        min_notional=5.0,
        min_quantity=0.0001,
        max_quantity=9000.0,
        max_notional=1e6,
    )
    replica = Replica(recording(), START, instruments={"BTCUSDT": rule})
    with replica.serving():
        rest = BinanceRest(replica.rest_url)
        assert rest.instruments(("BTCUSDT",)) == {"BTCUSDT": rule}
        with pytest.raises(UnknownName, match="DOGEUSDT"):
            rest.klines("DOGEUSDT", Timeframe("1m"), 0, 60_000_000)
        rest.close()


@pytest.mark.parametrize("price", ["0", "-5", "NaN", "Infinity"])
def test_a_running_candle_that_cannot_be_is_malformed_and_has_no_price(price: str) -> None:
    feed = BinanceFeed("BTCUSDT", "1m")
    now = feed.now()
    running, values = now // 60_000_000 * 60_000_000, (10.0, 10.0, 10.0, 10.0, 0.0)
    event = kline_event("BTCUSDT", feed.timeframe, running, values, closed=False, now=now)["data"]
    feed._take(json.dumps(event | {"k": event["k"] | {"o": price, "c": price}}))
    assert (feed.opening_prices(), feed.prices(), feed.health.malformed) == ({}, {}, 1)
    feed._take(json.dumps(event))
    assert (feed.opening_prices(), feed.prices()) == ({"BTCUSDT": 10.0}, {"BTCUSDT": 10.0})
    feed.close()


@pytest.mark.parametrize(
    ("bid", "ask"), [("0.00000000", "10.0"), ("10.0", "0.00000000"), ("11.0", "10.0"), ("NaN", "1")]
)
def test_a_book_with_an_empty_side_has_no_quote(bid: str, ask: str) -> None:
    rest = BinanceRest(wait=lambda _: None)
    entries = [
        {"symbol": "BTCUSDT", "bidPrice": bid, "askPrice": ask},
        {"symbol": "ETHUSDT", "bidPrice": "1.0", "askPrice": "1.5"},
    ]
    answer = httpx2.MockTransport(lambda _: httpx2.Response(200, json=entries))
    rest._http = httpx2.Client(base_url="http://venue", transport=answer)
    assert rest.quotes(("BTCUSDT", "ETHUSDT")) == {"ETHUSDT": (1.0, 1.5)}
    rest.close()


def test_a_venue_that_never_answers_is_a_named_error() -> None:
    rest = BinanceRest("http://127.0.0.1:9", wait=lambda _: None)
    with pytest.raises(DownloadError, match="did not answer 8 times"):
        rest.klines("BTCUSDT", Timeframe("1m"), 0, 60_000_000)
    rest.close()


def test_closing_wakes_whoever_waits() -> None:
    replica = Replica(recording(), START, speed=1.0)
    with replica.serving():
        feed = BinanceFeed(
            "BTCUSDT", "1m", rest_url=replica.rest_url, stream_url=replica.stream_url, clock=replica.clock
        )
        ended: list[Exception] = []

        def wait() -> None:
            try:
                feed.wait(replica.candles.row_of(START) * 60_000_000 + replica.candles.start)
            except FeedEnded as error:
                ended.append(error)

        waiter = threading.Thread(target=wait)
        waiter.start()
        feed.close()
        waiter.join(10.0)
        assert len(ended) == 1


def test_the_registered_id_trades_what_the_feed_brings() -> None:
    replica = Replica(recording(), START, speed=SPEED)
    with replica.serving():
        feed = BinanceFeed(
            "BTCUSDT",
            "1m",
            rest_url=replica.rest_url,
            stream_url=replica.stream_url,
            clock=replica.clock,
            patience=20.0,
        )
        env = gym.make("TradeReady-Live-v0", feed=feed, track_training=False, disable_env_checker=True)
        _, info = env.reset(seed=1)
        assert info["total_steps"] is None
        _, _, _, _, info = env.step(1)
        assert info["filled_orders"][0]["side"] == "buy"
        env.close()
