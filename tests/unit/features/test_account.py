"""The account scalars of an observation."""

import numpy as np

from tradeready_gym.features import (
    BALANCE,
    POSITION,
    TIME_TO_END,
    UNREALIZED_PNL,
    account_bounds,
    account_codes,
    account_columns,
    account_width,
)

NAMES = ("unrealized_pnl", "position", "balance")
LARGEST = np.finfo(np.float32).max


def test_codes_come_in_the_order_of_the_names() -> None:
    codes = account_codes(NAMES)
    assert codes.tolist() == [UNREALIZED_PNL, POSITION, BALANCE] == [2, 1, 0]
    assert codes.dtype == np.int64


def test_position_counts_once_per_symbol_and_the_others_once() -> None:
    assert account_width(NAMES, 1) == 3
    assert account_width(NAMES, 3) == 5
    assert account_width(("balance",), 3) == 1
    assert account_width((), 3) == 0


def test_columns_name_the_symbol_where_there_are_several() -> None:
    assert account_columns(NAMES, ["BTCUSDT"]) == NAMES
    expected = ("unrealized_pnl", "position_BTCUSDT", "position_ETHUSDT", "balance")
    assert account_columns(NAMES, ["BTCUSDT", "ETHUSDT"]) == expected


def test_bounds_are_those_of_a_spot_account() -> None:
    low, high = account_bounds(NAMES, 2)
    assert low.dtype == high.dtype == np.float32
    assert low.tolist() == [-LARGEST, 0.0, 0.0, 0.0]
    assert high.tolist() == [1.0, 1.0, 1.0, LARGEST]


def test_time_to_end_is_a_share_on_any_account() -> None:
    assert account_codes(["time_to_end"]).tolist() == [TIME_TO_END] and TIME_TO_END < 0
    for margin in (False, True):
        low, high = account_bounds(("time_to_end", "balance"), 1, margin)
        assert (low[0], high[0]) == (0.0, 1.0)
    assert account_columns(["time_to_end", "position"], ["A", "B"]) == ("time_to_end", "position_A", "position_B")


def test_no_scalars_have_no_bounds() -> None:
    low, high = account_bounds((), 2)
    assert low.shape == high.shape == (0,)
