"""A local replica of the part of Kraken's public REST interface that ccxt's class uses, driven by recorded candles.

Source of the messages: https://docs.kraken.com/api (market data). As there, a question for candles is answered with the newest
720 at most, whatever it asks for, and refusals come with status 200.
"""

from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tradeready_gym.live.clock import VirtualClock
from tradeready_gym.market import Candles

PAIR, MOST = "XBTUSDT", 720
ERRORS = {"rate limit": "EAPI:Rate limit exceeded", "unavailable": "EService:Unavailable", "busy": "EService:Busy"}
FAULTS = (*ERRORS, "http 503", "junk")


class KrakenReplica:
    """BTC/USDT as Kraken shows it; `faults` answer the next questions for candles, one each."""

    def __init__(self, candles: Candles, start: str, faults: Sequence[str] = ()) -> None:
        self.candles, self.faults = candles, list(faults)
        self.clock = VirtualClock(candles.start + candles.row_of(start) * candles.timeframe.microseconds, 0.001)
        self.told: list[str] = []
        endpoints = {
            "Time": self._time, "Assets": self._assets, "AssetPairs": self._pairs, "OHLC": self._ohlc, "Ticker": self._ticker,
        }  # fmt: skip
        self.app = Starlette(routes=[Route(f"/0/public/{name}", endpoint) for name, endpoint in endpoints.items()])

    async def _time(self, _: Request) -> Response:
        return _answer({"unixtime": self.clock.now() // 1_000_000, "rfc1123": ""})

    async def _assets(self, _: Request) -> Response:
        plain = {"aclass": "currency", "decimals": 10, "display_decimals": 5, "status": "enabled"}
        return _answer({"XXBT": {**plain, "altname": "XBT"}, "USDT": {**plain, "altname": "USDT"}})

    async def _pairs(self, _: Request) -> Response:
        pair = {
            "altname": PAIR, "wsname": "XBT/USDT", "aclass_base": "currency", "base": "XXBT", "aclass_quote": "currency",
            "quote": "USDT", "lot": "unit", "cost_decimals": 8, "pair_decimals": 8, "lot_decimals": 6, "lot_multiplier": 1,
            "leverage_buy": [], "leverage_sell": [], "fees": [[0, 0.4]], "fees_maker": [[0, 0.25]], "margin_call": 80,
            "margin_stop": 40, "ordermin": "0.00005", "costmin": "0.5", "tick_size": "0.00000001", "status": "online",
        }  # fmt: skip
        return _answer({PAIR: pair})

    async def _ticker(self, _: Request) -> Response:
        candles, row = self.candles, self._row()
        price = float(candles.open[0, row])
        day = [f"{price:.8f}"] * 2
        bid, ask = f"{price * 0.9999:.8f}", f"{price * 1.0001:.8f}"
        ticker = {
            "a": [ask, "1", "1.000"], "b": [bid, "1", "1.000"], "c": [day[0], "0.1"], "v": ["1", "1"], "p": day, "t": [1, 1],
            "l": day, "h": day, "o": day[0],
        }  # fmt: skip
        return _answer({PAIR: ticker})

    async def _ohlc(self, request: Request) -> Response:
        if self.faults:
            return self._refuse(self.faults.pop(0))
        if request.query_params["pair"] != PAIR:
            return JSONResponse({"error": ["EQuery:Unknown asset pair"]})
        since = int(request.query_params.get("since", 0)) * 1_000_000
        candles, last = self.candles, self._row()
        rows = [row for row in range(last + 1) if not candles.gaps[0, row]][-MOST:]
        found = [self._candle(row, running=row == last) for row in rows if int(candles.times[row]) > since]
        return _answer({PAIR: found, "last": int(candles.times[last]) // 1_000_000})

    def _candle(self, row: int, *, running: bool) -> list[Any]:
        candles = self.candles
        names = ("open", "high", "low", "close", "volume")
        open, high, low, close, volume = (f"{getattr(candles, name)[0, row]:.8f}" for name in names)
        if running:
            high, low, close, volume = open, open, open, "0.00000000"
        return [int(candles.times[row]) // 1_000_000, open, high, low, close, close, volume, 1]

    def _refuse(self, fault: str) -> Response:
        self.told.append(fault)
        if fault == "junk":
            return PlainTextResponse('{"error": [], "result": {"XBT', media_type="application/json")
        if fault == "http 503":
            return PlainTextResponse("Service Unavailable", 503)
        return JSONResponse({"error": [ERRORS[fault]]})

    def _row(self) -> int:
        past = self.clock.now() - self.candles.start
        return min(past // self.candles.timeframe.microseconds, len(self.candles) - 1)


def _answer(result: Any) -> Response:
    return JSONResponse({"error": [], "result": result})
