"""What is sent to `/api/v1/backtest` and comes back from it."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

_PAIR = re.compile(r"[A-Z0-9]{2,20}")
_SECONDS = {"1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14_400, "1d": 86_400}
# beyond these a clock in microseconds is nobody's backtest
_EARLIEST, _LATEST = datetime(1980, 1, 1), datetime(2200, 1, 1)


def _pair(symbol: str) -> str:
    symbol = symbol.strip().upper()
    if not _PAIR.fullmatch(symbol):
        raise ValueError(f"a symbol is 2 to 20 letters and digits, such as BTCUSDT; got {symbol!r}")
    return symbol


def seconds_of(interval: str | int) -> int:
    """The length of a candle from `3600`, "3600" or "1h".

    Raises `ValueError` for any other interval.
    """
    text = str(interval).strip()
    found = _SECONDS.get(text, int(text) if text.isdecimal() and len(text) < 8 else 0)
    if found not in _SECONDS.values():
        known = ", ".join(f"{label} ({seconds})" for label, seconds in _SECONDS.items())
        raise ValueError(f"an interval is one of {known}; got {interval!r}")
    return found


def _when(moment: datetime) -> datetime:
    if not _EARLIEST <= moment.replace(tzinfo=None) <= _LATEST:
        raise ValueError(f"a time lies between {_EARLIEST:%Y} and {_LATEST:%Y}; got {moment.isoformat()}")
    return moment


Pair = Annotated[str, AfterValidator(_pair)]
Moment = Annotated[datetime, AfterValidator(_when)]
Interval = Annotated[int | str, AfterValidator(seconds_of)]
Money = Annotated[Decimal, Field(allow_inf_nan=False)]
# a database may refuse a NUL
Label = Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")]


class BacktestRequest(BaseModel):
    """A new backtest. Times without an offset are UTC; no pairs means every symbol that the server has."""

    start_time: Moment
    end_time: Moment
    starting_balance: Annotated[Money, Field(ge=1, le=10_000_000)]
    candle_interval: Interval = 60
    pairs: Annotated[list[Pair], Field(min_length=1, max_length=100)] | None = None
    strategy_label: Label = "default"
    agent_id: Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")] | None = None
    fee_rate: Annotated[Money, Field(ge=0, le=Decimal("0.1"))] | None = None


class Created(BaseModel):
    """A backtest that waits to be started."""

    session_id: str
    status: str
    total_steps: int
    estimated_pairs: int
    agent_id: str | None


class Steps(BaseModel):
    """How many candles to go on by."""

    steps: Annotated[int, Field(ge=1)]


class FastSteps(Steps):
    """How many candles to go on by, and whether to report orders that filled before the last of them."""

    include_intermediate_trades: bool = False


class Position(BaseModel):
    """What is held of a symbol."""

    symbol: str
    quantity: str
    avg_entry_price: str
    current_price: str
    market_value: str
    unrealized_pnl: str


class Portfolio(BaseModel):
    """An account at the last visible closes; `exact` has its amounts as numbers, to the last digit."""

    total_equity: str
    available_cash: str
    locked_cash: str
    position_value: str
    total_position_value: str
    unrealized_pnl: str
    realized_pnl: str
    fees_paid: str
    starting_balance: str
    total_pnl: str
    roi_pct: str
    positions: list[Position]
    exact: dict[str, float]


class OrderAnswer(BaseModel):
    """What became of an order at once; `reason` says why it was rejected."""

    order_id: str
    status: Literal["filled", "pending", "rejected", "cancelled"]
    executed_price: str | None
    executed_qty: str | None
    fee: str | None
    realized_pnl: str | None
    symbol: str
    side: str
    type: str
    reason: str | None


class Fill(BaseModel):
    """A fill as a step reports it; `price` and `quantity` are the executed ones."""

    order_id: str
    status: str
    symbol: str
    side: str
    type: str
    quantity: str
    price: str
    executed_price: str
    executed_qty: str
    fee: str
    slippage_pct: str
    realized_pnl: str
    filled_at: str


class StepResponse(BaseModel):
    """The session after a step; `filled_orders` are all fills since the step before, market orders' included."""

    virtual_time: str
    step: int
    total_steps: int
    remaining_steps: int
    progress_pct: str
    prices: dict[str, str]
    orders_filled: list[OrderAnswer]
    filled_orders: list[Fill]
    portfolio: Portfolio
    is_complete: bool
    steps_executed: int


class BacktestItem(BaseModel):
    """A backtest in a list; `exact` has its money as numbers, to the last digit."""

    session_id: str
    agent_id: str | None
    strategy_label: str
    start_time: str
    end_time: str
    status: str
    candle_interval: int
    starting_balance: str
    pairs: list[str]
    progress_pct: float
    current_step: int
    total_steps: int
    virtual_clock: str | None
    final_equity: str | None
    total_pnl: str | None
    roi_pct: str | None
    total_trades: int
    total_fees: str | None
    sharpe_ratio: str | None
    max_drawdown_pct: str | None
    created_at: str
    started_at: str | None
    completed_at: str | None
    duration_real_sec: float
    run_id: str | None
    episode_number: int | None
    exact: dict[str, float | None]


class BacktestList(BaseModel):
    """A page of backtests; `total` counts all that match."""

    backtests: list[BacktestItem]
    total: int
