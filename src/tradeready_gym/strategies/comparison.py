"""A strategy beside the four baselines, on one environment and at the same costs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.strategies.base import TradingStrategy
from tradeready_gym.strategies.baselines import BuyAndHold, Flat, MovingAverageCross
from tradeready_gym.strategies.data_sets import seeds_of_sets
from tradeready_gym.strategies.holdings import baseline_environment
from tradeready_gym.strategies.matching import describe_match, random_traders_like
from tradeready_gym.strategies.native import native_environment
from tradeready_gym.strategies.performance import Evaluation

RANDOM_SEEDS = 20


@dataclass(frozen=True)
class Comparison:
    """What strategies (of several seeds, usually) and the baselines did on one environment.

    `random` has an evaluation for each of the agents: random traders that trade and hold as much as this agent did.
    The baselines have actions of their own, `Evaluation.action_scheme`, on the same market, exchange, costs and clock.
    """

    agents: tuple[Evaluation, ...]
    buy_and_hold: Evaluation
    flat: Evaluation
    moving_averages: Evaluation
    random: tuple[Evaluation, ...]

    @property
    def random_traders(self) -> Evaluation:
        """All random traders together."""
        episodes = tuple(episode for one in self.random for episode in one.episodes)
        return replace(
            self.random[0], episodes=episodes, seeds=tuple(seed for one in self.random for seed in one.seeds)
        )

    @property
    def baselines(self) -> tuple[Evaluation, Evaluation, Evaluation, Evaluation]:
        """The four, in the order of every table."""
        return self.buy_and_hold, self.flat, self.moving_averages, self.random_traders

    @property
    def random_match(self) -> list[dict[str, Any]]:
        """How well the random traders meet each agent: turnover and mean weight of both, as JSON takes them."""
        return describe_match(self.agents, self.random)

    @property
    def in_sample(self) -> bool:
        """Whether any of the strategies has learned from a part of the span."""
        return any(agent.in_sample for agent in self.agents)

    def ahead_of(self, baseline: Evaluation, metric: str = "roi_pct") -> int:
        """How many of the agents have a higher value than the baseline, by the median over the episodes of each; rounding is not."""
        theirs = baseline.median(metric)
        return sum(
            mine > theirs and not _tied(mine, theirs) for mine in (agent.median(metric) for agent in self.agents)
        )

    @property
    def without_timing(self) -> tuple[bool, ...]:
        """For each agent, whether it traded and its random traders did just what it did: it held one thing all the time."""
        return tuple(
            bool(agent.metric("total_trades").any() and len(theirs.episodes) > 1 and _all_tied(agent, theirs))
            for agent, theirs in zip(self.agents, self.random, strict=True)
        )

    @property
    def ahead_of_random(self) -> tuple[float, ...]:
        """For each agent, the share of its random traders that have a lower return in the same episode; ties count half."""
        shares = []
        for agent, traders in zip(self.agents, self.random, strict=True):
            mine, theirs = _returns(agent, traders)
            tied = _tied(mine, theirs)
            shares.append(float(np.mean(np.where(tied, 0.5, mine > theirs))))
        return tuple(shares)


def _returns(agent: Evaluation, traders: Evaluation) -> tuple[Any, Any]:
    # the traders play the agent's episodes in turn
    theirs = traders.metric("roi_pct")
    return np.resize(agent.metric("roi_pct"), len(theirs)), theirs


def _all_tied(agent: Evaluation, traders: Evaluation) -> bool:
    return bool(_tied(*_returns(agent, traders)).all())


def _tied(mine: Any, theirs: Any) -> Any:
    # who does the same with other rounding is neither ahead nor behind
    return np.isclose(mine, theirs, rtol=1e-4, atol=1e-4)


def compare(
    agents: Sequence[TradingStrategy],
    environment: Any,
    *,
    random_seeds: int = RANDOM_SEEDS,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Play the environment with every agent and with the baselines; each agent meets random traders that trade as
    much as it did. Of several data sets everybody plays each once, and random traders play all of them equally often.

    `progress` is called with the name of what is played next.
    """
    native = native_environment(environment)
    tell = progress or (lambda _: None)
    seeds = seeds_of_sets(native.engine)
    results = []
    for agent in agents:
        tell(agent.name)
        results.append(agent.evaluate(native, episodes=len(seeds), seed=seeds))
    return beside_baselines(results, native, random_seeds=random_seeds, progress=progress)


def beside_baselines(
    agents: Sequence[Evaluation],
    environment: Any,
    *,
    random_seeds: int = RANDOM_SEEDS,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """What agents did on an environment, beside the four baselines in the same episodes: every command and report has them
    from here.
    """
    if not agents:
        raise ConfigurationError("a comparison needs at least one strategy")
    native = native_environment(environment)
    tell = progress or (lambda _: None)
    seeds = agents[0].seeds or (0,)
    hold, flat, cross = play_rules(native, tell, seeds)
    rounds = -(-random_seeds // len(seeds))
    random = []
    for agent in agents:
        tell(f"Random traders like {agent.strategy}")
        random.append(random_traders_like(agent, native, seeds=rounds * len(seeds))[1])
    return Comparison(tuple(agents), hold, flat, cross, tuple(random))


def play_rules(
    environment: Any, tell: Callable[[str], None] = lambda _: None, seeds: Sequence[int] = (0,)
) -> tuple[Evaluation, Evaluation, Evaluation]:
    """Buy and hold, flat and the moving averages beside whatever agent plays the environment, with actions of their own.

    An episode is played for each of `seeds`.
    """
    beside = baseline_environment(native_environment(environment))

    def played(rule: TradingStrategy) -> Evaluation:
        tell(rule.name)
        return rule.evaluate(beside, episodes=len(seeds), seed=seeds)

    return played(BuyAndHold()), played(Flat()), played(MovingAverageCross())
