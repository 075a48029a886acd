"""Records a training run and its episodes without ever being in the way of the training.

What is reported is written by a background thread when a second has passed since the last write, whether or not anything
more is reported, and at once when 256 KiB have gathered or the run is completed, flushed or forgotten. So killing the
process loses at most what was reported within the last second, and corrupts nothing. The disk is waited for (fsync) when
the run is completed or flushed, and otherwise within ten seconds: that much a power cut may lose. A disk that fails is said
once, in a `TrackingWarning` of the thread that reports, and tried again every second.
"""

import json
import math
import os
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.tracking import messages
from tradeready_gym.tracking.bridges import Bridge, Sinks
from tradeready_gym.tracking.courier import Courier, courier_for
from tradeready_gym.tracking.kept import Kept
from tradeready_gym.tracking.outbox import Outbox
from tradeready_gym.tracking.platform import checked_key, platform_url
from tradeready_gym.tracking.recorder import call_recorder, dismiss_recorder, write_at_exit
from tradeready_gym.tracking.recording import WRITE_BYTES, Recording
from tradeready_gym.tracking.waiting import Columns, numbers_of, seeds_of

STATUSES = ("completed", "failed", "cancelled")


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

    _recording: Recording
    _may_exist: bool
    _registered: bool
    _open: bool  # and not completed since
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
        if (recording := getattr(self, "_recording", None)) is not None:
            recording.abandon()

    @property
    def run_id(self) -> str:
        """The id of this run, a UUID; another one in a forked child."""
        self._notice_fork()
        return self._recording.run_id

    @property
    def path(self) -> Path:
        """The journal of this run, which exists from `register_run` on."""
        self._notice_fork()
        return self._recording.path

    @property
    def episodes_completed(self) -> int:
        """Episodes reported so far, those of a continued run included; the next episode's number is one more."""
        self._notice_fork()
        return self._recording.episodes

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
        if not self._registered:
            self._start()
            self._say()

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
        self._notice_fork()
        if not self._open:
            self._start()
        body: dict[str, Any] = {
            "episode_number": int(number),
            "session_id": None if session_id is None else str(session_id),
        }
        for key, name in messages.EPISODE_METRICS.items():
            body[key] = _number(metrics.get(name))
        body["seed"] = None if seed is None else int(seed)
        self._recording.waiting.add_one(body, kept)
        self._hand_over([body] if self._sinks else ())

    def report_episodes(
        self,
        numbers: Sequence[int] | NDArray[np.int64],
        metrics: Mapping[str, ArrayLike],
        *,
        seeds: Sequence[int | None] | NDArray[np.int64] | None = None,
        session_ids: Sequence[str | None] | None = None,
        kept: Sequence[Kept | None] | None = None,
    ) -> None:
        """Record episodes that ended together; `metrics` is what `episode_metrics` returned, one value an episode.

        `kept` is what each of them can be played from again. Raises `ValueError` unless every column has one value for each number.
        """
        self._notice_fork()
        count = len(numbers)
        if count == 0:
            return
        columns: Columns = {"episode_number": np.array(numbers, np.int64)}
        columns["session_id"] = None if session_ids is None else list(session_ids)
        for key, name in messages.EPISODE_METRICS.items():
            columns[key] = numbers_of(metrics[name]) if name in metrics else None
        columns["seed"] = seeds_of(seeds)
        told = columns | {"kept": None if kept is None else list(kept)}
        uneven = {key: len(column) for key, column in told.items() if column is not None and len(column) != count}
        if uneven:
            raise ValueError(f"every column needs one value for each of the {count} episodes; lengths are {uneven}.")
        if not self._open:
            self._start()
        self._recording.waiting.add_many(count, columns, kept)
        self._hand_over(messages.expand(messages.episodes(self.run_id, "", columns)) if self._sinks else ())

    def flush(self) -> None:
        """Write what is still in memory, and wait for the disk."""
        self._notice_fork()
        if self._registered:
            self._recording.flush()
            dismiss_recorder(self._recording)
            self._say(*self._trouble())

    def complete_run(self, status: str = "completed", reason: str | None = None) -> None:
        """Write down that the run has ended, with its aggregates, and wait for the disk, and seconds for the platform.

        Does nothing for a run that never began or has not gone on since it was completed. `status` is `completed`,
        `failed` or `cancelled`, `reason` why, such as the error that ended it; 500 characters of it are kept.
        """
        if status not in STATUSES:
            raise ConfigurationError(f"a run ends as one of {', '.join(STATUSES)}; got {status!r}.")
        self._notice_fork()
        if not self._open:
            return
        self._open = False
        self._recording.complete(status, _shortened(reason) if reason else None)
        dismiss_recorder(self._recording)
        told = list(self._sinks.end(status))
        self._say(*told, *self._settle())

    def _begin(self, run_id: str | None = None) -> None:
        self._recording = Recording(self._directory, run_id or str(uuid.uuid4()))
        self._may_exist = run_id is not None
        self._registered = self._open = False
        self._courier = self._outbox = None
        self._sinks = Sinks(self._bridges)

    def _notice_fork(self) -> None:
        if os.getpid() != self._recording.process:
            self._begin()  # what waits belongs to the parent, which writes it, and whose locks may be held here for ever

    def _start(self) -> None:
        self._open = True
        if self._registered or not self._goes_on():
            self._recording.register(self._config)
        self._registered = True
        if self._courier is not None:
            self._courier.opened(self)
        self._recording.complaints.extend(self._sinks.begin(self.run_id, self._config))

    def _goes_on(self) -> bool:
        write_at_exit(self._recording)
        try:
            known = self._may_exist and self._recording.go_on()
        except (OSError, StoreError) as error:
            self._recording.complain(
                "continue", f"run {self.run_id} cannot be continued and is recorded as another run: {error}"
            )
            self._recording.run_id, known = str(uuid.uuid4()), False
        self._open_delivery()
        return known

    def _hand_over(self, bodies: Iterable[Mapping[str, Any]]) -> None:
        recording = self._recording
        told: list[str] = []
        for body in bodies:
            told += self._sinks.begin(self.run_id, self._config)
            told += self._sinks.episode(body)
        if recording.waiting.bytes >= WRITE_BYTES:
            recording.relieve()
        if not recording.called:
            call_recorder(recording)
            told += self._trouble()
        if told or recording.complaints:
            self._say(*told)

    def _open_delivery(self) -> None:
        if self._key is None or self._url is None:
            return
        try:
            self._courier = courier_for(self._url, self._key)
            self._outbox = self._courier.open(self.path)
        except OSError:
            self._courier = self._outbox = None  # no place for a journal, which is said when it is written
        else:
            self._recording.written = partial(self._courier.notify, self._outbox)

    def _trouble(self) -> Iterator[str]:
        if self._courier is not None and self._outbox is not None:
            trouble = self._courier.trouble(self._outbox)
            if trouble is not None:
                yield trouble

    def _settle(self) -> Iterator[str]:
        if self._courier is None or self._outbox is None:
            return
        self._courier.closed(self)
        left = self._courier.settle(self._outbox)
        yield from self._trouble()
        if left is not None and self._courier.refusal is None and not self._courier.gave_up(self._outbox):
            yield (
                f"run {self.run_id} is not all delivered to {self._url}: {left}. Its journal keeps it, and it is sent when "
                f"the platform answers: by this process, by the next one that trains with this key, or by "
                f"`tradeready deliver --api-key KEY --base-url {self._url}`."
            )

    def _say(self, *told: str) -> None:
        # a warning may be an error, and then the rest is said the next time
        self._recording.complaints.extend(told)
        while self._recording.complaints:
            warnings.warn(self._recording.complaints.popleft(), TrackingWarning, stacklevel=4)


def _checked(run_id: str) -> str:
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        raise ConfigurationError(f"run_id must be a UUID, such as {uuid.uuid4()}; got {run_id!r}.") from None


def _shortened(reason: str) -> str:
    # a message may have half a surrogate pair in it, such as of a file's name, which no JSON of a platform takes
    return reason.replace("\0", "").encode("utf-8", "replace").decode("utf-8")[: messages.REASON_LENGTH]


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
