"""Make docs/pictures/rehearsal.png: an agent that a server deployed, at work on recorded candles, beside its own backtest.

    python scripts/build_live_picture.py [--candles 400]

Everything on it has happened: an agent learns from the packaged sample, is deployed by a form's request, trades, and is stopped.
It takes two minutes, needs what `build_pictures.py` needs, and asks no network.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import httpx2
from build_pictures import MOST_BYTES, ROOT, WIDTH, opened, served, shoot, tradeready

PICTURE = ROOT / "docs" / "pictures" / "rehearsal.png"
TRAINING = (
    "train TradeReady-BTC-v0 --data sample --end 2022-01-01T00:00:00Z --algorithm A2C --lookback 10 --steps 60000"
)
TRADES = "--position-size 0.5 --reward log_return --label a2c_btc"


def main() -> None:
    """Train, deploy, wait, take the picture, stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candles", type=int, default=400)
    candles = parser.parse_args().candles
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"TRADEREADY_HOME": home, "TRADEREADY_OFFLINE": "1"}
        tradeready(f"{TRAINING} {TRADES}")
        with served() as (url, key), httpx2.Client(base_url=url, headers={"X-API-Key": key}, timeout=60) as client:
            name = deploy(client, candles)
            try:
                take(url, key, name)
            finally:
                client.post(f"/api/v1/deployments/{name}/stop").raise_for_status()
                _until(client, name, lambda told: not told["alive"])
    if PICTURE.stat().st_size > MOST_BYTES:
        sys.exit(f"a picture has at most {MOST_BYTES:,} bytes; this one has {PICTURE.stat().st_size:,}")


def deploy(client: httpx2.Client, candles: int) -> str:
    """Let the agent of the newest run rehearse ten hours a second; its name, after so many candles."""
    begin = time.monotonic()
    while not (runs := client.get("/api/v1/training/runs").raise_for_status().json()):
        if time.monotonic() - begin > 60.0:
            sys.exit("the run's journal was not taken in")
        time.sleep(0.5)
    wanted = {"run_id": runs[0]["run_id"], "feed": "replay", "speed": 36_000, "name": "a2c-rehearsal"}
    name = str(client.post("/api/v1/deployments", json=wanted).raise_for_status().json()["deployment_id"])
    _until(client, name, lambda told: (told["step"] or 0) >= candles)
    return name


def take(url: str, key: str, name: str) -> None:
    """The page of the deployment, while it goes on."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or "/usr/bin/chromium"
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = opened(browser, url, key, WIDTH, "light")
        page.goto(f"{url}/live/{name}")
        shoot(page, PICTURE, 1000)
        browser.close()


def _until(client: httpx2.Client, name: str, true: Callable[[Any], bool]) -> None:
    begin = time.monotonic()
    while not true(told := client.get(f"/api/v1/deployments/{name}").raise_for_status().json()):
        if told["state"] in {"failed", "dead"} or time.monotonic() - begin > 300.0:
            sys.exit(f"{name}: {told['state']}: {told['problem']} {told['log']}")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
