"""A small platform that keeps training runs in memory, and misbehaves as it is told."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "ak_live_good"
TRAINING = "/api/v1/training/runs"
# what to do instead of answering: (status, headers), "reset", "reset after" it was taken, or a number of seconds to be slow
Trouble = tuple[int, dict[str, str]] | str | float | None


class FakePlatform:
    """Runs by id, each with its episodes by number. `trouble(count of requests so far)` says how a request goes."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.times: list[float] = []
        self.doubled = 0  # episodes that arrived though they were there
        self.trouble: Callable[[int], Trouble] = lambda count: None
        self.most_rows = 20_000
        self.lock = threading.Lock()

    def episodes(self, run_id: str) -> list[int]:
        """The numbers of a run's episodes in the order in which they came."""
        return list(self.runs[run_id]["episodes"])

    def take(self, path: str, body: Any) -> tuple[int, Any]:
        """Answer a POST."""
        if path == TRAINING:
            fresh = {"run_id": body["run_id"], "config": body["config"], "status": "running", "episodes": {}}
            run = self.runs.setdefault(body["run_id"], fresh)
            run["status"] = "running"
            return 201, {"run_id": run["run_id"]}
        run_id, action = path.removeprefix(f"{TRAINING}/").split("/", 1)
        if run_id not in self.runs:
            return 404, {"error": {"code": "TRAINING_RUN_NOT_FOUND", "message": "no such run"}}
        run = self.runs[run_id]
        if action == "complete":
            run["status"] = body["status"]
        elif action == "episodes":
            self._add(run, [body])
        else:
            columns = {name: column for name, column in body["columns"].items() if column is not None}
            if len(columns["episode_number"]) > self.most_rows:
                return 413, {"error": {"code": "BATCH_TOO_LARGE", "message": f"at most {self.most_rows}"}}
            rows = zip(*columns.values(), strict=True)
            self._add(run, [dict(zip(columns, row, strict=True)) for row in rows])
        return 200, {"run_id": run_id}

    def _add(self, run: dict[str, Any], episodes: list[dict[str, Any]]) -> None:
        for episode in episodes:
            if episode["episode_number"] in run["episodes"]:
                self.doubled += 1
            else:
                run["episodes"][episode["episode_number"]] = episode


@contextmanager
def fake_platform(platform: FakePlatform, port: int = 0) -> Iterator[str]:
    """Serve it on loopback until the block ends; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65_536  # an answer in one packet

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._answer(*((200, []) if self._known() else (401, _error("INVALID_API_KEY"))))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
            with platform.lock:
                trouble = platform.trouble(len(platform.requests))
                platform.requests.append((self.path, self.headers["X-API-Key"]))
                platform.times.append(time.monotonic())
            if isinstance(trouble, tuple):
                self._answer(trouble[0], _error("TROUBLE"), trouble[1])
            elif trouble == "reset":
                self._reset()
            elif not self._known():
                self._answer(401, _error("INVALID_API_KEY"))
            else:
                if isinstance(trouble, float):
                    time.sleep(trouble)
                with platform.lock:
                    status, answer = platform.take(self.path, body)
                if trouble == "reset after":
                    self._reset()
                else:
                    self._answer(status, answer)

        def _known(self) -> bool:
            return bool(self.headers["X-API-Key"] == KEY)

        def _reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            encoded = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(encoded))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(encoded)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass  # a connection that was reset on purpose

    server = Server(("127.0.0.1", port), Handler)
    connections: list[socket.socket] = []
    take = server.get_request

    def remembered() -> Any:
        request = take()
        connections.append(request[0])
        return request

    server.get_request = remembered  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        for connection in connections:  # a server that dies drops its connections
            with_closed(connection)
        thread.join()


def with_closed(connection: socket.socket) -> None:
    """Cut a connection, whether or not it is open."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        connection.close()


def _error(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "as it was told"}}
