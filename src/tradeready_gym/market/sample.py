"""The packaged sample: real hourly BTCUSDT candles of 2021 to 2023."""

import dataclasses
from functools import cache
from pathlib import Path

from tradeready_gym.market.candles import Candles
from tradeready_gym.market.sources.files import load_file

SAMPLE_SYMBOL = "BTCUSDT"
SAMPLE_TIMEFRAME = "1h"
# where it begins and ends: who only lists it need not read it
SAMPLE_SPAN = ("2021-01-01T00:00:00Z", "2024-01-01T00:00:00Z")


@cache
def load_sample() -> Candles:
    """Return BTCUSDT 1h from 2021-01-01 up to 2024-01-01 (26,280 slots, 14 of them gaps) with `quote_volume` and `trades`.

    Binance spot, as published; `sample/PROVENANCE.md` beside this file says where it came from. Read once a process.
    """
    path = Path(__file__).parent / "sample" / f"{SAMPLE_SYMBOL}-{SAMPLE_TIMEFRAME}.parquet"
    return dataclasses.replace(load_file(path, symbol=SAMPLE_SYMBOL, timeframe=SAMPLE_TIMEFRAME), source="sample")
