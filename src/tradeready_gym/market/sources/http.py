"""One way to fetch a file over HTTP: short connect timeout, retries with back-off and jitter, `Retry-After` honoured."""

import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tradeready_gym.errors import DownloadError, HostUnreachable

ATTEMPTS = 5
_STALLS = 2  # of those attempts, how many may end in silence
_BACK_OFF_S = 0.5  # doubles with every attempt
_LONGEST_WAIT_S = 60.0
_CONNECT_TIMEOUT_S = 3.0
_FILE_SILENCE_S = 10.0  # a file lies there: a host that says nothing for so long has stalled
_SLOWEST = 100.0  # bytes a second; one at a time keeps no timeout from being renewed
_ANSWER_SILENCE_S = 30.0  # an answer may have to be made first
_PROBE_S = 5.0  # covers name resolution too, which no timeout of the client does


@dataclass(frozen=True)
class _Answer:
    status_code: int
    headers: Mapping[str, str]
    content: bytes


class Fetcher:
    """Fetches files below `base_url`; usable from several threads, closed by `with`."""

    def __init__(self, base_url: str, *, sleep: Callable[[float], None] | None = None) -> None:
        import httpx2

        self.base_url = base_url.rstrip("/")
        self._errors = httpx2
        self._stopped = threading.Event()
        self._answered = False
        self._sleep = self._wait if sleep is None else sleep
        self._client = httpx2.Client(timeout=self._timeout(_FILE_SILENCE_S), follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._client.close()

    @property
    def answered(self) -> bool:
        """Whether the host has given a file, or said that it has none, at least once."""
        return self._answered

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
        of the attempts that lost connections, status 429 and 5xx get (five, or two that ended in silence);
        `HostUnreachable` if the host never gave a file nor a 404 before.
        """
        headers = {"Cache-Control": "no-cache"} if fresh else {}
        answer = self._request(path, headers, None, _FILE_SILENCE_S)
        if answer.status_code in (200, 404):
            self._answered = True
            return answer.content if answer.status_code == 200 else None
        raise self._failure(
            f"{self.base_url}/{path} was refused with status {answer.status_code}; is the address right, and open to you?"
        )

    def ask(self, path: str, asked: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and bytes of an answer to a query, whatever it says.

        Raises `HostUnreachable` after the last of the attempts that lost connections, status 429 and 5xx get.
        """
        answer = self._request(path, {}, asked, _ANSWER_SILENCE_S)
        return answer.status_code, answer.headers, answer.content

    def _request(
        self, path: str, headers: Mapping[str, str], asked: Mapping[str, str] | None, silence_s: float
    ) -> _Answer:
        url = f"{self.base_url}/{path}"
        problem, attempt, stalls = "", 0, 0
        while True:
            if self._stopped.is_set():
                raise DownloadError(f"{url} was not fetched: the download was stopped")
            wait = min(_BACK_OFF_S * 2**attempt * _jitter(url, attempt), _LONGEST_WAIT_S)
            try:
                answer = self._once(url, headers, asked, silence_s)
            except self._errors.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
                stalls += isinstance(error, self._errors.ReadTimeout)
            else:
                if answer.status_code != 429 and answer.status_code < 500:
                    return answer
                problem = f"status {answer.status_code}"
                wait = max(wait, _retry_after(answer.headers.get("Retry-After")))
            attempt += 1
            if attempt == ATTEMPTS or stalls == _STALLS:
                raise self._failure(f"{url} failed {attempt} times, the last time with {problem}; try again later")
            self._sleep(wait)

    def _once(self, url: str, headers: Mapping[str, str], asked: Mapping[str, str] | None, silence_s: float) -> _Answer:
        timeout = self._timeout(silence_s)
        with self._client.stream("GET", url, headers=headers, params=asked, timeout=timeout) as response:
            parts, since, fresh = [], time.monotonic(), 0
            for part in response.iter_bytes():
                parts.append(part)
                fresh += len(part)
                if (seconds := time.monotonic() - since) < silence_s:
                    continue
                if fresh < _SLOWEST * seconds:
                    raise self._errors.ReadTimeout(f"{fresh} bytes in {seconds:.1f} s")
                since, fresh = time.monotonic(), 0
            return _Answer(int(response.status_code), response.headers, b"".join(parts))

    def _timeout(self, silence_s: float) -> Any:
        return self._errors.Timeout(silence_s, connect=_CONNECT_TIMEOUT_S)

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
