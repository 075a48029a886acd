"""TradingVectorEnvironment: N accounts in one compiled call, as a Gymnasium vector environment."""

import copy
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from tradeready_gym import errors
from tradeready_gym.actions import ActionScheme
from tradeready_gym.engine import (
    ENDED,
    FILLED,
    MARGIN_REPORT,
    OBSERVE,
    REFUSED,
    REPORT,
    REPORTED_AMOUNTS,
    WHOLE_STEP,
    Engine,
)
from tradeready_gym.envs import seams
from tradeready_gym.envs.composition import at_platform, compose, describe
from tradeready_gym.envs.keeping import ActionLog
from tradeready_gym.envs.observing import as_dictionary, observation_space
from tradeready_gym.envs.parts import NOT_GIVEN
from tradeready_gym.envs.secret import HidesKey
from tradeready_gym.envs.trading import ResetNeeded
from tradeready_gym.evaluation import EpisodeStatistics, episode_metrics
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.exchanges.desk import fill_view, reject_view
from tradeready_gym.features import FeaturePipeline
from tradeready_gym.market import format_time
from tradeready_gym.rewards import RewardScheme
from tradeready_gym.tracking import TrainingTracker

_REWARD, _DONE = REPORT.index("reward"), REPORT.index("done")
# what infos show of it: amounts after the reward, then counts before `done`
_FIRST_AMOUNT, _FIRST_COUNT = _REWARD + 1, len(REPORTED_AMOUNTS)
_AMOUNTS, _COUNTS = REPORT[_FIRST_AMOUNT:_FIRST_COUNT], REPORT[_FIRST_COUNT:_DONE]


class TradingVectorEnvironment(HidesKey, VectorEnv[Any, Any, Any]):
    """N accounts that trade the same candles, each with its own episode.

    Takes what `TradingEnvironment` takes (but no `render_mode`), and:

    Args:
        num_envs: N. Sub-environment i equals the single environment with `seed + i`.
        autoreset_mode: when a finished sub-environment begins anew: `AutoresetMode.NEXT_STEP` (Gymnasium's default),
            `SAME_STEP` (the last observation and info are in `final_obs` and `final_info`), or `DISABLED` (reset it with
            `reset(options={"reset_mask": mask})`). Strings are accepted.
        num_threads: threads that share the sub-environments; the numbers are the same for any.
        copy: False returns the same observation array at every step, overwritten.

    Infos have one array per key with its mask `_key`; `virtual_time` is int64 microseconds; `filled_orders` and
    `rejected_orders` are structured arrays with a field `env`.
    """

    def __init__(
        self,
        exchange: SimulatedExchange | str | None = NOT_GIVEN,
        action_scheme: ActionScheme | str | None = NOT_GIVEN,
        reward_scheme: RewardScheme | str | None = NOT_GIVEN,
        feature_pipeline: FeaturePipeline | Sequence[Any] | None = NOT_GIVEN,
        *,
        num_envs: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        num_threads: int = 1,
        copy: bool = True,
        flatten: bool = True,
        render_mode: str | None = None,
        track_training: bool = False,
        strategy_label: str = "gym_training",
        api_key: str | None = None,
        base_url: str | None = None,
        interpreted: bool = False,
        **arguments: Any,
    ) -> None:
        arguments = at_platform(api_key, base_url, exchange, arguments)
        if render_mode is not None:
            raise errors.ConfigurationError(
                "a vector environment does not render; make a single one to look at an episode"
            )
        for name, value in (("num_envs", num_envs), ("num_threads", num_threads)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise errors.ConfigurationError(f"{name} must be an integer of at least 1; got {value!r}")
        self.num_envs = int(num_envs)
        self.autoreset_mode = _mode(autoreset_mode)
        self.metadata = {"autoreset_mode": self.autoreset_mode, "render_modes": []}
        self.render_mode = None
        self.flatten = flatten
        self.num_threads = min(int(num_threads), self.num_envs)
        self._copy = copy
        spec = compose(exchange, action_scheme, reward_scheme, feature_pipeline, **arguments)
        next_step = self.autoreset_mode == AutoresetMode.NEXT_STEP
        self.engine = Engine(spec, self.num_envs, next_step_reset=next_step, interpreted=interpreted)
        if self.engine.python_parts:
            self.engine.settings["candles_per_action"] = 1
        self.single_action_space = spec.action_scheme.action_space(len(spec.exchange.symbols))
        self.single_observation_space = observation_space(self.engine, flatten)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.tracker = (
            TrainingTracker(strategy_label, config=describe(spec), api_key=api_key, base_url=base_url)
            if track_training
            else None
        )
        # an episode of a compiled step is kept as its seed and actions, from which it can be played again
        keeps = self.tracker is not None and not self.engine.python_parts
        self._log = ActionLog(self.engine) if keeps else None
        self._count = int(self.single_action_space.n) if isinstance(self.single_action_space, spaces.Discrete) else 0
        table = self.engine.actions.shape
        self._action_shapes = (table[:1], table) if table[1] == 1 else (table,)
        self._all, self._none = np.ones(self.num_envs, np.bool_), np.zeros(self.num_envs, np.bool_)
        self._all.flags.writeable = False
        self._margin = MARGIN_REPORT if spec.exchange.account is not None else ()
        # an info of which only the values are missing; no order has been filled or refused yet
        orders = {"filled_orders": self.engine.collect("fills"), "rejected_orders": self.engine.collect("rejects")}
        self._amounts, self._counts = np.s_[_FIRST_AMOUNT:, : self.num_envs], np.s_[_FIRST_COUNT:, : self.num_envs]
        names = (*_AMOUNTS, *_COUNTS, *orders, *self._margin)
        self._blank_infos = dict.fromkeys(names) | {f"_{name}": self._all for name in names} | orders
        self._observations = self.engine.new_observations()
        self._seeded = False
        self._ready = False
        self._episodes = 0
        self._pool: ThreadPoolExecutor | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_pool"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _pool=None)

    def __deepcopy__(self, memo: dict[int, Any]) -> "TradingVectorEnvironment":
        other = type(self).__new__(type(self))
        memo[id(self)] = other
        other.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return other

    # ---- Gymnasium ----

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every sub-environment, or in those of `options={"reset_mask": bool (N,)}`."""
        mask = self._reset_mask(options)
        if (self.engine.state.accounts["episode"][~mask] < 0).any():
            raise errors.ConfigurationError(
                "the first reset begins an episode in every sub-environment; reset(options={'reset_mask': mask}) comes after it"
            )
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(1 << 63))
        if seed is not None:
            seeds = _seeds_of(seed, self.num_envs)
            if isinstance(seed, int | np.integer):
                self._np_random, self._np_random_seed = gymnasium.utils.seeding.np_random(int(seed))
            self.engine.seed([s if mask[i] else None for i, s in enumerate(seeds)])
            self._seeded = True
        flat, report = self._room(), self.engine.new_report()
        if not mask.all():
            self.engine.advance(self.engine.world, flat, report, 0, self.num_envs, OBSERVE)
        self.engine.restart(mask, flat, report)
        self._ready = True
        if self.tracker is not None:
            self.tracker.register_run()
        return self._shown(flat), self._infos(report, 0)

    def step(
        self, actions: Any
    ) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """One action for every sub-environment, shape (N,) or (N, A).

        Raises:
            ActionError: an action is outside its space; nothing has happened then.
            ResetNeeded: before the first `reset`, or, with autoreset disabled, after the end of an episode.
        """
        if not self._ready:
            raise ResetNeeded("no episode has begun; call reset() before step()")
        engine = self.engine
        if self.autoreset_mode == AutoresetMode.DISABLED and engine.state.accounts["done"].any():
            over = np.flatnonzero(engine.state.accounts["done"])
            raise ResetNeeded(
                f"the episode of sub-environment {over[0]} is over; reset(options={{'reset_mask': mask}}) before step()"
            )
        self._take(actions)
        flat, block = self._room(), engine.new_report()
        try:
            news = (self._step_by_seams if engine.python_parts else self._advance)(actions, flat, block)
        except errors.ConfigurationError:
            # a component of others said what it may not: half a step is no step
            self._ready = False
            raise
        if self._log is not None:
            self._log.add(engine)
        ended = news & ENDED
        rewards = block[_REWARD, : self.num_envs]
        terminated, truncated = self._none.copy(), self._none.copy()
        if ended:
            done: npt.NDArray[Any] = engine.state.accounts["done"]
            ending, terminated, truncated = done > 0, done % 2 == 1, done >= 2
        if engine.foreign_reward and not np.isfinite(rewards).all():
            self._ready = False
            i = int(np.flatnonzero(~np.isfinite(rewards))[0])
            seams.refuse_reward(engine, i, float(rewards[i]))
        infos = self._infos(block, news)
        if ended:
            self._end_episodes(ending, infos)
            if self.autoreset_mode == AutoresetMode.SAME_STEP:
                infos = self._restart_now(ending, flat, block.copy(), infos)
        return self._shown(flat), rewards, terminated, truncated, infos

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which discrete actions can do anything now, bool (N, n)."""
        state = self.engine.state
        masks = self.engine.spec.action_scheme.action_masks(
            state.accounts["cash"], state.accounts["equity"], state.positions["quantity"]
        )
        return np.ones((self.num_envs, max(self._count, 1)), np.bool_) if masks is None else np.asarray(masks)

    def close_extras(self, **kwargs: Any) -> None:
        """Complete the run in the journal and stop the threads."""
        if self.tracker is not None:
            self.tracker.complete_run()
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    # ---- inside ----

    def _room(self) -> npt.NDArray[np.float32]:
        return self.engine.new_observations() if self._copy else self._observations

    def _shown(self, flat: npt.NDArray[np.float32]) -> Any:
        table = flat.reshape(self.num_envs, -1)
        return table if self.flatten else as_dictionary(self.engine, table)

    def _advance(self, actions: Any, flat: npt.NDArray[np.float32], report: npt.NDArray[np.float64]) -> int:
        engine, n = self.engine, self.num_envs
        if self.num_threads == 1:
            return engine.advance(engine.world, flat, report, 0, n, WHOLE_STEP)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.num_threads, thread_name_prefix="tradeready-gym")
        cuts = np.linspace(0, n, self.num_threads + 1).astype(int).tolist()
        parts = [
            self._pool.submit(engine.advance, engine.world, flat, report, first, last, WHOLE_STEP)
            for first, last in pairwise(cuts)
        ]
        # an error of one thread leaves no other at work
        wait(parts)
        news = 0
        for part in parts:
            news |= part.result()
        return news

    def _take(self, actions: Any) -> None:
        engine = self.engine
        if engine.python_scheme:
            if len(actions) != self.num_envs:
                raise errors.ActionError(f"one action for each of {self.num_envs} sub-environments; got {len(actions)}")
            for i, action in enumerate(actions):
                if not self.single_action_space.contains(action):
                    raise errors.ActionError(
                        f"action of sub-environment {i} must be in {self.single_action_space}; got {action!r}. "
                        f"Nothing has been done: step again with legal actions"
                    )
            return
        array = np.asarray(actions)
        if array.shape not in self._action_shapes:
            raise errors.ActionError(
                f"actions must have shape {self.action_space.shape}; got {array.shape}. Nothing has been done"
            )
        if self._count:
            if array.dtype.kind not in "iu":
                raise errors.ActionError(f"actions must be integers below {self._count}; got {array.dtype}")
            if not engine.take_choices(array.ravel().astype(np.int64, copy=False), self._count):
                self._refuse(array)
            return
        if array.dtype.kind not in "fiu":
            raise errors.ActionError(f"actions must be numbers in {self.single_action_space}; got {array.dtype}")
        table = array.reshape(engine.actions.shape)
        if not (np.isfinite(table).all() and self._numbers_fit(table)):
            self._refuse(table)
        engine.actions[:] = table

    def _numbers_fit(self, table: npt.NDArray[Any]) -> bool:
        space = self.single_action_space
        return not isinstance(space, spaces.MultiDiscrete) or bool(((table >= 0) & (table < space.nvec)).all())

    def _refuse(self, actions: npt.NDArray[Any]) -> None:
        table = actions.reshape(self.engine.actions.shape)
        bad = ~np.isfinite(table.astype(np.float64))
        if isinstance(self.single_action_space, spaces.MultiDiscrete):
            bad |= (table < 0) | (table >= self.single_action_space.nvec)
        if self._count:
            bad |= (table < 0) | (table >= self._count)
        i = int(np.flatnonzero(bad.any(axis=1))[0])
        raise errors.ActionError(
            f"action of sub-environment {i} must be in {self.single_action_space}; got {table[i].tolist()!r}. "
            f"Nothing has been done: step again with legal actions"
        )

    def _step_by_seams(self, actions: Any, flat: npt.NDArray[np.float32], report: npt.NDArray[np.float64]) -> int:
        engine = self.engine
        accounts = engine.state.accounts
        over = np.asarray(accounts["done"] != 0)
        if over.any():
            engine.restart(over, flat, report)
        # an error on the way leaves half a step behind: only reset() helps then
        self._ready = False
        for i in np.flatnonzero(~over).tolist():
            seams.act(engine, i, actions[i])
            seams.trade(engine, i, self._pay)
            seams.pay(engine, i, self._pay)
        self._ready = True
        return engine.advance(engine.world, flat, report, 0, self.num_envs, OBSERVE)

    def _pay(self, i: int) -> Any:
        account = self.engine.state.accounts[i]
        scheme = self.engine.rewards[i]
        return scheme.compute(float(account.previous_equity), float(account.equity), self._plain_info(i))

    def _plain_info(self, i: int) -> dict[str, Any]:
        engine, account = self.engine, self.engine.state.accounts[i]
        step, total = int(account.row - account.start_row), int(account.end_row - account.start_row)
        fills = [fill_view(engine.state.fills[i][k], engine.symbols, engine.market) for k in range(int(account.fills))]
        rejects = [reject_view(engine.state.rejects[i][k], engine.symbols) for k in range(int(account.rejects))]
        return {
            "equity": float(account.equity),
            "available_cash": float(account.cash),
            "position_value": float(account.position_value),
            "unrealized_pnl": float(account.unrealized_pnl),
            "virtual_time": format_time(self._clock(account.row)),
            "step": step,
            "total_steps": total,
            "filled_orders": fills,
            "progress_pct": round(10000.0 * step / total) / 100.0,
            "locked_cash": float(account.locked_cash),
            "realized_pnl": float(account.realized_pnl),
            "fees_paid": float(account.fees_paid),
            "rejected_orders": rejects,
        } | {name: float(account[name]) for name in self._margin}

    def _clock(self, row: int) -> int:
        return int(self.engine.times[row - 1]) + self.engine.market.timeframe.microseconds

    def _infos(self, report: npt.NDArray[np.float64], news: int) -> dict[str, Any]:
        engine, numbers = self.engine, report.view(np.int64)
        infos = self._blank_infos.copy()
        # the names end first: of an array the end is an IndexError, which takes as long as six of its rows
        infos.update(zip(_AMOUNTS, report[self._amounts], strict=False))
        infos.update(zip(_COUNTS, numbers[self._counts], strict=False))
        if news & FILLED:
            infos["filled_orders"] = engine.collect("fills")
        if news & REFUSED:
            infos["rejected_orders"] = engine.collect("rejects")
        for name in self._margin:
            infos[name] = engine.state.accounts[name].copy()
        return infos

    def _end_episodes(self, over: npt.NDArray[np.bool_], infos: dict[str, Any]) -> None:
        accounts = self.engine.state.accounts
        metrics = episode_metrics(EpisodeStatistics.from_records(accounts[over]), self.engine.market.periods_per_year)
        columns: dict[str, Any] = {}
        for name, values in metrics.items():
            column = np.zeros(self.num_envs, values.dtype)
            column[over] = values
            columns[name], columns[f"_{name}"] = column, over
        infos["episode_metrics"], infos["_episode_metrics"] = columns, over
        count = int(np.count_nonzero(over))
        if self.tracker is not None:
            numbers = np.arange(self._episodes + 1, self._episodes + count + 1)
            kept = None if self._log is None else self._log.finished(self.engine, over, metrics["roi_pct"])
            self.tracker.report_episodes(numbers, metrics, seeds=accounts["seed"][over], kept=kept)
        self._episodes += count

    def _restart_now(
        self,
        over: npt.NDArray[np.bool_],
        flat: npt.NDArray[np.float32],
        report: npt.NDArray[np.float64],
        final: dict[str, Any],
    ) -> dict[str, Any]:
        table = flat.reshape(self.num_envs, -1)
        last = np.zeros_like(table)
        last[over] = table[over]
        final_info = {name: over if name.startswith("_") else value for name, value in final.items()}
        self.engine.restart(over, flat, report)
        infos = self._infos(report, 0)
        for name in ("filled_orders", "rejected_orders"):
            infos[name] = final[name][~over[final[name]["env"]]]
        infos["final_obs"] = self._shown(last)
        infos["final_info"] = final_info
        infos["_final_obs"] = infos["_final_info"] = over
        return infos

    def _reset_mask(self, options: Mapping[str, Any] | None) -> npt.NDArray[np.bool_]:
        unknown = sorted(set(options or {}) - {"reset_mask"})
        if unknown:
            raise errors.ConfigurationError(f"reset() knows the option 'reset_mask' only; got {unknown}")
        if not options:
            return self._all
        mask = np.asarray(options["reset_mask"])
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise errors.ConfigurationError(
                f"reset_mask must be bool of shape ({self.num_envs},) with at least one True"
            )
        return mask


def _seeds_of(seed: Any, count: int) -> list[int | None]:
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0:
        return [int(seed) + i for i in range(count)]
    many = isinstance(seed, Sequence | np.ndarray) and not isinstance(seed, str)
    seeds = list(seed) if many else [seed]
    for one in seeds:
        if one is not None and (isinstance(one, bool) or not isinstance(one, int | np.integer) or one < 0):
            raise errors.ConfigurationError(f"a seed is an integer of at least 0; got {one!r}. Nothing has been reset")
    if not many or len(seeds) != count:
        raise errors.ConfigurationError(f"seed must be an integer or {count} of them; got {len(seeds)}")
    return seeds


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    for known in AutoresetMode:
        if str(mode).lower().replace("_", "") in (known.value.lower(), known.name.lower().replace("_", "")):
            return known
    raise errors.UnknownName("autoreset_mode", mode, [known.name for known in AutoresetMode])
