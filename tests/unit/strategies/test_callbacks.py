"""Whoever looks on is told in order, may stop the training, and keeps what it was asked to keep."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from small_worlds import trend_env
from tradeready_gym.errors import ConfigurationError, StoreError, UnknownName
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies import (
    Checkpoints,
    EarlyStop,
    Evaluation,
    StableBaselinesTradingStrategy,
    TrainingCallback,
)
from tradeready_gym.tracking import list_runs

CUT = "2021-01-11T00:00:00Z"


def market(**changes: Any) -> Any:
    settings = {"interpreted": False, "episode_length": 20, "data": trend(bars=400, seed=0), "end_time": CUT}
    return trend_env(**(settings | changes))


def validation(**changes: Any) -> Any:
    return market(**({"start_time": CUT, "end_time": None, "episode_length": None} | changes))


def learner(**changes: Any) -> StableBaselinesTradingStrategy:
    settings: dict[str, Any] = {"num_envs": 4, "track_training": False}
    kwargs = {"n_steps": 16, "policy_kwargs": {"net_arch": [8]}}
    return StableBaselinesTradingStrategy(market(), "PPO", model_kwargs=kwargs, **(settings | changes))


class Watching(TrainingCallback):
    """Writes down what it is told; says no at `stop_at` steps, or after `episodes`."""

    def __init__(self, stop_at: int = 10**9, episodes: int = 10**9) -> None:
        self.stop_at, self.episodes = stop_at, episodes
        self.told: list[tuple[str, int]] = []
        self.lengths: list[float] = []

    def begin(self, strategy: Any) -> None:
        self.told.append(("begin", strategy.trained_steps))

    def on_episode(self, strategy: Any, metrics: Any) -> bool | None:
        self.lengths.append(metrics["length"])
        return len(self.lengths) < self.episodes

    def on_rollout(self, strategy: Any) -> bool | None:
        self.told.append(("rollout", strategy.trained_steps))
        return bool(strategy.trained_steps < self.stop_at)

    def end(self, strategy: Any) -> None:
        self.told.append(("end", strategy.trained_steps))


def test_callbacks_are_told_of_every_rollout_and_episode_in_order() -> None:
    watching = Watching()
    learner().run(steps=192, callbacks=[watching])
    assert watching.told == [("begin", 0), ("rollout", 64), ("rollout", 128), ("rollout", 192), ("end", 192)]
    # 48 steps of each of 4 accounts, in episodes of 20
    assert watching.lengths == [20] * 8


def test_false_stops_after_the_rollout_and_nothing_is_lost() -> None:
    strategy, watching = learner(), Watching(stop_at=128)
    strategy.train(640, callbacks=[watching])
    assert strategy.trained_steps == 128
    assert watching.told[-2:] == [("rollout", 128), ("end", 128)]
    strategy.resume(callbacks=[Watching(stop_at=192)])
    whole = learner()
    whole.train(192)
    assert all(map(torch.equal, strategy.model.policy.parameters(), whole.model.policy.parameters()))


def test_false_for_an_episode_stops_when_its_rollout_is_complete() -> None:
    strategy, watching = learner(), Watching(episodes=1)
    strategy.train(640, callbacks=[watching])
    assert strategy.trained_steps == 128
    assert len(watching.lengths) == 4


def test_no_steps_train_until_a_callback_says_no_and_never_without_one() -> None:
    strategy = learner()
    strategy.run(steps=0, callbacks=[Watching(stop_at=192)])
    assert strategy.trained_steps == 192
    with pytest.raises(ConfigurationError, match="0 with callbacks"):
        strategy.train(0)
    with pytest.raises(ConfigurationError, match="had no end"):
        strategy.resume()


def test_what_a_callback_raises_reaches_the_caller_and_training_can_go_on() -> None:
    class Failing(Watching):
        def on_rollout(self, strategy: Any) -> bool | None:
            raise RuntimeError("disk full")

    strategy, failing = learner(track_training=True), Failing()
    known = {run.run_id for run in list_runs()}
    with pytest.raises(RuntimeError, match="disk full"):
        strategy.train(128, callbacks=[failing])
    assert failing.told[-1] == ("end", 64)
    strategy.train(64)
    assert strategy.trained_steps == 128
    told = {(run.status, run.reason) for run in list_runs() if run.run_id not in known}
    assert told == {("failed", "RuntimeError: disk full"), ("completed", None)}


def test_a_training_that_is_interrupted_is_cancelled() -> None:
    class Interrupted(Watching):
        def on_rollout(self, strategy: Any) -> bool | None:
            raise KeyboardInterrupt

    known = {run.run_id for run in list_runs()}
    with pytest.raises(KeyboardInterrupt):
        learner(track_training=True).train(128, callbacks=[Interrupted()])
    told = [(run.status, run.reason) for run in list_runs() if run.run_id not in known]
    assert told == [("cancelled", "interrupted by Ctrl-C")]


def test_checkpoints_are_kept_every_so_many_steps_the_newest_only_if_asked(tmp_path: Path) -> None:
    strategy = learner()
    strategy.train(640, callbacks=[Checkpoints(tmp_path / "all", 150), Checkpoints(tmp_path / "two", 64, keep=2)])
    names = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert [int(name[5:]) for name in names] == [192, 320, 512, 640]
    assert sorted(int(path.name[5:]) for path in (tmp_path / "two").iterdir()) == [576, 640]
    latest = StableBaselinesTradingStrategy.load(Checkpoints.latest(tmp_path / "all"))
    assert latest.trained_steps == 640
    assert all(map(torch.equal, latest.model.policy.parameters(), strategy.model.policy.parameters()))


def test_a_folder_without_a_complete_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "step-000000000064").mkdir()
    with pytest.raises(StoreError, match=r"no checkpoint: no folder step-N with a strategy\.json"):
        Checkpoints.latest(tmp_path)


class Scripted(StableBaselinesTradingStrategy):
    """Does as well on the validation span as its script says."""

    script = (1.0, 3.0, 2.0, 2.5, 9.0)

    def evaluate(self, environment: Any = None, **_: Any) -> Evaluation:
        result = super().evaluate(environment, steps=2)
        value = self.script[self.trained_steps // 64 - 1]
        episode = result.episodes[0]
        object.__setattr__(episode, "metrics", {**episode.metrics, "roi_pct": value})
        return result


def test_early_stop_waits_for_a_new_best_and_keeps_it(tmp_path: Path) -> None:
    kwargs = {"n_steps": 16, "policy_kwargs": {"net_arch": [8]}}
    strategy = Scripted(market(), "PPO", model_kwargs=kwargs, num_envs=4, track_training=False)
    stop = EarlyStop(validation(), patience=2, every=64, metric="roi_pct", folder=tmp_path)
    strategy.train(640, callbacks=[stop])
    assert stop.history == [(64, 1.0), (128, 3.0), (192, 2.0), (256, 2.5)]
    assert (stop.best_steps, stop.best_value) == (128, 3.0)
    assert strategy.trained_steps == 256
    best = StableBaselinesTradingStrategy.load(tmp_path)
    assert best.trained_steps == 128
    assert best.evaluate(validation(), steps=2).in_sample
    # it is the best of four, two of them later than itself
    assert [lesson.looks for lesson in best.learned] == [0, 4]
    assert [lesson.looks for lesson in strategy.learned] == [0, 4]


def test_whoever_stops_by_a_span_has_learned_from_it_and_learns_nothing_else_from_it() -> None:
    watched, alone = learner(), learner()
    watched.train(192, callbacks=[EarlyStop(validation(), patience=9, every=64)])
    alone.train(192)
    assert watched.evaluate(validation(), steps=2).in_sample
    assert not alone.evaluate(validation(), steps=2).in_sample
    assert all(map(torch.equal, watched.model.policy.parameters(), alone.model.policy.parameters()))


def test_early_stop_on_the_training_span_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="overlaps the training span"):
        learner().train(64, callbacks=[EarlyStop(market(interpreted=True))])


def test_numbers_that_are_none_and_metrics_of_which_more_is_worse_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="every must be an integer of at least 1"):
        Checkpoints(tmp_path, 0)
    with pytest.raises(ConfigurationError, match="patience"):
        EarlyStop(validation(interpreted=True), patience=np.float64(2))  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="sharpe_ratio"):
        EarlyStop(validation(interpreted=True), metric="max_drawdown_pct")
