"""The synthetic market's paths: volatility, shocks, candles and volume, as functions of seed, symbol and absolute time.

Time is cut into blocks of 32 days since 1970. Each block has random streams of its own, and each day begins and ends on
a skeleton of daily factor values that does not depend on the candle length. So a candle's relative move depends on
neither the first nor the last candle that was asked for, nor on the other symbols.

The recipe: log sigma = level + hour-of-week seasonality + Ornstein-Uhlenbeck factors; Student-t shocks with a Gaussian
copula; high and low from the maximum and minimum of a Brownian bridge; log volume from log range, seasonality and noise.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tradeready_gym.market.synthetic_parameters import (
    VOLATILITY_HOURS,
    VOLUME_HOURS,
    SymbolParameters,
    hour_of_week,
    parameters_of,
)
from tradeready_gym.market.timeframe import Timeframe

BLOCK_DAYS = 32
_HOURS_PER_YEAR = 8766.0
_FACTOR_HOURS = np.array(VOLATILITY_HOURS + VOLUME_HOURS)
_MARKET = "*"  # the stream of what all symbols share; no symbol can have this name
# Shares, out of the degrees of freedom, of the mixing variable that all symbols have in common when the market's shock
# is up or down: joint crashes are commoner than joint rallies, while each symbol's own shocks stay symmetric.
_SHARED_ALWAYS, _SHARED_DOWN = 2.0, 3.0
_WICK_LOADING = 0.9
_RANGE_MIXING = 0.5  # exponent of the mixing variable within the candle: 1 is one volatility all through the candle


@dataclass(frozen=True)
class Draws:
    """Raw numbers of one block, of one symbol or of the market: what `_correlate` mixes."""

    factors: np.ndarray  # [bars a day, factors, days]
    shock: np.ndarray  # [bars]
    wicks: np.ndarray  # [4, bars]
    volume: np.ndarray  # [bars]
    stream: np.random.Generator


@dataclass(frozen=True)
class BlockPath:
    """One symbol's candles in one block, relative to the previous close: log values [bars], volume in base units."""

    gap: np.ndarray
    change: np.ndarray
    high: np.ndarray
    low: np.ndarray
    volume: np.ndarray


@dataclass(frozen=True)
class Skeleton:
    """Factor values at 00:00 UTC of every day since 1970, and how they move within the day for one candle length."""

    seed: int
    days: int
    bars_per_day: int

    @cached_property
    def _market(self) -> np.ndarray:
        return daily_factors(self.seed, _MARKET, self.days)

    def of(self, symbol: str, loadings: np.ndarray) -> np.ndarray:
        """Return one symbol's factors, float64[days, factors]."""
        own = daily_factors(self.seed, symbol, self.days)
        return np.asarray(loadings * self._market + np.sqrt(1.0 - loadings**2) * own)


def random_stream(seed: int, symbol: str, purpose: str, block: int = 0) -> np.random.Generator:
    """Return the generator of one purpose: Philox keyed by SHA-256, each block 2^128 draws from the next."""
    digest = hashlib.sha256(f"{seed} {symbol} {purpose}".encode()).digest()
    key = int.from_bytes(digest[:16], "little")
    return np.random.Generator(np.random.Philox(key=key, counter=block << 128))


def daily_factors(seed: int, symbol: str, days: int) -> np.ndarray:
    """Return stationary unit-variance factors at the start of each day since 1970, float64[days, factors]."""
    decay = np.exp(-24.0 / _FACTOR_HOURS)
    values = random_stream(seed, symbol, "days").standard_normal((days, len(decay)))
    values[1:] *= np.sqrt(1.0 - decay**2)
    # x[k] = decay x[k-1] + e[k] for all k at once: after the pass of stride s each x[k] holds its last 2s shocks.
    stride = 1
    while stride < days and decay.max() ** stride > 1e-18:
        values[stride:] += decay**stride * values[:-stride]
        stride *= 2
    return values


def within_days(first: np.ndarray, last: np.ndarray, shocks: np.ndarray) -> np.ndarray:
    """Return factors at the start of each candle, given their values at the start and end of each day.

    `first`, `last`: float64[factors, days]. `shocks`: float64[bars a day, factors, days], independent normals. An
    Ornstein-Uhlenbeck path y from 0 is moved onto both ends: x(t) = first d^t + y(t) + c(t) (last - first d^T - y(T)),
    with c(t) = cov(y(t), y(T)) / var(y(T)).
    """
    bars = shocks.shape[0]
    decay = np.exp(-24.0 / bars / _FACTOR_HOURS)[:, None]
    path = shocks * np.sqrt(1.0 - decay**2)
    for bar in range(1, bars):
        path[bar] += decay * path[bar - 1]
    ends = last - first * decay**bars - path[-1]
    at = np.arange(bars)[:, None, None]
    path[1:] = path[:-1]
    path[0] = 0.0
    path += first * decay**at + ends * decay ** (bars - at) * (1.0 - decay ** (2 * at)) / (1.0 - decay ** (2 * bars))
    return path


class MarketPaths:
    """Generates blocks of the synthetic market for one seed, candle length and set of symbols.

    `days` is how many days since 1970 may be asked for. Candles must not be longer than one hour.
    """

    def __init__(self, seed: int, timeframe: Timeframe, symbols: tuple[str, ...], days: int) -> None:
        self._seed = seed
        self._timeframe = timeframe
        self._models = {symbol: _SymbolModel(symbol, parameters_of(symbol), timeframe) for symbol in symbols}
        skeleton = Skeleton(seed, days, timeframe.bars_per_day)
        self._skeletons = {symbol: skeleton.of(symbol, model.loadings) for symbol, model in self._models.items()}

    def block(self, number: int) -> dict[str, BlockPath]:
        """Return every symbol's candles of days `32 number` to `32 number + 31` since 1970."""
        market = self._draw(_MARKET, number)
        bars = len(market.shock)
        shared = 2.0 * market.stream.standard_gamma(_SHARED_ALWAYS / 2, bars)
        down = 2.0 * market.stream.standard_gamma(_SHARED_DOWN / 2, bars)
        paths = {}
        for symbol, model in self._models.items():
            own = self._draw(symbol, number)
            degrees = model.parameters.shock_degrees
            rest = 2.0 * own.stream.standard_gamma((degrees - _SHARED_ALWAYS - _SHARED_DOWN) / 2, bars)
            up = 2.0 * own.stream.standard_gamma(_SHARED_DOWN / 2, bars)
            mixing = np.sqrt((degrees - 2.0) / (shared + rest + np.where(market.shock < 0, down, up)))
            ends = self._skeletons[symbol][number * BLOCK_DAYS : (number + 1) * BLOCK_DAYS + 1].T
            paths[symbol] = model.candles(number, ends, market, own, mixing)
        return paths

    def _draw(self, symbol: str, block: int) -> Draws:
        per_day = self._timeframe.bars_per_day
        bars = per_day * BLOCK_DAYS
        stream = random_stream(self._seed, symbol, f"candles {self._timeframe.label}", block)
        return Draws(
            factors=stream.standard_normal((per_day, len(_FACTOR_HOURS), BLOCK_DAYS)),
            shock=stream.standard_normal(bars),
            wicks=stream.standard_normal((4, bars)),
            volume=stream.standard_normal(bars),
            stream=stream,
        )


class _SymbolModel:
    def __init__(self, symbol: str, parameters: SymbolParameters, timeframe: Timeframe) -> None:
        self.parameters = parameters
        hours = timeframe.seconds / 3600.0
        count = len(VOLATILITY_HOURS)
        self.loadings = np.array(
            [parameters.volatility_loading] * count + [parameters.volume_loading] * len(VOLUME_HOURS)
        )
        variances = np.where(np.array(VOLATILITY_HOURS) >= hours, parameters.volatility_variances, 0.0)
        self._volatility_weights = np.sqrt(variances)
        self._volume_weights = np.sqrt(parameters.volume_variances)
        moves = hour_of_week(parameters.hour_moves, parameters.day_moves)
        volumes = hour_of_week(parameters.hour_volumes, parameters.day_volumes)
        moves -= 0.5 * np.log(np.mean(np.exp(2.0 * moves)))
        self._typical = np.log(parameters.annual_volatility * np.sqrt(hours / _HOURS_PER_YEAR)) - variances.sum()
        self._moves = self._typical + moves
        self._volumes = np.log(parameters.hourly_volume * hours) + volumes - parameters.volume_slope * moves
        self._bars_per_day = timeframe.bars_per_day

    def candles(self, block: int, ends: np.ndarray, market: Draws, own: Draws, mixing: np.ndarray) -> BlockPath:
        p = self.parameters
        shocks = _correlate(self.loadings[:, None], market.factors, own.factors)
        factors = within_days(ends[:, :-1], ends[:, 1:], shocks)
        count = len(VOLATILITY_HOURS)
        season = self._hours_of_block(block)
        sigma = np.exp(self._moves[season] + _by_bar(self._volatility_weights, factors[:, :count]))

        change = sigma * mixing * _correlate(p.shock_loading, market.shock, own.shock)
        gap = np.zeros_like(change)
        if p.gap_probability:
            opens_apart = own.stream.random(len(gap)) < p.gap_probability
            gap = np.where(opens_apart, own.stream.laplace(0.0, p.gap_size, len(gap)), 0.0)
            change += gap
        body = change - gap
        wicks = _correlate(_WICK_LOADING, market.wicks, own.wicks)
        # With U uniform, -2 ln U is the sum of two squared normals: max = (r + sqrt(r^2 - 2 s^2 ln U)) / 2.
        spread = (p.range_scale * sigma * mixing**_RANGE_MIXING) ** 2
        high = gap + 0.5 * (body + np.sqrt(body**2 + spread * (wicks[0] ** 2 + wicks[1] ** 2)))
        low = gap + 0.5 * (body - np.sqrt(body**2 + spread * (wicks[2] ** 2 + wicks[3] ** 2)))

        log_volume = self._volumes[season] + p.volume_slope * (np.log(high - low) - self._typical - np.log(1.5))
        log_volume += _by_bar(self._volume_weights, factors[:, count:])
        log_volume += np.sqrt(p.volume_noise) * _correlate(p.volume_loading, market.volume, own.volume)
        return BlockPath(gap, change, high, low, np.exp(log_volume))

    def _hours_of_block(self, block: int) -> np.ndarray:
        hour = np.arange(self._bars_per_day) * 24 // self._bars_per_day
        weekday = (np.arange(BLOCK_DAYS) + block * BLOCK_DAYS + 3) % 7  # 1970-01-01 was a Thursday
        return np.asarray((weekday[:, None] * 24 + hour).ravel())


def _correlate(loading: np.ndarray | float, market: np.ndarray, own: np.ndarray) -> np.ndarray:
    return np.asarray(loading * market + np.sqrt(1.0 - np.square(loading)) * own)


def _by_bar(weights: np.ndarray, factors: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("f,bfd->db", weights, factors).ravel())
