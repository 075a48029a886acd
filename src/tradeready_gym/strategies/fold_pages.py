"""From a walk-forward and its card to the page that people read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tradeready_gym.rendering.report import Curve, FoldReport, FoldSpans
from tradeready_gym.strategies.fold_card import RANDOM
from tradeready_gym.strategies.glossary import WALK_FORWARD
from tradeready_gym.strategies.pages import FILLS, costs_of, days, luck_words, moved, shares_words, turnover_words
from tradeready_gym.strategies.walk_forward import Fold, WalkForward

HOLD = "Buy and hold"
_ENOUGH_SEEDS = 10


def walk_forward_report(title: str, result: WalkForward, card: Mapping[str, Any]) -> FoldReport:
    """The page of a walk-forward; `card` is its `walk_forward_card`."""
    engine = result.environment.engine
    seeds = [_curve(f"{result.experiment.algorithm}, seed {s}", result.chained(s)) for s in result.experiment.seeds]
    candle = engine.market.timeframe.microseconds
    return FoldReport(
        title=title,
        subtitle=f"tested {days(result.span)} · {costs_of(engine)} · orders fill at the {FILLS[engine.spec.exchange.fill_at]}",
        folds=[_spans(result, fold, candle) for fold in result.folds],
        seeds=seeds,
        median=median_curve(f"{result.experiment.algorithm}, median", seeds),
        hold=_curve(HOLD, result.chained_baseline(HOLD)),
        badges=_badges(card),
        remarks=remarks_of(result, card),
        facts=_facts(result, card),
        rows=fold_rows(result, card),
        totals=total_rows(card),
        glossary=WALK_FORWARD,
        card=card,
    )


def median_curve(name: str, seeds: Sequence[Curve]) -> Curve:
    """The median of the seeds at each time at which any of them has an equity; one that has none yet counts with its last."""
    times = np.unique(np.concatenate([curve.times for curve in seeds]))
    rows = [curve.equity[np.searchsorted(curve.times, times, side="right") - 1] for curve in seeds]
    return Curve(name, times, np.median(rows, axis=0))


def fold_rows(result: WalkForward, card: Mapping[str, Any]) -> list[dict[str, str]]:
    """A line for each fold: the test, and return, Sharpe ratio and drawdown over the seeds, beside buy and hold."""
    rows = []
    for fold, found in zip(result.folds, card["folds"], strict=True):
        shared = found["across_seeds"]
        traded = sum(one["total_trades"] > 0 for one in found["seeds"].values())
        trades = float(np.median([one["total_trades"] for one in found["seeds"].values()]))
        rows.append(
            {
                "fold": str(fold.number + 1),
                "test": days(fold.test),
                "return %": _within(shared["roi_pct"], 1),
                "Sharpe": _within(shared["sharpe_ratio"], 2) if traded else "no trade",
                "max DD %": _within(shared["max_drawdown_pct"], 1, least=0.0),
                "trades": f"{trades:,.0f}" if traded else "none",
                "buy and hold %": f"{found['baselines'][HOLD]['roi_pct']:.1f}",
            }
        )
    return rows


def total_rows(card: Mapping[str, Any]) -> list[dict[str, str]]:
    """A line for each seed and baseline over all tests, one after the other."""
    algorithm, found = card["algorithm"], card["all_tests"]
    named = [(f"{algorithm}, seed {seed}", one) for seed, one in found["seeds"].items()] + list(
        found["baselines"].items()
    )
    return [
        {
            "strategy": name,
            "return %": _number(one["roi_pct"], 1),
            "a year %": _number(one["annual_return_pct"], 1),
            "Sharpe": _number(one["sharpe_ratio"], 2),
            "Sortino": _number(one["sortino_ratio"], 2),
            "Omega": _number(one["omega_ratio"], 2),
            "max DD %": _number(one["max_drawdown_pct"], 1),
            "Calmar": _number(one["calmar_ratio"], 2),
            "deflated Sharpe": _number(one.get("deflated_sharpe"), 2),
        }
        for name, one in named
    ]


def remarks_of(result: WalkForward, card: Mapping[str, Any]) -> list[str]:
    """What it says in sentences, and what it does not: the most important first."""
    algorithm, count, tests = result.experiment.algorithm, len(card["seeds"]), len(result.folds)
    median, hold = _median_return(card), card["all_tests"]["baselines"][HOLD]["roi_pct"]
    who = f"the median of {count} seeds" if count > 1 else "the only seed"
    ahead, above = _folds_ahead(card)
    lines = [
        f"Over {tests} tests, {days(result.span)}, {who} of {algorithm} {moved(median)}; {HOLD.lower()} {moved(hold)}.",
        f"{who[0].upper()}{who[1:]} was ahead of buy and hold in {ahead} of {tests} tests, and made money in {above}.",
        _gap_sentence(result),
        *(one["said"] for one in card["cautions"]),
        *_sets_sentence(result),
        *_random_sentence(card, algorithm),
    ]
    idle = [number for number, one in enumerate(card["folds"], 1) if not _traded(one)]
    if idle:
        lines.append(f"Nothing at all was traded in {_listed(idle)}: no seed of {algorithm} found a reason to.")
    lines += _doubts(card, algorithm)
    return lines


def _random_sentence(card: Mapping[str, Any], algorithm: str) -> list[str]:
    shares = [share for share in card["all_tests"]["ahead_of_random_traders"].values() if share is not None]
    if not shares:
        return []
    returned = card["all_tests"]["baselines"][RANDOM]["roi_pct"]
    return [
        f"Random traders that hold and trade as much in each test {moved(returned)} (median); {algorithm} was ahead of {shares_words(shares)} of "
        f"those like itself. {turnover_words(card['random_traders'])}"
    ]


def _doubts(card: Mapping[str, Any], algorithm: str) -> list[str]:
    lines, count = [], len(card["seeds"])
    deflated = [
        one["deflated_sharpe"] for one in card["all_tests"]["seeds"].values() if one["deflated_sharpe"] is not None
    ]
    if deflated:
        luck = luck_words(max(deflated), card["trials"]["count"])
        lines.append(f"Deflated Sharpe ratio of the {'best' if count > 1 else 'only'} seed: {luck}")
    if card["fills"]["optimistic"]:
        lines.append("OPTIMISTIC: orders were filled at the close that they were decided on (fill_at='close').")
    if count == 1:
        lines.append(
            f"1 seed: an anecdote. Another seed of {algorithm} may do the opposite; take at least {_ENOUGH_SEEDS}."
        )
    elif count < _ENOUGH_SEEDS:
        lines.append(f"{count} seeds are too few to rely on the intervals; take at least {_ENOUGH_SEEDS}.")
    lines.append(
        "Each test begins flat with the starting balance, and what is held at its end is valued, not sold. It is one market and "
        "one history: the seeds differ in their luck while learning, not in what happened."
    )
    return lines


def _sets_sentence(result: WalkForward) -> list[str]:
    sets = len(result.environment.engine.segments)
    return [f"Of {sets} data sets, the tests were played in one; `evaluate` plays them all."] if sets > 1 else []


def _gap_sentence(result: WalkForward) -> str:
    gap = result.purge + result.embargo
    if not gap:
        return "Every test lies after everything that its agents learned from, without a gap (no purge, no embargo)."
    parts = [f"{n} candles of {what}" for n, what in ((result.embargo, "embargo"), (result.purge, "purge")) if n]
    return f"Every test lies after everything that its agents learned from, and after a gap: {' and '.join(parts)}."


def _badges(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    count, tests, trials = len(card["seeds"]), len(card["folds"]), card["trials"]["count"]
    badges = [(f"out of sample: {tests} test{'s' if tests > 1 else ''} that nobody had seen", "good")]
    if card["fills"]["optimistic"]:
        badges.append(("optimistic fills: at the close just seen", "bad"))
    badges += [(one["short"], "bad") for one in card["cautions"]]
    if count < _ENOUGH_SEEDS:
        badges.append((f"{count} seed{'s: too few to rely on' if count > 1 else ': an anecdote'}", "bad"))
    badges.append((f"{trials} trial{'s' if trials != 1 else ''} on this market and time", "plain"))
    return badges


def _facts(result: WalkForward, card: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    found, tests = card["all_tests"], len(card["folds"])
    several = len(card["seeds"]) > 1
    sharpe, fall = found["across_seeds"]["sharpe_ratio"], found["across_seeds"]["max_drawdown_pct"]
    hold = found["baselines"][HOLD]["roi_pct"]
    ahead, _ = _folds_ahead(card)
    deflated = [one["deflated_sharpe"] for one in found["seeds"].values() if one["deflated_sharpe"] is not None]
    trials = card["trials"]["count"]
    return [
        (
            "Return, all tests",
            f"{_median_return(card):+.1f} %",
            f"{'median seed; ' if several else ''}buy and hold {hold:+.1f} %",
        ),
        *_middle(found["interquartile_mean_of_tests"]["roi_pct"]),
        (
            "Sharpe ratio",
            "-" if sharpe is None else f"{sharpe['median']:.2f}",
            "never traded" if sharpe is None else _spread_of(sharpe),
        ),
        (
            "Deflated Sharpe",
            f"{max(deflated):.2f}" if deflated else "-",
            f"{'best seed, ' if several else ''}{trials} trial{'s' if trials != 1 else ''}; luck is a sufficient explanation below 0.95",
        ),
        (
            "Deepest drawdown",
            "-" if fall is None else f"{fall['median']:.1f} %",
            "median seed" if several else "over all tests",
        ),
        ("Ahead of buy and hold", f"{ahead} of {tests}", "tests, by the median seed" if several else "tests"),
    ]


def _middle(interval: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    if interval is None:
        return []
    said = f"95 %: {interval['low']:.1f} to {interval['high']:.1f}, over seeds and tests"
    return [("Return of a test (IQM)", f"{interval['estimate']:+.1f} %", said)]


def _spread_of(shared: Mapping[str, Any]) -> str:
    mean = shared["mean"]
    return "over all tests" if mean is None else f"median seed; mean by 95 %: {mean['low']:.2f} to {mean['high']:.2f}"


def _median_return(card: Mapping[str, Any]) -> float:
    return float(np.median([one["roi_pct"] for one in card["all_tests"]["seeds"].values()]))


def _folds_ahead(card: Mapping[str, Any]) -> tuple[int, int]:
    medians = [float(np.median([one["roi_pct"] for one in fold["seeds"].values()])) for fold in card["folds"]]
    holds = [fold["baselines"][HOLD]["roi_pct"] for fold in card["folds"]]
    ahead = sum(mine > theirs for mine, theirs in zip(medians, holds, strict=True))
    return ahead, sum(mine > 0.0 for mine in medians)


def _traded(fold: Mapping[str, Any]) -> bool:
    return any(one["total_trades"] > 0 for one in fold["seeds"].values())


def _listed(numbers: Sequence[int]) -> str:
    return f"fold{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _spans(result: WalkForward, fold: Fold, candle: int) -> FoldSpans:
    return FoldSpans(
        (fold.training.start, fold.training.end),
        (fold.test.start, fold.test.end),
        purge=result.purge * candle,
        embargo=result.embargo * candle,
        results=[float(one.evaluation.metric("roi_pct")[0]) for one in result.of_fold(fold)],
        hold=float(result.of_fold(fold, HOLD)[0].evaluation.metric("roi_pct")[0]),
    )


def _curve(name: str, chained: tuple[Any, Any]) -> Curve:
    return Curve(name, chained[0], chained[1])


def _within(shared: Mapping[str, Any] | None, decimals: int, least: float = -np.inf) -> str:
    if shared is None:
        return "-"
    mean = shared["mean"]
    if mean is None:
        return f"{shared['median']:z.{decimals}f}"
    low, high = max(mean["low"], least), mean["high"]
    return f"{mean['estimate']:z.{decimals}f}  [{low:z.{decimals}f}, {high:z.{decimals}f}]"


def _number(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:z.{decimals}f}"
