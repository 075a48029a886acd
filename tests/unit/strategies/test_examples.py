"""The examples run as they are."""

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def test_a_strategy_of_ones_own_plays_beside_buy_and_hold(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "own_strategy.py"), run_name="__main__")
    shown = capsys.readouterr().out.splitlines()
    assert [line.split(" Performance")[0] for line in shown] == ["AfterThree", "Buy and hold"]


def test_training_and_comparing_prints_a_line_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train_and_compare.py", "256"])
    runpy.run_path(str(EXAMPLES / "train_and_compare.py"), run_name="__main__")
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "held out 2023-01-01T00:00:00Z .. 2024-01-01T00:00:00Z"
    assert len(shown) == 6
    assert (tmp_path / "runs" / "example" / "model.zip").is_file()
