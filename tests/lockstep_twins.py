"""The same environment with the step of many accounts at once and with the general one, and what has to be the same of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from small_worlds import RAW, assert_same, random_candles
from tradeready_gym.engine import Engine
from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.ledger.records import ACCOUNT_DTYPE, POSITION_DTYPE

CANDLES = random_candles(90, gaps=True)
COMMON: dict[str, Any] = {"data": CANDLES, "lookback_window": 3, "feature_pipeline": RAW, "track_training": False}
STEPS = 60

Twins = tuple[TradingVectorEnvironment, TradingVectorEnvironment]


def twins(count: int = 9, **arguments: Any) -> Twins:
    """The same environment twice: with the step of many accounts at once, and with the general one."""
    settings = {**COMMON, "num_envs": count, **arguments}
    lockstep = TradingVectorEnvironment(**settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_moves_in_lockstep", lambda self: False)
        general = TradingVectorEnvironment(**settings)
    assert (lockstep.engine.lockstep, general.engine.lockstep) == (True, False)
    return lockstep, general


def assert_same_state(lockstep: TradingVectorEnvironment, general: TradingVectorEnvironment, where: str = "") -> None:
    """Every field of accounts and positions, and what rewards remember."""
    one, other, n = lockstep.engine, general.engine, lockstep.num_envs
    for records, dtype in (("accounts", ACCOUNT_DTYPE), ("positions", POSITION_DTYPE)):
        for name in dtype.names or ():
            # how many orders wait is a question within a step
            if name != "pending":
                ours, theirs = (getattr(engine.state, records)[name] for engine in (one, other))
                assert ours.tobytes() == theirs.tobytes(), f"{where}: {records}[{name!r}]: {ours} and {theirs}"
    ours, theirs = one.memory[:, :n], other.memory[:, :n]
    assert ours.tobytes() == theirs.tobytes(), f"{where}: memory {ours} and {theirs}"


def actions_of(env: TradingVectorEnvironment, steps: int, seed: int) -> list[Any]:
    """Random legal actions."""
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(steps)]


def assert_same_steps(pair: Twins, actions: Sequence[Any], where: str = "") -> None:
    """Take the actions in both, beginning finished episodes anew where nothing else does; everything shown has the same bits."""
    lockstep, general = pair
    for number, action in enumerate(actions):
        at = f"{where} step {number}"
        over = np.array(lockstep.engine.state.accounts["done"] != 0)
        if lockstep.autoreset_mode.name == "DISABLED" and over.any():
            options = {"reset_mask": over}
            assert_same(lockstep.reset(options=options), general.reset(options=options), f"{at}, reset")
        assert_same(lockstep.step(action), general.step(action), at)
        assert_same_state(lockstep, general, at)


def assert_same_episodes(pair: Twins, steps: int = STEPS, seed: int = 5, where: str = "") -> None:
    """The same from a reset on."""
    assert_same(pair[0].reset(seed=seed), pair[1].reset(seed=seed), f"{where} reset")
    assert_same_state(*pair, where)
    assert_same_steps(pair, actions_of(pair[0], steps, seed), where)
    # no cell past the last account is anybody's
    state = pair[0].engine.state
    for columns in (state.accounts, state.positions, state.fills, state.rejects):
        assert not columns.cells[:, columns.count :].any(), where
