"""Rewards (section 7), each recomputed from the whole equity curve: `curve[0]` is the starting balance."""

from decimal import Decimal, localcontext
from itertools import pairwise

from reference.inputs import ONE, ZERO, exact, exact_context

SMALLEST_DEVIATION = Decimal(10) ** -9
LARGEST_RATIO = Decimal(10)

Curve = list[Decimal]


def pnl(curve: Curve) -> list[Decimal]:
    """e - p."""
    with localcontext(exact_context()):
        return [after - before for before, after in _steps(curve)]


def log_return(curve: Curve) -> list[Decimal]:
    """ln(e / p)."""
    with localcontext(exact_context()):
        return [(after / before).ln() for before, after in _steps(curve)]


def sharpe(curve: Curve, window: int = 50) -> list[Decimal]:
    """The change of the rolling mean over the population deviation."""
    with localcontext(exact_context()):
        return _changes(curve, window, _population_deviation)


def sortino(curve: Curve, window: int = 50) -> list[Decimal]:
    """The change of the rolling mean over the downside deviation of the whole window."""
    with localcontext(exact_context()):
        return _changes(curve, window, _downside_deviation)


def drawdown_penalty(curve: Curve, coeff: float = 1.0) -> list[Decimal]:
    """(e - p) / starting_balance - coeff * (peak - e) / peak; the peak includes the start and e itself."""
    with localcontext(exact_context()):
        changes = [(after - before) / curve[0] for before, after in _steps(curve)]
        return [change - exact(coeff) * loss for change, loss in zip(changes, drawdowns(curve)[1:], strict=True)]


def composite(
    curve: Curve,
    traded: list[bool],
    *,
    sortino_weight: float = 0.4,
    pnl_weight: float = 0.3,
    activity_weight: float = 0.2,
    drawdown_weight: float = 0.1,
    sortino_window: int = 50,
    activity_bonus: float = 1.0,
) -> list[Decimal]:
    """Weighted sum: change of Sortino, PnL over the starting balance, activity, minus the drawdown.

    `traded[k]` says whether step k filled an order: + bonus then, else - bonus * min(idle steps / window, 1).
    """
    with localcontext(exact_context()):
        ratios, losses, bonus = sortino(curve, sortino_window), drawdowns(curve)[1:], exact(activity_bonus)
        rewards, idle = [], 0
        for step, (before, after) in enumerate(_steps(curve)):
            idle = 0 if traded[step] else idle + 1
            activity = bonus if traded[step] else -bonus * min(Decimal(idle) / sortino_window, ONE)
            rewards.append(
                exact(sortino_weight) * ratios[step]
                + exact(pnl_weight) * (after - before) / curve[0]
                + exact(activity_weight) * activity
                - exact(drawdown_weight) * losses[step]
            )
        return rewards


def drawdowns(curve: Curve) -> list[Decimal]:
    """(peak - e) / peak at every point of the curve."""
    peak, losses = curve[0], []
    for equity in curve:
        peak = max(peak, equity)
        losses.append((peak - equity) / peak)
    return losses


def returns(curve: Curve) -> list[Decimal]:
    """(e - p) / p of every step."""
    return [(after - before) / before for before, after in _steps(curve)]


def _steps(curve: Curve) -> list[tuple[Decimal, Decimal]]:
    return list(pairwise(curve))


def _changes(curve: Curve, window: int, deviation: object) -> list[Decimal]:
    assert callable(deviation)
    every = returns(curve)
    ratios = [ZERO]
    for step in range(len(every)):
        seen = every[max(0, step + 1 - window) : step + 1]
        if len(seen) < 2:
            ratios.append(ZERO)
            continue
        ratio = sum(seen, ZERO) / len(seen) / max(deviation(seen), SMALLEST_DEVIATION)
        ratios.append(min(max(ratio, -LARGEST_RATIO), LARGEST_RATIO))
    return [after - before for before, after in _steps(ratios)]


def _population_deviation(values: list[Decimal]) -> Decimal:
    mean = sum(values, ZERO) / len(values)
    return (sum(((value - mean) ** 2 for value in values), ZERO) / len(values)).sqrt()


def _downside_deviation(values: list[Decimal]) -> Decimal:
    return (sum((min(value, ZERO) ** 2 for value in values), ZERO) / len(values)).sqrt()
