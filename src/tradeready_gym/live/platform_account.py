"""The paper account that a key has on a platform, as an environment sees it whose orders are sent there."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tradeready_gym.errors import AccountsDisagree, ConfigurationError
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.live.platform_rest import OrderRefused, PlatformRest
from tradeready_gym.market import Instrument, format_time, parse_time

_TERMS = ("interval", "fee_rate", "maker_fee_rate", "slippage", "fill_at")
_AMOUNTS = {
    "available_cash": "cash", "locked_cash": "locked_cash", "realized_pnl": "realized_pnl", "fees_paid": "fees_paid",
}  # fmt: skip


@dataclass(frozen=True)
class SentOrder:
    """A market order of an action: the `number`-th of the candle that opens at `candle`."""

    candle: int
    number: int
    symbol: str
    side: str
    quantity: float
    cut: bool


@dataclass(frozen=True)
class Outcome:
    """What became of an order there: filled, cancelled (cut to nothing) or rejected, with the reason."""

    status: str
    reason: str | None = None


class PlatformAccount:
    """The paper account of `api_key` at `base_url`, or of the key's agent.

    Ids of orders are made of the account, the candle and the number within it: an order that is sent again after a lost answer is
    the same order. Nothing here decides when to stop asking: a platform that is away is asked until it answers.

    Raises:
        PlatformUnavailable, PlatformRefused: as `PlatformFeed`.
        DataUnavailable: the platform has no feed, and so no paper accounts.
    """

    def __init__(self, base_url: str | None, api_key: str, rest: PlatformRest | None = None) -> None:
        self._rest = rest or PlatformRest(base_url, api_key)
        try:
            info = self._info(attempts=3)
        except BaseException:
            self._rest.close()
            raise
        self.name = str(info["agent_id"] or info["account_id"])
        self.symbols: tuple[str, ...] = tuple(info["symbols"])

    def __repr__(self) -> str:
        return f"PlatformAccount({self._rest.url!r}, '...')"

    def check(self, exchange: SimulatedExchange) -> None:
        """Raise `ConfigurationError` unless the account trades at the same costs and filters as `exchange`; names each difference."""
        terms = self._info()["terms"]
        mine: dict[str, Any] = {
            "interval": exchange.timeframe.label,
            "fee_rate": exchange.fee_rate,
            "maker_fee_rate": exchange.maker_fee_rate,
            "slippage": repr(exchange.slippage),
            "fill_at": exchange.fill_at,
        }
        found = [f"{name}: {mine[name]!r} here, {terms[name]!r} there" for name in _TERMS if mine[name] != terms[name]]
        if exchange.fees.per_trade or exchange.fees.minimum:
            found.append("fees: with an amount per trade or a least fee here, without there")
        for symbol in exchange.symbols:
            rule = asdict(exchange.instruments.get(symbol, Instrument(symbol)))
            theirs = asdict(Instrument(symbol, **terms["filters"].get(symbol, {})))
            if symbol not in self.symbols:
                found.append(f"{symbol} is traded here, {', '.join(self.symbols)} there")
            elif rule != theirs:
                found.append(f"filters of {symbol}: {rule} here, {theirs} there")
        if found:
            raise ConfigurationError(
                f"the paper account at {self._rest.url} trades at other terms: {'; '.join(found)}. Give the environment those of "
                "the platform, or start a platform with these"
            )

    def reset(self, starting_balance: float) -> str:
        """Begin the account anew with this balance: no position, no order. Returns the session that begins.

        Raises:
            ConfigurationError: it begins with another balance.
        """
        body = {"confirm": True, "new_starting_balance": repr(starting_balance)}
        answer = self._rest.ask("/account/reset", {}, ("new_session",), None, body)
        begun = self._info()["terms"]["starting_balance"]
        if begun != starting_balance:
            raise ConfigurationError(
                f"the paper account begins with {begun!r}; starting_balance={starting_balance!r} has digits that it does not take"
            )
        return str(answer["new_session"]["session_id"])

    def check_session(self, session: str | None) -> None:
        """Raise `AccountsDisagree` if somebody has begun the account anew since `session` began; None is not checked.

        Ids of orders say of which account and candle they are, not who sends them: two who decide alike are told apart by this.
        """
        now = None if session is None else self._info()["current_session"]["session_id"]
        if now != session:
            raise AccountsDisagree(
                f"the account {self.name} on {self._rest.url} is in its session {now}; the one that this environment has begun was "
                f"{session}: somebody else who has the key has begun it anew, and trades on it. Give each environment an agent's key "
                "of its own; reset() takes the account back"
            )

    def place(self, order: SentOrder) -> Outcome:
        """Send an order for its candle; the same one again is not another one. Returns what became of it."""
        body = {
            "symbol": order.symbol,
            "side": order.side,
            "quantity": repr(order.quantity),
            "cut": order.cut,
            "candle": format_time(order.candle),
            "client_order_id": f"{self.name}-{order.candle // 1_000_000}-{order.number}",
        }
        try:
            placed = self._rest.ask("/trade/order", {}, ("status",), None, body)
        except OrderRefused as refused:
            return Outcome("rejected", str(refused))
        return Outcome(str(placed["status"]))

    def compare(self, symbols: Sequence[str], account: Any, positions: Any, clock: int) -> None:
        """Compare cash, fees, gains and quantities, and the equity if no candle has closed since, to the last digit.

        Raises:
            AccountsDisagree: with both equities, and the first difference.
        """
        told = self._rest.ask("/account/portfolio", {}, ("exact", "positions", "timestamp"), None)
        exact: Mapping[str, float] = told["exact"]
        held = {position["symbol"]: float(position["quantity"]) for position in told["positions"]}
        pairs = [(name, float(account[field]), exact[name]) for name, field in _AMOUNTS.items()]
        pairs += [
            (f"quantity of {s}", float(p.quantity), held.pop(s, 0.0)) for s, p in zip(symbols, positions, strict=True)
        ]
        pairs += [(f"quantity of {symbol}", 0.0, quantity) for symbol, quantity in held.items()]
        if parse_time(told["timestamp"]) == clock and _in_order(symbols, self.symbols):
            pairs.append(("equity", float(account.equity), exact["total_equity"]))
        for name, here, there in pairs:
            if here != there:
                suspended = self._info()["status"] == "suspended"
                raise AccountsDisagree(
                    f"at {format_time(clock)} the {name} is {here!r} here and {there!r} on {self._rest.url}; the equity "
                    f"{float(account.equity)!r} here and {exact['total_equity']!r} there. "
                    + ("Its kill switch has sold everything there" if suspended else "Somebody else trades on it")
                    + "; reset() begins both anew"
                )

    def close(self) -> None:
        """Close the connections; the account goes on."""
        self._rest.close()

    def _info(self, attempts: int | None = None) -> dict[str, Any]:
        keys = ("account_id", "agent_id", "symbols", "terms", "status", "current_session")
        info: dict[str, Any] = self._rest.ask("/account/info", {}, keys, attempts)
        return info


def _in_order(symbols: Sequence[str], theirs: Sequence[str]) -> bool:
    # sums of the same numbers in another order may differ in their last digit
    places = [theirs.index(symbol) for symbol in symbols]
    return places == sorted(places)
