"""TradingEnvironment: one account over historical candles, as a Gymnasium environment."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from math import isfinite
from operator import index
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from tradeready_gym import errors
from tradeready_gym.actions import ActionScheme
from tradeready_gym.engine import MARGIN_REPORT, OBSERVE, REPORT, REPORT_LAYOUT, WHOLE_STEP, Engine
from tradeready_gym.engine.world import plain
from tradeready_gym.envs import seams
from tradeready_gym.envs.clock import ClockTexts
from tradeready_gym.envs.composition import at_platform, compose, describe
from tradeready_gym.envs.keeping import kept_actions
from tradeready_gym.envs.observing import as_dictionary, observation_space
from tradeready_gym.envs.parts import NOT_GIVEN
from tradeready_gym.envs.scenes import scene_of
from tradeready_gym.envs.secret import HidesKey
from tradeready_gym.envs.views import fill_views, reject_views
from tradeready_gym.evaluation import EpisodeStatistics, plain_metrics
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.features import FeaturePipeline
from tradeready_gym.orders import FILL_DTYPE
from tradeready_gym.rewards import RewardScheme
from tradeready_gym.tracking import TrainingTracker

_FLOAT32 = np.dtype(np.float32)
# what belongs to this process and to these very arrays
_BOUND = (
    *("_actions", "_action_bytes", "_report", "_report_bytes", "_fill_bytes", "_reject_bytes"),
    *("_advance", "_world", "_texts", "_window"),
)
_INFO = (
    *("equity", "available_cash", "position_value", "unrealized_pnl", "virtual_time", "step", "total_steps"),
    *("filled_orders", "progress_pct", "locked_cash", "realized_pnl", "fees_paid", "rejected_orders"),
)
HOOKS = ("_take_action", "_next_observation", "_get_reward", "_done", "_info")
RENDER_MODES = ("ansi", "human", "rgb_array")


class ResetNeeded(errors.ResetNeeded, gymnasium.error.ResetNeeded):
    """Both ours and Gymnasium's, so that either `except` catches it."""


class TradingEnvironment(HidesKey, gymnasium.Env[Any, Any]):
    """Trade historical candles with one account.

    Args:
        exchange: a `SimulatedExchange`, "simulated", or the name of a stochastic one ("gbm", "fbm", "ornstein_uhlenbeck",
            "heston", "merton"). Its own arguments (`data`, `symbols`, `timeframe`, `starting_balance`, `fee_rate`,
            `maker_fee_rate`, `slippage`, `fill_at`, `instruments`, `max_volume_share`, `account`; those of
            `stochastic_exchange`) may be given here instead.
        action_scheme: an `ActionScheme` or its name; hold/buy/sell by default.
        reward_scheme: a `RewardScheme` or its name; PnL by default.
        feature_pipeline: a `FeaturePipeline`, or a list of feature names; None observes raw OHLCV and the account.
        lookback_window: candles in an observation.
        start_time, end_time: the span of episodes, ISO 8601; by default everything that has enough history.
        episode_length: candles of a random window within the span; None plays the whole span.
        episode_end: "documented" (the end of the data terminates, ruin truncates) or "gymnasium" (the other way round).
        max_loss: share of the starting balance whose loss ends the episode.
        steps_per_action: candles that pass for each action; rewards are summed.
        context: a `TradingContext` for what is not given; those that were entered with `with` apply anyway.
        flatten: False observes a dict of `window` (symbols, lookback, features) and `account`.
        render_mode: "ansi", "human" or "rgb_array".
        track_training: append runs and episodes to the journal under `TRADEREADY_HOME`.
        strategy_label: the name of the run.
        api_key, base_url: the platform to work with, at `$TRADEREADY_URL` or http://localhost:8000 by default: it gives the
            candles, unless a market is given, and shows what is tracked.
        interpreted: run the same step uncompiled, thousands of times slower.

    Raises:
        TypeError: an unknown argument, or an exchange together with one of its own arguments.
        ConfigurationError, UnknownName: an argument outside its domain.
        DataError, DataUnavailable: the candles are not what they should be, or not there.
        PlatformUnavailable, PlatformRefused: `api_key` was given, and no platform answers, or it does not take the key.
    """

    metadata = {"render_modes": list(RENDER_MODES), "render_fps": 15}
    keeps_actions = True

    def __init__(
        self,
        exchange: SimulatedExchange | str | None = NOT_GIVEN,
        action_scheme: ActionScheme | str | None = NOT_GIVEN,
        reward_scheme: RewardScheme | str | None = NOT_GIVEN,
        feature_pipeline: FeaturePipeline | Sequence[Any] | None = NOT_GIVEN,
        *,
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
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise errors.UnknownName("render_mode", render_mode, RENDER_MODES)
        self.render_mode = render_mode
        self.flatten = flatten
        spec = compose(exchange, action_scheme, reward_scheme, feature_pipeline, **arguments)
        self.engine = Engine(spec, interpreted=interpreted)
        self.action_space = spec.action_scheme.action_space(len(spec.exchange.symbols))
        self.observation_space = observation_space(self.engine, flatten)
        self.tracker = (
            TrainingTracker(strategy_label, config=describe(spec), api_key=api_key, base_url=base_url)
            if track_training
            else None
        )
        self._window: Any = None
        self._fills: list[bytes] = []
        self._kept = bytearray()
        self._seeded = False
        self._ready = False
        self._total = 0
        self._clock = ClockTexts(self.engine.times, self.engine.market.timeframe.microseconds)
        self._first_row = 0
        self._shown: dict[str, Any] | None = None
        self._episodes = 0
        self._bind()

    def _bind(self) -> None:
        engine = self.engine
        hooked = any(getattr(type(self), name) is not getattr(TradingEnvironment, name) for name in HOOKS)
        self._by_phases = hooked or engine.python_parts
        if self._by_phases:
            engine.settings["candles_per_action"] = 1
        self._actions = engine.actions[0]
        self._action_bytes = self._actions.view(np.uint8).data
        # an episode is kept as its seed and actions, from which it can be played again
        self._keeps = self.tracker is not None and self.keeps_actions and not self._by_phases
        self._report = engine.new_report()
        self._report_bytes = self._report.view(np.uint8).reshape(-1).data
        self._fill_bytes = plain(engine.state.fills).reshape(-1).view(np.uint8).data
        self._reject_bytes = plain(engine.state.rejects).reshape(-1).view(np.uint8).data
        self._advance, self._world = engine.advance, engine.world
        self._foreign_reward = engine.foreign_reward
        self._texts = self._clock.texts
        self._symbols = engine.symbols
        self._width = engine.width
        self._as_dictionary = not self.flatten
        self._shows = self.render_mode == "human"
        self._margin = engine.spec.exchange.account is not None
        self._count = int(self.action_space.n) if isinstance(self.action_space, spaces.Discrete) else 0

    def __getstate__(self) -> dict[str, Any]:
        # views of the engine's arrays would come back as copies; `_bind` makes them anew
        return {k: v for k, v in self.__dict__.items() if k not in _BOUND}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _window=None)
        self._bind()
        if self._ready or self._total:
            self.exchange.bind(self.engine.state, self.engine.market, self._fills, self.engine.history)

    def __deepcopy__(self, memo: dict[int, Any]) -> "TradingEnvironment":
        other = type(self).__new__(type(self))
        memo[id(self)] = other
        other.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return other

    def __repr__(self) -> str:
        spec = self.engine.spec
        return (
            f"TradingEnvironment({spec.exchange!r}, {spec.action_scheme!r}, {spec.reward_scheme!r}, "
            f"{self.engine.pipeline!r}, lookback_window={spec.lookback_window})"
        )

    # ---- the parts ----

    @property
    def exchange(self) -> SimulatedExchange:
        """The exchange, with the account as it stands: orders may be submitted to it between two steps."""
        return self.engine.spec.exchange

    @property
    def action_scheme(self) -> ActionScheme:
        """What turns actions into orders."""
        return self.engine.schemes[0] if self.engine.python_scheme else self.engine.spec.action_scheme

    @property
    def reward_scheme(self) -> RewardScheme:
        """What turns equity into rewards."""
        return self.engine.rewards[0] if self.engine.python_reward else self.engine.spec.reward_scheme

    @property
    def feature_pipeline(self) -> FeaturePipeline:
        """What the agent sees of the market."""
        return self.engine.pipeline

    # ---- Gymnasium ----

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode. With `seed` it is episode 0 of that seed; without, the next one.

        Returns the first observation, made at `start_time`, and its info.
        """
        super().reset(seed=seed)
        if options:
            raise errors.ConfigurationError(f"reset() of this environment knows no options; got {sorted(options)}")
        if seed is not None or not self._seeded:
            self.engine.seed([seed if seed is not None else int(self.np_random.integers(1 << 63))])
            self._seeded = True
        flat = self.engine.new_observations()
        self.engine.restart(np.ones(1, np.bool_), flat, self._report)
        self._begin_episode()
        if self.tracker is not None:
            self.tracker.register_run()
        self._shown = None
        if self._by_phases:
            observation = self._next_observation()
            self._refresh_report()
            info = self._info()
            self.engine.state.accounts[0].reported = 1
        else:
            info = self._build_info()
            observation = flat if self.flatten else as_dictionary(self.engine, flat)
        if self._shows:
            self.render()
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Apply the action to the next candle.

        Returns the observation, the reward, `terminated`, `truncated` and the info.

        Raises:
            ActionError: the action is outside the space, or not a number; nothing has happened then.
            ResetNeeded: before the first `reset`, or after the end of the episode.
        """
        if not self._ready:
            raise ResetNeeded("the episode is over or has not begun; call reset() before step()")
        if self._by_phases:
            return self._step_by_hooks(action)
        if self._count:
            try:
                number = index(action)
            except TypeError:
                number = self._discrete(action)
            if not 0 <= number < self._count:
                self._refuse(action)
            self._actions[0] = number
        else:
            self._actions[:] = self._box(action)
        flat = np.empty(self._width, _FLOAT32)
        try:
            self._advance(self._world, flat, self._report, 0, 1, WHOLE_STEP)
        except errors.ConfigurationError:
            # a component of others said what it may not: half a step is no step
            self._ready = False
            raise
        if self._keeps:
            self._kept += self._action_bytes
        # fmt: off
        (
            reward, equity, cash, value, unrealized, locked, realized, fees, progress, _, step, _, done, fills, rejects,
        ) = REPORT_LAYOUT.unpack(self._report_bytes)
        # fmt: on
        if self._foreign_reward and not isfinite(reward):
            self._ready = False
            seams.refuse_reward(self.engine, 0, reward)
        row = self._first_row + step
        info = {
            "equity": equity,
            "available_cash": cash,
            "position_value": value,
            "unrealized_pnl": unrealized,
            "virtual_time": self._texts[row] or self._clock.at(row),
            "step": step,
            "total_steps": self._total,
            "filled_orders": self._log_fills(fills) if fills else [],
            "progress_pct": progress,
            "locked_cash": locked,
            "realized_pnl": realized,
            "fees_paid": fees,
            "rejected_orders": self._reject_views(rejects) if rejects else [],
        }
        if self._margin:
            info.update(self._margin_info())
        observation = as_dictionary(self.engine, flat) if self._as_dictionary else flat
        if not done and not self._shows:
            return observation, reward, False, False, info
        if done:
            self._end_episode(info)
        if self._shows:
            self.render()
        return observation, reward, done % 2 == 1, done >= 2, info

    def set_steps_per_action(self, steps: int) -> None:
        """Let `steps` candles pass for each action from the next `reset` on, which has to follow."""
        self.engine = Engine(
            dataclasses.replace(self.engine.spec, candles_per_action=steps), interpreted=self.engine.interpreted
        )
        self._seeded = self._ready = False
        self._total = 0
        self._bind()

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which discrete actions can do anything now, bool (n,); everything where the space is not discrete."""
        state = self.engine.state
        masks = self.engine.spec.action_scheme.action_masks(
            state.accounts["cash"], state.accounts["equity"], state.positions["quantity"]
        )
        return np.ones(max(self._count, 1), np.bool_) if masks is None else np.asarray(masks[0])

    def render(self) -> Any:
        """`ansi`: a text; `rgb_array`: uint8 (height, width, 3); `human`: shows it, returns None."""
        from tradeready_gym import rendering

        if self.render_mode is None:
            gymnasium.logger.warn(
                'render() needs render_mode="ansi", "human" or "rgb_array" when the environment is made'
            )
            return None
        if not self._total:
            raise ResetNeeded("there is nothing to render before the first reset()")
        scene = scene_of(self.engine, self._fills)
        if self.render_mode == "ansi":
            return rendering.to_text(scene)
        if self.render_mode == "rgb_array":
            return rendering.draw_frame(scene)
        self._window = rendering.show(scene, self._window)
        return None

    def close(self) -> None:
        """Complete the run in the journal and close the window; closing twice is harmless."""
        if self.tracker is not None:
            self.tracker.complete_run()
        if self._window is not None:
            self._window.close()
            self._window = None

    # ---- the hooks: a subclass that overrides one is honoured, in this order ----

    def _take_action(self, action: Any) -> None:
        """Turn the action into orders, and let them meet the next candle."""
        engine = self.engine
        if not engine.python_scheme:
            self._actions[:] = self._discrete(action) if self._count else self._box(action)
            if self._count and not 0 <= self._actions[0] < self._count:
                self._refuse(action)
        elif not self.action_space.contains(action):
            self._refuse(action)
        seams.act(engine, 0, action)
        # from here on an error leaves half a step behind: the episode cannot go on
        self._ready = False
        seams.trade(engine, 0, self._pay)

    def _next_observation(self) -> Any:
        """What can be seen after the candle."""
        flat = self.engine.new_observations()
        self.engine.advance(self.engine.world, flat, self._report, 0, 1, OBSERVE)
        return flat if self.flatten else as_dictionary(self.engine, flat)

    def _get_reward(self) -> float:
        """The reward of the step."""
        seams.pay(self.engine, 0, self._pay)
        return float(self.engine.state.accounts[0].reward)

    def _done(self) -> tuple[bool, bool]:
        """`terminated` and `truncated`."""
        done = int(self.engine.state.accounts[0].done)
        return done in (1, 3), done >= 2

    def _info(self) -> dict[str, Any]:
        """The info of the step; a Python reward has received this very dict."""
        if self._shown is None:
            self._shown = self._build_info()
        return self._shown

    # ---- inside ----

    def _step_by_hooks(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        account = self.engine.state.accounts[0]
        earned = float(account.reward_sum)
        self._shown = None
        self._take_action(action)
        observation = self._next_observation()
        # what a hook leaves undone is done here: the report is the engine's, whoever observes
        self._refresh_report()
        self._shown = None
        TradingEnvironment._info(self)
        reward = float(self._get_reward())
        if not isfinite(reward):
            seams.refuse_reward(self.engine, 0, reward, f"{type(self).__name__}._get_reward returned")
        if reward != account.reward:
            # a hook that pays otherwise need not know of the engine's books
            account.reward, account.reward_sum = reward, earned + reward
        terminated, truncated = self._done()
        info = self._info()
        self._ready = not account.done
        if account.fills:
            self._log_fills(int(account.fills))
        account.reported = 1
        if terminated or truncated:
            self._end_episode(info)
        if self._shows:
            self.render()
        return observation, float(reward), bool(terminated), bool(truncated), info

    def _pay(self, environment: int) -> Any:
        account = self.engine.state.accounts[0]
        if self._shown is None:
            self._refresh_report()
            self._shown = self._build_info()
        info, self._shown = self._shown, None
        scheme = self.engine.rewards[0]
        paid = scheme.compute(float(account.previous_equity), float(account.equity), info)
        self._shown = info
        return paid

    def _refresh_report(self) -> None:
        self.engine.advance(self.engine.world, self.engine.new_observations(), self._report, 0, 1, OBSERVE)
        self.engine.state.accounts[0].reported = 0

    def _build_info(self) -> dict[str, Any]:
        values = dict(zip(REPORT, REPORT_LAYOUT.unpack(self._report_bytes), strict=True))
        values |= {
            "virtual_time": self._clock.at(self._first_row + values["step"]),
            "total_steps": self._total,
            "filled_orders": self._fill_views(values["fills"]),
            "rejected_orders": self._reject_views(values["rejects"]),
        }
        info = {name: values[name] for name in _INFO}
        return info | self._margin_info() if self._margin else info

    def _margin_info(self) -> dict[str, float]:
        account = self.engine.state.accounts[0]
        return {name: float(account[name]) for name in MARGIN_REPORT}

    def _begin_episode(self) -> None:
        engine, account = self.engine, self.engine.state.accounts[0]
        self._ready = True
        self._total = int(account.end_row - account.start_row)
        self._first_row = int(account.row)
        self._fills, self._kept = [], bytearray()
        engine.history[0, 0, :3] = account.row, account.equity, account.cash
        engine.history[0, 0, 3:] = 0.0
        self.exchange.bind(engine.state, engine.market, self._fills, engine.history)

    def _end_episode(self, info: dict[str, Any]) -> None:
        self._ready = False
        self._episodes += 1
        account = self.engine.state.accounts[0]
        metrics = plain_metrics(EpisodeStatistics.from_records(account), self.engine.market.periods_per_year)
        info["episode_metrics"] = metrics
        if self.tracker is not None:
            kept = kept_actions(self.engine, self._kept) if self._keeps else None
            self.tracker.report_episode(self._episodes, metrics, seed=int(account.seed), kept=kept)

    def _log_fills(self, count: int) -> list[dict[str, Any]]:
        # the log keeps the records: what a user does with an info must not reach it
        self._fills.append(bytes(self._fill_bytes[: count * FILL_DTYPE.itemsize]))
        return fill_views(self._fill_bytes, count, self._symbols, self._clock)

    def _fill_views(self, count: int) -> list[dict[str, Any]]:
        return fill_views(self._fill_bytes, count, self.engine.symbols, self._clock)

    def _reject_views(self, count: int) -> list[dict[str, Any]]:
        return reject_views(self._reject_bytes, count, self.engine.symbols)

    def _discrete(self, action: Any) -> int:
        array = np.asarray(action)
        if array.size != 1 or array.dtype.kind not in "iu":
            self._refuse(action)
        return int(array.reshape(-1)[0])

    def _box(self, action: Any) -> npt.NDArray[np.float64]:
        try:
            array = np.asarray(action, np.float64)
        except (TypeError, ValueError):
            self._refuse(action)
        if array.shape != self.action_space.shape or not np.isfinite(array).all():
            self._refuse(action)
        if isinstance(self.action_space, spaces.MultiDiscrete) and not _within(array, self.action_space.nvec):
            self._refuse(action)
        return array

    def _refuse(self, action: Any) -> None:
        raise errors.ActionError(
            f"an action must be in {self.action_space}; got {action!r} of type {type(action).__name__}. "
            f"Nothing has been done: step again with a legal action"
        )


def _within(numbers: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]) -> bool:
    return bool(((numbers >= 0.0) & (numbers < counts) & (numbers == np.floor(numbers))).all())
