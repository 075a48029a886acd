"""The candles as exact numbers, and what may be seen of them when the clock stands on a row."""

from decimal import Decimal

from reference.inputs import ZERO, Series, exact


class Market:
    """Rows are slots of the grid: with the clock on `row`, rows before it are visible, and `row` begins now."""

    def __init__(self, series: list[Series], bars_per_day: int) -> None:
        self.series = series
        self.bars_per_day = bars_per_day

    def closes(self, row: int) -> list[Decimal]:
        """Every symbol's close of a row."""
        return [exact(one.close[row]) for one in self.series]

    def last_close(self, symbol: int, row: int) -> Decimal:
        """The newest close that is visible with the clock on `row`."""
        return exact(self.series[symbol].close[row - 1])

    def quote_volume(self, symbol: int, row: int) -> Decimal:
        """V of section 5: the sum of close * volume over the 24 h before the clock."""
        one = self.series[symbol]
        day = range(row - self.bars_per_day, row)
        return sum((exact(one.close[i]) * exact(one.volume[i]) for i in day), ZERO)

    def daily_volatility(self, symbol: int, row: int) -> Decimal:
        """Realised volatility of the 24 h before the clock: sqrt of the sum of squared log returns of closes [A9]."""
        one = self.series[symbol]
        first = max(row - self.bars_per_day, 1)
        squares = ((exact(one.close[i]) / exact(one.close[i - 1])).ln() ** 2 for i in range(first, row))
        return sum(squares, ZERO).sqrt()
