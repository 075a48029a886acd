"""`tradeready deliver` sends what a journal holds for a platform."""

from pathlib import Path

import pytest

from fake_platform import KEY, FakePlatform, fake_platform
from tradeready_gym.cli import main
from tradeready_gym.tracking import TrainingTracker


def recorded(directory: Path) -> str:
    run = TrainingTracker(directory=directory)
    for number in range(1, 4):
        run.report_episode(number, {"roi_pct": 1.0})
    run.complete_run()
    return run.run_id


def test_a_run_is_delivered_by_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id, platform = recorded(tmp_path), FakePlatform()
    monkeypatch.setenv("TRADEREADY_API_KEY", KEY)
    with fake_platform(platform) as url:
        command = ["deliver", "--base-url", url, "--directory", str(tmp_path)]
        assert main([*command, run_id]) == 0
        assert f"{run_id}: 3 episodes sent" in capsys.readouterr().out
        assert platform.episodes(run_id) == [1, 2, 3]
        assert main(command) == 0
        assert "nothing waits" in capsys.readouterr().out


def test_a_refusal_is_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = recorded(tmp_path)
    with fake_platform(FakePlatform()) as url:
        command = ["deliver", run_id, "--base-url", url, "--directory", str(tmp_path), "--api-key", "ak_live_bad"]
        assert main(command) == 1
    assert "INVALID_API_KEY" in capsys.readouterr().err


def test_a_key_is_required(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("TRADEREADY_API_KEY", raising=False)
    assert main(["deliver"]) == 1
    assert "TRADEREADY_API_KEY" in capsys.readouterr().err
