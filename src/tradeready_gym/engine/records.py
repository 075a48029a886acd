"""The engine's own records: the settings of a step, and the columns that it reports."""

import struct

import numpy as np

SETTINGS_DTYPE = np.dtype(
    [
        ("symbols", "i8"),
        ("rows", "i8"),
        ("features", "i8"),
        ("lookback", "i8"),
        # in microseconds
        ("candle_length", "i8"),
        ("width", "i8"),
        ("episode_length", "i8"),
        ("candles_per_action", "i8"),
        ("gymnasium_end", "i8"),
        ("next_step_reset", "i8"),
        ("keep_history", "i8"),
        ("max_loss", "f8"),
    ]
)

# where an episode may begin: rows of the concatenated data sets
SEGMENT_DTYPE = np.dtype([("first_row", "i8"), ("end_row", "i8"), ("data_end_row", "i8")])

# what a step reports of each environment, one row of the report each: amounts as float64, then counts as int64 in
# cells of the same size; `virtual_time` is in microseconds
REPORTED_AMOUNTS = (
    "reward",
    "equity",
    "available_cash",
    "position_value",
    "unrealized_pnl",
    "locked_cash",
    "realized_pnl",
    "fees_paid",
    "progress_pct",
)
REPORTED_COUNTS = ("virtual_time", "step", "total_steps", "done", "fills", "rejects")
REPORT = REPORTED_AMOUNTS + REPORTED_COUNTS
# the bytes of one environment's report, where it has the block to itself
REPORT_LAYOUT = struct.Struct(f"={len(REPORTED_AMOUNTS)}d{len(REPORTED_COUNTS)}q")
# what a margin account tells besides, read from the account itself
MARGIN_REPORT = ("financing_paid", "bankruptcy_loss")
# what is kept of every step of a single environment; then the value held of each symbol
HISTORY = ("row", "equity", "cash")
