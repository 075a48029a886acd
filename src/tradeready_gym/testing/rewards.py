"""Is a reward sound?"""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.actions import TargetPosition
from tradeready_gym.errors import CheckFailed, ConfigurationError
from tradeready_gym.ledger import ACCOUNT_DTYPE
from tradeready_gym.rewards import CustomReward, RewardScheme
from tradeready_gym.testing.environments import check_in_environments
from tradeready_gym.testing.kernels import require_equal, run_compiled

_START = 10_000.0


def check_reward(scheme: RewardScheme, *, bound: float = math.inf, seed: int = 0) -> None:
    """Check that a reward is finite and within `bound` always, deterministic, forgets at reset, and that copies of it are
    independent; that a kernel gives the same bits compiled and interpreted.

    It is asked about wild equity (losses of everything, of nothing, gains of a thousand times), and put through whole
    episodes in several markets, where `check_trading_env` looks on and a vector environment must equal single ones.

    Raises:
        CheckFailed: the first finding.
        ConfigurationError: `scheme` is no reward.
    """
    if not isinstance(scheme, RewardScheme):
        raise ConfigurationError(f"check_reward needs a RewardScheme object; got {scheme!r}")
    curve = _equity_curve(seed)
    first = _paid(scheme, curve)
    for k, reward in enumerate(first):
        if not (isinstance(reward, float | int | np.number) and math.isfinite(reward)):
            raise CheckFailed(f"{scheme!r} must pay finite numbers; for equity {_move(curve, k)} it pays {reward!r}")
        if abs(reward) > bound:
            raise CheckFailed(f"{scheme!r} must stay within {bound!r}; for equity {_move(curve, k)} it pays {reward!r}")
    if _paid(scheme, curve) != first:
        raise CheckFailed(f"{scheme!r} must pay the same for the same episode; the second time it paid something else")
    if not isinstance(scheme, CustomReward):
        _check_kernel(scheme, curve)
    check_in_environments(scheme, ("BTCUSDT",), seed, action_scheme=TargetPosition(), reward_scheme=scheme)


def _equity_curve(seed: int) -> npt.NDArray[np.float64]:
    generator = np.random.Generator(np.random.PCG64(seed))
    usual = _START * np.exp(np.cumsum(generator.normal(0.0, 0.01, 150)))
    steady = _START * 1.001 ** np.arange(60.0)
    wild = [1e-9, 1e7, 1e-300, _START, _START, 3.0, 0.0, 0.0, 1.0, 1e10, np.nextafter(1e10, 0.0)]
    return np.concatenate([[_START], usual, np.full(60, _START), steady, steady[::-1], wild, usual])


def _move(curve: npt.NDArray[np.float64], k: int) -> str:
    return f"{curve[k]!r} -> {curve[k + 1]!r}"


def _paid(scheme: RewardScheme, curve: npt.NDArray[np.float64]) -> list[float]:
    if isinstance(scheme, CustomReward):
        own = copy.deepcopy(scheme)
        own.reset()
        steps = range(len(curve) - 1)
        return [own.compute(float(curve[k]), float(curve[k + 1]), _info(curve, k)) for k in steps]
    if scheme.kernel is None:
        raise CheckFailed(f"{scheme!r} needs a kernel, or derive it from CustomReward to write it in plain Python")
    paid = np.zeros(len(curve) - 1)
    accounts = _accounts(curve).view(np.recarray)
    _driver(scheme.kernel)(curve, accounts, np.zeros(scheme.memory_size), np.array(scheme.parameters, float), paid)
    return [float(reward) for reward in paid]


def _info(curve: npt.NDArray[np.float64], k: int) -> dict[str, Any]:
    equity = float(curve[k + 1])
    return {
        "equity": equity,
        "available_cash": equity,
        "position_value": 0.0,
        "unrealized_pnl": 0.0,
        "virtual_time": "2024-01-01T00:00:00Z",
        "step": k + 1,
        "total_steps": len(curve) - 1,
        "filled_orders": [],
        "progress_pct": round(100.0 * (k + 1) / (len(curve) - 1), 2),
        "locked_cash": 0.0,
        "realized_pnl": 0.0,
        "fees_paid": 0.0,
        "rejected_orders": [],
    }


def _accounts(curve: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    accounts = np.zeros(len(curve) - 1, ACCOUNT_DTYPE)
    accounts["starting_balance"] = _START
    accounts["previous_equity"], accounts["equity"], accounts["cash"] = curve[:-1], curve[1:], curve[1:]
    accounts["peak_equity"] = np.maximum.accumulate(curve)[1:]
    accounts["fills"] = np.arange(len(accounts)) % 7 == 0
    # what a scheme may read besides: a position every other week, trades of any size, and what they gained and cost
    accounts["trades"] = np.cumsum(accounts["fills"])
    held = accounts["trades"] % 2 == 1
    accounts["position_value"] = np.where(held, curve[1:], 0.0)
    accounts["cash"] = curve[1:] - accounts["position_value"]
    accounts["traded_value"] = np.cumsum(np.where(accounts["fills"] > 0, curve[:-1], 0.0))
    accounts["unrealized_pnl"] = np.where(held, 0.01 * curve[1:], 0.0)
    accounts["realized_pnl"] = np.cumsum(np.where((accounts["fills"] > 0) & ~held, 0.01 * curve[:-1] - 3.0, 0.0))
    accounts["fees_paid"] = 0.001 * accounts["traded_value"]
    accounts["exposed_steps"] = np.cumsum(held)
    accounts["rejects"] = np.arange(len(accounts)) % 11 == 5
    return accounts


def _driver(pay: Callable[..., float]) -> Callable[..., None]:
    def drive(curve: Any, accounts: Any, memory: Any, parameters: Any, paid: Any) -> None:
        for k in range(len(paid)):
            paid[k] = pay(curve[k], curve[k + 1], accounts[k], memory, parameters)

    return drive


def _check_kernel(scheme: RewardScheme, curve: npt.NDArray[np.float64]) -> None:
    paid = np.zeros(len(curve) - 1)
    parameters = np.array(scheme.parameters, float)
    run_compiled(scheme, _driver, curve, _accounts(curve), np.zeros(scheme.memory_size), parameters, paid)
    require_equal(scheme, np.array(_paid(scheme, curve)), paid, lambda k: f"equity {_move(curve, k)}")
