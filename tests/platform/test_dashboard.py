"""The pages and their numbers, asked without a browser."""

import json
import re
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import numpy as np
import pytest
from jinja2 import FileSystemLoader, Template
from populated import BACKTEST_HOURS, fill_backtests, fill_runs, learning
from serving import Served, client_of, serving
from sqlalchemy import select

from tradeready_gym.envs import keeping
from tradeready_gym.market import Candles, CandleStore, load_sample
from tradeready_gym.platform.dashboard import backtests, episodes, pages, runs, words
from tradeready_gym.platform.database.tables import backtest_snapshots, training_episodes

PAGES = ("/training", "/backtest", "/backtest/compare", "/data", "/settings", "/live")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, list[str], list[str]]]:
    """A server with thirty runs and three backtests; the ids of these."""
    with serving(tmp_path_factory.mktemp("dashboard"), ingest_journals=False) as server:
        found = fill_runs(server.platform.database, 30, 90)
        found += fill_runs(server.platform.database, 1, 6000, seed=11)
        yield server, found, fill_backtests(server.platform.database, 3, replays=[(found[0], 2)])


@pytest.fixture
def visitor(served: Served) -> Iterator[httpx2.Client]:
    """A client without a key that keeps its cookies to itself."""
    with client_of(served.url, None) as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
def test_a_page_sends_who_is_not_logged_in_to_the_login(served: Served, path: str) -> None:
    answer = served.anonymous.get(path)
    assert answer.status_code == 303
    assert urlsplit(answer.headers["location"]).path == "/login"


def test_numbers_for_scripts_answer_401_and_not_a_page(served: Served) -> None:
    for path in ("/dashboard/curves", "/dashboard/runs", "/dashboard/backtests/x/equity", "/events"):
        answer = served.anonymous.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "INVALID_API_KEY"), path


def test_pages_answer_who_is_logged_in_and_are_not_kept(served: Served, visitor: httpx2.Client) -> None:
    assert visitor.post("/login", data={"api_key": served.key}).status_code == 303
    for path in PAGES:
        answer = visitor.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["cache-control"] == "no-store", path
        assert "script-src 'self'" in answer.headers["content-security-policy"], path


def test_no_page_has_a_script_or_a_style_of_its_own(world: tuple[Served, list[str], list[str]]) -> None:
    served, found, tested = world
    for path in (*PAGES, f"/training/{found[0]}", f"/backtest/{tested[0]}", "/login"):
        text = served.client.get(path).text
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", text), path
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text), path


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)"])
def test_the_login_leads_to_no_other_site(served: Served, visitor: httpx2.Client, target: str) -> None:
    answer = visitor.post("/login", data={"api_key": served.key, "next": target})
    assert answer.headers["location"] == "/training"


def test_a_form_of_another_site_neither_logs_in_nor_out(served: Served, visitor: httpx2.Client) -> None:
    for path in ("/login", "/logout"):
        answer = visitor.post(path, data={"api_key": served.key}, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403, path
        assert "set-cookie" not in answer.headers


def test_logins_that_are_tried_too_often_are_refused(fresh_server: Served) -> None:
    limit = fresh_server.platform.settings.limits.logins_per_minute or 0
    answers = [fresh_server.anonymous.post("/login", data={"api_key": "x"}).status_code for _ in range(2 * limit + 1)]
    assert answers[0] == 401
    assert answers[-1] == 429


def test_a_key_in_the_address_opens_nothing(served: Served, visitor: httpx2.Client) -> None:
    answer = visitor.get("/login", params={"api_key": served.key, "key": served.key})
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert served.key not in answer.text


def test_the_cookie_is_for_https_only_where_the_settings_say_so(tmp_path: Path) -> None:
    with serving(tmp_path / "platform", ingest_journals=False, secure_cookies=True) as server:
        answer = server.anonymous.post("/login", data={"api_key": server.key})
    assert re.search(r"tradeready_login=[^;]+;.*HttpOnly;.*SameSite=strict; Secure", answer.headers["set-cookie"])


def test_a_stranger_sees_what_he_would_see_of_an_unknown_id(world: tuple[Served, list[str], list[str]]) -> None:
    served, found, tested = world
    for path, own in (
        ("/training/{}", found[0]),
        ("/training/{}/episodes/2", found[0]),
        ("/dashboard/runs/{}/curve", found[0]),
        ("/backtest/{}", tested[0]),
        ("/dashboard/backtests/{}/equity", tested[0]),
        ("/dashboard/backtests/{}/candles?symbol=BTCUSDT", tested[0]),
        ("/dashboard/backtests/{}/trades.csv", tested[0]),
        ("/backtest/compare?sessions={}", tested[0]),
        ("/dashboard/backtests/compare?sessions={}", tested[0]),
    ):
        other = str(uuid.uuid4())
        assert served.client.get(path.format(own)).status_code in {200, 303}, path
        strange, unknown = (served.stranger.get(path.format(id)) for id in (own, other))
        assert strange.status_code == unknown.status_code == 404, path
    lists = served.stranger.get("/training").text + served.stranger.get("/backtest?hide=0").text
    assert not any(id in lists for id in (*found, *tested))
    assert served.stranger.get("/dashboard/curves", params={"ids": found[0]}).json()["curves"] == []
    assert served.stranger.get("/dashboard/runs", params={"ids": found[0]}).json()["runs"] == []


def test_assets_may_be_kept_because_their_address_changes_with_them(served: Served) -> None:
    text = served.anonymous.get("/login").text
    address = re.search(r'href="(/assets/[0-9a-f]{16}/css/dashboard.css)"', text)
    assert address is not None
    answer = served.anonymous.get(address[1])
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert served.anonymous.get(address[1].replace("/assets/", "/assets/0")).status_code == 404


def test_a_small_curve_is_the_mean_of_neighbours(world: tuple[Served, list[str], list[str]]) -> None:
    served, found, _ = world
    with served.platform.database.read() as connection:
        small = runs.mini_curves(connection, [found[-1], found[0]], points=60)
        column = select(training_episodes.c.roi_pct).order_by(training_episodes.c.episode_number)
        whole = {
            id: np.array(connection.execute(column.where(training_episodes.c.run_id == id)).scalars().all())
            for id in small
        }
    for id, values in whole.items():
        width = -(-len(values) // 60)
        expected = [values[first : first + min(width, 8)].mean() for first in range(0, len(values), width)]
        assert len(small[id]) <= 60
        np.testing.assert_allclose(np.array(small[id], float), expected, rtol=1e-12)


def test_a_long_curve_keeps_its_mean_and_its_extremes_in_few_points(world: tuple[Served, list[str], list[str]]) -> None:
    served, found, _ = world
    curve = served.client.get(f"/dashboard/runs/{found[-1]}/curve", params={"metric": "roi_pct"}).json()
    values = learning_of(served, found[-1])
    size = curve["per_point"]
    assert size == 3
    blocks = values.reshape(-1, size)
    for name, expected in (("values", blocks.mean(1)), ("low", blocks.min(1)), ("high", blocks.max(1))):
        np.testing.assert_allclose(curve[name], expected, rtol=1e-5)
    assert curve["episodes"] == list(range(size, len(values) + 1, size))


def learning_of(served: Served, run_id: str) -> np.ndarray:
    query = select(training_episodes.c.roi_pct).where(training_episodes.c.run_id == run_id)
    with served.platform.database.read() as connection:
        return np.array(connection.execute(query.order_by(training_episodes.c.episode_number)).scalars().all())


def test_drawdown_is_that_of_every_point_even_where_few_are_drawn(world: tuple[Served, list[str], list[str]]) -> None:
    served, _, tested = world
    query = select(backtest_snapshots.c.total_equity).where(backtest_snapshots.c.session_id == tested[0])
    with served.platform.database.read() as connection:
        values = np.array(connection.execute(query.order_by(backtest_snapshots.c.number)).scalars().all())
        few = backtests.equity(connection, tested[0], 100)
        many = backtests.equity(connection, tested[0], 10_000)
    below = 100.0 * (values / np.maximum.accumulate(values) - 1.0)
    assert len(many["times"]) == len(values) == BACKTEST_HOURS + 1
    np.testing.assert_allclose(many["drawdown"], below, atol=6e-4)
    assert len(few["times"]) <= 100
    assert min(few["drawdown"]) == pytest.approx(below.min(), abs=6e-4)
    assert few["equity"][-1] == pytest.approx(values[-1], rel=1e-7)


@pytest.mark.parametrize("sort", runs.SORTS)
def test_every_order_of_runs_is_an_order(world: tuple[Served, list[str], list[str]], sort: str) -> None:
    served, found, _ = world
    seen = {}
    for sign in ("", "-"):
        pages = [
            served.client.get("/training", params={"sort": sign + sort, "page": page}, headers={"X-Part": "runs"}).text
            for page in (1, 2)
        ]
        seen[sign] = re.findall(r'<tr data-run="([^"]+)"', "".join(pages))
        assert sorted(seen[sign]) == sorted(found)
    assert seen[""] != seen["-"] or sort == "status"


@pytest.mark.parametrize("sort", episodes.SORTS)
def test_every_order_of_episodes_is_an_order(world: tuple[Served, list[str], list[str]], sort: str) -> None:
    served, found, _ = world
    with served.platform.database.read() as connection:
        for sign, turned in (("", 1.0), ("-", -1.0)):
            rows, total = episodes.page(connection, found[0], episodes.Wanted(sort=sign + sort))
            values = [turned * row._mapping[sort] for row in rows]
            assert values == sorted(values)
            assert total >= len(rows) == min(total, episodes.PAGE)


def test_the_stream_tells_a_change_and_what_was_missed(fresh_server: Served) -> None:
    run_id = str(uuid.uuid4())
    heard: list[str] = []
    begun = threading.Event()

    def listen() -> None:
        with fresh_server.client.stream("GET", "/events") as answer:
            for line in answer.iter_lines():
                begun.set()
                heard.append(line)
                if line.startswith("data:"):
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    assert begun.wait(5.0)
    fresh_server.stranger.post(
        "/api/v1/training/runs", json={"run_id": str(uuid.uuid4()), "config": {}}
    ).raise_for_status()
    fresh_server.client.post("/api/v1/training/runs", json={"run_id": run_id, "config": {}}).raise_for_status()
    thread.join(5.0)
    [data] = [line for line in heard if line.startswith("data:")]
    assert json.loads(data.removeprefix("data:")) == {"kind": "run", "id": run_id}
    [number] = [line.removeprefix("id: ") for line in heard if line.startswith("id:")]
    missed = {"Last-Event-ID": str(int(number) - 60_000_000)}
    with fresh_server.client.stream("GET", "/events", headers=missed) as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                assert run_id in line
                break


def test_a_stream_ends_with_its_server(tmp_path: Path) -> None:
    with serving(tmp_path / "platform", ingest_journals=False) as server:
        heard: list[str] = []
        begun = threading.Event()

        def listen() -> None:
            with server.client.stream("GET", "/events") as answer:
                for line in answer.iter_lines():
                    begun.set()
                    heard.append(line)

        thread = threading.Thread(target=listen)
        thread.start()
        assert begun.wait(5.0)
        server.app.state.server.should_exit = True
        thread.join(5.0)
        assert not thread.is_alive()
        assert heard[0] == "retry: 2000"


def test_the_empty_page_says_how_a_run_begins(fresh_server: Served) -> None:
    text = fresh_server.client.get("/training").text
    assert "No run yet" in text
    assert f'base_url="{fresh_server.url}"' in text


def test_text_of_an_account_is_escaped_in_pages(fresh_server: Served) -> None:
    run_id, label = str(uuid.uuid4()), "<script>alert(1)</script>"
    body = {"run_id": run_id, "config": {"strategy_label": label, "<i>key": "<i>value"}}
    fresh_server.client.post("/api/v1/training/runs", json=body).raise_for_status()
    for path in ("/training", f"/training/{run_id}", f"/training?label={label}", f"/training/{run_id}?search={label}"):
        text = fresh_server.client.get(path).text
        assert "<script>alert" not in text
        assert "<i>key" not in text and "<i>value" not in text


def test_a_page_says_whose_actions_are_kept_as_they_are() -> None:
    script = (Path(pages.__file__).parent / "static" / "js" / "extremes.js").read_text()
    said = re.search(r'NOT_KEPT = "(.*?)"', script)
    assert said is not None
    assert [int(number) for number in re.findall(r"\d+", said[1])] == [keeping.ALWAYS_KEPT, keeping.WATCHED]


@pytest.mark.parametrize(("planted", "status"), [(False, 200), (True, 500)])
def test_a_server_keeps_the_templates_that_it_began_with(
    fresh_server: Served, monkeypatch: pytest.MonkeyPatch, planted: bool, status: int
) -> None:
    environment = pages._environment.__wrapped__()
    monkeypatch.setattr(pages, "_environment", lambda: environment)
    assert fresh_server.client.get("/training").status_code == 200
    # the package is upgraded under it, and a new template asks for what this server does not know
    monkeypatch.setattr(Template, "is_up_to_date", property(lambda _: False))
    monkeypatch.setattr(FileSystemLoader, "get_source", lambda *_: ("{{ unknown.figure }}", None, None))
    if planted:
        environment.auto_reload = True
    assert fresh_server.client.get("/training").status_code == status


@pytest.mark.parametrize("config", [{}, {"strategy_label": " "}])
def test_a_run_without_a_label_has_a_link_that_can_be_read(fresh_server: Served, config: dict[str, str]) -> None:
    run_id = str(uuid.uuid4())
    fresh_server.client.post("/api/v1/training/runs", json={"run_id": run_id, "config": config}).raise_for_status()
    links = re.findall(rf'<a href="/training/{run_id}">(.*?)</a>', fresh_server.client.get("/training").text)
    assert links and set(links) == {"without a label"}
    assert "<title>without a label" in fresh_server.client.get(f"/training/{run_id}").text


def test_numbers_are_said_as_people_write_them() -> None:
    assert words.percent(-1.005) == "−1.00 %"
    assert words.percent(12345.678) == "+12,345.68 %"
    assert words.number(-0.001) == "0.00"
    assert words.number(float("nan")) == words.number(None) == "–"
    assert words.duration(59_000_000) == "59 s"
    assert words.duration(3_600_000_000 * 49) == "2 d 1 h"
    assert words.exact(0.1) == "0.1"
    assert words.exact(42000.0) == "42,000"
    assert words.interval(14_400) == "4h"
    assert words.spark([]) == {"path": "", "zero": ""}
    assert words.spark([1.0, None, 3.0], width=100, height=20) == {"path": "M2.0 18.0L98.0 2.0", "zero": ""}


def test_learning_rises_out_of_noise() -> None:
    found = learning(np.random.default_rng(3), 2000)["roi_pct"]
    assert found[-500:].mean() > found[:50].mean()


def test_gaps_are_told_by_series_and_marked_where_they_are(fresh_server: Served) -> None:
    sample, store = load_sample(), CandleStore(fresh_server.platform.settings.home / "candles")
    rows = np.r_[0:100, 120:200]
    columns = (getattr(sample, name)[0, rows] for name in ("open", "high", "low", "close", "volume"))
    store.write(Candles.from_arrays("BTCUSDT", "1h", sample.times[rows], *columns))
    found = fresh_server.client.get("/dashboard/gaps").json()["series"]
    assert found["BTCUSDT 1h"] == {"missing": 20, "gaps": 1, "marks": [[50.0, 10.0]]}
    assert found["BTCUSDT 1h sample"]["missing"] == int(sample.gaps.sum())
    detail = fresh_server.client.get("/data/gaps", params={"symbol": "BTCUSDT", "timeframe": "1h"}).text
    assert "20 candles are missing, in 1 gap:" in detail
    assert fresh_server.client.get("/data/gaps", params={"symbol": "../x", "timeframe": "1h"}).status_code == 404


def test_a_backtest_that_is_stepped_shows_what_has_been_played(fresh_server: Served) -> None:
    ask, api = fresh_server.client, "/api/v1/backtest"
    body = {"start_time": "2022-01-05T00:00:00Z", "end_time": "2022-01-15T00:00:00Z", "starting_balance": "10000"}
    body |= {"candle_interval": 3600, "pairs": ["BTCUSDT"], "strategy_label": "stepped"}  # type: ignore[dict-item]
    session = ask.post(f"{api}/create", json=body).json()["session_id"]
    ask.post(f"{api}/{session}/start").raise_for_status()
    order = {"symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": "0.1"}
    ask.post(f"{api}/{session}/trade/order", json=order).raise_for_status()
    step = ask.post(f"{api}/{session}/step/batch", json={"steps": 30}).json()
    found = ask.get(f"/dashboard/backtests/{session}/equity").json()
    assert (found["status"], len(found["times"])) == ("running", 31)
    assert found["equity"][-1] == pytest.approx(float(step["portfolio"]["total_equity"]))
    assert found["drawdown"][0] == 0.0
    drawn = ask.get(f"/dashboard/backtests/{session}/candles", params={"symbol": "BTCUSDT"}).json()
    assert [mark[2] for mark in drawn["trades"]] == ["buy"]
    assert len(drawn["times"]) == 240
    text = ask.get(f"/backtest/{session}").text
    assert "stepped" in text
    assert text.count(">buy</span>") == 1
    assert "stepped" in ask.get("/backtest", headers={"X-Part": "live"}).text
