"""Bad arguments and bad actions: a named error with the value and the way out, and nothing half done."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from small_worlds import assert_same, play, random_candles, small_env
from tradeready_gym.actions import AccountView, CustomActionScheme
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import (
    ActionError,
    ConfigurationError,
    DataError,
    DataUnavailable,
    ResetNeeded,
    TradeReadyError,
    UnknownName,
)
from tradeready_gym.market import Candles, Instrument
from tradeready_gym.orders import Order

HOUR = 3_600_000_000
CANDLES = random_candles(100)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"timeframe": "7m", "data": "synthetic"}, UnknownName, r"'7m'.*known: .*1h"),
        ({"feature_pipeline": ["rsi14"]}, UnknownName, r"'rsi14'.*Did you mean 'rsi_14'"),
        ({"feature_pipeline": []}, ConfigurationError, "at least one feature"),
        ({"action_scheme": "hold"}, UnknownName, r"'hold'.*known: continuous.*hold_buy_sell"),
        ({"reward_scheme": "sharp"}, UnknownName, "Did you mean 'sharpe'"),
        ({"slippage": "volume"}, UnknownName, "Did you mean 'volume_share'"),
        ({"slippage": 1.5}, ConfigurationError, r"fraction in \[0, 1\).*1\.5"),
        ({"fill_at": "open"}, UnknownName, r"'open'.*next_open"),
        ({"episode_end": "end"}, UnknownName, r"'end'.*documented"),
        ({"exchange": "binance"}, UnknownName, r"'binance'.*simulated"),
        ({"exchange": 7}, ConfigurationError, "SimulatedExchange or one of simulated, .*; got int"),
        ({"starting_balance": 0}, ConfigurationError, "starting_balance must be a positive number; got 0"),
        ({"starting_balance": float("nan")}, ConfigurationError, "got nan"),
        ({"starting_balance": "10000"}, ConfigurationError, "got '10000'"),
        ({"fee_rate": -0.001}, ConfigurationError, r"fee_rate is a fraction in \[0, 1\).*-0\.001"),
        ({"fee_rate": 1.0}, ConfigurationError, r"0\.001 is 0\.1 %; got 1\.0"),
        ({"maker_fee_rate": float("inf")}, ConfigurationError, "maker_fee_rate.*got inf"),
        ({"max_volume_share": 0.0}, ConfigurationError, r"max_volume_share must be in \(0, 1\] or None; got 0\.0"),
        ({"lookback_window": 0}, ConfigurationError, "lookback_window must be an integer of at least 1; got 0"),
        ({"lookback_window": 2.0}, ConfigurationError, r"lookback_window.*got 2\.0"),
        ({"steps_per_action": 0}, ConfigurationError, "got 0"),
        ({"episode_length": 0}, ConfigurationError, "episode_length.*got 0"),
        ({"max_loss": 0.0}, ConfigurationError, r"in \(0, 1\]; got 0\.0"),
        ({"max_loss": 1.5}, ConfigurationError, r"got 1\.5"),
        ({"render_mode": "text"}, UnknownName, r"'text'.*ansi, human, rgb_array"),
        ({"instruments": {"ETHUSDT": Instrument("ETHUSDT", lot_size=0.1)}}, UnknownName, "'ETHUSDT'; known: BTCUSDT"),
    ],
)
def test_a_bad_argument_is_named_with_its_value_and_the_way_out(
    arguments: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as raised:
        TradingEnvironment(**{"data": CANDLES, "interpreted": True, "lookback_window": 2, **arguments})
    assert isinstance(raised.value, TradeReadyError)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (
            {"start_time": "2024-01-03T00:00:00Z", "end_time": "2024-01-02T12:00:00Z"},
            ConfigurationError,
            "end_time must be later than start_time; got (?=.*2024-01-03T00:00:00Z)(?=.*2024-01-02T12:00:00Z)",
        ),
        (
            {"start_time": "2024-01-03T00:30:00Z"},
            ConfigurationError,
            "got 2024-01-03T00:30:00Z. The nearest legal ones are 2024-01-03T00:00:00Z and 2024-01-03T01:00:00Z",
        ),
        (
            {"start_time": "2024-01-01T05:00:00Z"},
            DataUnavailable,
            "leaves 5 candles of history.*the earliest start_time that works is 2024-01-02T06:00:00Z",
        ),
        (
            {"start_time": "2023-06-01T00:00:00Z"},
            DataUnavailable,
            "the earliest start_time that works is 2024-01-02T06:00:00Z",
        ),
        (
            {"end_time": "2024-01-06T00:00:00Z"},
            DataUnavailable,
            "is past the data.*the latest end_time that works is 2024-01-05T04:00:00Z",
        ),
        (
            {"start_time": "2024-01-05T04:00:00Z"},
            DataUnavailable,
            "start_time 2024-01-05T04:00:00Z leaves nothing .*the latest start_time that works is 2024-01-05T03:00:00Z",
        ),
        ({"start_time": "2024-01-03 00:00:00"}, DataError, "Z"),
        (
            {"lookback_window": 200},
            DataUnavailable,
            "200 candles of history.*the data has 100.*shorter lookback_window",
        ),
        ({"episode_length": 71}, ConfigurationError, "got 71 candles, the span has 70"),
    ],
)
def test_a_bad_span_names_the_nearest_one_that_works(
    arguments: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        TradingEnvironment(**{"data": CANDLES, "interpreted": True, "lookback_window": 30, **arguments})


@pytest.mark.parametrize("environment", [TradingEnvironment, TradingVectorEnvironment])
def test_the_times_that_an_error_names_do_work(environment: Any) -> None:
    for earliest in ("2024-01-02T06:00:00Z",):
        env = environment(
            data=CANDLES, interpreted=True, start_time=earliest, end_time="2024-01-05T04:00:00Z", episode_length=70
        )
        env.reset(seed=0)


def test_an_exchange_and_its_shorthands_exclude_each_other() -> None:
    exchange = small_env(CANDLES).exchange

    with pytest.raises(TypeError, match="fee_rate belongs to the exchange"):
        TradingEnvironment(exchange, fee_rate=0.1)


def test_a_component_without_a_kernel_is_told_about_plain_python() -> None:
    from tradeready_gym.rewards import RewardScheme

    class Empty(RewardScheme):
        pass

    with pytest.raises(TypeError, match="Empty needs a kernel, or derive it from CustomReward"):
        small_env(CANDLES, reward_scheme=Empty())


def test_reset_takes_no_options_and_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"no options; got \['start'\]"):
        small_env(CANDLES).reset(options={"start": 5})


# ---- data ----


def columns(**changes: Any) -> dict[str, Any]:
    good = np.full(50, 100.0)
    times = 1_704_067_200_000_000 + np.arange(50) * HOUR
    return {"times": times, "open": good, "high": good + 1, "low": good - 1, "close": good, "volume": good, **changes}


def at(row: int, value: float, base: float = 100.0) -> Any:
    series = np.full(50, base)
    series[row] = value
    return series


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"close": at(7, np.nan)}, "nan"),
        ({"open": at(7, 0.0)}, r"0\.0"),
        ({"low": at(7, -5.0, 99.0)}, r"-5\.0"),
        ({"high": at(7, 90.0, 101.0)}, "high"),
        ({"volume": at(7, -1.0)}, r"-1\.0"),
        ({"close": at(7, np.inf)}, "inf"),
        ({"times": columns()["times"][::-1]}, "increasing"),
        ({"times": np.repeat(columns()["times"][::2], 2)}, "increasing|repeat|dupl"),
        ({"times": columns()["times"] + 1}, "grid|multiple"),
    ],
)
def test_candles_that_cannot_be_are_refused_with_row_and_value(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        Candles.from_arrays("BTCUSDT", "1h", **columns(**changes))


# ---- actions ----


def state_of(env: Any) -> bytes:
    """Everything but the records of the last step, which the next order may overwrite once they were reported."""
    state = env.engine.state
    accounts = np.array(state.accounts)
    for name in ("fills", "rejects"):
        accounts[name] *= 1 - accounts["reported"]
    accounts["reported"] = 0
    return b"".join(np.asarray(part).tobytes() for part in (accounts, state.positions, state.book))


@pytest.mark.parametrize(
    ("scheme", "action"),
    [
        ("hold_buy_sell", 3),
        ("hold_buy_sell", -1),
        ("hold_buy_sell", 1.0),
        ("hold_buy_sell", np.float32(1.0)),
        ("hold_buy_sell", np.nan),
        ("hold_buy_sell", None),
        ("hold_buy_sell", "buy"),
        ("hold_buy_sell", [1, 2]),
        ("hold_buy_sell", np.array([], np.int64)),
        ("hold_buy_sell", 2**70),
        ("continuous", [np.nan]),
        ("continuous", [np.inf]),
        ("continuous", [0.1, 0.2]),
        ("continuous", 0.5),
        ("continuous", None),
        ("continuous", ["a"]),
        ("continuous", [[0.5]]),
    ],
)
@pytest.mark.parametrize("hooked", [False, True])
def test_a_bad_action_is_shown_and_nothing_happens(scheme: str, action: Any, hooked: bool) -> None:
    class Hooked(TradingEnvironment):
        def _get_reward(self) -> float:
            return super()._get_reward()

    arguments: dict[str, Any] = {"data": CANDLES, "action_scheme": scheme, "interpreted": True, "lookback_window": 2}
    env = (Hooked if hooked else TradingEnvironment)(**arguments)
    good = 1 if scheme == "hold_buy_sell" else [0.7]
    play(env, [good] * 3)
    twin = TradingEnvironment(**arguments)
    play(twin, [good] * 3)
    before = state_of(env)

    with pytest.raises(ActionError, match=r"must be in (Discrete|Box).*Nothing has been done"):
        env.step(action)
    assert state_of(env) == before
    assert_same(env.step(good), twin.step(good))


@pytest.mark.parametrize("action", [1, np.int64(1), np.uint8(1), np.array(1), np.array([1], np.int32), True])
def test_an_integer_of_any_kind_is_an_action(action: Any) -> None:
    env, twin = small_env(CANDLES), small_env(CANDLES)

    assert_same(play(env, [action]), play(twin, [1]))


def test_a_box_action_outside_its_bounds_is_clipped_as_documented() -> None:
    env, twin = (small_env(CANDLES, action_scheme="continuous") for _ in range(2))

    assert_same(play(env, [[55.0], [-7.0]]), play(twin, [[1.0], [-1.0]]))


@pytest.mark.parametrize(
    ("scheme", "actions"),
    [
        ("hold_buy_sell", np.array([0, 3, 0])),
        ("hold_buy_sell", np.array([0, -1, 0])),
        ("hold_buy_sell", np.array([0.0, 1.0, 0.0])),
        ("hold_buy_sell", np.array([0, 1])),
        ("hold_buy_sell", np.array([[0, 1, 2]])),
        ("hold_buy_sell", 1),
        ("hold_buy_sell", None),
        ("continuous", np.array([[0.1], [np.nan], [0.3]])),
        ("continuous", np.array([[0.1], [0.2]])),
        ("continuous", np.zeros((3, 2))),
        ("continuous", [["a"], ["b"], ["c"]]),
    ],
)
def test_bad_actions_of_a_vector_are_shown_and_nothing_happens(scheme: str, actions: Any) -> None:
    arguments: dict[str, Any] = {"data": CANDLES, "action_scheme": scheme, "interpreted": True, "lookback_window": 2}
    env, twin = (TradingVectorEnvironment(num_envs=3, **arguments) for _ in range(2))
    good = np.array([0, 1, 2]) if scheme == "hold_buy_sell" else np.array([[0.5], [0.1], [-0.2]])
    play(env, [good] * 3)
    play(twin, [good] * 3)
    before = state_of(env)

    with pytest.raises(ActionError):
        env.step(actions)
    assert state_of(env) == before
    assert_same(env.step(good), twin.step(good))


@pytest.mark.parametrize("actions", [[0, 7], [0, -1], [0, 1.5], [0, None], [0], np.array([0.0, np.nan])])
def test_bad_actions_of_a_scheme_in_plain_python_never_reach_it(actions: Any) -> None:
    reached = []

    class Records(CustomActionScheme):
        def action_space(self, symbols: int) -> spaces.Discrete:
            return spaces.Discrete(3)

        def orders(self, action: Any, account: AccountView) -> list[Order]:
            reached.append(action)
            return []

    vector = TradingVectorEnvironment(
        data=CANDLES, num_envs=2, action_scheme=Records(), interpreted=True, lookback_window=2
    )
    vector.reset(seed=0)
    single = small_env(CANDLES, action_scheme=Records())
    single.reset(seed=0)

    with pytest.raises(ActionError):
        vector.step(actions)
    if len(actions) == 2:
        with pytest.raises(ActionError):
            single.step(actions[1])
    assert reached == []
    vector.step(np.array([0, 1]))
    assert reached == [0, 1]


def test_a_component_that_fails_once_leaves_an_environment_that_goes_on() -> None:
    class FailsOnce(CustomActionScheme):
        def __init__(self) -> None:
            self.calls = 0

        def action_space(self, symbols: int) -> spaces.Discrete:
            return spaces.Discrete(3)

        def orders(self, action: Any, account: AccountView) -> list[Order]:
            self.calls += 1
            if self.calls == 3:
                raise RuntimeError("no idea")
            return [Order(account.symbols[0], "buy", 1.0)]

    env, twin = small_env(CANDLES, action_scheme=FailsOnce()), small_env(CANDLES, action_scheme=FailsOnce())
    play(env, [1, 1])
    play(twin, [1, 1])
    twin.action_scheme.calls = 3  # type: ignore[attr-defined]

    with pytest.raises(RuntimeError, match="no idea"):
        env.step(1)
    assert_same(env.step(1), twin.step(1))


def test_the_bad_action_of_a_vector_is_named_by_its_sub_environment() -> None:
    env = TradingVectorEnvironment(data=CANDLES, num_envs=3, interpreted=True, lookback_window=2)
    env.reset(seed=0)

    with pytest.raises(ActionError, match=r"sub-environment 1 must be in Discrete\(3\); got \[7\]"):
        env.step(np.array([0, 7, 0]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_envs": 0}, "num_envs must be an integer of at least 1; got 0"),
        ({"num_envs": 2.5}, r"got 2\.5"),
        ({"num_threads": 0}, "num_threads.*got 0"),
        ({"autoreset_mode": "sometimes"}, "unknown autoreset_mode 'sometimes'; known: DISABLED, NEXT_STEP, SAME_STEP"),
        ({"render_mode": "ansi"}, "a vector environment does not render"),
    ],
)
def test_bad_arguments_of_a_vector_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        TradingVectorEnvironment(**{"data": CANDLES, "num_envs": 2, "interpreted": True, **arguments})


def test_a_vector_step_before_reset_or_beyond_a_disabled_autoreset_says_what_to_do() -> None:
    env = TradingVectorEnvironment(
        data=random_candles(10),
        num_envs=2,
        interpreted=True,
        lookback_window=2,
        slippage="none",
        autoreset_mode="disabled",
    )
    with pytest.raises(ResetNeeded, match=r"call reset\(\) before step\(\)"):
        env.step(np.array([0, 0]))
    env.reset(seed=0)
    for _ in range(8):
        env.step(np.array([1, 0]))
    before = state_of(env)
    with pytest.raises(ResetNeeded, match=r"sub-environment 0 is over; reset\(options=\{'reset_mask': mask\}\)"):
        env.step(np.array([0, 0]))
    assert state_of(env) == before


@pytest.mark.parametrize("mask", [[True], [1, 0], [False, False], None, "yes"])
def test_a_bad_reset_mask_is_refused(mask: Any) -> None:
    env = TradingVectorEnvironment(data=CANDLES, num_envs=2, interpreted=True, autoreset_mode="disabled")
    env.reset(seed=0)

    with pytest.raises(ConfigurationError, match=r"reset_mask must be bool of shape \(2,\)"):
        env.reset(options={"reset_mask": mask})
    with pytest.raises(ConfigurationError, match="'reset_mask' only; got \\['start'\\]"):
        env.reset(options={"start": 3})


def test_seeds_of_a_vector_must_be_one_for_each() -> None:
    env = TradingVectorEnvironment(data=CANDLES, num_envs=3, interpreted=True)

    with pytest.raises(ConfigurationError, match="an integer or 3 of them; got 2"):
        env.reset(seed=[1, 2])


# ---- orders of a person ----


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (Order("BTCUSDT", "hold", 1.0), "unknown order side 'hold'; known: buy, sell"),
        (Order("BTCUSDT", "buy", 1.0, type="iceberg"), "unknown order type 'iceberg'"),
        (Order("BTCUSDT", "buy", 1.0, price=100.0), "a market order has no price; got 100.0"),
        (Order("BTCUSDT", "buy", 1.0, type="limit"), "a limit order needs price="),
    ],
)
def test_an_order_that_makes_no_sense_is_an_error(order: Order, words: str) -> None:
    env = small_env(CANDLES)
    env.reset(seed=0)
    before = state_of(env)

    with pytest.raises(ConfigurationError, match=words):
        env.exchange.submit([order])
    assert state_of(env) == before


def test_an_exchange_before_its_first_reset_says_so() -> None:
    with pytest.raises(TradeReadyError, match=r"call reset\(\)"):
        _ = small_env(CANDLES).exchange.balance
