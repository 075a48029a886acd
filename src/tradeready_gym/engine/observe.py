"""What a step shows: the observation, the report, and whether there is news of orders."""

from typing import Any

import numpy as np

from tradeready_gym.engine.blocks import copy_block
from tradeready_gym.kernel import kernel

FILLED = 2
REFUSED = 4

_LARGEST = 3.4028234663852886e38


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
    line = amounts[np.uintp(i)]
    line[0] = account.reward
    line[1] = account.equity
    line[2] = account.cash
    line[3] = account.position_value
    line[4] = account.unrealized_pnl
    line[5] = account.locked_cash
    line[6] = account.realized_pnl
    line[7] = account.fees_paid
    # two decimals, half to even
    line[8] = round(10000.0 * step / total) / 100.0
    numbers = counts[np.uintp(i)]
    # the open of the candle that begins at the clock, which the data may not have any more
    numbers[9] = int(newest.time) + settings.candle_length
    numbers[10] = step
    numbers[11] = total
    numbers[12] = account.done
    numbers[13] = account.fills
    numbers[14] = account.rejects
    account.reported = 1


@kernel
def observe(
    account: Any,
    positions: Any,
    newest: Any,
    table: Any,
    codes: Any,
    settings: Any,
    symbols: int,
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
    for _ in range(symbols):
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
