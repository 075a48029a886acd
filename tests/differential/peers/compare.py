"""Our engine, the Decimal ledger and other backtesters on the same random market orders; prints the worst differences.

    python tests/differential/peers/compare.py --cases 20 [--only backtesting]

Each peer gets a virtual environment of its own below build/peers the first time. Market orders at the next open, no
slippage, 0.1 % fee, quantities in whole units (about 1e-9 of what the balance buys, since backtesting.py knows no
fractions), at most one order in a row. Part of the soak, not of the suite. Exits 1 when anybody differs by more than 1e-9.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).resolve().parent
PEERS = HERE.parents[2] / "build" / "peers"
sys.path.insert(0, str(HERE.parent))

from adapter import run_engine
from decimal_ledger import Episode, NoSlippage, Parameters, StepResult
from generate import Case, Knobs, build_case

TOLERANCE = 1e-9
PINS = {
    "backtesting": ["backtesting==0.6.6", "bokeh==3.9.2", "numpy==2.4.6", "pandas==3.1.1"],
    "vectorbt": ["vectorbt==1.2.0", "numba==0.68.1", "numpy==2.4.6", "pandas==3.1.1"],
}


@dataclass(frozen=True)
class Answer:
    """What somebody says of a world: the equity at every close, and [row, side, quantity, price] of every fill."""

    version: str
    equity: list[float]
    trades: list[list[Any]]


def case_of(seed: int, steps: int = 500) -> tuple[Case, float]:
    """A random market with random affordable market orders, at most one in a row, and the unit of their quantities."""
    random = Random(f"peers/{seed}")
    balance = 10 ** random.uniform(3, 10)
    knobs = Knobs(
        steps=steps, symbols=1, model="none", fill_at="next_open", balance=balance, fee_rate=0.001,
        maker_fee_rate=False, volume_share=False, instruments=False, ruin=False,
    )  # fmt: skip
    case = build_case(seed, kind="orders", knobs=knobs)
    case.parameters = Parameters(
        starting_balance=balance, fee_rate=0.001, slippage=NoSlippage(), bars_per_day=1, max_loss=1.0
    )
    one = case.series[0]
    episode = Episode([one], start_row=case.start_row, parameters=case.parameters)
    unit = 10.0 ** (math.floor(math.log10(balance / one.close[0])) - 9)
    case.steps, case.results = [], episode.results
    while not episode.over:
        account = episode.broker.account
        side, quantity = _choice(random, float(account.cash), float(account.positions[0]), one.open[episode.row], unit)
        trades = quantity > 0 and not one.closed(episode.row)
        submit = [{"symbol": 0, "side": side, "type": "market", "quantity": quantity}] if trades else []
        case.steps.append({"submit": submit})
        episode.step(submit=submit)  # type: ignore[arg-type]
    return case, unit


def _choice(random: Random, cash: float, held: float, price: float, unit: float) -> tuple[str, float]:
    if random.random() < 0.5:
        return "", 0.0
    if held > 0 and random.random() < 0.5:
        return "sell", round(held / unit * random.choice((1.0, random.random()))) * unit
    return "buy", round(0.9 * cash * random.random() / price / unit) * unit


def world_of(case: Case, unit: float) -> dict[str, Any]:
    """A case as a peer reads it; row r of the world is step r."""
    columns = {
        name: getattr(case.series[0], name)[case.start_row :] for name in ("open", "high", "low", "close", "volume")
    }
    orders = [[row, one["side"], one["quantity"]] for row, entry in enumerate(case.steps) for one in entry["submit"]]
    balance = case.parameters.starting_balance
    return {**columns, "starting_balance": balance, "fee_rate": 0.001, "unit": unit, "orders": orders}


def ledger_says(results: list[StepResult]) -> Answer:
    """The Decimal ledger's answer."""
    fills = [(result.step, fill) for result in results for fill in result.fills]
    trades = [[step, fill.side, float(fill.quantity), float(fill.price)] for step, fill in fills]
    return Answer("", [float(result.equity) for result in results], trades)


def engine_says(case: Case) -> Answer:
    """Our engine's answer: the same orders, submitted between two steps of an environment."""
    steps = run_engine(case).steps
    fills = [(row, fill) for row, step in enumerate(steps) for fill in step.info["filled_orders"]]
    trades = [[row, fill["side"], fill["quantity"], fill["price"]] for row, fill in fills]
    return Answer("", [step.info["equity"] for step in steps], trades)


def peer_says(peer: str, world: dict[str, Any]) -> Answer:
    """A peer's answer, from its own process."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "world.json", Path(folder) / "result.json"
        source.write_text(json.dumps(world))
        command = [interpreter(peer), str(HERE / f"run_{peer}.py"), str(source), str(target)]
        subprocess.run(command, check=True, timeout=300)
        return Answer(**json.loads(target.read_text()))


def interpreter(peer: str) -> str:
    """The Python of a peer's own virtual environment, made when missing."""
    place = PEERS / peer
    python = place / "bin" / "python"
    if not (place / "installed").exists():
        venv.create(place, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PINS[peer]], check=True)
        (place / "installed").write_text("\n".join(PINS[peer]))
    return str(python)


def worst_difference(ours: Answer, theirs: Answer, balance: float) -> float:
    """The largest difference of equity, as a share of the larger of the equity and the starting balance."""
    pairs = zip(ours.equity, theirs.equity, strict=True)
    return max(abs(mine - other) / max(mine, balance) for mine, other in pairs)


def worst_trade(ours: Answer, theirs: Answer) -> float:
    """The largest relative difference of a fill's quantity or price; rows and sides must be the same."""
    if [trade[:2] for trade in ours.trades] != [trade[:2] for trade in theirs.trades]:
        return math.inf
    pairs = zip(ours.trades, theirs.trades, strict=True)
    return max((abs(one[k] / other[k] - 1) for one, other in pairs for k in (2, 3)), default=0.0)


def main() -> int:
    """Print one line for the ledger and one for each peer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--only", choices=sorted(PINS))
    arguments = parser.parse_args()
    cases = [case_of(seed, arguments.steps) for seed in range(arguments.cases)]
    engine = [engine_says(case) for case, _ in cases]
    steps, fills = sum(len(one.equity) for one in engine), sum(len(one.trades) for one in engine)
    sys.stdout.write(f"our engine: {len(cases)} worlds, {steps} steps, {fills} fills\n")
    worst = 0.0
    for name in ("ledger", *PINS):
        if arguments.only and name not in ("ledger", arguments.only):
            continue
        equity, trade, version = 0.0, 0.0, ""
        for (case, unit), ours in zip(cases, engine, strict=True):
            answer = ledger_says(case.results) if name == "ledger" else peer_says(name, world_of(case, unit))
            equity = max(equity, worst_difference(ours, answer, case.parameters.starting_balance))
            trade, version = max(trade, worst_trade(ours, answer)), answer.version
        sys.stdout.write(f"against {name} {version}: worst difference of equity {equity:.1e}, of a fill {trade:.1e}\n")
        worst = max(worst, equity, trade)
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
