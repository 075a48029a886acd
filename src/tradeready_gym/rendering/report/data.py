"""What a report shows, in plain numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.evaluation.stretches import stretches


class ReportFill(NamedTuple):
    """A fill of the strategy that is looked at closely: time in microseconds UTC, +1 for buy or -1 for sell, price."""

    time: int
    side: int
    price: float


@dataclass(frozen=True, eq=False)
class Curve:
    """The equity of one strategy: int64[T] microseconds UTC, float64[T] in the quote currency; T >= 1.

    Raises `ConfigurationError` unless the two fit together and every equity is finite.
    """

    name: str
    times: NDArray[np.int64]
    equity: NDArray[np.float64]
    baseline: bool = False

    def __post_init__(self) -> None:
        times, equity = _microseconds(self.times), np.asarray(self.equity, np.float64)
        finite = all(np.isfinite(equity[rows]).all() for rows in stretches(len(equity)))
        if times.ndim != 1 or times.shape != equity.shape or not len(times) or not finite:
            raise ConfigurationError(
                f"a curve needs times and finite equities of one length of at least 1; {self.name!r} has {times.shape} and "
                f"{equity.shape}"
            )
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "equity", equity)


def _microseconds(times: NDArray[Any]) -> NDArray[np.int64]:
    found = np.asarray(times)
    return found if found.dtype == np.int64 else found.astype("datetime64[us]", copy=False).view(np.int64)


@dataclass(frozen=True, eq=False)
class Report:
    """A page. The first curve is the strategy that the charts of trades, months, rewards and actions are about.

    - `remarks`: plain sentences, the most important first; `badges`: (text, "good" | "bad" | "plain")
    - `rows`: the table, one mapping from heading to text a strategy; the first column is named "strategy"
    - `details`: a second such table, of what is asked after the first
    - `facts`: (heading, value, explanation) in large type
    - `times` int64[C], `open, high, low, close` float64[C]: the candles of the span, for one symbol; may be empty
    - `rewards` float64[...], `actions`: how often each was chosen, by name
    - `glossary`: (word, meaning), for who meets them for the first time
    - `card`: the result card, shown as JSON
    """

    title: str
    subtitle: str
    curves: Sequence[Curve]
    periods_per_year: float
    badges: Sequence[tuple[str, str]] = ()
    remarks: Sequence[str] = ()
    facts: Sequence[tuple[str, str, str]] = ()
    rows: Sequence[Mapping[str, str]] = ()
    details: Sequence[Mapping[str, str]] = ()
    symbol: str = ""
    times: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    open: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    high: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    low: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    close: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    fills: Sequence[ReportFill] = ()
    rewards: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    actions: Mapping[str, int] = field(default_factory=dict)
    glossary: Sequence[tuple[str, str]] = ()
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.curves:
            raise ConfigurationError("a report is about at least one curve; curves is empty")
        lengths = {len(getattr(self, name)) for name in ("times", "open", "high", "low", "close")}
        if len(lengths) != 1:
            raise ConfigurationError(f"times, open, high, low and close must have one length; got {sorted(lengths)}")
