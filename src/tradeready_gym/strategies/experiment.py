"""An experiment on disk: which environment, which span, which seeds, and the strategies that came out of it."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import gymnasium

import tradeready_gym
from tradeready_gym.engine.cache import home
from tradeready_gym.errors import ConfigurationError, StoreError, UnknownName
from tradeready_gym.market import Span
from tradeready_gym.registration import REGISTERED
from tradeready_gym.strategies.learned import spans_of
from tradeready_gym.strategies.native import NativeEnvironment, native_environment

_CARD = "experiment.json"
TRAINING_SHARE = 0.7


@dataclass(frozen=True)
class Experiment:
    """What is needed to train again, and to play what was trained.

    `environment` is a registered id; `arguments` are those of `gymnasium.make`, as plain data, without the span. `start` and
    `end` are the training span, ISO 8601. `seeds` are those of the strategies; `runs` has, for each that was recorded, the id of
    the training run.
    """

    environment: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    start: str | None = None
    end: str | None = None
    algorithm: str = "PPO"
    steps: int = 1_000_000
    seeds: tuple[int, ...] = (0,)
    label: str = "gym_training"
    runs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.environment not in REGISTERED:
            raise UnknownName("environment", self.environment, REGISTERED)
        if not self.seeds:
            raise ConfigurationError("an experiment needs at least one seed")

    def make(self, start: str | None = None, end: str | None = None, *, whole: bool = False) -> NativeEnvironment:
        """The environment on a span; None is as far as the data and the history that observations need allow.

        `whole` is for who is judged there: one episode is all of it, also where training plays random windows.
        """
        arguments = {"track_training": False, **self.arguments, "start_time": start, "end_time": end}
        if whole:
            arguments["episode_length"] = None
        return native_environment(gymnasium.make(self.environment, disable_env_checker=True, **arguments))

    def training_environment(self) -> NativeEnvironment:
        """The environment on the training span; without `end`, the first 70 % of what there is."""
        whole = self.make(self.start, self.end)
        if self.end is not None:
            return whole
        span = spans_of(whole.engine)[0]
        step = whole.engine.market.timeframe.microseconds
        cut = Span(span.start, span.start + int((span.end - span.start) // step * TRAINING_SHARE) * step)
        return self.make(self.start, cut.end_time)

    def folder_of(self, folder: str | Path, seed: int) -> Path:
        """Where the strategy of a seed is, within the experiment's folder."""
        return Path(folder) / f"seed-{seed}"

    def save(self, folder: str | Path, *, trained_on: Span) -> None:
        """Write the experiment down, with the span that it really was trained on."""
        path = Path(folder) / _CARD
        values = asdict(self) | {"start": trained_on.start_time, "end": trained_on.end_time}
        values |= {"arguments": dict(self.arguments), "runs": dict(self.runs)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{_CARD}")
            text = json.dumps(values | {"tradeready_gym": tradeready_gym.__version__}, indent=2)
            draft.write_text(text + "\n", encoding="utf-8")
            os.replace(draft, path)
        except OSError as error:
            raise StoreError(f"the experiment cannot be saved in {path.parent}: {error}") from error

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The experiment that was saved in `folder`.

        Raises:
            StoreError: there is none, or its card is damaged.
        """
        path = Path(folder) / _CARD
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            values.pop("tradeready_gym", None)
            return cls(**values | {"seeds": tuple(values["seeds"])})
        except FileNotFoundError as error:
            raise StoreError(f"{path.parent} holds no experiment: there is no {path.name}") from error
        except (OSError, TypeError, ValueError, KeyError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from error


def experiments_directory() -> Path:
    """Where experiments are kept that nobody gave a place: `models` under `TRADEREADY_HOME`."""
    return home() / "models"


def unused_folder(label: str, root: Path | None = None) -> Path:
    """A folder for a new experiment of this label: `LABEL`, else `LABEL-2` and so on, in the experiments' or another."""
    root = experiments_directory() if root is None else root
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in label).strip(".") or "model"
    number, folder = 1, root / name
    while folder.exists():
        number += 1
        folder = root / f"{name}-{number}"
    return folder


def find_folder(name: str | Path) -> Path:
    """The folder of an experiment from its path, or from its name below `TRADEREADY_HOME/models`.

    Raises:
        StoreError: there is none; the message lists those that there are.
    """
    for folder in (Path(name).expanduser(), experiments_directory() / name):
        if (folder / _CARD).is_file():
            return folder
        if (folder / "strategy.json").is_file():
            raise StoreError(
                f"{folder} holds a strategy without the experiment that it belongs to; save it as `experiment.folder_of(folder, seed)` "
                f"beside `experiment.save(folder)`, as `tradeready train` does"
            )
    known = sorted(card.parent.name for card in experiments_directory().glob(f"*/{_CARD}"))
    raise StoreError(
        f"no experiment {str(name)!r}: neither a folder with {_CARD}, nor one of those in {experiments_directory()} "
        f"({', '.join(known) or 'none yet'}). `tradeready train` makes one"
    )
