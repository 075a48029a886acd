"""The pages of agents at work: the fan, asking twice before anything is sold, and a form that deploys, on desks and phones."""

import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from serving import Served
from watching import log_in

from tradeready_gym.evaluation import expectation_fan
from tradeready_gym.live import Deployment
from tradeready_gym.live.expectation import Expectation, Watch
from tradeready_gym.live.lock import held

pytestmark = pytest.mark.chromium
HOUR = 3_600_000_000
RUN = str(uuid.uuid4())


@pytest.fixture
def deployed(empty: Served) -> Iterator[Deployment]:
    """An agent at work in this very process, for a hundred candles, the last of them below what was expected."""
    made = Deployment(
        "alpha", "m", 0, ("BTCUSDT",), "1h", "replay:sample:2023-01-01T00:00:00Z:3600",
        directory=empty.platform.deployments.directory,
    )  # fmt: skip
    made.save()
    returns = np.random.default_rng(1).normal(0.0, 0.01, 500)
    span = ("2022-01-01T00:00:00Z", "2023-01-01T00:00:00Z")
    Expectation(span, False, 3.2, expectation_fan(returns, 500)).save(made.folder)
    watch = Watch(made.folder, HOUR)
    watch.begin(1_672_531_200_000_000, 10_000.0)
    for k in range(1, 101):
        verdict = watch.see(1_672_531_200_000_000 + k * HOUR, 10_000.0 if k < 90 else 6_000.0)
    status = {
        "state": "running", "pid": os.getpid(), "problem": None, "virtual_time": "2023-01-05T04:00:00Z", "step": 100,
        "equity": 6_000.0, "roi_pct": -40.0, "cash": 6_000.0, "positions": {}, "open_orders": 0, "expectation": verdict,
        "feed": {"state": "live", "reconnects": 0, "declared_gaps": 0},
    }  # fmt: skip
    (made.folder / "status.json").write_text(json.dumps(status))
    with held(made.folder):
        yield made
    shutil.rmtree(made.folder)


def test_the_fan_says_in_a_sentence_since_when_it_is_below(page: Page, empty: Served, deployed: Deployment) -> None:
    log_in(page, empty)
    page.goto(f"{empty.url}/live/alpha")
    expect(page.get_by_role("status").filter(has_text="Below the 90 % band")).to_have_text(
        "Below the 90 % band of its backtest since 2023-01-04 18:00 UTC (10 candles)."
    )
    dot = page.locator(".fan .dot").bounding_box()
    plot = page.locator(".fan svg").bounding_box()
    assert dot is not None and plot is not None
    # candle 100 of 115 that are shown
    assert (dot["x"] - plot["x"]) / plot["width"] == pytest.approx(100 / 115, abs=0.02)
    page.goto(f"{empty.url}/live")
    expect(page.get_by_role("cell", name="below its 90 % band")).to_be_visible()


def test_nothing_is_sold_by_one_click(page: Page, empty: Served, deployed: Deployment) -> None:
    log_in(page, empty)
    page.goto(f"{empty.url}/live/alpha")
    page.get_by_text("Flatten", exact=True).click()
    button = page.get_by_role("button", name="Yes, sell everything")
    expect(button).to_be_visible()
    # the page asks for its parts again every second, and leaves this one alone
    page.wait_for_timeout(2_500)
    expect(button).to_be_visible()
    assert not (deployed.folder / "control").exists()
    button.click()
    page.wait_for_url("**/live/alpha")
    assert (deployed.folder / "control").read_text() == "flatten"


def test_a_run_is_deployed_from_its_page(page: Page, empty: Served) -> None:
    folder = empty.platform.settings.home / "models" / "mine"
    (folder / "seed-0").mkdir(parents=True)
    experiment = {"label": "mine", "end": "2022-01-01T00:00:00Z", "arguments": {"data": "sample"}, "runs": {"0": RUN}}
    (folder / "experiment.json").write_text(json.dumps(experiment))
    interface = {"symbols": ["BTCUSDT"], "timeframe": "1h"}
    (folder / "seed-0" / "strategy.json").write_text(json.dumps({"interface": interface}))
    empty.client.post("/api/v1/training/runs", json={"run_id": RUN, "config": {"strategy_label": "mine"}})
    started: list[Deployment] = []
    empty.platform.deployments.starter = started.append
    log_in(page, empty)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{empty.url}/training/{RUN}")
    page.get_by_text("Deploy this agent").click()
    page.get_by_label("Name").fill("my-agent")
    page.get_by_label("Speed of a rehearsal").select_option("a day a second")
    page.get_by_text("Limits of its orders").click()
    page.get_by_label("Largest position, in % of the equity").fill("40")
    page.get_by_label("Orders a minute, at most").fill("6")
    missed = page.get_by_label("Sell everything and end after so many missed candles")
    expect(missed).to_have_accessible_description(re.compile("too slow for 1h"))
    missed.fill("3")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Deploy", exact=True).click()
    page.wait_for_url("**/live/my-agent")
    assert [made.name for made in started] == ["my-agent"]
    assert started[0].feed.endswith(":86400")
    assert started[0].limits == {"max_position_size_pct": 40.0, "orders_per_minute": 6.0, "max_missed_candles": 3.0}
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
