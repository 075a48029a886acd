"""What nobody can see in the figures themselves: on what they were taken on trust, and where they were too easy to get."""

from collections.abc import Mapping
from typing import Any

from tradeready_gym.engine import Engine
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.features import Feature
from tradeready_gym.features.base import LibraryFeature
from tradeready_gym.features.custom import Column


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
    """The data's own columns that the agent may see: those that features name, or all where a feature is somebody's function."""
    names = sorted({name for replayer in engine.replayers for name in replayer.candles.columns})
    features = engine.pipeline.market_features
    if any(_reads_anything(feature) for feature in features):
        return tuple(names)
    shown = repr(engine.pipeline)
    return tuple(name for name in names if name in engine.pipeline.column_names or repr(name) in shown)


def is_free(exchange: SimulatedExchange) -> bool:
    """Whether trading costs nothing at all."""
    fees = exchange.fees
    return exchange.slippage.maximum == 0.0 and not any((fees.rate, fees.maker, fees.per_trade, fees.minimum))


def changes_since(trained: Mapping[str, Any], judged: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The arguments that are others where an agent is judged than where it was trained; None is the default."""
    return {
        name: {"trained": trained.get(name), "judged": judged.get(name)}
        for name in sorted({*trained, *judged})
        if trained.get(name) != judged.get(name)
    }


def changes_words(changes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The same as a sentence; none where there is nothing to say."""
    said = [
        f"{name} was {_shown(change['trained'])} and is {_shown(change['judged'])}" for name, change in changes.items()
    ]
    return [f"NOT AS IT WAS TRAINED: {'; '.join(said)}."] if said else []


def _reads_anything(feature: Feature) -> bool:
    return not isinstance(feature, (LibraryFeature, Column))


def _shown(value: Any) -> str:
    return "the default" if value is None else str(value)
