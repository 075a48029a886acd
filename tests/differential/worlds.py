"""Small hand-made worlds for the tests of the reference: a flat day before, then the candles that a test names."""

from decimal import Decimal
from typing import Any

from decimal_ledger import Episode, Fill, NoSlippage, OrderRequest, Parameters, Series, StepResult

BEFORE = 100.0
CLOSED = (0.0, 0.0, 0.0, 0.0)


def series_of(*candles: tuple[float, float, float, float], before: float = BEFORE, volume: float = 1000.0) -> Series:
    """One candle before the start at the price `before`, then (open, high, low, close) rows; CLOSED makes a gap."""
    one = Series([before], [before], [before], [before], [volume], [False])
    for candle in candles:
        gap = candle == CLOSED
        last = one.close[-1]
        values = (last, last, last, last) if gap else candle
        for column, value in zip((one.open, one.high, one.low, one.close), values, strict=True):
            column.append(value)
        one.volume.append(0.0 if gap else volume)
        one.gap.append(gap)
    return one


def episode_of(*candles: tuple[float, float, float, float], **parameters: Any) -> Episode:
    """One symbol, history of one row at 100, no slippage unless the test says otherwise."""
    return episode_on([series_of(*candles)], **parameters)


def episode_on(series: list[Series], **parameters: Any) -> Episode:
    """The same for given candles; a "day" is one candle long."""
    settings = {"slippage": NoSlippage(), "bars_per_day": 1, **parameters}
    return Episode(series, start_row=settings["bars_per_day"], parameters=Parameters(**settings))


def order(side: str, kind: str, quantity: float, price: float | None = None, **more: Any) -> OrderRequest:
    """An order of symbol 0."""
    request: OrderRequest = {"symbol": 0, "side": side, "type": kind, "quantity": quantity, "price": price}
    request.update(more)  # type: ignore[typeddict-item]
    return request


def near(value: Decimal, expected: float | str, tolerance: str = "1e-9") -> bool:
    """Equal but for the binary digits of the inputs, which the reference takes exactly."""
    wanted = Decimal(expected) if isinstance(expected, str) else Decimal(repr(expected))
    return abs(value - wanted) <= Decimal(tolerance) * max(abs(wanted), Decimal(1))


def only_fill(result: StepResult) -> Fill:
    """The one fill of a step."""
    (fill,) = result.fills
    return fill


def reasons(result: StepResult) -> list[str]:
    """The reasons of a step's rejections."""
    return [rejection.reason for rejection in result.rejects]
