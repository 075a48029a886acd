"""The part of Binance's public REST interface that a feed needs. No key, no account.

Source: https://developers.binance.com/docs/binance-spot-api-docs/rest-api (market data endpoints).
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx2
import numpy as np

from tradeready_gym.errors import DownloadError, UnknownName
from tradeready_gym.live.assembler import Values
from tradeready_gym.market import Instrument, Timeframe

REST_URL = "https://data-api.binance.vision"
PAGE = 1000
WEIGHT_PER_MINUTE = 6000
WEIGHT_WINDOW = 60.0  # seconds after which the venue counts anew
ATTEMPTS = 8
_LONGEST_WAIT = 60.0
_SHARE_OF_WEIGHT = 0.8
_log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class BinanceRest:
    """Candles, clock, filters and quotes. A refusal (429, 418) is respected for as long as it says; 5xx are tried again, later.

    `wait(seconds)` is called to pause; it may raise to give up. With `attempts=1` nobody waits: a request that has to be put
    off, or fails, is a `DownloadError` at once.
    """

    def __init__(
        self, url: str = REST_URL, wait: Callable[[float], object] = time.sleep, seed: int | None = None
    ) -> None:
        self._http = httpx2.Client(base_url=url, timeout=10.0)
        self._wait = wait
        self._jitter = np.random.default_rng(seed)
        self._not_before = 0.0
        self._lock, self._asking = threading.Lock(), threading.Lock()
        self.weight_limit = WEIGHT_PER_MINUTE
        self.used_weight = 0
        self.refusals = 0
        self.malformed = 0

    def time(self, asking: Callable[[], object] = lambda: None, attempts: int = ATTEMPTS) -> int:
        """What the venue says that its clock is, microseconds; `asking()` is called before each request that goes out."""
        return self._read("/api/v3/time", {}, attempts, lambda answer: int(answer["serverTime"]) * 1000, before=asking)

    def klines(
        self, symbol: str, timeframe: Timeframe, start: int, end: int, attempts: int = ATTEMPTS
    ) -> list[tuple[int, int, Values]]:
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
            page = self._read("/api/v3/klines", query, attempts, _rows_of)
            found += page
            if len(page) < PAGE:
                break
            start = found[-1][0] + timeframe.microseconds
        return found

    def instruments(self, symbols: tuple[str, ...], attempts: int = ATTEMPTS) -> dict[str, Instrument]:
        """The venue's filters; its limit on weight is respected from then on."""
        return self._read("/api/v3/exchangeInfo", {"symbols": _listed(symbols)}, attempts, self._rules_of)

    def _rules_of(self, info: Any) -> dict[str, Instrument]:
        for limit in info.get("rateLimits", ()):
            if limit.get("rateLimitType") == "REQUEST_WEIGHT" and limit.get("interval") == "MINUTE":
                self.weight_limit = int(limit["limit"])
        rules = {}
        for entry in info["symbols"]:
            filters = {item["filterType"]: item for item in entry["filters"]}
            notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
            rules[entry["symbol"]] = Instrument(
                entry["symbol"],
                lot_size=float(filters["LOT_SIZE"]["stepSize"]),
                tick_size=float(filters["PRICE_FILTER"]["tickSize"]),
                min_notional=float(notional.get("minNotional", 0.0)),
                max_quantity=float(filters["LOT_SIZE"].get("maxQty", 0.0)),
                min_quantity=float(filters["LOT_SIZE"].get("minQty", 0.0)),
                # an upper bound that market orders need not keep is none
                max_notional=float(notional.get("maxNotional", 0.0)) if notional.get("applyMaxToMarket") else 0.0,
            )
        return rules

    def quotes(self, symbols: tuple[str, ...], attempts: int = 1) -> dict[str, tuple[float, float]]:
        """The best bid and ask of each symbol that has both, now."""
        return self._read("/api/v3/ticker/bookTicker", {"symbols": _listed(symbols)}, attempts, _quotes_of)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _read(
        self,
        path: str,
        query: dict[str, Any],
        attempts: int,
        read: Callable[[Any], Answer],
        before: Callable[[], object] = lambda: None,
    ) -> Answer:
        problem = ""
        for attempt in range(attempts):
            self._wait_for_leave(path, attempts)
            # one at a time: a request that is under way must not be followed by another before its refusal is known
            with self._asking:
                if self._held() > 0.0:
                    problem = problem or "refused meanwhile"
                    continue
                before()
                try:
                    answer = self._http.get(path, params=query)
                except httpx2.TransportError as error:
                    problem = f"{type(error).__name__}: {error}"
                    self._hold(self._backoff(attempt))
                    continue
                problem = self._refusal(path, query, answer, attempt)
            if not problem:
                try:
                    return read(answer.json())
                except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
                    self.malformed += 1
                    problem = f"its answer is none of the documented ones: {type(error).__name__}: {error}"
                    self._hold(self._backoff(attempt))
        raise DownloadError(f"{path} did not answer {attempts} times; the last time: {problem}")

    def _refusal(self, path: str, query: dict[str, Any], answer: httpx2.Response, attempt: int) -> str:
        self.used_weight = int(answer.headers.get("x-mbx-used-weight-1m", 0) or 0)
        if answer.status_code in (429, 418):
            self.refusals += 1
            seconds = float(answer.headers.get("retry-after") or _LONGEST_WAIT)
            self._hold(seconds)
            problem = f"{answer.status_code}, come back in {seconds:g} s"
            _log.warning("%s answered %s", path, problem)
            return problem
        if answer.status_code >= 500:
            self._hold(self._backoff(attempt))
            return f"HTTP {answer.status_code}"
        if answer.status_code >= 400:
            raise _refused(path, query, answer)
        if self.used_weight > _SHARE_OF_WEIGHT * self.weight_limit:
            # the venue counts by its own minutes: after a whole one it has forgotten
            self._hold(WEIGHT_WINDOW)
        return ""

    def _backoff(self, attempt: int) -> float:
        return min(_LONGEST_WAIT, 0.25 * 2.0**attempt) * self._jitter.uniform(0.5, 1.0)

    def _hold(self, seconds: float) -> None:
        # a ban counts for every request of this client, not only for the one that met it
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _held(self) -> float:
        with self._lock:
            return self._not_before - time.monotonic()

    def _wait_for_leave(self, path: str, attempts: int) -> None:
        seconds = self._held()
        if seconds <= 0.0:
            return
        if attempts == 1:
            raise DownloadError(f"{path} has to wait for {seconds:.1f} s: the venue refused, or failed")
        self._wait(seconds)


def _rows_of(page: Any) -> list[tuple[int, int, Values]]:
    rows = []
    for row in page:
        open, high, low, close, volume = (float(row[k]) for k in (1, 2, 3, 4, 5))
        rows.append((int(row[0]) * 1000, int(row[6]) * 1000, (open, high, low, close, volume)))
    return rows


def _quotes_of(entries: Any) -> dict[str, tuple[float, float]]:
    found = {entry["symbol"]: (float(entry["bidPrice"]), float(entry["askPrice"])) for entry in entries}
    # a side on which nobody offers is told as zero
    return {symbol: (bid, ask) for symbol, (bid, ask) in found.items() if 0.0 < bid <= ask < math.inf}


def _listed(symbols: tuple[str, ...]) -> str:
    return "[" + ",".join(f'"{symbol}"' for symbol in symbols) + "]"


def _refused(path: str, query: dict[str, Any], answer: httpx2.Response) -> Exception:
    try:
        said = answer.json()
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    if said.get("code") == -1121:
        return UnknownName("symbol of Binance", query.get("symbol", query.get("symbols")), ())
    return DownloadError(f"{path} refused {query}: HTTP {answer.status_code} {said.get('msg', '')}")
