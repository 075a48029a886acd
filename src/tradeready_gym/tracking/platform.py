"""Speaks the training API of a platform: one request at a time, and what its answer means for who sends."""

import contextlib
import importlib
import math
import os
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from tradeready_gym.errors import ConfigurationError, PlatformRefused, PlatformUnavailable
from tradeready_gym.tracking import clock

DEFAULT_URL = "http://localhost:8000"
TRAINING = "/api/v1/training/runs"
LONGEST_WAIT_S = 300.0
_CONNECT_TIMEOUT_S = 3.0
_TIMEOUT_S = 15.0
_KEY_STATUSES = (401, 403)
_LATER_STATUSES = (408, 425, 429)
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_ALONE = (
    "Leave out api_key= and base_url=: the environment then runs on local candles and keeps its training runs in a local "
    "journal."
)


class Later(Exception):
    """The platform cannot take it now. `wait_s` is how long it asked to be left alone; `away`: nothing else gets through."""

    def __init__(self, message: str, *, wait_s: float = 0.0, away: bool = True) -> None:
        super().__init__(message)
        self.wait_s, self.away = wait_s, away


class Refused(Exception):
    """The platform will never take it. `key`: it takes nothing from this key."""

    def __init__(self, message: str, *, key: bool = False) -> None:
        super().__init__(message)
        self.key = key


class TooLarge(Exception):
    """The platform takes less at once."""


class Platform:
    """The platform at `url` as the account of `api_key`. Connections are kept; not to be shared by threads."""

    def __init__(self, url: str, api_key: str) -> None:
        import httpx2

        self.url = url
        self._errors = httpx2.HTTPError
        target = httpx2.URL(url)
        self._client = httpx2.Client(
            base_url=url,
            headers={"X-API-Key": api_key},
            timeout=httpx2.Timeout(_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
            verify=target.scheme == "https",  # reading the certificates takes 50 ms
            trust_env=target.host not in _LOCAL_HOSTS,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Send a message. Raises `Later`, `TooLarge` or `Refused` unless the platform has taken it."""
        answer = self._ask("POST", path, body)
        if not isinstance(answer, dict) or "run_id" not in answer:
            raise Refused(f"what answers at {self.url} is no platform for training runs; is base_url= right?")

    def check(self) -> None:
        """Raise `Later` or `Refused` unless the platform answers and takes the key."""
        if not isinstance(self._ask("GET", f"{TRAINING}?limit=1", None), list):
            raise Refused(f"what answers at {self.url} is no platform for training runs; is base_url= right?")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        try:
            response = self._client.request(method, path, json=body)
        except self._errors as error:
            raise Later(f"{type(error).__name__}: {error}") from error
        status = response.status_code
        if status < 300:
            with contextlib.suppress(ValueError):
                return response.json()
            return None
        said = f"status {status}{_said(response)}"
        if status == 413:
            raise TooLarge(said)
        if status >= 500 or status in _LATER_STATUSES:
            wait = _retry_after(response.headers.get("Retry-After"))
            raise Later(said, wait_s=wait, away=status in (429, 502, 503, 504))
        if 300 <= status < 400:
            said += f", a redirect to {response.headers.get('Location')!r}: give that address as base_url="
        raise Refused(said, key=status in _KEY_STATUSES)


def prepare() -> None:
    """Import what sending needs, in the thread that calls: a fork during an import leaves the child without that module."""
    importlib.import_module("encodings.idna")
    Platform("http://localhost", "").close()


def platform_url(base_url: str | None = None) -> str:
    """The address of the platform: `base_url`, else `$TRADEREADY_URL`, else http://localhost:8000.

    Raises:
        ConfigurationError: it is no address of the web.
    """
    import httpx2

    url = (base_url or os.environ.get("TRADEREADY_URL") or DEFAULT_URL).rstrip("/")
    try:
        target = httpx2.URL(url)
        good = target.scheme in ("http", "https") and bool(target.host) and not target.userinfo
    except httpx2.InvalidURL:
        good = False
    if not good:
        raise ConfigurationError(f"base_url must be like http://localhost:8000, without a user's name; got {url!r}")
    return url


def checked_key(api_key: str) -> str:
    """The key, if a header can carry it. Raises `ConfigurationError`."""
    if not isinstance(api_key, str) or not api_key.isascii() or not api_key.isprintable() or not api_key.strip():
        raise ConfigurationError("api_key must be a key that `tradeready serve` has shown, such as 'ak_live_...'")
    return api_key.strip()


def check_platform(api_key: str, base_url: str | None = None) -> None:
    """Ask the platform once whether it is there and takes the key.

    Raises:
        PlatformUnavailable: no platform answers at `base_url`.
        PlatformRefused: it does not take the key.
    """
    url, key = platform_url(base_url), checked_key(api_key)
    platform = Platform(url, key)
    try:
        platform.check()
    except (Later, TooLarge) as error:
        raise PlatformUnavailable(
            f"api_key= was given, and no platform answers at {url} ({error}). Start one with `tradeready serve`, or give "
            f"the address of a running one as base_url= or TRADEREADY_URL. {_ALONE}"
        ) from error
    except Refused as error:
        what = "does not take the key" if error.key else "cannot be worked with"
        raise PlatformRefused(
            f"the platform at {url} {what}: {error}. Its page /settings makes a new key. {_ALONE}"
        ) from error
    finally:
        platform.close()


def _said(response: Any) -> str:
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        error = response.json()["error"]
        return f" {error['code']}: {error['message']}"
    return ""


def _retry_after(header: str | None) -> float:
    if header is None:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - clock.moment()).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT_S) if math.isfinite(seconds) else 0.0
