"""What the synthetic market knows of each symbol: level, volatility, volume, and how much it shares with the others.

BTCUSDT, ETHUSDT and SOLUSDT follow hourly candles of the Binance spot market, 2020-08-11 to 2023-12-31. Any other
symbol gets parameters drawn from its name.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Time constants, in hours, of the Ornstein-Uhlenbeck factors: of log volatility, then of log volume. The first moves
# within the hour and takes part only in candles that are no longer than it. The real market has one of 2048 hours too;
# with 560 instead, three years are long enough to be typical: 193 of 200 seeds lay within every acceptance band.
VOLATILITY_HOURS = (0.25, 2.0, 32.0, 128.0, 560.0)
VOLUME_HOURS = (4.0, 48.0, 2048.0)

# Relative size of hourly moves and volumes, 00:00 to 23:00 UTC and Monday to Sunday; the mean of each row is 1.
_BTC_HOUR_MOVES = (
    *(1.20, 1.03, 0.90, 0.87, 0.74, 0.80, 0.84, 0.88, 0.99, 0.90, 0.88, 0.92),
    *(1.10, 1.16, 1.31, 1.21, 1.10, 1.02, 1.03, 1.03, 1.10, 1.01, 0.98, 1.00),
)
_BTC_HOUR_VOLUMES = (
    *(1.02, 0.89, 0.83, 0.79, 0.77, 0.77, 0.81, 0.90, 0.99, 0.95, 0.97, 0.97),
    *(1.18, 1.33, 1.49, 1.45, 1.35, 1.11, 1.07, 1.01, 0.98, 0.78, 0.80, 0.81),
)
_ETH_HOUR_MOVES = (
    *(1.26, 1.07, 0.88, 0.87, 0.72, 0.79, 0.81, 0.90, 1.01, 0.89, 0.90, 0.92),
    *(1.07, 1.15, 1.27, 1.19, 1.15, 0.99, 1.02, 0.99, 1.08, 1.02, 1.01, 1.02),
)
_ETH_HOUR_VOLUMES = (
    *(1.10, 0.93, 0.86, 0.81, 0.77, 0.77, 0.80, 0.89, 1.00, 0.95, 0.96, 0.94),
    *(1.16, 1.30, 1.48, 1.41, 1.40, 1.08, 1.03, 0.98, 0.95, 0.77, 0.83, 0.84),
)
_SOL_HOUR_MOVES = (
    *(1.25, 1.09, 0.98, 0.90, 0.81, 0.91, 0.92, 0.93, 1.00, 0.93, 0.94, 0.92),
    *(1.05, 1.11, 1.22, 1.17, 1.10, 1.05, 0.95, 0.96, 0.97, 0.95, 0.96, 0.93),
)
_SOL_HOUR_VOLUMES = (
    *(1.13, 0.92, 0.86, 0.80, 0.76, 0.79, 0.85, 0.90, 0.99, 0.93, 0.97, 0.95),
    *(1.17, 1.25, 1.39, 1.39, 1.33, 1.14, 1.07, 1.00, 0.95, 0.79, 0.85, 0.82),
)


@dataclass(frozen=True)
class SymbolParameters:
    """One symbol of the synthetic market.

    `price`: open of the first candle, quote currency. `annual_volatility`: of hourly log returns, a year.
    `hourly_volume`: typical base amount an hour. `shock_degrees`: degrees of freedom of the Student-t shocks, at
    least 6. `shock_loading`, `volatility_loading`, `volume_loading`: correlation of this symbol's shocks, log
    volatility factors and log volume factors with those of the whole market, so that two symbols correlate by the
    product of theirs. `volatility_variances`, `volume_variances`: variance of each factor of `VOLATILITY_HOURS` and
    `VOLUME_HOURS`. `range_scale`: how much wider than Brownian motion a candle is. `volume_slope`: of log volume on
    log range. `volume_noise`: variance of log volume from candle to candle. `gap_probability`: that a candle does not
    open at the previous close; `gap_size`: mean absolute log gap where there is one. `hour_moves`, `day_moves`,
    `hour_volumes`, `day_volumes`: seasonality, 24 hours UTC and 7 days from Monday, mean 1.
    """

    price: float
    annual_volatility: float
    hourly_volume: float
    shock_degrees: float
    shock_loading: float
    volatility_loading: float
    volume_loading: float
    volatility_variances: tuple[float, ...]
    volume_variances: tuple[float, ...]
    range_scale: float
    volume_slope: float
    volume_noise: float
    gap_probability: float
    gap_size: float
    hour_moves: tuple[float, ...]
    day_moves: tuple[float, ...]
    hour_volumes: tuple[float, ...]
    day_volumes: tuple[float, ...]


_KNOWN = {
    "BTCUSDT": SymbolParameters(
        price=30_000.0,
        annual_volatility=0.64,
        hourly_volume=3_000.0,
        shock_degrees=7.0,
        shock_loading=0.925,
        volatility_loading=0.98,
        volume_loading=0.85,
        volatility_variances=(0.12, 0.10, 0.07, 0.0, 0.24),
        volume_variances=(0.055, 0.06, 0.3),
        range_scale=1.06,
        volume_slope=0.84,
        volume_noise=0.035,
        gap_probability=0.0,
        gap_size=0.0,
        hour_moves=_BTC_HOUR_MOVES,
        day_moves=(1.10, 1.08, 1.12, 1.06, 1.06, 0.75, 0.83),
        hour_volumes=_BTC_HOUR_VOLUMES,
        day_volumes=(1.13, 1.11, 1.14, 1.10, 1.09, 0.71, 0.73),
    ),
    "ETHUSDT": SymbolParameters(
        price=2_000.0,
        annual_volatility=0.84,
        hourly_volume=24_000.0,
        shock_degrees=7.0,
        shock_loading=0.985,
        volatility_loading=0.98,
        volume_loading=0.95,
        volatility_variances=(0.12, 0.10, 0.06, 0.0, 0.255),
        volume_variances=(0.05, 0.06, 0.2),
        range_scale=1.06,
        volume_slope=0.95,
        volume_noise=0.045,
        gap_probability=0.0,
        gap_size=0.0,
        hour_moves=_ETH_HOUR_MOVES,
        day_moves=(1.07, 1.08, 1.10, 1.05, 1.02, 0.81, 0.86),
        hour_volumes=_ETH_HOUR_VOLUMES,
        day_volumes=(1.12, 1.08, 1.12, 1.11, 1.06, 0.74, 0.77),
    ),
    "SOLUSDT": SymbolParameters(
        price=40.0,
        annual_volatility=1.4,
        hourly_volume=180_000.0,
        shock_degrees=6.0,
        shock_loading=0.785,
        volatility_loading=0.88,
        volume_loading=0.65,
        volatility_variances=(0.12, 0.12, 0.04, 0.11, 0.12),
        volume_variances=(0.06, 0.05, 0.15),
        range_scale=1.04,
        volume_slope=1.14,
        volume_noise=0.08,
        gap_probability=0.6,
        gap_size=0.0004,
        hour_moves=_SOL_HOUR_MOVES,
        day_moves=(1.03, 1.07, 1.08, 1.04, 1.02, 0.87, 0.89),
        hour_volumes=_SOL_HOUR_VOLUMES,
        day_volumes=(1.06, 1.07, 1.13, 1.10, 1.03, 0.81, 0.79),
    ),
}


def parameters_of(symbol: str) -> SymbolParameters:
    """Return the parameters of `symbol`, which is upper case.

    A symbol other than BTCUSDT, ETHUSDT and SOLUSDT behaves like SOLUSDT with a price of 0.1 to 1,000, an annual
    volatility of 0.8 to 1.4, about five million quote units of volume an hour times 0.2 to 5, and shocks that correlate
    0.55 to 0.85 with the market's: all of it fixed by the SHA-256 of the name.
    """
    if symbol in _KNOWN:
        return _KNOWN[symbol]
    digest = hashlib.sha256(f"synthetic symbol {symbol}".encode()).digest()
    first, second, third, fourth = (int.from_bytes(digest[i : i + 8], "big") / 2**64 for i in (0, 8, 16, 24))
    price = float(f"{10 ** (4 * first - 1):.3g}")
    like = _KNOWN["SOLUSDT"]
    return SymbolParameters(
        **{
            **like.__dict__,
            "price": price,
            "annual_volatility": 0.8 + 0.6 * second,
            "hourly_volume": 5e6 * 5 ** (2 * third - 1) / price,
            "shock_loading": 0.55 + 0.30 * fourth,
        }
    )


def hour_of_week(hours: Sequence[float], days: Sequence[float]) -> np.ndarray:
    """Return the logarithm of hour times day, float64[168] from Monday 00:00 UTC."""
    return np.asarray(np.log(np.outer(days, hours)).ravel())
