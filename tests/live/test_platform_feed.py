"""A platform's feed, listened to over loopback: the same numbers as the backtest's, and nothing lost, doubled or invented."""

import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
import httpx2
import numpy as np
import pytest
from cutting_proxy import CuttingProxy
from paper_serving import Paper, attach, recording, until
from serving import serving
from test_kill import process
from test_parity import SAME

from stepped import SteppedFeed
from tradeready_gym import TradingEnvironment
from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.errors import (
    ConfigurationError,
    DataUnavailable,
    PlatformRefused,
    PlatformUnavailable,
    TradeReadyError,
    UnknownName,
)
from tradeready_gym.live import FeedEnded, FeedState, PlatformFeed
from tradeready_gym.live.platform_rest import PlatformRest
from tradeready_gym.market import Candles, Instrument, load_sample, parse_time
from tradeready_gym.platform.api import feed as routes
from tradeready_gym.platform.app import PREFIX

START, MINUTE = "2024-01-03T00:00:00Z", 60_000_000
BEFORE, HOUR = 2 * 1440, 3_600_000_000
FILTERS = {"BTCUSDT": Instrument("BTCUSDT", lot_size=0.00001, tick_size=0.01, min_notional=5.0, max_quantity=1e6 / 3)}
FEATURES = ["candles", "rsi_14", "balance", "position", "unrealized_pnl"]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="tradeready_gym.live")


def halted(symbols: tuple[str, ...] = ("BTCUSDT",)) -> Candles:
    """Four days of minutes, in all of a double's digits; in the third the venue halts for a while."""
    whole = recording().select(symbols)
    keep = np.ones(len(whole), np.bool_)
    keep[BEFORE + 12 : BEFORE + 17] = False
    values = [getattr(whole, name)[:, keep] * (4 / 3) for name in ("open", "high", "low", "close", "volume")]
    return Candles.from_arrays(symbols, "1m", whole.times[keep], *values, end=whole.end)


@contextmanager
def platform(home: Path, candles: Candles | None = None) -> Iterator[Paper]:
    """A platform with a feed that closes its candles when it is told to."""
    feed = SteppedFeed(halted() if candles is None else candles, START, instruments=FILTERS)
    with serving(home, ingest_journals=False) as served:
        attach(served.platform, feed)
        yield Paper(served, feed)


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[Paper]:
    """A platform of this test's own."""
    with platform(tmp_path / "home") as server:
        yield server


@pytest.fixture
def closing(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> Paper:
    """As `paper`, where a candle closes when a feed waits for it."""
    close_when_waited_for(paper, monkeypatch)
    return paper


def close_when_waited_for(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a candle of the platform close when a feed waits for it."""
    genuine = PlatformFeed.wait

    def wait(self: PlatformFeed, time: int, timeout: float | None = None) -> Any:
        ends = time + self.timeframe.microseconds
        if paper.feed.now() < ends:
            paper.release((ends - paper.feed.now()) // self.timeframe.microseconds)
        return genuine(self, time, timeout)

    monkeypatch.setattr(PlatformFeed, "wait", wait)


def made(paper: Paper, **arguments: Any) -> LiveTradingEnv:
    """The environment of the registered id, at this platform."""
    named: dict[str, Any] = {"pairs": paper.feed.symbols, "observation_features": FEATURES, "history_bars": BEFORE}
    named |= {"api_key": paper.served.key, "base_url": paper.served.url, "disable_env_checker": True}
    env = gym.make("TradeReady-Live-v0", **named | arguments)
    assert isinstance(env.unwrapped, LiveTradingEnv)
    return env.unwrapped


def feed_of(paper: Paper) -> PlatformFeed:
    return PlatformFeed(paper.served.url, paper.served.key, paper.feed.symbols, "1m")


def compare(live: LiveTradingEnv, candles: Candles, steps: int, **arguments: Any) -> int:
    """Play the recording live and as a backtest, with the same actions; how many steps were equal."""
    backtest = TradingEnvironment(
        data=candles, symbols=candles.symbols, timeframe=candles.timeframe, start_time=START, episode_end="gymnasium",
        feature_pipeline=FEATURES, instruments=dict(live.feed.instruments()), **arguments,
    )  # fmt: skip
    expected, told = backtest.reset(seed=3)
    seen, info = live.reset(seed=3)
    assert np.array_equal(seen, expected)
    backtest.action_space.seed(3)
    for step in range(steps):
        action = backtest.action_space.sample()
        expected, reward, *_, told = backtest.step(action)
        seen, paid, *_, info = live.step(action)
        assert np.array_equal(seen, expected), step
        assert paid == reward, step
        assert {name: info[name] for name in SAME} == {name: told[name] for name in SAME}, step
        assert info["missed_candles"] == 0
    return len(backtest.exchange.trades)


# ---- parity ----


def test_the_registered_id_with_a_key_equals_the_backtest(closing: Paper) -> None:
    live = made(closing, reward_function="sharpe", strategy_label="at the platform")
    assert dict(live.feed.instruments()) == FILTERS
    assert compare(live, closing.feed.candles, 60, reward_scheme="sharpe") > 10
    health = live.feed.health
    assert (health.declared_gaps, health.duplicates, health.malformed, health.reconnects) == (5, 0, 0, 0)
    live.close()
    runs = closing.served.client.get(f"{PREFIX}/training/runs").json()
    until(lambda: closing.served.client.get(f"{PREFIX}/training/runs").json()[0]["status"] == "completed")
    assert [run["strategy_label"] for run in runs] == ["at the platform"]


def test_a_portfolio_of_some_of_the_platforms_pairs_equals_the_backtest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = ("SOLUSDT", "BTCUSDT")
    with platform(tmp_path, halted(("BTCUSDT", "ETHUSDT", "SOLUSDT"))) as paper:
        close_when_waited_for(paper, monkeypatch)
        live = made(paper, pairs=pairs, action_scheme="portfolio", track_training=False)
        candles = paper.feed.candles.select(pairs)
        assert compare(live, candles, 30, action_scheme="portfolio") > 20
        live.close()


def test_an_episode_at_the_platform_is_reported_there(closing: Paper) -> None:
    live = made(closing, max_loss=1e-4)
    live.reset(seed=1)
    terminated = False
    while not terminated:
        _, _, terminated, _, info = live.step(1)
    live.close()
    client = closing.served.client

    def episodes() -> list[dict[str, Any]]:
        run = client.get(f"{PREFIX}/training/runs").json()[0]["run_id"]
        return list(client.get(f"{PREFIX}/training/runs/{run}").json()["episodes"])

    until(lambda: len(episodes()) == 1)
    assert float(episodes()[0]["metrics"]["roi_pct"]) == pytest.approx(100.0 * (info["equity"] / 10_000.0 - 1.0))


@pytest.mark.parametrize("seed", range(3))
def test_connections_that_are_cut_anywhere_change_no_number(
    closing: Paper, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("tradeready_gym.live.platform_rest._FIRST_WAIT", 1e-3)
    monkeypatch.setattr("tradeready_gym.live.platform_rest._LONGEST_WAIT", 1e-2)
    with CuttingProxy(int(closing.served.url.rpartition(":")[2]), seed).forwarding() as proxy:
        live = made(closing, track_training=False)
        assert isinstance(live.feed, PlatformFeed)
        live.feed._rest._http.base_url = httpx2.URL(proxy.url)
        compare(live, closing.feed.candles, 40)
        health = live.feed.health
        live.close()
        assert proxy.cut > 5
        assert health.reconnects > 5
        assert health.malformed == health.duplicates == 0


def test_a_platform_that_hangs_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeready_gym.live.platform_rest._TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(PlatformUnavailable, match="ReadTimeout"):
            PlatformFeed(url, "ak_live_planted", "BTCUSDT")


@pytest.mark.parametrize(
    ("fault", "counted"), [("repeats", "duplicates"), ("leaves one out", ""), ("damages one", "malformed")]
)
def test_a_platform_that_misbehaves_changes_no_number(
    closing: Paper, monkeypatch: pytest.MonkeyPatch, fault: str, counted: str
) -> None:
    made_up = misbehave(closing, monkeypatch, fault)
    live = made(closing, track_training=False)
    compare(live, closing.feed.candles, 30)
    assert made_up
    assert not counted or getattr(live.feed.health, counted) == len(made_up)
    live.close()


def misbehave(paper: Paper, monkeypatch: pytest.MonkeyPatch, fault: str) -> list[int]:
    """Let the platform's answers be wrong now and then; where they were."""
    genuine, begin, told = routes._slots, parse_time(START), list[int]()

    def wrong(hub: Any, symbols: list[str], first: int, limit: int) -> Any:
        if first <= begin or (first - begin) // MINUTE % 4 or first in told:
            return genuine(hub, symbols, first, limit)
        told.append(first)
        if fault == "repeats":
            return genuine(hub, symbols, first - MINUTE, limit)
        answer = genuine(hub, symbols, first, limit)
        if fault == "leaves one out":
            answer.slots = answer.slots[1:]
        elif answer.slots:
            answer.slots[0].values[0][1] = 0.0  # a high below the low
            answer.slots[0].gaps[0] = False
        return answer

    monkeypatch.setattr(routes, "_slots", wrong)
    return told


# ---- planted defects ----


def believing(self: PlatformFeed, first: int, told: Any) -> Any:
    """A feed that takes what comes, in whatever order."""
    slots = [self._slot(entry) for entry in told["slots"]]
    # it says of each what it should have been
    return [type(slot)(first + k * MINUTE, slot.values, slot.gaps) for k, slot in enumerate(slots) if slot], None


def test_a_feed_that_does_not_look_at_the_order_is_seen(closing: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    misbehave(closing, monkeypatch, "repeats")
    live = made(closing, track_training=False)
    monkeypatch.setattr(PlatformFeed, "_page", believing)
    with pytest.raises(AssertionError):
        compare(live, closing.feed.candles, 30)
    live.close()


def test_numbers_that_are_rounded_on_the_wire_are_seen(closing: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = routes._slots

    def rounded(hub: Any, symbols: list[str], first: int, limit: int) -> Any:
        answer = genuine(hub, symbols, first, limit)
        for slot in answer.slots:
            slot.values = [[round(value, 8) for value in row] for row in slot.values]
        return answer

    monkeypatch.setattr(routes, "_slots", rounded)
    live = made(closing, track_training=False)
    with pytest.raises(AssertionError):
        compare(live, closing.feed.candles, 30)
    live.close()


# ---- what goes wrong ----


def test_what_closed_while_nobody_asked_comes_at_once_and_each_once(paper: Paper) -> None:
    feed, begin = feed_of(paper), parse_time(START)
    assert feed.history(100).end == begin
    assert feed.wait(begin, 0.0) is None
    paper.release(8)
    slots = [feed.wait(begin + k * MINUTE, 5.0) for k in range(8)]
    assert [slot.time for slot in slots if slot] == [begin + k * MINUTE for k in range(8)]
    assert feed.health.backfilled == 7
    assert feed.now() == begin + 8 * MINUTE
    assert feed.wait(begin + 8 * MINUTE, 0.3) is None
    with pytest.raises(ConfigurationError, match="slots come one after the other"):
        feed.wait(begin + 9 * MINUTE, 0.0)
    feed.close()
    with pytest.raises(FeedEnded, match="was closed"):
        feed.wait(begin + 8 * MINUTE)
    assert feed.health.state is FeedState.CLOSED


def test_a_platform_that_does_not_answer_is_asked_again_and_nobody_decides(
    closing: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = made(closing, track_training=False)
    genuine, asked, states = PlatformRest._once, [0], []

    def failing(self: PlatformRest, path: str, *arguments: Any) -> Any:
        asked[0] += 1
        if asked[0] % 3:
            states.append(live.feed.health.state)
            raise self._later("ConnectError: it is away")
        return genuine(self, path, *arguments)

    monkeypatch.setattr(PlatformRest, "_once", failing)
    monkeypatch.setattr("tradeready_gym.live.platform_rest._FIRST_WAIT", 1e-3)
    monkeypatch.setattr("tradeready_gym.live.platform_rest._LONGEST_WAIT", 1e-2)
    compare(live, closing.feed.candles, 20)
    health = live.feed.health
    assert health.reconnects == asked[0] - asked[0] // 3 > 20
    assert health.last_problem == "ConnectError: it is away"
    assert FeedState.CONNECTING in states
    live.close()


def test_a_key_that_is_revoked_in_the_middle_ends_it_by_name_and_another_goes_on(
    closing: Paper, tmp_path: Path
) -> None:
    client = closing.served.client
    issued = client.post(f"{PREFIX}/keys", json={"name": "agent", "scopes": ["read", "write"]}).json()
    arguments = {"api_key": issued["api_key"], "journal": tmp_path / "a.journal", "track_training": False}
    live = made(closing, **arguments)
    live.reset(seed=1)
    for _ in range(5):
        info = live.step(1)[4]
    client.delete(f"{PREFIX}/keys/{issued['key_id']}")
    with pytest.raises(PlatformRefused, match=r"does not take the key: status 401.*the account stays as it is"):
        live.step(1)
    assert live.exchange.net_worth == info["equity"]
    assert issued["api_key"] not in repr(live) + repr(live.feed) + (tmp_path / "a.journal").read_text()
    live.close()
    again = made(closing, **arguments | {"api_key": closing.served.key})
    recovered = again.recover()
    assert recovered is not None
    assert recovered[1]["equity"] == info["equity"]
    assert again.step(0)[4]["step"] == 6
    again.close()


def test_each_thing_that_is_not_there_has_its_name(paper: Paper, tmp_path: Path) -> None:
    def told(kind: type[TradeReadyError], match: str, **arguments: Any) -> None:
        with pytest.raises(kind, match=match):
            made(paper, track_training=False, **arguments)

    told(PlatformRefused, "does not take the key: status 401", api_key="ak_live_" + "x" * 64)
    told(UnknownName, "unknown pair of the feed at .* 'DOGEUSDT'; known: BTCUSDT", pairs=["DOGEUSDT"])
    told(ConfigurationError, "has candles of 1m; got timeframe='1h'", timeframe="1h")
    told(DataUnavailable, "4000 candles of history are needed; the platform at .* keeps 2880", history_bars=4000)
    told(PlatformUnavailable, "no platform answers at http://127.0.0.1:9 ", base_url="http://127.0.0.1:9")
    with serving(tmp_path / "other", ingest_journals=False) as without:
        url, key = without.url, without.key
        told(DataUnavailable, "has no feed: start it with `tradeready serve --feed", base_url=url, api_key=key)
    with pytest.raises(TypeError, match="venue= names a feed and feed= is one"):
        made(paper, feed=paper.feed, venue="binance")


def test_a_server_that_asks_to_be_left_alone_is(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [
        httpx2.Response(
            429, headers={"Retry-After": "0.4"}, json={"error": {"code": "RATE_LIMIT_EXCEEDED", "message": ""}}
        ),
        httpx2.Response(503, json={"error": {"code": "PRICE_NOT_AVAILABLE", "message": "not yet"}}),
        httpx2.Response(200, text="<html>"),
        httpx2.Response(200, json={"clock": 1}),
    ]
    rest = PlatformRest("http://platform", "ak_live_planted")
    transport = httpx2.MockTransport(lambda _: answers.pop(0))
    monkeypatch.setattr(rest, "_http", httpx2.Client(base_url="http://platform", transport=transport))
    begin = time.monotonic()
    with pytest.raises(PlatformUnavailable, match="status 429"):
        rest.ask("/feed", {}, ("clock",), attempts=1)
    # of those that are there and not ready none counts as an attempt
    assert rest.ask("/feed", {}, ("clock",), attempts=2) == {"clock": 1}
    assert time.monotonic() - begin > 0.4
    assert (rest.failed, rest.malformed, rest.away) == (3, 1, False)
    answers.append(httpx2.Response(307, headers={"Location": "https://elsewhere"}))
    with pytest.raises(PlatformRefused, match=r"no platform with a feed \(status 307"):
        rest.ask("/feed", {}, ("clock",))
    rest.close()


def test_many_wait_for_one_candle_and_nothing_is_left_of_it(paper: Paper) -> None:
    feeds, begin = [feed_of(paper) for _ in range(12)], parse_time(START)
    with ThreadPoolExecutor(len(feeds)) as pool:
        waiting = [pool.submit(feed.wait, begin, 20.0) for feed in feeds]
        until(lambda: paper.served.platform.events.watchers == len(feeds))
        paper.release()
        slots = [done.result() for done in waiting]
    assert [slot.time for slot in slots if slot] == [begin] * len(feeds)
    until(lambda: paper.served.platform.events.watchers == 0)
    for feed in feeds:
        feed.close()


def test_the_best_bid_and_ask_of_the_platforms_venue_can_be_traded_at(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(SteppedFeed, "quotes", lambda self: {"BTCUSDT": (11.0, 13.0)}, raising=False)
    with platform(tmp_path) as paper:
        close_when_waited_for(paper, monkeypatch)
        live = made(paper, fill_at="book", track_training=False)
        live.reset(seed=1)
        info = live.step(1)[4]
        assert (info["bid_ask"], info["filled_orders"][0]["price"]) == ({"BTCUSDT": [11.0, 13.0]}, pytest.approx(13.0))
        live.close()


def test_recorded_candles_have_no_book_there_either(paper: Paper) -> None:
    with pytest.raises(ConfigurationError, match="needs a feed with an order book"):
        made(paper, fill_at="book", track_training=False)
    feed = feed_of(paper)
    with pytest.raises(DataUnavailable, match="PlatformFeed has no order book"):
        feed.quotes()
    feed.close()


def test_the_end_of_the_platforms_recording_is_said(tmp_path: Path) -> None:
    short = halted().between(None, parse_time(START) + 3 * MINUTE)
    with platform(tmp_path, short) as paper:
        feed, begin = feed_of(paper), parse_time(START)
        paper.feed.release(4)
        assert [feed.wait(begin + k * MINUTE, 5.0) is not None for k in range(3)] == [True] * 3
        with pytest.raises(FeedEnded, match="has no candle after 2024-01-03T00:03:00Z: it is over"):
            feed.wait(begin + 3 * MINUTE)
        feed.close()


def test_prices_of_the_running_candle_come_with_the_clock(closing: Paper) -> None:
    live = made(closing, track_training=False)
    live.reset(seed=1)
    open = closing.feed.candles.open[0, BEFORE]
    assert live.feed.opening_prices() == live.feed.prices() == {"BTCUSDT": open}
    info = live.step(0)[4]
    assert (info["decision_delay_ms"], info["quote_moved_pct"], info["feed"]) == (0.0, {"BTCUSDT": 0.0}, "live")
    live.close()


# ---- a server of its own, killed ----


def test_a_server_that_is_killed_and_started_again_loses_nothing(tmp_path: Path) -> None:
    sample = load_sample()
    first = "2023-01-01T00:00:00Z"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    feed = f"replay:sample:{first}:7200"
    options = ("--feed", feed, "--symbol", "BTCUSDT", "--timeframe", "1h", "--no-ingest-journals")
    played: list[tuple[int, Any, float, dict[str, Any]]] = []

    def play(live: LiveTradingEnv, until: Callable[[], bool]) -> None:
        while not until():
            action = int(live.action_space.sample())
            observation, reward, *_, info = live.step(action)
            played.append((action, observation, reward, info))

    with process(tmp_path, port, *options) as (server, url, _):
        live = gym.make(
            "TradeReady-Live-v0", timeframe="1h", api_key=(tmp_path / "key").read_text(), base_url=url,
            history_bars=500, observation_features=FEATURES, track_training=False, disable_env_checker=True,
        ).unwrapped  # fmt: skip
        assert isinstance(live, LiveTradingEnv)
        begin, _ = live.reset(seed=1)
        start = live.clock_time
        live.action_space.seed(1)
        play(live, lambda: len(played) >= 4)
        server.send_signal(signal.SIGKILL)
        server.wait()
    with process(tmp_path, port, *options):
        play(live, lambda: len(played) >= 12)
    assert live.feed.health.reconnects > 0
    live.close()
    first_row = sample.row_of(start) - 500
    backtest = TradingEnvironment(
        data=sample.between(int(sample.times[first_row]), None), symbols=("BTCUSDT",), timeframe="1h",
        start_time=start, episode_end="gymnasium", feature_pipeline=FEATURES,
    )  # fmt: skip
    expected, _ = backtest.reset(seed=1)
    assert np.array_equal(begin, expected)
    for action, observation, paid, info in played:
        # a candle that closed before the decision passed without one
        earned = sum((backtest.step(0)[1] for _ in range(info["missed_candles"])), 0.0)
        expected, reward, *_, told = backtest.step(action)
        assert np.array_equal(observation, expected)
        assert (paid, info["equity"], info["virtual_time"]) == (earned + reward, told["equity"], told["virtual_time"])
        assert info["filled_orders"] == told["filled_orders"]
    assert sum(len(info["filled_orders"]) for *_, info in played) > 2
    assert played[-1][3]["step"] == (live.clock_time - start) // HOUR
