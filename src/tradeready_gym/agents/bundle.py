"""AgentBundle: a trained agent on disk, with everything that it needs to act the same somewhere else."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from platform import python_version
from typing import Any, Self

from tradeready_gym.agents.folder import Writer, check_files, read_folder, write_folder
from tradeready_gym.agents.identity import DataIdentity
from tradeready_gym.agents.interface import AgentInterface
from tradeready_gym.agents.pipelines import pipeline_as_plain, pipeline_from_plain
from tradeready_gym.agents.versions import warn_of_versions
from tradeready_gym.errors import StoreError
from tradeready_gym.features import FeaturePipeline

FORMAT = 2
CARD = "strategy.json"


@dataclass(frozen=True, eq=False)
class AgentBundle:
    """A directory with `strategy.json`, which says what the agent is, and the files that it lists by their SHA-256.

    Args:
        kind: which strategy it belongs to, such as "stable-baselines3"; only that can load it.
        policy: what the kind needs to make the policy again, as plain data.
        interface: what it sees and does.
        composition: the environment that it was trained in, as `envs.composition.describe` writes it.
        data: the candles.
        trained_steps: steps of the environment so far.
        seeds: by what they seed.
        learned_from: the spans whose figures are in-sample, as `strategies.learned.Learned` writes them.
        pipeline: the features with their fitted statistics; None if they cannot be written down.
        normaliser: statistics of what scales rewards in training; those that scale observations are in the policy.
    """

    kind: str
    policy: Mapping[str, Any]
    interface: AgentInterface
    composition: Mapping[str, Any]
    data: tuple[DataIdentity, ...]
    trained_steps: int
    seeds: Mapping[str, int]
    learned_from: tuple[Mapping[str, Any], ...] = ()
    pipeline: FeaturePipeline | None = None
    normaliser: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    """Where it lies, once it was saved or loaded."""

    def save(self, path: str | Path, files: Mapping[str, Writer]) -> Path:
        """Write the bundle into the directory `path`, whole or not at all; returns it.

        `files` has a function for each file that writes it where it is told to. What else lies there is left alone.

        Raises:
            StoreError: it cannot be written.
        """
        folder = Path(path).expanduser()
        try:
            write_folder(folder, CARD, self._card(), files)
        except OSError as error:
            raise StoreError(f"the strategy cannot be saved in {folder}: {error}") from error
        return folder

    @classmethod
    def load(cls, path: str | Path, kind: str, *, allow: Collection[str] = ()) -> Self:
        """The bundle in the directory `path`, its files checked against their hashes.

        A `MismatchWarning` names the libraries of which this process has another major or minor version than the one that
        saved it, unless `allow` has "versions".

        Raises:
            StoreError: there is none, or it is incomplete, damaged, of another kind, or of another format.
        """
        folder = Path(path).expanduser()
        card = read_folder(folder, CARD)
        if card.get("format") != FORMAT:
            raise StoreError(
                f"the strategy in {folder} has format {card.get('format', 1)}; this version reads format {FORMAT}. Load it with "
                f"the version that saved it ({_version_in(card)}), or train it again"
            )
        if card.get("kind") != kind:
            raise StoreError(
                f"the strategy in {folder} is of kind {card.get('kind')!r}; a strategy of kind {kind!r} was asked for. Load it "
                f"with the class that saved it"
            )
        check_files(folder, CARD, card)
        try:
            found = cls._from_card(card, folder)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(
                f"the strategy in {folder} cannot be read: {CARD}: {type(error).__name__}: {error}"
            ) from error
        if "versions" not in allow:
            warn_of_versions(folder, found.versions)
        return found

    def file(self, name: str) -> Path | None:
        """Where a file of the loaded bundle lies; None if it has no such file."""
        path = None if self.folder is None else self.folder / name
        return path if path is not None and path.is_file() else None

    def _card(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "kind": self.kind,
            "policy": dict(self.policy),
            "trained_steps": self.trained_steps,
            "seeds": dict(self.seeds),
            "interface": self.interface.as_plain(),
            "composition": dict(self.composition),
            "pipeline": None if self.pipeline is None else pipeline_as_plain(self.pipeline),
            "normaliser": dict(self.normaliser),
            "data": [asdict(data) for data in self.data],
            "learned_from": list(self.learned_from),
            "versions": {"python": python_version(), **self.versions},
        }

    @classmethod
    def _from_card(cls, card: Mapping[str, Any], folder: Path) -> Self:
        return cls(
            kind=card["kind"],
            policy=card["policy"],
            interface=AgentInterface.from_plain(card["interface"]),
            composition=card["composition"],
            data=tuple(map(DataIdentity.from_plain, card["data"])),
            trained_steps=int(card["trained_steps"]),
            seeds=card["seeds"],
            learned_from=tuple(card["learned_from"]),
            pipeline=None if card["pipeline"] is None else pipeline_from_plain(card["pipeline"]),
            normaliser=card["normaliser"],
            versions=dict(card["versions"]),
            folder=folder,
        )


def _version_in(card: Mapping[str, Any]) -> str:
    versions = card.get("versions")
    found = versions.get("tradeready-gym") if isinstance(versions, dict) else None
    return f"tradeready-gym {found}" if found else "unknown"
