"""Every registered component is under the conformance suites by being registered."""

import pytest

from tradeready_gym.actions import ACTION_SCHEMES, make_action_scheme
from tradeready_gym.exchanges import SLIPPAGE_MODELS, make_slippage
from tradeready_gym.rewards import REWARD_SCHEMES, make_reward_scheme
from tradeready_gym.testing import check_action_scheme, check_reward, check_slippage


@pytest.mark.parametrize("name", sorted(REWARD_SCHEMES))
def test_reward_passes_the_conformance_suite(name: str) -> None:
    # the change of a ratio that is clipped to +-10, or a weighted sum with one
    bounds = {"sharpe": 20.0, "sortino": 20.0}

    check_reward(make_reward_scheme(name), bound=bounds.get(name, float("inf")))


@pytest.mark.parametrize("name", sorted(ACTION_SCHEMES))
def test_action_scheme_passes_the_conformance_suite(name: str) -> None:
    check_action_scheme(make_action_scheme(name))


@pytest.mark.parametrize("name", sorted(SLIPPAGE_MODELS))
def test_slippage_model_passes_the_conformance_suite(name: str) -> None:
    check_slippage(make_slippage(name))
