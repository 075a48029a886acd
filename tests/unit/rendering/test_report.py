"""The report: true numbers, everything inside the file, something sensible where there is nothing."""

import json
import math
import re
import tracemalloc
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.rendering.report import Curve, Report, ReportFill, charts, render_report
from tradeready_gym.rendering.report.series import outer_values, rolling_sharpe, thinned, thinned_pieces

HOUR = 3_600_000_000
START = int(np.datetime64("2023-01-01T00:00", "us").astype(np.int64))


def curve(equity: Any, name: str = "Agent", **arguments: Any) -> Curve:
    values = np.asarray(equity, np.float64)
    return Curve(name, START + np.arange(len(values)) * HOUR, values, **arguments)


def report(equity: Any, **arguments: Any) -> Report:
    return Report("A title", "a span", [curve(equity)], 8766.0, **arguments)


def walk(steps: int) -> np.ndarray:
    return np.asarray(10_000.0 * np.exp(np.cumsum(np.random.default_rng(0).normal(0.0, 0.004, steps))))


class Balanced(HTMLParser):
    """Complains about a tag that is closed without being open."""

    VOID = ("meta", "path", "rect", "polygon", "i")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_return_of_a_month_is_from_the_last_equity_of_the_month_before() -> None:
    days = np.array([0, 31, 59, 90, 365, 396]) * 24
    equity = np.full(396 * 24 + 1, np.nan)
    for day, value in zip(days, [100.0, 110.0, 99.0, 99.0, 198.0, 99.0], strict=True):
        equity[day:] = value

    table = charts.monthly_returns(report(equity))

    assert table[2023][1] == pytest.approx(10.0)
    assert table[2023][2] == pytest.approx(-10.0)
    assert table[2023][3] == pytest.approx(0.0)
    assert table[2023][0] == pytest.approx(98.0)
    assert table[2024][1] == pytest.approx(-50.0)
    assert table[2024][0] == pytest.approx(-50.0)


def test_the_rolling_ratio_is_that_of_each_window_alone_in_pieces_of_any_size() -> None:
    returns = np.concatenate([np.random.default_rng(1).normal(0.001, 0.01, 500), np.zeros(50)])
    equity = 100.0 * np.cumprod(np.concatenate([[1.0], 1.0 + returns]))
    windows = np.lib.stride_tricks.sliding_window_view(np.diff(equity) / equity[:-1], 24)
    expected = [np.mean(w) / np.std(w, ddof=1) for w in windows[:470]]
    whole = rolling_sharpe(equity, 24)(slice(0, len(windows)))
    np.testing.assert_allclose(whole[:470], expected, rtol=1e-9)
    assert np.isnan(whole[-1])
    piece = rolling_sharpe(equity, 24)
    cut = [piece(slice(k, min(k + 37, len(windows)))) for k in range(0, len(windows), 37)]
    assert np.concatenate(cut).tolist()[:470] == whole.tolist()[:470]


def test_the_outer_values_are_the_percentiles() -> None:
    for count in (2, 3, 401, 20_000):
        values = np.random.default_rng(count).standard_t(3, count)
        assert outer_values(values, 0.005) == pytest.approx(tuple(np.percentile(values, [0.5, 99.5])), rel=1e-12)


def test_a_stretch_without_a_value_is_left_out_of_a_line() -> None:
    values = np.arange(10_000.0)
    values[3_000:6_000] = np.nan
    times, thin = thinned_pieces(np.arange(10_000), lambda rows: values[rows], 100)
    assert np.isfinite(thin).all() and not ((times > 3_000) & (times < 5_900)).any()
    assert (thin[0], thin[-1]) == (0.0, 9_999.0)


def test_a_page_of_a_long_run_takes_no_copy_of_it() -> None:
    equity = walk(300_000)
    arrays: dict[str, Any] = dict.fromkeys(("open", "high", "low", "close"), equity)
    times = START + np.arange(300_000) * HOUR
    long = Report("t", "s", [Curve("Agent", times, equity)], 8766.0, times=times, rewards=np.diff(equity), **arrays)

    def peak(work: Callable[[], Any]) -> float:
        tracemalloc.start()
        work()
        found = tracemalloc.get_traced_memory()[1] / (4 * equity.nbytes)
        tracemalloc.stop()
        return found

    # times, equity, candles of one array and rewards; 0.06 when this was written
    assert peak(lambda: render_report(long)) < 0.1
    assert peak(lambda: (render_report(long), np.diff(equity))) > 0.2
    assert long.curves[0].equity is equity and long.curves[0].times is times


def test_steps_that_were_paid_nothing_do_not_dwarf_the_others() -> None:
    rewards = np.concatenate([np.zeros(900), np.random.default_rng(0).normal(0.0, 1.0, 100)])
    page = render_report(report(walk(1_001), rewards=rewards))
    assert "90 % of the steps paid exactly nothing, and are left out" in page
    assert page.count('fill="#cfe5f2"') > 10


def test_a_thinned_line_keeps_its_lowest_and_highest_points_and_its_ends() -> None:
    values = walk(1_000_000)
    times, thin = thinned(np.arange(len(values)), values, 900)
    assert len(thin) == 1800
    assert (thin.min(), thin.max(), thin[0], thin[-1]) == (values.min(), values.max(), values[0], values[-1])
    assert (np.diff(times) >= 0).all()


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    page = render_report(report(walk(500), card={"seeds": [1]}))
    assert not re.search(r"https?://|src=|@import|url\(", page)
    assert re.findall(r"<script[^>]*>", page) == ['<script type="application/json" id="result-card">']
    parser = Balanced()
    parser.feed(page.removeprefix("<!doctype html>"))
    assert parser.open == []


def test_the_card_can_be_read_back_from_the_page_whatever_it_says() -> None:
    card = {"label": "</script><b>&", "sharpe": 1.25, "none": None}
    page = render_report(report(walk(50), card=card))
    found = re.search(r'id="result-card">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    assert json.loads(found.group(1)) == card
    assert "<b>&" not in page


def test_a_card_that_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        render_report(report(walk(50), card={"sharpe": math.nan}))


def test_names_are_text_not_markup() -> None:
    page = render_report(Report("<i>", "a & b", [curve(walk(50), "<u>")], 8766.0, remarks=["1 < 2"]))
    assert "&lt;i&gt;" in page and "&lt;u&gt;" in page and "1 &lt; 2" in page and "<u>" not in page


@pytest.mark.parametrize("steps", [1, 2, 3, 20])
def test_a_short_run_says_what_is_missing(steps: int) -> None:
    page = render_report(report([10_000.0] * steps))
    assert "Too short a span." in page
    assert ("No step has been played." in page) == (steps == 1)
    assert "nan" not in page.lower()


def test_a_ruined_account_can_be_drawn() -> None:
    page = render_report(report([*walk(50), 0.0, 0.0]))
    assert "nan" not in page.lower() and "inf" not in page.lower().replace("info", "")


def test_every_candle_that_is_drawn_has_at_most_one_mark_a_side() -> None:
    close = walk(4_000)
    arrays = dict.fromkeys(("open", "high", "low", "close"), close)
    times = START + np.arange(4_000) * HOUR
    fills = [ReportFill(int(times[k]), 1 if k % 2 else -1, 1.0) for k in range(4_000)]
    drawn = charts.trades_chart(report(close, times=times, fills=fills, symbol="BTCUSDT", **arrays))
    assert drawn.count("<polygon") == 2 * charts.CANDLES_SHOWN
    assert drawn.count("<rect") == charts.CANDLES_SHOWN


def test_curves_far_apart_are_drawn_by_logarithm_with_round_marks() -> None:
    drawn = charts.equity_chart(report([100.0, 1_000.0, 50.0]))
    assert ">1,000<" in drawn and ">100<" in drawn and ">500<" in drawn


def test_a_curve_that_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="one length"):
        Curve("x", np.arange(3), np.ones(2))
    with pytest.raises(ConfigurationError, match="finite"):
        curve([1.0, math.nan])
    with pytest.raises(ConfigurationError, match="at least one curve"):
        Report("t", "s", [], 8766.0)


def test_every_row_that_is_not_a_strategy_is_a_quiet_one() -> None:
    rows = [{"strategy": name, "profit factor": "1.50"} for name in ("Agent", "Random, 40 traders")]
    for page in (render_report(report([1.0, 2.0], rows=rows)), render_report(report([1.0, 2.0], details=rows))):
        assert "<tr><td>Agent</td><td>1.50</td></tr>" in page
        assert '<tr class="baseline"><td>Random, 40 traders</td>' in page
    assert "Risk, round trips and costs" not in render_report(report([1.0, 2.0], rows=rows))


def traded(steps: int) -> Report:
    """A report with one purchase and one sale on its candles."""
    close = walk(steps)
    arrays = dict.fromkeys(("open", "high", "low", "close"), close)
    fills = [ReportFill(START, 1, 1.0), ReportFill(START + HOUR, -1, 1.0)]
    return report(close, times=START + np.arange(steps) * HOUR, fills=fills, symbol="BTCUSDT", **arrays)


def test_what_colours_mean_is_printed_too_and_marks_look_like_those_in_the_chart() -> None:
    page = render_report(traded(400))
    assert re.search(r"\.legend i, [^}]*print-color-adjust: exact", page)
    assert re.search(r"<b [^>]*>▲</b>1 bought.*<b [^>]*>▼</b>1 sold", page)


def test_every_colour_of_the_charts_has_one_for_the_dark_or_stands_out_there_by_itself() -> None:
    page = render_report(traded(400))
    dark = page[page.index("prefers-color-scheme: dark") : page.index("@media print")]
    for kind, colour in set(re.findall(r'(fill|stroke)="(#[0-9a-f]{3,6})"', page)):
        again = re.search(rf'\[{kind}="{colour}"\] {{ {kind}: (#[0-9a-f]{{6}})', dark)
        assert again is not None or 0.12 < brightness(colour) < 0.8, (kind, colour)


def brightness(colour: str) -> float:
    """Relative luminance (WCAG 2.2), 0 to 1."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
