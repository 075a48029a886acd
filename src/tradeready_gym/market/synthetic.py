"""A synthetic market, as long as asked: seeded, correlated symbols, any timeframe, and the habits of real ones."""

from collections.abc import Sequence

import numpy as np

from tradeready_gym.errors import ConfigurationError, DataError
from tradeready_gym.market.candles import Candles, check_symbols
from tradeready_gym.market.synthetic_parameters import parameters_of
from tradeready_gym.market.synthetic_paths import BLOCK_DAYS, BlockPath, MarketPaths
from tradeready_gym.market.timeframe import Timeframe, TimeLike, format_time, parse_time

_HOUR = Timeframe("1h")


def synthetic(
    symbols: str | Sequence[str] = ("BTCUSDT",),
    timeframe: str | Timeframe = "1h",
    start: TimeLike = "2021-01-01T00:00:00Z",
    bars: int = 26_280,
    seed: int = 0,
) -> Candles:
    """Return candles of a market that never was, with the statistics of hourly crypto candles.

    Volatility clusters over hours, days and months and follows the hour of the week; returns have fat tails and no
    memory; symbols rise and above all crash together; volume follows the range. Log returns are symmetric about 0:
    the median path is level, nothing predicts a return, and holding earns about half the variance a year on average
    (BTCUSDT: 0.2). BTCUSDT, ETHUSDT and SOLUSDT are modelled on the real ones; any other symbol on its name alone.

    `start` must be on the timeframe's grid and not before 1970; `bars` is the number of candles of each symbol;
    `seed` is an integer of at least 0. The same arguments give the same candles, and one seed is one market:

    - more `bars` give the same beginning;
    - other `symbols` in the call change nothing;
    - another `start` gives the same relative moves at the same times, so that a later span is new to an agent that was
      trained on an earlier one; prices begin anew at the symbol's typical price, and rounding follows the price;
    - 4h and 1d candles are those of `synthetic(timeframe="1h")` resampled. 1h and each shorter timeframe have shocks of
      their own, but all share the calm and wild days.

    Prices are multiples of 0.01, or of a thousandth or less of the price where that is finer. Raises
    `ConfigurationError`, `DataError` or `UnknownName` for an argument outside its domain.
    """
    names = check_symbols(symbols)
    frame = Timeframe.parse(timeframe)
    check_bars_and_seed(bars, seed)
    first = _check_start(frame, start)
    source = f"synthetic(seed={seed})"
    if frame.microseconds > _HOUR.microseconds:
        count = bars * (frame.microseconds // _HOUR.microseconds)
        return _generate(names, _HOUR, first, count, seed, source).resample(frame)
    return _generate(names, frame, first, bars, seed, source)


def check_bars_and_seed(bars: int, seed: int) -> None:
    """Raise `TypeError` unless both are integers, `ConfigurationError` unless bars >= 1 and seed >= 0."""
    for name, value, least in (("bars", bars, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{name} must be an integer; found {type(value).__name__} {value!r}")
        if value < least:
            raise ConfigurationError(f"{name} must be at least {least}; found {value}")


def _check_start(timeframe: Timeframe, start: TimeLike) -> int:
    first = parse_time(start, name="start")
    if first < 0:
        raise DataError(f"the synthetic market opens at {format_time(0)}; found start {format_time(first)}")
    if off := first % timeframe.microseconds:
        low, high = format_time(first - off), format_time(first - off + timeframe.microseconds)
        raise DataError(
            f"start must be on the {timeframe} grid; found {format_time(first)}. The nearest are {low} and {high}."
        )
    return first


def _generate(names: tuple[str, ...], timeframe: Timeframe, first: int, bars: int, seed: int, source: str) -> Candles:
    step = timeframe.microseconds
    block_bars = BLOCK_DAYS * timeframe.bars_per_day
    row = first // step  # rows count candles since 1970
    end = row + bars
    blocks = range(row // block_bars, (end - 1) // block_bars + 1)
    paths = MarketPaths(int(seed), timeframe, names, (blocks[-1] + 1) * BLOCK_DAYS + 1)
    out: dict[str, np.ndarray] = {
        name: np.empty((len(names), bars)) for name in ("open", "high", "low", "close", "volume")
    }
    levels = np.log([parameters_of(name).price for name in names])
    for block in blocks:
        inside = slice(max(row - block * block_bars, 0), min(end - block * block_bars, block_bars))
        at = block * block_bars + inside.start - row
        target = slice(at, at + inside.stop - inside.start)
        for index, path in enumerate(paths.block(block).values()):
            rows = {name: values[index, target] for name, values in out.items()}
            levels[index] = _write(path, inside, float(levels[index]), rows)
    times = np.arange(bars, dtype=np.int64) * step + first
    gaps = np.zeros((len(names), bars), dtype=np.bool_)
    for values in (times, gaps, *out.values()):
        values.flags.writeable = False
    return Candles(names, timeframe, times, **out, gaps=gaps, columns={}, source=source)


def _write(path: BlockPath, inside: slice, level: float, rows: dict[str, np.ndarray]) -> float:
    closes = level + np.cumsum(path.change[inside])
    before = np.concatenate(([level], closes[:-1]))
    rows["open"][:] = _round_price(np.exp(before + path.gap[inside]))
    rows["close"][:] = _round_price(np.exp(closes))
    body_high, body_low = np.maximum(rows["open"], rows["close"]), np.minimum(rows["open"], rows["close"])
    rows["high"][:] = np.maximum(body_high, _round_price(np.exp(before + path.high[inside])))
    rows["low"][:] = np.minimum(body_low, _round_price(np.exp(before + path.low[inside])))
    rows["volume"][:] = np.maximum(np.round(path.volume[inside], 5), 1e-5)
    return float(closes[-1])


def _round_price(price: np.ndarray) -> np.ndarray:
    decimals = np.maximum(3 - np.floor(np.log10(price)), 2)
    scale = 10.0**decimals
    return np.asarray(np.rint(price * scale) / scale)
