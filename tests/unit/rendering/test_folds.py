"""The page of a walk-forward: spans where they lie, curves of every seed, and words for what is missing."""

import itertools
import re

import numpy as np
import pytest

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.rendering.report import Curve, FoldReport, FoldSpans, render_fold_report
from tradeready_gym.rendering.report import folds as page

DAY = 86_400_000_000
RECT = re.compile(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" fill="(#\w+)"')


def a_report(count: int, seeds: int, *, purge: int = 0, embargo: int = 0) -> FoldReport:
    spans = []
    for number in range(count):
        start = (100 + 10 * number) * DAY
        results = [float(number - seed) for seed in range(seeds)]
        learned = start - (purge + embargo) * DAY
        spans.append(FoldSpans((0, learned), (start, start + 10 * DAY), purge * DAY, embargo * DAY, results, 1.0))
    times = np.arange(100, 101 + 10 * count) * DAY
    curves = [Curve(f"PPO, seed {k}", times, 100.0 + k + np.sin(np.arange(len(times)))) for k in range(seeds)]
    hold = Curve("Buy and hold", times, np.linspace(100.0, 150.0, len(times)), True)
    rows = [{"strategy": curve.name, "return %": "1.0"} for curve in (*curves, hold)]
    return FoldReport(
        "A <title>", "s", spans, curves, curves[0], hold, rows=[{"fold": "1"}], totals=rows, card={"seeds": [1]}
    )


def boxes(drawn: str, colour: str) -> list[tuple[float, float, float]]:
    return [(float(x), float(y), float(w)) for x, y, w, _, fill in RECT.findall(drawn) if fill == colour]


def test_training_embargo_purge_and_test_follow_one_another_in_every_line() -> None:
    drawn = page.timeline(a_report(3, 2, purge=4, embargo=8))
    parts = [boxes(drawn, colour) for colour in (page.TRAINING, page.EMBARGO, page.PURGE, page.TEST)]
    assert [len(found) for found in parts] == [3, 3, 3, 3]
    for line in zip(*parts, strict=True):
        for (x, y, wide), (after, same, _) in itertools.pairwise(line):
            assert after == pytest.approx(x + wide, abs=0.11)
            assert same == y
    _, embargo, purge, test = (found[0][2] for found in parts)
    assert [embargo / test, purge / test] == pytest.approx([0.8, 0.4], rel=0.02)
    first, last = parts[3][0], parts[3][-1]
    assert last[0] > first[0] and last[1] > first[1]


def test_a_gap_of_nothing_is_not_drawn_and_a_short_one_can_be_seen() -> None:
    bare = page.timeline(a_report(2, 1))
    assert boxes(bare, page.PURGE) == boxes(bare, page.EMBARGO) == []
    spans = FoldSpans((0, 4_000 * DAY), (4_000 * DAY + 1, 5_000 * DAY), purge=1)
    thin = page.timeline(FoldReport("t", "s", [spans], *_curves(4_000, 5_000)))
    assert [width for _, _, width in boxes(thin, page.PURGE)] == [2.0]
    text = render_fold_report(a_report(2, 1))
    assert ">purge<" not in text and "without purge and embargo" in text


def _curves(first: int, last: int) -> tuple[list[Curve], Curve, Curve]:
    curve = Curve("PPO, seed 0", np.array([first, last]) * DAY, np.array([1.0, 2.0]))
    return [curve], curve, curve


@pytest.mark.parametrize("count", [1, 5, 60])
def test_every_seed_is_a_thin_line_and_their_median_a_thick_one(count: int) -> None:
    drawn = page.equity_chart(a_report(count, 4))
    assert drawn.count(f'stroke="{page.SEED}" stroke-width="0.8"') == 4
    assert drawn.count(f'stroke="{page.MEDIAN}" stroke-width="2.6"') == 1
    assert drawn.count(f'stroke="{page.HOLD}"') == 1
    assert page.returns_chart(a_report(count, 4)).count("<circle") == 4 * count


def test_one_seed_has_no_median_beside_it() -> None:
    text = render_fold_report(a_report(2, 1))
    assert "median of the seeds" not in text and "one seed: no interval" in text
    assert page.SEED not in page.equity_chart(a_report(2, 1))


def test_the_page_needs_nothing_from_elsewhere_and_names_are_text() -> None:
    text = render_fold_report(a_report(3, 2, purge=1))
    assert not re.search(r"https?://|src=|@import|url\(", text)
    assert "A &lt;title&gt;" in text and "nan" not in text.lower()
    assert '<tr class="baseline"><td>Buy and hold</td>' in text and "<tr><td>PPO, seed 1</td>" in text


def test_a_walk_forward_without_folds_or_seeds_is_refused() -> None:
    whole = a_report(1, 1)
    with pytest.raises(ConfigurationError, match="at least one fold and one seed; got 0 and 1"):
        FoldReport("t", "s", [], whole.seeds, whole.median, whole.hold)
