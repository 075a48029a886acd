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
def shows_ratios(codes: Any) -> bool:
    """Whether the account is observed as nearly everybody does: `balance`, `position`, `unrealized_pnl`."""
    return bool(codes.shape[0] == 3 and codes[0] == 0 and codes[1] == 1 and codes[2] == 2)


@kernel
def account_ratios(account: Any) -> tuple[float, float, float]:
    """Those three; a ratio to an equity of 0 is 0."""
    scale = 1.0 / account.equity if account.equity > 0.0 else 0.0
    return (
        within_float32(account.cash / account.starting_balance),
        within_float32(account.position_value * scale),
        within_float32(account.unrealized_pnl * scale),
    )


@kernel
def write_account(account: Any, positions: Any, newest: Any, codes: Any, ratios: bool, out: Any, at: int) -> None:
    """The account scalars of the observation; `ratios` is what `shows_ratios` says of the codes."""
    if ratios:
        balance, position, unrealized = account_ratios(account)
        out[at] = balance
        out[at + 1] = position
        out[at + 2] = unrealized
        return
    scale = 1.0 / account.equity if account.equity > 0.0 else 0.0
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
    """What the step tells of this environment, less `report_news`; the order is `records.REPORT`."""
    step = account.row - account.start_row
    total = account.end_row - account.start_row
    place = np.uintp(i)
    amounts[0, place] = account.reward
    amounts[1, place] = account.equity
    amounts[2, place] = account.cash
    amounts[3, place] = account.position_value
    amounts[4, place] = account.unrealized_pnl
    amounts[5, place] = account.locked_cash
    amounts[6, place] = account.realized_pnl
    amounts[7, place] = account.fees_paid
    # two decimals, half to even
    amounts[8, place] = round(10000.0 * step / total) / 100.0
    # the open of the candle that begins at the clock, which the data may not have any more
    counts[9, place] = int(newest.time) + settings.candle_length
    counts[10, place] = step
    counts[11, place] = total


@kernel
def report_news(account: Any, counts: Any, i: int) -> None:
    """The rest of it, which stands in the account too; what was filled and refused has been shown then."""
    place = np.uintp(i)
    counts[12, place] = account.done
    counts[13, place] = account.fills
    counts[14, place] = account.rejects
    account.reported = 1


@kernel
def observe(
    account: Any,
    positions: Any,
    newest: Any,
    table: Any,
    codes: Any,
    ratios: bool,
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
    write_account(account, positions, newest, codes, ratios, observations, at)
    report_account(account, newest[0], settings, amounts, counts, i)
    report_news(account, counts, i)
    news = 0
    if account.fills > 0:
        news |= FILLED
    if account.rejects > 0:
        news |= REFUSED
    return news
