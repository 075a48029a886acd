"""The card of a walk-forward: one JSON object with every fold, every seed, and what all tests say together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

import tradeready_gym
from tradeready_gym.envs.composition import describe
from tradeready_gym.evaluation import Interval, iqm_interval, performance_metrics, t_interval
from tradeready_gym.evaluation.performance import CURVE_METRICS
from tradeready_gym.strategies.card import (
    as_plain,
    believable,
    describe_data,
    describe_trials,
    periods_per_year,
    versions,
)
from tradeready_gym.strategies.cautions import cautions_of
from tradeready_gym.strategies.details import details_of
from tradeready_gym.strategies.performance import Evaluation
from tradeready_gym.strategies.trials import Trial
from tradeready_gym.strategies.walk_forward import Fold, FoldResult, WalkForward

FORMAT = "tradeready-walk-forward/1"
RANDOM = "Random"
ACROSS = ("roi_pct", "sharpe_ratio", "max_drawdown_pct")
_OF_CHAIN = ("roi_pct", "sharpe_ratio", "sortino_ratio", "max_drawdown_pct", "max_drawdown_duration", *CURVE_METRICS)


def walk_forward_card(result: WalkForward, *, trials: Sequence[Trial] = (), command: str = "") -> dict[str, Any]:
    """The card of a walk-forward, as plain data; numbers that do not exist are None.

    `trials` is what the store knows of this market and the time of the tests (the seeds' own among them), `command` how to do
    it again. `across_seeds` has the mean with Student's interval and the interquartile mean (IQM) with its bootstrap interval;
    that over all tests takes a return of each seed in each test, stratified by test. Fewer than ten seeds say so.
    """
    experiment, engine = result.experiment, result.environment.engine
    seeds = {str(seed): result.chained(seed)[1] for seed in experiment.seeds}
    rules = {rule: result.chained_baseline(rule)[1] for rule in result.rules}
    year = periods_per_year(engine)
    return {
        "format": FORMAT,
        "created_by": f"tradeready-gym {tradeready_gym.__version__}",
        "command": command,
        "data": describe_data(engine),
        "fills": {"convention": engine.spec.exchange.fill_at, "optimistic": engine.spec.exchange.fill_at == "close"},
        "cautions": cautions_of(engine),
        "environment": dict(describe(engine.spec)),
        "algorithm": experiment.algorithm,
        "steps": experiment.steps,
        "seeds": list(experiment.seeds),
        "purge_candles": result.purge,
        "embargo_candles": result.embargo,
        "folds": [_fold(result, fold, year) for fold in result.folds],
        "all_tests": {
            "span": str(result.span),
            "seeds": {
                name: chain_metrics(equity, year) | believable(equity, trials, engine) for name, equity in seeds.items()
            },
            "baselines": {rule: chain_metrics(equity, year) for rule, equity in rules.items()}
            | _chained_random(result, year),
            "across_seeds": {name: across([chain_metrics(e, year)[name] for e in seeds.values()]) for name in ACROSS},
            "interquartile_mean_of_tests": {name: as_plain(over_tests(result, name)) for name in ACROSS},
            "ahead_of_random_traders": {str(seed): _ahead(result, seed) for seed in experiment.seeds},
        },
        "baselines_played_with": {rule: _of_rule(result, rule).action_scheme for rule in result.rules},
        "random_traders": [_match(one) for one in result.results if one.traders is not None],
        "trials": describe_trials(trials, engine),
        "versions": versions(),
    }


def chain_metrics(equity: npt.NDArray[np.float64], year: float) -> dict[str, Any]:
    """What a curve over all tests says, float64[steps + 1]; of one that was worth nothing only the return."""
    if (equity[:-1] > 0.0).all():
        found = performance_metrics(equity, year)
        return {name: found[name] for name in _OF_CHAIN}
    return dict.fromkeys(_OF_CHAIN) | {"roi_pct": 100.0 * float(equity[-1] / equity[0] - 1.0)}


def across(values: Sequence[float | None]) -> dict[str, Any] | None:
    """Mean and IQM of one value a seed, with intervals from two values on; None if no seed has one."""
    known = [value for value in values if value is not None and np.isfinite(value)]
    if not known:
        return None
    found: dict[str, Any] = {
        "seeds": len(known),
        "median": float(np.median(known)),
        "mean": None,
        "interquartile_mean": None,
    }
    if len(known) > 1:
        found |= {
            "mean": as_plain(t_interval(known)),
            "interquartile_mean": as_plain(iqm_interval(known, resamples=2_000)),
        }
    return found


def over_tests(result: WalkForward, name: str) -> Interval | None:
    """The IQM of a metric over every seed and test; None with one seed, or where no test has the metric for every seed.

    A test in which a seed has no such figure (it never traded) is left out, and the interval says how many were.
    """
    if len(result.experiment.seeds) < 2:
        return None
    table = np.array([[one.evaluation.metric(name)[0] for one in result.of_fold(fold)] for fold in result.folds]).T
    whole = np.isfinite(table).all(axis=0)
    if not whole.any():
        return None
    interval = iqm_interval(table[:, whole], resamples=2_000)
    left_out = int((~whole).sum())
    said = f"{left_out} of {len(whole)} tests have no such figure for every seed, and are left out" if left_out else ""
    return replace(interval, warning="; ".join(filter(None, (interval.warning, said))))


def _fold(result: WalkForward, fold: Fold, year: float) -> dict[str, Any]:
    mine = result.of_fold(fold)
    return {
        "number": fold.number + 1,
        "training": str(fold.training),
        "test": str(fold.test),
        "seeds": {str(one.seed): _metrics(one, year) for one in mine},
        "baselines": {rule: _metrics(result.of_fold(fold, rule)[0], year) for rule in result.rules}
        | _random([metrics for one in mine if one.traders is not None for metrics in one.traders.metrics]),
        "across_seeds": {name: across([one.performance.metrics[name] for one in mine]) for name in ACROSS},
    }


def _metrics(one: FoldResult, year: float) -> dict[str, Any]:
    return details_of(one.evaluation, year) | dict(one.performance.metrics)


def _of_rule(result: WalkForward, rule: str) -> Evaluation:
    return result.of_fold(result.folds[0], rule)[0].evaluation


def _random(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    # the medians over all random traders of all seeds, as in an evaluation
    if not found:
        return {}
    known = {name: [one[name] for one in found if one[name] is not None] for name in found[0]}
    return {RANDOM: {name: float(np.median(values)) if values else None for name, values in known.items()}}


def _chained_random(result: WalkForward, year: float) -> dict[str, Any]:
    curves = [curve for seed in result.experiment.seeds for curve in result.chained_traders(seed)]
    return _random([chain_metrics(curve, year) for curve in curves])


def _ahead(result: WalkForward, seed: int) -> float | None:
    mine = result.chained(seed)[1]
    theirs = np.array([curve[-1] / curve[0] for curve in result.chained_traders(seed)])
    gain = mine[-1] / mine[0]
    return float(np.mean((gain > theirs) + 0.5 * (gain == theirs))) if len(theirs) else None


def _match(one: FoldResult) -> dict[str, Any]:
    match = {} if one.traders is None else dict(one.traders.match)
    return {"fold": one.fold.number + 1, "seed": one.seed} | match
