"""The page: what was found first, then the pictures, then everything a sceptic needs to do it again."""

from collections.abc import Mapping, Sequence

from tradeready_gym.rendering.palette import BUY, SELL
from tradeready_gym.rendering.report import charts, parts
from tradeready_gym.rendering.report.data import Report
from tradeready_gym.rendering.words import MONTHS, typeset

_FULL_COLOUR_PCT = 20.0


def render_report(report: Report) -> str:
    """The report as one HTML document without anything that has to be loaded; a run of a million steps takes seconds."""
    name = report.curves[0].name
    body = [
        parts.header(report.title, report.subtitle, report.badges),
        parts.facts(report.facts),
        parts.section("What this says", parts.remarks(report.remarks)),
        parts.section("Figures", parts.table(report.rows, _baselines(report, report.rows))),
        parts.section("Risk, round trips and costs", parts.table(report.details, _baselines(report, report.details))),
        *_curves(report),
        parts.section(f"Trades on {report.symbol}" if report.symbol else "Trades", _trades(report), name),
        parts.section(
            "Rolling Sharpe ratio",
            charts.rolling_sharpe_chart(report) or parts.empty("Too short a span."),
            _rolling(report),
        ),
        _pair(report),
        parts.glossary(report.glossary),
        parts.card(report.card),
    ]
    return parts.document(report.title, body)


def _curves(report: Report) -> list[str]:
    name = report.curves[0].name
    if max(len(curve.equity) for curve in report.curves) < 2:
        return [parts.section("Equity", parts.empty("No step has been played."))]
    return [
        parts.section("Equity", _legend(report) + charts.equity_chart(report), "100 at the beginning"),
        parts.section("Drawdown", charts.drawdown_chart(report), f"{name}, per cent below its peak"),
        parts.section("Returns by month", _months(report), f"{name}, per cent"),
    ]


def _baselines(report: Report, rows: Sequence[Mapping[str, str]]) -> set[str]:
    strategies = {curve.name for curve in report.curves if not curve.baseline}
    return {row["strategy"] for row in rows} - strategies


def _legend(report: Report) -> str:
    return parts.key(
        [(colour, curve.name) for curve, colour in zip(report.curves, charts.colours_of(report), strict=True)]
    )


def _trades(report: Report) -> str:
    drawn = charts.trades_chart(report)
    if not drawn:
        return parts.empty("No candles were given.")
    buys = sum(fill.side > 0 for fill in report.fills)
    key = parts.key([(BUY, f"{buys:,} bought"), (SELL, f"{len(report.fills) - buys:,} sold")], marks="▲▼")
    return (key if report.fills else parts.empty("It did not trade.")) + drawn


def _rolling(report: Report) -> str:
    return f"{report.curves[0].name}, {charts.ROLLING_DAYS} days, or a fifth of a shorter span"


def _months(report: Report) -> str:
    table = charts.monthly_returns(report)
    head = "".join(f"<th>{month}</th>" for month in ("", *MONTHS, "Year"))
    lines = []
    for year, row in table.items():
        cells = "".join(_month_cell(row.get(month)) for month in range(1, 13))
        lines.append(f'<tr><th>{year}</th>{cells}<td class="year">{typeset(f"{row[0]:+.1f}")}</td></tr>')
    return f'<div class="scroll"><table class="months"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _month_cell(value: float | None) -> str:
    if value is None:
        return "<td></td>"
    if abs(value) < 0.05:
        return "<td>0.0</td>"
    strength = min(abs(value) / _FULL_COLOUR_PCT, 1.0) * 0.75
    colour = f"rgba(0,114,178,{strength:.2f})" if value > 0 else f"rgba(213,94,0,{strength:.2f})"
    ink = ";color:#fff" if strength > 0.5 else ""
    return f'<td style="background:{colour}{ink}">{typeset(f"{value:+.1f}")}</td>'


def _pair(report: Report) -> str:
    rewards, actions = charts.rewards_chart(report), charts.actions_chart(report)
    left = parts.section("Rewards", rewards or parts.empty("Every reward was the same."), _paid(report))
    right = parts.section("Actions", actions or parts.empty("Actions that cannot be counted."), "per cent of decisions")
    return f'<div class="pair">{left if len(report.rewards) else ""}{right if actions else ""}</div>'


def _paid(report: Report) -> str:
    idle = charts.unpaid(report)
    if idle <= 0.5:
        return "how often each size was paid"
    return f"how often each size was paid; {idle:.0%} of the steps paid exactly nothing, and are left out"
