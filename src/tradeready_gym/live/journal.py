"""A live session that survives anything: what happened is written down before it has an effect, and read back at the start.

The file is one of checked records (`tracking.journal`), each on the disk (fsync) before anything follows from it:

    begin     the history that the session began with, and what it is made of
    reset     an account began, with this seed
    decide    an action, at this slot, at this moment of the venue's clock
    order     an order of a person or client, at these opening prices
    cancel    a resting order was cancelled
    withdraw  the decision before it was taken back while it waited
    pass      what had closed by then passed without a decision
    slot      a slot closed: its candles
    snapshot  what the account was; the journal of a compacted session begins with the candles that it still needs, and this

An account is a function of these records, so reading them back gives the same account to the last digit: an order cannot be
doubled or lost, and a slot for which a decision is written down is not decided again.
"""

import base64
import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tradeready_gym.errors import ConfigurationError, StoreError, TradeReadyError
from tradeready_gym.live.feed import Feed, FeedHealth, Slot
from tradeready_gym.live.lock import FileLock
from tradeready_gym.market import Candles, Instrument, Timeframe
from tradeready_gym.tracking import journal

_NAMES = ("open", "high", "low", "close", "volume")


class SessionJournal:
    """The records of one live session, in the file `path`, and the right to write there, which one alone has.

    A last record that was being written when the machine stopped is cut off: nothing had followed from it. `close()` lets
    another one write; the end of the process does, too.

    Args:
        path: the file.
        lender: of a draft, the journal that has the right to write.

    Raises:
        ConfigurationError: another one writes there, in this process or elsewhere; the message says who.
        StoreError: the file is damaged, or is no journal.
    """

    def __init__(self, path: str | Path, *, lender: "SessionJournal | None" = None) -> None:
        self.path = Path(path)
        self.records: list[dict[str, Any]] = []
        self._whole: int | None = None
        self._lender, self._lock = lender, None if lender is not None else FileLock(self.path)
        try:
            if self.path.exists():
                self._read()
        except BaseException:
            self.close()
            raise

    @property
    def may_write(self) -> bool:
        """Whether this is the one who writes here: it was not closed, and did not come here by a fork."""
        lock = self._lock if self._lender is None else self._lender._lock
        return lock is not None and lock.is_held

    def _read(self) -> None:
        _cut_torn_end(self.path)
        found = journal.read(self.path)
        if found.damaged:
            raise StoreError(
                f"{self.path} is damaged in {found.damaged} places; it cannot be continued. Put a copy of it back, or begin another"
            )
        self.records = found.records

    def __deepcopy__(self, memo: object) -> Self:
        # there is one file, however often the description of an environment is copied
        return self

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError(f"the journal {self.path} cannot be pickled: one alone writes there")

    def write(self, kind: str, **body: Any) -> None:
        """Add a record; it is on the disk when this returns.

        Raises:
            ConfigurationError: this is not the one who may write: it was closed, or came here by a fork.
            OSError: the disk refuses. Nothing may follow from the record then, and nothing of it stays.
        """
        if not self.may_write:
            raise ConfigurationError(
                f"{self.path} is not this one's to write any more: it was closed, or another process, of which this one is a fork, "
                "writes there. Make the environment again where it should go on"
            )
        record = journal.encode({"message": kind, **body})
        self._cut_back()
        self._whole = self.path.stat().st_size if self.path.exists() else 0
        try:
            journal.append(self.path, record, sync=True)
        except (OSError, KeyboardInterrupt):
            # whole or not, nobody acts on it; if it cannot be cut off now, it is before the next one
            with contextlib.suppress(OSError):
                self._cut_back()
            raise
        self._whole = None

    def draft(self, contents: Sequence[Mapping[str, Any]]) -> "SessionJournal":
        """A journal with these records in a new file beside this one's, on the disk; its `take_place_of` makes it this one.

        Raises:
            OSError: the disk refuses; this one is as it was.
        """
        draft = self.path.with_name(f".{self.path.name}.compacted")
        draft.unlink(missing_ok=True)
        try:
            journal.append(draft, b"".join(map(journal.encode, contents)), sync=True)
        except OSError:
            draft.unlink(missing_ok=True)  # a disk that is full needs its room
            raise
        return SessionJournal(draft, lender=self)

    def take_place_of(self, other: "SessionJournal") -> None:
        """Become the file of `other`, of which this is a draft, whole or not at all, whenever the machine stops.

        From then on this is the one who writes there.

        Raises:
            OSError: the disk refuses; that file is as it was, and still `other`'s. Or it has taken the file and does not say that it
                will keep it: then `other` may write no more, and whoever opens the journal next finds one of the two.
        """
        path = other.path
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.replace(self.path, path)
            self.path, self._lender = path, None
            self._lock, other._lock = other._lock, None
            os.fsync(directory)
        finally:
            os.close(directory)

    def close(self) -> None:
        """Let another one write here; closing twice is harmless."""
        if self._lock is not None:
            self._lock.release()

    @property
    def begun(self) -> bool:
        """Whether a session was written here."""
        return bool(self.records)

    def _cut_back(self) -> None:
        if self._whole is not None and self.path.exists():
            os.truncate(self.path, self._whole)
        self._whole = None


class DecisionWithdrawn(TradeReadyError):
    """Said while a journal is replayed, and to the environment only: what is being done again was taken back then."""


class JournaledFeed(Feed):
    """A feed that writes down what it brings, and brings what was written down first.

    While `recovering`, slots are those of the journal; then the feed goes on where the journal ends. What the venue closed
    while nobody listened is fetched by the feed and passes without a decision.

    `source` is the feed that new candles come from, `journal` the file.

    Args:
        feed: where new candles come from.
        journal: the file of the session; one that exists is continued.
        description: what the session is made of; a session goes on only with the same.

    Raises:
        ConfigurationError: the journal is that of another composition.
    """

    def __init__(self, feed: Feed, journal: SessionJournal, description: Mapping[str, Any]) -> None:
        self.source, self.journal = feed, journal
        self.symbols, self.timeframe = feed.symbols, feed.timeframe
        self._description = dict(description)
        self._script = list(journal.records)
        self._again: dict[str, Any] | None = None
        self._unwritten: Slot | None = None
        if self._script:
            known = self._script[0].get("description")
            if self._script[0]["message"] != "begin" or known != self._description:
                raise ConfigurationError(
                    f"{journal.path} belongs to another session ({known}); this one is {self._description}. Take another "
                    f"journal, or the same composition"
                )

    def beginning(self, candles: Candles) -> dict[str, Any]:
        """The record that a journal of this composition begins with."""
        return {"message": "begin", "description": self._description, "history": _plain(candles)}

    @property
    def recovering(self) -> bool:
        """Whether there are records that have not been replayed."""
        return bool(self._script)

    @property
    def doing_again(self) -> bool:
        """Whether what comes next is a record that is being replayed."""
        return self._again is not None

    @property
    def next_kind(self) -> str | None:
        """The kind of the record that is replayed next; None when everything has been."""
        return str(self._script[0]["message"]) if self._script else None

    def next_record(self) -> dict[str, Any] | None:
        """The next thing that somebody did, to be done again now; None when everything has been.

        Raises:
            StoreError: a slot comes where something that was done should.
        """
        if not self._script:
            return None
        record = self._script.pop(0)
        if record["message"] == "slot":
            raise StoreError(f"{self.journal.path} has a slot that nobody asked for; it cannot be continued")
        self._again = record
        return record

    def did(self, kind: str, **body: Any) -> int:
        """Write down what is about to be done; returns the moment, which decides what of the market has passed.

        What is being done again is not written again, and its moment is the one at which it was done first.
        """
        if self._again is not None:
            moment = int(self._again["at"])
            self._again = None
            return moment
        moment = self.now()
        self.journal.write(kind, at=moment, **body)
        return moment

    # ---- the contract ----

    def history(self, bars: int) -> Candles:
        """The history that the session began with."""
        if self._script:
            begun = _candles(self._script.pop(0)["history"])
            # the slots before a snapshot are not asked for again, and a recording must not play them
            self.source.passed(int(begun.times[-1]))
            return begun
        candles = self.source.history(bars)
        self.journal.write("begin", description=self._description, history=_plain(candles))
        return candles

    def wait(self, time: int, timeout: float | None = None) -> Slot | None:
        """The slot from the journal, else from the feed."""
        if self._script and self._script[0]["message"] == "slot":
            record = self._script.pop(0)
            if record["time"] != time:
                raise StoreError(
                    f"the journal has the slot {record['time']} where {time} should be; it cannot be continued"
                )
            self.source.passed(time)
            return Slot(time, np.array(record["values"], np.float64), np.array(record["gaps"], np.bool_))
        if self.next_kind == "withdraw":
            raise DecisionWithdrawn(f"the decision that waits for the slot {time} was taken back")
        if self._script:
            raise StoreError(f"the journal lacks the slot {time}; it cannot be continued")
        # what a disk did not take is not brought again
        slot = self._unwritten = self._unwritten or self.source.wait(time, timeout)
        if slot is not None:
            self.journal.write("slot", time=time, values=slot.values.tolist(), gaps=slot.gaps.tolist())
            self._unwritten = None
        return slot

    def now(self) -> int:
        """The venue's clock."""
        return self.source.now()

    def opening_prices(self) -> Mapping[str, float]:
        """Those of the feed."""
        return self.source.opening_prices()

    def prices(self) -> Mapping[str, float]:
        """Those of the feed."""
        return self.source.prices()

    def quotes(self) -> Mapping[str, tuple[float, float]]:
        """Those of the feed."""
        return self.source.quotes()

    @property
    def has_book(self) -> bool:
        """As the feed."""
        return self.source.has_book

    def instruments(self) -> Mapping[str, Instrument]:
        """Those of the feed."""
        return self.source.instruments()

    @property
    def health(self) -> FeedHealth:
        """That of the feed."""
        return self.source.health

    def close(self) -> None:
        """Close the feed; what was waited for in vain can still be written down."""
        self.source.close()


def _cut_torn_end(path: Path) -> None:
    whole = path.read_bytes()
    kept = whole.rfind(b"\n") + 1
    if kept < len(whole):
        os.truncate(path, kept)


def _plain(candles: Candles) -> dict[str, Any]:
    return {
        "symbols": list(candles.symbols),
        "timeframe": candles.timeframe.label,
        "source": candles.source,
        "times": _packed(candles.times),
        "gaps": _packed(candles.gaps),
        **{name: _packed(getattr(candles, name)) for name in _NAMES},
    }


def _candles(plain: Mapping[str, Any]) -> Candles:
    symbols, times = tuple(plain["symbols"]), _unpacked(plain["times"], np.int64)
    shape = (len(symbols), len(times))
    values: dict[str, Any] = {name: _unpacked(plain[name], np.float64).reshape(shape) for name in _NAMES}
    gaps = _unpacked(plain["gaps"], np.bool_).reshape(shape)
    return Candles(symbols, Timeframe.parse(plain["timeframe"]), times, **values, gaps=gaps, source=plain["source"])


def _packed(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def _unpacked(text: str, dtype: Any) -> npt.NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), dtype)
