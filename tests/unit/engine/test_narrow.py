"""The step that is compiled for less than everything: the same bits, and only where there is nothing more."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from small_worlds import RAW, random_candles
from tradeready_gym.actions import ActionScheme, market_order
from tradeready_gym.engine import Engine
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import CheckFailed
from tradeready_gym.exchanges import FeeSchedule
from tradeready_gym.kernel import kernel
from tradeready_gym.market import Instrument
from tradeready_gym.testing import check_action_scheme

CANDLES = random_candles(90, gaps=True)
COMMON: dict[str, Any] = {"data": CANDLES, "lookback_window": 3, "feature_pipeline": RAW, "track_training": False}
STEPS = 80


def episodes(arguments: dict[str, Any]) -> tuple[bool, list[bytes]]:
    """Whether the step was narrow, and the bits of everything that a vector environment showed and keeps."""
    env = TradingVectorEnvironment(num_envs=7, **COMMON, **arguments)
    env.action_space.seed(3)
    observations, _ = env.reset(seed=5)
    shown = [observations.tobytes()]
    for _ in range(STEPS):
        observations, rewards, terminated, truncated, infos = env.step(env.action_space.sample())
        shown += [part.tobytes() for part in (observations, rewards, terminated, truncated)]
        columns = {name: value for name, value in infos.items() if isinstance(value, np.ndarray) and name != "_x"}
        shown += [columns[name].tobytes() for name in sorted(columns)]
    kept = np.asarray(env.engine.state.accounts)
    # what only the general step writes
    names = [name for name in kept.dtype.names or () if name != "pending"]
    shown += [kept[name].tobytes() for name in names]
    return env.engine.narrow, shown


NARROW: dict[str, dict[str, Any]] = {
    "as the ids are": {},
    "short episodes, one after the other": {"episode_length": 9, "autoreset_mode": "SAME_STEP"},
    "drawn slippage, another reward": {"slippage": "uniform", "reward_scheme": "sharpe", "episode_length": 20},
    "a least value, interpreted": {
        "instruments": {"BTCUSDT": Instrument("BTCUSDT", min_notional=1_000.0)},
        "interpreted": True,
    },
    "all of the cash": {"action_scheme": "target_position", "fee_rate": 0.01},
}


@pytest.mark.parametrize("name", sorted(NARROW))
def test_narrow_step_leaves_the_bits_of_the_general_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow, seen = episodes(NARROW[name])
    monkeypatch.setattr(Engine, "_is_narrow", lambda self: False)
    general, expected = episodes(NARROW[name])

    assert (narrow, general) == (True, False)
    assert seen == expected


@pytest.mark.parametrize(
    "arguments",
    [
        {"instruments": {"BTCUSDT": Instrument("BTCUSDT", lot_size=0.01)}},
        {"instruments": {"BTCUSDT": Instrument("BTCUSDT", tick_size=0.01)}},
        {"instruments": {"BTCUSDT": Instrument("BTCUSDT", max_quantity=3.0)}},
        {"fee_rate": FeeSchedule(0.001, minimum=1.0)},
        {"fee_rate": FeeSchedule(0.001, per_trade=1.0)},
        {"max_volume_share": 0.1},
        {"fill_at": "close"},
        {"steps_per_action": 2},
        {"action_scheme": "discrete"},
        {"data": random_candles(90, ("AAAUSDT", "BBBUSDT")), "action_scheme": "portfolio"},
    ],
)
def test_what_asks_for_more_gets_the_general_step(arguments: dict[str, Any]) -> None:
    assert not TradingVectorEnvironment(num_envs=2, interpreted=True, **{**COMMON, **arguments}).engine.narrow


def test_a_single_environment_has_the_general_step_for_a_person_may_submit_any_order() -> None:
    assert not TradingEnvironment(interpreted=True, **COMMON).engine.narrow


# ---- a scheme that does not keep its word ----


@kernel
def bracketed(
    action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
) -> int:
    made = market_order(orders, 0, 0, 1, 0.1 * account.equity / candles[0].close, 0)
    orders[0].stop_price = 0.5 * candles[0].close
    return made


@dataclass(frozen=True)
class Bracketed(ActionScheme):
    """Buys with a stop, and says that nothing of it rests."""

    kernel = staticmethod(bracketed)
    rests = False

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(2)

    def orders_per_action(self, symbols: int) -> int:
        return 1


def test_a_bracket_of_a_scheme_that_never_rests_is_refused_and_nothing_is_bought_without_its_stop() -> None:
    env = TradingVectorEnvironment(num_envs=2, interpreted=True, action_scheme=Bracketed(), **COMMON)
    env.reset(seed=0)
    infos = env.step(np.zeros(2, np.int64))[4]

    assert env.engine.narrow
    assert len(infos["filled_orders"]) == 0
    assert len(infos["rejected_orders"]) == 2


def test_the_conformance_suite_finds_a_scheme_that_rests_and_denies_it() -> None:
    with pytest.raises(CheckFailed, match="rests = True"):
        check_action_scheme(Bracketed())
