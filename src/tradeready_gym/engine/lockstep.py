"""The step of what most train on, for many accounts at once.

One symbol, one market order and one candle an action, a spot account, no component in plain Python. These are the kernels of
`step`, with their records in columns: each phase is a loop over accounts that is compiled for eight of them at a time
(`lanes`), and gives the bits of the general step.
"""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]

from tradeready_gym.engine.blocks import copy_ahead
from tradeready_gym.engine.cache import is_ours
from tradeready_gym.engine.cells import cells_of, hold_numbers, scratch, turn_lines
from tradeready_gym.engine.episode import start_episode
from tradeready_gym.engine.lanes import LANES, blank_of, call_apart, for_lanes, holder_of, lane_of
from tradeready_gym.engine.observe import (
    FILLED,
    REFUSED,
    account_ratios,
    observe,
    report_account,
    shows_ratios,
    write_account,
)
from tradeready_gym.engine.step import ACT, ENDED, flag_end, prepare_order, quote_order
from tradeready_gym.engine.world import columns_of, field, pointer
from tradeready_gym.exchanges.execution import (
    MARKET,
    RISK_LIMIT,
    execute_market,
    fault_of,
    record_reject,
    refuse_faulty,
)
from tradeready_gym.exchanges.plain import make_holders
from tradeready_gym.kernel import cold_kernel, kernel
from tradeready_gym.ledger.records import ACCOUNT_DTYPE, POSITION_DTYPE
from tradeready_gym.ledger.spot import mark
from tradeready_gym.ledger.statistics import update_statistics
from tradeready_gym.market.replayer import CANDLE_DTYPE
from tradeready_gym.orders import FILL_DTYPE, ORDER_DTYPE, REJECT_DTYPE

# accounts that are moved together: what they need beside their records stays in the nearest cache
CHUNK = 128
_AHEAD = 3
# kinds of orders
_PLAIN, _ODD = 1, 2
_CANDLE, _ORDER, _RATIOS = len(CANDLE_DTYPE.names or ()) * CHUNK, len(ORDER_DTYPE.names or ()) * CHUNK, 3 * CHUNK // 2

account_lane, position_lane, candle_lane = lane_of(ACCOUNT_DTYPE), lane_of(POSITION_DTYPE), lane_of(CANDLE_DTYPE)
order_lane, fill_lane, reject_lane = lane_of(ORDER_DTYPE), lane_of(FILL_DTYPE), lane_of(REJECT_DTYPE)
# what a market order changes of an account and of a position
take_account, put_account = holder_of(
    ACCOUNT_DTYPE,
    (
        *("cash", "realized_pnl", "fees_paid", "fills", "rejects", "trades", "traded_value", "next_order_id"),
        *("round_trips", "winning_trips", "gross_profit", "gross_loss"),
    ),
)
take_position, put_position = holder_of(POSITION_DTYPE, ("quantity", "average_entry", "trip_pnl"))
blank_order, blank_candle = blank_of(ORDER_DTYPE), blank_of(CANDLE_DTYPE)
accounts_of, positions_of, fills_of, rejects_of = (
    columns_of(name) for name in ("accounts", "positions", "fills", "rejects")
)
rows_of, closes_of, table_of, codes_of, settings_of = (
    field(name) for name in ("rows", "closes", "table", "account_features", "settings")
)
segments_of, costs_of, instruments_of, memory_of = (
    field(name) for name in ("segments", "costs", "instruments", "memory")
)
actions_of, scheme_of, model_of, reward_of = (
    field(name) for name in ("actions", "action_parameters", "slippage_parameters", "reward_parameters")
)

_record: Any = namedtuple
# what the loops over accounts share. Columns are (address, cells from one column to the next); those of `newest`, `candles`,
# `orders` and `ratios` are the chunk's own, and begin with account `first`
Shared = _record(
    "Shared",
    "accounts positions fills rejects first rows closes newest candles orders ratios actions memory settings costs instrument "
    "scheme model reward report counts first_memory",
)
Settings = _record("Settings", "gymnasium_end max_loss candle_length")


@kernel
def _account(i: int, shared: Any) -> Any:
    return account_lane(shared.accounts[0], shared.accounts[1], i)


@kernel
def _position(i: int, shared: Any) -> Any:
    return position_lane(shared.positions[0], shared.positions[1], i)


@kernel
def _order(i: int, shared: Any) -> Any:
    return order_lane(shared.orders, CHUNK, i - shared.first)


@kernel
def _candle(i: int, columns: int, shared: Any) -> Any:
    return candle_lane(columns, CHUNK, i - shared.first)


@kernel
def _forget(i: int, nothing: Any, shared: Any) -> None:
    account = _account(i, shared)
    account.fills = 0
    account.rejects = 0


@kernel
def _decide(i: int, act: Any, shared: Any) -> None:
    # a scheme of ours looks at the last close alone
    account, order, newest = _account(i, shared), blank_order(), blank_candle()
    newest.close = shared.closes[np.uintp(account.row - 1)]
    made = act(cells_of(shared.actions, i), account, _position(i, shared), newest, order, shared.scheme, 1)
    _want(i, made, order, shared)


@kernel
def _decide_freely(i: int, act: Any, shared: Any) -> None:
    account, order = _account(i, shared), blank_order()
    account.reward = 0.0
    newest, action = shared.rows[np.uintp(account.row - 1)], shared.actions[:, np.uintp(i)]
    made = act(action, account, _position(i, shared), newest, order, shared.scheme, 1)
    _want(i, made, order, shared)
    wanted = _order(i, shared)
    wanted.symbol = order.symbol
    if made > 0 and fault_of(order, 1) != 0:
        wanted.alive = _ODD


@kernel
def _want(i: int, made: int, order: Any, shared: Any) -> None:
    wanted = _order(i, shared)
    wanted.side = order.side
    wanted.kind = order.kind
    wanted.quantity = order.quantity
    wanted.price = order.price
    wanted.sized = order.sized
    wanted.whole = order.whole
    # a scheme that said its orders never rest is held to it
    bracket = order.kind != MARKET or order.stop_price != 0.0 or order.take_price != 0.0
    wanted.alive = (_ODD if bracket else _PLAIN) if made > 0 else 0


@kernel
def _write_order(i: int, order: Any, shared: Any) -> None:
    # as it was wanted; what a scheme of market orders says nothing of is 0, and the compiler sees it
    wanted = _order(i, shared)
    order.side = wanted.side
    order.quantity = wanted.quantity
    order.price = wanted.price
    order.sized = wanted.sized
    order.whole = wanted.whole


@kernel
def _refuse(i: int, shared: Any) -> None:
    if _order(i, shared).alive == _ODD:
        account, order = _account(i, shared), blank_order()
        wanted, reject = _order(i, shared), reject_lane(shared.rejects[0], shared.rejects[1], i)
        _write_order(i, order, shared)
        order.kind, order.symbol = wanted.kind, wanted.symbol
        reason = fault_of(order, 1)
        if reason != 0:
            refuse_faulty(account, order, reject, reason)
        else:
            prepare_order(account, _position(i, shared), order, True)
            record_reject(account, order, reject, RISK_LIMIT)
        wanted.alive = 0


@kernel
def _trade(i: int, slippage: Any, shared: Any) -> None:
    account, position, order = take_account(_account(i, shared)), take_position(_position(i, shared)), blank_order()
    _write_order(i, order, shared)
    if _order(i, shared).alive > 0:
        newest, candle = _candle(i, shared.newest, shared), _candle(i, shared.candles, shared)
        prepare_order(account, position, order, True)
        quote_order(account, order, newest, slippage, shared.model)
        execute_market(
            account,
            position,
            order,
            candle,
            newest,
            shared.instrument,
            shared.costs,
            fill_lane(shared.fills[0], shared.fills[1], i),
            reject_lane(shared.rejects[0], shared.rejects[1], i),
        )
    put_account(account, _account(i, shared))
    put_position(position, _position(i, shared))


@kernel
def _pass(i: int, nothing: Any, shared: Any) -> None:
    account = _account(i, shared)
    account.row += 1
    account.previous_equity = account.clock_equity
    held = mark(account, _position(i, shared), _candle(i, shared.candles, shared), 1)
    account.clock_equity = account.equity
    update_statistics(account, held)
    flag_end(account, shared.settings)


@kernel
def _earn(account: Any, paid: float) -> None:
    # to zero, as in the general step: it has a sign
    account.reward = 0.0 + paid
    account.reward_sum += paid


@kernel
def _pay(i: int, pay: Any, shared: Any) -> None:
    account, memory = _account(i, shared), cells_of(shared.memory, i)
    _earn(account, pay(account.previous_equity, account.equity, account, memory, shared.reward))


@kernel
def _pay_alike(i: int, pay: Any, shared: Any) -> None:
    # what it is already. The compiler sees by it that what follows from this number is the same for all accounts: where one
    # that counts steps says which cell comes next, eight accounts have theirs side by side
    cells_of(shared.memory, i)[0] = shared.first_memory
    _pay(i, pay, shared)


@kernel
def _pay_freely(i: int, pay: Any, shared: Any) -> None:
    account, memory = _account(i, shared), shared.memory[:, np.uintp(i)]
    account.reward = 0.0
    _earn(account, pay(account.previous_equity, account.equity, account, memory, shared.reward))


@kernel
def _tell(i: int, nothing: Any, shared: Any) -> None:
    account = _account(i, shared)
    report_account(account, _candle(i, shared.candles, shared), shared.settings, shared.report, shared.counts, i)
    place = np.uintp(i - shared.first)
    shared.ratios[0, place], shared.ratios[1, place], shared.ratios[2, place] = account_ratios(account)


@kernel
def _turn_candles(first: int, last: int, shift: int, out: int, shared: Any) -> None:
    # the candles at `row + shift` of the accounts, as columns; a row of candles is one cache line
    at = first
    while at + LANES <= last:
        # `row` is the first column
        turn_lines(shared.rows.ctypes.data, shared.accounts[0] + 8 * at, shift, out + 8 * (at - shared.first), CHUNK)
        at += LANES
    for i in range(at, last):
        lane, candle = _candle(i, out, shared), shared.rows[np.uintp(_account(i, shared).row + shift), 0]
        lane.open, lane.high, lane.low, lane.close = candle.open, candle.high, candle.low, candle.close
        lane.volume, lane.quote_volume = candle.volume, candle.quote_volume
        lane.volatility, lane.time = candle.volatility, candle.time


@kernel
def _wake(at: int, last: int, segments: Any, settings: Any, shared: Any) -> int:
    # begins the next episode of finished accounts from `at` on; where the first one is that goes on, or `last`
    while at < last and _account(at, shared).done != 0:
        if settings.next_step_reset == 1:
            memory = shared.memory[:, np.uintp(at)]
            start_episode(_account(at, shared), _position(at, shared), memory, segments, settings)
        at += 1
    return at


@kernel
def _next_finished(at: int, last: int, shared: Any) -> int:
    over = 0
    for i in range(at, last):
        over |= _account(i, shared).done
    if over == 0:
        return last
    while _account(at, shared).done == 0:
        at += 1
    return at


@kernel
def _forget_news(first: int, last: int, shared: Any) -> None:
    # asked before it is written: most accounts have none, and what is only read need not be carried back to memory
    known = 0
    for i in range(first, last):
        account = _account(i, shared)
        known |= account.fills | account.rejects
    if known != 0:
        for_lanes(_forget, 0, first, last, shared)


@kernel
def _ordered(at: int, last: int, shared: Any) -> int:
    # what kinds of orders there are
    kinds = 0
    for i in range(at, last):
        kinds |= _order(i, shared).alive
    return kinds


@kernel
def _news(first: int, last: int, traded: bool, shared: Any) -> int:
    ended, filled, refused = 0, 0, 0
    for i in range(first, last):
        ended |= _account(i, shared).done
    if traded:
        for i in range(first, last):
            filled |= _account(i, shared).fills
            refused |= _account(i, shared).rejects
    return (ENDED if ended else 0) | (FILLED if filled else 0) | (REFUSED if refused else 0)


@kernel
def _remember_alike(first: int, last: int, shared: Any) -> bool:
    # whether all have the same number in the first cell of their memory
    differ = False
    for i in range(first, last):
        differ |= shared.memory[0, np.uintp(i)] != shared.first_memory
    return not differ


@cold_kernel
def _show(
    first: int,
    last: int,
    accounts: Any,
    table: Any,
    ratios: Any,
    observations: Any,
    lookback: int,
    features: int,
    width: int,
    has_ratios: bool,
) -> None:
    block = lookback * features
    for i in range(first, last):
        row = account_lane(accounts[0], accounts[1], i).row
        ahead = account_lane(accounts[0], accounts[1], min(i + _AHEAD, last - 1)).row
        at, place = i * width, np.uintp(i - first)
        copy_ahead(observations, at, table, (row - lookback) * features, block, (ahead - lookback) * features)
        if has_ratios:
            observations[at + block] = ratios[0, place]
            observations[at + block + 1] = ratios[1, place]
            observations[at + block + 2] = ratios[2, place]


@kernel
def _held(array: Any) -> Any:
    return hold_numbers(array)


@kernel
def _as_it_is(array: Any) -> Any:
    return array


def make_lockstep(
    act: Callable[..., int], slippage: Callable[..., float], pay: Callable[..., float], plain: bool
) -> Callable[[Any, Any, Any, int, int, int], int]:
    """The step of these kernels, `make_step`'s: `advance(world, observations, report, first, last, phases) -> news`.

    `plain` says that the exchange is (`exchanges.plain`). It is run whole, or only observes. The world's accounts, positions,
    fills and rejects are `Columns`.
    """

    # what others wrote, though ours calls it, may do with an array, or a candle, whatever one does with them
    ours = [is_ours(function) for function in (act, slippage, pay)]
    pays_ours = ours[2]
    hold_scheme, hold_model, hold_reward = (_held if known else _as_it_is for known in ours)
    hold_costs, hold_filters = make_holders(plain)
    decide, pay_all = _decide if ours[0] else _decide_freely, _pay if pays_ours else _pay_freely

    def advance(world: Any, observations: Any, report: Any, first: int, last: int, phases: int) -> int:
        rows, table, codes = rows_of(world), table_of(world), codes_of(world)
        settings, segments = settings_of(world)[0], segments_of(world)
        newest, candles, orders = scratch(_CANDLE), scratch(_CANDLE), scratch(_ORDER)
        ratios = carray(pointer(scratch(_RATIOS)), (3, CHUNK), np.float32)
        scheme, model, reward = (
            hold_scheme(scheme_of(world)),
            hold_model(model_of(world)),
            hold_reward(reward_of(world)),
        )
        lookback, features, width, simple = settings.lookback, settings.features, settings.width, shows_ratios(codes)
        memory = memory_of(world)
        remembers, news = pays_ours and memory.shape[0] > 0, 0
        for begin in range(max(first, 0), last, CHUNK):
            end = min(begin + CHUNK, last)
            shared = Shared(
                accounts_of(world),
                positions_of(world),
                fills_of(world),
                rejects_of(world),
                begin,
                rows,
                closes_of(world),
                newest,
                candles,
                orders,
                ratios,
                actions_of(world),
                memory,
                Settings(settings.gymnasium_end, settings.max_loss, settings.candle_length),
                hold_costs(costs_of(world)[0]),
                hold_filters(instruments_of(world)[0]),
                scheme,
                model,
                reward,
                report,
                report.view(np.int64),
                memory[0, np.uintp(begin)] if remembers else 0.0,
            )
            moved, traded = 0, phases & ACT == 0
            at = begin if phases & ACT else end
            while at < end:
                # ---- 0. finished accounts begin their next episode (next-step autoreset); those after them go on
                live = _wake(at, end, segments, settings, shared)
                at = _next_finished(live, end, shared)
                moved += at - live
                _forget_news(live, at, shared)

                # ---- 1. act: the action and the account, valued at the last visible close, become an order
                for_lanes(decide, act, live, at, shared)

                # ---- 2., 3. quote and fill: slippage from what is visible, the order at the open of the candle that begins
                ordered = _ordered(live, at, shared)
                traded = traded or ordered != 0
                if ordered & _ODD:
                    for i in range(live, at):
                        _refuse(i, shared)
                _turn_candles(live, at, 0, candles, shared)
                if ordered:
                    _turn_candles(live, at, -1, newest, shared)
                    for_lanes(_trade, slippage, live, at, shared)

                # ---- 4. the clock moves; mark at the closes that are visible now
                for_lanes(_pass, 0, live, at, shared)

                # ---- 5. pay
                if remembers and _remember_alike(live, at, shared):
                    for_lanes(_pay_alike, pay, live, at, shared)
                else:
                    for_lanes(pay_all, pay, live, at, shared)

            # ---- 6. observe
            if moved < end - begin:
                _turn_candles(begin, end, -1, candles, shared)
            for_lanes(_tell, 0, begin, end, shared)
            news |= _news(begin, end, traded, shared)
            places = (begin, end, shared.accounts, table, ratios, observations, lookback, features, width, simple)
            call_apart(_show, places)
            if not simple:
                for i in range(begin, end):
                    account = _account(i, shared)
                    seen, place = rows[np.uintp(account.row - 1)], i * width + lookback * features
                    write_account(account, _position(i, shared), seen, codes, False, observations, place)
        return news

    return advance


def restart_columns(world: Any, observations: Any, report: Any, first: int, last: int, mask: Any) -> None:
    """`step.restart` of a world whose accounts are `Columns`."""
    rows, table, codes, settings = rows_of(world), table_of(world), codes_of(world), settings_of(world)[0]
    accounts, positions, memory = accounts_of(world), positions_of(world), memory_of(world)
    counts, ratios = report.view(np.int64), shows_ratios(codes)
    for i in range(first, last):
        if mask[i]:
            account = account_lane(accounts[0], accounts[1], i)
            position = position_lane(positions[0], positions[1], i)
            start_episode(account, position, memory[:, np.uintp(i)], segments_of(world), settings)
            newest = rows[np.uintp(account.row - 1)]
            observe(account, position, newest, table, codes, ratios, settings, 1, observations, report, counts, i)
