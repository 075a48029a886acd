"""A person sees a window where there can be one, else text."""

import copy
import pickle
import sys
from typing import Any

import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rendering_scenes import a_scene

from tradeready_gym.rendering import Window, show


class FakeManager:
    """Counts how often its window was shown."""

    shown = 0

    def show(self) -> None:
        self.shown += 1


class FakeDisplay:
    """Stands for a toolkit with a display: keeps the open figures, draws at once."""

    def __init__(self) -> None:
        self.open: list[Any] = []
        self.drawn = 0

    def figure(self, **options: Any) -> Figure:
        display = self

        class Canvas(FigureCanvasAgg):
            required_interactive_framework = "fake"

            def draw_idle(self) -> None:
                display.drawn += 1

            def flush_events(self) -> None:
                pass

        class Numbered(Figure):
            number = len(display.open) + 1

        figure = Numbered(**options)
        figure.set_canvas(Canvas(figure))
        figure.canvas.manager = FakeManager()  # type: ignore[assignment]
        self.open.append(figure)
        return figure

    def exists(self, number: int) -> bool:
        return any(figure.number == number for figure in self.open)

    def close(self, figure: Figure) -> None:
        self.open.remove(figure)


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> FakeDisplay:
    fake = FakeDisplay()
    monkeypatch.setattr(pyplot, "figure", fake.figure)
    monkeypatch.setattr(pyplot, "fignum_exists", fake.exists)
    monkeypatch.setattr(pyplot, "close", fake.close)
    return fake


def test_without_a_display_every_moment_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    pyplot.switch_backend("agg")
    window = show(a_scene())
    assert show(a_scene(), window) is window
    window.close()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("2025-01-03 12:00 UTC  BTCUSDT")
    assert pyplot.get_fignums() == []


def test_without_matplotlib_every_moment_is_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(sys.modules["matplotlib"], "pyplot")
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    show(a_scene()).close()
    assert "BTCUSDT" in capsys.readouterr().out


def test_a_display_shows_one_window_and_no_text(display: FakeDisplay, capsys: pytest.CaptureFixture[str]) -> None:
    window = None
    for seed in range(3):
        window = show(a_scene(seed=seed), window)
    assert (len(display.open), display.drawn) == (1, 3)
    assert display.open[0].canvas.manager.shown == 1
    assert capsys.readouterr().out == ""


def test_a_window_that_the_person_closed_stays_closed(display: FakeDisplay, capsys: pytest.CaptureFixture[str]) -> None:
    window = show(a_scene())
    display.open.clear()
    show(a_scene(), window)
    assert display.drawn == 1
    assert capsys.readouterr().out == ""


def test_closing_closes_the_window_and_drawing_opens_another(display: FakeDisplay) -> None:
    window = show(a_scene())
    window.close()
    assert display.open == []
    window.close()
    show(a_scene(), window)
    assert len(display.open) == 1


def test_a_toolkit_that_finds_no_display_leaves_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: Any) -> Figure:
        raise RuntimeError("no display name and no $DISPLAY environment variable")

    monkeypatch.setattr(pyplot, "figure", refuse)
    show(a_scene())
    assert "BTCUSDT" in capsys.readouterr().out


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda window: pickle.loads(pickle.dumps(window))])
def test_a_copy_opens_a_window_of_its_own(display: FakeDisplay, copied: Any) -> None:
    window = show(a_scene())
    twin = copied(window)
    assert isinstance(twin, Window)
    show(a_scene(), twin)
    assert len(display.open) == 2
