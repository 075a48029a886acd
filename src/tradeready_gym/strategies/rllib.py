"""RLlibTradingStrategy: PPO of RLlib on the compiled vector environment, in this process or on Ray's workers."""

import importlib.util
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tradeready_gym.agents import AgentBundle, AgentInterface, versions_of
from tradeready_gym.engine import Engine
from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.envs.composition import describe
from tradeready_gym.errors import ConfigurationError, NotFitted, StoreError, UnknownName
from tradeready_gym.features import FeaturePipeline
from tradeready_gym.strategies.base import Progress, TradingStrategy
from tradeready_gym.strategies.callbacks import TrainingCallback
from tradeready_gym.strategies.learned import Learned
from tradeready_gym.strategies.mismatch import allowed_of, identities_of, refuse_mismatch
from tradeready_gym.strategies.native import NativeEnvironment, arguments_of, interface_of, told_how_it_ends
from tradeready_gym.strategies.rollout_environment import ObservationScale, WorkerReport
from tradeready_gym.strategies.scaling import observation_scale
from tradeready_gym.strategies.situation import Situation
from tradeready_gym.tracking import TrainingTracker

KIND = "rllib"
WINDOW_BARS = 512
NUM_ENVS = 64
_WEIGHTS, _STATE = "weights.npz", "training.pickle"
_SCALE = ("observation/offset", "observation/scale")
_FOR_EVER = 2**62
_PACKAGES = ("tradeready-gym", "numpy", "torch", "ray", "gymnasium")


def require_rllib() -> None:
    """Raise `ConfigurationError` unless RLlib is installed."""
    missing = [name for name in ("ray", "torch") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"this needs RLlib, which is an extra, and {' and '.join(missing)} is not installed: "
            f"pip install 'tradeready-gym[rllib]'. On Linux, pip takes PyTorch with 3 GB of CUDA libraries unless a CPU build "
            f"is installed before"
        )


class RLlibTradingStrategy(TradingStrategy):
    """Learns with PPO of Ray's RLlib (its new API stack).

    Args:
        environment: what to train on; may be set later.
        model: "PPO", the only algorithm so far.
        model_kwargs: further arguments of `PPOConfig.training`; they go before our defaults.
        network: fields of RLlib's `DefaultModelConfig`, such as `fcnet_hiddens`; two layers of 64 by default.
        seed: of the weights, the actions and the episodes.
        num_envs: accounts that learn side by side, on all workers together.
        env_runners: workers, each a process of its own with its share of the accounts; 0 plays in this process.
        num_threads: threads of PyTorch while it trains.
        window_bars: length of the random windows that are trained on where the environment plays its whole span.
        track_training: append the run and its episodes to the journal under `TRADEREADY_HOME`.
        strategy_label: the name of the run.
        ray_arguments: of `ray.init`, such as `{"address": "auto"}` for a cluster that runs.

    Training needs Ray: one that runs already is used and left running; otherwise a local one is started with a processor for
    each worker and one for the learner, and shut down at the end of `train`. What is trained plays without Ray.

    Training uses `episode_end="gymnasium"`. Observations are scaled by means and deviations of the training span, which are
    kept with the agent; rewards are divided by the running deviation of their discounted sum, in training only.

    The same seed, accounts and workers give the same weights to the last bit, on a processor with the same versions.
    `train(n)` again goes on with the weights and the optimiser, but with new episodes; so does a loaded agent. A training that was
    interrupted is ended by `resume`, exactly as it would have gone on, with as many workers.

    Raises:
        ConfigurationError: RLlib is not installed, or an argument is outside its domain.
        UnknownName: another algorithm than PPO.
    """

    def __init__(
        self,
        environment: Any = None,
        model: str = "PPO",
        model_kwargs: Mapping[str, Any] | None = None,
        network: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        num_envs: int = NUM_ENVS,
        env_runners: int = 0,
        num_threads: int = 1,
        window_bars: int = WINDOW_BARS,
        track_training: bool = True,
        strategy_label: str = "gym_training",
        ray_arguments: Mapping[str, Any] | None = None,
    ) -> None:
        require_rllib()
        if not isinstance(model, str) or model.upper() != "PPO":
            raise UnknownName("model", model, ["PPO"], " Others are in StableBaselinesTradingStrategy.")
        _require_counts(num_envs, env_runners)
        self.model_kwargs = dict(model_kwargs or {})
        self.network = dict(network or {})
        if self.network.get("use_lstm"):
            raise ConfigurationError(
                "network={'use_lstm': True} is not played here; RecurrentPPO of StableBaselinesTradingStrategy remembers"
            )
        self.seed = seed
        self.num_envs = int(num_envs)
        self.env_runners = int(env_runners)
        self.num_threads = num_threads
        self.window_bars = window_bars
        self.track_training = track_training
        self.strategy_label = strategy_label
        self.ray_arguments = dict(ray_arguments or {})
        self.trained_steps = 0
        """Steps of the environment so far."""
        self.workers: tuple[WorkerReport, ...] = ()
        """What each worker played in the last rollout."""
        self._policy: Any = None
        self._bundle: AgentBundle | None = None
        self._allow: frozenset[str] = frozenset()
        self._state: dict[str, Any] = {}
        self._returns: tuple[Mapping[str, Any], ...] = ()
        self._interrupted: dict[str, Any] | None = None
        self._capture: Callable[[], dict[str, Any]] | None = None
        super().__init__(environment)

    def _shown(self) -> dict[str, Any]:
        return {"model": "PPO", "seed": self.seed}

    @property
    def name(self) -> str:
        return f"RLlib PPO, seed {self.seed}"

    @property
    def model(self) -> Any:
        """The trained `RLModule`.

        Raises:
            NotFitted: nothing has been trained or loaded.
        """
        self._trained()
        return self._policy.module

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

    def check(self, environment: NativeEnvironment) -> None:
        if not environment.flatten:
            raise ConfigurationError(
                "RLlibTradingStrategy needs flat observations; this environment has a dict. Build it with flatten=True"
            )
        if self._bundle is not None:
            refuse_mismatch(self._bundle, self._learned, environment, self._allow)

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        """The policy's most likely actions, without exploration."""
        self._trained()
        actions: npt.NDArray[Any] = self._policy.decide(situation.observations)
        return actions

    def train(
        self, steps: int, *, progress: Progress | None = None, callbacks: Sequence[TrainingCallback] = ()
    ) -> None:
        """Learn from at least `steps` steps, in whole rollouts; again goes on with new episodes.

        `steps=0` trains until a callback returns False.

        Raises:
            ConfigurationError: `steps` is negative or not whole, or 0 without callbacks.
        """
        if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 0 or not (steps or callbacks):
            raise ConfigurationError(
                f"steps must be an integer of at least 1, or 0 with callbacks that stop the training; got {steps!r}"
            )
        self._train_to(self.trained_steps + int(steps) if steps else _FOR_EVER, progress, callbacks)

    def resume(self, *, progress: Progress | None = None, callbacks: Sequence[TrainingCallback] = ()) -> None:
        """End the training that a checkpoint interrupted, exactly as it would have gone on; nothing if it had ended.

        Callbacks begin anew.

        Raises:
            ConfigurationError: the environment, the accounts, the workers or the settings are not those of the training, or
                its state is not there.
        """
        self._trained()
        if self._interrupted is None:
            raise ConfigurationError(
                "resume() needs all of an interrupted training, which a checkpoint of it has; train(steps) goes on without"
            )
        aim = self._interrupted["aim"]
        if aim == _FOR_EVER and not callbacks:
            raise ConfigurationError("this training had no end; resume() needs callbacks that stop it")
        if self.trained_steps < aim:
            self._train_to(aim, progress, callbacks, self._interrupted)

    def _train_to(
        self,
        aim: int,
        progress: Progress | None,
        callbacks: Sequence[TrainingCallback],
        interrupted: Mapping[str, Any] | None = None,
    ) -> None:
        import torch

        from tradeready_gym.strategies.compiling import compile_ahead
        from tradeready_gym.strategies.generators import borrowed_generators
        from tradeready_gym.strategies.ray_session import ray_session

        for callback in callbacks:
            callback.begin(self)
        threads = torch.get_num_threads()
        torch.set_num_threads(self.num_threads)
        try:
            if self.env_runners:  # or each of them would compile the same on a cold cache
                compile_ahead(self.environment, baselines=False)
            with ray_session(self.env_runners, self.ray_arguments), borrowed_generators():
                self._learn(aim, progress, callbacks, interrupted)
        finally:
            torch.set_num_threads(threads)
            for callback in callbacks:
                callback.end(self)

    def save(self, path: str | Path, *, replay: bool = False) -> Path:
        """Keep the strategy in the directory `path` as an `AgentBundle`, whole or not at all; PPO has no `replay` to keep.

        Raises:
            NotFitted: nothing has been trained.
            StoreError: the directory cannot be written.
        """
        card = replace(
            self._trained(),
            trained_steps=self.trained_steps,
            learned_from=tuple(lesson.as_plain() for lesson in self._learned),
            normaliser={"returns": [dict(each) for each in self._returns]},
            versions=versions_of(*_PACKAGES),
        )
        return card.save(path, {_WEIGHTS: self._write_weights, _STATE: self._write_state})

    @classmethod
    def load(cls, path: str | Path, environment: Any = None, *, allow: str | Iterable[str] = ()) -> Self:
        """The strategy that was saved in `path`. Load only files that you trust: they hold pickled Python objects.

        `allow` names what it shall not refuse or warn of, from now on: "data", "anchor" or "versions"
        (`mismatch.refuse_mismatch`).

        Raises:
            StoreError: there is no strategy in `path`, or it is incomplete, damaged, or of another format or kind.
            ConfigurationError: `environment` is not like the one that it was trained on.
            UnknownName: `allow` has another name.
        """
        require_rllib()
        allowed = allowed_of(allow)
        bundle = AgentBundle.load(path, KIND, allow=allowed)
        try:
            made = cls._from_bundle(bundle)
        except Exception as error:
            # whatever a class that is gone or has changed may raise
            raise StoreError(
                f"the strategy in {bundle.folder} cannot be read: {type(error).__name__}: {error}"
            ) from error
        made._allow = allowed
        if environment is not None:
            made.environment = environment
        return made

    @classmethod
    def _from_bundle(cls, bundle: AgentBundle) -> Self:
        card = bundle.policy
        names = ("num_envs", "env_runners", "window_bars", "strategy_label")
        made = cls(seed=bundle.seeds["strategy"], **{name: card[name] for name in names})
        weights, state = bundle.file(_WEIGHTS), bundle.file(_STATE)
        if weights is None or state is None:
            raise ValueError(f"it must hold {_WEIGHTS} and {_STATE}")
        kept = pickle.loads(state.read_bytes())
        made._state, made.model_kwargs, made.network = kept["learner"], kept["model_kwargs"], kept["network"]
        made._interrupted = kept.get("interrupted")
        with np.load(weights, allow_pickle=False) as arrays:
            numbers = {name: arrays[name] for name in arrays.files}
        scale = ObservationScale(*(numbers.pop(name) for name in _SCALE))
        made._play_with(numbers, scale, kept["action_space"])
        made.trained_steps = bundle.trained_steps
        made._returns = tuple(bundle.normaliser["returns"])
        made._learned = tuple(map(Learned.from_plain, bundle.learned_from))
        made._bundle = bundle
        return made

    def _learn(
        self,
        aim: int,
        progress: Progress | None,
        callbacks: Sequence[TrainingCallback],
        interrupted: Mapping[str, Any] | None,
    ) -> None:
        from tradeready_gym.strategies.rllib_learning import algorithm, put_learner_state
        from tradeready_gym.strategies.rllib_state import put_training_state, training_state

        engine = self.environment.engine
        scale = self._policy.scale if self._policy is not None else _scale_of(engine)
        rollouts = self._rollouts(scale, self._training_arguments())
        self._learned = tuple(dict.fromkeys((*self._learned, *Learned.from_engine(engine))))
        self._bundle = self._bundle_of(rollouts.arguments)
        setting = self._setting(self._bundle)
        if interrupted is not None:
            _refuse_differences(interrupted["setting"], setting)
        # until this training has ended, only a checkpoint can say where it stands
        self._interrupted = None
        tracker = TrainingTracker(self.strategy_label, config=self._bundle.composition) if self.track_training else None
        if tracker is not None and self.environment.tracker is not None:
            tracker.deliver_like(self.environment.tracker)
        seed = int(np.random.SeedSequence([self.seed, self.trained_steps]).generate_state(1)[0] >> 2)
        first_seed = self.seed * self.num_envs + self.trained_steps
        try:
            with told_how_it_ends(tracker), algorithm(rollouts, seed, first_seed, self._returns) as made:
                if interrupted is not None:
                    put_training_state(made, interrupted["state"])
                elif self._state:
                    put_learner_state(made, self._state)
                if tracker is not None:
                    tracker.register_run()
                self._capture = lambda: {"aim": aim, "setting": setting, "state": training_state(made)}
                while self._roll(made, scale, tracker, callbacks) and self.trained_steps < aim:
                    if progress is not None:
                        progress(self.trained_steps, aim)
                self._interrupted = self._capture()
        finally:
            self._capture = None
            if tracker is not None:
                tracker.complete_run()
        if progress is not None:
            progress(self.trained_steps, aim)

    def _roll(self, made: Any, scale: Any, tracker: Any, callbacks: Sequence[TrainingCallback]) -> bool:
        # one rollout, learned from; whether nobody wants to stop
        from tradeready_gym.strategies.rllib_learning import learner_state, reports_of, weights_in

        made.train()
        self.workers = tuple(reports_of(made))
        self.trained_steps += sum(report.steps for report in self.workers)
        self._returns = tuple(report.returns for report in self.workers)
        self._state = learner_state(made)
        self._play_with(weights_in(self._state), scale, _space_of(self.environment.engine))
        listening = [c for c in callbacks if type(c).on_episode is not TrainingCallback.on_episode]
        answers: list[bool | None] = []
        for report in self.workers:
            if tracker is not None and report.seeds:
                done = tracker.episodes_completed
                numbers = range(done + 1, done + len(report.seeds) + 1)
                tracker.report_episodes(numbers, report.metrics, seeds=report.seeds)
            for i in range(len(report.seeds)):
                metrics = {name: column[i] for name, column in report.metrics.items()}
                answers += [callback.on_episode(self, metrics) for callback in listening]
        answers += [callback.on_rollout(self) for callback in callbacks]
        return False not in answers

    def _play_with(self, weights: Mapping[str, npt.NDArray[Any]], scale: ObservationScale, space: Any) -> None:
        from tradeready_gym.strategies.generators import borrowed_generators
        from tradeready_gym.strategies.rllib_learning import Policy

        with borrowed_generators():  # a new network draws weights before it gets these
            self._policy = Policy(self._rollouts(scale, {}), space, weights)

    def _rollouts(self, scale: ObservationScale, arguments: Mapping[str, Any]) -> Any:
        from tradeready_gym.strategies.rllib_learning import Rollouts

        return Rollouts(arguments, scale, self.num_envs, self.env_runners, self.model_kwargs, self.network)

    def _training_arguments(self) -> dict[str, Any]:
        engine = self.environment.engine
        longest = min(int(s["end_row"] - s["first_row"]) for s in engine.segments)
        return {
            **arguments_of(self.environment),
            "autoreset_mode": "NEXT_STEP",
            "episode_end": "gymnasium",
            "episode_length": engine.spec.episode_length or min(self.window_bars, longest),
        }

    def _trained(self) -> AgentBundle:
        if self._policy is None or self._bundle is None:
            raise NotFitted("this strategy has not learned anything yet; call train(steps), or load() a saved one")
        return self._bundle

    def _bundle_of(self, arguments: Mapping[str, Any]) -> AgentBundle:
        # the environment as workers make it, to write down what it is
        with_one = TradingVectorEnvironment(num_envs=1, **arguments)
        engine = with_one.engine
        names = ("num_envs", "env_runners", "window_bars", "strategy_label")
        return AgentBundle(
            kind=KIND,
            policy={"algorithm": "PPO", **{name: getattr(self, name) for name in names}},
            interface=interface_of(with_one),
            composition=dict(describe(engine.spec)),
            data=identities_of(engine),
            trained_steps=self.trained_steps,
            seeds={"strategy": self.seed},
            pipeline=engine.pipeline,
        )

    def _setting(self, bundle: AgentBundle) -> dict[str, str]:
        # what has to be the same for a training to go on exactly
        own = {
            name: str(getattr(self, name)) for name in ("num_envs", "env_runners", "model_kwargs", "network", "seed")
        }
        candles = [identity.fingerprint[:16] for identity in bundle.data]
        return {**own, "candles": str(candles), **{name: str(value) for name, value in bundle.composition.items()}}

    def _write_weights(self, draft: Path) -> None:
        from tradeready_gym.strategies.rllib_learning import weights_in

        scale = self._policy.scale
        arrays: dict[str, Any] = {**weights_in(self._state), _SCALE[0]: scale.offset, _SCALE[1]: scale.scale}
        with draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    def _write_state(self, draft: Path) -> None:
        import cloudpickle  # type: ignore[import-untyped]

        kept = {
            "learner": self._state,
            "interrupted": self._interrupted if self._capture is None else self._capture(),
            "model_kwargs": self.model_kwargs,
            "network": self.network,
            "action_space": self._policy.space,
        }
        draft.write_bytes(cloudpickle.dumps(kept))


def _refuse_differences(mine: Mapping[str, str], found: Mapping[str, str]) -> None:
    differences = [f"{name} was {mine[name]}, is {found.get(name)}" for name in mine if mine[name] != found.get(name)]
    if differences:
        raise ConfigurationError(
            f"resume() goes on in the environment and with the settings that were trained with: {'; '.join(differences)}. Set "
            f"them, or call train(steps), which begins new episodes"
        )


def _scale_of(engine: Engine) -> ObservationScale:
    offset, scale = observation_scale(engine)
    return ObservationScale(np.asarray(offset, np.float32), np.asarray(scale, np.float32))


def _space_of(engine: Engine) -> Any:
    return engine.spec.action_scheme.action_space(len(engine.symbols))


def _require_counts(num_envs: Any, env_runners: Any) -> None:
    for name, value, least in (("num_envs", num_envs, 1), ("env_runners", env_runners, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ConfigurationError(f"{name} must be an integer of at least {least}; got {value!r}")
    if num_envs % max(env_runners, 1):
        raise ConfigurationError(
            f"num_envs must be a multiple of env_runners, which share the accounts; got {num_envs} and {env_runners}"
        )
