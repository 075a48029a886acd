"""Action schemes: section 6 of the contract, by hand."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from small_worlds import assert_same, candles_of, drawn, play, random_candles, small_env
from tradeready_gym.actions import (
    AccountView,
    ActionScheme,
    ContinuousOrder,
    CustomActionScheme,
    HoldBuySell,
    PortfolioWeights,
    TargetPosition,
    make_action_scheme,
    market_order,
)
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.orders import Order

# the last visible close is 100, the next candle opens at 110 and closes at 120, then 120 for good
CLOSE = [100.0, 100.0, 120.0, 120.0, 120.0, 120.0, 120.0, 120.0]
OPEN = [100.0, 100.0, 110.0, 120.0, 120.0, 120.0, 120.0, 120.0]


def after(action: Any, *more: Any, **arguments: Any) -> Any:
    """The info after these actions."""
    env = small_env(candles_of(CLOSE, open=OPEN), **arguments)
    return play(env, [action, *more])[-1][4]


# ---- hold, buy, sell ----


def test_hold_does_nothing() -> None:
    info = after(0)

    assert (info["filled_orders"], info["rejected_orders"], info["available_cash"]) == ([], [], 10_000.0)


def test_buy_is_sized_by_equity_at_the_last_visible_close_and_filled_at_the_open() -> None:
    info = after(1)
    (fill,) = info["filled_orders"]

    assert (fill["side"], fill["type"]) == ("buy", "market")
    assert fill["quantity"] == pytest.approx(10_000.0 * 0.1 / 100.0, rel=1e-15)
    assert fill["price"] == 110.0
    assert info["available_cash"] == pytest.approx(10_000.0 - 10.0 * 110.0)
    assert info["equity"] == pytest.approx(8_900.0 + 10.0 * 120.0)


def test_position_size_is_the_share_bought() -> None:
    assert after(1, action_scheme=HoldBuySell(position_size=0.25))["filled_orders"][0]["quantity"] == pytest.approx(
        25.0
    )


def test_sell_closes_the_whole_position() -> None:
    info = after(1, 1, 2)

    assert [fill["side"] for fill in info["filled_orders"]] == ["sell"]
    assert info["position_value"] == 0.0
    assert info["available_cash"] == info["equity"]


def test_sell_without_a_position_does_nothing_and_is_not_refused() -> None:
    info = after(2)

    assert (info["filled_orders"], info["rejected_orders"]) == ([], [])


def test_a_buy_beyond_the_cash_is_cut_and_leaves_exactly_nothing() -> None:
    info = after(1, action_scheme=HoldBuySell(position_size=1.0), fee_rate=0.001)
    (fill,) = info["filled_orders"]

    assert info["available_cash"] == 0.0
    assert fill["quantity"] == pytest.approx(10_000.0 / (110.0 * 1.001))


def test_equity_not_cash_sizes_the_next_buy() -> None:
    info = after(1, 1)
    equity = 8_900.0 + 10.0 * 120.0

    assert info["filled_orders"][0]["quantity"] == pytest.approx(equity * 0.1 / 120.0)


# ---- continuous ----


@pytest.mark.parametrize("action", [0.0, 0.0499, -0.0499])
def test_the_dead_zone_does_nothing(action: float) -> None:
    assert after([action], action_scheme="continuous")["filled_orders"] == []


def test_the_edge_of_the_dead_zone_trades() -> None:
    assert after([0.05], action_scheme="continuous")["filled_orders"][0]["quantity"] == pytest.approx(0.5)


@pytest.mark.parametrize(("action", "quantity"), [(1.0, 10.0), (0.5, 5.0), (3.0, 10.0)])
def test_the_size_follows_the_clipped_action(action: float, quantity: float) -> None:
    fill = after([action], action_scheme="continuous")["filled_orders"][0]

    assert (fill["side"], fill["quantity"]) == ("buy", pytest.approx(quantity))


def test_a_negative_action_sells_that_much() -> None:
    info = after([1.0], [0.0], [-0.5], action_scheme="continuous")
    equity = 8_900.0 + 1_200.0

    assert info["filled_orders"][0]["side"] == "sell"
    assert info["filled_orders"][0]["quantity"] == pytest.approx(equity * 0.5 * 0.1 / 120.0)


def test_a_sell_is_cut_to_the_holding() -> None:
    info = after([0.2], [-1.0], action_scheme=ContinuousOrder(position_size=0.5))

    assert info["filled_orders"][0]["quantity"] == pytest.approx(10.0)
    assert info["position_value"] == 0.0


def test_nothing_is_sold_that_is_not_held() -> None:
    info = after([-1.0], action_scheme="continuous")

    assert (info["filled_orders"], info["rejected_orders"], info["equity"]) == ([], [], 10_000.0)


# ---- portfolio ----


def portfolio(weights: Sequence[Sequence[float]], **arguments: Any) -> Any:
    """A portfolio of two symbols at 100 each, which stay there."""
    close = np.full((2, 10), 100.0)
    candles = candles_of(close, symbols=("AAAUSDT", "BBBUSDT"))
    env = small_env(candles, action_scheme=arguments.pop("scheme", "portfolio"), **arguments)
    return play(env, [np.array(w, np.float32) for w in weights])[-1][4]


def test_weights_below_one_leave_cash() -> None:
    info = portfolio([[0.5, 0.25]])

    assert [fill["quantity"] for fill in info["filled_orders"]] == pytest.approx([50.0, 25.0])
    assert info["available_cash"] == pytest.approx(2_500.0)


def test_weights_above_one_are_divided_by_their_sum() -> None:
    info = portfolio([[1.0, 0.25]])

    assert [fill["quantity"] for fill in info["filled_orders"]] == pytest.approx([80.0, 20.0])
    assert info["available_cash"] == pytest.approx(0.0, abs=1e-9)


def test_weights_outside_the_space_are_clipped() -> None:
    info = portfolio([[7.0, -3.0]])

    assert [fill["symbol"] for fill in info["filled_orders"]] == ["AAAUSDT"]
    assert info["position_value"] == pytest.approx(10_000.0)


def test_sells_come_before_buys() -> None:
    info = portfolio([[0.0, 1.0], [1.0, 0.0]], fee_rate=0.001)

    assert [(fill["symbol"], fill["side"]) for fill in info["filled_orders"]] == [
        ("BBBUSDT", "sell"),
        ("AAAUSDT", "buy"),
    ]
    assert info["rejected_orders"] == []


def test_buys_are_cut_to_the_cash_in_symbol_order() -> None:
    info = portfolio([[0.5, 0.5]], fee_rate=0.01)
    first, second = info["filled_orders"]

    assert first["quantity"] == pytest.approx(50.0)
    assert second["quantity"] == pytest.approx((10_000.0 - 50.0 * 101.0) / 101.0)
    assert info["available_cash"] == 0.0


@pytest.mark.parametrize(("weight", "trades"), [(0.01, 0), (0.0101, 1)])
def test_a_difference_of_one_per_cent_of_equity_waits(weight: float, trades: int) -> None:
    scheme = PortfolioWeights()
    close = np.full((1, 10), 64.0)
    env = small_env(candles_of(close), action_scheme=scheme, starting_balance=6_400.0)

    assert len(play(env, [np.array([weight])])[-1][4]["filled_orders"]) == trades


def test_a_weight_of_zero_leaves_exactly_nothing() -> None:
    info = portfolio([[0.3, 0.7], [0.0, 0.7]])

    assert info["filled_orders"][0]["side"] == "sell"
    assert info["position_value"] == pytest.approx(7_000.0)


def test_equal_weights_again_trade_nothing() -> None:
    assert portfolio([[0.4, 0.4], [0.4, 0.4]])["filled_orders"] == []


# ---- target positions ----


def test_a_target_is_a_share_of_the_equity() -> None:
    info = after(1, 2, action_scheme=TargetPosition(positions=(0.0, 0.5, 1.0)))

    assert info["available_cash"] == pytest.approx(0.0, abs=1e-9)


def test_going_flat_sells_everything() -> None:
    info = after(1, 0, action_scheme=TargetPosition())

    assert (info["position_value"], info["filled_orders"][0]["side"]) == (0.0, "sell")


def test_the_target_that_is_held_trades_nothing() -> None:
    info = after(1, 1, 1, action_scheme=TargetPosition(positions=(0.0, 0.5)))

    assert info["filled_orders"] == []


# ---- masks, spaces, arguments ----


def test_hold_buy_sell_masks_what_can_do_nothing() -> None:
    env = small_env(candles_of(CLOSE), action_scheme=HoldBuySell(position_size=1.0))
    env.reset(seed=0)

    assert env.action_masks().tolist() == [True, True, False]
    env.step(1)
    assert env.action_masks().tolist() == [True, False, True]
    env.step(2)
    assert env.action_masks().tolist() == [True, True, False]


def test_target_positions_mask_nothing_while_there_is_cash() -> None:
    env = small_env(candles_of(CLOSE), action_scheme="target_position")
    env.reset(seed=0)

    assert env.action_masks().tolist() == [True, True]


def test_schemes_that_are_not_discrete_mask_nothing() -> None:
    env = small_env(candles_of(CLOSE), action_scheme="continuous")
    env.reset(seed=0)

    assert env.action_masks().all()


def test_a_vector_has_a_row_of_masks_for_each_sub_environment() -> None:
    vector = TradingVectorEnvironment(data=random_candles(60), num_envs=3, lookback_window=2, interpreted=True)
    vector.reset(seed=0)
    vector.step(np.array([0, 1, 2]))

    assert vector.action_masks().tolist() == [[True, True, False], [True, True, True], [True, True, False]]


@pytest.mark.parametrize(
    ("name", "symbols", "space"),
    [
        ("hold_buy_sell", 1, spaces.Discrete(3)),
        ("continuous", 1, spaces.Box(-1.0, 1.0, (1,), np.float32)),
        ("portfolio", 4, spaces.Box(0.0, 1.0, (4,), np.float32)),
        ("target_position", 1, spaces.Discrete(2)),
    ],
)
def test_spaces_are_the_documented_ones(name: str, symbols: int, space: spaces.Space[Any]) -> None:
    assert make_action_scheme(name).action_space(symbols) == space


@pytest.mark.parametrize("scheme", ["hold_buy_sell", "continuous", "target_position"])
def test_schemes_for_one_symbol_refuse_several(scheme: str) -> None:
    candles = random_candles(60, ("AAAUSDT", "BBBUSDT"))

    with pytest.raises(ConfigurationError, match="one symbol, the exchange has 2; use PortfolioWeights"):
        small_env(candles, action_scheme=scheme)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan"), "0.1"])
def test_shares_outside_their_domain_are_refused(share: Any) -> None:
    for build in (
        lambda: HoldBuySell(position_size=share),
        lambda: ContinuousOrder(position_size=share),
        lambda: PortfolioWeights(threshold=share),
    ):
        with pytest.raises(ConfigurationError, match=r"fraction in \(0, 1\]"):
            build()


@pytest.mark.parametrize("positions", [(1.0,), (), (0.0, float("nan"))])
def test_impossible_targets_are_refused(positions: Any) -> None:
    with pytest.raises(ConfigurationError, match="at least two finite shares"):
        TargetPosition(positions=positions)


def test_an_unknown_scheme_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'portfolio'"):
        make_action_scheme("portfolios")


# ---- plain Python ----


class PlainHoldBuySell(CustomActionScheme):
    """The documented scheme in plain Python."""

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(3)

    def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
        (symbol,) = account.symbols
        if action == 1:
            return [Order(symbol, "buy", account.equity * 0.1 / account.closes[symbol])]
        if action == 2 and account.quantities[symbol] > 0.0:
            return [Order(symbol, "sell", account.quantities[symbol])]
        return []


def test_a_python_scheme_equals_its_compiled_twin() -> None:
    candles = random_candles(60, gaps=True)
    arguments: dict[str, Any] = {"fee_rate": 0.001, "slippage": "uniform"}
    compiled = small_env(candles, **arguments)
    python = small_env(candles, action_scheme=PlainHoldBuySell(), **arguments)
    actions = [1, 0, 2, 1, 1, 0, 2] * 6

    assert_same(play(python, actions), play(compiled, actions))


def test_a_python_scheme_in_a_vector_equals_the_single_one() -> None:
    arguments: dict[str, Any] = {"lookback_window": 2, "interpreted": True, "action_scheme": PlainHoldBuySell()}
    vector = TradingVectorEnvironment(data=random_candles(60), num_envs=2, slippage="uniform", **arguments)
    for i in range(2):
        single = small_env(random_candles(60), fee_rate=0.001, slippage="uniform", action_scheme=PlainHoldBuySell())
        actions = drawn(single, 30, seed=i)
        vector.reset(seed=4)
        single.reset(seed=4 + i)
        for action in actions:
            many, one = vector.step(np.array([action, action])), single.step(action)
            assert (many[1][i], many[4]["equity"][i]) == (one[1], one[4]["equity"])


def test_a_python_scheme_may_leave_orders_that_rest_and_brackets() -> None:
    class Bracket(PlainHoldBuySell):
        def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
            if action != 1:
                return []
            close = account.closes[account.symbols[0]]
            return [
                Order(account.symbols[0], "buy", 1.0, stop_price=0.9 * close, take_price=1.1 * close),
                Order(account.symbols[0], "buy", 1.0, type="limit", price=0.5 * close),
            ]

    env = small_env(candles_of([100.0, 100.0, 100.0, 104.0, 112.0, 112.0]), action_scheme=Bracket())
    info = play(env, [1, 0, 0, 0])

    assert [fill["type"] for fill in info[1][4]["filled_orders"]] == ["market"]
    assert info[1][4]["locked_cash"] == pytest.approx(50.0)
    assert [(fill["type"], fill["price"]) for fill in info[3][4]["filled_orders"]] == [
        ("take_profit", pytest.approx(110.0))
    ]
    assert [order["type"] for order in env.exchange.open_orders] == ["limit"]


def test_orders_that_cannot_be_paid_are_rejected_whole_and_reported() -> None:
    class Greedy(PlainHoldBuySell):
        def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
            return [Order("BTCUSDT", "buy", 1e6), Order("BTCUSDT", "sell", 1.0), Order("MOON", "buy", 1.0)]

    info = after(1, action_scheme=Greedy())

    assert {(reject["symbol"], reject["reason"]) for reject in info["rejected_orders"]} == {
        ("BTCUSDT", "insufficient_balance"),
        ("BTCUSDT", "insufficient_position"),
        (None, "unknown_symbol"),
    }
    assert (info["equity"], info["filled_orders"]) == (10_000.0, [])


def test_more_orders_than_declared_are_refused_and_nothing_is_done() -> None:
    class TooMany(PlainHoldBuySell):
        def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
            return [Order("BTCUSDT", "buy", 0.1)] * (9 if action == 1 else 0)

    env = small_env(candles_of(CLOSE), action_scheme=TooMany())
    env.reset(seed=0)
    before = copy.deepcopy(env.engine.state)

    with pytest.raises(ConfigurationError, match="made 9 orders for one action; it declares room for 8"):
        env.step(1)
    for name in ("row", "cash", "equity", "pending", "next_order_id", "resting"):
        assert env.engine.state.accounts[name] == before.accounts[name]
    assert env.step(0)[4]["step"] == 1


def test_a_python_scheme_is_reset_and_copied_for_each_environment() -> None:
    class Once(PlainHoldBuySell):
        def __init__(self) -> None:
            self.bought = False

        def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
            bought, self.bought = self.bought, True
            return [] if bought else super().orders(1, account)

        def reset(self) -> None:
            self.bought = False

    original = Once()
    env = small_env(random_candles(60), action_scheme=original)

    for _ in range(2):
        assert [len(outcome[4]["filled_orders"]) for outcome in play(env, [0, 0, 0])[1:]] == [1, 0, 0]
    assert original.bought is False


class RestingBuys(ActionScheme):
    """A compiled scheme of somebody else, whose orders rest."""

    @staticmethod
    def kernel(
        action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
    ) -> int:
        market_order(orders, 0, 0, 1, 0.01 * account.equity / candles[0].close, 0)
        orders[0].kind = 1
        orders[0].price = 0.5 * candles[0].close
        return 1

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(2)


def test_the_resting_orders_of_a_foreign_kernel_rest_in_both_environments() -> None:
    usual: dict[str, Any] = {"data": random_candles(60), "action_scheme": RestingBuys(), "interpreted": True}
    single = TradingEnvironment(**usual, lookback_window=2)
    vector = TradingVectorEnvironment(**usual, lookback_window=2, num_envs=2)
    single.reset(seed=0)
    vector.reset(seed=0)
    for _ in range(10):
        locked = single.step(0)[4]["locked_cash"]
        both = vector.step(np.zeros(2, np.int64))[4]
    assert locked > 400.0
    assert both["locked_cash"].tolist() == [locked, locked]
    assert len(both["rejected_orders"]) == 0
