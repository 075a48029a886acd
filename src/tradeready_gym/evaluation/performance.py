"""One run described in full: its curve, its round trips, and what trading it cost."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation.drawdowns import drawdowns
from tradeready_gym.evaluation.metrics import plain_metrics
from tradeready_gym.evaluation.round_trips import RoundTrips, round_trips
from tradeready_gym.evaluation.statistics import EpisodeStatistics, require_curve, statistics_from_curve

Number = float | int | None

CURVE_METRICS = ("annual_return_pct", "annual_volatility_pct", "calmar_ratio", "longest_drawdown", "time_under_water")
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
    - `longest_drawdown`: the most steps from a peak to its recovery or the end; `time_under_water`: share of steps, 0 to 1

    With `fills` (see `round_trips`; `slippage`, a share of the price before it, is read where there is such a field) also
    the metrics of `episode_metrics` that need them, those of `trip_metrics`, and

    - `slippage_paid`: what the fills cost more, or brought less, than at the prices before slippage
    - `costs_pct`: 100 × (fees + slippage) / starting balance; `costs_per_trade_pct`: 100 × the same / traded value

    With `position_value`, float64[steps + 1], also `exposure`, and `mean_leverage`, the mean of abs(position value) /
    equity over the steps. A metric whose input is missing is None; so is `cumulative_reward`, of which a curve knows nothing.

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
        trips = round_trips(fills)
        statistics = _with_fills(statistics, fills, trips)
        extra |= trip_metrics(trips) | _costs(fills, statistics)
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
    won = trips.profit > 0.0
    held = trips.holding_bars
    values = (
        int(np.sum(trips.side > 0)),
        int(np.sum(trips.side < 0)),
        _mean(trips.profit),
        _mean(trips.profit[won]),
        _mean(trips.profit[~won]),
        _mean(held),
        int(held.max()) if len(held) else None,
    )
    return dict(zip(TRIP_METRICS, values, strict=True))


def _with_fills(statistics: EpisodeStatistics, fills: NDArray[Any], trips: RoundTrips) -> EpisodeStatistics:
    won = trips.profit > 0.0
    return statistics._replace(
        traded_value=float(np.sum(fills["price"] * fills["quantity"])),
        trades=len(fills),
        round_trips=len(trips),
        winning_trips=int(won.sum()),
        gross_profit=float(trips.profit[won].sum()),
        gross_loss=-float(trips.profit[~won].sum()),
        fees_paid=float(fills["fee"].sum()),
    )


def _costs(fills: NDArray[Any], statistics: EpisodeStatistics) -> dict[str, Number]:
    slippage = 0.0
    if "slippage" in (fills.dtype.names or ()):
        # price = reference × (1 + side × slippage)
        reference = 1.0 + fills["side"] * fills["slippage"]
        if not np.all(reference > 0.0):
            raise DataError(
                f"slippage is a share of the price, below 1 on a sale; got {fills[int(np.argmin(reference > 0.0))]}."
            )
        slippage = float(np.sum(fills["price"] * fills["quantity"] * fills["slippage"] / reference))
    costs, traded = float(statistics.fees_paid) + slippage, float(statistics.traded_value)
    shares = 100.0 * costs / float(statistics.starting_balance), 100.0 * costs / traded if traded > 0.0 else None
    return dict(zip(COST_METRICS, (slippage, *shares), strict=True))


def _of_curve(curve: NDArray[np.float64], statistics: EpisodeStatistics, periods_per_year: float) -> dict[str, Number]:
    steps = len(curve) - 1
    if steps == 0:
        return dict.fromkeys(CURVE_METRICS) | {"longest_drawdown": 0}
    annual = _annual_return(float(curve[-1] / curve[0]), periods_per_year / steps)
    deepest = float(statistics.max_drawdown)
    variance = float(statistics.return_m2) / (steps - 1) if steps > 1 else None
    ways_down = drawdowns(curve)
    # the row of the recovery is not below the peak any more
    under_water = int((ways_down.duration - ways_down.recovered).sum())
    values = (
        None if annual is None else 100.0 * annual,
        None if variance is None else 100.0 * math.sqrt(variance * periods_per_year),
        annual / deepest if annual is not None and deepest > 0.0 else None,
        int(ways_down.duration.max(initial=0)),
        under_water / steps,
    )
    return dict(zip(CURVE_METRICS, values, strict=True))


def _annual_return(growth: float, times_a_year: float) -> float | None:
    if growth == 0.0:
        return -1.0
    try:
        return math.expm1(math.log(growth) * times_a_year)
    except OverflowError:
        return None  # a few steps, repeated for a year, would be more money than a number can hold


def _require_positions(value: NDArray[np.float64], curve: NDArray[np.float64]) -> None:
    if value.shape != curve.shape or not np.isfinite(value).all():
        raise DataError(
            f"position_value must be finite, one for each of the {len(curve)} values of the curve; got shape {value.shape}."
        )


def _mean_leverage(value: NDArray[np.float64], curve: NDArray[np.float64]) -> float | None:
    worth = curve[1:]
    shares = np.divide(value[1:], worth, out=np.zeros_like(worth), where=worth > 0.0)
    return float(np.abs(shares, out=shares).mean()) if len(shares) else None


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None
