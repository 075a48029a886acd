"""Small worlds with a known answer: what the best policy can earn in them is known before anybody trades.

Every function takes `bars`, `timeframe`, `start`, `seed` and `symbol`, and returns `Candles` of one symbol. Prices
are not rounded. Except across a trading halt, a candle opens exactly at the previous close, so that an order filled
at the next open pays the price at which it was decided. "Earns" means per candle, before fees and slippage, as a
share of the position's value.
"""

import hashlib

import numpy as np

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.market.candles import Candles
from tradeready_gym.market.synthetic import check_bars_and_seed
from tradeready_gym.market.timeframe import Timeframe, TimeLike, parse_time

_START = "2021-01-01T00:00:00Z"
_PRICE = 100.0


def martingale(
    bars: int = 10_000,
    timeframe: str | Timeframe = "1h",
    start: TimeLike = _START,
    seed: int = 0,
    symbol: str = "BTCUSDT",
    *,
    noise: float = 0.01,
) -> Candles:
    """Return a fair game: nobody earns or loses anything on average, with any policy and any order type.

    The simple return of a candle is uniform on [-noise, noise], independent of all before: E[close | past] is the
    open, which is the previous close. The extreme on the far side of the close is that of Brownian motion stopped
    when it first leaves the interval of the move's size: P(it goes x the other way | move m) = (m - x) / (m + x). So
    a stop or limit order that is filled within the candle, at its own price, is fair too: the mean close of the
    candles that reach a price is that price. A bracket whose two sides are reached in one candle is as fair as the
    rule that decides between them.

    Known answer: expected profit 0 before costs. (The mean LOG return is about -noise^2 / 6, as it must be.)
    """
    _in_domain("noise", noise, 0.0, 1.0)
    random = _generator("martingale", seed, bars)
    moves = random.uniform(-noise, noise, bars)
    uniform = random.random(bars)
    back = np.abs(moves) * (1.0 - uniform) / (1.0 + uniform)
    close = _PRICE * np.cumprod(1.0 + moves)
    open_ = np.concatenate(([_PRICE], close[:-1]))
    high = np.maximum(np.maximum(open_, close), np.where(moves < 0, open_ * (1.0 + back), 0.0))
    low = np.minimum(np.minimum(open_, close), np.where(moves > 0, open_ * (1.0 - back), np.inf))
    return _candles("martingale", symbol, timeframe, start, seed, (open_, high, low, close), _volume(random, bars))


def trend(
    bars: int = 10_000,
    timeframe: str | Timeframe = "1h",
    start: TimeLike = _START,
    seed: int = 0,
    symbol: str = "BTCUSDT",
    *,
    drift: float = 0.002,
    noise: float = 0.004,
    persistence: float = 50.0,
) -> Candles:
    """Return a market that rises or falls for a while: two regimes that recent returns give away.

    The simple return is regime x drift + u, with u uniform on [-noise, noise] and a regime of +1 or -1 that flips
    before each candle with probability 1 / persistence. A return above noise - drift can only come from a rise, and
    one below drift - noise only from a fall.

    Known answer, for positions between -1 and 1: whoever knew the regime would earn `drift`; the best causal policy,
    the sign of the Bayes filter (p = P(rise): weigh p by the likelihood of the newest return, then p + (1 - 2p) /
    persistence), earns 0.92 drift at the default parameters; the sign of the mean of the last 5 returns earns 0.84
    drift, that of the last 10 earns 0.80 drift (measured over 400,000 candles). Without short positions it is half of
    that. Always long earns 0 on average.
    """
    _in_domain("drift", drift, 0.0, 1.0)
    _in_domain("noise", noise, 0.0, 1.0 - drift)
    _in_domain("persistence", persistence, 2.0, np.inf)
    random = _generator("trend", seed, bars)
    flips = random.random(bars) < 1.0 / persistence
    regimes = (1.0 if random.random() < 0.5 else -1.0) * (1.0 - 2.0 * (np.cumsum(flips) % 2))
    moves = regimes * drift + random.uniform(-noise, noise, bars)
    return _with_wicks("trend", symbol, timeframe, start, seed, _PRICE * np.cumprod(1.0 + moves), random, noise / 2)


def mean_reversion(
    bars: int = 10_000,
    timeframe: str | Timeframe = "1h",
    start: TimeLike = _START,
    seed: int = 0,
    symbol: str = "BTCUSDT",
    *,
    half_life: float = 5.0,
    deviation: float = 0.02,
) -> Candles:
    """Return a price that is pulled back to 100: buy below, sell above.

    x = ln(close / 100) is an autoregression, x' = phi x + e with phi = 0.5^(1 / half_life), normal shocks and standard
    deviation `deviation` in the long run, begun in its long-run distribution.

    Known answer: E[x' - x | past] = -(1 - phi) x, and nothing else in the past matters. The position -sign(x) earns
    (1 - phi) deviation sqrt(2 / pi) in log price, 0.2 % a candle at the default parameters; the opposite position
    loses as much; always long earns 0.
    """
    _in_domain("half_life", half_life, 0.1, np.inf)
    _in_domain("deviation", deviation, 0.0, 1.0)
    random = _generator("mean_reversion", seed, bars)
    phi = 0.5 ** (1.0 / half_life)
    shocks = random.standard_normal(bars) * deviation
    shocks[1:] *= np.sqrt(1.0 - phi**2)
    stride = 1
    while stride < bars and phi**stride > 1e-18:  # x[k] = phi x[k-1] + e[k], doubling the reach at each pass
        shocks[stride:] += phi**stride * shocks[:-stride]
        stride *= 2
    closes = _PRICE * np.exp(shocks)
    return _with_wicks("mean_reversion", symbol, timeframe, start, seed, closes, random, deviation / 4)


def sine(
    bars: int = 10_000,
    timeframe: str | Timeframe = "1h",
    start: TimeLike = _START,
    seed: int = 0,
    symbol: str = "BTCUSDT",
    *,
    period: int = 24,
    amplitude: float = 0.05,
) -> Candles:
    """Return a price without chance: close = 100 (1 + amplitude sin(2 pi (k + shift) / period)) at candle k.

    Every close comes again after `period` candles. `seed` sets the shift, 0 to period - 1, and the volume. A candle
    has no wicks.

    Known answer: long while the price rises and out while it falls multiplies the equity by highest / lowest close in
    every period, which is (1 + amplitude) / (1 - amplitude) where the period is a multiple of 4; short while it falls
    besides multiplies it by 2 - lowest / highest if the short's size is set at the top. Always long earns 0 in a
    period.
    """
    _in_domain("amplitude", amplitude, 0.0, 1.0)
    if isinstance(period, bool) or not isinstance(period, (int, np.integer)) or period < 2:
        raise ConfigurationError(f"period must be an integer of at least 2 candles; found {period!r}")
    random = _generator("sine", seed, bars)
    phases = (np.arange(-1, bars) + int(random.integers(period))) % period
    levels = _PRICE * (1.0 + amplitude * np.sin(2.0 * np.pi * phases / period))
    open_, close = levels[:-1], levels[1:]
    prices = (open_, np.maximum(open_, close), np.minimum(open_, close), close)
    return _candles("sine", symbol, timeframe, start, seed, prices, _volume(random, bars))


def halt(
    bars: int = 1_000,
    timeframe: str | Timeframe = "1h",
    start: TimeLike = _START,
    seed: int = 0,
    symbol: str = "BTCUSDT",
    *,
    halt_bars: int = 24,
    quiet_bars: int = 3,
    reopening: float = -0.1,
    noise: float = 0.01,
) -> Candles:
    """Return a market that is halted: candles are missing in the middle, and the price jumps when trade comes back.

    `bars` slots in all. The missing ones are `halt_bars` rows from row (bars - halt_bars) // 2: gaps, at the last
    close. The `quiet_bars` candles on each side exist, without volume, at one price. The first candle after the gap
    opens at the last close before it times 1 + reopening. All others move like `martingale(noise=noise)`, up and down
    alike.

    Known answer: a position that is held through the halt gains exactly `reopening` between the close before the quiet
    candles and the close after them; nothing trades in between. Everything else earns 0 on average.
    """
    _in_domain("noise", noise, 0.0, 1.0)
    _in_domain("reopening", reopening, -1.0, np.inf)
    check_bars_and_seed(bars, seed)
    for name, value in (("halt_bars", halt_bars), ("quiet_bars", quiet_bars)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < (name == "halt_bars"):
            raise ConfigurationError(
                f"{name} must be an integer, and at least one candle must be missing; found {value!r}"
            )
    if bars < halt_bars + 2 * quiet_bars + 2:
        needed = halt_bars + 2 * quiet_bars + 2
        raise ConfigurationError(
            f"bars must be at least {needed} to hold the halt and a candle on each side; found {bars}"
        )
    traded = martingale(bars, timeframe, start, seed, symbol, noise=noise)
    gap = (bars - halt_bars) // 2
    back = gap + halt_bars
    prices = np.array([traded.open[0], traded.high[0], traded.low[0], traded.close[0]])
    volume = traded.volume[0].copy()
    still = slice(gap - quiet_bars, back + quiet_bars)
    before = prices[0, still.start]  # the open, which is the previous close
    prices[:, back + quiet_bars :] *= before * (1.0 + reopening) / prices[0, back + quiet_bars]
    prices[:, still] = before
    prices[:, back : back + quiet_bars] = before * (1.0 + reopening)
    volume[still] = 0.0
    exists = np.ones(bars, dtype=np.bool_)
    exists[gap:back] = False
    open_, high, low, close = prices[:, exists]
    times, source = traded.times[exists], f"halt(seed={seed})"
    return Candles.from_arrays(symbol, traded.timeframe, times, open_, high, low, close, volume[exists], source=source)


def _with_wicks(
    world: str,
    symbol: str,
    timeframe: str | Timeframe,
    start: TimeLike,
    seed: int,
    close: np.ndarray,
    random: np.random.Generator,
    wick: float,
) -> Candles:
    open_ = np.concatenate(([_PRICE], close[:-1]))
    high = np.maximum(open_, close) * (1.0 + random.uniform(0.0, wick, len(close)))
    low = np.minimum(open_, close) * (1.0 - random.uniform(0.0, wick, len(close)))
    return _candles(world, symbol, timeframe, start, seed, (open_, high, low, close), _volume(random, len(close)))


def _candles(
    world: str,
    symbol: str,
    timeframe: str | Timeframe,
    start: TimeLike,
    seed: int,
    prices: tuple[np.ndarray, ...],
    volume: np.ndarray,
) -> Candles:
    frame = Timeframe.parse(timeframe)
    times = parse_time(start, name="start") + np.arange(len(volume), dtype=np.int64) * frame.microseconds
    open_, high, low, close = prices
    return Candles.from_arrays(symbol, frame, times, open_, high, low, close, volume, source=f"{world}(seed={seed})")


def _generator(world: str, seed: int, bars: int) -> np.random.Generator:
    check_bars_and_seed(bars, seed)
    digest = hashlib.sha256(f"{world} {seed}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def _volume(random: np.random.Generator, bars: int) -> np.ndarray:
    return np.asarray(1_000.0 * np.exp(0.5 * random.standard_normal(bars)))


def _in_domain(name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        raise ConfigurationError(f"{name} must lie between {low:g} and {high:g}; found {value!r}")
