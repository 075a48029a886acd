"""What of a run's journal a platform has taken, and what it has to be sent next.

Beside `RUN_ID.journal` lies `RUN_ID.delivery`: {"platform": its address, "key": a digest of the key, "offset": bytes}. It is
written after the platform has answered, so what a kill leaves in doubt is sent again, and the platform, which knows a run by
its id and an episode by its number, takes it once.
"""

import contextlib
import hashlib
import json
import os
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tradeready_gym.tracking import journal
from tradeready_gym.tracking.parcels import Parcel, parcels, registration
from tradeready_gym.tracking.platform import Later, Platform, Refused, TooLarge
from tradeready_gym.tracking.runs import SUFFIX

DELIVERY_SUFFIX = ".delivery"
PART_BYTES = 1_048_576  # read at once, and so all that waits in memory


class Outbox:
    """The delivery of one journal to the platform at `url`. `open` takes up where the last process left off."""

    def __init__(self, path: Path, url: str, digest: str, offset: int = 0) -> None:
        self.path, self.url, self.digest, self.offset = path, url, digest, offset
        self.episodes_sent = 0
        self._parcels: deque[Parcel] = deque()
        self._end = offset
        self._begun = False  # whether the platform has taken anything of what is in memory

    @classmethod
    def open(cls, path: Path, url: str, digest: str) -> "Outbox":
        """The outbox of the journal at `path`, which begins anew if it was meant for another platform before."""
        known = _read(path.with_suffix(DELIVERY_SUFFIX))
        return cls(path, url, digest, known["offset"] if known is not None and known["platform"] == url else 0)

    @property
    def run_id(self) -> str:
        """The run whose journal this is."""
        return self.path.stem

    @property
    def waiting(self) -> bool:
        """Whether the journal holds what the platform has not taken."""
        try:
            return bool(self._parcels) or self.path.stat().st_size > self.offset
        except OSError:
            return False

    def save(self) -> None:
        """Write down how far the delivery has come. A disk that refuses costs no more than sending something twice."""
        place = self.path.with_suffix(DELIVERY_SUFFIX)
        written = place.with_name(f"{place.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            written.write_text(json.dumps({"platform": self.url, "key": self.digest, "offset": self.offset}))
            os.replace(written, place)

    def deliver_part(self, platform: Platform) -> bool:
        """Send the next stretch of the journal; returns whether it held anything.

        Raises `Later` or `Refused` as `Platform.post` does: what it has not taken is sent first the next time.
        """
        if not self._parcels and not self._read_part():
            return False
        try:
            while self._parcels:
                self._send(platform)
        except Later:
            if not self._begun:
                self._parcels.clear()  # a thousand journals that wait must not wait in memory
            raise
        self.offset = self._end
        self.save()
        return True

    def _read_part(self) -> bool:
        try:
            if self.path.stat().st_size < self.offset:
                self.offset = 0  # another file
            part = journal.read_from(self.path, self.offset, PART_BYTES)
        except OSError as error:
            raise Refused(f"its journal cannot be read: {error}") from error
        if part.end == self.offset:
            return False
        if self.offset == 0 and part.records and part.records[0]["message"] != "register":
            self._parcels.append(registration(self.run_id, {}))  # what registered it is damaged
        self._parcels.extend(parcels(self.run_id, part.records))
        self._end, self._begun = part.end, False
        return True

    def _send(self, platform: Platform) -> None:
        first = self._parcels[0]
        try:
            platform.post(first.path, first.body)
        except TooLarge as error:
            halves = first.halves()
            if halves is None:
                raise Refused(str(error)) from error
            self._parcels.popleft()
            self._parcels.extendleft(reversed(halves))
        else:
            self._parcels.popleft()
            self._begun = True
            self.episodes_sent += first.episodes


class Claims:
    """Which journals of a directory this process delivers; another process leaves these alone until this one is dead."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "deliveries.lock"
        self._file, self._process = -1, 0

    def take(self, run_id: str) -> bool:
        """Claim a run. True, too, where the system knows no locks: delivering twice is harmless, only not needed."""
        try:
            import fcntl
        except ImportError:
            return True
        try:
            if self._process != os.getpid():  # a forked child inherits no lock
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file, self._process = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), os.getpid()
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, zlib.crc32(run_id.encode()))
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True
        return True


def digest_of(api_key: str) -> str:
    """Tells keys apart without giving one away."""
    return hashlib.sha256(b"tradeready delivery " + api_key.encode()).hexdigest()[:16]


def undelivered(directory: Path, url: str, digest: str | None = None) -> Iterator[Outbox]:
    """The journals that are meant for the platform at `url`, of the key with that digest, and not all delivered yet."""
    for place in sorted(directory.glob(f"*{DELIVERY_SUFFIX}")):
        known = _read(place)
        if known is None or known["platform"] != url or digest not in (None, known["key"]):
            continue
        outbox = Outbox(place.with_suffix(SUFFIX), url, known["key"], known["offset"])
        if outbox.waiting:
            yield outbox


def _read(place: Path) -> dict[str, Any] | None:
    try:
        known: dict[str, Any] = json.loads(place.read_text())
        good = isinstance(known["platform"], str) and isinstance(known["key"], str) and known["offset"] >= 0
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return known if good else None
