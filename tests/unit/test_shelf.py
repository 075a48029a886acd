"""The whole shelf by object, by name and from a YAML file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from small_worlds import random_candles
from tradeready_gym import TradingContext, TradingEnvironment
from tradeready_gym.actions import ACTION_SCHEMES, HoldBuySell, make_action_scheme
from tradeready_gym.envs.composition import compose
from tradeready_gym.errors import ConfigurationError, DataError, UnknownName
from tradeready_gym.exchanges import SLIPPAGE_MODELS, make_slippage
from tradeready_gym.features import (
    Comparison,
    FixedMinMax,
    HigherTimeframe,
    MinMaxScaler,
    MovingAverage,
    PercentChange,
    StandardScaler,
    TALib,
    WarmupMask,
)
from tradeready_gym.features.described import described, described_feature
from tradeready_gym.rewards import REWARD_SCHEMES, DifferentialSharpe, WeightedSum, make_reward_scheme

CANDLES = random_candles(400)
SPAN = {"start": "2024-01-03T00:00:00Z", "end": "2024-01-10T00:00:00Z"}


def composed(text: str, folder: Path) -> Any:
    path = folder / "environment.yaml"
    path.write_text(text)
    return compose(data=CANDLES, context=TradingContext.from_yaml(path))


@pytest.mark.parametrize("name", sorted(REWARD_SCHEMES))
def test_every_reward_comes_by_name_and_from_a_file(name: str, tmp_path: Path) -> None:
    made = make_reward_scheme(name)
    assert composed(f"rewards: {{name: {name}}}", tmp_path).reward_scheme == made
    assert (
        compose(data=CANDLES, reward_scheme=name).reward_scheme
        == made
        == compose(data=CANDLES, reward_scheme=made).reward_scheme
    )


@pytest.mark.parametrize("name", sorted(ACTION_SCHEMES))
def test_every_action_scheme_comes_by_name_and_from_a_file(name: str, tmp_path: Path) -> None:
    made = make_action_scheme(name)
    with TradingContext(exchanges={"account": "margin"} if made.position_range[0] < 0.0 else {}):
        assert composed(f"actions: {{name: {name}}}", tmp_path).action_scheme == made
        assert compose(data=CANDLES, action_scheme=name).action_scheme == made


@pytest.mark.parametrize("name", sorted(SLIPPAGE_MODELS))
def test_every_slippage_model_comes_by_name_and_from_a_file(name: str, tmp_path: Path) -> None:
    made = make_slippage(name)
    assert composed(f"exchanges: {{slippage: {name}}}", tmp_path).exchange.slippage == made
    assert compose(data=CANDLES, slippage=name).exchange.slippage == made


@pytest.mark.parametrize(
    ("argument", "given", "message"),
    [
        ("reward_scheme", DifferentialSharpe, r"the reward scheme .* pass an instance: DifferentialSharpe\(\)"),
        ("reward_scheme", lambda before, after, info: after - before, "the reward scheme .* derive from CustomReward"),
        ("action_scheme", HoldBuySell, r"the action scheme .* pass an instance: HoldBuySell\(\)"),
        ("action_scheme", lambda action: [], "the action scheme .* derive from CustomActionScheme"),
        ("slippage", SLIPPAGE_MODELS["fixed"], r"the slippage model .* pass an instance: FixedSlippage\(\)"),
        ("slippage", lambda *numbers: 0.0, "the slippage model .* derive from CustomSlippage"),
    ],
)
def test_a_class_or_a_function_in_place_of_a_component_says_what_to_pass(
    argument: str, given: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        compose(data=CANDLES, **{argument: given})


def test_sums_of_rewards_and_joined_schemes_are_written_in_a_file(tmp_path: Path) -> None:
    text = """
actions:
  name: joined
  schemes: [hold_buy_sell, {name: managed_risk, sizes: 2, stop: [0.02]}]
rewards:
  name: weighted_sum
  terms: [[{name: differential_sharpe, eta: 0.02}, 1.0], [turnover_penalty, 0.1]]
"""
    spec = composed(text, tmp_path)
    joined = make_action_scheme({"name": "managed_risk", "sizes": 2, "stop": (0.02,)})
    assert spec.action_scheme == HoldBuySell() + joined
    assert spec.reward_scheme == WeightedSum([(DifferentialSharpe(eta=0.02), 1.0), ("turnover_penalty", 0.1)])
    assert composed("rewards: {name: weighted_sum, terms: {sharpe: 2.0}}", tmp_path).reward_scheme == WeightedSum(
        {"sharpe": 2.0}
    )


@pytest.mark.parametrize(
    ("name", "parameters", "made"),
    [
        ("percent_change", {"bars": 3, "source": "volume"}, PercentChange(3, "volume")),
        (
            "moving_average",
            {"period": 5, "kind": "ema", "source": {"name": "percent_change"}},
            MovingAverage(5, "ema", PercentChange()),
        ),
        (
            "comparison",
            {"source": "close", "reference": {"name": "moving_average", "period": 9}},
            Comparison("close", MovingAverage(9)),
        ),
        ("fixed_minmax", {"source": "close", "input_min": 1.0, "input_max": 2.0}, FixedMinMax("close", 1.0, 2.0)),
        ("higher_timeframe", {"feature": "rsi_7", "timeframe": "4h"}, HigherTimeframe("rsi_7", "4h")),
        ("talib", {"function": "RSI", "timeperiod": 9}, TALib("RSI", timeperiod=9)),
        ("warmup_mask", {"features": ["returns", {"name": "rsi", "period": 7}]}, WarmupMask(["returns", "rsi_7"])),
    ],
)
def test_a_feature_with_parameters_is_written_as_a_mapping(
    name: str, parameters: Any, made: Any, tmp_path: Path
) -> None:
    assert described(name, parameters) == made
    assert composed(json.dumps({"features": {name: parameters}}), tmp_path).features == (made,)
    listed = json.dumps({"features": ["ohlcv", {"name": name, **parameters}]})
    assert composed(listed, tmp_path).features == ("ohlcv", made)
    assert compose(data=CANDLES, feature_pipeline=[{"name": name, **parameters}]).features == (made,)


@pytest.mark.parametrize(("name", "kind"), [("standard", StandardScaler), ("minmax", MinMaxScaler)])
def test_a_scaler_of_a_file_is_fitted_on_its_span_when_the_environment_is_made(
    name: str, kind: Any, tmp_path: Path
) -> None:
    inner = described_feature({"name": "percent_change", "bars": 4})
    text = json.dumps({"features": {name: {"feature": {"name": "percent_change", "bars": 4}, **SPAN}}})
    (fitted,) = composed(text, tmp_path).features
    assert fitted == kind(inner).fit(CANDLES, SPAN["start"], SPAN["end"])
    with TradingContext.from_yaml(tmp_path / "environment.yaml"):
        env = TradingEnvironment(data=CANDLES, start_time="2024-01-11T00:00:00Z", interpreted=True)
    assert env.feature_pipeline.market_features == (fitted,)
    assert np.isfinite(env.reset(seed=0)[0]).all()


@pytest.mark.parametrize(
    ("name", "parameters", "error", "message"),
    [
        ("standard", {"feature": "returns"}, ConfigurationError, "learns from a training span: give its start and end"),
        (
            "standard",
            {"feature": "returns", "statistics": 3, **SPAN},
            UnknownName,
            "'statistics'; known: end, feature, start",
        ),
        (
            "standard",
            {"feature": "returns", "start": "2020-01-01T00:00:00Z", "end": "2020-02-01T00:00:00Z"},
            DataError,
            "2020",
        ),
        ("calendar", SPAN, UnknownName, "parameter of the feature calendar 'start'"),
        ("fixed_minmax", {}, ConfigurationError, "cannot be made of"),
        ("comparision", {"source": "close"}, UnknownName, "Did you mean 'comparison'"),
        ("rsi_14", {"period": 7}, UnknownName, "Its parameters are in its name"),
        ("percent_change", 3, ConfigurationError, "are a mapping; got 3"),
        ("comparison", {"source": {"period": 3}}, ConfigurationError, "is a mapping with a name"),
        (
            "comparison",
            {"source": {"name": "standard", "feature": "returns", **SPAN}},
            ConfigurationError,
            "cannot be the source",
        ),
    ],
)
def test_what_a_file_gets_wrong_of_a_feature_is_named(name: str, parameters: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        compose(data=CANDLES, context=TradingContext(features={name: parameters}))
