"""Every page read by eyes and by keyboards: contrast, focus, explanations, long labels, and whom a page asks."""

import re
import uuid

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from reading import pale_text, stops, trouble, walk
from serving import Served
from test_pages import addresses
from watching import Watched, episode_body, log_in, run_body

pytestmark = pytest.mark.chromium


def everything(page: Page, world: Served) -> list[str]:
    return [*addresses(page, world), *(world.url + path for path in ("/live", "/docs", "/nowhere"))]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_of_all_pages_stands_out_from_its_ground(watched: Watched, world: Served, theme: str) -> None:
    watched.expected = ("404",)
    page = watched.page
    log_in(page, world)
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for address in everything(page, world):
        page.goto(address)
        page.wait_for_load_state("networkidle") if "/nowhere" in address else page.wait_for_load_state("load")
        for details in page.locator("main details").all()[:3]:
            details.evaluate("element => { element.open = true }")
        seen, pale = pale_text(page)
        assert seen > 10, address
        assert pale == [], address


def test_pale_text_is_found(inside: Page) -> None:
    inside.evaluate("document.querySelector('h2').style.color = '#999'")
    _, pale = pale_text(inside)
    assert [re.sub(r"^[\d.]+ ", "", text) for text in pale] == [
        "h2. " + inside.locator("h2").first.inner_text().strip()[:30]
    ]


def test_tab_reaches_everything_in_order_with_a_ring(watched: Watched, world: Served) -> None:
    watched.expected = ("404",)
    page = watched.page
    log_in(page, world)
    for address in everything(page, world):
        if address.endswith("/docs"):
            continue  # two hundred routes, all alike: the tests of one page of each kind are enough
        page.goto(address)
        page.wait_for_load_state("load")
        page.wait_for_timeout(300)
        path = walk(page)
        assert trouble(path) == [], address
        assert len(path) == stops(page), address


def test_a_missing_ring_and_a_stop_that_is_left_out_are_found(inside: Page) -> None:
    inside.evaluate("document.querySelector('#theme').style.outline = 'none'")
    inside.evaluate("document.querySelector('form button').tabIndex = -1")
    path = walk(inside, most=12)
    assert [name for name in trouble(path) if "light and dark" in name]
    assert not any("Log out" in at["name"] for at in path)


def test_a_term_is_explained_to_pointers_and_keyboards_and_goes_away(inside: Page) -> None:
    inside.locator("#runs tbody th a").first.click()
    term = inside.get_by_role("button", name="Mean Sharpe ratio")
    meaning = term.locator(".meaning")
    expect(meaning).to_be_hidden()
    term.focus()
    expect(meaning).to_contain_text("Mean return divided by its spread")
    expect(meaning).to_be_in_viewport(ratio=1.0)
    inside.keyboard.press("Escape")
    expect(meaning).to_be_hidden()
    inside.get_by_role("button", name="Mean ROI").hover()
    expect(inside.get_by_role("button", name="Mean ROI").locator(".meaning")).to_be_visible()
    inside.get_by_text("What these words mean").click()
    expect(inside.locator("#terms dd").first).to_be_visible()


def test_an_address_that_leads_nowhere_is_a_page_for_people_and_an_envelope_for_programs(
    watched: Watched, world: Served
) -> None:
    watched.expected = ("404",)
    log_in(watched.page, world)
    watched.page.goto(f"{world.url}/trainings")
    expect(watched.page.get_by_role("heading", name="Not found")).to_be_visible()
    for path, accept in (("/trainings", "application/json"), ("/api/v1/nothing", "text/html"), ("/dashboard/x", "*/*")):
        answer = world.client.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), path


def test_the_routes_of_the_api_are_searched_and_linked(inside: Page, world: Served) -> None:
    inside.goto(f"{world.url}/docs#post-api-v1-backtest-create")
    expect(inside.locator("details[open] .path")).to_have_text("/api/v1/backtest/create")
    inside.get_by_placeholder("Path or words").fill("learning-curve")
    expect(inside.locator("details:visible .path")).to_have_text(["/api/v1/training/runs/{run_id}/learning-curve"])
    inside.get_by_placeholder("Path or words").fill("no such route")
    expect(inside.get_by_text("No route has these words.")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_labels_as_long_as_they_may_be_break_no_page(empty: Served, watched: Watched, width: int) -> None:
    page = watched.page
    page.set_viewport_size({"width": width, "height": 844})
    for label in ("w" * 100, "a label of many words " * 4):
        run_id = str(uuid.uuid4())
        empty.client.post("/api/v1/training/runs", json=run_body(run_id, label)).raise_for_status()
        for number in (1, 2):
            empty.client.post(
                f"/api/v1/training/runs/{run_id}/episodes", json=episode_body(number, 1e9)
            ).raise_for_status()
    log_in(page, empty)
    expect(page.locator("#legend tbody tr")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(f"{empty.url}/training/{run_id}")
    expect(page.locator("#curve canvas")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_no_page_asks_anybody_but_the_server(context: BrowserContext, world: Served) -> None:
    page = context.new_page()
    # told by the browser itself, below the page: also what a service worker or a style sheet would fetch
    session = page.context.new_cdp_session(page)
    asked: list[str] = []
    session.on("Network.requestWillBeSent", lambda event: asked.append(event["request"]["url"]))
    session.send("Network.enable")
    log_in(page, world)
    for address in addresses(page, world):
        page.goto(address)
        page.wait_for_load_state("load")
    assert len(asked) > 40
    assert strange(asked, world) == []
    # the same server by another name is another host
    page.goto(f"{world.url.replace('127.0.0.1', 'localhost')}/login")
    assert strange(asked, world) != []
    page.goto("about:blank")


def strange(asked: list[str], world: Served) -> list[str]:
    return [url for url in asked if not url.startswith((world.url, "data:"))]
