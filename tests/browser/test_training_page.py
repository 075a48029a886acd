"""/training: lists, curves, and what arrives while somebody looks."""

import re
import threading
import uuid

import pytest
from playwright.sync_api import Page, expect
from serving import Served
from sqlalchemy import update
from watching import Watched, episode_body, log_in, run_body

from tradeready_gym.platform import clock
from tradeready_gym.platform.database.tables import training_runs

pytestmark = pytest.mark.chromium


def roi_of(page: Page) -> list[float]:
    texts = page.locator("#runs td[data-cell=roi]").all_inner_texts()
    return [float(text.removesuffix(" %").replace("−", "-")) for text in texts]


def test_runs_are_sorted_by_their_headings_and_nothing_is_loaded_again(watched: Watched, world: Served) -> None:
    page = watched.page
    log_in(page, world)
    expect(page.locator("#runs tbody tr")).to_have_count(25)
    page.evaluate("window.stays = true")
    page.get_by_role("button", name="Mean ROI").click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text(re.compile("Mean ROI"))
    best_first = roi_of(page)
    assert best_first == sorted(best_first, reverse=True)
    page.get_by_role("button", name="Mean ROI").click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text(re.compile("Mean ROI"))
    worst_first = roi_of(page)
    assert worst_first == sorted(worst_first)
    assert worst_first[0] < best_first[-1]
    assert page.evaluate("window.stays") is True


def test_runs_are_filtered_by_label_and_status_and_turned_over(inside: Page) -> None:
    inside.get_by_placeholder("Label or id").first.fill("PPO_V")
    expect(inside.locator("#runs tbody th a")).to_have_text([re.compile("^ppo_v[12]$")] * 12)
    inside.locator("select[name=status]").select_option("failed")
    expect(inside.locator("#runs tbody .badge")).to_have_text(["failed"] * 2)
    assert "label=PPO_V" in inside.url
    inside.goto(inside.url.partition("?")[0])
    inside.get_by_role("link", name="Next").click()
    expect(inside.locator("#runs .pager")).to_contain_text("26–40 of 40")


def test_ticked_runs_are_laid_over_each_other(inside: Page) -> None:
    expect(inside.locator("#legend tbody tr")).to_have_count(4)
    inside.locator("#runs td input").nth(6).check()
    expect(inside.locator("#legend tbody tr")).to_have_count(5)
    inside.locator("#legend tbody button").first.click()
    expect(inside.locator("#legend tbody tr")).to_have_count(4)
    expect(inside.locator("#runs td input").first).not_to_be_checked()
    for number in range(8, 13):
        inside.locator("#runs td input").nth(number).click()
    expect(inside.locator("#legend tbody tr")).to_have_count(8)
    expect(inside.locator("#curves-hint")).to_contain_text("At most 8 runs")


def test_smoothing_and_metric_change_what_is_drawn(inside: Page) -> None:
    latest = inside.locator("#legend .latest").first
    expect(latest).to_contain_text("%")
    smoothed = latest.inner_text()
    slider = inside.get_by_label("Smoothing")
    slider.fill("0")
    expect(inside.locator("#window")).to_have_text("off")
    expect(latest).not_to_have_text(smoothed)
    inside.get_by_label("Sharpe", exact=True).check(force=True)
    expect(latest).not_to_contain_text("%")


def test_the_first_run_and_its_episodes_appear_by_themselves(empty: Served, watched: Watched) -> None:
    page, run_id = watched.page, str(uuid.uuid4())
    log_in(page, empty)
    expect(page.get_by_role("heading", name="No run yet")).to_be_visible()
    expect(page.locator("#pulse")).to_have_text("Live")
    page.evaluate("window.stays = true")
    empty.client.post("/api/v1/training/runs", json=run_body(run_id, "first one")).raise_for_status()
    expect(page.locator("#runs tbody th a")).to_have_text("first one")
    for number in (1, 2):
        body = episode_body(number, 2.0 * number)
        empty.client.post(f"/api/v1/training/runs/{run_id}/episodes", json=body).raise_for_status()
    expect(page.locator("#runs [data-cell=roi]")).to_have_text("+3.00 %")
    expect(page.locator("#live [data-cell=episodes]")).to_have_text("2")
    expect(page.locator("#legend [data-cell=episodes]")).to_have_text("2")
    empty.client.post(f"/api/v1/training/runs/{run_id}/complete").raise_for_status()
    expect(page.locator("#runs .badge")).to_have_text("completed")
    expect(page.locator("#live .run")).to_have_count(0)
    assert page.evaluate("window.stays") is True


def test_only_new_points_travel(empty: Served, watched: Watched) -> None:
    page, run_id = watched.page, str(uuid.uuid4())
    empty.client.post("/api/v1/training/runs", json=run_body(run_id, "long")).raise_for_status()
    columns = {"episode_number": list(range(1, 1001)), "roi_pct": [1.5] * 1000}
    address = f"/api/v1/training/runs/{run_id}/episodes"
    empty.client.post(f"{address}/batch", json={"columns": columns}).raise_for_status()
    log_in(page, empty)
    page.goto(f"{empty.url}/training/{run_id}")
    expect(page.locator("#pulse")).to_have_text("Live")
    # what changed in the two seconds before the page was opened is told once more
    page.wait_for_timeout(2000)
    with page.expect_response(re.compile("after=1000")) as answered:
        empty.client.post(address, json=episode_body(1001, -4.0)).raise_for_status()
    found = answered.value.json()
    assert (found["episodes"], found["values"]) == ([1001], [-4.0])
    expect(page.locator("#episodes tbody th").first).to_contain_text("1,001")


def test_what_another_process_writes_shows_too(empty: Served, watched: Watched) -> None:
    page, run_id = watched.page, str(uuid.uuid4())
    empty.client.post("/api/v1/training/runs", json=run_body(run_id, "elsewhere")).raise_for_status()
    log_in(page, empty)
    expect(page.locator("#pulse")).to_have_text("Live")
    # nothing is published here, as when another server on the same database writes
    with empty.platform.database.write() as connection:
        changed = update(training_runs).where(training_runs.c.id == run_id)
        connection.execute(changed.values(episodes_completed=77, updated_at=clock.now()))
    expect(page.locator("#runs [data-cell=episodes]")).to_have_text("77")


def test_watchers_leave_with_their_pages(empty: Served, watched: Watched) -> None:
    page = watched.page
    log_in(page, empty)
    expect(page.locator("#pulse")).to_have_text("Live")
    assert empty.platform.events.watchers == 1
    page.goto(f"{empty.url}/data")
    waited = threading.Event()
    for _ in range(50):
        if empty.platform.events.watchers == 0:
            break
        waited.wait(0.1)
    assert empty.platform.events.watchers == 0


def test_a_script_in_a_label_is_only_text(empty: Served, watched: Watched) -> None:
    page, run_id = watched.page, str(uuid.uuid4())
    label = "<script>window.broken=1</script><img src=x onerror='window.broken=1'>"
    empty.client.post("/api/v1/training/runs", json=run_body(run_id, label)).raise_for_status()
    body = episode_body(1, 1.0) | {"session_id": "<b>x</b>"}
    empty.client.post(f"/api/v1/training/runs/{run_id}/episodes", json=body).raise_for_status()
    log_in(page, empty)
    expect(page.locator("#runs tbody th a")).to_have_text(label)
    expect(page.locator("#legend tbody a")).to_have_text(label)
    page.goto(f"{empty.url}/training/{run_id}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(label)
    assert page.evaluate("window.broken") is None
    assert page.locator("img").count() == 0


def test_a_run_page_searches_and_sorts_its_episodes(inside: Page) -> None:
    inside.locator("#runs tbody th a").nth(3).click()
    expect(inside.locator("#episodes tbody tr")).to_have_count(25)
    inside.locator("#episodes").get_by_role("button", name="ROI").click()
    expect(inside.locator("#episodes th[aria-sort=descending]")).to_have_text(re.compile("ROI"))
    best = inside.locator("#episodes tbody td").first.inner_text()
    assert best == inside.locator(".ranked b").first.inner_text()
    inside.get_by_placeholder("Number, seed or session").fill("1007")
    expect(inside.locator("#episodes tbody th")).to_have_text(["Episode 8"])
    with inside.expect_download() as download:
        inside.get_by_role("link", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("episode_number,roi_pct")
    assert len(lines) > 100


def test_an_episode_leads_to_its_backtest(inside: Page) -> None:
    inside.locator("#live h3 a").first.click()
    inside.get_by_placeholder("Number, seed or session").fill("1002")
    expect(inside.locator("#episodes tbody th")).to_have_text(["Episode 3"])
    inside.get_by_role("link", name="Open episode 3 as a backtest").click()
    expect(inside).to_have_url(re.compile("/backtest/[0-9a-f-]{36}$"))
    expect(inside.get_by_label("You are here")).to_contain_text("Episode 3")
    expect(inside.locator("#candles canvas")).to_be_visible()
