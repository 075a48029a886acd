"""Create, start, trade, step to the end, read and forget very many backtests in one server, and watch its memory.

    python tests/platform/soak_sessions.py --sessions 100000

The requests go through the whole application (every middleware, route and transaction) without a network between. Exits 1
if the memory has grown by more than `--allowed-mib` between a tenth of the way and the end.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select

from tradeready_gym.platform import Settings, clock
from tradeready_gym.platform.accounts import ensure_owner
from tradeready_gym.platform.app import create_app
from tradeready_gym.platform.database.tables import backtest_journal, backtest_snapshots, backtest_trades, backtests
from tradeready_gym.platform.retention import forget
from tradeready_gym.platform.sessions.account import warm
from tradeready_gym.platform.state import Platform

API = "/api/v1/backtest"
PLAN = {
    "starting_balance": "10000",
    "candle_interval": "1h",
    "pairs": ["BTCUSDT"],
    "strategy_label": "soak",
}
ORDER = {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.01"}
FORGET_EVERY, TRADES_EVERY = 1_000, 20
MIB = 1024 * 1024
HOUR = 3_600_000_000
FIRST = 1_612_137_600_000_000  # 2021-02-01
Call = Callable[..., Awaitable[dict[str, Any]]]


def caller(app: Any, key: str) -> Call:
    """Ask the application as a server does, and read its answer, which must be a success."""

    async def call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        sent = b"" if body is None else json.dumps(body).encode()
        headers = [(b"host", b"soak"), (b"x-api-key", key.encode()), (b"content-type", b"application/json")]
        headers.append((b"content-length", str(len(sent)).encode()))
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers,
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
        }  # fmt: skip
        waiting, answer, status = [{"type": "http.request", "body": sent, "more_body": False}], bytearray(), 0

        async def receive() -> dict[str, Any]:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            answer.extend(message.get("body", b""))

        await app(scope, receive, send)
        if status not in {200, 201}:
            raise RuntimeError(f"{method} {path} answered {status}: {answer.decode()}")
        return dict(json.loads(answer))

    return call


def plan(number: int) -> dict[str, Any]:
    """Six hours somewhere in the packaged sample, another place for each of 20,000 sessions in a row."""
    start = FIRST + number % 20_000 * HOUR
    return PLAN | {"start_time": clock.iso(start), "end_time": clock.iso(start + 6 * HOUR)}


async def live_once(call: Call, number: int) -> None:
    """One session from its creation to its end; one of twenty has an order too, and its results are read."""
    trades = number % TRADES_EVERY == 0
    session = (await call("POST", f"{API}/create", plan(number)))["session_id"]
    await call("POST", f"{API}/{session}/start")
    if trades:
        await call("POST", f"{API}/{session}/trade/order", ORDER)
    ended = await call("POST", f"{API}/{session}/step/batch/fast", {"steps": 100})
    if not ended["is_complete"]:
        raise RuntimeError(f"the session did not end: {ended}")
    if trades:
        for path in ("results", "results/equity-curve", "results/trades", "market/candles/BTCUSDT"):
            await call("GET", f"{API}/{session}/{path}")


async def soak(app: Any, key: str, sessions: int) -> list[tuple[int, float]]:
    """Live so many sessions; (sessions, MiB of memory) at ten places."""
    call, platform, found = caller(app, key), app.state.platform, []
    begin, cpu = time.monotonic(), time.process_time()
    for number in range(1, sessions + 1):
        await live_once(call, number)
        if number % min(FORGET_EVERY, max(sessions // 10, 1)) == 0:
            await asyncio.to_thread(forget, platform.database, 1e-9)
        if number % max(sessions // 10, 1) == 0:
            found.append((number, resident_mib()))
            rate = number / (time.monotonic() - begin)
            say(
                f"{number:>8,} sessions  {found[-1][1]:7.1f} MiB  {platform.sessions.awake:>3} awake  {rate:5.0f}/s  "
                f"{1000 * (time.process_time() - cpu) / number:.2f} ms CPU each  database {size_mib(platform):.1f} MiB"
            )
    return found


def left(platform: Platform) -> int:
    """Rows that the sessions have left in the database."""
    tables = (backtests, backtest_journal, backtest_trades, backtest_snapshots)
    with platform.database.read() as connection:
        return sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables)


def resident_mib() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / MIB


def size_mib(platform: Platform) -> float:
    """The database's file with its log."""
    return sum(path.stat().st_size for path in platform.settings.home.glob("platform.db*")) / MIB


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """The script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--allowed-mib", type=float, default=16.0)
    parser.add_argument("--folder", help="where its database is kept while it runs; a folder in memory spares a disk")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as home:
        app = create_app(Settings(home=Path(home), ingest_journals=False))
        platform: Platform = app.state.platform
        key = ensure_owner(platform.database) or ""
        say(f"{0:>8,} sessions  {resident_mib():7.1f} MiB")
        warm()  # the compiler takes memory of its own, and gives it back only in part
        say(f"{0:>8,} sessions  {resident_mib():7.1f} MiB with the engine compiled")
        found = asyncio.run(soak(app, key, options.sessions))
        rows = left(platform)
        with platform.database.write() as connection:
            connection.execute(delete(backtests))
        platform.close()
    grown = found[-1][1] - found[0][1]
    say(f"{grown:+.1f} MiB from {found[0][0]:,} to {found[-1][0]:,} sessions; {rows} rows left")
    return int(grown > options.allowed_mib or rows > 0)


if __name__ == "__main__":
    sys.exit(main())
