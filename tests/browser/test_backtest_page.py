"""/backtest/{session}: profit by day, the market beside the equity, trades on candles, and the list of trades."""

import json
import re
from datetime import UTC, datetime
from itertools import groupby, pairwise

import pytest
from playwright.sync_api import Page, Route, expect
from serving import Served
from watching import Watched, log_in

pytestmark = pytest.mark.chromium


@pytest.fixture
def session(inside: Page, world: Served) -> str:
    """The id of a finished backtest whose page is open."""
    finished = inside.goto(f"{world.url}/backtest?status=completed") and inside.locator("#backtests tbody th a")
    address = (finished.first.get_attribute("href") if finished else "") or ""
    inside.goto(world.url + address)
    expect(inside.locator("#days canvas")).to_be_visible()
    expect(inside.locator("#candles canvas")).to_be_visible()
    return address.rpartition("/")[2]


def test_the_days_gain_what_the_downloaded_equity_says(session: str, world: Served) -> None:
    answer = world.client.get(f"/dashboard/backtests/{session}/equity").json()["by_day"]
    points = world.client.get(f"/dashboard/backtests/{session}/equity.json").json()
    whole = [(datetime.fromisoformat(point["simulated_at"]), float(point["total_equity"])) for point in points]
    # what is known at midnight is the end of the day before
    days = [list(of)[-1][1] for _, of in groupby(whole[1:], lambda point: (point[0].timestamp() - 1) // 86_400)]
    gains = [now - before for before, now in pairwise([whole[0][1], *days])]
    assert answer["span"] == "day"
    assert answer["gain"] == pytest.approx(gains, abs=1e-6)
    assert sum(answer["gain"]) == pytest.approx(whole[-1][1] - whole[0][1], abs=1e-5)
    assert datetime.fromtimestamp(answer["times"][0], UTC).isoformat() == "2022-01-01T00:00:00+00:00"


def test_the_days_are_said_in_words_and_in_per_cent(inside: Page, session: str, world: Served) -> None:
    days = world.client.get(f"/dashboard/backtests/{session}/equity").json()["by_day"]
    roi, best = days["roi_pct"], max(days["roi_pct"])
    hint = inside.locator("#days-hint")
    expect(hint).to_contain_text(f"Days with a gain: {sum(x > 0 for x in roi)}, with a loss: {sum(x < 0 for x in roi)}")
    inside.get_by_label("Per cent").check(force=True)
    expect(hint).to_contain_text("% (")
    said = re.search(r"Best \+([\d.]+) % \(([\d-]+)\)", hint.inner_text())
    assert said is not None
    assert float(said[1]) == pytest.approx(best, abs=0.0051)
    assert said[2] == f"{datetime.fromtimestamp(days['times'][roi.index(best)], UTC):%Y-%m-%d}"


def test_the_market_is_drawn_beside_the_equity_until_it_is_taken_away(inside: Page, session: str) -> None:
    box = inside.get_by_label("BTCUSDT, bought and held")
    expect(box).to_be_checked()
    assert grey_pixels(inside) > 200
    box.uncheck()
    expect(inside.locator("#equity canvas")).to_be_visible()
    assert grey_pixels(inside) < 200


def grey_pixels(page: Page) -> int:
    """How many points of the equity's picture, axes left out, have the colour of the market's line."""
    script = """() => {
      const canvas = document.querySelector('#equity canvas'), { width, height } = canvas;
      const { data } = canvas.getContext('2d').getImageData(70, 0, width - 100, height - 34);
      let count = 0;
      for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200 && data[i] > 90 && data[i] < 110 && data[i + 2] < 135) count++;
      return count;
    }"""
    return int(page.evaluate(script))


def test_dragging_over_the_candles_shows_finer_ones(inside: Page, session: str) -> None:
    hint = inside.locator("#candles-hint")
    expect(hint).to_contain_text("a candle is 4 h long")
    place = inside.locator("#candles .u-over")
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    with inside.expect_response(re.compile("candles.*start=")) as answered:
        inside.mouse.move(box["x"] + 300, box["y"] + 100)
        inside.mouse.down()
        inside.mouse.move(box["x"] + 420, box["y"] + 100, steps=4)
        inside.mouse.up()
    found = answered.value.json()
    assert found["length"] == [3600.0]
    expect(hint).to_contain_text("a candle is 1 h long")
    inside.get_by_role("button", name="Show all again").click()
    expect(hint).to_contain_text("a candle is 4 h long")
    expect(inside.get_by_role("button", name="Show all again")).to_be_hidden()


def test_trades_are_filtered_and_sorted_and_the_address_says_so(inside: Page, session: str, world: Served) -> None:
    inside.evaluate("window.stays = true")
    inside.get_by_label("Which trades").select_option("lost")
    expect(inside.locator("#trades-form")).to_be_visible()
    expect(inside).to_have_url(re.compile("only=lost"))
    trades = world.client.get(f"/dashboard/backtests/{session}/trades.json").json()
    lost = sorted(trade["realized_pnl"] for trade in trades if trade["realized_pnl"] < 0)
    expect(inside.locator("[data-part=trades] .pager")).to_contain_text(f"of {len(lost)}")
    inside.get_by_role("button", name="Profit", exact=True).click()
    inside.get_by_role("button", name="Profit", exact=True).click()
    expect(inside.locator("th[aria-sort=ascending]")).to_contain_text("Profit")
    worst = inside.locator("[data-part=trades] td[data-name=Profit]").first
    expect(worst).to_have_text(f"{lost[0]:,.2f}".replace("-", "−"))
    assert inside.evaluate("window.stays") is True
    inside.reload()
    expect(inside.get_by_label("Which trades")).to_have_value("lost")
    expect(worst).to_have_text(f"{lost[0]:,.2f}".replace("-", "−"))


def test_every_list_is_downloaded_as_the_filters_leave_it(inside: Page, world: Served) -> None:
    inside.goto(f"{world.url}/training?status=failed")
    with inside.expect_download() as download:
        inside.get_by_role("link", name="Runs as JSON").click()
    runs = json.loads(download.value.path().read_text())
    assert {run["status"] for run in runs} == {"failed"}
    expect(inside.locator("#runs .pager")).to_contain_text(f"of {len(runs)}")
    inside.goto(f"{world.url}/backtest")
    with inside.expect_download() as download:
        inside.get_by_role("link", name="Backtests as CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 1 + 4
    inside.goto(f"{world.url}/data")
    with inside.expect_download() as download:
        inside.get_by_role("link", name="Candles of BTCUSDT 1h as CSV").click()
    lines = download.value.path().read_text().splitlines()
    # three years of hours, less the fourteen that the exchange was closed
    assert len(lines) == 1 + 26_280 - 14
    assert lines[1].startswith("2021-01-01T00:00:00Z,")


def test_an_episode_that_was_played_again_is_drawn_and_another_says_why_not(empty: Served, watched: Watched) -> None:
    from populated import fill_backtests
    from watching import episode_body, run_body

    page, run_id = watched.page, "8c4b54b2-95a2-4f8c-9f0c-1f7b6f6a2b11"
    empty.client.post("/api/v1/training/runs", json=run_body(run_id, "drawn")).raise_for_status()
    for number, roi in ((1, -4.0), (2, 9.0), (3, 1.0)):
        empty.client.post(f"/api/v1/training/runs/{run_id}/episodes", json=episode_body(number, roi))
    fill_backtests(empty.platform.database, 0, replays=[(run_id, 2)])
    log_in(page, empty)
    page.goto(f"{empty.url}/training/{run_id}")
    expect(page.locator(".mini[data-episode='2'] canvas")).to_be_visible()
    expect(page.locator(".mini[data-episode='1']")).to_have_attribute("data-note", re.compile("actions were not kept"))
    # a better one comes while somebody looks: there is nothing of it yet, and the page says so
    empty.client.post(f"/api/v1/training/runs/{run_id}/episodes", json=episode_body(4, 20.0)).raise_for_status()
    expect(page.locator(".mini[data-episode='4']")).to_have_attribute("data-note", re.compile("actions were not kept"))


def test_backtests_of_other_times_are_laid_over_each_other_by_days_from_their_start(
    inside: Page, world: Served
) -> None:
    inside.goto(f"{world.url}/backtest?status=completed")
    ids = [(link.get_attribute("href") or "").rpartition("/")[2] for link in inside.locator("#backtests th a").all()]
    inside.goto(f"{world.url}/backtest/compare?sessions={','.join(ids[:2])}")
    # 46,216.93 at the open of 2022, and 45,510.34 where the first quarter closed
    expect(inside.locator("#hold")).to_have_text("Dashed: BTCUSDT, bought and held: −1.53\u00a0%.")
    inside.get_by_label("Days from the start").check(force=True)
    expect(inside.locator("#hold")).to_be_empty()
    expect(inside.locator("#compared canvas")).to_be_visible()
    curves = world.client.get(f"/dashboard/backtests/compare?sessions={','.join(ids[:2])}").json()["curves"]
    assert [curve["values"][0] for curve in curves] == [100.0, 100.0]
    # the first point is the beginning itself, however many are left out between
    starts = [world.client.get(f"/dashboard/backtests/{id}/equity.json").json()[0]["simulated_at"] for id in ids[:2]]
    assert [curve["times"][0] for curve in curves] == [datetime.fromisoformat(start).timestamp() for start in starts]


KEEPING = """
let made = null;
Object.defineProperty(window, "uPlot", {
  get: () => made,
  set(plot) { made = new Proxy(plot, { construct(of, given) { (window.plots ??= []).push(new of(...given)); return window.plots.at(-1); } }); },
});
"""


def without_care(route: Route) -> None:
    answer = route.fetch()
    careless = answer.text().replace("pad || (one ? HOUR : 0)", "pad").replace("(one ? low : high)", "high")
    route.fulfill(response=answer, body=careless)


@pytest.mark.parametrize("planted", [False, True])
def test_the_one_day_of_a_short_backtest_is_not_drawn_in_a_thousand(page: Page, empty: Served, planted: bool) -> None:
    day = {"start_time": "2023-03-01T00:00:00Z", "end_time": "2023-03-02T00:00:00Z"}
    wanted = day | {"starting_balance": "10000", "candle_interval": "1h"}
    api = "/api/v1/backtest"
    session = empty.client.post(f"{api}/create", json=wanted).json()["session_id"]
    for path, body in (("start", {}), ("trade/order", {"symbol": "BTCUSDT", "side": "buy", "quantity": "0.1"})):
        empty.client.post(f"{api}/{session}/{path}", json=body).raise_for_status()
    empty.client.post(f"{api}/{session}/step/batch", json={"steps": 100}).raise_for_status()
    page.add_init_script(KEEPING)
    if planted:
        page.route("**/js/chart.js", without_care)
    log_in(page, empty)
    page.goto(f"{empty.url}/backtest/{session}")
    expect(page.locator("#days canvas")).to_be_visible()
    expect(page.locator("#candles canvas")).to_be_visible()
    spans = page.evaluate("plots.map((plot) => plot.scales.x.max - plot.scales.x.min)")
    # equity, drawdown, the one day, and 24 whole candles
    assert len(spans) >= 4
    assert (set(spans) == {86_400}) is not planted
    expect(page.locator("#candles-hint")).to_contain_text("1 trade; a candle")
