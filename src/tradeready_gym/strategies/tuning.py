"""Choosing settings by a validation span, with Optuna; needs the extra `[tune]`."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.strategies.base import TradingStrategy
from tradeready_gym.strategies.learned import Learned
from tradeready_gym.strategies.native import NativeEnvironment, native_environment
from tradeready_gym.strategies.performance import Evaluation
from tradeready_gym.strategies.scoring import Metric, period_sharpe, require_metric, score_of
from tradeready_gym.strategies.trials import TrialStore, trial_of

Make = Callable[[Any], TradingStrategy]


@dataclass(frozen=True)
class TunedTrial:
    """One setting: its parameters, its score on the validation span, and its Sharpe ratio per step there (NaN if none)."""

    number: int
    parameters: Mapping[str, Any]
    value: float
    sharpe: float


@dataclass(frozen=True, eq=False)
class Tuning:
    """What was tried, and what came out.

    `best` is the strategy of the trial with the highest value, trained, and counted as having learned from the validation
    span. `evaluation` is what it did there.
    """

    best: TradingStrategy
    best_trial: TunedTrial
    evaluation: Evaluation
    trials: tuple[TunedTrial, ...]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Those of the best trial."""
        return self.best_trial.parameters

    @property
    def sharpes(self) -> npt.NDArray[np.float64]:
        """The Sharpe ratios per step of the trials that have one: what `evaluation.deflated_sharpe` takes as its trials."""
        ratios = np.array([trial.sharpe for trial in self.trials], np.float64)
        return ratios[~np.isnan(ratios)]


def tune(
    make: Make,
    training: Any,
    validation: Any,
    *,
    test: Any = None,
    steps: int,
    trials: int = 20,
    metric: Metric = "sharpe_ratio",
    seed: int = 0,
    first: Mapping[str, Any] | None = None,
    store: TrialStore | None = None,
    sampler: Any = None,
    label: str = "tune",
) -> Tuning:
    """Train `trials` strategies on `training`, and keep the one that does best on `validation`.

    Args:
        make: `make(trial) -> strategy` asks Optuna's trial for parameters (`trial.suggest_float(...)`) and returns a strategy
            that has learned nothing; its environment is set here.
        test: the span that is kept for the end. It is never played; it is taken so that an overlap is refused.
        steps: steps of training for each trial.
        metric: what is compared, larger is better: a name or a function of the `Evaluation`.
        first: parameters to try first, such as those in use.
        store: where the trials are counted, so that later figures on the validation span are deflated by them;
            `TRADEREADY_HOME/trials` by default.
        sampler: one of Optuna's; its default, seeded by `seed`.

    Raises:
        ConfigurationError: Optuna is not installed, a number is outside its domain, spans overlap, or `make` returns a
            strategy that has already learned.
    """
    require_optuna()
    require_metric(metric)
    for name, value in (("steps", steps), ("trials", trials)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigurationError(f"{name} must be an integer of at least 1; got {value!r}")
    spans = {"training": native_environment(training), "validation": native_environment(validation)}
    if test is not None:
        spans["test"] = native_environment(test)
    _require_apart(spans)
    search = _Search(make, spans["training"], spans["validation"], steps, metric, label, store or TrialStore())
    import optuna

    with _quiet(optuna):
        study = optuna.create_study(
            direction="maximize", sampler=sampler or optuna.samplers.TPESampler(seed=seed), study_name=label
        )
        if first is not None:
            study.enqueue_trial(dict(first))
        study.optimize(search, n_trials=trials)
    return search.result()


def require_optuna() -> None:
    """Raise `ConfigurationError` unless Optuna is installed."""
    if importlib.util.find_spec("optuna") is None:
        raise ConfigurationError("tune() needs Optuna, which is an extra: pip install 'tradeready-gym[tune]'")


class _Search:
    def __init__(
        self,
        make: Make,
        training: NativeEnvironment,
        validation: NativeEnvironment,
        steps: int,
        metric: Metric,
        label: str,
        store: TrialStore,
    ) -> None:
        self._make, self._steps, self._metric = make, steps, metric
        self._training, self._validation = training, validation
        self._label, self._store = label, store
        self._trials: list[TunedTrial] = []
        self._best: tuple[TradingStrategy, Evaluation, TunedTrial] | None = None

    def __call__(self, trial: Any) -> float:
        strategy = self._make(trial)
        if not isinstance(strategy, TradingStrategy):
            raise ConfigurationError(f"make(trial) must return a TradingStrategy; got {type(strategy).__name__}")
        if strategy.learned:
            raise ConfigurationError(
                "make(trial) must return a strategy that has learned nothing: trials would share what they learned"
            )
        strategy.environment = self._training
        strategy.train(self._steps)
        evaluation = strategy.evaluate(self._validation)
        strategy.mark_learned(self._validation, looks=1)
        value = score_of(evaluation, self._metric)
        tried = TunedTrial(trial.number, dict(trial.params), value, period_sharpe(evaluation.episodes[0]))
        self._trials.append(tried)
        self._count(tried, evaluation)
        if self._best is None or value > self._best[2].value:
            self._best = (strategy, evaluation, tried)
        return value

    def result(self) -> Tuning:
        if self._best is None:
            raise ConfigurationError("no trial was completed: every one failed or was stopped")
        strategy, evaluation, tried = self._best
        if len(self._trials) > 1:  # its own look is counted
            strategy.mark_learned(self._validation, len(self._trials) - 1)
        return Tuning(strategy, tried, evaluation, tuple(self._trials))

    def _count(self, tried: TunedTrial, evaluation: Evaluation) -> None:
        returns = np.diff(evaluation.episodes[0].net_worth).tobytes()
        agent = sha256(repr(sorted(tried.parameters.items())).encode() + returns).hexdigest()[:16]
        counted = trial_of(evaluation, self._validation.engine, agent, f"{self._label} {tried.number}")
        if counted is not None:
            self._store.record([counted])


def _require_apart(spans: Mapping[str, NativeEnvironment]) -> None:
    names = list(spans)
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            if any(lesson.is_in(spans[other].engine) for lesson in Learned.from_engine(spans[name].engine)):
                raise ConfigurationError(
                    f"tune() needs spans that do not overlap; the {name} span touches the {other} span: what is chosen there "
                    f"would be judged by what it has seen. Cut them by time, as market.split does"
                )


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
