"""One run on its way to its journal: what was reported waits here, and is encoded and written in its order.

Who reports appends to a queue and takes no lock, so a report waits for no disk, and may come in the middle of another (a
signal handler's). Who encodes and writes holds the lock of the disk: the recorder's thread, or one that registers, flushes
or completes the run. Nothing here warns: what went wrong is a complaint, for the thread that reports to say.
"""

import contextlib
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tradeready_gym.tracking import clock, journal, messages
from tradeready_gym.tracking.aggregate import AGGREGATED, RunAggregates
from tradeready_gym.tracking.runs import SUFFIX, read_run, runs_directory
from tradeready_gym.tracking.waiting import Group, Waiting, values_of

WRITE_INTERVAL_S = 1.0
SYNC_INTERVAL_S = 10.0
WRITE_BYTES = 262_144
KEPT_BYTES = 1_048_576  # what is kept for a disk that fails, and what may wait for one that is slow


class Recording:
    """The records of the run `run_id` below `directory`. `written` is called whenever its journal has grown."""

    def __init__(self, directory: str | None, run_id: str) -> None:
        self.run_id, self.process = run_id, os.getpid()
        self.waiting = Waiting()
        self.complaints: deque[str] = deque()
        self.called, self.alarm = False, math.inf  # whether the recorder comes for what waits; when it comes at all
        self.written: Callable[[], object] | None = None
        self._directory = directory
        self._path: Path | None = None
        self._aggregates = RunAggregates()
        self._continued = 0
        self._groups: deque[Group] = deque()
        self._records: list[bytes] = []
        self._bytes = 0
        self._disk = threading.RLock()
        self._busy = self._failing = self._unsynced = self._abandoned = False
        self._complained: set[str] = set()
        self._written_at = -math.inf
        self._synced_at = clock.monotonic()

    @property
    def path(self) -> Path:
        """The journal; where it was first written, if it was. Raises `OSError` where there is no place for one."""
        return self._path or runs_directory(self._directory) / f"{self.run_id}{SUFFIX}"

    @property
    def episodes(self) -> int:
        """Episodes reported so far, those of a continued run included."""
        return self._continued + self.waiting.reported

    @property
    def due(self) -> float:
        """When what waits is to be written, by the monotonic clock."""
        return self._written_at + WRITE_INTERVAL_S

    @property
    def holds_something(self) -> bool:
        """Whether something waits to be written, or for the disk."""
        return self._unwritten or self._unsynced

    def go_on(self) -> bool:
        """Take up the run where its journal ends; returns whether it began there and has not ended.

        Raises `OSError` or `StoreError`: it cannot be read.
        """
        if not self.path.exists():
            return False
        run = read_run(self.path)
        columns = {name: [body.get(name) for body in run.episodes] for name in AGGREGATED}
        self._continued = len(run.episodes)
        self._aggregates.add(self._continued, columns)
        return run.summary.started_at is not None and run.summary.completed_at is None

    def register(self, config: Mapping[str, Any]) -> None:
        """Write down that the run begins."""
        with self._disk:
            self._add(messages.register(self.run_id, clock.now(), config))
            self._put()
        self._announce()

    def complete(self, status: str, reason: str | None = None) -> None:
        """Write down what waits and that the run has ended, and why, and wait for the disk."""
        with self._disk:
            self._encode()
            self._add(messages.complete(self.run_id, clock.now(), status, self._aggregates.as_dict(), reason))
            self._put(sync=True)
        self._announce()

    def flush(self) -> None:
        """Write what waits, and wait for the disk."""
        with self._disk:
            self._put(sync=True)
        self._announce()

    def relieve(self) -> None:
        """Write what waits, where that is much, in the thread that reports: so nothing gathers without an end.

        While another thread writes, it waits for that only where four times as much has gathered.
        """
        if self._failing or not self._disk.acquire(blocking=self.waiting.bytes >= KEPT_BYTES):
            return
        try:
            self._put()
        finally:
            self._disk.release()
        self._announce()

    def turn(self) -> float | None:
        """Write what is due, and wait for the disk where that is; returns when it is to be called again, if at all."""
        self.called = False  # before the queue is read: what comes during it is a new call
        with self._disk:
            now = clock.monotonic()
            sync = now >= self._synced_at + SYNC_INTERVAL_S
            wrote = (now >= self.due and self._unwritten) or (sync and self._unsynced)
            if wrote:
                self._put(sync=sync)
        if wrote:
            self._announce()
        if self._abandoned:
            self.write_last()  # it came while the disk was locked
            return None
        if self._unwritten:
            return self.due
        return self._synced_at + SYNC_INTERVAL_S if self._unsynced else None

    def abandon(self) -> None:
        """Nobody reports any more. A destructor calls this, anywhere and in any thread: it waits for no lock."""
        self._abandoned = True  # first: who holds the lock looks at it afterwards
        self.write_last()

    def write_last(self, *, wait_s: float = 0.0) -> None:
        """Write what waits if the disk is free within that time, and raise and say nothing: there is nobody to tell."""
        if os.getpid() != self.process or not self._disk.acquire(timeout=wait_s):
            return
        try:
            if not self._busy and self._unwritten:
                with contextlib.suppress(Exception):
                    self._put()
        finally:
            self._disk.release()

    def complain(self, kind: str, message: str) -> None:
        """Leave a message for who reports; one of each kind."""
        if kind not in self._complained:
            self._complained.add(kind)
            self.complaints.append(message)

    # ---- under the lock of the disk ----

    @property
    def _unwritten(self) -> bool:
        return bool(self.waiting or self._groups or self._records)

    def _add(self, message: Mapping[str, Any]) -> None:
        record = journal.encode(message)
        self._records.append(record)
        self._bytes += len(record)

    def _encode(self) -> None:
        self._groups.extend(self.waiting.take())
        while self._groups:
            try:
                count, columns = self._groups.popleft().batch()
                self._add(messages.episodes(self.run_id, clock.now(), columns))
                self._aggregates.add(count, {name: values_of(columns[name]) for name in AGGREGATED})
            except Exception as error:  # whatever it is, those behind it are written and the training goes on
                self.complain("episodes", f"episodes of run {self.run_id} cannot be written down: {error!r}.")

    def _put(self, *, sync: bool = False) -> None:
        self._busy = True
        try:
            self._encode()
            self._append(sync)
        finally:
            self._busy = False

    def _append(self, sync: bool) -> None:
        now = clock.monotonic()
        self._written_at = now
        self._synced_at = now if sync else self._synced_at
        try:
            self._path = self.path
            journal.append(self._path, b"".join(self._records), sync=sync)
        except OSError as error:
            self._fail(error)
        else:
            self._unsynced = not sync
            self._failing = False
            self._records.clear()
            self._bytes = 0

    def _fail(self, error: OSError) -> None:
        self._failing = True
        while self._bytes > KEPT_BYTES and len(self._records) > 1:
            self._bytes -= len(self._records.pop(1))  # the oldest but the first, which may be the registration
        self.complain(
            "disk",
            f"run {self.run_id} cannot be recorded: {error}. Training goes on and the last "
            f"{KEPT_BYTES // 2**20} MiB of records are kept until the disk answers. Set TRADEREADY_HOME to a "
            f"directory that can be written, or track_training=False.",
        )

    def _announce(self) -> None:
        if self.written is not None and not self._failing:
            self.written()
