"""The least and the most that one order may have."""

import numpy as np
import pytest

from small_worlds import candles_of
from tradeready_gym.actions import HoldBuySell
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.market import Instrument
from tradeready_gym.orders import Order

RULES = {"BTCUSDT": Instrument("BTCUSDT", lot_size=0.5, max_quantity=7.7)}


@pytest.mark.parametrize("account", ["spot", "margin"])
@pytest.mark.parametrize(("kind", "price"), [("market", None), ("limit", 90.0)])
def test_an_order_beyond_the_largest_quantity_is_refused_whole(account: str, kind: str, price: float | None) -> None:
    exchange = SimulatedExchange(candles_of(np.full(9, 100.0)), slippage="none", instruments=RULES, account=account)
    exchange.reset("2024-01-01T02:00:00Z")
    (refused,) = exchange.submit([Order("BTCUSDT", "buy", 8.0, kind, price)])
    (taken,) = exchange.submit([Order("BTCUSDT", "buy", 7.5, kind, price)])

    assert refused["reason"] == "invalid_quantity"
    assert taken["status"] in ("filled", "pending") and taken["quantity"] == 7.5


def test_an_order_of_a_scheme_is_cut_to_it_in_whole_lots() -> None:
    env = TradingEnvironment(
        data=candles_of(np.full(40, 100.0)),
        action_scheme=HoldBuySell(0.5),
        feature_pipeline=["balance"],
        lookback_window=1,
        slippage="none",
        instruments=RULES,
        interpreted=True,
    )
    env.reset(seed=0)
    bought = [env.step(1)[4]["filled_orders"][0]["quantity"] for _ in range(2)]
    sold = [env.step(2)[4]["filled_orders"][0]["quantity"] for _ in range(2)]

    assert bought == sold == [7.5, 7.5]
    assert env.exchange.portfolio == {}


def exchange_with(account: str = "spot", **limits: float) -> SimulatedExchange:
    rules = {"BTCUSDT": Instrument("BTCUSDT", **limits)}
    exchange = SimulatedExchange(
        candles_of(np.full(9, 100.0)), slippage="none", fee_rate=0.0, instruments=rules, account=account
    )
    exchange.reset("2024-01-01T02:00:00Z")
    return exchange


def answer(exchange: SimulatedExchange, quantity: float, kind: str = "market", price: float | None = None) -> str:
    (one,) = exchange.submit([Order("BTCUSDT", "buy", quantity, kind, price)])
    return str(one.get("reason", one["status"]))


@pytest.mark.parametrize("account", ["spot", "margin"])
@pytest.mark.parametrize(("kind", "price", "taken"), [("market", None, "filled"), ("limit", 90.0, "pending")])
def test_an_order_below_the_least_quantity_is_refused(account: str, kind: str, price: float | None, taken: str) -> None:
    exchange = exchange_with(account, min_quantity=0.3)
    assert answer(exchange, 0.299, kind, price) == "invalid_quantity"
    # 0.1 + 0.2 is 0.3 for everybody but a computer
    assert answer(exchange, 0.3 * (1.0 - 1e-15), kind, price) == taken


def test_the_least_quantity_is_judged_in_whole_lots() -> None:
    exchange = exchange_with(min_quantity=0.6, lot_size=0.5)
    assert [answer(exchange, quantity) for quantity in (0.9, 1.0)] == ["invalid_quantity", "filled"]


@pytest.mark.parametrize("account", ["spot", "margin"])
def test_the_largest_value_is_judged_at_the_last_visible_close_whatever_the_price_of_the_order(account: str) -> None:
    exchange = exchange_with(account, max_notional=500.0)
    assert [answer(exchange, quantity) for quantity in (5.01, 5.0)] == ["invalid_quantity", "filled"]
    assert [answer(exchange, quantity, "limit", 50.0) for quantity in (5.01, 5.0)] == ["invalid_quantity", "pending"]


def small(positions: int, **limits: float) -> TradingEnvironment:
    env = TradingEnvironment(
        data=candles_of(np.full(40, 100.0)),
        action_scheme=HoldBuySell(0.4),
        feature_pipeline=["balance"],
        lookback_window=1,
        slippage="none",
        fee_rate=0.0,
        instruments={"BTCUSDT": Instrument("BTCUSDT", **limits)},
        interpreted=True,
    )
    env.reset(seed=0)
    for _ in range(positions):
        env.step(1)
    return env


def test_an_order_of_a_scheme_is_cut_to_the_largest_value_in_whole_lots() -> None:
    (fill,) = small(0, max_notional=1_234.0, lot_size=0.1).step(1)[4]["filled_orders"]
    assert fill["quantity"] == pytest.approx(12.3)
    (fill,) = small(0, max_notional=1_234.0, max_quantity=7.0).step(1)[4]["filled_orders"]
    assert fill["quantity"] == 7.0


def test_what_cash_leaves_of_a_schemes_order_is_refused_below_the_least_quantity() -> None:
    # 40 + 40 of 100 units are bought; cash is left for 20, and a third order asks for 40
    info = small(2, min_quantity=20.5).step(1)[4]
    assert (info["filled_orders"], info["rejected_orders"][0]["reason"]) == ([], "invalid_quantity")
    assert small(2, min_quantity=20.0).step(1)[4]["filled_orders"][0]["quantity"] == pytest.approx(20.0)


def test_a_least_above_its_most_is_named() -> None:
    for kind in ("quantity", "notional"):
        with pytest.raises(
            ConfigurationError, match=f"min_{kind} of BTCUSDT must not be above max_{kind}; found 2.0 and 1.0"
        ):
            Instrument("BTCUSDT", **{f"min_{kind}": 2.0, f"max_{kind}": 1.0})


def test_a_negative_limit_is_named() -> None:
    with pytest.raises(ConfigurationError, match="max_quantity of BTCUSDT must be finite and at least 0"):
        Instrument("BTCUSDT", max_quantity=-1.0)
