"""A market that grows by one candle at a time, in the arrays that the engine reads."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.exchanges.slippage import NoSlippage
from tradeready_gym.exchanges.state import AccountState
from tradeready_gym.features import FeaturePipeline
from tradeready_gym.features.base import feature_values
from tradeready_gym.live.feed import Slot
from tradeready_gym.market import Candles, DataReplayer
from tradeready_gym.market.replayer import pack_rows
from tradeready_gym.orders import Order

_NAMES = ("open", "high", "low", "close", "volume")


class GrowingReplayer(DataReplayer):
    """The candles of `history`, and room for `capacity` more; row `closed` is the first that has not closed yet.

    Rows that have not closed hold the last close and no volume: nothing can trade in them, and nobody is shown them.
    """

    def __init__(self, history: Candles, capacity: int) -> None:
        end = history.end + capacity * history.timeframe.microseconds
        given = [getattr(history, name) for name in _NAMES]
        padded = Candles.from_arrays(
            history.symbols, history.timeframe, history.times, *given, source=history.source, end=end
        )
        super().__init__(padded)
        self.rows = np.array(self.rows)
        self._values = {name: np.array(getattr(padded, name)) for name in _NAMES}
        self._gaps = np.array(padded.gaps)
        self._gaps[:, : len(history)] = history.gaps
        self.closed = len(history)

    @property
    def clock(self) -> int:
        """When the newest closed candle ended."""
        return int(self.times[self.closed - 1]) + self.timeframe.microseconds

    @property
    def full(self) -> bool:
        """Whether there is room for no further candle."""
        return self.closed == len(self.times)

    def append(self, slot: Slot) -> int:
        """Add the slot that follows the newest one; returns its row.

        Raises:
            ConfigurationError: it is another slot, or there is no more room.
        """
        row = self.closed
        if self.full or slot.time != int(self.times[row]):
            raise ConfigurationError(
                f"the next candle begins at {int(self.times[row]) if not self.full else 'no time: the market is full'}; "
                f"got {slot.time}"
            )
        before = self._values["close"][:, row - 1]
        for place, name in enumerate(_NAMES):
            filler = before if name != "volume" else np.zeros_like(before)
            self._values[name][:, row] = np.where(slot.gaps, filler, slot.values[:, place])
        self._gaps[:, row] = slot.gaps
        self.closed += 1
        # what looks back over a day is computed from the block of days before, so that it is what a whole table would hold
        first = max(0, (row // self.day_bars - 1) * self.day_bars)
        self.rows[row] = pack_rows(self._between(first, self.closed), self.day_bars)[-1]
        return row

    def gaps_at(self, row: int) -> npt.NDArray[np.bool_]:
        """Which symbols had no candle there, bool[S]."""
        return self._gaps[:, row]

    def with_room(self, capacity: int) -> "GrowingReplayer":
        """The same candles, with room for `capacity` more."""
        other = GrowingReplayer(self.candles_so_far(), capacity)
        other.rows[: self.closed] = self.rows[: self.closed]
        return other

    def candles_so_far(self) -> Candles:
        """Everything that has closed."""
        return self._between(0, self.closed)

    def _between(self, first: int, last: int) -> Candles:
        values: dict[str, Any] = {name: array[:, first:last] for name, array in self._values.items()}
        return Candles(
            self.symbols, self.timeframe, self.times[first:last], **values, gaps=self._gaps[:, first:last],
            source=self.candles.source,
        )  # fmt: skip


class LiveExchange(SimulatedExchange):
    """A simulated exchange whose candles come one by one.

    A market order that is submitted between two candles fills at the open of the candle that is running; without one it is
    refused (`market_closed`).

    Args:
        market: the candles.
        announce: called with the orders that are about to be submitted; returns the opens of the running candles by symbol.
        announce_cancel: called with the id of an order that is about to be cancelled.
        fill_at: as in `SimulatedExchange`; or "book", where what `announce` returns is the best bid or ask, at which a market
            order fills as it is.
        arguments: those of `SimulatedExchange`, but for its data.
    """

    def __init__(
        self,
        market: GrowingReplayer,
        announce: Callable[[Sequence[Order]], Mapping[str, float]],
        announce_cancel: Callable[[int], object] = lambda _: None,
        *,
        fill_at: str = "next_open",
        **arguments: Any,
    ) -> None:
        super().__init__(market.candles, fill_at="next_open" if fill_at == "book" else fill_at, **arguments)
        self.fill_at = fill_at
        if self.account is not None and self.account.funding_history is not None:
            raise ConfigurationError(
                "a live account cannot have a history of funding rates, since tomorrow's are not in it; give one rate as "
                "funding_rate=, such as the mean of the history"
            )
        self.live_market = market
        self._announce, self._announce_cancel = announce, announce_cancel

    @property
    def candles(self) -> Candles:
        """Everything that has closed."""
        return self.live_market.candles_so_far()

    def submit(self, orders: Sequence[Order]) -> list[dict[str, Any]]:
        """Take orders, at the opens of the candles that are running."""
        state, market = self._open_state()
        row = int(state.accounts[0].row)
        prices = self._announce(orders)
        if row < len(market):
            for j, symbol in enumerate(self.symbols):
                if symbol in prices:
                    running = self.live_market.rows[row, j]
                    for name in ("open", "high", "low", "close"):
                        running[name] = prices[symbol]
                    # what will be traded in it is not known: `max_volume_share` cannot limit anything yet
                    running["volume"] = math.inf
        if self.fill_at != "book":
            return super().submit(orders)
        return [self._submit_at_book(order) for order in orders]

    def _submit_at_book(self, order: Order) -> dict[str, Any]:
        model = self.slippage
        if order.type == "market":
            self.slippage = NoSlippage()
        try:
            return super().submit([order])[0]
        finally:
            self.slippage = model

    def cancel(self, order_id: int) -> bool:
        """Cancel a resting order and free exactly what it locked; False if it is not resting."""
        self._announce_cancel(order_id)
        return super().cancel(order_id)

    @property
    def state(self) -> AccountState:
        """The account's arrays; only after `reset`."""
        return self._open_state()[0]

    def move_to(self, market: GrowingReplayer) -> None:
        """Go on in `market`, which holds the same candles and has more room."""
        self.live_market = self._replayer = market
        account = self.state.accounts[0]
        account.end_row = account.data_end_row = len(market)

    def forget(self, kept: int) -> None:
        """Keep the newest `kept` lines of the curve, and fills of as many candles; the account itself forgets nothing."""
        del self._curve[:-kept], self._fills[:-kept]

    def load(self, start: object = None, end: object = None, history_bars: int = 0) -> list[DataReplayer]:
        """The growing market."""
        return [self.live_market]


def newest_features(pipeline: FeaturePipeline, candles: Candles) -> npt.NDArray[np.float32]:
    """The pipeline's values at the close of the newest candle, float32[S, F]: the last row of the table it would build."""
    low, high = pipeline.low.astype(np.float64), pipeline.high.astype(np.float64)
    row = np.empty((len(candles.symbols), pipeline.width), np.float32)
    column = 0
    for feature in pipeline.market_features:
        here = slice(column, column + feature.width)
        for index in range(len(candles.symbols)):
            row[index, here] = np.clip(feature_values(feature, candles, index)[-1], low[here], high[here])
        column += feature.width
    return row
