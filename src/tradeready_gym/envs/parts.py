"""The parts of an environment from what was given to it and what its contexts say."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tradeready_gym.actions import ActionScheme, HoldBuySell, make_action_scheme
from tradeready_gym.context import EXCHANGE_KEYS, STOCHASTIC_KEYS, lay_market_over, lay_over
from tradeready_gym.errors import ConfigurationError, UnknownName, nearest
from tradeready_gym.exchanges import MarginAccount, SimulatedExchange, make_slippage, stochastic_exchange
from tradeready_gym.features import RAW_FEATURES, Feature, FeaturePipeline
from tradeready_gym.features.described import ToFit, described, described_feature
from tradeready_gym.market import PRICE_PROCESSES, Instrument
from tradeready_gym.rewards import RewardScheme, make_reward_scheme

# what an environment takes besides its market and the keys of a context, and what only `gymnasium.make` does
OWN_KEYS = (
    "exchange",
    "action_scheme",
    "reward_scheme",
    "feature_pipeline",
    "context",
    "flatten",
    "render_mode",
    "track_training",
    "strategy_label",
    "api_key",
    "base_url",
    "interpreted",
)
ID_KEYS = ("pairs", "observation_features", "reward_function", "position_size", "normalize_observations")
EXCHANGES = ("simulated", *PRICE_PROCESSES)


class _NotGiven:
    def __repr__(self) -> str:
        return "NOT_GIVEN"

    def __reduce__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Any = _NotGiven()
"""The default of an argument for which None is a value."""


def exchange_of(exchange: Any, shorthands: Mapping[str, Any], section: Mapping[str, Any]) -> SimulatedExchange:
    """The exchange for `exchange=` and the shorthands for its arguments, over the context's `section`.

    Raises:
        TypeError: an exchange together with a shorthand, or arguments of another kind of market.
        UnknownName, ConfigurationError: no exchange is called that, or an argument is outside its domain.
    """
    if isinstance(exchange, SimulatedExchange):
        # None stands for the default, except that no slippage is a model of its own
        given = [name for name, value in shorthands.items() if value is not None or name == "slippage"]
        if given:
            raise TypeError(
                f"{', '.join(given)} belongs to the exchange; give it there or leave out exchange=, not both"
            )
        # its market and costs; the account is the environment's own
        return exchange.copy()
    named = {} if exchange is NOT_GIVEN else {"name": exchange}
    wanted = lay_market_over(section, {**shorthands, **named})
    name = wanted.pop("name", None)
    wanted = {key: value for key, value in wanted.items() if value is not None or key == "slippage"}
    arguments = {key: _argument(key, value) for key, value in wanted.items()}
    if name is None or name == "simulated":
        foreign = [key for key in arguments if key in STOCHASTIC_KEYS]
        if foreign:
            raise TypeError(f"{', '.join(foreign)} belongs to a stochastic exchange: {', '.join(PRICE_PROCESSES)}")
        return SimulatedExchange(**arguments)
    if isinstance(name, str) and name in PRICE_PROCESSES:
        return stochastic_exchange(name, **arguments)
    if isinstance(name, str):
        raise UnknownName("exchange", name, EXCHANGES)
    raise ConfigurationError(
        f"exchange must be a SimulatedExchange or one of {', '.join(EXCHANGES)}; got {type(name).__name__}"
    )


def action_scheme_of(scheme: Any, section: Mapping[str, Any]) -> ActionScheme:
    """The action scheme for `action_scheme=`, over the context's section."""
    if scheme is None or isinstance(scheme, ActionScheme):
        return HoldBuySell() if scheme is None else scheme
    made: ActionScheme = _named("action scheme", scheme, section, make_action_scheme, HoldBuySell())
    return made


def reward_scheme_of(scheme: Any, section: Mapping[str, Any]) -> RewardScheme:
    """The reward scheme for `reward_scheme=`, over the context's section."""
    if scheme is None or isinstance(scheme, RewardScheme):
        return make_reward_scheme(scheme)
    made: RewardScheme = _named("reward scheme", scheme, section, make_reward_scheme, make_reward_scheme(None))
    return made


def features_of(
    features: Any, section: Any, exchange: SimulatedExchange, start: Any = None
) -> FeaturePipeline | tuple[Any, ...]:
    """The features for `feature_pipeline=`, or those of the context; scalers with a training span are fitted on the exchange's data.

    Raises:
        UnknownName, ConfigurationError: a feature, or a parameter of one, that is none.
        DataError: a training span that the data lack.
    """
    found = section if features is NOT_GIVEN else features
    if found is None:
        return RAW_FEATURES
    if isinstance(found, FeaturePipeline):
        return found
    if isinstance(found, Mapping):
        items = [described(name, parameters) for name, parameters in found.items()]
    elif isinstance(found, str) or callable(found):
        items = [found]
    else:
        items = [described_feature(item) if isinstance(item, Mapping) else item for item in found]
    return tuple(_fitted(item, exchange) if isinstance(item, ToFit) else item for item in items)


def _fitted(item: ToFit, exchange: SimulatedExchange) -> Feature:
    replayers = exchange.load(item.start, item.end, item.scaler.warmup_bars)
    if len(replayers) > 1:
        raise ConfigurationError(
            f"{item.scaler!r} is fitted on one data set, the exchange has {len(replayers)}; fit it in Python"
        )
    return item.fit(replayers[0].candles)


def unknown_argument(names: Iterable[str], known: Iterable[str]) -> TypeError:
    """The error for an argument that neither the environment nor its exchange takes."""
    name, own = min(names), (*OWN_KEYS, *known)
    return TypeError(
        f"unknown argument {name!r}.{nearest(name, (*ID_KEYS, *own, *EXCHANGE_KEYS))} An environment takes {', '.join(own)}; "
        f"its exchange {', '.join(EXCHANGE_KEYS)}; and with an id, gymnasium.make takes {', '.join(ID_KEYS)} as well"
    )


def _named(kind: str, given: Any, section: Mapping[str, Any], make: Callable[[Any], Any], default: Any) -> Any:
    wanted = lay_over(
        section, {} if given is NOT_GIVEN else dict(given) if isinstance(given, Mapping) else {"name": given}
    )
    name = wanted.pop("name", None)
    found = default if name is None else make(name)
    return _with_parameters(kind, type(found), wanted) if wanted else found


def _with_parameters(kind: str, component: Callable[..., Any], parameters: Mapping[str, Any]) -> Any:
    known = tuple(inspect.signature(component).parameters)
    called = getattr(component, "__name__", str(component))
    for name in parameters:
        if name not in known:
            raise UnknownName(f"parameter of the {kind} {called}", name, known)
    return component(**{name: _value(value) for name, value in parameters.items()})


def _argument(key: str, value: Any) -> Any:
    # what a file can say of an argument that is an object in Python
    if not isinstance(value, Mapping):
        return value
    if key == "account":
        return _with_parameters("account", MarginAccount, value)
    if key == "slippage":
        return _named("slippage model", NOT_GIVEN, value, make_slippage, make_slippage("volume_share"))
    if key == "instruments":
        return {symbol: _filters(symbol, rule) for symbol, rule in value.items()}
    return value


def _filters(symbol: str, rule: Any) -> Any:
    if not isinstance(rule, Mapping):
        return rule
    return _with_parameters("instrument", Instrument, {"symbol": symbol, **rule})


def _value(value: Any) -> Any:
    # lists of a file become tuples: components are values
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_value(item) for item in value)
    return value
