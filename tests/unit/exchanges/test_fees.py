"""Fee schedules: amounts per fill, least fees, and what they do to cash, locks and sizes; every figure by hand."""

from typing import Any

import numpy as np
import pytest

from small_worlds import candles_of
from tradeready_gym.actions import HoldBuySell
from tradeready_gym.envs import TradingEnvironment, check_trading_env
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges import FeeSchedule, MarginAccount, SimulatedExchange
from tradeready_gym.orders import Order

START = "2024-01-01T02:00:00Z"
BROKER = FeeSchedule(rate=0.001, per_trade=1.0, minimum=2.5)


def exchange_at(price: float = 100.0, fees: Any = BROKER, **more: Any) -> SimulatedExchange:
    exchange = SimulatedExchange(candles_of(np.full(12, price)), fee_rate=fees, slippage="none", **more)
    exchange.reset(START)
    return exchange


@pytest.mark.parametrize(("value", "fee"), [(100.0, 2.5), (1_500.0, 2.5), (1_501.0, 2.501), (5_000.0, 6.0)])
def test_a_fill_costs_the_amount_and_the_share_and_never_less_than_the_least(value: float, fee: float) -> None:
    exchange = exchange_at()
    (answer,) = exchange.submit([Order("BTCUSDT", "buy", value / 100.0)])

    assert answer["fee"] == pytest.approx(fee, abs=1e-12)
    assert BROKER.fee(100.0, value / 100.0) == answer["fee"]
    assert exchange.balance == pytest.approx(10_000.0 - value - fee, abs=1e-9)


def test_all_that_cash_affords_leaves_exactly_nothing() -> None:
    for fees in (BROKER, FeeSchedule(0.001, minimum=50.0), FeeSchedule(0.0, per_trade=7.0)):
        env = TradingEnvironment(
            data=candles_of(np.full(40, 100.0)),
            action_scheme=HoldBuySell(1.0),
            feature_pipeline=["balance"],
            lookback_window=1,
            fee_rate=fees,
            slippage="none",
        )
        env.reset(seed=0)
        _, _, _, _, info = env.step(1)
        (fill,) = info["filled_orders"]

        assert info["available_cash"] == 0.0
        assert fill["price"] * fill["quantity"] + fill["fee"] == pytest.approx(10_000.0, abs=1e-9)
        assert fill["fee"] == pytest.approx(fees.fee(fill["price"], fill["quantity"]), rel=1e-12)


def test_an_explicit_order_is_refused_when_the_amount_is_what_is_missing() -> None:
    exchange = exchange_at(fees=FeeSchedule(0.0, per_trade=1.0))
    (refused,) = exchange.submit([Order("BTCUSDT", "buy", 100.0)])
    (filled,) = exchange.submit([Order("BTCUSDT", "buy", 99.99)])

    assert refused["reason"] == "insufficient_balance"
    assert filled["status"] == "filled" and exchange.balance == pytest.approx(0.0, abs=1e-9)


def test_a_resting_buy_locks_the_whole_fee_and_cancelling_frees_exactly_that() -> None:
    exchange = exchange_at()
    (answer,) = exchange.submit([Order("BTCUSDT", "buy", 10.0, "limit", 90.0)])

    assert answer["locked"] == pytest.approx(900.0 + 2.5, abs=1e-9)
    exchange.cancel(answer["order_id"])
    assert exchange.balance == 10_000.0


def test_every_part_of_an_order_pays_the_amount_and_what_its_lock_no_longer_pays_ends() -> None:
    # a candle fills 4 of the 10: each part costs 1.0, and the lock of 1001 holds one of them
    candles = candles_of(np.full(12, 100.0), volume=np.full(12, 8.0))
    exchange = SimulatedExchange(
        candles, fee_rate=FeeSchedule(0.0, per_trade=1.0), slippage="none", max_volume_share=0.5
    )
    exchange.reset(START)
    exchange.submit([Order("BTCUSDT", "buy", 10.0, "limit", 100.0)])
    for _ in range(4):
        exchange.match()

    assert [fill["quantity"] for fill in exchange.trades] == pytest.approx([4.0, 4.0, 1.98], abs=1e-9)
    assert [fill["fee"] for fill in exchange.trades] == [1.0, 1.0, 1.0]
    assert exchange.open_orders == []
    assert exchange.balance == pytest.approx(10_000.0 - 1_001.0, abs=1e-9)


def test_a_sale_pays_at_most_what_it_brings() -> None:
    exchange = exchange_at(fees=FeeSchedule(0.0, minimum=20.0))
    exchange.submit([Order("BTCUSDT", "buy", 99.8)])
    (sold,) = exchange.submit([Order("BTCUSDT", "sell", 0.05)])

    assert sold["fee"] == 5.0
    assert exchange.balance == pytest.approx(0.0, abs=1e-9)


def test_a_margin_account_affords_leverage_times_what_the_fee_leaves() -> None:
    # q x 100 <= 2 x (10000 - 100 - 0.001 x q x 100) makes q = 197.6047904...
    terms = FeeSchedule(0.001, per_trade=100.0)
    for quantity, status in ((197.6, "filled"), (197.7, "rejected")):
        exchange = exchange_at(fees=terms, account=MarginAccount(leverage=2.0))
        (answer,) = exchange.submit([Order("BTCUSDT", "buy", quantity)])
        assert answer["status"] == status


def test_zero_amounts_are_the_plain_rate_to_the_last_bit() -> None:
    random = np.random.default_rng(5)
    closes = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.02, 60)))
    told = []
    for fees in (0.00137, FeeSchedule(0.00137), {"rate": 0.00137}):
        exchange = SimulatedExchange(candles_of(closes), fee_rate=fees)
        exchange.reset(START)
        for k in range(40):
            exchange.submit([Order("BTCUSDT", "buy" if k % 3 < 2 else "sell", 3.1 + 0.01 * k)])
            exchange.match()
            exchange.mark()
        told.append((exchange.trades, exchange.balance, repr(exchange)))

    assert told[0] == told[1] == told[2] and len(told[0][0]) == 40


def test_costs_scale_in_every_part() -> None:
    exchange = SimulatedExchange(candles_of(np.full(9, 100.0)), fee_rate=FeeSchedule(0.001, 0.0005, 1.0, 2.0))

    assert exchange.with_costs(4.0).fees == FeeSchedule(0.004, 0.002, 4.0, 8.0)
    assert exchange.with_costs(0.0).fees == FeeSchedule(0.0, 0.0, 0.0, 0.0)
    assert exchange.fees == FeeSchedule(0.001, 0.0005, 1.0, 2.0)
    assert (exchange.with_costs(2.0).fee_rate, exchange.with_costs(2.0).maker_fee_rate) == (0.002, 0.001)
    assert eval(repr(exchange.fees)) == exchange.fees and repr(exchange.fees) in repr(exchange)


@pytest.mark.parametrize("account", ["spot", "margin"])
def test_the_checker_accepts_an_environment_with_a_schedule(account: str) -> None:
    random = np.random.default_rng(8)
    closes = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, 150)))
    env = TradingEnvironment(
        data=candles_of(closes),
        feature_pipeline=["candles", "balance"],
        lookback_window=5,
        fee_rate=BROKER,
        account=account,
    )
    check_trading_env(env)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"fee_rate": {"rate": 1.0}}, "fee_rate is a fraction in"),
        ({"fee_rate": {"per_trade": -1.0}}, "per_trade is an amount of money"),
        ({"fee_rate": {"minimum": float("inf")}}, "minimum is an amount of money"),
        ({"fee_rate": {"percent": 1.0}}, "a fee schedule has rate, maker_rate, per_trade, minimum; got percent"),
        ({"fee_rate": BROKER, "maker_fee_rate": 0.0}, "Leave maker_fee_rate out"),
        ({"fee_rate": 0.001, "maker_fee_rate": 2.0}, "maker_fee_rate is a fraction in"),
    ],
)
def test_a_bad_schedule_is_named_with_its_value_and_the_way_out(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        SimulatedExchange(candles_of(np.full(9, 100.0)), **arguments)
