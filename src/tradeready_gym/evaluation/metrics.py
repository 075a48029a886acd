"""The metrics of an episode: one implementation, for the engine, the platform and evaluation alike.

Formulas: docs of the engine, section "Info". Checked against empyrical-reloaded and Python's `statistics`.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.evaluation.statistics import EpisodeStatistics

DAYS_PER_YEAR = 365.25

# A return is a difference of two rounded equities over one of them: it is known to about 4 units in the last place of 1.
# A deviation below that is rounding, and a ratio over it would be noise of the size of 1e15.
RETURN_RESOLUTION = 1e-15

METRIC_NAMES = (
    "roi_pct",
    "sharpe_ratio",
    "sortino_ratio",
    "max_drawdown_pct",
    "max_drawdown_duration",
    "max_drawdown_duration_days",
    "total_trades",
    "round_trips",
    "win_rate",
    "profit_factor",
    "turnover",
    "exposure",
    "fees_paid",
    "final_equity",
    "cumulative_reward",
    "length",
)
_WHOLE_NUMBERS = frozenset({"max_drawdown_duration", "total_trades", "round_trips", "length"})


def episode_metrics(statistics: EpisodeStatistics, periods_per_year: float) -> dict[str, NDArray[Any]]:
    """The metrics of many episodes at once: one array a metric, in the shape of `statistics.equity`.

    `periods_per_year` is 365.25 days over the length of a step (8766 for hourly candles). Counts are int64, all else
    float64 with NaN for a metric that does not exist:

    - `roi_pct`: 100 × (final equity / starting balance - 1)
    - `sharpe_ratio`: mean(r) / std(r, ddof=1) × √periods per year; none with fewer than 2 returns or no deviation
    - `sortino_ratio`: mean(r) / √mean(min(r, 0)²) × √periods per year; none without a loss
    - `max_drawdown_pct`: max of 100 × (peak - equity) / peak; `max_drawdown_duration` from that peak to its recovery
      or the end in steps, `max_drawdown_duration_days` in days
    - `total_trades`: fills; `round_trips`: flat to flat
    - `win_rate`: per cent of round trips that made money after fees; none without a round trip
    - `profit_factor`: gross profit / gross loss of round trips after fees; none without a loss
    - `turnover`: traded value / mean equity, per year
    - `exposure`: share of steps with a position, 0 to 1
    - `fees_paid`, `final_equity`, `cumulative_reward`, `length` (steps)

    Raises `ConfigurationError` unless `periods_per_year` is finite and positive.
    """
    if not (math.isfinite(periods_per_year) and periods_per_year > 0):
        raise ConfigurationError(
            f"periods_per_year must be finite and positive (8766 for hourly candles); got {periods_per_year!r}."
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = _columns(statistics, periods_per_year)
    shape = np.shape(statistics.equity)
    return {
        name: np.full(shape, column, dtype=np.int64 if name in _WHOLE_NUMBERS else np.float64)
        for name, column in zip(METRIC_NAMES, columns, strict=True)
    }


def plain_metrics(statistics: EpisodeStatistics, periods_per_year: float) -> dict[str, float | int | None]:
    """`episode_metrics` of one episode as plain Python numbers, ready for JSON; None where a metric does not exist."""
    metrics = episode_metrics(statistics, periods_per_year)
    plain = {name: value.item() for name, value in metrics.items()}
    return {name: value if math.isfinite(value) else None for name, value in plain.items()}


def _columns(s: EpisodeStatistics, periods_per_year: float) -> tuple[Any, ...]:
    annual = np.sqrt(periods_per_year)
    deviation = np.sqrt(_ratio(s.return_m2, np.subtract(s.steps, 1), 0))
    downside = np.sqrt(_ratio(s.downside_sum, s.steps, 0))
    return (
        100.0 * (_ratio(s.equity, s.starting_balance, 0) - 1.0),
        _ratio(s.return_mean, deviation, RETURN_RESOLUTION) * annual,
        _ratio(s.return_mean, downside, RETURN_RESOLUTION) * annual,
        np.multiply(100.0, s.max_drawdown),
        s.drawdown_steps,
        np.multiply(s.drawdown_steps, DAYS_PER_YEAR / periods_per_year),
        s.trades,
        s.round_trips,
        100.0 * _ratio(s.winning_trips, s.round_trips, 0),
        _ratio(s.gross_profit, s.gross_loss, 0),
        _ratio(s.traded_value, s.equity_sum, 0) * periods_per_year,
        _ratio(s.exposed_steps, s.steps, 0),
        s.fees_paid,
        s.equity,
        s.reward_sum,
        s.steps,
    )


def _ratio(numerator: Any, denominator: Any, floor: float) -> Any:
    return np.where(np.greater(denominator, floor), np.true_divide(numerator, denominator), np.nan)
