"""The table of trades: one symbol, several, and as two numbers; by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from small_worlds import candles_of, play, small_env
from tradeready_gym.actions import ContinuousActions, DiscreteActions, MultiDiscreteActions, PerAssetDiscrete
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.orders import ORDER_DTYPE

# the last visible close is 100, the next candle opens at 110 and closes at 120, then 120 for good
CLOSE = [100.0, 100.0, 120.0, 120.0, 120.0, 120.0, 120.0, 120.0]
OPEN = [100.0, 100.0, 110.0, 120.0, 120.0, 120.0, 120.0, 120.0]
LIMIT_BUY_ALL, MARKET_BUY_HALF, MARKET_BUY_ALL, LIMIT_SELL_ALL, MARKET_SELL_ALL = 16, 7, 17, 18, 19


def after(*actions: Any, scheme: Any = "discrete", **arguments: Any) -> Any:
    """The info after these actions, at the default fee of 0.1 %."""
    env = small_env(candles_of(CLOSE, open=OPEN), action_scheme=scheme, **{"fee_rate": 0.001, **arguments})
    return play(env, actions)[-1][4]


def several(*actions: Any, scheme: Any, **arguments: Any) -> Any:
    """The info after these actions on two symbols at 100 each, which stay there."""
    candles = candles_of(np.full((2, 10), 100.0), symbols=("AAAUSDT", "BBBUSDT"))
    env = small_env(candles, action_scheme=scheme, **{"fee_rate": 0.001, **arguments})
    return play(env, [np.array(action) for action in actions])[-1][4]


# ---- one symbol ----


def test_the_table_of_twenty() -> None:
    scheme = DiscreteActions()
    rows = []
    for size in ("25 %", "50 %", "75 %", "100 %"):
        rows += [
            "hold",
            f"limit buy with {size} of the cash, at most 1 % above the close",
            f"market buy with {size} of the cash",
            f"limit sell of {size} of the holding, at most 1 % below the close",
            f"market sell of {size} of the holding",
        ]

    assert [scheme.describe(a) for a in range(20)] == rows


@pytest.mark.parametrize("action", [0, 5, 10, 15, 3, 4, 18, 19])
def test_holds_do_nothing_and_neither_do_sells_of_nothing(action: int) -> None:
    info = after(action)

    assert (info["filled_orders"], info["rejected_orders"], info["available_cash"]) == ([], [], 10_000.0)


@pytest.mark.parametrize(("action", "share"), [(2, 0.25), (7, 0.5), (12, 0.75), (17, 1.0)])
def test_a_market_buy_spends_its_share_with_the_fee_at_the_close(action: int, share: float) -> None:
    (fill,) = after(action, fill_at="close")["filled_orders"]

    assert (fill["side"], fill["type"]) == ("buy", "market")
    assert fill["quantity"] == pytest.approx(share * 10_000.0 / 100.1)
    assert fill["quantity"] * fill["price"] + fill["fee"] == pytest.approx(share * 10_000.0)


def test_a_market_buy_of_everything_leaves_exactly_nothing_although_the_price_rose() -> None:
    info = after(MARKET_BUY_ALL)

    assert info["available_cash"] == 0.0
    assert info["filled_orders"][0]["quantity"] == pytest.approx(10_000.0 / (110.0 * 1.001))


def test_a_limit_buy_rests_at_its_limit_and_locks_its_share() -> None:
    env = small_env(candles_of(CLOSE, open=OPEN), action_scheme="discrete", fee_rate=0.001)
    info = play(env, [6])[-1][4]
    (order,) = env.exchange.open_orders

    assert info["filled_orders"] == []
    assert (order["type"], order["price"]) == ("limit", pytest.approx(101.0))
    assert order["quantity"] == pytest.approx(5_000.0 / (101.0 * 1.001))
    assert (info["locked_cash"], info["available_cash"]) == (pytest.approx(5_000.0), pytest.approx(5_000.0))


def test_a_limit_buy_of_everything_can_be_paid_with_its_fee() -> None:
    info = after(LIMIT_BUY_ALL)

    assert (info["rejected_orders"], info["locked_cash"]) == ([], pytest.approx(10_000.0))


def test_a_limit_buy_above_the_open_fills_there_and_no_higher() -> None:
    scheme = DiscreteActions(max_allowed_slippage_percent=12.0)
    (fill,) = after(LIMIT_BUY_ALL, scheme=scheme)["filled_orders"]

    assert (fill["type"], fill["price"]) == ("limit", 110.0)
    assert fill["quantity"] == pytest.approx(10_000.0 / (112.0 * 1.001))


def test_limits_of_prices_below_two_are_per_cent_of_them_too() -> None:
    close = [0.004, 0.004, 0.006, 0.006, 0.006]
    env = small_env(candles_of(close, open=close), action_scheme="discrete")
    play(env, [1])

    assert env.exchange.open_orders[0]["price"] == pytest.approx(0.00404)


@pytest.mark.parametrize(("action", "left"), [(4, 0.75), (9, 0.5), (14, 0.25), (MARKET_SELL_ALL, 0.0)])
def test_a_market_sell_sells_its_share_of_the_holding(action: int, left: float) -> None:
    held = after(MARKET_BUY_ALL)["position_value"]
    info = after(MARKET_BUY_ALL, action)

    assert info["filled_orders"][0]["side"] == "sell"
    assert info["position_value"] == pytest.approx(left * held)


def test_a_limit_sell_rests_when_the_price_falls_and_takes_the_open_otherwise() -> None:
    falls = candles_of([100.0, 100.0, 100.0, 90.0, 90.0], open=[100.0, 100.0, 100.0, 95.0, 90.0])
    env = small_env(falls, action_scheme="discrete")
    info = play(env, [MARKET_BUY_ALL, LIMIT_SELL_ALL])[-1][4]
    (order,) = env.exchange.open_orders
    (fill,) = after(MARKET_BUY_ALL, LIMIT_SELL_ALL)["filled_orders"]

    assert (info["filled_orders"], order["price"]) == ([], pytest.approx(99.0))
    assert (fill["side"], fill["type"], fill["price"]) == ("sell", "limit", 120.0)


# ---- what rests does not stay stuck ----


def test_a_hold_leaves_what_rests() -> None:
    assert after(LIMIT_BUY_ALL, 0, 5)["locked_cash"] == pytest.approx(10_000.0)


def test_a_sell_of_nothing_leaves_what_rests() -> None:
    assert after(LIMIT_BUY_ALL, MARKET_SELL_ALL)["locked_cash"] == pytest.approx(10_000.0)


def test_a_buy_takes_the_place_of_the_buy_that_rests_and_has_all_of_its_cash() -> None:
    info = after(LIMIT_BUY_ALL, MARKET_BUY_ALL)

    assert (info["locked_cash"], info["available_cash"]) == (0.0, 0.0)
    assert info["filled_orders"][0]["quantity"] == pytest.approx(10_000.0 / (120.0 * 1.001))


def test_a_sell_takes_the_place_of_the_sell_that_rests_and_has_all_of_its_holding() -> None:
    falls = candles_of([100.0, 100.0, 100.0, 90.0, 90.0, 90.0], open=[100.0, 100.0, 100.0, 95.0, 90.0, 90.0])
    env = small_env(falls, action_scheme="discrete")
    info = play(env, [MARKET_BUY_ALL, LIMIT_SELL_ALL, 9])[-1][4]

    assert env.exchange.open_orders == []
    assert info["position_value"] == pytest.approx(0.5 * 100.0 / 1.001 * 90.0)


# ---- several symbols ----


def test_the_symbol_is_the_number_divided_by_the_table() -> None:
    info = several(20 + MARKET_BUY_HALF, scheme="multi_discrete")
    scheme = MultiDiscreteActions()

    assert [(fill["symbol"], fill["side"]) for fill in info["filled_orders"]] == [("BBBUSDT", "buy")]
    assert info["position_value"] == pytest.approx(5_000.0 / 1.001)
    assert scheme.action_space(2) == spaces.Discrete(40)
    assert scheme.describe(27, ("AAAUSDT", "BBBUSDT")) == "BBBUSDT: market buy with 50 % of the cash"
    assert scheme.describe(20, ("AAAUSDT", "BBBUSDT")) == "hold"


def test_a_choice_for_each_symbol_sells_one_and_buys_the_other() -> None:
    info = several([17, 0], [19, 17], scheme="per_asset_discrete")

    assert [(fill["symbol"], fill["side"]) for fill in info["filled_orders"]] == [("AAAUSDT", "sell")]
    assert several([17, 0], [19, 17], [0, 17], scheme="per_asset_discrete")["available_cash"] == pytest.approx(0.0)


def test_shares_of_the_cash_above_one_are_divided_by_their_sum() -> None:
    info = several([17, 7], scheme="per_asset_discrete")

    assert [fill["quantity"] for fill in info["filled_orders"]] == pytest.approx(
        [10_000.0 / 1.5 / 100.1, 5_000.0 / 1.5 / 100.1]
    )
    assert info["available_cash"] == pytest.approx(0.0, abs=1e-6)


def test_limit_buys_lock_before_market_buys_are_cut() -> None:
    # both open at 110 after a close of 100: the limit of BBB at 101 rests, the market buy of AAA pays more than was planned
    close, opening = np.array([CLOSE, CLOSE]), np.array([OPEN, OPEN])
    candles = candles_of(close, open=opening, symbols=("AAAUSDT", "BBBUSDT"))
    env = small_env(candles, action_scheme="per_asset_discrete", fee_rate=0.001)
    info = play(env, [np.array([MARKET_BUY_ALL, LIMIT_BUY_ALL])])[-1][4]

    assert info["rejected_orders"] == []
    assert (info["locked_cash"], info["available_cash"]) == (pytest.approx(5_000.0), 0.0)


def test_per_asset_space_words_and_masks() -> None:
    scheme = PerAssetDiscrete(actions_per_instrument=5)

    assert scheme.action_space(2) == spaces.MultiDiscrete([5, 5])
    assert scheme.describe([0, 4], ("A", "B")) == "A: hold; B: market sell of 100 % of the holding"
    masks = scheme.action_masks(np.zeros(1), np.ones(1), np.array([[0.0, 2.0]]))
    assert masks.tolist() == [[True, True, True, False, False, True, True, True, True, True]]


@pytest.mark.parametrize("number", [-1.0, 20.0, 1e300])
def test_a_number_outside_the_table_reaches_no_row_of_it(number: float) -> None:
    account = SimpleNamespace(cash=1e4, locked_cash=0.0, equity=1e4, resting=0)
    position, candle = SimpleNamespace(quantity=1.0, locked=0.0), SimpleNamespace(close=100.0)
    orders = np.zeros(1, ORDER_DTYPE).view(np.recarray)
    scheme = PerAssetDiscrete()

    assert scheme.kernel([number], account, [position], [candle], orders, scheme.parameters, 1) == 0


# ---- as two numbers ----


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (0.0, "hold"),
        (0.19, "hold"),
        (0.2, "limit buy with 50 % of the cash, at most 1 % above the close"),
        (0.4, "market buy with 50 % of the cash"),
        (0.6, "limit sell of 50 % of the holding, at most 1 % below the close"),
        (0.8, "market sell of 50 % of the holding"),
        (1.0, "market sell of 50 % of the holding"),
        (7.0, "market sell of 50 % of the holding"),
    ],
)
def test_the_table_of_two_numbers(kind: float, words: str) -> None:
    assert ContinuousActions().describe([kind, 0.5]) == words


def test_two_numbers_trade_as_the_table_does() -> None:
    assert after([0.5, 0.5], scheme="continuous_actions") == after(MARKET_BUY_HALF)
    assert after([0.5, 1.0], [1.0, 1.0], scheme="continuous_actions") == after(MARKET_BUY_ALL, MARKET_SELL_ALL)
    assert after([0.3, 1.0], scheme="continuous_actions") == after(LIMIT_BUY_ALL)


def test_a_share_of_nothing_does_nothing() -> None:
    info = after([0.3, 1.0], [0.5, 0.0], scheme="continuous_actions")

    assert (info["filled_orders"], info["locked_cash"]) == ([], pytest.approx(10_000.0))
    assert ContinuousActions().describe([0.5, 0.0]) == "hold"


# ---- arguments and masks ----


@pytest.mark.parametrize("number", [0, 4, 7, 21, -5, 20.0, True, "20"])
def test_a_table_that_is_no_multiple_of_five_is_refused(number: Any) -> None:
    for build in (
        lambda: DiscreteActions(n_actions=number),
        lambda: MultiDiscreteActions(actions_per_instrument=number),
        lambda: PerAssetDiscrete(actions_per_instrument=number),
    ):
        with pytest.raises(ConfigurationError, match="multiple of 5"):
            build()


@pytest.mark.parametrize("arguments", [{"max_allowed_slippage_percent": 100.0}, {"fee_rate": -0.1}, {"fee_rate": "1"}])
@pytest.mark.parametrize("scheme", [DiscreteActions, MultiDiscreteActions, PerAssetDiscrete, ContinuousActions])
def test_numbers_outside_their_domain_are_refused(scheme: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(arguments))):
        scheme(**arguments)


def test_sells_of_nothing_are_masked_and_buys_never() -> None:
    masks = DiscreteActions(n_actions=5).action_masks(np.zeros(2), np.ones(2), np.array([[0.0], [1.0]]))

    assert masks.tolist() == [[True, True, True, False, False], [True] * 5]
