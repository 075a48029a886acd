"""Candles that a platform serves: each range fetched once, kept on disk, and checked against its fingerprint."""

import contextlib
import hashlib
import io
import json
import os
import uuid
import weakref
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tradeready_gym.errors import DataError, DataUnavailable, DownloadError
from tradeready_gym.market.candles import VALUE_NAMES, Candles
from tradeready_gym.market.sources.http import Fetcher
from tradeready_gym.market.timeframe import Timeframe, TimeLike, format_time, parse_time

_Key = tuple[str, str, str, int | None, int | None]
# ranges whose ends the platform chose, as long as somebody in this process uses them
_in_use: weakref.WeakValueDictionary[_Key, Candles] = weakref.WeakValueDictionary()


@dataclass(frozen=True)
class PlatformCandles:
    """The candles of the platform at `url`, as a `data=`: never those of another place."""

    url: str

    def fetch(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        history_bars: int = 0,
    ) -> Candles:
        """Candles of `[start, end)` and `history_bars` before; without dates, what the platform has in one piece.

        A range with both dates is asked for once and then kept below `TRADEREADY_HOME/platforms`. Raises
        `DataUnavailable` with what the platform has, `DownloadError` if it does not answer or answers something else.
        """
        first = None if start is None else parse_time(start, name="start_time") - history_bars * timeframe.microseconds
        last = None if end is None else parse_time(end, name="end_time")
        return Candles.merge([self._one(symbol, timeframe, first, last) for symbol in symbols])

    def _one(self, symbol: str, timeframe: Timeframe, start: int | None, end: int | None) -> Candles:
        key = (self.url, symbol, timeframe.label, start, end)
        known = _in_use.get(key) or self._kept(symbol, timeframe, start, end)
        if known is None:
            content, fingerprint = self._download(symbol, timeframe, start, end)
            known = self._decoded(content, symbol, timeframe, fingerprint)
            if start is not None and end is not None:
                _publish(self._place(symbol, timeframe, start, end) / f"{fingerprint}.npz", content)
        _in_use[key] = known
        return known

    def _kept(self, symbol: str, timeframe: Timeframe, start: int | None, end: int | None) -> Candles | None:
        if start is None or end is None:
            return None
        for path in sorted(self._place(symbol, timeframe, start, end).glob("*.npz")):
            with contextlib.suppress(OSError, DownloadError):  # a damaged file is fetched anew
                return self._decoded(path.read_bytes(), symbol, timeframe, path.stem)
        return None

    def _place(self, symbol: str, timeframe: Timeframe, start: int, end: int) -> Path:
        home = Path(os.environ.get("TRADEREADY_HOME") or "~/.tradeready").expanduser()
        platform = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        span = "_".join(format_time(edge).replace(":", "").replace("-", "") for edge in (start, end))
        return home / "platforms" / platform / symbol / timeframe.label / span

    def _download(self, symbol: str, timeframe: Timeframe, start: int | None, end: int | None) -> tuple[bytes, str]:
        # a platform whose feed plays the past tells what comes after it to those alone who ask for history
        asked = {"interval": timeframe.label, "format": "npz", "history": "true"}
        asked |= {
            name: format_time(edge) for name, edge in (("start_time", start), ("end_time", end)) if edge is not None
        }
        with Fetcher(self.url) as fetcher:
            status, headers, content = fetcher.ask(f"api/v1/market/candles/{symbol}/columns", asked)
        if status == 200 and headers.get("X-Candles-Fingerprint"):
            return content, str(headers["X-Candles-Fingerprint"])
        span = " .. ".join("(open)" if edge is None else format_time(edge) for edge in (start, end))
        if status in (400, 404, 413, 422):
            raise DataUnavailable(
                f"the platform at {self.url} has no {symbol} {timeframe} for {span}: {_said(content)}. Give it the candles "
                f"there (`tradeready data download {symbol} --timeframe {timeframe}`), ask for a span that it has, or bring "
                f"your own as data="
            )
        raise DownloadError(
            f"{self.url} answered status {status} when it was asked for candles of {symbol}; is it a platform?"
        )

    def _decoded(self, content: bytes, symbol: str, timeframe: Timeframe, fingerprint: str) -> Candles:
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                columns = {name: archive[name] for name in archive.files if name != "allow_pickle"}
            times, gaps = columns.pop("time"), columns.pop("gap")
            values: dict[str, Any] = {name: columns.pop(name)[np.newaxis] for name in VALUE_NAMES}
            own = {name: column[np.newaxis] for name, column in columns.items()}
            source = f"platform ({self.url})"
            candles = Candles((symbol,), timeframe, times, **values, gaps=gaps[np.newaxis], columns=own, source=source)
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, DataError) as error:
            raise DownloadError(
                f"what {self.url} sent for {symbol} {timeframe} is no table of candles: {error}"
            ) from error
        if candles.fingerprint != fingerprint:
            raise DownloadError(f"candles of {symbol} {timeframe} from {self.url} arrived damaged: another fingerprint")
        return candles


def _publish(path: Path, content: bytes) -> None:
    written = path.with_name(f".writing-{uuid.uuid4().hex[:8]}")
    with contextlib.suppress(OSError):  # a cache: without it they are fetched again
        path.parent.mkdir(parents=True, exist_ok=True)
        written.write_bytes(content)
        os.replace(written, path)


def _said(content: bytes) -> str:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(content)["error"]["message"]).rstrip(".")
    return "it does not say why"
