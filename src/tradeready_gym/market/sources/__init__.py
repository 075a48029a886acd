"""Where candles come from: frames, files, the bulk archive, exchanges."""

from tradeready_gym.market.sources.deduplicate import deduplicate
from tradeready_gym.market.sources.exchange import load_exchange
from tradeready_gym.market.sources.files import load_file
from tradeready_gym.market.sources.frame import load_frame

__all__ = ["deduplicate", "load_exchange", "load_file", "load_frame"]
