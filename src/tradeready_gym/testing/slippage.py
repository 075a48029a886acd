"""Is a slippage model sound?"""

import copy
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.actions import TargetPosition
from tradeready_gym.errors import CheckFailed, ConfigurationError
from tradeready_gym.exchanges import CustomSlippage, SlippageModel
from tradeready_gym.parameters import is_number
from tradeready_gym.testing.environments import check_in_environments
from tradeready_gym.testing.kernels import require_equal, run_compiled

_VALUES = (0.0, 1e-9, 1.0, 1_000.0, 1e7, 1e12)
_VOLUMES = (0.0, 1e-9, 1e3, 1e9)
_VOLATILITIES = (0.0, 0.02, 3.0)
_DRAWS = (0.0, 0.5, 1.0 - 2.0**-53)


def check_slippage(model: SlippageModel, *, seed: int = 0) -> None:
    """Check that a model returns finite fractions from 0 to its `maximum`, deterministically and independently of its
    copies; that a kernel gives the same bits compiled and interpreted.

    It is asked about orders worth nothing and worth more than the market, in markets without volume and without
    volatility, and put through whole episodes, where `check_trading_env` looks on.

    Raises:
        CheckFailed: the first finding.
        ConfigurationError: `model` is no slippage model.
    """
    if not isinstance(model, SlippageModel):
        raise ConfigurationError(f"check_slippage needs a SlippageModel object; got {model!r}")
    if not (math.isfinite(model.maximum) and 0.0 <= model.maximum < 1.0):
        raise CheckFailed(f"the maximum of {model!r} must be a fraction in [0, 1); got {model.maximum!r}")
    cases = np.array(list(itertools.product(_VALUES, _VOLUMES, _VOLATILITIES, _DRAWS)))
    first = _fractions(model, cases)
    for case, fraction in zip(cases, first, strict=True):
        if not (math.isfinite(fraction) and 0.0 <= fraction <= model.maximum):
            raise CheckFailed(
                f"{model!r} must return a fraction from 0 to its maximum {model.maximum!r}; for {_words(case)} it returns "
                f"{fraction!r}"
            )
    if _fractions(model, cases[::-1])[::-1] != first or _fractions(copy.deepcopy(model), cases) != first:
        raise CheckFailed(
            f"{model!r} must be a function of its arguments; asked again, in another order, it answered otherwise. "
            f"Chance comes in as `draw`"
        )
    if not isinstance(model, CustomSlippage):
        _check_kernel(model, cases, first)
    check_in_environments(model, ("BTCUSDT",), seed, action_scheme=TargetPosition(), slippage=model)


def _words(case: npt.NDArray[np.float64]) -> str:
    names = ("value", "quote_volume", "volatility", "draw")
    return ", ".join(f"{name} {float(number)!r}" for name, number in zip(names, case, strict=True))


def _fractions(model: SlippageModel, cases: npt.NDArray[np.float64]) -> list[float]:
    if isinstance(model, CustomSlippage):
        said = [model.fraction(*(float(number) for number in case)) for case in cases]
        for case, fraction in zip(cases, said, strict=True):
            if not is_number(fraction):
                raise CheckFailed(f"{model!r} must return a number; for {_words(case)} it returns {fraction!r}")
        return [float(fraction) for fraction in said]
    if model.kernel is None:
        raise CheckFailed(f"{model!r} needs a kernel, or derive it from CustomSlippage to write it in plain Python")
    fractions = np.zeros(len(cases))
    _driver(model.kernel)(cases, np.array(model.parameters, float), fractions)
    return [float(fraction) for fraction in fractions]


def _driver(slippage: Callable[..., float]) -> Callable[..., None]:
    def drive(cases: Any, parameters: Any, fractions: Any) -> None:
        for k in range(len(fractions)):
            fractions[k] = slippage(cases[k, 0], cases[k, 1], cases[k, 2], cases[k, 3], parameters)

    return drive


def _check_kernel(model: SlippageModel, cases: npt.NDArray[np.float64], interpreted: list[float]) -> None:
    fractions = np.zeros(len(cases))
    run_compiled(model, _driver, cases, np.array(model.parameters, float), fractions)
    require_equal(model, np.array(interpreted), fractions, lambda k: _words(cases[k]))
