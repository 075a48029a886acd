"""Costs and filters in registers, for steps that ask for them often.

An exchange of percentage fees and no filters is a plain one: what is nothing there is compiled as nothing."""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from tradeready_gym.exchanges.records import COSTS_DTYPE, INSTRUMENT_DTYPE
from tradeready_gym.kernel import kernel

_record: Any = namedtuple
Costs = _record("Costs", COSTS_DTYPE.names)
Filters = _record("Filters", INSTRUMENT_DTYPE.names)

_FREE_COSTS = ("fee_rate", "maker_fee_rate", "slippage_maximum", "dust")
_FREE_FILTERS = ("min_notional",)


def is_plain(costs: Any, instruments: Any) -> bool:
    """Whether the records say nothing that the holders of a plain exchange leave out."""
    left_out = [costs[name] for name in COSTS_DTYPE.names or () if name not in _FREE_COSTS]
    left_out += [instruments[name] for name in INSTRUMENT_DTYPE.names or () if name not in _FREE_FILTERS]
    return not any(values.any() for values in left_out)


def make_holders(plain: bool) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The kernels that take the costs and the filters of a spot account out of their records; margin terms are constants 0.

    With `plain` every amount, cap and filter is a constant 0 too, but for the least value of an order.
    """
    whole = not plain

    @kernel
    def hold_costs(costs: Any) -> Any:
        return Costs(
            fee_rate=costs.fee_rate,
            maker_fee_rate=costs.maker_fee_rate,
            slippage_maximum=costs.slippage_maximum,
            fill_at_close=costs.fill_at_close if whole else 0,
            max_volume_share=costs.max_volume_share if whole else 0.0,
            dust=costs.dust,
            leverage=0.0,
            maintenance=0.0,
            interest_rate=0.0,
            funding_rate=0.0,
            funding_interval=0.0,
            candle_length=0.0,
            liquidation_fee=0.0,
            fee_per_trade=costs.fee_per_trade if whole else 0.0,
            fee_minimum=costs.fee_minimum if whole else 0.0,
        )

    @kernel
    def hold_filters(instrument: Any) -> Any:
        return Filters(
            lot_size=instrument.lot_size if whole else 0.0,
            tick_size=instrument.tick_size if whole else 0.0,
            min_notional=instrument.min_notional,
            max_quantity=instrument.max_quantity if whole else 0.0,
            min_quantity=instrument.min_quantity if whole else 0.0,
            max_notional=instrument.max_notional if whole else 0.0,
        )

    return hold_costs, hold_filters
