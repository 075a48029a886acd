"""Make the pictures of the documentation: small trainings and backtests on the packaged sample, shown by a server, in Chromium.

    python scripts/build_pictures.py [--folder docs/pictures]

Everything that is on them has happened: agents have trained, strategies have been stepped over REST, an agent is deployed on
recorded candles. It takes some minutes, needs the extras that `make test` installs and Debian's Chromium, and asks no network.
"""

import argparse
import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).resolve().parents[1]
MOST_BYTES, MOST_ALTOGETHER = 150_000, 1_200_000
WIDTH, PHONE = 1280, 390
ENOUGH = 25  # episodes of the run that goes on
# label, learning rate, seed, steps; the last one goes on while its picture is taken
TRAININGS = (
    ("ppo_slow", 1e-4, 1, 16_000),
    ("ppo_fast", 2e-3, 5, 16_000),
    ("ppo", 1e-3, 3, 24_000),
)
GOING_ON = ("ppo_wide", 5e-4, 7, 400_000)
Rule = Callable[[Sequence[float]], str]


def main() -> None:
    """Make the pictures, or, in a process of its own, train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--home", type=Path, help="where to train and serve; what was trained there is used again")
    parser.add_argument("--train", nargs=4, metavar=("LABEL", "RATE", "SEED", "STEPS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        label, rate, seed, steps = arguments.train
        train(label, float(rate), int(seed), int(steps))
    else:
        with contextlib.ExitStack() as stack:
            home = arguments.home or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            build(arguments.folder, home)


def build(folder: Path, home: Path) -> None:
    """Make the pictures, and complain if they are too heavy."""
    os.environ |= {"TRADEREADY_HOME": str(home), "TRADEREADY_OFFLINE": "1"}
    if not (home / "live").exists():
        populate()
    for database in home.glob("platform.db*"):
        database.unlink()  # a server shows its key only when its database is new
    with served() as (url, key):
        backtests(url, key)
        take(url, key, folder)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.glob("*.png"))}
    sys.stdout.write("".join(f"{size:8,} {name}\n" for name, size in sizes.items()))
    if max(sizes.values()) > MOST_BYTES or sum(sizes.values()) > MOST_ALTOGETHER:
        sys.exit(f"a picture has at most {MOST_BYTES:,} bytes and all of them {MOST_ALTOGETHER:,}")


def populate() -> None:
    """Train, and deploy one of the agents."""
    for label, rate, seed, steps in TRAININGS:
        train(label, rate, seed, steps)
    span = "--end 2023-01-01T00:00:00Z --algorithm A2C --lookback 10 --steps 30000 --label a2c"
    tradeready(f"train TradeReady-BTC-v0 --data sample {span}")
    tradeready("deploy a2c --feed replay --start 2023-01-01T00:00:00Z --steps 400 --name a2c_on_2023")


def train(label: str, rate: float, seed: int, steps: int) -> None:
    """PPO on twelve days of hours: short episodes, so that there are many, and kept, so that they can be looked at."""
    import gymnasium as gym
    from stable_baselines3 import PPO

    import tradeready_gym  # noqa: F401  (registers the ids)

    env = gym.make(
        "TradeReady-BTC-v0",
        data="sample",
        timeframe="1h",
        start_time="2021-03-01T00:00:00Z",
        end_time="2021-03-13T00:00:00Z",
        lookback_window=10,
        strategy_label=label,
    )
    agent = PPO("MlpPolicy", env, learning_rate=rate, seed=seed, n_steps=512, batch_size=128, n_epochs=4)
    agent.learn(steps)
    env.close()


def tradeready(arguments: str) -> None:
    """Run the command."""
    subprocess.run([sys.executable, "-m", "tradeready_gym.cli", *arguments.split()], check=True)


@contextlib.contextmanager
def served() -> Iterator[tuple[str, str]]:
    """The address and a key of a server until the block ends."""
    command = [sys.executable, "-u", "-m", "tradeready_gym.cli", "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address, key = "", ""
        while not (address and key):
            words = process.stdout.readline().split()
            address = next((word for word in words if word.startswith("http://")), address)
            key = next((word for word in words if word.startswith("ak_live_")), key)
            if process.poll() is not None:
                sys.exit("the server ended before it said where it listens")
        yield address, key
    finally:
        process.terminate()
        process.wait(10)


def backtests(url: str, key: str) -> None:
    """Three strategies of the textbooks on the first quarter of 2023, in candles of four hours."""
    with httpx2.Client(base_url=f"{url}/api/v1", headers={"X-API-Key": key}, timeout=60) as client:
        step_through(client, "mean_reversion", reverts(30, 0.02))
        step_through(client, "ma_cross_3_12", crosses(3, 12))
        step_through(client, "ma_cross_6_30", crosses(6, 30))


def step_through(client: httpx2.Client, label: str, rule: Rule) -> None:
    """Create a backtest and step it, buying with all the money and selling all that is held."""
    span = {"start_time": "2023-01-01T00:00:00Z", "end_time": "2023-04-01T00:00:00Z", "candle_interval": "4h"}
    wanted = span | {"starting_balance": "10000", "pairs": ["BTCUSDT"], "strategy_label": label}
    session = client.post("/backtest/create", json=wanted).raise_for_status().json()["session_id"]
    client.post(f"/backtest/{session}/start").raise_for_status()
    closes: list[float] = []
    cash, held, ended = 10_000.0, 0.0, False
    while not ended:
        answer = client.post(f"/backtest/{session}/step").raise_for_status().json()
        closes.append(float(answer["prices"]["BTCUSDT"]))
        ended, side = answer["is_complete"], rule(closes)
        if ended or not side or (side == "buy") == bool(held):
            continue
        quantity = round(0.95 * cash / closes[-1], 5) if side == "buy" else held
        order = {"symbol": "BTCUSDT", "side": side, "type": "market", "quantity": str(quantity)}
        client.post(f"/backtest/{session}/trade/order", json=order).raise_for_status()
        held = quantity if side == "buy" else 0.0
        cash = float(client.get(f"/backtest/{session}/account/portfolio").json()["available_cash"])


def crosses(fast: int, slow: int) -> Rule:
    """Hold while the fast mean is above the slow one."""

    def rule(closes: Sequence[float]) -> str:
        if len(closes) < slow:
            return ""
        return "buy" if sum(closes[-fast:]) / fast > sum(closes[-slow:]) / slow else "sell"

    return rule


def reverts(bars: int, far: float) -> Rule:
    """Buy far below the mean, sell above it."""

    def rule(closes: Sequence[float]) -> str:
        if len(closes) < bars:
            return ""
        mean = sum(closes[-bars:]) / bars
        return "buy" if closes[-1] < mean * (1 - far) else "sell" if closes[-1] > mean else ""

    return rule


def take(url: str, key: str, folder: Path) -> None:
    """All pictures, in the order of the documentation."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    going = subprocess.Popen([sys.executable, __file__, "--train", *map(str, GOING_ON)])
    try:
        with sync_playwright() as playwright:
            chromium = shutil.which("chromium") or "/usr/bin/chromium"
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            pages(browser, url, key, folder)
            browser.close()
    finally:
        going.terminate()
        going.wait(10)


def pages(browser: Any, url: str, key: str, folder: Path) -> None:
    """Log in and go from page to page."""
    page = opened(browser, url, key, WIDTH, "light")
    episodes = page.locator("#live [data-cell=episodes]").first
    while int(episodes.inner_text(timeout=120_000)) < ENOUGH:
        page.wait_for_timeout(1000)
    page.reload()
    shoot(page, folder / "training.png", 1290)
    run = page.locator("#runs tbody tr", has_text="ppo").filter(has_not_text="ppo_").locator("th a").first
    page.goto(url + (run.get_attribute("href") or ""))
    page.locator(".mini canvas").nth(1).wait_for(timeout=60_000)
    shoot(page, folder / "run.png", 1010)
    page.goto(f"{url}/backtest?label=ma_cross_6_30")
    page.locator("#backtests tbody th a").first.click()
    page.locator("#candles canvas").wait_for()
    shoot(page, folder / "backtest.png", 1330)
    page.goto(f"{url}/backtest")
    for box in page.locator("#backtests td input").all()[:3]:
        box.check()
    shoot(page, folder / "backtests.png", 420)
    page.get_by_role("button", name="Compare").click()
    page.locator("#compared canvas").wait_for()
    shoot(page, folder / "compare.png", 900)
    for name, height in (("data", 330), ("settings", 600), ("docs", 800)):
        page.goto(f"{url}/{name}")
        shoot(page, folder / f"{name}.png", height)
    page.goto(f"{url}/live/a2c_on_2023")
    beside = page.locator("section.card").first
    shoot(page, folder / "deployment.png", 560, (beside.bounding_box() or {"y": 18.0})["y"] - 18.0)
    dark = opened(browser, url, key, PHONE, "dark")
    dark.locator("#curves canvas").wait_for()
    shoot(dark, folder / "phone.png", 844)


def opened(browser: Any, url: str, key: str, width: int, scheme: str) -> Any:
    """A page that is logged in."""
    page = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme).new_page()
    page.goto(f"{url}/login")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in").first.click()
    page.wait_for_url("**/training")
    return page


def shoot(page: Any, path: Path, height: int, top: float = 0.0) -> None:
    """So much of the page from `top` on, in 256 colours."""
    from PIL import Image

    page.wait_for_load_state("load")
    page.wait_for_timeout(800)
    whole = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    part = whole.crop((0, int(top), whole.width, min(int(top) + height, whole.height)))
    part.quantize(palette=palette_of(part), dither=Image.Dither.NONE).save(path, optimize=True)


def palette_of(picture: Any) -> Any:
    """The 192 colours that cover most of it, exactly, and 64 that are far from each other."""
    from PIL import Image

    counted = sorted(picture.getcolors(picture.width * picture.height), reverse=True)[:192]
    rare = picture.quantize(64, method=Image.Quantize.MAXCOVERAGE).getpalette()[: 3 * 64]
    found = Image.new("P", (1, 1))
    found.putpalette([part for _, colour in counted for part in colour] + rare)
    return found


if __name__ == "__main__":
    main()
