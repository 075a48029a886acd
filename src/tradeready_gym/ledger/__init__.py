"""Money: apply a fill, mark, keep the statistics. Used by every face of the engine."""

from tradeready_gym.ledger.records import ACCOUNT_DTYPE, POSITION_DTYPE
from tradeready_gym.ledger.spot import apply_buy, apply_sell, mark, open_account
from tradeready_gym.ledger.statistics import reset_statistics, update_statistics

__all__ = [
    "ACCOUNT_DTYPE",
    "POSITION_DTYPE",
    "apply_buy",
    "apply_sell",
    "mark",
    "open_account",
    "reset_statistics",
    "update_statistics",
]
