"""Every component is under the conformance suites by being registered, and none is left unregistered."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from small_worlds import random_candles
from tradeready_gym import actions, exchanges, features, market, rewards
from tradeready_gym.actions import ACTION_SCHEMES, ActionScheme, TargetPosition, make_action_scheme
from tradeready_gym.actions.holdings import Holdings
from tradeready_gym.exchanges import SLIPPAGE_MODELS, Exchange, SimulatedExchange, SlippageModel, make_slippage
from tradeready_gym.features import Column, CustomFeature, Feature, MinMaxScaler, StandardScaler, parse_feature
from tradeready_gym.features.base import LibraryFeature
from tradeready_gym.features.described import DESCRIBED, described
from tradeready_gym.features.registry import PLAIN, WITH_PERIOD
from tradeready_gym.features.sources import CandleColumn
from tradeready_gym.market import PRICE_PROCESSES, PriceProcess
from tradeready_gym.rewards import REWARD_SCHEMES, PnLReward, RewardScheme, make_reward_scheme
from tradeready_gym.testing import check_action_scheme, check_feature, check_reward, check_slippage

# what a feature that has no default needs; a span makes a scaler
NEEDED: Mapping[str, Mapping[str, Any]] = {
    "comparison": {"source": "high"},
    "fixed_minmax": {"source": {"name": "percent_change", "bars": 2}, "input_min": -0.1, "input_max": 0.1},
    "higher_timeframe": {"feature": "rsi_7", "timeframe": "4h"},
    "ma_ratio": {"period": 20},
    "minmax": {"feature": "returns", "start": "2024-01-02T00:00:00Z", "end": "2024-01-20T00:00:00Z"},
    "momentum": {"period": 10},
    "moving_average": {"period": 5, "source": "volume"},
    "rsi": {"period": 9},
    "standard": {"feature": {"name": "candles"}, "start": "2024-01-10T00:00:00Z", "end": "2024-01-20T00:00:00Z"},
    "talib": {"function": "STOCH", "fastk_period": 7},
    "volatility": {"period": 12},
    "warmup_mask": {"features": ["returns", {"name": "rsi", "period": 7}]},
}


def feature_called(name: str) -> Feature:
    made = described(name, NEEDED.get(name))
    if isinstance(made, str):
        return parse_feature(made)
    return made if isinstance(made, Feature) else made.fit(random_candles(700, ("AAAUSDT", "BBBUSDT")))


NAMED_FEATURES = [
    *map(parse_feature, (*PLAIN, *(f"{stem}_{period}" for stem, (_, period) in WITH_PERIOD.items()))),
    *map(feature_called, DESCRIBED),
    CandleColumn("high"),
]


@pytest.mark.parametrize("name", sorted(REWARD_SCHEMES))
def test_reward_passes_the_conformance_suite(name: str) -> None:
    # the change of a ratio that is clipped to +-10, or a weighted sum with one
    bounds = {"sharpe": 20.0, "sortino": 20.0}

    check_reward(make_reward_scheme(name), bound=bounds.get(name, float("inf")))


@pytest.mark.parametrize("name", sorted(ACTION_SCHEMES))
def test_action_scheme_passes_the_conformance_suite(name: str) -> None:
    check_action_scheme(make_action_scheme(name))


def test_the_scheme_of_the_rules_passes_the_conformance_suite() -> None:
    check_action_scheme(Holdings())


@pytest.mark.parametrize("name", sorted(SLIPPAGE_MODELS))
def test_slippage_model_passes_the_conformance_suite(name: str) -> None:
    check_slippage(make_slippage(name))


@pytest.mark.parametrize("feature", dict.fromkeys(NAMED_FEATURES), ids=lambda feature: feature.name)
def test_feature_passes_the_conformance_suite(feature: Feature) -> None:
    check_feature(feature)


def test_a_column_of_ones_own_passes_the_conformance_suite() -> None:
    check_feature("signal", columns=("signal",))


# ---- nothing is left out: components are found by looking through the modules of a room, not by asking a list ----


def components(room: Any, base: type) -> set[type]:
    """The concrete classes of a family that the modules of a room define; a leading underscore is nobody's component."""
    modules = [room] + [
        importlib.import_module(f"{room.__name__}.{m.name}") for m in pkgutil.iter_modules(room.__path__)
    ]
    found = {
        thing
        for module in modules
        for name, thing in vars(module).items()
        if inspect.isclass(thing) and issubclass(thing, base) and not name.startswith("_")
    }
    own = {one for one in found if one.__module__.startswith(f"{room.__name__}.") and not inspect.isabstract(one)}
    return own - {base}


def without_suite(room: Any, base: type, made: Iterable[Any]) -> list[str]:
    """The components of a room of which there is none among `made`, what the conformance suite is run on."""
    return sorted(one.__name__ for one in components(room, base) - {type(one) for one in made})


# a family: its room, its base, and what its suite is run on
FAMILIES: dict[str, tuple[Any, type, Callable[[], list[Any]]]] = {
    "rewards": (rewards, RewardScheme, lambda: [make_reward_scheme(name) for name in REWARD_SCHEMES]),
    "actions": (actions, ActionScheme, lambda: [*map(make_action_scheme, ACTION_SCHEMES), Holdings()]),
    "slippage": (exchanges, SlippageModel, lambda: [make_slippage(name) for name in SLIPPAGE_MODELS]),
    "features": (features, Feature, lambda: [*NAMED_FEATURES, Column("signal")]),
    # conformance/test_exchanges.py, unit/market/test_stochastic.py
    "exchanges": (exchanges, Exchange, lambda: [SimulatedExchange("sample")]),
    "processes": (market, PriceProcess, lambda: [kind() for kind in PRICE_PROCESSES.values()]),
}
# what users derive theirs from
BASES = {CustomFeature, LibraryFeature}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_component_of_the_package_is_under_its_suite(family: str) -> None:
    room, base, made = FAMILIES[family]
    assert [name for name in without_suite(room, base, made()) if name not in {one.__name__ for one in BASES}] == []
    assert len(components(room, base)) >= 1


@pytest.mark.parametrize(
    ("family", "like"),
    [
        ("rewards", PnLReward),
        ("actions", TargetPosition),
        ("slippage", type(make_slippage("uniform"))),
        ("features", CandleColumn),
        ("exchanges", SimulatedExchange),
        ("processes", PRICE_PROCESSES["gbm"]),
    ],
)
def test_a_component_that_nobody_registered_is_noticed(
    family: str, like: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, base, made = FAMILIES[family]
    forgotten = type("Forgotten", (like,), {"__module__": like.__module__})
    module = importlib.import_module(like.__module__)
    monkeypatch.setattr(module, "Forgotten", forgotten, raising=False)
    assert "Forgotten" in without_suite(room, base, made())


def test_scalers_are_only_fitted_on_a_span() -> None:
    for kind in (StandardScaler, MinMaxScaler):
        (one,) = {feature for feature in NAMED_FEATURES if type(feature) is kind}
        assert dataclasses.replace(one, statistics=()) != one
