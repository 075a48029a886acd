"""Records a training run and its episodes without ever being in the way of the training.

What is reported is written when a second has passed since the last write or 256 KiB have gathered, and when the run is
completed, flushed or forgotten. What is reported less than a second after a write waits for the next report, however late
that comes: killing the process loses it, and corrupts nothing. The disk is waited for (fsync) when the run is completed or flushed, and otherwise every ten
seconds at most: that much a power cut may lose. A disk that fails is said once, in a `TrackingWarning`, and tried again
every second.
"""

import atexit
import contextlib
import functools
import json
import math
import os
import uuid
import warnings
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.tracking import clock, journal, messages
from tradeready_gym.tracking.aggregate import AGGREGATED, RunAggregates
from tradeready_gym.tracking.bridges import Bridge, Sinks
from tradeready_gym.tracking.courier import Courier, courier_for
from tradeready_gym.tracking.kept import Kept
from tradeready_gym.tracking.outbox import Outbox
from tradeready_gym.tracking.platform import checked_key, platform_url
from tradeready_gym.tracking.runs import SUFFIX, read_run, runs_directory
from tradeready_gym.tracking.waiting import Columns, Waiting, numbers_of, seeds_of, values_of

STATUSES = ("completed", "failed", "cancelled")
WRITE_INTERVAL_S = 1.0
SYNC_INTERVAL_S = 10.0
WRITE_BYTES = 262_144
KEPT_BYTES = 1_048_576  # what is kept for a disk that fails


class TrackingWarning(UserWarning):
    """A training run cannot be recorded as it should; the training itself goes on."""


class TrainingTracker:
    """The record of one training run in a journal of its own.

    `strategy_label` names the strategy, `config` is kept with the run (plain data; what JSON does not know is kept as
    its text). `directory` is where runs are kept, `$TRADEREADY_HOME/runs` by default. `run_id` continues the run of
    that id (a UUID) if it exists. A copy of a tracker, by deepcopy, pickle or fork, is a run of its own.

    With `api_key` the journal is also delivered to the platform at `base_url` (by default `$TRADEREADY_URL`, else
    http://localhost:8000), by a background thread, in order, each episode once. While the platform is away the journal
    keeps everything; what is left when the process ends is delivered by the next one that has the same key, or by
    `deliver_pending`. A platform that refuses is said once, in a `TrackingWarning`. A pickle of a tracker holds the key.
    `bridges` are other trackers that get the episodes as well, in the thread that reports them.

    Raises:
        ConfigurationError: `run_id` is no UUID, `config` no plain data, `base_url` no address, or `api_key` no key.
    """

    _run_id: str
    _may_exist: bool
    _process: int
    _registered: bool
    _completed_at: int | None  # episodes when the run was last completed
    _aggregates: RunAggregates
    _waiting: Waiting
    _pending: list[bytes]
    _bytes: int
    _failing: bool
    _complained: bool
    _written_at: float
    _synced_at: float
    _courier: Courier | None
    _outbox: Outbox | None
    _sinks: Sinks

    def __init__(
        self,
        strategy_label: str = "gym_training",
        *,
        directory: str | os.PathLike[str] | None = None,
        run_id: str | None = None,
        config: Mapping[str, Any] | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        bridges: Sequence[Bridge] = (),
    ) -> None:
        self.strategy_label = strategy_label
        self._directory = None if directory is None else os.path.abspath(directory)
        self._config = {"strategy_label": strategy_label} | _plain(config or {})
        self._key = None if api_key is None else checked_key(api_key)
        self._url = None if self._key is None else platform_url(base_url)
        self._bridges = tuple(bridges)
        self._begin(None if run_id is None else _checked(run_id))

    def __repr__(self) -> str:
        directory = "" if self._directory is None else f", directory={self._directory!r}"
        platform = "" if self._key is None else f", api_key='...', base_url={self._url!r}"
        return f"TrainingTracker({self.strategy_label!r}{directory}, run_id={self.run_id!r}{platform})"

    def __getstate__(self) -> dict[str, Any]:
        names = ("strategy_label", "_directory", "_config", "_key", "_url", "_bridges")
        return {name: self.__dict__[name] for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def __del__(self) -> None:
        if getattr(self, "_waiting", None) is not None:
            self._write_last()

    @property
    def run_id(self) -> str:
        """The id of this run, a UUID; another one in a forked child."""
        self._notice_fork()
        return self._run_id

    @property
    def path(self) -> Path:
        """The journal of this run, which exists from `register_run` on."""
        return runs_directory(self._directory) / f"{self.run_id}{SUFFIX}"

    @property
    def episodes_completed(self) -> int:
        """Episodes reported so far, those of a continued run included; the next episode's number is one more."""
        self._notice_fork()
        return self._aggregates.episodes + self._waiting.episodes

    def deliver_like(self, other: "TrainingTracker") -> None:
        """Deliver to the platform that `other` delivers to, if there is one. To be called before the run is registered."""
        self._key, self._url = other._key, other._url

    def expect(self, episodes: int) -> None:
        """Say how many episodes are planned, where that is known: `episodes_total` of the run. Before it is registered.

        Raises:
            ConfigurationError: fewer than one.
        """
        if episodes < 1:
            raise ConfigurationError(f"a run is planned for at least one episode; got {episodes!r}.")
        self._config["episodes_total"] = int(episodes)

    def register_run(self) -> None:
        """Write down that the run begins. Does nothing if it did; a report does this by itself."""
        self._notice_fork()
        if self._registered:
            return
        self._registered = True
        _write_at_exit(self)
        try:
            known = self._may_exist and self.path.exists() and self._continue_run()
        except (OSError, StoreError) as error:
            self._complain(f"run {self._run_id} cannot be continued and is recorded as another run: {error}")
            self._run_id, known = str(uuid.uuid4()), False
        self._open_delivery()
        if not known:
            self._add(messages.register(self._run_id, clock.now(), self._config))
            self._write()
        self._tell(self._sinks.begin(self._run_id, self._config))

    def report_episode(
        self,
        number: int,
        metrics: Mapping[str, float | int | None],
        *,
        seed: int | None = None,
        session_id: str | None = None,
        kept: Kept | None = None,
    ) -> None:
        """Record one episode. `number` counts from 1 within the run; `metrics` is what `plain_metrics` returned.

        `kept` is what the episode can be played from again.
        """
        self.register_run()
        body: dict[str, Any] = {"episode_number": int(number), "session_id": session_id}
        for key, name in messages.EPISODE_METRICS.items():
            body[key] = _number(metrics.get(name))
        body["seed"] = None if seed is None else int(seed)
        self._waiting.add_one(body, kept)
        if self._sinks:
            self._pass_on(body)
        self._write_if_due()

    def report_episodes(
        self,
        numbers: Sequence[int] | NDArray[np.int64],
        metrics: Mapping[str, ArrayLike],
        *,
        seeds: Sequence[int | None] | NDArray[np.int64] | None = None,
        session_ids: Sequence[str | None] | None = None,
    ) -> None:
        """Record episodes that ended together; `metrics` is what `episode_metrics` returned, one value an episode.

        Raises `ValueError` unless every column has one value for each number.
        """
        self.register_run()
        count = len(numbers)
        if count == 0:
            return
        columns: Columns = {"episode_number": np.array(numbers, np.int64)}
        columns["session_id"] = None if session_ids is None else list(session_ids)
        for key, name in messages.EPISODE_METRICS.items():
            columns[key] = numbers_of(metrics[name]) if name in metrics else None
        columns["seed"] = seeds_of(seeds)
        uneven = {key: len(column) for key, column in columns.items() if column is not None and len(column) != count}
        if uneven:
            raise ValueError(f"every column needs one value for each of the {count} episodes; lengths are {uneven}.")
        self._waiting.add_many(count, columns)
        if self._sinks:
            for body in messages.expand(messages.episodes(self._run_id, "", columns)):
                self._pass_on(body)
        self._write_if_due()

    def flush(self) -> None:
        """Write what is still in memory, and wait for the disk."""
        self._notice_fork()
        if self._registered:
            self._write(sync=True)
            self._complain_of_delivery()

    def complete_run(self, status: str = "completed") -> None:
        """Write down that the run has ended, with its aggregates, and wait for the disk, and seconds for the platform.

        Does nothing for a run that never began or has nothing new since it was completed. `status` is `completed`,
        `failed` or `cancelled`.
        """
        if status not in STATUSES:
            raise ConfigurationError(f"a run ends as one of {', '.join(STATUSES)}; got {status!r}.")
        self._notice_fork()
        if not self._registered or self._completed_at == self.episodes_completed:
            return
        self._record_waiting()
        self._completed_at = self._aggregates.episodes
        self._add(messages.complete(self._run_id, clock.now(), status, self._aggregates.as_dict()))
        self._write(sync=True)
        self._tell(self._sinks.end(status))
        self._settle()

    def _begin(self, run_id: str | None = None) -> None:
        self._run_id = run_id or str(uuid.uuid4())
        self._may_exist = run_id is not None
        self._process = os.getpid()
        self._registered = False
        self._completed_at = None
        self._aggregates = RunAggregates()
        self._waiting = Waiting()
        self._pending = []
        self._bytes = 0
        self._failing = self._complained = False
        self._written_at = -math.inf
        self._synced_at = clock.monotonic()
        self._courier = self._outbox = None
        self._sinks = Sinks(self._bridges)

    def _notice_fork(self) -> None:
        if os.getpid() != self._process:
            self._begin()  # what is pending belongs to the parent, which writes it

    def _continue_run(self) -> bool:
        run = read_run(self.path)
        self._aggregates.add(
            len(run.episodes), {name: [body.get(name) for body in run.episodes] for name in AGGREGATED}
        )
        return run.summary.started_at is not None

    def _record_waiting(self) -> None:
        for count, columns in self._waiting.take():
            self._add(messages.episodes(self._run_id, clock.now(), columns))
            self._aggregates.add(count, {name: values_of(columns[name]) for name in AGGREGATED})

    def _write_last(self) -> None:
        if (self._waiting.episodes or self._pending) and os.getpid() == self._process:
            with contextlib.suppress(Exception):  # an environment that nobody closed; there is nobody left to tell
                self._record_waiting()
                journal.append(self.path, b"".join(self._pending))
                self._pending.clear()

    def _add(self, message: Mapping[str, Any]) -> None:
        record = journal.encode(message)
        self._pending.append(record)
        self._bytes += len(record)

    def _write_if_due(self) -> None:
        due = clock.monotonic() - self._written_at >= WRITE_INTERVAL_S
        if due or (self._waiting.bytes >= WRITE_BYTES and not self._failing):
            self._write()
            self._complain_of_delivery()

    def _write(self, *, sync: bool = False) -> None:
        self._record_waiting()
        now = clock.monotonic()
        sync = sync or now - self._synced_at >= SYNC_INTERVAL_S
        self._written_at = now
        self._synced_at = now if sync else self._synced_at
        try:
            journal.append(self.path, b"".join(self._pending), sync=sync)
        except OSError as error:
            self._failing = True
            while self._bytes > KEPT_BYTES and len(self._pending) > 1:
                self._bytes -= len(self._pending.pop(1))  # the oldest but the first, which may be the registration
            self._complain(
                f"run {self._run_id} cannot be recorded: {error}. Training goes on and the last "
                f"{KEPT_BYTES // 2**20} MiB of records are kept until the disk answers. Set TRADEREADY_HOME to a "
                f"directory that can be written, or track_training=False."
            )
        else:
            self._pending.clear()
            self._bytes = 0
            self._failing = False
            if self._courier is not None and self._outbox is not None:
                self._courier.notify(self._outbox)

    def _open_delivery(self) -> None:
        if self._key is None or self._url is None:
            return
        try:
            self._courier = courier_for(self._url, self._key)
            self._outbox = self._courier.open(self.path)
            self._courier.opened(self)
        except OSError:
            self._courier = self._outbox = None  # no place for a journal, which is said when it is written

    def _complain_of_delivery(self) -> None:
        if self._courier is not None and self._outbox is not None:
            trouble = self._courier.trouble(self._outbox)
            if trouble is not None:
                warnings.warn(trouble, TrackingWarning, stacklevel=4)

    def _settle(self) -> None:
        if self._courier is None or self._outbox is None:
            return
        self._courier.closed(self)
        left = self._courier.settle(self._outbox)
        self._complain_of_delivery()
        if left is not None and self._courier.refusal is None and not self._courier.gave_up(self._outbox):
            warnings.warn(
                f"run {self._run_id} is not all delivered to {self._url}: {left}. Its journal keeps it, and it is sent when "
                f"the platform answers: by this process, by the next one that trains with this key, or by "
                f"`tradeready deliver --api-key KEY --base-url {self._url}`.",
                TrackingWarning,
                stacklevel=4,
            )

    def _pass_on(self, body: Mapping[str, Any]) -> None:
        self._tell(self._sinks.begin(self._run_id, self._config))
        self._tell(self._sinks.episode(body))

    def _tell(self, complaints: Iterable[str]) -> None:
        for complaint in complaints:
            warnings.warn(complaint, TrackingWarning, stacklevel=4)

    def _complain(self, message: str) -> None:
        if not self._complained:
            self._complained = True
            warnings.warn(message, TrackingWarning, stacklevel=4)


_living: weakref.WeakSet[TrainingTracker] = weakref.WeakSet()


def _write_at_exit(tracker: TrainingTracker) -> None:
    # a destructor may come when the interpreter can encode nothing any more
    _last_writes()
    _living.add(tracker)


@functools.cache
def _last_writes() -> None:
    def write() -> None:
        for tracker in list(_living):
            tracker._write_last()

    atexit.register(write)


def _checked(run_id: str) -> str:
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        raise ConfigurationError(f"run_id must be a UUID, such as {uuid.uuid4()}; got {run_id!r}.") from None


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(config), default=str, allow_nan=False))
    except ValueError as error:
        raise ConfigurationError(f"config must be plain data without NaN or infinity; got {config!r}.") from error
    return plain


def _number(value: float | int | None) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
