"""Features as a file says them: a name and parameters, in which a feature may be the source of another."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.features.averages import MovingAverage
from tradeready_gym.features.base import Feature
from tradeready_gym.features.differences import LogDifference, PercentChange
from tradeready_gym.features.higher_timeframe import HigherTimeframe
from tradeready_gym.features.indicators import RelativeStrengthIndex
from tradeready_gym.features.ranges import Comparison, FixedMinMax
from tradeready_gym.features.registry import PLAIN, as_feature, library_feature
from tradeready_gym.features.scale_free import Momentum, MovingAverageRatio, Volatility
from tradeready_gym.features.scalers import MinMaxScaler, Scaler, StandardScaler
from tradeready_gym.features.talib_function import TALib
from tradeready_gym.features.warmup_mask import WarmupMask
from tradeready_gym.market.calendars import TradingCalendar
from tradeready_gym.market.timeframe import TimeLike

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles

DESCRIBED: Final[dict[str, Callable[..., Feature]]] = {
    **PLAIN,
    "comparison": Comparison,
    "fixed_minmax": FixedMinMax,
    "higher_timeframe": HigherTimeframe,
    "log_difference": LogDifference,
    "ma_ratio": MovingAverageRatio,
    "minmax": MinMaxScaler,
    "momentum": Momentum,
    "moving_average": MovingAverage,
    "percent_change": PercentChange,
    "rsi": RelativeStrengthIndex,
    "standard": StandardScaler,
    "talib": TALib,
    "volatility": Volatility,
    "warmup_mask": WarmupMask,
}
_FITTED_BY_HAND = ("statistics", "fitted_span")
# a text there is a column of the candles; elsewhere it may name a feature
_FEATURES = ("feature", "features")


@dataclass(frozen=True)
class ToFit:
    """A scaler and the training span `[start, end)` on which an environment fits it when it is made."""

    scaler: Scaler
    start: TimeLike
    end: TimeLike

    def fit(self, candles: "Candles") -> Scaler:
        """The scaler, fitted; `DataError` as `Scaler.fit`."""
        return self.scaler.fit(candles, self.start, self.end)


def described(name: str, parameters: Any = None) -> "str | Feature | ToFit":
    """The feature `name` with these parameters; without any, what has a name of its own is that name.

    A source or feature among the parameters is a name, or a mapping with `name` and parameters. `standard` and `minmax` take
    the training span as `start` and `end`, and are fitted on it when the environment is made.

    Raises:
        UnknownName: no feature with parameters, or no parameter of it, is called that.
        ConfigurationError: parameters that are no mapping, or lack what the feature needs.
    """
    if not parameters and (name in PLAIN or name not in DESCRIBED):
        return name
    if not isinstance(parameters or {}, Mapping):
        raise ConfigurationError(f"the parameters of the feature {name!r} are a mapping; got {parameters!r}")
    if name not in DESCRIBED:
        known = library_feature(name) is not None
        why = " Its parameters are in its name, as in rsi_21." if known else ""
        raise UnknownName("feature with parameters", name, DESCRIBED, why)
    numbers = {key: _value(key, value) for key, value in (parameters or {}).items()}
    span = [numbers.pop(key) for key in ("start", "end") if key in numbers]
    made = _make(name, numbers)
    if not isinstance(made, Scaler):
        if span:
            raise UnknownName(f"parameter of the feature {name}", "start", _parameters(DESCRIBED[name]))
        return made
    if len(span) != 2:
        raise ConfigurationError(
            f"the feature {name!r} learns from a training span: give its start and end, or fit it in Python"
        )
    return ToFit(made, span[0], span[1])


def described_feature(given: Mapping[str, Any]) -> "str | Feature | ToFit":
    """The same of one mapping with `name` and parameters; `ConfigurationError` without a name."""
    parameters = dict(given)
    name = parameters.pop("name", None)
    if not isinstance(name, str):
        raise ConfigurationError(f"a feature with parameters is a mapping with a name; got {given!r}")
    return described(name, parameters)


def _make(name: str, numbers: Mapping[str, Any]) -> Feature:
    kind = DESCRIBED[name]
    known = _parameters(kind)
    free = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(kind).parameters.values())
    for key in numbers:
        if key not in known and not free:
            raise UnknownName(f"parameter of the feature {name}", key, known)
    try:
        return kind(**numbers)
    except TypeError as error:
        raise ConfigurationError(f"the feature {name!r} cannot be made of {dict(numbers)!r}: {error}") from None


def _parameters(kind: Callable[..., Feature]) -> tuple[str, ...]:
    scales = isinstance(kind, type) and issubclass(kind, Scaler)
    own = [name for name in inspect.signature(kind).parameters if name not in _FITTED_BY_HAND]
    return (*own, "start", "end") if scales else tuple(own)


def _value(key: str, value: Any) -> Any:
    if key == "calendar" and isinstance(value, Mapping):
        return TradingCalendar(**value)
    if isinstance(value, Mapping):
        return _inner(described_feature(value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_value(key, item) for item in value)
    return as_feature(value) if key in _FEATURES and isinstance(value, str) else value


def _inner(made: "str | Feature | ToFit") -> Feature:
    if isinstance(made, ToFit):
        raise ConfigurationError(
            f"a scaler that is fitted when the environment is made cannot be the source of another feature: {made.scaler!r}"
        )
    return as_feature(made) if isinstance(made, str) else made
