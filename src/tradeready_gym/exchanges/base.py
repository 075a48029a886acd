"""What an exchange is: it owns its market, its account and its costs."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any

from tradeready_gym.market import Candles
from tradeready_gym.orders import Fill, Order
from tradeready_gym.parameters import PlainArguments


class Exchange(PlainArguments):
    """The contract of an exchange. Prices and amounts are in the quote currency, quantities in base units."""

    @property
    @abc.abstractmethod
    def symbols(self) -> tuple[str, ...]:
        """What can be traded here."""

    @property
    @abc.abstractmethod
    def candles(self) -> Candles:
        """Its market as far as it is known: the candles from the first of the data to the newest that has closed, read-only.

        With several data sets, those of the one in which the account trades.
        """

    @abc.abstractmethod
    def reset(self, start: int | str | None = None) -> None:
        """Back to the starting balance, with the clock at `start` (the earliest legal time by default)."""

    @abc.abstractmethod
    def submit(self, orders: Sequence[Order]) -> list[dict[str, Any]]:
        """Take orders in order of submission; one plain answer each.

        `status` is filled, pending, rejected (with its `reason`), or cancelled (`max_volume_share` left nothing of the candle).
        """

    @abc.abstractmethod
    def match(self, candle: Any = None) -> list[Fill]:
        """Match the resting orders against the candle that begins at the clock, and move the clock past it."""

    @abc.abstractmethod
    def mark(self, closes: Sequence[float] | None = None) -> float:
        """Value the account at `closes` (the last visible ones by default); returns the equity."""

    @property
    @abc.abstractmethod
    def balance(self) -> float:
        """Available cash."""

    @property
    @abc.abstractmethod
    def portfolio(self) -> Mapping[str, float]:
        """Quantity held by symbol; symbols that are not held are left out."""

    @property
    @abc.abstractmethod
    def net_worth(self) -> float:
        """Available cash + locked cash + value of what is held."""

    @property
    @abc.abstractmethod
    def trades(self) -> Sequence[Mapping[str, Any]]:
        """The fills since `reset`, oldest first."""

    @property
    @abc.abstractmethod
    def performance(self) -> Mapping[str, Any]:
        """One row per step since `reset`: arrays by column name."""
