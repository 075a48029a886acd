"""A backtest that is being stepped: its curve and its trades are in memory until it ends."""

from typing import Any

from sqlalchemy import Row

from tradeready_gym.platform.dashboard import days
from tradeready_gym.platform.dashboard.backtests import MARKS, POINTS, TRADES_PAGE
from tradeready_gym.platform.errors import PlatformError
from tradeready_gym.platform.state import Platform


def equity(platform: Platform, account_id: str, row: Row[Any]) -> dict[str, list[float]]:
    """The equity as `backtests.equity` gives it; empty if the session cannot be woken."""
    every = days.whole_days(row, POINTS)
    try:
        found = platform.sessions.equity_curve(account_id, row.id, every)
    except PlatformError:
        found = []
    values = [float(point["total_equity"]) for point in found]
    below, peak = [], 0.0
    for value in values:
        peak = max(peak, value)
        below.append(round(100.0 * (value / peak - 1.0), 3) if peak > 0.0 else 0.0)
    return {"times": [point["simulated_at"] / 1e6 for point in found], "equity": values, "drawdown": below}


def trades(platform: Platform, account_id: str, session_id: str, page: int) -> tuple[list[Any], int]:
    """A page of its trades, and how many there are; none if the session cannot be woken."""
    try:
        found, total = platform.sessions.trades(account_id, session_id, TRADES_PAGE, (page - 1) * TRADES_PAGE)
    except PlatformError:
        return [], 0
    return list(found), total


def marks(platform: Platform, account_id: str, session_id: str, symbol: str) -> list[list[Any]]:
    """Its trades of a symbol as `backtests.marks` gives them."""
    try:
        found, _ = platform.sessions.trades(account_id, session_id, MARKS, 0)
    except PlatformError:
        return []
    chosen = (trade for trade in found if trade["symbol"] == symbol)
    return [[trade["simulated_at"] / 1e6, trade["price"], str(trade["side"]).lower()] for trade in chosen]
