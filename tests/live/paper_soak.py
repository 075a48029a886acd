"""A month of paper accounts on a platform, without growth: a server in a process of its own, and clients that trade on it.

    python tests/live/paper_soak.py [--days 30] [--agents 2] [--output curve.csv]

The server plays synthetic minutes of three symbols; an account and its agents trade over HTTP every two virtual hours, while its
clock stands still, and a WebSocket listens. Once a virtual day the server's memory, files, sockets, threads and journals are written down (CSV, and a
picture beside it if matplotlib is there). Then the server is killed; another one must know the same accounts. Exits with 1 if
anything has grown that should not, or differs.
"""

import argparse
import csv
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[1] / "platform")]

START, WARM = "2024-01-05T00:00:00Z", 4
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
EVERY, MINUTE = 2, 60_000_000
PREFIX = "/api/v1"
FIELDS = (
    "day", "candles", "memory_mb", "files", "sockets", "threads", "journals_kb", "orders", "refused", "events", "seconds",
)  # fmt: skip
GROWTH_MB, JOURNAL_KB = 25.0, 8_000.0


def serve(home: Path, days: int) -> None:
    """Be the server: say where it listens; for each line with a number let so many candles close, and say the time."""
    from paper_serving import attach
    from serving import serving

    from stepped import SteppedFeed
    from tradeready_gym.market import synthetic

    bars = (days + WARM + 1) * 1440
    candles = synthetic(symbols=SYMBOLS, timeframe="1m", start="2024-01-01T00:00:00Z", bars=bars, seed=3)
    feed = SteppedFeed(candles, START)
    with serving(home, ingest_journals=False) as served:
        attach(served.platform, feed)
        paper = served.platform.paper
        _say(f"{served.url} {served.key}")
        for line in sys.stdin:
            for _ in range(int(line)):
                feed.release()
                while paper.hub.clock < feed.now() // MINUTE * MINUTE:
                    time.sleep(0.0005)
            paper.keep()
            _say(str(paper.hub.clock // 1_000_000))


@contextmanager
def process(home: Path, days: int) -> Iterator[tuple["subprocess.Popen[str]", httpx2.Client]]:
    """A server, and a client with its key; it is killed at the end."""
    command = [sys.executable, __file__, "--serve", str(home), "--days", str(days)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        url, key = _told(server).split()
        try:
            with httpx2.Client(base_url=url, headers={"X-API-Key": key}, timeout=60.0) as client:
                yield server, client
        finally:
            server.send_signal(signal.SIGKILL)


def release(server: "subprocess.Popen[str]", candles: int) -> int:
    """Let so many candles close; the server's clock, seconds."""
    if server.stdin is None:
        raise AssertionError("the server has no ear")
    server.stdin.write(f"{candles}\n")
    server.stdin.flush()
    return int(_told(server))


def _told(server: "subprocess.Popen[str]") -> str:
    line = server.stdout.readline() if server.stdout is not None else ""
    if not line:
        raise AssertionError("the server ended")
    return line


class Trader:
    """One account's client: it buys, sells, lets orders rest and takes them back, and remembers what it was told."""

    def __init__(self, client: httpx2.Client, headers: dict[str, str], number: int) -> None:
        self.client, self._headers, self._number = client, headers, number
        self.orders = self.refused = self.turns = 0
        self.ids: set[str] = set()
        self.reasons: Counter[str] = Counter()

    def turn(self) -> None:
        """One round of what it does."""
        self.turns += 1
        symbol = SYMBOLS[(self.turns + self._number) % 3]
        price = float(self.ask("GET", f"/market/price/{symbol}")["price"])
        quantity = f"{200.0 / price:.6f}"
        side = "sell" if self.turns % 2 == 0 else "buy"
        self.order(symbol=symbol, side=side, quantity=quantity)
        self.order(symbol=symbol, side="buy", type="limit", price=f"{0.99 * price:.4f}", quantity=quantity)
        if self.turns % 3 == 0:
            self.ask("DELETE", "/trade/orders/open")

    def order(self, **body: str) -> None:
        """An order, which is sent twice."""
        body["client_order_id"] = f"{self._number}-{self.turns}-{body.get('type', 'market')}"
        answers = [self.client.post(f"{PREFIX}/trade/order", json=body, headers=self._headers) for _ in range(2)]
        if answers[0].status_code == 201:
            self.orders += 1
            told = [answer.json()["order_id"] for answer in answers]
            if told[0] != told[1] or told[0] in self.ids:
                raise AssertionError(f"an order was doubled: {told}")
            self.ids.add(told[0])
        else:
            self.refused += 1
            self.reasons[answers[0].json()["error"].get("details", {}).get("reason", "?")] += 1

    def ask(self, method: str, path: str) -> Any:
        """What a route answers."""
        answer = self.client.request(method, f"{PREFIX}{path}", headers=self._headers)
        if answer.status_code != 200:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer.json()

    def books(self) -> Any:
        """What the account is, but for its clock."""
        portfolio = self.ask("GET", "/account/portfolio")
        return {k: portfolio[k] for k in ("available_cash", "locked_cash", "fees_paid", "realized_pnl")} | {
            "held": [(line["symbol"], line["quantity"]) for line in portfolio["positions"]],
            "trades": self.ask("GET", "/trade/history")["total"],
        }


def measure(pid: int, home: Path) -> dict[str, float]:
    """What a process uses, and the journals of its accounts."""
    folder = Path(f"/proc/{pid}")
    links = []
    for link in (folder / "fd").iterdir():
        try:
            links.append(os.readlink(link))
        except FileNotFoundError:
            continue
    return {
        "memory_mb": int((folder / "statm").read_text().split()[1]) * resource.getpagesize() / 2**20,
        "files": len(links),
        "sockets": sum(link.startswith("socket:") for link in links),
        "threads": len(list((folder / "task").iterdir())),
        "journals_kb": sum(path.stat().st_size for path in (home / "paper").iterdir()) / 1024,
    }


def listen(url: str, key: str, heard: list[int]) -> None:
    """Count what a WebSocket brings; one that ends is opened again, as long as there is a server."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    with suppress(OSError):
        while True:
            with connect(f"{url.replace('http', 'ws')}/ws/v1?api_key={key}") as socket, suppress(ConnectionClosed):
                for channel in ("ticker:BTCUSDT", "orders", "portfolio", "candles:ETHUSDT:5m"):
                    socket.send(json.dumps({"action": "subscribe", "channel": channel}))
                for _ in socket:
                    heard[0] += 1


def month(home: Path, days: int, agents: int) -> tuple[list[dict[str, float]], bool]:
    """Trade for so many virtual days; a line for each, and whether another server knew the same accounts."""
    lines: list[dict[str, float]] = []
    with process(home, days) as (server, client):
        traders = [Trader(client, {}, 0)]
        for number in range(agents):
            made = client.post(f"{PREFIX}/agents", json={"display_name": f"agent {number}"}).json()
            traders.append(Trader(client, {"X-Agent-Id": made["agent_id"]}, number + 1))
        heard = [0]
        arguments = (str(client.base_url).rstrip("/"), client.headers["X-API-Key"], heard)
        threading.Thread(target=listen, args=arguments, daemon=True).start()
        for day in range(days):
            begin = time.monotonic()
            for _ in range(24 // EVERY):
                for trader in traders:
                    trader.turn()
                release(server, 60 * EVERY)
            lines.append(
                {"day": day + 1, "candles": (day + 1) * 1440, "orders": sum(t.orders for t in traders)}
                | {"refused": sum(t.refused for t in traders), "events": heard[0], "seconds": time.monotonic() - begin}
                | measure(server.pid, home)
            )
            _say("  " + ", ".join(f"{name} {lines[-1][name]:,.0f}" for name in FIELDS))
        refusals = sum((trader.reasons for trader in traders), Counter[str]())
        _say(f"  refused: {dict(refusals)}")
        before = [trader.books() for trader in traders]
    with process(home, days) as (_, client):
        for trader in traders:
            trader.client = client
        return lines, [trader.books() for trader in traders] == before


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def write(lines: list[dict[str, float]], path: Path) -> None:
    """The curve as CSV, and as a picture if there is something to draw it with."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows({name: round(line[name], 1) for name in FIELDS} for line in lines)
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ModuleNotFoundError:
        return
    names = ("memory_mb", "files", "journals_kb", "orders")
    figure, axes = pyplot.subplots(1, len(names), figsize=(12, 2.6), layout="constrained")
    for axis, name in zip(axes, names, strict=True):
        axis.plot([line["day"] for line in lines], [line[name] for line in lines])
        axis.set(title=name, xlabel="virtual day", ylim=(0, None))
    figure.savefig(path.with_suffix(".png"), dpi=80)


def main() -> int:
    """The month."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--agents", type=int, default=2)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--serve", type=Path)
    chosen = parser.parse_args()
    if chosen.serve is not None:
        serve(chosen.serve, chosen.days)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        lines, same = month(Path(folder) / "home", chosen.days, chosen.agents)
    if chosen.output is not None:
        write(lines, chosen.output)
    # what grows between two compactions is a saw: its lowest points are compared
    half = max(1, len(lines) // 2)
    first, second, end = lines[min(2, half - 1) : half], lines[half:] or lines, lines[-1]
    grown = {
        name: min(line[name] for line in second) - min(line[name] for line in first)
        for name in ("memory_mb", "files", "sockets", "threads")
    }
    largest = max(line["journals_kb"] for line in lines) / (chosen.agents + 1)
    _say(
        f"{chosen.days} days, {end['candles']:,.0f} candles, {end['orders']:,.0f} orders: the lowest of the second half against the "
        f"first {grown['memory_mb']:+.1f} MB, {grown['files']:+.0f} files, {grown['sockets']:+.0f} sockets, "
        f"{grown['threads']:+.0f} threads; a journal had {largest:,.0f} kB at most; another server knew the same accounts: {same}"
    )
    small = grown["memory_mb"] < GROWTH_MB and largest < JOURNAL_KB
    return 0 if same and small and grown["files"] <= 2 and grown["sockets"] <= 2 else 1


if __name__ == "__main__":
    sys.exit(main())
