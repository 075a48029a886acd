"""Is a feature sound?"""

import copy
import dataclasses
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.errors import CheckFailed
from tradeready_gym.features import CustomFeature, Feature, FeaturePipeline, check_causality, check_later_anchor
from tradeready_gym.features.base import feature_values
from tradeready_gym.features.registry import as_feature
from tradeready_gym.market import Candles, Timeframe, parse_time

_SYMBOLS = ("AAAUSDT", "BBBUSDT")
_BARS = 600
_START = "2021-01-01T00:00:00Z"


def check_feature(
    feature: str | Feature | Callable[..., Any],
    *,
    columns: Sequence[str] = (),
    timeframe: str | Timeframe = "1h",
    seed: int = 0,
) -> None:
    """Check that a feature has the rows, columns and bounds that it declares and is finite after its warm-up, also at prices
    from 1e-7 to 1e7 and in a market that stands still; that it never looks ahead (`check_causality`), and that its warm-up is
    long enough (`check_later_anchor`); that it gives the same bits each time, changes nothing of the candles, and does not mix
    the symbols; that it is a value, which can be compared, hashed and copied, and, if it is no function, sent to another process.

    Args:
        feature: a name, a `Feature` or a function of one symbol's candles.
        columns: names of columns of one's own data that it reads; they are filled with random numbers.
        timeframe: that of the candles.
        seed: of the random markets.

    Raises:
        CausalityError: it looks ahead.
        CheckFailed: any other finding.
        TypeError, UnknownName: `feature` is none.
    """
    chosen = as_feature(feature, columns)
    frame = Timeframe.parse(timeframe)
    bars = _BARS + 3 * chosen.warmup_bars
    candles = _market(frame, bars, seed, columns=columns)
    _check_values(chosen, candles)
    check_causality(chosen, candles)
    if np.isfinite(chosen.anchor_tolerance):
        check_later_anchor(chosen, _market(frame, bars, seed + 1, columns=columns, gaps=False))
    _check_repeats(chosen, candles)
    _check_symbols(chosen, candles)
    _check_is_value(chosen)
    for price in (1e-7, 1e7):
        _check_table(chosen, _market(frame, bars, seed, price, columns), f"at prices around {price:g}")
    still = _market(frame, bars, seed, columns=columns, volatility=0.0, gaps=False)
    _check_table(chosen, still, "in a market that stands still")


def _check_values(feature: Feature, candles: Candles) -> None:
    warm = feature.warmup_on(candles)
    for index, symbol in enumerate(candles.symbols):
        values = feature_values(feature, candles, index)
        finite = np.isfinite(values[warm:])
        if not finite.all() or np.isinf(values).any():
            row = int(np.argmin(finite.all(axis=1))) + warm
            raise CheckFailed(
                f"{feature.name!r} must be finite after its warm-up of {warm} candles, and NaN or finite before; for {symbol} row "
                f"{row} is {values[row].tolist()}"
            )
        low, high = float(values[warm:].min(initial=np.inf)), float(values[warm:].max(initial=-np.inf))
        if low < feature.low or high > feature.high:
            raise CheckFailed(
                f"{feature.name!r} must stay within its bounds from {feature.low!r} to {feature.high!r}; for {symbol} it goes from "
                f"{low!r} to {high!r}. Declare other bounds, or clip"
            )


def _check_repeats(feature: Feature, candles: Candles) -> None:
    before = candles.fingerprint
    first, second = feature_values(feature, candles, 0), feature_values(feature, candles, 0)
    if not np.array_equal(first, second, equal_nan=True):
        raise CheckFailed(
            f"{feature.name!r} must give the same numbers for the same candles; the second time it gave others"
        )
    if dataclasses.replace(candles).fingerprint != before:
        raise CheckFailed(f"{feature.name!r} must leave the candles alone; it changed them")


def _check_symbols(feature: Feature, candles: Candles) -> None:
    together, alone = feature_values(feature, candles, 1), feature_values(feature, candles.select(_SYMBOLS[1]), 0)
    if not np.array_equal(together, alone, equal_nan=True):
        raise CheckFailed(
            f"{feature.name!r} must be the same of a symbol whether or not others are there; for {_SYMBOLS[1]} it differs from row "
            f"{int(np.argmax((together != alone).any(axis=1)))} on"
        )


def _check_is_value(feature: Feature) -> None:
    others = [copy.deepcopy(feature)]
    # a function of a notebook has nowhere to be found again
    if not isinstance(feature, CustomFeature):
        try:
            others.append(pickle.loads(pickle.dumps(feature)))
        except Exception as error:
            raise CheckFailed(
                f"{feature.name!r} must be a value that can be pickled: a frozen dataclass of a module; {error}"
            ) from error
    if any(other != feature or hash(other) != hash(feature) for other in others):
        raise CheckFailed(f"{feature.name!r} must equal its copies and hash like them; make it a frozen dataclass")


def _check_table(feature: Feature, candles: Candles, where: str) -> None:
    try:
        FeaturePipeline([feature], columns=set(candles.columns)).build(candles)
    except CheckFailed:
        raise
    except ValueError as error:
        raise CheckFailed(f"{feature.name!r} must live {where}; {error}") from error


def _market(
    frame: Timeframe,
    bars: int,
    seed: int,
    price: float = 100.0,
    columns: Sequence[str] = (),
    *,
    volatility: float = 0.01,
    gaps: bool = True,
) -> Candles:
    random = np.random.Generator(np.random.PCG64(seed))
    shape = (len(_SYMBOLS), bars)

    def moved(spread: float) -> npt.NDArray[np.float64]:
        return np.asarray(np.exp(np.abs(random.normal(0.0, volatility * spread, shape))))

    close = price * np.exp(np.cumsum(random.normal(0.0, volatility, shape), axis=1))
    opening = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    high, low = np.maximum(opening, close) * moved(0.4), np.minimum(opening, close) / moved(0.4)
    volume = np.zeros(shape) if volatility == 0.0 else 1000.0 * np.exp(random.normal(0.0, 0.7, shape))
    own = {name: random.normal(0.0, 1.0, shape) for name in columns}
    kept = np.ones(bars, np.bool_)
    if gaps:
        volume[:, bars // 3] = 0.0  # there, without trades
        kept[[bars // 5, *range(bars // 2, bars // 2 + 6), bars - 2]] = False
        kept[3 * bars // 4 : 3 * bars // 4 + 30] = False  # a halt
    times = parse_time(_START) + np.arange(bars, dtype=np.int64) * frame.microseconds
    rows = [values[:, kept] for values in (opening, high, low, close, volume)]
    mine = {name: values[:, kept] for name, values in own.items()}
    return Candles.from_arrays(_SYMBOLS, frame, times[kept], *rows, columns=mine, source="testing")
