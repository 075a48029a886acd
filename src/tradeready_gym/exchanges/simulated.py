"""The simulated exchange: real or synthetic candles, one account, the engine's own matching."""

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tradeready_gym.errors import ConfigurationError, EpisodeError, UnknownName
from tradeready_gym.exchanges.account import MarginAccount, make_account
from tradeready_gym.exchanges.base import Exchange
from tradeready_gym.exchanges.desk import (
    cancel_resting,
    fill_view,
    finance,
    order_record,
    order_view,
    submit_order,
    value_account,
)
from tradeready_gym.exchanges.fees import FeeSchedule, make_fees
from tradeready_gym.exchanges.matching import match_book
from tradeready_gym.exchanges.quoting import quote_book
from tradeready_gym.exchanges.records import COSTS_DTYPE, INSTRUMENT_DTYPE
from tradeready_gym.exchanges.slippage import SlippageModel, make_slippage
from tradeready_gym.exchanges.state import AccountState
from tradeready_gym.ledger.spot import open_account
from tradeready_gym.ledger.statistics import reset_statistics, update_statistics
from tradeready_gym.market import Candles, DataReplayer, Instrument, Timeframe, format_time, parse_time, resolve
from tradeready_gym.market.funding import HOUR
from tradeready_gym.market.replayer import DAY_MICROSECONDS
from tradeready_gym.market.resolve import symbols_of
from tradeready_gym.orders import FILL_DTYPE, Fill, Order
from tradeready_gym.parameters import is_number

DUST = 1e-9
YEAR_MICROSECONDS = 365.25 * DAY_MICROSECONDS
FILL_AT = ("next_open", "close")
_NO_BOOK = " 'book' belongs to live environments: candles have no order book, so no backtest equals what it fills."


class SimulatedExchange(Exchange):
    """Candles, costs and one account.

    Args:
        data: whatever `tradeready_gym.market.resolve` takes: a frame, a path, a mapping, `Candles`, a list of data sets,
            "sample", "synthetic" or "auto".
        symbols: what is traded; by default what `Candles` hold or a mapping from symbol has, or ("BTCUSDT",).
        timeframe: 1m, 5m, 15m, 30m, 1h, 4h or 1d; by default that of `Candles`, or 1h. Finer data is resampled.
        starting_balance: cash at the beginning, in the quote currency.
        fee_rate: taker fee as a fraction of the traded value; 0 is legal, 0.001 is 0.1 %. A `FeeSchedule`, or a mapping of
            its arguments, adds an amount per fill and a least fee.
        maker_fee_rate: fee of orders that rested before the candle opened; `fee_rate` by default.
        slippage: a `SlippageModel`, its name, a fraction, or None.
        fill_at: "next_open", or "close" (the last visible close: optimistic).
        instruments: filters by symbol (lot size, tick size, minimum notional, largest quantity).
        max_volume_share: the share of a candle's volume that can be filled, or None.
        max_open_orders: places in the book; the legs of a bracket take one each.
        account: "spot", "margin" or a `MarginAccount`: shorts, leverage, interest, funding, liquidation.

    Raises:
        ConfigurationError: an argument is outside its domain.
    """

    def __init__(
        self,
        data: Any = "auto",
        *,
        symbols: Sequence[str] | str | None = None,
        timeframe: str | Timeframe | None = None,
        starting_balance: float = 10_000.0,
        fee_rate: FeeSchedule | Mapping[str, Any] | float = 0.001,
        maker_fee_rate: float | None = None,
        slippage: SlippageModel | str | float | None = "volume_share",
        fill_at: str = "next_open",
        instruments: Mapping[str, Instrument] | None = None,
        max_volume_share: float | None = None,
        max_open_orders: int = 64,
        account: MarginAccount | str | None = "spot",
    ) -> None:
        self.data = data
        self._symbols = _symbols(data, symbols)
        own = data.timeframe if isinstance(data, Candles) else "1h"
        self.timeframe = Timeframe.parse(own if timeframe is None else timeframe)
        self.starting_balance = _positive("starting_balance", starting_balance)
        self._charge(make_fees(fee_rate, maker_fee_rate))
        self.slippage = make_slippage(slippage)
        if fill_at not in FILL_AT:
            raise UnknownName("fill_at", fill_at, FILL_AT, _NO_BOOK if fill_at == "book" else "")
        self.fill_at = fill_at
        self.instruments = dict(instruments or {})
        for symbol in self.instruments:
            if symbol not in self._symbols:
                raise UnknownName("symbol", symbol, self._symbols)
        if max_volume_share is not None and not 0.0 < max_volume_share <= 1.0:
            raise ConfigurationError(f"max_volume_share must be in (0, 1] or None; got {max_volume_share!r}")
        self.max_volume_share = max_volume_share
        if max_open_orders < 1:
            raise ConfigurationError(f"max_open_orders must be at least 1; got {max_open_orders!r}")
        self.max_open_orders = max_open_orders
        self.account = make_account(account)
        self._replayers: dict[tuple[Any, ...], list[DataReplayer]] = {}
        self._state: AccountState | None = None
        self._replayer: DataReplayer | None = None
        self._fills: list[bytes] = []
        self._curve: list[tuple[int, float, float, float]] = []
        self._history: Any = None
        self._funding: tuple[Any, np.ndarray[Any, Any]] | None = None
        if self.account is not None and self.account.funding_history is not None:
            self.account.funding_history.check_symbols(self._symbols)

    def __repr__(self) -> str:
        return (
            f"SimulatedExchange({_short(self.data)}, symbols={self._symbols!r}, timeframe={self.timeframe.label!r}, "
            f"starting_balance={self.starting_balance!r}, fee_rate={self._shown_fees()}, slippage={self.slippage!r}, "
            f"fill_at={self.fill_at!r}{'' if self.account is None else f', account={self.account!r}'})"
        )

    def copy(self) -> "SimulatedExchange":
        """The same market and costs, with no account yet; candles that are loaded are shared."""
        other = copy.copy(self)
        other._state = other._replayer = other._history = None
        other._fills, other._curve = [], []
        other.slippage = copy.deepcopy(self.slippage)
        return other

    def with_costs(self, times: float) -> "SimulatedExchange":
        """A copy on which fees, slippage, interest and liquidation fee are `times` as high; 0 is trading for nothing.

        Funding stays as it is: what longs pay shorts receive, as the market has it.

        Raises:
            ConfigurationError: a rate would leave its domain.
        """
        other = self.copy()
        other._charge(self.fees.scaled(times))
        other.slippage = self.slippage.scaled(times)
        if self.account is not None:
            other.account = dataclasses.replace(
                self.account,
                annual_borrow_rate=times * self.account.annual_borrow_rate,
                liquidation_fee=times * self.account.liquidation_fee,
            )
        return other

    def _charge(self, fees: FeeSchedule) -> None:
        self.fees, self.fee_rate, self.maker_fee_rate = fees, float(fees.rate), fees.maker

    def _shown_fees(self) -> str:
        plain = self.fees == FeeSchedule(self.fees.rate, self.fees.maker_rate)
        return repr(self.fee_rate if plain else self.fees)

    @property
    def symbols(self) -> tuple[str, ...]:
        return self._symbols

    # ---- the market ----

    @property
    def candles(self) -> Candles:
        state, replayer = self._open_state()
        row, whole = int(state.accounts[0].row), [replayer]
        if len(replayer.candles) != len(replayer):  # several data sets, one after the other
            whole = next(iter(self._replayers.values()))
        for one in whole:
            if row <= len(one):
                return one.candles.between(None, one.candles.time_of(row))
            row -= len(one)
        raise EpisodeError("the exchange is behind the end of its data; reset() it")

    def load(self, start: Any = None, end: Any = None, history_bars: int = 0) -> list[DataReplayer]:
        """The replayers of the data sets, with `history_bars` candles before `start`; loaded once."""
        key = (str(start), str(end), history_bars)
        if key not in self._replayers:
            found = resolve(
                self.data,
                symbols=self._symbols,
                timeframe=self.timeframe,
                start=start,
                end=end,
                history_bars=history_bars,
            )
            self._replayers = {key: [DataReplayer(candles) for candles in found]}
        return self._replayers[key]

    def costs_record(self) -> np.ndarray[Any, Any]:
        """What the kernels read of the costs, shape (1,)."""
        record = np.zeros(1, COSTS_DTYPE).view(np.recarray)
        record[0].fee_rate = self.fee_rate
        record[0].maker_fee_rate = self.maker_fee_rate
        record[0].fee_per_trade = self.fees.per_trade
        record[0].fee_minimum = self.fees.minimum
        record[0].slippage_maximum = self.slippage.maximum
        record[0].fill_at_close = int(self.fill_at == "close")
        record[0].max_volume_share = self.max_volume_share or 0.0
        record[0].dust = DUST
        if self.account is not None:
            self._write_margin(record[0], self.account)
        return record

    def _write_margin(self, record: Any, account: MarginAccount) -> None:
        step = self.timeframe.microseconds
        record.leverage = account.leverage
        record.maintenance = account.maintenance
        record.interest_rate = account.annual_borrow_rate * step / YEAR_MICROSECONDS
        record.liquidation_fee = account.liquidation_fee
        record.candle_length = step
        if account.funding_rate is not None and account.funding_history is None:
            record.funding_rate = account.funding_rate
            record.funding_interval = (account.funding_hours or 24) * HOUR

    def funding_table(self, replayer: DataReplayer) -> np.ndarray[Any, Any]:
        """The funding charged at the open of each row, float64[T, S]; without rows unless the account has a history of rates."""
        history = None if self.account is None else self.account.funding_history
        if self.account is None or history is None:
            return np.zeros((0, len(self._symbols)))
        if self._funding is None or self._funding[0] is not replayer.times:
            table = history.table(self._symbols, replayer.times, self.account.funding_hours)
            self._funding = (replayer.times, table)
        return self._funding[1]

    def check_funding(self, replayer: DataReplayer, first: int, last: int) -> None:
        """Raise `DataUnavailable` unless an episode of the rows from `first` to `last` has every funding rate that it may pay."""
        history = None if self.account is None else self.account.funding_history
        if history is not None:
            # at its first row an episode holds nothing
            span = slice(first + 1, last)
            history.refuse_holes(self.funding_table(replayer)[span], replayer.times[span], self._symbols)

    def instrument_records(self) -> np.ndarray[Any, Any]:
        """The filters of each symbol, shape (S,); zeros mean none."""
        records = np.zeros(len(self._symbols), INSTRUMENT_DTYPE).view(np.recarray)
        for j, symbol in enumerate(self._symbols):
            if symbol in self.instruments:
                rule = self.instruments[symbol]
                records[j] = tuple(getattr(rule, name) for name in INSTRUMENT_DTYPE.names or ())
        return records

    # ---- the account ----

    def bind(self, state: AccountState, replayer: DataReplayer, fills: list[bytes], history: Any = None) -> None:
        """Show and trade on an account that an environment owns and steps; `fills` logs records of `FILL_DTYPE`, `history` has its curve."""
        self._state, self._replayer, self._fills, self._history = state, replayer, fills, history

    def reset(self, start: int | str | None = None) -> None:
        if self._history is not None:
            raise EpisodeError(
                "an environment steps this account; reset() the environment, or a copy() of the exchange"
            )
        day = max(1, DAY_MICROSECONDS // self.timeframe.microseconds)
        history = day if self.slippage.uses_last_day else 1
        replayer = self.load(start=start, history_bars=history)[0]
        state = AccountState.create(
            environments=1,
            symbols=len(self._symbols),
            open_orders=self.max_open_orders,
            orders_per_action=1,
            spare=256 + len(self._symbols),
        )
        first = min(history, len(replayer) - 1)
        row = first if start is None else replayer.row_at(parse_time(start))
        if not 1 <= row < len(replayer):
            earliest = format_time(int(replayer.times[1]))
            raise ConfigurationError(
                f"start must lie between {earliest} and {format_time(replayer.candles.end)}; got {start!r}"
            )
        self.check_funding(replayer, row, len(replayer))
        account = state.accounts[0]
        account.starting_balance = self.starting_balance
        account.row = account.start_row = row
        # a bracket is known by its parent's id, and 0 is no parent
        account.next_order_id = 1
        account.end_row = account.data_end_row = len(replayer)
        open_account(account, state.positions[0], len(self._symbols))
        reset_statistics(account)
        self._curve = []
        self.bind(state, replayer, [])

    def submit(self, orders: Sequence[Order]) -> list[dict[str, Any]]:
        state, replayer = self._open_state()
        account = state.accounts[0]
        if account.row >= account.end_row or account.done:
            raise EpisodeError("the exchange is at the end of its data or episode; reset() it before submitting orders")
        # all of them are understood before the first is executed
        for order in orders:
            order_record(order, self._symbols)
        answers = [submit_order(self, state, replayer, order) for order in orders]
        value_account(state, replayer)
        return answers

    def cancel(self, order_id: int) -> bool:
        """Cancel a resting order and free exactly what it locked; False if it is not resting."""
        state, _ = self._open_state()
        return cancel_resting(state, order_id)

    def match(self, candle: Any = None) -> list[Fill]:
        state, replayer = self._open_state()
        account = state.accounts[0]
        if self._history is not None:
            raise EpisodeError(
                "an environment steps this account; call step() on it, or reset() the exchange to step it alone"
            )
        if account.row >= account.end_row:
            raise EpisodeError("there is no candle after the last one; reset() the exchange")
        rows = replayer.rows.view(np.recarray)
        candles = rows[account.row] if candle is None else candle
        before = int(account.fills)
        quote_book(self, state, rows[account.row - 1])
        costs = self.costs_record()[0]
        if self.account is not None:
            finance(self, state, replayer)
        match_book(
            account,
            state.positions[0],
            candles,
            rows[account.row - 1],
            self.instrument_records(),
            costs,
            state.book[0],
            state.fills[0],
            len(self._symbols),
        )
        for position in state.positions[0]:
            position.volume_used = 0.0
        fills = self._unreported()
        self._fills.append(np.array(state.fills[0][: int(account.fills)]).tobytes())
        account.fills = account.rejects = 0
        account.row += 1
        return [Fill(**fill) for fill in fills[before:]]

    def mark(self, closes: Sequence[float] | None = None) -> float:
        state, replayer = self._open_state()
        account = state.accounts[0]
        account.previous_equity = account.clock_equity
        held = value_account(state, replayer, closes)
        account.clock_equity = account.equity
        update_statistics(account, held)
        self._curve.append((int(account.row), account.equity, account.cash, account.position_value))
        return float(account.equity)

    @property
    def balance(self) -> float:
        return float(self._open_state()[0].accounts[0].cash)

    @property
    def portfolio(self) -> dict[str, float]:
        positions = self._open_state()[0].positions[0]
        return {s: float(positions[j].quantity) for j, s in enumerate(self._symbols) if positions[j].quantity != 0.0}

    @property
    def net_worth(self) -> float:
        return float(self._open_state()[0].accounts[0].equity)

    @property
    def open_orders(self) -> list[dict[str, Any]]:
        """What rests in the book, oldest first."""
        state, _ = self._open_state()
        return [order_view(state.book[0][k], self._symbols) for k in range(int(state.accounts[0].resting))]

    @property
    def trades(self) -> list[dict[str, Any]]:
        _, replayer = self._open_state()
        past = np.frombuffer(b"".join(self._fills), FILL_DTYPE)
        return [*(fill_view(fill, self._symbols, replayer) for fill in past), *self._unreported()]

    @property
    def performance(self) -> dict[str, Any]:
        account = self._open_state()[0].accounts[0]
        if self._history is None:
            table = np.array(self._curve, dtype=np.float64).reshape(-1, 4)
        else:
            # of a live account that began before the candles that are kept, the curve begins with them
            past = self._history[0, : account.row - max(int(account.start_row), 1) + 1]
            table = np.column_stack([past[:, :3], past[:, 3:].sum(axis=1)])
        names = ("row", "equity", "cash", "position_value")
        return {name: table[:, k] for k, name in enumerate(names)}

    def _unreported(self) -> list[dict[str, Any]]:
        state, replayer = self._open_state()
        account = state.accounts[0]
        count = 0 if account.reported == 1 else int(account.fills)
        return [fill_view(state.fills[0][k], self._symbols, replayer) for k in range(count)]

    def _open_state(self) -> tuple[AccountState, DataReplayer]:
        if self._state is None or self._replayer is None:
            raise EpisodeError("the exchange has no account yet; call reset() on it or on its environment first")
        return self._state, self._replayer


def _symbols(data: Any, symbols: Sequence[str] | str | None) -> tuple[str, ...]:
    if symbols is None:
        return symbols_of(data) or ("BTCUSDT",)
    names = (symbols,) if isinstance(symbols, str) else tuple(symbols)
    names = tuple(name.upper() for name in names)
    if not names or len(set(names)) != len(names):
        raise ConfigurationError(f"symbols must be distinct and at least one; got {symbols!r}")
    return names


def _positive(name: str, value: float) -> float:
    if not (is_number(value) and math.isfinite(value) and value > 0.0):
        raise ConfigurationError(f"{name} must be a positive number; got {value!r}")
    return float(value)


def _short(data: Any) -> str:
    return repr(data) if isinstance(data, str) else f"<{type(data).__name__}>"
