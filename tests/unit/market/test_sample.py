"""The packaged sample is what its provenance says."""

import hashlib
from pathlib import Path

import tradeready_gym.market.sample as sample_module
from tradeready_gym.market import find_gaps, format_time, load_sample

FOLDER = Path(sample_module.__file__).parent / "sample"


def test_sample_covers_three_years_of_hours_with_the_halts_of_the_exchange() -> None:
    candles = load_sample()
    assert (candles.symbols, candles.timeframe.label, len(candles)) == (("BTCUSDT",), "1h", 26_280)
    assert (format_time(candles.start), format_time(candles.end)) == ("2021-01-01T00:00:00Z", "2024-01-01T00:00:00Z")
    assert (format_time(candles.start), format_time(candles.end)) == sample_module.SAMPLE_SPAN
    assert [(format_time(gap.start)[:13], gap.candles) for gap in find_gaps(candles).gaps] == [
        ("2021-02-11T04", 1),
        ("2021-03-06T02", 1),
        ("2021-04-20T02", 2),
        ("2021-04-25T05", 3),
        ("2021-08-13T02", 4),
        ("2021-09-29T07", 2),
        ("2023-03-24T13", 1),
    ]


def test_sample_holds_known_prices() -> None:
    candles = load_sample()
    assert candles.open[0, 0] == 28_923.63
    assert candles.high.max() == 69_000.0
    assert candles.low.min() == 15_476.0
    assert candles.close[0, -1] == 42_283.58
    assert set(candles.columns) == {"quote_volume", "trades"}


def test_sample_is_small_and_has_its_provenance_and_licence_beside_it() -> None:
    content = (FOLDER / "BTCUSDT-1h.parquet").read_bytes()
    text = (FOLDER / "PROVENANCE.md").read_text()
    assert len(content) <= 2_000_000
    assert hashlib.sha256(content).hexdigest() in text
    assert "gapless-crypto-data" in text
    assert "MIT License" in text


def test_sample_is_read_once() -> None:
    assert load_sample() is load_sample()
