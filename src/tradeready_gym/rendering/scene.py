"""What there is to show at one moment of an episode, in plain numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.market.timeframe import Timeframe


class SceneFill(NamedTuple):
    """A fill: the open time of its candle (microseconds, UTC), the symbol's index, +1 for buy or -1 for sell, the price."""

    time: int
    symbol: int
    side: int
    price: float


@dataclass(frozen=True, eq=False)
class Scene:
    """One moment of an episode. Holds visible candles only; the newest is the last.

    - `symbols`, S names; `timeframe`, a label such as `1h`
    - `times`: int64[T], open times of the candles in microseconds UTC; `open, high, low, close`: float64[S, T] (or [T]
      for one symbol), NaN where a symbol has no price; `gaps`: bool[S, T], True where nothing traded, or None
    - `fills`: those of the episode, in any order; fills older than the candles shown are not drawn
    - `equity_times`: int64[E], the clock at the start of the episode and after each step; `equity`: float64[E];
      `position_share`: float64[S, E] (or [E] for one symbol), position value / equity, negative for a short
    - `starting_balance` in the quote currency; `title` stands beside the symbol

    Raises `ConfigurationError` when the shapes do not fit together.
    """

    symbols: tuple[str, ...]
    timeframe: str
    times: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    fills: Sequence[SceneFill]
    equity_times: NDArray[np.int64]
    equity: NDArray[np.float64]
    position_share: NDArray[np.float64]
    starting_balance: float
    title: str = ""
    gaps: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        Timeframe.parse(self.timeframe)
        count = len(self.symbols)
        if count == 0:
            raise ConfigurationError("a scene shows at least one symbol; symbols is empty.")
        self._keep("times", np.int64, (None,))
        self._keep("equity_times", np.int64, (None,))
        candles, points = len(self.times), len(self.equity_times)
        for name in ("open", "high", "low", "close"):
            self._keep(name, np.float64, (count, candles))
        self._keep("equity", np.float64, (points,))
        self._keep("position_share", np.float64, (count, points))
        if self.gaps is not None:
            self._keep("gaps", np.bool_, (count, candles))

    def _keep(self, name: str, kind: type, shape: tuple[int | None, ...]) -> None:
        array: NDArray[Any] = np.asarray(getattr(self, name), dtype=kind)
        if len(shape) == 2 and shape[0] == 1 and array.ndim == 1:
            array = array[np.newaxis]
        if array.ndim != len(shape) or any(
            want not in (None, got) for want, got in zip(shape, array.shape, strict=True)
        ):
            wanted = tuple("any" if size is None else size for size in shape)
            raise ConfigurationError(
                f"{name} must have shape {wanted} (symbols {len(self.symbols)}, candles {np.shape(self.times)}, "
                f"equity points {np.shape(self.equity_times)}); it has {array.shape}."
            )
        object.__setattr__(self, name, array)

    @property
    def step_us(self) -> int:
        """Length of a candle in microseconds."""
        return Timeframe.parse(self.timeframe).microseconds

    @property
    def clock(self) -> int | None:
        """The moment shown, in microseconds UTC: the newest equity's, else the end of the newest candle."""
        if len(self.equity_times):
            return int(self.equity_times[-1])
        return int(self.times[-1]) + self.step_us if len(self.times) else None

    @property
    def equity_now(self) -> float:
        """The newest equity, the starting balance before the first."""
        return float(self.equity[-1]) if len(self.equity) else float(self.starting_balance)

    @property
    def roi_pct(self) -> float:
        """Return since the start, in per cent."""
        return 100.0 * (self.equity_now / self.starting_balance - 1.0)

    @property
    def shares_now(self) -> NDArray[np.float64]:
        """The newest position value / equity of each symbol, float64[S]."""
        return self.position_share[:, -1] if len(self.equity_times) else np.zeros(len(self.symbols))

    @property
    def fills_now(self) -> list[SceneFill]:
        """The fills in the newest candle."""
        return [fill for fill in self.fills if len(self.times) and fill.time >= self.times[-1]]
