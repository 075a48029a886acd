"""What the server counts of itself, for Prometheus."""

import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from tradeready_gym.platform.limits import Application, Message, Receive, Send

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_KEPT = {
    "tradeready_training_runs": "Training runs that are kept.",
    "tradeready_training_episodes": "Episodes of these runs.",
    "tradeready_backtests": "Backtests that are kept.",
    "tradeready_watchers": "Pages that are told of changes now.",
}


class Measures:
    """Requests of one server process by route, and what is kept when somebody asks."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "tradeready_requests",
            "Requests that were answered.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "tradeready_request_seconds",
            "Time until an answer begins.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._kept = {name: Gauge(name, what, registry=self._registry) for name, what in _KEPT.items()}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` is the path with names for what varies, so that their number is bounded."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)

    def text(self, **kept: int) -> bytes:
        """Everything in the text format of Prometheus, with these numbers of what is kept."""
        for name, number in kept.items():
            self._kept[f"tradeready_{name}"].set(number)
        return generate_latest(self._registry)


class Measured:
    """Tells `Measures` of every request; files of pages, and what no route takes, are counted as one.

    `prefix` is what routes may stand below without knowing it.
    """

    def __init__(self, app: Application, measures: Measures, prefix: str) -> None:
        self.app, self.measures, self.prefix = app, measures, prefix

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin = time.perf_counter()

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.measures.answered(
                    scope["method"], self._route(scope), message["status"], time.perf_counter() - begin
                )
            await send(message)

        await self.app(scope, receive, told)

    def _route(self, scope: Message) -> str:
        route: Any = scope.get("route")
        if route is None:
            return "other"
        below = scope["path"].startswith(f"{self.prefix}/") and not route.path.startswith(f"{self.prefix}/")
        return f"{self.prefix}{route.path}" if below else str(route.path)
