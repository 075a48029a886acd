"""What happens to an order: costs, slippage, matching, and the exchange that owns them."""

from tradeready_gym.exchanges.account import MarginAccount
from tradeready_gym.exchanges.base import Exchange
from tradeready_gym.exchanges.fees import FeeSchedule
from tradeready_gym.exchanges.simulated import SimulatedExchange
from tradeready_gym.exchanges.slippage import (
    SLIPPAGE_MODELS,
    CustomSlippage,
    FixedSlippage,
    HalfSpreadSlippage,
    NoSlippage,
    SlippageModel,
    SquareRootSlippage,
    UniformSlippage,
    VolumeShareSlippage,
    make_slippage,
)
from tradeready_gym.exchanges.stochastic import stochastic_exchange

__all__ = [
    "SLIPPAGE_MODELS",
    "CustomSlippage",
    "Exchange",
    "FeeSchedule",
    "FixedSlippage",
    "HalfSpreadSlippage",
    "MarginAccount",
    "NoSlippage",
    "SimulatedExchange",
    "SlippageModel",
    "SquareRootSlippage",
    "UniformSlippage",
    "VolumeShareSlippage",
    "make_slippage",
    "stochastic_exchange",
]
