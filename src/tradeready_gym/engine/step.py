"""The step of any composition; its kernels are written once.

`make_step` closes the step over three kernels (action scheme, slippage model, reward scheme); the result is compiled as it
is, or run as plain Python. A step is made of phases, so that a component in plain Python can take the place of one of them
while the others stay compiled.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tradeready_gym.engine.blocks import prefetch
from tradeready_gym.engine.cache import is_ours
from tradeready_gym.engine.episode import start_episode
from tradeready_gym.engine.observe import observe, shows_ratios
from tradeready_gym.engine.world import field
from tradeready_gym.exchanges.book import (
    activate_legs,
    book_has_room,
    cancel_sells,
    compact_book,
    rest_order,
    settle_locks,
)
from tradeready_gym.exchanges.draws import LIQUIDATION_STREAM, SLIPPAGE_STREAM, uniform
from tradeready_gym.exchanges.execution import (
    MARKET,
    RISK_LIMIT,
    cut_to_holding,
    execute_market,
    fault_of,
    record_reject,
    refuse_faulty,
)
from tradeready_gym.exchanges.margin import execute_margin_market, exposed_quantity
from tradeready_gym.exchanges.matching import end_legs, match_book
from tradeready_gym.kernel import kernel
from tradeready_gym.ledger.margin import charge_financing
from tradeready_gym.ledger.spot import mark
from tradeready_gym.ledger.statistics import update_statistics

ACT = 1
QUOTE = 2
FILL = 4
PAY = 8
OBSERVE = 16
ENDED = 1

WHOLE_STEP = ACT | QUOTE | FILL | PAY | OBSERVE

rows_of = field("rows")
table_of = field("table")
account_features_of = field("account_features")
settings_of = field("settings")
segments_of = field("segments")
costs_of = field("costs")
funding_of = field("funding")
instruments_of = field("instruments")
accounts_of = field("accounts")
positions_of = field("positions")
book_of = field("book")
orders_of = field("orders")
fills_of = field("fills")
rejects_of = field("rejects")
memory_of = field("memory")
action_parameters_of = field("action_parameters")
slippage_parameters_of = field("slippage_parameters")
reward_parameters_of = field("reward_parameters")
actions_of = field("actions")
history_of = field("history")

_AHEAD = 6


@kernel
def prepare_order(account: Any, position: Any, order: Any, cuts: bool) -> None:
    """Number an order; one that sells, and whose size a scheme chose, is cut to what is held if all of it is or with `cuts`."""
    order.order_id = account.next_order_id
    account.next_order_id += 1
    if order.side < 0 and order.sized == 1 and (cuts or order.whole == 1):
        cut_to_holding(position, order)


@kernel
def drop_faulty(account: Any, orders: Any, rejects: Any, symbols: int) -> None:
    """Refuse what is no order; the others move up."""
    kept = 0
    for k in range(account.pending):
        reason = fault_of(orders[k], symbols)
        if reason != 0:
            refuse_faulty(account, orders[k], rejects, reason)
            continue
        if kept != k:
            orders[kept] = orders[k]
        kept += 1
    account.pending = kept


@kernel
def quote_order(account: Any, order: Any, seen: Any, slippage: Any, parameters: Any) -> None:
    """Write the order's slippage, from what is visible at the decision."""
    step = account.row - account.start_row
    draw = uniform(np.uint64(account.seed), account.episode, step, SLIPPAGE_STREAM, order.order_id)
    order.slippage = slippage(order.quantity * seen.close, seen.quote_volume, seen.volatility, draw, parameters)


@kernel
def execute_orders(
    account: Any,
    positions: Any,
    orders: Any,
    candles: Any,
    newest: Any,
    instruments: Any,
    costs: Any,
    book: Any,
    fills: Any,
    rejects: Any,
    symbols: int,
    margin: bool,
) -> None:
    """Execute or rest the orders of an action: sells before buys, then in the order in which they were made."""
    rounds = 2 if account.pending > 1 else 1
    for turn in range(rounds):
        for k in range(account.pending):
            order = orders[k]
            if rounds == 2 and (order.side > 0) != (turn == 1):
                continue
            j = order.symbol
            bracket = order.stop_price != 0.0 or order.take_price != 0.0
            if order.kind == MARKET and bracket and not book_has_room(account, book, order):
                record_reject(account, order, rejects, RISK_LIMIT)
            elif order.kind == MARKET:
                if margin:
                    quantity = execute_margin_market(
                        account, positions, order, candles, newest, instruments[j], costs, fills, rejects, symbols
                    )
                    if account.resting > 0:
                        end_legs(account, positions, book)
                        compact_book(account, book)
                else:
                    quantity = execute_market(
                        account, positions[j], order, candles[j], newest[j], instruments[j], costs, fills, rejects
                    )
                if quantity > 0.0 and (order.stop_price > 0.0 or order.take_price > 0.0):
                    opened = account.opened if margin else quantity
                    activate_legs(account, order, opened, book, -1)
                    settle_locks(account, positions, book, symbols)
            else:
                rest_order(account, positions, order, newest, instruments[j], costs, book, rejects, symbols)
    account.pending = 0


@kernel
def flag_end(account: Any, settings: Any) -> None:
    """Set `done`: 1 terminated, 2 truncated, 3 both, 0 neither."""
    # choices instead of branches: this is asked of every account at every step
    gymnasium = settings.gymnasium_end == 1
    over = account.row >= account.end_row
    ruined = account.equity <= account.starting_balance - settings.max_loss * account.starting_balance
    out_of_data = account.end_row == account.data_end_row and not gymnasium
    terminated = (over and out_of_data) or (ruined and gymnasium)
    truncated = (over and not out_of_data) or (ruined and not gymnasium)
    account.done = int(terminated) + 2 * int(truncated)


def make_step(
    act: Callable[..., int], slippage: Callable[..., float], pay: Callable[..., float], margin: bool
) -> Callable[[Any, Any, Any, int, int, int], int]:
    """The step of these three kernels on a margin or a spot account: `advance(world, observations, report, first, last, phases) -> news`.

    `news` says whether any of the environments ended (ENDED), filled or refused an order (FILLED, REFUSED).
    """

    # a symbol that others wrote is an index
    trusted = is_ours(act)

    def advance(world: Any, observations: Any, report: Any, first: int, last: int, phases: int) -> int:
        rows = rows_of(world)
        table = table_of(world)
        codes = account_features_of(world)
        ratios = shows_ratios(codes)
        counts = report.view(np.int64)
        settings = settings_of(world)[0]
        costs = costs_of(world)[0]
        funding = funding_of(world)
        instruments = instruments_of(world)
        accounts = accounts_of(world)
        all_positions = positions_of(world)
        all_books = book_of(world)
        all_orders = orders_of(world)
        all_fills = fills_of(world)
        all_rejects = rejects_of(world)
        all_memory = memory_of(world)
        segments = segments_of(world)
        actions = actions_of(world)
        action_parameters = action_parameters_of(world)
        slippage_parameters = slippage_parameters_of(world)
        reward_parameters = reward_parameters_of(world)
        history = history_of(world)
        symbols = settings.symbols
        candle_line = rows.reshape(-1)
        news = 0

        for i in range(max(first, 0), last):
            # unsigned: an index that may count from the end is one to ask about
            place = np.uintp(i)
            account = accounts[place]
            positions = all_positions[place]
            book = all_books[place]
            memory = all_memory[:, place]
            candles_left = settings.candles_per_action
            # one action's orders at a time: a place that stays in the nearest cache, and is this range's own
            orders = all_orders[first]
            # each account stands at a candle of its own, which no hardware foresees: asked for a few accounts early
            ahead = accounts[np.uintp(min(i + _AHEAD, last - 1))].row * symbols
            prefetch(candle_line, ahead - 1)
            prefetch(candle_line, ahead)

            # ---- 0. a finished environment begins its next episode (next-step autoreset)
            if account.done != 0 and phases & ACT:
                if settings.next_step_reset == 1:
                    start_episode(account, positions, memory, segments, settings)
                candles_left = 0

            # ---- 1. act: the action and the account, valued at the last visible close, become orders
            elif phases & ACT:
                if account.reported == 1:
                    account.fills = 0
                    account.rejects = 0
                    account.reported = 0
                account.reward = 0.0
                made = act(
                    actions[:, place],
                    account,
                    positions,
                    rows[np.uintp(account.row - 1)],
                    orders,
                    action_parameters,
                    symbols,
                )
                account.pending = min(made, orders.shape[0])
                if not trusted:
                    drop_faulty(account, orders, all_rejects[place], symbols)
                for k in range(account.pending):
                    order = orders[k]
                    if order.side < 0 and order.sized == 1 and order.whole == 1 and account.resting > 0:
                        cancel_sells(account, positions, book, order.symbol, symbols)
                    prepare_order(account, positions[order.symbol], order, not margin)

            while candles_left > 0:
                candles_left -= 1
                newest = rows[np.uintp(account.row - 1)]

                # ---- 2. quote: slippage from what is visible at the decision
                if phases & QUOTE:
                    for k in range(account.pending):
                        quote_order(account, orders[k], newest[orders[k].symbol], slippage, slippage_parameters)
                    for k in range(account.resting):
                        quote_order(account, book[k], newest[book[k].symbol], slippage, slippage_parameters)
                    if margin:
                        for j in range(symbols):
                            seen = newest[j]
                            step = account.row - account.start_row
                            draw = uniform(np.uint64(account.seed), account.episode, step, LIQUIDATION_STREAM, j)
                            value = exposed_quantity(account, positions[j], orders, j) * seen.close
                            positions[j].exit_slippage = slippage(
                                value, seen.quote_volume, seen.volatility, draw, slippage_parameters
                            )

                if phases & FILL and account.row < account.end_row:
                    # ---- 3. fill: market orders at the open, then what rests, against the candle that begins now
                    candles = rows[np.uintp(account.row)]
                    fills = all_fills[place]
                    if margin:
                        charge_financing(
                            account,
                            positions,
                            newest,
                            candles[0].time,
                            costs,
                            funding,
                            symbols,
                        )
                    if account.pending > 0:
                        execute_orders(
                            account,
                            positions,
                            orders,
                            candles,
                            newest,
                            instruments,
                            costs,
                            book,
                            fills,
                            all_rejects[place],
                            symbols,
                            margin,
                        )
                    if account.resting > 0 or margin:
                        match_book(
                            account,
                            positions,
                            candles,
                            newest,
                            instruments,
                            costs,
                            book,
                            fills,
                            symbols,
                        )
                    if costs.max_volume_share > 0.0:
                        for j in range(symbols):
                            positions[j].volume_used = 0.0

                    # ---- 4. the clock moves; mark at the closes that are visible now
                    account.row += 1
                    account.previous_equity = account.clock_equity
                    held = mark(account, positions, candles, symbols)
                    account.clock_equity = account.equity
                    update_statistics(account, held)
                    flag_end(account, settings)
                    if settings.keep_history == 1:
                        past = history[i, account.row - account.start_row]
                        past[0] = account.row
                        past[1] = account.equity
                        past[2] = account.cash
                        for j in range(symbols):
                            past[3 + j] = positions[j].quantity * candles[j].close

                # ---- 5. pay
                if phases & PAY:
                    paid = pay(account.previous_equity, account.equity, account, memory, reward_parameters)
                    account.reward += paid
                    account.reward_sum += paid

                if account.done != 0:
                    break

            # ---- 6. observe
            if phases & OBSERVE:
                newest = rows[np.uintp(account.row - 1)]
                news |= observe(
                    account, positions, newest, table, codes, ratios, settings, symbols, observations, report, counts, i
                )
            if account.done != 0:
                news |= ENDED
        return news

    return advance


def restart(world: Any, observations: Any, report: Any, first: int, last: int, mask: Any) -> None:
    """Begin the next episode of the environments in `mask`, and observe them."""
    rows = rows_of(world)
    table = table_of(world)
    codes = account_features_of(world)
    ratios = shows_ratios(codes)
    settings = settings_of(world)[0]
    counts = report.view(np.int64)
    for i in range(first, last):
        if not mask[i]:
            continue
        account = accounts_of(world)[i]
        positions = positions_of(world)[i]
        start_episode(account, positions, memory_of(world)[:, i], segments_of(world), settings)
        newest = rows[account.row - 1]
        observe(
            account,
            positions,
            newest,
            table,
            codes,
            ratios,
            settings,
            settings.symbols,
            observations,
            report,
            counts,
            i,
        )
