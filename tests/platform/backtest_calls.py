"""What tests of backtests send, and the candles that they trade on."""

from typing import Any

import httpx2

from small_worlds import candles_of, random_candles
from tradeready_gym.market import Candles, CandleStore
from tradeready_gym.platform import clock
from tradeready_gym.platform.state import Platform

API = "/api/v1/backtest"
# two days of the packaged sample
SAMPLE = {"start_time": "2022-01-01T00:00:00Z", "end_time": "2022-01-03T00:00:00Z", "pairs": ["BTCUSDT"]}
DAY = 24


def create(client: httpx2.Client, **changes: Any) -> str:
    """A session's id; by default two days of hourly BTCUSDT from the sample."""
    usual = {**SAMPLE, "starting_balance": "10000.0", "candle_interval": 3600, "strategy_label": "test"}
    answer = client.post(f"{API}/create", json=usual | changes)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["session_id"])


def begin(client: httpx2.Client, **changes: Any) -> str:
    """A session that has been started."""
    session = create(client, **changes)
    answer = client.post(f"{API}/{session}/start")
    assert (answer.status_code, answer.json()) == (200, {"status": "running", "session_id": session})
    return session


def step(client: httpx2.Client, session: str, steps: int | None = None, kind: str = "batch") -> dict[str, Any]:
    """The answer to one step, or to a batch."""
    path = f"{API}/{session}/step" if steps is None else f"{API}/{session}/step/{kind}"
    answer = client.post(path) if steps is None else client.post(path, json={"steps": steps})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def order(client: httpx2.Client, session: str, side: str, quantity: Any, **more: Any) -> dict[str, Any]:
    """The answer to an order."""
    body = {"symbol": "BTCUSDT", "side": side, "quantity": quantity, **more}
    answer = client.post(f"{API}/{session}/trade/order", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def look(client: httpx2.Client, session: str, path: str) -> dict[str, Any]:
    """What a GET below the session answers."""
    answer = client.get(f"{API}/{session}/{path}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def stored(platform: Platform, candles: Candles) -> dict[str, Any]:
    """Put candles into the server's store; the fields of a session that trades all but their first day."""
    CandleStore(platform.settings.home / "candles").write(candles)
    first = max(1, candles.timeframe.bars_per_day)
    return {
        "start_time": clock.iso(int(candles.times[first])),
        "end_time": clock.iso(candles.end),
        "candle_interval": candles.timeframe.seconds,
        "pairs": list(candles.symbols),
    }


def hours(closes: list[float], **more: Any) -> Candles:
    """A day at the first close, then hours with these opens and closes."""
    return candles_of([closes[0]] * DAY + closes, **more)


def wild(bars: int = 400, symbols: tuple[str, ...] = ("BTCUSDT",), seed: int = 3) -> Candles:
    """A random walk with wicks, uneven volume and gaps."""
    return random_candles(bars, symbols, seed, gaps=True)
