"""What an exchange charges and what it accepts, as records for the kernels."""

import numpy as np

COSTS_DTYPE = np.dtype(
    [
        ("fee_rate", "f8"),
        ("maker_fee_rate", "f8"),
        ("slippage_maximum", "f8"),
        ("fill_at_close", "i8"),
        # 0 means that a candle fills any quantity
        ("max_volume_share", "f8"),
        # share of the starting balance below which an order is dust
        ("dust", "f8"),
        # a margin account; a leverage of 0 means a spot account
        ("leverage", "f8"),
        ("maintenance", "f8"),
        ("interest_rate", "f8"),
        ("funding_rate", "f8"),
        ("funding_interval", "f8"),
        ("candle_length", "f8"),
        ("liquidation_fee", "f8"),
        # what a fill costs beside its rate: an amount, and the least that it pays
        ("fee_per_trade", "f8"),
        ("fee_minimum", "f8"),
    ]
)

# 0 means that there is no such filter
INSTRUMENT_DTYPE = np.dtype(
    [(name, "f8") for name in ("lot_size", "tick_size", "min_notional", "max_quantity", "min_quantity", "max_notional")]
)
