"""What an agent sees and what its actions mean: what has to be the same wherever it acts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from tradeready_gym.errors import ConfigurationError

_BUILD = "Build the environment with the same observations"
_MEANING = "in which its actions mean something else. Build the environment with the same"
_FIELDS = {
    "lookback_window": _BUILD,
    "window": _BUILD,
    "account": _BUILD,
    "observation": _BUILD,
    "timeframe": _MEANING,
    "action_scheme": _MEANING,
    "steps_per_action": _MEANING,
    "account_type": _MEANING,
    "action_space": "Build the environment with the same action scheme",
}


@dataclass(frozen=True)
class AgentInterface:
    """The observations and actions of an environment.

    `window` names the columns of the lookback window, `account` the account scalars, `features` the market features, each
    with the digest of its parameters and fitted statistics. `observation` is "flat" or "dict". `action_space` and
    `action_scheme` are written as the calls that rebuild them. `account_type` is "spot" or "margin", or "" if nobody wrote it down.
    """

    symbols: tuple[str, ...]
    timeframe: str
    lookback_window: int
    window: tuple[str, ...]
    account: tuple[str, ...]
    features: tuple[tuple[str, str], ...]
    observation: str
    action_space: str
    action_scheme: str
    steps_per_action: int
    account_type: str = ""

    def refuse(self, found: "AgentInterface") -> None:
        """Raise `ConfigurationError` unless an agent of this interface can act in an environment of `found`.

        The symbols may have other names, but there must be as many.
        """
        if len(found.symbols) != len(self.symbols):
            raise self._unlike("symbols", list(self.symbols), list(found.symbols), _BUILD)
        for name, remedy in _FIELDS.items():
            if name == "timeframe":  # after the columns, before what the actions mean
                self._refuse_features(found)
            mine, theirs = (getattr(one, name) for one in (self, found))
            if mine != theirs and not (name == "account_type" and "" in (mine, theirs)):
                raise self._unlike(name, mine, theirs, remedy)

    def as_plain(self) -> dict[str, Any]:
        """As JSON takes it; `from_plain` reads it back."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Self:
        """From what `as_plain` gave, also after JSON made lists of its tuples."""
        tuples = {name: tuple(values[name]) for name in ("symbols", "window", "account")}
        features = tuple((str(name), str(digest)) for name, digest in values["features"])
        return cls(**{**values, **tuples, "features": features})

    def _refuse_features(self, found: "AgentInterface") -> None:
        for (name, mine), (_, theirs) in zip(self.features, found.features, strict=True):
            if mine and theirs and mine != theirs:
                raise ConfigurationError(
                    f"this strategy was trained with the feature {name!r} of other parameters, or fitted on another span, than "
                    f"the environment's ({mine} and {theirs}): its numbers would mean something else. Build the environment "
                    f"with feature_pipeline=strategy.feature_pipeline"
                )

    def _unlike(self, name: str, mine: Any, theirs: Any, remedy: str) -> ConfigurationError:
        shown = [list(value) if isinstance(value, tuple) else value for value in (mine, theirs)]
        return ConfigurationError(
            f"this strategy was trained with {name} = {shown[0]}; the environment has {shown[1]}"
            f"{', ' if remedy is _MEANING else '. '}{remedy}"
        )
