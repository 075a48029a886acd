"""Days to play: one that is made here, with a halt, and recorded ones where the recordings are.

The recordings are files SYMBOL.parquet of 1-minute candles in `spot/1m` of a folder `shared/data` in or beside the checkout,
or of the folder that TRADEREADY_RECORDINGS names. Without them the made day is played alone, and the test run says so.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tradeready_gym.market import Candles, format_time, resolve, synthetic

ROOT = Path(__file__).resolve().parents[2]
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
HISTORY, DAY = 1500, 1440
MINUTE = 60_000_000


@dataclass(frozen=True)
class PlayedDay:
    """1440 minutes from `start` on, the candles before them, and how many of them have no candle."""

    name: str
    candles: Candles
    start: str
    halted: int

    def __str__(self) -> str:
        return self.name


def folder_of_recordings() -> Path | None:
    """Where the recordings are, if they are anywhere."""
    named = os.environ.get("TRADEREADY_RECORDINGS")
    places = [Path(named)] if named else [ROOT / "shared" / "data", ROOT.parent / "shared" / "data"]
    return next((place for place in places if all(_file(place, symbol).is_file() for symbol in SYMBOLS)), None)


def recorded_day(date: str, symbols: tuple[str, ...] = SYMBOLS) -> PlayedDay:
    """The day `date` of the recordings, whole."""
    folder = folder_of_recordings()
    if folder is None:
        raise FileNotFoundError("the recordings are not here; see the top of this file")
    start = f"{date}T00:00:00Z"
    parts = []
    for symbol in symbols:
        whole = resolve(_file(folder, symbol), symbols=(symbol,), timeframe="1m")[0]
        row = whole.row_of(start)
        parts.append(whole.between(int(whole.times[row - HISTORY]), int(whole.times[row]) + DAY * MINUTE))
    candles = Candles.merge(parts)
    return PlayedDay(f"recorded {date}", candles, start, int(candles.gaps[:, HISTORY:].all(axis=0).sum()))


def made_day(symbols: tuple[str, ...] = SYMBOLS[:1]) -> PlayedDay:
    """A day whose market halts for 20 minutes, after some without a trade, with prices of eight decimals as on the wire."""
    bars = HISTORY + DAY
    whole = synthetic(symbols=symbols, timeframe="1m", start="2024-01-01T00:00:00Z", bars=bars, seed=9)
    halt = slice(HISTORY + 700, HISTORY + 720)
    keep = np.ones(bars, np.bool_)
    keep[halt] = False
    values = {name: np.round(getattr(whole, name), 8) for name in ("open", "high", "low", "close", "volume")}
    last = values["close"][:, HISTORY + 694][:, None]
    for name in ("open", "high", "low", "close"):
        values[name][:, HISTORY + 695 : HISTORY + 700] = last
    values["volume"][:, HISTORY + 695 : HISTORY + 700] = 0.0
    kept = [array[:, keep] for array in values.values()]
    candles = Candles.from_arrays(symbols, "1m", whole.times[keep], *kept, end=whole.end)
    return PlayedDay("made, with a halt", candles, format_time(int(whole.times[HISTORY])), 20)


def _file(folder: Path, symbol: str) -> Path:
    return folder / "spot" / "1m" / f"{symbol}.parquet"
