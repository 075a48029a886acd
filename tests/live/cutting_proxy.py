"""A proxy that cuts connections in the middle of answers, by seed."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import numpy as np

_MOST = 4_000  # bytes of answers that a connection may bring before it is cut


class CuttingProxy:
    """Forwards to `port` on this machine; `cut` counts the connections that it ended."""

    def __init__(self, port: int, seed: int) -> None:
        self._port, self._draws = port, np.random.default_rng(seed)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.cut = 0

    @contextlib.contextmanager
    def forwarding(self) -> Iterator["CuttingProxy"]:
        """Forward until the block ends."""
        accepting = threading.Thread(target=self._accept, daemon=True)
        accepting.start()
        try:
            yield self
        finally:
            self._listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            with self._lock:
                left = [self._listening, *self._open]
            for connection in left:
                connection.close()

    def _accept(self) -> None:
        threads = []
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                with self._lock:
                    self._open += [near, far]
                    allowed = int(self._draws.integers(_MOST))
                threads.append(threading.Thread(target=self._pump, args=(near, far, None)))
                threads.append(threading.Thread(target=self._pump, args=(far, near, allowed)))
                for thread in threads[-2:]:
                    thread.start()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()

    def _pump(self, source: socket.socket, target: socket.socket, allowed: int | None) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65_536):
                if allowed is not None and len(chunk) > allowed:
                    target.sendall(chunk[:allowed])
                    self.cut += 1
                    break
                allowed = None if allowed is None else allowed - len(chunk)
                target.sendall(chunk)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
