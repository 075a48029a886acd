"""Run a list of market orders through vectorbt, in a virtual environment of its own.

    /path/of/that/venv/bin/python run_vectorbt.py world.json result.json

Reads `{"open", "close", "starting_balance", "fee_rate", "orders": [[row, side, quantity], ...]}` (other keys are ignored) and
writes `{"version", "equity": one per row, "trades": [[row, side, quantity, price], ...]}`.
An order of row r fills at the open of row r; there is no slippage.

How the same orders are said there (vectorbt 1.2.0): `Portfolio.from_orders(close, size, price=open, size_type="amount",
direction="longonly", fees=...)`; a size is signed, and NaN is no order, so there is at most one order in a row. Portfolio value
is marked at the close. `allow_partial=False` and `raise_reject=True`: an order that the cash does not cover is an error.
"""

import json
import sys
from importlib import import_module
from typing import Any


def run(world: dict[str, Any]) -> dict[str, Any]:
    """The equity at every close, and the fills, of a world's orders."""
    numpy, vectorbt = import_module("numpy"), import_module("vectorbt")
    size = numpy.full(len(world["close"]), numpy.nan)
    for row, side, quantity in world["orders"]:
        if not numpy.isnan(size[row]):
            raise ValueError(f"vectorbt takes one order in a row, found two in row {row}")
        size[row] = quantity if side == "buy" else -quantity
    portfolio = vectorbt.Portfolio.from_orders(
        numpy.array(world["close"], dtype=float),
        size,
        price=numpy.array(world["open"], dtype=float),
        size_type="amount",
        direction="longonly",
        fees=world["fee_rate"],
        slippage=0.0,
        init_cash=world["starting_balance"],
        allow_partial=False,
        raise_reject=True,
        freq="1h",
    )
    records = portfolio.orders.values
    trades = [
        [int(one["idx"]), "sell" if one["side"] else "buy", float(one["size"]), float(one["price"])] for one in records
    ]
    equity = [float(value) for value in portfolio.value()]
    return {"version": vectorbt.__version__, "equity": equity, "trades": trades}


if __name__ == "__main__":
    with open(sys.argv[1]) as source, open(sys.argv[2], "w") as target:
        json.dump(run(json.load(source)), target)
