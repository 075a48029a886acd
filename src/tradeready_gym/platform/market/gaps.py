"""What is missing from the stored candles, looked for once and again only where files have changed."""

import logging
import threading
from dataclasses import dataclass

import numpy as np

from tradeready_gym.market import Span, Timeframe, load_sample
from tradeready_gym.market.store_files import list_files
from tradeready_gym.platform.market.catalog import Catalog, Source

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Missing:
    """`candles` in a row that are not there; times are microseconds."""

    symbol: str
    timeframe: Timeframe
    span: Span

    @property
    def candles(self) -> int:
        """How many are missing."""
        return (self.span.end - self.span.start) // self.timeframe.microseconds


class GapFinder:
    """The gaps of a catalog's sources. Reads the times of the candles only."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog, self._lock = catalog, threading.Lock()
        self._found: dict[tuple[str, str, bool], tuple[object, list[Missing]]] = {}

    def find(self) -> list[Missing]:
        """Every gap between the first and the last candle of each source, in order of symbol and time."""
        with self._lock:
            return [missing for source in self._catalog.sources() for missing in self._of(source)]

    def of(self, source: Source) -> list[Missing]:
        """The gaps of one source, in order of time."""
        with self._lock:
            return self._of(source)

    def _of(self, source: Source) -> list[Missing]:
        key = (source.symbol, source.timeframe.label, source.sample)
        folder = self._catalog.store.root / source.symbol / source.timeframe.label
        paths = [] if source.sample else [file.path for file in list_files(folder)]
        if key not in self._found or self._found[key][0] != paths:
            times = _sample_times() if source.sample else _stored_times([str(path) for path in paths])
            if times is None:
                return []
            self._found[key] = paths, _missing(source, times)
        return self._found[key][1]


def _sample_times() -> np.ndarray:
    sample = load_sample()
    return np.asarray(sample.times[~sample.gaps[0]])


def _stored_times(paths: list[str]) -> np.ndarray | None:
    import duckdb

    query = "SELECT DISTINCT epoch_us(bucket) AS time FROM read_parquet($paths) ORDER BY time"
    try:
        with duckdb.connect(":memory:") as connection:
            times: np.ndarray = connection.execute(query, {"paths": paths}).fetchnumpy()["time"]
    except duckdb.Error as error:
        # damaged, or joined with others since it was listed: looked at again the next time
        _log.warning("the times of %s cannot be read: %s", paths[0], error)
        return None
    return np.asarray(times, np.int64)


def _missing(source: Source, times: np.ndarray) -> list[Missing]:
    step = source.timeframe.microseconds
    before = np.flatnonzero(np.diff(times) > step)
    spans = [Span(int(times[place]) + step, int(times[place + 1])) for place in before]
    return [Missing(source.symbol, source.timeframe, span) for span in spans]
