"""The trained agents of this machine by the training run that they came out of, without an engine: what their cards say."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXPERIMENT, CARD = "experiment.json", "strategy.json"
_LEAST = 48  # candles to rehearse on, and as many to judge by


@dataclass(frozen=True)
class TrainedAgent:
    """An agent that `tradeready train` kept below `TRADEREADY_HOME/models`.

    `folder` is its experiment's, `seed` which of its agents it is. `fingerprint` is the SHA-256 of its card, which lists those of
    its files. `data` and `learned_until` say what it learned from.
    """

    folder: Path
    seed: int
    run_id: str
    label: str
    symbols: tuple[str, ...]
    timeframe: str
    data: str
    learned_until: str
    fingerprint: str


def agent_of_run(models: Path, run_id: str) -> TrainedAgent | None:
    """The agent that came out of a run; None if there is none, or it is not really below `models`."""
    root = models.resolve()
    for path in sorted(models.glob(f"*/{EXPERIMENT}")):
        experiment = _read(path)
        for seed, run in dict(experiment.get("runs") or {}).items():
            if run == run_id and path.resolve().is_relative_to(root):
                return _agent(path.parent.resolve(), root, int(seed), experiment)
    return None


def rehearsal_of(agent: TrainedAgent, speed: float | None) -> str:
    """A replay, as `make_feed` reads it, of the later half of what there is beyond what the agent learned from: the earlier half
    says what to expect of it. Half of all, if there is next to nothing beyond.

    Raises:
        DataError, DataUnavailable: its candles are not there any more.
    """
    from tradeready_gym.market import format_time, parse_time, resolve

    candles = resolve(agent.data, symbols=agent.symbols, timeframe=agent.timeframe)[0]
    step = candles.timeframe.microseconds
    begin = max(parse_time(agent.learned_until), candles.start)
    begin = begin if candles.end - begin >= _LEAST * step else candles.start
    start = begin + (candles.end - begin) // (2 * step) * step
    return f"replay:{agent.data}:{format_time(start)}:{f'{speed:g}' if speed else 'max'}"


def _agent(folder: Path, root: Path, seed: int, experiment: dict[str, Any]) -> TrainedAgent | None:
    path = (folder / f"seed-{seed}" / CARD).resolve()
    card = _read(path) if path.is_relative_to(root) else {}
    try:
        return TrainedAgent(
            folder=folder,
            seed=seed,
            run_id=experiment["runs"][str(seed)],
            label=experiment["label"],
            symbols=tuple(card["interface"]["symbols"]),
            timeframe=card["interface"]["timeframe"],
            data=str(experiment["arguments"].get("data", "auto")),
            learned_until=experiment["end"],
            fingerprint=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
