"""The channels of the WebSocket: what may be subscribed to, and what each says when something has happened."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tradeready_gym.platform import clock
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.errors import BadRequest, PlatformError
from tradeready_gym.platform.state import Platform

if TYPE_CHECKING:
    from tradeready_gym.live.hub import FeedHub

Message = dict[str, Any]
PUBLIC = ("ticker", "ticker_all", "candles")
PRIVATE = ("orders", "portfolio", "training", "backtest")
_PARTS = {"ticker": 1, "candles": 2}


@dataclass(frozen=True)
class Channel:
    """One subscription: its name, and what it is about (a symbol, an interval, the id of a run or session)."""

    name: str
    symbol: str = ""
    interval: str = ""
    id: str = ""

    @property
    def key(self) -> str:
        """How the protocol writes it."""
        if self.name == "ticker_all":
            return "ticker:all"
        return ":".join(part for part in (self.name, self.symbol, self.interval, self.id) if part)


def parse(request: Message) -> Channel:
    """The channel that a request names: `channel: "ticker", symbol: "BTCUSDT"` or `channel: "ticker:BTCUSDT"`.

    Raises:
        BadRequest: INVALID_CHANNEL.
    """
    name, *parts = str(request.get("channel", "")).split(":")
    if name == "ticker" and [part.lower() for part in parts] == ["all"]:
        name, parts = "ticker_all", []
    if name not in (*PUBLIC, *PRIVATE):
        raise _invalid(f"there is no channel {name!r}; there are {', '.join((*PUBLIC, *PRIVATE))}")
    if name in _PARTS:
        asked = parts or [request.get("symbol", ""), request.get("interval", "1m")][: _PARTS[name]]
        symbol, interval = (*map(str, asked), "1m")[:2]
        if not symbol or len(asked) > _PARTS[name]:
            raise _invalid(f"the channel {name} needs a symbol, such as {name}:BTCUSDT")
        return Channel(name, symbol.strip().upper(), interval.strip() if name == "candles" else "")
    about = parts[0] if parts else str(request.get("run_id") or request.get("session_id") or "")
    return Channel(name, id=about if name in {"training", "backtest"} else "")


def require(platform: Platform, channel: Channel) -> None:
    """Check that the server can ever push this.

    Raises:
        BadRequest: INVALID_CHANNEL.
    """
    if channel.name in {"training", "backtest"}:
        return
    try:
        hub = platform.paper.hub
    except PlatformError as error:
        raise _invalid(str(error)) from error
    if channel.symbol and channel.symbol not in hub.symbols:
        raise _invalid(f"the feed brings {', '.join(hub.symbols)}; got {channel.symbol}")
    if channel.name == "candles":
        _frame(hub, channel)


def of_slot(platform: Platform, channels: list[Channel], time: int) -> list[Message]:
    """What the slot that opened at `time` says to these channels."""
    from tradeready_gym.platform.paper.prices import running_candle, tick_view

    hub = platform.paper.hub
    slot = hub.wait(time, 0.0)
    messages: list[Message] = []
    if slot is None:
        return messages
    for channel in channels:
        for symbol in _ticked(hub, channel):
            messages.append({"channel": "ticker", "symbol": symbol, "data": tick_view(hub, slot, symbol)})
        if channel.name == "candles":
            data = running_candle(hub, slot, channel.symbol, _frame(hub, channel))
            messages.append(
                {"channel": "candles", "symbol": channel.symbol, "interval": channel.interval, "data": data}
            )
    return [message for message in messages if message["data"] is not None]


def of_paper(platform: Platform, caller: Principal, channels: list[Channel], kind: str, text: str) -> list[Message]:
    """What a change of the caller's paper account says to these channels."""
    from tradeready_gym.platform.paper.views import portfolio_view

    names = {channel.name for channel in channels}
    messages: list[Message] = []
    if kind == "order" and "orders" in names:
        messages.append({"channel": "orders", "data": json.loads(text)})
    if "portfolio" in names:
        whole = platform.paper.of(caller).look(portfolio_view)
        keys = ("total_equity", "unrealized_pnl", "realized_pnl", "timestamp", "available_cash")
        messages.append({"channel": "portfolio", "data": {key: whole[key] for key in keys}})
    return messages


def of_work(platform: Platform, caller: Principal, channels: list[Channel], kind: str, id: str) -> list[Message]:
    """What a change of a run or a backtest says to these channels."""
    name = {"run": "training", "backtest": "backtest"}.get(kind)
    wanted = [channel for channel in channels if channel.name == name and channel.id in {"", id}]
    if name is None or not wanted:
        return []
    data = _run(platform, caller, id) if name == "training" else _backtest(platform, caller, id)
    return [] if data is None else [{"channel": name, "data": data | {"timestamp": clock.iso(clock.now())}}]


def _run(platform: Platform, caller: Principal, id: str) -> Message | None:
    from tradeready_gym.platform.training import runs

    try:
        with platform.database.read() as connection:
            row = runs.find(connection, caller.account_id, id)
    except PlatformError:
        return None  # deleted meanwhile
    return runs.view(row) if caller.may_see(row.agent_id) else None


def _backtest(platform: Platform, caller: Principal, id: str) -> Message | None:
    from tradeready_gym.platform.sessions import listing, store

    try:
        with platform.database.read() as connection:
            row = store.find(connection, caller.account_id, id)
    except PlatformError:
        return None
    if not caller.may_see(row.agent_id):
        return None
    whole = listing.item_view(row)
    keys = ("session_id", "status", "strategy_label", "current_step", "total_steps", "progress_pct", "virtual_clock")
    return {key: whole[key] for key in (*keys, "final_equity", "roi_pct", "total_trades")}


def _ticked(hub: "FeedHub", channel: Channel) -> tuple[str, ...]:
    if channel.name == "ticker_all":
        return hub.symbols
    return (channel.symbol,) if channel.name == "ticker" else ()


def _frame(hub: "FeedHub", channel: Channel) -> Any:
    from tradeready_gym.platform.market.catalog import parse_interval

    try:
        frame = parse_interval(channel.interval)
    except PlatformError as error:
        raise _invalid(str(error)) from error
    if frame.microseconds % hub.timeframe.microseconds or frame.microseconds > 86_400_000_000:
        raise _invalid(f"the feed brings {hub.timeframe} candles; {channel.interval} cannot be made of them")
    return frame


def _invalid(message: str) -> BadRequest:
    return BadRequest(message, code="INVALID_CHANNEL")
