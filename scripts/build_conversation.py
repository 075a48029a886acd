"""Write docs/conversation.md: what a client of the documented API and a real server say to one another.

    python scripts/build_conversation.py

A test replays the page against a server of its own, so a page that is out of date is found.
"""

import http.client
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
API = "/api/v1"
RUN = "5f0c1f0e-7c1b-4a53-9d3e-0d9d1d6f0b11"
PLAN = {
    "start_time": "2023-01-01T00:00:00Z",
    "end_time": "2023-01-01T04:00:00Z",
    "starting_balance": "10000.0",
    "candle_interval": 3600,
    "pairs": ["BTCUSDT"],
    "strategy_label": "gym_training",
}
CANDLES = f"{API}/backtest/SESSION/market/candles/BTCUSDT?interval=1h&limit=2"
STEP = ("POST", f"{API}/backtest/SESSION/step", None)
# its figures are those of the results
EPISODE = {"episode_number": 1, "session_id": "SESSION"}
FIGURES = ("roi_pct", "sharpe_ratio", "max_drawdown_pct", "total_trades", "reward_sum")
Request = tuple[str, str, dict[str, Any] | None]
BUY = {"symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": "0.06"}
STOP = {"symbol": "BTCUSDT", "side": "sell", "type": "stop_loss", "quantity": "0.03", "stop_price": "16500"}
SALE = {"symbol": "BTCUSDT", "side": "sell", "type": "market", "quantity": "0.03"}
# title, what is said of it, requests
SCENES: tuple[tuple[str, str, tuple[Request, ...]], ...] = (
    (
        "reset",
        "A session is made and started; the first step tells the first prices; the run is registered once.",
        (
            ("POST", f"{API}/backtest/create", PLAN),
            ("POST", f"{API}/backtest/SESSION/start", None),
            STEP,
            ("GET", CANDLES, None),
            ("POST", f"{API}/training/runs", {"run_id": RUN, "config": {"strategy_label": "gym_training"}}),
        ),
    ),
    (
        "step: buy",
        "A market order is filled at once, at the open of the candle that begins at the clock; the step reports it in "
        "`filled_orders`.",
        (("POST", f"{API}/backtest/SESSION/trade/order", BUY), STEP, ("GET", CANDLES, None)),
    ),
    (
        "step: an order that rests, one that cannot be paid for, and nothing",
        "An order that rests answers `pending`; what is refused says what was needed and what there is.",
        (
            ("POST", f"{API}/backtest/SESSION/trade/order", STOP),
            ("POST", f"{API}/backtest/SESSION/trade/order", {**BUY, "quantity": "6"}),
            STEP,
        ),
    ),
    (
        "step: sell, and the end",
        "The last step says `is_complete`; everything stays readable. The results go into the episode's report.",
        (
            ("POST", f"{API}/backtest/SESSION/trade/order", SALE),
            STEP,
            ("GET", CANDLES, None),
            ("GET", f"{API}/backtest/SESSION/results", None),
            ("POST", f"{API}/training/runs/{RUN}/episodes", EPISODE),
            STEP,
        ),
    ),
    ("close", "The run is completed.", (("POST", f"{API}/training/runs/{RUN}/complete", None),)),
)
INTRODUCTION = """# A conversation

What a client of the documented API and the server say to one another: `reset()`, three steps and `close()`, on the packaged
candles. Captured from a real server by `scripts/build_conversation.py`, and replayed by `tests/platform/test_conversation.py`:
every answer must be the same, but for ids and the times of day. [The platform](platform.md) says what differs from the
original server, and why.

Money, prices and percentages are decimals in strings with at most eight places, quantities in as many as it takes to hand
them back in an order; `exact` repeats the money as numbers, to the last digit.
"""


@contextmanager
def serving(home: str) -> Iterator[tuple[http.client.HTTPConnection, str]]:
    """A connection to a server of its own, and its owner's key."""
    command = [sys.executable, "-u", "-m", "tradeready_gym.cli", "serve", "--port", "0", "--home", home]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said = ""
        while not (re.search(r"ak_live_\S+", said) and re.search(r"http://[\d.]+:\d+", said)):
            said += server.stdout.readline() if server.stdout else ""
        address = re.search(r"http://([\d.]+):(\d+)", said)
        key = re.search(r"ak_live_\S+", said)
        yield http.client.HTTPConnection(address[1], int(address[2]), timeout=60), key[0]  # type: ignore[index]
    finally:
        server.terminate()
        server.wait()


def ask(connection: http.client.HTTPConnection, key: str, request: Request) -> tuple[int, str, Any]:
    """Status, its words, and the body of the answer."""
    method, path, body = request
    headers = {"X-API-Key": key} | ({} if body is None else {"Content-Type": "application/json"})
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, answer.reason, json.loads(answer.read())


def block(request: Request, status: int, words: str, answer: Any) -> str:
    """A request and its answer as the page shows them."""
    method, path, body = request
    sent = f"{method} {path}\nX-API-Key: ak_live_..."
    if body is not None:
        sent += f"\nContent-Type: application/json\n\n{json.dumps(body, indent=2)}"
    return f"```http\n{sent}\n```\n\n```http\nHTTP/1.1 {status} {words}\n\n{json.dumps(answer, indent=2)}\n```\n"


def main() -> None:
    """Hold the conversation and write the page."""
    parts, session = [INTRODUCTION], "SESSION"
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as home, serving(home) as (connection, key):
        for title, words, requests in SCENES:
            parts.append(f"## {title}\n\n{words}\n")
            for method, path, body in requests:
                real = json.loads(json.dumps(body).replace("SESSION", session))
                if path.endswith("/episodes") and body is not None:
                    real |= {name: float(results[name]) for name in FIGURES} | {"total_trades": results["total_trades"]}
                request = (method, path.replace("SESSION", session), real)
                status, reason, answer = ask(connection, key, request)
                if path.endswith("/create"):
                    session = answer["session_id"]
                if path.endswith("/results"):
                    results = answer
                parts.append(block(request, status, reason, answer))
    (ROOT / "docs" / "conversation.md").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
