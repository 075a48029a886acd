"""The registered ids: compositions of the one environment with the documented parameters."""

from collections.abc import Mapping
from typing import Any

import gymnasium

_SINGLE = "tradeready_gym.registration:make_environment"
_VECTOR = "tradeready_gym.registration:make_vector_environment"


class OwnPairs(tuple[str, ...]):
    """The pairs of an id itself, which nobody gave."""


class DefaultPairs(OwnPairs):
    """The pairs of an id whose name says none: the keys of a mapping as `data=` go before them."""


PAIRS = {"BTC": OwnPairs(["BTCUSDT"]), "ETH": OwnPairs(["ETHUSDT"]), "SOL": OwnPairs(["SOLUSDT"])}
PORTFOLIO_PAIRS = DefaultPairs(["BTCUSDT", "ETHUSDT", "SOLUSDT"])

REGISTERED: dict[str, dict[str, Any]] = {
    "TradeReady-BTC-v0": {"pairs": PAIRS["BTC"], "action_scheme": "hold_buy_sell"},
    "TradeReady-ETH-v0": {"pairs": PAIRS["ETH"], "action_scheme": "hold_buy_sell"},
    "TradeReady-SOL-v0": {"pairs": PAIRS["SOL"], "action_scheme": "hold_buy_sell"},
    "TradeReady-BTC-Continuous-v0": {"pairs": PAIRS["BTC"], "action_scheme": "continuous"},
    "TradeReady-ETH-Continuous-v0": {"pairs": PAIRS["ETH"], "action_scheme": "continuous"},
    "TradeReady-Portfolio-v0": {"pairs": PORTFOLIO_PAIRS, "action_scheme": "portfolio"},
}
LIVE = "TradeReady-Live-v0"


def register() -> None:
    """Register the ids with Gymnasium; doing it again changes nothing."""
    for name, arguments in REGISTERED.items():
        if name not in gymnasium.registry:
            gymnasium.register(name, entry_point=_SINGLE, vector_entry_point=_VECTOR, kwargs=arguments)
    if LIVE not in gymnasium.registry:
        # a market does not go back: the same seed meets other candles; and what is recovered is stepped without a reset, which
        # neither of Gymnasium's two wrappers would allow
        gymnasium.register(
            LIVE,
            entry_point="tradeready_gym.registration:make_live_environment",
            nondeterministic=True,
            order_enforce=False,
            disable_env_checker=True,
        )


def pairs_in(data: Any, pairs: Any) -> Any:
    """`pairs`; or if those are only a default and `data` is a mapping from symbol, the mapping's symbols."""
    if not isinstance(pairs, DefaultPairs) or not isinstance(data, Mapping):
        return pairs
    from tradeready_gym.market.resolve import symbols_of

    return symbols_of(data) or pairs


def make_environment(**arguments: Any) -> Any:
    """What `gymnasium.make` calls. With `normalize_observations=True`, inside a `NormalizationWrapper`."""
    from tradeready_gym.envs.trading import TradingEnvironment

    normalize = arguments.pop("normalize_observations", False)
    environment = TradingEnvironment(**_documented(**arguments))
    if not normalize:
        return environment
    from tradeready_gym.wrappers import NormalizationWrapper

    return NormalizationWrapper(environment)


def make_live_environment(
    *,
    pairs: Any = None,
    timeframe: str | None = None,
    venue: str | None = None,
    feed: Any = None,
    action_scheme: Any = None,
    observation_features: Any = None,
    reward_function: Any = None,
    position_size: float | None = None,
    track_training: bool = True,
    limits: Any = None,
    paper_account: bool = False,
    **others: Any,
) -> Any:
    """What `gymnasium.make("TradeReady-Live-v0")` calls: a `LiveTradingEnv` on Binance's public streams, with `api_key=` on the
    feed of that platform, on a `venue` by its name in ccxt, or on `feed`; a `BookTradingEnv` with `fill_at="book"`, a `LimitedTradingEnv` with
    `limits`, a `PaperTradingEnv` with `paper_account=True`. Pairs and timeframe are those of a `feed` that is given, else BTCUSDT and 1m by default.

    Raises:
        ConfigurationError: `feed` has other pairs, or another timeframe, than those that were given with it.
    """
    from tradeready_gym.envs.live import LiveTradingEnv
    from tradeready_gym.errors import ConfigurationError
    from tradeready_gym.live.feeds import make_feed

    if feed is not None and venue is not None:
        raise TypeError("venue= names a feed and feed= is one; give one of them")
    symbols, timeframe = _of_feed(feed, pairs, timeframe)
    if len(symbols) > 1 and action_scheme is None:
        raise ConfigurationError(
            f"hold/buy/sell trades one pair; got {list(symbols)}. Give action_scheme= for more, such as 'portfolio'"
        )
    documented = _documented(
        pairs=symbols,
        action_scheme="hold_buy_sell" if action_scheme is None else action_scheme,
        observation_features=observation_features,
        reward_function=reward_function,
        position_size=position_size,
        track_training=track_training,
        **others,
    )
    for name in ("data", "symbols"):
        documented.pop(name, None)
    if paper_account and (others.get("api_key") is None or venue is not None or feed is not None or limits is not None):
        raise ConfigurationError(
            "paper_account=True trades on the account that api_key= has on a platform, at its feed and within its limits: give "
            "api_key=, and neither venue=, feed= nor limits="
        )
    own: Any = None
    if feed is None and venue is None and others.get("api_key") is not None:
        from tradeready_gym.live.platform_feed import PlatformFeed

        own = PlatformFeed(others.get("base_url"), others["api_key"], symbols, timeframe)
    elif feed is None:
        own = make_feed("binance" if venue in (None, "binance") else f"ccxt:{venue}", symbols, timeframe)
    made: type[LiveTradingEnv] = LiveTradingEnv
    if documented.get("fill_at") == "book":
        from tradeready_gym.envs.live_book import BookTradingEnv

        made = BookTradingEnv
    elif limits is not None:
        from tradeready_gym.envs.live_limits import LimitedTradingEnv

        made = LimitedTradingEnv
    if limits is not None:
        documented["limits"] = limits
    try:
        if paper_account:
            return _on_paper(own, documented)
        return made(feed if own is None else own, **documented)
    except BaseException:
        if own is not None:
            own.close()
        raise


def _on_paper(feed: Any, documented: dict[str, Any]) -> Any:
    from tradeready_gym.envs.live_paper import PaperTradingEnv
    from tradeready_gym.live.platform_account import PlatformAccount

    paper = PlatformAccount(documented.get("base_url"), documented["api_key"])
    try:
        return PaperTradingEnv(feed, paper=paper, **documented)
    except BaseException:
        paper.close()
        raise


def _of_feed(feed: Any, pairs: Any, timeframe: str | None) -> tuple[tuple[str, ...], str]:
    from tradeready_gym.errors import ConfigurationError
    from tradeready_gym.market import Timeframe

    given = None if pairs is None else (pairs,) if isinstance(pairs, str) else tuple(pairs)
    if feed is None:
        return given or ("BTCUSDT",), timeframe or "1m"
    # as in ccxt, too: BTC/USDT is BTCUSDT
    if given is not None and tuple(pair.upper().replace("/", "") for pair in given) != feed.symbols:
        raise ConfigurationError(
            f"pairs={list(given)} were asked for, and feed= brings {list(feed.symbols)}; leave pairs= out, or give a feed of them"
        )
    if timeframe is not None and Timeframe.parse(timeframe) != feed.timeframe:
        raise ConfigurationError(
            f"timeframe={timeframe!r} was asked for, and feed= brings candles of {feed.timeframe.label}; leave timeframe= out, or "
            f"give a feed of that timeframe"
        )
    return feed.symbols, feed.timeframe.label


def make_vector_environment(**arguments: Any) -> Any:
    """What `gymnasium.make_vec` calls. With `normalize_observations=True`, inside a `VectorNormalizationWrapper`."""
    from tradeready_gym.envs.vector import TradingVectorEnvironment

    normalize = arguments.pop("normalize_observations", False)
    environment = TradingVectorEnvironment(**_documented(**arguments))
    if not normalize:
        return environment
    from tradeready_gym.wrappers import VectorNormalizationWrapper

    return VectorNormalizationWrapper(environment)


def _documented(
    *,
    pairs: Any,
    action_scheme: Any,
    observation_features: Any = None,
    reward_function: Any = None,
    position_size: float | None = None,
    track_training: bool = True,
    data: Any = None,
    exchange: Any = None,
    reward_scheme: Any = None,
    feature_pipeline: Any = None,
    **others: Any,
) -> dict[str, Any]:
    from tradeready_gym.actions import ContinuousOrder, HoldBuySell
    from tradeready_gym.errors import ConfigurationError
    from tradeready_gym.features import DEFAULT_FEATURES

    if "symbols" in others:
        raise TypeError(
            "a registered id takes pairs=, such as pairs=['ETHUSDT']; symbols= is an argument of the exchange"
        )
    if reward_function is not None and reward_scheme is not None:
        raise TypeError("reward_function and reward_scheme are two names of one argument; give one of them")
    if observation_features is not None and feature_pipeline is not None:
        raise TypeError("observation_features and feature_pipeline are two names of one argument; give one of them")
    sized = {"hold_buy_sell": HoldBuySell, "continuous": ContinuousOrder}
    if position_size is not None:
        if action_scheme not in sized:
            raise ConfigurationError(
                f"position_size belongs to hold/buy/sell and continuous actions, not {action_scheme!r}"
            )
        action_scheme = sized[action_scheme](position_size=position_size)
    features = observation_features if observation_features is not None else feature_pipeline
    composed = {
        "action_scheme": action_scheme,
        "feature_pipeline": DEFAULT_FEATURES if features is None else features,
        "track_training": track_training,
        **others,
    }
    reward = reward_function if reward_function is not None else reward_scheme
    if reward is not None:  # what an id leaves open is the context's, or the default
        composed["reward_scheme"] = reward
    pairs = pairs_in(data, pairs)
    symbols = (pairs,) if isinstance(pairs, str) else tuple(pairs)
    if isinstance(exchange, str) and exchange != "simulated":
        return composed | {"exchange": exchange, "symbols": symbols} | ({} if data is None else {"data": data})
    if exchange is not None and not isinstance(exchange, str):
        if not isinstance(pairs, OwnPairs) and symbols != tuple(getattr(exchange, "symbols", ())):
            raise TypeError(
                f"pairs={list(symbols)!r} belongs to the exchange; give symbols= there or leave out exchange="
            )
        return composed | {"exchange": exchange} | ({} if data is None else {"data": data})
    if data is None and others.get("api_key") is not None:
        return composed | {"symbols": symbols}  # the platform's candles
    return composed | {"data": "auto" if data is None else data, "symbols": symbols}
