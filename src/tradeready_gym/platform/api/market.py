"""`/api/v1/market`: the feed's candles if there is a feed, else those that are stored, and figures of them. No key is needed.

With a feed nothing is told that closes after its clock, which may play the past: but for whole ranges with `history=true`.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, Query, Response

from tradeready_gym.platform import clock
from tradeready_gym.platform.api.dependencies import PlatformState, count_by_address
from tradeready_gym.platform.api.documentation import Responses, errors
from tradeready_gym.platform.api.market_bodies import (
    Candle,
    CandleList,
    DataGap,
    DataRange,
    IndicatorList,
    Indicators,
    OrderBook,
    Pair,
    PairList,
    Price,
    PriceList,
    Ticker,
    TickerList,
    TradeList,
)
from tradeready_gym.platform.api.paging import CandlesLimit, Offset, PageLimit, SymbolsLimit
from tradeready_gym.platform.api.wire import decimal_text
from tradeready_gym.platform.errors import BadRequest, Invalid, NotFound, TooLarge, Unavailable
from tradeready_gym.platform.state import Platform

if TYPE_CHECKING:
    from tradeready_gym.live.hub import FeedHub
    from tradeready_gym.platform.market.now import Market

router = APIRouter(
    prefix="/market",
    tags=["market"],
    dependencies=[Depends(count_by_address("market_data"))],
    responses=errors("RATE_LIMIT_EXCEEDED"),
)
# what a symbol without candles is answered with
_FIGURE = errors("INVALID_SYMBOL", "DATA_NOT_AVAILABLE", "PRICE_NOT_AVAILABLE", "DATA_DAMAGED")
SHOWN_GAPS = 1_000
STALE_AFTER = 60_000_000
Figure = TypeVar("Figure")
_SMALLEST = "0.00000001"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BYTES: Responses = {
    200: {
        "description": "the columns as bytes",
        "content": {
            "application/x-npz": _BINARY,
            "application/vnd.apache.parquet": _BINARY,
            "application/vnd.apache.arrow.stream": _BINARY,
        },
    }
}

Symbols = Annotated[str | None, Query(max_length=4_000, description="symbols, separated by commas; all by default")]
DEPTHS = (5, 10, 20)
Depth = Annotated[int, Query(json_schema_extra={"enum": list(DEPTHS)}, description="levels on each side")]
INTERVALS = ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "60", "300", "900", "1800", "3600", "14400", "86400"]
Interval = Annotated[str, Query(json_schema_extra={"enum": INTERVALS}, description="a length, or as many seconds")]
Moment = Annotated[datetime | None, Query(description="ISO 8601; without an offset it is UTC")]


@router.get("/pairs")
def list_pairs(
    platform: PlatformState,
    limit: SymbolsLimit,
    status: Annotated[str | None, Query(max_length=20)] = None,
    offset: Offset = 0,
) -> PairList:
    """Every symbol that this server has candles of."""
    from tradeready_gym.market.symbols import split_assets

    pairs = []
    known = _market(platform).symbols() if status in {None, "active"} else []
    for symbol in known[offset : offset + limit]:
        base, quote = split_assets(symbol)
        # the simulated exchange takes any quantity
        limits = {"min_qty": _SMALLEST, "step_size": _SMALLEST, "min_notional": "0"}
        pairs.append(Pair(symbol=symbol, base_asset=base, quote_asset=quote, status="active", has_price=True, **limits))
    return PairList(pairs=pairs, total=len(known))


@router.get("/price/{symbol}", responses=_FIGURE)
def get_price(symbol: str, platform: PlatformState) -> Price:
    """The last close of a symbol, the feed's if it has it, else the stored one, and when it was known."""
    price, at = _market(platform).price(symbol)
    return Price(symbol=symbol.strip().upper(), price=decimal_text(price), timestamp=_iso(at))


@router.get("/prices", responses=errors("DATA_NOT_AVAILABLE", "DATA_DAMAGED"))
def get_prices(platform: PlatformState, symbols: Symbols = None) -> PriceList:
    """The last close of each symbol; those that this server does not have are left out."""
    market = _market(platform)
    found = _of_each(_wanted(platform, market, symbols), market.price)
    newest = max((at for _, at in found.values()), default=None)
    age = None if newest is None else (_moment(platform) - newest) / 1e6
    return PriceList(
        prices={symbol: decimal_text(price) for symbol, (price, _) in found.items()},
        timestamp=_iso(clock.now() if newest is None else newest),
        count=len(found),
        stale=age is None or age > STALE_AFTER / 1e6,
        data_age_seconds=age,
    )


@router.get("/ticker/{symbol}", responses=_FIGURE)
def get_ticker(symbol: str, platform: PlatformState) -> Ticker:
    """The last 24 hours of a symbol, the feed's if it has it, else those that are stored."""
    return Ticker(**_market(platform).ticker(symbol))


@router.get("/tickers", responses=errors("DATA_NOT_AVAILABLE", "DATA_DAMAGED"))
def get_tickers(platform: PlatformState, symbols: Symbols = None) -> TickerList:
    """Tickers of several symbols; those that this server does not have are left out."""
    market = _market(platform)
    found = _of_each(_wanted(platform, market, symbols), lambda symbol: Ticker(**market.ticker(symbol)))
    newest = max((ticker.timestamp for ticker in found.values()), default=_iso(clock.now()))
    return TickerList(tickers=found, count=len(found), timestamp=newest)


@router.get("/candles/{symbol}", responses=_FIGURE)
def get_candles(
    symbol: str,
    platform: PlatformState,
    limit: CandlesLimit,
    interval: Interval = "1h",
    start_time: Moment = None,
    end_time: Moment = None,
) -> CandleList:
    """Candles that open in `[start_time, end_time)`, oldest first: the first ones from `start_time`, without it the last.

    Those of a length that is not stored are made of shorter ones. The newest come from the feed, if there is one, and none closes
    after its clock.
    """
    from tradeready_gym.platform.market.catalog import parse_interval

    frame = parse_interval(interval)
    begin, end = _time("start_time", start_time), _time("end_time", end_time)
    found = _market(platform).page(symbol, frame, limit, begin, end)
    return CandleList(
        symbol=symbol.strip().upper(),
        interval=frame.label,
        candles=[Candle(**candle) for candle in found],
        count=len(found),
    )


@router.get(
    "/candles/{symbol}/columns",
    response_class=Response,
    responses=_BYTES
    | errors(
        "INVALID_SYMBOL",
        "INVALID_RANGE",
        "DATA_NOT_AVAILABLE",
        "DATA_DAMAGED",
        "RANGE_TOO_LARGE",
        "FORMAT_NOT_AVAILABLE",
    ),
)
def get_columns(
    symbol: str,
    platform: PlatformState,
    interval: Interval = "1h",
    start_time: Moment = None,
    end_time: Moment = None,
    format: Literal["npz", "parquet", "arrow"] = "npz",
    history: Annotated[bool, Query(description="all that is stored, also what closes after the feed's clock")] = False,
) -> Response:
    """Every slot of a range in one answer; `X-Candles-Fingerprint` is that of the `Candles` of these columns.

    Candles that close after the clock of the server's feed are told with `history=true` alone: it is for training and backtests,
    and who trades at a feed that plays the past looks ahead with it.
    """
    from tradeready_gym.platform.market import columns
    from tradeready_gym.platform.market.catalog import parse_interval

    frame, begin, end = parse_interval(interval), _time("start_time", start_time), _time("end_time", end_time)
    market = _market(platform)
    if history:
        market = replace(market, stored=platform.catalog)
    candles = market.whole(symbol, frame, begin, end)
    if len(candles) > columns.MOST_SLOTS:
        raise TooLarge(
            f"one answer holds {columns.MOST_SLOTS:,} candles; these are {len(candles):,}. Ask for parts of the range",
            code="RANGE_TOO_LARGE",
            limit=columns.MOST_SLOTS,
        )
    headers = {
        "X-Candles-Fingerprint": candles.fingerprint,
        "X-Candles-Count": str(len(candles)),
        "X-Candles-Start": _iso(candles.start),
        "X-Candles-End": _iso(candles.end),
    }
    return Response(columns.encode(candles, format), media_type=columns.MEDIA[format], headers=headers)


@router.get("/trades/{symbol}", responses=_FIGURE)
def get_trades(symbol: str, platform: PlatformState, limit: PageLimit) -> TradeList:
    """Single trades of the market: 404 DATA_NOT_AVAILABLE, for no feed brings any, and none are made up.

    A client that tries again after a 5xx would wait for nothing.
    """
    _market(platform).price(symbol)  # which names a symbol that is unknown
    name = symbol.strip().upper()
    raise NotFound(
        f"this server has no single trades of {name}, with a feed or without: candles are what it knows of a market. "
        f"`trade_count` in /api/v1/market/candles/{name} says how many there were",
        code="DATA_NOT_AVAILABLE",
        symbol=name,
    )


@router.get("/orderbook/{symbol}", responses=_FIGURE)
def get_order_book(symbol: str, platform: PlatformState, depth: Depth = 10) -> OrderBook:
    """A made-up book around the feed's price, as documented: levels 0.01 % apart. 503 without a live price."""
    from tradeready_gym.platform.market.book import made_up
    from tradeready_gym.platform.paper.prices import live_price

    name, hub = symbol.strip().upper(), _hub(platform)
    if depth not in DEPTHS:
        raise BadRequest(
            f"depth must be one of {', '.join(map(str, DEPTHS))}; got {depth}", code="INVALID_SYMBOL", depth=depth
        )
    found = None if hub is None else live_price(hub, name)
    if found is None:
        _market(platform).price(symbol)  # which names a symbol that is unknown
        raise Unavailable(
            f"there is no live price of {name}: `tradeready serve --feed` says where it comes from",
            code="PRICE_NOT_AVAILABLE",
            symbol=name,
        )
    return OrderBook(symbol=name, **made_up(found[0], depth), timestamp=_iso(found[1]), synthetic=True)


@router.get("/indicators/available")
def list_indicators() -> IndicatorList:
    """The names of the indicators."""
    from tradeready_gym.platform.market import figures

    return IndicatorList(indicators=list(figures.INDICATORS))


@router.get("/indicators/{symbol}", responses=_FIGURE)
def get_indicators(
    symbol: str,
    platform: PlatformState,
    indicators: Annotated[str | None, Query(max_length=1_000, description="names, separated by commas")] = None,
    lookback: Annotated[int, Query(ge=14, le=500)] = 200,
    interval: Annotated[
        str | None, Query(max_length=10, description="the feed's, or the shortest that is stored, by default")
    ] = None,
) -> Indicators:
    """Indicators at the last close, the feed's if it has the symbol, of the last `lookback` candles."""
    from tradeready_gym.platform.market import figures
    from tradeready_gym.platform.market.catalog import parse_interval

    frame = None if interval is None else parse_interval(interval)
    names = _parts(indicators)
    figures.require_known(names)
    candles = _market(platform).last_candles(symbol, lookback, frame)
    return Indicators(**figures.indicators(candles, names))


@router.get("/data-range")
def get_data_range(platform: PlatformState) -> DataRange:
    """From when to when there are candles, which lengths there are or can be made, and what is missing in between."""
    from tradeready_gym.market import Timeframe

    sources = platform.catalog.sources()
    spans = [span for source in sources for span in source.spans]
    frames = [source.timeframe.microseconds for source in sources]
    missing = platform.gaps.find()
    return DataRange(
        earliest=clock.iso(min((span.start for span in spans), default=None)),
        latest=clock.iso(max((span.end for span in spans), default=None)),
        total_pairs=len({source.symbol for source in sources}),
        intervals_available=[
            frame.label for frame in Timeframe.all() if any(frame.microseconds % length == 0 for length in frames)
        ],
        data_gaps=[
            DataGap(
                symbol=gap.symbol,
                interval=gap.timeframe.label,
                start=_iso(gap.span.start),
                end=_iso(gap.span.end),
                candles=gap.candles,
            )
            for gap in missing[:SHOWN_GAPS]
        ],
        data_gaps_total=len(missing),
    )


def _market(platform: Platform) -> "Market":
    from tradeready_gym.platform.market.now import Market

    if platform.settings.feed == "none":
        return Market(platform.catalog)
    return Market(platform.catalog.until(_moment(platform)), _hub(platform))


def _moment(platform: Platform) -> int:
    """The feed's clock, also before it answers; the wall's without one."""
    from tradeready_gym.live.feeds import replay_parts
    from tradeready_gym.market import parse_time

    hub, feed = _hub(platform), platform.settings.feed
    if hub is not None:
        return hub.now()
    return parse_time(replay_parts(feed)[1]) if feed.startswith("replay:") else clock.now()


def _hub(platform: Platform) -> "FeedHub | None":
    if platform.settings.feed == "none":
        return None
    with contextlib.suppress(Unavailable):  # what is stored is there all the same
        return platform.paper.hub
    return None


def _wanted(platform: Platform, market: "Market", symbols: str | None) -> list[str]:
    known, most = market.symbols(), platform.settings.limits.symbols_at_once
    if symbols is None:
        return known[:most]
    asked = [part.upper() for part in _parts(symbols)]
    if len(asked) > most:
        raise Invalid(f"at most {most} symbols at once; got {len(asked)}", field="symbols")
    return [symbol for symbol in dict.fromkeys(asked) if symbol in known]


def _of_each(symbols: Sequence[str], figure: Callable[[str], Figure]) -> dict[str, Figure]:
    found = {}
    for symbol in symbols:
        with contextlib.suppress(Unavailable):  # the others still have theirs
            found[symbol] = figure(symbol)
    return found


def _parts(text: str | None) -> Sequence[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _time(name: str, moment: datetime | None) -> int | None:
    if moment is None:
        return None
    if not 1970 <= moment.year <= 9998:
        raise Invalid(f"{name} must be between the years 1970 and 9998; got {moment.isoformat()}", field=name)
    return clock.from_datetime(moment)


def _iso(microseconds: int) -> str:
    return clock.iso(microseconds) or ""
