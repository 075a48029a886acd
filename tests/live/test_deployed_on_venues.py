"""An agent that is deployed on a venue of ccxt, and one whose orders fill at the book; by name, as the command line says it."""

import logging
from pathlib import Path
from typing import Any

import pytest
from kraken_replica import KrakenReplica
from test_ccxt_feed import SteppedCcxt, at
from test_deployment import END, _home, candles, deployment, run
from test_recorded_days import SteppedBinance

from tradeready_gym.cli.deploy import deploy
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.live.deployments import Deployment, decisions_of
from tradeready_gym.live.replica import Replica, serve
from tradeready_gym.strategies.deployment import work

__all__ = ["_home", "run"]  # fixtures
LIVE = candles("2021-06-05T00:00:00Z")


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="tradeready_gym.live")


def test_orders_at_the_book_are_logged_as_such(run: Path) -> None:
    made = deployment(run, feed="binance", arguments={"fill_at": "book"})
    replica = Replica(LIVE, END, speed=0.001)
    with replica.serving():
        feed = SteppedBinance(
            "BTCUSDT", "1h", rest_url=replica.rest_url, stream_url=replica.stream_url, clock=replica.clock, patience=1.0
        )
        status = work(made, feed, steps=24)
    log = decisions_of(made, 24)
    assert (status["fills"], status["step"]) == ("book", 24)
    assert Deployment.load(made.name).arguments["fill_at"] == "book"
    fills = [(line["bid_ask"]["BTCUSDT"], fill) for line in log for fill in line["filled_orders"]]
    assert fills
    for (bid, ask), fill in fills:
        assert fill["price"] == pytest.approx(ask if fill["side"] == "buy" else bid, rel=1e-12)
    assert all(abs(line["quote_moved_pct"]["BTCUSDT"]) < 5.0 for line in log if not line["gap"])


def test_an_agent_trades_on_another_venue_as_in_replay(run: Path) -> None:
    import ccxt

    made = deployment(run, feed="ccxt:kraken")
    replica = KrakenReplica(LIVE, END)
    with serve(replica.app) as address:
        venue = at(ccxt.kraken(), f"http://{address}")
        feed: Any = SteppedCcxt(venue, "BTCUSDT", "1h", clock=replica.clock, patience=1.0)
        status = work(made, feed, steps=12)
    assert (status["fills"], status["step"], status["state"]) == ("next_open", 12, "stopped")
    assert [line["missed_candles"] for line in decisions_of(made, 12)] == [0] * 12


def test_feeds_that_there_are_not_are_refused_before_anything_is_deployed(run: Path) -> None:
    with pytest.raises(ConfigurationError, match="--feed is binance, ccxt:VENUE or replay; got 'kraken'"):
        deploy(str(run), feed="kraken", name="wrong")
    with pytest.raises(ConfigurationError, match="recorded candles have none"):
        deploy(str(run), feed="replay", fill_at="book", name="wrong")
    with pytest.raises(Exception, match="no deployment 'wrong'"):
        Deployment.load("wrong")
