"""The registered ids: Gymnasium's checker, the documented parameters, make and make_vec."""

import subprocess
import sys
import warnings
from inspect import signature
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import tradeready_gym
from small_worlds import RAW, assert_same, play, random_candles
from tradeready_gym import registration
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment, check_trading_env
from tradeready_gym.envs.parts import ID_KEYS, OWN_KEYS
from tradeready_gym.errors import ConfigurationError, PlatformUnavailable, TradeReadyError, UnknownName
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.features import DEFAULT_FEATURES
from tradeready_gym.wrappers import NormalizationWrapper, VectorNormalizationWrapper

IDS = {
    "TradeReady-BTC-v0": ("BTCUSDT",),
    "TradeReady-ETH-v0": ("ETHUSDT",),
    "TradeReady-SOL-v0": ("SOLUSDT",),
    "TradeReady-BTC-Continuous-v0": ("BTCUSDT",),
    "TradeReady-ETH-Continuous-v0": ("ETHUSDT",),
    "TradeReady-Portfolio-v0": ("BTCUSDT", "ETHUSDT", "SOLUSDT"),
}


def make(name: str, **arguments: Any) -> Any:
    return gymnasium.make(name, data=random_candles(140, IDS[name]), track_training=False, **arguments)


def test_these_ids_are_registered() -> None:
    ours = {name for name in gymnasium.registry if name.startswith("TradeReady-")}

    assert ours == {*IDS, "TradeReady-Live-v0"}


@pytest.mark.parametrize("flatten", [True, False])
@pytest.mark.parametrize("name", sorted(IDS))
def test_gymnasiums_checker_accepts_every_id_without_a_warning(name: str, flatten: bool) -> None:
    env = make(name, flatten=flatten, render_mode="rgb_array").unwrapped

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)


@pytest.mark.parametrize("name", sorted(IDS))
def test_our_checker_accepts_every_id(name: str) -> None:
    check_trading_env(make(name))


@pytest.mark.parametrize("name", sorted(IDS))
def test_an_id_trades_its_own_pairs(name: str) -> None:
    assert make(name).unwrapped.exchange.symbols == IDS[name]


@pytest.mark.parametrize("name", sorted(IDS))
def test_the_vector_of_an_id_equals_its_single_environment(name: str) -> None:
    candles = random_candles(140, IDS[name])
    vector = gymnasium.make_vec(name, num_envs=2, data=candles, track_training=False)
    single = gymnasium.make(name, data=candles, track_training=False)
    single.action_space.seed(0)

    assert isinstance(vector, TradingVectorEnvironment)
    many, one = vector.reset(seed=3)[0], single.reset(seed=4)[0]
    for _ in range(20):
        assert_same(many[1], one)
        action = single.action_space.sample()
        many, one = vector.step(np.stack([action, action]))[0], single.step(action)[0]


def test_the_default_observation_is_free_of_scale() -> None:
    assert make("TradeReady-BTC-v0").unwrapped.feature_pipeline.column_names == (
        "log_open",
        "log_high",
        "log_low",
        "log_close",
        "log_relative_volume",
    )
    assert DEFAULT_FEATURES[0] == "candles"


def test_the_documented_parameters_are_taken() -> None:
    env = make(
        "TradeReady-BTC-v0",
        starting_balance=5_000,
        timeframe="1h",
        lookback_window=10,
        start_time="2024-01-03T00:00:00Z",
        end_time="2024-01-04T00:00:00Z",
        observation_features=["ohlcv", "balance"],
        reward_function="log_return",
        strategy_label="mine",
        fee_rate=0.002,
        position_size=0.3,
        episode_length=12,
        render_mode="ansi",
    )
    _, info = env.reset(seed=0)

    assert (info["equity"], info["total_steps"]) == (5_000.0, 12)
    assert env.observation_space.shape == (10 * 5 + 1,)
    assert env.unwrapped.action_scheme.position_size == 0.3


def test_pairs_of_the_portfolio_are_free_to_choose() -> None:
    candles = random_candles(100, ("AAAUSDT", "BBBUSDT", "CCCUSDT", "DDDUSDT"))
    env = gymnasium.make("TradeReady-Portfolio-v0", data=candles, pairs=list(candles.symbols), track_training=False)

    assert env.action_space.shape == (4,)


def test_a_mapping_says_which_symbols_are_traded_where_nobody_else_did(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"AAA": random_candles(80, ("AAA",)), "BBB": random_candles(80, ("BBB",), 1)}
    usual: dict[str, Any] = {
        "feature_pipeline": RAW,
        "lookback_window": 3,
        "interpreted": True,
        "track_training": False,
    }
    assert TradingEnvironment(data={"aaa": data["AAA"]}, **usual).exchange.symbols == ("AAA",)
    for make in (gymnasium.make, gymnasium.make_vec):
        made: Any = make
        both = made("TradeReady-Portfolio-v0", data=data, **usual)
        assert both.unwrapped.engine.symbols == ("AAA", "BBB")
        one = made("TradeReady-Portfolio-v0", data=data, pairs=["BBB"], **usual)
        assert one.unwrapped.engine.symbols == ("BBB",)
        with pytest.raises(UnknownName, match=r"'BTCUSDT'.*with an id, pairs=\['AAA', 'BBB'\]"):
            made("TradeReady-BTC-v0", data=data, **usual)
    with pytest.raises(ConfigurationError, match="empty mapping"):
        TradingEnvironment(data={}, **usual)
    monkeypatch.setattr(registration, "pairs_in", lambda data, pairs: pairs)  # the defect: a default counts as chosen
    with pytest.raises(UnknownName, match="'BTCUSDT'; known: AAA, BBB"):
        gymnasium.make("TradeReady-Portfolio-v0", data=data, **usual)


def test_another_market_than_the_one_asked_for_is_never_taken() -> None:
    bitcoin = random_candles(100, ("BTCUSDT",))

    for name in ("TradeReady-ETH-v0", "TradeReady-Portfolio-v0"):
        with pytest.raises(TradeReadyError, match="ETHUSDT"):
            gymnasium.make(name, data=bitcoin, track_training=False)
    with pytest.raises(TradeReadyError, match="ETHUSDT"):
        TradingEnvironment(data=bitcoin, symbols=("ETHUSDT",), interpreted=True)
    with pytest.raises(TradeReadyError, match="4h"):
        TradingEnvironment(data=bitcoin, timeframe="4h", interpreted=True)


def test_two_names_of_one_argument_are_refused() -> None:
    with pytest.raises(TypeError, match="reward_function and reward_scheme"):
        make("TradeReady-BTC-v0", reward_function="pnl", reward_scheme="pnl")
    with pytest.raises(TypeError, match="observation_features and feature_pipeline"):
        make("TradeReady-BTC-v0", observation_features=["ohlcv"], feature_pipeline=["ohlcv"])


def test_an_exchange_together_with_another_market_is_refused() -> None:
    exchange = SimulatedExchange("synthetic", symbols=("ETHUSDT",))
    for another in ({"data": "sample"}, {"pairs": ["DOGEUSDT"]}):
        with pytest.raises(TypeError, match="belongs to the exchange"):
            gymnasium.make("TradeReady-BTC-v0", exchange=exchange, track_training=False, **another)
    with pytest.raises(TypeError, match="pairs="):
        gymnasium.make("TradeReady-BTC-v0", data="synthetic", symbols=("ETHUSDT",), track_training=False)
    # also pairs that are those of an id, and the exchange does not trade
    for identity, pairs in (("TradeReady-BTC-v0", ["SOLUSDT"]), ("TradeReady-ETH-v0", ("BTCUSDT",))):
        with pytest.raises(TypeError, match="belongs to the exchange"):
            gymnasium.make(identity, exchange=exchange, pairs=pairs, track_training=False)
        with pytest.raises(TypeError, match="belongs to the exchange"):
            gymnasium.make_vec(identity, exchange=exchange, pairs=pairs, track_training=False)
    same: Any = gymnasium.make("TradeReady-BTC-v0", exchange=exchange, pairs="ETHUSDT", track_training=False)
    assert same.unwrapped.exchange.symbols == ("ETHUSDT",)
    env = gymnasium.make("TradeReady-BTC-v0", exchange=exchange, track_training=False)
    assert isinstance(env.unwrapped, TradingEnvironment)
    assert env.unwrapped.exchange.symbols == ("ETHUSDT",)


def test_position_size_needs_a_scheme_that_has_one() -> None:
    with pytest.raises(ConfigurationError, match="position_size belongs to"):
        make("TradeReady-Portfolio-v0", position_size=0.2)


def test_a_key_without_a_platform_says_how_to_go_on_without_one() -> None:
    with pytest.raises(PlatformUnavailable, match="Leave out api_key="):
        make("TradeReady-BTC-v0", api_key="ak_live_x", base_url="http://localhost:9")


def test_an_unknown_argument_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="candle_interval"):
        make("TradeReady-BTC-v0", candle_interval="1h")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("start_tim", "start_time"), ("observation_feature", "observation_features"), ("pair", "pairs")],
)
def test_a_mistyped_argument_names_the_nearest_and_those_of_the_id(wrong: str, right: str) -> None:
    with pytest.raises(
        TypeError, match=f"unknown argument '{wrong}'. Did you mean '{right}'\\?.*gymnasium.make takes pairs"
    ):
        make("TradeReady-BTC-v0", **{wrong: "x"})


def test_the_listed_arguments_are_those_of_the_environment_and_of_the_ids() -> None:
    own = [name for name in signature(TradingEnvironment).parameters if name != "arguments"]
    ids = set(signature(registration._documented).parameters) - {"data", "others", *own}
    assert sorted(OWN_KEYS) == sorted([*own, "context"])
    assert set(ID_KEYS) == ids | {"normalize_observations"}


def test_an_unknown_reward_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'sharpe'"):
        make("TradeReady-BTC-v0", reward_function="sharp")


def test_normalisation_is_a_parameter_of_both() -> None:
    candles = random_candles(140)
    arguments: dict[str, Any] = {"data": candles, "track_training": False, "normalize_observations": True}
    single = gymnasium.make("TradeReady-BTC-v0", **arguments)
    vector = gymnasium.make_vec("TradeReady-BTC-v0", num_envs=2, **arguments)

    assert isinstance(vector, VectorNormalizationWrapper)
    assert isinstance(single.env.env, NormalizationWrapper)  # type: ignore[attr-defined]
    assert not single.reset(seed=0)[0].any()
    assert single.observation_space.contains(play(single, [1, 0, 2])[-1][0])


def test_engineered_features_and_steps_per_action_are_parameters_of_make_vec() -> None:
    vector = gymnasium.make_vec(
        "TradeReady-BTC-v0",
        num_envs=2,
        data=random_candles(140),
        track_training=False,
        observation_features=["engineered", "balance"],
        lookback_window=1,
        steps_per_action=5,
    )
    observations, infos = play(vector, [np.array([1, 0])])[-1][::4]

    assert observations.shape == (2, 5)
    assert infos["step"].tolist() == [5, 5]


def test_importing_the_package_registers_and_loads_no_compiler() -> None:
    code = (
        "import sys, gymnasium, tradeready_gym\n"
        "assert 'TradeReady-BTC-v0' in gymnasium.registry\n"
        "heavy = [m for m in ('numba', 'duckdb', 'talib', 'pandas', 'matplotlib', 'torch') if m in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", sorted(set(tradeready_gym.__all__) - {"__version__"}))
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(tradeready_gym, name).__name__ == name


def test_a_plain_composition_needs_no_id() -> None:
    env = TradingEnvironment(data=random_candles(60), feature_pipeline=RAW, interpreted=True)

    assert "TradingEnvironment(SimulatedExchange(" in repr(env)


def test_a_simulated_market_by_name_has_the_pairs_that_were_asked_for() -> None:
    market: dict[str, Any] = {"exchange": "gbm", "paths": 1, "bars": 200, "track_training": False}
    ethereum: Any = gymnasium.make("TradeReady-ETH-v0", **market)
    assert ethereum.unwrapped.exchange.symbols == ("ETHUSDT",)
    solana: Any = gymnasium.make("TradeReady-BTC-v0", pairs=["SOLUSDT"], **market)
    assert solana.unwrapped.exchange.symbols == ("SOLUSDT",)
