"""Normalise observations by their running statistics: what the single and the vector wrapper share."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.wrappers.statistics import RunningStatistics

FORMAT = "tradeready-normalization"
# the key of a flat observation's statistics
FLAT = "observation"


class Normalizer:
    """Statistics of each part of an observation, and what is made of them: `(x - mean) / sqrt(variance + epsilon)`, clipped.

    Observations come in batches: an array (N, ...), or a dictionary of them.
    """

    def __init__(self, space: spaces.Space[Any], clip: float, epsilon: float) -> None:
        for name, value in (("clip", clip), ("epsilon", epsilon)):
            good = (
                isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0.0
            )
            if not good:
                raise ConfigurationError(f"{name} must be a positive number; got {value!r}")
        self.clip, self.epsilon = float(clip), float(epsilon)
        self.frozen = False
        parts = space.spaces if isinstance(space, spaces.Dict) else {FLAT: space}
        self._boxes: dict[str, spaces.Box] = {}
        for key, part in parts.items():
            if not isinstance(part, spaces.Box):
                raise ConfigurationError(f"normalisation needs a Box, or a Dict of them; got {space}")
            self._boxes[key] = part
        self.flat = not isinstance(space, spaces.Dict)
        self.statistics = {key: RunningStatistics(box.shape) for key, box in self._boxes.items()}

    @property
    def space(self) -> spaces.Space[Any]:
        """The space of one normalised observation."""
        boxes: dict[str, spaces.Space[Any]] = {
            key: spaces.Box(-self.clip, self.clip, box.shape, np.float32) for key, box in self._boxes.items()
        }
        return boxes[FLAT] if self.flat else spaces.Dict(boxes)

    def update(self, batch: Any, mask: npt.NDArray[np.bool_] | None = None) -> None:
        """Take in a batch, or the rows of it that `mask` names; nothing while frozen."""
        if self.frozen:
            return
        for key, part in ({FLAT: batch} if self.flat else batch).items():
            self.statistics[key].update(part if mask is None else part[mask])

    def normalize(self, batch: Any) -> Any:
        """A new batch of float32 numbers in [-clip, clip]."""
        if self.flat:
            return self._normalize(FLAT, batch)
        return {key: self._normalize(key, part) for key, part in batch.items()}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the statistics to a JSON file, in one move."""
        data = {
            "format": FORMAT,
            "version": 1,
            "clip": self.clip,
            "epsilon": self.epsilon,
            "statistics": {key: statistics.as_plain() for key, statistics in self.statistics.items()},
        }
        target = Path(path)
        draft = target.with_name(f"{target.name}.{os.getpid()}.part")
        draft.write_text(json.dumps(data), encoding="utf-8")
        os.replace(draft, target)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Take over the statistics of a file, and freeze them.

        Raises:
            StoreError: the file is not there, damaged, or of another kind.
            ConfigurationError: it was saved for another observation, clip or epsilon.
        """
        found = _read(Path(path))
        shapes = {key: statistics.shape for key, statistics in found["statistics"].items()}
        theirs = (found["clip"], found["epsilon"], shapes)
        ours = (self.clip, self.epsilon, {key: statistics.shape for key, statistics in self.statistics.items()})
        if theirs != ours:
            raise ConfigurationError(
                f"{path} was saved with clip, epsilon and shapes {theirs}; this wrapper has {ours}. Make the environment "
                f"and the wrapper as they were when it was saved"
            )
        self.statistics = found["statistics"]
        self.frozen = True

    def _normalize(self, key: str, part: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        statistics = self.statistics[key]
        scaled = (part - statistics.mean) / np.sqrt(statistics.variance + self.epsilon)
        return np.clip(scaled, -self.clip, self.clip).astype(np.float32)


def each_part(change: Callable[..., Any], observation: Any) -> Any:
    """`change` of an array, or of each array of a dictionary."""
    if isinstance(observation, dict):
        return {key: change(part) for key, part in observation.items()}
    return change(observation)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        kind, version = data["format"], data["version"]
        statistics = {key: RunningStatistics.from_plain(plain) for key, plain in data["statistics"].items()}
        found = {"clip": data["clip"], "epsilon": data["epsilon"], "statistics": statistics}
    except OSError as error:
        raise StoreError(
            f"the normalisation cannot be read from {path}: {error}. Give the file that NormalizationWrapper.save wrote; "
            f"without one, leave load() out, and the wrapper learns from what it sees"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} holds no saved normalisation ({error!r}); give the file that NormalizationWrapper.save wrote"
        ) from error
    if (kind, version) != (FORMAT, 1):
        raise StoreError(f"{path} must be {FORMAT} of version 1; found {kind} of version {version}")
    return found
