"""A strategy beside the four baselines, on one environment and at the same costs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    """What strategies (of several seeds, usually) and the baselines did on one environment."""

    agents: tuple[Evaluation, ...]
    buy_and_hold: Evaluation
    flat: Evaluation
    moving_averages: Evaluation
    random: Evaluation

    @property
    def baselines(self) -> tuple[Evaluation, ...]:
        """The four, in the order of a table."""
        return (self.buy_and_hold, self.flat, self.moving_averages, self.random)

    @property
    def in_sample(self) -> bool:
        """Whether any of the strategies has learned from a part of the span."""
        return any(agent.in_sample for agent in self.agents)

    def beaten(self, baseline: Evaluation, metric: str = "roi_pct") -> int:
        """How many of the agents' episodes have a higher value than the median episode of the baseline."""
        bar = np.nanmedian(baseline.metric(metric)) if len(baseline.episodes) > 1 else baseline.metric(metric)[0]
        return int(sum(np.sum(agent.metric(metric) > bar) for agent in self.agents))

    @property
    def share_of_random_beaten(self) -> float:
        """The share of pairs of an agent and a random trader in which the agent has the higher ROI; ties count half."""
        agents = np.concatenate([agent.metric("roi_pct") for agent in self.agents])[:, None]
        traders = self.random.metric("roi_pct")[None, :]
        return float(np.mean((agents > traders) + 0.5 * (agents == traders)))


def compare(
    agents: Sequence[TradingStrategy],
    environment: Any,
    *,
    random_seeds: int = RANDOM_SEEDS,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Play the environment with every agent and with the baselines; the random traders trade as much as the agents.

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
    tell(f"Random traders, {random_seeds} seeds")
    together = Evaluation("agents", results[0].spans, False, tuple(e for result in results for e in result.episodes))
    trader = RandomTrader.like(together, native, seeds=random_seeds)
    return Comparison(results, hold, flat, cross, trader.evaluate(native, episodes=random_seeds))
