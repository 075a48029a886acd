"""RunningStatistics: exact, whatever the batches."""

import json

import numpy as np
import pytest

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.wrappers import RunningStatistics


@pytest.mark.parametrize("cuts", [[], [1], [1, 2, 3], [50, 51, 400], list(range(1, 500))])
def test_batches_of_any_size_give_the_mean_and_variance_of_everything(cuts: list[int]) -> None:
    values = np.random.default_rng(0).normal([5.0, -3.0, 1e6], [1.0, 1e-3, 10.0], (500, 3))
    statistics = RunningStatistics((3,))

    for batch in np.split(values, cuts):
        statistics.update(batch)

    assert statistics.count == 500
    np.testing.assert_allclose(statistics.mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(statistics.variance, values.var(axis=0), rtol=1e-8)


def test_nothing_seen_is_mean_zero_and_variance_zero() -> None:
    statistics = RunningStatistics((2,))
    statistics.update(np.zeros((0, 2)))

    assert (statistics.count, statistics.mean.tolist(), statistics.variance.tolist()) == (0, [0.0, 0.0], [0.0, 0.0])


def test_a_large_offset_does_not_swallow_the_variance() -> None:
    statistics = RunningStatistics(())
    for value in 1e9 + np.tile([0.0, 1.0], 5_000):
        statistics.update(np.array([value]))

    assert float(statistics.variance) == pytest.approx(0.25, rel=1e-6)


def test_plain_data_brings_back_the_very_numbers() -> None:
    statistics = RunningStatistics((2, 2))
    statistics.update(np.random.default_rng(1).normal(size=(7, 2, 2)))

    again = RunningStatistics.from_plain(json.loads(json.dumps(statistics.as_plain())))

    assert again.count == 7
    assert again.mean.tobytes() == statistics.mean.tobytes()
    assert again.variance.tobytes() == statistics.variance.tobytes()


def test_a_batch_of_another_shape_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"shape \(N, 3,\); got \(4, 2\)"):
        RunningStatistics((3,)).update(np.zeros((4, 2)))
