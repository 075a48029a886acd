"""Numbers in strings: money to eight places, quantities to the last digit, nothing with an exponent."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from backtest_calls import API, begin, look, order, step
from serving import Served

from tradeready_gym.platform.api.wire import decimal_text, exact_text, rounded_text

NUMBER = re.compile(r"-?\d+\.\d+")
QUANTITIES = {"quantity", "executed_qty", "required", "available", "locked", "total"}


@pytest.mark.parametrize(
    ("value", "text"), [(-0.003, "0.00"), (-0.0, "0.00"), (-0.006, "-0.01"), (0.125, "0.12"), (None, None)]
)
def test_what_is_rounded_to_zero_has_no_sign(value: float | None, text: str | None) -> None:
    assert rounded_text(value, 2) == text


@pytest.mark.parametrize(
    ("value", "money", "quantity"),
    [
        (9989.999999999998, "9990.0", "9989.999999999998"),
        (0.1 + 0.2, "0.3", "0.30000000000000004"),
        (-4e-9, "0.0", "-0.000000004"),
        (1e-8, "0.00000001", "0.00000001"),
        (1.5e-8, "0.00000001", "0.000000015"),
        (1e22, "10000000000000000000000", "10000000000000000000000"),
        (123456789.123456789, "123456789.12345679", "123456789.12345679"),
        (7, "7", "7"),
        (Decimal("10000.00"), "10000.00", "10000.00"),
    ],
)
def test_money_has_eight_places_and_a_quantity_all_of_its_digits(value: float, money: str, quantity: str) -> None:
    assert (decimal_text(value), exact_text(value)) == (money, quantity)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    for write in (decimal_text, exact_text):
        with pytest.raises(ValueError, match="finite"):
            write(value)


def longer_than(places: int, body: Any, name: str = "") -> list[tuple[str, str]]:
    """Every decimal in strings with more places, by the key that it stands under; quantities apart."""
    if isinstance(body, dict):
        return [found for key, value in body.items() for found in longer_than(places, value, key)]
    if isinstance(body, list):
        return [found for value in body for found in longer_than(places, value, name)]
    long = isinstance(body, str) and NUMBER.fullmatch(body) and len(body.partition(".")[2]) > places
    return [(name, body)] if long and name not in QUANTITIES else []


def test_a_defect_would_be_seen() -> None:
    noise = json.loads('{"a": [{"total_equity": "9989.999999999998", "quantity": "0.30000000000000004"}]}')
    assert longer_than(8, noise) == [("total_equity", "9989.999999999998")]


def test_no_answer_about_a_backtest_shows_the_noise_of_floats(served: Served) -> None:
    session = begin(served.client)
    third = repr(0.1 / 3.0)
    answers: list[Any] = [order(served.client, session, "buy", third), step(served.client, session)]
    answers += [order(served.client, session, "buy", third), step(served.client, session, 3)]
    answers += [order(served.client, session, "sell", "0.01"), step(served.client, session, 3, "batch/fast")]
    for path in ("status", "trade/orders", "trade/history", "market/prices", "market/ticker/BTCUSDT"):
        answers.append(look(served.client, session, path))
    for path in ("account/balance", "account/positions", "account/portfolio", "market/candles/BTCUSDT"):
        answers.append(look(served.client, session, path))
    step(served.client, session, 10_000)
    for path in ("results/equity-curve", "results/trades", "status"):
        answers.append(look(served.client, session, path))
    results = look(served.client, session, "results")
    answers.append(results)
    assert longer_than(8, answers) == []
    # the figures that are asked for to the last digit are numbers
    curve = look(served.client, session, "results/equity-curve")["snapshots"]
    assert any(str(point["exact"]["total_equity"]) != point["total_equity"] for point in curve)
    assert all(round(p["exact"]["total_equity"], 8) == float(p["total_equity"]) for p in curve)
    assert all(round(results["exact"][name], 8) == float(results[name]) for name in ("roi_pct", "max_drawdown_pct"))
    assert str(results["exact"]["roi_pct"]) != results["roi_pct"]


def test_a_position_that_is_read_can_be_sold_to_the_last_digit(served: Served) -> None:
    session = begin(served.client)
    for quantity in ("0.1", "0.0333333333333333333", "0.02"):
        order(served.client, session, "buy", quantity)
    held = look(served.client, session, "account/positions")["positions"][0]["quantity"]
    assert len(held) > len("0.00000000")
    free = {line["asset"]: line["available"] for line in look(served.client, session, "account/balance")["balances"]}
    assert free["BTC"] == held
    assert order(served.client, session, "sell", held)["status"] == "filled"
    assert look(served.client, session, "account/positions")["positions"] == []
    refused = served.client.post(
        f"{API}/{session}/trade/order", json={"symbol": "BTCUSDT", "side": "sell", "quantity": "0.00001"}
    )
    assert refused.json()["error"]["details"]["available"] == "0.0"
