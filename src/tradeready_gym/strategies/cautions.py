"""What nobody can see in the figures themselves: on what they were taken on trust, and where they were too easy to get."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from tradeready_gym.engine import Engine
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.features import CustomFeature, Feature

_USUAL = {name: given.default for name, given in inspect.signature(SimulatedExchange).parameters.items()}


def cautions_of(engine: Engine) -> list[dict[str, str]]:
    """What an engine's figures are to be read with, each as a `short` badge and as a sentence, `said`."""
    found = []
    if given := given_columns(engine):
        several = len(given) > 1
        columns = f"{'columns' if several else 'column'} {', '.join(given)}"
        found.append(
            {
                "short": f"{columns} taken on trust",
                "said": f"NOT CHECKED: the {columns} {'come' if several else 'comes'} with the data. Nothing here can tell whether a "
                f"value was known when its candle closed; if it was not, these figures are worth nothing.",
            }
        )
    if is_free(engine.spec.exchange):
        said = "FREE: nothing was charged, neither fees nor slippage. No exchange does that."
        found.append({"short": "free: neither fees nor slippage", "said": said})
    return found


def given_columns(engine: Engine) -> tuple[str, ...]:
    """The data's own columns that the agent may see: those that features name, or all where a feature is somebody's function,
    however deep it stands in others.
    """
    names = sorted({name for replayer in engine.replayers for name in replayer.candles.columns})
    parts = list(_parts_of(engine.pipeline.market_features))
    if any(isinstance(part, Feature) and _reads_anything(part) for part in parts):
        return tuple(names)
    named = {part for part in parts if isinstance(part, str)}
    return tuple(name for name in names if name in named)


def is_free(exchange: SimulatedExchange) -> bool:
    """Whether trading costs nothing at all."""
    fees = exchange.fees
    return exchange.slippage.maximum == 0.0 and not any((fees.rate, fees.maker, fees.per_trade, fees.minimum))


def changes_since(trained: Mapping[str, Any], judged: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The arguments that are others where an agent is judged than where it was trained; None is the default, and who spells out
    an exchange's default has changed nothing.
    """
    return {
        name: {"trained": trained.get(name), "judged": judged.get(name)}
        for name in sorted({*trained, *judged})
        if trained.get(name, _USUAL.get(name)) != judged.get(name, _USUAL.get(name))
    }


def changes_words(changes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The same as a sentence; none where there is nothing to say."""
    said = [
        f"{name} was {_shown(change['trained'])} and is {_shown(change['judged'])}" for name, change in changes.items()
    ]
    return [f"NOT AS IT WAS TRAINED: {'; '.join(said)}."] if said else []


def _parts_of(value: Any) -> Iterator[Any]:
    yield value
    if dataclasses.is_dataclass(value):
        value = tuple(getattr(value, field.name) for field in dataclasses.fields(value))
    if isinstance(value, tuple | list):
        for item in value:
            yield from _parts_of(item)


def _reads_anything(feature: Feature) -> bool:
    # ours read what they name, and nothing else
    return isinstance(feature, CustomFeature) or not type(feature).__module__.startswith("tradeready_gym.")


def _shown(value: Any) -> str:
    return "the default" if value is None else str(value)
