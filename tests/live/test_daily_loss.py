"""The kill switch of an agent at work: each candle is judged by the day in which it opened, whoever decided in it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.live import ReplayFeed
from tradeready_gym.live.deployments import Deployment
from tradeready_gym.live.risk import DailyLoss
from tradeready_gym.market import Candles, Timeframe, format_time, synthetic
from tradeready_gym.market.replayer import DAY_MICROSECONDS
from tradeready_gym.strategies.deployment import _Worker

DAY, HOUR = DAY_MICROSECONDS, 3_600_000_000
MIDNIGHT = 48  # the row of the hour that opens at it


class AllIn:
    """Buys all it can, always."""

    def decide(self, situation: Any) -> list[Any]:
        return [np.array([1.0], np.float32)]


def falling(row: int, timeframe: str = "1h", back: int | None = None, bars: int = 96) -> Candles:
    """A market that loses 30 % within candle `row`, and has it again within candle `back`."""
    calm = synthetic(timeframe=timeframe, start="2024-01-01T00:00:00Z", bars=bars, seed=3)
    level = np.ones(bars)
    level[row : None if back is None else back] = 0.7
    close = 40_000.0 * level
    open_ = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    return Candles.from_arrays("BTCUSDT", timeframe, calm.times, open_, high, low, close, calm.volume[0])


def worker(folder: Path, candles: Candles, first: int, passed: int = 0) -> _Worker:
    """One that decides on every candle from row `first` on, after `passed` of them have closed without it."""
    deployment = Deployment("one", "run", 0, ("BTCUSDT",), candles.timeframe.label, "replay", directory=folder)
    deployment.save()
    feed = ReplayFeed(candles, int(candles.times[first]))
    environment = LiveTradingEnv(
        feed, journal=deployment.folder / "session.journal", action_scheme="portfolio", lookback_window=2
    )
    feed.clock.advance_to(feed.now() + passed * Timeframe.parse(candles.timeframe.label).microseconds)
    return _Worker(deployment, environment, AllIn())  # type: ignore[arg-type]


def played(at: _Worker, steps: int) -> dict[str, Any]:
    """What is left of the agent after so many decisions."""
    status = at.run(steps)
    at.environment.close()
    return status


@pytest.mark.parametrize("row", [MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 5])
def test_a_loss_is_one_in_whichever_candle_of_the_day(row: int, tmp_path: Path) -> None:
    candles = falling(row)
    status = played(worker(tmp_path, candles, 40), 40)
    assert (status["state"], status["positions"]) == ("killed", {})
    assert status["virtual_time"] == format_time(int(candles.times[row]) + HOUR)


def test_an_agent_on_days_is_killed_too(tmp_path: Path) -> None:
    status = played(worker(tmp_path, falling(50, "1d"), 40), 40)
    assert (status["state"], status["step"], status["positions"]) == ("killed", 11, {})


def test_days_that_pass_without_a_decision_are_judged_each(tmp_path: Path) -> None:
    candles = falling(MIDNIGHT + 2, back=MIDNIGHT + 20)
    assert played(worker(tmp_path, candles, 40), 3)["state"] == "stopped"
    # nobody is there from 43 to 90, and at the end everything is as it was
    status = played(worker(tmp_path, candles, 40, passed=50), 5)
    assert (status["state"], status["virtual_time"]) == ("killed", format_time(int(candles.times[90])))
    # what was judged is not judged again, but for what was lost on the day that is
    assert played(worker(tmp_path, candles, 40, passed=50), 3)["state"] == "stopped"


def test_without_its_status_the_day_begins_where_the_journal_has_it(tmp_path: Path) -> None:
    candles = falling(MIDNIGHT + 5)
    before = played(worker(tmp_path, candles, 40), 13)
    path = tmp_path / "one" / "status.json"
    assert before == json.loads(path.read_text())
    path.unlink()
    status = played(worker(tmp_path, candles, 40), 20)
    assert (status["state"], status["step"]) == ("killed", MIDNIGHT + 6 - 40)
    assert status["day_equity"] == before["day_equity"]


def test_a_day_that_begins_before_it_is_judged_hides_a_loss() -> None:
    def kills(see: Any) -> bool:
        return any([see(DAY - HOUR, 100.0), see(DAY, 70.0), see(2 * DAY, 40.0)])

    class Careless(DailyLoss):
        def see(self, clock: int, equity: float) -> bool:
            if clock // DAY != self.day:
                self.day, self.equity = clock // DAY, equity
            return super().see(clock, equity)

    assert kills(DailyLoss(20.0).see)
    assert not kills(Careless(20.0).see)


@pytest.mark.parametrize(("equity", "lost"), [(80.0, True), (80.1, False), (120.0, False)])
def test_a_loss_at_the_limit_is_too_much(equity: float, lost: bool) -> None:
    loss = DailyLoss(20.0)
    assert not loss.see(DAY + 5 * HOUR, 100.0)
    assert loss.see(DAY + 6 * HOUR, equity) is lost
