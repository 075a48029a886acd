"""What a plain Python scheme returns is a sequence of orders, or is refused by name before anything is done."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from small_worlds import random_candles, small_env
from tradeready_gym.actions import AccountView, CustomActionScheme
from tradeready_gym.errors import CheckFailed, ConfigurationError
from tradeready_gym.orders import Order
from tradeready_gym.testing import check_action_scheme


class Says(CustomActionScheme):
    """Returns what it was given to say."""

    def __init__(self, orders: Any) -> None:
        self.said = orders

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(2)

    def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
        said: Sequence[Order] = self.said
        return said


GOOD = Order("BTCUSDT", "buy", 1.0)
NO_ORDERS = [
    (None, r"Says.orders must return a sequence of Order, \[\] for none; for action 1 it returned None"),
    ("buy", "for action 1 it returned 'buy'"),
    (GOOD, r"for action 1 it returned Order\(symbol='BTCUSDT'"),
    ([None], "for action 1, place 0 of it holds None"),
    ([GOOD, "sell"], "place 1 of it holds 'sell'"),
    ([Order(None, "buy", 1.0)], "the symbol is None in Order"),  # type: ignore[arg-type]
    ([Order("BTCUSDT", "buy", "much")], "the quantity is 'much' in Order"),  # type: ignore[arg-type]
    ([Order("BTCUSDT", "buy", None)], "the quantity is None in Order"),  # type: ignore[arg-type]
    ([Order("BTCUSDT", "buy", np.ones(1))], r"the quantity is array\(\[1.\]\)"),  # type: ignore[arg-type]
    ([Order("BTCUSDT", "buy", 1.0, "limit", "low")], "the price is 'low'"),  # type: ignore[arg-type]
    ([Order("BTCUSDT", "buy", 1.0, stop_price="low")], "the stop_price is 'low'"),  # type: ignore[arg-type]
    ([Order("BTCUSDT", "buy", 1.0, cut=None)], "the cut is None"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("said", "words"), NO_ORDERS)
def test_what_is_no_order_is_refused_with_the_scheme_the_action_and_the_value(said: Any, words: str) -> None:
    env = small_env(random_candles(60), action_scheme=Says(said))
    env.reset(seed=0)
    with pytest.raises(ConfigurationError, match=words):
        env.step(1)
    assert env.engine.state.accounts["fills"][0] == 0


@pytest.mark.parametrize("quantity", [1, np.float32(1.0), np.array(1.0), Decimal(1)])
@pytest.mark.parametrize("sequence", [list, tuple])
def test_whatever_becomes_a_number_is_a_quantity(quantity: Any, sequence: Any) -> None:
    env = small_env(random_candles(60), action_scheme=Says(sequence([Order("BTCUSDT", "buy", quantity)])))
    env.reset(seed=0)
    assert [fill["quantity"] for fill in env.step(1)[4]["filled_orders"]] == [1.0]


def test_the_check_finds_what_is_no_order() -> None:
    with pytest.raises(CheckFailed, match="place 0 of it holds None"):
        check_action_scheme(Says([None]))
