"""Fitted features as plain data, to the last bit, and back."""

import dataclasses
import hashlib
import importlib
import json
from collections.abc import Mapping
from types import FunctionType
from typing import Any

from tradeready_gym.errors import StoreError
from tradeready_gym.features import Feature, FeaturePipeline


class _NotPlain(Exception):
    pass


def pipeline_as_plain(pipeline: FeaturePipeline) -> dict[str, Any] | None:
    """The pipeline, with what its scalers have learned, as JSON takes it.

    None if that is impossible: a feature calls a function that no other process could import by its name.
    """
    try:
        plain = {
            "market": [_encode(feature) for feature in pipeline.market_features],
            "account": list(pipeline.account_features),
        }
        return plain if pipeline_from_plain(plain) == pipeline else None
    except (_NotPlain, StoreError):
        return None


def pipeline_from_plain(plain: Mapping[str, Any]) -> FeaturePipeline:
    """From what `pipeline_as_plain` gave.

    Raises:
        StoreError: a class or function that it names is not there, or has other fields.
    """
    try:
        return FeaturePipeline([*map(_decode, plain["market"]), *plain["account"]])
    except (AttributeError, ImportError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"the saved features cannot be made again: {type(error).__name__}: {error}. Install the version that saved them, "
            f"or build the pipeline by hand"
        ) from error


def feature_digest(feature: Feature) -> str:
    """16 hexadecimal digits that tell features apart by their parameters and what they learned; "" if nobody can tell."""
    try:
        text = json.dumps(_encode(feature), sort_keys=True)
    except _NotPlain:
        return ""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _encode(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"class": _place(type(value)), "fields": fields}
    if isinstance(value, tuple):
        return {"tuple": [_encode(item) for item in value]}
    if isinstance(value, Mapping):
        return {"mapping": [[_encode(key), _encode(item)] for key, item in value.items()]}
    if isinstance(value, FunctionType):
        return {"function": _place(value)}
    raise _NotPlain(value)


def _decode(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(_decode(item) for item in value["tuple"])
    if "mapping" in value:
        return {_decode(key): _decode(item) for key, item in value["mapping"]}
    if "function" in value:
        return _find(value["function"])
    kind = _find(value["class"])
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise TypeError(f"{value['class']} is not a dataclass")
    made = object.__new__(kind)
    given = value["fields"]
    for field in dataclasses.fields(kind):
        object.__setattr__(made, field.name, _decode(given[field.name]))
    return made


def _place(thing: Any) -> str:
    place = f"{thing.__module__}:{thing.__qualname__}"
    try:
        found = _find(place)
    except (AttributeError, ImportError) as error:
        raise _NotPlain(thing) from error
    if found is not thing or thing.__module__ == "__main__":
        raise _NotPlain(thing)
    return place


def _find(place: str) -> Any:
    module, _, path = place.partition(":")
    found = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found
