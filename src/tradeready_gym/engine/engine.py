"""The engine: the arrays of N environments, and the step that moves them."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.actions import CustomActionScheme
from tradeready_gym.engine.cache import is_ours
from tradeready_gym.engine.fuse import FusedStep, fuse, no_action, no_pay, no_slippage
from tradeready_gym.engine.records import HISTORY, REPORT, SEGMENT_DTYPE, SETTINGS_DTYPE
from tradeready_gym.engine.spans import episode_span
from tradeready_gym.engine.spec import EngineSpec
from tradeready_gym.engine.world import addresses, interpreted_world, plain
from tradeready_gym.exchanges import CustomSlippage
from tradeready_gym.exchanges.plain import is_plain
from tradeready_gym.exchanges.slippage import bounded_slippage
from tradeready_gym.exchanges.state import AccountState
from tradeready_gym.features import FeaturePipeline
from tradeready_gym.features.account import POSITION, account_codes
from tradeready_gym.ledger.columns import Columns, column_length
from tradeready_gym.market import DataReplayer
from tradeready_gym.rewards import CustomReward

_SEED_MASK = (1 << 64) - 1
# orders that a person may submit between two steps of a single environment
_SPARE = 512
_REBUILT = ("world", "advance", "_fused", "_plain_fills", "_plain_rejects", "actions")


class Engine:
    """N accounts over one market, stepped by one compiled function.

    The engine knows nothing of Gymnasium: it takes float64 actions of shape (N, A), and writes float32 observations of
    shape (N, width) and a report of shape (len(REPORT), N or more).
    """

    def __init__(
        self, spec: EngineSpec, environments: int = 1, *, next_step_reset: bool = False, interpreted: bool = False
    ) -> None:
        self.spec = spec
        self.environments = environments
        self.interpreted = interpreted
        self.next_step_reset = next_step_reset
        self.symbols = spec.exchange.symbols
        self._load()
        self._allocate()
        self._compile()

    # ---- building ----

    def _load(self) -> None:
        spec, exchange = self.spec, self.spec.exchange
        day_bars = max(1, 86_400 // exchange.timeframe.seconds)
        model = exchange.slippage
        day = day_bars + int(model.uses_volatility) if model.uses_last_day else 1
        wanted = spec.lookback_window + _declared_warmup(spec.features)
        replayers = exchange.load(spec.start_time, spec.end_time, max(wanted, day))
        columns = set(replayers[0].candles.columns).intersection(*(r.candles.columns for r in replayers[1:]))
        features = spec.features
        self.pipeline = (
            features if isinstance(features, FeaturePipeline) else FeaturePipeline(features, columns=columns)
        )
        self.replayers = replayers
        tables = [self.pipeline.build(replayer.candles) for replayer in replayers]
        segments = np.zeros(len(replayers), SEGMENT_DTYPE)
        self.offsets: list[int] = []
        offset = 0
        for place, replayer in enumerate(replayers):
            history = max(spec.lookback_window + self.pipeline.warmup_on(replayer.candles), day)
            first, last = episode_span(replayer, spec.start_time, spec.end_time, history, spec.episode_length)
            segments[place] = (first + offset, last + offset, last + offset)
            self.offsets.append(offset)
            offset += len(replayer)
        self.segments = segments
        self.market = DataReplayer.join(replayers)
        self.rows, self.times = self.market.rows, self.market.times
        self.funding = spec.exchange.funding_table(self.market)
        for segment in segments:
            spec.exchange.check_funding(self.market, int(segment["first_row"]), int(segment["end_row"]))
        table = tables[0] if len(tables) == 1 else np.concatenate(tables, axis=1)
        self.table = np.ascontiguousarray(table).reshape(-1)

    def _allocate(self) -> None:
        spec, n, symbols = self.spec, self.environments, len(self.symbols)
        scheme, model, reward = spec.action_scheme, spec.exchange.slippage, spec.reward_scheme
        self.costs = spec.exchange.costs_record()
        self.instruments = spec.exchange.instrument_records()
        self.python_scheme = isinstance(scheme, CustomActionScheme)
        self.python_slippage = isinstance(model, CustomSlippage)
        self.python_reward = isinstance(reward, CustomReward)
        # whether the step has to stop at a seam
        self.python_parts = self.python_scheme or self.python_slippage or self.python_reward
        # a reward that others compiled may pay what is no number; one in plain Python is looked at where it pays
        self.foreign_reward = not self.python_reward and reward.kernel is not None and not is_ours(reward.kernel)
        self.lockstep = self._moves_in_lockstep()
        # what every account in lockstep looks at in every step, without the rest of the candles
        self._closes = np.ascontiguousarray(self.rows["close"]).reshape(-1) if self.lockstep else np.zeros(0)
        market_only = not scheme.rests and n > 1
        self.state = AccountState.create(
            environments=n,
            symbols=symbols,
            open_orders=1 if market_only else spec.exchange.max_open_orders,
            orders_per_action=scheme.orders_per_action(symbols),
            candles_per_action=spec.candles_per_action,
            spare=_SPARE if n == 1 else 1,
            columns=self.lockstep,
        )
        self.state.accounts["starting_balance"] = spec.exchange.starting_balance
        self.state.accounts["episode"] = -1
        settings = np.zeros(1, SETTINGS_DTYPE)
        settings["symbols"] = symbols
        settings["rows"] = len(self.times)
        settings["features"] = self.pipeline.width
        settings["lookback"] = spec.lookback_window
        settings["candle_length"] = self.market.timeframe.microseconds
        settings["episode_length"] = spec.episode_length or 0
        settings["candles_per_action"] = spec.candles_per_action
        settings["gymnasium_end"] = int(spec.episode_end == "gymnasium")
        settings["next_step_reset"] = int(self.next_step_reset)
        settings["keep_history"] = int(n == 1)
        settings["max_loss"] = spec.max_loss
        codes = _engine_codes(self.pipeline.account_features, symbols)
        self.window_width = symbols * spec.lookback_window * self.pipeline.width
        self.width = self.window_width + len(codes)
        settings["width"] = self.width
        self.settings = settings
        self.codes = codes
        numbers = (scheme.parameters, bounded_slippage(model)[1], reward.parameters)
        self.parameters = [_numbers(part) for part in numbers]
        space = scheme.action_space(symbols)
        self._column = 1 if n == 1 else column_length(n)
        self.memory = np.zeros((reward.memory_size, self._column))
        self._action_columns = np.zeros((max(1, int(np.prod(space.shape or (1,)))), self._column))
        longest = int((self.segments["end_row"] - self.segments["first_row"]).max())
        steps = (spec.episode_length or longest) if n == 1 else 0
        self.history = np.zeros((n, steps + 1, len(HISTORY) + symbols))
        self.schemes: list[CustomActionScheme] = []
        self.rewards: list[CustomReward] = []
        if isinstance(scheme, CustomActionScheme):
            self.schemes = [copy.deepcopy(scheme) for _ in range(n)]
        if isinstance(reward, CustomReward):
            self.rewards = [copy.deepcopy(reward) for _ in range(n)]
        # a single environment quotes by the exchange's own, so that a person's orders meet the same model
        self.slippages: list[CustomSlippage] = []
        if isinstance(model, CustomSlippage):
            self.slippages = [model] if n == 1 else [copy.deepcopy(model) for _ in range(n)]

    def _compile(self) -> None:
        spec, model = self.spec, self.spec.exchange.slippage
        self._fused: FusedStep = fuse(
            _kernel_of(spec.action_scheme, no_action if self.python_scheme else None),
            _kernel_of(model, no_slippage if self.python_slippage else bounded_slippage(model)[0]),
            _kernel_of(spec.reward_scheme, no_pay if self.python_reward else None),
            self.interpreted,
            spec.exchange.account is not None,
            self.lockstep,
            self.lockstep and is_plain(self.costs, self.instruments),
        )
        # (N, A) to everybody but the step
        self.actions = self._action_columns[:, : self.environments].T
        arrays = self._arrays()
        self._plain_fills, self._plain_rejects = plain(self.state.fills), plain(self.state.rejects)
        if self.interpreted:
            self.world: Any = interpreted_world(arrays)
            # 64-bit counters wrap around on purpose, which NumPy's scalars report
            self.advance = np.errstate(over="ignore")(self._fused.advance)
        else:
            self.world = addresses(arrays)
            self.advance = self._fused.advance

    def _moves_in_lockstep(self) -> bool:
        # what most train on; see lockstep
        spec = self.spec
        return (
            self.environments > 1
            and len(self.symbols) == 1
            and not spec.action_scheme.rests
            and spec.action_scheme.orders_per_action(1) == 1
            and spec.candles_per_action == 1
            and not self.python_parts
            and not self.interpreted
            and spec.exchange.account is None
        )

    def _arrays(self) -> dict[str, Any]:
        state = self.state
        return {
            "rows": self.rows,
            "closes": self._closes,
            "table": self.table,
            "account_features": self.codes,
            "settings": self.settings,
            "segments": self.segments,
            "costs": self.costs,
            "funding": self.funding,
            "instruments": self.instruments,
            "accounts": state.accounts,
            "positions": state.positions,
            "book": state.book,
            "orders": state.orders,
            "fills": state.fills,
            "rejects": state.rejects,
            "memory": self.memory,
            "action_parameters": self.parameters[0],
            "slippage_parameters": self.parameters[1],
            "reward_parameters": self.parameters[2],
            "actions": self._action_columns,
            "history": self.history,
        }

    def __getstate__(self) -> dict[str, Any]:
        # compiled functions are found again by their kernels, the world is rebuilt over the copied arrays
        return {name: value for name, value in self.__dict__.items() if name not in _REBUILT}

    def __deepcopy__(self, memo: dict[int, Any]) -> "Engine":
        for shared in (self.rows, self.times, self._closes, self.table, self.funding, self.spec.exchange.data):
            memo.setdefault(id(shared), shared)
        other = Engine.__new__(Engine)
        memo[id(self)] = other
        other.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return other

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._compile()

    # ---- running ----

    def new_observations(self) -> npt.NDArray[np.float32]:
        """Room for the observations of all environments, one after the other, shape (N x width,)."""
        return np.empty(self.environments * self.width, np.float32)

    def new_report(self) -> npt.NDArray[np.float64]:
        """Room for the report of all environments, shape (len(REPORT), N or more); its counts are int64 in the same cells.

        A step in lockstep leaves `done`, `fills` and `rejects` out: they stand in the accounts.
        """
        return np.empty((len(REPORT), self._column))

    def take_choices(self, choices: npt.NDArray[np.int64], count: int) -> bool:
        """Make `choices`, shape (N,), the actions of the next step; False, and nothing is done, if one is not in [0, count)."""
        return self._fused.take_choices(choices, count, self.actions)

    def collect(self, records: str) -> npt.NDArray[Any]:
        """The "fills" or "rejects" of all environments since their last action, one after the other, `env` filled in."""
        source = self._plain_fills if records == "fills" else self._plain_rejects
        counts = np.ascontiguousarray(self.state.accounts[records])
        holders = np.empty(self.environments, np.int64)
        gathered = np.empty(self._fused.find_holders(counts, holders), source.dtype)
        if isinstance(source, Columns):
            cells = gathered.view(np.int64).reshape(-1, len(source.names))
            self._fused.collect(source.cells.view(np.int64), counts, holders, cells)
        elif self.interpreted:
            self._fused.collect(source.view(np.recarray), counts, holders, gathered.view(np.recarray))
        else:
            self._fused.collect(source, counts, holders, gathered)
        return gathered

    def seed(self, seeds: Sequence[int | None]) -> None:
        """Give environments a new seed; their next episode is number 0 of it. None leaves one as it is."""
        for i, seed in enumerate(seeds):
            if seed is not None:
                self.state.accounts[i].seed = np.uint64(int(seed) & _SEED_MASK)
                self.state.accounts[i].episode = -1

    def restart(
        self, mask: npt.NDArray[np.bool_], observations: npt.NDArray[np.float32], report: npt.NDArray[np.float64]
    ) -> None:
        """Begin the next episode of the environments in `mask`; write their observations and report."""
        with np.errstate(over="ignore"):
            self._fused.restart(self.world, observations, report, 0, self.environments, mask)
        for i in np.flatnonzero(mask) if self.schemes else ():
            self.schemes[i].reset()
        for i in np.flatnonzero(mask) if self.rewards else ():
            self.rewards[i].reset()
        for i in np.flatnonzero(mask) if self.slippages else ():
            self.slippages[i].reset()

    def segment_of(self, row: int) -> tuple[DataReplayer, int]:
        """The data set that a row of the concatenated market belongs to, and the row within it."""
        place = int(np.searchsorted(self.offsets, row, side="right")) - 1
        return self.replayers[place], row - self.offsets[place]


def _declared_warmup(features: FeaturePipeline | tuple[Any, ...]) -> int:
    if isinstance(features, FeaturePipeline):
        return features.warmup_bars
    from tradeready_gym.features.registry import as_feature

    warmups = [0]
    for item in features:
        try:
            warmups.append(as_feature(item, ()).warmup_bars)
        except (KeyError, ValueError):
            # an account scalar, or a column of data that is not loaded yet; the pipeline itself is strict
            continue
    return max(warmups)


def _engine_codes(names: Sequence[str], symbols: int) -> npt.NDArray[np.int64]:
    codes: list[int] = []
    for code in account_codes(names):
        codes.extend(range(3, 3 + symbols) if code == POSITION and symbols > 1 else [int(code)])
    return np.array(codes, np.int64)


def _numbers(parameters: Sequence[float]) -> npt.NDArray[np.float64]:
    # compiled code reads the first one ahead of time
    return np.array(parameters or (0.0,), np.float64)


def _kernel_of(part: Any, stand_in: Any) -> Any:
    if stand_in is not None:
        return stand_in
    if part.kernel is None:
        raise TypeError(
            f"{type(part).__name__} needs a kernel, or derive it from CustomReward, CustomActionScheme or CustomSlippage "
            f"to write it in plain Python"
        )
    return part.kernel
