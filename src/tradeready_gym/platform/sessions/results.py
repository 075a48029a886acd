"""What a session has come to: the columns of its row, its metrics, trades and equity curve."""

import json
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tradeready_gym.market import DataReplayer
from tradeready_gym.orders import SIDE_NAMES, TYPE_NAMES
from tradeready_gym.platform.sessions.pieces import Pieces, realised_pieces

# a longer curve is thinned out where it is stored; the whole of it comes from a replay
STORED_SNAPSHOTS = 10_000
_CURVE = (
    "number",
    "simulated_at",
    "total_equity",
    "available_cash",
    "position_value",
    "unrealized_pnl",
    "realized_pnl",
)
_MINUTE = 60_000_000
_DAY = 86_400_000_000

Columns = dict[str, Any]


class TradedAccount(Protocol):
    """What results are made of: see `BacktestAccount`."""

    @property
    def record(self) -> Any: ...
    @property
    def steps(self) -> int: ...
    @property
    def replayer(self) -> DataReplayer: ...
    @property
    def fills(self) -> npt.NDArray[Any]: ...
    @property
    def curve(self) -> npt.NDArray[np.float64]: ...
    def metrics(self) -> dict[str, float | int | None]: ...
    def time_of(self, row: int) -> int: ...


class Traded(Protocol):
    """A session, or an episode of training that was played again."""

    @property
    def id(self) -> str: ...
    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def account(self) -> TradedAccount: ...


def progress(session: Traded) -> Columns:
    """What the row says of a session at any time: equity at the last visible close, and what was paid."""
    account = session.account.record
    equity, start = float(account.equity), float(account.starting_balance)
    return {
        "current_step": session.account.steps,
        "final_equity": equity,
        "total_pnl": equity - start,
        "roi_pct": 100.0 * (equity / start - 1.0),
        "total_trades": int(account.trades),
        "total_fees": float(account.fees_paid),
    }


def conclusion(session: Traded) -> Columns:
    """The metrics that a completed session adds to its row; those of trades are of `realised_pieces`."""
    account = session.account
    plain, fills = account.metrics(), account.fills
    pieces = realised_pieces(fills)
    shared = {name: plain[name] for name in ("sharpe_ratio", "sortino_ratio", "max_drawdown_pct")}
    shared |= {"win_rate": pieces.win_rate, "profit_factor": pieces.profit_factor}
    more = {"max_drawdown_duration_days": plain["max_drawdown_duration_days"], **_of_pieces(session, pieces, fills)}
    pairs = [_of_pair(j, name, fills, pieces) for j, name in enumerate(session.symbols) if np.any(fills["symbol"] == j)]
    return {**shared, "metrics": json.dumps(shared | more), "by_pair": json.dumps(pairs)}


def _of_pieces(session: Traded, pieces: Pieces, fills: npt.NDArray[Any]) -> Columns:
    profit, step = pieces.profit, session.account.replayer.timeframe.microseconds
    days = session.account.steps * step / _DAY
    return {
        "avg_win": _mean(profit[profit > 0.0]),
        "avg_loss": _mean(profit[profit <= 0.0]),
        "best_trade": float(profit.max()) if len(profit) else None,
        "worst_trade": float(profit.min()) if len(profit) else None,
        "avg_trade_duration_minutes": _mean(pieces.bars * (step / _MINUTE)),
        "trades_per_day": len(fills) / days if days > 0.0 else None,
    }


def _of_pair(place: int, symbol: str, fills: npt.NDArray[Any], pieces: Pieces) -> Columns:
    own, mine = fills[fills["symbol"] == place], pieces.of(place)
    wins = int(np.sum(mine.profit > 0.0))
    return {
        "symbol": symbol,
        "trades": len(own),
        "wins": wins,
        "losses": len(mine.profit) - wins,
        "win_rate": mine.win_rate or 0.0,
        "net_pnl": float(np.sum(own["realized_pnl"]) - np.sum(own["fee"])),
        "total_volume": float(np.sum(own["price"] * own["quantity"])),
    }


def trade_rows(session: Traded) -> list[Columns]:
    """Every fill as a row of `backtest_trades`, in order."""
    return [
        {
            "session_id": session.id,
            "number": number,
            "order_id": int(fill["order_id"]),
            "symbol": session.symbols[int(fill["symbol"])],
            "side": SIDE_NAMES[int(fill["side"])],
            "type": TYPE_NAMES[int(fill["kind"])],
            "quantity": float(fill["quantity"]),
            "price": float(fill["price"]),
            "fee": float(fill["fee"]),
            "slippage_pct": 100.0 * float(fill["slippage"]),
            "realized_pnl": float(fill["realized_pnl"]),
            "simulated_at": session.account.time_of(int(fill["row"])),
        }
        for number, fill in enumerate(session.account.fills, 1)
    ]


def snapshot_rows(session: Traded, every: int = 1) -> list[Columns]:
    """The equity curve as rows of `backtest_snapshots`: the start, every so many steps, and the last step.

    `number` is the step. `unrealized_pnl` is equity less starting balance and realised PnL, plus fees.
    """
    curve, fills = session.account.curve, session.account.fills
    chosen = np.unique(np.append(np.arange(0, len(curve), every), len(curve) - 1))
    lines = curve[chosen]
    # a fill in the candle of row r is in the equity of the clock r + 1
    known = np.searchsorted(fills["row"], lines[:, 0], side="left")
    realized = np.concatenate([[0.0], np.cumsum(fills["realized_pnl"])])[known]
    fees = np.concatenate([[0.0], np.cumsum(fills["fee"])])[known]
    equity, value = lines[:, 1], lines[:, 3:].sum(axis=1)
    unrealized = equity - curve[0, 1] - realized + fees
    first, step = session.account.time_of(0), session.account.replayer.timeframe.microseconds
    times = first + lines[:, 0].astype(np.int64) * step
    columns = (chosen, times, equity, lines[:, 2], value, unrealized, realized)
    cells = zip(*(column.tolist() for column in columns), strict=True)
    return [{"session_id": session.id, **dict(zip(_CURVE, line, strict=True))} for line in cells]


def stored_every(steps: int) -> int:
    """The stride at which a curve of so many steps is stored."""
    return max(1, -(-steps // STORED_SNAPSHOTS))


def _mean(values: npt.NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None
