"""`/api/v1/feed`: the server's feed for whoever trades at it elsewhere: its clock, its filters, and every closed candle.

Numbers are JSON numbers here, to the last digit: what is computed from them there is what would be computed from them here.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from tradeready_gym.platform import clock
from tradeready_gym.platform.accounts import require_good
from tradeready_gym.platform.api.dependencies import PlatformState, Reader
from tradeready_gym.platform.api.documentation import WITH_A_KEY, errors
from tradeready_gym.platform.api.paging import SlotsLimit
from tradeready_gym.platform.errors import BadRequest, NotFound, Unavailable
from tradeready_gym.platform.state import Platform

if TYPE_CHECKING:
    from tradeready_gym.live.hub import FeedHub

router = APIRouter(prefix="/feed", tags=["feed"], responses=WITH_A_KEY)
LONGEST_WAIT = 10.0
EVERYBODY = "everybody"
_LOOK_EVERY = 0.5

Symbols = Annotated[str | None, Query(max_length=4_000, description="symbols, separated by commas; all by default")]


class Filters(BaseModel):
    """What orders in a symbol must keep; 0 where the venue demands nothing."""

    lot_size: float
    tick_size: float
    min_notional: float
    max_quantity: float
    min_quantity: float
    max_notional: float


class FeedNow(BaseModel):
    """The feed at this moment. `clock` is the venue's, `newest_end` when the newest closed candle ended.

    `oldest` is the oldest candle that can be asked for. `ended`: there will be no further one. `opens` and `prices` are those of the
    candle that is running, as far as they are known; `quotes` the best bid and ask, where they were asked for and the venue said
    them. `has_book`: whether it can.
    """

    symbols: list[str]
    interval: str
    clock: str
    newest_end: str
    oldest: str
    state: str
    ended: bool
    opens: dict[str, float]
    prices: dict[str, float]
    filters: dict[str, Filters]
    has_book: bool
    quotes: dict[str, tuple[float, float]] | None


class ClosedSlot(BaseModel):
    """A slot in which every candle has closed: open, high, low, close, volume of each symbol, in their order.

    `gaps`: the venue had no candle; its values are then the close before, and no volume.
    """

    time: str
    values: list[list[float]]
    gaps: list[bool]


class ClosedSlots(BaseModel):
    """Slots one after the other, none left out; and the feed's clock, state and end after them."""

    symbols: list[str]
    interval: str
    slots: list[ClosedSlot]
    clock: str
    state: str
    ended: bool


@router.get("", responses=errors("PRICE_NOT_AVAILABLE", "INVALID_SYMBOL"))
def get_feed(platform: PlatformState, caller: Reader, symbols: Symbols = None, quotes: bool = False) -> FeedNow:
    """What the feed brings, its clock, and the prices of the candle that is running; with `quotes` the venue is asked for them."""
    hub = _hub(platform)
    wanted = _wanted(hub, symbols)
    opens, prices, rules = hub.opening_prices(), hub.prices(), hub.instruments()
    book = _quotes(hub) if quotes else None
    return FeedNow(
        symbols=wanted,
        interval=hub.timeframe.label,
        clock=_iso(hub.now()),
        newest_end=_iso(hub.clock),
        oldest=_iso(hub.oldest),
        state=hub.health.state.value,
        ended=hub.ended,
        opens={symbol: opens[symbol] for symbol in wanted if symbol in opens},
        prices={symbol: prices[symbol] for symbol in wanted if symbol in prices},
        filters={symbol: Filters(**asdict(rules[symbol])) for symbol in wanted if symbol in rules},
        has_book=hub.has_book,
        quotes=None if book is None else {symbol: book[symbol] for symbol in wanted if symbol in book},
    )


@router.get(
    "/candles",
    responses=errors("PRICE_NOT_AVAILABLE", "INVALID_SYMBOL", "INVALID_RANGE", "DATA_NOT_AVAILABLE"),
)
async def get_closed_candles(
    request: Request,
    platform: PlatformState,
    caller: Reader,
    limit: SlotsLimit,
    start_time: Annotated[datetime | None, Query(description="the first slot; the newest ones by default")] = None,
    symbols: Symbols = None,
    wait_seconds: Annotated[float, Query(ge=0, le=LONGEST_WAIT)] = 0.0,
) -> ClosedSlots:
    """Closed slots from `start_time` on, oldest first, none left out.

    If the first of them is the one that is running, the answer waits for its end, for at most `wait_seconds`. 404
    DATA_NOT_AVAILABLE: the feed does not keep slots for so long.
    """
    hub = await run_in_threadpool(_hub, platform)
    wanted = _wanted(hub, symbols)
    newest = await run_in_threadpool(lambda: max(hub.oldest, hub.clock - limit * hub.timeframe.microseconds))
    first = newest if start_time is None else _on_grid(hub, start_time)
    if wait_seconds:
        await _until_closed(request, platform, hub, first, wait_seconds)
        if caller.credential is not None:  # which may have been revoked meanwhile
            await run_in_threadpool(require_good, platform.database, caller.credential)
    return await run_in_threadpool(_slots, hub, wanted, first, limit)


def _quotes(hub: "FeedHub") -> Mapping[str, tuple[float, float]] | None:
    from tradeready_gym.errors import DataUnavailable, DownloadError

    try:
        return hub.quotes()
    except (DataUnavailable, DownloadError):
        return None


def _slots(hub: "FeedHub", symbols: list[str], first: int, limit: int) -> ClosedSlots:
    if first < hub.oldest:
        raise NotFound(
            f"the feed keeps slots from {_iso(hub.oldest)} on; got {_iso(first)}",
            code="DATA_NOT_AVAILABLE",
            earliest=_iso(hub.oldest),
        )
    places = [hub.symbols.index(symbol) for symbol in symbols]
    ended = hub.ended  # before the slots are read: what was said to be the end must not hide a slot
    return ClosedSlots(
        symbols=symbols,
        interval=hub.timeframe.label,
        slots=[
            ClosedSlot(
                time=_iso(slot.time), values=slot.values[places].tolist(), gaps=[bool(slot.gaps[p]) for p in places]
            )
            for slot in hub.kept_from(first, limit)
        ],
        clock=_iso(hub.now()),
        state=hub.health.state.value,
        ended=ended,
    )


async def _until_closed(request: Request, platform: Platform, hub: "FeedHub", first: int, seconds: float) -> None:
    """Wait for the slot `first` if it is the one that is running; a server that stops, or a feed that ends, waits no more."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    watched = platform.events.watch(EVERYBODY)
    coming = asyncio.ensure_future(anext(watched))
    try:
        await asyncio.sleep(0)  # from here on nothing that happens is missed
        while await run_in_threadpool(_is_running, hub, first) and not _is_stopping(request):
            left = deadline - loop.time()
            if left <= 0.0:
                return
            await asyncio.wait({coming}, timeout=min(left, _LOOK_EVERY))
            if coming.done():
                coming = asyncio.ensure_future(anext(watched))
                await asyncio.sleep(0)
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await watched.aclose()  # type: ignore[attr-defined]


def _is_running(hub: "FeedHub", first: int) -> bool:
    return first == hub.clock and not hub.ended


def _is_stopping(request: Request) -> bool:
    return bool(getattr(getattr(request.app.state, "server", None), "should_exit", False))


def _hub(platform: Platform) -> "FeedHub":
    if platform.settings.feed == "none":
        raise Unavailable(
            "this server has no live prices; start it with `tradeready serve --feed binance`",
            code="PRICE_NOT_AVAILABLE",
            feed="none",
        )
    return platform.paper.hub


def _wanted(hub: "FeedHub", symbols: str | None) -> list[str]:
    asked = [part.strip().upper() for part in (symbols or "").split(",") if part.strip()]
    for symbol in asked:
        if symbol not in hub.symbols:
            raise BadRequest(
                f"the feed brings {', '.join(hub.symbols)}; got {symbol}",
                code="INVALID_SYMBOL",
                symbol=symbol,
                known=list(hub.symbols),
            )
    return list(dict.fromkeys(asked)) or list(hub.symbols)


def _on_grid(hub: "FeedHub", moment: datetime) -> int:
    if not 1970 <= moment.year <= 9998 or clock.from_datetime(moment) % hub.timeframe.microseconds:
        raise BadRequest(
            f"start_time must be on the grid of {hub.timeframe} candles; got {moment.isoformat()}", code="INVALID_RANGE"
        )
    return clock.from_datetime(moment)


def _iso(microseconds: int) -> str:
    return clock.iso(microseconds) or ""
