"""From a comparison and its card to the page that people read."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tradeready_gym.engine import Engine
from tradeready_gym.evaluation.metrics import DAYS_PER_YEAR
from tradeready_gym.exchanges import (
    FixedSlippage,
    NoSlippage,
    SimulatedExchange,
    SlippageModel,
    VolumeShareSlippage,
)
from tradeready_gym.market import Span
from tradeready_gym.market.symbols import quote_of
from tradeready_gym.rendering.report import Curve, Report, ReportFill
from tradeready_gym.rendering.words import MONTHS, time_utc
from tradeready_gym.strategies.baselines import RandomTrader
from tradeready_gym.strategies.card import periods_per_year
from tradeready_gym.strategies.comparison import Comparison
from tradeready_gym.strategies.data_sets import MOST_SETS, by_data_set, names_of_sets
from tradeready_gym.strategies.glossary import EVALUATION
from tradeready_gym.strategies.learned import spans_of
from tradeready_gym.strategies.native import NativeEnvironment
from tradeready_gym.strategies.performance import Evaluation
from tradeready_gym.strategies.trace import Trace, count_actions

# heading, metric, format; used by the page and by the command line
COLUMNS = (
    ("return %", "roi_pct", "{:,.1f}"),
    ("Sharpe", "sharpe_ratio", "{:.2f}"),
    ("Sortino", "sortino_ratio", "{:.2f}"),
    ("max DD %", "max_drawdown_pct", "{:.1f}"),
    ("trades", "total_trades", "{:,.0f}"),
    ("turnover", "turnover", "{:,.1f}"),
    ("fees", "fees_paid", "{:,.0f}"),
    ("time in %", "exposure", "{:.0%}"),
)

# heading, name on the card, format; a name that ends in _days is made from steps or candles
DETAILS = (
    ("a year %", "annual_return_pct", "{:z,.1f}"),
    ("volatility %", "annual_volatility_pct", "{:.1f}"),
    ("Calmar", "calmar_ratio", "{:z.2f}"),
    ("Omega", "omega_ratio", "{:.2f}"),
    ("longest DD, days", "longest_drawdown_days", "{:,.0f}"),
    ("round trips", "round_trips", "{:,.0f}"),
    ("won %", "win_rate", "{:.0f}"),
    ("profit factor", "profit_factor", "{:.2f}"),
    ("held, days", "mean_holding_days", "{:,.1f}"),
    ("slippage", "slippage_paid", "{:,.0f}"),
    ("fees and slippage %", "costs_pct", "{:.1f}"),
)


def comparison_report(
    title: str,
    comparison: Comparison,
    environment: NativeEnvironment,
    traced: Trace,
    card: Mapping[str, Any],
    remarks: Sequence[str] = (),
) -> Report:
    """The page of a comparison; `traced` is the episode of its first agent, in the first of several data sets."""
    engine = environment.engine
    candles = engine.replayers[0].candles
    span, unit = spans_of(engine)[0], quote_of(engine.symbols)
    shown = slice(*np.searchsorted(candles.times, [span.start, span.end]).tolist())
    baselines = comparison.baselines[:3]
    curves = [_curve(agent, False) for agent in comparison.agents] + [_curve(one, True) for one in baselines]
    return Report(
        title=title,
        subtitle=f"{days(span)} · {costs_of(engine)} · orders fill at the {FILLS[engine.spec.exchange.fill_at]}",
        curves=curves,
        periods_per_year=periods_per_year(engine),
        badges=_badges(comparison, card),
        remarks=remarks,
        facts=_facts(comparison, card, unit),
        rows=[
            _with_unit(row, unit)
            for row in (
                *(figures_row(one) for one in (*comparison.agents, *baselines, comparison.random_traders)),
                *(row for _, rows in rows_of_sets(comparison, engine) for row in rows),
            )
        ],
        details=[_with_unit(row, unit) for row in details_rows(card, engine)],
        symbol=engine.symbols[0] if len(engine.symbols) == 1 else "",
        **_candles_of(candles, shown) if len(engine.symbols) == 1 else {},
        fills=_fills(traced) if len(engine.symbols) == 1 else [],
        rewards=traced.rewards,
        actions=count_actions(traced.actions, traced.action_scheme, len(engine.symbols)),
        glossary=EVALUATION,
        card=card,
    )


def days(span: Span) -> str:
    """A span as people write it: `3 Jan 2021 to 1 Jan 2023`, with the hour where it is not midnight."""
    return f"{_moment(span.start)} to {_moment(span.end)}"


def costs_of(engine: Engine) -> str:
    """What each fill costs, and what is charged besides, in words."""
    return " · ".join(costs_in_words(engine.spec.exchange))


def costs_in_words(exchange: SimulatedExchange) -> list[str]:
    """Everything that an exchange charges or keeps from being filled; what it does not is left out, but for a fee of 0."""
    fees, account = exchange.fees, exchange.account
    fee = f"fee {fees.rate:.2%} of each fill"
    if fees.maker != fees.rate:
        fee += f" ({fees.maker:.2%} of what rested)"
    fee += f" and {fees.per_trade:g} for each" if fees.per_trade else ""
    fee += f", at least {fees.minimum:g}" if fees.minimum else ""
    found = [fee, slippage_of(exchange.slippage)]
    if exchange.max_volume_share is not None:
        found.append(f"at most {exchange.max_volume_share:.4g} of the volume of a candle")
    if account is not None and account.annual_borrow_rate > 0.0:
        found.append(f"interest {account.annual_borrow_rate:.2%} a year on what is borrowed")
    if account is not None and account.funding_rate is not None:
        rate = account.funding_rate
        said = f"{rate:.4%} each {account.funding_hours} hours" if isinstance(rate, int | float) else "as it was"
        found.append(f"funding {said}")
    return found


def slippage_of(model: SlippageModel) -> str:
    """What a model of slippage does, in words where there are some, else as it prints."""
    if isinstance(model, NoSlippage):
        return "no slippage"
    if isinstance(model, VolumeShareSlippage):
        return f"slippage {_percent(model.minimum)} or more, by the share of the volume"
    return f"slippage {_percent(model.fraction)}" if isinstance(model, FixedSlippage) else repr(model)


def moved(percent: float) -> str:
    """A return in words: `gained 3.1 %`, `lost 3.1 %`."""
    if abs(percent) < 0.05:
        return "ended where it began"
    return f"{'gained' if percent > 0 else 'lost'} {abs(percent):.1f} %"


def turnover_words(matches: Sequence[Mapping[str, Any]]) -> str:
    """How well random traders met turnover and mean weight of their agents: `Their turnover is 0.98 to 1.02 times its own; ...`"""
    ratios = [one["turnover_ratio"] for one in matches if one["turnover_ratio"] is not None]
    if not ratios:
        return "It never traded, and neither did they."
    turnover = _range([f"{ratio:.2f}" for ratio in (min(ratios), max(ratios))])
    own, theirs = ([one[name] for one in matches] for name in ("mean_weight", "traders_mean_weight"))
    held = [_range([f"{weight:z.0%}" for weight in (min(those), max(those))]) for those in (theirs, own)]
    # who is invested otherwise earns otherwise by what the market did
    astray = max(abs(mine - other) for mine, other in zip(own, theirs, strict=True)) > _ASTRAY
    doubt = " NOT MATCHED: a part of the difference between them is the market's." if astray else ""
    return (
        f"Their turnover is {turnover} times its own; on average {held[0]} of their equity was invested, and {held[1]} of "
        f"its own.{doubt}"
    )


def shares_words(shares: Sequence[float]) -> str:
    """The shares of random traders that agents were ahead of: each of a few, of many the median and the ends."""
    if len(shares) <= _FEW:
        return ", ".join(f"{share:.0%}" for share in shares)
    return f"{np.median(shares):.0%} (the median of {len(shares)} seeds; {min(shares):.0%} to {max(shares):.0%})"


def luck_words(deflated: float, trials: int) -> str:
    """A deflated Sharpe ratio in words: `0.41 after 8 trials on this market and time. Luck is a sufficient explanation.`"""
    alone = " No other trial is known on this machine: if there were any elsewhere, it is less." if trials == 1 else ""
    verdict = "Luck alone would rarely do this." if deflated > 0.95 else "Luck is a sufficient explanation."
    return f"{deflated:.2f} after {_counted(trials, 'trial')} on this market and time. {verdict}{alone}"


def figures_row(evaluation: Evaluation) -> dict[str, str]:
    """One line of the table: medians over the episodes, `-` for what does not exist."""
    return _row(_called(evaluation.strategy, len(evaluation.episodes)), [evaluation])


def rows_of_sets(comparison: Comparison, engine: Engine) -> list[tuple[str, list[dict[str, str]]]]:
    """For each of several data sets its name and lines: the median of the agents, and buy and hold; nothing for a single one."""
    if len(engine.segments) < 2:
        return []
    agents = [by_data_set(agent, engine) for agent in comparison.agents]
    hold = by_data_set(comparison.buy_and_hold, engine)
    count, name = len(agents), comparison.agents[0].strategy
    who = f"median of {count} seeds" if count > 1 else name
    found = []
    for place, called in enumerate(names_of_sets(engine)[:MOST_SETS]):
        played = [
            (who, [one for agent in agents if (one := agent[place]) is not None]),
            (comparison.buy_and_hold.strategy, [one for one in hold[place : place + 1] if one is not None]),
        ]
        found.append((called, [_row(f"data set {place + 1}: {whose}", of) for whose, of in played]))
    return found


def sets_words(engine: Engine) -> list[str]:
    """What figures over several data sets are, in words; nothing for a single one."""
    spans = sorted(spans_of(engine), key=lambda span: span.start)
    if len(spans) < 2:
        return []
    at_once = any(later.start < earlier.end for earlier, later in pairwise(spans))
    doubt = " Some are of the same time: what they have in common is counted more than once." if at_once else ""
    some = f"The first {MOST_SETS} of " if len(spans) > MOST_SETS else ""
    return [
        f"{some}{len(spans)} data sets, each played once by everybody: figures are medians over them. Sharpe intervals and deflated "
        f"ratios are those of an account that plays one after the other.{doubt}"
    ]


def details_rows(card: Mapping[str, Any], engine: Engine) -> list[dict[str, str]]:
    """The lines of the second table, from the card of what the engine played; `-` for what does not exist."""
    step_days = DAYS_PER_YEAR / periods_per_year(engine)
    candle_days = DAYS_PER_YEAR / engine.market.periods_per_year
    rows = []
    for one in (*card["agents"], *card["baselines"]):
        metrics = one["metrics"]
        values = metrics | {
            "longest_drawdown_days": _times(metrics["longest_drawdown"], step_days),
            "mean_holding_days": _times(metrics["mean_holding_bars"], candle_days),
        }
        texts = {heading: _formatted(values[name], form) for heading, name, form in DETAILS}
        rows.append({"strategy": _called(one["name"], one["episodes"])} | texts)
    return rows


_MONEY = {"fees", "slippage"}
_ASTRAY = 0.1
_FEW = 5
FILLS = {"next_open": "next open", "close": "close they were decided on (optimistic)"}


def _badges(comparison: Comparison, card: Mapping[str, Any]) -> list[tuple[str, str]]:
    seeds = len(comparison.agents)
    badges = [
        ("in-sample: it has learned from this span", "bad")
        if comparison.in_sample
        else ("held out: nothing was learned from this span", "good")
    ]
    if card["fills"]["optimistic"]:
        badges.append(("optimistic fills: at the close just seen", "bad"))
    badges += [(one["short"], "bad") for one in card["cautions"]]
    badges += (
        [("judged with other arguments than it was trained with", "bad")] if card["changed_since_training"] else []
    )
    if sets := len(card["data_sets"]):
        badges.append((f"medians over {sets} data sets; the first is drawn", "plain"))
    if seeds < 10:
        badges.append((f"{_counted(seeds, 'seed')}: an anecdote", "bad"))
    badges.append((f"{_counted(card['trials']['count'], 'trial')} on this market and time", "plain"))
    looks = sum(one["evaluations"] for one in card["spans"]["selection"])
    if looks:
        badges.append((f"chosen by {_counted(looks, 'evaluation')} on a validation span", "plain"))
    return badges


def _facts(comparison: Comparison, card: Mapping[str, Any], unit: str) -> list[tuple[str, str, str]]:
    agents, trials = card["agents"], card["trials"]["count"]
    hold = comparison.buy_and_hold.median("roi_pct")
    several = len(agents) > 1
    who = f"median of {len(agents)} seeds" if several else agents[0]["name"]
    deflated = [one["deflated_sharpe"] for one in agents if one["deflated_sharpe"] is not None]
    beside = f"{'best seed, ' if several else ''}{_counted(trials, 'trial')}"
    return [
        ("Return", f"{_middle(agents, 'roi_pct'):+,.1f} %", f"{who}; buy and hold {hold:+,.1f} %"),
        ("Sharpe ratio", _number(_middle(agents, "sharpe_ratio")), _spread(card, who if several else "")),
        (
            "Deflated Sharpe",
            _number(max(deflated, default=None)),
            f"{beside}; above 0.95, luck is not a sufficient explanation",
        ),
        (
            "Deepest drawdown",
            f"{_middle(agents, 'max_drawdown_pct'):.1f} %",
            f"{_middle(agents, 'max_drawdown_duration_days'):.0f} days from the peak to recovery or the end"
            + (f"; {who}" if several else ""),
        ),
        (
            "Trades",
            f"{_middle(agents, 'total_trades'):,.0f}",
            f"fees {_middle(agents, 'fees_paid'):,.0f}{f' {unit}' if unit else ''}{f'; {who}' if several else ''}",
        ),
    ]


def _middle(agents: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [one["metrics"][name] for one in agents if one["metrics"][name] is not None]
    return float(np.median(values)) if values else None


def _spread(card: Mapping[str, Any], who: str) -> str:
    if who:
        mean = card["across_seeds"].get("sharpe_ratio", {}).get("mean")
        return who if mean is None else f"{who}; mean by 95 %: {mean['low']:.2f} to {mean['high']:.2f} across seeds"
    interval = card["agents"][0]["sharpe_interval"]
    if interval is None:
        return "it never traded"
    return f"95 %: {interval['low']:.2f} to {interval['high']:.2f} (bootstrap over time)"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _moment(us: int) -> str:
    text = time_utc(us)
    date = f"{int(text[8:10])} {MONTHS[int(text[5:7]) - 1]} {text[:4]}"
    return date if text[11:16] == "00:00" else f"{date} {text[11:16]}"


def _percent(share: float) -> str:
    return f"{100.0 * share:.4f}".rstrip("0").rstrip(".") + " %"


def _called(strategy: str, episodes: int) -> str:
    if episodes == 1:
        return strategy
    return f"{strategy}, {episodes} {'traders' if strategy == RandomTrader().name else 'episodes'}"


def _range(ends: Sequence[str]) -> str:
    low, high = ends
    return low if low == high else f"{low} to {high}"


def _row(called: str, evaluations: Sequence[Evaluation]) -> dict[str, str]:
    row = {"strategy": called}
    for heading, metric, form in COLUMNS:
        known = [value for one in evaluations if np.isfinite(value := one.median(metric))]
        row[heading] = _formatted(float(np.median(known)) if known else None, form)
    return row


def _with_unit(row: Mapping[str, str], unit: str) -> dict[str, str]:
    return {f"{name}, {unit}" if unit and name in _MONEY else name: text for name, text in row.items()}


def _formatted(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value).removesuffix("%")


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _curve(evaluation: Evaluation, baseline: bool) -> Curve:
    episode = evaluation.episodes[0]
    return Curve(evaluation.strategy, episode.time.view(np.int64), episode.net_worth, baseline)


def _candles_of(candles: Any, shown: slice) -> dict[str, Any]:
    prices = {name: getattr(candles, name)[0, shown] for name in ("open", "high", "low", "close")}
    return {"times": candles.times[shown], **prices}


def _fills(traced: Trace) -> list[ReportFill]:
    records = zip(
        traced.fill_times.tolist(), traced.fills["side"].tolist(), traced.fills["price"].tolist(), strict=True
    )
    return [ReportFill(time, side, price) for time, side, price in records]
