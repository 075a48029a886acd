"""What a strategy may know when it decides."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.actions import ActionScheme
from tradeready_gym.engine import Engine
from tradeready_gym.strategies.native import action_masks_of

Numbers = npt.NDArray[np.float64]


class Situation:
    """N accounts at their decision: what they observe, what they own, and the candles that lie wholly in their past.

    `observations` is what the environment returned, (N, width). `weights` (N, S) is the share of the equity that each symbol
    has at its last visible close, `cash_share` (N,) that of the available cash.
    """

    def __init__(self, observations: Any, engine: Engine) -> None:
        self.observations = observations
        self._engine = engine

    @property
    def count(self) -> int:
        """N, the number of accounts."""
        return self._engine.environments

    @property
    def symbols(self) -> tuple[str, ...]:
        """The S symbols, in the order of the columns below."""
        return self._engine.symbols

    @property
    def action_scheme(self) -> ActionScheme:
        """What turns the actions into orders."""
        return self._engine.spec.action_scheme

    @property
    def starts(self) -> npt.NDArray[np.bool_]:
        """Which accounts stand at the first decision of their episode, bool (N,)."""
        accounts = self._engine.state.accounts
        return np.asarray(accounts["row"] == accounts["start_row"])

    @property
    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which discrete actions can do anything now, bool (N, n)."""
        return action_masks_of(self._engine)

    @property
    def equity(self) -> Numbers:
        """Equity of each account, (N,), in the quote currency."""
        return np.array(self._engine.state.accounts["equity"], np.float64)

    @property
    def cash_share(self) -> Numbers:
        """Available cash / equity, (N,)."""
        return np.asarray(self._engine.state.accounts["cash"] / self._engine.state.accounts["equity"])

    @property
    def weights(self) -> Numbers:
        """Value held of each symbol / equity, (N, S)."""
        held = self._engine.state.positions["quantity"] * self.closes(1)[:, :, -1]
        return np.asarray(held / self._engine.state.accounts["equity"][:, None])

    def closes(self, bars: int) -> Numbers:
        """The newest `bars` visible closes, (N, S, bars), newest last; NaN before the first candle of the data."""
        newest = self._engine.state.accounts["row"] - 1
        offsets = np.asarray(self._engine.offsets)
        first = offsets[np.searchsorted(offsets, newest, side="right") - 1]
        rows = newest[:, None] + np.arange(1 - bars, 1)
        seen = rows >= first[:, None]
        closes = self._engine.rows["close"][np.where(seen, rows, 0)]
        return np.asarray(np.where(seen[:, :, None], closes, np.nan).transpose(0, 2, 1))
