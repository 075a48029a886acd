"""Planted defects of the margin account, in the manner of defects.py."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from defects import Defect, Plant
from generate import Knobs

import tradeready_gym.engine.step as step
from tradeready_gym.exchanges import book as order_book
from tradeready_gym.exchanges import desk, margin, matching
from tradeready_gym.ledger import margin as ledger

MARGIN_DEFECTS: dict[str, Defect] = {}
MODULES = (ledger, margin, order_book, matching, desk, step)


def margin_defect(kind: str = "orders", **knobs: Any) -> Callable[[Plant], Plant]:
    """Register a defect under the name of its function."""

    def register(plant: Plant) -> Plant:
        wanted = Knobs(**{"margin": True, "model": "fixed", "ruin": False, **knobs})
        MARGIN_DEFECTS[plant.__name__] = Defect(plant, kind, wanted)
        return plant

    return register


def everywhere(patch: pytest.MonkeyPatch, name: str, replace: Callable[[Any], Any]) -> None:
    """Replace a kernel in every module that knows it."""
    for module in MODULES:
        if hasattr(module, name):
            patch.setattr(module, name, replace(getattr(module, name)))


# ---- financing ----------------------------------------------------------------------------------------------------------


@margin_defect()
def nobody_pays_interest_or_funding(patch: pytest.MonkeyPatch) -> None:
    everywhere(patch, "charge_financing", lambda original: lambda *_: None)


@margin_defect(kind="actions", scheme="target_position")
def interest_is_charged_on_the_cash_after_the_candles_orders(patch: pytest.MonkeyPatch) -> None:
    late: list[Any] = []

    def broken(*others: Any) -> None:
        execute_orders(*others)
        charge_financing(*late)

    execute_orders, charge_financing = step.execute_orders, ledger.charge_financing
    patch.setattr(step, "charge_financing", lambda *arguments: late.__setitem__(slice(None), arguments))
    patch.setattr(step, "execute_orders", broken)


@margin_defect(steps=80)
def shorts_borrow_for_nothing(patch: pytest.MonkeyPatch) -> None:
    def broken(original: Any) -> Any:
        def charge(a: Any, positions: Any, newest: Any, time: float, costs: Any, funding: Any, symbols: int) -> None:
            longs = positions.copy()
            if costs.interest_rate > 0.0:
                longs["quantity"] = [max(quantity, 0.0) for quantity in positions["quantity"]]
            original(a, longs.view(type(positions)), newest, time, costs, funding, symbols)

        return charge

    everywhere(patch, "charge_financing", broken)


@margin_defect(steps=80)
def funding_is_received_by_longs(patch: pytest.MonkeyPatch) -> None:
    def broken(original: Any) -> Any:
        def charge(a: Any, positions: Any, newest: Any, time: float, costs: Any, funding: Any, symbols: int) -> None:
            mirrored = costs.copy()
            mirrored["funding_rate"] = -costs.funding_rate
            original(a, positions, newest, time, mirrored, funding, symbols)

        return charge

    everywhere(patch, "charge_financing", broken)


@margin_defect(steps=80, funding=True)
def a_history_of_funding_is_charged_a_candle_early(patch: pytest.MonkeyPatch) -> None:
    shift_funding(patch, -1)


@margin_defect(steps=80, funding=True)
def a_history_of_funding_is_charged_a_candle_late(patch: pytest.MonkeyPatch) -> None:
    shift_funding(patch, 1)


def shift_funding(patch: pytest.MonkeyPatch, rows: int) -> None:
    def broken(original: Any) -> Any:
        def charge(a: Any, positions: Any, newest: Any, time: float, costs: Any, funding: Any, symbols: int) -> None:
            original(a, positions, newest, time, costs, np.roll(funding, rows, axis=0), symbols)

        return charge

    everywhere(patch, "charge_financing", broken)


@margin_defect(steps=80, funding=True, symbols=3)
def every_symbol_pays_the_funding_of_the_first(patch: pytest.MonkeyPatch) -> None:
    def broken(original: Any) -> Any:
        def charge(a: Any, positions: Any, newest: Any, time: float, costs: Any, funding: Any, symbols: int) -> None:
            original(a, positions, newest, time, costs, np.repeat(funding[:, :1], symbols, axis=1), symbols)

        return charge

    everywhere(patch, "charge_financing", broken)


@margin_defect(steps=80, funding=True)
def shorts_do_not_receive_a_history_of_funding(patch: pytest.MonkeyPatch) -> None:
    def broken(original: Any) -> Any:
        def charge(a: Any, positions: Any, newest: Any, time: float, costs: Any, funding: Any, symbols: int) -> None:
            longs = positions.copy()
            longs["quantity"] = [max(quantity, 0.0) for quantity in positions["quantity"]]
            original(a, longs.view(type(positions)), newest, time, costs, funding, symbols)

        return charge

    everywhere(patch, "charge_financing", broken)


# ---- margin -------------------------------------------------------------------------------------------------------------


@margin_defect(fee_rate=0.01)
def the_margin_is_judged_before_the_fee(patch: pytest.MonkeyPatch) -> None:
    def broken(original: Any) -> Any:
        def affordable(a: Any, p: Any, symbol: int, side: int, price: float, fee: float, *others: Any) -> float:
            return float(original(a, p, symbol, side, price, 0.0, *others))

        return affordable

    everywhere(patch, "affordable_trade", broken)


@margin_defect(symbols=3)
def positions_of_other_symbols_use_no_margin(patch: pytest.MonkeyPatch) -> None:
    def broken(original: Any) -> Any:
        def affordable(a: Any, positions: Any, symbol: int, *others: Any) -> float:
            references = positions["reference"].copy()
            positions["reference"] = 0.0
            most = float(original(a, positions, symbol, *others))
            positions["reference"] = references
            return most

        return affordable

    everywhere(patch, "affordable_trade", broken)


@margin_defect()
def the_average_entry_is_kept_through_zero(patch: pytest.MonkeyPatch) -> None:
    def broken(original: Any) -> Any:
        def trade(account: Any, position: Any, *others: Any) -> float:
            before, entry = position.quantity, position.average_entry
            pnl = float(original(account, position, *others))
            if before * position.quantity < 0.0:
                position.average_entry = entry
            return pnl

        return trade

    everywhere(patch, "apply_trade", broken)


# ---- liquidation --------------------------------------------------------------------------------------------------------


@margin_defect(fragile=True, steps=80)
def a_short_is_valued_at_the_low(patch: pytest.MonkeyPatch) -> None:
    everywhere(patch, "worst_price", lambda original: lambda position, candle: float(candle.low))


@margin_defect(fragile=True, steps=120)
def profits_are_taken_before_the_liquidation(patch: pytest.MonkeyPatch) -> None:
    def broken(
        a: Any, positions: Any, candles: Any, newest: Any, instruments: Any, costs: Any, book: Any, *others: Any
    ) -> None:
        fills, symbols = others
        match_book(a, positions, candles, newest, instruments, costs, book, fills, symbols)
        if not keeps_margin(a, positions, candles, symbols, costs.maintenance, -1, 0.0):
            margin.liquidate(a, positions, candles, instruments, costs, book, fills, symbols)
            order_book.compact_book(a, book)

    match_book, keeps_margin = matching.match_book, ledger.keeps_margin
    patch.setattr(step, "match_book", broken)
    patch.setattr(matching, "keeps_margin", lambda *arguments: arguments[5] < 0 or keeps_margin(*arguments))


@margin_defect(fragile=True, steps=80)
def every_stop_comes_before_the_liquidation(patch: pytest.MonkeyPatch) -> None:
    def broken(a: Any, positions: Any, candles: Any, symbols: int, maintenance: float, own: int, price: float) -> bool:
        return own >= 0 or bool(keeps_margin(a, positions, candles, symbols, maintenance, own, price))

    keeps_margin = ledger.keeps_margin
    patch.setattr(matching, "keeps_margin", broken)


@margin_defect(fragile=True, steps=80)
def the_maintenance_margin_is_that_of_the_close(patch: pytest.MonkeyPatch) -> None:
    def broken(a: Any, positions: Any, candles: Any, *others: Any) -> bool:
        late = candles.copy()
        late["low"] = late["high"] = candles["close"]
        return bool(keeps_margin(a, positions, late.view(type(candles)), *others))

    keeps_margin = ledger.keeps_margin
    patch.setattr(matching, "keeps_margin", broken)


@margin_defect(fragile=True, steps=80)
def debt_survives_the_liquidation(patch: pytest.MonkeyPatch) -> None:
    everywhere(patch, "forgive_debt", lambda original: lambda account: None)


@margin_defect(fragile=True, steps=80)
def nothing_is_ever_liquidated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(matching, "keeps_margin", lambda *_: True)


@margin_defect(fragile=True, steps=80)
def resting_orders_outlive_the_liquidation(patch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> None:
        book = arguments[5]
        alive = book["alive"].copy()
        liquidate(*arguments)
        book["alive"] = alive

    liquidate = margin.liquidate
    patch.setattr(matching, "liquidate", broken)


@margin_defect(steps=80)
def a_remainder_of_rounding_is_left_open(patch: pytest.MonkeyPatch) -> None:
    everywhere(patch, "snap_to_close", lambda original: lambda a, p, side, quantity, price: quantity * (1.0 - 1e-14))
