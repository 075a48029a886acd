"""The synthetic market's paths: volatility, shocks, candles and volume, as functions of seed, symbol and absolute time.

Time is cut into blocks of 32 days since 1970. Each block has random streams of its own, and each day begins and ends on
a skeleton of daily factor values that does not depend on the candle length. So a candle's relative move depends on
neither the first nor the last candle that was asked for, nor on the other symbols.

The recipe: log sigma = level + hour-of-week seasonality + Ornstein-Uhlenbeck factors; Student-t shocks with a
Gaussian copula; high and low from the maximum and minimum of a Brownian bridge; log volume from log range,
seasonality and noise.
"""

import hashlib
from dataclasses import dataclass

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
_SHARED_ALWAYS, _SHARED_DOWN = 1.5, 4.5
_WILDEST = 1.5  # log volatility stays below this much above its middle, or a rare month would decide every statistic
_LARGEST_MIXING = 2.5  # bounds the size of shocks, so that the mean of a simple return exists
_WICK_LOADING = 0.9  # correlation between a symbol's wicks and the market's
_OPPOSITE_WICKS = 0.5  # share of candles in which a long upper wick comes with a short lower one, as in Brownian motion
_RANGE_MIXING = 0.3  # exponent of the mixing variable within the candle: 1 would be one volatility throughout


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
    path: np.ndarray = shocks * np.sqrt(1.0 - decay**2)
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

    Candles must not be longer than one hour. `days`: how many days since 1970 may be asked for, and one more.
    """

    def __init__(self, seed: int, timeframe: Timeframe, symbols: tuple[str, ...], days: int) -> None:
        self._seed = seed
        self._timeframe = timeframe
        self._models = {symbol: _SymbolModel(parameters_of(symbol), timeframe) for symbol in symbols}
        market = daily_factors(seed, _MARKET, days)
        self._skeletons = {
            symbol: _correlate(model.factor_loadings, market, daily_factors(seed, symbol, days))
            for symbol, model in self._models.items()
        }

    def block(self, number: int) -> dict[str, BlockPath]:
        """Return every symbol's candles of days `32 number` to `32 number + 31` since 1970."""
        market = self._draw(_MARKET, number)
        bars = len(market.shock)
        shared = 2.0 * market.stream.standard_gamma(_SHARED_ALWAYS / 2, bars)
        down = 2.0 * market.stream.standard_gamma(_SHARED_DOWN / 2, bars)
        opposite = market.stream.random(bars) < _OPPOSITE_WICKS
        paths = {}
        for symbol, model in self._models.items():
            own = self._draw(symbol, number)
            degrees = model.parameters.shock_degrees
            rest = 2.0 * own.stream.standard_gamma((degrees - _SHARED_ALWAYS - _SHARED_DOWN) / 2, bars)
            up = 2.0 * own.stream.standard_gamma(_SHARED_DOWN / 2, bars)
            chi_squared = shared + rest + np.where(market.shock < 0, down, up)
            mixing = np.minimum(np.sqrt((degrees - 2.0) / chi_squared), _LARGEST_MIXING)
            ends = self._skeletons[symbol][number * BLOCK_DAYS : (number + 1) * BLOCK_DAYS + 1].T
            volatility, log_volume = model.levels(number, ends, market, own)
            paths[symbol] = model.candles(volatility, log_volume, mixing, opposite, market, own)
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
    def __init__(self, parameters: SymbolParameters, timeframe: Timeframe) -> None:
        self.parameters = parameters
        counts = (len(VOLATILITY_HOURS), len(VOLUME_HOURS))
        self.factor_loadings = np.repeat((parameters.volatility_loading, parameters.volume_loading), counts)
        hours = timeframe.seconds / 3600.0
        variances = np.where(np.array(VOLATILITY_HOURS) >= hours, parameters.volatility_variances, 0.0)
        self._volatility_weights = np.sqrt(variances)
        self._volume_weights = np.sqrt(parameters.volume_variances)
        moves = hour_of_week(parameters.hour_moves, parameters.day_moves)
        moves -= 0.5 * np.log(np.mean(np.exp(2.0 * moves)))
        # E[sigma^2] is exp(2 level + 2 variances): the level makes it the annual variance's share of one candle.
        self._level = np.log(parameters.annual_volatility * np.sqrt(hours / _HOURS_PER_YEAR)) - variances.sum()
        self._moves = moves
        volumes = hour_of_week(parameters.hour_volumes, parameters.day_volumes)
        # The slope on log range brings its own seasonality and a typical range of 1.5 sigma.
        usual = parameters.volume_slope * (self._level + np.log(1.5) + moves)
        self._volumes = np.log(parameters.hourly_volume * hours) + volumes - usual
        self._bars_per_day = timeframe.bars_per_day

    def levels(self, block: int, ends: np.ndarray, market: Draws, own: Draws) -> tuple[np.ndarray, np.ndarray]:
        p = self.parameters
        shocks = _correlate(self.factor_loadings[:, None], market.factors, own.factors)
        factors = within_days(ends[:, :-1], ends[:, 1:], shocks)
        count = len(VOLATILITY_HOURS)
        season = self._hours_of_block(block)
        wildness = np.minimum(_by_bar(self._volatility_weights, factors[:, :count]), _WILDEST)
        log_volume = self._volumes[season] + _by_bar(self._volume_weights, factors[:, count:])
        log_volume += np.sqrt(p.volume_noise) * _correlate(p.volume_loading, market.volume, own.volume)
        return np.exp(self._level + self._moves[season] + wildness), log_volume

    def candles(
        self,
        volatility: np.ndarray,
        log_volume: np.ndarray,
        mixing: np.ndarray,
        opposite: np.ndarray,
        market: Draws,
        own: Draws,
    ) -> BlockPath:
        p = self.parameters
        body = volatility * mixing * _correlate(p.shock_loading, market.shock, own.shock)
        gap = np.zeros_like(body)
        if p.gap_probability:
            apart = own.stream.random(len(gap)) < p.gap_probability
            gap = np.where(apart, own.stream.laplace(0.0, p.gap_size, len(gap)), 0.0)
        # Maximum of a Brownian bridge: (r + sqrt(r^2 - 2 s^2 ln U)) / 2; -2 ln U is the sum of two squared normals.
        wicks = _correlate(_WICK_LOADING, market.wicks, own.wicks)
        upper, lower = wicks[0] ** 2 + wicks[1] ** 2, wicks[2] ** 2 + wicks[3] ** 2
        lower = np.where(opposite, -2.0 * np.log1p(-np.exp(-0.5 * upper)), lower)
        spread = (p.range_scale * volatility * mixing**_RANGE_MIXING) ** 2
        high = 0.5 * (body + np.sqrt(body**2 + spread * upper))
        low = 0.5 * (body - np.sqrt(body**2 + spread * lower))
        volume = np.exp(log_volume + p.volume_slope * np.log(high - low))
        return BlockPath(gap, gap + body, gap + high, gap + low, volume)

    def _hours_of_block(self, block: int) -> np.ndarray:
        hour = np.arange(self._bars_per_day) * 24 // self._bars_per_day
        weekday = (np.arange(BLOCK_DAYS) + block * BLOCK_DAYS + 3) % 7  # 1970-01-01 was a Thursday
        return np.asarray((weekday[:, None] * 24 + hour).ravel())


def _correlate(loading: np.ndarray | float, market: np.ndarray, own: np.ndarray) -> np.ndarray:
    return np.asarray(loading * market + np.sqrt(1.0 - np.square(loading)) * own)


def _by_bar(weights: np.ndarray, factors: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("f,bfd->db", weights, factors).ravel())
