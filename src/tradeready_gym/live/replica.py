"""A local replica of the part of Binance that a feed uses: the same paths, parameters and messages, driven by recorded candles.

It is for rehearsals, demonstrations and tests: `faults` says what goes wrong in which slot, so that everything that a venue
does to its clients can be done to ours on purpose.
"""

import asyncio
import contextlib
import json
import socket
import threading
import time as wall
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.live.assembler import Values
from tradeready_gym.live.clock import VirtualClock
from tradeready_gym.live.replica_script import (
    FAULTS,
    LYING_FAULTS,
    MIDWAY_FAULTS,
    REST_FAULTS,
    STREAM_FAULTS,
    TIME_FAULTS,
    Scales,
    Script,
    Told,
)
from tradeready_gym.live.replica_wire import WEIGHTS, book_ticker, exchange_info, kline_event, kline_row
from tradeready_gym.market import Candles, Instrument
from tradeready_gym.market.timeframe import TimeLike

__all__ = ["FAULTS", "LYING_FAULTS", "MIDWAY_FAULTS", "REST_FAULTS", "STREAM_FAULTS", "TIME_FAULTS", "Replica", "serve"]

LIFETIME = 86_400_000_000  # the venue ends a connection after 24 hours
_TICK = 0.002
_REFUSED_FOR = 0.2  # seconds


class Replica:
    """Serves `candles` as if `start` were now and time ran `speed` times as fast.

    Within a candle the price moves on a straight line from its open to its close; the best bid and ask lie half of `spread`
    beside it.

    Args:
        candles: the recording; its gaps are candles that the venue does not have.
        start: the moment at which it begins.
        speed: how many times as fast as the market.
        faults: by slot (0 is the one that opens at `start`), names of `STREAM_FAULTS`, which happen to the slot's closed candle
            on every connection, of `MIDWAY_FAULTS` and `LYING_FAULTS`, or of `REST_FAULTS`, which answer the next request after
            it, and `TIME_FAULTS`, which answer the next question for the time.
        instruments: filters by symbol.
        spread: as a fraction of the price.
        weight_limit: what the requests of `weight_window` seconds (of the wall's) may weigh together.
    """

    def __init__(
        self,
        candles: Candles,
        start: TimeLike,
        *,
        speed: float = 60.0,
        faults: Mapping[int, Sequence[str]] | None = None,
        instruments: Mapping[str, Instrument] | None = None,
        spread: float = 0.0001,
        weight_limit: int = 6000,
        weight_window: float = 60.0,
    ) -> None:
        if not speed > 0:
            raise ConfigurationError(f"speed must be positive; got {speed!r}")
        self.candles = candles
        self._step = candles.timeframe.microseconds
        self._first = candles.row_of(start, name="start")
        self.clock = VirtualClock(candles.start + self._first * self._step, speed)
        self.told = Told()
        self._script = Script(faults or {}, self.told)
        self._scales = Scales(weight_limit, weight_window, self.told)
        self.faults = self._script.faults
        self._instruments = dict(instruments or {})
        self._half_spread = 0.5 * spread
        self.rest_url = self.stream_url = ""
        routes = [
            Route("/api/v3/time", self._time),
            Route("/api/v3/ping", self._ping),
            Route("/api/v3/klines", self._klines),
            Route("/api/v3/exchangeInfo", self._exchange_info),
            Route("/api/v3/ticker/price", self._ticker_price),
            Route("/api/v3/ticker/bookTicker", self._book_ticker),
            WebSocketRoute("/stream", self._stream),
        ]
        self.app = Starlette(routes=routes)

    @contextlib.contextmanager
    def serving(self) -> Iterator["Replica"]:
        """Listen on loopback until the block ends; `rest_url` and `stream_url` say where."""
        with serve(self.app) as address:
            self.rest_url, self.stream_url = f"http://{address}", f"ws://{address}"
            yield self

    # ---- REST ----

    async def _time(self, request: Request) -> Response:
        refused = self._refuse(request)
        return refused or self._answer({"serverTime": self._script.time(self.clock.now() // 1000)})

    async def _ping(self, request: Request) -> Response:
        return self._refuse(request) or self._answer({})

    async def _klines(self, request: Request) -> Response:
        query = request.query_params
        place = self._place(query.get("symbol", ""))
        if place is None:
            return JSONResponse({"code": -1121, "msg": "Invalid symbol."}, 400)
        if query.get("interval") != self.candles.timeframe.label:
            return JSONResponse({"code": -1120, "msg": "Invalid interval."}, 400)
        limit = min(1000, int(query.get("limit", 500)))
        last = min(len(self.candles) - 1, self._row())
        first = max(0, -(-(int(query.get("startTime", 0)) * 1000 - self.candles.start) // self._step))
        if "endTime" in query:
            last = min(last, (int(query["endTime"]) * 1000 - self.candles.start) // self._step)
        rows = [row for row in range(first, last + 1) if not self.candles.gaps[place, row]]
        rows = rows[:limit] if "startTime" in query else rows[-limit:]
        return self._refuse(request) or self._answer([self._kline(place, row) for row in rows])

    async def _exchange_info(self, request: Request) -> Response:
        names = self._asked(request)
        if names is None:
            return JSONResponse({"code": -1121, "msg": "Invalid symbol."}, 400)
        rules = [self._instruments.get(symbol) or Instrument(symbol) for symbol in names]
        info = exchange_info(rules, self._scales.limit, self.clock.now())
        return self._refuse(request) or self._answer(info)

    async def _ticker_price(self, request: Request) -> Response:
        place = self._place(request.query_params.get("symbol", ""))
        if place is None:
            return JSONResponse({"code": -1121, "msg": "Invalid symbol."}, 400)
        answer = {"symbol": self.candles.symbols[place], "price": f"{self.price(place):.8f}"}
        return self._refuse(request) or self._answer(answer)

    async def _book_ticker(self, request: Request) -> Response:
        names = self._asked(request)
        if names is None:
            return JSONResponse({"code": -1121, "msg": "Invalid symbol."}, 400)
        quotes = [book_ticker(name, *self.quote(name)) for name in names]
        single = "symbol" in request.query_params
        return self._refuse(request) or self._answer(quotes[0] if single else quotes)

    def _asked(self, request: Request) -> list[str] | None:
        query = request.query_params
        if "symbol" in query:
            names = [query["symbol"]]
        else:
            names = json.loads(query["symbols"]) if "symbols" in query else list(self.candles.symbols)
        return names if all(name in self.candles.symbols for name in names) else None

    def _answer(self, body: Any) -> Response:
        return JSONResponse(body, headers={"X-MBX-USED-WEIGHT-1M": str(self._scales.used)})

    def _refuse(self, request: Request) -> Response | None:
        self.told.requests += 1
        seconds = self._scales.weigh(WEIGHTS[request.url.path])
        if seconds is not None:
            return self._refused(429, seconds)
        name = self._script.refusal()
        if name is None:
            return None
        if name == "junk":
            return PlainTextResponse('{"serverTime": 17', media_type="application/json")
        return self._refused(REST_FAULTS[name], _REFUSED_FOR)

    def _refused(self, status: int, seconds: float) -> Response:
        headers = {}
        if status in (429, 418):
            headers = {"Retry-After": f"{seconds:.3f}"}
            self._scales.refuse(seconds)
        return JSONResponse({"code": -1003, "msg": "Way too many requests."}, status, headers=headers)

    def _kline(self, place: int, row: int) -> list[Any]:
        time = self.candles.start + row * self._step
        running = time + self._step > self.clock.now()
        values = self._running(place, row) if running else self._values(place, row)
        return kline_row(self.candles.timeframe, time, values)

    # ---- streams ----

    async def _stream(self, socket: WebSocket) -> None:
        await socket.accept()
        self.told.connections += 1
        names = {name.partition("@")[0].upper() for name in socket.query_params.get("streams", "").split("/")}
        places = [place for place, symbol in enumerate(self.candles.symbols) if symbol in names]
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._play(socket, places)

    async def _play(self, socket: WebSocket, places: list[int]) -> None:
        ends = self.clock.now() + LIFETIME
        row, held = self._row(), list[dict[str, Any]]()
        while row < len(self.candles):
            opens = self.candles.start + row * self._step
            await self._send(socket, self._events(places, row, closed=False))
            if await self._sleep_until(socket, min(ends, opens + self._step // 2)):
                return
            if self._interrupted(row) or self.clock.now() >= ends:
                await socket.close(1001)
                return
            await self._send(socket, self._events(places, row, closed=False))
            await self._send(socket, self._lies(places, row))
            if await self._sleep_until(socket, opens + self._step):
                return
            faults = self._script.at_close(row - self._first)
            if "shutdown" in faults:
                await socket.send_json({"e": "serverShutdown", "E": self.clock.now() // 1000})
            if "disconnect" in faults or "shutdown" in faults:
                await socket.close(1001)
                return
            sent, held = self._distorted(faults, self._events(places, row, closed=True), held)
            await self._send(socket, sent)
            row += 1

    def _interrupted(self, row: int) -> bool:
        """Do what happens in the middle of this candle; returns whether the connection ends."""
        faults = self._script.midway(row - self._first)
        for name in faults:
            kind, _, bars = name.partition("_")
            if kind in ("outage", "leap"):
                self.clock.advance_to(self.clock.now() + int(bars) * self._step)
        return any(not name.startswith("leap") for name in faults)

    def _lies(self, places: list[int], row: int) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        # told of the candle's middle, also by a machine that has no time to say so until the candle has ended
        middle = (self.candles.start + row * self._step + self._step // 2) // 1000
        for name in self._script.lies(row - self._first):
            for event in self._events(places, row, closed=False):
                candle = event["data"]["k"] | {"x": True}
                if name == "far_ahead":
                    candle |= {"t": candle["t"] + FAR_AHEAD // 1000, "T": candle["T"] + FAR_AHEAD // 1000}
                events.append(event | {"data": event["data"] | {"k": candle, "E": min(event["data"]["E"], middle)}})
        return events

    def _distorted(
        self, faults: list[str], events: list[Any], held: list[dict[str, Any]]
    ) -> tuple[list[Any], list[dict[str, Any]]]:
        sent: list[Any] = []
        if "malformed" in faults:
            sent += ['{"stream": "btcusdt@kline', "[]", '{"data": {"e": "kline", "k": {"t": "soon"}}}']
        if "foreign" in faults:
            sent.append({"stream": "x", "data": {"e": "trade", "s": "DOGEUSDT"}})
        if "future" in faults:
            events = [event | {"data": event["data"] | {"E": event["data"]["E"] + FUTURE // 1000}} for event in events]
        if "late" in faults or "swap" in faults:
            return [*sent, *held], events
        if "drop" in faults:
            return [*sent, *held], []
        sent += [*events, *held]
        if "duplicate" in faults:
            sent += events
        if "correction" in faults:
            for event in events:
                candle = event["data"]["k"] | {"v": CORRECTED_VOLUME}
                sent.append(event | {"data": event["data"] | {"k": candle}})
        return sent, []

    async def _send(self, socket: WebSocket, events: Sequence[Any]) -> None:
        for event in events:
            await (socket.send_text(event) if isinstance(event, str) else socket.send_json(event))

    async def _sleep_until(self, socket: WebSocket, moment: int) -> bool:
        while self.clock.now() < moment:
            await asyncio.sleep(_TICK)
            if socket.client_state.name != "CONNECTED":
                return True
        return False

    def _events(self, places: list[int], row: int, *, closed: bool) -> list[dict[str, Any]]:
        time, frame, now = self.candles.start + row * self._step, self.candles.timeframe, self.clock.now()
        events = []
        for place in places:
            if not self.candles.gaps[place, row]:
                values = self._values(place, row) if closed else self._running(place, row)
                events.append(kline_event(self.candles.symbols[place], frame, time, values, closed=closed, now=now))
        return events

    # ---- the market ----

    def price(self, place: int) -> float:
        """The price of the symbol at this place, now; the last close in a gap."""
        row = min(self._row(), len(self.candles) - 1)
        if self.candles.gaps[place, row]:
            return self._values(place, row)[3]
        return self._running(place, row)[3]

    def quote(self, symbol: str) -> tuple[float, float]:
        """The best bid and ask, now."""
        price = self.price(self.candles.symbols.index(symbol))
        return price * (1.0 - self._half_spread), price * (1.0 + self._half_spread)

    def _row(self) -> int:
        return (self.clock.now() - self.candles.start) // self._step

    def _running(self, place: int, row: int) -> Values:
        open, _, _, close, volume = self._values(place, row)
        passed = min(1.0, (self.clock.now() - self.candles.start - row * self._step) / self._step)
        price = open + (close - open) * passed
        return open, max(open, price), min(open, price), price, volume * passed

    def _values(self, place: int, row: int) -> Values:
        market = self.candles
        names = (market.open, market.high, market.low, market.close, market.volume)
        open, high, low, close, volume = (float(name[place, row]) for name in names)
        return open, high, low, close, volume

    def _place(self, symbol: str) -> int | None:
        return self.candles.symbols.index(symbol) if symbol in self.candles.symbols else None


CORRECTED_VOLUME = "0.12345678"
FUTURE = 3_600_000_000  # by how much the time of an event is wrong, microseconds
FAR_AHEAD = 7_200_000_000  # by how much a candle that comes too early does


@contextlib.contextmanager
def serve(app: Any) -> Iterator[str]:
    """Let an ASGI application listen on a free port of loopback until the block ends; the value is its address."""
    import uvicorn

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, ws="websockets-sansio")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise ConfigurationError("the replica did not start")
            wall.sleep(_TICK)
        try:
            yield f"127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10.0)
