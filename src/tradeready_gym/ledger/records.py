"""The account and the position, as records that kernels read and write.

`equity` is the account at the last visible close, `clock_equity` the same at the last step of the clock (orders submitted
since then have not touched it), `previous_equity` one step before: the reward goes from there to `equity`. `reported` says
that the fills and rejections in the buffers have been shown, so that the next order may overwrite them.

Amounts of money are in the quote currency, quantities in base units; rows are indices into the candles.
"""

import numpy as np

# The fields that every step touches come first: at thousands of environments a step costs what it reads from memory.
ACCOUNT_DTYPE = np.dtype(
    [
        # time: `row` is the candle that begins at the clock; the newest visible one is `row - 1`
        ("row", "i8"),
        ("start_row", "i8"),
        ("end_row", "i8"),
        ("done", "i8"),
        # orders: how many wait to be executed, how many rest, and how many were filled and refused since the last action
        ("pending", "i8"),
        ("resting", "i8"),
        ("fills", "i8"),
        ("rejects", "i8"),
        ("reported", "i8"),
        # money
        ("starting_balance", "f8"),
        ("cash", "f8"),
        ("locked_cash", "f8"),
        ("position_value", "f8"),
        ("unrealized_pnl", "f8"),
        ("realized_pnl", "f8"),
        ("fees_paid", "f8"),
        ("equity", "f8"),
        ("clock_equity", "f8"),
        ("previous_equity", "f8"),
        ("peak_equity", "f8"),
        ("reward", "f8"),
        # what the episode's metrics are made of (see statistics.py)
        ("steps", "i8"),
        ("return_mean", "f8"),
        ("return_m2", "f8"),
        ("downside_sum", "f8"),
        ("equity_sum", "f8"),
        ("reward_sum", "f8"),
        ("exposed_steps", "i8"),
        ("peak_step", "i8"),
        ("drawdown_peak_step", "i8"),
        ("drawdown_steps", "i8"),
        ("max_drawdown", "f8"),
        # from here on, only when something is traded or an episode begins
        ("trades", "i8"),
        ("traded_value", "f8"),
        ("next_order_id", "i8"),
        ("round_trips", "i8"),
        ("winning_trips", "i8"),
        ("gross_profit", "f8"),
        ("gross_loss", "f8"),
        # margin accounts only: interest and funding, what an account below zero was forgiven, and the row it last paid at
        ("financing_paid", "f8"),
        ("bankruptcy_loss", "f8"),
        ("financed_row", "i8"),
        # what the last execution opened, beyond what it closed
        ("opened", "f8"),
        ("data_end_row", "i8"),
        ("seed", "u8"),
        ("episode", "i8"),
    ]
)

POSITION_DTYPE = np.dtype(
    [
        ("quantity", "f8"),
        ("locked", "f8"),
        ("average_entry", "f8"),
        # realised PnL less fees since the position was last flat
        ("trip_pnl", "f8"),
        # what this candle has filled already, for `max_volume_share`
        ("volume_used", "f8"),
        # margin accounts only: the price at which other symbols' trades value it, the slippage of its liquidation, and the row
        # of the candle inside which it was opened
        ("reference", "f8"),
        ("exit_slippage", "f8"),
        ("entered_row", "i8"),
    ]
)
