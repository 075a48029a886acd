"""One step, written once.

`make_step` closes the step over three kernels (action scheme, slippage model, reward scheme); the result is compiled as it
is, or run as plain Python. A step is made of phases, so that a component in plain Python can take the place of one of them
while the others stay compiled.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tradeready_gym.engine.blocks import copy_block, prefetch
from tradeready_gym.engine.episode import start_episode
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
from tradeready_gym.exchanges.execution import MARKET, RISK_LIMIT, cut_to_holding, execute_market, record_reject
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
FILLED = 2
REFUSED = 4

WHOLE_STEP = ACT | QUOTE | FILL | PAY | OBSERVE

rows_of = field("rows")
table_of = field("table")
account_features_of = field("account_features")
settings_of = field("settings")
segments_of = field("segments")
costs_of = field("costs")
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

_LARGEST = 3.4028234663852886e38
_AHEAD = 6


@kernel
def prepare_orders(account: Any, positions: Any, book: Any, orders: Any, margin: bool, symbols: int) -> None:
    """Number the orders of an action, and cut its sells to what is held; a margin account may sell more."""
    for k in range(account.pending):
        order = orders[k]
        order.order_id = account.next_order_id
        account.next_order_id += 1
        if order.side < 0 and order.sized == 1:
            if order.whole == 1 and account.resting > 0:
                cancel_sells(account, positions, book, order.symbol, symbols)
            if order.whole == 1 or not margin:
                cut_to_holding(positions[order.symbol], order)


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
    terminated = 0
    truncated = 0
    if account.row >= account.end_row:
        if account.end_row == account.data_end_row and settings.gymnasium_end == 0:
            terminated = 1
        else:
            truncated = 1
    if account.equity <= account.starting_balance - settings.max_loss * account.starting_balance:
        if settings.gymnasium_end == 1:
            terminated = 1
        else:
            truncated = 1
    account.done = terminated + 2 * truncated


@kernel
def within_float32(value: float) -> float:
    """`value`, or the largest number of the observation."""
    return min(max(value, -_LARGEST), _LARGEST)


@kernel
def write_account(account: Any, positions: Any, newest: Any, codes: Any, out: Any, at: int) -> None:
    """The account scalars of the observation; a ratio to an equity of 0 is 0."""
    scale = 1.0 / account.equity if account.equity > 0.0 else 0.0
    # what nearly everybody observes, without asking for each number what it is
    if codes.shape[0] == 3 and codes[0] == 0 and codes[1] == 1 and codes[2] == 2:
        out[at] = within_float32(account.cash / account.starting_balance)
        out[at + 1] = within_float32(account.position_value * scale)
        out[at + 2] = within_float32(account.unrealized_pnl * scale)
        return
    for k in range(codes.shape[0]):
        code = codes[k]
        if code == 0:
            value = account.cash / account.starting_balance
        elif code == 1:
            value = account.position_value * scale
        elif code == 2:
            value = account.unrealized_pnl * scale
        elif code < 0:
            value = float(account.end_row - account.row) / float(max(account.end_row - account.start_row, 1))
        else:
            # the value of symbol `code - 3` alone; summed over symbols these are `position`
            value = positions[code - 3].quantity * newest[code - 3].close * scale
        out[at + k] = within_float32(value)


@kernel
def report_account(account: Any, newest: Any, settings: Any, amounts: Any, counts: Any, i: int) -> None:
    """What the step tells of this environment; the order is `records.REPORT`."""
    step = account.row - account.start_row
    total = account.end_row - account.start_row
    amounts[0, i] = account.reward
    amounts[1, i] = account.equity
    amounts[2, i] = account.cash
    amounts[3, i] = account.position_value
    amounts[4, i] = account.unrealized_pnl
    amounts[5, i] = account.locked_cash
    amounts[6, i] = account.realized_pnl
    amounts[7, i] = account.fees_paid
    # two decimals, half to even
    amounts[8, i] = round(10000.0 * step / total) / 100.0
    # the open of the candle that begins at the clock, which the data may not have any more
    counts[9, i] = int(newest.time) + settings.candle_length
    counts[10, i] = step
    counts[11, i] = total
    counts[12, i] = account.done
    counts[13, i] = account.fills
    counts[14, i] = account.rejects
    account.reported = 1


@kernel
def observe(
    account: Any,
    positions: Any,
    newest: Any,
    table: Any,
    codes: Any,
    settings: Any,
    observations: Any,
    amounts: Any,
    counts: Any,
    i: int,
) -> int:
    """What environment `i` sees: one block of the feature table per symbol, then the account; and what it tells, and its news."""
    features = settings.features
    block = settings.lookback * features
    start = (account.row - settings.lookback) * features
    at = i * settings.width
    for _ in range(settings.symbols):
        copy_block(observations, at, table, start, block)
        at += block
        start += settings.rows * features
    write_account(account, positions, newest, codes, observations, at)
    report_account(account, newest[0], settings, amounts, counts, i)
    news = 0
    if account.fills > 0:
        news |= FILLED
    if account.rejects > 0:
        news |= REFUSED
    return news


def make_step(
    act: Callable[..., int], slippage: Callable[..., float], pay: Callable[..., float], margin: bool
) -> Callable[[Any, Any, Any, int, int, int], int]:
    """The step of these three kernels on a margin or a spot account: `advance(world, observations, report, first, last, phases) -> news`.

    `news` says whether any of the environments ended (ENDED), filled or refused an order (FILLED, REFUSED).
    """

    def advance(world: Any, observations: Any, report: Any, first: int, last: int, phases: int) -> int:
        rows = rows_of(world)
        table = table_of(world)
        codes = account_features_of(world)
        counts = report.view(np.int64)
        settings = settings_of(world)[0]
        costs = costs_of(world)[0]
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
        # one action's orders at a time: a place that stays in the nearest cache, and is this range's own
        orders = all_orders[first]

        for i in range(max(first, 0), last):
            account = accounts[i]
            positions = all_positions[i]
            book = all_books[i]
            memory = all_memory[i]
            candles_left = settings.candles_per_action
            # each account stands at a candle of its own, which no hardware foresees: asked for a few accounts early
            ahead = accounts[min(i + _AHEAD, last - 1)].row * symbols
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
                made = act(actions[i], account, positions, rows[account.row - 1], orders, action_parameters, symbols)
                account.pending = min(made, orders.shape[0])
                prepare_orders(account, positions, book, orders, margin, symbols)

            while candles_left > 0:
                candles_left -= 1

                # ---- 2. quote: slippage from what is visible at the decision
                if phases & QUOTE:
                    newest = rows[account.row - 1]
                    step = account.row - account.start_row
                    for k in range(account.pending):
                        order = orders[k]
                        draw = uniform(np.uint64(account.seed), account.episode, step, SLIPPAGE_STREAM, order.order_id)
                        seen = newest[order.symbol]
                        value = order.quantity * seen.close
                        order.slippage = slippage(value, seen.quote_volume, seen.volatility, draw, slippage_parameters)
                    for k in range(account.resting):
                        order = book[k]
                        draw = uniform(np.uint64(account.seed), account.episode, step, SLIPPAGE_STREAM, order.order_id)
                        seen = newest[order.symbol]
                        value = order.quantity * seen.close
                        order.slippage = slippage(value, seen.quote_volume, seen.volatility, draw, slippage_parameters)
                    if margin:
                        for j in range(symbols):
                            seen = newest[j]
                            draw = uniform(np.uint64(account.seed), account.episode, step, LIQUIDATION_STREAM, j)
                            value = exposed_quantity(account, positions[j], orders, j) * seen.close
                            positions[j].exit_slippage = slippage(
                                value, seen.quote_volume, seen.volatility, draw, slippage_parameters
                            )

                if phases & FILL and account.row < account.end_row:
                    # ---- 3. fill: market orders at the open, then what rests, against the candle that begins now
                    candles = rows[account.row]
                    fills = all_fills[i]
                    if margin:
                        charge_financing(account, positions, rows[account.row - 1], candles[0].time, costs, symbols)
                    if account.pending > 0:
                        execute_orders(
                            account,
                            positions,
                            orders,
                            candles,
                            rows[account.row - 1],
                            instruments,
                            costs,
                            book,
                            fills,
                            all_rejects[i],
                            symbols,
                            margin,
                        )
                    if account.resting > 0 or margin:
                        match_book(
                            account,
                            positions,
                            candles,
                            rows[account.row - 1],
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
                newest = rows[account.row - 1]
                news |= observe(account, positions, newest, table, codes, settings, observations, report, counts, i)
            if account.done != 0:
                news |= ENDED
        return news

    return advance


def restart(world: Any, observations: Any, report: Any, first: int, last: int, mask: Any) -> None:
    """Begin the next episode of the environments in `mask`, and observe them."""
    rows = rows_of(world)
    table = table_of(world)
    codes = account_features_of(world)
    settings = settings_of(world)[0]
    counts = report.view(np.int64)
    for i in range(first, last):
        if not mask[i]:
            continue
        account = accounts_of(world)[i]
        positions = positions_of(world)[i]
        start_episode(account, positions, memory_of(world)[i], segments_of(world), settings)
        newest = rows[account.row - 1]
        observe(account, positions, newest, table, codes, settings, observations, report, counts, i)


def collect(records: Any, counts: Any, out: Any) -> int:
    """Copy the first `counts[i]` records of every environment into `out`, and say whose they are."""
    place = 0
    for i in range(counts.shape[0]):
        for k in range(int(counts[i])):
            out[place] = records[i, k]
            out[place].env = i
            place += 1
    return place
