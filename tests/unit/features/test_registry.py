"""Names become features."""

import pytest

from tradeready_gym.errors import UnknownName
from tradeready_gym.features import (
    KNOWN_NAMES,
    AverageDirectionalIndex,
    AverageTrueRange,
    Column,
    Feature,
    MovingAverageRatio,
    Ohlcv,
    RelativeStrengthIndex,
    parse_feature,
)
from tradeready_gym.features.account import ACCOUNT_CODES
from tradeready_gym.features.registry import as_feature, library_feature

DOCUMENTED = {"ohlcv": 5, "rsi_14": 1, "macd": 3, "bollinger": 3, "volume": 1, "adx": 1, "atr": 1}


@pytest.mark.parametrize(("name", "width"), DOCUMENTED.items())
def test_a_documented_name_has_its_documented_width(name: str, width: int) -> None:
    assert parse_feature(name).width == width


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rsi_21", RelativeStrengthIndex(21)),
        ("adx", AverageDirectionalIndex(14)),
        ("adx_7", AverageDirectionalIndex(7)),
        ("atr", AverageTrueRange(14)),
        ("atr_100", AverageTrueRange(100)),
        ("ma_ratio_50", MovingAverageRatio(50)),
        ("OHLCV", Ohlcv()),
    ],
)
def test_a_name_is_the_feature_with_that_period(name: str, expected: Feature) -> None:
    assert parse_feature(name) == expected


@pytest.mark.parametrize("name", [name for name in KNOWN_NAMES if name not in ACCOUNT_CODES])
def test_every_name_that_errors_list_is_a_feature(name: str) -> None:
    found = parse_feature(name)
    assert library_feature(found.name) == found


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("rsi14", "rsi_14"),
        ("rsi", "rsi_14"),
        ("bolinger", "bollinger"),
        ("volumes", "volume"),
        ("my_sigal", "my_signal"),
    ],
)
def test_a_misspelt_name_gets_the_nearest_match(wrong: str, near: str) -> None:
    with pytest.raises(UnknownName, match=f"Did you mean '{near}'"):
        parse_feature(wrong, columns=["my_signal"])


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("comparison", "Comparison"),
        ("standard", "StandardScaler"),
        ("warmup_mask", "WarmupMask"),
        ("RSI", "RelativeStr"),
    ],
)
def test_a_name_that_needs_parameters_says_what_to_give(name: str, call: str) -> None:
    with pytest.raises(
        UnknownName, match=rf"'{name}' needs parameters: give {call}.*\(\.\.\.\), or in a file a mapping"
    ):
        parse_feature(name)
    with pytest.raises(UnknownName) as told:
        parse_feature("rsi14")
    assert "needs parameters" not in str(told.value)


@pytest.mark.parametrize(
    "name", ["rsi_", "rsi_x", "rsi_-3", "rsi_1.5", "ohlcv_5", "_14", "", "rsi_1000000000000000000000"]
)
def test_a_malformed_name_is_unknown(name: str) -> None:
    with pytest.raises(UnknownName):
        parse_feature(name)


def test_a_column_is_found_under_its_exact_name_only() -> None:
    assert parse_feature("My_Signal", columns=["My_Signal"]) == Column("My_Signal")
    with pytest.raises(UnknownName):
        parse_feature("my_signal", columns=["My_Signal"])


@pytest.mark.parametrize("item", [3, None, Ohlcv])
def test_what_is_no_feature_is_a_type_error(item: object) -> None:
    with pytest.raises(TypeError, match="a feature is a name, a Feature or a function of candles"):
        as_feature(item)  # type: ignore[arg-type]
