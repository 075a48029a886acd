"""A weighted sum of rewards is the sum of what each pays alone."""

import copy
import math
import pickle
from typing import Any

import pytest

from small_worlds import play, random_candles, small_env
from tradeready_gym.engine.cache import source_key
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.rewards import (
    CustomReward,
    DrawdownPenaltyReward,
    HoldingPenalty,
    PnLReward,
    RewardScheme,
    SharpeReward,
    SimpleProfit,
    SortinoReward,
    TurnoverPenalty,
    WeightedSum,
)
from tradeready_gym.testing import check_reward

ACTIONS = [1, 0, 2, 1, 1, 0, 0, 2] * 5


def paid_by(scheme: RewardScheme | str) -> list[float]:
    env = small_env(random_candles(80, seed=2), action_scheme="hold_buy_sell", reward_scheme=scheme, fee_rate=0.001)
    return [outcome[1] for outcome in play(env, ACTIONS)[1:]]


def test_it_pays_the_weighted_sum_of_its_terms() -> None:
    terms: list[tuple[RewardScheme, float]] = [
        (SharpeReward(window=5), 2.0),
        (TurnoverPenalty(coeff=0.5), 1.0),
        (PnLReward(), -0.01),
        (SharpeReward(window=20), 0.25),
    ]
    alone = [[weight * reward for reward in paid_by(scheme)] for scheme, weight in terms]

    assert paid_by(WeightedSum(terms)) == pytest.approx([math.fsum(row) for row in zip(*alone, strict=True)], abs=1e-12)


def test_one_term_is_the_term_itself() -> None:
    assert paid_by(WeightedSum({"sharpe": 1.0})) == paid_by("sharpe")


def test_terms_are_given_by_name_by_object_or_as_another_sum() -> None:
    inner = WeightedSum({"sharpe": 1.0, "simple_profit": 3.0})
    outer = WeightedSum([(inner, 0.5), ("holding_penalty", 0.1)])
    flat = WeightedSum([(SharpeReward(), 0.5), (SimpleProfit(), 1.5), (HoldingPenalty(), 0.1)])

    assert paid_by(outer) == pytest.approx(paid_by(flat), abs=1e-12)


@pytest.mark.parametrize(
    "scheme",
    [
        WeightedSum({"sharpe": 1.0, "turnover_penalty": 0.1, "calmar": 0.2}),
        WeightedSum([(WeightedSum({"simple_profit_score": 1.0, "differential_sharpe": -1.0}), 0.5), ("pnl", -1e9)]),
    ],
    ids=["flat", "nested"],
)
def test_a_sum_passes_the_conformance_suite(scheme: WeightedSum) -> None:
    check_reward(scheme)


def test_it_is_a_value() -> None:
    scheme = WeightedSum({"sharpe": 1.0, "turnover_penalty": 0.1})
    names = {kind.__name__: kind for kind in (WeightedSum, SharpeReward, TurnoverPenalty)}

    assert pickle.loads(pickle.dumps(scheme)) == scheme == copy.deepcopy(scheme) == eval(repr(scheme), names)
    assert hash(scheme) == hash(copy.deepcopy(scheme))
    assert scheme.kernel is copy.deepcopy(scheme).kernel


def test_other_weights_are_other_parameters_of_the_same_kernel() -> None:
    one, other = WeightedSum([(SharpeReward(5), 1.0)]), WeightedSum([(SharpeReward(9), 2.0)])

    assert one.kernel is other.kernel
    assert one.parameters != other.parameters


def test_sums_of_other_rewards_are_compiled_apart() -> None:
    sharpe, sortino = SharpeReward(), SortinoReward()
    sums: list[list[RewardScheme]] = [
        [sharpe, sharpe, sortino],
        [sharpe, sortino, sortino],
        [sortino, sharpe],
        [sharpe, sortino],
        [sharpe],
    ]
    kernels = [WeightedSum([(scheme, 1.0) for scheme in terms]).kernel for terms in sums]

    assert len({source_key((kernel,)) for kernel in kernels}) == len(sums)


class Plain(CustomReward):
    def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
        return 0.0


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([], "at least one pair"),
        ([(Plain(), 1.0)], "written in plain Python"),
        ({"pnl": math.inf}, "must be a finite number"),
        ({"pnl": 1e10}, "must be a finite number"),
        ({"pnl": True}, "must be a finite number"),
        (["pnl"], "needs pairs"),
        ([("pnl", 1.0, 2.0)], "needs pairs"),
    ],
)
def test_an_impossible_sum_is_refused(terms: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        WeightedSum(terms)


def test_an_unknown_term_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="sharpe"):
        WeightedSum({"sharp": 1.0})


def test_a_fine_has_the_sign_of_its_weight() -> None:
    below = WeightedSum([(DrawdownPenaltyReward(), 1.0), (TurnoverPenalty(), 1.0)])

    assert sum(paid_by(below)) < sum(paid_by(DrawdownPenaltyReward()))
