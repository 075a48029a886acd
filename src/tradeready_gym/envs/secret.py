"""The key of a platform in the specification that Gymnasium keeps of an environment: used as it is, shown never."""

import copy
from typing import Any

_KEY = "api_key"


class Secret(str):
    """Text that does not show itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'...'"


class HidesKey:
    """An environment whose `spec` has the arguments that it was made with, and prints as if it had no key."""

    _kept_spec: Any = None

    @property
    def spec(self) -> Any:
        """The specification that `gymnasium.make` made it from, None if that did not."""
        return self._kept_spec

    @spec.setter
    def spec(self, spec: Any) -> None:
        if spec is not None and isinstance(spec.kwargs.get(_KEY), str):
            spec = copy.copy(spec)
            spec.kwargs = spec.kwargs | {_KEY: Secret(spec.kwargs[_KEY])}
        self._kept_spec = spec
