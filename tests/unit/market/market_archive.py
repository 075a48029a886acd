"""A local server that serves candles in the layout of Binance's bulk archive, and misbehaves on request."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tradeready_gym.market import Candles

HEADER = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n"
MICROSECONDS_SINCE = 1_735_689_600_000_000  # 2025-01-01


def csv_of(candles: Candles, header: bool = False) -> str:
    """The candles as the archive writes them: milliseconds until 2024, microseconds from 2025 on."""
    lines = [HEADER] if header else []
    step = candles.timeframe.microseconds
    for row in (~candles.gaps[0]).nonzero()[0]:
        opened = int(candles.times[row])
        unit = 1 if opened >= MICROSECONDS_SINCE else 1000
        prices = [repr(float(getattr(candles, name)[0, row])) for name in ("open", "high", "low", "close", "volume")]
        lines.append(
            f"{opened // unit},{','.join(prices)},{(opened + step) // unit - 1},{1000.0 + row},{10 + row},0.5,50.0,0\n"
        )
    return "".join(lines)


def zip_of(text: str, name: str = "candles.csv") -> bytes:
    """A zip with one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


class Archive:
    """Files by path, what to do wrong with the next requests for a path, and the paths that were asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[
            str, list[Any]
        ] = {}  # status code, (429, seconds), "cut", "stall" or "trickle", one per request
        self.requests: list[str] = []
        self.url = ""
        self.ended = threading.Event()

    def path(self, symbol: str, timeframe: str, date: str) -> str:
        """Where the file of a month (`2023-01`) or day (`2023-01-31`) lies."""
        period = "daily" if len(date) == 10 else "monthly"
        return f"/data/spot/{period}/klines/{symbol}/{timeframe}/{symbol}-{timeframe}-{date}.zip"

    def add(self, candles: Candles, date: str, header: bool = False) -> str:
        """Publish one file with its checksum; returns its path."""
        return self.publish(candles, date, zip_of(csv_of(candles, header)))

    def publish(self, candles: Candles, date: str, content: bytes) -> str:
        """Publish these bytes, with their checksum, as the file of `date`."""
        path = self.path(candles.symbols[0], candles.timeframe.label, date)
        self.files[path] = content
        self.files[path + ".CHECKSUM"] = f"{hashlib.sha256(content).hexdigest()}  {path.split('/')[-1]}\n".encode()
        return path

    def asked(self, word: str = "") -> list[str]:
        """Names of the zips that were asked for, in order."""
        return [path.split("/")[-1] for path in self.requests if path.endswith(".zip") and word in path]


@contextmanager
def serve() -> Iterator[Archive]:
    """Serve an archive on this machine while the block runs."""
    archive = Archive()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(200, b"")

        def do_GET(self) -> None:
            archive.requests.append(self.path)
            faults = archive.faults.get(self.path, [])
            fault = faults.pop(0) if faults else None
            content = archive.files.get(self.path)
            if isinstance(fault, tuple):
                self._answer(fault[0], b"slow down", {"Retry-After": str(fault[1])})
            elif isinstance(fault, int):
                self._answer(fault, b"broken")
            elif content is None:
                self._answer(404, b"<Error>NoSuchKey</Error>")
            elif fault == "cut":
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
            elif fault in ("stall", "trickle"):
                self._never_finish(content, fault == "trickle")
            else:
                self._answer(200, fault if isinstance(fault, bytes) else content)

        def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _never_finish(self, content: bytes, trickle: bool) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:100])
            self.close_connection = True
            for place in range(100, len(content)):
                if archive.ended.wait(0.02):
                    return
                if trickle:
                    try:
                        self.wfile.write(content[place : place + 1])
                    except OSError:  # the client has gone
                        return

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    archive.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield archive
    finally:
        archive.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
