"""The messages of the documented training API, as the journal keeps them and a platform can be sent them later.

Each is `{"key", "message", "at", "body"}`: the key makes sending one twice harmless, the body is the request's.

    register   POST /api/v1/training/runs                 {run_id, config: {strategy_label, ...}}
    episode    POST /api/v1/training/runs/{id}/episodes   {episode_number, session_id, roi_pct, sharpe_ratio, ...}
                                                         additive: {length, seed, kept}; kept is `Kept.pack()` in base64
    episodes   many of these at once, one list a column; `expand` gives them back one by one
    complete   POST /api/v1/training/runs/{id}/complete   additive: {status, episodes_completed, aggregate_stats}
"""

from collections.abc import Iterator, Mapping
from typing import Any

# Keys of an episode's body, and the name of each among the metrics of `tradeready_gym.evaluation`.
EPISODE_METRICS = {
    "roi_pct": "roi_pct",
    "sharpe_ratio": "sharpe_ratio",
    "max_drawdown_pct": "max_drawdown_pct",
    "total_trades": "total_trades",
    "reward_sum": "cumulative_reward",
    "length": "length",
}


def register(run_id: str, at: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The run begins."""
    body = {"run_id": run_id, "config": dict(config)}
    return {"key": f"{run_id}/register", "message": "register", "at": at, "body": body}


def episode(run_id: str, at: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """An episode has ended. Its number identifies it within the run."""
    return {"key": f"{run_id}/episode/{body['episode_number']}", "message": "episode", "at": at, "body": dict(body)}


def episodes(run_id: str, at: str, columns: Mapping[str, list[Any] | None]) -> dict[str, Any]:
    """Episodes have ended together: the message of the one, or one message for all of them.

    `columns` holds a value an episode for each key of an episode's body, None for a key that none of them has. The
    episode's number identifies it within the run.
    """
    numbers = columns["episode_number"] or []
    if len(numbers) == 1:
        return episode(run_id, at, {name: column[0] if column else None for name, column in columns.items()})
    key = f"{run_id}/episodes/{numbers[0]}-{numbers[-1]}"
    return {"key": key, "message": "episodes", "at": at, "body": dict(columns)}


def expand(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The bodies of a message's episodes; none for a message of another kind."""
    if message["message"] == "episode":
        yield message["body"]
    elif message["message"] == "episodes":
        columns = message["body"]
        absent = [None] * len(columns["episode_number"])
        for values in zip(*(column or absent for column in columns.values()), strict=True):
            yield dict(zip(columns, values, strict=True))


def complete(run_id: str, at: str, status: str, aggregates: Mapping[str, Any]) -> dict[str, Any]:
    """The run has ended, for now: a run that goes on completes again under another key."""
    episodes = aggregates["total_episodes"]
    body = {"status": status, "episodes_completed": episodes, "aggregate_stats": dict(aggregates)}
    return {"key": f"{run_id}/complete/{episodes}", "message": "complete", "at": at, "body": body}
