"""Training and playing: what every strategy has in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import pytest

from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.features import (
    Feature,
    FixedMinMax,
    HigherTimeframe,
    MovingAverage,
    RelativeCandles,
    StandardScaler,
    WarmupMask,
)
from tradeready_gym.market import Candles
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies import BuyAndHold, Performance, Situation, TradingStrategy
from tradeready_gym.tracking import list_runs


def environment(candles: Candles | list[Candles] | None = None, **arguments: Any) -> TradingEnvironment:
    settings: dict[str, Any] = {
        "data": trend(bars=120, seed=0) if candles is None else candles,
        "feature_pipeline": ["returns", "position"],
        "lookback_window": 5,
        "interpreted": True,
    }
    return TradingEnvironment(**(settings | arguments))


class Alternating(TradingStrategy):
    """Buys and sells in turn, and remembers how it was trained."""

    def __init__(self, environment: Any = None) -> None:
        self.trained: list[int] = []
        self.step = 0
        super().__init__(environment)

    def begin(self, environment: TradingVectorEnvironment, seed: int) -> None:
        self.step = 0

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        self.step += 1
        return np.full(situation.count, 1 + self.step % 2)

    def train(self, steps: int, **_: Any) -> None:
        self.trained.append(steps)


def test_an_evaluation_is_what_stepping_the_environment_by_hand_gives() -> None:
    market = environment(fee_rate=0.001)
    result = Alternating().evaluate(market, seed=3).episodes[0]
    by_hand = environment(fee_rate=0.001)
    _, info = by_hand.reset(seed=3)
    equity, times = [info["equity"]], [info["virtual_time"]]
    done, step = False, 0
    while not done:
        step += 1
        _, _, terminated, truncated, info = by_hand.step(1 + step % 2)
        equity.append(info["equity"])
        times.append(info["virtual_time"])
        done = terminated or truncated
    assert result.net_worth.tolist() == equity
    assert [f"{time.item():%Y-%m-%dT%H:%M:%SZ}" for time in result.time] == times
    assert dict(result.metrics) == info["episode_metrics"]


def test_episode_i_is_that_of_the_environment_with_seed_plus_i() -> None:
    market = environment(episode_length=20)
    together = Alternating().evaluate(market, episodes=3, seed=5)
    alone = [Alternating().evaluate(market, seed=5 + i).episodes[0] for i in range(3)]
    for one, other in zip(together.episodes, alone, strict=True):
        assert np.array_equal(one.time, other.time)
        assert np.array_equal(one.net_worth, other.net_worth)
    assert len({episode.time[0] for episode in together.episodes}) > 1


def test_episodes_of_different_lengths_end_each_at_its_own_end() -> None:
    market = environment([trend(bars=60, seed=0), trend(bars=90, seed=1)])
    result = Alternating().evaluate(market, episodes=6)
    lengths = {len(episode) for episode in result.episodes}
    assert max(lengths) - min(lengths) == 30
    assert all(episode.metrics["length"] == len(episode) - 1 for episode in result.episodes)


def test_evaluating_leaves_the_environment_and_the_journal_alone() -> None:
    market = environment(track_training=True)
    market.reset(seed=0)
    market.step(1)
    before = market.engine.state.accounts.copy()
    runs = len(list_runs())
    Alternating().evaluate(market)
    assert np.array_equal(before, market.engine.state.accounts)
    assert len(list_runs()) == runs


def test_steps_end_an_evaluation_early() -> None:
    result = Alternating().evaluate(environment(), steps=7).episodes[0]
    assert len(result) == 8
    assert result.metrics["length"] == 7


def test_run_trains_then_plays_and_testing_only_plays() -> None:
    strategy = Alternating(environment())
    assert isinstance(strategy.run(steps=50), Performance)
    assert strategy.trained == [50]
    strategy.run(episodes=2)
    length = len(strategy.evaluate().episodes[0]) - 1
    assert strategy.trained == [50, 2 * length]
    strategy.run(episodes=1, testing=True)
    assert len(strategy.trained) == 2


def test_run_calls_back_for_every_tested_episode_until_it_says_no() -> None:
    seen: list[Performance] = []

    def twice(performance: Performance) -> bool:
        seen.append(performance)
        return len(seen) < 2

    last = Alternating(environment()).run(episodes=5, testing=True, episode_callback=twice)
    assert len(seen) == 2
    assert last is seen[-1]


def test_run_needs_steps_or_episodes() -> None:
    with pytest.raises(ValueError, match="steps=, episodes= or both"):
        Alternating(environment()).run()


def test_a_strategy_without_environment_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"strategy\.environment"):
        Alternating().evaluate()


def test_an_environment_from_gymnasium_make_is_taken_without_its_wrappers() -> None:
    made = gymnasium.make("TradeReady-BTC-v0", data=trend(bars=120), track_training=False, interpreted=True)
    strategy = Alternating(made)
    assert strategy.environment is made.unwrapped


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (lambda: gymnasium.make("CartPole-v1"), "got CartPoleEnv"),
        (lambda: "sample", "got str"),
    ],
)
def test_what_is_no_trading_environment_is_named_for_what_it_is(made: Callable[[], Any], named: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"must be a TradingEnvironment or a TradingVectorEnvironment; {named}"
    ):
        BuyAndHold().evaluate(made())


def test_a_wrapper_that_changes_what_the_agent_sees_is_refused_by_name() -> None:
    wrapped = gymnasium.wrappers.TransformReward(environment(), lambda reward: 0.0)
    with pytest.raises(ConfigurationError, match="TransformReward"):
        Alternating(wrapped)


def test_an_overridden_hook_is_refused_by_name() -> None:
    class Own(TradingEnvironment):
        def _get_reward(self) -> float:
            return 1.0

    with pytest.raises(ConfigurationError, match="_get_reward"):
        Alternating(Own(data=trend(bars=120), interpreted=True))


def test_a_foreign_environment_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="CartPole"):
        Alternating(gymnasium.make("CartPole-v1").unwrapped)


def test_a_scaler_that_was_fitted_on_the_span_makes_it_in_sample() -> None:
    candles = trend(bars=200, seed=0)
    middle = "2021-01-05T00:00:00Z"
    scaled = StandardScaler(RelativeCandles()).fit(candles, "2021-01-01T00:00:00Z", middle)
    inside = environment(candles, feature_pipeline=[scaled, "position"])
    after = environment(candles, feature_pipeline=[scaled, "position"], start_time=middle)
    assert BuyAndHold().evaluate(inside).in_sample
    assert not BuyAndHold().evaluate(after).in_sample


WRAPPED: dict[str, Callable[[Feature], Feature]] = {
    "mask": lambda scaler: WarmupMask([scaler]),
    "average": lambda scaler: MovingAverage(3, "sma", scaler),
    "longer timeframe": lambda scaler: HigherTimeframe(scaler, "4h"),
    "range": lambda scaler: FixedMinMax(scaler, -3.0, 3.0),
    "mask of an average": lambda scaler: WarmupMask([MovingAverage(3, "sma", scaler)]),
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED.keys())
def test_a_scaler_inside_another_feature_makes_its_span_in_sample_too(wrap: Callable[[Feature], Feature]) -> None:
    candles = trend(bars=400, seed=0)
    middle = "2021-01-09T00:00:00Z"
    wrapped = wrap(StandardScaler(RelativeCandles(volume_bars=2)).fit(candles, "2021-01-01T00:00:00Z", middle))
    inside = environment(candles, feature_pipeline=[wrapped, "position"], end_time=middle)
    after = environment(candles, feature_pipeline=[wrapped, "position"], start_time=middle)
    assert BuyAndHold().evaluate(inside).in_sample
    assert not BuyAndHold().evaluate(after).in_sample


def test_unknown_metrics_are_refused_with_the_nearest_name() -> None:
    result = BuyAndHold().evaluate(environment())
    with pytest.raises(ConfigurationError, match="Did you mean 'sharpe_ratio'"):
        result.metric("sharpe")


def test_a_rule_does_not_pretend_that_it_can_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="BuyAndHold"):
        BuyAndHold().save(tmp_path)
