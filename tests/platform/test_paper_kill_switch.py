"""Several agents of one account: the one that loses too much in a day is stopped, alone, and stays so in another server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paper_serving import START, Paper, attach, recording
from serving import client_of, serving

from stepped import SteppedFeed
from tradeready_gym.market import Candles
from tradeready_gym.platform.app import PREFIX

CRASH = 5  # candles after the start


def crashing() -> Candles:
    """The recording, with Bitcoin at 90 % from the fifth candle on."""
    whole = recording()
    level = np.ones((3, len(whole)))
    level[0, whole.row_of(START) + CRASH :] = 0.9
    prices = [getattr(whole, name) * level for name in ("open", "high", "low", "close")]
    opens, highs, lows, closes = prices
    return Candles.from_arrays(whole.symbols, "1m", whole.times, opens, highs, lows, closes, whole.volume)


@contextmanager
def crashing_server(home: Path) -> Iterator[Paper]:
    feed = SteppedFeed(crashing(), START)
    with serving(home, ingest_journals=False) as served:
        attach(served.platform, feed)
        yield Paper(served, feed)


def placed(client: Any, **body: Any) -> tuple[int, str | None]:
    """Status of an order, and the reason of one that is refused."""
    order = {"symbol": "ETHUSDT", "side": "buy", "quantity": "0.01"} | body
    answer = client.post(f"{PREFIX}/trade/order", json=order)
    return answer.status_code, answer.json().get("error", {}).get("details", {}).get("reason")


def held(client: Any) -> dict[str, str]:
    positions = client.get(f"{PREFIX}/account/portfolio").json()["positions"]
    return {line["symbol"]: line["quantity"] for line in positions}


@pytest.mark.parametrize(("limit", "falls"), [(2.0, True), (3.0, False)])
def test_a_day_that_loses_too_much_stops_one_agent_and_no_other(limit: float, falls: bool, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with crashing_server(home) as paper:
        made = [
            paper.served.client.post(
                f"{PREFIX}/agents",
                json={"display_name": name, "risk_profile": {"daily_loss_limit_pct": limit}},
            ).json()
            for name in ("bold", "careful")
        ]
        keys = [agent["api_key"] for agent in made]
        with client_of(paper.served.url, keys[0]) as bold, client_of(paper.served.url, keys[1]) as careful:
            price = float(bold.get(f"{PREFIX}/market/price/BTCUSDT").json()["price"])
            # 24 % of the equity loses a tenth: 2.4 %
            assert placed(bold, symbol="BTCUSDT", quantity=f"{2400.0 / price:.6f}") == (201, None)
            assert placed(bold, type="limit", price="1", quantity="5") == (201, None)
            assert placed(careful) == (201, None)
            paper.release(CRASH)
            assert len(held(bold)) == 1
            paper.release(3)
            assert (held(bold) == {}) is falls
            assert len(bold.get(f"{PREFIX}/trade/orders/open").json()["orders"]) == (0 if falls else 1)
            assert placed(bold) == ((400, "daily_loss_limit") if falls else (201, None))
            assert placed(careful) == (201, None)
            assert held(careful) != {}
    with (
        crashing_server(home) as again,
        client_of(again.served.url, keys[0]) as bold,
        client_of(again.served.url, keys[1]) as careful,
    ):
        assert placed(bold) == ((400, "daily_loss_limit") if falls else (201, None))
        assert placed(careful) == (201, None)
        assert bold.post(f"{PREFIX}/account/reset", json={"confirm": True}).status_code == 200
        assert placed(bold) == (201, None)
