"""StableBaselinesTradingStrategy: an algorithm of Stable-Baselines3 on the compiled vector environment."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tradeready_gym.agents import AgentBundle, AgentInterface, versions_of
from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.envs.composition import describe
from tradeready_gym.errors import ConfigurationError, NotFitted, StoreError
from tradeready_gym.features import FeaturePipeline
from tradeready_gym.strategies.algorithms import (
    DEFAULT_NUM_ENVS,
    algorithm_at,
    find_algorithm,
    policy_of,
    refuse_action_space,
    require_stable_baselines,
    with_defaults,
)
from tradeready_gym.strategies.base import Progress, TradingStrategy
from tradeready_gym.strategies.callbacks import TrainingCallback
from tradeready_gym.strategies.generators import borrowed_generators
from tradeready_gym.strategies.learned import Learned
from tradeready_gym.strategies.mismatch import allowed_of, identities_of, refuse_mismatch
from tradeready_gym.strategies.native import (
    NativeEnvironment,
    expect_episodes,
    interface_of,
    told_how_it_ends,
    vectorise,
)
from tradeready_gym.strategies.scaling import observation_scale
from tradeready_gym.strategies.situation import Situation
from tradeready_gym.strategies.training_state import TrainingState, read_replay, write_replay

KIND = "stable-baselines3"
WINDOW_BARS = 512
_MODEL, _STATE, _REPLAY = "model.zip", "training.pickle", "replay.npz"
_FOR_EVER = 2**62
_PACKAGES = ("tradeready-gym", "numpy", "torch", "stable-baselines3", "sb3-contrib")


class StableBaselinesTradingStrategy(TradingStrategy):
    """Learns with an algorithm of Stable-Baselines3.

    Args:
        environment: what to train on; may be set later.
        model: "PPO", "A2C", "DQN", "SAC", "TD3", "DDPG", of sb3-contrib "RecurrentPPO", "QRDQN" or "MaskablePPO", or the
            class of another algorithm.
        policy: the policy's name or class, as the algorithm takes it.
        model_kwargs: further arguments of the algorithm; they go before our defaults.
        seed: of the weights, the actions and the episodes.
        num_envs: accounts that learn side by side; by default 256 for PPO and MaskablePPO, 64 for RecurrentPPO, 16 for
            others.
        num_threads: threads of PyTorch while it trains. For networks of this size more than one gains little, and costs a
            multiple where other processes want the processors.
        window_bars: length of the random windows that are trained on where the environment plays its whole span; without
            them all accounts would see the same candles at the same time.
        track_training: append the run and its episodes to the journal under `TRADEREADY_HOME`.
        strategy_label: the name of the run.

    Training uses `episode_end="gymnasium"`, since that decides what a learner may bootstrap. Observations are scaled by the
    first layer of the policy, with means and deviations of the training span; rewards are divided by the running deviation
    of their discounted sum (`VecNormalize`), in training only. Neither happens if `model_kwargs["policy_kwargs"]` brings a
    feature extractor of its own, or the observations are a dict. RecurrentPPO carries its memory from decision to decision
    and forgets it where an episode begins; MaskablePPO takes only actions that can do something, in training and in play.

    `train(n)`, then `train(n)` again, gives the same weights to the last bit as `train(2 * n)`, also with `save` and `load`
    between, if `n` is a whole number of rollouts (`num_envs` x `n_steps`, or `num_envs` x `train_freq`), `model_kwargs`
    has no schedule that depends on the whole number of steps (of those by default only DQN and QRDQN have one), no
    `use_sde`, and what learns from a replay buffer is saved with `replay=True`; on a processor, with the same number of
    threads and the same versions. A training that was interrupted is continued by `resume`, which follows schedules, too.

    Raises:
        ConfigurationError: Stable-Baselines3 is not installed, or an argument is outside its domain.
    """

    def __init__(
        self,
        environment: Any = None,
        model: str | type[Any] = "PPO",
        policy: str | type[Any] = "MlpPolicy",
        model_kwargs: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        num_envs: int | None = None,
        num_threads: int = 1,
        window_bars: int = WINDOW_BARS,
        track_training: bool = True,
        strategy_label: str = "gym_training",
    ) -> None:
        require_stable_baselines()
        self._algorithm = find_algorithm(model)
        self.policy = policy_of(self._algorithm, policy)
        self.model_kwargs = dict(model_kwargs or {})
        self.seed = seed
        self.num_envs = num_envs or DEFAULT_NUM_ENVS.get(self._algorithm.__name__, 16)
        self.num_threads = num_threads
        self.window_bars = window_bars
        self.track_training = track_training
        self.strategy_label = strategy_label
        self._model: Any = None
        self._bundle: AgentBundle | None = None
        self._allow: frozenset[str] = frozenset()
        self._state: TrainingState | None = None
        self._capture: Callable[[], TrainingState] | None = None
        self._forgot_replay = False
        self._memory: Any = None
        self._run_id: str | None = None
        super().__init__(environment)

    def _shown(self) -> dict[str, Any]:
        return {"model": self._algorithm.__name__, "seed": self.seed}

    @property
    def name(self) -> str:
        return f"{self._algorithm.__name__}, seed {self.seed}"

    @property
    def model(self) -> Any:
        """The algorithm's object, trained so far.

        Raises:
            NotFitted: nothing has been trained or loaded.
        """
        if self._model is None:
            raise NotFitted("this strategy has not learned anything yet; call train(steps), or load() a saved one")
        return self._model

    @property
    def interface(self) -> AgentInterface:
        """What it sees and does; raises `NotFitted` as `model` does."""
        return self._trained().interface

    @property
    def feature_pipeline(self) -> FeaturePipeline:
        """The features that it was trained with, as they were fitted, for environments to play it in.

        Raises:
            NotFitted: nothing has been trained or loaded.
            ConfigurationError: a feature could not be written down.
        """
        pipeline = self._trained().pipeline
        if pipeline is None:
            raise ConfigurationError(
                "the features of this strategy call functions that could not be saved; build the pipeline by hand, or put "
                "the functions into a module"
            )
        return pipeline

    @property
    def trained_steps(self) -> int:
        """Steps of the environment so far."""
        return 0 if self._model is None else int(self._model.num_timesteps)

    @property
    def run_id(self) -> str | None:
        """The id under which its last training was recorded, None if it was not; a loaded strategy has not trained yet."""
        return self._run_id

    def check(self, environment: NativeEnvironment) -> None:
        refuse_action_space(self._algorithm, environment.engine)
        if self._bundle is not None:
            refuse_mismatch(self._bundle, self._learned, environment, self._allow)

    def begin(self, environment: TradingVectorEnvironment, seed: int) -> None:
        self._memory = None

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        """The policy's best actions, without exploration."""
        name = self._algorithm.__name__
        if name == "MaskablePPO":
            masks = situation.action_masks
            return np.asarray(self.model.predict(situation.observations, deterministic=True, action_masks=masks)[0])
        if name != "RecurrentPPO":
            return np.asarray(self.model.predict(situation.observations, deterministic=True)[0])
        actions, self._memory = self.model.predict(
            situation.observations, state=self._memory, episode_start=situation.starts, deterministic=True
        )
        return np.asarray(actions)

    def train(
        self, steps: int, *, progress: Progress | None = None, callbacks: Sequence[TrainingCallback] = ()
    ) -> None:
        """Learn from at least `steps` steps, in whole rollouts of the algorithm; again goes on where it stopped.

        On other candles, or in another composition, it goes on with new episodes. `steps=0` trains until a callback
        returns False.

        Raises:
            ConfigurationError: `steps` is negative or not whole, or 0 without callbacks.
        """
        if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 0 or not (steps or callbacks):
            raise ConfigurationError(
                f"steps must be an integer of at least 1, or 0 with callbacks that stop the training; got {steps!r}"
            )
        self._learn(self.trained_steps + int(steps) if steps else _FOR_EVER, progress, callbacks)

    def resume(self, *, progress: Progress | None = None, callbacks: Sequence[TrainingCallback] = ()) -> None:
        """End the training that a checkpoint interrupted, exactly as it would have gone on; nothing if it had ended.

        Callbacks begin anew.

        Raises:
            ConfigurationError: the environment is not the one that was trained in, or the checkpoint does not hold all
                that is needed.
        """
        self.model  # noqa: B018 - says what is missing
        if self._state is None or self._forgot_replay:
            missing = "its state" if self._state is None else "its replay buffer, which save(path, replay=True) keeps"
            raise ConfigurationError(
                f"resume() needs all of an interrupted training; this one lacks {missing}. train(steps) goes on without"
            )
        if self._state.aim == _FOR_EVER and not callbacks:
            raise ConfigurationError("this training had no end; resume() needs callbacks that stop it")
        if self.trained_steps < self._state.aim:
            self._learn(self._state.aim, progress, callbacks, exactly=True)

    def save(self, path: str | Path, *, replay: bool = False) -> Path:
        """Keep the strategy in the directory `path` as an `AgentBundle`, whole or not at all.

        `replay` keeps the replay buffer, too, which is large (2 x observation x steps); without it, training goes on
        with an empty one.

        Raises:
            NotFitted: nothing has been trained.
            StoreError: the directory cannot be written.
        """
        model, bundle = self.model, self._trained()
        state = self._state if self._capture is None else self._capture()
        files: dict[str, Any] = {_MODEL: lambda draft: _save_model(model, draft)}
        buffer = getattr(model, "replay_buffer", None)
        if state is not None:
            files[_STATE] = state.write
        if buffer is not None and replay:
            files[_REPLAY] = lambda draft: write_replay(buffer, draft)
        card = replace(
            bundle,
            policy=self._policy_card(),
            trained_steps=self.trained_steps,
            learned_from=tuple(lesson.as_plain() for lesson in self._learned),
            normaliser={} if state is None else state.normaliser,
            versions=versions_of(*_PACKAGES),
        )
        return card.save(path, files)

    @classmethod
    def load(cls, path: str | Path, environment: Any = None, *, allow: str | Iterable[str] = ()) -> Self:
        """The strategy that was saved in `path`. Load only files that you trust: they hold pickled Python objects.

        `allow` names what it shall not refuse or warn of, from now on: "data", "anchor" or "versions"
        (`mismatch.refuse_mismatch`).

        Raises:
            StoreError: there is no strategy in `path`, or it is incomplete, damaged, or of another format.
            ConfigurationError: `environment` is not like the one that it was trained on.
            UnknownName: `allow` has another name.
        """
        require_stable_baselines()
        allowed = allowed_of(allow)
        bundle = AgentBundle.load(path, KIND, allow=allowed)
        card = bundle.policy
        try:
            made = cls(
                model=algorithm_at(card["algorithm"]),
                policy=card["policy"],
                seed=bundle.seeds["strategy"],
                num_envs=card["num_envs"],
                window_bars=card["window_bars"],
                strategy_label=card["strategy_label"],
            )
            made._bundle, made._allow = bundle, allowed
            made._learned = tuple(map(Learned.from_plain, bundle.learned_from))
            with borrowed_generators():
                made._model = made._algorithm.load(bundle.file(_MODEL), device=card["device"])
            state, replay = bundle.file(_STATE), bundle.file(_REPLAY)
            made._state = None if state is None else TrainingState.read(state)
            if replay is not None:
                read_replay(made._model.replay_buffer, replay)
            made._forgot_replay = replay is None and getattr(made._model, "replay_buffer", None) is not None
        except StoreError:
            raise
        except (OSError, ImportError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise StoreError(
                f"the strategy in {bundle.folder} cannot be read: {type(error).__name__}: {error}"
            ) from error
        if environment is not None:
            made.environment = environment
        return made

    def _learn(
        self,
        aim: int,
        progress: Progress | None,
        callbacks: Sequence[TrainingCallback],
        exactly: bool = False,
    ) -> None:
        import torch
        from stable_baselines3.common.vec_env import VecNormalize

        from tradeready_gym.strategies.learning import Listening, StopTraining
        from tradeready_gym.strategies.vec_adapter import StableBaselinesVecEnv

        for callback in callbacks:
            callback.begin(self)
        training = self._training_environment()
        self._run_id = None if training.tracker is None else training.tracker.run_id
        if aim != _FOR_EVER:
            expect_episodes(training, aim - self.trained_steps)
        differences = self._state.differences(training) if self._state is not None else []
        if exactly and differences:
            raise ConfigurationError(
                f"resume() goes on in the environment that was trained in: {'; '.join(differences)}. Set that environment, "
                f"or call train(steps), which begins new episodes"
            )
        threads = torch.get_num_threads()
        torch.set_num_threads(self.num_threads)
        try:
            with borrowed_generators(), told_how_it_ends(training.tracker):
                adapter = StableBaselinesVecEnv(training)
                gamma = self._model.gamma if self._model is not None else self.model_kwargs.get("gamma", 0.99)
                rewards = VecNormalize(adapter, norm_obs=False, gamma=gamma)
                first = self._model is None
                self._enter(training, rewards, fits=not differences)
                self._bundle, self._state = self._bundle_of(training), None
                self._capture = lambda: TrainingState.capture(self._model, training, rewards, aim)
                listening = Listening(self, callbacks, progress, aim)
                with suppress(StopTraining):
                    self._model.learn(aim - self.trained_steps, callback=listening, reset_num_timesteps=first)
                self._state = self._capture()
        finally:
            self._capture = None
            torch.set_num_threads(threads)
            training.close()
            for callback in callbacks:
                callback.end(self)

    def _enter(self, training: TradingVectorEnvironment, rewards: Any, fits: bool) -> None:
        # the accounts as they stood, or new episodes
        self._learned = tuple(dict.fromkeys((*self._learned, *Learned.from_engine(training.engine))))
        if self._model is None:
            self._model = self._algorithm(self.policy, rewards, seed=self.seed, **self._arguments(training))
        elif self._state is not None and fits:
            self._model.set_env(rewards, force_reset=False)
            self._state.restore(self._model, training, rewards)
            if training.tracker is not None:
                training.tracker.register_run()
            return
        else:
            self._model.set_env(rewards)
            self._model.set_random_seed(self.seed + self.trained_steps)
        # after the algorithm, which seeds the environment by its own seed: two seeds would share most of their windows
        rewards.seed(self.seed * self.num_envs + self.trained_steps)

    def _training_environment(self) -> TradingVectorEnvironment:
        engine = self.environment.engine
        longest = min(int(s["end_row"] - s["first_row"]) for s in engine.segments)
        return vectorise(
            self.environment,
            self.num_envs,
            episode_end="gymnasium",
            episode_length=engine.spec.episode_length or min(self.window_bars, longest),
            track_training=self.track_training,
            strategy_label=self.strategy_label,
        )

    def _arguments(self, training: TradingVectorEnvironment) -> dict[str, Any]:
        from tradeready_gym.strategies.learning import ScaledObservations

        size = int(np.prod(training.single_action_space.shape or (1,)))
        arguments = with_defaults(self._algorithm, self.num_envs, self.model_kwargs, size)
        policy: dict[str, Any] = dict(arguments.get("policy_kwargs") or {})
        if training.flatten and "features_extractor_class" not in policy:
            offset, scale = observation_scale(training.engine)
            policy["features_extractor_class"] = ScaledObservations
            policy["features_extractor_kwargs"] = {"offset": offset, "scale": scale}
        return arguments | {"policy_kwargs": policy}

    def _trained(self) -> AgentBundle:
        self.model  # noqa: B018 - says what is missing
        if self._bundle is None:
            raise NotFitted("this strategy has not learned anything yet; call train(steps), or load() a saved one")
        return self._bundle

    def _bundle_of(self, training: TradingVectorEnvironment) -> AgentBundle:
        engine = training.engine
        return AgentBundle(
            kind=KIND,
            policy=self._policy_card(),
            interface=interface_of(training),
            composition=dict(describe(engine.spec)),
            data=identities_of(engine),
            trained_steps=self.trained_steps,
            seeds={"strategy": self.seed},
            pipeline=engine.pipeline,
        )

    def _policy_card(self) -> dict[str, Any]:
        return {
            "algorithm": f"{self._algorithm.__module__}:{self._algorithm.__qualname__}",
            "policy": self.policy if isinstance(self.policy, str) else self.policy.__qualname__,
            "num_envs": self.num_envs,
            "window_bars": self.window_bars,
            "strategy_label": self.strategy_label,
            "device": str(self.model.device),
        }


def _save_model(model: Any, draft: Path) -> None:
    # a file, since Stable-Baselines3 adds .zip to names without
    with draft.open("wb") as file:
        model.save(file)
