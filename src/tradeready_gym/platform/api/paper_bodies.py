"""What the routes of paper accounts answer. Decimals are strings, times ISO 8601 with Z."""

from typing import Literal

from pydantic import BaseModel

from tradeready_gym.platform.api.agents import RiskProfile
from tradeready_gym.platform.api.sandbox_bodies import Balance

# what every route of a paper account may answer instead
PAPER = ("PRICE_NOT_AVAILABLE", "INVALID_RISK_PROFILE", "DATA_DAMAGED")


class PaperOrderView(BaseModel):
    """An order; `cause` says what cancelled or rejected it other than the client.

    It came at `created_at` by the venue's clock, `decision_delay_ms` after its candle had opened, when the price had moved by
    `quote_moved_pct` from that open (null where it is not known); `filled_at` is the open of the candle in which it was filled.
    """

    order_id: str
    status: str
    symbol: str
    side: str
    type: str
    quantity: str
    price: str | None
    executed_price: str | None
    executed_qty: str | None
    slippage_pct: str | None
    fee: str | None
    created_at: str
    filled_at: str | None
    cancelled_at: str | None
    reason: str | None
    cause: str | None
    decision_delay_ms: float | None
    quote_moved_pct: str | None
    client_order_id: str | None


class PaperOrders(BaseModel):
    """A page of orders, newest first; `total` counts all that match."""

    orders: list[PaperOrderView]
    total: int
    limit: int
    offset: int


class PaperCancelled(BaseModel):
    """An order that was taken back, and what it had locked."""

    order_id: str
    status: Literal["cancelled"]
    unlocked_amount: str
    cancelled_at: str | None


class PaperAllCancelled(BaseModel):
    """How many orders were taken back; `total_unlocked` sums amounts of different assets, as documented."""

    cancelled_count: int
    total_unlocked: str


class PaperTrade(BaseModel):
    """A fill; `total` is price times quantity, `executed_at` the open of its candle. The last three are its order's."""

    trade_id: str
    order_id: str
    symbol: str
    side: str
    quantity: str
    price: str
    fee: str
    total: str
    executed_at: str
    realized_pnl: str
    created_at: str | None
    decision_delay_ms: float | None
    quote_moved_pct: str | None


class PaperTrades(BaseModel):
    """A page of fills, newest first; `total` counts all that match."""

    trades: list[PaperTrade]
    total: int
    limit: int
    offset: int


class CurrentSession(BaseModel):
    """The account since it began (anew)."""

    session_id: str
    started_at: str


class AccountTerms(BaseModel):
    """What a paper account trades at: its costs, to the last digit, and the filters of the venue by symbol."""

    interval: str
    starting_balance: float
    fee_rate: float
    maker_fee_rate: float
    slippage: str
    fill_at: str
    filters: dict[str, dict[str, float]]


class AccountInfo(BaseModel):
    """An account; `api_key` is null, for nobody keeps it."""

    account_id: str
    agent_id: str | None
    api_key: str | None
    display_name: str
    status: Literal["active", "suspended"]
    starting_balance: str
    current_session: CurrentSession
    risk_profile: RiskProfile
    symbols: list[str]
    killed_at: str | None
    terms: AccountTerms
    created_at: str


class PaperBalances(BaseModel):
    """The assets of an account, and what they are worth together."""

    balances: list[Balance]
    total_equity_usdt: str


class PaperPosition(BaseModel):
    """What is held of a symbol."""

    symbol: str
    asset: str
    quantity: str
    avg_entry_price: str
    current_price: str
    market_value: str
    unrealized_pnl: str
    unrealized_pnl_pct: str
    opened_at: str | None


class PaperPositions(BaseModel):
    """What is held."""

    positions: list[PaperPosition]
    total_unrealized_pnl: str


class PaperPortfolio(BaseModel):
    """A paper account at the newest closes; `exact` has its amounts as numbers, to the last digit."""

    total_equity: str
    available_cash: str
    locked_cash: str
    total_position_value: str
    unrealized_pnl: str
    realized_pnl: str
    total_pnl: str
    roi_pct: str
    fees_paid: str
    starting_balance: str
    positions: list[PaperPosition]
    timestamp: str
    exact: dict[str, float]


class ProfitAndLoss(BaseModel):
    """What was earned in a period that ends now."""

    period: str
    realized_pnl: str
    unrealized_pnl: str
    total_pnl: str
    fees_paid: str
    net_pnl: str
    winning_trades: int
    losing_trades: int
    win_rate: str


class EndedSession(BaseModel):
    """An account before it began anew."""

    session_id: str
    ending_equity: str
    total_pnl: str
    duration_days: float


class BegunSession(BaseModel):
    """An account that has begun anew."""

    session_id: str
    starting_balance: str
    started_at: str


class ResetDone(BaseModel):
    """What was, and what begins."""

    message: str
    previous_session: EndedSession
    new_session: BegunSession
