"""A browser for the tests of the pages: Debian's Chromium, logged in or not."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from populated import fill_backtests, fill_runs
from serving import Served, serving
from watching import Watched, log_in

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with forty runs, two of which go on, and backtests; tests that write use `empty`."""
    with serving(tmp_path_factory.mktemp("world"), ingest_journals=False) as server:
        runs = fill_runs(server.platform.database, 40, 300, live=2)
        fill_backtests(server.platform.database, 4, replays=[(runs[-1], 3)])
        yield server


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Served]:
    """A server of this test's own, with nothing in it."""
    with serving(tmp_path / "platform", ingest_journals=False) as server:
        yield server


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that nobody has used."""
    opened = browser.new_context(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(8000)
    yield opened
    opened.close()


@pytest.fixture
def watched(context: BrowserContext) -> Iterator[Watched]:
    """A page that fails its test by an error in the console or a request to another host."""
    page = Watched(context.new_page())
    yield page
    page.require_quiet()


@pytest.fixture
def page(watched: Watched) -> Page:
    """The same page, for tests that need nothing else of it."""
    return watched.page


@pytest.fixture
def inside(page: Page, world: Served) -> Page:
    """The page, logged in at the world's server."""
    log_in(page, world)
    return page
