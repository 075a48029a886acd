"""Compare the Decimal ledger with other backtesters on the same random market orders, and print the worst differences.

    python compare.py --backtesting VENV/bin/python --vectorbt VENV/bin/python --cases 20

The two interpreters are those of virtual environments with backtesting.py and vectorbt; either may be left out. Market orders at
the next open, no slippage, 0.1 % fee, quantities in whole units (about 1e-9
of what the balance buys, since backtesting.py knows no fractions), at most one order in a row.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from decimal_ledger import Episode, NoSlippage, Parameters, StepResult
from generate import Knobs, build_case


def world_of(seed: int, steps: int = 500) -> tuple[dict[str, Any], list[StepResult]]:
    """A random market, random affordable market orders, and the ledger's steps; row r of the world is step r."""
    random = Random(f"peers/{seed}")
    balance = 10 ** random.uniform(3, 10)
    knobs = Knobs(
        steps=steps, symbols=1, model="none", fill_at="next_open", balance=balance, fee_rate=0.001,
        maker_fee_rate=False, volume_share=False, instruments=False,
    )  # fmt: skip
    case = build_case(seed, kind="orders", knobs=knobs)
    parameters = Parameters(starting_balance=balance, fee_rate=0.001, slippage=NoSlippage(), bars_per_day=1)
    one, start = case.series[0], case.start_row
    episode = Episode([one], start_row=start, parameters=parameters)
    unit = 10.0 ** (math.floor(math.log10(balance / one.close[0])) - 9)
    orders = []
    while not episode.over:
        row, account = episode.row, episode.broker.account
        side, quantity = _choice(random, float(account.cash), float(account.positions[0]), one.open[row], unit)
        trades = quantity > 0 and not one.closed(row)
        submit = [{"symbol": 0, "side": side, "type": "market", "quantity": quantity}] if trades else []
        result = episode.step(submit=submit)  # type: ignore[arg-type]
        if result.fills:
            orders.append([row - start, side, quantity])
    columns = {name: getattr(one, name)[start:] for name in ("open", "high", "low", "close", "volume")}
    return {**columns, "starting_balance": balance, "fee_rate": 0.001, "unit": unit, "orders": orders}, episode.results


def _choice(random: Random, cash: float, held: float, price: float, unit: float) -> tuple[str, float]:
    if random.random() < 0.5:
        return "", 0.0
    if held > 0 and random.random() < 0.5:
        return "sell", round(held / unit * random.choice((1.0, random.random()))) * unit
    return "buy", round(0.9 * cash * random.random() / price / unit) * unit


def peer_says(python: str, script: str, world: dict[str, Any]) -> dict[str, Any]:
    """What a peer answers, in its own process."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "world.json", Path(folder) / "result.json"
        source.write_text(json.dumps(world))
        subprocess.run([python, str(HERE / script), str(source), str(target)], check=True, timeout=300)
        answer: dict[str, Any] = json.loads(target.read_text())
        return answer


def worst_difference(results: list[StepResult], equity: list[float], balance: float) -> float:
    """The largest difference of equity, as a share of the larger of the equity and the starting balance."""
    return max(
        abs(float(result.equity) - value) / max(float(result.equity), balance)
        for result, value in zip(results, equity, strict=True)
    )


def worst_trade(results: list[StepResult], trades: list[list[Any]]) -> float:
    """The largest relative difference of a fill's quantity or price; rows and sides must be the same."""
    fills = [fill for result in results for fill in result.fills]
    first = results[0].row
    if [[fill.row - first, fill.side] for fill in fills] != [trade[:2] for trade in trades]:
        return math.inf
    worst = 0.0
    for fill, (_, _, quantity, price) in zip(fills, trades, strict=True):
        worst = max(worst, abs(float(fill.quantity) / quantity - 1), abs(float(fill.price) / price - 1))
    return worst


def main() -> None:
    """Print one line for each peer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backtesting")
    parser.add_argument("--vectorbt")
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--steps", type=int, default=500)
    arguments = parser.parse_args()
    worlds = [world_of(seed, arguments.steps) for seed in range(arguments.cases)]
    fills = sum(len(world["orders"]) for world, _ in worlds)
    for python, script in ((arguments.backtesting, "run_backtesting.py"), (arguments.vectorbt, "run_vectorbt.py")):
        if python is None:
            continue
        worst, trade, version = 0.0, 0.0, ""
        for world, results in worlds:
            answer = peer_says(python, script, world)
            worst = max(worst, worst_difference(results, answer["equity"], world["starting_balance"]))
            trade = max(trade, worst_trade(results, answer["trades"]))
            version = answer["version"]
        counts = f"{len(worlds)} worlds, {sum(len(results) for _, results in worlds)} steps, {fills} fills"
        sys.stdout.write(
            f"{script} {version}: {counts}; worst difference of equity {worst:.1e}, of a fill {trade:.1e}\n"
        )


if __name__ == "__main__":
    main()
