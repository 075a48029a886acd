"""A journal has one writer: whoever comes second hears who it is, and it is free again however the first one ends."""

import copy
import gc
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from test_parity import START, market

from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.errors import ConfigurationError, DataUnavailable
from tradeready_gym.live import ReplayFeed, SessionJournal, lock
from tradeready_gym.live.paper import PaperAccount
from tradeready_gym.tracking import journal as records


def made(path: Path, **arguments: Any) -> LiveTradingEnv:
    env = gym.make(
        "TradeReady-Live-v0", feed=ReplayFeed(market(), START), journal=path, track_training=False, disable_env_checker=True,
        **arguments,
    ).unwrapped  # fmt: skip
    assert isinstance(env, LiveTradingEnv)
    return env


def decisions(path: Path) -> int:
    return sum(record["message"] == "decide" for record in records.read(path).records)


def test_two_environments_with_one_journal_do_not_both_write(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    first = made(path)
    first.reset(seed=1)
    before = path.read_bytes()
    with pytest.raises(
        ConfigurationError, match=rf"session.journal is being written by this process \({os.getpid()}\)"
    ):
        made(path)
    # by another way to it, too
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="one at a time"):
        made(tmp_path / "link" / "session.journal")
    assert path.read_bytes() == before
    first.step(1)
    first.close()
    second = made(path)
    assert second.recover() is not None
    second.step(1)
    # what was closed late writes nothing into what goes on
    with pytest.raises(ConfigurationError, match="not this one's to write any more"):
        first.step(1)
    first.close()
    assert second.step(1)[4]["step"] == 3
    assert decisions(path) == 3
    second.close()
    assert sorted(tmp_path.glob("session*")) == [path]


def test_a_second_one_does_not_cut_off_what_the_first_is_writing(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    first = SessionJournal(path)
    first.write("reset", seed=1)
    half = records.encode({"message": "decide"})[:20]
    with open(path, "ab") as file:
        file.write(half)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="is being written by this process"):
        SessionJournal(path)
    assert path.read_bytes() == before
    first.close()
    assert len(SessionJournal(path).records) == 1


def test_a_paper_account_and_an_environment_are_kept_apart_too(tmp_path: Path) -> None:
    path = tmp_path / "paper.journal"
    account = PaperAccount(ReplayFeed(market(), START), journal=path)
    for another in (lambda: made(path), lambda: PaperAccount(ReplayFeed(market(), START), journal=path)):
        with pytest.raises(ConfigurationError, match="is being written by this process"):
            another()
    account.close()
    with pytest.raises(ConfigurationError, match="not this one's to write"):
        account.reset()
    PaperAccount(ReplayFeed(market(), START), journal=path).close()


@pytest.mark.parametrize("kind", ["too little history", "another composition", "an argument that is wrong"])
def test_what_was_not_made_holds_nothing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    made(path).close()
    composition: dict[str, dict[str, Any]] = {
        "too little history": {"history_bars": 1 << 40, "journal": tmp_path / "other.journal"},
        "another composition": {"lookback_window": 7},
        "an argument that is wrong": {"position_size": -1.0},
    }
    wrong = composition[kind]
    with pytest.raises((DataUnavailable, ConfigurationError, ValueError)) as error:
        made(**{"path": path} | ({"path": wrong.pop("journal")} if "journal" in wrong else {}) | wrong)
    assert "is being written" not in str(error.value)
    # while the error is still at hand, with all its frames
    assert not list(tmp_path.glob("*.lock"))
    made(path).close()


def test_what_is_forgotten_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    env = made(path)
    env.reset(seed=1)
    del env
    gc.collect()
    made(path).close()


def test_a_compacted_environment_is_the_one_that_writes(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    old = made(path)
    old.reset(seed=1)
    old.step(1)
    env = old.compacted()
    with pytest.raises(ConfigurationError, match="is being written by this process"):
        made(path)
    with pytest.raises(ConfigurationError, match="not this one's to write"):
        old.step(1)
    old.feed.journal.close()  # type: ignore[attr-defined]
    assert env.step(0)[4]["step"] == 2
    with pytest.raises(ConfigurationError, match="is being written by this process"):
        made(path)
    env.close()
    again = made(path)
    found = again.recover()
    assert found is not None
    assert found[1]["step"] == 2
    again.close()


def test_a_compaction_that_fails_leaves_the_old_one_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "session.journal"
    env = made(path)
    env.reset(seed=1)
    with monkeypatch.context() as patched:
        patched.setattr("tradeready_gym.envs.live_compaction._sees_the_same", lambda *_: False)
        with pytest.raises(ConfigurationError, match="cannot be compacted"):
            env.compacted()
    gc.collect()
    assert env.step(1)[4]["step"] == 1
    assert env.compacted().step(1)[4]["step"] == 2


# ---- processes ----


def test_a_fork_writes_nothing_and_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    env = made(path)
    env.reset(seed=1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            env.step(1)
        except ConfigurationError as error:
            os.write(writing, str(error).encode())
        try:
            env.close()
            made(path)
        except ConfigurationError as error:
            os.write(writing, f"|{error}".encode())
        finally:
            os.close(writing)
            signal.pause()  # it outlives its parent's session
            os._exit(0)
    os.close(writing)
    told = os.read(reading, 4096)
    while part := os.read(reading, 4096):
        told += part
    os.close(reading)
    try:
        forked, second = told.decode().split("|")
        assert "of which this one is a fork" in forked
        assert f"is being written by process {os.getpid()}" in second
        assert env.step(1)[4]["step"] == 1
        with pytest.raises(ConfigurationError, match="is being written by this process"):
            made(path)
        env.close()
        made(path).close()  # the child is still there
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert decisions(path) == 1


_HOLDER = """
import os, sys, time
from pathlib import Path
from tradeready_gym.live import SessionJournal
journal = SessionJournal(Path(sys.argv[1]))
journal.write("reset", seed=1)
alive, told = os.pipe()
if os.fork() == 0:
    os.write(told, b"x")
    time.sleep(60)  # it would keep what it has inherited
    os._exit(0)
os.read(alive, 1)
print("held", flush=True)
time.sleep(60)
"""


def test_a_process_that_is_killed_lets_go_even_if_its_fork_lives_on(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    command = [sys.executable, "-c", _HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(ConfigurationError, match=f"is being written by process {holder.pid}: one at a time"):
                SessionJournal(path)
            os.kill(holder.pid, signal.SIGKILL)
            holder.wait()
            # its fork lives, and the note of who held it is still there
            assert json.loads((tmp_path / "session.journal.lock").read_text())["pid"] == holder.pid
            assert len(SessionJournal(path).records) == 1
        finally:
            os.killpg(holder.pid, signal.SIGKILL)


def test_a_journal_is_copied_by_no_pickle_and_by_no_description(tmp_path: Path) -> None:
    journal = SessionJournal(tmp_path / "session.journal")
    with pytest.raises(TypeError, match="cannot be pickled: one alone writes there"):
        pickle.dumps(journal)
    assert copy.deepcopy({"journal": journal})["journal"] is journal
    with pytest.raises(ConfigurationError, match="is being written"):
        made(tmp_path / "session.journal")
    env = LiveTradingEnv(ReplayFeed(market(), START), journal=journal)
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        pickle.dumps(env)
    env.close()
    made(tmp_path / "session.journal").close()


def test_a_lock_that_went_while_it_was_waited_for_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    first, genuine = lock.FileLock(path), lock._taken
    turns: list[int] = []

    def slow(file: Any, *, shared: bool) -> bool:
        if not turns:
            first.release()  # after the second one has opened the file, and before it takes it
        turns.append(1)
        return genuine(file, shared=shared)

    monkeypatch.setattr(lock, "_taken", slow)
    second = lock.FileLock(path)
    assert len(turns) == 2
    with pytest.raises(ConfigurationError, match="is being written"):
        lock.FileLock(path)
    second.release()


# ---- planted defects ----


def test_a_lock_that_is_never_refused_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_taken", lambda *_, **__: True)
    path = tmp_path / "session.journal"
    one, other = made(path), made(path)
    one.reset(seed=1)
    other.reset(seed=2)
    one.step(1)
    other.step(2)
    one.close()
    other.close()
    # what the lock is for: two lives in one file
    assert [record["message"] for record in records.read(path).records].count("reset") == 2


def test_a_fork_that_keeps_what_it_inherits_is_seen(tmp_path: Path) -> None:
    code = "from tradeready_gym.live import lock\nlock._HELD.add = lambda _: None\n" + _HOLDER
    path = tmp_path / "session.journal"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            os.kill(holder.pid, signal.SIGKILL)
            holder.wait()
            with pytest.raises(ConfigurationError, match="is being written"):
                SessionJournal(path)
        finally:
            os.killpg(holder.pid, signal.SIGKILL)
