"""What a vector step returns is the caller's: whole arrays of its own, which no later step writes to."""

import copy
from typing import Any

import numpy as np
import pytest

from small_worlds import RAW, assert_same, random_candles
from tradeready_gym.engine import REPORT, Engine
from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.exchanges import MarginAccount

MODES = ("next_step", "same_step", "disabled")
# neither a whole number of cache lines, nor few
MANY = 21


def vector(**changes: Any) -> TradingVectorEnvironment:
    """Compiled, with episodes of nine candles."""
    usual: dict[str, Any] = {
        "data": random_candles(70),
        "lookback_window": 2,
        "feature_pipeline": RAW,
        "episode_length": 9,
        "num_envs": MANY,
    }
    return TradingVectorEnvironment(**(usual | changes))


def arrays_in(value: Any) -> list[np.ndarray[Any, Any]]:
    """Every array of a step's outcome that can be written to."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return [array for part in value for array in arrays_in(part)]
    return [value] if isinstance(value, np.ndarray) and value.flags.writeable and value.size else []


def overwritten(env: TradingVectorEnvironment, steps: int = 24) -> bool:
    """Whether a step changes what an earlier one returned, or returns its memory again."""
    env.reset(seed=0)
    kept: list[Any] = []
    then: list[Any] = []
    for action in np.random.default_rng(0).integers(0, 3, (steps, env.num_envs)):
        if env.autoreset_mode.value == "Disabled" and kept and (kept[-1][2] | kept[-1][3]).any():
            env.reset(options={"reset_mask": kept[-1][2] | kept[-1][3]})
        outcome = env.step(action)
        if kept and any(np.shares_memory(a, b) for a in arrays_in(outcome) for b in arrays_in(kept[-1])):
            return True
        kept.append(outcome)
        then.append(copy.deepcopy(outcome))
    try:
        assert_same(kept, then)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("changes", [{}, {"flatten": False}, {"account": MarginAccount()}])
@pytest.mark.parametrize("mode", MODES)
def test_no_step_writes_to_what_an_earlier_one_returned(mode: str, changes: dict[str, Any]) -> None:
    assert not overwritten(vector(autoreset_mode=mode, **changes))


@pytest.mark.parametrize("room", ["new_observations", "new_report"])
def test_room_that_is_given_twice_is_found(room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env = vector()
    once = getattr(env.engine, room)()
    monkeypatch.setattr(env.engine, room, lambda: once)

    assert overwritten(env)


def test_what_a_caller_does_to_infos_and_flags_does_not_reach_the_next_step() -> None:
    env, twin = vector(), vector()
    env.reset(seed=0)
    twin.reset(seed=0)
    hold = np.zeros(MANY, np.int64)
    _, rewards, terminated, truncated, infos = env.step(hold)
    twin.step(hold)
    infos["_equity"] = infos.pop("equity")
    infos.clear()
    terminated[:] = truncated[:] = True
    rewards[:] = 1e9

    assert_same(env.step(hold), twin.step(hold))


def test_rewards_and_the_columns_of_infos_are_contiguous_and_one_number_an_account() -> None:
    env = vector()
    env.reset(seed=0)
    _, rewards, *_, infos = env.step(np.ones(MANY, np.int64))
    orders = ("filled_orders", "rejected_orders")
    columns = {name: column for name, column in infos.items() if name not in orders} | {"reward": rewards}

    assert {name: column.shape for name, column in columns.items()} == dict.fromkeys(columns, (MANY,))
    assert [name for name, column in columns.items() if not column.flags.c_contiguous] == []
    assert {str(infos[name].dtype) for name in ("virtual_time", "step", "total_steps")} == {"int64"}


@pytest.mark.parametrize("environments", [2, 8, 21, 512, 1000, 1024])
def test_columns_of_a_report_begin_an_odd_number_of_cache_lines_apart(environments: int) -> None:
    report = vector(num_envs=environments, interpreted=True).engine.new_report()

    assert report.shape[0] == len(REPORT) and report.shape[1] >= environments
    assert report.strides[0] % 64 == 0 and report.strides[0] // 64 % 2 == 1


def test_the_report_of_one_environment_is_its_numbers_and_nothing_else() -> None:
    engine: Engine = vector(num_envs=1, interpreted=True).engine

    assert engine.new_report().nbytes == 8 * len(REPORT)


@pytest.mark.parametrize(
    "given",
    [
        [0, 1, 2],
        np.array([0, 1, 2], np.uint8),
        np.array([0, 1, 2], np.uint64),
        np.array([0, 1, 2], ">i4"),
        np.array([[0], [1], [2]]),
        np.array([0, 9, 1, 9, 2])[::2],
        np.broadcast_to(np.array([[0], [1], [2]]), (3, 4))[:, 2],
        np.frombuffer(np.array([0, 1, 2]).tobytes(), np.int64),
    ],
)
def test_integers_of_any_kind_and_layout_are_actions(given: Any) -> None:
    env, twin = vector(num_envs=3), vector(num_envs=3)
    env.reset(seed=0)
    twin.reset(seed=0)

    assert_same(env.step(given), twin.step(np.array([0, 1, 2])))
