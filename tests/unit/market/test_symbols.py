"""Names of markets: what is traded, and in what."""

import pytest

from tradeready_gym.market.symbols import quote_of, split_assets


@pytest.mark.parametrize(
    ("symbol", "found"),
    [
        ("BTCUSDT", ("BTC", "USDT")),
        ("ETHBTC", ("ETH", "BTC")),
        ("SOL-USD", ("SOL", "USD")),
        ("BTCFDUSD", ("BTC", "FDUSD")),
        ("USDT", ("USDT", "")),
        ("CORN", ("CORN", "")),
    ],
)
def test_a_symbol_is_split_where_a_known_quote_begins(symbol: str, found: tuple[str, str]) -> None:
    assert split_assets(symbol) == found


def test_markets_have_a_currency_if_it_is_known_and_the_same() -> None:
    assert quote_of(["BTCUSDT", "ETHUSDT"]) == "USDT"
    assert quote_of(["BTCUSDT", "ETHBTC"]) == ""
    assert quote_of(["CORN"]) == ""
    assert quote_of([]) == ""
