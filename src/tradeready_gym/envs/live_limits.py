"""LimitedTradingEnv: a live environment that refuses what its limits forbid."""

from typing import Any

import numpy as np

from tradeready_gym.envs import seams
from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.exchanges.execution import MARKET, RISK_LIMIT, record_reject
from tradeready_gym.live import Feed
from tradeready_gym.live.risk import Exposure, OrderLimits, refusal


class LimitedTradingEnv(LiveTradingEnv):
    """As `LiveTradingEnv`, but for orders of the action that break a limit: they are refused (`risk_limit`).

    They are judged in the order in which the scheme gives them, at their price, or at the open of their candle; what is refused
    comes with its limit in the info's `refused_by_limits`: `symbol`, `side`, `value`, `reason`. What lowers a position is never
    refused.

    Args:
        feed: as there.
        limits: what orders are held to.
        arguments: those of `LiveTradingEnv`.
    """

    def __init__(self, feed: Feed, *, limits: OrderLimits | None, **arguments: Any) -> None:
        self.limits = limits
        super().__init__(feed, **arguments)

    # ---- the hooks ----

    def _take_action(self, action: Any) -> None:
        engine = self.engine
        if not engine.python_scheme:
            self._actions[:] = self._discrete(action) if self._count else self._box(action)
        seams.act(engine, 0, action)
        self._ready = False
        if self.limits is not None:
            self._refused = keep_within(self, self.limits)
        seams.quote_phase(engine, 0)
        self._price_orders()
        seams.fill(engine, 0)

    def _price_orders(self) -> None:
        return  # whoever knows better than the slippage model what orders pay says it here


def keep_within(env: LiveTradingEnv, limits: Any) -> list[dict[str, Any]]:
    """Take out of the pending orders what the limits forbid; what was refused, and why."""
    engine = env.engine
    account, orders = engine.state.accounts[0], engine.state.orders[0]
    positions = np.array(engine.state.positions[0]["quantity"])
    free = np.abs(positions) - engine.state.positions[0]["locked"]
    refused: list[dict[str, Any]] = []
    kept = 0
    for k in range(int(account.pending)):
        order = orders[k]
        if not 0.0 < order.quantity < np.inf:
            orders[kept] = order  # the exchange says what it is
            kept += 1
            continue
        reason, value = _judged(env, limits, order, positions, kept)
        if reason is None:
            positions[order.symbol] += order.side * _moves(order, positions, free)
            orders[kept] = order
            kept += 1
            continue
        order.order_id = account.next_order_id
        account.next_order_id += 1
        record_reject(account, order, engine.state.rejects[0], RISK_LIMIT)
        side = "buy" if order.side > 0 else "sell"
        refused.append({"symbol": engine.symbols[order.symbol], "side": side, "value": value, "reason": reason})
    account.pending = kept
    return refused


def _moves(order: Any, positions: Any, free: Any) -> float:
    held, quantity = float(positions[order.symbol]), float(order.quantity)
    if abs(held + order.side * quantity) > abs(held):
        return quantity
    # what may not be carried out makes no room for another order
    return max(0.0, min(quantity, float(free[order.symbol]))) if order.kind == MARKET else 0.0


def _judged(env: LiveTradingEnv, limits: Any, order: Any, positions: Any, accepted: int) -> tuple[str | None, float]:
    engine = env.engine
    account, j = engine.state.accounts[0], int(order.symbol)
    price = float(engine.rows["open"][account.row, j]) if order.kind == MARKET else float(order.price)
    before, after = abs(positions[j]), abs(positions[j] + order.side * order.quantity)
    value, makes = float(order.quantity) * price, after * price
    if order.sized == 1 and engine.spec.exchange.account is None:
        # it is cut to what the account affords, which without credit is its equity
        value, makes = min(value, float(account.equity)), min(makes, float(account.equity))
    if after <= before:
        return None, value
    book = engine.state.book[0][: int(account.resting)]
    same = book[(book["symbol"] == j) & (book["side"] == order.side)]
    resting = float((same["quantity"] * same["price"]).sum())
    exposure = Exposure(
        equity=float(account.equity),
        position=makes - value + resting,
        resting=len(book),
        accepted=accepted,
        killed=False,
    )
    return refusal(limits, exposure, value=value, buys=True, rests=order.kind != MARKET), value
