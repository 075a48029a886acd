"""BookTradingEnv: a live environment whose market orders fill at the venue's best bid and ask, as they were at the decision."""

from collections.abc import Mapping, Sequence
from typing import Any

from tradeready_gym.envs.live_limits import LimitedTradingEnv
from tradeready_gym.errors import ConfigurationError, DownloadError
from tradeready_gym.exchanges.execution import MARKET, MARKET_CLOSED, record_reject
from tradeready_gym.live import Feed
from tradeready_gym.live.risk import OrderLimits
from tradeready_gym.orders import Order


class BookTradingEnv(LimitedTradingEnv):
    """As `LiveTradingEnv`, but for the price of market orders: a buy pays the best ask, a sale gets the best bid.

    The venue is asked for them when the action has come, and what it answers is journalled with the decision. The whole order
    fills at that price, whatever its size. It is a mode outside parity: candles have no order book, so no backtest equals it,
    and a historical environment refuses `fill_at="book"` by name. The `slippage_pct` of a fill says how far its price was from
    the candle's open; it is negative where the book was better.

    When the venue does not answer, market orders are refused (`market_closed`). Resting orders meet the candle as ever. The
    info has, besides, `bid_ask`: the best bid and ask of each symbol, by its name.

    Args:
        feed: one with an order book, such as `BinanceFeed` or `CcxtFeed`.
        limits: what orders of the action are held to, as in `LimitedTradingEnv`.
        arguments: those of `LiveTradingEnv`.

    Raises:
        ConfigurationError: the feed has no order book.
    """

    def __init__(self, feed: Feed, *, limits: OrderLimits | None = None, **arguments: Any) -> None:
        if not feed.has_book:
            raise ConfigurationError(
                f"fill_at='book' needs a feed with an order book, of Binance or ccxt; {type(feed).__name__} has none"
            )
        super().__init__(feed, limits=limits, **arguments | {"fill_at": "book"})

    def __repr__(self) -> str:
        return "Book" + super().__repr__().removeprefix("Live")

    # ---- the hooks ----

    def _price_orders(self) -> None:
        engine = self.engine
        account, orders = engine.state.accounts[0], engine.state.orders[0]
        kept = 0
        for k in range(int(account.pending)):
            order = orders[k]
            if order.kind == MARKET:
                quote = self._seen.get(engine.symbols[order.symbol])
                if quote is None:
                    order.order_id = account.next_order_id
                    account.next_order_id += 1
                    record_reject(account, order, engine.state.rejects[0], MARKET_CLOSED)
                    continue
                open = float(engine.market.rows["open"][account.row, order.symbol])
                bid, ask = quote
                order.slippage = ask / open - 1.0 if order.side > 0 else 1.0 - bid / open
            orders[kept] = order
            kept += 1
        account.pending = kept

    def _look(self) -> dict[str, tuple[float, float]]:
        try:
            return dict(self.feed.quotes())
        except DownloadError:
            return {}

    def _announce(self, orders: Sequence[Order]) -> Mapping[str, float]:
        if self._prices_then is None:
            quotes = self._look()
            sides = {(order.symbol.upper(), order.side.lower()) for order in orders if order.type == "market"}
            if len({symbol for symbol, _ in sides}) < len(sides):
                raise ConfigurationError("with fill_at='book' orders that buy and sell one symbol need a submit() each")
            self._prices_then = {s: quotes[s][side == "buy"] for s, side in sides if s in quotes}
        return super()._announce(orders)

    def _live_info(self, info: dict[str, Any], delay: float, missed: int, gap: bool) -> dict[str, Any]:
        info = super()._live_info(info, delay, missed, gap)
        info["bid_ask"] = {symbol: list(quote) for symbol, quote in self._seen.items()}
        return info
