"""Planted defects: each breaks the interpreted engine in one way, and names the cases in which that must show.

In interpreted mode kernels are plain functions that find each other through their modules, so a defect is a few names
replaced by `pytest.MonkeyPatch`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from generate import Knobs

import tradeready_gym.engine.step as step
from tradeready_gym.exchanges import book as order_book
from tradeready_gym.exchanges import desk, execution, matching, quoting
from tradeready_gym.ledger import spot, statistics
from tradeready_gym.rewards import ratio

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Defect:
    """`plant` breaks the engine; cases of this kind and these knobs must then differ from the reference."""

    plant: Plant
    kind: str
    knobs: Knobs
    reward: str | None = None


DEFECTS: dict[str, Defect] = {}


def defect(kind: str = "orders", reward: str | None = None, **knobs: Any) -> Callable[[Plant], Plant]:
    """Register a defect under the name of its function."""

    def register(plant: Plant) -> Plant:
        DEFECTS[plant.__name__] = Defect(plant, kind, Knobs(**{"model": "fixed", "ruin": False, **knobs}), reward)
        return plant

    return register


def everywhere(patch: pytest.MonkeyPatch, name: str, replace: Callable[[Any], Any]) -> None:
    """Replace a kernel in every module that has imported it."""
    for module in (execution, order_book, matching, desk, step):
        if hasattr(module, name):
            patch.setattr(module, name, replace(getattr(module, name)))


# ---- money --------------------------------------------------------------------------------------------------------------


@defect(fee_rate=0.001)
def the_fee_is_forgotten_on_sells(patch: pytest.MonkeyPatch) -> None:
    everywhere(
        patch, "apply_sell", lambda original: lambda a, p, quantity, price, fee: original(a, p, quantity, price, 0.0)
    )


@defect(fee_rate=0.001)
def the_average_entry_includes_the_fee(patch: pytest.MonkeyPatch) -> None:
    def broken(original: Any) -> Any:
        return lambda a, p, quantity, price, fee: original(a, p, quantity, price + fee / quantity, fee)

    everywhere(patch, "apply_buy", broken)


@defect(instruments=False)
def selling_everything_leaves_dust(patch: pytest.MonkeyPatch) -> None:
    def broken(original: Any) -> Any:
        return lambda a, p, quantity, price, fee: original(a, p, quantity * (1.0 - 1e-14), price, fee)

    everywhere(patch, "apply_sell", broken)


@defect(kind="actions", fee_rate=0.01, scheme="hold_buy_sell", steps=100)
def a_round_trip_is_counted_before_its_fees(patch: pytest.MonkeyPatch) -> None:
    def broken(original: Any) -> Any:
        def apply_buy(account: Any, position: Any, quantity: float, price: float, fee: float) -> None:
            original(account, position, quantity, price, fee)
            position.trip_pnl += fee

        return apply_buy

    everywhere(patch, "apply_buy", broken)


@defect()
def equity_forgets_what_is_locked(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, positions: Any, candles: Any, symbols: int) -> bool:
        held = mark(account, positions, candles, symbols)
        account.equity -= account.locked_cash
        return bool(held)

    mark = spot.mark
    patch.setattr(step, "mark", broken)


# ---- market orders ------------------------------------------------------------------------------------------------------


@defect()
def slippage_moves_in_the_traders_favour(patch: pytest.MonkeyPatch) -> None:
    def broken(original: Any) -> Any:
        def fill(account: Any, position: Any, order: Any, *others: Any) -> Any:
            order.slippage = -order.slippage
            return original(account, position, order, *others)

        return fill

    for name in ("_market_buy", "_market_sell"):
        patch.setattr(execution, name, broken(getattr(execution, name)))


@defect(fill_at="next_open")
def a_market_order_fills_at_the_close_of_the_candle_that_begins(patch: pytest.MonkeyPatch) -> None:
    def broken(original: Any) -> Any:
        def execute(account: Any, position: Any, order: Any, candle: Any, *others: Any) -> float:
            late = candle.copy()
            late["open"] = candle.close
            return float(original(account, position, order, late, *others))

        return execute

    everywhere(patch, "execute_market", broken)


@defect(steps=100)
def a_market_order_fills_in_a_gap(patch: pytest.MonkeyPatch) -> None:
    def broken(original: Any) -> Any:
        def execute(account: Any, position: Any, order: Any, candle: Any, *others: Any) -> float:
            lively = candle.copy()
            lively["volume"] = max(candle.volume, 1.0)
            return float(original(account, position, order, lively, *others))

        return execute

    everywhere(patch, "execute_market", broken)


@defect(kind="actions", scheme="hold_buy_sell")
def a_buy_that_a_scheme_sized_is_refused_instead_of_cut(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, position: Any, order: Any, *others: Any) -> Any:
        order.sized = 0
        return market_buy(account, position, order, *others)

    market_buy = execution._market_buy
    patch.setattr(execution, "_market_buy", broken)


@defect(kind="actions", scheme="portfolio", symbols=3)
def an_actions_buys_come_before_its_sells(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, positions: Any, orders: Any, *others: Any) -> None:
        # one at a time, so in symbol order alone
        count = int(account.pending)
        for k in range(count):
            account.pending = 1
            execute_orders(account, positions, orders[k : k + 1], *others)

    execute_orders = step.execute_orders
    patch.setattr(step, "execute_orders", broken)


@defect(model="uniform")
def every_order_of_a_step_slips_by_the_same_draw(patch: pytest.MonkeyPatch) -> None:
    for module in (step, quoting):
        original = module.uniform
        patch.setattr(
            module, "uniform", lambda seed, episode, at, stream, _, draw=original: draw(seed, episode, at, stream, 0)
        )


@defect(instruments=True, steps=80)
def slipped_prices_round_in_the_traders_favour(patch: pytest.MonkeyPatch) -> None:
    everywhere(patch, "round_price", lambda original: lambda price, side, tick: original(price, -side, tick))


@defect(volume_share=True)
def the_volume_cap_belongs_to_each_order_alone(patch: pytest.MonkeyPatch) -> None:
    def broken(position: Any, candle: Any, costs: Any) -> float:
        return float(costs.max_volume_share * candle.volume) if costs.max_volume_share > 0.0 else math.inf

    everywhere(patch, "volume_left", lambda original: broken)


# ---- resting orders -----------------------------------------------------------------------------------------------------


@defect()
def a_stop_fills_at_its_price_although_the_market_opened_beyond(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, order: Any, *others: Any) -> float:
        price = stop_price(account, order, *others)
        return float(order.price * (1.0 + order.side * order.slippage)) if price > 0.0 else 0.0

    stop_price = matching._stop_price
    patch.setattr(matching, "_stop_price", broken)


@defect(steps=80)
def a_cancelled_order_keeps_its_lock(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, positions: Any, book: Any, place: int, symbols: int) -> None:
        book[place].locked = 0.0
        cancel_order(account, positions, book, place, symbols)

    cancel_order = order_book.cancel_order
    patch.setattr(desk, "cancel_order", broken)


@defect()
def what_a_better_fill_leaves_of_a_lock_is_lost(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, order: Any, quantity: float, cost: float, costs: Any) -> None:
        order.locked = 0.0

    patch.setattr(matching, "_pay_from_lock", broken)


@defect(fee_rate=0.01)
def a_lock_leaves_out_the_fee(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(order_book, "lock_price", lambda order, costs: float(order.price))


@defect(largest=True)
def the_largest_quantity_is_no_limit(patch: pytest.MonkeyPatch) -> None:
    for module in (execution, order_book):
        patch.setattr(
            module,
            "within_limits",
            lambda order, close, instrument: execution.floor_to_lot(order.quantity, instrument.lot_size),
        )


@defect(limits=True)
def the_least_quantity_is_no_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(execution, "below_least", lambda quantity, instrument: False)


@defect(kind="mixed", scheme="portfolio", limits=True, steps=80)
def what_cash_leaves_of_an_order_may_be_less_than_the_least(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, quantity: float, close: float, instrument: Any, costs: Any) -> int:
        without = instrument.copy()
        without["min_quantity"] = 0.0
        return int(refusal_of_cut(account, quantity, close, without, costs))

    refusal_of_cut = execution.refusal_of_cut
    for module in (execution, order_book):
        patch.setattr(module, "refusal_of_cut", broken)


@defect(limits=True)
def the_largest_value_is_judged_at_the_price_of_the_order(patch: pytest.MonkeyPatch) -> None:
    def broken(order: Any, close: float, instrument: Any) -> float:
        return float(within_limits(order, order.price if order.price > 0.0 else close, instrument))

    within_limits = execution.within_limits
    patch.setattr(order_book, "within_limits", broken)


@defect(fee_amounts=True, steps=80)
def the_amount_of_a_fill_is_not_in_the_lock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(order_book, "cost_of", lambda price, unit_cost, quantity, costs: quantity * unit_cost)


@defect(fee_amounts=True)
def the_least_fee_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(execution, "fee_of", lambda share, per_trade, minimum: share + per_trade)


@defect(fee_amounts=True)
def the_amount_of_a_resting_fill_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(matching, "fee_of", lambda share, per_trade, minimum: max(share, minimum))


@defect(fee_amounts=True, volume_share=True, steps=100)
def a_part_pays_its_share_of_the_lock_only(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, order: Any, quantity: float, cost: float, costs: Any) -> None:
        share = order.locked if quantity >= order.quantity else order.locked * (quantity / order.quantity)
        order.locked -= share
        account.cash += max(share - cost, 0.0)

    patch.setattr(matching, "_pay_from_lock", broken)


@defect(kind="actions", fee_amounts=True, scheme="continuous", steps=100)
def what_cash_affords_leaves_out_the_amounts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(execution, "paid_by", lambda cash, price, unit_cost, costs: cash / unit_cost)


@defect(steps=100)
def a_limit_fills_when_it_is_touched(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, position: Any, order: Any, candle: Any, phase: int, book: Any) -> float:
        touched = phase == 1 and order.side > 0 and order.kind != execution.STOP_LOSS and candle.low == order.price
        return float(order.price) if touched else float(execution_price(account, position, order, candle, phase, book))

    execution_price = matching.execution_price
    patch.setattr(matching, "execution_price", broken)


@defect(fee_rate=0.01, maker_fee_rate=True)
def an_order_of_this_very_candle_is_a_maker(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(matching, "is_maker", lambda order, row: order.kind != execution.STOP_LOSS)


@defect(steps=100)
def profits_are_taken_before_stops(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, position: Any, order: Any, candle: Any, phase: int, book: Any) -> float:
        return float(execution_price(account, position, order, candle, (0, 1, 3, 2)[phase], book))

    execution_price = matching.execution_price
    patch.setattr(matching, "execution_price", broken)


@defect(steps=100)
def a_position_entered_inside_a_candle_takes_its_profit_there(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, position: Any, order: Any, candle: Any, phase: int, book: Any) -> float:
        if phase == 3:
            order.entered_row = -1
        return float(execution_price(account, position, order, candle, phase, book))

    execution_price = matching.execution_price
    patch.setattr(matching, "execution_price", broken)


@defect()
def both_legs_of_a_bracket_fill(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(matching, "_end_exits", lambda *_: None)


@defect()
def the_legs_of_a_bracket_lock_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(order_book, "_is_second_leg", lambda account, book, place: False)


@defect(steps=100)
def a_stop_leg_sells_at_an_open_before_its_position_was_entered(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, position: Any, order: Any, candle: Any, phase: int, book: Any) -> float:
        order.entered_row = -1 if order.kind == execution.STOP_LOSS else order.entered_row
        return float(execution_price(account, position, order, candle, phase, book))

    execution_price = matching.execution_price
    patch.setattr(matching, "execution_price", broken)


@defect(volume_share=True)
def the_rest_of_a_capped_order_is_cancelled_but_keeps_its_lock(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, positions: Any, order: Any, *others: Any) -> None:
        before = int(account.fills)
        fill_resting(account, positions, order, *others)
        if account.fills > before:
            order.alive = 0

    fill_resting = matching.fill_resting
    patch.setattr(matching, "fill_resting", broken)


# ---- schemes and rewards ------------------------------------------------------------------------------------------------


@defect(kind="mixed", scheme="hold_buy_sell")
def selling_everything_leaves_the_resting_sells(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(step, "cancel_sells", lambda *_: None)


@defect(reward="sharpe")
def the_sharpe_reward_looks_at_log_returns(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ratio, "simple_return", lambda before, after: math.log(after / before))


@defect(reward="sortino")
def the_sortino_rewards_deviation_is_off(patch: pytest.MonkeyPatch) -> None:
    def broken(mean: float, deviation: float) -> float:
        return float(clipped_ratio(mean, deviation * math.sqrt(2.0)))

    clipped_ratio = ratio.clipped_ratio
    patch.setattr(ratio, "clipped_ratio", broken)


@defect(kind="actions", scheme="hold_buy_sell")
def a_metric_forgets_the_first_step(patch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, held: bool) -> None:
        update_statistics(account, held)
        if account.steps == 1:
            account.equity_sum = 0.0

    update_statistics = statistics.update_statistics
    patch.setattr(step, "update_statistics", broken)
