"""From the arguments of an environment to the composition that an engine runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from tradeready_gym.actions import ActionScheme, HoldBuySell, make_action_scheme
from tradeready_gym.engine import EngineSpec
from tradeready_gym.errors import ConfigurationError, PlatformUnavailable, UnknownName
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.features import RAW_FEATURES, FeaturePipeline
from tradeready_gym.rewards import RewardScheme, make_reward_scheme

# arguments of an environment that are shorthands for those of a `SimulatedExchange`
EXCHANGE_SHORTHANDS = (
    "data",
    "symbols",
    "timeframe",
    "starting_balance",
    "fee_rate",
    "maker_fee_rate",
    "slippage",
    "fill_at",
    "instruments",
    "max_volume_share",
    "account",
)
EXCHANGES = ("simulated",)


def compose(
    exchange: SimulatedExchange | str | None = None,
    action_scheme: ActionScheme | str | None = None,
    reward_scheme: RewardScheme | str | None = None,
    feature_pipeline: FeaturePipeline | Sequence[Any] | None = None,
    *,
    lookback_window: int = 30,
    start_time: Any = None,
    end_time: Any = None,
    episode_length: int | None = None,
    episode_end: str = "documented",
    max_loss: float = 0.9,
    steps_per_action: int = 1,
    **shorthands: Any,
) -> EngineSpec:
    """Check the parts and put them together.

    Raises:
        TypeError: an argument that does not exist, or an exchange together with a shorthand for one.
        ConfigurationError: two parts disagree, or an argument is outside its domain.
    """
    unknown = sorted(set(shorthands) - set(EXCHANGE_SHORTHANDS))
    if unknown:
        raise TypeError(
            f"unknown argument {unknown[0]!r}; the exchange takes {', '.join(EXCHANGE_SHORTHANDS)}, "
            f"the environment what its documentation lists"
        )
    # None is a slippage model of its own (no slippage); for the others it stands for the default
    given = {name: value for name, value in shorthands.items() if value is not None or name == "slippage"}
    if isinstance(exchange, SimulatedExchange):
        if given:
            raise TypeError(
                f"{', '.join(given)} belongs to the exchange; give it there or leave out exchange=, not both"
            )
        # its market and costs; the account is the environment's own
        built = exchange.copy()
    elif exchange is None or exchange in EXCHANGES:
        built = SimulatedExchange(**given)
    elif isinstance(exchange, str):
        raise UnknownName("exchange", exchange, EXCHANGES)
    else:
        raise ConfigurationError(
            f"exchange must be a SimulatedExchange or one of {', '.join(EXCHANGES)}; got {type(exchange).__name__}"
        )
    return EngineSpec(
        exchange=built,
        action_scheme=HoldBuySell() if action_scheme is None else make_action_scheme(action_scheme),
        reward_scheme=make_reward_scheme(reward_scheme),
        features=_features(feature_pipeline),
        lookback_window=lookback_window,
        start_time=start_time,
        end_time=end_time,
        episode_length=episode_length,
        episode_end=episode_end,
        max_loss=max_loss,
        candles_per_action=steps_per_action,
    )


def refuse_platform(api_key: str | None, base_url: str | None) -> None:
    """Raise `PlatformUnavailable` if an environment was asked to work with a platform."""
    if api_key is None:
        return
    where = base_url or "http://localhost:8000"
    raise PlatformUnavailable(
        f"api_key= was given, and no platform answers at {where}; this release has none to start. Leave out api_key= and "
        f"base_url=: the environment then runs on local candles and keeps its training runs in a local journal"
    )


def describe(spec: EngineSpec) -> Mapping[str, Any]:
    """The composition as plain data, for journals and saved models."""
    exchange = spec.exchange
    return {
        "symbols": list(exchange.symbols),
        "timeframe": exchange.timeframe.label,
        "starting_balance": exchange.starting_balance,
        "fee_rate": exchange.fee_rate,
        "slippage": repr(exchange.slippage),
        "fill_at": exchange.fill_at,
        "account": "spot" if exchange.account is None else repr(exchange.account),
        "action_scheme": repr(spec.action_scheme),
        "reward_scheme": repr(spec.reward_scheme),
        "features": repr(spec.features),
        "lookback_window": spec.lookback_window,
        "start_time": None if spec.start_time is None else str(spec.start_time),
        "end_time": None if spec.end_time is None else str(spec.end_time),
        "episode_length": spec.episode_length,
        "episode_end": spec.episode_end,
        "steps_per_action": spec.candles_per_action,
    }


def _features(features: FeaturePipeline | Sequence[Any] | None) -> FeaturePipeline | tuple[Any, ...]:
    if features is None:
        return RAW_FEATURES
    if isinstance(features, FeaturePipeline):
        return features
    if isinstance(features, str) or callable(features):
        return (features,)
    return tuple(features)
