"""Walk-forward: what a fold has learned from lies before what it is tested on."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tradeready_gym.engine import engine
from tradeready_gym.engine.fuse import fuse
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.evaluation import walk_forward_splits
from tradeready_gym.market import Span
from tradeready_gym.strategies import walk_forward as module
from tradeready_gym.strategies.compiling import compile_ahead
from tradeready_gym.strategies.experiment import Experiment
from tradeready_gym.strategies.learned import spans_of
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
    alone = walk_forward(experiment(), folds=2, workers=1, finished=seen.append, random_seeds=3)
    together = walk_forward(experiment(), folds=2, workers=2, random_seeds=3)

    assert len(seen) == 4
    assert [(r.fold.number, r.seed) for r in together.results] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert not any(r.evaluation.in_sample for r in together.results)
    for one, other in zip(alone.results, together.results, strict=True):
        assert one.performance.net_worth.tolist() == other.performance.net_worth.tolist()
        assert one.traders is not None and other.traders is not None
        assert [c.tolist() for c in one.traders.equity] == [c.tolist() for c in other.traders.equity]
    assert len(alone.chained_traders(1)) == 3


def specialisations(monkeypatch: pytest.MonkeyPatch, play: Callable[[], Any]) -> set[Any]:
    """Which sets of functions are compiled while something is played."""
    found: set[Any] = set()

    def noted(*functions: Any) -> Any:
        found.add(functions)
        return fuse(*functions)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "fuse", noted)
        play()
    return found


@pytest.mark.parametrize("account", [None, "margin"])
def test_what_workers_need_is_compiled_before_they_begin(account: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    made = experiment(arguments=dict(experiment().arguments) | ({"account": account} if account else {}), steps=64)
    whole = made.make(None, None)
    (fold,) = make_folds(spans_of(whole.engine)[0], 24 * HOUR, 1)
    needed = specialisations(monkeypatch, lambda: module._train_and_test(made, fold, 0, 2))
    ahead = specialisations(monkeypatch, lambda: compile_ahead(whole))
    alone = specialisations(monkeypatch, lambda: compile_ahead(whole, baselines=False))
    assert needed <= ahead
    assert not needed <= alone  # of the random traders' actions


def test_processes_are_given_nothing_to_do_before_it_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Pool:
        def submit(self, function: Any, *job: Any) -> Any:
            told.append("submitted")
            raise KeyboardInterrupt

        def shutdown(self, **arguments: Any) -> None:
            told.append("shut down")

    monkeypatch.setattr(module, "_begin_pool", lambda count: Pool())
    monkeypatch.setattr(module, "compile_ahead", lambda environment: told.append("compiled"))
    with pytest.raises(KeyboardInterrupt):
        walk_forward(experiment(), folds=2, workers=2)
    assert told == ["compiled", "submitted", "shut down"]


def test_chained_tests_are_one_result() -> None:
    result = walk_forward(experiment(steps=256, seeds=(0,)), folds=3, workers=1, random_seeds=0)
    assert result.chained_traders(0) == []
    times, equity = result.chained_baseline("Buy and hold")
    growth = [r.performance.net_worth[-1] / r.performance.net_worth[0] for r in result.baselines[::3]]
    assert equity[-1] / equity[0] == pytest.approx(np.prod(growth))
    assert (np.diff(times.astype(np.int64)) == 24 * HOUR).all()
    assert len(times) == sum(len(r.performance) - 1 for r in result.baselines[::3]) + 1
    assert len(result.chained(0)[0]) == len(times)
