"""The largest quantity of one order."""

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


def test_a_negative_limit_is_named() -> None:
    with pytest.raises(ConfigurationError, match="max_quantity of BTCUSDT must be finite and at least 0"):
        Instrument("BTCUSDT", max_quantity=-1.0)
