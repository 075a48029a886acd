"""What the next rollout depends on beside the weights: accounts, reward statistics, random generators, replay buffer."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from tradeready_gym.agents import DataIdentity
from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.envs.composition import describe
from tradeready_gym.errors import StoreError
from tradeready_gym.strategies.generators import generator_state, set_generator_state

_RECORDS = ("accounts", "positions", "book", "orders", "fills", "rejects")
_REPLAYED = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


class TrainingState:
    """A training at the boundary between two rollouts, as plain Python, NumPy and PyTorch objects.

    `aim` is the number of steps at which the training that it was taken from would have ended.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    @classmethod
    def capture(cls, model: Any, environment: TradingVectorEnvironment, rewards: Any, aim: int) -> "TrainingState":
        """That of a model that learns in `environment`, seen through the `VecNormalize` `rewards`."""
        statistics = rewards.ret_rms
        return cls(
            {
                "aim": aim,
                "setting": setting_of(environment),
                "environment": accounts_in(environment),
                "returns": rewards.returns.copy(),
                "reward": (float(statistics.mean), float(statistics.var), float(statistics.count)),
                "generators": generator_state(),
                "actions": copy.deepcopy(model.action_space.np_random.bit_generator.state),
                "memory": copy.deepcopy(getattr(model, "_last_lstm_states", None)),
            }
        )

    @property
    def aim(self) -> int:
        """The number of steps at which training was to end."""
        return int(self._values["aim"])

    @property
    def normaliser(self) -> dict[str, float]:
        """Mean, variance and count of the discounted sums of rewards, by whose deviation rewards are divided."""
        return dict(zip(("return_mean", "return_variance", "count"), self._values["reward"], strict=True))

    def differences(self, environment: TradingVectorEnvironment) -> list[str]:
        """In what an environment differs from the one that it was captured in, in words; empty if it can go on there."""
        mine, theirs = self._values["setting"], setting_of(environment)
        return [f"{name} was {mine[name]}, is {theirs[name]}" for name in mine if mine[name] != theirs[name]]

    def restore(self, model: Any, environment: TradingVectorEnvironment, rewards: Any) -> None:
        """Put everything back; what is drawn and stepped next is what would have been."""
        values = self._values
        put_accounts(environment, values["environment"])
        rewards.returns = values["returns"].copy()
        statistics = rewards.ret_rms
        mean, variance, count = values["reward"]
        statistics.mean, statistics.var, statistics.count = np.float64(mean), np.float64(variance), count
        model.action_space.np_random.bit_generator.state = values["actions"]
        if values["memory"] is not None:
            model._last_lstm_states = copy.deepcopy(values["memory"])
        set_generator_state(values["generators"])

    def write(self, path: Path) -> None:
        """Write it to a file."""
        import cloudpickle  # type: ignore[import-untyped]

        path.write_bytes(cloudpickle.dumps(self._values))

    @classmethod
    def read(cls, path: Path) -> "TrainingState":
        """What `write` wrote. Read only files that you trust: they hold pickled Python objects.

        Raises:
            StoreError: it cannot be read.
        """
        try:
            return cls(pickle.loads(path.read_bytes()))
        except Exception as error:
            # whatever a class that is gone or has changed may raise
            raise StoreError(f"the training state in {path} cannot be read: {type(error).__name__}: {error}") from error


def setting_of(environment: TradingVectorEnvironment) -> dict[str, Any]:
    """What has to be the same for a training to go on: the candles, the composition, and the number of accounts."""
    engine = environment.engine
    return {
        "num_envs": environment.num_envs,
        "candles": [DataIdentity.from_candles(replayer.candles).fingerprint[:16] for replayer in engine.replayers],
        **{name: str(value) for name, value in describe(engine.spec).items()},
    }


def write_replay(buffer: Any, path: Path) -> None:
    """The filled part of a replay buffer of Stable-Baselines3, uncompressed."""
    size = buffer.buffer_size if buffer.full else buffer.pos
    kept: dict[str, Any] = {"pos": np.int64(buffer.pos), "full": np.bool_(buffer.full)}
    for name in _REPLAYED:
        value = getattr(buffer, name, None)
        for key, array in value.items() if isinstance(value, dict) else [("", value)]:
            if array is not None:
                kept[f"{name}/{key}"] = array[:size]
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **kept)


def read_replay(buffer: Any, path: Path) -> None:
    """Fill an empty buffer of the same shape with what `write_replay` wrote."""
    with np.load(path, allow_pickle=False) as kept:
        for entry in kept.files:
            name, _, key = entry.partition("/")
            if name in _REPLAYED:
                target = getattr(buffer, name)
                array = kept[entry]
                (target[key] if key else target)[: len(array)] = array
        buffer.pos, buffer.full = int(kept["pos"]), bool(kept["full"])


def accounts_in(environment: TradingVectorEnvironment) -> dict[str, Any]:
    """Every account in the middle of its episode, as copies."""
    engine = environment.engine
    arrays = {name: np.array(getattr(engine.state, name), copy=True, subok=False) for name in _RECORDS}
    return {
        "arrays": arrays | {name: getattr(engine, name).copy() for name in ("memory", "actions", "history")},
        "parts": copy.deepcopy({name: getattr(engine, name) for name in ("schemes", "rewards", "slippages")}),
        "flags": {name: getattr(environment, name) for name in ("_seeded", "_ready", "_episodes")},
    }


def put_accounts(environment: TradingVectorEnvironment, saved: dict[str, Any]) -> None:
    """Go on from what `accounts_in` gave, in an environment of the same composition.

    Raises:
        StoreError: another version saved it, whose records lie otherwise; nothing has been changed then.
    """
    engine = environment.engine
    # into the arrays that compiled code knows by their addresses
    targets = {name: getattr(engine.state if name in _RECORDS else engine, name) for name in saved["arrays"]}
    for name, array in saved["arrays"].items():
        if targets[name].shape != array.shape:
            raise StoreError(
                f"the training state has {name} of shape {array.shape}, this version {targets[name].shape}: go on with the version "
                f"that wrote it, or train anew from its weights"
            )
    for name, array in saved["arrays"].items():
        targets[name][...] = array
    for name, parts in copy.deepcopy(saved["parts"]).items():
        getattr(engine, name)[:] = parts
    for name, value in saved["flags"].items():
        setattr(environment, name, value)
