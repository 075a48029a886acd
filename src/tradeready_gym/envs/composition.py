"""From the arguments of an environment to the composition that an engine runs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tradeready_gym.actions import ActionScheme
from tradeready_gym.context import ENVIRONMENT_KEYS, EXCHANGE_KEYS, TradingContext, settings_in_force
from tradeready_gym.engine import EngineSpec
from tradeready_gym.envs.parts import (
    NOT_GIVEN,
    action_scheme_of,
    exchange_of,
    features_of,
    reward_scheme_of,
    unknown_argument,
)
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.features import FeaturePipeline
from tradeready_gym.market.sources.platform import PlatformCandles
from tradeready_gym.parameters import plain
from tradeready_gym.rewards import RewardScheme
from tradeready_gym.tracking import check_platform, platform_url


def compose(
    exchange: SimulatedExchange | str | None = NOT_GIVEN,
    action_scheme: ActionScheme | str | None = NOT_GIVEN,
    reward_scheme: RewardScheme | str | None = NOT_GIVEN,
    feature_pipeline: FeaturePipeline | Sequence[Any] | None = NOT_GIVEN,
    *,
    context: TradingContext | None = None,
    **arguments: Any,
) -> EngineSpec:
    """Check the parts and put them together; what is not given is what the contexts in force say, or the default.

    Raises:
        TypeError: an argument that does not exist, or an exchange together with a shorthand for one.
        ConfigurationError: two parts disagree, or an argument is outside its domain.
    """
    unknown = set(arguments) - {*EXCHANGE_KEYS, *ENVIRONMENT_KEYS}
    if unknown:
        raise unknown_argument(unknown, ENVIRONMENT_KEYS)
    if context is not None and not isinstance(context, TradingContext):
        raise TypeError(f"context must be a TradingContext; got {type(context).__name__}")
    settings = settings_in_force(context)
    given = {name: plain(value) for name, value in arguments.items() if name in ENVIRONMENT_KEYS}
    shorthands = {name: plain(value) for name, value in arguments.items() if name in EXCHANGE_KEYS}
    environment = {**settings.environment, **given}
    if "steps_per_action" in environment:
        environment["candles_per_action"] = environment.pop("steps_per_action")
    made = exchange_of(exchange, shorthands, settings.exchange)
    return EngineSpec(
        exchange=made,
        action_scheme=action_scheme_of(action_scheme, settings.actions),
        reward_scheme=reward_scheme_of(reward_scheme, settings.rewards),
        features=features_of(feature_pipeline, settings.features, made),
        **environment,
    )


def at_platform(
    api_key: str | None, base_url: str | None, exchange: Any, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of an environment that works with a platform: its candles, unless a market is given.

    Without a key, the arguments as they are. An exchange, `data=`, a stochastic market or a context that has one of them is
    a market.

    Raises:
        PlatformUnavailable: no platform answers at `base_url`.
        PlatformRefused: it does not take the key.
        ConfigurationError: that is no key, or no address.
    """
    if api_key is None:
        return dict(arguments)
    check_platform(api_key, base_url)
    section = settings_in_force(arguments.get("context")).exchange
    named = section.get("name") if exchange is NOT_GIVEN else exchange
    if named not in (None, "simulated") or "data" in arguments or "data" in section:
        return dict(arguments)
    return {**arguments, "data": PlatformCandles(platform_url(base_url))}


def describe(spec: EngineSpec) -> Mapping[str, Any]:
    """The composition as plain data, for journals and saved models."""
    exchange = spec.exchange
    return {
        "symbols": list(exchange.symbols),
        "timeframe": exchange.timeframe.label,
        "starting_balance": exchange.starting_balance,
        "fee_rate": exchange.fee_rate,
        "fees": asdict(exchange.fees),
        "slippage": repr(exchange.slippage),
        "fill_at": exchange.fill_at,
        "max_volume_share": exchange.max_volume_share,
        "instruments": {symbol: repr(terms) for symbol, terms in exchange.instruments.items()},
        "account": "spot" if exchange.account is None else repr(exchange.account),
        "action_scheme": repr(spec.action_scheme),
        "reward_scheme": repr(spec.reward_scheme),
        "features": repr(spec.features),
        "lookback_window": spec.lookback_window,
        "start_time": None if spec.start_time is None else str(spec.start_time),
        "end_time": None if spec.end_time is None else str(spec.end_time),
        "episode_length": spec.episode_length,
        "episode_end": spec.episode_end,
        "max_loss": spec.max_loss,
        "steps_per_action": spec.candles_per_action,
    }
