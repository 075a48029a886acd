"""Candles over the wire: what is stored, as documented, without a key and without a download."""

import importlib
import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import talib
from serving import Served, serving

from tradeready_gym.market import Candles, CandleStore, Span, Timeframe, load_sample, parse_time
from tradeready_gym.platform.api.market import INTERVALS
from tradeready_gym.platform.api.wire import decimal_text
from tradeready_gym.platform.market import figures
from tradeready_gym.platform.market.catalog import Catalog

API = "/api/v1/market"
MINUTE = 60_000_000
START = parse_time("2024-03-01T00:00:00Z")
BARS = 2 * 1440
MISSING = (100, 101, 102, 1500)  # minutes that the source did not have


def minutes(symbol: str, start: int, bars: int, missing: tuple[int, ...] = ()) -> Candles:
    """Candles whose close is 100 and the number of the minute / 1000, rising and falling."""
    rows = np.array([row for row in range(bars) if row not in missing])
    close = 100.0 + rows / 1000.0 + 3.0 * np.sin(rows / 20.0)
    opened = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(opened, close) + 0.5, np.minimum(opened, close) - 0.5
    columns = {"trades": rows + 1.0, "quote_volume": close * 2.0}
    times = start + rows * MINUTE
    return Candles.from_arrays(symbol, "1m", times, opened, high, low, close, np.full(len(rows), 2.0), columns=columns)


ETH = minutes("ETHUSDT", START, BARS, MISSING)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with ETHUSDT minutes in two pieces, of 2024-03-01/02 and of 2024-03-10, and the sample."""
    home = tmp_path_factory.mktemp("market")
    store = CandleStore(home / "candles")
    store.write(ETH)
    store.write(minutes("ETHUSDT", START + 9 * 1440 * MINUTE, 60))
    with serving(home, ingest_journals=False) as server:
        yield server


def get(served: Served, path: str, **query: Any) -> dict[str, Any]:
    answer = served.anonymous.get(API + path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refusal(served: Served, path: str, **query: Any) -> tuple[int, str]:
    answer = served.anonymous.get(API + path, params=query)
    return answer.status_code, answer.json()["error"]["code"]


def test_pairs_are_those_that_have_candles(stocked: Served) -> None:
    found = get(stocked, "/pairs")
    assert found["total"] == 2
    assert found["pairs"][1] == {
        "symbol": "ETHUSDT",
        "base_asset": "ETH",
        "quote_asset": "USDT",
        "status": "active",
        "min_qty": "0.00000001",
        "step_size": "0.00000001",
        "min_notional": "0",
        "has_price": True,
    }
    assert get(stocked, "/pairs", status="halted") == {"pairs": [], "total": 0}


def test_the_price_is_the_last_close_and_says_when_it_was_known(stocked: Served) -> None:
    last = minutes("ETHUSDT", START + 9 * 1440 * MINUTE, 60)
    found = get(stocked, "/price/ethusdt")
    assert found == {"symbol": "ETHUSDT", "price": decimal_text(last.close[0, -1]), "timestamp": "2024-03-10T01:00:00Z"}
    assert get(stocked, "/price/BTCUSDT")["timestamp"] == "2024-01-01T00:00:00Z"
    assert refusal(stocked, "/price/NOPE") == (400, "INVALID_SYMBOL")


def test_prices_leave_out_what_is_not_here_and_say_how_old_they_are(stocked: Served) -> None:
    found = get(stocked, "/prices", symbols="ethusdt, BTCUSDT,NOPE")
    assert set(found["prices"]) == {"ETHUSDT", "BTCUSDT"}
    assert (found["count"], found["stale"], found["timestamp"]) == (2, True, "2024-03-10T01:00:00Z")
    assert found["data_age_seconds"] > 0
    assert get(stocked, "/prices", symbols="NOPE")["data_age_seconds"] is None
    assert set(get(stocked, "/prices")["prices"]) == {"ETHUSDT", "BTCUSDT"}
    assert refusal(stocked, "/prices", symbols=",".join(f"S{n}" for n in range(101))) == (422, "VALIDATION_ERROR")


def test_the_ticker_is_that_of_the_last_24_hours(stocked: Served) -> None:
    sample = load_sample()
    day = sample.between(sample.end - 24 * 60 * MINUTE, sample.end)
    found = get(stocked, "/ticker/BTCUSDT")
    assert float(found["open"]) == day.open[0, 0]
    assert float(found["high"]) == day.high.max()
    assert float(found["low"]) == day.low.min()
    assert float(found["close"]) == day.close[0, -1]
    assert float(found["volume"]) == pytest.approx(day.volume.sum())
    assert float(found["quote_volume"]) == pytest.approx(day.columns["quote_volume"].sum())
    assert float(found["change"]) == pytest.approx(day.close[0, -1] - day.open[0, 0])
    assert float(found["change_pct"]) == pytest.approx(100 * (day.close[0, -1] / day.open[0, 0] - 1), abs=1e-4)
    assert found["trade_count"] == int(day.columns["trades"].sum())
    assert all(isinstance(found[name], str) and "e" not in found[name] for name in ("open", "volume", "quote_volume"))
    several = get(stocked, "/tickers", symbols="BTCUSDT,NOPE")
    assert several["tickers"] == {"BTCUSDT": found}
    assert (several["count"], several["timestamp"]) == (1, "2024-01-01T00:00:00Z")


def test_candles_are_the_stored_ones_oldest_first_without_gaps(stocked: Served) -> None:
    query = {"interval": "1m", "start_time": "2024-03-01T01:38:00Z", "limit": 5}
    found = get(stocked, "/candles/ethusdt", **query)
    assert [candle["time"] for candle in found["candles"]] == [
        f"2024-03-01T01:{minute:02d}:00Z" for minute in (38, 39, 43, 44, 45)
    ]
    row = 99
    assert found["candles"][1] == {
        "time": "2024-03-01T01:39:00Z",
        "open": decimal_text(ETH.open[0, row]),
        "high": decimal_text(ETH.high[0, row]),
        "low": decimal_text(ETH.low[0, row]),
        "close": decimal_text(ETH.close[0, row]),
        "volume": "2.0",
        "trade_count": 100,
    }
    assert (found["symbol"], found["interval"], found["count"]) == ("ETHUSDT", "1m", 5)


def test_candles_without_a_start_are_the_last_ones_across_pieces(stocked: Served) -> None:
    found = get(stocked, "/candles/ETHUSDT", interval="1m", limit=62)
    times = [candle["time"] for candle in found["candles"]]
    assert times[:3] == ["2024-03-02T23:58:00Z", "2024-03-02T23:59:00Z", "2024-03-10T00:00:00Z"]
    assert len(times) == 62 and times == sorted(times)
    until = get(stocked, "/candles/ETHUSDT", interval="1m", limit=2, end_time="2024-03-01T00:03:00")
    assert [candle["time"] for candle in until["candles"]] == ["2024-03-01T00:01:00Z", "2024-03-01T00:02:00Z"]
    empty = {"start_time": "2024-03-05T00:00:00Z", "end_time": "2024-03-06T00:00:00Z"}
    assert get(stocked, "/candles/ETHUSDT", interval="1m", **empty)["count"] == 0


@pytest.mark.parametrize(
    ("name", "seconds", "bars"),
    [("5m", 300, 576), ("15m", 900, 192), ("1h", 3600, 48), ("4h", 14400, 12), ("1d", 86400, 2)],
)
def test_longer_candles_are_made_of_shorter_ones_under_both_names(
    stocked: Served, name: str, seconds: int, bars: int
) -> None:
    query: dict[str, Any] = {"end_time": "2024-03-03T00:00:00Z", "limit": 1000}
    found = get(stocked, "/candles/ETHUSDT", interval=name, **query)
    assert found == get(stocked, "/candles/ETHUSDT", interval=str(seconds), **query)
    assert (found["interval"], found["count"]) == (name, bars)
    made = ETH.resample(name)
    assert [float(candle["high"]) for candle in found["candles"]] == made.high[0].round(8).tolist()
    assert [candle["trade_count"] for candle in found["candles"]] == made.columns["trades"][0].astype(int).tolist()


def test_the_schema_names_every_length_in_both_notations() -> None:
    frames = Timeframe.all()
    assert [frame.label for frame in frames] + [str(frame.seconds) for frame in frames] == INTERVALS


def test_a_page_before_a_long_gap_is_full(stocked: Served) -> None:
    query = {"interval": "1h", "limit": 1000, "start_time": "2021-01-01T00:00:00Z"}
    found = get(stocked, "/candles/BTCUSDT", **query)
    sample = load_sample()
    present = sample.times[~sample.gaps[0]][:1000]
    assert [parse_time(candle["time"]) for candle in found["candles"]] == present.tolist()


def test_what_cannot_be_asked_of_candles_is_named(stocked: Served) -> None:
    assert refusal(stocked, "/candles/NOPE") == (400, "INVALID_SYMBOL")
    assert refusal(stocked, "/candles/ETHUSDT", interval="2h") == (400, "INVALID_SYMBOL")
    assert refusal(stocked, "/candles/ETHUSDT", limit=1001) == (422, "VALIDATION_ERROR")
    assert refusal(stocked, "/candles/ETHUSDT", start_time="yesterday") == (422, "VALIDATION_ERROR")
    assert refusal(stocked, "/candles/ETHUSDT", start_time="0001-01-01T00:00:00") == (422, "VALIDATION_ERROR")


def test_candles_shorter_than_all_that_are_stored_are_refused_with_those_that_there_are(stocked: Served) -> None:
    answer = stocked.anonymous.get(f"{API}/candles/btcusdt", params={"interval": "1m"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "DATA_NOT_AVAILABLE")
    assert error["details"] == {"symbol": "BTCUSDT", "interval": "1m", "intervals_available": ["1h", "4h", "1d"]}
    assert refusal(stocked, "/indicators/BTCUSDT", interval="5m") == (404, "DATA_NOT_AVAILABLE")


def test_single_trades_are_not_known_and_a_book_needs_a_live_price(stocked: Served) -> None:
    # none are made up, and who tries again after a 5xx does not wait for them
    assert refusal(stocked, "/trades/BTCUSDT") == (404, "DATA_NOT_AVAILABLE")
    assert refusal(stocked, "/trades/NOPE") == (400, "INVALID_SYMBOL")
    assert refusal(stocked, "/trades/BTCUSDT", limit=501) == (422, "VALIDATION_ERROR")
    assert refusal(stocked, "/orderbook/BTCUSDT") == (503, "PRICE_NOT_AVAILABLE")
    assert refusal(stocked, "/orderbook/NOPE") == (400, "INVALID_SYMBOL")
    assert refusal(stocked, "/orderbook/BTCUSDT", depth=7) == (400, "INVALID_SYMBOL")


def test_indicators_are_talibs_at_the_last_close(stocked: Served) -> None:
    names = get(stocked, "/indicators/available")["indicators"]
    assert len(names) == 15 and names == sorted(names)
    found = get(stocked, "/indicators/BTCUSDT", lookback=200)
    assert (found["candles_used"], found["timestamp"], found["interval"]) == (200, "2024-01-01T00:00:00Z", "1h")
    sample = load_sample()
    high, low, close, volume = (getattr(sample, name)[0, -200:] for name in ("high", "low", "close", "volume"))
    line, signal, hist = talib.MACD(close)
    upper, middle, lower = talib.BBANDS(close, timeperiod=20)
    expected = {
        "adx_14": talib.ADX(high, low, close),
        "atr_14": talib.ATR(high, low, close),
        "bb_lower": lower,
        "bb_mid": middle,
        "bb_upper": upper,
        "ema_12": talib.EMA(close, 12),
        "ema_26": talib.EMA(close, 26),
        "macd_hist": hist,
        "macd_line": line,
        "macd_signal": signal,
        "price": close,
        "rsi_14": talib.RSI(close),
        "sma_20": talib.SMA(close, 20),
        "sma_50": talib.SMA(close, 50),
        "volume_ma_20": talib.SMA(volume, 20),
    }
    assert set(found["indicators"]) == set(names) == set(expected)
    for name, values in expected.items():
        assert found["indicators"][name] == pytest.approx(values[-1], rel=1e-9), name


def test_an_indicator_that_needs_more_candles_is_left_out(stocked: Served) -> None:
    found = get(stocked, "/indicators/BTCUSDT", lookback=20, indicators="sma_50, sma_20,price")
    assert set(found["indicators"]) == {"sma_20", "price"}
    assert get(stocked, "/indicators/BTCUSDT", interval="1d")["interval"] == "1d"
    assert refusal(stocked, "/indicators/BTCUSDT", indicators="alpha") == (400, "INVALID_SYMBOL")
    assert refusal(stocked, "/indicators/BTCUSDT", lookback=13) == (422, "VALIDATION_ERROR")
    assert refusal(stocked, "/indicators/BTCUSDT", interval="1m") == (404, "DATA_NOT_AVAILABLE")


def test_the_data_range_names_the_real_gaps(stocked: Served) -> None:
    found = get(stocked, "/data-range")
    assert (found["earliest"], found["latest"]) == ("2021-01-01T00:00:00Z", "2024-03-10T01:00:00Z")
    assert found["total_pairs"] == 2
    assert found["intervals_available"] == ["1m", "5m", "15m", "30m", "1h", "4h", "1d"]
    gaps = [gap for gap in found["data_gaps"] if gap["symbol"] == "ETHUSDT"]
    assert [(gap["start"], gap["end"], gap["candles"]) for gap in gaps] == [
        ("2024-03-01T01:40:00Z", "2024-03-01T01:43:00Z", 3),
        ("2024-03-02T01:00:00Z", "2024-03-02T01:01:00Z", 1),
        ("2024-03-03T00:00:00Z", "2024-03-10T00:00:00Z", 7 * 1440),
    ]
    others = [gap["candles"] for gap in found["data_gaps"] if gap["symbol"] == "BTCUSDT"]
    assert sum(others) == int(load_sample().gaps.sum()) == 14
    assert found["data_gaps_total"] == len(found["data_gaps"])


def test_a_gap_that_is_filled_is_a_gap_no_more(tmp_path: Path) -> None:
    store = CandleStore(tmp_path / "candles")
    store.write(minutes("XYZUSDT", START, 10, (4,)))
    with serving(tmp_path, ingest_journals=False) as server:
        assert [gap["symbol"] for gap in get(server, "/data-range")["data_gaps"]].count("XYZUSDT") == 1
        store.write(minutes("XYZUSDT", START, 10))
        assert [gap["symbol"] for gap in get(server, "/data-range")["data_gaps"]].count("XYZUSDT") == 0


def rebuilt(times: Any, columns: dict[str, Any]) -> Candles:
    names = ("open", "high", "low", "close", "volume")
    values: dict[str, Any] = {name: np.asarray(columns[name])[None] for name in names}
    gaps = np.asarray(columns["gap"], np.bool_)[None]
    own: dict[str, Any] = {
        name: np.asarray(column)[None] for name, column in columns.items() if name not in {*names, "time", "gap"}
    }
    instants = np.asarray(times, np.int64)
    return Candles(("ETHUSDT",), ETH.timeframe, instants, **values, gaps=gaps, columns=own, source="wire")


@pytest.mark.parametrize("format", ["npz", "parquet", "arrow"])
def test_a_whole_range_comes_as_columns_that_have_the_fingerprint_it_names(
    stocked: Served, tmp_path: Path, format: str
) -> None:
    query = {
        "interval": "1m",
        "format": format,
        "start_time": "2024-03-01T00:00:00Z",
        "end_time": "2024-03-03T00:00:00Z",
    }
    answer = stocked.anonymous.get(f"{API}/candles/ETHUSDT/columns", params=query)
    assert answer.status_code == 200
    assert answer.headers["x-candles-fingerprint"] == ETH.fingerprint
    assert (answer.headers["x-candles-count"], answer.headers["x-candles-start"]) == (str(BARS), "2024-03-01T00:00:00Z")
    if format == "npz":
        columns = dict(np.load(io.BytesIO(answer.content), allow_pickle=False))
        times = columns["time"]
    elif format == "parquet":
        import duckdb

        (tmp_path / "candles.parquet").write_bytes(answer.content)
        query_text = f"SELECT epoch_us(time) AS us, * FROM '{tmp_path / 'candles.parquet'}'"
        columns = duckdb.execute(query_text).fetchnumpy()
        times = columns.pop("us")
    else:
        table = importlib.import_module("pyarrow.ipc").open_stream(answer.content).read_all()
        columns = {name: table[name].to_numpy() for name in table.column_names}
        times = columns["time"].astype("datetime64[us]").astype(np.int64)
    assert rebuilt(times, columns).fingerprint == ETH.fingerprint


def test_a_range_without_dates_is_the_last_stretch(stocked: Served) -> None:
    answer = stocked.anonymous.get(f"{API}/candles/ETHUSDT/columns", params={"interval": "1m"})
    assert (answer.headers["x-candles-count"], answer.headers["x-candles-end"]) == ("60", "2024-03-10T01:00:00Z")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"start_time": "2024-03-02T00:00:00Z", "end_time": "2024-03-10T00:30:00Z"}, (404, "DATA_NOT_AVAILABLE")),
        ({"start_time": "2024-03-01T00:00:30Z"}, (400, "INVALID_RANGE")),
        ({"start_time": "2024-03-02T00:00:00Z", "end_time": "2024-03-02T00:00:00Z"}, (400, "INVALID_RANGE")),
        ({"format": "exe"}, (422, "VALIDATION_ERROR")),
    ],
)
def test_a_range_that_is_not_to_be_had_is_named(
    stocked: Served, query: dict[str, str], expected: tuple[int, str]
) -> None:
    assert refusal(stocked, "/candles/ETHUSDT/columns", interval="1m", **query) == expected
    assert refusal(stocked, "/candles/NOPE/columns") == (400, "INVALID_SYMBOL")


def test_arrow_is_refused_by_name_where_it_cannot_be_written(stocked: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = "/candles/BTCUSDT/columns"
    assert refusal(stocked, path, format="arrow") == (406, "FORMAT_NOT_AVAILABLE")


def test_candles_that_begin_with_a_gap_are_served_from_the_first_that_exists(tmp_path: Path) -> None:
    store = CandleStore(tmp_path / "candles")
    candles = minutes("XYZUSDT", START + 10 * MINUTE, 20)
    store.write(candles, covers=Span(START, candles.end))
    with serving(tmp_path, ingest_journals=False) as server:
        found = get(server, "/candles/XYZUSDT", interval="1m", start_time="2024-03-01T00:00:00Z", limit=3)
        assert [candle["time"][11:16] for candle in found["candles"]] == ["00:10", "00:11", "00:12"]


def test_a_candle_that_arrives_or_is_corrected_changes_the_price(tmp_path: Path) -> None:
    store = CandleStore(tmp_path / "candles")
    candles = minutes("XYZUSDT", START, 20)
    store.write(candles.between(None, candles.end - MINUTE))
    catalog = Catalog(tmp_path)
    assert figures.price(catalog, "XYZUSDT") == (candles.close[0, -2], candles.end - MINUTE)
    corrected = Candles.from_arrays("XYZUSDT", "1m", [candles.end - 2 * MINUTE], [7.0], [8.0], [6.0], [7.5], [1.0])
    store.write(corrected)
    assert figures.price(catalog, "XYZUSDT") == (7.5, candles.end - MINUTE)
    store.write(candles)
    time.sleep(1.1)
    assert figures.price(catalog, "XYZUSDT") == (candles.close[0, -1], candles.end)


def test_candles_of_the_length_itself_come_before_those_that_are_made(tmp_path: Path) -> None:
    store = CandleStore(tmp_path / "candles")
    store.write(minutes("XYZUSDT", START, 180))
    own = Candles.from_arrays("XYZUSDT", "1h", [START + 60 * MINUTE], [7.0], [8.0], [6.0], [7.5], [1.0])
    store.write(own)
    with serving(tmp_path, ingest_journals=False) as server:
        found = get(server, "/candles/XYZUSDT", interval="1h")["candles"]
        assert [candle["time"][11:13] for candle in found] == ["00", "01", "02"]
        assert (found[1]["close"], found[1]["volume"]) == ("7.5", "1.0")
        assert found[0]["volume"] == "120.0"
        query = {"start_time": "2024-03-01T01:00:00Z", "end_time": "2024-03-01T02:00:00Z"}
        answer = server.anonymous.get(f"{API}/candles/XYZUSDT/columns", params=query)
        assert answer.headers["x-candles-fingerprint"] == own.fingerprint


def test_a_damaged_file_is_said_without_saying_where_it_lies(tmp_path: Path) -> None:
    store = CandleStore(tmp_path / "candles")
    store.write(minutes("XYZUSDT", START, 20))
    next((tmp_path / "candles" / "XYZUSDT" / "1m").iterdir()).write_bytes(b"damaged")
    with serving(tmp_path, ingest_journals=False) as server:
        answer = server.anonymous.get(f"{API}/candles/XYZUSDT", params={"interval": "1m"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "DATA_DAMAGED")
        assert str(tmp_path) not in answer.text
        assert get(server, "/data-range")["total_pairs"] == 2
        assert set(get(server, "/prices")["prices"]) == {"BTCUSDT"}
        assert set(get(server, "/tickers")["tickers"]) == {"BTCUSDT"}
