"""The engine's own records: the settings of a step, and the columns that it reports."""

import numpy as np

SETTINGS_DTYPE = np.dtype(
    [
        ("symbols", "i8"),
        ("rows", "i8"),
        ("features", "i8"),
        ("lookback", "i8"),
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

# what a step reports of each environment, one row of the info block each
REPORT = (
    "reward",
    "done",
    "equity",
    "available_cash",
    "locked_cash",
    "position_value",
    "unrealized_pnl",
    "realized_pnl",
    "fees_paid",
    "step",
    "total_steps",
    "row",
    "fills",
    "rejects",
    "progress_pct",
)
# what a margin account tells besides, read from the account itself
MARGIN_REPORT = ("financing_paid", "bankruptcy_loss")
# what is kept of every step of a single environment; then the value held of each symbol
HISTORY = ("row", "equity", "cash")
