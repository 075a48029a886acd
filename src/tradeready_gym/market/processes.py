"""Stochastic processes of a price: how its logarithm moves on an even grid of time.

Time is counted in years of 365.25 days, and every parameter is annual. Each process is a frozen dataclass; its numbers
are made up, of the size that crypto has, and none is fitted to anything.
"""

import abc
import math
from dataclasses import dataclass

import numpy as np

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.parameters import PlainArguments

_LARGEST_RATE = 1e6
_NEVER_AT_THE_EDGE = ("hurst", "reversion", "variance", "variance_volatility")


class PriceProcess(PlainArguments):
    """The logarithm of a price, relative to the price that it begins at."""

    @abc.abstractmethod
    def log_prices(self, random: np.random.Generator, steps: int, step_years: float) -> np.ndarray:
        """Return ln(price / first price) at times 0, step_years, ..., steps x step_years: float64[steps + 1].

        All chance comes from `random`, so that one state of it is one path.
        """


@dataclass(frozen=True)
class GeometricBrownianMotion(PriceProcess):
    """dS / S = drift dt + volatility dW: independent normal log returns, exact at any step.

    Over t years ln S has mean (drift - volatility^2 / 2) t and variance volatility^2 t (Samuelson 1965; Black and Scholes
    1973). E[S(t)] = S(0) exp(drift t), so that with `drift=0` nobody earns anything on average.
    """

    drift: float = 0.0
    volatility: float = 0.6

    def __post_init__(self) -> None:
        _check(self, drift=(-10.0, 10.0), volatility=(0.0, 10.0))

    def log_prices(self, random: np.random.Generator, steps: int, step_years: float) -> np.ndarray:
        moves = self.volatility * math.sqrt(step_years) * random.standard_normal(steps)
        return _sum(moves + (self.drift - 0.5 * self.volatility**2) * step_years)


@dataclass(frozen=True)
class FractionalBrownianMotion(PriceProcess):
    """ln S = drift t + volatility B_H(t): returns with a memory, exact at any step.

    The variance over t years is volatility^2 t^(2 hurst). Above a `hurst` of 0.5 moves continue, below it they turn back;
    0.5 is Brownian motion. The increments, fractional Gaussian noise, have the autocovariance
    (|k + 1|^2H - 2 |k|^2H + |k - 1|^2H) / 2 in units of the variance of one step (Mandelbrot and Van Ness 1968), and are
    drawn by circulant embedding (Davies and Harte 1987), which is exact and takes O(n log n).

    Returns can be predicted from the past here, unlike in a market: the mean of the next one is not 0.
    """

    drift: float = 0.0
    volatility: float = 0.6
    hurst: float = 0.61

    def __post_init__(self) -> None:
        _check(self, drift=(-10.0, 10.0), volatility=(0.0, 10.0), hurst=(0.0, 1.0))

    def log_prices(self, random: np.random.Generator, steps: int, step_years: float) -> np.ndarray:
        noise = fractional_noise(random, steps, self.hurst)
        return _sum(self.volatility * step_years**self.hurst * noise + self.drift * step_years)


@dataclass(frozen=True)
class OrnsteinUhlenbeck(PriceProcess):
    """x = ln(S / level) with dx = -reversion x dt + volatility dW: a price that is pulled back to its level, exact.

    Begun in its stationary law: mean 0 and variance volatility^2 / (2 reversion). E[x(s + t) | x(s)] =
    exp(-reversion t) x(s) (Uhlenbeck and Ornstein 1930). A distance from the level is halved in ln(2) / reversion years:
    2.1 days at the default, with a standard deviation of 3.9 %.
    """

    reversion: float = 120.0
    volatility: float = 0.6

    def __post_init__(self) -> None:
        _check(self, reversion=(0.0, _LARGEST_RATE), volatility=(0.0, 10.0))

    def log_prices(self, random: np.random.Generator, steps: int, step_years: float) -> np.ndarray:
        decay = math.exp(-self.reversion * step_years)
        deviation = self.volatility / math.sqrt(2.0 * self.reversion)
        values = deviation * random.standard_normal(steps + 1)
        values[1:] *= math.sqrt(-math.expm1(-2.0 * self.reversion * step_years))
        stride = 1
        while stride <= steps and decay**stride > 1e-18:  # x[k] = decay x[k-1] + e[k], doubling the reach at each pass
            values[stride:] += decay**stride * values[:-stride]
            stride *= 2
        return np.asarray(values)


@dataclass(frozen=True)
class Heston(PriceProcess):
    """dS / S = drift dt + sqrt(v) dW with dv = reversion (variance - v) dt + variance_volatility sqrt(v) dB.

    `correlation` is that of dW and dB: negative, falls are wilder than rises (Heston 1993). v begins in its stationary law,
    a gamma distribution of mean `variance` and variance variance x variance_volatility^2 / (2 reversion). Euler steps with
    full truncation (Lord, Koekkoek and Van Dijk 2010): exact in the limit of small steps, which are those within a candle.
    """

    drift: float = 0.0
    variance: float = 0.36
    reversion: float = 12.0
    variance_volatility: float = 2.0
    correlation: float = -0.5

    def __post_init__(self) -> None:
        _check(
            self,
            drift=(-10.0, 10.0),
            variance=(0.0, 100.0),
            reversion=(0.0, _LARGEST_RATE),
            variance_volatility=(0.0, _LARGEST_RATE),
            correlation=(-1.0, 1.0),
        )

    def log_prices(self, random: np.random.Generator, steps: int, step_years: float) -> np.ndarray:
        own, shared = random.standard_normal((2, steps))
        variances = self.variances(random, shared, step_years)
        shocks = self.correlation * shared + math.sqrt(1.0 - self.correlation**2) * own
        return _sum((self.drift - 0.5 * variances) * step_years + np.sqrt(variances * step_years) * shocks)

    def variances(self, random: np.random.Generator, shocks: np.ndarray, step_years: float) -> np.ndarray:
        """Return v at the beginning of each step, float64[steps], driven by these standard normal shocks."""
        spread = self.variance_volatility**2 / (2.0 * self.reversion)
        value = float(random.gamma(self.variance / spread, spread))
        pull, size = self.reversion * step_years, self.variance_volatility * math.sqrt(step_years)
        found = []
        for shock in shocks.tolist():
            positive = value if value > 0.0 else 0.0
            found.append(positive)
            value += pull * (self.variance - positive) + size * math.sqrt(positive) * shock
        return np.array(found)


@dataclass(frozen=True)
class MertonJumpDiffusion(PriceProcess):
    """Geometric Brownian motion with jumps: `jumps` a year on average, their logarithms normal, exact at any step.

    Over t years ln S has variance (volatility^2 + jumps (jump_mean^2 + jump_deviation^2)) t. The drift is compensated for
    the jumps, so that E[S(t)] = S(0) exp(drift t) (Merton 1976).
    """

    drift: float = 0.0
    volatility: float = 0.5
    jumps: float = 24.0
    jump_mean: float = -0.02
    jump_deviation: float = 0.06

    def __post_init__(self) -> None:
        _check(
            self,
            drift=(-10.0, 10.0),
            volatility=(0.0, 10.0),
            jumps=(0.0, _LARGEST_RATE),
            jump_mean=(-1.0, 1.0),
            jump_deviation=(0.0, 1.0),
        )

    def log_prices(self, random: np.random.Generator, steps: int, step_years: float) -> np.ndarray:
        diffusion = self.volatility * math.sqrt(step_years) * random.standard_normal(steps)
        count = random.poisson(self.jumps * step_years, steps)
        jumps = self.jump_mean * count + self.jump_deviation * np.sqrt(count) * random.standard_normal(steps)
        compensator = self.jumps * math.expm1(self.jump_mean + 0.5 * self.jump_deviation**2)
        return _sum(diffusion + jumps + (self.drift - 0.5 * self.volatility**2 - compensator) * step_years)


def fractional_noise(random: np.random.Generator, steps: int, hurst: float) -> np.ndarray:
    """Return fractional Gaussian noise of unit variance, float64[steps], exact (Davies and Harte 1987)."""
    half = 1 << max(steps - 1, 1).bit_length()  # the circle of 2 x half holds every lag from 0 to half
    lags = np.arange(half + 1, dtype=np.float64)
    covariance = 0.5 * ((lags + 1.0) ** (2 * hurst) - 2.0 * lags ** (2 * hurst) + np.abs(lags - 1.0) ** (2 * hurst))
    circle = np.concatenate([covariance, covariance[-2:0:-1]])
    # positive for every hurst in (0, 1); what is below 0 is rounding
    spectrum = np.maximum(np.fft.rfft(circle).real, 0.0)
    real, imaginary = random.standard_normal((2, half + 1))
    waves = np.sqrt(0.5 * spectrum) * (real + 1j * imaginary)
    waves[[0, -1]] = np.sqrt(spectrum[[0, -1]]) * real[[0, -1]]
    return np.asarray(np.fft.irfft(waves, 2 * half)[:steps] * math.sqrt(2.0 * half))


def _sum(moves: np.ndarray) -> np.ndarray:
    return np.concatenate(([0.0], np.cumsum(moves)))


def _check(process: PriceProcess, **domains: tuple[float, float]) -> None:
    for name, (low, high) in domains.items():
        value = getattr(process, name)
        known = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not known or not low <= value <= high or (name in _NEVER_AT_THE_EDGE and value in (low, high)):
            raise ConfigurationError(
                f"{name} of {type(process).__name__} must be a number between {low:g} and {high:g}; found {value!r}"
            )


PRICE_PROCESSES: dict[str, type[PriceProcess]] = {
    "gbm": GeometricBrownianMotion,
    "fbm": FractionalBrownianMotion,
    "ornstein_uhlenbeck": OrnsteinUhlenbeck,
    "heston": Heston,
    "merton": MertonJumpDiffusion,
}
