"""Costs and filters in registers, for steps that ask for them often.

An exchange of percentage fees and no filters is a plain one: what is nothing there is compiled as nothing."""

from collections import namedtuple
from typing import Any

from tradeready_gym.exchanges.records import COSTS_DTYPE, INSTRUMENT_DTYPE
from tradeready_gym.kernel import kernel

_record: Any = namedtuple
Costs = _record("Costs", COSTS_DTYPE.names)
Filters = _record("Filters", INSTRUMENT_DTYPE.names)

_FREE_COSTS = ("fee_rate", "maker_fee_rate", "slippage_maximum", "dust")
_FREE_FILTERS = ("min_notional",)


def is_plain(costs: Any, instruments: Any) -> bool:
    """Whether the records say nothing that `plain_costs` and `plain_instrument` leave out."""
    left_out = [costs[name] for name in COSTS_DTYPE.names or () if name not in _FREE_COSTS]
    left_out += [instruments[name] for name in INSTRUMENT_DTYPE.names or () if name not in _FREE_FILTERS]
    return not any(values.any() for values in left_out)


@kernel
def plain_costs(costs: Any) -> Any:
    """The costs with every amount, cap and margin term a constant 0."""
    return Costs(
        fee_rate=costs.fee_rate,
        maker_fee_rate=costs.maker_fee_rate,
        slippage_maximum=costs.slippage_maximum,
        fill_at_close=0,
        max_volume_share=0.0,
        dust=costs.dust,
        leverage=0.0,
        maintenance=0.0,
        interest_rate=0.0,
        funding_rate=0.0,
        funding_interval=0.0,
        candle_length=0.0,
        liquidation_fee=0.0,
        fee_per_trade=0.0,
        fee_minimum=0.0,
    )


@kernel
def plain_instrument(instrument: Any) -> Any:
    """The filters with every one but the least value a constant 0."""
    return Filters(
        lot_size=0.0,
        tick_size=0.0,
        min_notional=instrument.min_notional,
        max_quantity=0.0,
        min_quantity=0.0,
        max_notional=0.0,
    )


@kernel
def whole_costs(costs: Any) -> Any:
    """The costs of a spot account as they are."""
    return Costs(
        fee_rate=costs.fee_rate,
        maker_fee_rate=costs.maker_fee_rate,
        slippage_maximum=costs.slippage_maximum,
        fill_at_close=costs.fill_at_close,
        max_volume_share=costs.max_volume_share,
        dust=costs.dust,
        leverage=0.0,
        maintenance=0.0,
        interest_rate=0.0,
        funding_rate=0.0,
        funding_interval=0.0,
        candle_length=0.0,
        liquidation_fee=0.0,
        fee_per_trade=costs.fee_per_trade,
        fee_minimum=costs.fee_minimum,
    )


@kernel
def whole_instrument(instrument: Any) -> Any:
    """The filters as they are."""
    return Filters(
        lot_size=instrument.lot_size,
        tick_size=instrument.tick_size,
        min_notional=instrument.min_notional,
        max_quantity=instrument.max_quantity,
        min_quantity=instrument.min_quantity,
        max_notional=instrument.max_notional,
    )
