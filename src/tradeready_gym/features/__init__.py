"""What the agent may see: features by name, object or plain function, and the pipeline that makes one table of them."""

from tradeready_gym.features.account import (
    ACCOUNT_CODES,
    BALANCE,
    POSITION,
    TIME_TO_END,
    UNREALIZED_PNL,
    account_bounds,
    account_codes,
    account_columns,
    account_width,
)
from tradeready_gym.features.averages import MovingAverage
from tradeready_gym.features.base import Feature, SymbolCandles
from tradeready_gym.features.calendar import Calendar
from tradeready_gym.features.causality import check_causality, check_later_anchor
from tradeready_gym.features.custom import Column, CustomFeature, feature
from tradeready_gym.features.differences import FractionalDifference, LogDifference, PercentChange
from tradeready_gym.features.higher_timeframe import HigherTimeframe
from tradeready_gym.features.indicators import (
    AverageDirectionalIndex,
    AverageTrueRange,
    BollingerBands,
    Macd,
    Ohlcv,
    RelativeStrengthIndex,
    Volume,
)
from tradeready_gym.features.pipeline import DEFAULT_FEATURES, RAW_FEATURES, FeaturePipeline
from tradeready_gym.features.ranges import Comparison, FixedMinMax
from tradeready_gym.features.registry import KNOWN_NAMES, parse_feature
from tradeready_gym.features.scale_free import (
    EngineeredFeatures,
    GapFlag,
    LogReturns,
    Momentum,
    MovingAverageRatio,
    RelativeCandles,
    TimeOfWeek,
    Volatility,
)
from tradeready_gym.features.scalers import MinMaxScaler, StandardScaler
from tradeready_gym.features.sources import CandleColumn
from tradeready_gym.features.talib_function import TALib
from tradeready_gym.features.warmup_mask import WarmupMask

__all__ = [
    "ACCOUNT_CODES",
    "BALANCE",
    "DEFAULT_FEATURES",
    "KNOWN_NAMES",
    "POSITION",
    "RAW_FEATURES",
    "TIME_TO_END",
    "UNREALIZED_PNL",
    "AverageDirectionalIndex",
    "AverageTrueRange",
    "BollingerBands",
    "Calendar",
    "CandleColumn",
    "Column",
    "Comparison",
    "CustomFeature",
    "EngineeredFeatures",
    "Feature",
    "FeaturePipeline",
    "FixedMinMax",
    "FractionalDifference",
    "GapFlag",
    "HigherTimeframe",
    "LogDifference",
    "LogReturns",
    "Macd",
    "MinMaxScaler",
    "Momentum",
    "MovingAverage",
    "MovingAverageRatio",
    "Ohlcv",
    "PercentChange",
    "RelativeCandles",
    "RelativeStrengthIndex",
    "StandardScaler",
    "SymbolCandles",
    "TALib",
    "TimeOfWeek",
    "Volatility",
    "Volume",
    "WarmupMask",
    "account_bounds",
    "account_codes",
    "account_columns",
    "account_width",
    "check_causality",
    "check_later_anchor",
    "feature",
    "parse_feature",
]
