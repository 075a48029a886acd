"""TradingStrategy: what trains, plays and is kept."""

import abc
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.features import Feature
from tradeready_gym.strategies.learned import Learned, spans_of, with_looks
from tradeready_gym.strategies.native import NativeEnvironment, native_environment, vectorise
from tradeready_gym.strategies.performance import Evaluation, Performance
from tradeready_gym.strategies.playing import play
from tradeready_gym.strategies.situation import Situation

if TYPE_CHECKING:
    from tradeready_gym.strategies.callbacks import TrainingCallback

Progress = Callable[[int, int], None]
EpisodeCallback = Callable[[Performance], bool | None]


class TradingStrategy(abc.ABC):
    """Decides for accounts; may learn. Derive from it and write `decide`, or use one that is here.

    `environment` is a `TradingEnvironment` or `TradingVectorEnvironment` (also as `gymnasium.make` wraps it) and may be
    exchanged at any time: train on one span, then play another. Episodes are played on vector environments of the same
    composition, so that the environment itself is never stepped.
    """

    _learned: tuple[Learned, ...] = ()

    def __init__(self, environment: Any = None) -> None:
        self._environment: NativeEnvironment | None = None
        if environment is not None:
            self.environment = environment

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._shown().items())
        return f"{type(self).__name__}({shown})"

    def _shown(self) -> dict[str, Any]:
        # which of the arguments tell it from others; nothing large, and nothing that may hold a key
        return {}

    @property
    def name(self) -> str:
        """What tables call it."""
        return type(self).__name__

    @property
    def environment(self) -> NativeEnvironment:
        """The environment that is trained on and played.

        Raises:
            ConfigurationError: there is none yet; or, when it is set, it is not one that this strategy can play.
        """
        if self._environment is None:
            raise ConfigurationError("this strategy has no environment; set strategy.environment first")
        return self._environment

    @environment.setter
    def environment(self, environment: Any) -> None:
        native = native_environment(environment)
        self.check(native)
        self._environment = native

    def check(self, environment: NativeEnvironment) -> None:
        """Raise `ConfigurationError` if this strategy cannot play the environment."""

    def begin(self, environment: TradingVectorEnvironment, seed: int) -> None:
        """Called before the accounts of `environment` begin their episodes: forget others, seed draws."""

    def played_on(self, environment: NativeEnvironment, count: int) -> TradingVectorEnvironment:
        """The vector environment of `count` accounts on which this strategy plays the environment: the same composition."""
        return vectorise(environment, count)

    @abc.abstractmethod
    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        """One action for each of the N accounts, as the vector environment takes them."""

    def train(
        self, steps: int, *, progress: Progress | None = None, callbacks: "Sequence[TrainingCallback]" = ()
    ) -> None:
        """Learn from at least `steps` steps of the environment; `progress(done, of)` is called now and then.

        A rule has nothing to learn and returns at once.
        """

    @property
    def learned(self) -> tuple[Learned, ...]:
        """Where it has learned, or was chosen by how it did."""
        return self._learned

    def mark_learned(self, environment: Any, looks: int = 0) -> None:
        """Count what an environment plays among what was learned from: its figures are in-sample from now on.

        Whoever selects a strategy, or stops its training, by how it did there says by how many evaluations, `looks`. They are
        added up in `Learned.looks`, and are on the result card.
        """
        self._learned = with_looks(self._learned, native_environment(environment).engine, looks)

    def evaluate(
        self,
        environment: Any = None,
        *,
        episodes: int = 1,
        seed: int | Sequence[int] = 0,
        steps: int | None = None,
    ) -> Evaluation:
        """Play without learning, deterministically if the strategy can, and without a trace in the journal.

        `episodes` are played side by side, episode i as the environment plays it with `seed + i`, or with `seed[i]`; they differ
        only where the environment draws random windows, or the strategy draws. `steps` ends them early.
        """
        _require_count("episodes", episodes)
        if steps is not None:
            _require_count("steps", steps, ", or None for the whole episode")
        native = self.environment if environment is None else native_environment(environment)
        self.check(native)
        played = self.played_on(native, episodes)
        seeds = tuple(range(int(seed), int(seed) + episodes)) if isinstance(seed, int | np.integer) else tuple(seed)
        if len(seeds) != episodes:
            raise ConfigurationError(f"seed must be a number or {episodes} of them; got {len(seeds)}")
        self.begin(played, seeds[0])
        performances = play(self.decide, played, seed=seeds, steps=steps)
        spans = spans_of(played.engine)
        fitted = _fitted_spans(played.engine.pipeline.market_features)
        in_sample = any(lesson.is_in(played.engine) for lesson in self.learned) or any(
            a.start < b.end and b.start < a.end for a in spans for b in fitted
        )
        optimistic = played.engine.spec.exchange.fill_at == "close"
        scheme = repr(played.engine.spec.action_scheme)
        return Evaluation(self.name, spans, in_sample, performances, optimistic, scheme, seeds)

    def run(
        self,
        steps: int | None = None,
        episodes: int | None = None,
        testing: bool = False,
        episode_callback: EpisodeCallback | None = None,
        callbacks: "Sequence[TrainingCallback]" = (),
    ) -> Performance:
        """Train for `steps` (or as many as `episodes` take), unless `testing`; then play, and return the last episode.

        With `testing` nothing is learned: `episodes` are played one after the other (one by default), each of `steps`
        decisions at most. `episode_callback` gets the performance of each; False stops. `callbacks` look on while it
        trains; with one that will stop it, `steps=0` trains until then.

        Raises:
            ValueError: neither steps nor episodes.
            ConfigurationError: episodes below 1; or steps below 1, unless callbacks end the training.
        """
        if steps is None and episodes is None:
            raise ValueError("run() needs steps=, episodes= or both")
        if episodes is not None:
            _require_count("episodes", episodes)
        if steps is not None and not (callbacks and not testing and steps == 0):
            _require_count("steps", steps)
        if testing:
            return self._test(steps, episodes or 1, episode_callback)
        longest = max((s.end - s.start for s in spans_of(self.environment.engine)), default=0)
        length = self.environment.engine.spec.episode_length
        length = length or longest // self.environment.engine.market.timeframe.microseconds
        wanted = steps if steps is not None else (episodes or 1) * length
        if callbacks:
            self.train(wanted, callbacks=callbacks)
        else:
            self.train(wanted)
        return self._test(None, 1, episode_callback)

    def save(self, path: str | Path) -> Path:
        """Keep the strategy in the directory `path`; returns it.

        Raises:
            ConfigurationError: there is nothing to keep.
        """
        raise ConfigurationError(f"{type(self).__name__} does not say how it is saved")

    @classmethod
    def load(cls, path: str | Path, environment: Any = None) -> Self:
        """The strategy that was saved in the directory `path`."""
        raise ConfigurationError(f"{cls.__name__} does not say how it is loaded")

    def _test(self, steps: int | None, episodes: int, callback: EpisodeCallback | None) -> Performance:
        for number in range(episodes):
            last = self.evaluate(seed=number, steps=steps).episodes[0]
            if callback is not None and callback(last) is False:
                break
        return last


def _require_count(name: str, value: Any, otherwise: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name} must be an integer of at least 1{otherwise}; got {value!r}")


def _fitted_spans(item: Any) -> list[Any]:
    # scalers hide in features that are made of others, at any depth
    if isinstance(item, (tuple, list)):
        return [span for part in item for span in _fitted_spans(part)]
    if not isinstance(item, Feature):
        return []
    parts = [getattr(item, field.name) for field in fields(item)] if is_dataclass(item) else list(vars(item).values())
    span = getattr(item, "fitted_span", None)
    return [*([] if span is None else [span]), *_fitted_spans(parts)]
