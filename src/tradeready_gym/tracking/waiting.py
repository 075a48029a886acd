"""Episodes that were reported and are not in a record yet: they wait for the next write, and then share one."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

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
    """Taking an episode in costs little; what a record needs is made of many of them at once."""

    def __init__(self) -> None:
        self.episodes = self.bytes = 0
        self._groups: list[_Singles | _Batches] = []

    def add_one(self, body: dict[str, Any], kept: Kept | None) -> None:
        """One episode by its body, and what it can be played again from."""
        last = self._groups[-1] if self._groups else None
        if not isinstance(last, _Singles):
            last = _Singles()
            self._groups.append(last)
        last.bodies.append(body)
        last.kept.append(kept)
        self.episodes += 1
        self.bytes += _BYTES + (0 if kept is None else kept.actions.nbytes)

    def add_many(self, count: int, columns: Mapping[str, Column]) -> None:
        """Episodes that ended together; arrays must be nobody else's."""
        last = self._groups[-1] if self._groups else None
        if not isinstance(last, _Batches) or not last.fits(columns):
            last = _Batches(columns)
            self._groups.append(last)
        last.parts.append((count, columns))
        self.episodes += count
        self.bytes += count * _BYTES_IN_BATCH

    def take(self) -> Iterator[Batch]:
        """Everything that waits, in its order; nothing waits afterwards."""
        groups, self._groups = self._groups, []
        self.episodes = self.bytes = 0
        for group in groups:
            yield group.batch()


class _Singles:
    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.kept: list[Kept | None] = []

    def batch(self) -> Batch:
        columns: Columns = {name: [body[name] for body in self.bodies] for name in self.bodies[0]}
        if any(kept is not None for kept in self.kept):
            columns["kept"] = [None if kept is None else _text(kept) for kept in self.kept]
        return Batch(len(self.bodies), columns)


class _Batches:
    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._kinds = _kinds(columns)
        self.parts: list[tuple[int, Mapping[str, Column]]] = []

    def fits(self, columns: Mapping[str, Column]) -> bool:
        return _kinds(columns) == self._kinds

    def batch(self) -> Batch:
        joined: Columns = {}
        for name in self.parts[0][1]:
            values: list[Any] = [part[name] for _, part in self.parts]
            if isinstance(values[0], np.ndarray):
                joined[name] = values[0] if len(values) == 1 else np.concatenate(values)
            else:
                joined[name] = None if values[0] is None else [value for part in values for value in part]
        return Batch(sum(count for count, _ in self.parts), joined)


def _kinds(columns: Mapping[str, Column]) -> list[Any]:
    return [column.dtype if isinstance(column, np.ndarray) else type(column) for column in columns.values()]


def _text(kept: Kept) -> str:
    return base64.b64encode(kept.pack()).decode("ascii")
