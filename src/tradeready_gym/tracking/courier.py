"""Delivers the journals of this process to a platform, in one background thread per platform and key.

The thread reads journals, never what the training holds, so nothing can fill up or be waited for. It sends what has come
together in a second. Where the platform is away it tries again after half a second, then after twice as long each time, up
to a minute, or when the platform asked it to; where the platform refuses for good, it stops and says so.
"""

import atexit
import contextlib
import math
import os
import threading
import weakref
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tradeready_gym.tracking import clock
from tradeready_gym.tracking.outbox import Claims, Outbox, digest_of, undelivered
from tradeready_gym.tracking.platform import Later, Platform, Refused, prepare

GATHER_S = 1.0
BACK_OFF_S = 0.5
LONGEST_BACK_OFF_S = 60.0
SETTLE_S = 3.0
AWAY_S = 10.0  # for which nobody who closes waits again
EXIT_S = 2.0
REFUSED_S = 60.0  # until a new tracker tries a refused key again
_IDLE_S = 30.0
_couriers: dict[tuple[int, str, str], "Courier"] = {}
_claims: dict[Path, Claims] = {}


class Flushable(Protocol):
    """What can be told to write down what it holds."""

    def flush(self) -> None:
        """Write it down."""


@dataclass
class _Job:
    outbox: Outbox
    news: bool = True
    urgent: bool = False
    due: float = 0.0
    failures: int = 0
    trouble: str | None = None  # why the last attempt failed
    stopped: bool = False


class Courier:
    """Delivers outboxes to one platform. `courier_for` gives the one of this process."""

    def __init__(self, url: str, api_key: str) -> None:
        prepare()
        self.url, self.digest = url, digest_of(api_key)
        self.refusal: str | None = None  # of the key: nothing else is tried
        self._key, self._process = api_key, os.getpid()
        self._jobs: dict[Path, _Job] = {}
        self._searched: set[Path] = set()  # directories, for what earlier processes left
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._idle = False
        self._told: set[str] = set()
        self._open: weakref.WeakSet[Flushable] = weakref.WeakSet()
        self._lingers = False
        self._away_until = -math.inf
        self._refused_at = math.inf

    def open(self, path: Path) -> Outbox:
        """The outbox of a journal of this process, known on disk before the journal is."""
        outbox = Outbox.open(path, self.url, self.digest)
        outbox.save()
        with self._wake:
            claims_of(path.parent).take(path.stem)
            self._jobs[path] = _Job(outbox, news=False)
        if outbox.waiting:
            self.notify(outbox)  # a run that goes on, and was not all delivered
        return outbox

    def notify(self, outbox: Outbox, *, urgent: bool = False) -> None:
        """Say that the journal has grown."""
        with self._wake:
            job = self._jobs.setdefault(outbox.path, _Job(outbox))
            job.news = True
            if urgent:
                job.urgent, job.failures = True, 0
            if self.refusal is not None:
                return
            if self._thread is None or not self._thread.is_alive():
                self._start()
            elif urgent or self._idle:
                self._wake.notify_all()

    def settle(self, outbox: Outbox, timeout_s: float = SETTLE_S) -> str | None:
        """Try at once, wait until the journal is delivered, and return None, or why not all of it is there.

        Where the platform was found to be away a moment ago, it does not wait again.
        """
        begin = clock.monotonic()
        end = begin if begin < self._away_until else begin + timeout_s
        self.notify(outbox, urgent=True)
        with self._wake:
            job = self._jobs[outbox.path]
            while outbox.waiting:
                if job.stopped or self.refusal is not None:
                    return self.refusal or job.trouble
                left = end - clock.monotonic()
                if left <= 0.0 or self._thread is None:
                    self._away_until = clock.monotonic() + AWAY_S
                    return job.trouble or f"{self.url} took longer than {timeout_s:g} s"
                self._wake.wait(left)
            self._jobs.pop(outbox.path, None)
            return None

    def trouble(self, outbox: Outbox) -> str | None:
        """What has stopped the delivery for good; once for each reason, then None."""
        job = self._jobs.get(outbox.path)
        said = self.refusal or (job.trouble if job is not None and job.stopped else None)
        if said is None or said in self._told:
            return None
        self._told.add(said)
        return said

    def has_given_up(self) -> bool:
        """Whether the key was refused, and so long ago that a new courier may try it again."""
        return clock.monotonic() - self._refused_at > REFUSED_S

    def gave_up(self, outbox: Outbox) -> bool:
        """Whether the platform refuses this run."""
        job = self._jobs.get(outbox.path)
        return job is not None and job.stopped

    def opened(self, tracker: Flushable) -> None:
        """A tracker reports from now on: if the process ends without closing it, it is flushed and delivered."""
        self._open.add(tracker)
        if not self._lingers:
            self._lingers = True
            atexit.register(self._leave)

    def closed(self, tracker: Flushable) -> None:
        """The tracker has said that its run is over."""
        self._open.discard(tracker)

    def _leave(self) -> None:
        if os.getpid() != self._process:
            return
        for tracker in list(self._open):
            with contextlib.suppress(Exception):
                tracker.flush()
        end = clock.monotonic() + EXIT_S
        for job in list(self._jobs.values()):
            left = end - clock.monotonic()
            if left <= 0.0 or (job.outbox.waiting and not job.stopped and self.settle(job.outbox, left)):
                return

    # ---- the thread ----

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._work, name=f"delivery to {self.url}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None  # the interpreter is on its way out; the journal keeps it

    def _work(self) -> None:
        platform: Platform | None = None
        try:
            platform = Platform(self.url, self._key)
            while self.refusal is None:
                self._find_older()
                if not self._wait(self._round(platform)):
                    return
        except Exception as error:  # whatever it is, the training must hear of it and go on
            self._refuse(f"the delivery to {self.url} has stopped: {error!r}. The journals keep everything")
        finally:
            if platform is not None:
                platform.close()

    def _wait(self, seconds: float | None) -> bool:
        with self._wake:
            if any(job.urgent and not job.stopped for job in self._jobs.values()):
                return True
            if seconds is not None:
                self._wake.wait(max(seconds, GATHER_S / 4))
                return True
            self._idle = not any(job.news and not job.stopped for job in self._jobs.values())
            woken = not self._idle or self._wake.wait(_IDLE_S)
            self._idle = False
            if woken or self._open:
                return True
            self._thread = None
            return False

    def _round(self, platform: Platform) -> float | None:
        # seconds until the next thing is due, None if nothing is waiting
        pause: float | None = None
        for job in sorted(self._jobs.copy().values(), key=lambda job: job.due):
            if job.stopped or not job.news:
                job.urgent = False
                continue
            if job.urgent or job.due <= clock.monotonic():
                self._try(job, platform)
            if self.refusal is not None:
                return None
            if job.news and not job.stopped:
                left = max(job.due - clock.monotonic(), 0.0)
                pause = left if pause is None else min(pause, left)
        return pause

    def _try(self, job: _Job, platform: Platform) -> None:
        trouble, pause, away = None, GATHER_S, False
        job.news = False  # before the reading: what is written during it is news again
        try:
            if job.outbox.deliver_part(platform):
                job.news = True  # there may be more
                pause = 0.0 if job.outbox.waiting else GATHER_S
            job.failures = 0
        except Later as error:
            trouble, job.news, away = str(error), True, error.away
            job.failures += 1
            pause = max(back_off(job.outbox.run_id, job.failures), error.wait_s)
        except Refused as error:
            trouble, job.stopped = self._refused(job, error), True
        with self._wake:
            job.urgent = job.urgent and job.news and trouble is None
            job.trouble, job.due = trouble, clock.monotonic() + pause
            for other in self._jobs.values() if away else ():
                other.due = max(other.due, job.due)
            self._wake.notify_all()

    def _find_older(self) -> None:
        for directory in {path.parent for path in self._jobs.copy()} - self._searched:
            self._searched.add(directory)
            for outbox in undelivered(directory, self.url, self.digest):
                with self._wake:
                    if outbox.path not in self._jobs and claims_of(directory).take(outbox.run_id):
                        self._jobs[outbox.path] = _Job(outbox)

    def _refuse(self, message: str) -> None:
        with self._wake:
            self.refusal, self._refused_at = message, clock.monotonic()
            self._wake.notify_all()

    def _refused(self, job: _Job, error: Refused) -> str:
        if error.key:
            self._refuse(self._key_refused(error))
            return str(error)
        return self._run_refused(job, error)

    def _key_refused(self, error: Refused) -> str:
        return (
            f"the platform at {self.url} does not take the key ({error}); nothing more is sent to it. Training goes on, "
            f"and the journals keep every episode. Make a new key on its page /settings, and send what is kept with "
            f"`tradeready deliver --api-key KEY --base-url {self.url}`, or deliver_pending() in Python."
        )

    def _run_refused(self, job: _Job, error: Refused) -> str:
        return (
            f"the platform at {self.url} refused run {job.outbox.run_id} ({error}); nothing more of it is sent. Training "
            f"goes on, and {job.outbox.path} keeps every episode. Once the reason is gone, "
            f"`tradeready deliver --api-key KEY --base-url {self.url}` sends what is kept."
        )


def courier_for(url: str, api_key: str) -> Courier:
    """This process's courier to that platform; a forked child has its own."""
    key = (os.getpid(), url, api_key)
    known = _couriers.get(key)
    if known is None or known.has_given_up():
        known = _couriers[key] = Courier(url, api_key)
    return known


def claims_of(directory: Path) -> Claims:
    """This process's claims in the directory, which it keeps: a lock ends with any descriptor of its file."""
    return _claims.setdefault(directory, Claims(directory))


def back_off(run_id: str, failures: int) -> float:
    """Seconds to wait after that many failures; spread by the run's id, so that a hundred processes do not come back in step."""
    jitter = 0.5 + (zlib.crc32(f"{run_id} {failures}".encode()) % 1000) / 1000
    return min(BACK_OFF_S * 2.0 ** min(failures - 1, 10), LONGEST_BACK_OFF_S) * jitter
