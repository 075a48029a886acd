"""What a feed is: closed candles of several symbols, slot by slot, each exactly once."""

import abc
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.errors import ConfigurationError, DataUnavailable, TradeReadyError
from tradeready_gym.market import Candles, Instrument, Timeframe


class FeedEnded(TradeReadyError):
    """The feed has no more candles: a recording is over, or the feed was closed."""


class FeedState(enum.StrEnum):
    """How a feed is; decisions are taken only when it is `LIVE`."""

    LIVE = "live"
    CONNECTING = "connecting"
    BACKFILLING = "backfilling"
    CLOSED = "closed"


@dataclass(frozen=True)
class FeedHealth:
    """A feed at one moment. Counters count since it was made; `clock_offset_us` is the venue's clock minus ours, `wrong_times` are
    moments that the venue told and that its own clock does not know yet, or that disagree with what was measured, `too_early` closed
    candles of a time that has not come; none of them is believed."""

    state: FeedState
    newest_slot: int | None = None
    reconnects: int = 0
    backfilled: int = 0
    late: int = 0
    duplicates: int = 0
    corrections: int = 0
    malformed: int = 0
    declared_gaps: int = 0
    wrong_times: int = 0
    too_early: int = 0
    clock_offset_us: int = 0
    last_problem: str | None = None


@dataclass(frozen=True, eq=False)
class Slot:
    """One closed slot of the grid: `values` float64[S, 5] are open, high, low, close, volume; `gaps` bool[S].

    A gap is a slot for which the venue said that it has no candle; its values are not used.
    """

    time: int
    values: npt.NDArray[np.float64]
    gaps: npt.NDArray[np.bool_]
    info: Mapping[str, Any] = field(default_factory=dict)


class Feed(abc.ABC):
    """The contract of a feed. Times are microseconds since 1970, UTC."""

    symbols: tuple[str, ...]
    timeframe: Timeframe

    @abc.abstractmethod
    def history(self, bars: int) -> Candles:
        """At least `bars` closed candles of every symbol, up to the newest that has closed.

        Raises:
            DataUnavailable: the venue has fewer.
        """

    @abc.abstractmethod
    def wait(self, time: int, timeout: float | None = None) -> Slot | None:
        """The slot that opens at `time`, as soon as it is closed on every symbol or declared a gap; None after `timeout` seconds.

        Slots are asked for one after the other, without leaving one out.

        Raises:
            FeedEnded: there will never be such a slot.
        """

    def __deepcopy__(self, memo: object) -> "Feed":
        # there is one market, however often the description of an environment is copied
        return self

    def passed(self, time: int) -> None:
        """The slot at `time` is known from elsewhere and will not be asked for; a recording goes on behind it."""

    @abc.abstractmethod
    def now(self) -> int:
        """The venue's clock."""

    def opening_prices(self) -> Mapping[str, float]:
        """The open of the candle that is running, for each symbol where the feed knows it; none by default."""
        return {}

    def prices(self) -> Mapping[str, float]:
        """The newest price within the candle that is running, for each symbol where the feed knows one; none by default."""
        return {}

    def quotes(self) -> Mapping[str, tuple[float, float]]:
        """The best bid and ask of each symbol, at this moment.

        Raises:
            DataUnavailable: there is no book behind this feed.
            DownloadError: the venue does not answer.
        """
        raise DataUnavailable(
            f"{type(self).__name__} has no order book: recorded candles do not say the best bid and ask"
        )

    @property
    def has_book(self) -> bool:
        """Whether `quotes` can answer."""
        return type(self).quotes is not Feed.quotes

    def instruments(self) -> Mapping[str, Instrument]:
        """The venue's filters by symbol; none by default."""
        return {}

    @property
    @abc.abstractmethod
    def health(self) -> FeedHealth:
        """How the feed is now."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of connections and threads; closing twice is harmless."""


def slot_out_of_turn(expected: int, asked: int) -> ConfigurationError:
    """The error of whoever leaves a slot out."""
    return ConfigurationError(f"slots come one after the other; {expected} is next, not {asked}")


def require_symbols(symbols: str | Sequence[str]) -> tuple[str, ...]:
    """Symbols as a tuple of upper-case names."""
    names = (symbols,) if isinstance(symbols, str) else tuple(symbols)
    return tuple(name.upper() for name in names)
