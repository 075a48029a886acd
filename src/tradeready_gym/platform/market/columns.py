"""A whole range of candles in one answer: columns as NumPy's NPZ, Parquet or Arrow.

Every slot of the range is there: `time` (microseconds in UTC; a timestamp in Parquet and Arrow), `open`, `high`, `low`,
`close`, `volume`, `gap` (true where the source had no candle: prices are the close before, the volume is 0) and the source's
own columns. So `Candles` of these columns have the fingerprint that the answer names.
"""

import importlib
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tradeready_gym.market import Candles
from tradeready_gym.platform.errors import PlatformError

MOST_SLOTS = 5_000_000
MEDIA = {
    "npz": "application/x-npz",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}


class NotAcceptable(PlatformError):
    """The server cannot answer in this format."""

    status, code = 406, "FORMAT_NOT_AVAILABLE"


def encode(candles: Candles, format: str) -> bytes:
    """The candles of one symbol in a format of `MEDIA`.

    Raises:
        NotAcceptable: FORMAT_NOT_AVAILABLE: the server lacks the library.
    """
    columns = _columns(candles)
    if format == "npz":
        buffer = io.BytesIO()
        np.savez(buffer, **columns)
        return buffer.getvalue()
    return _parquet(columns) if format == "parquet" else _arrow(columns)


def _columns(candles: Candles) -> dict[str, Any]:
    values = {name: getattr(candles, name)[0] for name in ("open", "high", "low", "close", "volume")}
    own = {name: column[0] for name, column in candles.columns.items()}
    return {"time": candles.times, **values, "gap": candles.gaps[0], **own}


def _parquet(columns: dict[str, Any]) -> bytes:
    import duckdb

    with tempfile.TemporaryDirectory() as folder, duckdb.connect(":memory:") as connection:
        path = Path(folder) / "candles.parquet"
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        connection.register("candles", columns)
        place = str(path).replace("'", "''")
        rows = "SELECT make_timestamptz(time) AS time, * EXCLUDE (time) FROM candles"
        connection.execute(f"COPY ({rows}) TO '{place}' (FORMAT parquet, COMPRESSION zstd)")
        return path.read_bytes()


def _arrow(columns: dict[str, Any]) -> bytes:
    try:
        pyarrow, ipc = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.ipc")
    except ImportError as error:
        raise NotAcceptable(
            "this server cannot write Arrow; ask for format=parquet or npz, or install pyarrow beside it",
            format="arrow",
        ) from error
    arrays = {name: pyarrow.array(values) for name, values in columns.items()}
    arrays["time"] = arrays["time"].cast(pyarrow.timestamp("us", tz="UTC"))
    table, buffer = pyarrow.table(arrays), io.BytesIO()
    with ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()
