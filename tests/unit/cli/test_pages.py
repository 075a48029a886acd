"""A report of an evaluation never takes the place of another's."""

from pathlib import Path
from typing import Any

import pytest

from tradeready_gym.cli.pages import page_in, write_page
from tradeready_gym.market import Span, parse_time

HELD_OUT = Span(parse_time("2023-01-01T00:00:00Z"), parse_time("2024-01-01T00:00:00Z"))
LEARNED = Span(parse_time("2022-01-01T00:00:00Z"), parse_time("2023-01-01T06:30:00Z"))


def card_of(span: Span, **changed: Any) -> dict[str, Any]:
    return {"spans": {"evaluation": [str(span)]}, "changed_since_training": changed}


@pytest.mark.parametrize(
    ("span", "changed", "name"),
    [
        (HELD_OUT, {}, "report.html"),
        (LEARNED, {}, "report-20220101T000000Z-20230101T063000Z.html"),
        (HELD_OUT, {"fee_rate": (0.001, 0.0)}, "report-20230101T000000Z-20240101T000000Z-changed.html"),
    ],
)
def test_only_the_same_evaluation_replaces_a_report(
    span: Span, changed: dict[str, Any], name: str, tmp_path: Path
) -> None:
    first = page_in(tmp_path, HELD_OUT, card_of(HELD_OUT))
    write_page(first, "held out", card_of(HELD_OUT))
    page = page_in(tmp_path, span, card_of(span, **changed))
    write_page(page, "again", card_of(span, **changed))
    assert (first.name, page.name) == ("report.html", name)
    assert first.read_text() == ("again" if page == first else "held out")
    # and once more it finds its own
    assert page_in(tmp_path, span, card_of(span, **changed)) == page


def test_changes_are_the_same_after_they_were_on_disk(tmp_path: Path) -> None:
    card = card_of(HELD_OUT, lookback=(4, 5))
    write_page(tmp_path / "report.html", "", card)
    assert page_in(tmp_path, HELD_OUT, card) == tmp_path / "report.html"


@pytest.mark.parametrize(
    ("file", "text"), [("report.html", "mine"), ("report.json", "{damaged"), ("report.json", "[]")]
)
def test_what_cannot_be_read_as_a_card_stays(file: str, text: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text)
    page = page_in(tmp_path, HELD_OUT, card_of(HELD_OUT))
    assert page.name == "report-20230101T000000Z-20240101T000000Z.html"
