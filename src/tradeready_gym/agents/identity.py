"""DataIdentity: which candles an agent has learned from, so that others under their name are noticed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from tradeready_gym.errors import DataError
from tradeready_gym.market import Candles, format_time


@dataclass(frozen=True)
class DataIdentity:
    """Candles that were learned from: `fingerprint` is the SHA-256 of their content, `anchor` their first candle's time.

    Recursive features depend on the anchor: on data that begin elsewhere they agree to their `anchor_tolerance` only. `end` is
    where the candles end, `columns` names the user's own, and `symbol_fingerprints` has the SHA-256 of each symbol alone.
    """

    symbols: tuple[str, ...]
    timeframe: str
    source: str
    anchor: str
    end: str
    fingerprint: str
    columns: tuple[str, ...] = ()
    symbol_fingerprints: tuple[str, ...] = ()

    @classmethod
    def from_candles(cls, candles: Candles) -> Self:
        """That of these candles."""
        return cls(
            candles.symbols,
            candles.timeframe.label,
            candles.source,
            format_time(candles.start),
            format_time(candles.end),
            candles.fingerprint,
            tuple(candles.columns),
            tuple(candles.select(symbol).fingerprint for symbol in candles.symbols),
        )

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Self:
        """From what `dataclasses.asdict` gave, also after JSON made lists of its tuples."""
        tuples = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **tuples})

    def is_in(self, candles: Candles) -> bool | None:
        """Whether other candles say the same of this span; None if they do not cover it, or have none of its symbols.

        The symbols that both have are compared, to the last bit; columns of one's own that came later do not count.
        """
        common = [symbol for symbol in self.symbols if symbol in candles.symbols]
        kept = dict(zip(self.symbols, self.symbol_fingerprints, strict=False))
        if not common or not kept or not set(self.columns) <= set(candles.columns):
            return None
        try:
            cut = candles.between(self.anchor, self.end)
        except DataError:
            return None
        cut = replace(cut, columns={name: cut.columns[name] for name in self.columns})
        return all(cut.select(symbol).fingerprint == kept[symbol] for symbol in common)
