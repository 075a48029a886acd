"""Does an exchange keep its contract?"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tradeready_gym.errors import CheckFailed, ConfigurationError
from tradeready_gym.exchanges import Exchange
from tradeready_gym.market import Candles
from tradeready_gym.orders import REJECT_NAMES, Order

_STATUSES = ("filled", "pending", "rejected", "cancelled")
_TOLERANCE = 1e-9
_PROBES = 40
_NOWHERE = "NOSUCHSYMBOL"


def check_exchange(exchange: Exchange, *, steps: int = 40, margin: bool = False, seed: int = 0) -> None:
    """Check that an exchange keeps the contract of `Exchange`, by trading on it alone for `steps` candles.

    `reset` brings back the balance and forgets everything; every order has one plain answer; a refusal names its reason and
    changes nothing; what cash does not pay for and unknown symbols are refused; fills are finite, and are what cash and
    holdings move by, with their fees; `mark` returns the net worth, at the last closes of `candles`, and adds the one row of its
    step; `candles` has what has closed and grows by the one candle of the step, whose past stays as it was; views can be changed
    without changing the exchange; the same orders give the same account. With `margin` cash and holdings may be negative,
    and what borrowing costs may be missing from cash. Its data must hold `steps` candles and a few more.

    Raises:
        CheckFailed: the first finding.
        ConfigurationError: `exchange` is no exchange.
    """
    if not isinstance(exchange, Exchange):
        raise ConfigurationError(f"check_exchange needs an Exchange object; got {exchange!r}")
    _require(len(set(exchange.symbols)) == len(exchange.symbols) > 0, "symbols must be distinct and at least one")
    exchange.reset()
    start = exchange.balance
    _check_fresh(exchange, start)
    prices = _probe(exchange)
    exchange.reset()
    _check_fresh(exchange, start)
    first = _Run(exchange, prices, margin, seed)
    first.play(steps)
    first.settle()
    again = _Run(exchange, prices, margin, seed)
    exchange.reset()
    _check_fresh(exchange, start)
    again.play(steps)
    _require(again.told == first.told, "the same orders after reset() must give the same answers and the same account")


class _Run:
    """One script of random orders, watched."""

    def __init__(self, exchange: Exchange, prices: Mapping[str, float], margin: bool, seed: int) -> None:
        self.exchange, self.prices, self.margin = exchange, prices, margin
        self.random = np.random.Generator(np.random.PCG64(seed))
        self.start = exchange.balance
        self.told: list[Any] = []
        self.seen: Candles | None = None

    def play(self, steps: int) -> None:
        """Submit, match and mark."""
        self.start = self.exchange.balance
        self._check_candles()
        for step in range(steps):
            for order in self._orders():
                self._submit(order)
            if step % 5 == 0:
                self._check_refusals()
            before = len(self.exchange.trades)
            matched = self.exchange.match()
            _require(
                len(self.exchange.trades) - before == len(matched),
                "match() must return the fills that it adds to trades",
            )
            equity = self.exchange.mark()
            _require(equity == self.exchange.net_worth, f"mark() must return net_worth; {equity!r} is not it")
            self._check_account(step + 1)
            self._check_candles()
            self.told.append((equity, self.exchange.balance, dict(self.exchange.portfolio)))

    def settle(self) -> None:
        """Compare cash and holdings with the fills."""
        fills = self.exchange.trades
        _require(len(fills) > 0, "none of the orders was filled: give data in which something trades")
        closes = [self.prices[symbol] for symbol in self.exchange.symbols]
        held = dict.fromkeys(self.exchange.symbols, 0.0)
        cash = self.start
        for fill in fills:
            way = 1.0 if fill["side"] == "buy" else -1.0
            held[fill["symbol"]] += way * fill["quantity"]
            cash -= way * fill["quantity"] * fill["price"] + fill["fee"]
        for symbol, quantity in held.items():
            found = self.exchange.portfolio.get(symbol, 0.0)
            room = _TOLERANCE * self.start / self.prices[symbol]
            _require(abs(found - quantity) <= room, f"the fills of {symbol} add up to {quantity!r}; {found!r} is held")
        # equity is cash + sum of quantity x price, so that two valuations tell them apart
        once, twice = self.exchange.mark(closes), self.exchange.mark([2.0 * close for close in closes])
        off = 2.0 * once - twice - cash
        room = _TOLERANCE * max(self.start, abs(once))
        _require(off <= room, f"cash must move by fills and fees alone; {off:+g} has come from nowhere")
        _require(self.margin or off >= -room, f"cash must move by fills and fees alone; {-off:g} has gone")
        last = [float(close) for close in self.exchange.candles.close[:, -1]]
        at_last, by_default = self.exchange.mark(last), self.exchange.mark()
        _require(
            by_default == at_last,
            f"mark() must value at the last closes of candles; it gives {by_default!r}, and {at_last!r} at those",
        )

    def _orders(self) -> list[Order]:
        symbols = self.exchange.symbols
        made = []
        for _ in range(int(self.random.integers(0, 4))):
            symbol = symbols[int(self.random.integers(len(symbols)))]
            held = self.exchange.portfolio.get(symbol, 0.0)
            price = self.prices[symbol]
            if held > 0.0 and self.random.random() < 0.5:
                made.append(Order(symbol, "sell", held * float(self.random.choice([0.5, 1.0]))))
                continue
            quantity = float(self.random.uniform(0.01, 0.2)) * self.start / price
            if self.random.random() < 0.4:
                made.append(Order(symbol, "buy", quantity, "limit", price * float(self.random.uniform(0.97, 1.03))))
            else:
                made.append(Order(symbol, "buy", quantity))
        return made

    def _submit(self, order: Order) -> dict[str, Any]:
        before, known = self._account(), len(self.exchange.trades)
        answers = self.exchange.submit([order])
        _require(len(answers) == 1, f"submit() must give one answer for each order; {len(answers)} came for {order!r}")
        answer = answers[0]
        try:
            self.told.append(json.dumps(answer, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise CheckFailed(
                f"an answer must be plain data that json.dumps takes; {answer!r} is not: {error}"
            ) from error
        status = answer.get("status")
        _require(status in _STATUSES, f"status must be one of {', '.join(_STATUSES)}; the answer is {answer}")
        added = self.exchange.trades[known:]
        _require(len(added) == int(status == "filled"), f"an order that is {status} has added {len(added)} trades")
        if status == "filled":
            _check_fill(added[0], order)
        if status == "rejected":
            _require(answer.get("reason") in REJECT_NAMES.values(), f"a refusal needs a known reason; it is {answer}")
            _require(self._account() == before, f"a refusal must change nothing; {order!r} was refused and did")
        return answer

    def _check_refusals(self) -> None:
        symbol = self.exchange.symbols[0]
        for order in (
            Order(_NOWHERE, "buy", 1.0),
            Order(symbol, "buy", 1e6 * self.start / self.prices[symbol]),
            Order(symbol, "buy", -1.0),
            Order(symbol, "buy", math.nan),
        ):
            answer = self._submit(order)
            _require(answer["status"] == "rejected", f"{order!r} must be refused; the answer is {answer}")

    def _check_account(self, steps: int) -> None:
        held = dict(self.exchange.portfolio)
        _require(0.0 not in held.values(), f"symbols that are not held must be left out of portfolio; it is {held}")
        numbers = (self.exchange.balance, self.exchange.net_worth, *held.values())
        _require(all(math.isfinite(number) for number in numbers), f"the account must be finite; it has {numbers}")
        if not self.margin:
            _require(min(numbers) >= 0.0, f"cash and holdings of a spot account are never negative; it has {numbers}")
        rows = {name: len(values) for name, values in self.exchange.performance.items()}
        _require(
            bool(rows) and set(rows.values()) == {steps},
            f"performance needs a row for each of {steps} steps; it has {rows}",
        )
        view = self.exchange.portfolio
        if isinstance(view, dict):
            view.clear()
            _require(dict(self.exchange.portfolio) == held, "what portfolio hands out must not be the account itself")

    def _check_candles(self) -> None:
        found, before = self.exchange.candles, self.seen
        _require(isinstance(found, Candles), f"candles must be a Candles object; it is {type(found).__name__}")
        _require(
            found.symbols == self.exchange.symbols, f"candles must be of {self.exchange.symbols}; got {found.symbols}"
        )
        if before is not None:
            grown = len(found) - len(before)
            _require(grown == 1, f"candles must grow by the one that match() has closed; it has {grown:+d} slots")
            _require(
                found.between(None, before.end) == before,
                "candles that have closed must stay as they were; some have changed",
            )
        self.seen = found

    def _account(self) -> Any:
        return self.exchange.balance, self.exchange.net_worth, dict(self.exchange.portfolio)


def _check_fresh(exchange: Exchange, balance: float) -> None:
    _require(math.isfinite(balance) and balance > 0.0, f"reset() must leave a positive balance; it is {balance!r}")
    found = (exchange.balance, exchange.net_worth, dict(exchange.portfolio), len(exchange.trades))
    _require(
        found == (balance, balance, {}, 0),
        f"reset() must leave the starting balance and nothing else; balance, net_worth, portfolio and trades are {found}",
    )


def _check_fill(fill: Mapping[str, Any], order: Order) -> None:
    quantity, price, fee = fill["quantity"], fill["price"], fill["fee"]
    sound = all(math.isfinite(number) for number in (quantity, price, fee)) and quantity > 0.0 < price and fee >= 0.0
    _require(sound, f"a fill has a positive quantity and price and no negative fee; it is {dict(fill)}")
    same = (fill["symbol"], fill["side"]) == (order.symbol, order.side)
    _require(
        same and quantity <= order.quantity * (1.0 + _TOLERANCE),
        f"{order!r} was filled as something else: {dict(fill)}",
    )


def _probe(exchange: Exchange) -> dict[str, float]:
    # what a unit costs: the first quantity that cash pays for
    found: dict[str, float] = {}
    for _ in range(_PROBES):
        for symbol in (one for one in exchange.symbols if one not in found):
            answers: Sequence[Mapping[str, Any]] = []
            for power in range(-12, 13):
                answers = exchange.submit([Order(symbol, "buy", exchange.net_worth * 10.0**-power)])
                if len(answers) == 1 and answers[0].get("status") == "filled":
                    found[symbol] = float(exchange.trades[-1]["price"])
                    break
        if len(found) == len(exchange.symbols):
            return found
        exchange.match()
        exchange.mark()
    missing = [symbol for symbol in exchange.symbols if symbol not in found]
    raise CheckFailed(f"no market buy of {', '.join(missing)} was filled in {_PROBES} candles, of any size")


def _require(holds: bool, claim: str) -> None:
    if not holds:
        raise CheckFailed(claim)
