"""Backtests over REST: candles a second in fast batches, and how much of a single step's request is the engine.

The same candles are stepped by the account alone, through the session manager (journal and database included) and over
HTTP. Before anything is timed, the equities that the three end with are compared, to the last digit.
"""

import json
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import uvicorn

from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.market import Candles, CandleStore, DataReplayer, format_time
from tradeready_gym.platform import Settings
from tradeready_gym.platform.accounts import ensure_owner
from tradeready_gym.platform.app import create_app
from tradeready_gym.platform.sessions.account import BacktestAccount, warm

API = "/api/v1/backtest"
MINUTE = 60_000_000
DAY = 1440
BARS = 3 * 100_000 + DAY
STEPS = 300


def minutes() -> Candles:
    """A random walk of one-minute candles."""
    random = np.random.default_rng(0)
    close = 30_000.0 * np.exp(np.cumsum(random.normal(0.0, 0.0005, BARS)))
    opened = np.concatenate([close[:1], close[:-1]])
    times = 1_672_531_200_000_000 + MINUTE * np.arange(BARS)
    high, low = np.maximum(opened, close) * 1.0002, np.minimum(opened, close) * 0.9998
    return Candles.from_arrays("BTCUSDT", "1m", times, opened, high, low, close, np.full(BARS, 20.0))


@contextmanager
def server(home: Path) -> Iterator[tuple[httpx2.Client, Any]]:
    """A client with a key, and the platform behind it."""
    app = create_app(Settings(home=home, port=0, ingest_journals=False))
    key = ensure_owner(app.state.platform.database)
    with socket.socket(proto=socket.IPPROTO_TCP) as bound:
        bound.bind(("127.0.0.1", 0))
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        while not running.started:
            time.sleep(0.01)
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with httpx2.Client(base_url=url, headers={"X-API-Key": str(key)}, timeout=60.0) as client:
            yield client, app.state.platform
        running.should_exit = True
        thread.join(10.0)


def begin(client: httpx2.Client, candles: Candles, orders: int) -> str:
    """A session over all but the first day, with a position and so many orders that rest far away."""
    body = {
        "start_time": format_time(int(candles.times[DAY])),
        "end_time": format_time(candles.end),
        "starting_balance": 1_000_000,
        "candle_interval": 60,
        "pairs": ["BTCUSDT"],
    }
    session = str(client.post(f"{API}/create", json=body).raise_for_status().json()["session_id"])
    client.post(f"{API}/{session}/start").raise_for_status()
    for order in orders_of(orders):
        client.post(f"{API}/{session}/trade/order", json=order).raise_for_status()
    return session


def orders_of(resting: int) -> list[dict[str, Any]]:
    """What a session has on its book."""
    bought = {"symbol": "BTCUSDT", "side": "buy", "quantity": "1"}
    return [bought, *({**bought, "type": "limit", "price": str(1000 + k)} for k in range(resting))]


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    start = time.perf_counter()
    found = act()
    return time.perf_counter() - start, found


def fast_batches(client: httpx2.Client, platform: Any, candles: Candles, replayer: DataReplayer, resting: int) -> Any:
    """Candles a second over HTTP, through the manager, and by the account alone."""
    owner = platform_owner(platform)
    over_http, inside = (begin(client, candles, resting) for _ in range(2))
    from tradeready_gym.orders import Order

    account = BacktestAccount(SimulatedExchange(candles, timeframe="1m", starting_balance=1e6), replayer, DAY)
    for order in orders_of(resting):
        price = float(order["price"]) if "price" in order else None
        account.submit(Order("BTCUSDT", "buy", 1.0, order.get("type", "market"), price))
    rates: dict[str, list[float]] = {"http": [], "server": [], "account": []}
    for _ in range(2):  # the third batch ends the session, which writes its results too
        seconds, answer = timed(
            lambda: client.post(f"{API}/{over_http}/step/batch/fast", json={"steps": 100_000}).json()
        )
        rates["http"].append(100_000 / seconds)
        seconds, equity = timed(
            lambda: platform.sessions.step(owner, inside, 100_000, lambda session, _: session.account.record.equity)
        )
        rates["server"].append(100_000 / seconds)
        seconds, _ = timed(lambda: account.advance(100_000))
        rates["account"].append(100_000 / seconds)
        if not answer["portfolio"]["exact"]["total_equity"] == float(equity) == float(account.record.equity):
            raise RuntimeError("the three ways disagree")
    seconds, _ = timed(lambda: client.post(f"{API}/{over_http}/step/batch/fast", json={"steps": 100_000}))
    return {
        "resting_orders": resting,
        **{f"candles_per_s_{name}": round(max(found)) for name, found in rates.items()},
        "last_batch_with_results_s": round(seconds, 3),
    }


def platform_owner(platform: Any) -> str:
    """The account of the first key."""
    from sqlalchemy import select

    from tradeready_gym.platform.database.tables import accounts

    with platform.database.read() as connection:
        return str(connection.scalar(select(accounts.c.id)))


def single_steps(client: httpx2.Client, platform: Any, candles: Candles) -> Any:
    """Milliseconds of a request for one step, and which part of them is what."""
    owner, session = platform_owner(platform), begin(client, candles, 4)
    for _ in range(20):
        client.post(f"{API}/{session}/step").raise_for_status()
    request = [timed(lambda: client.post(f"{API}/{session}/step"))[0] for _ in range(STEPS)]
    nothing = [timed(lambda: client.get("/api/v1/backtest/best?metric=none"))[0] for _ in range(STEPS)]
    managed = [timed(lambda: platform.sessions.step(owner, session, 1, lambda *_: None))[0] for _ in range(STEPS)]
    engine = platform.sessions.look(
        owner, session, lambda woken: [timed(lambda: woken.account.advance(1))[0] for _ in range(STEPS)]
    )
    median = {
        "request": statistics.median(request),
        "request_without_session": statistics.median(nothing),
        "session_and_journal": statistics.median(managed),
        "engine": statistics.median(engine),
    }
    return {
        **{f"{name}_ms": round(1e3 * value, 3) for name, value in median.items()},
        "engine_share_pct": round(100.0 * median["engine"] / median["request"], 2),
    }


def main() -> None:
    """Print JSON."""
    candles = minutes()
    warm()
    with tempfile.TemporaryDirectory() as home:
        CandleStore(Path(home) / "candles").write(candles)
        with server(Path(home)) as (client, platform):
            replayer = DataReplayer(candles)
            rows = [fast_batches(client, platform, candles, replayer, resting) for resting in (0, 16)]
            found = {"fast_batches": rows, "single_step": single_steps(client, platform, candles)}
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
