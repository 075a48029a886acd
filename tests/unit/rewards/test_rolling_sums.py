"""The sums under the rolling ratios, against integers that hold every bit of every return."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tradeready_gym.rewards import RiskAdjustedReturns, SharpeReward, SortinoReward, ratio
from tradeready_gym.testing.kernels import require_equal, run_compiled

Numbers = npt.NDArray[np.float64]
# every double is a whole number of these
FINEST = 1074
WINDOW = 50


def exact_levels(returns: Numbers, window: int, downside: bool) -> list[float]:
    """The clipped ratio of each window in whole numbers, rounded once at the end."""
    whole = [int(top * ((1 << FINEST) // bottom)) for top, bottom in map(float.as_integer_ratio, returns.tolist())]
    counted = [min(number, 0) if downside else number for number in whole]
    levels, total, squares = [], 0, 0
    for k in range(len(whole)):
        total += whole[k]
        squares += counted[k] ** 2
        if k >= window:
            total -= whole[k - window]
            squares -= counted[k - window] ** 2
        count = min(k + 1, window)
        # deviation x count, and no less than a billionth x count
        root = math.isqrt(count * squares - (0 if downside else total * total))
        top, bottom = (10**9 * total, count << FINEST) if 10**9 * root < count << FINEST else (total, root)
        clipped = 10 * bottom if top > 10 * bottom else max(top, -10 * bottom)
        levels.append(clipped / bottom if count >= 2 else 0.0)
    return levels


def paid_levels(returns: Numbers, window: int, downside: bool) -> list[float]:
    memory, levels = [0.0] * (ratio.SUMS + window), []
    for change in returns.tolist():
        ratio.ratio_change(change, memory, window, downside)
        levels.append(memory[1])
    return levels


def worst_difference(returns: Numbers, window: int = WINDOW, downside: bool = False) -> float:
    paid, exact = paid_levels(returns, window, downside), exact_levels(returns, window, downside)
    return max(abs(ours - theirs) for ours, theirs in zip(paid, exact, strict=True))


def usual(steps: int, size: float = 0.01, seed: int = 0) -> Numbers:
    return np.random.default_rng(seed).normal(0.01 * size, size, steps)


def with_giants(size: float, *giants: float) -> Numbers:
    """Usual returns of this size, and now and then these, one after the other within a window."""
    returns = usual(5_000, size)
    for place, giant in enumerate(giants):
        returns[7 * place :: 331] = giant
    return returns


def over_many_sizes() -> Numbers:
    random = np.random.default_rng(3)
    return np.asarray(random.choice([-1.0, 1.0], 5_000) * 10.0 ** random.uniform(-12.0, 0.0, 5_000))


def of_an_equity() -> Numbers:
    equity = np.round(10_000.0 * np.cumprod(1.0 + usual(5_000, 0.004, seed=5)), 2)
    return np.asarray(np.diff(equity) / equity[:-1])


SERIES: dict[str, Callable[[], Numbers]] = {
    "usual": lambda: usual(5_000),
    "tiny": lambda: usual(5_000, 1e-7),
    "of an equity": of_an_equity,
    "constant": lambda: np.full(400, 0.3),
    "constant and tiny": lambda: np.full(400, 1.1e-9),
    "alternating": lambda: np.where(np.arange(2_000) % 2, 0.01, -0.0099),
    "at times none": lambda: np.where(np.arange(5_000) // 120 % 2, usual(5_000), 0.0),
    "a thousand times larger": lambda: with_giants(1e-3, 1.0),
    "a billion times larger": lambda: with_giants(1e-5, 1e4),
    "1e50 times larger": lambda: with_giants(1e-44, 1e6),
    "giants together": lambda: with_giants(0.01, 1e6, 1e3, -1.0, 1e5),
    "ruinous": lambda: with_giants(0.01, -1.0, -0.9999),
    "many sizes": over_many_sizes,
}


@pytest.mark.parametrize("downside", [False, True], ids=["sharpe", "sortino"])
@pytest.mark.parametrize("name", SERIES)
def test_the_ratio_is_that_of_exact_sums_whatever_came_before(name: str, downside: bool) -> None:
    assert worst_difference(SERIES[name](), downside=downside) < 1e-13


@pytest.mark.parametrize(("window", "downside"), [(2, True), (50, False)])
def test_the_hundred_thousandth_step_is_as_exact_as_the_first(window: int, downside: bool) -> None:
    assert worst_difference(usual(100_000), window, downside) < 1e-12


@pytest.mark.parametrize("downside", [False, True], ids=["sharpe", "sortino"])
@pytest.mark.parametrize("name", SERIES)
def test_a_window_of_zeros_has_no_ratio_whatever_came_before(name: str, downside: bool) -> None:
    returns = np.concatenate([SERIES[name](), np.zeros(WINDOW)])

    assert paid_levels(returns, WINDOW, downside)[-1] == 0.0


def test_the_sums_of_usual_returns_are_exactly_nothing_once_they_have_left() -> None:
    memory = [0.0] * (ratio.SUMS + WINDOW)
    for change in [*of_an_equity().tolist(), *[0.0] * WINDOW]:
        count, total, deviations = ratio.roll(change, memory, WINDOW, False)

    assert (count, total, deviations) == (WINDOW, 0.0, 0.0)


SCHEMES = [SharpeReward(7), SortinoReward(7), RiskAdjustedReturns("sharpe", 1e-3), RiskAdjustedReturns("sortino", 0, 1)]
# from next to nothing to riches and below nothing, again and again
WILD = np.concatenate([[1e-300, 1e300, 1e-9, 1e7, 0.0, 1.0, -1e300, 5e-324, -1e300, 1.0], 1e4 + usual(90, 10.0)] * 4)


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_wild_equity_pays_finite_numbers_and_the_same_bits_when_compiled(scheme: Any) -> None:
    parameters, paid = np.array(scheme.parameters), np.zeros(len(WILD) - 1)

    def driver(pay: Callable[..., float]) -> Callable[..., None]:
        def drive(equity: Any, memory: Any, parameters: Any, paid: Any) -> None:
            for k in range(len(paid)):
                paid[k] = pay(equity[k], equity[k + 1], None, memory, parameters)

        return drive

    memory = [0.0] * scheme.memory_size
    interpreted = [scheme.kernel(a, b, None, memory, scheme.parameters) for a, b in pairwise(WILD.tolist())]
    run_compiled(scheme, driver, WILD, np.zeros(scheme.memory_size), parameters, paid)

    assert np.isfinite(interpreted).all()
    require_equal(scheme, np.array(interpreted), paid, lambda k: f"equity {WILD[k]!r} -> {WILD[k + 1]!r}")


@pytest.mark.parametrize("scheme", [SharpeReward(WINDOW), SortinoReward(WINDOW)], ids=["sharpe", "sortino"])
def test_wild_equity_leaves_no_trace_once_it_has_left_the_window(scheme: Any) -> None:
    equity = np.concatenate([WILD, 1e4 * np.cumprod(1.0 + usual(2 * WINDOW))])
    memory = [0.0] * scheme.memory_size
    level = math.fsum(scheme.kernel(a, b, None, memory, scheme.parameters) for a, b in pairwise(equity.tolist()))
    last = np.diff(equity[-WINDOW - 1 :]) / equity[-WINDOW - 1 : -1]

    assert level == pytest.approx(exact_levels(last, WINDOW, isinstance(scheme, SortinoReward))[-1], abs=1e-9)


# ---- planted defects


def without_the_low_word(high: float, low: float, entering: float, leaving: float) -> tuple[float, float]:
    return high + (entering - leaving), 0.0


def without_what_leaves(high: float, low: float, entering: float, leaving: float) -> tuple[float, float]:
    return ROLLED(high, low, entering, 0.0)


def with_a_rounded_change(high: float, low: float, entering: float, leaving: float) -> tuple[float, float]:
    total, rest = ratio.two_sum(high, entering - leaving)
    return ratio.two_sum(total, low + rest)


ROLLED = ratio.rolled
DEFECTS = [without_the_low_word, without_what_leaves, with_a_rounded_change]


@pytest.mark.parametrize("broken", DEFECTS)
def test_sums_that_are_kept_otherwise_are_caught(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratio, "rolled", broken)

    assert max(worst_difference(SERIES[name]()) for name in SERIES) > 1e-9
