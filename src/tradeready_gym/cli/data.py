"""`tradeready data ...`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from tradeready_gym.cli.console import complain, out, progress
from tradeready_gym.market import CandleStore, DownloadProgress, DownloadReport, SeriesCheck, download, import_file

_SOUND = 0.01  # with a larger share of its candles missing, a series is not called sound


def download_candles(
    *symbols: str,
    timeframe: str = "1h",
    start: str,
    end: str,
    accept_wrong_checksums: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Download spot candles from Binance's public archive into the local store; what is there is not fetched again.

    Exit code 1 if anything that was asked for is not stored, but for the last days, which the archive does not have yet;
    what did arrive is kept.

    Parameters
    ----------
    symbols
        Such as BTCUSDT ETHUSDT.
    timeframe
        1m, 5m, 15m, 30m, 1h, 4h or 1d.
    start
        First candle, such as 2024-01-01T00:00:00Z.
    end
        Time at which the last candle has ended.
    accept_wrong_checksums
        Store files whose published checksum is wrong, too.
    """
    with progress() as shown:
        months = shown.task(f"{' '.join(symbols)} {timeframe}, months", 0)

        def told(state: DownloadProgress) -> None:
            months(state.done, state.total)

        report = download(symbols, timeframe, start, end, progress=told, accept_wrong_checksums=accept_wrong_checksums)
    accept = "--accept-wrong-checksums"
    out().print(report.describe(accept), soft_wrap=True)
    lacking = _lacking(report, timeframe, accept)
    if lacking:
        complain(f"not all that was asked for is stored: {'; '.join(lacking)}")
    return 1 if lacking else 0


def _lacking(report: DownloadReport, timeframe: str, accept: str) -> list[str]:
    store, absent = CandleStore(), report.absent(datetime.now(UTC))
    lacking = [
        f"{symbol} {timeframe} {span} is not in the archive (is that its name there, and was it listed then?)"
        for symbol, span in report.missing
        if (symbol, span) in absent or not store.spans(symbol, timeframe)
    ]
    refused = [finding.name for finding in report.wrong_checksums if not finding.stored]
    if refused:
        lacking.append(f"the published checksum of {', '.join(refused)} is wrong ({accept} stores them)")
    return lacking


def list_candles() -> None:
    """List what the local store has."""
    store = CandleStore()
    table = Table("symbol", "timeframe", "from", "to", "files", "MB")
    for series in store.list():
        for span in series.spans:
            size = f"{series.size_bytes / 1e6:.1f}"
            row = (series.symbol, series.timeframe.label, span.start_time, span.end_time, str(series.files), size)
            table.add_row(*row)
    out().print(
        table if table.row_count else f"The store at {store.root} is empty. `tradeready data download` fills it."
    )


def check_candles() -> int:
    """Read everything in the local store; report damaged files, gaps and odd candles. Exit code 1 if a file is damaged."""
    store, console = CandleStore(), out()
    checks = store.check()
    for check in checks:
        console.print(
            f"{check.series.symbol} {check.series.timeframe}: {_state(check)}, {check.report}", soft_wrap=True
        )
        for problem in check.problems:
            console.print(f"  {problem}", soft_wrap=True)
        if check.without_checksum:
            console.print(
                f"  {check.without_checksum} of {check.series.files} files carry no checksum, since an earlier version wrote them: "
                "that their candles are those of the source cannot be said. Delete and download or import them to have one.",
                soft_wrap=True,
            )
    if not checks:
        console.print(f"The store at {store.root} is empty.", soft_wrap=True)
    return 0 if all(check.ok for check in checks) else 1


def _state(check: SeriesCheck) -> str:
    if not check.ok:
        return "DAMAGED"
    share = check.report.missing_share
    return "sound" if share <= _SOUND else f"INCOMPLETE, {100 * share:.2g} % of its candles are missing"


def import_candles(
    file: Path,
    *,
    symbol: str,
    timeframe: str | None = None,
    assume_utc: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Store the candles of a CSV or Parquet file; says what the columns were taken for.

    Parameters
    ----------
    file
        The file.
    symbol
        What it is a market of, such as BTCUSDT.
    timeframe
        That of the file; deduced if it is left out.
    assume_utc
        Take times without a zone for UTC.
    """
    out().print(str(import_file(file, symbol, timeframe, assume_utc=assume_utc)), soft_wrap=True)
