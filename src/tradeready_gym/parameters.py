"""Arguments as plain numbers: what NumPy computed is a number like any other."""

import inspect
from abc import ABCMeta
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


class PlainArguments(ABCMeta):
    """The class of components: their arguments are made `plain`, so that they print, compare and are kept as numbers are."""

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        return super().__call__(*map(plain, arguments), **{name: plain(value) for name, value in named.items()})

    @property
    def __signature__(cls) -> inspect.Signature:
        # else `inspect.signature(cls)` would be that of `__call__`
        if cls.__init__ is object.__init__:  # type: ignore[misc]
            return inspect.Signature()
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]
        return signature.replace(parameters=list(signature.parameters.values())[1:])
