"""Whole days of 1-minute candles, one with a halt: replay, and the venue's wire, equal the backtest to the last digit."""

import logging
from typing import Any

import numpy as np
import pytest
from recorded_days import DAY, SYMBOLS, PlayedDay, folder_of_recordings, made_day, recorded_day
from test_parity import SAME

from tradeready_gym import TradingEnvironment
from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.live import BinanceFeed, Feed, ReplayFeed, Slot
from tradeready_gym.live.assembler import Assembler
from tradeready_gym.live.replica import Replica
from tradeready_gym.market import Instrument

SECOND = 1_000_000
QUIET, HALTED = "2023-03-13", "2023-03-24"
FILTERS = {
    "BTCUSDT": Instrument("BTCUSDT", lot_size=0.00001, tick_size=0.01, min_notional=5.0),
    "ETHUSDT": Instrument("ETHUSDT", lot_size=0.0001, tick_size=0.01, min_notional=5.0),
    "SOLUSDT": Instrument("SOLUSDT", lot_size=0.001, tick_size=0.01, min_notional=5.0),
}
FEATURES = ["candles", "rsi_14", "balance", "position", "unrealized_pnl"]


def days() -> list[Any]:
    """The made day, and the recorded ones where they are."""
    found = [pytest.param(lambda: made_day(SYMBOLS[:1]), id="made, with a halt")]
    if folder_of_recordings() is not None:
        for date in (QUIET, HALTED):
            found.append(pytest.param(lambda date=date: recorded_day(date), id=f"recorded {date}, three symbols"))
            for symbol in SYMBOLS:
                day = pytest.param(
                    lambda date=date, symbol=symbol: recorded_day(date, (symbol,)), id=f"{symbol} {date}"
                )
                found.append(day)
    return found


def days_on_the_wire() -> list[Any]:
    """The same, but of the recorded ones the three symbols on the day with the halt only: each takes half a minute."""
    return [day for day in days() if day.id is not None and ("made" in day.id or f"{HALTED}, three" in day.id)]


class Stepped(Feed):
    """A feed on a venue whose clock stands still until a candle is waited for; mixed into the real ones."""

    _clock: Any

    def wait(self, time: int, timeout: float | None = None) -> Slot | None:
        """As the feed's: the candle ends, and while it does not come some seconds pass."""
        clock, step = self._clock, self.timeframe.microseconds
        clock.advance_to(time + step)
        while (slot := super().wait(time, 0.06)) is None:  # type: ignore[safe-super]
            clock.advance_to(min(clock.now() + 9 * SECOND, time + 2 * step - SECOND))
        return slot


class SteppedBinance(Stepped, BinanceFeed):
    """Over REST and WebSocket."""


def compare(day: PlayedDay, feed: Feed, steps: int = DAY) -> dict[str, int]:
    """Play the day live and as a backtest, with the same actions; what there was of it."""
    symbols = day.candles.symbols
    composition: dict[str, Any] = {
        "action_scheme": "hold_buy_sell" if len(symbols) == 1 else "portfolio",
        "feature_pipeline": FEATURES,
        "reward_scheme": "sharpe",
        "instruments": dict(feed.instruments()),
    }
    live = LiveTradingEnv(feed, history_bars=day.candles.row_of(day.start), **composition)
    backtest = TradingEnvironment(
        data=day.candles,
        symbols=symbols,
        timeframe=day.candles.timeframe,
        start_time=day.start,
        episode_end="gymnasium",
        **composition,
    )
    expected, _ = backtest.reset(seed=3)
    seen, _ = live.reset(seed=3)
    assert np.array_equal(seen, expected)
    backtest.action_space.seed(3)
    counted = {"steps": 0, "fills": 0, "gaps": 0}
    while counted["steps"] < steps - 1:
        action = backtest.action_space.sample()
        seen, paid, _, _, info = live.step(action)
        assert info["missed_candles"] == 0
        expected, reward, _, _, told = backtest.step(action)
        assert np.array_equal(seen, expected)
        assert paid == reward
        assert {name: info[name] for name in SAME} == {name: told[name] for name in SAME}
        counted["steps"] += 1
        counted["fills"] += len(info["filled_orders"])
        counted["gaps"] += info["gap"]
    live.close()
    return counted


@pytest.mark.parametrize("make_day", days())
def test_a_day_in_replay_equals_the_backtest(make_day: Any) -> None:
    day = make_day()
    filters = {symbol: FILTERS[symbol] for symbol in day.candles.symbols}
    counted = compare(day, ReplayFeed(day.candles, day.start, instruments=filters))
    assert (counted["steps"], counted["gaps"]) == (DAY - 1, day.halted)
    assert counted["fills"] > 300


@pytest.mark.parametrize("make_day", days_on_the_wire())
def test_a_day_over_the_wire_equals_the_backtest(make_day: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="tradeready_gym.live")
    day = make_day()
    counted, health = over_the_wire(day)
    assert (counted["steps"], counted["gaps"]) == (DAY - 1, day.halted)
    assert health.declared_gaps == day.halted * len(day.candles.symbols)
    assert counted["fills"] > 300


def over_the_wire(day: PlayedDay, steps: int = DAY) -> tuple[dict[str, int], Any]:
    """Through the replica's REST and WebSocket, the real client and the live environment."""
    replica = Replica(day.candles, day.start, speed=0.001, instruments=FILTERS)
    with replica.serving():
        feed = SteppedBinance(
            day.candles.symbols, "1m", rest_url=replica.rest_url, stream_url=replica.stream_url, clock=replica.clock,
            patience=1.0, seed=0,
        )  # fmt: skip
        try:
            return compare(day, feed, steps), feed.health
        finally:
            feed.close()


def test_a_digit_that_is_lost_on_the_wire_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = Assembler.offer

    def careless(self: Assembler, symbol: str, time: int, values: Any) -> bool:
        return genuine(self, symbol, time, tuple(value * (1.0 + 1e-15) for value in values))

    monkeypatch.setattr(Assembler, "offer", careless)
    with pytest.raises(AssertionError):
        over_the_wire(made_day(), 60)
