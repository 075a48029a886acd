"""Records of many accounts, kept field by field: what lets a processor work on eight of them with one instruction.

They are used like an array of records: `columns["cash"]` is a view of one field, `columns[3]` one record, `columns[mask]` a
copy of several as an array of records.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.lines import LINE, zeros_on_line

_CELLS = LINE // 8  # of a cache line


def column_length(count: int) -> int:
    """Cells from one column of `count` cells to the next: an odd number of cache lines.

    At a power of two all columns of an account would share one set of the nearest cache.
    """
    return _CELLS * (-(-count // _CELLS) | 1)


class Columns:
    """`count` records of `dtype`, whose fields are eight bytes each; all zero at first.

    `cells` has shape (fields, column_length(count)); its address never changes. With `nested` the records are those of one
    symbol of each account, and a field has shape (count, 1) as in an array of shape (count, symbols).
    """

    def __init__(self, dtype: np.dtype[Any], count: int, *, nested: bool = False) -> None:
        self.dtype = dtype
        self.count = count
        self.nested = nested
        self.names: tuple[str, ...] = dtype.names or ()
        length = column_length(count)
        self.cells: npt.NDArray[np.float64] = zeros_on_line((len(self.names), length), np.float64)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the array of records which it stands for."""
        return (self.count, 1) if self.nested else (self.count,)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            column = self._column(key)
            return column[:, None] if self.nested else column
        if isinstance(key, int | np.integer):
            row = Row(self, range(self.count)[key])
            return (row,) if self.nested else row
        return np.asarray(self)[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, str):
            self[key][...] = value
            return
        records = np.asarray(self)
        records[key] = value
        for name in self.names:
            self._column(name)[...] = records[name].reshape(-1)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("columns are not an array of records: one can only be copied from them")
        records = np.empty(self.count, self.dtype)
        for name in self.names:
            records[name] = self._column(name)
        return records.reshape(self.shape)

    def __getstate__(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "count": self.count, "nested": self.nested, "cells": self.cells.tobytes()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        cells = state.pop("cells")
        self.__init__(**state)  # type: ignore[misc]
        self.cells[...] = np.frombuffer(cells).reshape(self.cells.shape)

    def copy(self) -> npt.NDArray[Any]:
        """The records as an array of their own."""
        return np.asarray(self)

    def _column(self, name: str) -> npt.NDArray[Any]:
        if name not in self.names:
            raise ValueError(f"no field of name {name}; there are {', '.join(self.names)}")
        return self.cells[self.names.index(name), : self.count].view(self.dtype[name])


class Row:
    """One record of `Columns`: its fields are attributes, and items."""

    __slots__ = ("_columns", "_place")

    def __init__(self, columns: Columns, place: int) -> None:
        object.__setattr__(self, "_columns", columns)
        object.__setattr__(self, "_place", place)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            # an attribute of Python's that a record need not have
            raise AttributeError(name)
        return self._cell(name)[self._place]

    def __setattr__(self, name: str, value: Any) -> None:
        self._cell(name)[self._place] = value

    def _cell(self, name: str) -> npt.NDArray[Any]:
        if name not in self._columns.names:
            raise AttributeError(f"a record of {', '.join(self._columns.names)} has no field {name!r}")
        return self._columns._column(name)

    def __reduce__(self) -> tuple[Any, ...]:
        # a copy is a record of a copy of its columns
        return Row, (self._columns, self._place)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self, name, value)
