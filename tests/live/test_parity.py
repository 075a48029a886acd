"""Paper equals backtest: recorded candles through the live path give what the environment gives, to the last digit."""

from typing import Any

import numpy as np
import pytest

from tradeready_gym import TradingEnvironment
from tradeready_gym.actions import PortfolioWeights, TargetPosition
from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.errors import ActionError, DataUnavailable, ResetNeeded
from tradeready_gym.live import FeedEnded, FeedState, ReplayFeed
from tradeready_gym.live.market import newest_features
from tradeready_gym.market import Candles, synthetic
from tradeready_gym.orders import Order

START = "2024-01-27T00:00:00Z"
FIRST, PLAYED = 624, 320
SAME = (
    "equity", "available_cash", "locked_cash", "position_value", "unrealized_pnl", "realized_pnl", "fees_paid", "step",
    "virtual_time", "filled_orders", "rejected_orders",
)  # fmt: skip
COMPOSITIONS: list[dict[str, Any]] = [
    {"action_scheme": "hold_buy_sell", "reward_scheme": "sharpe"},
    {"action_scheme": "continuous", "reward_scheme": "pnl", "slippage": "square_root", "max_volume_share": 0.0001},
    {"action_scheme": TargetPosition(positions=(-1.0, 0.0, 1.0)), "account": "margin", "reward_scheme": "drawdown_penalty"},
    {"action_scheme": "managed_risk", "feature_pipeline": ["candles", "rsi_14", "macd", "position"]},
    {"action_scheme": "simple_orders", "feature_pipeline": ["ohlcv", "volatility_24", "rsi_14@4h", "balance"]},
]  # fmt: skip


def market(symbols: tuple[str, ...] = ("BTCUSDT",), bars: int = FIRST + PLAYED, gaps: bool = True) -> Candles:
    """Hourly candles with a halt in the part that is played."""
    whole = synthetic(symbols=symbols, timeframe="1h", start="2024-01-01T00:00:00Z", bars=bars, seed=5)
    if not gaps:
        return whole
    keep = np.ones(bars, np.bool_)
    keep[FIRST + 78 : FIRST + 89] = keep[FIRST + 150] = False
    values = [getattr(whole, name)[:, keep] for name in ("open", "high", "low", "close", "volume")]
    return Candles.from_arrays(symbols, "1h", whole.times[keep], *values)


def pair(candles: Candles, capacity: int = 64, **composition: Any) -> tuple[TradingEnvironment, LiveTradingEnv]:
    """The environment over the recording, and the live one over its replay."""
    composition = {"feature_pipeline": ["candles", "balance", "position", "unrealized_pnl"]} | composition
    exchange: dict[str, Any] = {"data": candles, "symbols": candles.symbols, "timeframe": candles.timeframe}
    backtest = TradingEnvironment(start_time=START, episode_end="gymnasium", **exchange, **composition)
    return backtest, LiveTradingEnv(ReplayFeed(candles, START), capacity=capacity, **composition)


def play_both(backtest: TradingEnvironment, live: LiveTradingEnv, seed: int) -> int:
    """Play both with the same actions; returns how many steps were equal."""
    expected, told = backtest.reset(seed=seed)
    seen, info = live.reset(seed=seed)
    assert np.array_equal(expected, seen)
    backtest.action_space.seed(seed)
    steps, over = 0, False
    while not over:
        action = backtest.action_space.sample()
        expected, reward, terminated, truncated, told = backtest.step(action)
        seen, paid, ended, cut, info = live.step(action)
        assert np.array_equal(expected, seen)
        assert paid == reward
        assert {name: info[name] for name in SAME} == {name: told[name] for name in SAME}
        steps, over = steps + 1, terminated or truncated
    # the recording's end is no end of a live account; ruin is
    assert (ended, cut) == (terminated, False)
    return steps


@pytest.mark.parametrize("composition", COMPOSITIONS, ids=lambda composition: str(composition["action_scheme"])[:20])
def test_a_replay_equals_the_backtest(composition: dict[str, Any]) -> None:
    assert play_both(*pair(market(), **composition), seed=1) > 100


def test_a_portfolio_equals_the_backtest() -> None:
    candles = market(("BTCUSDT", "ETHUSDT", "SOLUSDT"))
    assert play_both(*pair(candles, action_scheme=PortfolioWeights()), seed=2) == PLAYED


@pytest.mark.parametrize("capacity", [1, 7, 1000])
def test_room_that_runs_out_changes_nothing(capacity: int) -> None:
    assert play_both(*pair(market(), capacity=capacity), seed=3) == PLAYED


def test_a_defect_in_the_live_row_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = newest_features
    monkeypatch.setattr(
        "tradeready_gym.envs.live.newest_features",
        lambda pipeline, candles: genuine(pipeline, candles) + np.float32(1e-6),
    )
    with pytest.raises(AssertionError):
        play_both(*pair(market()), seed=1)


def test_a_second_account_begins_where_the_market_is() -> None:
    _, live = pair(market())
    live.reset(seed=1)
    for _ in range(5):
        live.step(1)
    _, info = live.reset()
    assert (info["virtual_time"], info["equity"], info["step"]) == ("2024-01-27T05:00:00Z", 10_000.0, 0)


def test_nothing_claims_to_know_the_end() -> None:
    _, live = pair(market())
    _, info = live.reset(seed=1)
    assert info["total_steps"] is info["progress_pct"] is None
    info = live.step(0)[4]
    assert info["total_steps"] is info["progress_pct"] is None
    assert info["feed"] == "live"


def test_a_gap_is_said_and_nothing_trades_in_it() -> None:
    candles = market()
    _, live = pair(candles)
    live.reset(seed=1)
    gaps = [live.step(1)[4] for _ in range(100)]
    first = 78
    assert [info["gap"] for info in gaps] == [k in range(first, first + 11) for k in range(100)]
    assert all(not info["filled_orders"] for info in gaps if info["gap"])
    assert gaps[first]["rejected_orders"][0]["reason"] == "market_closed"


def test_a_decision_that_comes_late_meets_the_next_candle() -> None:
    candles = market(gaps=False)
    backtest, live = pair(candles)
    backtest.reset(seed=1)
    live.reset(seed=1)
    feed = live.feed
    assert isinstance(feed, ReplayFeed)
    hour = 3_600_000_000
    # two candles close, and half of the third passes, while the agent thinks
    feed.clock.advance_to(feed.now() + 2 * hour + hour // 2)
    earned = [backtest.step(action)[1] for action in (0, 0, 1)]
    _, reward, *_, info = live.step(1)
    assert info["missed_candles"] == 2
    assert info["decision_delay_ms"] == 1_800_000.0
    assert info["filled_orders"][0]["filled_at"] == "2024-01-27T02:00:00Z"
    assert reward == pytest.approx(sum(earned))


def test_an_illegal_action_does_not_wait() -> None:
    _, live = pair(market())
    live.reset(seed=1)
    before = live.feed.now()
    with pytest.raises(ActionError):
        live.step(7)
    assert live.feed.now() == before
    assert live.step(1)[4]["step"] == 1


def test_the_end_of_a_recording_is_said_and_leaves_the_account() -> None:
    _, live = pair(market())
    with pytest.raises(ResetNeeded):
        live.step(0)
    live.reset(seed=1)
    with pytest.raises(FeedEnded, match="the recording ends at"):
        for _ in range(400):
            live.step(1)
    assert live.exchange.net_worth > 0.0
    live.close()
    assert live.feed.health.state is FeedState.CLOSED


def test_an_order_between_two_candles_fills_at_the_open_of_the_running_one() -> None:
    candles = market(gaps=False)
    _, live = pair(candles, slippage=None)
    live.reset(seed=1)
    answer = live.exchange.submit([Order("BTCUSDT", "buy", 0.01)])[0]
    assert answer["status"] == "filled"
    assert answer["price"] == candles.open[0, candles.row_of(START)]
    cash = live.exchange.balance
    assert live.step(0)[4]["available_cash"] == cash


def test_too_short_a_recording_is_refused() -> None:
    candles = market(gaps=False)
    with pytest.raises(DataUnavailable, match="candles of history are needed; the recording has 5"):
        LiveTradingEnv(ReplayFeed(candles, "2024-01-01T05:00:00Z"))


@pytest.mark.parametrize("name", ["data", "exchange", "start_time", "episode_length"])
def test_what_only_the_past_has_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"no {name}="):
        LiveTradingEnv(ReplayFeed(market(), START), **dict[str, Any]({name: "x"}))
