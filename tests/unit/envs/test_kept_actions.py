"""Episodes of a vector environment are kept as what the single environment ends the same from, to the last bit."""

import base64
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from small_worlds import random_candles
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment, keeping
from tradeready_gym.tracking import Kept, read_run

CANDLES = random_candles(400)
# episodes end after 40 candles or when 0.4 % are lost, each at another time
USUAL: dict[str, Any] = {
    "data": CANDLES,
    "lookback_window": 2,
    "episode_length": 40,
    "fee_rate": 0.004,
    "max_loss": 0.004,
    "slippage": "uniform",
}
FEW = 5


@pytest.fixture(autouse=True)
def few_are_kept_in_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path))
    monkeypatch.setattr(keeping, "ALWAYS_KEPT", FEW)
    monkeypatch.setattr(keeping, "WATCHED", FEW)
    monkeypatch.setattr(keeping, "_ROOM", 8)


def recorded(mode: str, steps: int = 150, **arguments: Any) -> list[dict[str, Any]]:
    """The bodies of the episodes of eight environments that were stepped with drawn actions."""
    env = TradingVectorEnvironment(num_envs=8, autoreset_mode=mode, track_training=True, **{**USUAL, **arguments})
    env.action_space.seed(1)
    env.reset(seed=100)
    for _ in range(steps):
        over = np.asarray(env.engine.state.accounts["done"] != 0)
        if mode == "disabled" and over.any():
            env.reset(options={"reset_mask": over})
        env.step(env.action_space.sample())
    assert env.tracker is not None
    env.close()
    return read_run(env.tracker.path).episodes


def played(body: dict[str, Any], single: TradingEnvironment) -> tuple[Kept, dict[str, Any]]:
    """The episode again, in a single environment of the same seed; it must end with its last action and not before."""
    kept = Kept.unpack(base64.b64decode(body["kept"]))
    single.reset(seed=body["seed"])
    single.engine.state.accounts[0].episode = kept.episode - 1
    _, info = single.reset()
    shape = single.action_space.shape
    for number, action in enumerate(kept.actions, 1):
        _, _, terminated, truncated, info = single.step(np.asarray(action).reshape(shape) if shape else int(action))
        assert (terminated or truncated) == (number == len(kept.actions))
    account = single.engine.state.accounts[0]
    assert kept.start_time == int(single.engine.times[int(account.start_row)])
    return kept, info["episode_metrics"]


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"steps_per_action": 3}, {"action_scheme": "continuous"}],
    ids=["discrete", "three candles an action", "continuous"],
)
def test_kept_actions_play_the_same_episode(mode: str, arguments: dict[str, Any]) -> None:
    bodies = recorded(mode, **arguments)

    single = TradingEnvironment(**USUAL, **arguments)
    lengths: dict[int, list[int]] = defaultdict(list)
    for body in bodies:
        if body.get("kept") is None:
            assert body["seed"] >= 100 + FEW
            continue
        kept, metrics = played(body, single)
        lengths[body["seed"] - 100].append(len(kept.actions))
        assert (body["roi_pct"], body["length"]) == (metrics["roi_pct"], metrics["length"])
        assert (body["total_trades"], body["sharpe_ratio"]) == (metrics["total_trades"], metrics["sharpe_ratio"])
    assert sorted(lengths) == list(range(FEW))
    assert min(map(len, lengths.values())) > 2
    assert len({length for one in lengths.values() for length in one}) > 3


def test_the_best_and_the_worst_of_a_run_are_kept_whosever_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "ALWAYS_KEPT", 1)
    monkeypatch.setattr(keeping, "WATCHED", 8)
    bodies = recorded("next_step", 400)

    returns = [body["roi_pct"] for body in bodies]
    single = TradingEnvironment(**USUAL)
    extremes = [bodies[returns.index(max(returns))], bodies[returns.index(min(returns))]]
    assert [body["seed"] for body in extremes] != [100, 100]
    for body in extremes:
        assert played(body, single)[1]["roi_pct"] == body["roi_pct"]
    # new records are rare: what is kept besides the first environment's grows like a logarithm
    others = [body for body in bodies if body["seed"] > 100]
    assert sum(body.get("kept") is not None for body in others) < len(others) / 4


def test_a_record_of_somebody_who_is_not_watched_hides_none_of_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "ALWAYS_KEPT", 1)
    monkeypatch.setattr(keeping, "WATCHED", 4)
    bodies = recorded("next_step", 400)

    watched = [body for body in bodies if body["seed"] < 104]
    ends = [max(watched, key=lambda body: body["roi_pct"]), min(watched, key=lambda body: body["roi_pct"])]
    everybody = [body["roi_pct"] for body in bodies]
    # or this would be the test above
    assert [body["roi_pct"] for body in ends] != [max(everybody), min(everybody)]
    assert all(body.get("kept") for body in ends)


def test_what_would_take_much_memory_is_kept_of_the_first_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "ALWAYS_KEPT", 2)
    monkeypatch.setattr(keeping, "WATCHED", 8)
    monkeypatch.setattr(keeping, "_MOST_NUMBERS", 8 * 30)
    bodies = recorded("next_step", 400)

    single = TradingEnvironment(**USUAL)
    late = bodies[len(bodies) // 2 :]
    assert {body["seed"] for body in late if body.get("kept")} == {100, 101}
    assert all(played(body, single)[1]["roi_pct"] == body["roi_pct"] for body in late if body.get("kept"))


def test_an_episode_longer_than_the_log_is_recorded_by_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LONGEST", 10)
    bodies = recorded("next_step", max_loss=1.0)

    assert len(bodies) > 8
    assert all(body["length"] == 40 for body in bodies)
    assert not any(body.get("kept") for body in bodies)


def test_a_part_in_plain_python_is_recorded_by_its_figures() -> None:
    from tradeready_gym import CustomReward

    class Change(CustomReward):
        def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
            return curr_equity - prev_equity

    bodies = recorded("same_step", 50, reward_scheme=Change())

    assert bodies
    assert not any(body.get("kept") for body in bodies)


def test_room_is_for_what_runs_and_not_for_what_has_run() -> None:
    env = TradingVectorEnvironment(num_envs=8, autoreset_mode="same_step", track_training=True, **USUAL)
    env.reset(seed=0)
    for _ in range(2_000):
        env.step(np.zeros(8, np.int64))
    assert env._log is not None
    assert env._log._table.shape == (80, FEW, 1)
    env.close()
