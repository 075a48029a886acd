"""One account of a simulated exchange, stepped candle by candle by the engine's own compiled step."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.engine.records import HISTORY, SEGMENT_DTYPE, SETTINGS_DTYPE
from tradeready_gym.engine.world import plain
from tradeready_gym.evaluation import EpisodeStatistics, plain_metrics
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.exchanges.state import AccountState
from tradeready_gym.ledger.spot import open_account
from tradeready_gym.ledger.statistics import reset_statistics
from tradeready_gym.market import DataReplayer, synthetic
from tradeready_gym.orders import FILL_DTYPE, Order
from tradeready_gym.platform.sessions.stepper import World, stepper_of

# orders between two steps; what a step may fill has places of its own
_SPARE = 256
# a session goes on to the end of its candles, whatever is left of the money
_NEVER_RUINED = 2.0

UNAFFORDABLE = ("insufficient_balance", "insufficient_position")

Answer = dict[str, Any]


class BacktestAccount:
    """An account at a clock: `submit` and `cancel` as on the exchange, `advance` any number of candles at once.

    An advance is the phases QUOTE and FILL of the environments' step, so that equity is theirs to the last digit.

    Args:
        exchange: the costs; its symbols are those of `replayer`.
        replayer: candles that end where the session ends; shared, never written.
        start_row: the candle that begins at the first clock; at least 1.
    """

    def __init__(self, exchange: SimulatedExchange, replayer: DataReplayer, start_row: int) -> None:
        self.exchange, self.replayer, self.symbols = exchange, replayer, exchange.symbols
        count = len(self.symbols)
        self.state = AccountState.create(
            environments=1,
            symbols=count,
            open_orders=exchange.max_open_orders,
            orders_per_action=1,
            spare=_SPARE + count,
        )
        self.record = self.state.accounts[0]
        self.total_steps = len(replayer) - start_row
        # untouched pages of it take no memory
        self._history = np.zeros((1, self.total_steps + 1, len(HISTORY) + count))
        self._fills: list[bytes] = []
        self._open(start_row)
        self._compile()
        exchange.bind(self.state, replayer, self._fills, self._history)

    def _open(self, start_row: int) -> None:
        account = self.record
        account.starting_balance = self.exchange.starting_balance
        account.row = account.start_row = start_row
        account.end_row = account.data_end_row = len(self.replayer)
        # a bracket is known by its parent's id, and 0 is no parent
        account.next_order_id = 1
        open_account(account, self.state.positions[0], len(self.symbols))
        reset_statistics(account)
        self._history[0, 0, :3] = start_row, account.equity, account.cash

    def _compile(self) -> None:
        model = self.exchange.slippage
        if model.kernel is None:
            raise TypeError(f"{type(model).__name__} needs a kernel: a session has no seam for plain Python")
        settings = np.zeros(1, SETTINGS_DTYPE)
        settings["symbols"], settings["rows"] = len(self.symbols), len(self.replayer)
        settings["keep_history"], settings["max_loss"] = 1, _NEVER_RUINED
        self._settings = settings
        self._parameters = np.array(model.parameters, np.float64)
        self.world = World(self._arrays())
        self.stepper = stepper_of(model.kernel, self.exchange.account is not None)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        state, none = self.state, np.zeros(0)
        return {
            "rows": self.replayer.rows,
            "closes": none,
            "table": np.zeros(0, np.float32),
            "account_features": np.zeros(0, np.int64),
            "funding": np.zeros((0, len(self.symbols))),
            "settings": self._settings,
            "segments": np.zeros(1, SEGMENT_DTYPE),
            "costs": self.exchange.costs_record(),
            "instruments": self.exchange.instrument_records(),
            "accounts": state.accounts,
            "positions": state.positions,
            "book": state.book,
            "orders": state.orders,
            "fills": state.fills,
            "rejects": state.rejects,
            "memory": np.zeros((0, 1)),
            "action_parameters": none,
            "slippage_parameters": self._parameters,
            "reward_parameters": none,
            "actions": np.zeros((1, 1)),
            "history": self._history,
        }

    # ---- what moves it ----

    def submit(self, order: Order) -> Answer:
        """The exchange's answer to one order; one that the account cannot pay for leaves nothing behind, not even a number."""
        number, refused = int(self.record.next_order_id), int(self.record.rejects)
        answer = self.exchange.submit([order])[0]
        if answer.get("reason") in UNAFFORDABLE:
            self.record.next_order_id, self.record.rejects = number, refused
        return answer

    def cancel(self, order_id: int) -> bool:
        """Take a resting order back; False if it does not rest."""
        return self.exchange.cancel(order_id)

    def advance(self, candles: int) -> npt.NDArray[Any]:
        """Go on by at most so many candles; the fills of `FILL_DTYPE` since the last advance, market orders' included."""
        account = self.record
        self._settings["candles_per_action"] = candles
        self.stepper.advance(self.world, candles)
        fills = np.array(plain(self.state.fills)[0, : int(account.fills)])
        if len(fills):
            self._fills.append(fills.tobytes())
        account.fills = account.rejects = 0
        return fills

    # ---- what it shows ----

    @property
    def steps(self) -> int:
        """Completed steps."""
        return int(self.record.row - self.record.start_row)

    @property
    def clock(self) -> int:
        """The time now, in microseconds."""
        return self.time_of(int(self.record.row))

    def time_of(self, row: int) -> int:
        """The clock at which the candle of this row begins; the end of the data is a clock too."""
        first = int(self.replayer.times[0])
        return first + row * self.replayer.timeframe.microseconds

    @property
    def newest(self) -> npt.NDArray[Any]:
        """The last visible candle of each symbol, records of shape (S,)."""
        return np.asarray(self.replayer.rows[int(self.record.row) - 1])

    def visible(self, candles: int) -> npt.NDArray[Any]:
        """At most so many of the newest visible candles, records of shape (candles, S)."""
        row = int(self.record.row)
        return self.replayer.rows[max(0, row - candles) : row]

    @property
    def fills(self) -> npt.NDArray[Any]:
        """All fills so far, records of `FILL_DTYPE`."""
        waiting = plain(self.state.fills)[0, : int(self.record.fills)]
        return np.frombuffer(b"".join([*self._fills, waiting.tobytes()]), FILL_DTYPE)

    @property
    def last_fill(self) -> Any:
        """The newest fill since the last advance, a record of `FILL_DTYPE`; only where there is one."""
        return plain(self.state.fills)[0, int(self.record.fills) - 1]

    @property
    def resting(self) -> npt.NDArray[Any]:
        """What is in the book, records of `ORDER_DTYPE`, oldest first."""
        return np.asarray(plain(self.state.book)[0, : int(self.record.resting)])

    def cost_of(self, order: Order, place: int) -> float:
        """What a buy takes out of the available cash, or locks, if it is accepted now."""
        exchange, newest, row = self.exchange, self.newest[place], int(self.record.row)
        value = order.quantity * float(newest["close"])
        slip = exchange.slippage.maximum
        if order.type == "market" and exchange.slippage.kernel is not None:
            slip = exchange.slippage.kernel(
                value, float(newest["quote_volume"]), float(newest["volatility"]), 0.0, self._parameters
            )
        elif order.type != "stop_loss":
            slip = 0.0
        price = float(self.replayer.rows[row][place]["open"]) if order.price is None else order.price
        return float(order.quantity * price * (1.0 + slip) * (1.0 + exchange.fee_rate))

    @property
    def curve(self) -> npt.NDArray[np.float64]:
        """A line for the start and for every step: row, equity, available cash, then the value held of each symbol."""
        return self._history[0, : self.steps + 1]

    def metrics(self) -> dict[str, float | int | None]:
        """The metrics of `tradeready_gym.evaluation`, annualised with the real number of periods."""
        return plain_metrics(
            EpisodeStatistics.from_records(self.record), float(self.exchange.timeframe.periods_per_year)
        )


def warm() -> None:
    """Compile what sessions run, so that nobody waits at the first step of a server."""
    candles = synthetic(("BTCUSDT",), "1h", "2021-01-01T00:00:00Z", 48)
    account = BacktestAccount(SimulatedExchange(candles), DataReplayer(candles), 24)
    account.stepper.wait(account.world)
