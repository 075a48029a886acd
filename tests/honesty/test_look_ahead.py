"""Nothing that an environment returns depends on a candle that lies in its future."""

from typing import Any

import gymnasium
import numpy as np
import pytest

from small_worlds import assert_same, candles_of, drawn, play
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import CausalityError
from tradeready_gym.features import DEFAULT_FEATURES, SymbolCandles
from tradeready_gym.market import Candles
from tradeready_gym.wrappers import BatchStepWrapper, FeatureEngineeringWrapper, NormalizationWrapper

BARS, CUT = 420, 300
# every feature that has a name
FEATURES: list[Any] = [
    "candles",
    "ohlcv",
    "returns",
    "volume",
    "macd",
    "bollinger",
    "rsi_5",
    "adx_5",
    "atr_5",
    "ma_ratio_20",
    "momentum_10",
    "volatility_24",
    "engineered",
    "gap",
    "time_of_week",
    "balance",
    "position",
    "unrealized_pnl",
]
COMPOSITIONS: dict[str, dict[str, Any]] = {
    "the default": {"feature_pipeline": list(DEFAULT_FEATURES)},
    "every feature": {"feature_pipeline": FEATURES, "reward_scheme": "composite"},
    "sharpe, at the close": {"reward_scheme": "sharpe", "fill_at": "close", "slippage": "square_root"},
    "capped volume": {"max_volume_share": 0.0001, "slippage": "volume_share", "action_scheme": "continuous"},
    "three candles an action": {"steps_per_action": 3, "reward_scheme": "sortino"},
}


def world(future: int) -> Candles:
    """The same 300 candles, and then a future of its own."""
    random = np.random.default_rng(1)
    moves, volume = random.normal(0.0, 0.01, BARS), np.exp(random.normal(7.0, 1.0, BARS))
    other = np.random.default_rng(1_000 + future)
    moves[CUT:] = other.normal(0.0, 0.03, BARS - CUT)
    volume[CUT:] = np.exp(other.normal(5.0, 2.0, BARS - CUT))
    missing = [250, 251] + ([CUT + 5 + future] if future else [])
    return candles_of(100.0 * np.exp(np.cumsum(moves)), volume=volume, missing=missing, wick=0.004)


def make(candles: Candles, **arguments: Any) -> TradingEnvironment:
    return TradingEnvironment(
        data=candles, start_time="2024-01-11T00:00:00Z", **{"lookback_window": 5, "interpreted": True, **arguments}
    )


def row_of(env: Any) -> int:
    return int(env.unwrapped.engine.state.accounts["row"][0])


def played(env: Any, actions: list[Any]) -> list[tuple[int, Any]]:
    """Results with the row of the clock at which they were returned."""
    results: list[tuple[int, Any]] = [(row_of(env), env.reset(seed=0))]
    results[0] = (row_of(env), results[0][1])
    for action in actions:
        outcome = env.step(action)
        results.append((row_of(env), outcome))
        if outcome[2] or outcome[3]:
            break
    return results


@pytest.mark.parametrize("name", sorted(COMPOSITIONS))
def test_another_future_changes_nothing_before_it_and_everything_after(name: str) -> None:
    one, two = make(world(0), **COMPOSITIONS[name]), make(world(7), **COMPOSITIONS[name])
    actions = drawn(one, 400)
    before = after = changed = 0

    for (row, seen), (other_row, other) in zip(played(one, actions), played(two, actions), strict=True):
        assert row == other_row
        if row <= CUT:
            assert_same(seen, other, f"row {row}")
            before += 1
        else:
            after += 1
            changed += seen[0].tobytes() != other[0].tobytes()
    assert before > 15
    assert changed == after > 15


@pytest.mark.parametrize("name", ["the default", "every feature"])
def test_data_that_end_earlier_give_the_same_observations(name: str) -> None:
    """Prefix invariance: the future does not even have to exist."""
    whole = world(0)
    actions = drawn(make(whole), 400)
    longer = played(make(whole, **COMPOSITIONS[name]), actions)

    for cut in (270, 281, CUT):
        shorter = played(make(whole.between(end=int(whole.times[cut])), **COMPOSITIONS[name]), actions)
        for (row, seen), (_, other) in zip(shorter, longer, strict=False):
            assert_same(seen[0], other[0], f"data of {cut} candles, row {row}")
            money = [key for key in seen[-1] if key not in ("total_steps", "progress_pct", "episode_metrics")]
            assert_same([seen[-1][key] for key in money], [other[-1][key] for key in money])


@pytest.mark.parametrize(
    "wrap",
    [
        FeatureEngineeringWrapper,
        NormalizationWrapper,
        BatchStepWrapper,
        lambda env: NormalizationWrapper(FeatureEngineeringWrapper(BatchStepWrapper(env, 2))),
    ],
)
def test_wrappers_do_not_look_ahead_either(wrap: Any) -> None:
    one, two = wrap(make(world(0))), wrap(make(world(3)))
    actions = drawn(one, 300)
    compared = 0

    for (row, seen), (_, other) in zip(played(one, actions), played(two, actions), strict=True):
        if row <= CUT:
            assert_same(seen, other)
            compared += 1
    assert compared > 10


def test_a_vector_does_not_look_ahead_either() -> None:
    arguments: dict[str, Any] = {"num_envs": 3, "lookback_window": 5, "interpreted": True, "episode_length": 40}
    worlds = [
        TradingVectorEnvironment(data=world(future), start_time="2024-01-11T00:00:00Z", **arguments)
        for future in (0, 2)
    ]
    actions = list(np.random.default_rng(0).integers(0, 3, (100, 3)))
    compared = np.zeros(2, int)

    for one, two in zip(*(play(env, actions) for env in worlds), strict=True):
        times = one[-1]["virtual_time"]
        visible = times <= world(0).times[CUT]
        compared += [visible.sum(), (~visible).sum()]
        assert_same(one[0][visible], two[0][visible])
        assert_same(one[-1]["equity"][visible], two[-1]["equity"][visible])
        if len(one) == 5:
            assert_same(one[1][visible], two[1][visible])
    assert compared.min() > 20


def test_the_open_of_the_running_candle_is_not_observed_either() -> None:
    """The clock stands at the open of row 300; all that can be seen is row 299."""
    close = np.linspace(100.0, 140.0, 60)
    opening = np.concatenate([close[:1], close[:-1]])
    changed = opening.copy()
    changed[40] = 500.0
    one = TradingEnvironment(
        data=candles_of(close, open=opening), interpreted=True, slippage="none", lookback_window=40
    )
    two = TradingEnvironment(
        data=candles_of(close, open=changed), interpreted=True, slippage="none", lookback_window=40
    )

    assert_same(one.reset(seed=0), two.reset(seed=0))
    assert one.step(1)[4]["filled_orders"][0]["price"] == opening[40]
    assert two.step(1)[4]["filled_orders"][0]["price"] == 500.0


# ---- the guards have culprits ----


def looks_ahead(candles: SymbolCandles) -> Any:
    return np.append(candles.close[1:], candles.close[-1])


def centred(candles: SymbolCandles) -> Any:
    return np.convolve(candles.close, np.ones(3) / 3.0, mode="same")


def whole_series(candles: SymbolCandles) -> Any:
    return (candles.close - candles.close.mean()) / candles.close.std()


@pytest.mark.parametrize("culprit", [looks_ahead, centred, whole_series])
def test_a_feature_that_looks_ahead_is_refused_by_name_when_the_environment_is_made(culprit: Any) -> None:
    with pytest.raises(CausalityError, match=culprit.__name__):
        make(world(0), feature_pipeline=["candles", culprit])


class Clairvoyant(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Shows the next close."""

    def observation(self, observation: Any) -> Any:
        rows = self.unwrapped.engine.rows  # type: ignore[attr-defined]
        observation[0] = rows["close"][min(row_of(self), len(rows) - 1), 0]
        return observation


def test_these_tests_would_see_a_wrapper_that_looks_ahead() -> None:
    with pytest.raises(AssertionError):
        test_wrappers_do_not_look_ahead_either(Clairvoyant)
