"""A live environment as plain data between two decisions, and one that goes on from it: what a compacted journal begins with."""

import base64
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.live import JournaledFeed
from tradeready_gym.live.snapshot import plain_state, restore_state
from tradeready_gym.orders import FILL_DTYPE

# what a recursive feature has forgotten by then, to the last digit of a double; other features need their warm-up alone
KEPT_CANDLES = 20_000
KEPT_LOOKS = 20  # times what an observation looks back
_RECORDS = ("accounts", "positions", "book", "orders", "fills", "rejects")


def can_be_compacted(env: LiveTradingEnv) -> str | None:
    """Why this environment cannot be written down as it is; None if it can."""
    if env.engine.python_parts:
        return "a component in plain Python keeps a state of its own"
    if not isinstance(env.feed, JournaledFeed):
        return "it has no journal"
    if env.feed.recovering or not env.begun:
        return "its account has not begun, or its journal has not been recovered"
    return None


def compacted(env: LiveTradingEnv, kept_candles: int | None = None) -> LiveTradingEnv:
    """An environment that goes on from here, whose journal has what the account is in the place of how it came to be so.

    It is made from what was written, and must observe and hold what `env` does, to the last digit, before the new file takes the
    old one's place: at once and whole, whenever the machine stops. `env` must not be used afterwards, nor closed. Of the candles
    `kept_candles` stay at least, twenty times what an observation looks back, and three days; of fills and equity those of these
    candles.

    Raises:
        ConfigurationError: it cannot be compacted, or what was read back is another account; everything is as it was.
        OSError: the disk refuses; everything is as it was.
    """
    problem = can_be_compacted(env)
    journaled = env.feed
    if problem is not None or not isinstance(journaled, JournaledFeed):
        raise ConfigurationError(f"the journal cannot be compacted: {problem}")
    env.withdraw()
    first = _first_kept(env, KEPT_CANDLES if kept_candles is None else kept_candles)
    contents = _records(env, journaled, first)
    draft = journaled.journal.draft(contents)
    made = env.sibling(journaled.source, draft)
    made.recover()
    again = made.feed
    same = isinstance(again, JournaledFeed) and _records(made, again, 0) == contents
    if not (same and _sees_the_same(env, made)):
        raise ConfigurationError(
            f"{journaled.journal.path} cannot be compacted: what was read back is another account, or observes otherwise, as with "
            f"a feature that remembers every candle since the first"
        )
    draft.take_place_of(journaled.journal)
    made.tracker, env.tracker = env.tracker, None
    made.interrupted = env.interrupted
    return made


def restore(env: LiveTradingEnv, record: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Make of a new environment what the record of a snapshot says; its observation and info."""
    env.feed.did("snapshot")  # type: ignore[attr-defined]
    engine, room = env.engine, len(env.market_so_far)
    memory = _unpacked(record["memory"], np.float64)
    if memory.size != engine.memory.size:
        raise StoreError(
            f"the snapshot in this journal has {memory.size} numbers of {type(engine.spec.reward_scheme).__name__}, this version "
            f"{engine.memory.size}: go on with the version that wrote it"
        )
    restore_state(engine.state, record["state"], _RECORDS)
    account = engine.state.accounts[0]
    account.end_row = account.data_end_row = room
    engine.memory[...] = memory.reshape(engine.memory.shape)
    engine.history = np.zeros((1, room + 1, engine.history.shape[2]))
    past = _unpacked(record["history"], np.float64).reshape(-1, engine.history.shape[2])
    engine.history[0, : len(past)] = past
    engine.settings["keep_history"] = int(account.start_row >= 1)
    env._own_table()
    for name in env.of_the_session:
        setattr(env, name, record[name])
    env.np_random.bit_generator.state = record["random"]
    env._first_row, env._total = record["first_row"], int(account.end_row - account.start_row)
    env._fills = [fill.tobytes() for fill in _unpacked(record["log"], FILL_DTYPE)]
    env.exchange.bind(engine.state, engine.market, env._fills, engine.history)
    return seen_now(env)


def seen_now(env: LiveTradingEnv) -> tuple[Any, dict[str, Any]]:
    """The observation and the info of now, filled and earned amounts as they were told last; nothing is done by looking."""
    # looking marks what has happened as told
    accounts = env.engine.state.accounts
    kept = np.array(accounts)
    observation = env._next_observation()
    env._refresh_report()
    info = env._live_info(env._build_info(), 0.0, 0, False)
    accounts[...] = kept
    return observation, info


# ---- inside ----


def _first_kept(env: LiveTradingEnv, kept_candles: int) -> int:
    market, day = env.market_so_far, env.market_so_far.day_bars
    looks_back = env.engine.spec.lookback_window + env.engine.pipeline.warmup_bars
    kept = max(kept_candles, KEPT_LOOKS * looks_back, 3 * day)
    # whole days, so that what looks back over a day adds up the same blocks as before
    return max(0, (market.closed - kept) // day * day)


def _records(env: LiveTradingEnv, feed: JournaledFeed, first: int) -> list[dict[str, Any]]:
    market, engine = env.market_so_far, env.engine
    account = engine.state.accounts[0]
    start = int(account.start_row)
    old, new = max(start, 1), max(start - first, 1)
    log = np.frombuffer(b"".join(env._fills), FILL_DTYPE).copy()
    log["row"] -= first
    candles = market.candles_so_far()
    return [
        feed.beginning(candles.between(int(market.times[first]), None)),
        {
            "message": "snapshot",
            "at": market.clock,
            "state": plain_state(engine.state, first, _RECORDS),
            "memory": _packed(engine.memory),
            "history": _packed(_shifted(engine.history[0, new + first - old : account.row - old + 1], first)),
            "log": _packed(log[log["row"] >= 0]),
            "first_row": env._first_row - first,
            "random": env.np_random.bit_generator.state,
            **{name: getattr(env, name) for name in env.of_the_session},
        },
    ]


def _shifted(history: npt.NDArray[np.float64], first: int) -> npt.NDArray[np.float64]:
    moved = history.copy()
    moved[:, 0] -= first
    return moved


def _sees_the_same(env: LiveTradingEnv, made: LiveTradingEnv) -> bool:
    (seen, told), (again, said) = seen_now(env), seen_now(made)
    names = ("equity", "step", "virtual_time", "filled_orders", "rejected_orders")
    if any(told[name] != said[name] for name in names):
        return False
    if isinstance(seen, dict):
        return all(np.array_equal(seen[name], again[name], equal_nan=True) for name in seen)
    return np.array_equal(seen, again, equal_nan=True)


def _packed(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes())).decode("ascii")


def _unpacked(text: str, dtype: Any) -> npt.NDArray[Any]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype)
