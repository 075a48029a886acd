"""One way to fetch a file over HTTP: short connect timeout, retries with back-off and jitter, `Retry-After` honoured."""

import threading
import zlib
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from tradeready_gym.errors import DownloadError

ATTEMPTS = 5
_BACK_OFF_S = 0.5  # doubles with every attempt
_LONGEST_WAIT_S = 60.0
_CONNECT_TIMEOUT_S = 3.0
_READ_TIMEOUT_S = 30.0
_PROBE_S = 5.0  # covers name resolution too, which no timeout of the client does


class HostUnreachable(DownloadError):
    """No connection to the host at all, found out within seconds."""


class Fetcher:
    """Fetches files below `base_url`; usable from several threads, closed by `with`."""

    def __init__(self, base_url: str, *, sleep: Callable[[float], None] | None = None) -> None:
        import httpx2

        self.base_url = base_url.rstrip("/")
        self._errors = httpx2
        self._stopped = threading.Event()
        self._answered = False
        self._sleep = self._wait if sleep is None else sleep
        timeout = httpx2.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
        self._client = httpx2.Client(timeout=timeout, follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._client.close()

    def stop(self) -> None:
        """Let no request wait or try again any more; what runs is finished."""
        self._stopped.set()

    def probe(self) -> None:
        """Raise `HostUnreachable` unless the host answers, with whatever status, within seconds."""
        outcome: list[Any] = []

        def ask() -> None:
            try:
                outcome.append(self._client.head(self.base_url + "/").status_code)
            except (self._errors.HTTPError, self._errors.InvalidURL, OSError) as error:
                outcome.append(error)  # for the caller's thread

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(_PROBE_S)
        if not outcome:
            raise HostUnreachable(f"{self.base_url} did not answer within {_PROBE_S:g} s")
        if isinstance(outcome[0], (self._errors.UnsupportedProtocol, self._errors.InvalidURL)):
            raise DownloadError(f"the archive's address must be like https://host; found {self.base_url!r}")
        if isinstance(outcome[0], (self._errors.ConnectError, self._errors.TimeoutException, self._errors.ProxyError)):
            raise HostUnreachable(f"{self.base_url} cannot be reached: {outcome[0]}") from outcome[0]

    def get(self, path: str, *, fresh: bool = False) -> bytes | None:
        """Return the file's bytes, or None if the host says that there is none (404).

        `fresh` asks caches on the way to fetch it anew. Raises `DownloadError` for another refusal, and after the last
        of the attempts that lost connections, status 429 and 5xx get; `HostUnreachable` if the host never gave a file nor
        a 404 before.
        """
        headers = {"Cache-Control": "no-cache"} if fresh else {}
        response = self._request(path, headers, None)
        if response.status_code in (200, 404):
            self._answered = True
            return bytes(response.content) if response.status_code == 200 else None
        raise self._failure(
            f"{self.base_url}/{path} was refused with status {response.status_code}; is the address right, and open to you?"
        )

    def ask(self, path: str, asked: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and bytes of an answer to a query, whatever it says.

        Raises `HostUnreachable` after the last of the attempts that lost connections, status 429 and 5xx get.
        """
        response = self._request(path, {}, asked)
        return int(response.status_code), response.headers, bytes(response.content)

    def _request(self, path: str, headers: Mapping[str, str], asked: Mapping[str, str] | None) -> Any:
        url = f"{self.base_url}/{path}"
        problem = ""
        for attempt in range(ATTEMPTS):
            if self._stopped.is_set():
                raise DownloadError(f"{url} was not fetched: the download was stopped")
            wait = min(_BACK_OFF_S * 2**attempt * _jitter(url, attempt), _LONGEST_WAIT_S)
            try:
                response = self._client.get(url, headers=headers, params=asked)
            except self._errors.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if response.status_code != 429 and response.status_code < 500:
                    return response
                problem = f"status {response.status_code}"
                wait = max(wait, _retry_after(response.headers.get("Retry-After")))
            if attempt < ATTEMPTS - 1:
                self._sleep(wait)
        raise self._failure(f"{url} failed {ATTEMPTS} times, the last time with {problem}; try again later")

    def _failure(self, message: str) -> DownloadError:
        return DownloadError(message) if self._answered else HostUnreachable(message)

    def _wait(self, seconds: float) -> None:
        self._stopped.wait(seconds)


def environment_flag(value: str | None) -> bool:
    """Tell whether an environment variable such as TRADEREADY_OFFLINE is switched on."""
    return (value or "").strip().lower() not in ("", "0", "false", "no")


def _jitter(url: str, attempt: int) -> float:
    # Spread by the file's name instead of a random draw: the same run is the same, and files do not retry in step.
    return 0.5 + (zlib.crc32(f"{url} {attempt}".encode()) % 1000) / 1000


def _retry_after(header: str | None) -> float:
    try:
        return min(max(float(header or 0), 0.0), _LONGEST_WAIT_S)
    except ValueError:
        return 0.0  # a date: the back-off has to do
