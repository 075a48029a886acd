"""The accounts of one or many environments, as flat arrays of records."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tradeready_gym.ledger.columns import Columns
from tradeready_gym.ledger.records import ACCOUNT_DTYPE, POSITION_DTYPE
from tradeready_gym.orders import FILL_DTYPE, ORDER_DTYPE, REJECT_DTYPE

# arrays of records, or `Columns`, which are used like one
Records = Any


@dataclass
class AccountState:
    """Row `i` belongs to environment `i`: its account, positions, resting orders, and what happened since its last action.

    Shapes: accounts (N,), positions (N, S), book (N, M), orders (N, K), fills (N, F), rejects (N, R).
    """

    accounts: Records
    positions: Records
    book: Records
    orders: Records
    fills: Records
    rejects: Records
    fills_per_action: int
    """Places in `fills` that the candles of one action may need."""

    @classmethod
    def create(
        cls,
        *,
        environments: int,
        symbols: int,
        open_orders: int,
        orders_per_action: int,
        candles_per_action: int = 1,
        spare: int = 1,
        columns: bool = False,
    ) -> "AccountState":
        """Empty accounts with room for what the worst step can do, and for `spare` orders of a person between two steps.

        With `columns` accounts, positions, fills and rejects are `Columns`: one symbol, and one order an action that never rests.
        Within one candle each order fills at most once: those of the action, those that rest, and the legs they activate.
        """
        # a bracketed market order activates two legs; legs of resting orders have their places in the book already
        # a liquidation closes each symbol once, whatever the account
        most = candles_per_action * (orders_per_action + open_orders + symbols)
        rejects = orders_per_action + spare

        def records(count: int, dtype: np.dtype[Any]) -> Records:
            return np.zeros((environments, count), dtype).view(np.recarray)

        if columns:
            return cls(
                accounts=Columns(ACCOUNT_DTYPE, environments),
                positions=Columns(POSITION_DTYPE, environments, nested=True),
                # nothing rests, and an order is gone within the step that makes it
                book=records(0, ORDER_DTYPE),
                orders=records(0, ORDER_DTYPE),
                fills=Columns(FILL_DTYPE, environments, nested=True),
                rejects=Columns(REJECT_DTYPE, environments, nested=True),
                fills_per_action=1,
            )
        return cls(
            accounts=np.zeros(environments, ACCOUNT_DTYPE).view(np.recarray),
            positions=records(symbols, POSITION_DTYPE),
            book=records(open_orders, ORDER_DTYPE),
            orders=records(orders_per_action, ORDER_DTYPE),
            fills=records(most + spare, FILL_DTYPE),
            rejects=records(rejects, REJECT_DTYPE),
            fills_per_action=most,
        )
