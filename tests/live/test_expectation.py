"""An agent beside its own backtest: inside the band where it does as it was judged, outside where it does not."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_deployment import END, _home, candles, deployment, run

from tradeready_gym.evaluation import expectation_fan
from tradeready_gym.live import ReplayFeed
from tradeready_gym.live.expectation import CURVE, Expectation, Watch, curve_of, sentence
from tradeready_gym.market import Candles, parse_time
from tradeready_gym.strategies import StableBaselinesTradingStrategy
from tradeready_gym.strategies.deployment import work
from tradeready_gym.strategies.expectation import write_expectation

__all__ = ["_home", "run"]
START, LAST = "2022-10-01T00:00:00Z", "2022-11-01T00:00:00Z"
HOUR = 3_600_000_000


def worked(run: Path, steps: int, **changes: Any) -> tuple[Any, Expectation, dict[str, Any]]:
    """A deployment that has replayed `steps` candles from START on."""
    made = deployment(run, feed=f"replay:sample:{START}:max", **changes)
    expectation = write_expectation(made)
    return made, expectation, work(made, ReplayFeed(candles(LAST), START), steps=steps)


def test_an_agent_that_does_as_it_was_judged_stays_inside(run: Path) -> None:
    made, expectation, status = worked(run, 400)
    assert expectation.fan is not None
    # what it has not learned from, and nothing of what it plays now
    assert (expectation.span[1], expectation.in_sample) == (START, False)
    assert expectation.fan.periods == 10_000
    verdict = status["expectation"]
    assert (verdict["side"], verdict["candles"], verdict["was_outside"]) == ("inside", 400, False)
    assert sentence(expectation, verdict, "x") == "Inside the 90 % band of its backtest ever since it began."
    assert "it had not learned from, 2021-08-10 to 2022-10-01" in expectation.basis
    curve = curve_of(made.folder)
    assert (curve["begin"], curve["points"][-1]) == (parse_time(START), [400, status["equity"]])


def test_an_agent_that_does_something_else_is_outside_and_since_when_is_said(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, count = StableBaselinesTradingStrategy.decide, [0]
    made = deployment(run, feed=f"replay:sample:{START}:max")
    expectation = write_expectation(made)

    def planted(self: Any, situation: Any) -> Any:
        # after 100 candles it buys, all the way down
        count[0] += 1
        return genuine(self, situation) if count[0] <= 100 else np.array([1])

    whole = candles(LAST)
    since = np.maximum(np.arange(len(whole)) - whole.row_of(START) - 100, 0)
    values = [getattr(whole, name)[0] * 0.998**since for name in ("open", "high", "low", "close")]
    falling = Candles.from_arrays("BTCUSDT", "1h", whole.times, *[*values, whole.volume[0]])
    monkeypatch.setattr(StableBaselinesTradingStrategy, "decide", planted)
    status = work(replace(made, daily_loss_pct=100.0), ReplayFeed(falling, START), steps=400)
    verdict = status["expectation"]
    assert verdict["side"] == "below"
    assert parse_time(START) + 100 * HOUR < verdict["since"] < parse_time(START) + 400 * HOUR
    assert verdict["for"] == (parse_time(START) + 400 * HOUR - verdict["since"]) // HOUR
    assert re.match(
        r"Below the 90 % band of its backtest since x UTC \(\d+ candles\)", sentence(expectation, verdict, "x")
    )


def test_what_was_resumed_is_watched_from_its_beginning(run: Path) -> None:
    whole, _, _ = worked(run, 60, name="whole")
    parts, _, _ = worked(run, 20, name="parts")
    work(parts, ReplayFeed(candles(LAST), START), steps=40)
    assert curve_of(parts.folder) == curve_of(whole.folder)


def test_where_there_is_nothing_unseen_it_says_that_it_shows_what_was_learned(run: Path) -> None:
    expectation = write_expectation(deployment(run, feed=f"replay:sample:{END}:max"))
    assert expectation.in_sample is True
    assert "it learned from, so expect less of it" in expectation.basis
    assert expectation.span[1] == END


def test_a_backtest_that_cannot_be_played_stops_nobody(run: Path, tmp_path: Path) -> None:
    made = deployment(run, feed=f"replay:sample:{START}:max", symbols=("NONEUSDT",))
    expectation = write_expectation(made)
    assert expectation.fan is None
    assert "NONEUSDT" in expectation.basis
    watch = Watch(made.folder, HOUR)
    watch.begin(0, 100.0)
    assert watch.see(HOUR, 50.0)["side"] == "unknown"


def test_the_watch_tells_the_edge_the_way_back_and_the_horizon(tmp_path: Path) -> None:
    returns = np.random.default_rng(1).normal(0.0, 0.01, 500)
    fan = expectation_fan(returns, 700)
    Expectation(("a", "b"), False, 1.0, fan).save(tmp_path)
    watch = Watch(tmp_path, HOUR)
    watch.begin(0, 1000.0)
    said = []
    for k in range(1, 702):
        low, high = 1000.0 * fan.at(min(k, 700))[[0, 4], 0]
        equity = {50: 0.999 * low, 51: 0.999 * low, 60: 1.001 * high}.get(k, low if k == 70 else 1000.0)
        said.append(watch.see(k * HOUR, float(equity)))
    assert [said[k - 1]["side"] for k in (49, 50, 51, 52, 60, 61, 70, 701)] == [
        "inside", "below", "below", "inside", "above", "inside", "inside", "beyond",
    ]  # fmt: skip
    assert (said[50]["since"], said[50]["for"]) == (50 * HOUR, 1)
    assert (said[68]["since"], said[68]["was_outside"]) == (61 * HOUR, True)
    again = curve_of(tmp_path)
    assert len(again["points"]) <= 601
    assert (again["every"], again["points"][0], again["points"][-1][0]) == (2, [0, 1000.0], 700)
    assert json.loads((tmp_path / CURVE).read_text())["side"] == "beyond"
