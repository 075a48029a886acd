"""What a deployed agent may do: limits on its orders, and nothing decided by what was seen too long ago."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from test_parity import START, market

from tradeready_gym.actions import CustomActionScheme
from tradeready_gym.envs import live_limits
from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.envs.live_limits import LimitedTradingEnv
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.live import FeedEnded, FeedHealth, FeedState, ReplayFeed
from tradeready_gym.live.deployments import Deployment, decisions_of
from tradeready_gym.live.risk import AgentLimits, OrderLimits
from tradeready_gym.orders import Order
from tradeready_gym.registration import make_live_environment
from tradeready_gym.strategies import deployment as at_work

HOUR = 3_600_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")


def limited(limits: OrderLimits, symbols: tuple[str, ...] = ("BTCUSDT",), **arguments: Any) -> LiveTradingEnv:
    env = LimitedTradingEnv(ReplayFeed(market(symbols), START), limits=limits, slippage=None, fee_rate=0.0, **arguments)
    env.reset(seed=1)
    return env


def to_shares(env: LiveTradingEnv, *shares: float) -> Any:
    """A step of the portfolio scheme."""
    return env.step(np.array(shares))[4]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (OrderLimits(30.0, None, None), "position_limit_exceeded"),
        (OrderLimits(None, 15.0, None), "order_too_large"),
        (OrderLimits(None, None, 1), "rate_limit_exceeded"),
    ],
)
def test_an_order_beyond_a_limit_is_refused_and_the_others_are_taken(limits: OrderLimits, reason: str) -> None:
    env = limited(limits, SYMBOLS, action_scheme="portfolio")
    first = to_shares(env, 0.1, 0.0)
    assert (len(first["filled_orders"]), first["refused_by_limits"]) == (1, [])
    info = to_shares(env, 0.1 + 0.1, 0.4) if reason != "rate_limit_exceeded" else to_shares(env, 0.2, 0.1)
    assert [fill["symbol"] for fill in info["filled_orders"]] == ["BTCUSDT"]
    [refused] = info["refused_by_limits"]
    assert (refused["symbol"], refused["side"], refused["reason"]) == ("ETHUSDT", "buy", reason)
    assert info["rejected_orders"][0]["reason"] == "risk_limit"
    # what lowers a position is never refused
    assert to_shares(env, 0.0, 0.0)["refused_by_limits"] == []
    assert env.exchange.portfolio == {}


def test_limits_that_nothing_reaches_change_nothing() -> None:
    plain = LiveTradingEnv(ReplayFeed(market(), START), slippage=None, fee_rate=0.0)
    plain.reset(seed=1)
    env = limited(OrderLimits(100.0, 100.0, 1))
    for k in range(30):
        action = int(np.random.default_rng(k).integers(3))
        mine, other = env.step(action), plain.step(action)
        assert np.array_equal(mine[0], other[0])
        assert mine[1] == other[1]
        assert mine[4]["refused_by_limits"] == []
        assert {name: mine[4][name] for name in other[4]} == other[4]


def test_a_short_position_is_held_to_its_limit_too() -> None:
    env = limited(OrderLimits(30.0, None, None), account="margin", action_scheme="target_weights")
    assert env.step(np.array([-0.2]))[4]["filled_orders"]
    [refused] = env.step(np.array([-0.5]))[4]["refused_by_limits"]
    assert (refused["side"], refused["reason"]) == ("sell", "position_limit_exceeded")
    # from short to long: the long one is what is judged
    [refused] = env.step(np.array([0.5]))[4]["refused_by_limits"]
    assert refused["side"] == "buy"
    assert env.step(np.array([0.0]))[4]["refused_by_limits"] == []
    assert env.exchange.portfolio == {}


def test_resting_orders_count() -> None:
    env = limited(OrderLimits(30.0, None, None))
    env.exchange.submit([Order("BTCUSDT", "buy", 0.25 * 10_000 / 1.0, "limit", price=1.0)])
    [refused] = env.step(1)[4]["refused_by_limits"]
    assert refused["reason"] == "position_limit_exceeded"


class Scripted(CustomActionScheme):
    """Makes the orders that a test has written down, whatever the action."""

    def __init__(self, *turns: list[Order]) -> None:
        self.turns = list(turns)

    def action_space(self, symbols: int) -> Any:
        return spaces.Discrete(2)

    def orders(self, action: Any, view: Any) -> list[Order]:
        return self.turns.pop(0)


@pytest.mark.parametrize("quantity", [float("nan"), float("inf"), 0.0, -1.0])
def test_an_order_that_is_none_makes_no_room_for_another(quantity: float) -> None:
    scheme = Scripted([Order("BTCUSDT", "buy", quantity), Order("BTCUSDT", "buy", 0.3)])
    info = limited(OrderLimits(30.0, None, None), action_scheme=scheme).step(0)[4]
    assert info["filled_orders"] == []
    assert [refused["reason"] for refused in info["refused_by_limits"]] == ["position_limit_exceeded"]
    assert sorted(rejected["reason"] for rejected in info["rejected_orders"]) == ["invalid_quantity", "risk_limit"]


def test_a_sale_that_only_rests_or_is_refused_makes_no_room_for_a_buy() -> None:
    buy = Order("BTCUSDT", "buy", 0.05)
    rests = Order("BTCUSDT", "sell", 0.05, "limit", price=1e6)
    env = limited(
        OrderLimits(20.0, None, None),
        action_scheme=Scripted([buy], [rests, buy], [Order("BTCUSDT", "sell", 0.05), buy]),
    )
    assert env.step(0)[4]["refused_by_limits"] == []
    for _ in range(2):
        # then all of it is locked by the order that rests
        info = env.step(0)[4]
        assert [refused["side"] for refused in info["refused_by_limits"]] == ["buy"]
    assert env.exchange.portfolio == {"BTCUSDT": 0.05}
    sold = Scripted([buy], [Order("BTCUSDT", "sell", 0.05), buy])
    env = limited(OrderLimits(20.0, None, None), action_scheme=sold)
    assert [len(env.step(0)[4]["filled_orders"]) for _ in range(2)] == [1, 2]


def test_a_guard_that_lets_everything_pass_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_limits, "refusal", lambda *_, **__: None)
    env = limited(OrderLimits(1.0, None, None))
    assert env.step(1)[4]["filled_orders"]


def test_a_session_goes_on_under_its_limits_only(tmp_path: Path) -> None:
    def session(limits: OrderLimits | None) -> Any:
        feed = ReplayFeed(market(), START)
        return make_live_environment(
            feed=feed, limits=limits, journal=tmp_path / "s.journal", track_training=False, position_size=0.2
        )

    env = session(OrderLimits(1.0, None, None))
    env.reset(seed=1)
    told = [env.step(action)[4] for action in (1, 0, 1)]
    assert [len(info["refused_by_limits"]) for info in told] == [1, 0, 1]
    env.close()
    again = session(OrderLimits(1.0, None, None))
    _, info = again.recover()
    assert info["refused_by_limits"] == told[-1]["refused_by_limits"]
    again.close()
    with pytest.raises(ConfigurationError, match="another session"):
        session(None)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_order_size_pct": 0.0}, "must be positive"),
        ({"leverage": 2.0}, "limits are max_position_size_pct"),
        ({"max_missed_candles": 1.5}, "must be a whole number"),
    ],
)
def test_limits_that_are_none_are_refused_by_name(limits: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Deployment("one", "run", 0, ("BTCUSDT",), "1h", "binance", limits=limits)


# ---- an agent at work ----


class Buys:
    """An agent that always buys."""

    def decide(self, situation: Any) -> Any:
        return np.array([1])


class Away(ReplayFeed):
    """A recording whose venue is away now and then: candles come late, many at once."""

    def __init__(self, *arguments: Any, away: dict[int, int]) -> None:
        super().__init__(*arguments)
        self.away, self.begin = dict(away), self.clock.now()

    def wait(self, time: int, timeout: float | None = None) -> Any:
        slot = super().wait(time, timeout)
        late = self.away.pop((time - self.begin) // HOUR, 0)
        self.clock.advance_to(self.clock.now() + late * HOUR)
        return slot


def at_work_on(feed: ReplayFeed, monkeypatch: pytest.MonkeyPatch, directory: Path, **card: Any) -> Deployment:
    def opened(made: Deployment, feed: Any) -> Any:
        environment = make_live_environment(
            feed=feed,
            limits=AgentLimits.from_plain(made.limits).of_orders,
            journal=made.folder / "session.journal",
            track_training=False,
            position_size=0.2,
        )
        return environment, Buys()

    monkeypatch.setattr(at_work, "open_agent", opened)
    made = Deployment("one", "run", 0, ("BTCUSDT",), "1h", "replay:x:y", directory=directory, **card)
    made.save()
    return made


def test_nothing_is_decided_by_what_was_seen_a_candle_ago(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Away(market(), START, away={2: 5, 9: 1})
    made = at_work_on(feed, monkeypatch, tmp_path)
    status = at_work.work(made, feed, steps=6)
    assert (status["stale_times"], status["stale_candles"], status["stale"]) == (2, 6, False)
    lines = decisions_of(made, 10)
    hours = [int(line["slot"][11:13]) for line in lines]
    # the third candle came with five more, which passed; the one after the fifth decision came with one
    assert hours == [0, 1, 2, 8, 9, 11]
    assert [line["passed_candles"] for line in lines] == [0, 0, 0, 5, 0, 1]
    assert [line["missed_candles"] for line in lines] == [0] * 6
    again = at_work.work(made, Away(market(), START, away={}), steps=0)
    assert (again["equity"], again["stale_candles"]) == (status["equity"], 6)


def test_a_limit_of_seconds_waits_within_the_candle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dawdling(ReplayFeed):
        """Ten minutes late with every third candle."""

        def wait(self, time: int, timeout: float | None = None) -> Any:
            slot = super().wait(time, timeout)
            if time // HOUR % 3 == 0:
                self.clock.advance_to(time + HOUR + HOUR // 6)
            return slot

    feed = Dawdling(market(), START)

    def sleep(_: float) -> None:
        feed.clock.advance_to(feed.clock.now() + HOUR // 6)

    monkeypatch.setattr("tradeready_gym.strategies.deployment.time.sleep", sleep)
    made = at_work_on(feed, monkeypatch, tmp_path, limits={"stale_after_seconds": 300.0})
    status = at_work.work(made, feed, steps=6)
    assert status["stale_times"] >= 2
    assert all(line["decision_delay_ms"] < 300_000 for line in decisions_of(made, 10))
    assert status["limits"] == {"stale_after_seconds": 300.0}


@pytest.mark.parametrize(("most", "decisions", "state"), [(None, 8, "stopped"), (3, 3, "flat"), (4, 8, "stopped")])
def test_an_agent_before_whose_decisions_candles_close_sells_and_ends_if_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int | None, decisions: int, state: str
) -> None:
    feed, turns = ReplayFeed(market(), START), [0]

    def slow(self: Buys, situation: Any) -> Any:
        turns[0] += 1
        if turns[0] % 4:  # every fourth decision comes in time
            feed.clock.advance_to(feed.clock.now() + 3 * HOUR // 2)
        return np.array([1])

    monkeypatch.setattr(Buys, "decide", slow)
    limits = {} if most is None else {"max_missed_candles": most}
    made = at_work_on(feed, monkeypatch, tmp_path, limits=limits)
    status = at_work.work(made, feed, steps=8)
    missed = [line["missed_candles"] for line in decisions_of(made, 10)]
    assert missed == [1, 1, 1, 0, 1, 1, 1, 0][:decisions]
    assert status["state"] == state
    assert (status["positions"] == {}) == (state == "flat")
    said = "too slow: 3 candles closed before its decisions came, one after the other"
    assert status["problem"] == (said if state == "flat" else None)


def test_the_status_says_while_it_waits_that_the_feed_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost(ReplayFeed):
        """A venue that goes away after three candles, until somebody closes the feed."""

        away, gone = False, threading.Event()

        def wait(self, time: int, timeout: float | None = None) -> Any:
            if time < market().row_of(START) * HOUR + market().start + 3 * HOUR:
                return super().wait(time, timeout)
            self.away = True
            self.gone.wait(60.0)
            raise FeedEnded("closed")

        @property
        def health(self) -> FeedHealth:
            found = super().health
            return replace(found, state=FeedState.CONNECTING, reconnects=7) if self.away else found

        def close(self) -> None:
            super().close()
            self.gone.set()

    feed = Lost(market(), START)
    made = at_work_on(feed, monkeypatch, tmp_path)
    thread = threading.Thread(target=lambda: at_work.work(made, feed))
    thread.start()
    begin = time.monotonic()
    while made.status.get("feed", {}).get("state") != "connecting" and time.monotonic() - begin < 30.0:
        time.sleep(0.02)
    status = made.status
    made.ask("stop")
    thread.join(30.0)
    assert (status["state"], status["alive"], status["step"]) == ("running", True, 3)
    assert (status["feed"]["state"], status["feed"]["reconnects"]) == ("connecting", 7)
    assert made.status["state"] == "stopped"


def test_a_journal_that_cannot_be_compacted_ends_no_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def compacted(env: LiveTradingEnv) -> LiveTradingEnv:
        tried.append(env)
        raise ValueError("a record holds at most 99999999 bytes; got 100000000.")

    monkeypatch.setattr(LiveTradingEnv, "compacted", compacted)
    monkeypatch.setattr(at_work, "COMPACT_BYTES", 1)
    feed = ReplayFeed(market(), START)
    assert at_work.work(at_work_on(feed, monkeypatch, tmp_path), feed, steps=4)["step"] == 4
    assert len(tried) == 4


def test_refusals_are_in_the_status_and_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = ReplayFeed(market(), START)
    made = at_work_on(feed, monkeypatch, tmp_path, limits={"max_order_size_pct": 5.0, "orders_per_minute": 3})
    status = at_work.work(made, feed, steps=4)
    assert status["refused_by_limits"] == 4
    assert status["positions"] == {}
    refused = [line["refused_by_limits"][0] for line in decisions_of(made, 10)]
    assert {(one["symbol"], one["side"], one["reason"]) for one in refused} == {("BTCUSDT", "buy", "order_too_large")}
    assert json.loads((made.folder / "card.json").read_text())["limits"] == {
        "max_order_size_pct": 5.0,
        "orders_per_minute": 3,
    }
    assert Deployment.load("one", tmp_path) == made
