"""Playing episodes without learning: N accounts of one vector environment, each for one episode."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.evaluation import EpisodeStatistics, episode_metrics
from tradeready_gym.strategies.performance import Performance
from tradeready_gym.strategies.situation import Situation

Decide = Callable[[Situation], npt.NDArray[Any]]
_KEPT = ("virtual_time", "equity", "available_cash", "position_value")


def play(
    decide: Decide, environment: TradingVectorEnvironment, *, seed: int | Sequence[int] = 0, steps: int | None = None
) -> tuple[Performance, ...]:
    """One episode in every sub-environment (`autoreset_mode="SAME_STEP"`), or its first `steps` decisions.

    Sub-environment i plays episode 0 of `seed + i`, or of `seed[i]`.
    """
    count = environment.num_envs
    observations, infos = environment.reset(seed=seed)
    kept = [np.vstack([_keep(infos), np.full(count, np.nan)])]
    decided: list[Any] = []
    filled: list[npt.NDArray[Any]] = [infos["filled_orders"][:0].copy()]
    lengths = np.zeros(count, np.int64)
    metrics: list[dict[str, Any] | None] = [None] * count
    playing = np.ones(count, np.bool_)
    while playing.any() and (steps is None or len(kept) <= steps):
        actions = decide(Situation(observations, environment.engine))
        observations, rewards, terminated, truncated, infos = environment.step(actions)
        decided.append(_numbers(actions, count))
        row = _keep(infos)
        fills = infos.get("final_info", infos)["filled_orders"]
        if len(fills):
            filled.append(fills[playing[fills["env"]]])
        ended = playing & (terminated | truncated)
        if ended.any():
            final = infos["final_info"]
            row = np.where(ended, _keep(final), row)
            for i in np.flatnonzero(ended).tolist():
                metrics[i] = _plain({name: final["episode_metrics"][name][i] for name in final["episode_metrics"]})
        kept.append(np.vstack([row, rewards]))
        lengths[playing] += 1
        playing &= ~ended
    if playing.any():
        _describe_unfinished(environment, playing, metrics)
    table = np.array(kept)  # (steps + 1, columns, N)
    taken = None if not decided or any(actions is None for actions in decided) else np.array(decided)  # (steps, N, A)
    fills_of = _by_account(np.concatenate(filled), count)
    return tuple(
        _performance(
            table[: lengths[i] + 1, :, i], None if taken is None else taken[: lengths[i], i], metrics[i], fills_of[i]
        )
        for i in range(count)
    )


def _keep(infos: dict[str, Any]) -> npt.NDArray[np.float64]:
    # microseconds since 1970 are whole numbers in float64 until the year 2255
    return np.array([infos[name] for name in _KEPT], np.float64)


def _describe_unfinished(
    environment: TradingVectorEnvironment, playing: npt.NDArray[np.bool_], metrics: list[dict[str, Any] | None]
) -> None:
    engine = environment.engine
    statistics = EpisodeStatistics.from_records(engine.state.accounts)
    columns = episode_metrics(statistics, engine.market.periods_per_year)
    for i in np.flatnonzero(playing).tolist():
        metrics[i] = _plain({name: column[i] for name, column in columns.items()})


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    items = {name: value.item() for name, value in values.items() if not name.startswith("_")}
    return {name: value if np.isfinite(value) else None for name, value in items.items()}


def _numbers(actions: Any, count: int) -> npt.NDArray[np.float64] | None:
    if isinstance(actions, np.ndarray) and actions.dtype.kind in "biuf" and len(actions) == count:
        return actions.reshape(count, -1).astype(np.float64)
    return None


def _by_account(fills: npt.NDArray[Any], count: int) -> list[npt.NDArray[Any]]:
    ordered = fills[np.argsort(fills["env"], kind="stable")]
    return np.split(ordered, np.searchsorted(ordered["env"], np.arange(1, count)))


def _performance(
    table: npt.NDArray[np.float64],
    actions: npt.NDArray[np.float64] | None,
    metrics: dict[str, Any] | None,
    fills: npt.NDArray[Any],
) -> Performance:
    time, equity, cash, value, reward = np.ascontiguousarray(table.T)
    if actions is not None:
        actions = np.vstack([np.full((1, actions.shape[1]), np.nan), actions])
        actions = actions[:, 0] if actions.shape[1] == 1 else actions
    times = time.astype(np.int64).astype("datetime64[us]")
    return Performance(times, equity, cash, value, metrics or {}, reward, actions, fills)
