"""What a training tells its tracker before it begins."""

from pathlib import Path
from typing import Any

import pytest

from small_worlds import candles_of
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.strategies.native import expect_episodes, vectorise
from tradeready_gym.tracking import read_run


def planned(home: Path, steps: int, **arguments: Any) -> int | None:
    """The episodes that a training of so many steps in two accounts registers."""
    training = vectorise(TradingEnvironment(data=candles_of([100.0] * 400), **arguments), 2, track_training=True)
    assert training.tracker is not None
    expect_episodes(training, steps)
    training.reset(seed=0)
    found = read_run(training.tracker.path).summary.config.get("episodes_total")
    training.close()
    return None if found is None else int(found)


@pytest.mark.parametrize(
    ("steps", "candles_per_action", "expected"),
    [(200, 1, 4), (199, 1, 2), (80, 1, None), (200, 5, 20), (200, 7, 24)],
)
def test_the_episodes_of_so_many_steps_are_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, candles_per_action: int, expected: int | None
) -> None:
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path))
    # two accounts with episodes of 50 candles: of 200 steps each takes 100, which are two episodes
    assert planned(tmp_path, steps, episode_length=50, steps_per_action=candles_per_action) == expected


def test_nothing_is_planned_without_a_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path))
    assert planned(tmp_path, 10_000) is None
