"""The downloader against a server of the archive's layout: whole files, and every way in which they arrive broken."""

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from market_archive import Archive, csv_of, serve, zip_of
from market_cases import series

from tradeready_gym.errors import DataError, DownloadError, HostUnreachable
from tradeready_gym.market import Candles, CandleStore, DownloadProgress, DownloadReport, download, import_file
from tradeready_gym.market.sources import http

START, END = "2023-01-01T00:00:00Z", "2023-03-01T00:00:00Z"


@pytest.fixture(autouse=True)
def _network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRADEREADY_OFFLINE", raising=False)


@pytest.fixture
def archive() -> Iterator[Archive]:
    with serve() as server:
        yield server


def january(**options: float) -> Candles:
    return series("2023-01-01T00:00:00Z", count=31 * 24, **options)  # type: ignore[arg-type]


def february() -> Candles:
    return series("2023-02-01T00:00:00Z", count=28 * 24)


class Waits(list[float]):
    """A sleep that only remembers for how long."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def fetch(archive: Archive, store: Path, start: str = START, end: str = END, **options: Any) -> DownloadReport:
    return download("BTCUSDT", "1h", start, end, CandleStore(store), base_url=archive.url, sleep=Waits(), **options)


def test_months_are_fetched_verified_and_stored(archive: Archive, tmp_path: Path) -> None:
    archive.add(january(), "2023-01")
    archive.add(february(), "2023-02", header=True)
    report = fetch(archive, tmp_path)
    assert report.stored == ("BTCUSDT-1h-2023-01", "BTCUSDT-1h-2023-02")
    assert report.candles == 59 * 24
    found = CandleStore(tmp_path).read("BTCUSDT", "1h")
    assert np.array_equal(found.close[0], np.concatenate([january().close[0], february().close[0]]))
    assert found.columns["trades"][0, :3].tolist() == [10.0, 11.0, 12.0]
    assert set(found.columns) == {"quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume"}


def test_milliseconds_of_2024_and_microseconds_of_2025_are_one_series(archive: Archive, tmp_path: Path) -> None:
    archive.add(series("2024-12-01T00:00:00Z", count=31 * 24), "2024-12")
    archive.add(series("2025-01-01T00:00:00Z", count=31 * 24), "2025-01")
    fetch(archive, tmp_path, "2024-12-30T00:00:00Z", "2025-01-03T00:00:00Z")
    found = CandleStore(tmp_path).read("BTCUSDT", "1h", "2024-12-30T00:00:00Z", "2025-01-03T00:00:00Z")
    assert len(found) == 96
    assert not found.gaps.any()


def test_several_symbols_are_fetched_in_one_call(archive: Archive, tmp_path: Path) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT"):
        archive.add(series("2023-01-01T00:00:00Z", "1d", 31, symbol), "2023-01")
    seen: list[DownloadProgress] = []
    caller = threading.get_ident()

    def progress(step: DownloadProgress) -> None:
        assert threading.get_ident() == caller
        seen.append(step)

    store = CandleStore(tmp_path)
    download(["btcusdt", "ETHUSDT"], "1d", START, "2023-02-01T00:00:00Z", store, progress, base_url=archive.url)
    assert [(step.done, step.total) for step in seen] == [(1, 2), (2, 2)]
    assert seen[-1].size_bytes > 0
    assert [found.symbol for found in store.list()] == ["BTCUSDT", "ETHUSDT"]


def test_what_is_stored_is_not_fetched_again(archive: Archive, tmp_path: Path) -> None:
    archive.add(january(), "2023-01")
    archive.add(february(), "2023-02")
    fetch(archive, tmp_path, end="2023-02-01T00:00:00Z")
    report = fetch(archive, tmp_path)
    assert report.already_stored == ("BTCUSDT-1h-2023-01",)
    assert archive.asked() == ["BTCUSDT-1h-2023-01.zip", "BTCUSDT-1h-2023-02.zip"]
    archive.requests.clear()
    fetch(archive, tmp_path)
    assert archive.requests == []


def test_interrupted_download_goes_on_where_it_stopped(archive: Archive, tmp_path: Path) -> None:
    months = [f"2023-{month:02}" for month in range(1, 13)]
    for month, days in zip(months, (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), strict=True):
        archive.add(series(f"{month}-01T00:00:00Z", "1d", days), month)

    def interrupt(step: DownloadProgress) -> None:
        raise KeyboardInterrupt

    store = CandleStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        download("BTCUSDT", "1d", START, "2024-01-01T00:00:00Z", store, interrupt, base_url=archive.url)
    first = set(archive.asked())
    kept = {path.name[:6] for path in (tmp_path / "BTCUSDT" / "1d").iterdir()}
    assert kept
    archive.requests.clear()
    report = download("BTCUSDT", "1d", START, "2024-01-01T00:00:00Z", store, base_url=archive.url)
    assert len(report.already_stored) == len(kept)
    assert not set(archive.asked()) & {name + ".zip" for name in report.already_stored}
    assert first | set(archive.asked()) == {f"BTCUSDT-1d-{month}.zip" for month in months}
    assert len(store.read("BTCUSDT", "1d")) == 365


def test_wrong_published_checksum_is_reported_and_not_stored(archive: Archive, tmp_path: Path) -> None:
    path = archive.add(january(), "2023-01")
    archive.add(february(), "2023-02")
    archive.files[path + ".CHECKSUM"] = b"0" * 64 + b"  BTCUSDT-1h-2023-01.zip\n"
    report = fetch(archive, tmp_path)
    assert report.stored == ("BTCUSDT-1h-2023-02",)
    (finding,) = report.wrong_checksums
    assert (finding.published_sha256, finding.stored, len(finding.sha256)) == ("0" * 64, False, 64)
    assert "accept_wrong_checksums=True stores it" in str(report)
    assert len(archive.asked("2023-01")) == 2
    assert CandleStore(tmp_path).spans("BTCUSDT", "1h")[0].start_time == "2023-02-01T00:00:00Z"


def test_wrong_published_checksum_can_be_accepted(archive: Archive, tmp_path: Path) -> None:
    path = archive.add(january(), "2023-01")
    archive.files[path + ".CHECKSUM"] = b"0" * 64
    report = fetch(archive, tmp_path, end="2023-02-01T00:00:00Z", accept_wrong_checksums=True)
    assert report.wrong_checksums[0].stored
    assert CandleStore(tmp_path).read("BTCUSDT", "1h").close.shape == (1, 744)


def test_checksum_that_was_only_stale_is_no_finding(archive: Archive, tmp_path: Path) -> None:
    path = archive.add(january(), "2023-01")
    archive.faults[path + ".CHECKSUM"] = [b"1" * 64]
    report = fetch(archive, tmp_path, end="2023-02-01T00:00:00Z")
    assert report.wrong_checksums == ()
    assert report.stored == ("BTCUSDT-1h-2023-01",)


def test_file_without_a_published_checksum_is_stored_and_named(archive: Archive, tmp_path: Path) -> None:
    path = archive.add(january(), "2023-01")
    del archive.files[path + ".CHECKSUM"]
    report = fetch(archive, tmp_path, end="2023-02-01T00:00:00Z")
    assert report.unverified == report.stored == ("BTCUSDT-1h-2023-01",)


def test_truncated_zip_is_fetched_again(archive: Archive, tmp_path: Path) -> None:
    path = archive.add(january(), "2023-01")
    archive.faults[path] = [archive.files[path][:500]]
    assert fetch(archive, tmp_path, end="2023-02-01T00:00:00Z").stored == ("BTCUSDT-1h-2023-01",)
    assert len(archive.asked()) == 2


@pytest.mark.parametrize("checksum", [True, False])
def test_zip_that_stays_truncated_fails_after_the_others_are_stored(
    archive: Archive, tmp_path: Path, checksum: bool
) -> None:
    torn = zip_of(csv_of(january()))[:500]
    path = archive.publish(january(), "2023-01", torn)
    if not checksum:
        del archive.files[path + ".CHECKSUM"]
    archive.add(february(), "2023-02")
    with pytest.raises(DownloadError, match=r"1 of 2 months .*2023-01.zip arrived broken 3 times: it is no whole zip"):
        fetch(archive, tmp_path)
    assert [span.start_time for span in CandleStore(tmp_path).spans("BTCUSDT", "1h")] == ["2023-02-01T00:00:00Z"]


def test_flipped_byte_inside_a_zip_is_found(archive: Archive, tmp_path: Path) -> None:
    content = bytearray(zip_of(csv_of(january())))
    content[2000] ^= 0xFF
    archive.publish(january(), "2023-01", bytes(content))
    with pytest.raises(DownloadError, match="no whole zip"):
        fetch(archive, tmp_path, end="2023-02-01T00:00:00Z")
    assert CandleStore(tmp_path).list() == ()


def test_month_without_a_monthly_file_is_fetched_by_days(archive: Archive, tmp_path: Path) -> None:
    archive.add(january(), "2023-01")
    for day in range(1, 5):
        archive.add(series(f"2023-02-{day:02}T00:00:00Z", count=24), f"2023-02-{day:02}")
    report = fetch(archive, tmp_path, "2023-01-15T00:00:00Z", "2023-02-07T00:00:00Z")
    assert len(report.stored) == 5
    ((symbol, span),) = report.missing
    assert (symbol, str(span)) == ("BTCUSDT", "2023-02-05T00:00:00Z .. 2023-02-07T00:00:00Z")
    (stored,) = CandleStore(tmp_path).spans("BTCUSDT", "1h")
    assert str(stored) == "2023-01-01T00:00:00Z .. 2023-02-05T00:00:00Z"


def test_month_that_the_archive_has_nothing_of_costs_three_requests(archive: Archive, tmp_path: Path) -> None:
    report = fetch(archive, tmp_path, "2030-01-01T00:00:00Z", "2030-02-01T00:00:00Z")
    assert report.stored == ()
    assert str(report.missing[0][1]) == "2030-01-01T00:00:00Z .. 2030-02-01T00:00:00Z"
    assert len(archive.requests) == 3
    assert "not in the archive: BTCUSDT 2030-01-01T00:00:00Z" in str(report)


def test_connection_cut_in_mid_body_is_tried_again(archive: Archive, tmp_path: Path) -> None:
    path = archive.add(january(), "2023-01")
    archive.faults[path] = ["cut", "cut"]
    assert fetch(archive, tmp_path, end="2023-02-01T00:00:00Z").stored == ("BTCUSDT-1h-2023-01",)
    assert len(archive.asked()) == 3


def test_retry_after_is_honoured(archive: Archive, tmp_path: Path) -> None:
    path = archive.add(january(), "2023-01")
    archive.faults[path] = [(429, 7), (429, "soon"), (429, 1000)]
    waits = Waits()
    download("BTCUSDT", "1h", START, "2023-02-01T00:00:00Z", CandleStore(tmp_path), base_url=archive.url, sleep=waits)
    assert waits[0] == 7.0
    assert 0.5 <= waits[1] <= 2.0
    assert waits[2] == 60.0


def test_server_errors_are_tried_again_with_longer_and_longer_waits(archive: Archive, tmp_path: Path) -> None:
    path = archive.add(january(), "2023-01")
    archive.faults[path] = [500, 503, 502, 500]
    waits = Waits()
    download("BTCUSDT", "1h", START, "2023-02-01T00:00:00Z", CandleStore(tmp_path), base_url=archive.url, sleep=waits)
    assert len(waits) == 4
    assert all(0.5 * 2**attempt * 0.5 <= wait <= 0.5 * 2**attempt * 1.5 for attempt, wait in enumerate(waits))


def test_file_that_keeps_failing_is_named_and_the_others_are_stored(archive: Archive, tmp_path: Path) -> None:
    path = archive.add(january(), "2023-01")
    archive.add(february(), "2023-02")
    fetch(archive, tmp_path, start="2023-02-01T00:00:00Z")
    archive.add(series("2023-03-01T00:00:00Z", count=31 * 24), "2023-03")
    archive.faults[path + ".CHECKSUM"] = [500] * 5
    with pytest.raises(DownloadError, match=r"1 of 2 months .* failed 5 times, the last time with status 500"):
        fetch(archive, tmp_path, end="2023-04-01T00:00:00Z")
    assert str(CandleStore(tmp_path).spans("BTCUSDT", "1h")[0]) == "2023-02-01T00:00:00Z .. 2023-04-01T00:00:00Z"


@pytest.mark.parametrize("fault", ["stall", "trickle"])
def test_body_that_stalls_is_given_up_after_two_silences_and_the_others_are_stored(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    assert http._FILE_SILENCE_S * http._STALLS <= 20.0
    monkeypatch.setattr(http, "_FILE_SILENCE_S", 0.2)
    path = archive.add(january(), "2023-01")
    archive.add(february(), "2023-02")
    archive.faults[path] = [fault] * 5
    with pytest.raises(
        DownloadError, match=r"1 of 2 months .*2023-01.zip failed 2 times, the last time with ReadTimeout"
    ):
        fetch(archive, tmp_path)
    assert len(archive.asked("2023-01")) == 2
    assert [span.start_time for span in CandleStore(tmp_path).spans("BTCUSDT", "1h")] == ["2023-02-01T00:00:00Z"]


def test_body_that_stalled_once_is_fetched_again(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_FILE_SILENCE_S", 0.2)
    archive.faults[archive.add(january(), "2023-01")] = ["stall"]
    assert fetch(archive, tmp_path, end="2023-02-01T00:00:00Z").stored == ("BTCUSDT-1h-2023-01",)


def test_month_that_is_refused_before_any_answer_does_not_keep_the_others_from_being_stored(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["tradeready_gym.market.download"]
    monkeypatch.setattr(module, "_WORKERS", 1)  # January comes first
    january_s = archive.add(january(), "2023-01")
    archive.add(february(), "2023-02")
    archive.faults[january_s] = [451]
    with pytest.raises(DownloadError, match=r"1 of 2 months .* refused with status 451.*\n1 files \(672 candles"):
        fetch(archive, tmp_path)
    assert [span.start_time for span in CandleStore(tmp_path).spans("BTCUSDT", "1h")] == ["2023-02-01T00:00:00Z"]

    def at_once(run: Any, month: Any) -> None:
        raise month.errors[0]

    monkeypatch.setattr(module, "_note", at_once)  # the defect: one refusal stands for the host
    archive.faults[january_s] = [451]
    with pytest.raises(HostUnreachable):
        fetch(archive, tmp_path / "planted")


def test_day_that_keeps_failing_leaves_the_other_days_of_its_month(archive: Archive, tmp_path: Path) -> None:
    for day in range(1, 6):
        path = archive.add(series(f"2023-02-{day:02}T00:00:00Z", count=24), f"2023-02-{day:02}")
        archive.faults[path] = [500] * 5 if day == 2 else []
    with pytest.raises(DownloadError, match=r"1 of 1 months .*02-02.zip failed 5 times.*\n4 files \(96 candles"):
        fetch(archive, tmp_path, "2023-02-01T00:00:00Z", "2023-02-06T00:00:00Z")
    assert list(map(str, CandleStore(tmp_path).spans("BTCUSDT", "1h"))) == [
        "2023-02-01T00:00:00Z .. 2023-02-02T00:00:00Z",
        "2023-02-03T00:00:00Z .. 2023-02-06T00:00:00Z",
    ]


def test_host_that_refuses_everything_is_not_asked_for_every_month(archive: Archive, tmp_path: Path) -> None:
    months = [f"{year}-{month:02}" for year in (2020, 2021, 2022) for month in range(1, 13)]
    for month in months:
        archive.faults[archive.path("BTCUSDT", "1h", month)] = [403]
    with pytest.raises(HostUnreachable, match="refused with status 403"):
        fetch(archive, tmp_path, "2020-01-01T00:00:00Z", "2023-01-01T00:00:00Z")
    assert len(archive.requests) < len(months)


def test_refusal_is_not_tried_again(archive: Archive, tmp_path: Path) -> None:
    path = archive.add(january(), "2023-01")
    archive.faults[path] = [451]
    with pytest.raises(HostUnreachable, match="refused with status 451"):
        fetch(archive, tmp_path, end="2023-02-01T00:00:00Z")
    assert len(archive.requests) == 1


def test_unreachable_host_is_said_at_once(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(HostUnreachable, match=f"{url} cannot be reached"):
            download("BTCUSDT", "1h", START, END, CandleStore(tmp_path), base_url=url)


def test_silent_host_is_given_up_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_PROBE_S", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(HostUnreachable, match=r"did not answer within 0\.1 s"):
            download("BTCUSDT", "1h", START, END, CandleStore(tmp_path), base_url=url)


def test_offline_refuses_what_is_not_stored_and_says_how_to_go_on(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add(january(), "2023-01")
    fetch(archive, tmp_path, end="2023-02-01T00:00:00Z")
    archive.requests.clear()
    monkeypatch.setenv("TRADEREADY_OFFLINE", "1")
    assert len(fetch(archive, tmp_path, end="2023-02-01T00:00:00Z").already_stored) == 1
    with pytest.raises(
        DownloadError, match=r"1 of 2 months .* TRADEREADY_OFFLINE is set\. Unset it, or .* data import"
    ):
        fetch(archive, tmp_path)
    assert archive.requests == []


def test_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="must be like https://host; found 'ftp://nowhere'"):
        download("BTCUSDT", "1h", START, END, CandleStore(tmp_path), base_url="ftp://nowhere")


def test_address_is_taken_from_the_environment(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add(january(), "2023-01")
    monkeypatch.setenv("TRADEREADY_ARCHIVE_URL", archive.url + "/")
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path))
    download("BTCUSDT", "1h", START, "2023-02-01T00:00:00Z")
    assert len(CandleStore().read("BTCUSDT", "1h")) == 744


def test_candles_off_the_grid_are_left_out_and_counted(archive: Archive, tmp_path: Path) -> None:
    lines = csv_of(january()).splitlines(keepends=True)
    for row in (10, 11):
        opened, rest = lines[row].split(",", 1)
        lines[row] = f"{int(opened) + 28 * 60_000},{rest}"
    archive.publish(january(), "2023-01", zip_of("".join(lines)))
    report = fetch(archive, tmp_path, end="2023-02-01T00:00:00Z")
    assert report.off_grid == (("BTCUSDT-1h-2023-01", 2),)
    assert CandleStore(tmp_path).read("BTCUSDT", "1h").gaps[0].nonzero()[0].tolist() == [10, 11]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zip_of(csv_of(february())), "must hold candles of 2023-01-01"),
        (zip_of(csv_of(january()).replace(",", ",-", 2)), "must be above zero; row 0"),
        (zip_of("<html>please log in</html>"), "has a header, but no row"),
        (zip_of("x", "readme.txt"), "must hold one CSV"),
        (zip_of(""), "holds no rows"),
    ],
)
def test_zip_with_other_contents_is_refused_by_name(
    archive: Archive, tmp_path: Path, content: bytes, words: str
) -> None:
    archive.publish(january(), "2023-01", content)
    with pytest.raises(DownloadError, match=words):
        fetch(archive, tmp_path, end="2023-02-01T00:00:00Z")
    assert CandleStore(tmp_path).list() == ()


def test_gaps_of_the_exchange_are_stored_as_gaps(archive: Archive, tmp_path: Path) -> None:
    archive.add(series("2023-01-01T00:00:00Z", count=31 * 24, without=(100, 101)), "2023-01")
    archive.add(february(), "2023-02")
    fetch(archive, tmp_path)
    assert CandleStore(tmp_path).read("BTCUSDT", "1h").gaps[0].nonzero()[0].tolist() == [100, 101]
    archive.requests.clear()
    fetch(archive, tmp_path)
    assert archive.requests == []


def test_end_must_be_after_start(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="end must be after start"):
        download("BTCUSDT", "1h", END, START, CandleStore(tmp_path), base_url="http://127.0.0.1:1")


def test_import_stores_a_file_and_says_what_was_understood(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of(january(), header=True))
    store = CandleStore(tmp_path / "store")
    report = import_file(tmp_path / "a.csv", "btcusdt", "1h", store)
    assert (report.symbol, report.timeframe.label, report.candles) == ("BTCUSDT", "1h", 744)
    assert "open times from 'open_time' (milliseconds since 1970)" in report.understood
    assert "744 candles stored" in str(report)
    assert len(store.read("BTCUSDT", "1h")) == 744


def test_bad_import_stores_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of(january(), header=True).replace("open,", "opened,", 1))
    with pytest.raises(DataError, match="needs a column 'open'"):
        import_file(tmp_path / "a.csv", "BTCUSDT", "1h", CandleStore(tmp_path / "store"))
    assert not (tmp_path / "store").exists()
