"""`/data`: which candles are here, and what is missing from them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tradeready_gym.errors import TradeReadyError
from tradeready_gym.platform.api.dependencies import PlatformState, Reader
from tradeready_gym.platform.dashboard import candles
from tradeready_gym.platform.dashboard.pages import PageRoute, render
from tradeready_gym.platform.errors import NotFound

numbers = APIRouter(prefix="/dashboard", include_in_schema=False)
router = APIRouter(include_in_schema=False, route_class=PageRoute)
MARKED = 100
Name = Annotated[str, Query(max_length=40)]


@router.get("/data")
def data(request: Request, platform: PlatformState, caller: Reader) -> Response:
    """Every stored series."""
    return render(request, "data.html", series=candles.stored(platform.settings.home))


@router.get("/data/gaps")
def gaps(request: Request, platform: PlatformState, caller: Reader, symbol: Name, timeframe: Name) -> Response:
    """What is missing from one series, and what looks odd in it."""
    try:
        found = candles.gaps(platform.settings.home, symbol, timeframe)
    except (TradeReadyError, ValueError) as error:
        raise NotFound(str(error)) from error
    return render(request, "parts/gaps.html", found=found, symbol=symbol, timeframe=timeframe)


@numbers.get("/gaps")
def missing(platform: PlatformState, caller: Reader) -> dict[str, Any]:
    """How many candles are missing from each series, and where the largest gaps are, as (place, length) of 100."""
    found = {}
    for source in platform.catalog.sources():
        gaps = platform.gaps.of(source)
        largest = sorted(gaps, key=lambda gap: -gap.candles)[:MARKED]
        whole = source.spans[0].start, source.spans[-1].end
        found[candles.key(source.symbol, str(source.timeframe), source.sample)] = {
            "missing": sum(gap.candles for gap in gaps),
            "gaps": len(gaps),
            "marks": [candles.place(whole, gap.span.start, gap.span.end) for gap in largest],
        }
    return {"series": found}
