"""Arguments as plain numbers: what NumPy computed is a number like any other."""

import dataclasses
from abc import ABC
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """A NumPy number or truth value as Python's, also inside tuples and lists; anything else as it is."""
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    if type(value) in (tuple, list):
        made = [plain(item) for item in value]
        # somebody's list stays theirs, unless there is something to be made plain in it
        return value if all(new is old for new, old in zip(made, value, strict=True)) else type(value)(made)
    return value


def is_number(value: Any) -> bool:
    """Whether `value` is one real number, Python's or NumPy's (an array without axes too); a truth value is none."""
    if isinstance(value, np.ndarray | np.generic):
        return value.ndim == 0 and value.dtype.kind in "iuf"
    return isinstance(value, int | float) and not isinstance(value, bool)


class PlainArguments(ABC):
    """The base of components: what their own `__init__` takes, and the fields of a dataclass, are made `plain`.

    So they print, compare and are kept as numbers are. There is no metaclass, that a `Protocol`, a `Generic`, an `ABC` or a
    pydantic model can be a component as well.
    """

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        owned = vars(cls)
        if "__init__" in owned:
            cls.__init__ = _of_arguments(owned["__init__"])  # type: ignore[method-assign]
        owner = next(kind for kind in cls.__mro__ if "__post_init__" in vars(kind))
        if owner is cls or not issubclass(owner, PlainArguments):
            cls.__post_init__ = _of_fields(vars(owner)["__post_init__"])  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        _make_fields_plain(self)


def _of_arguments(function: Callable[..., None]) -> Callable[..., None]:
    @wraps(function)
    def with_plain_arguments(self: Any, *arguments: Any, **named: Any) -> None:
        function(self, *map(plain, arguments), **{name: plain(value) for name, value in named.items()})

    return with_plain_arguments


def _of_fields(function: Callable[..., None]) -> Callable[..., None]:
    # a dataclass gets its `__init__` once the class is made, so that what it kept is made plain instead
    @wraps(function)
    def with_plain_fields(self: Any, *arguments: Any) -> None:
        _make_fields_plain(self)
        function(self, *map(plain, arguments))

    return with_plain_fields


def _make_fields_plain(self: Any) -> None:
    for field in dataclasses.fields(self):
        value = getattr(self, field.name, None)
        if (made := plain(value)) is not value:
            object.__setattr__(self, field.name, made)
