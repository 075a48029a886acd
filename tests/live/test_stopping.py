"""What stops an agent, and what that leaves: its position unless everything was sold, its name unless it never traded."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from serving import serving
from test_agent_limits import Buys, at_work_on
from test_parity import START, market

from tradeready_gym.cli import deploy as command
from tradeready_gym.cli import main
from tradeready_gym.errors import ConfigurationError, DownloadError, StoreError, UnknownName
from tradeready_gym.live import BinanceFeed, FeedEnded, FeedState, ReplayFeed
from tradeready_gym.live.binance_rest import BinanceRest
from tradeready_gym.live.deployments import Deployment
from tradeready_gym.live.feeds import check_feed
from tradeready_gym.live.hub import FeedHub
from tradeready_gym.live.lock import held
from tradeready_gym.live.replica import Replica
from tradeready_gym.market import Timeframe
from tradeready_gym.platform.app import PREFIX
from tradeready_gym.strategies import deployment as at_work

HOUR = 3_600_000_000
KEPT = ("equity", "cash", "positions", "step", "virtual_time")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def _deliberate(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = Buys.decide

    def deliberating(self: Buys, situation: Any) -> Any:
        time.sleep(0.03)
        return genuine(self, situation)

    monkeypatch.setattr(Buys, "decide", deliberating)


def asked(made: Deployment, order: str) -> dict[str, Any]:
    """Work until somebody asks, after a few decisions."""
    told: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: told.append(at_work.work(made, ReplayFeed(market(), START))))
    thread.start()
    begin = time.monotonic()
    before = made.status.get("step", 0)
    while not (made.status["alive"] and made.status.get("step", 0) > before + 2) and time.monotonic() - begin < 120.0:
        time.sleep(0.02)
    made.ask(order)
    thread.join(30.0)
    return told[0]


# ---- stop, flatten, interrupt ----


def test_stop_leaves_the_position_and_resume_goes_on_with_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = at_work_on(ReplayFeed(market(), START), monkeypatch, home / "live")
    stopped = asked(made, "stop")
    assert stopped["state"] == "stopped"
    assert stopped["positions"]["BTCUSDT"] > 0.0
    resumed = at_work.work(made, ReplayFeed(market(), START), steps=0)
    assert {name: resumed[name] for name in KEPT} == {name: stopped[name] for name in KEPT}
    resumed = at_work.work(made, ReplayFeed(market(), START), steps=4)
    assert resumed["step"] == stopped["step"] + 4
    whole = at_work.work(
        at_work_on(ReplayFeed(market(), START), monkeypatch, home / "other"),
        ReplayFeed(market(), START),
        steps=resumed["step"],
    )
    assert {name: resumed[name] for name in KEPT} == {name: whole[name] for name in KEPT}


def test_flatten_sells_and_of_a_stopped_agent_says_how_to(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = at_work_on(ReplayFeed(market(), START), monkeypatch, home / "live")
    at_work.work(made, ReplayFeed(market(), START), steps=3)
    with pytest.raises(ConfigurationError, match=r"still holds .* BTCUSDT.*`tradeready live resume one --background`"):
        made.ask("flatten")
    flat = asked(made, "flatten")
    assert (flat["state"], flat["positions"]) == ("flat", {})
    with pytest.raises(ConfigurationError, match="holds nothing"):
        made.ask("flatten")


class Quiet(ReplayFeed):
    """A recording that stops after three candles; in the fourth the first price is heard late, and not by who has closed it."""

    heard, asked = threading.Event(), threading.Event()

    def wait(self, time: int, timeout: float | None = None) -> Any:
        if time < market().row_of(START) * HOUR + market().start + 3 * HOUR:
            return super().wait(time, timeout)
        self.asked.set()
        if self._woken.wait(timeout):
            raise FeedEnded("closed")
        return None

    def opening_prices(self) -> Any:
        if self.asked.is_set() and self.heard.wait(0.3) and not self._closed:
            return super().opening_prices()
        return {}


@pytest.mark.parametrize("price", [True, False], ids=["a price comes", "none comes"])
def test_flatten_waits_for_a_price_of_the_running_candle(
    price: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_work, "_PATIENCE", 1.0)
    monkeypatch.setattr(Quiet, "heard", threading.Event())
    monkeypatch.setattr(Quiet, "asked", threading.Event())
    feed = Quiet(market(), START)
    made = at_work_on(feed, monkeypatch, home / "live")
    thread = threading.Thread(target=lambda: at_work.work(made, feed))
    thread.start()
    assert feed.asked.wait(60.0)
    made.ask("flatten")
    time.sleep(0.5)
    if price:
        feed.heard.set()
    thread.join(30.0)
    status = made.status
    if price:
        assert (status["state"], status["positions"], status["problem"]) == ("flat", {}, None)
    else:
        # what holds something is not called flat
        assert (status["state"], bool(status["positions"])) == ("stopped", True)
        assert status["problem"] == "not everything could be sold (BTCUSDT: market_closed)"


def test_ctrl_c_ends_with_130_sells_nothing_and_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = at_work_on(ReplayFeed(market(), START), monkeypatch, home / "live")
    genuine, decided = Buys.decide, [0]

    def interrupted(self: Buys, situation: Any) -> Any:
        decided[0] += 1
        if decided[0] == 4:
            raise KeyboardInterrupt
        return genuine(self, situation)

    class Said:
        basis = ""

    monkeypatch.setattr(Buys, "decide", interrupted)
    monkeypatch.setattr("tradeready_gym.live.feeds.make_feed", lambda *_: ReplayFeed(market(), START))
    monkeypatch.setattr("tradeready_gym.strategies.expectation.write_expectation", lambda _: Said)
    assert main(["live", "resume", "one"]) == 130
    said = " ".join(capsys.readouterr().err.split())
    assert "interrupted at 2024-01-27T03:00:00Z after 3 candles. Nothing was sold: it holds" in said
    assert "`tradeready live resume one` goes on" in said
    status = made.status
    assert (status["state"], status["problem"], status["alive"]) == ("stopped", None, False)
    assert status["positions"]["BTCUSDT"] > 0.0


# ---- what cannot be ----


@pytest.mark.parametrize(
    ("feed", "symbols", "timeframe", "said"),
    [
        ("ccxt:nowhere", ["BTCUSDT"], "1h", "nowhere"),
        ("binance", ["BTCUSDT"], "7m", "7m"),
        ("binance", ["NOSUCH"], "1h", "NOSUCH"),
        ("carrier pigeon", ["BTCUSDT"], "1h", "a feed is binance"),
        ("replay:sample:1950-01-01T00:00:00Z:1", ["BTCUSDT"], "1h", "1950"),
        ("replay:sample:2023-01-01T00:00:00Z:0", ["BTCUSDT"], "1h", "speed must be positive"),
    ],
)
def test_a_feed_that_cannot_be_is_refused_at_once_by_name(
    feed: str, symbols: list[str], timeframe: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Replica(market(), START)
    with replica.serving():
        genuine = BinanceRest.__init__
        monkeypatch.setattr(BinanceRest, "__init__", lambda self, *_, **__: genuine(self, replica.rest_url))
        check_feed("binance", ["BTCUSDT"], "1h")
        with pytest.raises(ValueError, match=said):
            check_feed(feed, symbols, timeframe)


def test_a_venue_that_is_away_is_not_held_against_a_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = BinanceRest.__init__
    monkeypatch.setattr(BinanceRest, "__init__", lambda self, *_, **__: genuine(self, "http://127.0.0.1:9"))
    check_feed("binance", ["BTCUSDT"], "1h")


def test_a_server_of_a_feed_that_cannot_be_does_not_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--home", str(tmp_path), "--port", "0", "--feed", "ccxt:nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err


def test_a_server_asks_once_for_a_feed_that_cannot_be_and_says_why_it_has_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", logger="tradeready_gym.platform")
    with serving(tmp_path, ingest_journals=False, feed="ccxt:nowhere") as served:
        paper = served.platform.paper
        begin = time.monotonic()
        while paper._never is None and time.monotonic() - begin < 30.0:
            time.sleep(0.02)
        paper.keep()  # which would raise if it asked again
        answer = served.client.get(f"{PREFIX}/account/portfolio")
        assert answer.status_code == 503
        assert "nowhere" in answer.json()["error"]["message"]


def test_a_symbol_that_the_venue_does_not_have_any_more_ends_the_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: BinanceFeed) -> None:
        raise UnknownName("symbol of Binance", "BTCUSDT", ())

    monkeypatch.setattr(BinanceFeed, "_follow", gone)
    feed = BinanceFeed("BTCUSDT", "1h", rest_url="http://127.0.0.1:9", stream_url="ws://127.0.0.1:9")
    with pytest.raises(UnknownName, match="BTCUSDT"):
        feed.wait(0, 10.0)
    assert (feed.health.state, feed.health.reconnects) == (FeedState.CLOSED, 0)
    feed.close()


def test_a_hub_gives_a_feed_up_that_cannot_be_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(ReplayFeed):
        """Fails once as a network does, then for good."""

        errors = [DownloadError("away"), UnknownName("symbol", "BTCUSDT", ())]

        def wait(self, time: int, timeout: float | None = None) -> Any:
            raise self.errors.pop(0)

    caplog.set_level("CRITICAL", logger="tradeready_gym.live")
    hub = FeedHub(Failing(market(), START), kept=50)
    hub.start()
    with pytest.raises(FeedEnded, match="BTCUSDT"):
        hub.wait(hub.clock, 10.0)
    hub.close()
    assert Failing.errors == []


def test_what_failed_before_it_traded_leaves_its_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Past:
        arguments: dict[str, Any] = {}
        environment, seeds, end = "TradeReady-BTC-v0", (0,), START

    def fails(*_: Any) -> None:
        raise ConfigurationError("made for another timeframe")

    monkeypatch.setattr("tradeready_gym.strategies.experiment.find_folder", lambda _: home / "run")
    monkeypatch.setattr("tradeready_gym.strategies.experiment.Experiment.load", lambda _: Past)
    monkeypatch.setattr(command, "_start", fails)
    assert main(["deploy", "run", "--feed", "ccxt:nowhere", "--name", "one"]) == 1
    assert not (home / "live").exists()
    start = ["--feed", "replay", "--data", "sample", "--start", "2023-01-01T00:00:00Z", "--name", "one"]
    assert main(["deploy", "run", *start]) == 1
    assert not (home / "live" / "one").exists()
    # what was there before stays
    made = Deployment("one", "r", 0, ("BTCUSDT",), "1h", "binance")
    made.save()
    assert main(["deploy", "run", *start]) == 1
    assert Deployment.load("one") == made


def test_a_deployment_is_removed_unless_it_is_at_work(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Deployment("one", "r", 0, ("BTCUSDT",), "1h", "binance")
    made.save()
    (made.folder / "status.json").write_text('{"state": "running", "pid": 1}')
    with held(made.folder):
        assert main(["live", "remove", "one"]) == 1
        assert "live stop one" in " ".join(capsys.readouterr().err.split())
    assert main(["live", "remove", "one"]) == 0
    assert not made.folder.exists()
    with pytest.raises(StoreError, match="no deployment"):
        Deployment.load("one")
    assert main(["live", "remove", "one"]) == 1


# ---- who waits, and what is read ----


def test_closing_a_replay_wakes_whoever_waits() -> None:
    feed = ReplayFeed(market(), START, speed=1.0)
    ended: list[float] = []

    def wait() -> None:
        with pytest.raises(FeedEnded):
            feed.wait(feed.now() // HOUR * HOUR)
        ended.append(time.monotonic())

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.1)
    closed = time.monotonic()
    feed.close()
    waiter.join(10.0)
    assert ended[0] - closed < 2.0


@pytest.mark.parametrize("body", ["[]", "{}", "null", '{"serverTime": "soon"}', '[[1, "a"]]', '[{"symbol": 1}]', "7"])
def test_an_answer_of_another_shape_is_a_named_error(body: str) -> None:
    rest = BinanceRest(wait=lambda _: None)
    rest._http = httpx2.Client(
        base_url="http://venue", transport=httpx2.MockTransport(lambda _: httpx2.Response(200, text=body))
    )
    asks: dict[str, Callable[[], object]] = {
        "instruments": lambda: rest.instruments(("BTCUSDT",), attempts=1),
        "time": lambda: rest.time(attempts=1),
        "klines": lambda: rest.klines("BTCUSDT", Timeframe("1h"), 0, HOUR, attempts=1),
        "quotes": lambda: rest.quotes(("BTCUSDT",), attempts=1),
    }
    lawful = {"[]": {"klines", "quotes"}, "{}": {"klines", "quotes"}}
    for name in asks.keys() - lawful.get(body, set()):
        rest._not_before = 0.0
        with pytest.raises(DownloadError, match="none of the documented ones"):
            asks[name]()
    rest.close()
