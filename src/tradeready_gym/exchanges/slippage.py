"""How far the price moves against an order.

A model is a frozen dataclass: its `parameters` are run-time data, its `kernel` maps

    value        order value: quantity x last visible close
    quote_volume sum of close x volume over the last 24 h visible at the decision
    volatility   daily volatility over the same 24 h: sqrt of the sum of squared log returns
    draw         a uniform number from [0, 1) that belongs to this order and step
    parameters   the model's own numbers, float64

to a fraction of the price (0.001 is 0.1 %). A plain Python model derives from `CustomSlippage` and writes `fraction`.

What somebody else's model says, compiled or not, is bounded: less than 0 is 0, more than its `maximum` is that; NaN and infinity
are refused.
"""

import abc
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, cast

from tradeready_gym.errors import ConfigurationError, UnknownName, require_instance
from tradeready_gym.kernel import kernel
from tradeready_gym.parameters import PlainArguments, is_number


class SlippageModel(PlainArguments):
    """The fraction by which the price moves against an order."""

    kernel: ClassVar[Callable[..., float] | None] = None
    uses_last_day: ClassVar[bool] = False
    uses_volatility: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def parameters(self) -> tuple[float, ...]:
        """The model's numbers, in the order in which its kernel reads them."""

    @property
    @abc.abstractmethod
    def maximum(self) -> float:
        """The largest fraction that the model can return: what a stop buy has to lock."""

    def scaled(self, times: float) -> "SlippageModel":
        """The same model with `times` the slippage; every number of ours is proportional to it.

        Raises:
            ConfigurationError: a number would leave its domain, or the model is somebody else's and does not say how.
        """
        if times == 0.0:
            return NoSlippage()
        if type(self) not in SLIPPAGE_MODELS.values():
            raise ConfigurationError(
                f"{type(self).__name__} does not say what {times:g} times its slippage is; write its method scaled(times)"
            )
        ours: Any = self
        return cast(
            SlippageModel, replace(ours, **{part.name: times * getattr(self, part.name) for part in fields(ours)})
        )


def require_fraction(name: str, value: float) -> None:
    """Raise `ConfigurationError` unless `value` is a fraction in [0, 1)."""
    if not (is_number(value) and math.isfinite(value) and 0.0 <= value < 1.0):
        raise ConfigurationError(f"{name} must be a fraction in [0, 1), such as 0.001 for 0.1 %; got {value!r}")


@kernel
def _no_slippage(value: float, quote_volume: float, volatility: float, draw: float, parameters: Any) -> float:
    return 0.0


@kernel
def _fixed_slippage(value: float, quote_volume: float, volatility: float, draw: float, parameters: Any) -> float:
    return float(parameters[0])


@kernel
def _uniform_slippage(value: float, quote_volume: float, volatility: float, draw: float, parameters: Any) -> float:
    return float(parameters[0]) * draw


@kernel
def _volume_share(value: float, quote_volume: float, volatility: float, draw: float, parameters: Any) -> float:
    maximum = float(parameters[2])
    if quote_volume <= 0.0:
        return maximum
    return min(max(float(parameters[0]) * value / quote_volume, float(parameters[1])), maximum)


@kernel
def _square_root(value: float, quote_volume: float, volatility: float, draw: float, parameters: Any) -> float:
    maximum = float(parameters[2])
    if quote_volume <= 0.0:
        return maximum
    impact = float(parameters[0]) * volatility * math.sqrt(max(value, 0.0) / quote_volume)
    return min(max(impact, float(parameters[1])), maximum)


@dataclass(frozen=True)
class NoSlippage(SlippageModel):
    """Orders fill at the reference price."""

    kernel = staticmethod(_no_slippage)

    @property
    def parameters(self) -> tuple[float, ...]:
        return ()

    @property
    def maximum(self) -> float:
        return 0.0


@dataclass(frozen=True)
class FixedSlippage(SlippageModel):
    """The same `fraction` for every order."""

    fraction: float = 0.0005
    kernel = staticmethod(_fixed_slippage)

    def __post_init__(self) -> None:
        require_fraction("fraction", self.fraction)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.fraction,)

    @property
    def maximum(self) -> float:
        return self.fraction


@dataclass(frozen=True)
class HalfSpreadSlippage(SlippageModel):
    """Half of a constant bid-ask `spread` (a fraction of the price)."""

    spread: float = 0.0002
    kernel = staticmethod(_fixed_slippage)

    def __post_init__(self) -> None:
        require_fraction("spread", self.spread)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.spread / 2.0,)

    @property
    def maximum(self) -> float:
        return self.spread / 2.0


@dataclass(frozen=True)
class UniformSlippage(SlippageModel):
    """A seeded draw from [0, `maximum`], one for each order and step."""

    maximum: float = 0.001
    kernel = staticmethod(_uniform_slippage)

    def __post_init__(self) -> None:
        require_fraction("maximum", self.maximum)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.maximum,)


@dataclass(frozen=True)
class VolumeShareSlippage(SlippageModel):
    """`clip(factor x value / quote_volume, minimum, maximum)`, `maximum` if nothing was traded in 24 h. The default."""

    factor: float = 0.1
    minimum: float = 0.0001
    maximum: float = 0.10
    kernel = staticmethod(_volume_share)
    uses_last_day = True

    def __post_init__(self) -> None:
        _require_band(self.factor, self.minimum, self.maximum)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.factor, self.minimum, self.maximum)


@dataclass(frozen=True)
class SquareRootSlippage(SlippageModel):
    """`coefficient x daily volatility x sqrt(value / quote_volume)`, clipped like `VolumeShareSlippage`.

    The square-root law of market impact: B. Toth et al., Physical Review X 1, 021006 (2011).
    """

    coefficient: float = 1.0
    minimum: float = 0.0001
    maximum: float = 0.10
    kernel = staticmethod(_square_root)
    uses_last_day = True
    uses_volatility = True

    def __post_init__(self) -> None:
        _require_band(self.coefficient, self.minimum, self.maximum)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.coefficient, self.minimum, self.maximum)


class CustomSlippage(SlippageModel):
    """Base of plain Python models: write `fraction`; results are clipped to [0, `maximum`].

    So a model cannot pay the trader: less than 0 is 0. What is no finite number raises `ConfigurationError` in the step.
    """

    uses_last_day = True
    uses_volatility = True

    @property
    def parameters(self) -> tuple[float, ...]:
        return ()

    @property
    def maximum(self) -> float:
        return 0.10

    def reset(self) -> None:
        """Forget the episode; called at every reset. Each account has a copy of its own."""

    @abc.abstractmethod
    def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
        """The fraction for one order; the arguments are those of a kernel."""


def _require_band(factor: float, minimum: float, maximum: float) -> None:
    if not (math.isfinite(factor) and factor >= 0.0):
        raise ConfigurationError(f"the factor must be a number of at least 0; got {factor!r}")
    require_fraction("minimum", minimum)
    require_fraction("maximum", maximum)
    if minimum > maximum:
        raise ConfigurationError(f"minimum must not exceed maximum; got {minimum!r} and {maximum!r}")


SLIPPAGE_MODELS: dict[str, type[SlippageModel]] = {
    "none": NoSlippage,
    "fixed": FixedSlippage,
    "half_spread": HalfSpreadSlippage,
    "uniform": UniformSlippage,
    "volume_share": VolumeShareSlippage,
    "square_root": SquareRootSlippage,
}


_OURS = frozenset(SLIPPAGE_MODELS.values())


def bounded_slippage(model: SlippageModel) -> tuple[Callable[..., float] | None, tuple[float, ...]]:
    """The kernel of a model and its numbers, as a step takes them: a model of ours as it is, another one bounded.

    Bounded is what `bounded_fraction` does, in a kernel that reads the model's `maximum` before the model's own numbers. The
    same kernel gives the same bounded one, so that nothing is compiled twice.
    """
    if type(model) in _OURS or model.kernel is None:
        return model.kernel, model.parameters
    return _bounded(model.kernel), (model.maximum, *model.parameters)


def bounded_fraction(
    model: SlippageModel, fraction: Any, value: float, quote_volume: float, volatility: float
) -> float:
    """What a model said of an order as a fraction in [0, `maximum`]; a model of ours never says anything else.

    Raises:
        ConfigurationError: it is no finite number.
    """
    if type(model) in _OURS:
        return float(fraction)
    if not is_number(fraction) or not math.isfinite(fraction):
        asked = "fraction" if isinstance(model, CustomSlippage) else "kernel"
        raise ConfigurationError(
            f"slippage must be a finite number, a fraction of the price such as 0.001 for 0.1 %; {type(model).__name__}.{asked} "
            f"returned {fraction!r} for value={value!r}, quote_volume={quote_volume!r}, volatility={volatility!r}"
        )
    return min(max(float(fraction), 0.0), model.maximum)


@functools.cache
def _bounded(slippage: Callable[..., float]) -> Callable[..., float]:
    kernel(slippage)
    message = (
        f"slippage must be a finite number, a fraction of the price such as 0.001 for 0.1 %; the kernel "
        f"{getattr(slippage, '__qualname__', slippage)} returned NaN or an infinity. "
        f"tradeready_gym.testing.check_slippage says for which order"
    )

    def bounded(value: float, quote_volume: float, volatility: float, draw: float, parameters: Any) -> float:
        # an impossible quantity is refused after it was quoted, and no model need know what to say of it
        asked = value if value > 0.0 else 0.0
        fraction = float(slippage(asked, quote_volume, volatility, draw, parameters[1:]))
        if not math.isfinite(fraction):
            raise ConfigurationError(message)
        return min(max(fraction, 0.0), float(parameters[0]))

    # the step keeps what is ours in registers, where `parameters` cannot be cut
    bounded.__module__ = f"bounded.{getattr(slippage, '__module__', '')}"
    return kernel(bounded)


def make_slippage(model: SlippageModel | str | float | None) -> SlippageModel:
    """A model from itself, from its name, from a fraction, or from None (no slippage).

    Raises:
        UnknownName: no model is called that.
        ConfigurationError: the largest fraction of a model is none in [0, 1).
        TypeError: a class or a function instead of an instance.
    """
    if isinstance(model, SlippageModel):
        if type(model) not in _OURS:
            require_fraction(f"the maximum of {type(model).__name__}", model.maximum)
        return model
    if model is None:
        return NoSlippage()
    if isinstance(model, int | float) and not isinstance(model, bool):
        return FixedSlippage(float(model)) if model else NoSlippage()
    require_instance("slippage model", model, "CustomSlippage")
    if model not in SLIPPAGE_MODELS:
        raise UnknownName("slippage model", model, SLIPPAGE_MODELS)
    return SLIPPAGE_MODELS[model]()
