"""The candle store: what is written is read, by many processes at once, and damage is named."""

import multiprocessing
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from market_cases import NAMES, columns, series

from tradeready_gym.errors import DataError, DataUnavailable, StoreError
from tradeready_gym.market import Candles, CandleStore, Span, format_time, store_files
from tradeready_gym.market import store as store_module

HOUR = 3_600_000_000


def test_written_candles_are_read_back_exactly_with_gaps_and_columns(tmp_path: Path) -> None:
    rows = columns("2023-01-01T00:00:00Z", "1h", 30)
    kept = [row for row in range(30) if row not in (3, 4)]
    own = {"my signal": np.arange(30.0)[kept], "late": np.array([np.nan] * 5 + [1.0] * 23)}
    values: dict[str, Any] = {name: rows[name][kept] for name in NAMES}
    candles = Candles.from_arrays("BTCUSDT", "1h", rows["bucket"][kept], **values, columns=own)
    store = CandleStore(tmp_path)
    store.write(candles)
    assert store.read("btcusdt", "1h") == candles


def test_place_is_read_from_the_environment_when_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CandleStore()
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path / "home"))
    store.write(series())
    assert (tmp_path / "home" / "candles" / "BTCUSDT" / "1h").is_dir()
    monkeypatch.delenv("TRADEREADY_HOME")
    assert store.root == Path.home() / ".tradeready" / "candles"


def test_ranges_are_cut_from_several_files(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    whole = series(count=72)
    for day in (2, 0, 1):
        start = whole.start + day * 24 * HOUR
        store.write(whole.between(start, start + 24 * HOUR))
    assert store.read("BTCUSDT", "1h") == whole
    part = store.read("BTCUSDT", "1h", "2023-01-01T20:00:00Z", "2023-01-03T02:00:00Z")
    assert part == whole.between("2023-01-01T20:00:00Z", "2023-01-03T02:00:00Z")


def test_later_write_wins_whole_candles(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    store.write(series(count=48))
    newer = series("2023-01-01T10:00:00Z", count=5, level=500.0)
    store.write(newer)
    close = store.read("BTCUSDT", "1h").close[0]
    assert close[10:15].tolist() == newer.close[0].tolist()
    assert close[15] == series(count=48).close[0, 15]


def test_range_that_is_not_stored_names_what_is(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    with pytest.raises(DataUnavailable, match="does not have BTCUSDT 1h .* it has nothing"):
        store.read("BTCUSDT", "1h")
    store.write(series(count=24))
    store.write(series("2023-02-01T00:00:00Z", count=24))
    words = "it has 2023-01-01T00:00:00Z .. 2023-01-02T00:00:00Z, 2023-02-01T00:00:00Z .. 2023-02-02T00:00:00Z"
    with pytest.raises(DataUnavailable, match=words):
        store.read("BTCUSDT", "1h", "2023-01-01T00:00:00Z", "2023-02-02T00:00:00Z")
    with pytest.raises(DataError, match="in 2 pieces"):
        store.read("BTCUSDT", "1h")
    assert len(store.read("BTCUSDT", "1h", start="2023-02-01T05:00:00Z")) == 19
    assert len(store.read("BTCUSDT", "1h", end="2023-02-02T00:00:00Z")) == 24
    assert [span.start_time for span in store.spans("BTCUSDT", "1h")] == [
        "2023-01-01T00:00:00Z",
        "2023-02-01T00:00:00Z",
    ]


def test_times_off_the_grid_or_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    store.write(series(count=24))
    with pytest.raises(DataError, match=r"start must be on the 1h grid.*nearest"):
        store.read("BTCUSDT", "1h", "2023-01-01T00:30:00Z", "2023-01-02T00:00:00Z")
    with pytest.raises(DataError, match="end must be after start"):
        store.read("BTCUSDT", "1h", "2023-01-02T00:00:00Z", "2023-01-01T00:00:00Z")


def test_range_that_begins_or_ends_in_a_gap_is_whole(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    january = series("2023-01-01T00:00:00Z", count=22)
    store.write(january, covers=Span(january.start, january.start + 24 * HOUR))
    store.write(
        series("2023-01-02T02:00:00Z", count=22), covers=Span(january.start + 24 * HOUR, january.start + 48 * HOUR)
    )
    assert store.read("BTCUSDT", "1h").gaps[0].nonzero()[0].tolist() == [22, 23, 24, 25]
    part = store.read("BTCUSDT", "1h", "2023-01-01T23:00:00Z", "2023-01-02T01:00:00Z")
    assert part.gaps.all()
    assert part.close[0].tolist() == [january.close[0, -1]] * 2


def test_range_before_the_first_candle_is_unavailable(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    listed = series("2023-01-01T10:00:00Z", count=14)
    store.write(listed, covers=Span(listed.start - 10 * HOUR, listed.end))
    assert format_time(store.read("BTCUSDT", "1h").start) == "2023-01-01T10:00:00Z"
    with pytest.raises(
        DataUnavailable, match="no candle at or before 2023-01-01T02:00:00Z; the first one is 2023-01-01T10"
    ):
        store.read("BTCUSDT", "1h", "2023-01-01T02:00:00Z", "2023-01-01T20:00:00Z")
    with pytest.raises(DataUnavailable, match="there is none"):
        store.read("BTCUSDT", "1h", "2023-01-01T02:00:00Z", "2023-01-01T08:00:00Z")


def test_column_that_part_of_the_range_lacks_is_left_out(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    rows = columns("2023-01-01T00:00:00Z", "1h", 24)
    values: dict[str, Any] = {name: rows[name] for name in NAMES}
    store.write(Candles.from_arrays("BTCUSDT", "1h", rows["bucket"], **values, columns={"signal": np.ones(24)}))
    store.write(series("2023-01-02T00:00:00Z", count=24))
    assert list(store.read("BTCUSDT", "1h").columns) == []
    assert list(store.read("BTCUSDT", "1h", None, "2023-01-02T00:00:00Z").columns) == ["signal"]


def test_columns_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    rows = columns("2023-01-01T00:00:00Z", "1h", 2)
    values: dict[str, Any] = {name: rows[name] for name in NAMES}
    own = {"RSI": np.ones(2), "rsi": np.ones(2)}
    with pytest.raises(DataError, match="differ in more than case"):
        CandleStore(tmp_path).write(Candles.from_arrays("BTCUSDT", "1h", rows["bucket"], **values, columns=own))
    assert CandleStore(tmp_path).list() == ()


def test_compaction_changes_nothing_but_the_number_of_files(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    whole = series(count=96)
    for day in range(4):
        store.write(whole.between(whole.start + day * 24 * HOUR, whole.start + (day + 1) * 24 * HOUR))
    store.write(series("2023-01-02T00:00:00Z", count=3, level=500.0))
    store.write(series("2024-01-01T00:00:00Z", count=3))
    before = store.read("BTCUSDT", "1h", None, "2023-01-05T00:00:00Z")
    spans = store.spans("BTCUSDT", "1h")
    store.compact("BTCUSDT", "1h")
    assert store.list()[0].files == 2
    assert store.spans("BTCUSDT", "1h") == spans
    assert store.read("BTCUSDT", "1h", None, "2023-01-05T00:00:00Z") == before
    store.write(series("2023-01-02T00:00:00Z", count=1, level=900.0))
    assert store.read("BTCUSDT", "1h", None, "2023-01-05T00:00:00Z").open[0, 24] == 900.0


def test_many_files_are_compacted_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "COMPACT_ABOVE_FILES", 3)
    store = CandleStore(tmp_path)
    whole = series(count=10)
    for hour in range(10):
        store.write(whole.between(whole.start + hour * HOUR, whole.start + (hour + 1) * HOUR))
    assert store.list()[0].files <= 3
    assert store.read("BTCUSDT", "1h") == whole


def test_list_and_check_tell_what_there_is(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    store.write(Candles.merge([series(count=48, without=(5,)), series(count=48, symbol="ETHUSDT")]))
    store.write(series(timeframe="1d", count=3))
    assert [str(found).split(":")[0] for found in store.list()] == ["BTCUSDT 1h", "BTCUSDT 1d", "ETHUSDT 1h"]
    checks = store.check()
    assert [check.ok for check in checks] == [True, True, True]
    assert [check.report.missing for check in checks] == [1, 0, 0]


def test_damaged_file_is_named_by_read_and_check(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    store.write(series(count=24))
    (path,) = (tmp_path / "BTCUSDT" / "1h").iterdir()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(StoreError, match=f"{path.name} is damaged: .* download or import"):
        store.read("BTCUSDT", "1h")
    (path.parent / ".writing-0000").write_bytes(b"left")
    (check,) = store.check()
    assert not check.ok
    assert [word in " ".join(check.problems) for word in ("killed writer", "is damaged")] == [True, True]


def test_no_flipped_bit_anywhere_gives_other_candles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CandleStore(tmp_path)
    whole = series(count=24)
    store.write(whole)
    (path,) = (tmp_path / "BTCUSDT" / "1h").iterdir()
    content = path.read_bytes()
    outcomes = [_read_with_flipped_bit(store, path, content, bit) for bit in range(3, 8 * len(content), 131)]
    assert len(outcomes) > 100
    assert outcomes == [path.name] * len(outcomes)
    path.write_bytes(content)
    assert store.read("BTCUSDT", "1h") == whole

    monkeypatch.setattr(store_files, "verify", lambda file: None)  # the defect: nobody verifies
    later = (_read_with_flipped_bit(store, path, content, bit) for bit in range(3, 8 * len(content), 131))
    assert any(outcome == "other candles" for outcome in later)


def _read_with_flipped_bit(store: CandleStore, path: Path, content: bytes, bit: int) -> str:
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    path.write_bytes(flipped)
    os.utime(path, ns=(bit, bit))
    try:
        found = store.read("BTCUSDT", "1h")
    except StoreError as error:
        return path.name if f"{path.name} is damaged" in str(error) else str(error)
    except DataError as error:
        return str(error)
    return "identical" if found == series(count=24) else "other candles"


def test_checksum_is_verified_once_a_process_by_read_and_always_by_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    digest = store_files._digest

    def counted(path: Path) -> str:
        hashed.append(path)
        return digest(path)

    monkeypatch.setattr(store_files, "_digest", counted)
    store = CandleStore(tmp_path)
    store.write(series(count=24))
    (path,) = (tmp_path / "BTCUSDT" / "1h").iterdir()
    hashed.clear()
    for _ in range(3):
        store.read("BTCUSDT", "1h")
    assert hashed == [path]
    kept = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))  # the disk forgot, and nobody wrote
    (check,) = store.check()
    assert not check.ok
    assert f"{path.name} is damaged: the SHA-256" in check.problems[0]


def test_file_of_an_earlier_version_is_read_and_check_says_that_it_carries_no_checksum(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    store.write(series(count=24))
    (path,) = (tmp_path / "BTCUSDT" / "1h").iterdir()
    assert re.fullmatch(r"20230101T000000Z_20230102T000000Z_00000001w_[0-9a-f]{8}_[0-9a-f]{16}\.parquet", path.name)
    path.rename(path.with_name(f"{path.name.rsplit('_', 1)[0]}.parquet"))
    store.write(series("2023-01-02T00:00:00Z", count=24))
    assert store.read("BTCUSDT", "1h", None, "2023-01-02T00:00:00Z") == series(count=24)
    (check,) = store.check()
    assert (check.ok, check.without_checksum, check.series.files) == (True, 1, 2)
    store.compact("BTCUSDT", "1h")
    assert store.check()[0].without_checksum == 0


def test_compaction_refuses_to_take_in_a_damaged_file(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    for day in (1, 2):
        store.write(series(f"2023-01-0{day}T00:00:00Z", count=24))
    first, second = sorted((tmp_path / "BTCUSDT" / "1h").iterdir())
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    with pytest.raises(StoreError, match=f"{first.name} is damaged"):
        store.compact("BTCUSDT", "1h")
    assert sorted((tmp_path / "BTCUSDT" / "1h").iterdir()) == [first, second]


def test_disk_that_refuses_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "candles").write_text("a file where the directory should be")
    with pytest.raises(StoreError, match="Set TRADEREADY_HOME"):
        CandleStore(tmp_path / "candles").write(series())


def _write_days(root: str, offset: int, level: float) -> None:
    store = CandleStore(root)
    whole = series(count=24 * 20, level=level)
    for day in range(offset, 20, 2):
        store.write(whole.between(whole.start + day * 24 * HOUR, whole.start + (day + 1) * 24 * HOUR))
        store.write(series("2023-03-01T00:00:00Z", count=24, level=1000.0 + day))
        if day % 6 == offset:
            store.compact("BTCUSDT", "1h")


def test_two_writers_and_a_reader_in_different_processes_lose_and_mix_nothing(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write_days, args=(str(tmp_path), offset, 100.0)) for offset in (0, 1)]
    for writer in writers:
        writer.start()
    store = CandleStore(tmp_path)
    march = {level: series("2023-03-01T00:00:00Z", count=24, level=1000.0 + level) for level in range(20)}
    readings = 0
    while any(writer.is_alive() for writer in writers):
        if store.spans("BTCUSDT", "1h") and store.spans("BTCUSDT", "1h")[-1].start_time >= "2023-03":
            found = store.read("BTCUSDT", "1h", "2023-03-01T00:00:00Z", "2023-03-02T00:00:00Z")
            assert found in march.values()
            readings += 1
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert readings > 0
    assert store.read("BTCUSDT", "1h", None, "2023-01-21T00:00:00Z") == series(count=24 * 20)
    assert store.read("BTCUSDT", "1h", "2023-03-01T00:00:00Z") in (march[18], march[19])
    assert not [name for name in os.listdir(tmp_path / "BTCUSDT" / "1h") if name.startswith(".writing")]
