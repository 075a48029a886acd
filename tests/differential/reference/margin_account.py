"""Money of a margin account: cash that may be borrowed, signed quantities, financing and bankruptcy (section 12)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from reference.inputs import ZERO

SIGN = {"buy": 1, "sell": -1}


@dataclass
class MarginAccount:
    """Nothing is ever locked; `positions` are negative where the account is short."""

    starting_balance: Decimal
    symbols: int
    cash: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    fees_paid: Decimal = ZERO
    financing_paid: Decimal = ZERO
    bankruptcy_loss: Decimal = ZERO
    positions: list[Decimal] = field(default_factory=list)
    average_entries: list[Decimal] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cash = self.starting_balance
        self.positions = [ZERO] * self.symbols
        self.average_entries = [ZERO] * self.symbols

    @property
    def locked_cash(self) -> Decimal:
        """0: section 12."""
        return ZERO

    @property
    def locked_positions(self) -> list[Decimal]:
        """None."""
        return [ZERO] * self.symbols

    def unlocked(self, symbol: int) -> Decimal:
        """The position: all of it can be traded."""
        return self.positions[symbol]

    def closed_by(self, symbol: int, side: str, quantity: Decimal) -> Decimal:
        """The part of a trade that closes what is held."""
        against = -SIGN[side] * self.positions[symbol]
        return min(quantity, against) if against > 0 else ZERO

    def trade(self, symbol: int, side: str, quantity: Decimal, price: Decimal, fee: Decimal) -> Decimal:
        """Close what the trade closes, open or add the rest; the realised PnL of the closed part, without the fee."""
        sign, held, entry = SIGN[side], self.positions[symbol], self.average_entries[symbol]
        closed = self.closed_by(symbol, side, quantity)
        opened = quantity - closed
        pnl = -sign * (price - entry) * closed
        after = held + sign * quantity if opened or closed != abs(held) else ZERO
        if after == 0:
            self.average_entries[symbol] = ZERO
        elif opened:
            kept = ZERO if closed else abs(held)
            self.average_entries[symbol] = (kept * entry + opened * price) / (kept + opened)
        self.positions[symbol] = after
        self.cash -= sign * quantity * price + fee
        self.realized_pnl += pnl
        self.fees_paid += fee
        return pnl

    def finance(self, amount: Decimal) -> None:
        """Pay interest or funding; a negative amount is received."""
        self.cash -= amount
        self.financing_paid += amount

    def write_off(self) -> None:
        """Debt that a liquidation leaves is nobody's: cash is 0, and the missing part a loss of somebody else."""
        if self.cash < 0:
            self.bankruptcy_loss -= self.cash
            self.cash = ZERO

    def equity(self, prices: Sequence[Decimal]) -> Decimal:
        """Cash + sum of quantity * price."""
        return self.cash + sum((q * price for q, price in zip(self.positions, prices, strict=True)), ZERO)

    def gross(self, prices: Sequence[Decimal]) -> Decimal:
        """Sum of abs(quantity) * price."""
        return sum((abs(q) * price for q, price in zip(self.positions, prices, strict=True)), ZERO)

    def unrealized_pnl(self, closes: Sequence[Decimal]) -> Decimal:
        """What closing everything at these prices would realise, without fees."""
        rows = zip(self.positions, self.average_entries, closes, strict=True)
        return sum((quantity * (close - entry) for quantity, entry, close in rows), ZERO)
