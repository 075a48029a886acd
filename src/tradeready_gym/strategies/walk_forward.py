"""Walk-forward: train on what was, test on what came next, move on, and never look back.

Each fold and seed begins with nothing: a new strategy, new statistics. The tests follow one another without a
gap, so that their returns, chained, are one long result of which no part was known to whoever traded it.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.evaluation.walk_forward import require_counts, walk_forward_splits
from tradeready_gym.market import Span
from tradeready_gym.strategies.comparison import play_rules
from tradeready_gym.strategies.compiling import compile_ahead
from tradeready_gym.strategies.experiment import Experiment
from tradeready_gym.strategies.learned import spans_of
from tradeready_gym.strategies.matching import Traders, trade_like
from tradeready_gym.strategies.native import NativeEnvironment
from tradeready_gym.strategies.performance import Evaluation, Performance
from tradeready_gym.strategies.trials import Trial, trial_of_curve

Finished = Callable[["FoldResult"], None]
FIRST_TRAINING_SHARE = 0.4
RANDOM_SEEDS = 10
Job = tuple[Experiment, "Fold", int, int]


@dataclass(frozen=True)
class Fold:
    """The spans of one fold; between them lie the candles of the embargo and then those of the purge."""

    number: int
    training: Span
    test: Span

    def __str__(self) -> str:
        return f"fold {self.number + 1}: trained on {self.training}, tested on {self.test}"


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What one seed did in the test of one fold (`seed` is None for a baseline, whose name is `evaluation.strategy`).

    `traders` are the random traders that hold and trade as much as this seed did in this test.
    """

    fold: Fold
    seed: int | None
    evaluation: Evaluation
    traders: Traders | None = None

    @property
    def performance(self) -> Performance:
        """The one episode of the test."""
        return self.evaluation.episodes[0]


@dataclass(frozen=True, eq=False)
class WalkForward:
    """All folds of an experiment, with the baselines on the same tests.

    `environment` is on the whole span; `purge` and `embargo` are in candles.
    """

    experiment: Experiment
    folds: tuple[Fold, ...]
    results: tuple[FoldResult, ...]
    baselines: tuple[FoldResult, ...]
    environment: NativeEnvironment
    purge: int = 0
    embargo: int = 0

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the baselines."""
        return tuple(dict.fromkeys(result.evaluation.strategy for result in self.baselines))

    @property
    def span(self) -> Span:
        """From the beginning of the first test to the end of the last."""
        return Span(self.folds[0].test.start, self.folds[-1].test.end)

    def of_fold(self, fold: Fold, rule: str | None = None) -> tuple[FoldResult, ...]:
        """The results of the seeds in a fold, or those of a baseline."""
        if rule is None:
            return tuple(result for result in self.results if result.fold == fold)
        return tuple(r for r in self.baselines if r.fold == fold and r.evaluation.strategy == rule)

    def chained(self, seed: int) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.float64]]:
        """Times and equity of a seed over all tests, as if each had begun with what the one before left."""
        return _chain([result.performance for result in self.results if result.seed == seed])

    def chained_baseline(self, name: str) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.float64]]:
        """The same of a baseline."""
        return _chain([result.performance for result in self.baselines if result.evaluation.strategy == name])

    def chained_traders(self, seed: int) -> list[npt.NDArray[np.float64]]:
        """The equity of each of the random traders beside a seed over all tests; none where none were played."""
        found = [result.traders for result in self.results if result.seed == seed]
        if any(traders is None for traders in found):
            return []
        return [_chain_equity(curves) for curves in zip(*(one.equity for one in found if one is not None), strict=True)]

    @property
    def trials(self) -> tuple[Trial, ...]:
        """One for each seed: its whole way through the tests. `TrialStore.record` counts them."""
        settings = repr((self.experiment, self.folds)).encode()
        found = []
        for seed in self.experiment.seeds:
            equity = self.chained(seed)[1]
            agent = sha256(settings + str(seed).encode() + equity.tobytes()).hexdigest()[:16]
            label = f"{self.experiment.label}, seed {seed}"
            found.append(trial_of_curve(equity, self.environment.engine, self.span, agent, label))
        return tuple(trial for trial in found if trial is not None)


def make_folds(
    span: Span,
    step: int,
    count: int,
    *,
    rolling: bool = False,
    purge: int = 0,
    embargo: int = 0,
    first_share: float = FIRST_TRAINING_SHARE,
) -> tuple[Fold, ...]:
    """`count` folds of `span`: tests of one length follow one another from `first_share` of the span to its end.

    Training begins with the span (with its first whole candle), or, if `rolling`, has the length of the first fold's. It ends `purge` candles before
    its test, so that no reward or label reaches across, and `embargo` more. `step` is a candle in microseconds. The rows
    are those of `evaluation.walk_forward_splits`, with the last candle of the span as its last row.

    Raises:
        ConfigurationError: an argument is outside its domain, or there are not enough candles.
    """
    candles = (span.end - span.start) // step
    begin = span.end - candles * step
    splits = walk_forward_splits(candles, count, rolling=rolling, purge=purge, embargo=embargo, first_share=first_share)
    return tuple(
        Fold(split.number, _span_of(split.training, begin, step), _span_of(split.test, begin, step)) for split in splits
    )


def walk_forward(
    experiment: Experiment,
    *,
    folds: int = 8,
    rolling: bool = False,
    purge: int = 24,
    embargo: int = 0,
    random_seeds: int = RANDOM_SEEDS,
    workers: int | None = None,
    finished: Finished | None = None,
) -> WalkForward:
    """Train every seed of the experiment on every fold, and play the fold's test, beside the four baselines.

    Each seed meets `random_seeds` random traders in each test; 0 leaves them out.

    `workers` processes at a time, this one among them (one for every processor by default); the numbers do not depend on it. `finished` is called
    with each result as it comes.

    Raises:
        ConfigurationError: an argument is outside its domain, or there are not enough candles.
    """
    require_counts(folds=folds, steps=experiment.steps, workers=1 if workers is None else workers)
    require_counts(0, purge=purge, embargo=embargo, random_seeds=random_seeds)
    count = min(workers or os.cpu_count() or 1, folds * len(experiment.seeds))
    with ExitStack() as stack:
        pool = _begin_pool(count - 1) if count > 1 else None
        if pool is not None:  # whoever stops does not wait for what has not begun
            stack.callback(pool.shutdown, cancel_futures=True)
        whole = experiment.make(experiment.start, experiment.end)
        step = whole.engine.market.timeframe.microseconds
        planned = make_folds(spans_of(whole.engine)[0], step, folds, rolling=rolling, purge=purge, embargo=embargo)
        if pool is not None:
            compile_ahead(whole)  # while the others import: they find it on disk
        jobs = [(experiment, fold, seed, random_seeds) for fold in planned for seed in experiment.seeds]
        running = _run(jobs, pool)
        baselines = tuple(_play_baselines(experiment, planned))
        results = []
        for result in running:
            results.append(result)
            if finished is not None:
                finished(result)
    results.sort(key=lambda result: (result.fold.number, result.seed or 0))
    return WalkForward(experiment, planned, tuple(results), baselines, whole, purge, embargo)


def _span_of(rows: range, begin: int, step: int) -> Span:
    return Span(begin + rows.start * step, begin + rows.stop * step)


def _begin_pool(count: int) -> ProcessPoolExecutor:
    # a forked process would inherit the threads' locks of PyTorch, but not the threads
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
    # importing takes them seconds, in which this process finds out what there is to do
    for _ in range(count):
        pool.submit(_import)
    return pool


def _import() -> None:
    import torch

    import tradeready_gym.strategies.stable_baselines  # noqa: F401

    # the first optimiser of a process imports the other half of PyTorch
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])


def _run(jobs: Sequence[Job], pool: ProcessPoolExecutor | None) -> Iterator[FoldResult]:
    if pool is None:
        return (_train_and_test(*job) for job in jobs)
    return _share(jobs, [pool.submit(_train_and_test, *job) for job in jobs])


def _share(jobs: Sequence[Job], futures: Sequence[Future[FoldResult]]) -> Iterator[FoldResult]:
    # a process takes seconds to begin: this one works, too, on what no other has begun, from the end
    open_still = set(futures)
    for job, future in zip(reversed(jobs), reversed(futures), strict=True):
        if future.cancel():
            open_still.discard(future)
            yield _train_and_test(*job)
        done = {future for future in open_still if future.done()}
        open_still -= done
        yield from (future.result() for future in done)
    yield from (future.result() for future in as_completed(open_still))


def _train_and_test(experiment: Experiment, fold: Fold, seed: int, random_seeds: int) -> FoldResult:
    from tradeready_gym.strategies.stable_baselines import StableBaselinesTradingStrategy

    with _one_thread():
        training = experiment.make(fold.training.start_time, fold.training.end_time)
        agent = StableBaselinesTradingStrategy(training, experiment.algorithm, seed=seed, track_training=False)
        agent.train(experiment.steps)
        test = experiment.make(fold.test.start_time, fold.test.end_time, whole=True)
        played = agent.evaluate(test)
        return FoldResult(fold, seed, played, trade_like(played, test, random_seeds) if random_seeds else None)


@contextmanager
def _one_thread() -> Iterator[None]:
    # agents are what is done in parallel: threads of theirs would only wait for one another, and a sum over several is another
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _play_baselines(experiment: Experiment, folds: Sequence[Fold]) -> Iterator[FoldResult]:
    for fold in folds:
        environment = experiment.make(fold.test.start_time, fold.test.end_time, whole=True)
        for played in play_rules(environment):
            yield FoldResult(fold, None, played)


def _chain(performances: Sequence[Performance]) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    times = [one.time[0 if place == 0 else 1 :] for place, one in enumerate(performances)]
    return np.concatenate(times), _chain_equity([one.net_worth for one in performances])


def _chain_equity(curves: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    chained, level = [], curves[0][0]
    for place, curve in enumerate(curves):
        scaled = curve * (level / curve[0])
        chained.append(scaled[0 if place == 0 else 1 :])
        level = scaled[-1]
    return np.concatenate(chained)
