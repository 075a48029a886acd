"""Databases with many runs and some backtests in them: learning curves as they look, rising out of noise."""

import json
import uuid
from typing import Any

import numpy as np
from sqlalchemy import Connection, insert, select

from tradeready_gym.platform import clock
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.database.tables import (
    accounts,
    backtest_snapshots,
    backtest_trades,
    backtests,
    training_episodes,
    training_runs,
)

SECOND = 1_000_000
HOUR = 3600 * SECOND
LABELS = ("ppo_v1", "ppo_v2", "dqn_baseline", "sac_wide", "a2c_quick", "ppo_fees", "recurrent_ppo")
STATUSES = ("completed", "completed", "completed", "failed", "cancelled")
METRICS = ("roi_pct", "sharpe_ratio", "max_drawdown_pct", "reward_sum", "total_trades", "length")
BACKTEST_START = 1_640_995_200 * SECOND  # 2022-01-01
BACKTEST_HOURS = 90 * 24


def owner_of(database: Database) -> str:
    """The first account."""
    with database.read() as connection:
        return str(connection.execute(select(accounts.c.id).order_by(accounts.c.created_at)).scalars().first())


def fill_runs(database: Database, runs: int, episodes: int, *, live: int = 0, seed: int = 7) -> list[str]:
    """Add so many runs of so many episodes; the last `live` of them, the newest, still go on. Returns their ids."""
    rng, account_id, found = np.random.default_rng(seed), owner_of(database), []
    with database.write() as connection:
        for number in range(runs):
            run_id, status = str(uuid.UUID(bytes=rng.bytes(16))), STATUSES[number % len(STATUSES)]
            if number >= runs - live:
                status = "running"
            columns = learning(rng, max(1, int(episodes * (1.0 if episodes > 5000 else rng.uniform(0.4, 1.0)))))
            _add_run(connection, account_id, run_id, number, runs, status, columns)
            found.append(run_id)
    return found


def learning(rng: np.random.Generator, episodes: int) -> dict[str, np.ndarray]:
    """The figures of episodes of an agent that gets better, or does not."""
    skill, speed = rng.normal(4.0, 4.0), rng.uniform(0.02, 0.4) * episodes
    level = -6.0 + (6.0 + skill) * (1.0 - np.exp(-np.arange(episodes) / speed))
    roi = level + rng.normal(0.0, 4.0, episodes) + rng.normal(0.0, 0.4, episodes).cumsum() / np.sqrt(episodes)
    return {
        "roi_pct": roi.round(4),
        "sharpe_ratio": (roi / 5.0 + rng.normal(0.0, 0.4, episodes)).round(4),
        "max_drawdown_pct": np.abs(rng.normal(9.0, 3.0, episodes) - level / 3).round(4),
        "reward_sum": (roi * 0.01 + rng.normal(0.0, 0.02, episodes)).round(6),
        "total_trades": rng.poisson(18, episodes),
        "length": np.full(episodes, 720),
    }


def _add_run(
    connection: Connection,
    account_id: str,
    run_id: str,
    number: int,
    runs: int,
    status: str,
    columns: dict[str, np.ndarray],
) -> None:
    count = len(columns["roi_pct"])
    updated = clock.now() - (2 * SECOND if status == "running" else (runs - number) * 3 * HOUR)
    started = updated - count * 2 * SECOND
    totals = {
        name: {"count": count, "sum": float(values.sum()), "best": float(values.max()), "worst": float(values.min())}
        for name, values in columns.items()
    }
    label = LABELS[number % len(LABELS)]
    config: dict[str, Any] = {"strategy_label": label, "env_id": "TradeReady-BTC-v0", "timeframe": "1h"}
    config |= {"learning_rate": 3e-4, "gamma": 0.99} | ({"total_episodes": 2 * count} if number % 2 else {})
    run = {
        "id": run_id,
        "account_id": account_id,
        "strategy_label": label,
        "config": json.dumps(config),
        "status": status,
        "episodes_completed": count,
        "totals": json.dumps(totals),
        "started_at": started,
        "updated_at": updated,
        "completed_at": None if status == "running" else updated,
    }
    connection.execute(insert(training_runs).values(**run))
    names = ("run_id", "episode_number", *METRICS, "seed", "created_at")
    times = [started + i * 2 * SECOND for i in range(count)]
    numbers, seeds = range(1, count + 1), range(1000, 1000 + count)
    rows = zip([run_id] * count, numbers, *(columns[name].tolist() for name in METRICS), seeds, times, strict=True)
    connection.execute(insert(training_episodes), [dict(zip(names, row, strict=True)) for row in rows])


def fill_backtests(
    database: Database, count: int, *, replays: list[tuple[str, int]] | None = None, seed: int = 5
) -> list[str]:
    """Add finished backtests of BTCUSDT in the first months of 2022, then one for each episode given, and one that is stepped."""
    rng, account_id, found = np.random.default_rng(seed), owner_of(database), []
    wanted: list[tuple[str, int] | None] = [*([None] * count), *(replays or [])]
    with database.write() as connection:
        for number, replayed in enumerate(wanted):
            session_id = str(uuid.UUID(bytes=rng.bytes(16)))
            running = replayed is None and number == count - 1 and count > 1
            _add_backtest(connection, account_id, session_id, number, replayed, rng, running)
            found.append(session_id)
    return found


def _add_backtest(
    connection: Connection,
    account_id: str,
    session_id: str,
    number: int,
    replayed: tuple[str, int] | None,
    rng: np.random.Generator,
    running: bool,
) -> None:
    hours = BACKTEST_HOURS // 2 if running else BACKTEST_HOURS
    path = 10_000.0 * np.exp(np.cumsum(rng.normal(0.00004 * (number % 3 - 0.5), 0.004, hours)))
    equity = np.concatenate([[10_000.0], path])
    peak = np.maximum.accumulate(equity)
    roi = float(equity[-1] / 100.0 - 100.0)
    sharpe = float(roi / 12.0 + rng.normal(0.0, 0.2))
    trades = [] if running else _trades(session_id, rng, hours)
    created = clock.now() - (number + 1) * 5 * HOUR
    wins, sold = sum(t["realized_pnl"] > 0 for t in trades), sum(t["side"] == "sell" for t in trades)
    pnl = sum(t["realized_pnl"] for t in trades)
    metrics = {
        "sharpe_ratio": f"{sharpe:.4f}",
        "sortino_ratio": f"{sharpe * 1.4:.4f}",
        "max_drawdown_pct": f"{float((1 - equity / peak).max() * 100):.2f}",
        "win_rate": f"{100 * wins / max(sold, 1):.2f}",
        "profit_factor": "1.3127",
        "avg_win": "102.11000000",
        "avg_loss": "-77.02000000",
    }
    by_pair = [
        {
            "symbol": "BTCUSDT",
            "trades": sold,
            "wins": wins,
            "losses": sold - wins,
            "win_rate": metrics["win_rate"],
            "net_pnl": f"{pnl:.2f}",
            "total_volume": "81230.11",
        }
    ]
    row = {
        "id": session_id,
        "account_id": account_id,
        "strategy_label": ("breakout", "momentum_v2", "mean_reversion")[number % 3]
        if replayed is None
        else "gym_ppo_v1",
        "start_time": BACKTEST_START,
        "end_time": BACKTEST_START + BACKTEST_HOURS * HOUR,
        "candle_interval": 3600,
        "starting_balance": "10000.00",
        "fee_rate": "0.001",
        "pairs": json.dumps(["BTCUSDT"]),
        "status": "running" if running else "completed",
        "current_step": hours,
        "total_steps": BACKTEST_HOURS,
        "journal_length": 0,
        "final_equity": float(equity[-1]),
        "total_pnl": float(equity[-1] - 10_000.0),
        "roi_pct": roi,
        "total_trades": len(trades),
        "total_fees": sum(t["fee"] for t in trades),
        "sharpe_ratio": None if running else sharpe,
        "sortino_ratio": None if running else sharpe * 1.4,
        "max_drawdown_pct": None if running else float((1 - equity / peak).max() * 100),
        "win_rate": None if running else 100 * wins / max(sold, 1),
        "profit_factor": None if running else 1.3127,
        "metrics": None if running else json.dumps(metrics),
        "by_pair": None if running else json.dumps(by_pair),
        "created_at": created,
        "started_at": created + SECOND,
        "updated_at": created + 90 * SECOND,
        "completed_at": None if running else created + 90 * SECOND,
        "run_id": replayed[0] if replayed else None,
        "episode_number": replayed[1] if replayed else None,
    }
    connection.execute(insert(backtests).values(**row))
    connection.execute(insert(backtest_snapshots), _snapshots(session_id, equity))
    if trades:
        connection.execute(insert(backtest_trades), trades)


def _snapshots(session_id: str, equity: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "session_id": session_id,
            "number": number,
            "simulated_at": BACKTEST_START + number * HOUR,
            "total_equity": value,
            "available_cash": value / 2,
            "position_value": value / 2,
            "unrealized_pnl": 0.0,
            "realized_pnl": 0.0,
        }
        for number, value in enumerate(equity.tolist())
    ]


def _trades(session_id: str, rng: np.random.Generator, hours: int) -> list[dict[str, Any]]:
    from tradeready_gym.market.sample import load_sample

    sample = load_sample()
    first = sample.row_of(BACKTEST_START)
    places = np.sort(rng.choice(np.arange(1, hours), 60, replace=False)).tolist()
    return [
        {
            "session_id": session_id,
            "number": number,
            "order_id": number + 1,
            "symbol": "BTCUSDT",
            "side": "sell" if number % 2 else "buy",
            "type": "market",
            "quantity": 0.1,
            "price": float(sample.close[0, first + place]),
            "fee": 4.2,
            "slippage_pct": 0.01,
            "realized_pnl": float(rng.normal(8.0, 90.0)) if number % 2 else 0.0,
            "simulated_at": BACKTEST_START + place * HOUR,
        }
        for number, place in enumerate(places)
    ]
