"""The probability of backtest overfitting: noise is overfitted, skill is not."""

from itertools import combinations

import numpy as np
import pytest

from tradeready_gym.errors import DataError
from tradeready_gym.evaluation import overfitting, probability_of_overfitting


def test_it_is_what_the_definition_counts() -> None:
    returns = np.random.default_rng(0).normal(size=(240, 7))
    below = []
    for inside in combinations(range(6), 3):
        parts = returns.reshape(6, 40, 7)
        a = parts[list(inside)].reshape(-1, 7)
        b = parts[[k for k in range(6) if k not in inside]].reshape(-1, 7)
        best = int(np.argmax(a.mean(axis=0) / a.std(axis=0)))
        out = b.mean(axis=0) / b.std(axis=0)
        rank = int((out <= out[best]).sum()) / 8
        below.append(np.log(rank / (1 - rank)) <= 0.0)
    assert probability_of_overfitting(returns, 6).probability == pytest.approx(np.mean(below))


def test_the_best_of_noise_is_as_often_below_the_middle_as_above() -> None:
    found = [
        probability_of_overfitting(np.random.default_rng(seed).normal(size=(800, 20)), 8).probability
        for seed in range(60)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_a_strategy_with_skill_is_no_overfitting() -> None:
    returns = np.random.default_rng(1).normal(size=(1_000, 20))
    returns[:, 3] += 0.3
    found = probability_of_overfitting(returns)
    assert found.probability < 0.01
    assert found.loss_probability < 0.01
    assert len(found.logits) == 12_870


def test_tables_that_cannot_be_cut_are_refused() -> None:
    for returns, parts in ((np.zeros((100, 1)), 4), (np.zeros((100, 2)), 5), (np.zeros((10, 2)), 16), (np.zeros(9), 2)):
        with pytest.raises(DataError):
            probability_of_overfitting(returns, parts)


def test_a_wide_table_cut_into_batches_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = np.random.default_rng(2).normal(size=(240, 7))
    whole = probability_of_overfitting(returns, 8)
    monkeypatch.setattr(overfitting, "_MOST_NUMBERS", 70)
    parts = probability_of_overfitting(returns, 8)
    assert parts.probability == whole.probability
    assert parts.loss_probability == whole.loss_probability
    assert parts.logits == pytest.approx(whole.logits, rel=1e-12)
