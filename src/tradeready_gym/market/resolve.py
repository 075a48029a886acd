"""`data=`: everything that an environment accepts as its market, turned into candles."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradeready_gym.errors import ConfigurationError, DataError, DataUnavailable, UnknownName
from tradeready_gym.market.automatic import find_candles
from tradeready_gym.market.candles import Candles, check_symbols
from tradeready_gym.market.download import ProgressCallback
from tradeready_gym.market.sample import SAMPLE_SYMBOL, load_sample
from tradeready_gym.market.sources.columns import has_symbols, read_table
from tradeready_gym.market.sources.files import CSV_SUFFIXES, PARQUET_SUFFIXES, read_columns
from tradeready_gym.market.sources.frame import is_frame, read_frame
from tradeready_gym.market.sources.platform import PlatformCandles
from tradeready_gym.market.sources.table import Table
from tradeready_gym.market.store import CandleStore
from tradeready_gym.market.synthetic import synthetic
from tradeready_gym.market.timeframe import Timeframe, TimeLike, parse_time

DATA_NAMES = ("auto", "sample", "synthetic")
_SYNTHETIC_START = "2021-01-01T00:00:00Z"
_SYNTHETIC_BARS = 26_280  # three years of hours


def resolve(
    data: Any,
    *,
    symbols: str | Sequence[str],
    timeframe: str | Timeframe,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    history_bars: int = 0,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> list[Candles]:
    """Return the candles that `data` stands for: one `Candles` of all `symbols` in `timeframe` per data set.

    `data` is one of

    - a pandas or Polars DataFrame, or a dict of arrays, of one symbol (or of several, with a column `symbol`);
    - a path: a CSV or Parquet file, a directory with one file per symbol (`BTCUSDT.parquet`, `BTCUSDT-1h.csv`), or a
      candle store;
    - a mapping from symbol to any of these (`symbols_of` says which); `Candles`; a list of data sets, of which each gives one `Candles`;
    - `"sample"` (real BTCUSDT 1h candles of 2021 to 2023), `"synthetic"` (made from `seed`), or `"auto"`: the candle
      store, then a download of what is missing, then the sample where it covers the range;
    - `PlatformCandles`: what a platform has, and nothing else.

    The timeframe of data is deduced from them; finer ones are resampled, coarser ones are an error. One's own data are
    returned whole: the environment takes its span and history from them. `"auto"`, `"synthetic"` and stores return
    `[start, end)` and `history_bars` candles before it; without `start`, `"synthetic"` begins in 2021, and every span of it from
    there on has the same prices. Raises `DataError`, `DataUnavailable`, `UnknownName` or
    `ConfigurationError` with the way out; never returns another market than the one asked for.
    """
    request = _Request(check_symbols(symbols), Timeframe.parse(timeframe), start, end, history_bars, seed, progress)
    if isinstance(data, (list, tuple)):
        if not data:
            raise ConfigurationError("data must hold at least one data set; found an empty list")
        return [_resolve_one(item, request) for item in data]
    return [_resolve_one(data, request)]


def symbols_of(data: Any) -> tuple[str, ...] | None:
    """The symbols that `data` themselves name: those of `Candles`, and the keys of a mapping from symbol to data.

    None for all other data. Raises `ConfigurationError` for a mapping that is empty, or names a symbol twice.
    """
    if isinstance(data, Candles):
        return data.symbols
    if isinstance(data, Mapping) and not is_frame(data):
        return tuple(_by_symbol(data))
    return None


@dataclass(frozen=True)
class _Request:
    symbols: tuple[str, ...]
    timeframe: Timeframe
    start: TimeLike | None
    end: TimeLike | None
    history_bars: int
    seed: int
    progress: ProgressCallback | None


def _resolve_one(data: Any, request: _Request) -> Candles:
    if isinstance(data, Candles):
        return data.select(request.symbols).resample(request.timeframe)
    if is_frame(data):
        return _from_table(read_frame(data), request)
    if isinstance(data, Mapping):
        return _from_mapping(data, request)
    if isinstance(data, PlatformCandles):
        return data.fetch(request.symbols, request.timeframe, request.start, request.end, request.history_bars)
    if isinstance(data, str) and data in DATA_NAMES:
        return _from_name(data, request)
    if isinstance(data, (str, os.PathLike)):
        return _from_path(Path(data).expanduser(), str(data), request)
    raise TypeError(
        "data must be a DataFrame, a path, a mapping from symbol to either, Candles, a list of such data sets, or one of "
        f"{', '.join(map(repr, DATA_NAMES))}; found {type(data).__name__}"
    )


def _from_name(name: str, request: _Request) -> Candles:
    if name == "sample":
        for symbol in request.symbols:
            if symbol != SAMPLE_SYMBOL:
                raise UnknownName("symbol", symbol, [SAMPLE_SYMBOL], " The packaged sample holds no other.")
        return load_sample().resample(request.timeframe)
    if name == "synthetic":
        return _make_synthetic(request)
    return find_candles(
        request.symbols,
        request.timeframe,
        request.start,
        request.end,
        request.history_bars,
        progress=request.progress,
    )


def _make_synthetic(request: _Request) -> Candles:
    step, opens = request.timeframe.microseconds, parse_time(_SYNTHETIC_START)
    bars = min(_SYNTHETIC_BARS, 3 * 365 * request.timeframe.bars_per_day)
    history = request.history_bars * step
    end = None if request.end is None else parse_time(request.end, name="end_time")
    if request.start is not None:
        start = parse_time(request.start, name="start_time") - history
    elif end is not None and end <= opens + history:
        start = end - bars * step - history
    else:
        start = opens
    if end is not None:
        if (end - start) % step or end <= start:
            raise ConfigurationError(
                f"end_time must be whole {request.timeframe} candles after start_time; found {request.start!r} and "
                f"{request.end!r}"
            )
        bars = (end - start) // step
    elif request.start is not None:
        bars += request.history_bars
    # prices begin anew where a series begins: every span behind the opening is one of the same series
    before = max(0, start - opens)
    if before % step:
        before = 0  # off the grid, which `synthetic` refuses
    made = synthetic(request.symbols, request.timeframe, start - before, before // step + bars, request.seed)
    return made.between(start) if before else made


def _from_mapping(data: Mapping[Any, Any], request: _Request) -> Candles:
    given = _by_symbol(data)
    parts = []
    for symbol in request.symbols:
        if symbol not in given:
            names = list(given)
            raise UnknownName(
                "symbol",
                symbol,
                given,
                f" Trade what data= is for with symbols={names} (with an id, pairs={names}), or give data for {symbol} too.",
            )
        parts.append(_resolve_one(given[symbol], _for_symbol(request, symbol)))
    return Candles.merge(parts)


def _by_symbol(data: Mapping[Any, Any]) -> dict[str, Any]:
    if not data:
        raise ConfigurationError(
            "data must hold at least one symbol; found an empty mapping: data={symbol: DataFrame or path}"
        )
    for key, value in data.items():
        if hasattr(value, "dtype") or isinstance(value, (list, tuple)):
            raise ConfigurationError(
                f"data must map symbols to DataFrames or paths, or columns to arrays, and then have open, high, low and close; "
                f"found {', '.join(map(str, data))}, and {type(value).__name__} for {key!r}"
            )
    names = check_symbols([str(key) for key in data])
    return dict(zip(names, data.values(), strict=True))


def _for_symbol(request: _Request, symbol: str) -> _Request:
    return _Request(
        (symbol,), request.timeframe, request.start, request.end, request.history_bars, request.seed, request.progress
    )


def _from_table(table: Table, request: _Request) -> Candles:
    if len(request.symbols) > 1 and not has_symbols(table):
        example = ", ".join(f"{symbol!r}: ..." for symbol in request.symbols)
        raise DataError(
            f"data for {len(request.symbols)} symbols ({', '.join(request.symbols)}) must say which rows are whose; "
            f"{table.source} has no column 'symbol'. Give a mapping: data={{{example}}}."
        )
    frame = request.timeframe if len(table) == 1 else None
    parts = [read_table(table, symbol, frame).candles.resample(request.timeframe) for symbol in request.symbols]
    return Candles.merge(parts)


def _from_path(path: Path, text: str, request: _Request) -> Candles:
    if path.is_file():
        return _from_table(read_columns(path), request)
    if not path.is_dir():
        known = ", ".join(map(repr, DATA_NAMES))
        raise DataUnavailable(f"data={text!r} is neither a file nor a directory, nor one of {known}")
    store = CandleStore(path)
    stored = {series.symbol for series in store.list()}
    if stored:
        return Candles.merge([_from_store(store, symbol, stored, request) for symbol in request.symbols])
    parts = [
        _from_table(read_columns(_file_of(path, symbol, request)), _for_symbol(request, symbol))
        for symbol in request.symbols
    ]
    return Candles.merge(parts)


def _from_store(store: CandleStore, symbol: str, stored: set[str], request: _Request) -> Candles:
    if symbol not in stored:
        raise UnknownName("symbol", symbol, stored, f" The store is {store.root}.")
    step = request.timeframe.microseconds
    start = (
        None if request.start is None else parse_time(request.start, name="start_time") - request.history_bars * step
    )
    frames = [frame for frame in reversed(Timeframe.all()) if step % frame.microseconds == 0]
    frame = next((frame for frame in frames if store.spans(symbol, frame)), request.timeframe)
    return store.read(symbol, frame, start, request.end).resample(request.timeframe)


def _file_of(folder: Path, symbol: str, request: _Request) -> Path:
    stems = (f"{symbol}-{request.timeframe}", f"{symbol}_{request.timeframe}", symbol)
    names = {path.name.lower(): path for path in sorted(folder.iterdir())}
    for stem in stems:
        for suffix in PARQUET_SUFFIXES + CSV_SUFFIXES:
            if (found := names.get((stem + suffix).lower())) is not None:
                return found
    raise DataUnavailable(
        f"{folder} holds no candles of {symbol}: expected a candle store, or a file named "
        f"{' or '.join(stem + PARQUET_SUFFIXES[0] for stem in stems)} (or .csv); found {', '.join(list(names)[:10]) or 'nothing'}"
    )
