"""`/api/v1/market`: the feed's candles if there is a feed, else those that are stored, and figures of them. No key is needed."""

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Query, Response

from tradeready_gym.platform import clock
from tradeready_gym.platform.api.dependencies import PlatformState, count_by_address
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
from tradeready_gym.platform.api.wire import decimal_text
from tradeready_gym.platform.errors import BadRequest, Invalid, TooLarge, Unavailable
from tradeready_gym.platform.state import Platform

if TYPE_CHECKING:
    from tradeready_gym.live.hub import FeedHub
    from tradeready_gym.market import Timeframe

router = APIRouter(prefix="/market", tags=["market"], dependencies=[Depends(count_by_address("market_data"))])
MOST_SYMBOLS = 100
SHOWN_GAPS = 1_000
STALE_AFTER = 60_000_000
Figure = TypeVar("Figure")
_SMALLEST = "0.00000001"

Symbols = Annotated[str | None, Query(max_length=4_000, description="symbols, separated by commas; all by default")]
DEPTHS = (5, 10, 20)
Depth = Annotated[int, Query(json_schema_extra={"enum": list(DEPTHS)}, description="levels on each side")]
INTERVALS = ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "60", "300", "900", "1800", "3600", "14400", "86400"]
Interval = Annotated[str, Query(json_schema_extra={"enum": INTERVALS}, description="a length, or as many seconds")]
Moment = Annotated[datetime | None, Query(description="ISO 8601; without an offset it is UTC")]


@router.get("/pairs")
def list_pairs(platform: PlatformState, status: Annotated[str | None, Query(max_length=20)] = None) -> PairList:
    """Every symbol that this server has candles of."""
    from tradeready_gym.platform.market.catalog import split_assets

    pairs = []
    for symbol in _known(platform) if status in {None, "active"} else []:
        base, quote = split_assets(symbol)
        # the simulated exchange takes any quantity
        limits = {"min_qty": _SMALLEST, "step_size": _SMALLEST, "min_notional": "0"}
        pairs.append(Pair(symbol=symbol, base_asset=base, quote_asset=quote, status="active", has_price=True, **limits))
    return PairList(pairs=pairs, total=len(pairs))


@router.get("/price/{symbol}")
def get_price(symbol: str, platform: PlatformState) -> Price:
    """The last close of a symbol, the feed's if it has it, else the stored one, and when it was known."""
    price, at = _price(platform, symbol)
    return Price(symbol=symbol.strip().upper(), price=decimal_text(price), timestamp=_iso(at))


@router.get("/prices")
def get_prices(platform: PlatformState, symbols: Symbols = None) -> PriceList:
    """The last close of each symbol; those that this server does not have are left out."""
    found = _of_each(_wanted(platform, symbols), lambda symbol: _price(platform, symbol))
    newest = max((at for _, at in found.values()), default=None)
    age = None if newest is None else (clock.now() - newest) / 1e6
    return PriceList(
        prices={symbol: decimal_text(price) for symbol, (price, _) in found.items()},
        timestamp=_iso(clock.now() if newest is None else newest),
        count=len(found),
        stale=age is None or age > STALE_AFTER / 1e6,
        data_age_seconds=age,
    )


@router.get("/ticker/{symbol}")
def get_ticker(symbol: str, platform: PlatformState) -> Ticker:
    """The last 24 hours of a symbol, the feed's if it has it, else those that are stored."""
    return _ticker(platform, symbol)


@router.get("/tickers")
def get_tickers(platform: PlatformState, symbols: Symbols = None) -> TickerList:
    """Tickers of several symbols; those that this server does not have are left out."""
    found = _of_each(_wanted(platform, symbols), lambda symbol: _ticker(platform, symbol))
    newest = max((ticker.timestamp for ticker in found.values()), default=_iso(clock.now()))
    return TickerList(tickers=found, count=len(found), timestamp=newest)


@router.get("/candles/{symbol}")
def get_candles(
    symbol: str,
    platform: PlatformState,
    interval: Interval = "1h",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    start_time: Moment = None,
    end_time: Moment = None,
) -> CandleList:
    """Candles that open in `[start_time, end_time)`, oldest first: the first ones from `start_time`, without it the last.

    Those of a length that is not stored are made of shorter ones. The last ones come from the feed, if it has enough.
    """
    from tradeready_gym.platform.market import rows
    from tradeready_gym.platform.market.catalog import parse_interval

    frame = parse_interval(interval)
    begin, end = _time("start_time", start_time), _time("end_time", end_time)
    found = _newest(platform, symbol, frame, limit) if begin is None and end is None else None
    if found is None:
        found = rows.page(platform.catalog, symbol, frame, limit, begin, end)
    return CandleList(
        symbol=symbol.strip().upper(),
        interval=frame.label,
        candles=[Candle(**candle) for candle in found],
        count=len(found),
    )


@router.get(
    "/candles/{symbol}/columns",
    response_class=Response,
    responses={200: {"description": "the columns as bytes"}, 406: {"description": "the format is not available"}},
)
def get_columns(
    symbol: str,
    platform: PlatformState,
    interval: Interval = "1h",
    start_time: Moment = None,
    end_time: Moment = None,
    format: Literal["npz", "parquet", "arrow"] = "npz",
) -> Response:
    """Every slot of a range in one answer; `X-Candles-Fingerprint` is that of the `Candles` of these columns."""
    from tradeready_gym.platform.market import columns
    from tradeready_gym.platform.market.catalog import parse_interval

    frame, begin, end = parse_interval(interval), _time("start_time", start_time), _time("end_time", end_time)
    candles = platform.catalog.whole(symbol, frame, begin, end)
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


@router.get("/trades/{symbol}")
def get_trades(symbol: str, platform: PlatformState, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> TradeList:
    """Single trades of the market: 503 SERVICE_UNAVAILABLE, for a feed of candles brings none."""
    _price(platform, symbol)  # which names a symbol that is unknown
    raise Unavailable(
        f"this server's candles tell of no single trades of {symbol.strip().upper()}; /market/candles has how many there were",
        symbol=symbol.strip().upper(),
    )


@router.get("/orderbook/{symbol}")
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
        _price(platform, symbol)  # which names a symbol that is unknown
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


@router.get("/indicators/{symbol}")
def get_indicators(
    symbol: str,
    platform: PlatformState,
    indicators: Annotated[str | None, Query(max_length=1_000, description="names, separated by commas")] = None,
    lookback: Annotated[int, Query(ge=14, le=500)] = 200,
    interval: Annotated[str | None, Query(max_length=10, description="the shortest that is stored by default")] = None,
) -> Indicators:
    """Indicators at the last stored close, of the last `lookback` candles."""
    from tradeready_gym.platform.market import figures
    from tradeready_gym.platform.market.catalog import parse_interval

    frame = None if interval is None else parse_interval(interval)
    return Indicators(**figures.indicators(platform.catalog, symbol, _parts(indicators), lookback, frame))


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


def _known(platform: Platform) -> list[str]:
    hub = _hub(platform)
    return sorted({source.symbol for source in platform.catalog.sources()} | set(hub.symbols if hub else ()))


def _hub(platform: Platform) -> "FeedHub | None":
    if platform.settings.feed == "none":
        return None
    with contextlib.suppress(Unavailable):  # what is stored is there all the same
        return platform.paper.hub
    return None


def _price(platform: Platform, symbol: str) -> tuple[float, int]:
    from tradeready_gym.platform.market import figures
    from tradeready_gym.platform.paper.prices import live_price

    hub = _hub(platform)
    found = None if hub is None else live_price(hub, symbol)
    return figures.price(platform.catalog, symbol) if found is None else found


def _ticker(platform: Platform, symbol: str) -> Ticker:
    from tradeready_gym.platform.market import figures
    from tradeready_gym.platform.paper.prices import live_ticker

    hub = _hub(platform)
    found = None if hub is None else live_ticker(hub, symbol)
    return Ticker(**(figures.ticker(platform.catalog, symbol) if found is None else found))


def _newest(platform: Platform, symbol: str, frame: "Timeframe", limit: int) -> list[dict[str, Any]] | None:
    from tradeready_gym.platform.paper.prices import live_candles

    hub = _hub(platform)
    return None if hub is None else live_candles(hub, symbol, frame, limit)


def _wanted(platform: Platform, symbols: str | None) -> list[str]:
    known = _known(platform)
    if symbols is None:
        return known[:MOST_SYMBOLS]
    asked = [part.upper() for part in _parts(symbols)]
    if len(asked) > MOST_SYMBOLS:
        raise Invalid(f"at most {MOST_SYMBOLS} symbols at once; got {len(asked)}", field="symbols")
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
