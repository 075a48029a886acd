"""What a client sees inside a backtest. Decimals are strings, times ISO 8601 with Z."""

from pydantic import BaseModel

from tradeready_gym.platform.api.backtest_bodies import Position
from tradeready_gym.platform.api.result_bodies import BacktestTrade


class SandboxOrder(BaseModel):
    """An order; `stop_price` is the trigger of a stop-loss or take-profit, `price` too."""

    id: str
    symbol: str
    side: str
    type: str
    quantity: str
    price: str | None
    stop_price: str | None
    status: str
    executed_price: str | None
    fee: str | None
    executed_qty: str | None
    reason: str | None
    created_at: str
    filled_at: str | None


class SandboxOrders(BaseModel):
    """A page of orders, oldest first: `count` are in it, `total` in all pages."""

    orders: list[SandboxOrder]
    count: int
    total: int


class SandboxCancelled(BaseModel):
    """Whether an order was taken back."""

    order_id: str
    cancelled: bool


class SandboxTrades(BaseModel):
    """A page of fills, in order: `count` are in it, `total` in all pages."""

    trades: list[BacktestTrade]
    count: int
    total: int


class SandboxPrice(BaseModel):
    """The last visible close."""

    symbol: str
    price: str
    virtual_time: str


class SandboxPrices(BaseModel):
    """The last visible close of each symbol."""

    prices: dict[str, str]
    virtual_time: str


class SandboxTicker(BaseModel):
    """The last 24 h that are visible, as one candle."""

    symbol: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    trade_count: int
    price_change: str
    price_change_pct: str
    virtual_time: str


class SandboxCandle(BaseModel):
    """A candle that has closed; `bucket` is when it opened."""

    bucket: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    trade_count: int


class SandboxCandles(BaseModel):
    """Candles, oldest first; `interval` as it was asked for."""

    symbol: str
    interval: str
    candles: list[SandboxCandle]
    count: int


class Balance(BaseModel):
    """What there is of an asset: free, locked by resting orders, and together."""

    asset: str
    available: str
    locked: str
    total: str


class SandboxBalances(BaseModel):
    """The assets that there are any of."""

    balances: list[Balance]


class SandboxPosition(Position):
    """What is held of a symbol, and what its sales have realised."""

    realized_pnl: str


class SandboxPositions(BaseModel):
    """What is held."""

    positions: list[SandboxPosition]
