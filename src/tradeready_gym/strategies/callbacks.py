"""What may look on while a strategy trains: checkpoints, early stopping, and your own."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradeready_gym.agents.bundle import CARD
from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.strategies.learned import Learned
from tradeready_gym.strategies.native import native_environment
from tradeready_gym.strategies.scoring import require_metric, score_of

_NAME = re.compile(r"step-(\d+)")


class TrainingCallback:
    """Derive from it and write what you need; every method may be left out.

    A method that returns False stops the training when the rollout is complete, so that it can go on exactly from there.
    What a method raises ends the training and reaches the caller of `train`.
    """

    def begin(self, strategy: Any) -> None:
        """Before the first step; `strategy.environment` is what is trained on."""

    def on_episode(self, strategy: Any, metrics: Mapping[str, float | int]) -> bool | None:
        """An account has ended an episode; `metrics` are its `episode_metrics`, NaN where one does not exist."""
        return None

    def on_rollout(self, strategy: Any) -> bool | None:
        """A rollout has been learned from; `strategy` may be saved or evaluated."""
        return None

    def end(self, strategy: Any) -> None:
        """After the last rollout, also when training was stopped."""


class Checkpoints(TrainingCallback):
    """Saves the strategy about every `every` steps, at the ends of rollouts, in `folder/step-000000012800`.

    Args:
        keep: how many of the newest to keep; None keeps all.

    `Checkpoints.latest(folder)` is the newest; `load` it and call `resume()` to end what was interrupted.
    """

    def __init__(self, folder: str | Path, every: int, *, keep: int | None = None) -> None:
        _require_count("every", every)
        if keep is not None:
            _require_count("keep", keep)
        self.folder, self.every, self.keep = Path(folder).expanduser(), every, keep
        self._next = every

    def begin(self, strategy: Any) -> None:
        self._next = (strategy.trained_steps // self.every + 1) * self.every

    def on_rollout(self, strategy: Any) -> bool | None:
        steps = strategy.trained_steps
        if steps >= self._next:
            strategy.save(self.folder / f"step-{steps:012d}", replay=True)
            self._next = (steps // self.every + 1) * self.every
            if self.keep is not None:
                for path in _checkpoints(self.folder)[: -self.keep]:
                    shutil.rmtree(path)
        return None

    @staticmethod
    def latest(folder: str | Path) -> Path:
        """The newest complete checkpoint in `folder`.

        Raises:
            StoreError: there is none.
        """
        found = _checkpoints(Path(folder).expanduser())
        if not found:
            raise StoreError(f"{folder} holds no checkpoint: no folder step-N with a {CARD}")
        return found[-1]


class EarlyStop(TrainingCallback):
    """Stops when the strategy has not become better on a validation span for `patience` evaluations.

    Args:
        environment: the validation span; it must not touch the training span.
        patience: evaluations without a new best that end the training.
        every: steps between two evaluations.
        metric: what is compared, larger is better.
        folder: where the best so far is saved; None keeps the last weights only.

    Whoever stops by a span has learned from it: its figures are in-sample from then on. `history` has (steps, value) of
    every evaluation. They are a choice within one trial, on a span that is not the test: the strategy, also the best one in
    `folder`, says how many there were (`Learned.looks`), and so does its result card.

    Raises:
        ConfigurationError: an argument is outside its domain; or, when training begins, the spans overlap.
    """

    def __init__(
        self,
        environment: Any,
        patience: int = 5,
        every: int = 50_000,
        *,
        metric: str = "sharpe_ratio",
        folder: str | Path | None = None,
    ) -> None:
        _require_count("patience", patience)
        _require_count("every", every)
        require_metric(metric)
        self.environment = native_environment(environment)
        self.patience, self.every, self.metric = patience, every, metric
        self.folder = None if folder is None else Path(folder).expanduser()
        self.history: list[tuple[int, float]] = []
        self.best_steps: int | None = None
        self.best_value = float("-inf")
        self._next = every
        self._waited = 0
        self._since_best = 0

    def begin(self, strategy: Any) -> None:
        engine = self.environment.engine
        if any(lesson.is_in(engine) for lesson in Learned.from_engine(strategy.environment.engine)):
            raise ConfigurationError(
                "EarlyStop's environment must be a span that is not trained on; it overlaps the training span. Give it a "
                "later start_time, or end the training earlier"
            )
        self._next = (strategy.trained_steps // self.every + 1) * self.every

    def on_rollout(self, strategy: Any) -> bool | None:
        if strategy.trained_steps < self._next:
            return None
        self._next = (strategy.trained_steps // self.every + 1) * self.every
        value = score_of(strategy.evaluate(self.environment), self.metric)
        strategy.mark_learned(self.environment, looks=1)
        self.history.append((strategy.trained_steps, value))
        if value > self.best_value:
            self.best_value, self.best_steps = value, strategy.trained_steps
            self._waited = self._since_best = 0
            if self.folder is not None:
                strategy.save(self.folder)
        else:
            self._waited += 1
            self._since_best += 1
        return self._waited < self.patience

    def end(self, strategy: Any) -> None:
        # the best was chosen among those after it, too
        if self.folder is not None and self.best_steps is not None and self._since_best:
            best = type(strategy).load(self.folder)
            best.mark_learned(self.environment, self._since_best)
            best.save(self.folder)
            self._since_best = 0


def _checkpoints(folder: Path) -> list[Path]:
    numbered = [(_NAME.fullmatch(path.name), path) for path in folder.glob("step-*")]
    complete = [(int(match[1]), path) for match, path in numbered if match and (path / CARD).is_file()]
    return [path for _, path in sorted(complete)]


def _require_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name} must be an integer of at least 1; got {value!r}")
