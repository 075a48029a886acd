"""Progress is a bar for who looks at a screen, and a few lines for everybody else."""

import io

import pytest
from rich.console import Console

from tradeready_gym.cli import console


def shown(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> str:
    stream = io.StringIO()
    monkeypatch.setattr(console, "err", lambda: Console(file=stream, force_terminal=terminal, width=100))
    with console.progress() as progress:
        task = progress.task("learning", 1_000)
        for done in range(0, 1_100, 50):
            task(done, 1_000)
    return stream.getvalue()


def test_elsewhere_progress_is_five_lines_and_never_more_than_all(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, terminal=False).splitlines()
    assert lines == [f"learning: {part:,} of 1,000" for part in (200, 400, 600, 800, 1_000)]


def test_on_a_screen_progress_is_one_bar_that_ends_full(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, terminal=True)
    assert "1000/1000" in text
    assert "learning: " not in text


def test_a_complaint_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    console.complain("what [was] required, " * 40)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("error: what [was] required")
