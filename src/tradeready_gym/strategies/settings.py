"""The arguments of a registered id in layers: the defaults of a command, over them a context's, over those what was typed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tradeready_gym.context import EXCHANGE_KEYS, Settings, TradingContext, lay_market_over, lay_over
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.market import format_time, parse_time
from tradeready_gym.registration import REGISTERED

_PACKAGED = ("auto", "sample", "synthetic")
_SCHEMES = ("action_scheme", "reward_function")
_PLAIN = (bool, int, float, str, type(None))


def read_context(path: str | Path) -> TradingContext:
    """The context of a YAML (`.yaml`, `.yml`) or JSON file.

    Raises:
        ConfigurationError: there is no such file, or it holds something else.
        UnknownName: it has a key that no context has.
    """
    place = Path(path).expanduser()
    if not place.is_file():
        raise ConfigurationError(f"the context {place} does not exist; give a YAML or JSON file")
    yaml = place.suffix.lower() in (".yaml", ".yml")
    return TradingContext.from_yaml(place) if yaml else TradingContext.from_json(place)


def arguments_of_context(context: TradingContext) -> dict[str, Any]:
    """What a context says, as plain arguments of `gymnasium.make` for a registered id; what it leaves open is left out.

    Raises:
        ConfigurationError: it has something that a file cannot say.
    """
    settings = Settings([context])
    market = dict(settings.exchange)
    found: dict[str, Any] = {**market, **settings.environment}
    if "name" in market:
        found["exchange"] = found.pop("name")
    if "symbols" in market:
        symbols = found.pop("symbols")
        found["pairs"] = [symbols] if isinstance(symbols, str) else list(symbols)
    if isinstance(market.get("data"), str):
        found["data"] = data_place(market["data"])
    for name, section in zip(_SCHEMES, (settings.actions, settings.rewards), strict=True):
        if section:
            found[name] = dict(section)
    if settings.features is not None:
        found["observation_features"] = _as_list(settings.features)
    for name in ("start_time", "end_time"):
        if found.get(name) is not None:
            found[name] = format_time(parse_time(found[name]))
    return {name: _plain(name, value) for name, value in found.items()}


def data_place(data: str) -> str:
    """`data=` of a command or a file: a name that environments know, or the whole path of a file or folder."""
    return data if data in _PACKAGED else str(Path(data).expanduser().absolute())


def lay_arguments(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments over others, key by key; a market or a scheme of another name takes the parameters of the outer one with it."""
    markets = [_market(layer) for layer in (outer, inner)]
    laid = {**_rest(outer), **_rest(inner)}
    market = lay_market_over(*markets)
    if "name" in market:
        market["exchange"] = market.pop("name")
    for name in _SCHEMES:
        if name in outer and name in inner:
            laid[name] = lay_over(_section(outer[name]), _section(inner[name]))
    if "position_size" in laid and isinstance(laid.get("action_scheme"), Mapping):
        size, own = laid.pop("position_size"), _section(inner.get("action_scheme", {}))
        # the scheme of the inner layer has said its own, or is another
        if "position_size" in inner or not own.keys() & {"name", "position_size"}:
            laid["action_scheme"] = {**laid["action_scheme"], "position_size": size}
    return laid | market


def under_context(identity: str, arguments: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What a context says over the arguments of a registered id, whose own action scheme is meant where it names none."""
    outer = dict(arguments)
    if "action_scheme" in said:
        outer.setdefault("action_scheme", REGISTERED.get(identity, {}).get("action_scheme"))
    return lay_arguments(outer, said)


def _market(layer: Mapping[str, Any]) -> dict[str, Any]:
    market = {name: value for name, value in layer.items() if name in EXCHANGE_KEYS}
    return market | ({"name": layer["exchange"]} if "exchange" in layer else {})


def _rest(layer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in layer.items() if name not in (*EXCHANGE_KEYS, "exchange")}


def _section(scheme: Any) -> dict[str, Any]:
    return dict(scheme) if isinstance(scheme, Mapping) else {"name": scheme}


def _as_list(features: Any) -> list[Any]:
    if isinstance(features, Mapping):
        return [{"name": name, **(parameters or {})} for name, parameters in features.items()]
    return list(features)


def _plain(name: str, value: Any) -> Any:
    # YAML makes dates and sets of what JSON cannot write down
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(name, item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(name, item) for item in value]
    if hasattr(value, "isoformat"):
        return format_time(parse_time(value))
    raise ConfigurationError(f"{name} must be what a file can say, so that the run can be played again; got {value!r}")
