"""A journal's messages as requests: episodes that follow one another travel together, as columns."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tradeready_gym.tracking.messages import unpacked
from tradeready_gym.tracking.platform import TRAINING

ROWS = 5_000  # episodes in a request, about a megabyte
_FIELDS = (
    "episode_number",
    "session_id",
    "roi_pct",
    "sharpe_ratio",
    "max_drawdown_pct",
    "total_trades",
    "reward_sum",
    "length",
    "seed",
    "kept",
)


@dataclass(frozen=True)
class Parcel:
    """One request: where to, what, and how many episodes it holds."""

    path: str
    body: Mapping[str, Any]
    episodes: int = 0

    def halves(self) -> tuple["Parcel", "Parcel"] | None:
        """The same in two requests, or None if it cannot be cut."""
        if self.episodes < 2:
            return None
        columns, middle = self.body["columns"], self.episodes // 2
        first = {name: column and column[:middle] for name, column in columns.items()}
        second = {name: column and column[middle:] for name, column in columns.items()}
        run = self.path.removesuffix("/episodes/batch")
        return _episodes(run, first, middle), _episodes(run, second, self.episodes - middle)


def registration(run_id: str, config: Mapping[str, Any]) -> Parcel:
    """The run begins."""
    return Parcel(TRAINING, {"run_id": run_id, "config": dict(config)})


def parcels(run_id: str, records: Iterable[Mapping[str, Any]]) -> Iterator[Parcel]:
    """The requests that tell a platform what the records say, in their order. An episode of no number is left out."""
    run = f"{TRAINING}/{run_id}"
    waiting: dict[str, list[Any]] = {}
    for record in records:
        kind, body = record["message"], record["body"]
        if kind in ("episode", "episodes"):
            single = kind == "episode"
            _gather(waiting, body if single else unpacked(body), record["at"], single=single)
            continue
        yield from _cut(run, waiting)
        waiting = {}
        if kind == "register":
            yield registration(run_id, body["config"])
        elif kind == "complete":
            yield Parcel(f"{run}/complete", {name: body[name] for name in ("status", "reason") if name in body})
    yield from _cut(run, waiting)


def _gather(waiting: dict[str, list[Any]], body: Mapping[str, Any], at: str, *, single: bool) -> None:
    count = 1 if single else len(body["episode_number"])
    for name in _FIELDS:
        value = body.get(name)
        column = waiting.setdefault(name, [])
        if single:
            column.append(value)
        else:
            column.extend(value if value is not None else [None] * count)
    waiting.setdefault("created_at", []).extend([at] * count)


def _cut(run: str, columns: Mapping[str, list[Any]]) -> Iterator[Parcel]:
    total = len(columns.get("episode_number", ()))
    for begin in range(0, total, ROWS):
        part = {name: column[begin : begin + ROWS] for name, column in columns.items()}
        yield _episodes(run, part, min(ROWS, total - begin))


def _episodes(run: str, columns: Mapping[str, Any], count: int) -> Parcel:
    if count == 1:
        one = {name: column and column[0] for name, column in columns.items()}
        if one.get("kept") is None:
            one.pop("kept", None)
        return Parcel(f"{run}/episodes", one, 1)
    told = {name: column if column and any(v is not None for v in column) else None for name, column in columns.items()}
    return Parcel(f"{run}/episodes/batch", {"columns": told}, count)
