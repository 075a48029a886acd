"""A deployed agent beside its own backtest, in words and numbers."""

import math
from typing import Any

import numpy as np

from tradeready_gym.live.deployments import Deployment
from tradeready_gym.live.expectation import Expectation, sentence
from tradeready_gym.platform import clock, records


def said(expectation: Expectation, verdict: dict[str, Any] | None) -> str:
    """The verdict in a sentence; empty if there is none."""
    if verdict is None or verdict["side"] == "unknown":
        return ""
    return sentence(expectation, verdict, _words(verdict["since"]))


def numbers(found: Deployment) -> dict[str, Any] | None:
    """The same as numbers: candles since the account began, the expected equity at five quantiles, and the equity.

    Raises:
        Unavailable: DATA_DAMAGED: its file cannot be read.
    """
    expectation, curve = Expectation.load(found.folder), records.curve(found)
    if expectation is None or not curve:
        return None
    verdict, candles = found.status.get("expectation"), [place for place, _ in curve["points"]]
    quantiles = expectation.fan.quantiles if expectation.fan is not None else ()
    bands = expectation.fan.at(candles) * curve["base"] if expectation.fan is not None else np.empty((0, len(candles)))
    return {
        "basis": expectation.basis,
        "in_sample": expectation.in_sample,
        "side": verdict["side"] if verdict is not None else "unknown",
        "since": clock.iso(verdict["since"]) if verdict is not None else None,
        "sentence": said(expectation, verdict),
        "begin": clock.iso(curve["begin"]),
        "candles": candles,
        "equity": [equity for _, equity in curve["points"]],
        "quantiles": list(quantiles),
        "expected": [[value if math.isfinite(value) else None for value in row] for row in bands.tolist()],
    }


def _words(moment: int) -> str:
    return (clock.iso(moment) or "")[:16].replace("T", " ")
