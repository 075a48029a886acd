"""What a round trip costs, and that rounding never gives anything away."""

import dataclasses

import numpy as np
import pytest

from small_worlds import candles_of
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.market import Instrument
from tradeready_gym.orders import Fill, Order

LOT, TICK, SLIPPAGE = 10.0, 1e-6, 0.0007


@pytest.mark.parametrize("fee_rate", [0.0, 0.001, 0.03])
@pytest.mark.parametrize(("kind", "buy_at", "sell_at"), [("market", None, None), ("limit", 101.0, 99.0)])
def test_a_round_trip_at_one_price_costs_exactly_two_fees(
    fee_rate: float, kind: str, buy_at: float | None, sell_at: float | None
) -> None:
    exchange = SimulatedExchange(candles_of(np.full(9, 100.0)), fee_rate=fee_rate, slippage="none")
    exchange.reset("2024-01-01T02:00:00Z")
    for side, price in (("buy", buy_at), ("sell", sell_at)):
        exchange.submit([Order("BTCUSDT", side, 8.0, kind, price)])
        exchange.match()

    assert [fill["price"] for fill in exchange.trades] == [100.0, 100.0]
    assert exchange.portfolio == {}
    assert exchange.balance == pytest.approx(10_000.0 - 2 * 800.0 * fee_rate, abs=1e-9)


def test_rounding_is_never_in_the_traders_favour_at_prices_below_a_cent() -> None:
    random = np.random.default_rng(3)
    closes = random.uniform(0.003, 0.005, 202)
    rules = {"BTCUSDT": Instrument("BTCUSDT", lot_size=LOT, tick_size=TICK)}
    exchange = SimulatedExchange(candles_of(closes), fee_rate=0.0, slippage=SLIPPAGE, instruments=rules)
    exchange.reset("2024-01-01T01:00:00Z")
    for row in range(200):
        wanted = float(random.uniform(1_000.0, 9_000.0)) if row % 2 == 0 else exchange.portfolio["BTCUSDT"]
        exchange.submit([Order("BTCUSDT", "buy" if row % 2 == 0 else "sell", wanted)])
        exchange.match()
        fill, exact = exchange.trades[-1], closes[row]
        steps = fill["price"] / TICK

        assert wanted - LOT < fill["quantity"] <= wanted
        assert abs(steps - round(steps)) < 1e-6
        beyond = fill["price"] - exact * (1.0 + SLIPPAGE) if row % 2 == 0 else exact * (1.0 - SLIPPAGE) - fill["price"]
        assert -1e-15 < beyond < TICK + 1e-15


def test_orders_and_fills_are_values_that_print_and_compare() -> None:
    order = Order("BTCUSDT", "buy", 1.5, "limit", 99.0)
    exchange = SimulatedExchange(candles_of(np.full(9, 100.0)), slippage="none")
    exchange.reset("2024-01-01T02:00:00Z")
    exchange.submit([Order("BTCUSDT", "buy", 1.5)])
    fill = Fill(**exchange.trades[0])

    assert eval(repr(order)) == order == dataclasses.replace(order)
    assert dataclasses.replace(order, quantity=2.0) != order
    assert eval(repr(fill)) == fill
    with pytest.raises(dataclasses.FrozenInstanceError):
        order.quantity = 2.0  # type: ignore[misc]
