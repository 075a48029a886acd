"""Copies of an environment to try things on: silent ones, and twins that live in another future."""

import copy
import dataclasses
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from tradeready_gym.engine import Engine
from tradeready_gym.envs.trading import TradingEnvironment
from tradeready_gym.errors import CheckFailed, ConfigurationError
from tradeready_gym.market import Candles, DataReplayer

Environment = gymnasium.Env[Any, Any]
_LEAVES = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, str, bytes, int, float, np.generic)


def trading_base(env: Environment) -> TradingEnvironment:
    """The `TradingEnvironment` under all wrappers; `ConfigurationError` if there is none."""
    base = getattr(env, "unwrapped", env)
    if not isinstance(base, TradingEnvironment):
        raise ConfigurationError(
            f"a TradingEnvironment is needed, wrapped or not; got {type(base).__name__}. Of a vector environment check a "
            f"single one of the same arguments"
        )
    return base


def silent_copy(env: Environment, replaced: dict[int, Any] | None = None) -> Any:
    """A deep copy with its wrappers that keeps no journal and opens no window; `replaced` maps ids to other objects."""
    memo = dict(replaced or {})
    base = trading_base(env)
    if base.tracker is not None:
        memo[id(base.tracker)] = None
    try:
        twin = copy.deepcopy(env, memo)
    except Exception as error:
        raise CheckFailed(
            f"an environment must survive copy.deepcopy, with everything its subclass and wrappers hold; got {error!r}"
        ) from error
    copied = trading_base(twin)
    if copied.render_mode == "human":
        copied.render_mode = None
        copied._bind()
    return twin


def scrambled_twin(env: Environment, row: int, seed: int) -> Any:
    """A silent copy of `env` on candles that are the same before `row` of the engine's rows and others from it on.

    Everything in the environment's and its wrappers' attributes that is a candle array, a view of one, or a plain copy of
    one series, is exchanged with it. What was copied elsewhere (a closure, a module, a file) is out of reach.
    """
    return _twin(env, row, lambda candles, within: scrambled_candles(candles, within, seed))


def turned_twin(env: Environment, row: int, seed: int) -> Any:
    """The same, but of candle `row` what its market orders may depend on is kept.

    That is the open, whether there is a candle and, with `max_volume_share`, the volume; with `fill_at="close"` the open
    changes, too. Its close lies on the other side of the open (of the close before it), further away.
    """
    exchange = trading_base(env).engine.spec.exchange
    whole, free = exchange.fill_at == "close", exchange.max_volume_share is None
    return _twin(env, row, lambda candles, within: turned_candles(candles, within, seed, whole, free))


def _twin(env: Environment, row: int, change: Callable[[Candles, int], Candles]) -> Any:
    engine = trading_base(env).engine
    chosen, _ = engine.segment_of(row - 1)
    within = row - engine.offsets[engine.replayers.index(chosen)]
    replayers = [DataReplayer(change(old.candles, within)) if old is chosen else old for old in engine.replayers]
    return silent_copy(env, _exchanged(env, engine, replayers))


def turned_candles(candles: Candles, row: int, seed: int, whole: bool, free: bool) -> Candles:
    """Candle `row` mirrored at its open, or if `whole` at the close before; if `free` of another volume; scrambled after it."""
    random = np.random.Generator(np.random.PCG64(seed))
    before = {name: getattr(candles, name)[:, row] for name in ("open", "high", "low", "close", "volume")}
    middle = candles.close[:, row - 1] if whole else before["open"]
    power = random.uniform(1.2, 1.8)
    after = {name: middle * (middle / before[name]) ** power for name in ("open", "high", "low", "close")}
    after["close"] = np.where(after["close"] == middle, middle * np.exp(random.choice([-0.003, 0.003])), after["close"])
    ends = np.stack([after[name] for name in ("open", "high", "low", "close")])
    after |= {"low": ends.min(axis=0), "high": ends.max(axis=0)}
    after["volume"] = before["volume"] * (random.uniform(0.5, 2.0) if free else 1.0)
    gap = candles.gaps[:, row]
    turned: dict[str, Any] = {
        name: _with_row(getattr(candles, name), row, np.where(gap, before[name], after[name])) for name in after
    }
    other = int(random.integers(row, len(candles)))
    columns = {name: _with_row(column, row, column[:, other]) for name, column in candles.columns.items()}
    return scrambled_candles(dataclasses.replace(candles, **turned, columns=columns), row + 1, seed)


def _with_row(series: npt.NDArray[Any], row: int, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    changed = series.copy()
    changed[:, row] = values
    return changed


def scrambled_candles(candles: Candles, row: int, seed: int) -> Candles:
    """The candles before `row`; from it on their moves in another order and a little changed."""
    random = np.random.Generator(np.random.PCG64(seed))
    count = len(candles) - row
    order = row + random.permutation(count)
    before = np.concatenate([candles.close[:, :1], candles.close[:, :-1]], axis=1)[:, order]
    jitter = np.exp(random.uniform(-0.005, 0.005, (len(candles.symbols), count)))
    traded = ~candles.gaps[:, order]
    factors = {
        name: getattr(candles, name)[:, order] / before * np.where(traded, jitter, 1.0)
        for name in ("open", "high", "low", "close")
    }
    level = candles.close[:, row - 1 : row]
    starts = level * np.cumprod(np.concatenate([np.ones_like(level), factors["close"][:, :-1]], axis=1), axis=1)
    values = {
        name: np.concatenate([getattr(candles, name)[:, :row], starts * f], axis=1) for name, f in factors.items()
    }
    volume = np.concatenate([candles.volume[:, :row], candles.volume[:, order] * jitter], axis=1)
    gaps = np.concatenate([candles.gaps[:, :row], candles.gaps[:, order]], axis=1)
    columns = {
        name: np.concatenate([column[:, :row], np.where(np.isnan(column[:, order]), 0.0, column[:, order])], axis=1)
        for name, column in candles.columns.items()
    }
    # a gap is valued at the close before it to the last bit
    for name in ("open", "high", "low", "close"):
        previous = np.concatenate([values["close"][:, :1], values["close"][:, :-1]], axis=1)
        values[name] = np.where(gaps, previous, values[name])
    return Candles(
        candles.symbols,
        candles.timeframe,
        candles.times,
        **values,
        volume=volume,
        gaps=gaps,
        columns=columns,
        source="twin",
    )


def _exchanged(env: Environment, engine: Engine, replayers: list[DataReplayer]) -> dict[int, Any]:
    market = DataReplayer.join(replayers)
    tables = [engine.pipeline.build(replayer.candles) for replayer in replayers]
    table = np.ascontiguousarray(np.concatenate(tables, axis=1)).reshape(-1)
    pairs: list[tuple[Any, Any]] = [(engine.market, market), (engine.rows, market.rows), (engine.table, table)]
    series: list[tuple[Any, Any]] = []
    for old, new in zip(engine.replayers, replayers, strict=True):
        pairs += [
            (old, new),
            (old.rows, new.rows),
            (old.candles, new.candles),
            (old.candles.columns, new.candles.columns),
        ]
        names = ("open", "high", "low", "close", "volume", "gaps")
        pairs += [(getattr(old.candles, name), getattr(new.candles, name)) for name in names]
        pairs += [(column, new.candles.columns[name]) for name, column in old.candles.columns.items()]
        series += [
            (before, after)
            for name in names[:5]
            for before, after in zip(getattr(old.candles, name), getattr(new.candles, name), strict=True)
        ]
    exchanged = {id(old): new for old, new in pairs}
    arrays = [(old, new) for old, new in pairs if isinstance(old, np.ndarray)]
    for found in _arrays_within(env, set(exchanged)):
        other = _counterpart(found, arrays, series)
        if other is not None:
            exchanged[id(found)] = other
    return exchanged


def _arrays_within(root: Any, known: set[int]) -> Iterator[npt.NDArray[Any]]:
    waiting, seen = [root], set(known)
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, _LEAVES) or type(thing).__module__.startswith(("numba", "llvmlite")):
            continue
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            yield thing
        elif isinstance(thing, dict):
            waiting.extend(thing.values())
        elif isinstance(thing, list | tuple | set | frozenset):
            waiting.extend(thing)
        else:
            waiting.extend(getattr(thing, "__dict__", {}).values())


def _counterpart(found: npt.NDArray[Any], arrays: Any, series: Any) -> npt.NDArray[Any] | None:
    low, high = np.lib.array_utils.byte_bounds(found)
    for old, new in arrays:
        first, last = np.lib.array_utils.byte_bounds(old)
        if first <= low and high <= last and found.size:
            offset = found.__array_interface__["data"][0] - old.__array_interface__["data"][0]
            memory = np.ascontiguousarray(new).reshape(-1).view(np.uint8)
            return np.ndarray(found.shape, found.dtype, memory, offset, found.strides).view(type(found))
    if found.ndim == 1 and found.dtype == np.float64:
        for old, new in series:
            if len(found) == len(old) and np.array_equal(found, old):
                return np.array(new)
    return None
