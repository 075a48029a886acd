"""An environment whose orders are those of a paper account on a platform: both accounts are the backtest's, to the last digit."""

import logging
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import httpx2
import numpy as np
import pytest
from cutting_proxy import CuttingProxy
from paper_serving import Paper
from serving import client_of
from test_kill import process
from test_platform_feed import BEFORE, FEATURES, MINUTE, START, close_when_waited_for, compare, halted, platform

from tradeready_gym import TradingEnvironment
from tradeready_gym.envs.live_paper import PaperTradingEnv
from tradeready_gym.errors import AccountsDisagree, ConfigurationError, PlatformRefused
from tradeready_gym.live import PlatformFeed, SessionJournal
from tradeready_gym.live.orders import OrderRecords
from tradeready_gym.live.platform_account import PlatformAccount, SentOrder
from tradeready_gym.platform.app import PREFIX

PAIRS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
WIDE = {"max_position_size_pct": 100, "daily_loss_limit_pct": 50, "max_open_orders": 50}


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="tradeready_gym.live")


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paper]:
    """A platform where a candle closes when a feed waits for it."""
    with platform(tmp_path / "home") as server:
        close_when_waited_for(server, monkeypatch)
        yield server


def made(paper: Paper, **arguments: Any) -> PaperTradingEnv:
    named: dict[str, Any] = {"pairs": ["BTCUSDT"], "observation_features": FEATURES, "history_bars": BEFORE}
    named |= {"api_key": paper.served.key, "base_url": paper.served.url, "disable_env_checker": True}
    named |= {"paper_account": True, "track_training": False}
    env = gym.make("TradeReady-Live-v0", **named | arguments).unwrapped
    assert isinstance(env, PaperTradingEnv)
    return env


def told(paper: Paper, path: str, **headers: str) -> Any:
    answer = paper.served.client.get(f"{PREFIX}{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


# ---- parity ----


def test_the_account_on_the_platform_is_the_backtests(paper: Paper) -> None:
    live = made(paper, position_size=0.02)
    fills = compare(live, paper.feed.candles, 40, action_scheme=live.action_scheme)
    assert fills > 8
    trades = told(paper, "/trade/history")
    assert trades["total"] == fills
    orders = told(paper, "/trade/orders")["orders"]
    assert all(order["client_order_id"].startswith(f"{live.paper.name}-17042") for order in orders)
    assert told(paper, "/account/portfolio")["exact"]["total_equity"] == live.exchange.net_worth
    live.close()


@pytest.mark.parametrize("scheme", ["continuous", "portfolio"])
def test_orders_that_are_cut_to_what_the_account_affords_are_so_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    pairs = PAIRS if scheme == "portfolio" else PAIRS[:1]
    with platform(tmp_path, halted(pairs)) as paper:
        close_when_waited_for(paper, monkeypatch)
        agent = paper.served.client.post(f"{PREFIX}/agents", json={"display_name": "a", "risk_profile": WIDE}).json()
        monkeypatch.setattr("tradeready_gym.live.paper.refusal", lambda *_, **__: None)
        named = {"action_scheme": scheme, "starting_balance": 2_500.0} | (
            {"position_size": 0.9} if len(pairs) == 1 else {}
        )
        monkeypatch.setattr("tradeready_gym.live.paper._POLL", 0.001)
        live = made(paper, pairs=pairs, api_key=agent["api_key"], **named)
        for account in paper.served.platform.paper._open.values():
            account._patience = 0.01
        fills = compare(live, paper.feed.candles, 30, action_scheme=live.action_scheme, starting_balance=2_500.0)
        assert told(paper, "/trade/history", **{"X-Agent-Id": agent["agent_id"]})["total"] == fills > 10
        # the key's agent has the account, not its owner
        assert told(paper, "/trade/history")["total"] == 0
        live.close()


def test_what_the_platforms_limits_refuse_is_refused_here_too(paper: Paper) -> None:
    live = made(paper, position_size=0.2)
    live.reset(seed=1)
    infos = [live.step(1)[4] for _ in range(4)]
    assert [len(info["filled_orders"]) for info in infos] == [1, 0, 0, 0]
    refused = {"symbol": "BTCUSDT", "side": "buy", "reason": "position_limit_exceeded"}
    assert infos[1]["refused_by_platform"] == [refused]
    assert infos[1]["rejected_orders"][0]["reason"] == "risk_limit"
    live.close()


def test_a_candle_without_volume_fills_here_as_it_does_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    candles = halted()
    volume = np.array(candles.volume)
    volume[:, BEFORE + 1] = 0.0
    with platform(tmp_path, replace(candles, volume=volume)) as paper:
        close_when_waited_for(paper, monkeypatch)
        live = made(paper)
        live.reset(seed=1)
        assert [len(live.step(action)[4]["filled_orders"]) for action in (1, 2, 1)] == [1, 1, 1]
        live.close()


def test_a_gap_refuses_on_both_sides(paper: Paper) -> None:
    live = made(paper)
    live.reset(seed=1)
    for _ in range(12):
        live.step(0)
    info = live.step(1)[4]
    assert (info["gap"], info["rejected_orders"][0]["reason"]) == (True, "market_closed")
    assert info["refused_by_platform"][0]["reason"] == "price_unavailable"
    live.close()


# ---- what goes wrong ----


def test_somebody_else_who_trades_on_the_account_is_said_with_both_numbers(paper: Paper) -> None:
    live = made(paper)
    live.reset(seed=1)
    live.step(1)
    body = {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.001"}
    assert paper.served.client.post(f"{PREFIX}/trade/order", json=body).status_code == 201
    with pytest.raises(
        AccountsDisagree, match=r"the available_cash is [\d.]+ here and [\d.]+ on .*the equity [\d.]+ here"
    ):
        live.step(0)
    live.reset()
    assert live.step(1)[4]["equity"] == told(paper, "/account/portfolio")["exact"]["total_equity"]
    live.close()


def test_two_environments_on_one_key_that_decide_alike_are_told_apart(paper: Paper) -> None:
    one, other = made(paper), made(paper)
    one.reset(seed=1)
    one.step(1)
    begun = one._session
    other.reset(seed=1)
    before = told(paper, "/trade/history")["total"]
    # the same account, candle and number: the same id, and the same order
    with pytest.raises(
        AccountsDisagree, match=rf"{one.paper.name}-\d+; the one .* {begun}: somebody else who has the key has begun"
    ):
        one.step(1)
    assert told(paper, "/trade/history")["total"] == before
    equity = other.step(1)[4]["equity"]
    assert equity == told(paper, "/account/portfolio")["exact"]["total_equity"]
    # it does nothing, and is told nevertheless; then it takes the account back, and the other one is told
    with pytest.raises(AccountsDisagree, match="an agent's key of its own"):
        one.step(0)
    one.reset(seed=2)
    one.step(1)
    with pytest.raises(AccountsDisagree, match="has begun it anew"):
        other.step(0)
    one.close()
    other.close()


def test_whose_session_it_is_is_known_after_a_restart_too(paper: Paper, tmp_path: Path) -> None:
    journal = tmp_path / "a.journal"
    live = made(paper, journal=journal)
    live.reset(seed=1)
    live.step(1)
    live.close()
    resumed = made(paper, journal=journal)
    resumed.recover()
    resumed.step(2)
    again = resumed.compacted()
    other = made(paper)
    other.reset(seed=1)
    other.close()
    with pytest.raises(AccountsDisagree, match="has begun it anew"):
        again.step(1)
    again.close()


def test_a_session_that_nobody_checks_lets_two_write_on_one_account(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlatformAccount, "check_session", lambda *_: None)
    one, other = made(paper), made(paper)
    one.reset(seed=1)
    other.reset(seed=1)
    one.step(1)  # nobody hears of it
    one.close()
    other.close()


# ---- a journal that stays small ----


def test_a_compacted_journal_goes_on_with_both_accounts(
    paper: Paper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradeready_gym.envs.live_compaction.KEPT_CANDLES", 1)
    journal = tmp_path / "a.journal"
    live = made(paper, journal=journal, position_size=0.02)
    backtest = TradingEnvironment(
        data=paper.feed.candles, symbols=("BTCUSDT",), timeframe="1m", start_time=START, episode_end="gymnasium",
        feature_pipeline=FEATURES, instruments=dict(live.feed.instruments()), action_scheme=live.action_scheme,
    )  # fmt: skip
    backtest.reset(seed=1)
    live.reset(seed=1)
    fills, sizes = 0, []
    for k in range(36):
        action = (1, 0, 2)[k % 3]
        expected, reward, *_, info = backtest.step(action)
        seen, paid, *_, found = live.step(action)
        assert np.array_equal(seen, expected)
        assert (paid, found["equity"], found["step"]) == (reward, info["equity"], k + 1)
        fills += len(found["filled_orders"])
        if k % 9 == 4:
            again = live.compacted()
            assert isinstance(again, PaperTradingEnv)
            live = again
            sizes.append(journal.stat().st_size)
        if k % 9 == 7:
            live.close()
            live = made(paper, journal=journal, position_size=0.02)
            recovered = live.recover()
            assert recovered is not None
            assert np.array_equal(recovered[0], seen)
    assert told(paper, "/trade/history")["total"] == fills > 8
    assert max(sizes) < 1.1 * min(sizes)
    live.close()


def test_a_decision_whose_orders_were_sent_is_completed_before_the_journal_is_compacted(
    paper: Paper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = made(paper, journal=tmp_path / "a.journal")
    live.reset(seed=1)
    with monkeypatch.context() as patched:
        patched.setattr(PlatformFeed, "wait", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            live.step(1)
    again = live.compacted()
    info = again.step(2)[4]
    assert info["step"] == 2
    assert told(paper, "/trade/history")["total"] == 2
    assert info["equity"] == told(paper, "/account/portfolio")["exact"]["total_equity"]
    again.close()


def test_other_terms_are_named(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(match: str, **arguments: Any) -> None:
        with pytest.raises(ConfigurationError, match=match):
            made(paper, **arguments)

    refused("fee_rate: 0.0005 here, 0.001 there", fee_rate=0.0005)
    refused("slippage: 'NoSlippage", slippage=None)
    refused("filters of BTCUSDT", instruments={})
    refused("market orders of a spot account", action_scheme="managed_risk")
    refused("market orders of a spot account", account="margin")
    refused("give api_key=, and neither venue=", venue="binance")


def test_a_step_that_was_interrupted_after_its_orders_were_sent_is_completed_by_the_next(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = made(paper)
    backtest = TradingEnvironment(
        data=paper.feed.candles, symbols=("BTCUSDT",), timeframe="1m", start_time=START, episode_end="gymnasium",
        feature_pipeline=FEATURES, instruments=dict(live.feed.instruments()),
    )  # fmt: skip
    backtest.reset(seed=1)
    live.reset(seed=1)
    genuine = PlatformFeed.wait
    with monkeypatch.context() as patched:
        patched.setattr(PlatformFeed, "wait", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            live.step(1)
    assert PlatformFeed.wait is genuine
    earned = backtest.step(1)[1]
    expected, reward, *_, info = backtest.step(2)
    seen, paid, *_, found = live.step(2)
    assert np.array_equal(seen, expected)
    assert (paid, found["equity"], found["step"]) == (earned + reward, info["equity"], 2)
    assert told(paper, "/trade/history")["total"] == 2
    live.close()


def test_a_reset_gives_up_what_was_open_and_is_recovered_without_a_second_one(
    paper: Paper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "a.journal"
    live = made(paper, journal=journal)
    with monkeypatch.context() as patched:
        patched.setattr(PlatformAccount, "reset", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            live.reset(seed=1)
    live.reset(seed=2)
    with monkeypatch.context() as patched:
        patched.setattr(PlatformFeed, "wait", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            live.step(1)
    with monkeypatch.context() as patched:
        patched.setattr(PlatformAccount, "place", _disagreeing)
        paper.release()
        with pytest.raises(AccountsDisagree):
            live.step(1)
    live.reset(seed=3)
    equity = live.step(1)[4]["equity"]
    live.close()
    again = made(paper, journal=journal)
    with monkeypatch.context() as patched:
        # what was done is not done again
        patched.setattr(PlatformAccount, "reset", _disagreeing)
        patched.setattr(PlatformAccount, "place", _disagreeing)
        found = again.recover()
    assert found is not None
    assert (found[1]["equity"], found[1]["step"]) == (equity, 1)
    assert again.step(2)[4]["equity"] == told(paper, "/account/portfolio")["exact"]["total_equity"]
    assert told(paper, "/trade/history")["total"] == 2
    again.close()


def _disagreeing(*_: Any) -> Any:
    raise AccountsDisagree("planted")


def _interrupted(*_: Any) -> Any:
    raise KeyboardInterrupt


def test_a_key_that_is_revoked_while_orders_are_sent_leaves_a_decision_that_another_key_completes(
    paper: Paper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, journal = paper.served.client, tmp_path / "a.journal"
    issued = client.post(f"{PREFIX}/keys", json={"name": "k", "scopes": ["read", "write", "paper"]}).json()
    live = made(paper, api_key=issued["api_key"], journal=journal)
    live.reset(seed=1)
    live.step(1)
    genuine = PlatformAccount.place

    def revoked(self: PlatformAccount, order: SentOrder) -> Any:
        genuine(self, order)  # it is taken, and the answer is lost
        client.delete(f"{PREFIX}/keys/{issued['key_id']}")
        return genuine(self, order)

    with monkeypatch.context() as patched:
        patched.setattr(PlatformAccount, "place", revoked)
        with pytest.raises(PlatformRefused, match="does not take the key"):
            live.step(1)
    live.close()
    again = made(paper, journal=journal)
    recovered = again.recover()
    assert recovered is not None
    assert recovered[1]["step"] == 2
    assert told(paper, "/trade/history")["total"] == 2
    assert again.step(2)[4]["equity"] == told(paper, "/account/portfolio")["exact"]["total_equity"]
    again.close()


@pytest.mark.parametrize("seed", range(2))
def test_answers_that_are_lost_double_no_order(paper: Paper, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    hurry(monkeypatch)
    with CuttingProxy(int(paper.served.url.rpartition(":")[2]), seed).forwarding() as proxy:
        live = made(paper, position_size=0.02)
        live.paper._rest._http.base_url = httpx2.URL(proxy.url)
        fills = compare(live, paper.feed.candles, 30, action_scheme=live.action_scheme)
        assert proxy.cut > 5
        assert told(paper, "/trade/history")["total"] == fills
        live.close()


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeready_gym.live.platform_rest._FIRST_WAIT", 1e-3)
    monkeypatch.setattr("tradeready_gym.live.platform_rest._LONGEST_WAIT", 1e-2)


def test_an_order_that_comes_after_its_candle_is_refused_there_and_here(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = made(paper)
    live.reset(seed=1)
    genuine = PlatformAccount.place

    def late(self: PlatformAccount, order: SentOrder) -> Any:
        paper.release()
        return genuine(self, order)

    monkeypatch.setattr(PlatformAccount, "place", late)
    info = live.step(1)[4]
    assert info["refused_by_platform"][0]["reason"] == "candle_over"
    assert info["rejected_orders"][0]["reason"] == "market_closed"
    assert told(paper, "/trade/history")["total"] == 0
    live.close()


class Killed(BaseException):
    """The process is no more."""


@pytest.mark.parametrize("written", [False, True], ids=["before the write", "after the write"])
def test_a_process_that_is_killed_at_any_write_goes_on_and_doubles_nothing(
    paper: Paper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    actions, genuine = (1, 2, 1), SessionJournal.write
    deaths = 0
    for fatal in range(1, 20):
        writes = [0]

        def write(self: SessionJournal, kind: str, *, fatal: int = fatal, writes: Any = writes, **body: Any) -> None:
            mine = self.path.parent == tmp_path  # the platform's own go on
            writes[0] += mine
            if mine and writes[0] == fatal and not written:
                raise Killed
            genuine(self, kind, **body)
            if mine and writes[0] == fatal:
                raise Killed

        journal = tmp_path / f"{fatal}.journal"
        with monkeypatch.context() as patched:
            patched.setattr(SessionJournal, "write", write)
            finished = _play(paper, journal, actions)
        if finished:
            break
        deaths += 1
        live = made(paper, journal=journal, history_bars=0)
        found = live.recover()
        begun = found if found is not None else live.reset(seed=1)
        begin = live.clock_time - begun[1]["step"] * MINUTE
        for action in actions[begun[1]["step"] :]:
            live.step(action)
        backtest = TradingEnvironment(
            data=paper.feed.candles, symbols=("BTCUSDT",), timeframe="1m", start_time=begin, episode_end="gymnasium",
            feature_pipeline=FEATURES, instruments=dict(live.feed.instruments()),
        )  # fmt: skip
        backtest.reset(seed=1)
        assert [backtest.step(action)[4]["equity"] for action in actions][-1] == live.exchange.net_worth
        portfolio = told(paper, "/account/portfolio")
        assert portfolio["exact"]["total_equity"] == live.exchange.net_worth
        assert told(paper, "/trade/history")["total"] == len(backtest.exchange.trades)
        live.close()
    # history, reset, opened, and decide, sent, slot of each step
    assert deaths == 3 + 3 * len(actions)


def _play(paper: Paper, journal: Path, actions: tuple[int, ...]) -> bool:
    live = None
    try:
        live = made(paper, journal=journal, history_bars=0)
        live.reset(seed=1)
        for action in actions:
            live.step(action)
    except Killed:
        return False
    finally:
        if live is not None:
            live.close()
    return True


# ---- planted defects ----


def test_a_platform_that_takes_an_order_twice_is_seen(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr(OrderRecords, "of_client", lambda *_: None)
    with CuttingProxy(int(paper.served.url.rpartition(":")[2]), 0).forwarding() as proxy:
        live = made(paper, position_size=0.01)
        live.paper._rest._http.base_url = httpx2.URL(proxy.url)
        with pytest.raises(AccountsDisagree):
            compare(live, paper.feed.candles, 60, action_scheme=live.action_scheme)
        live.close()


@pytest.mark.parametrize("field", ["cut", "quantity"])
def test_an_order_that_arrives_otherwise_is_seen(paper: Paper, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    genuine = PlatformAccount.place
    wrong: dict[str, Any] = {"cut": False, "quantity": 0.0012}
    monkeypatch.setattr("tradeready_gym.live.paper.refusal", lambda *_, **__: None)
    monkeypatch.setattr(
        PlatformAccount, "place", lambda self, order: genuine(self, replace(order, **{field: wrong[field]}))
    )
    live = made(paper, action_scheme="continuous", position_size=0.9)
    live.reset(seed=1)
    with pytest.raises((AccountsDisagree, AssertionError)):
        for _ in range(8):
            assert not live.step(np.array([1.0]))[4]["refused_by_platform"]
    live.close()


# ---- a server of its own, killed ----


def test_a_server_that_is_killed_between_two_orders_goes_on_with_the_same_account(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    replay = "replay:sample:2023-01-01T00:00:00Z:3600"
    options = ("--feed", replay, "--symbol", "BTCUSDT", "--timeframe", "1h", "--no-ingest-journals")
    actions, equities = [1, 2, 1, 1, 2, 1], []
    with process(tmp_path, port, *options) as (server, url, _):
        key = (tmp_path / "key").read_text()
        live = gym.make(
            "TradeReady-Live-v0", timeframe="1h", api_key=key, base_url=url, history_bars=500, paper_account=True,
            observation_features=FEATURES, track_training=False, disable_env_checker=True,
        ).unwrapped  # fmt: skip
        assert isinstance(live, PaperTradingEnv)
        live.reset(seed=1)
        equities += [live.step(action)[4]["equity"] for action in actions[:3]]
        server.send_signal(signal.SIGKILL)
        server.wait()
    with process(tmp_path, port, *options):
        equities += [live.step(action)[4]["equity"] for action in actions[3:]]
        with client_of(url, key) as client:
            portfolio = client.get(f"{PREFIX}/account/portfolio").json()
            orders = client.get(f"{PREFIX}/trade/orders").json()["orders"]
        assert portfolio["exact"]["available_cash"] == live.exchange.balance
        filled = [order["client_order_id"] for order in orders if order["status"] == "filled"]
        assert len(filled) == len(set(filled)) == len(live.exchange.trades) >= 3
        live.close()
    assert len(set(equities)) == 6


def test_an_order_names_its_candle(paper: Paper) -> None:
    def answer(candle: str) -> tuple[int, str]:
        body = {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.001", "candle": candle}
        found = paper.served.client.post(f"{PREFIX}/trade/order", json=body)
        return found.status_code, "" if found.status_code == 201 else found.json()["error"]["details"]["reason"]

    assert answer("2024-01-02T23:59:00Z") == (400, "candle_over")
    assert answer("2024-01-03T00:02:00Z") == (400, "candle_not_begun")
    assert answer("2024-01-03T00:00:00Z") == (201, "")
    paper.release()
    assert answer("2024-01-03T00:00:00Z") == (400, "candle_over")
    body = {"symbol": "BTCUSDT", "side": "buy", "type": "limit", "price": "1", "quantity": "1", "cut": True}
    assert paper.served.client.post(f"{PREFIX}/trade/order", json=body).status_code == 422
