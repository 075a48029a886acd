"""What the world was: candles, where they come from, and where they are kept."""

from tradeready_gym.market.candles import Candles
from tradeready_gym.market.gaps import Gap, GapReport, OddCandle, find_gaps
from tradeready_gym.market.instrument import Instrument
from tradeready_gym.market.replayer import DataReplayer
from tradeready_gym.market.sources.deduplicate import deduplicate
from tradeready_gym.market.sources.files import load_file
from tradeready_gym.market.sources.frame import load_frame
from tradeready_gym.market.splits import Span, Splits, split
from tradeready_gym.market.timeframe import Timeframe, format_time, parse_time

__all__ = [
    "Candles",
    "DataReplayer",
    "Gap",
    "GapReport",
    "Instrument",
    "OddCandle",
    "Span",
    "Splits",
    "Timeframe",
    "deduplicate",
    "find_gaps",
    "format_time",
    "load_file",
    "load_frame",
    "parse_time",
    "split",
]
