"""The messages of the documented training API, as the journal keeps them and a platform can be sent them later.

Each is `{"key", "message", "at", "body"}`: the key makes sending one twice harmless, the body is the request's.

    register   POST /api/v1/training/runs                 {run_id, config: {strategy_label, ...}}
    episode    POST /api/v1/training/runs/{id}/episodes   {episode_number, session_id, roi_pct, sharpe_ratio, ...}
                                                         additive: {length, seed, kept}; kept is `Kept.pack()` in base64
    episodes   many of these at once, a column a key: a list, or many numbers as {"f8" or "i8": base64 of their 8 bytes
               each, the low one first}, NaN for one that is missing; `expand` gives them back one by one
    complete   POST /api/v1/training/runs/{id}/complete   additive: {status, reason, episodes_completed, aggregate_stats}
"""

import base64
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Keys of an episode's body, and the name of each among the metrics of `tradeready_gym.evaluation`.
EPISODE_METRICS = {
    "roi_pct": "roi_pct",
    "sharpe_ratio": "sharpe_ratio",
    "max_drawdown_pct": "max_drawdown_pct",
    "total_trades": "total_trades",
    "reward_sum": "cumulative_reward",
    "length": "length",
}


REASON_LENGTH = 500  # characters of why a run ended as it did
# fewer numbers than these stay readable
_PACKED_FROM = 32


def register(run_id: str, at: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The run begins."""
    body = {"run_id": run_id, "config": dict(config)}
    return {"key": f"{run_id}/register", "message": "register", "at": at, "body": body}


def episode(run_id: str, at: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """An episode has ended. Its number identifies it within the run."""
    return {"key": f"{run_id}/episode/{body['episode_number']}", "message": "episode", "at": at, "body": dict(body)}


def episodes(run_id: str, at: str, columns: Mapping[str, list[Any] | NDArray[Any] | None]) -> dict[str, Any]:
    """Episodes have ended together: the message of the one, or one message for all of them.

    `columns` holds a value an episode for each key of an episode's body, None for a key that none of them has. The
    episode's number identifies it within the run.
    """
    numbers: Any = columns["episode_number"]
    if len(numbers) == 1:
        plain = {name: _plain(column) for name, column in columns.items()}
        return episode(run_id, at, {name: column[0] if column else None for name, column in plain.items()})
    key = f"{run_id}/episodes/{int(numbers[0])}-{int(numbers[-1])}"
    packed = {name: _packed(column) for name, column in columns.items()}
    return {"key": key, "message": "episodes", "at": at, "body": packed}


def unpacked(columns: Mapping[str, Any]) -> dict[str, list[Any] | None]:
    """The columns of an `episodes` message as lists, None for a key that no episode has.

    Raises `ValueError` for what is no column.
    """
    return {name: _unpacked(column) if isinstance(column, dict) else column for name, column in columns.items()}


def expand(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The bodies of a message's episodes; none for a message of another kind."""
    if message["message"] == "episode":
        yield message["body"]
    elif message["message"] == "episodes":
        columns: dict[str, Any] = unpacked(message["body"])
        absent = [None] * len(columns["episode_number"])
        for values in zip(*(column or absent for column in columns.values()), strict=True):
            yield dict(zip(columns, values, strict=True))


def complete(
    run_id: str, at: str, status: str, aggregates: Mapping[str, Any], reason: str | None = None
) -> dict[str, Any]:
    """The run has ended, for now: a run that goes on completes again under another key."""
    episodes = aggregates["total_episodes"]
    body = {"status": status, "episodes_completed": episodes, "aggregate_stats": dict(aggregates)}
    body |= {"reason": reason} if reason else {}
    return {"key": f"{run_id}/complete/{episodes}", "message": "complete", "at": at, "body": body}


def _packed(column: list[Any] | NDArray[Any] | None) -> list[Any] | dict[str, str] | None:
    if not isinstance(column, np.ndarray) or len(column) < _PACKED_FROM:
        return _plain(column)
    kind = "f8" if column.dtype.kind == "f" else "i8"
    return {kind: base64.b64encode(np.ascontiguousarray(column, f"<{kind}").tobytes()).decode("ascii")}


def _unpacked(column: Mapping[str, str]) -> list[Any]:
    ((kind, text),) = column.items()
    if kind not in ("f8", "i8"):
        raise ValueError(f"a packed column is f8 or i8; got {kind!r}")
    return _plain(np.frombuffer(base64.b64decode(text, validate=True), f"<{kind}")) or []


def _plain(column: list[Any] | NDArray[Any] | None) -> list[Any] | None:
    if not isinstance(column, np.ndarray):
        return column
    values: list[Any] = column.tolist()
    if column.dtype.kind != "f" or np.isfinite(column).all():
        return values
    return [value if math.isfinite(value) else None for value in values]
