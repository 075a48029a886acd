"""Who may look: keys, passwords, cookies."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from serving import Served
from watching import Watched, log_in

from tradeready_gym.platform.accounts import create_account

pytestmark = pytest.mark.chromium


def test_who_is_not_logged_in_is_sent_to_the_login_and_back(page: Page, world: Served) -> None:
    page.goto(f"{world.url}/backtest?label=break")
    expect(page).to_have_url(f"{world.url}/login?next=%2Fbacktest%3Flabel%3Dbreak")
    page.get_by_label("API key").fill(world.key)
    page.get_by_role("button", name="Log in").first.click()
    expect(page).to_have_url(f"{world.url}/backtest?label=break")


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(inside: Page, context: BrowserContext) -> None:
    [cookie] = context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("tradeready_login", True, "Strict")
    assert not cookie["value"].startswith("ak_live_")
    assert inside.evaluate("document.cookie") == ""


def test_a_wrong_key_is_refused_in_words(watched: Watched, world: Served) -> None:
    watched.expected = ("401",)
    page = watched.page
    page.goto(f"{world.url}/login")
    page.get_by_label("API key").fill("ak_live_wrong")
    page.get_by_role("button", name="Log in").first.click()
    expect(page.get_by_role("alert")).to_contain_text("unknown, or it was revoked")
    assert page.context.cookies() == []


def test_who_has_lost_the_key_is_told_the_way_in(page: Page, world: Served) -> None:
    page.goto(f"{world.url}/login")
    expect(page.get_by_text("tradeready keys new")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_email_address_and_its_password_open_the_same_pages(page: Page, world: Served) -> None:
    with world.platform.database.write() as connection:
        create_account(connection, "Ada", email="ada@example.org", password="correct horse")
    page.goto(f"{world.url}/login")
    page.get_by_text("With an e-mail address").click()
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").last.click()
    expect(page.get_by_role("heading", name="No run yet")).to_be_visible()


def test_after_logging_out_the_cookie_opens_nothing(page: Page, world: Served, context: BrowserContext) -> None:
    log_in(page, world)
    [cookie] = context.cookies()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{world.url}/login")
    assert context.cookies() == []
    answer = world.anonymous.get("/api/v1/keys", headers={"Cookie": f"{cookie['name']}={cookie['value']}"})
    assert answer.status_code == 401
