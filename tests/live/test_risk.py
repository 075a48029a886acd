"""Each limit of a paper account, on both sides of its boundary."""

from typing import Any

import pytest
from test_paper import account
from test_parity import market

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.live.risk import Exposure, RiskLimits, refusal
from tradeready_gym.orders import Order

LIMITS = RiskLimits(
    max_position_size_pct=25.0, max_order_size_pct=20.0, orders_per_minute=3, max_open_orders=2, min_order_value=1.0
)


def told(value: float, *, buys: bool = True, rests: bool = False, **exposure: Any) -> str | None:
    """What is said to an order of an account with an equity of 1000."""
    at = {"equity": 1000.0, "position": 0.0, "resting": 0, "accepted": 0, "killed": False} | exposure
    return refusal(LIMITS, Exposure(**at), value=value, buys=buys, rests=rests)


@pytest.mark.parametrize(
    ("reason", "allowed", "refused"),
    [
        ("order_too_small", told(1.0), told(0.999)),
        ("order_too_large", told(200.0), told(200.01)),
        ("position_limit_exceeded", told(100.0, position=150.0), told(100.01, position=150.0)),
        ("rate_limit_exceeded", told(100.0, accepted=2), told(100.0, accepted=3)),
        ("max_open_orders_exceeded", told(100.0, rests=True, resting=1), told(100.0, rests=True, resting=2)),
        ("max_open_orders_exceeded", told(100.0, resting=2), told(100.0, rests=True, resting=2)),
        ("order_too_large", told(900.0, buys=False), told(900.0)),
        ("daily_loss_limit", told(100.0), told(100.0, killed=True)),
    ],
)
def test_the_limit_itself_is_allowed_and_what_is_beyond_is_refused(
    reason: str, allowed: str | None, refused: str | None
) -> None:
    assert allowed is None
    assert refused == reason


def test_resting_buys_count_as_positions() -> None:
    paper = account(market(gaps=False), limits=RiskLimits())
    price = paper.ledger.closes["BTCUSDT"]
    rests = Order("BTCUSDT", "buy", 1200.0 / price, "limit", price=0.9 * price)
    answers = [paper.submit(rests) for _ in range(3)]
    # 1080 each of 10000: the third would make 3240
    assert [answer.reason for answer in answers] == [None, None, "position_limit_exceeded"]


def test_orders_of_another_minute_do_not_count() -> None:
    paper = account(market(gaps=False), limits=RiskLimits(orders_per_minute=2))
    order = Order("BTCUSDT", "buy", 0.001)
    assert [paper.submit(order).reason for _ in range(3)] == [None, None, "rate_limit_exceeded"]
    paper.advance()
    assert paper.submit(order).reason is None


@pytest.mark.parametrize(("limit", "killed"), [(0.31, False), (0.29, True)])
def test_a_loss_at_the_limit_is_one_too_many(limit: float, killed: bool) -> None:
    # a fee of 30 percent on a hundredth of the equity is a loss of 0.3 percent, and the price hardly moves
    paper = account(market(gaps=False), fee_rate=0.3, slippage=None, limits=RiskLimits(daily_loss_limit_pct=limit))
    price = paper.submit(Order("BTCUSDT", "buy", 1e-4)).executed_price
    assert price is not None
    paper.submit(Order("BTCUSDT", "buy", 100.0 / price - 1e-4))
    paper.advance()
    assert (paper.ledger.killed_at is not None) is killed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_position_size_pct", 0.0),
        ("max_order_size_pct", 100.1),
        ("daily_loss_limit_pct", float("nan")),
        ("orders_per_minute", 0),
        ("max_open_orders", 0),
        ("min_order_value", -1.0),
    ],
)
def test_a_limit_outside_its_domain_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=name):
        RiskLimits(**dict[str, Any]({name: value}))
