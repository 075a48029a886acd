"""The journal of a live environment is replaced by what its account is: nothing that is seen or done changes by it."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dying import died
from test_parity import START, market

from tradeready_gym.actions import CustomActionScheme
from tradeready_gym.envs import live_compaction
from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.features import FeaturePipeline, feature, pipeline
from tradeready_gym.features.memory import RecentlyUsed
from tradeready_gym.live import ReplayFeed, SessionJournal
from tradeready_gym.orders import Order
from tradeready_gym.tracking import journal as records

STEPS = 150
SYMBOLS = ("BTCUSDT", "ETHUSDT")
WHOLE: dict[str, Any] = {
    "spot": {"action_scheme": "managed_risk", "slippage": "uniform", "feature_pipeline": ["candles", "ma_ratio_20", "balance"]},
    "margin": {"action_scheme": "continuous", "account": "margin", "slippage": "square_root", "reward_scheme": "sharpe"},
    "portfolio": {"action_scheme": "portfolio", "flatten": False},
}  # fmt: skip


def session(path: Path | None, kind: str = "spot", **arguments: Any) -> LiveTradingEnv:
    """A session; one of a path goes on there."""
    candles = market(SYMBOLS if kind == "portfolio" else ("BTCUSDT",))
    composition = WHOLE[kind] | {"lookback_window": 5, "capacity": 7} | arguments
    died(path)
    env = LiveTradingEnv(ReplayFeed(candles, START), journal=path, **composition)
    if path is None or env.recover() is None:
        env.reset(seed=3)
    return env


def act(env: LiveTradingEnv, k: int) -> Any:
    """The step number `k`, and now and then an order of a person."""
    if k % 20 == 11:
        env.exchange.submit([Order("BTCUSDT", "buy", 0.001), Order("BTCUSDT", "buy", 0.001, "limit", price=1.0 + k)])
    if k % 40 == 31:
        for order in env.exchange.open_orders[:1]:
            env.exchange.cancel(order["order_id"])
    env.action_space.seed(k)
    return env.step(env.action_space.sample())


def same(mine: Any, other: Any) -> bool:
    if isinstance(mine, dict):
        return mine.keys() == other.keys() and all(same(mine[name], other[name]) for name in mine)
    if isinstance(mine, tuple):
        return all(map(same, mine, other))
    return np.array_equal(mine, other) if isinstance(mine, np.ndarray) else bool(mine == other)


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_compaction, "KEPT_CANDLES", 1)
    monkeypatch.setattr(live_compaction, "KEPT_LOOKS", 2)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_session_that_is_compacted_often_sees_and_does_what_one_does_that_never_is(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    plain, env = session(None, kind), session(path, kind)
    fills = 0
    for k in range(STEPS):
        mine, other = act(env, k), act(plain, k)
        assert same(mine, other), k
        fills += len(mine[4]["filled_orders"])
        if k % 7 == 3:
            env = env.compacted()
            assert [record["message"] for record in records.read(path).records] == ["begin", "snapshot"]
        if k % 30 == 17:
            env = session(path, kind)  # as after a restart
    assert fills > 10
    assert len(env.market_so_far) < len(plain.market_so_far)
    tail = len(env.exchange.performance["equity"])
    assert tail < STEPS
    assert np.array_equal(env.exchange.performance["equity"], plain.exchange.performance["equity"][-tail:])
    assert env.exchange.trades == plain.exchange.trades[-len(env.exchange.trades) :]
    assert env.exchange.open_orders == plain.exchange.open_orders or kind == "portfolio"
    # a new account begins on the same candles
    assert same(env.reset(seed=5), plain.reset(seed=5))
    assert same(act(env, 0), act(plain, 0))


def test_the_journal_and_the_market_stay_small(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    env = session(path)
    sizes, rooms = [], []
    for k in range(STEPS * 2):
        act(env, k)
        if k % 30 == 29:
            env = env.compacted()
            sizes.append(path.stat().st_size)
            rooms.append(len(env.market_so_far))
    # a day more or less of candles
    assert max(sizes[4:]) < 1.2 * min(sizes[4:])
    assert max(rooms[4:]) <= min(rooms[4:]) + 24 + 7
    assert len(env.exchange.performance["equity"]) < len(env.market_so_far)


@pytest.mark.parametrize(
    "place", ["half a draft", "the draft is whole", "just before it takes the place", "just after"]
)
def test_killed_anywhere_in_a_compaction_it_goes_on_as_if_nothing_had_happened(place: str, tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    child = os.fork()
    if child == 0:
        try:
            env = session(path)
            for k in range(12):
                act(env, k)
            env = env.compacted()
            act(env, 12)
            _arm(place)
            env.compacted()
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    again, plain = session(path), session(None)
    for k in range(25):
        told = act(plain, k)
        if k >= 13:
            assert same(act(again, k), told)
    again.compacted().close()
    assert sorted(tmp_path.iterdir()) == [path]


def _arm(place: str) -> None:
    """Let this process die at this place of its next compaction."""
    append, replace = records.append, os.replace

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def appending(path: Path, data: bytes, *, sync: bool = False) -> None:
        append(path, data[: len(data) // 2] if place.startswith("half") else data, sync=sync)
        if "draft" in place:
            die()

    def replacing(source: Any, target: Any) -> None:
        if "after" in place:
            replace(source, target)
        die()

    setattr(records, "append", appending)  # noqa: B010 - a process that dies has nothing to put back
    setattr(os, "replace", replacing)  # noqa: B010


def test_a_snapshot_that_would_observe_otherwise_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"

    @feature(warmup_bars=1)
    def remembers(candles: Any) -> Any:
        return np.cumsum(candles.close) / 1e9

    env = session(path, feature_pipeline=[remembers, "balance"])
    for k in range(60):
        act(env, k)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="observes otherwise"):
        env.compacted()
    assert path.read_bytes() == before
    info = act(env, 60)[4]
    assert session(path, feature_pipeline=[remembers, "balance"]).recover() is None
    assert session(path, feature_pipeline=[remembers, "balance"]).exchange.net_worth == info["equity"]


def test_a_component_that_keeps_a_state_of_its_own_is_not_compacted(tmp_path: Path) -> None:
    class Own(CustomActionScheme):
        """Buys at its third turn."""

        def action_space(self, symbols: int) -> Any:
            from gymnasium import spaces

            return spaces.Discrete(2)

        def orders(self, action: Any, view: Any) -> list[Order]:
            return []

    env = session(tmp_path / "session.journal", action_scheme=Own())
    env.step(0)
    with pytest.raises(ConfigurationError, match="a state of its own"):
        env.compacted()
    with pytest.raises(ConfigurationError, match="no journal"):
        session(None).compacted()


def test_the_tables_of_markets_that_grow_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(RecentlyUsed[Any, Any]):
        kept = property(lambda self: len(self._items))

    tables = Counted(entries=32)
    monkeypatch.setattr(pipeline, "_tables", tables)
    env = session(tmp_path / "session.journal")
    for k in range(5):
        act(env, k)
        env = env.compacted()
    assert tables.kept == 0
    monkeypatch.setattr(FeaturePipeline, "forget", lambda *_: None)
    act(env, 5)
    env.compacted().close()
    assert tables.kept == 1


def test_a_snapshot_by_a_version_whose_reward_remembered_otherwise_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    env = session(path, "margin")
    for k in range(5):
        act(env, k)
    env.compacted()
    contents = records.read(path).records
    contents[1]["memory"] = live_compaction._packed(np.zeros(55))
    died(path)
    journal = SessionJournal(path)
    journal.draft(contents).take_place_of(journal)

    with pytest.raises(StoreError, match="55 numbers of SharpeReward.*go on with the version that wrote it"):
        session(path, "margin")
