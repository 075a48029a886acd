"""kill -9 at every write of an order's life, in processes that really die: an environment's orders, and a paper account's.

    python tests/live/kill_script.py [--seeds 50]

A life is played once by a process that nobody kills. Then, for each record that it wrote, a process is killed before that
record, in the middle of it, or after it; another one goes on from the file, and is killed two records later; a third finishes.
What the books say at the end is compared with the life that nobody disturbed.
"""

import argparse
import itertools
import os
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
from dying import died
from fault_script import Outcome
from test_parity import START, market

from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.live import ReplayFeed
from tradeready_gym.live.paper import PaperAccount
from tradeready_gym.live.risk import RiskLimits
from tradeready_gym.orders import Order
from tradeready_gym.tracking import journal

STEPS, HOUR = 8, 3_600_000_000
MODES = ("before the write", "in the middle of the write", "after the write")
LIVES = ("environment", "paper account")
FREE = RiskLimits(max_position_size_pct=100.0, max_order_size_pct=100.0, daily_loss_limit_pct=100.0)
Books = dict[str, Any]


def live(life: str, path: Path, seed: int) -> Books:
    """Play a life to its end from wherever its file is; the books."""
    died(path)  # where the process before was killed in this one
    return _environment(path, seed) if life == "environment" else _paper(path, seed)


def _environment(path: Path, seed: int) -> Books:
    env = LiveTradingEnv(
        ReplayFeed(market(gaps=False), START), journal=path, action_scheme="managed_risk", slippage="uniform"
    )
    recovered = env.recover()
    step = int((recovered or env.reset(seed=seed))[1]["step"])
    for k in range(step, STEPS):
        _order_by_hand(env, k, path)
        env.step(int(np.random.default_rng([seed, k]).integers(env.action_space.n)))  # type: ignore[attr-defined]
    fills = [tuple(sorted(trade.items())) for trade in env.exchange.trades]
    return {"fills": fills, "equity": env.exchange.net_worth, "resting": env.exchange.open_orders}


def _order_by_hand(env: LiveTradingEnv, k: int, path: Path) -> None:
    resting = [order["order_id"] for order in env.exchange.open_orders if order["price"] == 1.0]
    # a person looks whether the orders are written down; they may rest, be filled, or have been refused
    if k == 2 and not any(record["message"] == "order" for record in journal.read(path).records):
        env.exchange.submit([Order("BTCUSDT", "buy", 0.002), Order("BTCUSDT", "buy", 0.001, "limit", price=1.0)])
    elif k == 6:
        for order_id in resting:
            env.exchange.cancel(order_id)


def _paper(path: Path, seed: int) -> Books:
    candles = market(gaps=False)
    paper = PaperAccount(ReplayFeed(candles, START), journal=path, limits=FREE, patience=0.0, slippage=None)
    first = candles.start + candles.row_of(START) * HOUR
    while (k := (paper.ledger.clock - first) // HOUR) < STEPS:
        # whoever does not know what became of an order sends it again, under the same id
        for n, order in enumerate(_orders(candles, k, seed)):
            paper.submit(order, f"{k}-{n}")
        for record in list(paper.ledger.records.resting.values()):
            if k == 6 and record.price == 1.0:
                paper.cancel(record.order_id)
        paper.advance()
    fills = [tuple(vars(fill).items()) for fill in paper.ledger.records.fills]
    orders = [tuple(vars(order).items()) for order in paper.ledger.records.orders.values()]
    return {"fills": fills, "equity": paper.ledger.exchange.net_worth, "orders": orders}


def _orders(candles: Any, k: int, seed: int) -> list[Order]:
    price = float(candles.close[0, candles.row_of(START) + k - 1])
    amount = 500.0 / price
    turn = (k + seed) % 5
    if k == 1:
        return [Order("BTCUSDT", "buy", 2.0, "limit", price=1.0)]
    if turn == 0:
        return [Order("BTCUSDT", "buy", amount, stop_price=0.995 * price, take_price=1.005 * price)]
    if turn == 2:
        return [Order("BTCUSDT", "buy", amount, "limit", price=0.999 * price)]
    return [Order("BTCUSDT", "sell", 0.5 * amount)] if turn == 3 else []


# ---- dying ----


def kill_everywhere(life: str, mode: str, seed: int, folder: Path) -> Outcome:
    """Kill it at every write, in this way; what differed."""
    outcome = Outcome()
    whole = folder / "whole.journal"
    expected = live(life, whole, seed)
    writes = len(journal.read(whole).records)
    for deadly in range(1, writes + 1):
        path = folder / f"{deadly}.journal"
        try:
            for count in (deadly, 2):
                if _die(life, path, seed, count, mode):
                    outcome.injected[f"kill -9 of the {life}, {mode}"] += 1
            books = live(life, path, seed)
        except Exception as error:
            outcome.note("other", f"{life} killed {mode} {deadly}, seed {seed}: {type(error).__name__}: {error}")
            continue
        _judge(expected, books, path, outcome, f"{life} killed {mode} {deadly}, seed {seed}")
    return outcome


def _die(life: str, path: Path, seed: int, deadly: int, mode: str) -> bool:
    """Play in a process that is killed at its `deadly`-th write; whether it was."""
    child = os.fork()
    if child == 0:
        try:
            _arm(deadly, mode)
            live(life, path, seed)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _arm(deadly: int, mode: str) -> None:
    genuine, written = journal.append, itertools.count(1)

    def deadly_append(path: Path, records: bytes, *, sync: bool = False) -> None:
        if next(written) != deadly:
            genuine(path, records, sync=sync)
            return
        if mode == "in the middle of the write":
            genuine(path, records[: len(records) // 2], sync=sync)
        elif mode == "after the write":
            genuine(path, records, sync=sync)
        os.kill(os.getpid(), signal.SIGKILL)

    journal.append = deadly_append


def _judge(expected: Books, books: Books, path: Path, outcome: Outcome, where: str) -> None:
    mine, theirs = Counter[Any](books["fills"]), Counter[Any](expected["fills"])
    outcome.counted["fills"] += len(expected["fills"])
    outcome.note("lost fills", where, (theirs - mine).total())
    outcome.note("duplicate orders", where, (mine - theirs).total())
    records = journal.read(path).records
    decided = [record["slot"] for record in records if record["message"] == "decide"]
    outcome.note("duplicate orders", where, len(decided) - len(set(decided)))
    outcome.counted["decisions"] += len(decided)
    slots = np.array([record["time"] for record in records if record["message"] == "slot"])
    outcome.note("silent gaps", where, int((np.diff(slots) != HOUR).sum()))
    outcome.counted["slots"] += len(slots)
    outcome.note("other", where, books != expected)


def kill_script(seeds: int) -> list[Outcome]:
    """One outcome for each seed; lives and ways of dying go round."""
    outcomes = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            life, mode = LIVES[seed % 2], MODES[seed // 2 % 3]
            outcomes.append(kill_everywhere(life, mode, seed, Path(folder)))
    return outcomes


def main() -> int:
    """Tell what was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=50)
    outcomes = kill_script(parser.parse_args().seeds)
    injected = sum((outcome.injected for outcome in outcomes), Counter[str]())
    for name, number in sorted(injected.items()):
        sys.stdout.write(f"{name}: {number}\n")
    bad = [outcome.first for outcome in outcomes if outcome.wrong]
    sys.stdout.write("".join(f"WRONG: {first}\n" for first in bad) + f"{injected.total()} killed, {len(bad)} wrong\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
