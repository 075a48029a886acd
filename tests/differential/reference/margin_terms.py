"""The terms of a margin account (section 12), as plain numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class MarginTerms:
    """Section 12's table. `funding_rate` takes the place of interest; `first_hour` is the hour of the day at which row 0 opens.

    `funding_history` has for each symbol the rates by the hour, counted from the midnight before row 0.
    """

    leverage: float = 2.0
    maintenance: float = 0.05
    annual_borrow_rate: float = 0.0
    funding_rate: float | None = None
    funding_hours: int | None = 8
    liquidation_fee: float = 0.005
    first_hour: int = 0
    funding_history: tuple[Mapping[int, float], ...] | None = None

    def funding_times(self, row: int, bars_per_day: int) -> int:
        """How many funding times lie in (open of the row - candle, open of the row]."""
        before, now = self._hours(row, bars_per_day)
        interval = self.funding_hours or 24
        return now // interval - before // interval

    def funding_due(self, symbol: int, row: int, bars_per_day: int) -> Decimal:
        """The rates of a symbol at the funding times in the same span, added up."""
        before, now = self._hours(row, bars_per_day)
        history = (self.funding_history or ())[symbol]
        return sum((Decimal(rate) for hour, rate in history.items() if before < hour <= now), Decimal(0))

    def _hours(self, row: int, bars_per_day: int) -> tuple[int, int]:
        now = self.first_hour + row * 24 // bars_per_day
        return now - 24 // bars_per_day, now
