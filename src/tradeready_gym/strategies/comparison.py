"""A strategy beside the four baselines, on one environment and at the same costs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.strategies.base import TradingStrategy
from tradeready_gym.strategies.baselines import BuyAndHold, Flat, MovingAverageCross, RandomTrader
from tradeready_gym.strategies.native import native_environment
from tradeready_gym.strategies.performance import Evaluation

RANDOM_SEEDS = 20


@dataclass(frozen=True)
class Comparison:
    """What strategies (of several seeds, usually) and the baselines did on one environment.

    `random` has an evaluation for each of the agents: random traders that trade and hold as much as this agent did.
    """

    agents: tuple[Evaluation, ...]
    buy_and_hold: Evaluation
    flat: Evaluation
    moving_averages: Evaluation
    random: tuple[Evaluation, ...]

    @property
    def random_traders(self) -> Evaluation:
        """All random traders together."""
        return replace(self.random[0], episodes=tuple(episode for one in self.random for episode in one.episodes))

    @property
    def in_sample(self) -> bool:
        """Whether any of the strategies has learned from a part of the span."""
        return any(agent.in_sample for agent in self.agents)

    def ahead_of(self, baseline: Evaluation, metric: str = "roi_pct") -> int:
        """How many of the agents have a higher value than the baseline."""
        return sum(bool(agent.metric(metric)[0] > baseline.metric(metric)[0]) for agent in self.agents)

    @property
    def ahead_of_random(self) -> tuple[float, ...]:
        """For each agent, the share of its random traders that have a lower return; ties count half."""
        shares = []
        for agent, traders in zip(self.agents, self.random, strict=True):
            mine, theirs = agent.metric("roi_pct")[0], traders.metric("roi_pct")
            shares.append(float(np.mean((mine > theirs) + 0.5 * (mine == theirs))))
        return tuple(shares)


def compare(
    agents: Sequence[TradingStrategy],
    environment: Any,
    *,
    random_seeds: int = RANDOM_SEEDS,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Play the environment with every agent and with the baselines; each agent meets random traders that trade as
    much as it did.

    `progress` is called with the name of what is played next.
    """
    if not agents:
        raise ConfigurationError("compare() needs at least one strategy")
    native = native_environment(environment)
    tell = progress or (lambda _: None)

    def played(strategy: TradingStrategy) -> Evaluation:
        tell(strategy.name)
        return strategy.evaluate(native)

    results = tuple(played(agent) for agent in agents)
    hold, flat, cross = played(BuyAndHold()), played(Flat()), played(MovingAverageCross())
    random = []
    for result in results:
        tell(f"Random traders like {result.strategy}")
        random.append(RandomTrader.like(result, native, seeds=random_seeds).evaluate(native, episodes=random_seeds))
    return Comparison(results, hold, flat, cross, tuple(random))
