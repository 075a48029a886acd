"""A session's row as the wire has it; needs no engine."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from tradeready_gym.platform import clock
from tradeready_gym.platform.api.wire import decimal_text, exact_text, optional_text, rounded_text

View = dict[str, Any]

# the twelve metrics and their decimal places
PLACES = {
    "sharpe_ratio": 4,
    "sortino_ratio": 4,
    "max_drawdown_pct": 2,
    "max_drawdown_duration_days": 2,
    "win_rate": 2,
    "profit_factor": 4,
    "avg_win": 8,
    "avg_loss": 8,
    "best_trade": 8,
    "worst_trade": 8,
    "avg_trade_duration_minutes": 2,
    "trades_per_day": 2,
}
# what `best` can rank; the smallest drawdown is the best
RANKED = (
    "roi_pct",
    "sharpe_ratio",
    "sortino_ratio",
    "max_drawdown_pct",
    "win_rate",
    "profit_factor",
    "total_trades",
    "total_pnl",
)
_FIGURES = ("roi_pct", "sharpe_ratio", "max_drawdown_pct")
SMALLEST_IS_BEST = frozenset({"max_drawdown_pct"})
_PLACES_RANKED = {**PLACES, "roi_pct": 2}


def item_view(row: Row[Any]) -> View:
    """A session in a list; money of one that runs is that of its clock."""
    step = row.candle_interval * 1_000_000
    return {
        "session_id": row.id,
        "agent_id": row.agent_id,
        "strategy_label": row.strategy_label,
        "start_time": clock.iso(row.start_time),
        "end_time": clock.iso(row.end_time),
        "status": row.status,
        "candle_interval": row.candle_interval,
        "starting_balance": row.starting_balance,
        "pairs": json.loads(row.pairs),
        "progress_pct": round(100.0 * row.current_step / max(row.total_steps, 1), 2),
        "current_step": row.current_step,
        "total_steps": row.total_steps,
        "virtual_clock": None if row.status == "created" else clock.iso(row.start_time + row.current_step * step),
        "final_equity": optional_text(row.final_equity),
        "total_pnl": optional_text(row.total_pnl),
        "roi_pct": rounded_text(row.roi_pct, 2),
        "total_trades": row.total_trades or 0,
        "total_fees": optional_text(row.total_fees),
        "sharpe_ratio": rounded_text(row.sharpe_ratio, 4),
        "max_drawdown_pct": rounded_text(row.max_drawdown_pct, 2),
        "created_at": clock.iso(row.created_at),
        "started_at": clock.iso(row.started_at),
        "completed_at": clock.iso(row.completed_at),
        "duration_real_sec": _duration(row),
        "run_id": row.run_id,
        "episode_number": row.episode_number,
        "exact": _exact(row),
    }


def results_view(row: Row[Any]) -> View:
    """Results in any status; what only the end tells is null before. The five figures at the top are in eight places."""
    return {
        "session_id": row.id,
        "status": row.status,
        "config": {
            "start_time": clock.iso(row.start_time),
            "end_time": clock.iso(row.end_time),
            "starting_balance": row.starting_balance,
            "candle_interval": str(row.candle_interval),
            "pairs": json.loads(row.pairs),
            "strategy_label": row.strategy_label,
            "fee_rate": row.fee_rate or "0.001",
        },
        "summary": {
            "final_equity": optional_text(row.final_equity),
            "total_pnl": optional_text(row.total_pnl),
            "roi_pct": rounded_text(row.roi_pct, 2),
            "total_trades": row.total_trades or 0,
            "total_fees": optional_text(row.total_fees),
            "duration_real_sec": _duration(row),
        },
        "metrics": metrics_view(json.loads(row.metrics) if row.metrics else {}),
        "by_pair": [pair_view(pair) for pair in json.loads(row.by_pair or "[]")],
        **{name: optional_text(getattr(row, name)) for name in _FIGURES},
        "total_trades": row.total_trades or 0,
        # the reward of a client that is paid by profit
        "reward_sum": optional_text(row.total_pnl),
        "exact": {**_exact(row), **{name: getattr(row, name) for name in _FIGURES}},
    }


def metrics_view(metrics: View) -> View:
    """The twelve metrics as strings; null where a metric does not exist (yet)."""
    return {name: rounded_text(metrics.get(name), places) for name, places in PLACES.items()}


def pair_view(pair: View) -> View:
    """What was traded of one symbol."""
    texts = {"net_pnl": decimal_text(pair["net_pnl"]), "total_volume": decimal_text(pair["total_volume"])}
    # null in databases of older versions, where nothing had been sold
    return {**pair, **texts, "win_rate": rounded_text(pair["win_rate"] or 0.0, 2)}


def comparison_view(rows: Sequence[Row[Any]]) -> View:
    """Sessions side by side, and which of them is best at what; `recommendation` is the best Sharpe ratio, else ROI."""
    by_sharpe, by_roi = _best(rows, "sharpe_ratio"), _best(rows, "roi_pct")
    return {
        "comparisons": [
            {
                "session_id": row.id,
                "strategy_label": row.strategy_label,
                "roi_pct": rounded_text(row.roi_pct, 2),
                "sharpe_ratio": rounded_text(row.sharpe_ratio, 4),
                "max_drawdown_pct": rounded_text(row.max_drawdown_pct, 2),
                "total_trades": row.total_trades or 0,
                "win_rate": rounded_text(row.win_rate, 2),
                "profit_factor": rounded_text(row.profit_factor, 4),
            }
            for row in rows
        ],
        "best_by_roi": by_roi,
        "best_by_sharpe": by_sharpe,
        "best_by_drawdown": _best(rows, "max_drawdown_pct"),
        "recommendation": by_sharpe or by_roi,
    }


def best_view(row: Row[Any], metric: str) -> View:
    """The best session by one metric."""
    value = getattr(row, metric)
    places = _PLACES_RANKED.get(metric)
    text = decimal_text(value) if places is None else rounded_text(value, places)
    return {"session_id": row.id, "strategy_label": row.strategy_label, "metric": metric, "value": text}


def snapshot_view(snapshot: Any) -> View:
    """One point of the equity curve, from a row or a mapping of its columns."""
    names = ("total_equity", "available_cash", "position_value", "unrealized_pnl", "realized_pnl")
    texts = {name: decimal_text(snapshot[name]) for name in names}
    exact = {name: snapshot[name] for name in names[:2]}
    return {"simulated_at": clock.iso(snapshot["simulated_at"]), **texts, "exact": exact}


def trade_view(trade: View) -> View:
    """A trade, from the columns of `backtest_trades`."""
    names = ("price", "fee", "slippage_pct", "realized_pnl")
    return {
        "id": str(trade["number"]),
        "session_id": trade["session_id"],
        "order_id": str(trade["order_id"]),
        "symbol": trade["symbol"],
        "side": trade["side"],
        "type": trade["type"],
        "quantity": exact_text(trade["quantity"]),
        **{name: decimal_text(trade[name]) for name in names},
        "quote_amount": decimal_text(trade["price"] * trade["quantity"]),
        "stop_price": None,
        "simulated_at": clock.iso(trade["simulated_at"]),
        "exact": {name: trade[name] for name in ("price", "fee", "realized_pnl")},
    }


def _exact(row: Row[Any]) -> dict[str, float | None]:
    return {name: getattr(row, name) for name in ("final_equity", "total_pnl", "total_fees")}


def _best(rows: Sequence[Row[Any]], metric: str) -> str | None:
    known = [row for row in rows if getattr(row, metric) is not None]
    if not known:
        return None
    sign = -1.0 if metric in SMALLEST_IS_BEST else 1.0
    return str(max(known, key=lambda row: sign * getattr(row, metric)).id)


def _duration(row: Row[Any]) -> float:
    if row.started_at is None:
        return 0.0
    return float(round(((row.completed_at or clock.now()) - row.started_at) / 1e6, 6))
