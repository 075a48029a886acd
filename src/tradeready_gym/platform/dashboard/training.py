"""`/training` and `/training/{run_id}`, and the numbers that their charts ask for."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from tradeready_gym.platform import clock
from tradeready_gym.platform.api.dependencies import PlatformState, Reader
from tradeready_gym.platform.dashboard import episodes, live, replays, runs, words
from tradeready_gym.platform.dashboard.inputs import After, EpisodeNumber
from tradeready_gym.platform.dashboard.pages import PageRoute, render, wants_part
from tradeready_gym.platform.errors import Invalid
from tradeready_gym.platform.state import Platform

router = APIRouter(include_in_schema=False, route_class=PageRoute)
numbers = APIRouter(prefix="/dashboard", include_in_schema=False)
Text = Annotated[str, Query(max_length=200)]
Ids = Annotated[str, Query(max_length=4000)]
Page = Annotated[int, Query(ge=1, le=1_000_000)]
SHOWN_AT_FIRST = 4


@router.get("/training")
def training(
    request: Request,
    platform: PlatformState,
    caller: Reader,
    label: Text = "",
    status: Text = "",
    sort: Text = "-started",
    page: Page = 1,
) -> Response:
    """Runs that go on, curves, and the list of all runs."""
    part, wanted = wants_part(request), runs.Wanted(label.strip(), status, sort, page, caller.key_agent_id)
    with platform.database.read() as connection:
        listed, total = ([], 0) if part == "live" else runs.list_runs(connection, caller.account_id, wanted)
        live = (
            []
            if part == "runs"
            else runs.live_runs(connection, caller.account_id, clock.now(), agent_id=caller.key_agent_id)
        )
        curves = runs.mini_curves(connection, [run.id for run in {run.id: run for run in (*live, *listed)}.values()])
    values: dict[str, Any] = {"runs": listed, "total": total, "live": live, "curves": curves}
    values |= {"wanted": {"label": wanted.label, "status": status, "sort": sort}, "page": page, "size": runs.PAGE}
    values |= {
        "statuses": runs.STATUSES,
        "first": [run.id for run in listed if run.episodes or run.status == "running"][:SHOWN_AT_FIRST],
    }
    values |= {"base_url": str(request.base_url).rstrip("/")}
    name = {"runs": "parts/runs.html", "live": "parts/live.html"}.get(part, "training.html")
    return render(request, name, **values)


@router.get("/training/{run_id}")
def training_run(
    run_id: str,
    request: Request,
    platform: PlatformState,
    caller: Reader,
    search: Text = "",
    sort: Text = "-episode_number",
    page: Page = 1,
) -> Response:
    """One run: its figures, its curve, its best, worst and all episodes."""
    part, wanted = wants_part(request), episodes.Wanted(search, sort, page)
    with platform.database.read() as connection:
        run = runs.find_run(connection, caller.account_id, run_id)
        listed, total = episodes.page(connection, run_id, wanted) if part in {"", "episodes"} else ([], 0)
        both = (True, False) if part in {"", "extremes"} else ()
        found = [episodes.extremes(connection, run_id, best=best) for best in both] or [[], []]
    values: dict[str, Any] = {"run": run, "episodes": listed, "total": total, "best": found[0], "worst": found[1]}
    values |= {"wanted": {"search": search, "sort": sort}, "page": page, "size": episodes.PAGE}
    values |= live.offer(platform, caller, run_id) if not part else {}
    parts = {"episodes": "parts/episodes.html", "head": "parts/run_head.html", "extremes": "parts/extremes.html"}
    return render(request, parts.get(part, "run.html"), **values)


@router.get("/training/{run_id}/episodes/{episode_number}")
def episode(
    run_id: str, episode_number: EpisodeNumber, request: Request, platform: PlatformState, caller: Reader
) -> Response:
    """The backtest of an episode: the one that it was, or its replay, made when somebody asks."""
    with platform.database.read() as connection:
        runs.find_run(connection, caller.account_id, run_id)
        found = episodes.backtest_of(connection, caller.account_id, run_id, episode_number)
    found = found or replays.replay(platform, caller, run_id, episode_number)
    return RedirectResponse(f"/backtest/{found}", 303)


@numbers.get("/runs")
def rows(platform: PlatformState, caller: Reader, ids: Ids = "") -> dict[str, Any]:
    """What the tables and cards say about these runs now."""
    with platform.database.read() as connection:
        found = runs.find_runs(connection, caller.account_id, _ids(platform, ids), caller.key_agent_id)
        small = runs.mini_curves(connection, [run.id for run in found])
    return {"runs": [row_of(run) | {"spark": words.spark(small[run.id])} for run in found]}


@numbers.get("/runs/{run_id}/curve")
def run_curve(
    run_id: str,
    platform: PlatformState,
    caller: Reader,
    metric: Text = "roi_pct",
    after: After = -1,
) -> dict[str, Any]:
    """A metric by episode; with `after`, only the episodes since, and what the page says about the run now."""
    _require_metric(metric)
    with platform.database.read() as connection:
        run = runs.find_run(connection, caller.account_id, run_id)
        points = (
            episodes.curve(connection, run_id, metric)
            if after < 0
            else episodes.curve_after(connection, run_id, metric, after)
        )
    return {"run": row_of(run), "metric": metric} | points


@numbers.get("/curves")
def curves(platform: PlatformState, caller: Reader, ids: Ids = "", metric: Text = "roi_pct") -> dict[str, Any]:
    """A metric of several runs, in fewer points each the more there are."""
    _require_metric(metric)
    asked = _ids(platform, ids)
    points = max(200, 1500 // max(len(asked), 1))
    with platform.database.read() as connection:
        found = runs.find_runs(connection, caller.account_id, asked, caller.key_agent_id)
        drawn = [row_of(run) | episodes.curve(connection, run.id, metric, points) for run in found]
    for curve in drawn:
        curve.pop("low", None), curve.pop("high", None)
    return {"metric": metric, "curves": drawn}


def row_of(run: runs.Run) -> dict[str, Any]:
    """A run as scripts show it: words for each place where they stand, and a few plain numbers."""
    return {
        "id": run.id,
        "label": run.label,
        "status": run.status,
        "count": run.episodes,
        "planned": run.planned,
        "cells": {
            "status": "silent" if run.is_silent(clock.now()) else run.status,
            "episodes": words.count(run.episodes),
            "roi": words.percent(run.total("roi_pct")),
            "best": words.percent(run.total("roi_pct", "best")),
            "worst": words.percent(run.total("roi_pct", "worst")),
            "sharpe": words.number(run.total("sharpe_ratio")),
            "drawdown": words.percent(run.total("max_drawdown_pct"), sign=False),
            "reward": words.brief(run.total("reward_sum")),
            "duration": words.duration(run.lasted),
        },
    }


def _ids(platform: Platform, text: str) -> list[str]:
    found = list(dict.fromkeys(filter(None, text.split(","))))
    limit = platform.settings.limits.compared_runs
    if len(found) > max(limit, runs.PAGE):
        raise Invalid(f"ids: at most {limit} runs at once; got {len(found)}")
    return found


def _require_metric(metric: str) -> None:
    if metric not in episodes.METRICS:
        raise Invalid(f"metric: one of {', '.join(episodes.METRICS)}; got {metric!r}")
