"""The runs of a directory: one journal a run, `RUN_ID.journal`, read back as what they say."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradeready_gym.errors import DataUnavailable, StoreError
from tradeready_gym.tracking import journal, messages
from tradeready_gym.tracking.aggregate import AGGREGATED, RunAggregates

SUFFIX = ".journal"


@dataclass(frozen=True)
class RunSummary:
    """A run without its episodes. Times are ISO 8601 UTC with Z.

    `status` is `completed` (or what else the run said at its end: `failed`, `cancelled`), `running` for a run that has
    not ended: it goes on, or was killed. `reason` is why it ended as it did, where that was said; `updated_at` is the time
    of its last record. `damaged_records` counts what could not be read, None if the run's end was enough to know all this.
    """

    run_id: str
    path: Path
    status: str
    config: dict[str, Any]
    episodes_completed: int
    aggregate_stats: dict[str, Any]
    started_at: str | None
    updated_at: str | None
    completed_at: str | None
    damaged_records: int | None
    reason: str | None = None

    @property
    def strategy_label(self) -> str | None:
        """What the run was called."""
        return self.config.get("strategy_label")


@dataclass(frozen=True)
class Run:
    """A run with its episodes: the bodies of the episode messages, in the order in which they were reported.

    An episode that was reported twice is there once, as it was reported first.
    """

    summary: RunSummary
    episodes: list[dict[str, Any]]


def runs_directory(directory: str | os.PathLike[str] | None = None) -> Path:
    """Where runs are kept: `directory`, else `$TRADEREADY_HOME/runs`, else `~/.tradeready/runs`.

    Raises `OSError` if nothing is set and the user has no home directory.
    """
    if directory is not None:
        return Path(directory).absolute()
    home = os.environ.get("TRADEREADY_HOME") or "~/.tradeready"
    try:
        return Path(home).expanduser().absolute() / "runs"
    except RuntimeError as error:
        raise OSError("this user has no home directory; set TRADEREADY_HOME to one that can be written") from error


def list_runs(directory: str | os.PathLike[str] | None = None) -> list[RunSummary]:
    """All runs of the directory, newest first; none if there is no such directory.

    A completed run is summed up from its first and last record. A file that is no journal is named in a warning.
    """
    summaries = []
    for path in sorted(runs_directory(directory).glob(f"*{SUFFIX}")):
        try:
            summaries.append(_summary_from_ends(path) or read_run(path).summary)
        except (StoreError, OSError) as error:
            warnings.warn(f"left out of the list of runs: {error}", stacklevel=2)
    return sorted(summaries, key=lambda summary: summary.started_at or "", reverse=True)


def read_run(run: str | os.PathLike[str], directory: str | os.PathLike[str] | None = None) -> Run:
    """A run by the path of its journal, or by its id in the directory.

    Raises `DataUnavailable` if there is none, `StoreError` if the file is no journal.
    """
    path = Path(run)
    if path.suffix != SUFFIX:
        path = runs_directory(directory) / f"{path.name}{SUFFIX}"
    try:
        records, damaged = journal.read(path)
    except FileNotFoundError as error:
        raise DataUnavailable(f"no run {os.fspath(run)!r}: there is no {path}. list_runs() shows the runs.") from error
    episodes = list(_episodes(records))
    aggregates = RunAggregates()
    aggregates.add(len(episodes), {name: [episode.get(name) for episode in episodes] for name in AGGREGATED})
    first = next((record for record in records if record["message"] == "register"), None)
    last = records[-1] if records else None
    return Run(_summary(path, first, last, aggregates.as_dict(), damaged), episodes)


def _episodes(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_number: dict[int, dict[str, Any]] = {}
    for record in records:
        for body in messages.expand(record):
            by_number.setdefault(body["episode_number"], body)
    return list(by_number.values())


def _summary_from_ends(path: Path) -> RunSummary | None:
    first, last = journal.read_ends(path)
    if first is None or last is None or first["message"] != "register" or last["message"] != "complete":
        return None
    return _summary(path, first, last, last["body"]["aggregate_stats"], None)


def _summary(
    path: Path,
    first: dict[str, Any] | None,
    last: dict[str, Any] | None,
    aggregates: dict[str, Any],
    damaged: int | None,
) -> RunSummary:
    ended = last is not None and last["message"] == "complete"
    return RunSummary(
        run_id=first["body"]["run_id"] if first else path.stem,
        path=path,
        status=last["body"]["status"] if last and ended else "running",
        config=first["body"]["config"] if first else {},
        episodes_completed=aggregates["total_episodes"],
        aggregate_stats=aggregates,
        started_at=first["at"] if first else None,
        updated_at=last["at"] if last else None,
        completed_at=last["at"] if last and ended else None,
        damaged_records=damaged,
        reason=last["body"].get("reason") if last and ended else None,
    )
