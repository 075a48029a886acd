"""The result card: one JSON object with everything that a sceptic needs, to believe a result or to repeat it."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt

import tradeready_gym
from tradeready_gym.engine import Engine
from tradeready_gym.envs.composition import describe
from tradeready_gym.errors import DataError
from tradeready_gym.evaluation import (
    Interval,
    curve_moments,
    deflated_sharpe,
    interquartile_mean,
    probabilistic_sharpe,
    stationary_bootstrap,
    t_interval,
)
from tradeready_gym.evaluation.stretches import returns_of
from tradeready_gym.market import Span, format_time
from tradeready_gym.strategies.cautions import cautions_of, is_free
from tradeready_gym.strategies.comparison import Comparison
from tradeready_gym.strategies.data_sets import MOST_SETS, by_data_set, names_of_sets
from tradeready_gym.strategies.details import details_of
from tradeready_gym.strategies.learned import Learned, spans_of
from tradeready_gym.strategies.native import NativeEnvironment
from tradeready_gym.strategies.performance import Evaluation
from tradeready_gym.strategies.sensitivity import costs_scaled
from tradeready_gym.strategies.trials import Trial, per_period, step_seconds

FORMAT = "tradeready-result-card/1"
PACKAGES = ("gymnasium", "numpy", "numba", "TA-Lib", "torch", "stable-baselines3", "sb3-contrib")
_RESAMPLES = 500


def result_card(
    comparison: Comparison,
    environment: NativeEnvironment,
    *,
    learned: Sequence[Learned] = (),
    seeds: Sequence[int] = (),
    trials: Sequence[Trial] = (),
    costs: Mapping[float, Sequence[Evaluation]] | None = None,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    command: str = "",
) -> dict[str, Any]:
    """The card of a comparison on an environment, as plain data; numbers that do not exist are None.

    `learned` is where the agents learned, with the spans by which their training was ended or they were chosen (early stopping,
    tuning) and how many evaluations that took, one entry for each agent; `trials` what the store knows of this market and time (the agents' own among
    them), `costs` the agents' evaluations by multiple of the costs, `changes` what is
    not as it was in training (`cautions.changes_since`), `command` how to do it again.
    """
    engine = environment.engine
    return {
        "format": FORMAT,
        "created_by": f"tradeready-gym {tradeready_gym.__version__}",
        "command": command,
        "data": describe_data(engine),
        "spans": {
            "training": list(dict.fromkeys(str(lesson.span) for lesson in learned if not lesson.looks)),
            "selection": _selection(learned),
            "evaluation": [str(span) for span in spans_of(engine)],
            "played": _played(comparison.agents),
            "in_sample": comparison.in_sample,
        },
        "fills": {"convention": engine.spec.exchange.fill_at, "optimistic": engine.spec.exchange.fill_at == "close"},
        "cautions": cautions_of(engine),
        "changed_since_training": dict(changes or {}),
        "environment": dict(describe(engine.spec)),
        "seeds": list(seeds),
        "agents": [_agent(agent, engine, trials) for agent in comparison.agents],
        "data_sets": _data_sets(comparison, engine),
        "across_seeds": across_seeds(comparison.agents),
        "baselines": [_figures(one, engine) for one in comparison.baselines],
        "ahead_of_random_traders": list(comparison.ahead_of_random),
        "random_traders": comparison.random_match,
        "trials": describe_trials(trials, engine),
        "cost_multiples": {
            f"{times:g}": [_figures(one, engine) for one in found] for times, found in (costs or {}).items()
        },
        "free": is_free(engine.spec.exchange),
        "costs_scaled": costs_scaled(engine.spec.exchange),
        "versions": versions(),
    }


def describe_data(engine: Engine) -> dict[str, Any]:
    """Which candles: symbols, source, span, and a hash of every price and volume."""
    digest = hashlib.sha256()
    candles = [replayer.candles for replayer in engine.replayers]
    for one in candles:
        digest.update(one.times.tobytes())
        for name in ("open", "high", "low", "close", "volume"):
            digest.update(getattr(one, name).tobytes())
    return {
        "symbols": list(engine.symbols),
        "timeframe": engine.market.timeframe.label,
        "sources": sorted({one.source for one in candles}),
        "first": format_time(min(one.start for one in candles)),
        "end": format_time(max(one.end for one in candles)),
        "candles": sum(len(one) for one in candles),
        "gaps": int(sum(one.gaps.sum() for one in candles)),
        "sha256": digest.hexdigest(),
    }


def describe_trials(trials: Sequence[Trial], engine: Engine) -> dict[str, Any]:
    """How many looks this market and time have had, and how far apart their annual Sharpe ratios are."""
    ratios = per_period(trials, step_seconds(engine)) * np.sqrt(periods_per_year(engine))
    known = ratios[np.isfinite(ratios)]
    return {
        "count": len(trials),
        "never_traded": len(ratios) - len(known),
        "annual_sharpe_best": float(known.max()) if len(known) else None,
        "annual_sharpe_variance": float(np.var(known, ddof=1)) if len(known) > 1 else None,
        "note": "every different agent that was evaluated on an overlapping span of this market on this machine",
    }


def believable(equity: npt.NDArray[np.float64], trials: Sequence[Trial], engine: Engine) -> dict[str, float | None]:
    """`probabilistic_sharpe` and `deflated_sharpe` of a curve, float64[steps + 1]; None where there is none.

    The trials are those that are known of this market and time. Without any there is no deflated ratio: that nothing else
    was tried is not known. The curve's own ratio is put among them where it is missing.
    """
    found: dict[str, float | None] = {"probabilistic_sharpe": None, "deflated_sharpe": None}
    if len(equity) < 4 or not (equity > 0.0).all():
        return found
    try:
        moments = curve_moments(equity)
    except DataError:
        return found  # it never traded: there is no ratio to speak of
    found["probabilistic_sharpe"] = probabilistic_sharpe(moments)
    ratios = per_period(trials, step_seconds(engine))
    if len(ratios):
        own = np.isclose(ratios, moments.sharpe, rtol=1e-9, atol=0.0).any()
        found["deflated_sharpe"] = deflated_sharpe(moments, ratios if own else [*ratios, moments.sharpe])
    return found


def across_seeds(agents: Sequence[Evaluation]) -> dict[str, Any]:
    """Mean with Student's interval, and interquartile mean, of return and Sharpe ratio; fewer than ten seeds say so."""
    found: dict[str, Any] = {}
    for name in ("roi_pct", "sharpe_ratio"):
        values = np.array([agent.median(name) for agent in agents])
        known = values[np.isfinite(values)]
        if len(known):
            interval = as_plain(t_interval(known)) if len(known) > 1 else None
            found[name] = {"interquartile_mean": interquartile_mean(known), "mean": interval, "seeds": len(known)}
    return found


def sharpe_interval(evaluation: Evaluation, engine: Engine) -> Interval | None:
    """The annual Sharpe ratio with its interval by the stationary bootstrap; None where there is none."""
    equity = evaluation.curve
    if len(equity) < 22 or not (equity > 0.0).all() or np.ptp(equity) == 0.0:
        return None
    annual = float(np.sqrt(periods_per_year(engine)))
    per_step = stationary_bootstrap(returns_of(equity), resamples=_RESAMPLES)
    return Interval(
        annual * per_step.estimate,
        annual * per_step.low,
        annual * per_step.high,
        per_step.confidence,
        per_step.method,
        per_step.warning,
    )


def as_plain(interval: Interval | None) -> dict[str, Any] | None:
    """An interval as JSON takes it."""
    if interval is None:
        return None
    return {
        "estimate": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "confidence": interval.confidence,
        "method": interval.method,
        "warning": interval.warning,
    }


def versions() -> dict[str, str]:
    """Python and the packages that numbers may depend on, as far as they are installed."""
    found = {"python": platform.python_version(), "tradeready-gym": tradeready_gym.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def periods_per_year(engine: Engine) -> float:
    """Decisions in 365.25 days."""
    return engine.market.periods_per_year / engine.spec.candles_per_action


def _agent(agent: Evaluation, engine: Engine, trials: Sequence[Trial]) -> dict[str, Any]:
    interval = {"sharpe_interval": as_plain(sharpe_interval(agent, engine))}
    return _figures(agent, engine) | interval | believable(agent.curve, trials, engine)


def _figures(evaluation: Evaluation, engine: Engine) -> dict[str, Any]:
    metrics: dict[str, Any] = dict(details_of(evaluation, periods_per_year(engine)))
    for name in evaluation.episodes[0].metrics:
        median = evaluation.median(name)
        metrics[name] = median if np.isfinite(median) else None
    return {
        "name": evaluation.strategy,
        "episodes": len(evaluation.episodes),
        "action_scheme": evaluation.action_scheme,
        "metrics": metrics,
    }


def _data_sets(comparison: Comparison, engine: Engine) -> list[dict[str, Any]]:
    # of one data set, everything is said already
    if len(engine.segments) < 2:
        return []
    agents, baselines = (
        [by_data_set(one, engine) for one in group] for group in (comparison.agents, comparison.baselines)
    )
    return [
        {
            "data_set": name,
            "agents": [_figures(found, engine) for one in agents if (found := one[place]) is not None],
            "baselines": [_figures(found, engine) for one in baselines if (found := one[place]) is not None],
        }
        for place, name in enumerate(names_of_sets(engine)[:MOST_SETS])
    ]


def _selection(learned: Sequence[Learned]) -> list[dict[str, Any]]:
    # a choice within one trial, on a span that is not tested here: no trials, but not nothing
    return [{"span": str(lesson.span), "evaluations": lesson.looks} for lesson in learned if lesson.looks]


def _played(agents: Sequence[Evaluation]) -> list[str]:
    # less than the evaluation's span where windows, data sets or paths are drawn, and after ruin
    times = [episode.time[[0, -1]].astype(np.int64).tolist() for agent in agents for episode in agent.episodes]
    return list(dict.fromkeys(str(Span(*ends)) for ends in times))
