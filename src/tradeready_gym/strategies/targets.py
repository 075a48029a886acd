"""From the share of the equity that a rule wants to hold to the actions of whatever scheme the environment has."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.actions import ActionScheme, ContinuousOrder, HoldBuySell, PortfolioWeights, TargetPosition
from tradeready_gym.actions.base import SPENDABLE
from tradeready_gym.actions.holdings import Holdings
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.strategies.situation import Situation

Numbers = npt.NDArray[np.float64]


def actions_towards(targets: Numbers, situation: Situation) -> npt.NDArray[Any]:
    """Actions for N accounts that bring the weights to `targets` (N, S) as fast as the scheme can; NaN leaves a symbol.

    A target of 1 means all the cash there is, a target of 0 the whole position. Hold/buy/sell has nothing between: it buys
    towards a target, and sells at 0 only.

    Raises:
        ConfigurationError: the scheme is not one of ours.
    """
    scheme = situation.action_scheme
    weights = situation.weights
    if isinstance(scheme, Holdings):
        return np.where(np.isnan(targets), weights, targets)
    if isinstance(scheme, PortfolioWeights):
        return np.where(np.isnan(targets), weights, targets).astype(np.float32)
    target, weight, missing = targets[:, 0], weights[:, 0], np.isnan(targets[:, 0])
    if isinstance(scheme, TargetPosition):
        wanted = np.where(missing, weight, target)
        return np.asarray(np.abs(np.asarray(scheme.positions) - wanted[:, None]).argmin(axis=1))
    spendable = situation.cash_share > SPENDABLE
    if isinstance(scheme, HoldBuySell):
        # half an order short of the target is as near as whole orders come
        short_of = (target >= 1.0) | (target - weight > scheme.position_size / 2.0)
        buy = ~missing & spendable & (target > 0.0) & short_of
        sell = ~missing & (target <= 0.0) & (weight > 0.0)
        return np.where(buy, 1, np.where(sell, 2, 0))
    if isinstance(scheme, ContinuousOrder):
        size = np.clip((target - weight) / scheme.position_size, -1.0, 1.0)
        size = np.where((target >= 1.0) & spendable, 1.0, size)
        size = np.where((target <= 0.0) & (weight > 0.0), -1.0, size)
        idle = missing | ((size > 0.0) & ~spendable)
        return np.where(idle, 0.0, size).astype(np.float32)[:, None]
    raise _unknown_scheme(scheme)


def _unknown_scheme(scheme: ActionScheme) -> ConfigurationError:
    return ConfigurationError(
        f"targets can be said in hold/buy/sell, continuous, portfolio and target positions; this environment has "
        f"{type(scheme).__name__}. Play it on strategies.holdings.baseline_environment(environment), or derive from "
        f"TradingStrategy and write decide() for it"
    )
