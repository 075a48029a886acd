"""FeaturePipeline: what the agent sees, from names to one table of numbers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tradeready_gym.errors import ConfigurationError, DataError, UnknownName
from tradeready_gym.features.account import ACCOUNT_CODES
from tradeready_gym.features.base import Feature, FloatArray, feature_values
from tradeready_gym.features.causality import compare_prefixes, compare_stretch, stretch_lengths
from tradeready_gym.features.custom import FeatureFunction
from tradeready_gym.features.memory import RecentlyUsed
from tradeready_gym.features.registry import as_feature, library_feature
from tradeready_gym.market.timeframe import format_time

if TYPE_CHECKING:
    from tradeready_gym.market.candles import Candles

DEFAULT_FEATURES: Final = ("candles", "balance", "position", "unrealized_pnl")
RAW_FEATURES: Final = ("ohlcv", "balance", "position", "unrealized_pnl")

_LARGEST: Final = float(np.finfo(np.float32).max)
_checked: Final = RecentlyUsed[tuple[str, Feature], bool](entries=1024)
# what comes back every so many rows comes back on any candles: how long a stretch was checked, per kind of market
_stretched: Final = RecentlyUsed[tuple[Feature, str, tuple[str, ...], tuple[str, ...]], int](entries=1024)
_tables: Final = RecentlyUsed[tuple[str, "FeaturePipeline"], NDArray[np.float32]](entries=32, size=256 * 2**20)


@dataclass(frozen=True, init=False, repr=False)
class FeaturePipeline:
    """The columns of an observation's window and its account scalars, in the order in which they are named.

    Args:
        features: names as in `observation_features`, `Feature` objects, or plain functions of one symbol's candles. The
            account names `balance`, `position` and `unrealized_pnl` are kept apart: the engine computes them.
        columns: the names of the user's own columns in the data, which are features by that name.

    Raises:
        UnknownName: a name that is neither a feature nor a column.
        ConfigurationError: a feature named twice, none at all, or a name that could mean two things.

    A pipeline is a value: equal pipelines compare and hash equal, and it prints as the call that rebuilds it.
    """

    market_features: tuple[Feature, ...]
    account_features: tuple[str, ...]

    def __init__(
        self, features: Sequence[str | Feature | FeatureFunction] = DEFAULT_FEATURES, *, columns: Collection[str] = ()
    ) -> None:
        if isinstance(features, (str, Feature)) or callable(features):
            raise TypeError(f"features is a list, such as [{features!r}]; got {features!r}")
        market: list[Feature] = []
        account: list[str] = []
        for item in features:
            lower = item.lower() if isinstance(item, str) else ""
            if lower in ACCOUNT_CODES and item not in columns:
                account.append(lower)
            elif lower in ACCOUNT_CODES:
                raise ConfigurationError(f"{item!r} is a column of the data and an account scalar; rename the column")
            else:
                market.append(as_feature(item, columns))
        if not market and not account:
            raise ConfigurationError(f"an observation needs at least one feature, such as {list(DEFAULT_FEATURES)}")
        names = [feature.name for feature in market] + account
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigurationError(f"each feature can be named once; twice: {', '.join(twice)}")
        object.__setattr__(self, "market_features", tuple(market))
        object.__setattr__(self, "account_features", tuple(account))

    def __repr__(self) -> str:
        market = [repr(f.name) if _is_called(f.name, f) else repr(f) for f in self.market_features]
        return f"FeaturePipeline([{', '.join([*market, *map(repr, self.account_features)])}])"

    @property
    def width(self) -> int:
        """F: the number of columns of the window."""
        return sum(feature.width for feature in self.market_features)

    @property
    def warmup_bars(self) -> int:
        """How many first rows nobody may be shown, on data whose own columns start with their first candle."""
        return max((feature.warmup_bars for feature in self.market_features), default=0)

    def warmup_on(self, candles: "Candles") -> int:
        """How many first rows of these candles nobody may be shown: more than `warmup_bars` if a column starts late."""
        return max((feature.warmup_on(candles) for feature in self.market_features), default=0)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The F columns of the window, in order."""
        return tuple(name for feature in self.market_features for name in feature.column_names)

    @property
    def low(self) -> NDArray[np.float32]:
        """Lower bound of each column: float32[F], minus the largest float32 where unknown."""
        return self._bounds("low")

    @property
    def high(self) -> NDArray[np.float32]:
        """Upper bound of each column: float32[F], the largest float32 where unknown."""
        return self._bounds("high")

    def build(self, candles: "Candles") -> NDArray[np.float32]:
        """The table of all symbols: float32[S, T, F], C-contiguous, read-only, clipped into the bounds.

        Row *i* is known at the close of candle *i*. Rows of a feature's warm-up are NaN, no others. The first time that
        a feature meets these candles it goes through the causality check (its consecutive rows once per symbols and timeframe);
        recent tables are kept and shared.

        Raises:
            CausalityError: a feature looks ahead.
            DataError: a feature has no finite number after its warm-up.
            ConfigurationError: a feature returns another shape than it declares.
        """
        table = _tables.get((candles.fingerprint, self))
        if table is None:
            table = self._compute(candles)
            _tables.put((candles.fingerprint, self), table, table.nbytes)
        return table

    def forget(self, candles: "Candles") -> None:
        """Do not keep the table of these candles for others: nobody else will meet them, as with a market that grows."""
        _tables.forget((candles.fingerprint, self))

    def _compute(self, candles: "Candles") -> NDArray[np.float32]:
        table = np.empty((len(candles.symbols), len(candles), self.width), dtype=np.float32)
        low, high = self.low.astype(np.float64), self.high.astype(np.float64)
        column = 0
        for feature in self.market_features:
            here = slice(column, column + feature.width)
            warmup_bars = feature.warmup_on(candles)
            values = [feature_values(feature, candles, index) for index in range(len(candles.symbols))]
            _check(feature, candles, values)
            for index, series in enumerate(values):
                _require_finite(feature, candles, index, series, warmup_bars)
                table[index, :, here] = np.clip(series, low[here], high[here])
                table[index, :warmup_bars, here] = np.nan
            column += feature.width
        table.flags.writeable = False
        return table

    def _bounds(self, side: str) -> NDArray[np.float32]:
        bounds = [getattr(feature, side) for feature in self.market_features for _ in feature.column_names]
        return np.clip(np.array(bounds, dtype=np.float64), -_LARGEST, _LARGEST).astype(np.float32)


def _check(feature: Feature, candles: "Candles", values: Sequence[FloatArray]) -> None:
    if _checked.get((candles.fingerprint, feature)) is None:
        compare_prefixes(feature, candles, values)
        _checked.put((candles.fingerprint, feature), True)
    market = (feature, candles.timeframe.label, candles.symbols, tuple(sorted(candles.columns)))
    length = len(stretch_lengths(candles, feature.warmup_on(candles)))
    if length > (_stretched.get(market) or 0):
        compare_stretch(feature, candles, values)
        _stretched.put(market, length)


def _is_called(name: str, feature: Feature) -> bool:
    try:
        return library_feature(name) == feature
    except (ConfigurationError, UnknownName):  # it looks like the name of something else
        return False


def _require_finite(
    feature: Feature, candles: "Candles", symbol_index: int, values: FloatArray, warmup_bars: int
) -> None:
    finite = np.asarray(np.isfinite(values).all(axis=1))
    if finite[warmup_bars:].all():
        return
    rows = np.flatnonzero(~finite)
    row = int(rows[rows >= warmup_bars][0])
    leading = int(np.argmax(finite))
    late = f" Its first finite row is {leading}: declare warmup_bars={leading}." if leading > row else ""
    raise DataError(
        f"feature {feature.name!r} must be finite after its warm-up of {warmup_bars} candles; for "
        f"{candles.symbols[symbol_index]} it is {values[row].tolist()} at {format_time(int(candles.times[row]))} "
        f"(row {row}, {int((rows >= warmup_bars).sum())} such rows).{late} Give a number for candles without trades, too."
    )
