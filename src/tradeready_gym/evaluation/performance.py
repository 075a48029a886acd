"""One run described in full: its curve, its round trips, and what trading it cost."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation.drawdowns import under_water
from tradeready_gym.evaluation.metrics import plain_metrics
from tradeready_gym.evaluation.round_trips import RoundTrips, trips_by_stretch
from tradeready_gym.evaluation.statistics import EpisodeStatistics, require_curve, statistics_from_curve
from tradeready_gym.evaluation.stretches import returns_by_stretch, stretches

Number = float | int | None

CURVE_METRICS = (
    "annual_return_pct",
    "annual_volatility_pct",
    "calmar_ratio",
    "omega_ratio",
    "longest_drawdown",
    "time_under_water",
)
TRIP_METRICS = (
    "long_trips",
    "short_trips",
    "mean_profit",
    "mean_win",
    "mean_loss",
    "mean_holding_bars",
    "longest_holding_bars",
)
COST_METRICS = ("slippage_paid", "costs_pct", "costs_per_trade_pct")
_OF_FILLS = {"total_trades", "round_trips", "win_rate", "profit_factor", "turnover", "fees_paid"}


def performance_metrics(
    equity: ArrayLike,
    periods_per_year: float,
    *,
    fills: NDArray[Any] | None = None,
    position_value: ArrayLike | None = None,
) -> dict[str, Number]:
    """`plain_metrics` and more, of one equity curve, float64[steps + 1], whose first value is the starting balance.

    - `annual_return_pct`: 100 × ((final / starting)^(1 / years) - 1); none without a step
    - `annual_volatility_pct`: 100 × std(r, ddof=1) × √periods per year
    - `calmar_ratio`: annual return / deepest drawdown, both as shares (T. Young, Futures 20, 1991, over the whole run);
      none without a drawdown
    - `omega_ratio`: see `omega_ratio`, at a threshold of 0
    - `longest_drawdown`: the most steps from a peak to its recovery or the end; `time_under_water`: share of steps, 0 to 1

    With `fills` (see `round_trips`; `slippage`, a share of the price before it, is read where there is such a field) also
    the metrics of `episode_metrics` that need them, those of `trip_metrics`, and

    - `slippage_paid`: what the fills cost more, or brought less, than at the prices before slippage
    - `costs_pct`: 100 × (fees + slippage) / starting balance; `costs_per_trade_pct`: 100 × the same / traded value

    With `position_value`, float64[steps + 1], also `exposure`, and `mean_leverage`, the mean of abs(position value) /
    equity over the steps. The inputs are read in stretches: no copy is made of them. A metric whose input is missing is None; so is `cumulative_reward`, of which a curve knows nothing.

    Raises `DataError` for a curve, fills or values that cannot be, `ConfigurationError` for `periods_per_year`.
    """
    curve = np.asarray(equity, np.float64)
    require_curve(curve, dimensions=(1,))
    statistics = statistics_from_curve(curve)
    extra: dict[str, Number] = dict.fromkeys((*TRIP_METRICS, *COST_METRICS, "mean_leverage"))
    unknown = {"cumulative_reward"}
    if fills is None:
        unknown |= _OF_FILLS
    else:
        totals = _total(trips_by_stretch(fills))
        statistics = _with_fills(statistics, fills, totals)
        extra |= _trip_metrics(totals) | _costs(fills, statistics)
    if position_value is None:
        unknown.add("exposure")
    else:
        value = np.asarray(position_value, np.float64)
        _require_positions(value, curve)
        statistics = statistics._replace(exposed_steps=int(np.count_nonzero(value[1:])))
        extra["mean_leverage"] = _mean_leverage(value, curve)
    plain = plain_metrics(statistics, periods_per_year)
    of_curve = _of_curve(curve, statistics, periods_per_year)
    return {name: None if name in unknown else value for name, value in plain.items()} | of_curve | extra


def trip_metrics(trips: RoundTrips) -> dict[str, Number]:
    """How round trips went: `long_trips`, `short_trips`; `mean_profit`, `mean_win`, `mean_loss` (zero or below) after fees;
    `mean_holding_bars`, `longest_holding_bars`. A trip that made nothing has not won. None where there is no such trip.
    """
    return _trip_metrics(_total([trips]))


def omega_ratio(returns: ArrayLike, threshold: float = 0.0) -> float | None:
    """What was gained above a threshold return of one step for each unit that was lost below it, of returns float64[T].

    Sum of max(r - threshold, 0) / sum of max(threshold - r, 0): the ratio of the two areas beside the threshold under the
    distribution of returns (C. Keating, W. F. Shadwick, A universal performance measure, Journal of Performance
    Measurement 6 (3), 2002). 1 is a mean at the threshold. None without a loss.

    Raises `DataError` for returns that are not finite, or in more than one dimension.
    """
    values = np.asarray(returns, np.float64)
    if values.ndim != 1 or not (math.isfinite(threshold) and np.isfinite(values).all()):
        raise DataError(f"Omega needs finite returns in one dimension and a finite threshold; got {values.shape}")
    return _omega((values[rows] for rows in stretches(len(values))), threshold)


class _Totals(NamedTuple):
    long: int = 0
    short: int = 0
    won: int = 0
    profit: float = 0.0
    gross_profit: float = 0.0
    gross_loss: float = 0.0
    held: int = 0
    longest: int = 0

    @property
    def trips(self) -> int:
        return self.long + self.short


def _total(found: Iterable[RoundTrips]) -> _Totals:
    totals = _Totals()
    for trips in found:
        if not len(trips):
            continue
        won, held = trips.profit > 0.0, trips.holding_bars
        totals = _Totals(
            totals.long + int(np.count_nonzero(trips.side > 0)),
            totals.short + int(np.count_nonzero(trips.side < 0)),
            totals.won + int(np.count_nonzero(won)),
            totals.profit + float(trips.profit.sum()),
            totals.gross_profit + float(trips.profit[won].sum()),
            totals.gross_loss - float(trips.profit[~won].sum()),
            totals.held + int(held.sum()),
            max(totals.longest, int(held.max())),
        )
    return totals


def _trip_metrics(totals: _Totals) -> dict[str, Number]:
    count, lost = totals.trips, totals.trips - totals.won
    values = (
        totals.long,
        totals.short,
        totals.profit / count if count else None,
        totals.gross_profit / totals.won if totals.won else None,
        -totals.gross_loss / lost if lost else None,
        totals.held / count if count else None,
        totals.longest if count else None,
    )
    return dict(zip(TRIP_METRICS, values, strict=True))


def _with_fills(statistics: EpisodeStatistics, fills: NDArray[Any], totals: _Totals) -> EpisodeStatistics:
    parts = [fills[rows] for rows in stretches(len(fills))]
    return statistics._replace(
        traded_value=float(sum(np.sum(part["price"] * part["quantity"]) for part in parts)),
        trades=len(fills),
        round_trips=totals.trips,
        winning_trips=totals.won,
        gross_profit=totals.gross_profit,
        gross_loss=totals.gross_loss,
        fees_paid=float(fills["fee"].sum()),
    )


def _costs(fills: NDArray[Any], statistics: EpisodeStatistics) -> dict[str, Number]:
    slippage = 0.0
    if "slippage" in (fills.dtype.names or ()):
        slippage = sum(_slippage(fills[rows]) for rows in stretches(len(fills)))
    costs, traded = float(statistics.fees_paid) + slippage, float(statistics.traded_value)
    shares = 100.0 * costs / float(statistics.starting_balance), 100.0 * costs / traded if traded > 0.0 else None
    return dict(zip(COST_METRICS, (slippage, *shares), strict=True))


def _slippage(fills: NDArray[Any]) -> float:
    # price = reference × (1 + side × slippage)
    reference = 1.0 + fills["side"] * fills["slippage"]
    if not np.all(reference > 0.0):
        raise DataError(
            f"slippage is a share of the price, below 1 on a sale; got {fills[int(np.argmin(reference > 0.0))]}."
        )
    return float(np.sum(fills["price"] * fills["quantity"] * fills["slippage"] / reference))


def _of_curve(curve: NDArray[np.float64], statistics: EpisodeStatistics, periods_per_year: float) -> dict[str, Number]:
    steps = len(curve) - 1
    if steps == 0:
        return dict.fromkeys(CURVE_METRICS) | {"longest_drawdown": 0}
    annual = _annual_return(float(curve[-1] / curve[0]), periods_per_year / steps)
    deepest = float(statistics.max_drawdown)
    variance = float(statistics.return_m2) / (steps - 1) if steps > 1 else None
    longest, below = under_water(curve)
    values = (
        None if annual is None else 100.0 * annual,
        None if variance is None else 100.0 * math.sqrt(variance * periods_per_year),
        annual / deepest if annual is not None and deepest > 0.0 else None,
        _omega(returns_by_stretch(curve), 0.0),
        longest,
        below / steps,
    )
    return dict(zip(CURVE_METRICS, values, strict=True))


def _annual_return(growth: float, times_a_year: float) -> float | None:
    if growth == 0.0:
        return -1.0
    try:
        return math.expm1(math.log(growth) * times_a_year)
    except OverflowError:
        return None  # a few steps, repeated for a year, would be more money than a number can hold


def _omega(returns: Iterable[NDArray[np.float64]], threshold: float) -> float | None:
    gained = lost = 0.0
    for part in returns:
        excess = part - threshold
        gained += float(np.maximum(excess, 0.0).sum())
        lost -= float(np.minimum(excess, 0.0).sum())
    return gained / lost if lost > 0.0 else None


def _require_positions(value: NDArray[np.float64], curve: NDArray[np.float64]) -> None:
    if value.shape != curve.shape or not all(np.isfinite(value[rows]).all() for rows in stretches(len(value))):
        raise DataError(
            f"position_value must be finite, one for each of the {len(curve)} values of the curve; got shape {value.shape}."
        )


def _mean_leverage(value: NDArray[np.float64], curve: NDArray[np.float64]) -> float | None:
    total, steps = 0.0, len(curve) - 1
    for rows in stretches(steps):
        worth, held = curve[1:][rows], value[1:][rows]
        shares = np.divide(held, worth, out=np.zeros_like(worth), where=worth > 0.0)
        total += float(np.abs(shares, out=shares).sum())
    return total / steps if steps else None
