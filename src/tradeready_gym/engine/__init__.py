"""One step, written once: spec, state, step, specialisation, cache."""

from tradeready_gym.engine.engine import Engine
from tradeready_gym.engine.records import HISTORY, REPORT
from tradeready_gym.engine.spec import EngineSpec
from tradeready_gym.engine.step import ACT, FILL, OBSERVE, PAY, QUOTE, WHOLE_STEP

__all__ = ["ACT", "FILL", "HISTORY", "OBSERVE", "PAY", "QUOTE", "REPORT", "WHOLE_STEP", "Engine", "EngineSpec"]
