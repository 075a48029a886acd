"""The log of a deployment: one line for each slot that was decided, whoever kills its process wherever; it is rotated by size."""

import itertools
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_parity import START, market

from tradeready_gym.envs import live_compaction
from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.live import ReplayFeed, decisions, deployments
from tradeready_gym.live.decisions import DecisionLog, read_decisions
from tradeready_gym.live.deployments import Deployment, decisions_of
from tradeready_gym.strategies import deployment as at_work
from tradeready_gym.tracking import journal as records

STEPS = 3
MODES = ("before the write", "in the middle of the write", "after the write")


class Drawn:
    """An agent that decides by the number of the step alone."""

    def decide(self, situation: Any) -> Any:
        account = situation._engine.state.accounts[0]
        step = int(account.row - account.start_row)
        return np.array([np.random.default_rng(step).integers(3)])


@pytest.fixture(autouse=True)
def _agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(made: Deployment, feed: Any) -> Any:
        path = made.folder / "session.journal"
        return LiveTradingEnv(feed, journal=path, feature_pipeline=["candles", "balance"], lookback_window=3), Drawn()

    monkeypatch.setattr(at_work, "open_agent", opened)


def made_at(directory: Path, name: str = "one") -> Deployment:
    made = Deployment(name, "run", 0, ("BTCUSDT",), "1h", "replay:x:y", directory=directory)
    made.save()
    return made


def trade(made: Deployment) -> dict[str, Any]:
    """Until `STEPS` slots have been decided, whatever was decided before."""
    recovered = at_work.work(made, ReplayFeed(market(), START), steps=0)
    return at_work.work(made, ReplayFeed(market(), START), steps=STEPS - recovered["step"])


def all_lines(made: Deployment) -> list[dict[str, Any]]:
    files = [*sorted(made.folder.glob("decisions-*.jsonl")), made.folder / "decisions.jsonl"]
    return [json.loads(line) for file in files if file.exists() for line in file.read_text().splitlines()]


def arm(deadly: int, mode: str) -> None:
    """Let this process die at its `deadly`-th write: of the journal, the log, the status, the curve."""
    append, write_text, add = records.append, deployments.write_text, DecisionLog._append
    written = itertools.count(1)

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def deadly_append(path: Path, data: bytes, *, sync: bool = False) -> None:
        if next(written) != deadly:
            append(path, data, sync=sync)
            return
        if mode != MODES[0]:
            append(path, data if mode == MODES[2] else data[: len(data) // 2], sync=sync)
        die()

    def deadly_text(path: Path, text: str) -> None:
        if next(written) != deadly:
            write_text(path, text)
            return
        if mode == MODES[1]:
            path.with_name(f".{path.name}.half").write_text(text[: len(text) // 2])
        elif mode == MODES[2]:
            write_text(path, text)
        die()

    def deadly_line(self: DecisionLog, line: bytes) -> None:
        if next(written) != deadly:
            add(self, line)
            return
        if mode != MODES[0]:
            add(self, line if mode == MODES[2] else line[: len(line) // 2])
        die()

    setattr(records, "append", deadly_append)  # noqa: B010 - a process that dies has nothing to put back
    setattr(deployments, "write_text", deadly_text)  # noqa: B010
    setattr(DecisionLog, "_append", deadly_line)  # noqa: B010


def killed(made: Deployment, deadly: int, mode: str) -> bool:
    child = os.fork()
    if child == 0:
        try:
            arm(deadly, mode)
            trade(made)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(("mode", "compact_bytes"), [*((mode, 10**9) for mode in MODES), (MODES[2], 1)])
def test_killed_at_any_write_the_log_has_one_line_for_each_decided_slot(
    mode: str, compact_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_compaction, "KEPT_CANDLES", 1)
    monkeypatch.setattr(at_work, "COMPACT_BYTES", compact_bytes)
    monkeypatch.setattr(decisions, "ROTATE_BYTES", 600)  # one or two lines
    whole = made_at(tmp_path / "whole")
    ended = trade(whole)
    expected = all_lines(whole)
    assert [line["slot"] for line in expected] == [f"2024-01-27T0{k}:00:00Z" for k in range(STEPS)]
    deaths = 0
    for deadly in itertools.count(1):
        made = made_at(tmp_path / str(deadly))
        if not killed(made, deadly, mode):
            break
        deaths += 1 + (deadly % 3 == 0 and killed(made, 3, mode))
        status = trade(made)
        assert all_lines(made) == expected, deadly
        assert {n: status[n] for n in ("equity", "cash", "step")} == {n: ended[n] for n in ("equity", "cash", "step")}
    assert deaths > 5 * STEPS


def test_a_recovery_that_tells_nobody_what_it_completed_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = LiveTradingEnv.recover
    monkeypatch.setattr(LiveTradingEnv, "recover", lambda self, decided: genuine(self))
    whole = made_at(tmp_path / "whole")
    trade(whole)
    differs = []
    for deadly in range(1, 12):
        made = made_at(tmp_path / str(deadly))
        assert killed(made, deadly, MODES[2])
        trade(made)
        differs.append(all_lines(made) != all_lines(whole))
    assert any(differs)


def test_the_log_is_rotated_and_the_newest_lines_are_read_across_its_files(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path, rotate_bytes=200, kept_files=3)
    slots = [f"2024-01-01T00:{minute:02d}:00Z" for minute in range(60)]
    for slot in slots:
        assert log.add({"slot": slot, "equity": 1.0})
    files = sorted(path.name for path in tmp_path.iterdir())
    assert len(files) == 4
    assert files[-1] == "decisions.jsonl"
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4 * 260
    assert [line["slot"] for line in read_decisions(tmp_path, 9)] == slots[-9:]
    # and whoever comes next knows what is there, also between two files
    again = DecisionLog(tmp_path, rotate_bytes=1, kept_files=3)
    assert not again.add({"slot": slots[-1], "equity": 2.0})
    assert again.add({"slot": "2024-01-01T01:00:00Z"})
    (tmp_path / "decisions.jsonl").unlink()
    assert DecisionLog(tmp_path).newest_slot == slots[-1]


@pytest.mark.parametrize("torn", [b'{"slot": "2024-01-01T00:01', b"\0" * 60 + b"\n", b'{"slot": 1}'])
def test_what_was_being_written_is_cut_off(torn: bytes, tmp_path: Path) -> None:
    log = DecisionLog(tmp_path)
    log.add({"slot": "2024-01-01T00:00:00Z"})
    whole = (tmp_path / "decisions.jsonl").read_bytes()
    (tmp_path / "decisions.jsonl").write_bytes(whole + torn)
    assert [line["slot"] for line in read_decisions(tmp_path, 5)] == ["2024-01-01T00:00:00Z"]
    assert DecisionLog(tmp_path).add({"slot": "2024-01-01T00:01:00Z"})
    assert [line["slot"] for line in decisions_of_folder(tmp_path)] == ["2024-01-01T00:00:00Z", "2024-01-01T00:01:00Z"]


def decisions_of_folder(folder: Path) -> list[dict[str, Any]]:
    return decisions_of(Deployment(folder.name, "r", 0, ("X",), "1h", "f", directory=folder.parent), 10)
