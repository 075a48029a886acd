"""Sinks for other trackers: what a `TrainingTracker` records, written to TensorBoard, Weights & Biases or MLflow as well.

    TrainingTracker("ppo_v1", bridges=[TensorBoardBridge("logs/ppo_v1")])

Each imports its library when the run begins. Episodes are the steps of their charts.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.tracking import clock
from tradeready_gym.tracking.messages import EPISODE_METRICS


class Bridge(ABC):
    """Where else episodes go. What a bridge raises is said once in a `TrackingWarning`, and the bridge is left out then."""

    @abstractmethod
    def begin(self, run_id: str, config: Mapping[str, Any]) -> None:
        """The run begins; `config["strategy_label"]` is its name."""

    @abstractmethod
    def episode(self, number: int, metrics: Mapping[str, float]) -> None:
        """An episode has ended; `metrics` has the keys of an episode of the training API, without those it lacks."""

    @abstractmethod
    def end(self, status: str) -> None:
        """The run has ended as `completed`, `failed` or `cancelled`; it may begin again."""


class TensorBoardBridge(Bridge):
    """Scalars `episode/roi_pct` ... in a log directory of TensorBoard, by `torch.utils.tensorboard`."""

    def __init__(self, log_dir: str | os.PathLike[str]) -> None:
        self.log_dir = os.fspath(log_dir)
        self._writer: Any = None

    def __repr__(self) -> str:
        return f"TensorBoardBridge({self.log_dir!r})"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_writer": None}

    def begin(self, run_id: str, config: Mapping[str, Any]) -> None:
        """Open the directory and write the configuration as a text."""
        module = _library("torch.utils.tensorboard", "tensorboard", "pip install torch tensorboard")
        self._writer = module.SummaryWriter(self.log_dir)
        self._writer.add_text(
            "run", "  \n".join(f"{name}: {value}" for name, value in {**config, "run_id": run_id}.items())
        )

    def episode(self, number: int, metrics: Mapping[str, float]) -> None:
        """One point in each chart."""
        for name, value in metrics.items():
            self._writer.add_scalar(f"episode/{name}", value, number)

    def end(self, status: str) -> None:
        """Write what is in memory and close the files."""
        self._writer.close()


class WeightsAndBiasesBridge(Bridge):
    """A run of Weights & Biases; `arguments` are those of `wandb.init`, such as `project` and `mode="offline"`."""

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments
        self._run: Any = None

    def __repr__(self) -> str:
        return f"WeightsAndBiasesBridge({', '.join(f'{name}={value!r}' for name, value in self.arguments.items())})"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_run": None}

    def begin(self, run_id: str, config: Mapping[str, Any]) -> None:
        """`wandb.init`, with the run's id, so that a run that goes on is the same one there."""
        wandb = _library("wandb", "wandb", "pip install wandb")
        given = {"id": run_id, "name": config.get("strategy_label"), "resume": "allow", "config": dict(config)}
        self._run = wandb.init(**(given | self.arguments))

    def episode(self, number: int, metrics: Mapping[str, float]) -> None:
        """`run.log`."""
        self._run.log({f"episode/{name}": value for name, value in metrics.items()}, step=number)

    def end(self, status: str) -> None:
        """`run.finish`; the exit code tells a run that has failed."""
        self._run.finish(exit_code=int(status == "failed"))


class MLflowBridge(Bridge):
    """A run of MLflow at `tracking_uri` (MLflow's own default), in `experiment`."""

    def __init__(self, experiment: str = "tradeready", tracking_uri: str | None = None) -> None:
        self.experiment, self.tracking_uri = experiment, tracking_uri
        self._client: Any = None
        self._metric: Any = None
        self._run_id = ""

    def __repr__(self) -> str:
        return f"MLflowBridge({self.experiment!r}, tracking_uri={self.tracking_uri!r})"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_client": None, "_metric": None}

    def begin(self, run_id: str, config: Mapping[str, Any]) -> None:
        """Create a run, which has the configuration as its parameters. Nothing of MLflow's global state is touched."""
        module = _library("mlflow.tracking", "mlflow", "pip install mlflow-skinny")
        self._metric = _library("mlflow.entities", "mlflow", "pip install mlflow-skinny").Metric
        self._client = client = module.MlflowClient(tracking_uri=self.tracking_uri)
        known = client.get_experiment_by_name(self.experiment)
        experiment = client.create_experiment(self.experiment) if known is None else known.experiment_id
        tags = {"tradeready.run_id": run_id}
        self._run_id = client.create_run(experiment, tags=tags, run_name=config.get("strategy_label")).info.run_id
        for name, value in config.items():
            client.log_param(self._run_id, name, str(value)[:500])

    def episode(self, number: int, metrics: Mapping[str, float]) -> None:
        """One `log_batch`; it waits for MLflow's answer."""
        milliseconds = int(1000 * clock.moment().timestamp())
        points = [self._metric(name, value, milliseconds, number) for name, value in metrics.items()]
        self._client.log_batch(self._run_id, metrics=points)

    def end(self, status: str) -> None:
        """`set_terminated`."""
        states = {"completed": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}
        self._client.set_terminated(self._run_id, states[status])


class Sinks:
    """The bridges of one run. One that fails is left out from then on; each call yields what there is to complain of."""

    def __init__(self, bridges: Sequence[Bridge]) -> None:
        self._left = list(bridges)
        self._begun = False

    def __bool__(self) -> bool:
        return bool(self._left)

    def begin(self, run_id: str, config: Mapping[str, Any]) -> Iterator[str]:
        """Begin the run, unless it has begun."""
        if not self._begun:
            self._begun = True
            yield from self._each(lambda bridge: bridge.begin(run_id, config))

    def episode(self, body: Mapping[str, Any]) -> Iterator[str]:
        """Pass on an episode's body."""
        number = body["episode_number"]
        metrics = {name: float(body[name]) for name in EPISODE_METRICS if body.get(name) is not None}
        yield from self._each(lambda bridge: bridge.episode(number, metrics))

    def end(self, status: str) -> Iterator[str]:
        """End the run; the next episode begins it again."""
        if self._begun:
            self._begun = False
            yield from self._each(lambda bridge: bridge.end(status))

    def _each(self, call: Callable[[Bridge], None]) -> Iterator[str]:
        for bridge in list(self._left):
            try:
                call(bridge)
            except Exception as error:  # somebody else's library must not stop a training
                self._left.remove(bridge)
                yield f"{bridge!r} gets nothing more of this run: {error}"


def _library(module: str, package: str, command: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(f"this bridge needs {package}: {command} ({error})") from error
