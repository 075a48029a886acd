"""Candles of a stochastic process: as many independent paths as asked for, each known by its number."""

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.market.candles import Candles, check_symbols
from tradeready_gym.market.processes import PRICE_PROCESSES, PriceProcess
from tradeready_gym.market.synthetic import check_bars_and_seed
from tradeready_gym.market.timeframe import Timeframe, TimeLike, parse_time

_VOLUME = 1_000.0


def stochastic(
    model: PriceProcess | str = "gbm",
    bars: int = 8_766,
    timeframe: str | Timeframe = "1h",
    start: TimeLike = "2021-01-01T00:00:00Z",
    seed: int = 0,
    symbols: str | Sequence[str] = "BTCUSDT",
    *,
    path: int = 0,
    parameters: Mapping[str, float] | None = None,
    price: float = 100.0,
    steps_per_bar: int = 8,
) -> Candles:
    """Return one path of a process as candles.

    `model` is "gbm", "fbm", "ornstein_uhlenbeck", "heston", "merton", or a `PriceProcess`; `parameters` are those of the
    named one, by name and annual, such as `{"volatility": 0.8}`. Paths `path=0`, `path=1`, ... of one seed are independent,
    and so are the symbols: the market is a pure function of the arguments, and other parameters keep the same chance.
    (Another number of bars, another timeframe or another `steps_per_bar` is another path.)

    Each candle is `steps_per_bar` steps of the process: it opens exactly at the previous close, its high and low are the
    extremes of the points that it passed, the first of which is the open. Prices begin at `price` (Ornstein-Uhlenbeck:
    around it) and are not rounded. Volume is independent of them: 1,000 an hour times a log-normal number.

    Raises:
        UnknownName: no model, or no parameter of the model, is called that.
        ConfigurationError: a number is outside its domain, or the price leaves what a float can hold.
    """
    process = make_process(model, parameters)
    names, frame = check_symbols(symbols), Timeframe.parse(timeframe)
    check_bars_and_seed(bars, seed)
    for name, value, least in (("path", path, 0), ("steps_per_bar", steps_per_bar, 1)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ConfigurationError(f"{name} must be an integer of at least {least}; found {value!r}")
    if not 0.0 < price < np.inf:
        raise ConfigurationError(f"price must be a positive number; found {price!r}")
    values = np.empty((5, len(names), bars))
    for place in range(len(names)):
        random = _generator(process, seed, path, place)
        logs = process.log_prices(random, bars * steps_per_bar, 1.0 / (frame.periods_per_year * steps_per_bar))
        values[:4, place] = _candles(_prices(process, logs, price), bars, steps_per_bar)
        values[4, place] = _VOLUME * (frame.seconds / 3600.0) * np.exp(0.5 * random.standard_normal(bars))
    times = parse_time(start, name="start") + np.arange(bars, dtype=np.int64) * frame.microseconds
    return Candles.from_arrays(names, frame, times, *values, source=f"{process!r}, seed={seed}, path={path}")


def make_process(model: PriceProcess | str, parameters: Mapping[str, float] | None = None) -> PriceProcess:
    """A process from itself, or from its name and parameters.

    Raises:
        UnknownName: no process, or no parameter of it, is called that.
        ConfigurationError: a parameter is outside its domain, or is given although the process is an object.
    """
    if isinstance(model, PriceProcess):
        if parameters:
            raise ConfigurationError(f"{model!r} has its parameters; give a name, such as 'gbm', with parameters=")
        return model
    if model not in PRICE_PROCESSES:
        raise UnknownName("stochastic model", model, PRICE_PROCESSES)
    kind = PRICE_PROCESSES[model]
    known: tuple[str, ...] = tuple(inspect.signature(kind).parameters)
    for name in parameters or {}:
        if name not in known:
            raise UnknownName(f"parameter of {model}", name, known)
    numbers: dict[str, Any] = dict(parameters or {})
    return kind(**numbers)


def _generator(process: PriceProcess, seed: int, path: int, place: int) -> np.random.Generator:
    digest = hashlib.sha256(f"{type(process).__name__} {seed} {path} {place}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def _prices(process: PriceProcess, logs: np.ndarray, price: float) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        prices = np.asarray(price * np.exp(logs))
    if not (np.isfinite(prices).all() and prices.min() > 0.0):
        raise ConfigurationError(
            f"{process!r} leaves the range of prices within this span; ask for fewer bars or a smaller volatility"
        )
    return prices


def _candles(prices: np.ndarray, bars: int, steps: int) -> np.ndarray:
    opens, closes = prices[:-1:steps], prices[steps::steps]
    inside = prices[1:].reshape(bars, steps)
    high, low = np.maximum(inside.max(axis=1), opens), np.minimum(inside.min(axis=1), opens)
    return np.stack([opens, high, low, closes])
