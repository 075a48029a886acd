"""From a comparison and its card to the page that people read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tradeready_gym.rendering.report import Curve, Report, ReportFill
from tradeready_gym.strategies.card import periods_per_year
from tradeready_gym.strategies.comparison import Comparison
from tradeready_gym.strategies.learned import spans_of
from tradeready_gym.strategies.native import NativeEnvironment
from tradeready_gym.strategies.performance import Evaluation
from tradeready_gym.strategies.trace import Trace, count_actions

# heading, metric, format; used by the page and by the command line
COLUMNS = (
    ("return %", "roi_pct", "{:.1f}"),
    ("Sharpe", "sharpe_ratio", "{:.2f}"),
    ("Sortino", "sortino_ratio", "{:.2f}"),
    ("max DD %", "max_drawdown_pct", "{:.1f}"),
    ("trades", "total_trades", "{:.0f}"),
    ("turnover", "turnover", "{:.1f}"),
    ("fees", "fees_paid", "{:.0f}"),
    ("time in %", "exposure", "{:.0%}"),
)


def comparison_report(
    title: str,
    comparison: Comparison,
    environment: NativeEnvironment,
    traced: Trace,
    card: Mapping[str, Any],
    remarks: Sequence[str] = (),
) -> Report:
    """The page of a comparison; `traced` is the episode of its first agent."""
    engine = environment.engine
    candles = engine.replayers[0].candles
    span = spans_of(engine)[0]
    shown = slice(*np.searchsorted(candles.times, [span.start, span.end]).tolist())
    baselines = (comparison.buy_and_hold, comparison.flat, comparison.moving_averages)
    curves = [_curve(agent, False) for agent in comparison.agents] + [_curve(one, True) for one in baselines]
    exchange = engine.spec.exchange
    return Report(
        title=title,
        subtitle=f"{span} · fee {exchange.fee_rate:.2%} a fill · {exchange.slippage!r} · orders fill at the {_FILLS[exchange.fill_at]}",
        curves=curves,
        periods_per_year=periods_per_year(engine),
        badges=_badges(comparison, card),
        remarks=remarks,
        facts=_facts(comparison, card),
        rows=[figures_row(one) for one in (*comparison.agents, *baselines, comparison.random_traders)],
        symbol=engine.symbols[0] if len(engine.symbols) == 1 else "",
        **_candles_of(candles, shown) if len(engine.symbols) == 1 else {},
        fills=_fills(traced) if len(engine.symbols) == 1 else [],
        rewards=traced.rewards,
        actions=count_actions(traced.actions, engine.spec.action_scheme, len(engine.symbols)),
        card=card,
    )


def figures_row(evaluation: Evaluation) -> dict[str, str]:
    """One line of the table: medians over the episodes, `-` for what does not exist."""
    count = len(evaluation.episodes)
    row = {"strategy": evaluation.strategy + (f", {count} traders" if count > 1 else "")}
    for heading, metric, form in COLUMNS:
        values = evaluation.metric(metric)
        known = values[np.isfinite(values)]
        row[heading] = form.format(np.median(known)).removesuffix("%") if len(known) else "-"
    return row


_FILLS = {"next_open": "next open", "close": "close they were decided on (optimistic)"}


def _badges(comparison: Comparison, card: Mapping[str, Any]) -> list[tuple[str, str]]:
    seeds = len(comparison.agents)
    badges = [
        ("in-sample: it has learned from this span", "bad")
        if comparison.in_sample
        else ("held out: nothing was learned from this span", "good")
    ]
    if card["fills"]["optimistic"]:
        badges.append(("optimistic fills: at the close just seen", "bad"))
    if seeds < 10:
        badges.append((f"{seeds} seed{'s' if seeds > 1 else ''}: an anecdote", "bad"))
    count = card["trials"]["count"]
    badges.append((f"{count} trial{'s' if count != 1 else ''} on this market and time", "plain"))
    return badges


def _facts(comparison: Comparison, card: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    first, metrics = card["agents"][0], card["agents"][0]["metrics"]
    hold = comparison.buy_and_hold.metric("roi_pct")[0]
    interval = first["sharpe_interval"]
    said = (
        "it never traded"
        if interval is None
        else f"95 %: {interval['low']:.2f} to {interval['high']:.2f} (bootstrap over time)"
    )
    deflated = first["deflated_sharpe"]
    years = metrics["max_drawdown_duration_days"]
    return [
        ("Return", f"{metrics['roi_pct']:+.1f} %", f"buy and hold {hold:+.1f} %"),
        ("Sharpe ratio", _number(metrics["sharpe_ratio"]), said),
        (
            "Deflated Sharpe",
            _number(deflated),
            f"{card['trials']['count']} trials; above 0.95, luck is not a sufficient explanation",
        ),
        (
            "Deepest drawdown",
            f"{metrics['max_drawdown_pct']:.1f} %",
            f"{years:.0f} days from the peak to recovery or the end",
        ),
        ("Trades", f"{metrics['total_trades']:.0f}", f"fees {metrics['fees_paid']:,.0f}"),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _curve(evaluation: Evaluation, baseline: bool) -> Curve:
    episode = evaluation.episodes[0]
    return Curve(evaluation.strategy, episode.time.astype(np.int64), episode.net_worth, baseline)


def _candles_of(candles: Any, shown: slice) -> dict[str, Any]:
    prices = {name: getattr(candles, name)[0, shown] for name in ("open", "high", "low", "close")}
    return {"times": candles.times[shown], **prices}


def _fills(traced: Trace) -> list[ReportFill]:
    records = zip(
        traced.fill_times.tolist(), traced.fills["side"].tolist(), traced.fills["price"].tolist(), strict=True
    )
    return [ReportFill(time, side, price) for time, side, price in records]
