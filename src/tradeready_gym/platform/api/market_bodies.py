"""What the market routes answer. Prices and quantities are decimals in strings, times ISO 8601 with Z."""

from pydantic import BaseModel


class Pair(BaseModel):
    """A symbol, and what orders in it must keep."""

    symbol: str
    base_asset: str
    quote_asset: str
    status: str
    min_qty: str
    step_size: str
    min_notional: str
    has_price: bool


class PairList(BaseModel):
    """Every symbol that this server has candles of."""

    pairs: list[Pair]
    total: int


class Price(BaseModel):
    """The last stored close, and when it was known."""

    symbol: str
    price: str
    timestamp: str


class PriceList(BaseModel):
    """The last stored close of each symbol. `stale`: the newest of them is older than a minute."""

    prices: dict[str, str]
    timestamp: str
    count: int
    stale: bool
    data_age_seconds: float | None


class Ticker(BaseModel):
    """The last 24 hours that are stored of a symbol."""

    symbol: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote_volume: str
    change: str
    change_pct: str
    trade_count: int
    timestamp: str


class TickerList(BaseModel):
    """Tickers by symbol."""

    tickers: dict[str, Ticker]
    count: int
    timestamp: str


class Candle(BaseModel):
    """A candle that exists; `time` is when it opened."""

    time: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    trade_count: int


class CandleList(BaseModel):
    """Candles, oldest first."""

    symbol: str
    interval: str
    candles: list[Candle]
    count: int


class Trade(BaseModel):
    """A trade of the market."""

    trade_id: int
    price: str
    quantity: str
    time: str
    is_buyer_maker: bool


class TradeList(BaseModel):
    """Trades of the market, newest first."""

    symbol: str
    trades: list[Trade]


class OrderBook(BaseModel):
    """Prices and quantities, best first. `synthetic`: they are made up around the price, nobody waits there."""

    symbol: str
    bids: list[list[str]]
    asks: list[list[str]]
    timestamp: str
    synthetic: bool


class IndicatorList(BaseModel):
    """The names of the indicators."""

    indicators: list[str]


class Indicators(BaseModel):
    """Indicators at the last stored close. One that needs more candles than were used is left out."""

    symbol: str
    timestamp: str
    candles_used: int
    interval: str
    indicators: dict[str, float]


class DataGap(BaseModel):
    """`candles` in a row that are missing between `start` and `end`."""

    symbol: str
    interval: str
    start: str
    end: str
    candles: int


class DataRange(BaseModel):
    """From when to when there are candles, how long they can be, and the first 1,000 of the gaps in them."""

    earliest: str | None
    latest: str | None
    total_pairs: int
    intervals_available: list[str]
    data_gaps: list[DataGap]
    data_gaps_total: int
