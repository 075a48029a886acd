"""PPO learns where there is something to learn, and finds nothing where there is nothing: ten seeds each."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.evaluation import t_interval
from tradeready_gym.market import Candles
from tradeready_gym.market.worlds import martingale, trend
from tradeready_gym.strategies import StableBaselinesTradingStrategy

SEEDS = range(10)
BARS, STEPS = 4_000, 32_768


def market(candles: Candles) -> TradingEnvironment:
    arguments: dict[str, Any] = {"action_scheme": "target_position", "reward_scheme": "log_return", "slippage": "none"}
    return TradingEnvironment(
        data=candles, feature_pipeline=["candles", "position"], lookback_window=10, fee_rate=0.0, **arguments
    )


def growth(world: Any) -> npt.NDArray[np.float64]:
    """Log growth of each seed's agent on a world of its own that it has not seen; flat has 0."""
    grown = []
    for seed in SEEDS:
        agent = StableBaselinesTradingStrategy(
            market(world(bars=BARS, seed=100 + seed)), seed=seed, track_training=False
        )
        agent.train(STEPS)
        episode = agent.evaluate(market(world(bars=BARS, seed=200 + seed))).episodes[0]
        grown.append(float(np.log(episode.net_worth[-1] / episode.net_worth[0])))
    return np.array(grown)


def test_ppo_beats_flat_on_the_trend_world() -> None:
    interval = t_interval(growth(trend))
    assert interval.low > 0.5


def test_ppo_does_not_beat_flat_on_the_martingale() -> None:
    interval = t_interval(growth(martingale))
    assert interval.low < 0.0
    assert interval.estimate < 0.1
