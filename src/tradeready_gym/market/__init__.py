"""What the world was: candles, where they come from, and where they are kept."""

from tradeready_gym.market.calendars import TradingCalendar, keep_traded
from tradeready_gym.market.candles import Candles
from tradeready_gym.market.download import (
    ChecksumFinding,
    DownloadProgress,
    DownloadReport,
    ImportReport,
    download,
    import_file,
)
from tradeready_gym.market.funding import FundingRates
from tradeready_gym.market.gaps import Gap, GapReport, OddCandle, find_gaps
from tradeready_gym.market.instrument import Instrument
from tradeready_gym.market.processes import (
    PRICE_PROCESSES,
    FractionalBrownianMotion,
    GeometricBrownianMotion,
    Heston,
    MertonJumpDiffusion,
    OrnsteinUhlenbeck,
    PriceProcess,
)
from tradeready_gym.market.replayer import DataReplayer
from tradeready_gym.market.resolve import resolve
from tradeready_gym.market.sample import load_sample
from tradeready_gym.market.sources.deduplicate import deduplicate
from tradeready_gym.market.sources.exchange import load_exchange
from tradeready_gym.market.sources.files import load_file
from tradeready_gym.market.sources.frame import load_frame
from tradeready_gym.market.splits import Span, Splits, split
from tradeready_gym.market.stochastic import stochastic
from tradeready_gym.market.store import CandleStore, SeriesCheck, StoredSeries
from tradeready_gym.market.synthetic import synthetic
from tradeready_gym.market.timeframe import Timeframe, format_time, parse_time

__all__ = [
    "PRICE_PROCESSES",
    "CandleStore",
    "Candles",
    "ChecksumFinding",
    "DataReplayer",
    "DownloadProgress",
    "DownloadReport",
    "FractionalBrownianMotion",
    "FundingRates",
    "Gap",
    "GapReport",
    "GeometricBrownianMotion",
    "Heston",
    "ImportReport",
    "Instrument",
    "MertonJumpDiffusion",
    "OddCandle",
    "OrnsteinUhlenbeck",
    "PriceProcess",
    "SeriesCheck",
    "Span",
    "Splits",
    "StoredSeries",
    "Timeframe",
    "TradingCalendar",
    "deduplicate",
    "download",
    "find_gaps",
    "format_time",
    "import_file",
    "keep_traded",
    "load_exchange",
    "load_file",
    "load_frame",
    "load_sample",
    "parse_time",
    "resolve",
    "split",
    "stochastic",
    "synthetic",
]
