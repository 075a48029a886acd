"""Money of a spot account: cash, holdings, locks, average entries, realised PnL and fees (section 3)."""

from dataclasses import dataclass, field
from decimal import Decimal

from reference.inputs import ZERO

ALL_BUT_ROUNDING = Decimal(10) ** -12  # binary sums of locks miss the holding by less than this share of it
ROUNDING_NOISE = Decimal(10) ** -35  # what rounding to 120 digits leaves where 0 is meant, as a share


@dataclass
class Account:
    """`cash` is the available cash; what resting orders hold is in `locked_cash` and `locked_positions`."""

    starting_balance: Decimal
    symbols: int
    cash: Decimal = ZERO
    locked_cash: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    fees_paid: Decimal = ZERO
    positions: list[Decimal] = field(default_factory=list)
    locked_positions: list[Decimal] = field(default_factory=list)
    average_entries: list[Decimal] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cash = self.starting_balance
        self.positions = [ZERO] * self.symbols
        self.locked_positions = [ZERO] * self.symbols
        self.average_entries = [ZERO] * self.symbols

    def unlocked(self, symbol: int) -> Decimal:
        """The holding that no resting order has locked; none where the locks are all of it but for rounding."""
        left = self.positions[symbol] - self.locked_positions[symbol]
        return left if left > ALL_BUT_ROUNDING * self.positions[symbol] else ZERO

    def lock_position(self, symbol: int, quantity: Decimal) -> None:
        """Set a part of the holding aside for a resting sell."""
        self.locked_positions[symbol] += quantity

    def free_position(self, symbol: int, quantity: Decimal) -> None:
        """Give it back."""
        left = self.locked_positions[symbol] - quantity
        self.locked_positions[symbol] = ZERO if left < ROUNDING_NOISE * quantity else left

    def lock_cash(self, amount: Decimal) -> None:
        """Move available cash into the locks."""
        self.cash -= amount
        self.locked_cash += amount

    def free_cash(self, amount: Decimal) -> None:
        """Move locked cash back."""
        self.locked_cash = self._without_noise(self.locked_cash - amount)
        self.cash += amount

    def buy(self, symbol: int, quantity: Decimal, price: Decimal, fee: Decimal) -> None:
        """Pay from available cash; the average entry excludes the fee."""
        held = self.positions[symbol]
        cost = held * self.average_entries[symbol] + quantity * price
        self.positions[symbol] = held + quantity
        self.average_entries[symbol] = cost / self.positions[symbol]
        self.cash = self._without_noise(self.cash - quantity * price - fee)
        self.fees_paid += fee

    def sell(self, symbol: int, quantity: Decimal, price: Decimal, fee: Decimal) -> Decimal:
        """Take the money, and return the realised PnL: (price - average entry) * quantity, without the fee."""
        pnl = (price - self.average_entries[symbol]) * quantity
        held = self.positions[symbol]
        self.positions[symbol] = ZERO if held - quantity < ROUNDING_NOISE * held else held - quantity
        if self.positions[symbol] == 0:
            self.average_entries[symbol] = ZERO
        self.cash += quantity * price - fee
        self.realized_pnl += pnl
        self.fees_paid += fee
        return pnl

    def equity(self, closes: list[Decimal]) -> Decimal:
        """Available cash + locked cash + value of the holdings."""
        value = sum((quantity * close for quantity, close in zip(self.positions, closes, strict=True)), ZERO)
        return self.cash + self.locked_cash + value

    def unrealized_pnl(self, closes: list[Decimal]) -> Decimal:
        """Value of the holdings less what they cost without fees."""
        rows = zip(self.positions, self.average_entries, closes, strict=True)
        return sum((quantity * (close - entry) for quantity, entry, close in rows), ZERO)

    def _without_noise(self, amount: Decimal) -> Decimal:
        return ZERO if abs(amount) < ROUNDING_NOISE * self.starting_balance else amount
