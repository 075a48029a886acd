"""The spot account: what a fill does to cash, position and PnL."""

from typing import Any

import numpy as np
import pytest

from tradeready_gym.ledger import ACCOUNT_DTYPE, POSITION_DTYPE, apply_buy, apply_sell, mark, open_account
from tradeready_gym.market.replayer import CANDLE_DTYPE


def account_with(cash: float) -> Any:
    account = np.zeros(1, ACCOUNT_DTYPE).view(np.recarray)[0]
    account.starting_balance = cash
    open_account(account, positions_of(1), 1)
    return account


def positions_of(symbols: int) -> Any:
    return np.zeros(symbols, POSITION_DTYPE).view(np.recarray)


def candles_at(*closes: float) -> Any:
    candles = np.zeros(len(closes), CANDLE_DTYPE).view(np.recarray)
    candles.close = closes
    return candles


def buy(account: Any, position: Any, quantity: float, price: float, fee: float = 0.0) -> None:
    """A buy as an exchange makes it: the caller pays."""
    account.cash -= quantity * price + fee
    apply_buy(account, position, quantity, price, fee)


def test_a_fresh_account_is_all_cash() -> None:
    account = account_with(500.0)

    assert (account.cash, account.equity, account.peak_equity, account.locked_cash) == (500.0, 500.0, 500.0, 0.0)


def test_average_entry_is_weighted_by_quantity_and_excludes_fees() -> None:
    account, (position,) = account_with(1_000.0), positions_of(1)
    buy(account, position, 2.0, 100.0, fee=5.0)
    buy(account, position, 1.0, 130.0, fee=5.0)

    assert (position.quantity, position.average_entry) == (3.0, pytest.approx(110.0))
    assert account.fees_paid == 10.0


def test_a_sale_realises_price_less_average_entry_and_pays_its_fee() -> None:
    account, (position,) = account_with(1_000.0), positions_of(1)
    buy(account, position, 4.0, 100.0)

    assert apply_sell(account, position, 1.0, 120.0, 2.0) == pytest.approx(20.0)
    assert (account.cash, account.realized_pnl, account.fees_paid) == (718.0, 20.0, 2.0)
    assert (position.quantity, position.average_entry) == (3.0, 100.0)


def test_selling_everything_leaves_exactly_nothing() -> None:
    account, (position,) = account_with(1_000.0), positions_of(1)
    for quantity in (0.1, 0.2, 0.7):
        buy(account, position, quantity, 100.0)
    apply_sell(account, position, position.quantity, 100.0, 0.0)

    assert (position.quantity, position.average_entry) == (0.0, 0.0)


def test_a_round_trip_counts_when_it_ends_flat_and_after_fees() -> None:
    account, (position,) = account_with(1_000.0), positions_of(1)
    buy(account, position, 1.0, 100.0, fee=1.0)
    apply_sell(account, position, 0.5, 103.0, 0.5)
    assert account.round_trips == 0
    apply_sell(account, position, 0.5, 100.0, 0.5)

    assert (account.round_trips, account.winning_trips) == (1, 0)
    assert account.gross_loss == pytest.approx(0.5)


def test_marking_sums_in_symbol_order_and_says_whether_anything_is_held() -> None:
    account, positions = account_with(1_000.0), positions_of(2)

    assert mark(account, positions, candles_at(10.0, 20.0), 2) is False
    buy(account, positions[1], 3.0, 18.0)
    assert mark(account, positions, candles_at(10.0, 20.0), 2) is True
    assert (account.position_value, account.unrealized_pnl, account.equity) == (60.0, 6.0, 1_006.0)


def test_locked_cash_is_part_of_the_equity() -> None:
    account = account_with(1_000.0)
    account.cash, account.locked_cash = 400.0, 600.0
    mark(account, positions_of(1), candles_at(10.0), 1)

    assert account.equity == 1_000.0


def test_the_identity_of_equity_holds_after_any_fills() -> None:
    random = np.random.default_rng(0)
    account, positions = account_with(1e6), positions_of(3)
    for _ in range(3_000):
        j = int(random.integers(3))
        price = float(np.exp(random.normal(3.0, 0.5)))
        held = float(positions[j].quantity)
        quantity = float(random.exponential(20.0))
        if random.random() < 0.5 and quantity * price * 1.001 < account.cash:
            buy(account, positions[j], quantity, price, 0.001 * quantity * price)
        elif held > 0.0:
            quantity = held if random.random() < 0.2 else min(quantity, held)
            apply_sell(account, positions[j], quantity, price, 0.001 * quantity * price)
    mark(account, positions, candles_at(20.0, 21.0, 22.0), 3)

    identity = account.starting_balance + account.realized_pnl + account.unrealized_pnl - account.fees_paid
    assert account.trades == 0  # fills are counted by whoever executes them
    assert account.equity == pytest.approx(identity, abs=1e-9 * account.starting_balance)
