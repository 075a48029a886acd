"""How much of a list is answered at once: `limit`, of which the server's `Limits` say the most, and `offset`."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from tradeready_gym.platform.api.dependencies import platform_of
from tradeready_gym.platform.errors import Invalid
from tradeready_gym.platform.settings import Limits

LIMIT_KEY = "x-limit"
_DEFAULT_KEY = "x-default"


def limited(name: str, default: int) -> Callable[..., Awaitable[int]]:
    """A dependency: the query parameter `limit`, by default so many, and never more than the field `name` of `Limits`.

    Raises (when it is called):
        Invalid: it is above the server's limit.
    """
    extra: dict[str, Any] = {LIMIT_KEY: name, _DEFAULT_KEY: default}

    async def dependency(
        request: Request,
        limit: Annotated[int | None, Query(ge=1, json_schema_extra=extra, description="how many at most")] = None,
    ) -> int:
        most: int = getattr(platform_of(request).settings.limits, name)
        if limit is not None and limit > most:
            raise Invalid(f"limit must be at most {most:,}; got {limit:,}", field="limit", limit=most)
        return min(default, most) if limit is None else limit

    return dependency


def document(parameter: dict[str, Any], limits: Limits) -> None:
    """Write the server's own limit and default into the schema of a parameter that `limited` made."""
    schema = parameter["schema"]
    if LIMIT_KEY in schema:
        most = getattr(limits, schema[LIMIT_KEY])
        default = min(schema[_DEFAULT_KEY], most)
        parameter["schema"] = {"type": "integer", "minimum": 1, "maximum": most, "default": default, "title": "Limit"}


Offset = Annotated[int, Query(ge=0, le=2**31 - 1, description="how many to leave out first")]
PageLimit = Annotated[int, Depends(limited("page", 100))]
WholePage = Annotated[int, Depends(limited("page", 500))]
HistoryLimit = Annotated[int, Depends(limited("page", 50))]
OpenOrdersLimit = Annotated[int, Depends(limited("open_orders_page", 100))]
BacktestsLimit = Annotated[int, Depends(limited("backtests_page", 50))]
TradesLimit = Annotated[int, Depends(limited("trades_page", 1_000))]
WholeSession = Annotated[int, Depends(limited("trades_page", 10_000))]
CurveLimit = Annotated[int, Depends(limited("curve_page", 100_000))]
CandlesLimit = Annotated[int, Depends(limited("candles_page", 100))]
RunsLimit = Annotated[int, Depends(limited("runs_page", 50))]
EpisodesLimit = Annotated[int, Depends(limited("episodes_page", 100))]
SymbolsLimit = Annotated[int, Depends(limited("symbols_page", 1_000))]
SlotsLimit = Annotated[int, Depends(limited("candles_page", 1_000))]
