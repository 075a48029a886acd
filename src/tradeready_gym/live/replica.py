"""A local replica of the part of Binance that a feed uses: the same paths, parameters and messages, driven by recorded candles.

It is for rehearsals, demonstrations and tests: `faults` says what goes wrong in which slot, so that everything that a venue
does to its clients can be done to ours on purpose.
"""

import asyncio
import contextlib
import socket
import threading
import time as wall
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.live.assembler import Values
from tradeready_gym.live.binance import stream_message
from tradeready_gym.live.clock import VirtualClock
from tradeready_gym.market import Candles, Instrument
from tradeready_gym.market.timeframe import TimeLike

STREAM_FAULTS = ("disconnect", "duplicate", "late", "swap", "drop", "malformed", "shutdown", "correction", "foreign")
REST_FAULTS = {"http_429": 429, "http_418": 418, "http_500": 500, "http_503": 503, "junk": 200}
_TICK = 0.005


@dataclass
class Told:
    """What the replica did, for whoever compares."""

    connections: int = 0
    requests: int = 0
    faults: dict[str, int] = field(default_factory=dict)


class Replica:
    """Serves `candles` as if `start` were now and time ran `speed` times as fast.

    Args:
        candles: the recording; its gaps are candles that the venue does not have.
        start: the moment at which it begins.
        speed: how many times as fast as the market.
        faults: by slot (0 is the one that opens at `start`), names of `STREAM_FAULTS`, which happen to the slot's closed candle
            on every connection, or of `REST_FAULTS`, which answer the next request after it.
        instruments: filters by symbol.
    """

    def __init__(
        self,
        candles: Candles,
        start: TimeLike,
        *,
        speed: float = 60.0,
        faults: Mapping[int, Sequence[str]] | None = None,
        instruments: Mapping[str, Instrument] | None = None,
    ) -> None:
        if not speed > 0:
            raise ConfigurationError(f"speed must be positive; got {speed!r}")
        for names in (faults or {}).values():
            for name in names:
                if name not in STREAM_FAULTS and name not in REST_FAULTS:
                    raise UnknownName("fault", name, (*STREAM_FAULTS, *REST_FAULTS))
        self.candles = candles
        self._step = candles.timeframe.microseconds
        self._first = candles.row_of(start, name="start")
        self.clock = VirtualClock(candles.start + self._first * self._step, speed)
        self.faults = {slot: list(names) for slot, names in (faults or {}).items()}
        self._instruments = dict(instruments or {})
        self._rest_faults: list[str] = []
        self._happened: set[tuple[int, str]] = set()
        self.told = Told()
        self.rest_url = self.stream_url = ""
        routes = [
            Route("/api/v3/time", self._time),
            Route("/api/v3/ping", self._ping),
            Route("/api/v3/klines", self._klines),
            Route("/api/v3/exchangeInfo", self._exchange_info),
            Route("/api/v3/ticker/price", self._ticker_price),
            WebSocketRoute("/stream", self._stream),
        ]
        self.app = Starlette(routes=routes)

    @contextlib.contextmanager
    def serving(self) -> Iterator["Replica"]:
        """Listen on loopback until the block ends; `rest_url` and `stream_url` say where."""
        import uvicorn

        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{bound.getsockname()[1]}"
            self.rest_url, self.stream_url = f"http://{address}", f"ws://{address}"
            config = uvicorn.Config(self.app, log_level="error", timeout_graceful_shutdown=1, ws="websockets-sansio")
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
            thread.start()
            while not server.started:
                if not thread.is_alive():
                    raise ConfigurationError("the replica did not start")
                wall.sleep(_TICK)
            try:
                yield self
            finally:
                server.should_exit = True
                thread.join(10.0)

    # ---- REST ----

    async def _time(self, _: Request) -> Response:
        return self._fault() or JSONResponse({"serverTime": self.clock.now() // 1000})

    async def _ping(self, _: Request) -> Response:
        return self._fault() or JSONResponse({})

    async def _klines(self, request: Request) -> Response:
        query = request.query_params
        place = self._place(query.get("symbol", ""))
        if place is None:
            return JSONResponse({"code": -1121, "msg": "Invalid symbol."}, 400)
        if query.get("interval") != self.candles.timeframe.label:
            return JSONResponse({"code": -1120, "msg": "Invalid interval."}, 400)
        limit = min(1000, int(query.get("limit", 500)))
        last = min(len(self.candles) - 1, (self.clock.now() - self.candles.start) // self._step)
        first = max(0, -(-(int(query.get("startTime", 0)) * 1000 - self.candles.start) // self._step))
        if "endTime" in query:
            last = min(last, (int(query["endTime"]) * 1000 - self.candles.start) // self._step)
        rows = [row for row in range(first, last + 1) if not self.candles.gaps[place, row]]
        rows = rows[:limit] if "startTime" in query else rows[-limit:]
        return self._fault() or JSONResponse([self._kline(place, row) for row in rows], headers=_WEIGHT)

    async def _exchange_info(self, _: Request) -> Response:
        return self._fault() or JSONResponse({"symbols": [self._rules(symbol) for symbol in self.candles.symbols]})

    async def _ticker_price(self, request: Request) -> Response:
        place = self._place(request.query_params.get("symbol", ""))
        if place is None:
            return JSONResponse({"code": -1121, "msg": "Invalid symbol."}, 400)
        row = min(len(self.candles) - 1, (self.clock.now() - self.candles.start) // self._step)
        return JSONResponse({"symbol": self.candles.symbols[place], "price": f"{self.candles.open[place, row]:.8f}"})

    def _fault(self) -> Response | None:
        self.told.requests += 1
        if not self._rest_faults:
            return None
        name = self._rest_faults.pop(0)
        self._count(name)
        if name == "junk":
            return PlainTextResponse('{"serverTime": 17', media_type="application/json")
        headers = {"Retry-After": "0.05"} if REST_FAULTS[name] in (429, 418) else {}
        return JSONResponse({"code": -1003, "msg": "Way too many requests."}, REST_FAULTS[name], headers=headers)

    def _kline(self, place: int, row: int) -> list[Any]:
        time = self.candles.start + row * self._step
        open, high, low, close, volume = (format(value, ".8f") for value in self._values(place, row))
        if time + self._step > self.clock.now():
            high = low = close = open  # it is still running, and nothing has happened in it yet
            volume = "0.00000000"
        return [time // 1000, open, high, low, close, volume, (time + self._step) // 1000 - 1, "0", 0, "0", "0", "0"]

    def _rules(self, symbol: str) -> dict[str, Any]:
        rule = self._instruments.get(symbol) or Instrument(symbol)
        filters = [
            {"filterType": "PRICE_FILTER", "tickSize": format(rule.tick_size, ".8f")},
            {"filterType": "LOT_SIZE", "stepSize": format(rule.lot_size, ".8f")},
            {"filterType": "NOTIONAL", "minNotional": format(rule.min_notional, ".8f")},
        ]
        return {"symbol": symbol, "status": "TRADING", "filters": filters}

    # ---- streams ----

    async def _stream(self, socket: WebSocket) -> None:
        await socket.accept()
        self.told.connections += 1
        names = {name.partition("@")[0].upper() for name in socket.query_params.get("streams", "").split("/")}
        places = [place for place, symbol in enumerate(self.candles.symbols) if symbol in names]
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._play(socket, places)

    async def _play(self, socket: WebSocket, places: list[int]) -> None:
        row = (self.clock.now() - self.candles.start) // self._step
        held: list[dict[str, Any]] = []
        while row < len(self.candles):
            for place in places:
                if not self.candles.gaps[place, row]:
                    await socket.send_json(self._event(place, row, closed=False))
            if await self._sleep_until(socket, self.candles.start + (row + 1) * self._step):
                return
            faults = self._due(row - self._first)
            if "shutdown" in faults:
                await socket.send_json({"e": "serverShutdown", "E": self.clock.now() // 1000})
            if "disconnect" in faults or "shutdown" in faults:
                await socket.close(1001)
                return
            events = [self._event(place, row, closed=True) for place in places if not self.candles.gaps[place, row]]
            sent, held = self._distorted(faults, events, held)
            for event in sent:
                await (socket.send_text(event) if isinstance(event, str) else socket.send_json(event))
            row += 1

    def _distorted(
        self, faults: list[str], events: list[dict[str, Any]], held: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any] | str], list[dict[str, Any]]]:
        sent: list[dict[str, Any] | str] = []
        if "malformed" in faults:
            sent += ['{"stream": "btcusdt@kline', "[]", '{"data": {"e": "kline", "k": {"t": "soon"}}}']
        if "foreign" in faults:
            sent.append({"stream": "x", "data": {"e": "trade", "s": "DOGEUSDT"}})
        if "late" in faults or "swap" in faults:
            return [*sent, *held], events
        if "drop" in faults:
            return [*sent, *held], []
        sent += [*events, *held]
        if "duplicate" in faults:
            sent += events
        if "correction" in faults:
            for event in events:
                candle = event["data"]["k"] | {"v": "0.12345678"}
                sent.append(event | {"data": event["data"] | {"k": candle}})
        return sent, []

    async def _sleep_until(self, socket: WebSocket, moment: int) -> bool:
        while self.clock.now() < moment:
            await asyncio.sleep(_TICK)
            if socket.client_state.name != "CONNECTED":
                return True
        return False

    def _due(self, slot: int) -> list[str]:
        faults = []
        for name in self.faults.get(slot, ()):
            if name in REST_FAULTS:
                if (slot, name) not in self._happened:
                    self._rest_faults.append(name)
            elif (slot, name) not in self._happened:
                faults.append(name)
                self._count(name)
            self._happened.add((slot, name))
        return faults

    def _event(self, place: int, row: int, *, closed: bool) -> dict[str, Any]:
        time = self.candles.start + row * self._step
        values = self._values(place, row)
        if not closed:
            values = (values[0], values[0], values[0], values[0], 0.0)
        symbol = self.candles.symbols[place]
        return stream_message(symbol, self.candles.timeframe, time, values, closed=closed, now=self.clock.now())

    def _values(self, place: int, row: int) -> Values:
        market = self.candles
        names = (market.open, market.high, market.low, market.close, market.volume)
        open, high, low, close, volume = (float(name[place, row]) for name in names)
        return open, high, low, close, volume

    def _place(self, symbol: str) -> int | None:
        return self.candles.symbols.index(symbol) if symbol in self.candles.symbols else None

    def _count(self, name: str) -> None:
        self.told.faults[name] = self.told.faults.get(name, 0) + 1


_WEIGHT = {"X-MBX-USED-WEIGHT-1M": "2"}
