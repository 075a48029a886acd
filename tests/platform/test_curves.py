"""Curves of long runs: bounded in points and in time, and true at every point."""

import statistics
import uuid

import numpy as np
import pytest
from serving import Served
from sqlalchemy import insert, select

from tradeready_gym.platform.database.tables import accounts, training_episodes
from tradeready_gym.platform.training import curves, runs

EPISODES = 2_000


@pytest.fixture(scope="module")
def run_id(served: Served) -> str:
    """A run whose every third episode has no ROI, and whose numbers leave out a stretch."""
    found = str(uuid.uuid4())
    numbers = [number for number in range(1, EPISODES + 500) if not 700 <= number < 1199]
    rows = [
        {"run_id": found, "episode_number": n, "roi_pct": None if n % 3 == 0 else float(n % 17), "created_at": n}
        for n in numbers
    ]
    with served.platform.database.write() as connection:
        runs.register(connection, str(connection.scalar(select(accounts.c.id).limit(1))), found, {})
        connection.execute(insert(training_episodes), rows)
    return found


def read(served: Served, run_id: str, window: int, points: int) -> curves.Curve:
    with served.platform.database.read() as connection:
        return curves.read_curve(connection, run_id, EPISODES, "roi_pct", window=window, points=points)


@pytest.mark.parametrize("window", [1, 7, 100])
def test_a_run_that_is_looked_up_in_places_shows_the_values_of_the_exact_curve(
    served: Served, run_id: str, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = read(served, run_id, window, curves.ALL_POINTS)
    whole = dict(zip(exact.episode_numbers, zip(exact.raw, exact.smoothed, strict=True), strict=True))
    monkeypatch.setattr(curves, "EXACT_EPISODES", 1_000)
    found = read(served, run_id, window, 100)
    assert 80 <= len(found.episode_numbers) <= 100
    assert found.episode_numbers == sorted(set(found.episode_numbers))
    assert found.episode_numbers[-1] >= EPISODES + 400
    full = [n for n in found.episode_numbers if n < 700 or n > 1199 + 9 * window]
    points = dict(zip(found.episode_numbers, zip(found.raw, found.smoothed, strict=True), strict=True))
    assert full
    for number in full:
        assert points[number] == pytest.approx(whole[number], abs=1e-5)


def test_the_trailing_mean_is_that_of_every_window() -> None:
    values = np.random.default_rng(1).normal(size=50)
    values[3] = 1e15
    for window in (1, 2, 10, 50, 100):
        naive = [statistics.fmean(values[max(0, place - window + 1) : place + 1]) for place in range(len(values))]
        assert curves.trailing_mean(values, window).tolist() == pytest.approx(naive, rel=1e-9, abs=1e-9)
    assert curves.trailing_mean(np.empty(0), 5).tolist() == []


@pytest.mark.parametrize("count", [1, 9, 10, 11, 12, 997])
def test_what_is_visible_keeps_the_ends_and_the_extremes(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    kept = curves.visible(values, 10)
    assert len(kept) <= 10
    assert {0, count - 1, int(values.argmin()), int(values.argmax())} <= set(kept.tolist())
    assert kept.tolist() == sorted(set(kept.tolist()))
