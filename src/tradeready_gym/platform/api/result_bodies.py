"""What a backtest has come to, and several side by side. Decimals are strings, times ISO 8601 with Z."""

from pydantic import BaseModel


class Started(BaseModel):
    """A backtest that runs now."""

    status: str
    session_id: str


class Cancelled(BaseModel):
    """A backtest that was ended early."""

    session_id: str
    status: str
    total_trades: int
    roi_pct: str | None


class ComparedBacktest(BaseModel):
    """A backtest among others."""

    session_id: str
    strategy_label: str
    roi_pct: str | None
    sharpe_ratio: str | None
    max_drawdown_pct: str | None
    total_trades: int
    win_rate: str | None
    profit_factor: str | None


class BacktestComparison(BaseModel):
    """Backtests side by side, and the ids of the best; `recommendation` is the best Sharpe ratio's, else the best ROI's."""

    comparisons: list[ComparedBacktest]
    best_by_roi: str | None
    best_by_sharpe: str | None
    best_by_drawdown: str | None
    recommendation: str | None


class BestBacktest(BaseModel):
    """The best backtest by a metric."""

    session_id: str
    strategy_label: str
    metric: str
    value: str


class ResultConfig(BaseModel):
    """What was asked for."""

    start_time: str
    end_time: str
    starting_balance: str
    candle_interval: str
    pairs: list[str]
    strategy_label: str
    fee_rate: str


class ResultSummary(BaseModel):
    """What came of it; `total_trades` counts fills."""

    final_equity: str | None
    total_pnl: str | None
    roi_pct: str | None
    total_trades: int
    total_fees: str | None
    duration_real_sec: float


class ResultMetrics(BaseModel):
    """What only the end tells: null before, and where there is no such figure."""

    sharpe_ratio: str | None
    sortino_ratio: str | None
    max_drawdown_pct: str | None
    max_drawdown_duration_days: str | None
    win_rate: str | None
    profit_factor: str | None
    avg_win: str | None
    avg_loss: str | None
    best_trade: str | None
    worst_trade: str | None
    avg_trade_duration_minutes: str | None
    trades_per_day: str | None


class PairResult(BaseModel):
    """What was traded of one symbol; `trades` counts fills."""

    symbol: str
    trades: int
    wins: int
    losses: int
    win_rate: str
    net_pnl: str
    total_volume: str


class BacktestResults(BaseModel):
    """Results in any status; `exact` has its money as numbers, to the last digit."""

    session_id: str
    status: str
    config: ResultConfig
    summary: ResultSummary
    metrics: ResultMetrics
    by_pair: list[PairResult]
    roi_pct: str | None
    sharpe_ratio: str | None
    max_drawdown_pct: str | None
    total_trades: int
    reward_sum: str | None
    exact: dict[str, float | None]


class Snapshot(BaseModel):
    """The account at a moment; `exact` has its money as numbers, to the last digit."""

    simulated_at: str
    total_equity: str
    available_cash: str
    position_value: str
    unrealized_pnl: str
    realized_pnl: str
    exact: dict[str, float]


class EquityCurve(BaseModel):
    """A page of snapshots, in order; `total` counts all of this interval."""

    session_id: str
    interval: str
    snapshots: list[Snapshot]
    total: int


class BacktestTrade(BaseModel):
    """A fill; `exact` has its money as numbers, to the last digit."""

    id: str
    session_id: str
    order_id: str
    symbol: str
    side: str
    type: str
    quantity: str
    price: str
    fee: str
    slippage_pct: str
    realized_pnl: str
    quote_amount: str
    stop_price: str | None
    simulated_at: str
    exact: dict[str, float]


class BacktestTrades(BaseModel):
    """A page of fills, in order; `total` counts all of them."""

    session_id: str
    trades: list[BacktestTrade]
    total: int
