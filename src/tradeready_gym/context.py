"""Shared settings: what a `with` block, or a file, says for every environment that is made under it."""

import importlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from tradeready_gym.errors import ConfigurationError, TradeReadyError, UnknownName

DEFAULT_BASE = "USDT"
SECTIONS = ("exchanges", "actions", "rewards", "features")
SHARED = ("base_instrument", "instruments")
SIMULATED_KEYS = (
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
STOCHASTIC_KEYS = ("paths", "bars", "start", "seed", "parameters", "price", "steps_per_bar")
EXCHANGE_KEYS = ("data", *SIMULATED_KEYS, *STOCHASTIC_KEYS)
ENVIRONMENT_KEYS = (
    "lookback_window",
    "start_time",
    "end_time",
    "episode_length",
    "episode_end",
    "max_loss",
    "steps_per_action",
)

__all__ = ["TradingContext"]


class TradingContext:
    """Settings for the environments that are made inside `with TradingContext(...):`, or with `context=`.

    What is given to the environment beats the innermost context, that beats the outer ones, and they beat the defaults. 0,
    False and None are values like any other. A context applies in the thread (or task) that entered it, while an
    environment is made; it changes nothing that exists.

    Args:
        base_instrument: what prices and cash are in; "USDT" if no context says otherwise.
        instruments: what is traded: "BTC", or a list; the symbols are these followed by the base instrument.
        exchanges: `name` ("simulated", "gbm", "fbm", ...) and the exchange's arguments, such as `data` and `fee_rate`.
        actions: `name` of an action scheme and its parameters; without a name, parameters of the default one.
        rewards: the same for a reward scheme.
        features: a list of names and features, or a mapping from name to its parameters.
        environment: `lookback_window`, `start_time`, `end_time`, `episode_length`, `episode_end`, `max_loss`,
            `steps_per_action`.

    Inner contexts are laid over outer ones key by key; a `name` or `data` of another market or scheme takes the parameters
    of the old one with it. An exchange, scheme or pipeline that is given as an object is taken as it is.

    Raises:
        UnknownName: a key that is not known; lists the known ones and the nearest.
        ConfigurationError: a section is not what it should be.
    """

    def __init__(
        self,
        base_instrument: str | None = None,
        instruments: str | Sequence[str] | None = None,
        *,
        exchanges: Mapping[str, Any] | None = None,
        actions: Mapping[str, Any] | None = None,
        rewards: Mapping[str, Any] | None = None,
        features: Mapping[str, Any] | Sequence[Any] | None = None,
        **environment: Any,
    ) -> None:
        for key in environment:
            if key not in ENVIRONMENT_KEYS:
                raise UnknownName("context key", key, (*SHARED, *SECTIONS, *ENVIRONMENT_KEYS))
        self.base_instrument = None if base_instrument is None else _name("base_instrument", base_instrument)
        self.instruments = None if instruments is None else _names(instruments)
        self.exchanges = _section("exchanges", exchanges)
        for key in self.exchanges:
            if key not in ("name", *EXCHANGE_KEYS):
                raise UnknownName("key of the section exchanges", key, ("name", *EXCHANGE_KEYS))
        if instruments is not None and "symbols" in self.exchanges:
            raise ConfigurationError(
                "instruments and exchanges['symbols'] both say what is traded; give one of them: instruments=['BTC'] with "
                "base_instrument='USDT' is symbols=['BTCUSDT']"
            )
        self.actions = _section("actions", actions)
        self.rewards = _section("rewards", rewards)
        self.features = None if features is None else _features(features)
        self.environment = dict(environment)

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> "TradingContext":
        """The context that a JSON file describes: one object with the arguments as keys.

        Raises:
            ConfigurationError, UnknownName: the file is not JSON, or not such an object.
        """
        try:
            settings = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigurationError(f"{path} is not JSON: {error}") from None
        return cls._from_settings(settings, path)

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> "TradingContext":
        """The context that a YAML file describes: one mapping with the arguments as keys. Needs the extra `yaml`.

        Raises:
            ConfigurationError, UnknownName: PyYAML is not there, or the file is not YAML, or not such a mapping.
        """
        try:
            yaml: Any = importlib.import_module("yaml")
        except ImportError:
            raise ConfigurationError(
                "a YAML file needs PyYAML: pip install 'tradeready-gym[yaml]'. from_json() needs nothing"
            ) from None
        try:
            settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} is not YAML: {error}") from None
        return cls._from_settings(settings, path)

    @classmethod
    def _from_settings(cls, settings: Any, path: str | os.PathLike[str]) -> "TradingContext":
        if not isinstance(settings, Mapping):
            known = ", ".join((*SHARED, *SECTIONS, *ENVIRONMENT_KEYS))
            raise ConfigurationError(
                f"{path} must hold one mapping with keys among {known}; found {type(settings).__name__}"
            )
        try:
            return cls(**{str(key): value for key, value in settings.items()})
        except TradeReadyError as error:
            error.args = (f"{path}: {error}",)
            raise

    def __repr__(self) -> str:
        given = {name: getattr(self, name) for name in (*SHARED, *SECTIONS)}
        shown = {name: value for name, value in given.items() if value or (name == "features" and value is not None)}
        return f"TradingContext({', '.join(f'{k}={v!r}' for k, v in (shown | self.environment).items())})"

    def __enter__(self) -> "TradingContext":
        _STACK.set((*_STACK.get(), self))
        return self

    def __exit__(self, *error: object) -> None:
        stack = _STACK.get()
        last = max(place for place, context in enumerate(stack) if context is self)
        _STACK.set(stack[:last] + stack[last + 1 :])


_STACK: ContextVar[tuple[TradingContext, ...]] = ContextVar("trading_contexts", default=())


class Settings:
    """What the contexts in force say together, section by section; `features` is None where none names any."""

    def __init__(self, contexts: Iterable[TradingContext] = ()) -> None:
        self.exchange: dict[str, Any] = {}
        self.actions: dict[str, Any] = {}
        self.rewards: dict[str, Any] = {}
        self.features: Any = None
        self.environment: dict[str, Any] = {}
        base = DEFAULT_BASE
        for context in contexts:
            base = context.base_instrument or base
            market = dict(context.exchanges)
            if context.instruments is not None:
                market["symbols"] = [_symbol(name, base) for name in context.instruments]
            self.exchange = lay_market_over(self.exchange, market)
            self.actions = lay_over(self.actions, context.actions)
            self.rewards = lay_over(self.rewards, context.rewards)
            self.features = self.features if context.features is None else context.features
            self.environment |= context.environment


def settings_in_force(context: TradingContext | None = None) -> Settings:
    """What the contexts that were entered in this thread say, and `context` over them."""
    return Settings((*_STACK.get(), *(() if context is None else (context,))))


def lay_over(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """Both, the inner one first; the parameters of `outer` belong to its name and go with it."""
    if "name" in inner and inner["name"] != outer.get("name", inner["name"]):
        return dict(inner)
    return {**outer, **inner}


def lay_market_over(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """The same for an exchange: costs stay, and what made the outer market goes where the inner one says another."""
    gone: tuple[str, ...] = ()
    if "data" in inner:
        gone = ("name", *STOCHASTIC_KEYS)
    elif "name" in inner and inner["name"] in (None, "simulated"):
        gone = STOCHASTIC_KEYS
    elif "name" in inner:
        gone = ("data",) if inner["name"] == outer.get("name") else ("data", "parameters")
    return {**{key: value for key, value in outer.items() if key not in gone}, **inner}


def _symbol(instrument: str, base: str) -> str:
    return instrument if instrument.endswith(base) and instrument != base else instrument + base


def _name(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{key} must be a name such as 'BTC'; got {value!r}")
    return value.strip().upper()


def _names(instruments: Any) -> tuple[str, ...]:
    given = [instruments] if isinstance(instruments, str) else list(instruments)
    return tuple(_name("an instrument", value) for value in given)


def _section(name: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"the section {name} is a mapping, such as {{'name': ...}}; got {value!r}")
    called = value.get("name")
    if called is not None and not isinstance(called, str):
        raise ConfigurationError(
            f"name in the section {name} is a text; give the object itself to the environment, not {type(called).__name__}"
        )
    return dict(value)


def _features(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigurationError(
            f"features are a list of names, or a mapping from name to its parameters; got {value!r}"
        )
    return list(value)
