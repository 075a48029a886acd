"""Random traders that hold what an agent held and trade as much as it did: only when they do it is drawn.

Who is compared with traders that trade less, or never sell short, may look good for what its costs or its direction did. So
they draw from the agent's own holdings, as they were after its trades and as often as it had them, and how often they draw is
searched until they have its turnover: long or short, borrowed, always invested, of several symbols.

What cannot be matched: who buys and sells within one candle, since they decide once a candle; and how much is invested, where
somebody goes to and fro but not evenly. Turnover and mean weight of both are measured, on the card, and printed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.engine import Engine
from tradeready_gym.strategies.baselines import RandomTrader
from tradeready_gym.strategies.details import details_of
from tradeready_gym.strategies.native import NativeEnvironment, native_environment
from tradeready_gym.strategies.performance import Evaluation, Performance

_ROUNDS = 10
_CLOSE_ENOUGH = 0.03
_MOST_CHOICES = 64
_PAIRS = 4_096
_LEAST_REDRAW = 1e-3
_MOST_ROWS = 20_000

Numbers = npt.NDArray[np.float64]


def random_traders_like(
    evaluation: Evaluation, environment: Any, *, seeds: int = 20
) -> tuple[RandomTrader, Evaluation]:
    """A random trader like the evaluated strategy, and what it did in `seeds` episodes of the environment.

    They play the episodes that the strategy played, in turn, where the environment draws windows or data sets. Their mean
    turnover is that of the strategy to within 3 per cent if that can be met, else as near as it came.
    """
    native = native_environment(environment)
    held = np.concatenate([holdings_of(episode, native.engine) for episode in evaluation.episodes])
    # a pool of a million rows is drawn from no better than one of some thousands
    held = held[:: math.ceil(len(held) / _MOST_ROWS)]
    wanted = mean_turnover(evaluation)
    search = _Search(wanted, _first_guess(held, wanted, native))
    same = [evaluation.seeds[i % len(evaluation.seeds)] for i in range(seeds)] if evaluation.seeds else 0
    for _ in range(_ROUNDS if wanted > 0.0 else 1):
        trader = RandomTrader(search.redraw, environment=native, holdings=held, choices=search.choices)
        played = trader.evaluate(episodes=seeds, seed=same)
        if search.ends(trader, played):
            break
    return search.best


@dataclass(frozen=True, eq=False)
class Traders:
    """What is kept of random traders beside one strategy: the equity of each, float64[steps + 1], its metrics (those of an episode
    and of `details_of`), and how well they match."""

    equity: tuple[Numbers, ...]
    metrics: tuple[Mapping[str, float | int | None], ...]
    match: Mapping[str, Any]


def trade_like(evaluation: Evaluation, environment: Any, seeds: int) -> Traders:
    """Random traders like the evaluated strategy, without all that an evaluation holds in memory."""
    native = native_environment(environment)
    played = random_traders_like(evaluation, native, seeds=seeds)[1]
    year = native.engine.market.periods_per_year / native.engine.spec.candles_per_action
    alone = [replace(played, episodes=(episode,)) for episode in played.episodes]
    return Traders(
        tuple(episode.net_worth.copy() for episode in played.episodes),
        tuple(details_of(one, year) | dict(one.episodes[0].metrics) for one in alone),
        describe_match([evaluation], [played])[0],
    )


def mean_turnover(evaluation: Evaluation) -> float:
    """The mean turnover of its episodes, traded value / mean equity per year; 0 where there is none."""
    values = evaluation.metric("turnover")
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else 0.0


def mean_weight(evaluation: Evaluation) -> float:
    """The mean over its episodes of the average share of the equity that was invested, net of shorts."""
    return float(np.mean([episode.mean_weight for episode in evaluation.episodes]))


def matched_turnover(evaluation: Evaluation, traders: Evaluation) -> float | None:
    """The traders' mean turnover as a multiple of the strategy's; None if that never traded."""
    wanted = mean_turnover(evaluation)
    return mean_turnover(traders) / wanted if wanted > 0.0 else None


def holdings_of(episode: Performance, engine: Engine) -> Numbers:
    """What it held at the ends of its steps, as it was after the last trade of each symbol: shares of the equity, (rows, S).

    One row a step, and one more for each holding that did not last until the end of its step.
    """
    symbols = len(engine.symbols)
    fills = episode.fills
    if fills is None or not len(fills):
        return np.zeros((1, symbols))
    steps = np.searchsorted(episode.time.astype(np.int64), engine.times[fills["row"]], side="right")
    steps = np.clip(steps, 1, max(len(episode) - 1, 1))
    signed = fills["side"] * fills["quantity"]
    after = np.zeros((len(fills), symbols))
    for symbol in range(symbols):
        mine = fills["symbol"] == symbol
        after[mine, symbol] = _without_dust(np.cumsum(signed[mine]), signed[mine])
        after[mine, symbol] *= fills["price"][mine] / episode.net_worth[steps[mine] - 1]
        # beside the trades of others it is what it was
        newest = np.maximum.accumulate(np.where(mine, np.arange(len(fills)), -1))
        after[:, symbol] = np.where(newest >= 0, after[newest, symbol], 0.0)
    lasted = np.diff(np.append(steps, len(episode)))
    times = _at_least_once(lasted, fills, symbols)
    before = np.zeros((max(int(steps[0]) - 1, 0), symbols))
    return np.concatenate([before, np.repeat(after, times, axis=0)])


def _without_dust(quantity: Numbers, traded: Numbers) -> Numbers:
    # a sum of what was bought and sold ends beside zero
    return np.where(np.abs(quantity) <= 1e-9 * np.abs(traded).max(), 0.0, quantity)


def _at_least_once(lasted: npt.NDArray[np.int64], fills: npt.NDArray[Any], symbols: int) -> npt.NDArray[np.int64]:
    # trades of one moment are one change: of several symbols only the last tells what was held
    if symbols == 1:
        return np.maximum(lasted, 1)
    alone = np.append(fills["row"][1:] != fills["row"][:-1], True)
    return np.where(alone, np.maximum(lasted, 1), lasted)


def _first_guess(held: Numbers, wanted: float, environment: NativeEnvironment) -> float:
    pairs = np.random.default_rng(0).integers(0, len(held), (2, _PAIRS))
    change = float(np.abs(held[pairs[0]] - held[pairs[1]]).sum(axis=1).mean())
    engine = environment.engine
    steps_per_year = engine.market.periods_per_year / engine.spec.candles_per_action
    return min(wanted / (change * steps_per_year), 1.0) if change > 1e-12 else 0.0


class _Search:
    """The probability of drawing anew at which the turnover is met: between one that is too low and one that is too high."""

    def __init__(self, wanted: float, guess: float) -> None:
        self.wanted, self.redraw, self.choices = wanted, guess, 1
        self._below: list[tuple[float, float]] = []
        self._above: list[tuple[float, float]] = []
        self._best: tuple[RandomTrader, Evaluation] | None = None
        self._distance = math.inf

    @property
    def best(self) -> tuple[RandomTrader, Evaluation]:
        if self._best is None:
            raise ValueError("nothing was tried yet; call ends() first")
        return self._best

    def ends(self, trader: RandomTrader, played: Evaluation) -> bool:
        found = mean_turnover(played)
        distance = abs(found - self.wanted)
        if distance < self._distance:
            self._best, self._distance = (trader, played), distance
        if distance <= _CLOSE_ENOUGH * self.wanted or (found > self.wanted and self.redraw == 0.0):
            return True
        (self._below if found < self.wanted else self._above).append((self.redraw, found))
        if found < self.wanted and self.redraw == 1.0:
            # whoever goes to and fro is not met by drawing at every step: it may draw what it has
            self.choices *= 4
            self._below, self._above = [], []
            return self.choices > _MOST_CHOICES
        self.redraw = min(max(self._next(found), 0.0), 1.0)
        return False

    def _next(self, found: float) -> float:
        if not self._below:
            return self.redraw * self.wanted / found if len(self._above) == 1 else 0.0
        if not self._above:
            return self._further(found)
        (low, less), (high, more) = max(self._below), min(self._above)
        # away from the ends, or a curve that bends would be crept along
        share = min(max((self.wanted - less) / (more - less), 0.1), 0.9)
        return low + share * (high - low)

    def _further(self, found: float) -> float:
        least = max(self.redraw, _LEAST_REDRAW)
        if len(self._below) == 1:
            return least * min(self.wanted / found, 8.0) if found > 0.0 else 8.0 * least
        (before, less), (low, more) = self._below[-2:]
        slope = (more - less) / (low - before)
        return low + min((self.wanted - more) / slope, 8.0 * least) if slope > 0.0 else 8.0 * least


def describe_match(
    agents: Sequence[Evaluation], traders: Sequence[Evaluation], names: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """For each agent, the turnover and the exposure of its random traders beside its own, as JSON takes them."""
    return [
        {
            "agent": name,
            "traders": len(theirs.episodes),
            "turnover": mean_turnover(agent),
            "traders_turnover": mean_turnover(theirs),
            "turnover_ratio": matched_turnover(agent, theirs),
            "mean_weight": mean_weight(agent),
            "traders_mean_weight": mean_weight(theirs),
        }
        for name, agent, theirs in zip(names or [agent.strategy for agent in agents], agents, traders, strict=True)
    ]
