"""StableBaselinesTradingStrategy: an algorithm of Stable-Baselines3 on the compiled vector environment."""

import importlib
import importlib.util
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tradeready_gym.envs.composition import describe
from tradeready_gym.errors import ConfigurationError, NotFitted, StoreError, UnknownName
from tradeready_gym.strategies.base import Progress, TradingStrategy
from tradeready_gym.strategies.learned import Learned
from tradeready_gym.strategies.native import NativeEnvironment, columns_of, vectorise
from tradeready_gym.strategies.situation import Situation

ALGORITHMS = ("A2C", "DDPG", "DQN", "PPO", "SAC", "TD3")
_MODEL, _CARD = "model.zip", "strategy.json"

# Few large batches instead of many small ones, since the environment is no longer what a learner waits for; a batch is a
# quarter of a rollout.
PPO_DEFAULTS: Mapping[str, Any] = MappingProxyType({"n_steps": 64, "n_epochs": 4, "learning_rate": 1e-3})
BATCHES = 4
DEFAULT_NUM_ENVS = {"PPO": 256}
WINDOW_BARS = 512


class StableBaselinesTradingStrategy(TradingStrategy):
    """Learns with an algorithm of Stable-Baselines3.

    Args:
        environment: what to train on; may be set later.
        model: "PPO", another algorithm's name, or its class.
        policy: the policy's name or class, as the algorithm takes it.
        model_kwargs: further arguments of the algorithm; they go before our defaults.
        seed: of the weights, the actions and the episodes.
        num_envs: accounts that learn side by side; by default 256 for PPO, 16 for others.
        num_threads: threads of PyTorch while it trains. For networks of this size more than one gains little, and costs a
            multiple where other processes want the processors.
        window_bars: length of the random windows that are trained on where the environment plays its whole span; without
            them all accounts would see the same candles at the same time.
        track_training: append the run and its episodes to the journal under `TRADEREADY_HOME`.
        strategy_label: the name of the run.

    Training uses `episode_end="gymnasium"`, since that decides what a learner may bootstrap. Observations are scaled by the
    first layer of the policy, with means and deviations of the training span; rewards are divided by the running deviation
    of their discounted sum (`VecNormalize`), in training only. Neither happens if `model_kwargs["policy_kwargs"]` brings a
    feature extractor of its own, or the observations are a dict.

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
        self._algorithm = _algorithm(model)
        self.policy = policy
        self.model_kwargs = dict(model_kwargs or {})
        self.seed = seed
        self.num_envs = num_envs or DEFAULT_NUM_ENVS.get(self._algorithm.__name__, 16)
        self.num_threads = num_threads
        self.window_bars = window_bars
        self.track_training = track_training
        self.strategy_label = strategy_label
        self._model: Any = None
        self._columns: dict[str, Any] = {}
        self._composition: dict[str, Any] = {}
        self._learned: tuple[Learned, ...] = ()
        super().__init__(environment)

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
    def learned(self) -> tuple[Learned, ...]:
        return self._learned

    @property
    def trained_steps(self) -> int:
        """Steps of the environment so far."""
        return 0 if self._model is None else int(self._model.num_timesteps)

    def check(self, environment: NativeEnvironment) -> None:
        if self._model is None:
            return
        found = columns_of(environment.engine)
        wrong = [name for name in ("lookback_window", "window", "account") if found[name] != self._columns[name]]
        if len(found["symbols"]) != len(self._columns["symbols"]):
            wrong.insert(0, "symbols")
        for name in wrong:
            raise ConfigurationError(
                f"this strategy was trained with {name} = {self._columns[name]!r}; the environment has {found[name]!r}. "
                f"Build the environment with the same observations"
            )
        composition = describe(environment.engine.spec)
        for name in ("timeframe", "action_scheme", "steps_per_action"):
            if name in self._composition and composition[name] != self._composition[name]:
                raise ConfigurationError(
                    f"this strategy was trained with {name} = {self._composition[name]}; the environment has {composition[name]}, "
                    f"in which its actions mean something else. Build the environment with the same"
                )
        space = environment.engine.spec.action_scheme.action_space(len(environment.engine.symbols))
        if space != self._model.action_space:
            raise ConfigurationError(
                f"this strategy was trained to act in {self._model.action_space}; the environment has {space}. "
                f"Build the environment with the same action scheme"
            )

    def train(self, steps: int, *, progress: Progress | None = None) -> None:
        """Learn from at least `steps` steps, in whole rollouts of the algorithm; again goes on where it stopped."""
        if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
            raise ConfigurationError(f"steps must be an integer of at least 1; got {steps!r}")
        import torch
        from stable_baselines3.common.vec_env import VecNormalize

        from tradeready_gym.strategies.learning import ReportSteps
        from tradeready_gym.strategies.vec_adapter import StableBaselinesVecEnv

        training = self._training_environment()
        self._columns, self._composition = columns_of(training.engine), dict(describe(training.engine.spec))
        adapter = StableBaselinesVecEnv(training)
        rewards = VecNormalize(adapter, norm_obs=False, gamma=self.model_kwargs.get("gamma", 0.99))
        first = self._model is None
        if first:
            self._model = self._algorithm(self.policy, rewards, seed=self.seed, **self._arguments(training))
        else:
            self._model.set_env(rewards)
        # after the algorithm, which seeds the environment by its own seed: two seeds would share most of their windows
        adapter.seed(self.seed * self.num_envs + self.trained_steps)
        callback = None if progress is None else ReportSteps(progress, self.trained_steps + steps)
        threads = torch.get_num_threads()
        torch.set_num_threads(self.num_threads)
        try:
            self._model.learn(int(steps), callback=callback, reset_num_timesteps=first)
        finally:
            torch.set_num_threads(threads)
            rewards.close()
            self._learned = tuple(dict.fromkeys((*self._learned, *Learned.from_engine(training.engine))))

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        """The policy's best actions, without exploration."""
        return np.asarray(self.model.predict(situation.observations, deterministic=True)[0])

    def save(self, path: str | Path) -> Path:
        """Keep the model (`model.zip`, of Stable-Baselines3) and what it was trained on (`strategy.json`) in `path`.

        Raises:
            NotFitted: nothing has been trained.
            StoreError: the directory cannot be written.
        """
        folder = Path(path).expanduser()
        model = self.model
        try:
            folder.mkdir(parents=True, exist_ok=True)
            model.save(folder / f".{_MODEL}")
            (folder / f".{_CARD}").write_text(json.dumps(self._card(), indent=2) + "\n", encoding="utf-8")
            for name in (_MODEL, _CARD):
                os.replace(folder / f".{name}", folder / name)
        except OSError as error:
            raise StoreError(f"the strategy cannot be saved in {folder}: {error}") from error
        return folder

    @classmethod
    def load(cls, path: str | Path, environment: Any = None) -> Self:
        """The strategy that was saved in `path`. Load only files that you trust: they hold pickled Python objects.

        Raises:
            StoreError: there is no strategy in `path`, or it is damaged.
            ConfigurationError: `environment` is not like the one that it was trained on.
        """
        folder = Path(path).expanduser()
        try:
            card = json.loads((folder / _CARD).read_text(encoding="utf-8"))
            made = cls(
                model=_algorithm_at(card["algorithm"]),
                policy=card["policy"],
                seed=card["seed"],
                num_envs=card["num_envs"],
                window_bars=card["window_bars"],
                strategy_label=card["strategy_label"],
            )
            made._columns, made._composition = card["observation"], card["composition"]
            made._learned = tuple(map(Learned.from_plain, card["learned_from"]))
            made._model = made._algorithm.load(folder / _MODEL, device=card["device"])
        except FileNotFoundError as error:
            raise StoreError(f"{folder} holds no saved strategy: there is no {error.filename or _CARD}") from error
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"the strategy in {folder} cannot be read: {type(error).__name__}: {error}") from error
        if environment is not None:
            made.environment = environment
        return made

    def _training_environment(self) -> Any:
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

    def _arguments(self, training: Any) -> dict[str, Any]:
        from tradeready_gym.strategies.learning import ScaledObservations, observation_scale

        arguments: dict[str, Any] = {"device": "cpu"} | self.model_kwargs
        if self._algorithm.__name__ == "PPO":
            arguments = dict(PPO_DEFAULTS) | arguments
            rollout = arguments["n_steps"] * self.num_envs
            arguments.setdefault("batch_size", rollout // BATCHES if rollout % BATCHES == 0 else rollout)
        policy: dict[str, Any] = dict(arguments.get("policy_kwargs") or {})
        if training.flatten and "features_extractor_class" not in policy:
            offset, scale = observation_scale(training.engine)
            policy["features_extractor_class"] = ScaledObservations
            policy["features_extractor_kwargs"] = {"offset": offset, "scale": scale}
        return arguments | {"policy_kwargs": policy}

    def _card(self) -> dict[str, Any]:
        return {
            "algorithm": f"{self._algorithm.__module__}:{self._algorithm.__qualname__}",
            "policy": self.policy if isinstance(self.policy, str) else self.policy.__qualname__,
            "seed": self.seed,
            "num_envs": self.num_envs,
            "window_bars": self.window_bars,
            "strategy_label": self.strategy_label,
            "device": str(self.model.device),
            "trained_steps": self.trained_steps,
            "learned_from": [lesson.as_plain() for lesson in self._learned],
            "observation": self._columns,
            "composition": self._composition,
            "versions": {"python": platform.python_version(), **_versions()},
        }


def require_stable_baselines() -> None:
    """Raise `ConfigurationError` unless Stable-Baselines3 is installed."""
    if importlib.util.find_spec("stable_baselines3") is None:
        raise ConfigurationError(
            "this needs Stable-Baselines3, which is an extra: pip install 'tradeready-gym[sb3]'. On Linux, pip takes "
            "PyTorch with 3 GB of CUDA libraries unless a CPU build is installed before"
        )


def _algorithm(model: str | type[Any]) -> type[Any]:
    if not isinstance(model, str):
        return model
    import stable_baselines3

    if model.upper() not in ALGORITHMS:
        raise UnknownName("model", model, ALGORITHMS, " A class (of sb3-contrib, for example) is accepted, too.")
    return getattr(stable_baselines3, model.upper())  # type: ignore[no-any-return]


def _algorithm_at(place: str) -> type[Any]:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


def _versions() -> dict[str, str]:
    found = {}
    for package in ("tradeready-gym", "numpy", "torch", "stable-baselines3"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a source tree that is not installed
            continue
    return found
