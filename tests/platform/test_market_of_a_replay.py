"""A server whose feed plays the past tells nothing of its future, on no route, though the store has all of it."""

import importlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from paper_serving import Paper, attach, until
from serving import Served, serving
from test_paper_stream import hear, listening, subscribe

from stepped import SteppedFeed
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.market import CandleStore, format_time, parse_time, synthetic
from tradeready_gym.market.sources.platform import PlatformCandles
from tradeready_gym.platform.app import PREFIX, create_app
from tradeready_gym.platform.market import catalog
from tradeready_gym.platform.paper.manager import PaperAccounts
from tradeready_gym.platform.settings import Settings

SYMBOLS = ("BTCUSDT", "ETHUSDT")
STORED = synthetic(symbols=SYMBOLS, timeframe="1m", start="2024-01-01T00:00:00Z", bars=6 * 1440, seed=4)
START = "2024-01-03T00:00:00Z"  # the middle of what is stored
ELSEWHERE = "SOLUSDT"  # stored, but not of the feed
DAY = 86_400_000_000
MARKET = f"{PREFIX}/market"
INTERVALS = {"1m": 60, "1h": 3600, "1d": 86400}


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paper]:
    """A server in the middle of what is stored: 73 minutes of the feed have closed, and half of the next."""
    home = tmp_path_factory.mktemp("replay") / "home"
    store = CandleStore(home / "candles")
    keep(store)
    other = synthetic(symbols=(ELSEWHERE,), timeframe="1m", start="2024-01-01T00:00:00Z", bars=6 * 1440, seed=5)
    store.write(other)
    with serving(home, ingest_journals=False) as served:
        feed = SteppedFeed(STORED, START)
        attach(served.platform, feed)
        paper = Paper(served, feed)
        paper.release(73)
        feed.clock.advance_to(feed.now() + 30_000_000)
        yield paper


def keep(store: CandleStore, end: str | None = None) -> None:
    """Store what the feed plays, up to a moment."""
    for symbol in SYMBOLS:
        store.write(STORED.select(symbol).between(None, end))


def now_of(paper: Paper) -> int:
    """The feed's clock."""
    return paper.feed.now()


def asked(served: Served, path: str, **query: Any) -> httpx2.Response:
    """What somebody without a key is told."""
    return served.anonymous.get(f"{MARKET}{path}", params=query)


def queries() -> Iterator[tuple[str, dict[str, Any]]]:
    """Candle routes in every length, with every kind of range around the clock and behind it."""
    edges = [
        None,
        "2024-01-02T00:00:00Z",
        START,
        "2024-01-03T04:00:00Z",
        "2024-01-04T00:00:00Z",
        "2024-01-06T00:00:00Z",
    ]
    ranges = [(a, b) for a in edges for b in edges if a is None or b is None or a < b]
    spans = [
        {name: edge for name, edge in zip(("start_time", "end_time"), pair, strict=True) if edge} for pair in ranges
    ]
    for symbol, formats in (("BTCUSDT", ("npz", "parquet", "arrow")), (ELSEWHERE, ("npz",))):
        for span in spans:
            for interval in INTERVALS:
                yield f"/candles/{symbol}", {"interval": interval, "limit": 1000, **span}
            for format in formats:
                yield f"/candles/{symbol}/columns", {"interval": "1m", "format": format, **span}


def times_of(answer: httpx2.Response, format: str) -> list[int]:
    """When the candles of an answer open, microseconds."""
    if format == "npz":
        with np.load(io.BytesIO(answer.content)) as columns:
            return [int(time) for time in columns["time"]]
    if format == "arrow":
        table = importlib.import_module("pyarrow.ipc").open_stream(answer.content).read_all()
    else:
        table = importlib.import_module("pyarrow.parquet").read_table(io.BytesIO(answer.content))
    return [int(time) for time in table["time"].to_numpy().astype("datetime64[us]").astype(np.int64)]


def scan(paper: Paper) -> int:
    """Ask every route for everything; how many candles were told, none of which closes after the clock."""
    found, now = 0, now_of(paper)
    for path, query in queries():
        answer = asked(paper.served, path, **query)
        length = INTERVALS[query["interval"]] * 1_000_000
        if path.endswith("/columns"):
            assert answer.status_code in (200, 404), answer.text
            opens = times_of(answer, query["format"]) if answer.status_code == 200 else []
        else:
            opens = [parse_time(candle["time"]) for candle in answer.json()["candles"]]
        assert all(open + length <= now for open in opens), (path, query)
        found += len(opens)
    for path, item in documented_figures(paper.served):
        moments = re.findall(r"20\d\d-\d\d-\d\dT[\d:.]+Z", json.dumps(item))
        assert all(parse_time(moment) <= now for moment in moments), (path, moments)
        found += len(moments)
    query = {"start_time": "2024-01-02T00:00:00Z", "limit": 1000}
    while slots := paper.served.client.get(f"{PREFIX}/feed/candles", params=query).json()["slots"]:
        assert all(parse_time(slot["time"]) + 60_000_000 <= now for slot in slots)
        found, last = found + len(slots), parse_time(slots[-1]["time"])
        query |= {"start_time": format_time(last + 60_000_000)}
    return found


def documented_figures(served: Served) -> Iterator[tuple[str, Any]]:
    """What the other market routes answer, whichever there are."""
    ranges_of_the_store = {"/data-range"}  # dates of what is stored, and no prices
    for route in create_app(Settings(home=served.platform.settings.home)).openapi()["paths"]:
        path = route.removeprefix(MARKET)
        if not route.startswith(MARKET) or "/candles/" in path or path in ranges_of_the_store:
            continue
        for symbol in (*SYMBOLS, ELSEWHERE) if "{symbol}" in path else ("",):
            answer = asked(served, path.format(symbol=symbol))
            assert answer.status_code in (200, 503) or path.startswith("/trades/"), answer.text
            yield path, answer.json()


def test_no_route_tells_what_closes_after_the_clock(replay: Paper) -> None:
    assert scan(replay) > 50_000


def test_a_store_that_is_not_bounded_is_seen(replay: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog.Catalog, "until", lambda self, moment: self)
    with pytest.raises(AssertionError):
        scan(replay)


def test_figures_are_those_of_the_last_candle_that_has_closed(replay: Paper) -> None:
    row = STORED.row_of(START) + 72
    sol = CandleStore(replay.served.platform.settings.home / "candles").read(ELSEWHERE, "1m", None, None)
    closes = {"BTCUSDT": STORED.close[0, row], "ETHUSDT": STORED.close[1, row], ELSEWHERE: sol.close[0, row]}
    prices = asked(replay.served, "/prices").json()
    assert {symbol: float(price) for symbol, price in prices["prices"].items() if symbol in closes} == {
        symbol: pytest.approx(close, abs=1e-8) for symbol, close in closes.items()
    }
    # by the feed's clock it is half a minute old
    assert prices["data_age_seconds"] == pytest.approx(30.0, abs=0.1)
    assert prices["stale"] is False
    for symbol in closes:
        ticker = asked(replay.served, f"/ticker/{symbol}").json()
        assert float(ticker["close"]) == pytest.approx(closes[symbol], abs=1e-8)
        assert ticker["timestamp"] == "2024-01-03T01:13:00Z"
        told = asked(replay.served, f"/indicators/{symbol}", indicators="price,sma_50", interval="1m").json()
        market = STORED.select(symbol) if symbol in SYMBOLS else sol
        assert told["timestamp"] == "2024-01-03T01:13:00Z"
        assert told["indicators"]["price"] == closes[symbol]
        assert told["indicators"]["sma_50"] == pytest.approx(market.close[0, row - 49 : row + 1].mean())


def test_pages_and_ranges_go_from_the_store_into_the_feed_without_a_seam(tmp_path: Path) -> None:
    # the store ends before the feed's clock: what is newer is the feed's
    keep(CandleStore(tmp_path / "home" / "candles"), "2024-01-02T12:00:00Z")
    with serving(tmp_path / "home", ingest_journals=False) as served:
        feed = SteppedFeed(STORED, START)
        attach(served.platform, feed)
        paper = Paper(served, feed)
        paper.release(180)
        hub = served.platform.paper.hub
        hub.kept = 1500
        paper.release(1)
        assert hub.oldest == parse_time("2024-01-02T02:01:00Z")
        span = {"start_time": "2024-01-01T22:00:00Z", "end_time": "2024-01-03T03:00:00Z"}
        hours = asked(served, "/candles/BTCUSDT", interval="1h", limit=1000, **span).json()["candles"]
        expected = STORED.select("BTCUSDT").between(span["start_time"], span["end_time"]).resample("1h")
        assert [float(hour["high"]) for hour in hours] == pytest.approx(expected.high[0].tolist(), abs=1e-8)
        assert [parse_time(hour["time"]) for hour in hours] == expected.times.tolist()
        some = asked(served, "/candles/BTCUSDT", interval="1h", limit=7, start_time=span["start_time"]).json()
        last = asked(served, "/candles/BTCUSDT", interval="1h", limit=27).json()
        assert (some["candles"], last["candles"]) == (hours[:7], hours[-27:])
        columns = asked(served, "/candles/BTCUSDT/columns", interval="1h", **span)
        assert columns.headers["X-Candles-Fingerprint"] == expected.fingerprint
        told = asked(served, "/indicators/BTCUSDT", interval="1h", lookback=29).json()
        assert (told["candles_used"], told["timestamp"]) == (29, "2024-01-03T03:00:00Z")
        # what the feed does not have yet, nobody has
        late = span | {"end_time": "2024-01-03T04:00:00Z"}
        assert asked(served, "/candles/BTCUSDT/columns", interval="1h", history=True, **late).status_code == 404
        assert len(asked(served, "/candles/BTCUSDT", interval="1h", limit=1000, **late).json()["candles"]) == len(hours)


def test_a_channel_tells_no_more_than_the_routes(replay: Paper) -> None:
    with listening(replay.served) as socket:
        subscribe(socket, "candles:BTCUSDT:1h")
        subscribe(socket, "ticker:BTCUSDT")
        replay.release()
        now = now_of(replay)
        ticker, hour = sorted((hear(socket), hear(socket)), key=lambda message: message["channel"], reverse=True)
        assert parse_time(ticker["data"]["timestamp"]) <= now
        row = STORED.row_of(START)
        played = (now - parse_time(START)) // 60_000_000
        assert hour["data"]["is_closed"] is False
        assert float(hour["data"]["high"]) == pytest.approx(STORED.high[0, row + 60 : row + played].max(), abs=1e-8)


def test_training_asks_for_history_and_gets_it(replay: Paper) -> None:
    url, now = replay.served.url, now_of(replay)
    whole = PlatformCandles(url).fetch(["BTCUSDT"], STORED.timeframe, "2024-01-01T00:00:00Z", "2024-01-06T00:00:00Z")
    assert whole.end > now + 2 * DAY
    assert whole.fingerprint == STORED.select("BTCUSDT").between(None, "2024-01-06T00:00:00Z").fingerprint
    env = TradingEnvironment(
        data=PlatformCandles(url), symbols=("BTCUSDT",), timeframe="1h", start_time="2024-01-04T00:00:00Z",
        end_time="2024-01-05T00:00:00Z",
    )  # fmt: skip
    env.reset(seed=1)
    steps, ended = 0, False
    while not ended:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        steps, ended = steps + 1, terminated or truncated
    assert steps == 24
    env.close()
    refused = asked(
        replay.served, "/candles/BTCUSDT/columns", interval="1m", start_time=START, end_time="2024-01-05T00:00:00Z"
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "DATA_NOT_AVAILABLE")
    assert "history=true" in refused.json()["error"]["message"]


def test_a_backtest_plays_what_the_feed_has_not_played_yet(replay: Paper) -> None:
    body = {"start_time": "2024-01-04T00:00:00Z", "end_time": "2024-01-05T00:00:00Z", "starting_balance": "1000"}
    made = replay.served.client.post(
        f"{PREFIX}/backtest/create", json={**body, "candle_interval": 3600, "pairs": ["BTCUSDT"]}
    )
    assert made.status_code in (200, 201), made.text


def test_before_the_feed_answers_the_replay_has_only_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(CandleStore(tmp_path / "candles"))
    monkeypatch.setattr(PaperAccounts, "keep", lambda self: None)
    feed = f"replay:store:{START}:60"
    with serving(tmp_path, ingest_journals=False, feed=feed, feed_symbols=("BTCUSDT",), feed_timeframe="1m") as served:
        until(lambda: "paper" in served.platform.__dict__)
        candles = asked(served, "/candles/BTCUSDT", interval="1m").json()["candles"]
        assert candles[-1]["time"] == "2024-01-02T23:59:00Z"
        assert asked(served, "/price/BTCUSDT").json()["timestamp"] == START


def test_without_a_feed_everything_that_is_stored_is_told(tmp_path: Path) -> None:
    keep(CandleStore(tmp_path / "candles"))
    with serving(tmp_path, ingest_journals=False) as served:
        price = asked(served, "/price/BTCUSDT").json()
    assert parse_time(price["timestamp"]) == STORED.end
