"""What holds for all pages: phones, the dark, keyboards, and the pages about backtests, data and keys."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect
from serving import Served
from watching import Watched, log_in

pytestmark = pytest.mark.chromium


PAGES = (
    "/training",
    "/training/{run}",
    "/backtest",
    "/backtest/{backtest}",
    "/backtest/compare?sessions={both}",
    "/data",
    "/settings",
)


def addresses(page: Page, world: Served) -> list[str]:
    """Every page of the world."""
    run = page.locator("#runs tbody th a").first.get_attribute("href") or ""
    found = world.client.get("/backtest").text
    ids = re.findall(r'href="/backtest/([0-9a-f-]{36})"', found)
    names = {"run": run.rpartition("/")[2], "backtest": ids[1], "both": f"{ids[1]},{ids[2]}"}
    return [world.url + path.format(**names) for path in PAGES]


def test_no_page_is_wider_than_a_phone(page: Page, world: Served) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    log_in(page, world)
    for address in addresses(page, world):
        page.goto(address)
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address


def test_pages_are_dark_where_the_system_is_and_where_somebody_chose_it(browser: Browser, world: Served) -> None:
    with browser.new_context(color_scheme="dark") as context:
        watched = Watched(context.new_page())
        page = watched.page
        log_in(page, world)
        assert brightness(page) < 0.2
        page.get_by_role("button", name="Change between light and dark").click()
        assert brightness(page) > 0.8
        page.goto(f"{world.url}/settings")
        assert brightness(page) > 0.8
        watched.require_quiet()


def brightness(page: Page) -> float:
    colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3]) / (3 * 255)


def test_text_stands_out_from_its_ground_in_light_and_dark(inside: Page) -> None:
    # WCAG 2.2, 1.4.3: a ratio of 4.5 for text
    for theme in ("light", "dark"):
        inside.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        for ink, ground in (
            ("ink", "card"),
            ("soft", "card"),
            ("faint", "card"),
            ("faint", "ground"),
            ("up", "card"),
            ("down", "card"),
            ("link", "card"),
            ("good-ink", "good-ground"),
            ("bad-ink", "bad-ground"),
            ("live-ink", "live-ground"),
            ("plain-ink", "plain-ground"),
        ):
            assert contrast(inside, ink, ground) >= 4.5, (theme, ink, ground)


def contrast(page: Page, *names: str) -> float:
    def luminance(name: str) -> float:
        text = page.evaluate(
            "name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()", name
        )
        digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted(map(luminance, names), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_a_keyboard_reaches_everything(inside: Page) -> None:
    inside.keyboard.press("Tab")
    skip = inside.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    inside.keyboard.press("Enter")
    expect(inside.locator("main")).to_be_focused()
    heading = inside.get_by_role("button", name="Best ROI")
    heading.focus()
    assert heading.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    inside.keyboard.press("Enter")
    expect(inside.locator("th[aria-sort=descending]")).to_have_text(re.compile("Best ROI"))
    expect(inside.get_by_role("button", name="Best ROI")).to_be_focused()
    box = inside.locator("#runs td input").first
    before = box.is_checked()
    box.focus()
    inside.keyboard.press("Space")
    expect(box).to_be_checked(checked=not before)


def test_every_table_field_and_button_has_a_name(inside: Page, world: Served) -> None:
    for address in addresses(inside, world):
        inside.goto(address)
        nameless = inside.evaluate(
            """() => [...document.querySelectorAll('table:not(:has(caption)), button, a, select, input:not([type=hidden])')]
            .filter(e => e.localName === 'table' || !(e.textContent.trim() || e.ariaLabel || e.labels?.length))
            .map(e => e.outerHTML)"""
        )
        assert nameless == [], address


def test_replays_of_training_are_hidden_until_they_are_asked_for(inside: Page, world: Served) -> None:
    inside.goto(f"{world.url}/backtest")
    expect(inside.locator("#backtests tbody tr")).to_have_count(4)
    inside.get_by_label("Hide training episodes").uncheck()
    expect(inside.locator("#backtests tbody tr")).to_have_count(5)


def test_backtests_are_compared_and_the_best_is_marked(inside: Page, world: Served) -> None:
    inside.goto(f"{world.url}/backtest")
    expect(inside.locator("#compare")).to_be_disabled()
    inside.locator("#backtests td input").nth(0).check()
    inside.locator("#backtests td input").nth(1).check()
    inside.get_by_role("button", name="Compare 2").click()
    expect(inside.locator("#compared canvas")).to_be_visible()
    row = inside.locator("tbody tr", has_text="ROI").first
    values = [float(text.strip(" %★").replace("−", "-")) for text in row.locator("td").all_inner_texts()]
    best = float(row.locator(".best").inner_text().strip(" %★").replace("−", "-"))
    assert best == max(values)
    drawdowns = inside.locator("tbody tr", has_text="Max drawdown")
    values = [float(text.strip(" %★")) for text in drawdowns.locator("td").all_inner_texts()]
    assert float(drawdowns.locator(".best").inner_text().strip(" %★")) == min(values)


def test_a_key_is_shown_once_works_and_is_revoked(empty: Served, watched: Watched) -> None:
    page = watched.page
    log_in(page, empty)
    page.goto(f"{empty.url}/settings")
    page.get_by_placeholder("What it is for").fill("nightly runs")
    page.get_by_role("button", name="Make a key").click()
    expect(page.locator("#secret code")).to_contain_text("ak_live_")
    key = page.locator("#secret code").inner_text()
    assert empty.anonymous.get("/api/v1/training/runs", headers={"X-API-Key": key}).status_code == 200
    page.reload()
    assert key not in page.content()
    page.get_by_role("button", name="Revoke nightly runs").click()
    page.get_by_role("button", name="Revoke", exact=True).last.click()
    expect(page.locator("tr.gone th")).to_have_text("nightly runs")
    assert empty.anonymous.get("/api/v1/training/runs", headers={"X-API-Key": key}).status_code == 401


@pytest.mark.parametrize("path", ["/training/00000000-0000-4000-8000-000000000000", "/backtest/none"])
def test_what_is_not_there_is_said_on_a_page(watched: Watched, world: Served, path: str) -> None:
    watched.expected = ("404",)
    log_in(watched.page, world)
    watched.page.goto(world.url + path)
    expect(watched.page.get_by_role("heading", name="Not found")).to_be_visible()
    expect(watched.page.get_by_role("link", name="All training runs")).to_be_visible()


def test_a_page_that_asks_another_host_or_complains_is_found(browser: Browser, world: Served) -> None:
    with browser.new_context() as context:
        watched = Watched(context.new_page())
        log_in(watched.page, world)
        watched.page.evaluate(
            "document.head.append(Object.assign(document.createElement('script'), {text: 'window.broken = 1'}))"
        )
        assert watched.page.evaluate("window.broken") is None
        with pytest.raises(AssertionError, match="Content Security Policy"):
            watched.require_quiet()
