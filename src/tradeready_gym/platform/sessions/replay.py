"""An episode of training, kept as its seed and actions, played again into a finished backtest.

Candles come from the server, and may not be those that the episode was trained on: a replay that does not end where the
episode ended is refused, never shown.
"""

import ast
import json
import math
import uuid
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Row, insert, select

from tradeready_gym.actions.registry import ACTION_SCHEMES
from tradeready_gym.errors import ActionError, ConfigurationError, DataError
from tradeready_gym.evaluation import EpisodeStatistics, plain_metrics
from tradeready_gym.exchanges.slippage import SLIPPAGE_MODELS
from tradeready_gym.market import DataReplayer, Timeframe, format_time, parse_time
from tradeready_gym.orders import FILL_DTYPE, SIDE_NAMES, TYPE_NAMES
from tradeready_gym.platform import clock
from tradeready_gym.platform.database.tables import backtests, episode_actions, training_episodes, training_runs
from tradeready_gym.platform.errors import Conflict, Invalid, NotFound
from tradeready_gym.platform.sessions import store
from tradeready_gym.platform.sessions.results import conclusion, progress, snapshot_rows, stored_every, trade_rows
from tradeready_gym.platform.state import Platform
from tradeready_gym.tracking import Kept

# what a recorded figure may have lost on its way through text
_SAME = 1e-9
_LONGEST_PART = 10_000  # a component in text; the parser of a deeper one runs out of stack
_LATEST_TIME = parse_time("9999-01-01T00:00:00Z")


def keep_actions(connection: Connection, run_id: str, episode_number: int, kept: Kept) -> None:
    """Keep what an episode can be played from; the caller has made sure whose run it is."""
    values = {"run_id": run_id, "episode_number": episode_number, "actions": kept.pack()}
    connection.execute(insert(episode_actions).values(**values))


def replay_episode(platform: Platform, account_id: str, run_id: str, episode_number: int) -> str:
    """The id of the finished backtest that the episode is; played when it is first asked for.

    Raises:
        NotFound: the account has no such episode (EPISODE_NOT_FOUND), or its actions were not kept (EPISODE_NOT_KEPT).
        BadRequest: BACKTEST_NO_DATA: the server has no candles for it.
        Conflict: EPISODE_NOT_REPRODUCED: it was made of parts or candles that the server does not have.
    """
    with platform.database.read() as connection:
        known = _played(connection, account_id, run_id, episode_number)
        if known is not None:
            return known
        run, episode, packed = _recorded(connection, account_id, run_id, episode_number)
    config = json.loads(run.config)
    try:
        kept = Kept.unpack(packed)
    except ValueError as error:
        raise _not_reproduced(str(error)) from error
    outcome = _play(platform, config, kept, int(episode.seed or 0))
    _require_same_end(episode, outcome)
    with platform.database.write() as connection:
        known = _played(connection, account_id, run_id, episode_number)
        if known is None:
            known = outcome.id
            _save(connection, run, episode_number, config, outcome)
    platform.events.publish(account_id, "backtest", known)
    return known


class Outcome:
    """An environment's finished episode with the face of a session's account."""

    def __init__(self, env: Any, replayer: DataReplayer) -> None:
        self.id, self.account = str(uuid.uuid4()), self
        self.symbols: tuple[str, ...] = env.exchange.symbols
        self.replayer, self.record = replayer, env.engine.state.accounts[0]
        shown = env.exchange.performance
        self.curve = np.column_stack([shown[name] for name in ("row", "equity", "cash", "position_value")])
        self.steps = len(self.curve) - 1
        self.fills = np.zeros(len(env.exchange.trades), FILL_DTYPE)
        for fill, trade in zip(self.fills, env.exchange.trades, strict=True):
            self._write(fill, trade)

    def _write(self, fill: Any, trade: dict[str, Any]) -> None:
        for name in ("order_id", "quantity", "price", "fee", "realized_pnl"):
            fill[name] = trade[name]
        fill["symbol"], fill["slippage"] = self.symbols.index(trade["symbol"]), trade["slippage_pct"] / 100.0
        fill["side"] = next(code for code, name in SIDE_NAMES.items() if name == trade["side"])
        fill["kind"] = next(code for code, name in TYPE_NAMES.items() if name == trade["type"])
        fill["row"] = self.replayer.row_at(parse_time(trade["filled_at"]))

    def time_of(self, row: int) -> int:
        """The clock at which the candle of this row begins."""
        return int(self.replayer.times[0]) + row * self.replayer.timeframe.microseconds

    def metrics(self) -> dict[str, float | int | None]:
        """The metrics of `tradeready_gym.evaluation`."""
        return plain_metrics(EpisodeStatistics.from_records(self.record), self.replayer.timeframe.periods_per_year)


def _play(platform: Platform, config: dict[str, Any], kept: Kept, seed: int) -> Outcome:
    from tradeready_gym.registration import make_environment

    try:
        timeframe, symbols = Timeframe.parse(config["timeframe"]), _symbols(config["symbols"])
        candles_per_action = int(config.get("steps_per_action", 1))
        end = _end(kept, candles_per_action, timeframe)
        parts = {
            "action_scheme": _component(config["action_scheme"], ACTION_SCHEMES),
            "slippage": _component(config["slippage"], SLIPPAGE_MODELS),
        }
        if seed < 0:
            raise ValueError(f"a seed is not negative; got {seed}")
        if config["account"] != "spot":
            raise ValueError("it traded on a margin account")
        # a journal of an earlier version has the rate alone
        costs = {name: config[name] for name in ("starting_balance", "fill_at")} | {
            "fee_rate": config["fees"] if "fees" in config else config["fee_rate"]
        }
        costs |= {name: config[name] for name in ("max_volume_share", "max_loss") if name in config}
    except (KeyError, ValueError, TypeError, SyntaxError, OverflowError, RecursionError, MemoryError) as error:
        raise _not_reproduced(f"its run does not say what it was made of: {error}") from error
    try:
        replayer = platform.sessions.markets.replayer(symbols, timeframe, kept.start_time, end)
        env = make_environment(
            pairs=symbols,
            data=replayer.candles,
            timeframe=timeframe.label,
            start_time=format_time(kept.start_time),
            end_time=format_time(end),
            steps_per_action=candles_per_action,
            lookback_window=1,
            feature_pipeline=("ohlcv",),
            track_training=False,
            **parts,
            **costs,
        )
        env.reset(seed=seed)
        env.engine.state.accounts[0].episode = kept.episode
        _act(env, kept.actions)
    except (Invalid, ConfigurationError, ActionError, DataError, TypeError, ValueError, OverflowError) as error:
        raise _not_reproduced(str(error)) from error
    return Outcome(env, replayer)


def _symbols(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list | tuple) or not names or len({str(name).upper() for name in names}) < len(names):
        raise ValueError(f"its symbols must be a list in which each is once; got {str(names)[:200]}")
    return tuple(map(str, names))


def _end(kept: Kept, candles_per_action: int, timeframe: Timeframe) -> int:
    end = kept.start_time + len(kept.actions) * candles_per_action * timeframe.microseconds
    if not kept.start_time < end < _LATEST_TIME:
        raise ValueError(f"{len(kept.actions)} actions of {str(candles_per_action)[:20]} candles end at no time")
    return end


def _act(env: Any, actions: npt.NDArray[Any]) -> None:
    shape = env.action_space.shape
    if not np.isfinite(actions).all():
        raise ValueError("an action is not a number")
    for number, action in enumerate(actions):
        outcome = env.step(np.asarray(action).reshape(shape) if shape else int(action))
        if (outcome[2] or outcome[3]) and number < len(actions) - 1:
            raise _not_reproduced(f"it has {len(actions)} actions and ended after {number + 1}")


def _component(text: str, known: dict[str, Any]) -> Any:
    # a component prints as the call that rebuilds it; nothing but a known class with literals is ever called
    if len(text) > _LONGEST_PART:
        raise ValueError(f"a component of {len(text):,} characters")
    call = ast.parse(text, mode="eval").body
    classes = {kind.__name__: kind for kind in known.values()}
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in classes):
        raise ValueError(f"{text} is none of {', '.join(sorted(classes))}")
    named = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    return classes[call.func.id](*map(ast.literal_eval, call.args), **named)


def _require_same_end(episode: Row[Any], outcome: Outcome) -> None:
    found = progress(outcome)["roi_pct"]
    if episode.roi_pct is not None and not math.isclose(found, episode.roi_pct, rel_tol=_SAME, abs_tol=_SAME):
        raise _not_reproduced(
            f"played again it ends at {found:.6g} % instead of {episode.roi_pct:.6g} %; the candles are other ones"
        )


def _played(connection: Connection, account_id: str, run_id: str, episode_number: int) -> str | None:
    same = (backtests.c.account_id == account_id) & (backtests.c.run_id == run_id)
    same &= backtests.c.episode_number == episode_number
    return connection.scalar(select(backtests.c.id).where(same).limit(1))


def _recorded(
    connection: Connection, account_id: str, run_id: str, episode_number: int
) -> tuple[Row[Any], Row[Any], bytes]:
    mine = (training_runs.c.id == run_id) & (training_runs.c.account_id == account_id)
    run = connection.execute(select(training_runs).where(mine)).first()
    episodes, kept = training_episodes.c, episode_actions.c
    chosen = select(training_episodes).where(episodes.run_id == run_id, episodes.episode_number == episode_number)
    episode = None if run is None else connection.execute(chosen).first()
    if run is None or episode is None:
        raise NotFound(f"there is no episode {episode_number} of run {run_id}", code="EPISODE_NOT_FOUND")
    packed = connection.scalar(select(kept.actions).where(kept.run_id == run_id, kept.episode_number == episode_number))
    if packed is None:
        raise NotFound(
            f"episode {episode_number} was recorded by its figures, and the actions that it could be played from were not "
            f"kept",
            code="EPISODE_NOT_KEPT",
            run_id=run_id,
            episode_number=episode_number,
        )
    return run, episode, packed


def _save(connection: Connection, run: Row[Any], episode_number: int, config: dict[str, Any], outcome: Outcome) -> None:
    curve, moment = outcome.curve, clock.now()
    times = [outcome.time_of(int(curve[place, 0])) for place in (0, -1)]
    values = {
        "id": outcome.id,
        "account_id": run.account_id,
        "agent_id": run.agent_id,
        "strategy_label": run.strategy_label,
        "start_time": times[0],
        "end_time": times[1],
        "candle_interval": outcome.replayer.timeframe.seconds,
        "starting_balance": str(config["starting_balance"]),
        "fee_rate": str(config["fee_rate"]),
        "pairs": json.dumps(outcome.symbols),
        "total_steps": outcome.steps,
        "run_id": run.id,
        "episode_number": episode_number,
    }
    store.add(connection, values)
    ended = {"status": "completed", "started_at": moment, "completed_at": moment}
    expected = {"journal_length": 0, "status": "created"}
    store.change(connection, outcome.id, expected, {**progress(outcome), **conclusion(outcome), **ended})
    store.save_trades(connection, trade_rows(outcome))
    store.save_snapshots(connection, snapshot_rows(outcome, stored_every(outcome.steps)))


def _not_reproduced(why: str) -> Conflict:
    return Conflict(f"this episode cannot be played again: {why}", code="EPISODE_NOT_REPRODUCED")
