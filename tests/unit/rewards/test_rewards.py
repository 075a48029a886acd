"""Rewards: the documented numbers, by hand."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from small_worlds import assert_same, candles_of, play, random_candles, small_env
from tradeready_gym.actions import TargetPosition
from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.rewards import (
    REWARD_SCHEMES,
    CompositeReward,
    CustomReward,
    DrawdownPenaltyReward,
    LogReturnReward,
    PnLReward,
    RewardScheme,
    SharpeReward,
    SortinoReward,
    make_reward_scheme,
)

EQUITY = (10_000.0, 10_100.0, 10_000.0, 10_200.0, 10_150.0, 10_150.0)


def rewards_of(scheme: RewardScheme | str, equity: Any = EQUITY) -> list[float]:
    """What an account of exactly this equity is paid: everything is held, at prices that make it so."""
    prices = np.array([equity[0], *equity]) / 100.0
    env = small_env(candles_of(prices), action_scheme=TargetPosition(), reward_scheme=scheme, lookback_window=1)
    env.reset(seed=0)
    outcomes = [env.step(0 if step == 0 else 1) for step in range(len(equity))]
    np.testing.assert_allclose([outcome[4]["equity"] for outcome in outcomes], equity, rtol=1e-14)
    return [outcome[1] for outcome in outcomes[1:]]


def test_pnl_pays_the_difference() -> None:
    assert rewards_of(PnLReward()) == pytest.approx([100.0, -100.0, 200.0, -50.0, 0.0], abs=1e-9)


def test_log_return_pays_the_logarithm_and_sums_to_that_of_the_episode() -> None:
    paid = rewards_of(LogReturnReward())

    assert paid == pytest.approx([math.log(b / a) for a, b in pairwise(EQUITY)], abs=1e-12)
    assert math.fsum(paid) == pytest.approx(math.log(10_150 / 10_000), abs=1e-12)


def kernel_rewards(scheme: Any, equity: Any = EQUITY) -> list[float]:
    memory, parameters = np.zeros(scheme.memory_size), np.array(scheme.parameters)
    return [scheme.kernel(a, b, None, memory, parameters) for a, b in pairwise(equity)]


def test_sharpe_pays_the_documented_numbers() -> None:
    wanted = [0.0, 0.004975, 0.534099, -0.21921, -0.036652]

    assert [round(paid, 6) for paid in kernel_rewards(SharpeReward())] == wanted


def test_sortino_pays_the_documented_numbers() -> None:
    wanted = [0.0, 0.007071, 1.16495, -0.484249, -0.07261]

    assert [round(paid, 6) for paid in kernel_rewards(SortinoReward())] == wanted


@pytest.mark.parametrize("scheme", [SharpeReward(), SortinoReward()])
def test_an_environment_pays_what_the_kernel_says(scheme: Any) -> None:
    waited = (EQUITY[0], *EQUITY)

    assert rewards_of(scheme) == pytest.approx(kernel_rewards(scheme, waited)[1:], abs=1e-12)


def exact_ratio(window: Any, downside: bool) -> float:
    """The ratio from its definition."""
    if len(window) < 2:
        return 0.0
    mean = math.fsum(window) / len(window)
    if downside:
        deviation = math.sqrt(math.fsum(min(r, 0.0) ** 2 for r in window) / len(window))
    else:
        deviation = math.sqrt(math.fsum((r - mean) ** 2 for r in window) / len(window))
    return min(max(mean / max(deviation, 1e-9), -10.0), 10.0)


@pytest.mark.parametrize("scheme", [SharpeReward(), SharpeReward(window=7), SortinoReward(), SortinoReward(window=2)])
def test_rolling_sums_do_not_drift_over_100_000_steps(scheme: Any) -> None:
    random = np.random.default_rng(0)
    returns = random.normal(0.0001, 0.01, 100_000)
    # now and then a market without moves, and a crash
    returns[20_000:20_500] = 0.0
    returns[::9_973] = -0.3
    equity = 10_000.0 * np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    equity /= np.exp(np.linspace(0.0, math.log(equity[-1] / equity[0]), len(equity)))
    seen = np.diff(equity) / equity[:-1]
    memory, parameters = np.zeros(scheme.memory_size), np.array(scheme.parameters)
    downside, worst, ratio, total = isinstance(scheme, SortinoReward), 0.0, 0.0, 0.0

    for k in range(len(seen)):
        total += scheme.kernel(equity[k], equity[k + 1], None, memory, parameters)
        if k % 13 == 0 or k < 200:
            ratio = exact_ratio(seen[max(0, k + 1 - scheme.window) : k + 1], downside)
            worst = max(worst, abs(total - ratio))

    assert worst < 1e-9


@pytest.mark.parametrize("scheme", [SharpeReward(), SortinoReward()])
def test_steady_gains_pay_one_bounded_step_and_never_a_spike(scheme: Any) -> None:
    paid = kernel_rewards(scheme, 10_000.0 * 1.001 ** np.arange(200.0))

    assert max(paid) == pytest.approx(10.0)
    assert sum(paid) == pytest.approx(10.0)
    assert all(abs(reward) <= 10.0 for reward in paid)


PAID_FOR_ACTIVITY = {"composite", "simple_profit_score", "turnover_penalty", "holding_penalty"}


@pytest.mark.parametrize("name", sorted(set(REWARD_SCHEMES) - PAID_FOR_ACTIVITY))
def test_a_market_that_stands_still_pays_nothing(name: str) -> None:
    assert rewards_of(name, [10_000.0] * 8) == [0.0] * 7


@pytest.mark.parametrize("name", sorted(REWARD_SCHEMES))
def test_rewards_are_finite_in_a_crash_to_nothing(name: str) -> None:
    prices = np.concatenate([[100.0, 100.0], 100.0 * 0.5 ** np.arange(60.0)])
    env = small_env(candles_of(prices), action_scheme="target_position", reward_scheme=name, max_loss=1.0)

    assert all(math.isfinite(outcome[1]) for outcome in play(env, [1] * 60)[1:])


def test_drawdown_penalty_is_return_on_the_start_less_the_share_below_the_peak() -> None:
    peaks = np.maximum.accumulate(EQUITY)
    wanted = [(b - a) / 10_000.0 - 2.5 * (peaks[k + 1] - b) / peaks[k + 1] for k, (a, b) in enumerate(pairwise(EQUITY))]

    assert rewards_of(DrawdownPenaltyReward(penalty_coeff=2.5)) == pytest.approx(wanted, abs=1e-12)


def test_composite_is_the_weighted_sum_of_its_parts() -> None:
    candles = random_candles(80, seed=3)
    scheme = CompositeReward(
        sortino_weight=0.1,
        pnl_weight=0.6,
        activity_weight=0.25,
        drawdown_weight=0.05,
        sortino_window=5,
        activity_bonus=0.4,
    )
    env = small_env(candles, reward_scheme=scheme, fee_rate=0.001)
    outcomes = play(env, [1, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0])
    equity = [outcome[-1]["equity"] for outcome in outcomes]
    returns: list[float] = []
    ratio = idle = 0.0

    for k, outcome in enumerate(outcomes[1:], start=1):
        returns.append((equity[k] - equity[k - 1]) / equity[k - 1])
        before, ratio = ratio, exact_ratio(returns[-5:], True)
        idle = 0.0 if outcome[4]["filled_orders"] else idle + 1.0
        activity = 0.4 if outcome[4]["filled_orders"] else -0.4 * min(idle / 5.0, 1.0)
        peak = max(equity[: k + 1])
        wanted = (
            0.1 * (ratio - before)
            + 0.6 * (equity[k] - equity[k - 1]) / 10_000.0
            + 0.25 * activity
            - 0.05 * (peak - equity[k]) / peak
        )
        assert outcome[1] == pytest.approx(wanted, abs=1e-9)


def test_composite_has_the_published_keywords_and_defaults() -> None:
    assert CompositeReward() == CompositeReward(
        sortino_weight=0.4,
        pnl_weight=0.3,
        activity_weight=0.2,
        drawdown_weight=0.1,
        sortino_window=50,
        activity_bonus=1.0,
    )
    assert CompositeReward(starting_balance=500.0).parameters[-1] == 500.0


@pytest.mark.parametrize(
    "arguments",
    [
        {"sortino_weight": 0.5},
        {"pnl_weight": math.nan},
        {"sortino_window": 1},
        {"activity_bonus": -0.1},
        {"starting_balance": 0.0},
    ],
)
def test_impossible_composites_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        CompositeReward(**arguments)


@pytest.mark.parametrize("window", [1, 0, -5, 2.5, "50", None])
def test_impossible_windows_are_refused(window: Any) -> None:
    for scheme in (SharpeReward, SortinoReward):
        with pytest.raises(ConfigurationError, match="window must be an integer of at least 2 steps"):
            scheme(window=window)


def test_an_unknown_reward_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="sharpe"):
        make_reward_scheme("sharp")


@pytest.mark.parametrize("name", sorted(REWARD_SCHEMES))
def test_reset_forgets_the_episode(name: str) -> None:
    env = small_env(random_candles(60), reward_scheme=name, fee_rate=0.001)
    first = play(env, [1, 0, 2, 1, 0, 0, 2] * 3, seed=1)
    play(env, [1] * 40, seed=2)

    assert_same(first, play(env, [1, 0, 2, 1, 0, 0, 2] * 3, seed=1))


# ---- plain Python ----


class PlainPnL(CustomReward):
    """The compiled PnL, in plain Python, which also keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[Any] = []
        self.resets = 0

    def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
        self.given.append(info)
        return curr_equity - prev_equity

    def reset(self) -> None:
        self.given.clear()
        self.resets += 1


def test_a_python_reward_equals_its_compiled_twin_and_gets_the_very_info() -> None:
    candles, actions = random_candles(60), [1, 0, 2, 1, 1, 0, 2] * 4
    python = small_env(candles, reward_scheme=PlainPnL(), fee_rate=0.001)
    outcomes = play(python, actions)

    assert_same(outcomes, play(small_env(candles, reward_scheme="pnl", fee_rate=0.001), actions))
    given = python.reward_scheme.given  # type: ignore[attr-defined]
    assert len(given) == len(outcomes) - 1
    assert all(info is outcome[4] for info, outcome in zip(given, outcomes[1:], strict=True))


def test_the_info_of_a_python_reward_has_the_fills_of_its_step() -> None:
    class PaysForTrades(CustomReward):
        def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
            return float(len(info["filled_orders"]))

    env = small_env(random_candles(60), reward_scheme=PaysForTrades())

    assert [outcome[1] for outcome in play(env, [1, 0, 2, 2])[1:]] == [1.0, 0.0, 1.0, 0.0]


def test_each_sub_environment_has_its_own_copy_of_a_python_reward() -> None:
    original = PlainPnL()
    vector = TradingVectorEnvironment(
        data=random_candles(60), num_envs=3, reward_scheme=original, lookback_window=2, interpreted=True
    )
    twin = TradingVectorEnvironment(data=random_candles(60), num_envs=3, lookback_window=2, interpreted=True)
    actions = [np.array([k % 3, 1, 2]) for k in range(70)]

    for one, other in zip(play(vector, actions), play(twin, actions), strict=True):
        assert_same(one, other)
    assert original.given == [] and original.resets == 0
    assert len({id(reward) for reward in vector.engine.rewards}) == 3


def test_a_python_reward_is_reset_with_every_episode_of_its_sub_environment() -> None:
    vector = TradingVectorEnvironment(
        data=random_candles(30),
        num_envs=2,
        reward_scheme=PlainPnL(),
        lookback_window=2,
        interpreted=True,
        slippage="none",
    )
    play(vector, [np.array([0, 0])] * 60)

    rewards: list[Any] = vector.engine.rewards
    assert [reward.resets for reward in rewards] == [3, 3]


@pytest.mark.parametrize("paid", [math.nan, math.inf, -math.inf])
def test_a_reward_that_is_no_number_is_named(paid: float) -> None:
    class Odd(CustomReward):
        def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
            return paid

    env = small_env(random_candles(60), reward_scheme=Odd())
    env.reset(seed=0)

    with pytest.raises(ConfigurationError, match=rf"Odd.compute returned {paid!r}"):
        env.step(1)
