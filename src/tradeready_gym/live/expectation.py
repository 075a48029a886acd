"""An agent beside its own backtest: what that lets expect, in `expectation.json`, and its equity so far, in `equity.json`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from tradeready_gym.errors import StoreError
from tradeready_gym.evaluation import ExpectationFan
from tradeready_gym.live.deployments import write_json

FILE, CURVE = "expectation.json", "equity.json"
BAND = (0, -1)  # the outermost quantiles: 5 and 95 %
_KEPT = 600


@dataclass(frozen=True, eq=False)
class Expectation:
    """What a backtest lets expect. `span` are its first and last moment, ISO 8601; `in_sample` says that the agent learned there.

    Without a fan, `problem` says why there is none.
    """

    span: tuple[str, str]
    in_sample: bool
    roi_pct: float
    fan: ExpectationFan | None
    problem: str | None = None

    def save(self, folder: Path) -> None:
        """Write it into a deployment's folder."""
        values: dict[str, Any] = {name: getattr(self, name) for name in ("span", "in_sample", "roi_pct", "problem")}
        if self.fan is not None:
            fan = self.fan
            values |= {"quantiles": fan.quantiles, "block": fan.block, "periods": fan.periods}
            values |= {"horizons": fan.horizons.tolist(), "factors": fan.factors.tolist()}
        write_json(folder / FILE, values)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """What was written there; None if nothing was, or it cannot be read."""
        try:
            values = json.loads((folder / FILE).read_text(encoding="utf-8"))
            fan = None
            if "factors" in values:
                horizons, factors = np.array(values["horizons"], np.int64), np.array(values["factors"], np.float64)
                fan = ExpectationFan(horizons, tuple(values["quantiles"]), factors, values["block"], values["periods"])
            return cls(tuple(values["span"]), values["in_sample"], values["roi_pct"], fan, values["problem"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def basis(self) -> str:
        """Which backtest it is, in a sentence."""
        if self.fan is None:
            return f"Nothing to hold it against: {self.problem}."
        where = "it learned from, so expect less of it" if self.in_sample else "it had not learned from"
        return (
            f"Its backtest: {self.fan.periods:,} candles that {where}, {self.span[0][:10]} to {self.span[1][:10]}, "
            f"{self.roi_pct:+.2f} %."
        )


class Watch:
    """The equity of an agent beside its expectation, candle by candle; goes on where its file ends.

    Args:
        folder: of the deployment.
        step: the length of a candle, microseconds.

    Raises:
        StoreError: its file holds something else than a curve.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path, self._step = folder / CURVE, step
        self._expectation = Expectation.load(folder)
        self._state = curve_of(folder)
        if self._state and not _is_curve(self._state):
            raise StoreError(
                f"{self._path} is damaged: it holds something else than a curve. Remove this file and resume the deployment: the "
                f"curve begins anew, the account goes on"
            )

    def begin(self, time: int, equity: float) -> None:
        """An account begins at this moment, unless one is being watched already."""
        if not self._state:
            self._state = {
                "begin": time, "base": equity, "every": 1, "points": [[0, equity]], "side": "inside", "since": time,
                "newest": 0, "was_outside": False,
            }  # fmt: skip

    def see(self, time: int, equity: float) -> dict[str, Any]:
        """The verdict at the close of a candle: `side` is inside, below, above, beyond (its horizon) or unknown."""
        state = self._state
        candles = (time - state["begin"]) // self._step
        side = self._side(candles, equity / state["base"])
        changed = side != state["side"]
        if changed:
            state["was_outside"] = state["was_outside"] or side in {"below", "above"}
            state |= {"side": side, "since": time}
        state["newest"] = candles
        if candles - state["points"][-1][0] >= state["every"]:
            state["points"].append([candles, equity])
            self._thin()
            changed = True
        if changed:
            write_json(self._path, state)
        return {name: state[name] for name in ("side", "since", "was_outside")} | {
            "candles": candles, "for": (time - state["since"]) // self._step,
        }  # fmt: skip

    def _side(self, candles: int, factor: float) -> str:
        if self._expectation is None or self._expectation.fan is None:
            return "unknown"
        low, high = self._expectation.fan.at(candles)[list(BAND), 0]
        if np.isnan(low):
            return "beyond"
        # what is at its edge but for rounding is inside: a band over nothing but idling has no width
        room = 1e-9 * factor
        return "below" if factor < low - room else "above" if factor > high + room else "inside"

    def _thin(self) -> None:
        state = self._state
        if len(state["points"]) > _KEPT:
            state["every"] *= 2
            state["points"] = state["points"][::2]


def curve_of(folder: Path) -> dict[str, Any]:
    """The equity that was seen: `begin` (microseconds), `base`, and `points`, a few hundred pairs of candles since and equity."""
    try:
        found = json.loads((folder / CURVE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_curve(state: Mapping[str, Any]) -> bool:
    try:
        points = [value for candles, equity in state["points"] for value in (candles, equity)]
        figures = [*(state[name] for name in ("begin", "base", "every", "since")), *points]
        known = bool(points) and isinstance(state["side"], str) and isinstance(state["was_outside"], bool)
    except (KeyError, TypeError, ValueError):
        return False
    return known and all(isinstance(figure, int | float) for figure in figures) and state["base"] > 0


def sentence(expectation: Expectation, verdict: Mapping[str, Any], since: str) -> str:
    """Whether it does what its backtest let expect, and since when; `since` is the verdict's own moment in words."""
    side, lasted = verdict["side"], f"since {since} UTC ({verdict['for']:,} candles)"
    if side == "inside":
        return f"Inside the 90 % band of its backtest{f', again {lasted}' if verdict['was_outside'] else ' ever since it began'}."
    if side in {"below", "above"}:
        return f"{side.capitalize()} the 90 % band of its backtest {lasted}."
    last = 0 if expectation.fan is None else int(expectation.fan.horizons[-1])
    return f"Its backtest says nothing about more than {last:,} candles." if side == "beyond" else ""
