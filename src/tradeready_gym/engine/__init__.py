"""One step, its kernels written once: spec, state, step, specialisation, cache."""

from tradeready_gym.engine.engine import Engine
from tradeready_gym.engine.observe import FILLED, REFUSED
from tradeready_gym.engine.records import HISTORY, MARGIN_REPORT, REPORT, REPORT_LAYOUT, REPORTED_AMOUNTS
from tradeready_gym.engine.spec import EngineSpec
from tradeready_gym.engine.step import ACT, ENDED, FILL, OBSERVE, PAY, QUOTE, WHOLE_STEP

__all__ = [
    "ACT",
    "ENDED",
    "FILL",
    "FILLED",
    "HISTORY",
    "MARGIN_REPORT",
    "OBSERVE",
    "PAY",
    "QUOTE",
    "REFUSED",
    "REPORT",
    "REPORTED_AMOUNTS",
    "REPORT_LAYOUT",
    "WHOLE_STEP",
    "Engine",
    "EngineSpec",
]
