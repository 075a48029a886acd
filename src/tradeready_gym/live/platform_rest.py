"""Asks a platform for its feed: who refuses is named, who is away is asked again, later and later."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx2
import numpy as np

from tradeready_gym.errors import (
    AccountsDisagree,
    DataUnavailable,
    PlatformRefused,
    PlatformUnavailable,
    TradeReadyError,
    UnknownName,
)
from tradeready_gym.live.feed import FeedEnded
from tradeready_gym.tracking.platform import checked_key, platform_url

ATTEMPTS = 3
PREFIX = "/api/v1"
_LONGEST_WAIT = 30.0
_FIRST_WAIT = 0.1
_READY_WITHIN = 60.0  # a server that has just been started connects to its feed
_TIMEOUT = 15.0  # longer than the platform lets an answer wait
_CONNECT_TIMEOUT = 3.0
_log = logging.getLogger(__name__)


class PlatformRest:
    """The platform at `base_url` as the account of `api_key`; usable from several threads.

    `wait(seconds)` is called to pause; it may raise to give up.

    Raises:
        ConfigurationError: that is no key, or no address.
    """

    def __init__(self, base_url: str | None, api_key: str, wait: Callable[[float], object] = time.sleep) -> None:
        self.url = platform_url(base_url)
        self._http = httpx2.Client(
            base_url=self.url,
            headers={"X-API-Key": checked_key(api_key)},
            timeout=httpx2.Timeout(_TIMEOUT, connect=_CONNECT_TIMEOUT),
            verify=self.url.startswith("https"),
        )
        self._wait, self._lock = wait, threading.Lock()
        self._jitter = np.random.default_rng()
        self._not_before, self._failures = 0.0, 0
        self.failed = self.malformed = 0
        self.problem: str | None = None
        self._closed = False

    def ask(
        self,
        path: str,
        query: Mapping[str, str],
        keys: Sequence[str],
        attempts: int | None = ATTEMPTS,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """What the platform answers to a question, an object with these keys; with `attempts=None` it is asked until it answers.

        With a `body` something is done, which must be harmless when it is done twice. One that is there, and says that it is not ready, is waited for, for a while; but not with `attempts=1`.

        Raises:
            PlatformUnavailable: it does not answer, or cannot now.
            PlatformRefused: it does not take the key, or has no such route.
            DataUnavailable: it has no feed, or not what was asked for.
            UnknownName: its feed has no such symbol.
            OrderRefused: an order, with the reason.
            FeedEnded: this was closed.
        """
        tried, begin = 0, time.monotonic()
        while True:
            self._wait(self.held())
            try:
                return self._once(path, query, keys, body)
            except _NotReady:
                if attempts == 1 or (attempts and time.monotonic() - begin > _READY_WITHIN):
                    raise
            except PlatformUnavailable:
                tried += 1
                if attempts and tried >= attempts:
                    raise

    def held(self) -> float:
        """Seconds for which the platform is left alone."""
        with self._lock:
            return max(0.0, self._not_before - time.monotonic())

    @property
    def away(self) -> bool:
        """Whether the last question was not answered."""
        return self._failures > 0

    def close(self) -> None:
        """Close the connections; whoever is asking hears that it was closed."""
        self._closed = True
        self._http.close()

    def _once(
        self, path: str, query: Mapping[str, str], keys: Sequence[str], body: Mapping[str, Any] | None = None
    ) -> Any:
        method = "GET" if body is None else "POST"
        try:
            answer = self._http.request(method, f"{PREFIX}{path}", params=query, json=body)
        except (httpx2.TransportError, RuntimeError) as problem:
            if self._closed:
                raise FeedEnded("the feed was closed") from problem
            raise self._later(f"{type(problem).__name__}: {problem}") from problem
        said = _json(answer)
        status = answer.status_code
        if status in (200, 201) and isinstance(said, dict) and set(keys) <= said.keys():
            self._answered()
            return said
        told = said.get("error") if isinstance(said, dict) else None
        error: dict[str, Any] = told if isinstance(told, dict) else {}
        self._refuse(status, error)
        self.malformed += status == 200
        what = f"status {status} {error.get('message', '')}".rstrip()
        raise self._later(what, answer.headers.get("Retry-After"), ready=status not in (429, 503))

    def _refuse(self, status: int, error: Mapping[str, Any]) -> None:
        """Raise what will not change by asking again."""
        message, details = str(error.get("message", "")), error.get("details") or {}
        if status in (401, 403):
            raise PlatformRefused(
                f"the platform at {self.url} does not take the key: status {status} {message}. Its page /settings makes a new "
                "one; the account stays as it is, and goes on with it"
            )
        if details.get("feed") == "none":
            raise DataUnavailable(
                f"the platform at {self.url} has no feed: start it with `tradeready serve --feed binance` (or ccxt:VENUE, or "
                "replay:DATA:START), or say where candles come from with venue= or feed="
            )
        if error.get("code") in ("ORDER_REJECTED", "INSUFFICIENT_BALANCE"):
            raise OrderRefused(str(details.get("reason")))
        if error.get("code") == "CLIENT_ORDER_ID_TAKEN":
            raise AccountsDisagree(f"at {self.url} {message}: somebody else has placed it there; reset() begins anew")
        if error.get("code") == "INVALID_SYMBOL":
            raise UnknownName(f"pair of the feed at {self.url}", details.get("symbol"), details.get("known", ()))
        if status in (400, 404, 422) and error and error.get("code") != "NOT_FOUND":
            raise DataUnavailable(f"the platform at {self.url} does not have that: {message}")
        if status < 500 and status not in (200, 201, 408, 425, 429):
            raise PlatformRefused(
                f"what answers at {self.url} is no platform with a feed (status {status} {message}); is base_url= right, and "
                "the server of this version?"
            )

    def _answered(self) -> None:
        with self._lock:
            self._failures, self._not_before = 0, 0.0

    def _later(self, problem: str, told: str | None = None, *, ready: bool = True) -> PlatformUnavailable:
        with self._lock:
            self.failed += 1
            self._failures += 1
            seconds = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(self._failures, 12)) * self._jitter.uniform(0.5, 1.0)
            self._not_before = time.monotonic() + max(seconds, _seconds(told))
            self.problem = problem
        _log.warning("the platform at %s does not answer, it is asked again: %s", self.url, problem)
        kind = PlatformUnavailable if ready else _NotReady
        return kind(
            f"no platform answers at {self.url} ({problem}). Start one with `tradeready serve --feed binance`, or give the "
            "address of a running one as base_url= or TRADEREADY_URL"
        )


class OrderRefused(TradeReadyError):
    """The platform took the question, and not the order; says the reason alone."""


class _NotReady(PlatformUnavailable):
    pass


def _json(answer: httpx2.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _seconds(told: str | None) -> float:
    try:
        return min(max(float(told or 0.0), 0.0), 10.0 * _LONGEST_WAIT)
    except ValueError:
        return 0.0
