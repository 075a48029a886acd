"""The terms of a margin account (section 12), as plain numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MarginTerms:
    """Section 12's table. `funding_rate` takes the place of interest; `first_hour` is the hour of the day at which row 0 opens."""

    leverage: float = 2.0
    maintenance: float = 0.05
    annual_borrow_rate: float = 0.0
    funding_rate: float | None = None
    funding_hours: int = 8
    liquidation_fee: float = 0.005
    first_hour: int = 0

    def funding_times(self, row: int, bars_per_day: int) -> int:
        """How many funding times lie in (open of the row - candle, open of the row]."""
        now = self.first_hour + row * 24 // bars_per_day
        before = now - 24 // bars_per_day
        return now // self.funding_hours - before // self.funding_hours
