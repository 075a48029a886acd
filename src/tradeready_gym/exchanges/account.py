"""What kind of account an exchange keeps: spot, or margin."""

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.market import FundingRates
from tradeready_gym.parameters import PlainArguments


@dataclass(frozen=True, kw_only=True)
class MarginAccount(PlainArguments):
    """Shorts and borrowing; docs of the engine, section 12, say what each number does.

    Args:
        leverage: the most that the gross value of the positions may be of the equity after a trade; 1 to 1000.
        maintenance: share of the gross value below which the account is liquidated; less than 1 / leverage.
        annual_borrow_rate: interest a year on borrowed cash and on the value of shorts; 0.1 is 10 %.
        funding_rate: what perpetuals pay per funding time, as a share of the position (longs pay, shorts receive; may be
            negative): a number, or the history of rates as `FundingRates`, or whatever that takes; None charges interest
            instead.
        funding_hours: hours between funding times, from midnight UTC; divides 24. None with a history: its own times.
        liquidation_fee: share of the liquidated value, on top of the taker fee.

    Raises:
        ConfigurationError: a number is outside its domain, or a history has rates at other times.
        DataError: a history that is none.
    """

    leverage: float = 2.0
    maintenance: float = 0.05
    annual_borrow_rate: float = 0.0
    # what `FundingRates` takes is a `FundingRates` once the account is made
    funding_rate: Any = None
    funding_hours: int | None = 8
    liquidation_fee: float = 0.005

    def __post_init__(self) -> None:
        _require("leverage", self.leverage, 1.0, 1000.0)
        _require("maintenance", self.maintenance, 0.0, 1.0)
        _require("annual_borrow_rate", self.annual_borrow_rate, 0.0, 100.0)
        _require("liquidation_fee", self.liquidation_fee, 0.0, 0.5)
        if self.maintenance >= 1.0 / self.leverage:
            raise ConfigurationError(
                f"maintenance must be below 1 / leverage = {1.0 / self.leverage:.6g}, or a full position is liquidated at "
                f"once; got maintenance={self.maintenance!r}, leverage={self.leverage!r}"
            )
        self._check_funding()

    def _check_funding(self) -> None:
        rate, hours = self.funding_rate, self.funding_hours
        if rate is not None and self.annual_borrow_rate > 0.0:
            raise ConfigurationError(
                "perpetuals pay funding instead of interest; give funding_rate or annual_borrow_rate, not both"
            )
        if hours not in (1, 2, 3, 4, 6, 8, 12, 24) and (hours is not None or rate is None or _is_number(rate)):
            raise ConfigurationError(f"funding_hours must divide 24, or be None with a history of rates; got {hours!r}")
        if _is_number(rate):
            _require("funding_rate", rate, -0.1, 0.1)
        elif rate is not None:
            history = rate if isinstance(rate, FundingRates) else FundingRates(rate)
            history.check_hours(hours)
            object.__setattr__(self, "funding_rate", history)

    @property
    def funding_history(self) -> FundingRates | None:
        """The history of rates, if there is one."""
        return self.funding_rate if isinstance(self.funding_rate, FundingRates) else None


Account: TypeAlias = MarginAccount | None

ACCOUNTS = ("spot", "margin")


def make_account(account: MarginAccount | str | None) -> Account:
    """A margin account, or None for a spot account; names stand for the defaults."""
    if account is None or isinstance(account, MarginAccount):
        return account
    if account == "spot":
        return None
    if account == "margin":
        return MarginAccount()
    if isinstance(account, str):
        raise UnknownName("account", account, ACCOUNTS)
    raise ConfigurationError(f"account must be a MarginAccount or one of {', '.join(ACCOUNTS)}; got {account!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _require(name: str, value: float, low: float, high: float) -> None:
    if not (isinstance(value, int | float) and math.isfinite(value) and low <= value <= high):
        raise ConfigurationError(f"{name} must be a number from {low:g} to {high:g}; got {value!r}")
