"""Walk-forward: what a fold has learned from lies before what it is tested on."""

from typing import Any

import numpy as np
import pytest

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.evaluation import walk_forward_splits
from tradeready_gym.market import Span
from tradeready_gym.strategies import walk_forward as module
from tradeready_gym.strategies.experiment import Experiment
from tradeready_gym.strategies.walk_forward import FoldResult, make_folds, walk_forward

HOUR = 3_600_000_000


def experiment(**changes: Any) -> Experiment:
    settings: dict[str, Any] = {
        "environment": "TradeReady-BTC-v0",
        "arguments": {
            "data": "sample",
            "timeframe": "1d",
            "observation_features": ["returns", "position"],
            "lookback_window": 5,
        },
        "steps": 512,
        "seeds": (0, 1),
    }
    return Experiment(**(settings | changes))


@pytest.mark.parametrize("rolling", [False, True])
def test_tests_follow_one_another_to_the_end_and_training_ends_before_them(rolling: bool) -> None:
    span = Span(0, 1_000 * HOUR)
    folds = make_folds(span, HOUR, 5, rolling=rolling, purge=24)
    assert [fold.test.start for fold in folds[1:]] == [fold.test.end for fold in folds[:-1]]
    assert folds[-1].test.end == span.end
    lengths = {fold.test.end - fold.test.start for fold in folds}
    assert len(lengths) == 1
    for fold in folds:
        assert fold.test.start - fold.training.end == 24 * HOUR
        assert fold.training.start >= span.start
    trained = [fold.training.end - fold.training.start for fold in folds]
    assert (len(set(trained)) == 1) if rolling else (trained == sorted(trained) and trained[0] < trained[-1])


@pytest.mark.parametrize(
    ("count", "purge", "share"), [(0, 0, 0.4), (5, -1, 0.4), (5, 0, 1.0), (400, 0, 0.4), (5, 399, 0.4)]
)
def test_spans_that_cannot_be_cut_are_refused(count: int, purge: int, share: float) -> None:
    with pytest.raises(ConfigurationError, match=r"folds"):
        make_folds(Span(0, 1_000 * HOUR), HOUR, count, purge=purge, first_share=share)


@pytest.mark.parametrize("rolling", [False, True])
@pytest.mark.parametrize(("purge", "embargo"), [(0, 0), (24, 0), (24, 12)])
def test_folds_are_the_splits_of_the_rows(rolling: bool, purge: int, embargo: int) -> None:
    start = 5_000 * HOUR
    folds = make_folds(Span(start, start + 1_003 * HOUR), HOUR, 5, rolling=rolling, purge=purge, embargo=embargo)
    splits = walk_forward_splits(1_003, 5, rolling=rolling, purge=purge, embargo=embargo)
    for fold, split in zip(folds, splits, strict=True):
        for span, rows in ((fold.training, split.training), (fold.test, split.test)):
            assert ((span.start - start) // HOUR, (span.end - start) // HOUR) == (rows.start, rows.stop)
        assert fold.test.start - fold.training.end == (purge + embargo) * HOUR


def test_a_begun_candle_is_not_learned_from() -> None:
    folds = make_folds(Span(-HOUR // 2, 1_000 * HOUR), HOUR, 5)
    assert (folds[0].training.start, folds[-1].test.end) == (0, 1_000 * HOUR)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"folds": 0}, "folds must be a whole number of at least 1"),
        ({"purge": -1}, "purge must be a whole number of at least 0"),
        ({"embargo": 1.5}, "embargo must be a whole number of at least 0"),
        ({"workers": 0}, "workers must be a whole number of at least 1"),
        ({"steps": 0}, "steps must be a whole number of at least 1"),
        ({"embargo": 10_000}, "shorter purge or embargo"),
    ],
)
def test_what_cannot_be_is_named_before_anything_is_trained(
    wrong: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_train_and_test", lambda *job: pytest.fail("it has trained"))
    made = experiment(steps=wrong.pop("steps", 512))
    with pytest.raises(ConfigurationError, match=said):
        walk_forward(made, **({"folds": 2, "workers": 1} | wrong))


def test_agents_in_parallel_have_one_thread_each() -> None:
    import torch

    before = torch.get_num_threads()
    with module._one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_every_fold_and_seed_is_tested_on_what_nobody_had_seen_and_processes_change_nothing() -> None:
    seen: list[FoldResult] = []
    alone = walk_forward(experiment(), folds=2, workers=1, finished=seen.append)
    together = walk_forward(experiment(), folds=2, workers=2)

    assert len(seen) == 4
    assert [(r.fold.number, r.seed) for r in together.results] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert not any(r.evaluation.in_sample for r in together.results)
    for one, other in zip(alone.results, together.results, strict=True):
        assert one.performance.net_worth.tolist() == other.performance.net_worth.tolist()


def test_chained_tests_are_one_result() -> None:
    result = walk_forward(experiment(steps=256, seeds=(0,)), folds=3, workers=1)
    times, equity = result.chained_baseline("Buy and hold")
    growth = [r.performance.net_worth[-1] / r.performance.net_worth[0] for r in result.baselines[::3]]
    assert equity[-1] / equity[0] == pytest.approx(np.prod(growth))
    assert (np.diff(times.astype(np.int64)) == 24 * HOUR).all()
    assert len(times) == sum(len(r.performance) - 1 for r in result.baselines[::3]) + 1
    assert len(result.chained(0)[0]) == len(times)
