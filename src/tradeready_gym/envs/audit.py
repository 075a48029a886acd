"""An account kept from what an environment reports: fills in, money out, in plain Python.

It shares nothing with the engine but the candles, so that what the two agree on was computed twice.
"""

import math
from collections.abc import Mapping
from typing import Any

from tradeready_gym.envs.trading import TradingEnvironment
from tradeready_gym.errors import CheckFailed
from tradeready_gym.exchanges import MarginAccount
from tradeready_gym.market import parse_time

# relative to the equity; engine.md's own figure
TOLERANCE = 1e-9
_MINUTE = 60_000_000
_HOUR = 60 * _MINUTE
_YEAR = 365.25 * 24 * _HOUR


class Audit:
    """The account of one episode of `env`, begun with the info of `reset` and carried on with that of every step."""

    def __init__(self, env: TradingEnvironment, info: Mapping[str, Any]) -> None:
        engine = env.engine
        self._exchange = engine.spec.exchange
        self._symbols = engine.symbols
        self._replayer, row = engine.segment_of(int(engine.state.accounts["row"][0]) - 1)
        self._clock = row + 1
        self._cash = self._exchange.starting_balance
        self._quantity = dict.fromkeys(self._symbols, 0.0)
        self._entry = dict.fromkeys(self._symbols, 0.0)
        self._realized = self._fees = self._financing = self._forgiven = 0.0
        self._margin = self._exchange.account
        if info["filled_orders"] or info["rejected_orders"] or info["step"] != 0:
            raise CheckFailed(
                f"reset() must begin with no fills, no rejections and step 0; its info has {info['filled_orders']}, "
                f"{info['rejected_orders']} and step {info['step']}"
            )
        self._compare(info)

    def step(self, info: Mapping[str, Any], candles: int) -> None:
        """Take in the info of a step in which `candles` candles passed; `CheckFailed` if it does not add up."""
        before, self._clock = self._clock, self._clock + candles
        financed = before
        for fill in info["filled_orders"]:
            row = self._replayer.row_at(parse_time(fill["filled_at"]))
            financed = self._finance(financed, min(row, self._clock - 1) + 1)
            if not before <= row < self._clock:
                raise CheckFailed(f"step {info['step']} reports a fill outside its candles: {fill}")
            self._check_price(fill, row, info)
            self._apply(fill, info)
        self._finance(financed, self._clock)
        self._forgive(info)
        self._compare(info)

    def _finance(self, first: int, end: int) -> int:
        # what the account owes at the open of each candle in [first, end), for what it borrowed during the one before
        if self._margin is None:
            return end
        for row in range(first, end):
            closes = dict(zip(self._symbols, self._replayer.rows[row - 1]["close"].tolist(), strict=True))
            time, before = int(self._replayer.times[row]), int(self._replayer.times[row - 1])
            if self._margin.funding_rate is None:
                borrowed = max(-self._cash, 0.0) + sum(max(-q, 0.0) * closes[s] for s, q in self._quantity.items())
                charge = self._margin.annual_borrow_rate * ((time - before) / _YEAR) * borrowed
            else:
                rates = {symbol: self._funding(self._margin, symbol, before, time) for symbol in self._symbols}
                charge = sum(rates[s] * q * closes[s] for s, q in self._quantity.items() if q != 0.0)
            self._cash -= charge
            self._financing += charge
        return max(first, end)

    def _funding(self, margin: MarginAccount, symbol: str, before: int, time: int) -> float:
        history = margin.funding_history
        if history is None:
            interval = (margin.funding_hours or 24) * _HOUR
            return float(margin.funding_rate * (time // interval - before // interval))
        stamps, rates = history.series[symbol if symbol in history.series else ""]
        # a venue's seconds do not count: a time belongs to its minute
        charged = (stamps // _MINUTE * _MINUTE > before) & (stamps // _MINUTE * _MINUTE <= time)
        return math.fsum(rates[charged])

    def _forgive(self, info: Mapping[str, Any]) -> None:
        liquidated = any(fill["type"] == "liquidation" for fill in info["filled_orders"])
        if self._margin is None or not (liquidated or all(q == 0.0 for q in self._quantity.values())):
            return
        if self._cash < 0.0:
            self._forgiven -= self._cash
            self._cash = 0.0

    def _candle(self, fill: Mapping[str, Any], row: int) -> Any:
        return self._replayer.rows[row][self._symbols.index(fill["symbol"])]

    def _check_price(self, fill: Mapping[str, Any], row: int, info: Mapping[str, Any]) -> None:
        candle, exchange = self._candle(fill, row), self._exchange
        slip, way = fill["slippage_pct"] / 100.0, 1.0 if fill["side"] == "buy" else -1.0
        if not 0.0 <= slip <= exchange.slippage.maximum * (1.0 + TOLERANCE):
            raise CheckFailed(
                f"slippage must lie between 0 and {exchange.slippage.maximum:%}; step {info['step']}: {fill}"
            )
        if fill["type"] == "liquidation":
            worst = candle["low"] if way < 0.0 else candle["high"]
            rule = exchange.instruments.get(fill["symbol"])
            room = TOLERANCE * worst + (0.0 if rule is None else rule.tick_size)
            if abs(fill["price"] - worst * (1.0 + way * slip)) > room:
                raise CheckFailed(f"a liquidation fills at the candle's worst price {worst!r} less slippage: {fill}")
            return
        if fill["type"] != "market":
            if fill["type"] != "stop_loss" and not candle["low"] <= fill["price"] <= candle["high"]:
                raise CheckFailed(f"step {info['step']} fills a limit outside its candle {candle}: {fill}")
            return
        # whether anything trades is a matter of the candle that begins at the clock, whichever price is paid
        reference = self._candle(fill, row - 1)["close"] if exchange.fill_at == "close" else candle["open"]
        if candle["volume"] <= 0.0:
            raise CheckFailed(f"nothing trades in a gap, yet step {info['step']} reports {fill}")
        expected = reference * (1.0 + way * slip)
        rule = exchange.instruments.get(fill["symbol"])
        room = TOLERANCE * expected + (0.0 if rule is None else rule.tick_size)
        if abs(fill["price"] - expected) > room:
            raise CheckFailed(
                f"a market order fills at {exchange.fill_at} moved by its slippage, {expected!r}; "
                f"step {info['step']} reports {fill}"
            )

    def _apply(self, fill: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        symbol, quantity, price, fee = fill["symbol"], fill["quantity"], fill["price"], fill["fee"]
        value = quantity * price
        terms = self._exchange.fees
        rates: tuple[float, ...] = (terms.rate, terms.maker)
        if fill["type"] == "liquidation" and self._margin is not None:
            rates = (terms.rate + self._margin.liquidation_fee,) * 2
        legal = [max(terms.minimum, terms.per_trade + rate * value) for rate in rates]
        if fill["side"] == "sell" and self._margin is None:
            legal = [min(one, value) for one in legal]
        if not any(math.isclose(fee, one, rel_tol=TOLERANCE, abs_tol=1e-300) for one in legal):
            raise CheckFailed(
                f"every fill costs fee_rate x price x quantity, with the schedule's amounts {legal[0]!r} (or the maker's "
                f"{legal[1]!r}); step {info['step']} charges {fee!r}: {fill}"
            )
        held = self._quantity[symbol]
        self._fees += fee
        self._cash -= fee
        if self._margin is not None:
            self._trade_on_margin(symbol, quantity if fill["side"] == "buy" else -quantity, price)
            return
        if fill["side"] == "buy":
            self._entry[symbol] = (self._entry[symbol] * held + value) / (held + quantity)
            self._quantity[symbol] = held + quantity
            self._cash -= value
            return
        if quantity > held * (1.0 + TOLERANCE):
            raise CheckFailed(f"step {info['step']} sells {quantity!r} {symbol} of {held!r} that are held")
        self._realized += (price - self._entry[symbol]) * quantity
        self._quantity[symbol] = held - quantity if quantity < held * (1.0 - TOLERANCE) else 0.0
        self._cash += value

    def _trade_on_margin(self, symbol: str, signed: float, price: float) -> None:
        held = self._quantity[symbol]
        after = held + signed
        if abs(after) < abs(signed) * TOLERANCE:
            after = 0.0
        self._cash -= signed * price
        if held * signed >= 0.0:
            self._entry[symbol] = (self._entry[symbol] * held + price * signed) / after
        else:
            closed = min(abs(held), abs(signed)) * math.copysign(1.0, held)
            self._realized += (price - self._entry[symbol]) * closed
            if held * after < 0.0:
                self._entry[symbol] = price
        self._quantity[symbol] = after

    def _compare(self, info: Mapping[str, Any]) -> None:
        closes = dict(zip(self._symbols, self._replayer.rows[self._clock - 1]["close"], strict=True))
        value = sum(quantity * closes[symbol] for symbol, quantity in self._quantity.items())
        unrealized = sum(q * (closes[symbol] - self._entry[symbol]) for symbol, q in self._quantity.items())
        expected = {
            "available_cash + locked_cash": self._cash,
            "position_value": value,
            "equity": self._cash + value,
            "unrealized_pnl": unrealized,
            "realized_pnl": self._realized,
            "fees_paid": self._fees,
        }
        if self._margin is not None:
            expected |= {"financing_paid": self._financing, "bankruptcy_loss": self._forgiven}
        room = TOLERANCE * max(self._exchange.starting_balance, abs(self._cash) + abs(value))
        for name, wanted in expected.items():
            found = sum(info[part] for part in name.split(" + "))
            if not abs(found - wanted) <= room:
                raise CheckFailed(
                    f"the reported fills make {name} {wanted!r}; info of step {info['step']} says {found!r}, "
                    f"{found - wanted:+g} beside it. Money moves by fills and fees only, and is valued at the last close"
                )
        if (self._margin is None and info["available_cash"] < 0.0) or info["locked_cash"] < 0.0:
            raise CheckFailed(f"cash is never negative; step {info['step']} has {info['available_cash']!r} available")
