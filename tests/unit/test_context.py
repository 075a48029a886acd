"""TradingContext: keyword before context before default, where 0, False and None are values; files; nesting; threads."""

import inspect
import json
import sys
import threading
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from small_worlds import assert_same, play, random_candles
from tradeready_gym import TradingContext, TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.actions import DiscreteActions, HoldBuySell, TargetPosition
from tradeready_gym.context import ENVIRONMENT_KEYS, SIMULATED_KEYS, STOCHASTIC_KEYS
from tradeready_gym.engine import EngineSpec
from tradeready_gym.envs.composition import compose
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.exchanges import (
    FixedSlippage,
    MarginAccount,
    NoSlippage,
    SimulatedExchange,
    VolumeShareSlippage,
    stochastic_exchange,
)
from tradeready_gym.features import RAW_FEATURES
from tradeready_gym.features.calendar import Calendar
from tradeready_gym.market import Instrument
from tradeready_gym.rewards import LogReturnReward, PnLReward, SharpeReward

CANDLES = random_candles(60)
WHOLE: dict[str, Any] = {
    "base_instrument": "USDT",
    "instruments": ["BTC"],
    "exchanges": {
        "name": "fbm",
        "paths": 2,
        "bars": 80,
        "parameters": {"hurst": 0.7},
        "fee_rate": 0.0,
        "slippage": None,
        "account": {"leverage": 3.0},
        "instruments": {"BTCUSDT": {"lot_size": 0.001}},
    },
    "actions": {"name": "target_position", "positions": [-1.0, 0.0, 1.0]},
    "rewards": {"name": "sharpe", "window": 20},
    "features": {"returns": None, "calendar": {"cycles": ["day", "week"]}, "position": {}},
    "lookback_window": 5,
    "episode_length": 30,
    "episode_end": "gymnasium",
}
YAML = """
base_instrument: USDT
instruments: [BTC]
exchanges:
  name: fbm
  paths: 2
  bars: 80
  parameters: {hurst: 0.7}
  fee_rate: 0.0
  slippage: null
  account: {leverage: 3.0}
  instruments: {BTCUSDT: {lot_size: 0.001}}
actions: {name: target_position, positions: [-1.0, 0.0, 1.0]}
rewards: {name: sharpe, window: 20}
features: {returns: null, calendar: {cycles: [day, week]}, position: {}}
lookback_window: 5
episode_length: 30
episode_end: gymnasium
"""


def simulated(**arguments: Any) -> SimulatedExchange:
    return compose(**arguments).exchange


# ---- who beats whom ----


def test_a_context_speaks_where_nothing_is_given_and_only_inside() -> None:
    with TradingContext(exchanges={"fee_rate": 0.005}, lookback_window=7):
        inside = compose(data=CANDLES)
    outside = compose(data=CANDLES)

    assert (inside.exchange.fee_rate, inside.lookback_window) == (0.005, 7)
    assert (outside.exchange.fee_rate, outside.lookback_window) == (0.001, 30)


def test_what_is_given_beats_the_context() -> None:
    context = TradingContext(
        exchanges={"fee_rate": 0.1, "data": "sample"},
        actions={"name": "portfolio"},
        rewards={"name": "sharpe"},
        features=["ohlcv"],
        lookback_window=7,
    )
    with context:
        spec = compose(
            data=CANDLES,
            fee_rate=0.5,
            action_scheme="discrete",
            reward_scheme=LogReturnReward(),
            feature_pipeline=["returns"],
            lookback_window=3,
        )

    assert spec.exchange.data is CANDLES
    assert (spec.exchange.fee_rate, spec.lookback_window, spec.features) == (0.5, 3, ("returns",))
    assert (spec.action_scheme, spec.reward_scheme) == (DiscreteActions(), LogReturnReward())


def test_zero_and_none_in_a_context_are_values() -> None:
    outer = TradingContext(exchanges={"fee_rate": 0.0, "slippage": None}, episode_length=10)
    with outer, TradingContext(episode_length=None):
        spec = compose(data=CANDLES)

    assert (spec.exchange.fee_rate, spec.exchange.slippage, spec.episode_length) == (0.0, NoSlippage(), None)


def test_zero_and_none_as_keywords_beat_the_context() -> None:
    context = TradingContext(
        exchanges={"fee_rate": 0.3, "slippage": 0.01, "max_volume_share": 0.5, "account": "margin"},
        actions={"name": "portfolio"},
        rewards={"name": "sharpe"},
        features=["returns"],
        episode_length=10,
    )
    nothing: dict[str, Any] = dict.fromkeys(("action_scheme", "reward_scheme", "feature_pipeline", "episode_length"))
    with context:
        spec = compose(data=CANDLES, fee_rate=0, slippage=None, max_volume_share=None, account=None, **nothing)

    assert (spec.exchange.fee_rate, spec.exchange.slippage) == (0.0, NoSlippage())
    assert (spec.exchange.max_volume_share, spec.exchange.account) == (None, None)
    assert (spec.action_scheme, spec.reward_scheme, spec.features) == (HoldBuySell(), PnLReward(), RAW_FEATURES)
    assert spec.episode_length is None


def test_an_exchange_that_is_given_is_taken_as_it_is() -> None:
    with TradingContext(instruments="ETH", exchanges={"fee_rate": 0.5, "paths": 4}):
        spec = compose(SimulatedExchange(CANDLES, fee_rate=0.0))

    assert (spec.exchange.symbols, spec.exchange.fee_rate) == (("BTCUSDT",), 0.0)


def test_the_innermost_context_wins_key_by_key() -> None:
    with TradingContext(exchanges={"fee_rate": 0.1, "starting_balance": 500.0}, lookback_window=4, max_loss=0.5):
        with TradingContext(exchanges={"fee_rate": 0.2}, lookback_window=6):
            inner = compose(data=CANDLES)
        outer = compose(data=CANDLES)

    assert (inner.exchange.fee_rate, inner.exchange.starting_balance) == (0.2, 500.0)
    assert (inner.lookback_window, inner.max_loss) == (6, 0.5)
    assert (outer.exchange.fee_rate, outer.lookback_window) == (0.1, 4)


def test_parameters_go_with_the_scheme_that_they_belong_to() -> None:
    with TradingContext(actions={"name": "discrete", "n_actions": 10}, rewards={"window": 9, "name": "sharpe"}):
        same = compose(data=CANDLES, action_scheme="discrete")
        other = compose(data=CANDLES, action_scheme="hold_buy_sell")
        with TradingContext(actions={"name": "target_position"}, rewards={"window": 5}):
            inner = compose(data=CANDLES)

    assert (same.action_scheme, same.reward_scheme) == (DiscreteActions(n_actions=10), SharpeReward(window=9))
    assert other.action_scheme == HoldBuySell()
    assert (inner.action_scheme, inner.reward_scheme) == (TargetPosition(), SharpeReward(window=5))


def test_parameters_without_a_name_are_those_of_the_scheme_in_use() -> None:
    with TradingContext(actions={"position_size": 0.5}):
        assert compose(data=CANDLES).action_scheme == HoldBuySell(position_size=0.5)


def test_another_market_takes_the_old_ones_parameters_with_it_and_leaves_the_costs() -> None:
    context = TradingContext(
        exchanges={"name": "fbm", "paths": 2, "bars": 50, "parameters": {"hurst": 0.8}, "fee_rate": 0.02}
    )
    with context:
        own = simulated(data=CANDLES)
        gbm = simulated(exchange="gbm")
        fewer = simulated(exchange="fbm", paths=1)

    assert (own.data, own.fee_rate) == (CANDLES, 0.02)
    assert gbm.data == stochastic_exchange("gbm", 2, 50).data
    assert fewer.data == stochastic_exchange("fbm", 1, 50, parameters={"hurst": 0.8}).data
    with TradingContext(exchanges={"data": CANDLES}):
        assert simulated(exchange="simulated").data is CANDLES
        assert len(simulated(exchange="gbm", paths=1, bars=9).data) == 1


def test_instruments_are_quoted_in_the_base_instrument() -> None:
    with TradingContext(base_instrument="usd"), TradingContext(instruments=["btc", "ETHUSD"]):
        assert compose(action_scheme="portfolio", exchange="gbm", bars=9).exchange.symbols == ("BTCUSD", "ETHUSD")
        with TradingContext(exchanges={"symbols": ["SOLUSDT"]}):
            assert simulated(exchange="gbm", bars=9).symbols == ("SOLUSDT",)
        assert simulated(exchange="gbm", bars=9, symbols="XUSD").symbols == ("XUSD",)
    with TradingContext(instruments="SOL"):
        assert simulated(exchange="gbm", bars=9).symbols == ("SOLUSDT",)


def test_the_context_argument_is_the_innermost() -> None:
    with TradingContext(lookback_window=4, max_loss=0.5):
        spec = compose(data=CANDLES, context=TradingContext(lookback_window=6))

    assert (spec.lookback_window, spec.max_loss) == (6, 0.5)
    with pytest.raises(TypeError, match="context must be a TradingContext; got dict"):
        compose(data=CANDLES, context={"lookback_window": 6})  # type: ignore[arg-type]


def test_a_registered_id_is_given_and_leaves_the_rest_to_the_context() -> None:
    with TradingContext(rewards={"name": "sharpe"}, actions={"name": "discrete"}, exchanges={"fee_rate": 0.0}):
        env: Any = gymnasium.make(
            "TradeReady-BTC-v0", data=random_candles(140), track_training=False, interpreted=True
        ).unwrapped

    assert env.engine.spec.action_scheme == HoldBuySell()
    assert (env.engine.spec.reward_scheme, env.exchange.fee_rate) == (SharpeReward(), 0.0)


# ---- a whole environment ----


def whole_environment() -> TradingEnvironment:
    """What `WHOLE` and `YAML` say, in Python."""
    return TradingEnvironment(
        stochastic_exchange(
            "fbm",
            2,
            80,
            parameters={"hurst": 0.7},
            fee_rate=0.0,
            slippage=None,
            account=MarginAccount(leverage=3.0),
            instruments={"BTCUSDT": Instrument("BTCUSDT", lot_size=0.001)},
        ),
        TargetPosition(positions=(-1.0, 0.0, 1.0)),
        SharpeReward(window=20),
        ["returns", Calendar(cycles=("day", "week")), "position"],
        lookback_window=5,
        episode_length=30,
        episode_end="gymnasium",
        interpreted=True,
    )


def assert_whole(env: TradingEnvironment) -> None:
    """`env` is `whole_environment()`, in what it says and in what it does."""
    other = whole_environment()
    assert repr(env) == repr(other)
    actions = [0, 2, 2, 1, 0, 2] * 5
    assert_same(play(env, actions), play(other, actions))


def test_a_whole_environment_comes_from_a_json_file(tmp_path: Path) -> None:
    path = tmp_path / "env.json"
    path.write_text(json.dumps(WHOLE))

    assert_whole(TradingEnvironment(context=TradingContext.from_json(path), interpreted=True))


def test_a_whole_environment_comes_from_a_yaml_file(tmp_path: Path) -> None:
    path = tmp_path / "env.yaml"
    path.write_text(YAML)

    with TradingContext.from_yaml(path):
        assert_whole(TradingEnvironment(interpreted=True))


def test_a_vector_environment_takes_it_too() -> None:
    env = TradingVectorEnvironment(context=TradingContext(**WHOLE), num_envs=2, interpreted=True)

    assert env.engine.spec.reward_scheme == SharpeReward(window=20)
    assert env.engine.environments == 2


def test_slippage_is_a_name_with_parameters_a_number_or_a_name() -> None:
    for section, expected in (
        ({"name": "fixed", "fraction": 0.02}, FixedSlippage(0.02)),
        (0.02, FixedSlippage(0.02)),
        ("volume_share", VolumeShareSlippage()),
    ):
        with TradingContext(exchanges={"slippage": section}):
            assert simulated(data=CANDLES).slippage == expected


def test_a_context_prints_as_the_call_that_rebuilds_it() -> None:
    context = TradingContext(**WHOLE)

    again = eval(repr(context), {"TradingContext": TradingContext})
    assert repr(again) == repr(context)
    assert (
        repr(TradingContext(features=[], lookback_window=None)) == "TradingContext(features=[], lookback_window=None)"
    )


# ---- threads ----


def test_a_context_is_of_its_own_thread() -> None:
    found: dict[str, int] = {}
    both_inside = threading.Barrier(2, timeout=20)

    def make(name: str, window: int) -> None:
        with TradingContext(lookback_window=window):
            both_inside.wait()
            found[name] = compose(data=CANDLES).lookback_window
            both_inside.wait()

    threads = [threading.Thread(target=make, args=(str(window), window)) for window in (3, 5)]
    with TradingContext(lookback_window=9, max_loss=0.2):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found["here"] = compose(data=CANDLES).lookback_window

    assert found == {"3": 3, "5": 5, "here": 9}


def test_one_context_may_be_entered_twice_and_left_by_an_error() -> None:
    context = TradingContext(lookback_window=9)

    with pytest.raises(ZeroDivisionError), context, TradingContext(lookback_window=4), context:
        assert compose(data=CANDLES).lookback_window == 9
        _ = 1 / 0

    assert compose(data=CANDLES).lookback_window == 30


def test_what_was_given_may_change_without_changing_the_context() -> None:
    costs = {"fee_rate": 0.1}
    context = TradingContext(exchanges=costs)
    costs["fee_rate"] = 0.9

    with context:
        assert simulated(data=CANDLES).fee_rate == 0.1


# ---- mistakes ----


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lookback": 5}, "context key 'lookback'; known: actions, base_instrument.*Did you mean 'lookback_window'"),
        ({"exchanges": {"fee_rat": 1}}, "key of the section exchanges 'fee_rat'; known: .*Did you mean 'fee_rate'"),
        ({"exchanges": {"commission_percent": 1}}, "known: account, bars, data"),
    ],
)
def test_an_unknown_key_lists_the_known_ones_and_the_nearest(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        TradingContext(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"actions": {"name": "discret"}}, "action scheme 'discret'.*Did you mean 'discrete'"),
        ({"actions": {"name": "discrete", "actions": 5}}, "parameter of the action scheme DiscreteActions 'actions'"),
        ({"rewards": {"name": "sharpe", "windw": 5}}, "reward scheme SharpeReward 'windw'.*Did you mean 'window'"),
        ({"features": {"calender": {"cycles": ["day"]}}}, "'calender'.*Did you mean 'calendar'"),
        ({"features": {"rsi_14": {"period": 7}}}, "Its parameters are in its name, as in rsi_21"),
        ({"features": {"calendar": {"cycle": ["day"]}}}, "'cycle'; known: cycles"),
        ({"exchanges": {"account": {"leverag": 2}}}, "'leverag'.*Did you mean 'leverage'"),
        ({"exchanges": {"slippage": {"name": "fixed", "percent": 2}}}, "'percent'; known: fraction"),
        ({"exchanges": {"instruments": {"BTCUSDT": {"lot_siz": 2}}}}, "'lot_siz'.*Did you mean 'lot_size'"),
        ({"exchanges": {"name": "fbn"}}, "exchange 'fbn'.*Did you mean 'fbm'"),
    ],
)
def test_unknown_names_of_parts_are_found_when_the_environment_is_made(settings: dict[str, Any], message: str) -> None:
    market: dict[str, Any] = {} if "name" in settings.get("exchanges", {}) else {"data": CANDLES}

    with TradingContext(**settings), pytest.raises(UnknownName, match=message):
        TradingEnvironment(**market)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"actions": "discrete"}, "section actions is a mapping"),
        ({"actions": {"name": HoldBuySell()}}, "is a text; give the object itself to the environment"),
        ({"features": "returns"}, "features are a list of names"),
        ({"instruments": [7]}, "an instrument must be a name such as 'BTC'; got 7"),
        ({"instruments": ["BTC"], "exchanges": {"symbols": ["BTCUSDT"]}}, "both say what is traded"),
    ],
)
def test_a_section_of_another_kind_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        TradingContext(**settings)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("json", '{"lookback_window": }', "env.json is not JSON: .*line 1"),
        ("json", "[1, 2]", "must hold one mapping with keys among base_instrument.*found list"),
        ("json", '{"lookbak_window": 5}', "env.json: unknown context key.*Did you mean 'lookback_window'"),
        ("yaml", "a: [1", "env.yaml is not YAML"),
        ("yaml", "", "must hold one mapping.*found NoneType"),
    ],
)
def test_a_file_that_is_no_context_is_named(kind: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / f"env.{kind}"
    path.write_text(text)

    with pytest.raises(ConfigurationError, match=message):
        getattr(TradingContext, f"from_{kind}")(path)


def test_without_pyyaml_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "env.yaml"
    path.write_text(YAML)
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'tradeready-gym\[yaml\]'"):
        TradingContext.from_yaml(path)


def test_the_keys_are_those_of_the_parts() -> None:
    exchange = set(inspect.signature(SimulatedExchange).parameters)
    paths = set(inspect.signature(stochastic_exchange).parameters)
    episode = set(inspect.signature(EngineSpec).parameters)

    assert exchange - set(SIMULATED_KEYS) == {"data", "max_open_orders"}
    assert set(SIMULATED_KEYS) <= exchange
    assert paths == {*STOCHASTIC_KEYS, "model", "timeframe", "symbols", "costs"}
    parts = {"exchange", "action_scheme", "reward_scheme", "features"}
    assert episode - parts == {key.replace("steps_per_action", "candles_per_action") for key in ENVIRONMENT_KEYS}
