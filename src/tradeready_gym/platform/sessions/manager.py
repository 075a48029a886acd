"""Sessions in memory and in the database: woken when somebody asks, put to sleep when nobody does.

What a client does is in the journal before it is acknowledged, in the same transaction that moves the session's row on. A
session that is not in memory, or that another process has moved, is brought up to date by replaying the journal.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import Connection, Row

from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.market import Timeframe
from tradeready_gym.platform import clock
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.errors import BadRequest, Conflict, PlatformError
from tradeready_gym.platform.events import Events
from tradeready_gym.platform.sessions import store
from tradeready_gym.platform.sessions.markets import Markets, fingerprint, require_grid
from tradeready_gym.platform.sessions.results import (
    conclusion,
    progress,
    snapshot_rows,
    stored_every,
    trade_rows,
)
from tradeready_gym.platform.sessions.session import Entry, OrderRecord, Session, Stepped
from tradeready_gym.platform.sessions.slots import Slot, Slots
from tradeready_gym.platform.settings import Settings

DEFAULT_FEE_RATE = 0.001
_ATTEMPTS = 20

Result = TypeVar("Result")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Plan:
    """A backtest as it is asked for. Times are microseconds; no pairs means every symbol that the server has."""

    start_time: int
    end_time: int
    starting_balance: Decimal
    timeframe: Timeframe
    pairs: tuple[str, ...] | None = None
    strategy_label: str = "default"
    agent_id: str | None = None
    fee_rate: Decimal | None = None


class SessionManager:
    """The backtest sessions of one server process; every method may be called from any thread.

    Methods that take an account and a session raise `NotFound` (BACKTEST_NOT_FOUND) for another account's session as for
    one that does not exist.
    """

    def __init__(self, settings: Settings, database: Database, events: Events) -> None:
        self.settings, self.database, self.events = settings, database, events
        self.markets = Markets(settings.home)
        self._slots = Slots(settings.limits.open_sessions, settings.idle_seconds)

    def close(self) -> None:
        """Put all sessions to sleep."""
        self._slots.clear()

    @property
    def awake(self) -> int:
        """How many sessions are in memory."""
        return len(self._slots)

    # ---- what a client does ----

    def create(self, account_id: str, plan: Plan) -> Row[Any]:
        """Add a session; its candles are looked up now, so that what is missing is said now.

        Raises:
            BadRequest: BACKTEST_NO_DATA.
            Invalid: a time off the grid.
        """
        pairs = plan.pairs or self._all_pairs(plan)
        self.markets.replayer(pairs, plan.timeframe, plan.start_time, plan.end_time)
        session_id = str(uuid.uuid4())
        values = {
            "id": session_id,
            "account_id": account_id,
            "agent_id": plan.agent_id,
            "strategy_label": plan.strategy_label,
            "start_time": plan.start_time,
            "end_time": plan.end_time,
            "candle_interval": plan.timeframe.seconds,
            "starting_balance": format(plan.starting_balance, "f"),
            "fee_rate": None if plan.fee_rate is None else format(plan.fee_rate, "f"),
            "pairs": json.dumps(pairs),
            "total_steps": (plan.end_time - plan.start_time) // plan.timeframe.microseconds,
        }
        with self.database.write() as connection:
            store.add(connection, values)
            row = store.find(connection, account_id, session_id)
        self.events.publish(account_id, "backtest", session_id)
        return row

    def start(self, account_id: str, session_id: str) -> None:
        """Begin: the clock stands at `start_time`.

        Raises:
            Conflict: it has been started.
        """
        with self._held(account_id, session_id) as slot:
            session, row = self._current(slot, account_id, session_id)
            _require_status(row, "created")
            entry = Entry("start", {"candles": fingerprint(session.account.replayer, row.start_time)})
            moment = clock.now()
            if not self._save(slot, session, entry, row.current_step, {"status": "running", "started_at": moment}):
                raise _changed(session_id)

    def step(
        self, account_id: str, session_id: str, candles: int, view: Callable[[Session, Stepped], Result]
    ) -> Result:
        """Go on by so many candles, or to the end, which completes the session.

        Raises:
            Conflict: it is not running.
        """
        return self._change(
            account_id, session_id, Entry("step", {"steps": candles}), lambda session: session.step(candles), view
        )

    def submit(
        self, account_id: str, session_id: str, body: dict[str, Any], view: Callable[[Session, OrderRecord], Result]
    ) -> Result:
        """Submit an order (see `Session.submit`).

        Raises:
            Conflict: the session is not running.
            BadRequest: the account cannot pay for the order.
        """
        return self._change(account_id, session_id, Entry("order", body), lambda session: session.submit(body), view)

    def cancel_order(self, account_id: str, session_id: str, order_id: int) -> bool:
        """Take a resting order back; False if it does not rest."""
        entry = Entry("cancel_order", {"order_id": order_id})
        return self._change(
            account_id, session_id, entry, lambda session: session.cancel_order(order_id), lambda _, done: done
        )

    def cancel(self, account_id: str, session_id: str) -> Row[Any]:
        """End a session early; nothing is sold.

        Raises:
            Conflict: it has ended.
        """
        with self._held(account_id, session_id) as slot:
            session, row = self._current(slot, account_id, session_id)
            _require_status(row, "running", "created")
            values = {**progress(session), "status": "cancelled", "completed_at": clock.now()}
            with self.database.write() as connection:
                if not store.change(connection, session_id, _as_it_is(row), values):
                    raise _changed(session_id)
                _save_ended(connection, session)
                row = store.find(connection, account_id, session_id)
        self.events.publish(account_id, "backtest", session_id)
        return row

    def look(self, account_id: str, session_id: str, view: Callable[[Session], Result]) -> Result:
        """What `view` sees of the session as it is now, also after its end."""
        with self._held(account_id, session_id) as slot:
            return view(self._current(slot, account_id, session_id)[0])

    def equity_curve(self, account_id: str, session_id: str, every: int) -> list[dict[str, Any]]:
        """The equity curve, as the columns of `backtest_snapshots`: the start, every so many steps, the last step."""
        with self.database.read() as connection:
            row = store.find(connection, account_id, session_id)
            saved = [dict(point._mapping) for point in store.snapshots(connection, session_id)]
        if not saved or stored_every(row.current_step) > 1:
            try:
                return self.look(account_id, session_id, lambda session: snapshot_rows(session, every))
            except PlatformError:
                # the candles are gone; what was stored of the curve is still there
                if not saved:
                    raise
        return [point for point in saved if point["number"] % every == 0 or point is saved[-1]]

    def trades(self, account_id: str, session_id: str, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """A page of a running session's trades, as the columns of `backtest_trades`, and how many there are."""
        rows = self.look(account_id, session_id, trade_rows)
        return rows[offset : offset + limit], len(rows)

    # ---- how it is kept ----

    @contextmanager
    def _held(self, account_id: str, session_id: str) -> Iterator[Slot]:
        # before anything is woken, or put to sleep for it: a stranger's questions cost the owner nothing
        if not self._slots.has(session_id, account_id):
            with self.database.read() as connection:
                store.find(connection, account_id, session_id)
        with self._slots.held(session_id) as slot:
            yield slot

    def _change(
        self,
        account_id: str,
        session_id: str,
        entry: Entry,
        act: Callable[[Session], Outcome],
        view: Callable[[Session, Outcome], Result],
    ) -> Result:
        for _ in range(_ATTEMPTS):
            with self._held(account_id, session_id) as slot:
                session = self._running(slot, account_id, session_id, writes=entry.kind == "step")
                before = session.account.steps
                outcome = act(session)
                # cancelling what does not rest has changed nothing
                if outcome is False:
                    return view(session, outcome)
                taken = entry if entry.kind != "step" else Entry("step", {"steps": session.account.steps - before})
                if not self._save(slot, session, taken, before, {}):
                    continue
                result = view(session, outcome)
            self.events.publish(account_id, "backtest", session_id)
            return result
        raise _changed(session_id)

    def _save(self, slot: Slot, session: Session, entry: Entry, before: int, values: dict[str, Any]) -> bool:
        status = "created" if entry.kind == "start" else "running"
        expected = {"journal_length": session.length, "current_step": before, "status": status}
        joins, tail = session.joins(entry), session.tail
        ends = entry.kind == "step" and session.is_complete
        session.count(entry)
        values = {**values, **progress(session), "journal_length": session.length}
        if ends:
            values |= {**conclusion(session), "status": "completed", "completed_at": clock.now()}
        with self.database.write() as connection:
            if not store.change(connection, session.id, expected, values):
                slot.session = None
                return False
            if joins:
                store.rewrite(connection, session.id, session.length - 1, {"steps": tail + entry.body["steps"]})
            else:
                store.append(connection, session.id, session.length - 1, entry.kind, entry.body)
            if ends:
                _save_ended(connection, session)
        return True

    def _running(self, slot: Slot, account_id: str, session_id: str, *, writes: bool) -> Session:
        session = slot.session
        # what writes for certain learns from the database if somebody else did; a refusal has to be up to date by itself
        if writes and session is not None and session.account_id == account_id and not session.is_complete:
            return session
        session, row = self._current(slot, account_id, session_id)
        _require_status(row, "running")
        return session

    def _current(self, slot: Slot, account_id: str, session_id: str) -> tuple[Session, Row[Any]]:
        with self.database.read() as connection:
            row = store.find(connection, account_id, session_id)
            session = slot.session or self._wake(row)
            if (session.length, session.account.steps) != (row.journal_length, row.current_step):
                self._catch_up(connection, session, row)
            slot.session = session
        return session, row

    def _wake(self, row: Row[Any]) -> Session:
        # one that was stepped over REST may be an episode too, and has a journal
        if row.run_id is not None and row.status == "completed" and row.journal_length == 0:
            raise Conflict(
                f"backtest {row.id} is an episode of training that was played again: it has results, and no sandbox",
                code="BACKTEST_INVALID_STATE",
                current_status=row.status,
                required_status="running",
            )
        pairs, timeframe = tuple(json.loads(row.pairs)), timeframe_of(row.candle_interval)
        replayer = self.markets.replayer(pairs, timeframe, row.start_time, row.end_time)
        exchange = SimulatedExchange(
            replayer.candles,
            symbols=pairs,
            timeframe=timeframe,
            starting_balance=float(row.starting_balance),
            fee_rate=DEFAULT_FEE_RATE if row.fee_rate is None else float(row.fee_rate),
        )
        return Session(row.id, row.account_id, exchange, replayer, replayer.row_at(row.start_time))

    def _catch_up(self, connection: Connection, session: Session, row: Row[Any]) -> None:
        first = session.length - 1 if session.tail else session.length
        for seq, kind, body in store.journal(connection, session.id, first):
            entry = Entry(kind, body)  # type: ignore[arg-type]
            if kind == "start":
                _require_same_candles(session, row, body)
            if seq < session.length:
                grown = body.get("steps", 0) - session.tail
                entry = Entry("step", {"steps": grown})
                if grown <= 0:
                    continue
            session.replay(entry)
            session.count(entry)

    def _all_pairs(self, plan: Plan) -> tuple[str, ...]:
        require_grid("start_time", plan.start_time, plan.timeframe)
        require_grid("end_time", plan.end_time, plan.timeframe)
        pairs = tuple(self.markets.symbols(plan.timeframe, plan.start_time, plan.end_time))
        if not pairs:
            start, end = clock.iso(plan.start_time), clock.iso(plan.end_time)
            raise BadRequest(
                f"this server has no {plan.timeframe} candles of any symbol for {start} .. {end} and the 24 h before; "
                f"name pairs to learn what it has of them",
                code="BACKTEST_NO_DATA",
                start_time=start,
                end_time=end,
            )
        return pairs


def timeframe_of(seconds: int) -> Timeframe:
    """The timeframe of a candle of so many seconds; raises `DataError` if there is none."""
    return Timeframe.from_microseconds(seconds * 1_000_000)


def _save_ended(connection: Connection, session: Session) -> None:
    store.save_trades(connection, trade_rows(session))
    store.save_snapshots(connection, snapshot_rows(session, stored_every(session.account.steps)))


def _as_it_is(row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("journal_length", "current_step", "status")}


def _require_status(row: Row[Any], *allowed: str) -> None:
    if row.status not in allowed:
        raise Conflict(
            f"backtest {row.id} is {row.status}; it has to be {' or '.join(allowed)} for this",
            code="BACKTEST_INVALID_STATE",
            current_status=row.status,
            required_status=allowed[0],
        )


def _require_same_candles(session: Session, row: Row[Any], body: dict[str, Any]) -> None:
    if fingerprint(session.account.replayer, row.start_time) != body["candles"]:
        raise Conflict(
            f"the candles of backtest {row.id} are not those that it began with: the store has changed since. Put them "
            f"back, or begin a new backtest",
            code="BACKTEST_DATA_CHANGED",
            session_id=row.id,
        )


def _changed(session_id: str) -> Conflict:
    return Conflict(
        f"backtest {session_id} is being changed by somebody else at the same time; try again",
        code="BACKTEST_BUSY",
        session_id=session_id,
    )
