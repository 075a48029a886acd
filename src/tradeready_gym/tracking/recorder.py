"""Writes down what was reported and is due, in one background thread a process, also while nothing more is reported.

The thread exists only while something waits to be written or for the disk (fsync), and sleeps until that is due. It knows
what is recorded by weak references, and never a tracker: it keeps neither alive, and no destructor of a tracker waits for it.
"""

import atexit
import functools
import heapq
import itertools
import math
import os
import threading
import weakref

from tradeready_gym.tracking import clock
from tradeready_gym.tracking.recording import Recording

EXIT_S = 2.0
_recorders: dict[int, "Recorder"] = {}
_living: weakref.WeakSet[Recording] = weakref.WeakSet()


class Recorder:
    """The alarms of a process, and the thread that answers them. `call_recorder` calls the one of this process."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._alarms: list[tuple[float, int, weakref.ref[Recording]]] = []
        self._serial = itertools.count()
        self._thread: threading.Thread | None = None

    def call(self, recording: Recording) -> bool:
        """Have what waits written when it is due, and return True, or False where no thread can be started any more."""
        with self._wake:
            recording.called = True
            try:
                self._set(recording, recording.due)
                return self._runs()
            except BaseException:  # of a key or a signal: the next report must call again
                recording.called = False
                raise

    def dismiss(self, recording: Recording) -> None:
        """Leave it alone, unless something has come meanwhile or the disk failed."""
        with self._wake:
            recording.called = False
            if recording.holds_something:
                self.call(recording)
            else:
                recording.alarm = math.inf
                self._wake.notify()

    def _set(self, recording: Recording, due: float) -> None:
        if due >= recording.alarm:
            return
        recording.alarm = due
        heapq.heappush(self._alarms, (due, next(self._serial), weakref.ref(recording)))
        if self._alarms[0][0] == due:
            self._wake.notify()

    def _runs(self) -> bool:
        if self._thread is not None and self._thread.is_alive():
            return True
        self._thread = threading.Thread(target=self._work, name="recorder of training runs", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is on its way out, or the system has no thread left
            self._thread = None
            for _, _, known in self._alarms:
                if (recording := known()) is not None:
                    recording.called, recording.alarm = False, math.inf
            self._alarms.clear()
            return False
        return True

    # ---- the thread ----

    def _work(self) -> None:
        while self._answer():
            pass

    def _answer(self) -> bool:
        recording = self._next()
        if recording is None:
            return False
        try:
            due = recording.turn()
        except Exception as error:  # whatever it is, the training must hear of it and other runs be written
            recording.complain("recorder", f"run {recording.run_id} is not recorded in time: {error!r}.")
            return True
        if due is not None:
            with self._wake:
                self._set(recording, due)
        return True

    def _next(self) -> Recording | None:
        with self._wake:
            while self._alarms:
                due, _, known = self._alarms[0]
                recording = known()
                left = due - clock.monotonic()
                valid = recording is not None and recording.alarm == due  # or it is forgotten, or was set anew
                if valid and left > 0.0:
                    del recording
                    self._wake.wait(left)
                    continue
                heapq.heappop(self._alarms)
                if recording is not None and valid:
                    recording.alarm = math.inf
                    return recording
            self._thread = None
            return None


def call_recorder(recording: Recording) -> None:
    """Have what waits written when it is due, by this process's recorder; a forked child has its own."""
    if not _recorder().call(recording):
        recording.turn()


def dismiss_recorder(recording: Recording) -> None:
    """Say that everything was written by another thread."""
    _recorder().dismiss(recording)


def write_at_exit(recording: Recording) -> None:
    """Write what is left of it when the process ends: a destructor may come when nothing can be encoded any more."""
    _last_writes()
    _living.add(recording)


def _recorder() -> Recorder:
    process = os.getpid()
    return _recorders.get(process) or _recorders.setdefault(process, Recorder())


@functools.cache
def _last_writes() -> None:
    def write() -> None:
        end = clock.monotonic() + EXIT_S
        for recording in list(_living):
            recording.write_last(wait_s=max(end - clock.monotonic(), 0.0))

    atexit.register(write)
