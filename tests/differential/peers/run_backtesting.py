"""Run a list of market orders through backtesting.py, in a virtual environment of its own.

    /path/of/that/venv/bin/python run_backtesting.py world.json result.json

Reads `{"open", "high", "low", "close", "volume", "starting_balance", "fee_rate", "unit", "orders": [[row, side, quantity], ...]}`
(`unit` is optional, 1e-8 when missing) and writes `{"version", "equity": one per row, "trades": [[row, side, quantity, price], ...]}`.
An order of row r fills at the open of row r; there is no slippage.

How the same orders are said there (backtesting.py 0.6.6):
- `Strategy.next` of bar i fills at the open of bar i + 1 and is first called with bar 1, so two flat candles are put in front.
- A size is a whole number of units. `FractionalBacktest(fractional_unit=unit)` scales the prices by the unit, so a quantity
  is given in units, and must be a multiple of it: one that is not is an error here.
- `commission` is charged at entry and at exit; `margin=1`, `hedging=False`: a sale closes the oldest purchases first, which
  gives the equity of an average entry. Trades left at the end stay open (`finalize_trades=False`).
- An order that the cash does not cover is cancelled with a warning; the script turns that into an error.
"""

import json
import sys
import warnings
from collections import defaultdict
from importlib import import_module
from typing import Any

IN_FRONT = 2


def run(world: dict[str, Any]) -> dict[str, Any]:
    """The equity at every close, and the trades, of a world's orders."""
    backtesting, pandas = import_module("backtesting"), import_module("pandas")
    base: Any = backtesting.Strategy
    fractional = import_module("backtesting.lib").FractionalBacktest
    warnings.filterwarnings("error", message=".*Broker canceled.*")
    warnings.filterwarnings("ignore", message=".*remain open at the end.*")
    backtesting.backtesting._tqdm = lambda sequence, **_: sequence  # no progress bar
    unit = world.get("unit", 1e-8)
    orders = defaultdict(list)
    for row, side, quantity in world["orders"]:
        orders[row].append((side, whole_units(quantity, unit)))

    class Script(base):  # type: ignore[misc]
        def init(self) -> None:
            pass

        def next(self) -> None:
            next_row = len(self.data) - IN_FRONT
            for side, units in orders[next_row]:
                (self.buy if side == "buy" else self.sell)(size=units)

    frame = pandas.DataFrame({name.capitalize(): padded(world, name) for name in ("open", "high", "low", "close")})
    frame["Volume"] = [0.0] * IN_FRONT + world["volume"]
    frame.index = pandas.date_range("2025-01-01", periods=len(frame), freq="h")
    test = fractional(
        frame,
        Script,
        fractional_unit=unit,
        cash=world["starting_balance"],
        commission=world["fee_rate"],
        finalize_trades=False,
    )
    result = test.run()
    closed = result["_trades"]
    entries = [*zip(closed.EntryBar, closed.Size, closed.EntryPrice, strict=True)]
    entries += [(one.entry_bar, one.size * unit, one.entry_price / unit) for one in result["_strategy"].trades]
    exits = [*zip(closed.ExitBar, closed.Size, closed.ExitPrice, strict=True)]
    trades = executions(entries, "buy") + executions(exits, "sell")
    equity = [float(value) for value in result["_equity_curve"].Equity][IN_FRONT:]
    return {"version": backtesting.__version__, "equity": equity, "trades": sorted(trades)}


def executions(parts: list[tuple[int, float, float]], side: str) -> list[list[Any]]:
    """One [row, side, quantity, price] for each row, from the parts into which later sales cut a purchase."""
    quantities: dict[int, float] = defaultdict(float)
    prices: dict[int, float] = {}
    for index, quantity, price in parts:
        quantities[int(index) - IN_FRONT] += float(quantity)
        prices[int(index) - IN_FRONT] = float(price)
    return [[row, side, quantity, prices[row]] for row, quantity in quantities.items()]


def padded(world: dict[str, Any], name: str) -> list[float]:
    """A column with flat candles at the first open in front."""
    return [world["open"][0]] * IN_FRONT + list(world[name])


def whole_units(quantity: float, unit: float) -> int:
    """The quantity as a number of units; a remainder is an error, since it would be dropped in silence."""
    units = round(quantity / unit)
    if abs(quantity / unit - units) > 1e-3:
        raise ValueError(f"quantities must be multiples of {unit}, found {quantity!r}")
    return units


if __name__ == "__main__":
    with open(sys.argv[1]) as source, open(sys.argv[2], "w") as target:
        json.dump(run(json.load(source)), target)
