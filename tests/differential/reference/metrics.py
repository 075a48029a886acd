"""Account scalars (section 8) and the metrics of an episode (section 9), from the results of its steps."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from reference.inputs import ZERO
from reference.orders import Fill
from reference.rewards import drawdowns, returns


class Step(Protocol):
    """The part of a step's result that the metrics read."""

    @property
    def equity(self) -> Decimal: ...
    @property
    def positions(self) -> list[Decimal]: ...
    @property
    def fills(self) -> list[Fill]: ...


def account_scalars(
    cash: Decimal, starting_balance: Decimal, values: list[Decimal], unrealized: Decimal, equity: Decimal
) -> dict[str, Decimal | list[Decimal]]:
    """`balance`, one `position` for each symbol, and `unrealized_pnl`, as shares."""
    return {
        "balance": cash / starting_balance,
        "position": [value / equity if equity else ZERO for value in values],
        "unrealized_pnl": unrealized / equity if equity else ZERO,
    }


def episode_metrics(
    starting_balance: Decimal, steps: Sequence[Step], bars_per_day: int
) -> dict[str, Decimal | int | None]:
    """The table of section 9; a metric that has no value is None. Drawdown duration is in steps."""
    curve = [starting_balance, *(step.equity for step in steps)]
    per_year = Decimal("365.25") * bars_per_day
    moves = returns(curve)
    deviation, downside = _deviation(moves), _downside(moves)
    fills = [fill for step in steps for fill in step.fills]
    trips = round_trips(fills, len(steps[0].positions) if steps else 0)
    gains = sum((trip for trip in trips if trip > 0), ZERO)
    losses = -sum((trip for trip in trips if trip < 0), ZERO)
    traded = sum((fill.price * fill.quantity for fill in fills), ZERO)
    depth, duration = deepest_drawdown(curve)
    return {
        "roi_pct": 100 * (curve[-1] / starting_balance - 1),
        "sharpe_ratio": _ratio(moves, deviation, per_year),
        "sortino_ratio": _ratio(moves, downside, per_year),
        "deviation": deviation,
        "downside": downside,
        "max_drawdown_pct": 100 * depth,
        "max_drawdown_steps": duration,
        "total_trades": len(fills),
        "round_trips": len(trips),
        "win_rate": Decimal(sum(trip > 0 for trip in trips)) / len(trips) if trips else None,
        "profit_factor": gains / losses if losses else None,
        "turnover": traded / sum(curve[1:], ZERO) * per_year if any(curve[1:]) else None,
        "exposure": Decimal(sum(any(step.positions) for step in steps)) / len(steps) if steps else None,
    }


def round_trips(fills: list[Fill], symbols: int) -> list[Decimal]:
    """The gain after fees of every trip from flat to flat, in the order in which they ended.

    A trade through zero ends a trip and begins one; they share its fee by quantity.
    """
    held, gain, trips = [ZERO] * symbols, [ZERO] * symbols, []
    for fill in fills:
        before = held[fill.symbol]
        after = before + (fill.quantity if fill.side == "buy" else -fill.quantity)
        later_fee = fill.fee * abs(after) / fill.quantity if before * after < 0 else ZERO
        gain[fill.symbol] += fill.realized_pnl - (fill.fee - later_fee)
        if after == 0 or before * after < 0:
            trips.append(gain[fill.symbol])
            gain[fill.symbol] = -later_fee
        held[fill.symbol] = after
    return trips


def deepest_drawdown(curve: list[Decimal]) -> tuple[Decimal, int]:
    """The largest (peak - e) / peak, and the steps from its peak to the first equity that reaches it again, or the end."""
    losses = drawdowns(curve)
    depth = max(losses)
    if depth == 0:
        return ZERO, 0
    bottom = losses.index(depth)
    peak = max(curve[: bottom + 1])
    start = max(index for index in range(bottom) if curve[index] == peak)
    recovery = next((index for index in range(bottom, len(curve)) if curve[index] >= peak), len(curve) - 1)
    return depth, recovery - start


def _ratio(moves: list[Decimal], spread: Decimal | None, per_year: Decimal) -> Decimal | None:
    return sum(moves, ZERO) / len(moves) / spread * per_year.sqrt() if spread else None


def _deviation(moves: list[Decimal]) -> Decimal | None:
    if len(moves) < 2:
        return None
    mean = sum(moves, ZERO) / len(moves)
    return (sum(((move - mean) ** 2 for move in moves), ZERO) / (len(moves) - 1)).sqrt()


def _downside(moves: list[Decimal]) -> Decimal | None:
    if not moves:
        return None
    return (sum((min(move, ZERO) ** 2 for move in moves), ZERO) / len(moves)).sqrt()
