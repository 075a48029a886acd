"""What pages say where there is nothing yet, where nothing happened, and where something has ended."""

import json
import re
import uuid

import httpx2
import pytest
from playwright.sync_api import Page, expect
from populated import fill_backtests
from serving import Served
from sqlalchemy import delete, update
from watching import Watched, episode_body, log_in, run_body

from tradeready_gym.live import Deployment
from tradeready_gym.platform.database.tables import backtest_snapshots, backtest_trades, backtests

pytestmark = pytest.mark.chromium
DAY_EQUITY, EQUITY = 10_000.0, 9_900.0


@pytest.fixture
def killed(empty: Served) -> Deployment:
    """An agent that lost 1 % in a day, of which it was allowed 0.8 %."""
    directory = empty.platform.deployments.directory
    feed = "replay:sample:2023-01-01T00:00:00Z:max"
    made = Deployment("risky", "m", 0, ("BTCUSDT",), "1h", feed, daily_loss_pct=0.8, directory=directory)
    made.save()
    status = {
        "state": "killed", "pid": 0, "problem": None, "virtual_time": "2023-01-01T05:00:00Z", "step": 5, "equity": EQUITY,
        "day_equity": DAY_EQUITY, "roi_pct": -1.0, "cash": EQUITY, "positions": {}, "open_orders": 1,
        "feed": {"state": "live", "reconnects": 1, "declared_gaps": 0},
    }  # fmt: skip
    (made.folder / "status.json").write_text(json.dumps(status))
    return made


@pytest.fixture
def idle(empty: Served) -> str:
    """A finished backtest that never traded, and so neither gained nor fell."""
    session = fill_backtests(empty.platform.database, 1)[0]
    flat = {"total_equity": 10_000.0, "available_cash": 10_000.0, "position_value": 0.0}
    ended = {"total_trades": 0, "roi_pct": 0.0, "max_drawdown_pct": 0.0, "current_step": 900, "by_pair": "[]"}
    with empty.platform.database.write() as connection:
        connection.execute(delete(backtest_trades))
        connection.execute(update(backtest_snapshots).values(**flat))
        connection.execute(update(backtests).values(**ended))
    return session


def test_a_label_of_any_length_leaves_the_columns_in_sight(page: Page, empty: Served) -> None:
    for label in ("short", "of_somebody_who_writes_everything_into_it_" * 4):
        empty.client.post("/api/v1/training/runs", json=run_body(str(uuid.uuid4()), label)).raise_for_status()
    log_in(page, empty)
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for place in ("#runs .scroll", ".scroll:has(#legend)"):
            wide, room = page.locator(place).evaluate("box => [box.scrollWidth, box.clientWidth]")
            assert wide <= room, (width, place)


def test_a_run_without_an_episode_offers_nothing_to_choose_until_there_is_one(page: Page, empty: Served) -> None:
    run_id = str(uuid.uuid4())
    empty.client.post("/api/v1/training/runs", json=run_body(run_id, "young")).raise_for_status()
    log_in(page, empty)
    page.goto(f"{empty.url}/training/{run_id}")
    expect(page.locator("#curve")).to_have_attribute("data-note", re.compile("No episode has ended yet"))
    expect(page.get_by_label("Smoothing")).to_be_hidden()
    for number in (1, 2):
        empty.client.post(f"/api/v1/training/runs/{run_id}/episodes", json=episode_body(number, 1.5)).raise_for_status()
    expect(page.locator("#curve canvas")).to_be_visible()
    expect(page.get_by_label("Smoothing")).to_be_visible()
    # their actions were not kept: nothing is drawn, and nothing claims to be
    expect(page.locator(".mini").first).to_have_attribute("data-note", re.compile("actions were not kept"))
    expect(page.get_by_text("drawn above")).to_have_count(0)


def test_a_backtest_in_which_nothing_happened_says_so(page: Page, empty: Served, idle: str) -> None:
    log_in(page, empty)
    page.goto(f"{empty.url}/backtest/{idle}")
    expect(page.locator("#drawdown")).to_have_attribute("data-note", "It was never below its highest.")
    expect(page.locator("#days")).to_have_attribute("data-note", "Nothing was gained or lost.")
    expect(page.get_by_text("It did not trade.")).to_be_visible()
    expect(page.get_by_text("It ended early, after 900 of 2,160 steps.")).to_be_visible()


def test_money_is_said_to_be_in_the_currency_of_the_prices(inside: Page, world: Served) -> None:
    inside.goto(f"{world.url}/backtest?status=completed")
    inside.locator("#backtests tbody th a").first.click()
    expect(inside.get_by_text("started with 10,000.00 USDT")).to_be_visible()
    expect(inside.locator("#days-hint")).to_have_text(re.compile(r"Best \+[\d.,]+ USDT \("))
    expect(inside.get_by_text("Prices, fees and profits are in USDT")).to_be_visible()


def test_the_command_of_the_empty_list_makes_a_backtest(page: Page, empty: Served) -> None:
    log_in(page, empty)
    page.goto(f"{empty.url}/backtest")
    expect(page.get_by_role("button", name="Compare")).to_be_hidden()
    command = page.locator("#first-steps").inner_text()
    address = re.search(r"POST (\S+)", command)
    body = re.search(r"-d '(.*)'", command, re.DOTALL)
    assert address is not None
    assert body is not None
    headers = {"X-API-Key": empty.key, "Content-Type": "application/json"}
    assert httpx2.post(address[1], content=body[1], headers=headers).status_code == 200
    page.reload()
    expect(page.get_by_role("link", name="mine")).to_be_visible()
    expect(page.get_by_role("button", name="Compare")).to_be_visible()


def test_what_a_kill_switch_ended_says_why(page: Page, empty: Served, killed: Deployment) -> None:
    log_in(page, empty)
    page.goto(f"{empty.url}/live/risky")
    why = page.get_by_text("The kill switch sold everything")
    expect(why).to_contain_text("it had lost 1.00 %, and 0.80 % was the most it may lose in a day")
    expect(page.get_by_text("1 reconnect, 0 gaps")).to_be_visible()
    expect(page.get_by_text("1 open order", exact=True)).to_be_visible()


def test_a_page_of_an_agent_says_when_the_server_does_not_answer(
    watched: Watched, empty: Served, killed: Deployment
) -> None:
    page = watched.page
    watched.expected = ("Failed to load resource", "net::ERR_FAILED", "503", "401")
    log_in(page, empty)
    page.goto(f"{empty.url}/live/risky")
    expect(page.locator("#pulse")).to_have_text("Live")
    page.route("**/live/risky", lambda route: route.fulfill(status=503))
    expect(page.locator("#pulse")).to_have_text(re.compile(r"No answer; as of \d\d:\d\d:\d\d UTC"))
    page.unroute("**/live/risky")
    expect(page.locator("#pulse")).to_have_text("Live")
    # the key was revoked meanwhile
    page.context.clear_cookies()
    page.wait_for_url("**/login?next=*")


def test_what_only_a_rehearsal_has_is_not_asked_for_at_real_prices(page: Page, empty: Served) -> None:
    run_id, folder = str(uuid.uuid4()), empty.platform.settings.home / "models" / "mine"
    (folder / "seed-0").mkdir(parents=True)
    experiment = {
        "label": "mine",
        "end": "2022-01-01T00:00:00Z",
        "arguments": {"data": "sample"},
        "runs": {"0": run_id},
    }
    (folder / "experiment.json").write_text(json.dumps(experiment))
    interface = {"interface": {"symbols": ["BTCUSDT"], "timeframe": "1h"}}
    (folder / "seed-0" / "strategy.json").write_text(json.dumps(interface))
    empty.client.post("/api/v1/training/runs", json=run_body(run_id, "mine")).raise_for_status()
    log_in(page, empty)
    page.goto(f"{empty.url}/training/{run_id}")
    page.get_by_text("Deploy this agent").click()
    expect(page.get_by_label("Speed of a rehearsal")).to_be_visible()
    page.get_by_label("Real prices, now").check(force=True)
    expect(page.get_by_label("Speed of a rehearsal")).to_be_hidden()


def test_decisions_that_traded_are_found_among_those_that_did_not(
    page: Page, empty: Served, killed: Deployment
) -> None:
    fill = {"side": "buy", "quantity": 0.25, "price": 40_000.0}
    lines = [
        {
            "slot": f"2023-01-0{1 + k // 24}T{k % 24:02d}:00:00Z", "meaning": "hold", "equity": EQUITY, "missed_candles": 0,
            "decision_delay_ms": 1.0, "gap": False, "filled_orders": [fill] if k == 7 else [],
        }
        for k in range(70)
    ]  # fmt: skip
    (killed.folder / "decisions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    log_in(page, empty)
    page.goto(f"{empty.url}/live/risky")
    rows = page.locator("[data-name=decisions] tbody tr:visible")
    expect(rows).to_have_count(40)
    page.get_by_label("Only decisions that traded").check()
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("buy 0.250000 at 40,000.00")
    # the page asks for the decisions again every second
    page.wait_for_timeout(1_500)
    expect(rows).to_have_count(1)


def test_an_episode_that_is_asked_for_says_that_it_is_played_again(page: Page, empty: Served) -> None:
    run_id = str(uuid.uuid4())
    empty.client.post("/api/v1/training/runs", json=run_body(run_id, "slow")).raise_for_status()
    empty.client.post(f"/api/v1/training/runs/{run_id}/episodes", json=episode_body(1, 2.0)).raise_for_status()
    fill_backtests(empty.platform.database, 0, replays=[(run_id, 1)])
    log_in(page, empty)
    page.goto(f"{empty.url}/training/{run_id}")
    link = page.get_by_role("link", name="Open episode 1 as a backtest")
    # stays here: a driver waits for a page to come, and could not look at the one that is left
    said = link.evaluate("""link => {
      addEventListener("click", (event) => event.preventDefault(), { once: true });
      link.click();
      return getComputedStyle(link, "::after").content;
    }""")
    assert said == '"Playing it again …"'
    expect(page.locator("#said")).to_have_text("The episode is played again.")
    # whoever comes back finds the link as it was
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    assert link.evaluate("link => getComputedStyle(link, '::after').content") == "none"
