"""Episodes that were reported and are not in a record yet: they wait for the next write, and then share one."""

import base64
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.tracking.kept import Kept

# about what an episode takes in memory while it waits
_BYTES, _BYTES_IN_BATCH = 1_000, 64

Column = list[Any] | NDArray[Any] | None
Columns = dict[str, Column]


class Batch(NamedTuple):
    """Episodes of one record: a value an episode for each key of an episode's body, None for a key that none has."""

    episodes: int
    columns: Columns


def numbers_of(values: ArrayLike) -> NDArray[Any]:
    """A column of numbers that is nobody else's."""
    column = np.array(values, ndmin=1)
    return column if column.dtype.kind in "iu" else column.astype(np.float64)


def seeds_of(seeds: Sequence[int | None] | NDArray[np.int64] | None) -> Column:
    """A column of seeds that is nobody else's."""
    if isinstance(seeds, np.ndarray) and seeds.dtype.kind == "i":
        return np.array(seeds)
    return None if seeds is None else [None if seed is None else int(seed) for seed in seeds]


def values_of(column: Column) -> Any:
    """What there is to be summed up of a column."""
    return () if column is None else column


class Waiting:
    """Taking an episode in costs little; what a record needs is made of many of them at once.

    One thread adds and another may take, without a lock: each end of the queue has one owner.
    """

    def __init__(self) -> None:
        self.reported = 0  # ever
        self._added = self._taken = 0  # bytes
        self._queue: deque[tuple[int, int, Any, Sequence[Kept | None]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._queue)

    @property
    def bytes(self) -> int:
        """About what the waiting episodes take in memory."""
        return self._added - self._taken

    def add_one(self, body: dict[str, Any], kept: Kept | None) -> None:
        """One episode by its body, and what it can be played again from."""
        size = _BYTES if kept is None else _BYTES + kept.actions.nbytes
        self._added += size
        self.reported += 1
        self._queue.append((size, 0, body, (kept,)))

    def add_many(self, count: int, columns: Mapping[str, Column], kept: Sequence[Kept | None] | None = None) -> None:
        """Episodes that ended together; arrays must be nobody else's."""
        size = count * _BYTES_IN_BATCH + sum(one.actions.nbytes for one in kept or () if one is not None)
        self._added += size
        self.reported += count
        self._queue.append((size, count, columns, kept or (None,) * count))

    def take(self) -> list["Group"]:
        """Everything that waits, in its order. What comes meanwhile waits for the next time."""
        groups: list[Group] = []
        for _ in range(len(self._queue)):
            try:
                size, count, content, kept = self._queue.popleft()
            except IndexError:  # a signal's handler has taken the rest in the middle of this
                break
            self._taken += size
            if not groups or not groups[-1].fits(count, content):
                groups.append(_Batches(content) if count else _Singles())
            groups[-1].add(count, content, kept)
        return groups


class Group(Protocol):
    """Episodes that share a record."""

    def fits(self, count: int, content: Any) -> bool:
        """Whether these can be added."""

    def add(self, count: int, content: Any, kept: Sequence[Kept | None]) -> None:
        """Add what `Waiting` was given."""

    def batch(self) -> Batch:
        """The columns of the record."""


class _Singles:
    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.kept: list[Kept | None] = []

    def fits(self, count: int, content: Any) -> bool:
        return count == 0

    def add(self, count: int, content: dict[str, Any], kept: Sequence[Kept | None]) -> None:
        self.bodies.append(content)
        self.kept += kept

    def batch(self) -> Batch:
        columns: Columns = {name: [body[name] for body in self.bodies] for name in self.bodies[0]}
        return Batch(len(self.bodies), columns | _texts(self.kept))


class _Batches:
    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._kinds = _kinds(columns)
        self.parts: list[tuple[int, Mapping[str, Column]]] = []
        self.kept: list[Kept | None] = []

    def fits(self, count: int, content: Any) -> bool:
        return count > 0 and _kinds(content) == self._kinds

    def add(self, count: int, content: Mapping[str, Column], kept: Sequence[Kept | None]) -> None:
        self.parts.append((count, content))
        self.kept += kept

    def batch(self) -> Batch:
        joined: Columns = {}
        for name in self.parts[0][1]:
            values: list[Any] = [part[name] for _, part in self.parts]
            if isinstance(values[0], np.ndarray):
                joined[name] = values[0] if len(values) == 1 else np.concatenate(values)
            else:
                joined[name] = None if values[0] is None else [value for part in values for value in part]
        return Batch(sum(count for count, _ in self.parts), joined | _texts(self.kept))


def _kinds(columns: Mapping[str, Column]) -> list[Any]:
    return [column.dtype if isinstance(column, np.ndarray) else type(column) for column in columns.values()]


def _texts(kept: Sequence[Kept | None]) -> Columns:
    # packed here, in the thread that writes; where nothing is kept, nothing is said
    if not any(one is not None for one in kept):
        return {}
    return {"kept": [None if one is None else base64.b64encode(one.pack()).decode("ascii") for one in kept]}
