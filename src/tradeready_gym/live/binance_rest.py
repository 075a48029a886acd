"""The part of Binance's public REST interface that a feed needs. No key, no account.

Source: https://developers.binance.com/docs/binance-spot-api-docs/rest-api (market data endpoints).
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx2
import numpy as np

from tradeready_gym.errors import DownloadError, UnknownName
from tradeready_gym.live.assembler import Values
from tradeready_gym.live.clock import Clock, WallClock
from tradeready_gym.market import Instrument, Timeframe

REST_URL = "https://data-api.binance.vision"
PAGE = 1000
WEIGHT_PER_MINUTE = 6000
_ATTEMPTS = 8
_LONGEST_WAIT = 60.0
_log = logging.getLogger(__name__)


class BinanceRest:
    """Candles, clock and filters. A refusal (429, 418) is respected for as long as it says; 5xx are tried again, later.

    `wait(seconds)` is called to pause; it may raise to give up.
    """

    def __init__(
        self, url: str = REST_URL, wait: Callable[[float], object] = time.sleep, seed: int | None = None
    ) -> None:
        self._http = httpx2.Client(base_url=url, timeout=10.0)
        self._wait = wait
        self._jitter = np.random.default_rng(seed)
        self._not_before = 0.0
        self._lock = threading.Lock()
        self.used_weight = 0
        self.refusals = 0
        self.malformed = 0

    def clock_offset(self, clock: Clock) -> int:
        """The venue's clock minus this one, in microseconds; measured around the one request that was answered."""
        asked: list[int] = []
        there = int(self._get("/api/v3/time", {}, before=lambda: asked.append(clock.now()))["serverTime"]) * 1000
        return there - (asked[-1] + clock.now()) // 2

    def klines(self, symbol: str, timeframe: Timeframe, start: int, end: int) -> list[tuple[int, int, Values]]:
        """Candles that open in `[start, end)`: open time, close time (both microseconds), and values; oldest first.

        The last one may still be running: its close time tells.
        """
        found: list[tuple[int, int, Values]] = []
        while start < end:
            query = {
                "symbol": symbol,
                "interval": timeframe.label,
                "startTime": start // 1000,
                "endTime": end // 1000 - 1,
                "limit": PAGE,
            }
            page = self._get("/api/v3/klines", query)
            for row in page:
                values = tuple(float(row[k]) for k in (1, 2, 3, 4, 5))
                found.append((int(row[0]) * 1000, int(row[6]) * 1000, values))  # type: ignore[arg-type]
            if len(page) < PAGE:
                break
            start = found[-1][0] + timeframe.microseconds
        return found

    def instruments(self, symbols: tuple[str, ...]) -> dict[str, Instrument]:
        """The venue's filters."""
        listed = "[" + ",".join(f'"{symbol}"' for symbol in symbols) + "]"
        rules = {}
        for entry in self._get("/api/v3/exchangeInfo", {"symbols": listed})["symbols"]:
            filters = {item["filterType"]: item for item in entry["filters"]}
            notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
            rules[entry["symbol"]] = Instrument(
                entry["symbol"],
                lot_size=float(filters["LOT_SIZE"]["stepSize"]),
                tick_size=float(filters["PRICE_FILTER"]["tickSize"]),
                min_notional=float(notional.get("minNotional", 0.0)),
            )
        return rules

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _get(self, path: str, query: dict[str, Any], before: Callable[[], object] = lambda: None) -> Any:
        problem = ""
        for attempt in range(_ATTEMPTS):
            self._pause()
            before()
            try:
                answer = self._http.get(path, params=query)
            except httpx2.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
                self._hold(self._backoff(attempt))
                continue
            self.used_weight = int(answer.headers.get("x-mbx-used-weight-1m", 0) or 0)
            if answer.status_code in (429, 418):
                self.refusals += 1
                seconds = float(answer.headers.get("retry-after") or _LONGEST_WAIT)
                problem = f"{answer.status_code}, come back in {seconds:g} s"
                _log.warning("%s answered %s", path, problem)
                self._hold(seconds)
            elif answer.status_code >= 500:
                problem = f"HTTP {answer.status_code}"
                self._hold(self._backoff(attempt))
            elif answer.status_code >= 400:
                raise _refused(path, query, answer)
            else:
                if self.used_weight > 0.8 * WEIGHT_PER_MINUTE:
                    self._hold(60.0 - WallClock().now() / 1e6 % 60.0)
                try:
                    return answer.json()
                except ValueError as error:
                    self.malformed += 1
                    problem = f"no JSON: {error}"
                    self._hold(self._backoff(attempt))
        raise DownloadError(f"{path} did not answer {_ATTEMPTS} times; the last time: {problem}")

    def _backoff(self, attempt: int) -> float:
        return min(_LONGEST_WAIT, 0.25 * 2.0**attempt) * self._jitter.uniform(0.5, 1.0)

    def _hold(self, seconds: float) -> None:
        # a ban counts for every request of this client, not only for the one that met it
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _pause(self) -> None:
        with self._lock:
            seconds = self._not_before - time.monotonic()
        if seconds > 0.0:
            self._wait(seconds)


def _refused(path: str, query: dict[str, Any], answer: httpx2.Response) -> Exception:
    try:
        said = answer.json()
    except ValueError:
        said = {}
    if said.get("code") == -1121:
        return UnknownName("symbol of Binance", query.get("symbol", query.get("symbols")), ())
    return DownloadError(f"{path} refused {query}: HTTP {answer.status_code} {said.get('msg', '')}")
