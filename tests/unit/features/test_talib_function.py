"""Any function of TA-Lib: the same numbers as from TA-Lib itself, and none that knows the future."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import talib

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.features import (
    FeaturePipeline,
    Ohlcv,
    PercentChange,
    TALib,
    Volume,
    check_causality,
    check_later_anchor,
    parse_feature,
)
from tradeready_gym.market.candles import Candles

MakeMarket = Callable[..., Candles]
LIBRARY: Any = talib
EVERY: list[str] = sorted(set(LIBRARY.get_functions()) - {"MAVP"})  # which needs a column of periods
NOT_OF_PRICES = {"ACOS", "ASIN"}  # defined between -1 and 1
every_function = pytest.mark.parametrize("name", EVERY)


@every_function
def test_no_function_looks_ahead(name: str, random_market: MakeMarket) -> None:
    assert len(check_causality(TALib(name), random_market(rows=1000), cuts=8, tolerance=0.0)) >= 8


@every_function
def test_every_function_is_finite_after_its_warm_up_and_agrees_from_a_later_anchor(
    name: str, random_market: MakeMarket
) -> None:
    candles, function = random_market(rows=1100, gaps=False, price=3.0), TALib(name)
    assert np.isfinite(function.compute(candles, 0)[function.warmup_bars :]).all() or name in NOT_OF_PRICES
    assert name in NOT_OF_PRICES or check_later_anchor(function, candles, anchors=3) <= function.anchor_tolerance


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (TALib("RSI", timeperiod=9), lambda o, h, low, c, v: talib.RSI(c, 9)),
        (TALib("STOCH", fastk_period=7, output="slowd"), lambda o, h, low, c, v: talib.STOCH(h, low, c, 7)[1]),
        (TALib("mfi", timeperiod=5), lambda o, h, low, c, v: talib.MFI(h, low, c, v, 5)),
        (TALib("OBV"), lambda o, h, low, c, v: talib.OBV(c, v)),
        (TALib("CDLDOJI"), lambda o, h, low, c, v: talib.CDLDOJI(o, h, low, c)),
        (TALib("BBANDS", nbdevup=1.5), lambda o, h, low, c, v: np.stack(talib.BBANDS(c, 20, 1.5), axis=1)),
        (TALib("CORREL", inputs=("close", Volume()), timeperiod=4), lambda o, h, low, c, v: talib.CORREL(c, v, 4)),
        (TALib("SMA", inputs=("open",)), lambda o, h, low, c, v: talib.SMA(o)),
        (TALib("AROON", output="aroonup"), lambda o, h, low, c, v: talib.AROON(h, low)[1]),
    ],
    ids=lambda value: value.name if isinstance(value, TALib) else "",
)
def test_the_numbers_are_those_of_talib(
    function: TALib, expected: Callable[..., Any], random_market: MakeMarket
) -> None:
    candles = random_market(rows=200)
    series = [values[0] for values in (candles.open, candles.high, candles.low, candles.close, candles.volume)]
    wanted = np.asarray(expected(*series), dtype=float).reshape(len(candles), -1)
    values = function.compute(candles, 0)
    known = np.isfinite(values)
    assert np.array_equal(values[known], wanted[known])
    assert known.all(axis=1).argmax() == function._lookback()


def test_a_feature_is_an_input_from_its_first_number_on(random_market: MakeMarket) -> None:
    candles = random_market(rows=100)
    function = TALib("EMA", inputs=(PercentChange(3),), timeperiod=5)
    change = candles.close[0, 3:] / candles.close[0, :-3] - 1.0
    np.testing.assert_array_equal(function.compute(candles, 0)[3:, 0], talib.EMA(change, 5))
    assert function.warmup_bars == 3 + 10 * 5


def test_functions_that_never_forget_have_a_longer_warm_up() -> None:
    assert TALib("SMA", timeperiod=20).warmup_bars == 19
    assert TALib("EMA", timeperiod=20).warmup_bars == 190
    assert TALib("MA", timeperiod=20).warmup_bars == 19
    assert TALib("MA", timeperiod=20, matype=1).warmup_bars == 190
    assert TALib("OBV").anchor_tolerance == np.inf
    assert TALib("ADX").anchor_tolerance == 5e-3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("talib:RSI", TALib("RSI")),
        ("talib:rsi(timeperiod=21)", TALib("RSI", timeperiod=21)),
        ("TALIB:STOCH(fastk_period=5, output=slowk)", TALib("STOCH", output="slowk")),
        ("talib:BBANDS(nbdevup=2.5, timeperiod=10)", TALib("BBANDS", timeperiod=10, nbdevup=2.5)),
        ("talib:CORREL(inputs=close+volume)", TALib("CORREL", inputs=("close", "volume"))),
        ("talib:SAR(acceleration=0.05)@4h", parse_feature("talib:SAR(acceleration=0.05)@4h")),
    ],
)
def test_a_name_is_read_and_read_back(text: str, expected: Any) -> None:
    found = parse_feature(text)
    assert found == expected == parse_feature(found.name)
    assert repr(FeaturePipeline([text])) == f"FeaturePipeline([{found.name!r}])"


def test_defaults_do_not_make_another_feature() -> None:
    assert TALib("RSI", timeperiod=14) == TALib("rsi")
    assert TALib("RSI", inputs=("close",)) == TALib("RSI")
    assert TALib("STOCH").column_names == ("talib:STOCH.slowk", "talib:STOCH.slowd")


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: TALib("RSII"), UnknownName, "unknown TA-Lib function 'RSII'"),
        (lambda: TALib("RSI", period=3), UnknownName, "unknown parameter of RSI 'period'; known: timeperiod"),
        (lambda: TALib("STOCH", output="slow"), UnknownName, "unknown output of STOCH 'slow'"),
        (lambda: TALib("RSI", timeperiod=1), ConfigurationError, "TA-Lib refuses .* Its parameters are timeperiod=14"),
        (lambda: TALib("RSI", timeperiod=2.5), ConfigurationError, "whole number"),
        (lambda: TALib("RSI", timeperiod=True), ConfigurationError, "must be a number"),
        (lambda: TALib("RSI", inputs=("close", "open")), ConfigurationError, "takes 1 columns"),
        (lambda: TALib("RSI", inputs=(Ohlcv(),)), ConfigurationError, "features of one column"),
        (lambda: TALib("RSI", inputs="close"), TypeError, "sequence of columns"),
        (lambda: TALib("MAVP"), ConfigurationError, "needs a column of periods"),
        (lambda: parse_feature("talib:RSI(21)"), ConfigurationError, "needs 'name=value'"),
        (lambda: parse_feature("talib:RSI(timeperiod=long)"), ConfigurationError, "needs a number for timeperiod"),
        (lambda: parse_feature("talib:RSI("), ConfigurationError, "named like 'talib:RSI"),
    ],
)
def test_mistakes_are_named(make: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make()
