"""The picture of an agent beside its own backtest: the fan of what that lets expect, and its equity, in a box of 1000 by 260."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from tradeready_gym.live.deployments import Deployment
from tradeready_gym.live.expectation import Expectation
from tradeready_gym.market.timeframe import Timeframe
from tradeready_gym.platform import records
from tradeready_gym.platform.beside import said
from tradeready_gym.platform.dashboard.words import amount, day

WIDTH, HEIGHT = 1000.0, 260.0
_POINTS, _LEAST, _AHEAD = 120, 24, 1.15
_TICKS = 5


def picture(found: Deployment) -> dict[str, Any] | None:
    """The curves as points of an SVG, the words at its edges, and what is to be said; None before the first candle.

    Raises:
        Unavailable: DATA_DAMAGED: its file cannot be read.
    """
    expectation, curve, status = Expectation.load(found.folder), records.curve(found), found.status
    verdict = status.get("expectation")
    if expectation is None or not curve:
        return None
    step = Timeframe.parse(found.timeframe).microseconds
    live = [(float(candles), float(equity)) for candles, equity in curve["points"]]
    if verdict is not None and verdict["candles"] > live[-1][0]:
        live.append((float(verdict["candles"]), float(status["equity"])))
    shown = max(_LEAST, int(live[-1][0] * _AHEAD))
    places = np.unique(np.rint(np.linspace(0, shown, _POINTS)))
    bands = np.full((5, len(places)), np.nan)
    if expectation.fan is not None:
        bands = curve["base"] * expectation.fan.at(places)
    low, high = _range(np.concatenate([bands[np.isfinite(bands)], [equity for _, equity in live]]))

    def points(pairs: Iterable[tuple[float, float]]) -> str:
        drawn = ((WIDTH * x / shown, HEIGHT * (high - y) / (high - low)) for x, y in pairs if math.isfinite(y))
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)

    def band(below: int, above: int) -> str:
        upper, lower = zip(places, bands[above], strict=True), zip(places[::-1], bands[below][::-1], strict=True)
        return points([*upper, *lower])

    moments = [curve["begin"] + int(shown * k / (_TICKS - 1)) * step for k in range(_TICKS)]
    return {
        "outer": band(0, 4),
        "inner": band(1, 3),
        "median": points(zip(places, bands[2], strict=True)),
        "live": points(live),
        "dot": points(live[-1:]).replace(",", " "),
        "grid": [HEIGHT * k / (_TICKS - 1) for k in range(_TICKS)],
        "levels": [amount(high - (high - low) * k / (_TICKS - 1), _places(high - low)) for k in range(_TICKS)],
        "moments": [day(moment) for moment in moments],
        "said": said(expectation, verdict),
        "basis": expectation.basis.replace(" -", " −"),
        "side": verdict["side"] if verdict is not None else "unknown",
        "in_sample": expectation.in_sample,
        "has_fan": expectation.fan is not None,
    }


def _places(reach: float) -> int:
    """The decimals that tell the levels apart: those of 2.5 are not those of 2."""
    step = reach / (_TICKS - 1)
    return next((places for places in range(8) if math.isclose(step, round(step, places), rel_tol=1e-9)), 8)


def _range(values: Any) -> tuple[float, float]:
    """Round numbers around all values, a whole number of steps apart."""
    low, high = float(np.min(values)), float(np.max(values))
    reach = max(high - low, 1e-3 * abs(high), 1e-9) / (_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(reach))
    for step in (power * k for k in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0)):
        bottom = math.floor(low / step) * step
        if bottom + (_TICKS - 1) * step >= high:
            return bottom, bottom + (_TICKS - 1) * step
    return low, high
