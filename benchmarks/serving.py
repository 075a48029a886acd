"""How long a server takes until it answers, and until it answers its first page: fresh processes, medians of five."""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

STARTS = 5
PAUSE = 1.0  # until somebody asks for a page; what its first one needs is built meanwhile
PAGES = ("/training", "/backtest", "/live")
COMMAND = [sys.executable, "-m", "tradeready_gym.cli", "serve", "--port", "0"]


def main(home: str | None = None) -> None:
    """Print JSON with the medians, in seconds and milliseconds; the first start only makes the database."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(home or folder)
        key = started(directory, "")["key"]
        found = [started(directory, key) for _ in range(STARTS)]
    names = [name for name in found[0] if name != "key"]
    json.dump({name: statistics.median(one[name] for one in found) for name in names}, sys.stdout, indent=2)


def started(home: Path, key: str) -> dict[str, Any]:
    """One start: until it says where it listens, until it answers, and `PAUSE` later each page twice."""
    begin = time.perf_counter()
    environment = os.environ | {"TRADEREADY_HOME": str(home)}
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            url = str(re.search(r"http://\S+", process.stdout.readline())[0])  # type: ignore[index]
            said = time.perf_counter() - begin
            key = key or process.stdout.readline().rpartition(" ")[2].strip()
            with httpx2.Client(base_url=url, headers={"X-API-Key": key}, timeout=60.0) as client:
                client.get("/health").raise_for_status()
                answered = time.perf_counter() - begin
                time.sleep(PAUSE)
                pages = {path: [milliseconds(client.get, path) for _ in range(2)] for path in PAGES}
        finally:
            process.terminate()
            process.wait(20.0)
    times = {
        f"{path}, {which}, ms": pages[path][place] for path in PAGES for place, which in enumerate(("first", "next"))
    }
    return {"key": key, "listens_s": said, "answers_s": answered, **times}


def milliseconds(ask: Callable[[str], httpx2.Response], path: str) -> float:
    """How long an answer takes."""
    begin = time.perf_counter()
    ask(path).raise_for_status()
    return 1000.0 * (time.perf_counter() - begin)


if __name__ == "__main__":
    main(*sys.argv[1:])
