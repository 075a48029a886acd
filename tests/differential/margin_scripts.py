"""Random terms of margin accounts, and random orders for them: shorts, turns, exits on both sides, orders at the limit."""

import math
from dataclasses import replace
from random import Random
from typing import Any

from decimal_ledger import Episode, MarginTerms, OrderRequest

ORDER_TYPES = ("market", "limit", "stop_loss", "take_profit")
SHARES = (0.02, 0.1, 0.3, 0.3, 0.6, 0.95, 1.02, 3.0)


def margin_terms(random: Random, *, fragile: bool = False) -> MarginTerms:
    """Any terms that are legal: maintenance below 1 / leverage, and interest or funding, not both.

    A `fragile` account is liquidated soon after it has used its leverage.
    """
    leverage = random.choice((1.0, 2.0, 3.0, 5.0, 10.0, 20.0))
    pays_funding = random.random() < 0.4
    return MarginTerms(
        leverage=leverage,
        maintenance=(0.95 if fragile else random.choice((0.0, 0.05, 0.5, 0.9))) / leverage,
        annual_borrow_rate=0.0 if pays_funding else random.choice((0.0, 0.1, 5.0, 50.0)),
        funding_rate=random.choice((0.0001, -0.001, 0.01)) if pays_funding else None,
        funding_hours=random.choice((1, 2, 4, 6, 8, 8, 12, 24)),
        liquidation_fee=random.choice((0.0, 0.005, 0.05)),
    )


def with_funding_history(random: Random, terms: MarginTerms, symbols: int, hours: int) -> MarginTerms:
    """The terms with rates that change from time to time: at every funding time, with holes, or at times of their own."""
    every = random.choice((1, 4, 8, 8, 24, None))
    scale = random.choice((0.0001, 0.001, 0.01))
    shift = random.choice((0.0, 0.5)) * scale
    histories = []
    for _ in range(symbols):
        own = sorted(random.sample(range(hours + 1), min(hours // 5 + 1, 60)))
        times = own if every is None else range(0, hours + 1, every)
        histories.append({hour: max(min(random.gauss(shift, scale), 0.1), -0.1) for hour in times})
        if every is not None and random.random() < 0.3:
            histories[-1] = {hour: rate for hour, rate in histories[-1].items() if random.random() < 0.8 or hour == 0}
    return replace(
        terms, annual_borrow_rate=0.0, funding_rate=None, funding_hours=every, funding_history=tuple(histories)
    )


def margin_order(random: Random, episode: Episode, knobs: Any, ticks: list[float]) -> OrderRequest:
    """An order of either side, sized by what the account holds or by what its leverage affords."""
    if random.random() < 0.01 and knobs.unknown_symbols:
        return {"symbol": len(ticks), "side": "sell", "type": "market", "quantity": 1.0}
    symbol = random.randrange(len(ticks))
    held = float(episode.broker.account.positions[symbol])
    against = "sell" if held > 0 else "buy"
    closes = held != 0 and random.random() < 0.5
    side = against if closes else random.choice(("buy", "sell"))
    order: OrderRequest = {"symbol": symbol, "side": side, "type": random.choice(ORDER_TYPES), "quantity": 0.0}
    if order["type"] != "market":
        order["price"] = price_near(random, episode, symbol, ticks[symbol])
    paid = order.get("price") or episode.series[symbol].open[episode.row]
    order["quantity"] = _quantity(random, episode, symbol, side, paid, closes=closes)
    if knobs.brackets and random.random() < 0.4:
        _add_bracket(random, episode, order, ticks[symbol])
    return order


def _add_bracket(random: Random, episode: Episode, order: OrderRequest, tick: float) -> None:
    symbol, sign = order["symbol"], 1.0 if order["side"] == "buy" else -1.0
    last = episode.series[symbol].close[episode.row - 1]
    near = [price_near(random, episode, symbol, tick) for _ in range(6)]
    worse = [price for price in near if sign * price < sign * last]
    better = [price for price in near if sign * price > sign * last]
    order["stop_price"] = random.choice((min, max))(worse) if worse else None
    order["take_price"] = random.choice((min, max))(better) if better else None
    if random.random() < 0.02:
        order["stop_price"], order["take_price"] = order["take_price"], order["stop_price"]


def _quantity(random: Random, episode: Episode, symbol: int, side: str, price: float, *, closes: bool) -> float:
    parameters, terms, account = episode.parameters, episode.parameters.margin, episode.broker.account
    assert terms is not None
    wild = random.random()
    if wild < 0.03:
        return random.choice((0.0, -1.0, math.nan, math.inf))
    if wild < 0.06:
        return parameters.starting_balance * 10 ** random.uniform(-13, -10) / max(price, 1e-9)
    held = float(account.positions[symbol])
    if closes:
        return abs(held) * random.choice((1.0, 1.0, 0.5, random.random(), 1.0001, 1.5, 2.5))
    if not (math.isfinite(price) and price > 0):
        price = episode.series[0].close[episode.row - 1]
    sign = 1.0 if side == "buy" else -1.0
    prices = [one.close[episode.row - 1] for one in episode.series]
    prices[symbol] = price
    positions = [float(quantity) for quantity in account.positions]
    equity = float(account.cash) + sum(quantity * one for quantity, one in zip(positions, prices, strict=True))
    others = sum(abs(q) * one for q, one in zip(positions, prices, strict=True)) - abs(held) * price
    room = terms.leverage * equity - others - sign * held * price
    most = room / (price * (1.0 + terms.leverage * parameters.fee_rate))  # a resting order's limit, to the last digit
    return most if wild < 0.12 else abs(most) * random.choice(SHARES)


def price_near(random: Random, episode: Episode, symbol: int, tick: float) -> float:
    """A price of a script: one that the market reaches exactly, an impossible one, or one near the last close."""
    one, row = episode.series[symbol], episode.row
    if random.random() < 0.4:
        later = min(row + random.choice((0, 0, 1, 2, 5)), len(one) - 1)
        return random.choice((one.low, one.high, one.open))[later]
    wild = random.random()
    if wild < 0.01:
        return random.choice((0.0, -1.0, math.nan, math.inf))
    price = one.close[row - 1] * math.exp(random.gauss(0, 0.02))
    return price if wild < 0.03 else on_tick(price, tick)


def on_tick(price: float, tick: float) -> float:
    """The nearest tick."""
    return max(round(price / tick), 1) * tick
