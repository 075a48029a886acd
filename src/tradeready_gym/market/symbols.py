"""What the name of a market says: what is traded, and what its prices are in."""

from collections.abc import Iterable

QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "EUR", "TRY", "BTC", "ETH", "BNB")


def split_assets(symbol: str) -> tuple[str, str]:
    """Base and quote of a symbol such as BTCUSDT; a quote that is not known is empty."""
    quote = next((quote for quote in QUOTES if symbol.endswith(quote) and symbol != quote), "")
    return symbol.removesuffix(quote).rstrip("-_"), quote


def quote_of(symbols: Iterable[str]) -> str:
    """USDT: what the prices of these markets are in; empty where they differ, or where it is not known."""
    found = {split_assets(symbol)[1] for symbol in symbols}
    return found.pop() if len(found) == 1 else ""
