"""A running training moves the page by itself, soon; and much of it is shown without sending much."""

import statistics
import threading
import time
import uuid

import pytest
from playwright.sync_api import Page, expect
from populated import fill_runs
from serving import Served
from watching import Watched, episode_body, log_in, run_body

pytestmark = pytest.mark.chromium
EPISODES = 30
SOON = 3.0  # seconds; two gatherings of 0.2 and 0.3 s, two requests, and a machine that does other things too

_WATCH = """() => {
  window.seen = [];
  const place = document.querySelector('#runs [data-cell=episodes]');
  new MutationObserver(() => window.seen.push([(performance.timeOrigin + performance.now()) / 1000, Number(place.textContent)]))
    .observe(place, { childList: true, characterData: true, subtree: true });
}"""


def delays(page: Page, told: dict[int, float]) -> list[float]:
    """For each number that was told at a time: how long until the page showed it or a later one."""
    seen = page.evaluate("window.seen")
    return [
        min((at for at, shown in seen if shown >= number), default=float("inf")) - when for number, when in told.items()
    ]


def test_episodes_of_a_running_training_are_on_the_page_soon(empty: Served, watched: Watched) -> None:
    page, run_id = watched.page, str(uuid.uuid4())
    empty.client.post("/api/v1/training/runs", json=run_body(run_id, "going on")).raise_for_status()
    log_in(page, empty)
    expect(page.locator("#pulse")).to_have_text("Live")
    page.evaluate(_WATCH)
    told: dict[int, float] = {}

    def train() -> None:
        for number in range(1, EPISODES + 1):
            body = episode_body(number, float(number))
            empty.client.post(f"/api/v1/training/runs/{run_id}/episodes", json=body).raise_for_status()
            told[number] = time.time()
            time.sleep(0.05)

    training = threading.Thread(target=train)
    training.start()
    training.join()
    expect(page.locator("#runs [data-cell=episodes]")).to_have_text(str(EPISODES))
    found = delays(page, told)
    assert max(found) < 3 * SOON
    assert statistics.median(found) < SOON
    # the curve has moved too, and nothing was loaded again
    expect(page.locator("#legend [data-cell=episodes]")).to_have_text(str(EPISODES))
    assert watched.requests.count("/training") == 1


def test_a_page_that_is_told_nothing_would_be_found(empty: Served, watched: Watched) -> None:
    page, run_id = watched.page, str(uuid.uuid4())
    empty.client.post("/api/v1/training/runs", json=run_body(run_id, "unheard")).raise_for_status()
    log_in(page, empty)
    page.route("**/dashboard/runs?*", lambda route: route.abort())
    watched.expected = ("Failed to load resource",)
    expect(page.locator("#pulse")).to_have_text("Live")
    page.evaluate(_WATCH)
    empty.client.post(f"/api/v1/training/runs/{run_id}/episodes", json=episode_body(1, 1.0)).raise_for_status()
    told = {1: time.time()}
    page.wait_for_timeout(1000 * SOON)
    assert delays(page, told) == [float("inf")]


def test_thousands_of_runs_and_episodes_are_a_page_like_any_other(empty: Served, watched: Watched) -> None:
    page = watched.page
    fill_runs(empty.platform.database, 1000, 6, seed=3)
    [long] = fill_runs(empty.platform.database, 1, 12_000, seed=4)
    log_in(page, empty)
    expect(page.locator("#runs .pager")).to_contain_text("1–25 of 1,001")
    assert len(empty.client.get("/training").content) < 150_000
    begin = time.monotonic()
    with page.expect_response("**/curve?metric=roi_pct*") as answered:
        page.goto(f"{empty.url}/training/{long}")
    expect(page.locator("#curve canvas")).to_be_visible()
    assert time.monotonic() - begin < 5.0
    curve = answered.value.json()
    assert (curve["per_point"], len(curve["episodes"])) == (6, 2000)
    expect(page.locator("#curve-hint")).to_contain_text("each 6 episodes")
    page.get_by_placeholder("Number, seed or session").fill("11999")
    expect(page.locator("#episodes tbody th").first).to_have_text("Episode 11,999")
    page.locator("#episodes").get_by_role("button", name="Drawdown").click()
    expect(page).to_have_url(f"{empty.url}/training/{long}?search=11999&sort=-max_drawdown_pct")
