"""A strategy beside the four baselines, on the same environment and at the same costs."""

from collections.abc import Sequence
from typing import Any

from tradeready_gym.strategies.base import TradingStrategy
from tradeready_gym.strategies.baselines import BuyAndHold, Flat, MovingAverageCross, RandomTrader
from tradeready_gym.strategies.performance import Evaluation

RANDOM_SEEDS = 20


def compare_with_baselines(
    strategies: Sequence[TradingStrategy], environment: Any, *, seed: int = 0, random_seeds: int = RANDOM_SEEDS
) -> list[Evaluation]:
    """Evaluations of the strategies, then of buy-and-hold, flat, a moving-average cross and a random trader.

    The random trader has the turnover and the mean share invested of the first strategy, and plays `random_seeds` episodes.
    """
    found = [strategy.evaluate(environment, seed=seed) for strategy in strategies]
    rules: list[TradingStrategy] = [BuyAndHold(), Flat(), MovingAverageCross()]
    found += [rule.evaluate(environment, seed=seed) for rule in rules]
    like = RandomTrader.like(found[0], environment, seeds=random_seeds)
    found.append(like.evaluate(environment, episodes=random_seeds, seed=seed))
    return found
