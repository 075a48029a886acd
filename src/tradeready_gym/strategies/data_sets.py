"""Several data sets, or paths: who is judged there plays each of them once."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tradeready_gym.engine import Engine
from tradeready_gym.exchanges.draws import START_STREAM, uniform
from tradeready_gym.market import Span
from tradeready_gym.strategies.learned import spans_of
from tradeready_gym.strategies.performance import Evaluation

# every account's whole way is kept: of a thousand paths, that is more memory than there is
MOST_SETS = 100


def seeds_of_sets(engine: Engine) -> tuple[int, ...]:
    """For each data set, of the first hundred, the least seed whose first episode is played in it; (0,) where there is one."""
    sets = len(engine.segments)
    wanted = range(min(sets, MOST_SETS))
    found: dict[int, int] = {}
    seed = 0
    while not all(place in found for place in wanted):
        found.setdefault(set_of_seed(seed, sets), seed)
        seed += 1
    return tuple(found[place] for place in wanted)


def set_of_seed(seed: int, sets: int) -> int:
    """Which of so many data sets the first episode of a seed is played in."""
    with np.errstate(over="ignore"):  # the mixer wraps around
        return int(uniform(np.uint64(seed), 0, 0, START_STREAM, 0) * sets) if sets > 1 else 0


def by_data_set(evaluation: Evaluation, engine: Engine) -> tuple[Evaluation | None, ...]:
    """What an evaluation did in each of the engine's data sets; None where it was not."""
    spans = spans_of(engine)
    places = [set_of_seed(seed, len(spans)) for seed in evaluation.seeds]
    return tuple(
        _in_set(evaluation, span, [k for k, found in enumerate(places) if found == place])
        for place, span in enumerate(spans)
    )


def names_of_sets(engine: Engine) -> tuple[str, ...]:
    """What the data sets are called: their number, where they come from, and what is played of them."""
    pairs = zip(engine.replayers, spans_of(engine), strict=True)
    return tuple(
        f"{number} of {len(engine.replayers)}: {replayer.candles.source or 'candles'}, {span}"
        for number, (replayer, span) in enumerate(pairs, 1)
    )


def _in_set(evaluation: Evaluation, span: Span, episodes: Sequence[int]) -> Evaluation | None:
    if not episodes:
        return None
    seeds = tuple(evaluation.seeds[k] for k in episodes)
    return replace(evaluation, spans=(span,), episodes=tuple(evaluation.episodes[k] for k in episodes), seeds=seeds)
