"""An agent that `tradeready train` made is rehearsed by `tradeready deploy`, also on a disk that takes no more."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tradeready_gym.cli import main
from tradeready_gym.live import Deployment
from tradeready_gym.live.deployments import decisions_of
from tradeready_gym.live.full_disk import refusal_of, write_over
from tradeready_gym.live.journal import SessionJournal
from tradeready_gym.strategies.experiment import Experiment

REHEARSE = ("--feed", "replay", "--data", "synthetic")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """With an agent `tiny` that learned from synthetic candles for a moment."""
    root = tmp_path_factory.mktemp("home")
    compiled = Path(os.environ["TRADEREADY_HOME"]) / "compiled"
    (root / "compiled").symlink_to(compiled.resolve(), target_is_directory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRADEREADY_HOME", str(root))
        assert (
            main(["train", "TradeReady-Portfolio-v0", "--data", "synthetic", "--steps", "64", "--label", "tiny"]) == 0
        )
        yield root


def status_of(home: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((home / "live" / name / "status.json").read_text(encoding="utf-8")))


def decided(name: str) -> list[tuple[str, float]]:
    return [(line["slot"], line["equity"]) for line in decisions_of(Deployment.load(name), 100)]


def full(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


def full_after(writes: int) -> Callable[..., None]:
    write, left = SessionJournal.write, iter(range(writes))

    def last(self: SessionJournal, kind: str, **body: Any) -> None:
        return write(self, kind, **body) if next(left, None) is not None else full()

    return last


def said_by(capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(list(command))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_rehearsal_plays_the_series_that_was_learned_from(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said_by(capsys, "deploy", "tiny", *REHEARSE, "--steps", "3", "--name", "heard")
    assert (code, "Its backtest: 10,000 candles" in err) == (0, True)
    assert "heard: stopped at" in out
    trained = Experiment.load(home / "models" / "tiny")
    assert trained.start is not None
    assert trained.start.startswith("2021-01-0")
    assert status_of(home, "heard")["virtual_time"][:11] == str(trained.end)[:11]


def test_another_series_is_refused_for_what_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    span = ("--start", "2020-06-01T00:00:00Z", "--end", "2021-06-01T00:00:00Z")
    assert main(["train", "--data", "synthetic", "--steps", "64", "--label", "early", *span]) == 0
    code, _, err = said_by(capsys, "deploy", "early", *REHEARSE, "--steps", "3")
    assert code == 1
    assert "prices that begin anew where it begins, and the environment's begins at 2021-01-01T00:00:00Z" in err
    assert "revised" not in err


def test_a_journal_on_a_full_disk_is_said_in_words_and_gone_on_with(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", "tiny", *REHEARSE, "--steps", "9", "--name", "whole"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SessionJournal, "write", full_after(9))
        code, _, err = said_by(capsys, "deploy", "tiny", *REHEARSE, "--steps", "9", "--name", "full")
    words = ("does not take", "session.journal (No space left on device)", "account is safe", "live resume full")
    assert (code, "Traceback" in err, [word for word in words if word not in err]) == (1, False, [])
    code, out, err = said_by(capsys, "live", "list")
    assert (code, "gone" in out, "failed" in out) == (0, False, True)
    assert all(word in err for word in words)
    done = status_of(home, "full")["step"]
    assert 0 < done < 9
    assert main(["live", "resume", "full", "--steps", "2"]) == 0
    # the decision that the journal has, and the disk did not take the candle of, is one of them
    ours, whole = decided("full"), decided("whole")
    assert ours == whole[: len(ours)]
    assert done + 2 <= len(ours) <= done + 3
    assert len({equity for _, equity in ours}) > 1
    assert "does not take" not in said_by(capsys, "live", "list")[2]


def test_a_disk_that_takes_no_status_either_is_said_in_the_room_that_there_is(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", "tiny", *REHEARSE, "--steps", "2", "--name", "tight"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        code, _, err = said_by(capsys, "live", "resume", "tight", "--steps", "2")
    assert code == 1
    assert "tight" in err
    assert ".json (No space left on device)" in err
    kept = status_of(home, "tight")
    assert (kept["state"], kept["step"], "account is safe" in kept["problem"]) == ("failed", 2, True)
    assert main(["live", "resume", "tight", "--steps", "2"]) == 0
    assert status_of(home, "tight")["step"] == 4


def test_a_disk_that_is_full_from_the_beginning_leaves_no_deployment(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        code, _, err = said_by(capsys, "deploy", "tiny", *REHEARSE, "--name", "none")
    assert (code, "card.json (No space left on device), and none has not traded" in err) == (1, True)
    assert not (home / "live" / "none" / "card.json").exists()


def test_only_what_a_disk_refuses_is_said_to_be_one(tmp_path: Path) -> None:
    one = Deployment("one", "m", 0, ("BTCUSDT",), "1h", "binance", directory=tmp_path)
    ours = PermissionError(13, "Permission denied", str(one.folder / "status.json"))
    assert "status.json (Permission denied)" in str(refusal_of(one, ours))
    for other in (ConnectionResetError(104, "reset"), PermissionError(13, "of a network"), OSError("?"), ValueError()):
        assert refusal_of(one, other) is None


def test_what_is_written_over_needs_no_more_room_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text(json.dumps({"state": "running", "equity": 1.0}), encoding="utf-8")
    room = path.stat().st_blocks * 512
    assert write_over(path, {"state": "failed", "log": "x" * room})
    assert json.loads(path.read_text(encoding="utf-8")) == {"state": "failed"}
    assert not write_over(path, {"state": "x" * room})
    assert json.loads(path.read_text(encoding="utf-8")) == {"state": "failed"}
    assert not write_over(tmp_path / "none", {})
