"""The page: what was found first, then the pictures, then everything a sceptic needs to do it again."""

import json
from collections.abc import Mapping, Sequence
from html import escape

from tradeready_gym.rendering.palette import BUY, SELL
from tradeready_gym.rendering.report import charts
from tradeready_gym.rendering.report.data import Report
from tradeready_gym.rendering.report.style import STYLE
from tradeready_gym.rendering.words import MONTHS

_FULL_COLOUR_PCT = 20.0


def render_report(report: Report) -> str:
    """The report as one HTML document without anything that has to be loaded; a run of a million steps takes seconds."""
    name = report.curves[0].name
    body = [
        _header(report),
        _facts(report),
        _section("What this says", _remarks(report)),
        _section("Figures", _table(report, report.rows)),
        _section("Risk, round trips and costs", _table(report, report.details)),
        *_curves(report),
        _section(f"Trades on {report.symbol}" if report.symbol else "Trades", _trades(report), name),
        _section(
            "Rolling Sharpe ratio", charts.rolling_sharpe_chart(report) or _empty("Too short a span."), _rolling(report)
        ),
        _pair(report),
        _card(report),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main></body></html>\n"
    )


def _curves(report: Report) -> list[str]:
    name = report.curves[0].name
    if max(len(curve.equity) for curve in report.curves) < 2:
        return [_section("Equity", _empty("No step has been played."))]
    return [
        _section("Equity", _legend(report) + charts.equity_chart(report), "100 at the beginning"),
        _section("Drawdown", charts.drawdown_chart(report), f"{name}, per cent below its peak"),
        _section("Returns by month", _months(report), f"{name}, per cent"),
    ]


def _header(report: Report) -> str:
    badges = "".join(f'<li class="{escape(kind)}">{escape(text)}</li>' for text, kind in report.badges)
    listed = f'<ul class="badges">{badges}</ul>' if badges else ""
    return f"<header><h1>{escape(report.title)}</h1><p>{escape(report.subtitle)}</p>{listed}</header>"


def _facts(report: Report) -> str:
    if not report.facts:
        return ""
    cells = "".join(
        f"<div><dt>{escape(heading)}</dt><dd>{escape(value)}</dd><p>{escape(explained)}</p></div>"
        for heading, value, explained in report.facts
    )
    return f'<dl class="facts">{cells}</dl>'


def _section(title: str, content: str, aside: str = "") -> str:
    if not content:
        return ""
    small = f"<small>{escape(aside)}</small>" if aside else ""
    return f"<section><h2>{escape(title)}{small}</h2>{content}</section>"


def _remarks(report: Report) -> str:
    return (
        f'<ul class="remarks">{"".join(f"<li>{escape(line)}</li>" for line in report.remarks)}</ul>'
        if report.remarks
        else ""
    )


def _table(report: Report, rows: Sequence[Mapping[str, str]]) -> str:
    if not rows:
        return ""
    headings = list(rows[0])
    strategies = {curve.name for curve in report.curves if not curve.baseline}
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    lines = []
    for row in rows:
        kind = "" if row[headings[0]] in strategies else ' class="baseline"'
        lines.append(f"<tr{kind}>{''.join(f'<td>{escape(row[heading])}</td>' for heading in headings)}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _legend(report: Report) -> str:
    return _key([(colour, curve.name) for curve, colour in zip(report.curves, charts.colours_of(report), strict=True)])


def _key(entries: Sequence[tuple[str, str]]) -> str:
    items = "".join(f'<li><i style="background:{colour}"></i>{escape(name)}</li>' for colour, name in entries)
    return f'<ul class="legend">{items}</ul>'


def _trades(report: Report) -> str:
    drawn = charts.trades_chart(report)
    if not drawn:
        return _empty("No candles were given.")
    buys = sum(fill.side > 0 for fill in report.fills)
    key = _key([(BUY, f"{buys:,} bought"), (SELL, f"{len(report.fills) - buys:,} sold")])
    return (key if report.fills else _empty("It did not trade.")) + drawn


def _rolling(report: Report) -> str:
    return f"{report.curves[0].name}, {charts.ROLLING_DAYS} days, or a fifth of a shorter span"


def _months(report: Report) -> str:
    table = charts.monthly_returns(report)
    head = "".join(f"<th>{month}</th>" for month in ("", *MONTHS, "Year"))
    lines = []
    for year, row in table.items():
        cells = "".join(_month_cell(row.get(month)) for month in range(1, 13))
        lines.append(f'<tr><th>{year}</th>{cells}<td class="year">{row[0]:+.1f}</td></tr>')
    return f'<div class="scroll"><table class="months"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _month_cell(value: float | None) -> str:
    if value is None:
        return "<td></td>"
    if abs(value) < 0.05:
        return "<td>0.0</td>"
    strength = min(abs(value) / _FULL_COLOUR_PCT, 1.0) * 0.75
    colour = f"rgba(0,114,178,{strength:.2f})" if value > 0 else f"rgba(213,94,0,{strength:.2f})"
    ink = ";color:#fff" if strength > 0.5 else ""
    return f'<td style="background:{colour}{ink}">{value:+.1f}</td>'


def _pair(report: Report) -> str:
    rewards, actions = charts.rewards_chart(report), charts.actions_chart(report)
    left = _section("Rewards", rewards or _empty("Every reward was the same."), "how often each size was paid")
    right = _section("Actions", actions or _empty("Actions that cannot be counted."), "per cent of decisions")
    return f'<div class="pair">{left if len(report.rewards) else ""}{right if actions else ""}</div>'


def _card(report: Report) -> str:
    if not report.card:
        return ""
    text = json.dumps(report.card, indent=2, allow_nan=False)
    # in a script nothing is markup, but for what would end it
    data = text.replace("<", "\\u003c")
    return _section(
        "Result card",
        f"<details><summary>Everything that is needed to do this again</summary><pre>{escape(text)}</pre></details>"
        f'<script type="application/json" id="result-card">{data}</script>',
    )


def _empty(words: str) -> str:
    return f'<p class="empty">{escape(words)}</p>'
