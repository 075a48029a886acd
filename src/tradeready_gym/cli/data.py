"""`tradeready data`: the local candle store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cyclopts import App
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from tradeready_gym.market import CandleStore, download, import_file
from tradeready_gym.market.download import DownloadProgress, ProgressCallback

data = App(name="data", help="The local candle store: download, import, list and check candles.")


@data.command(name="download")
def download_command(*symbols: str, timeframe: str = "1h", start: str, end: str) -> None:
    """Download candles from Binance's public archive, whole months at a time; what is stored is not fetched again.

    Parameters
    ----------
    symbols
        For example BTCUSDT ETHUSDT.
    timeframe
        1m, 5m, 15m, 30m, 1h, 4h or 1d.
    start
        First candle, such as 2024-01-01T00:00:00Z.
    end
        The end, exclusive.
    """
    with _progress() as callback:
        report = download(list(symbols), timeframe, start, end, progress=callback)
    Console().print(str(report), highlight=False)


@data.command(name="list")
def list_command() -> None:
    """List what is stored."""
    console, store = Console(), CandleStore()
    stored = store.list()
    for series in stored:
        console.print(f"{series}  ({series.files} files, {series.size_bytes / 2**20:.1f} MiB)", highlight=False)
    if not stored:
        console.print(
            f"{store.root} holds no candles yet. Get some:\n"
            "  tradeready data download BTCUSDT --timeframe 1h --start 2024-01-01T00:00:00Z --end 2025-01-01T00:00:00Z\n"
            "  tradeready data import FILE --symbol BTCUSDT",
            highlight=False,
            soft_wrap=True,
        )


@data.command(name="check")
def check_command() -> int:
    """Read everything that is stored; report damaged files, impossible candles, gaps and odd candles."""
    console = Console()
    checks = CandleStore().check()
    for check in checks:
        console.print(f"{check.series}: {'good' if check.ok else 'NOT GOOD'}", highlight=False)
        for problem in check.problems:
            console.print(f"  {problem}", highlight=False)
        console.print(f"  {check.report}", highlight=False)
    return 0 if all(check.ok for check in checks) else 1


@data.command(name="import")
def import_command(file: Path, *, symbol: str, timeframe: str | None = None, assume_utc: bool = False) -> None:
    """Take a CSV or Parquet file of candles into the store, and say what was understood of it.

    Parameters
    ----------
    file
        The file.
    symbol
        What it holds, for example BTCUSDT.
    timeframe
        Its timeframe; found from the times by default.
    assume_utc
        Take times without a zone for UTC.
    """
    report = import_file(file, symbol, timeframe, assume_utc=assume_utc)
    Console().print(str(report), highlight=False)


@contextmanager
def _progress() -> Iterator[ProgressCallback]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} months"))
    with Progress(*columns, DownloadColumn(), TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("downloading", total=None)

        def show(state: DownloadProgress) -> None:
            bar.update(task, total=state.total, completed=state.done, description=state.name)

        yield show
