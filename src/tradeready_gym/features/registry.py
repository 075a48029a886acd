"""Features by name, as in `observation_features`."""

import re
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.features.account import ACCOUNT_CODES
from tradeready_gym.features.averages import MovingAverage
from tradeready_gym.features.base import Feature
from tradeready_gym.features.calendar import Calendar
from tradeready_gym.features.custom import Column, FeatureFunction, custom_feature
from tradeready_gym.features.differences import FractionalDifference, LogDifference, PercentChange
from tradeready_gym.features.higher_timeframe import HigherTimeframe
from tradeready_gym.features.indicators import (
    AverageDirectionalIndex,
    AverageTrueRange,
    BollingerBands,
    Macd,
    Ohlcv,
    RelativeStrengthIndex,
    Volume,
)
from tradeready_gym.features.scale_free import (
    EngineeredFeatures,
    GapFlag,
    LogReturns,
    Momentum,
    MovingAverageRatio,
    RelativeCandles,
    TimeOfWeek,
    Volatility,
)
from tradeready_gym.features.talib_function import TALib
from tradeready_gym.market.timeframe import Timeframe

PLAIN: Final[dict[str, Callable[[], Feature]]] = {
    "adx": AverageDirectionalIndex,
    "atr": AverageTrueRange,
    "bollinger": BollingerBands,
    "calendar": Calendar,
    "candles": RelativeCandles,
    "engineered": EngineeredFeatures,
    "fractional_difference": FractionalDifference,
    "gap": GapFlag,
    "macd": Macd,
    "ohlcv": Ohlcv,
    "returns": LogReturns,
    "time_of_week": TimeOfWeek,
    "volume": Volume,
}
# The second value is the period shown in messages.
WITH_PERIOD: Final[dict[str, tuple[Callable[[int], Feature], int]]] = {
    "adx": (AverageDirectionalIndex, 14),
    "atr": (AverageTrueRange, 14),
    "ema": (partial(MovingAverage, kind="ema"), 20),
    "log_difference": (LogDifference, 1),
    "ma_ratio": (MovingAverageRatio, 50),
    "momentum": (Momentum, 10),
    "percent_change": (PercentChange, 1),
    "rsi": (RelativeStrengthIndex, 14),
    "sma": (partial(MovingAverage, kind="sma"), 20),
    "volatility": (Volatility, 24),
    "wma": (partial(MovingAverage, kind="wma"), 20),
}
KNOWN_NAMES: Final = tuple(
    sorted([*ACCOUNT_CODES, *PLAIN, *(f"{stem}_{period}" for stem, (_, period) in WITH_PERIOD.items())])
)

_FORMS: Final = ", ".join(
    [*(f"{stem}_<n>" for stem in sorted(WITH_PERIOD)), "talib:<FUNCTION>", "<feature>@<timeframe>"]
)


def parse_feature(name: str, columns: Collection[str] | None = None) -> Feature:
    """The market feature called `name`: the library's, any period as in `rsi_21`, or one of the user's own `columns`; None is
    that nobody knows them yet, and then a column is a `Column(name)`.

    Raises:
        UnknownName: nothing is called that; lists the known names, the columns and the nearest match.
        ConfigurationError: the name could mean a library feature and a column, or its period is not usable.
    """
    found = library_feature(name)
    if name not in (columns or ()):
        if found is None:
            known = [*KNOWN_NAMES, *(columns or ())]
            hint = f"{_object_hint(name)} Any period will do: {_FORMS}.{_column_hint(name, columns)}"
            raise UnknownName("feature", name, known, hint)
        return found
    if found is not None:
        raise ConfigurationError(
            f"{name!r} is a column of the data and a feature of the library; rename the column, or give an object: "
            f"Column({name!r}) for the column, {found!r} for the feature"
        )
    return Column(name)


def as_feature(item: str | Feature | FeatureFunction, columns: Collection[str] | None = None) -> Feature:
    """A market feature from its name, from a plain Python function, or as it is.

    Raises:
        UnknownName: see `parse_feature`.
        TypeError: `item` is none of the three, or is a feature that lacks a name, a warm-up or a hash.
    """
    if isinstance(item, str):
        return parse_feature(item, columns)
    if isinstance(item, type) or not (isinstance(item, Feature) or callable(item)):
        raise TypeError(f"a feature is a name, a Feature or a function of candles, got {item!r}")
    found = item if isinstance(item, Feature) else custom_feature(item)
    for attribute in ("name", "warmup_bars"):
        if not hasattr(found, attribute):
            raise TypeError(f"{type(found).__name__} needs {attribute!r}: a field, class attribute or property")
    try:
        hash(found)
    except TypeError as error:
        kind = type(item).__name__
        raise TypeError(f"feature {found.name!r} must be a value; make {kind} a frozen dataclass: {error}") from None
    return found


def library_feature(name: str) -> Feature | None:
    """The library's feature called `name`, in any case; None if there is none.

    `talib:NAME(...)` is a function of TA-Lib, and `<any of these>@4h` a feature on longer candles.
    """
    lower = name.lower()
    if lower in PLAIN:
        return PLAIN[lower]()
    inner, at, timeframe = lower.rpartition("@")
    if at and timeframe in {frame.label for frame in Timeframe.all()}:
        coarse = library_feature(name[: len(inner)])
        return None if coarse is None else HigherTimeframe(coarse, timeframe)
    if lower.startswith("talib:"):
        return TALib.parse(name)
    form = re.fullmatch(r"([a-z_]+)_([0-9]{1,6})", lower)
    if form is None or form[1] not in WITH_PERIOD:
        return None
    return WITH_PERIOD[form[1]][0](int(form[2]))


def _object_hint(name: str) -> str:
    from tradeready_gym.features.described import DESCRIBED  # which knows this page

    kind = DESCRIBED.get(name.lower())
    if kind is None:
        return ""
    return f" {name!r} needs parameters: give {kind.__name__}(...), or in a file a mapping with name and parameters."


def _column_hint(name: str, columns: Collection[str] | None) -> str:
    if columns is None:
        return f" A column of your own data is Column({name!r}) here."
    return "" if columns else " The data bring no columns of their own."
