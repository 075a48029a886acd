"""`/api/v1/training`: runs and their episodes. Every one of them belongs to an account."""

import json
import uuid
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection, Row

from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.api.dependencies import PlatformState, Reader, Writer
from tradeready_gym.platform.api.documentation import WITH_A_KEY, Responses, errors
from tradeready_gym.platform.api.paging import EpisodesLimit, Offset, RunsLimit, WholePage
from tradeready_gym.platform.api.training_bodies import (
    ComparedRun,
    Comparison,
    Completion,
    CurveView,
    EpisodeBatch,
    EpisodeList,
    EpisodeReport,
    EpisodeView,
    Label,
    LabelList,
    LearningCurve,
    ReportedRun,
    RunDetail,
    RunId,
    RunRequest,
    RunView,
    Status,
)
from tradeready_gym.platform.errors import Invalid
from tradeready_gym.platform.state import Platform
from tradeready_gym.platform.training import curves, episodes, export, runs
from tradeready_gym.platform.training.totals import METRICS

router = APIRouter(prefix="/training", tags=["training"], responses=WITH_A_KEY)
FIRST_EPISODES = 1_000
DETAIL_POINTS = 1_000
MOST_DIFFERING = 100
Format = Annotated[Literal["csv", "json"], Query()]
Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]
_UNKNOWN = errors("TRAINING_RUN_NOT_FOUND")
Metric = Annotated[str, Query(json_schema_extra={"enum": list(METRICS)})]
RunSort = Annotated[str, Query(json_schema_extra={"enum": [sign + name for name in runs.SORTS for sign in ("", "-")]})]
EpisodeSort = Annotated[str, Query(json_schema_extra={"enum": list(episodes.SORTS)})]
_MEDIA = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
_ROWS = {"type": "array", "items": {"type": "object", "additionalProperties": True}}
_FILE: Responses = {
    200: {
        "description": "a file, row by row",
        "content": {"text/csv": {"schema": {"type": "string"}}, "application/json": {"schema": _ROWS}},
    }
}


@router.post("/runs", status_code=201, responses=_UNKNOWN)
def register_run(body: RunRequest, platform: PlatformState, caller: Writer) -> RunView:
    """Register a run, for the agent of the key or of `X-Agent-Id`. Registering it again answers the run as it is.

    One that has ended is running then.
    """
    config = body.checked_config()
    with platform.database.write() as connection:
        row, new = runs.register(
            connection,
            caller.account_id,
            str(body.run_id),
            config,
            strategy_id=body.strategy_id,
            agent_id=caller.agent_id,
        )
        if not caller.may_see(row.agent_id):
            raise runs.not_found(str(body.run_id))
    if new:
        platform.events.publish(caller.account_id, "run", row.id)
    return RunView(**runs.view(row))


@router.post("/runs/{run_id}/episodes", responses=_UNKNOWN)
def report_episode(run_id: RunId, body: EpisodeReport, platform: PlatformState, caller: Writer) -> ReportedRun:
    """Report an episode. A number that the run has already changes nothing, and the answer says so.

    `session_id` is kept as it is reported. A backtest of the run's owner by that id becomes an episode of training; any
    other is not touched, and nothing leads to it. A run that has ended stays ended.
    """
    return _take_in(platform, caller, run_id, body.columns())


@router.post("/runs/{run_id}/episodes/batch", responses=errors("TRAINING_RUN_NOT_FOUND", "BATCH_TOO_LARGE"))
def report_episodes(run_id: RunId, body: EpisodeBatch, platform: PlatformState, caller: Writer) -> ReportedRun:
    """Report many episodes, as columns. Numbers that the run has already change nothing, so sending again is safe."""
    return _take_in(platform, caller, run_id, body.checked(platform.settings.limits.episodes_batch))


@router.post("/runs/{run_id}/complete", responses=_UNKNOWN)
def complete_run(run_id: RunId, platform: PlatformState, caller: Writer, body: Completion | None = None) -> RunDetail:
    """End a run. Again is no change. Episodes that come later are taken in; registering it again lets it go on."""
    ended = body or Completion()
    with platform.database.write() as connection:
        row = runs.complete(connection, caller.account_id, str(run_id), ended.status, reason=ended.reason)
        detail = _detail(connection, row)
    platform.events.publish(caller.account_id, "run", row.id)
    return detail


@router.get("/runs")
def list_runs(
    platform: PlatformState,
    caller: Reader,
    response: Response,
    limit: RunsLimit,
    status: Status | None = None,
    strategy_label: Text | None = None,
    sort: RunSort = "-started_at",
    offset: Offset = 0,
) -> list[RunView]:
    """The account's runs, or for an agent's key that agent's, newest first; the header `X-Total-Count` says how many match."""
    _require_known("sort", sort.removeprefix("-"), runs.SORTS)
    wanted = runs.Wanted(status, strategy_label, sort, limit, offset, caller.key_agent_id)
    with platform.database.read() as connection:
        rows, total = runs.page(connection, caller.account_id, wanted)
    response.headers["X-Total-Count"] = str(total)
    return [RunView(**runs.view(row)) for row in rows]


@router.get("/runs/export", response_class=StreamingResponse, responses=_FILE)
def export_runs(platform: PlatformState, caller: Reader, format: Format = "csv") -> StreamingResponse:
    """Every run of the account, or for an agent's key of that agent, with its figures, as a file."""
    records = export.runs_of(platform.database, caller.account_id, caller.key_agent_id)
    return _download("training-runs", format, (*export.RUN_FIELDS, *export.AGGREGATES), records)


@router.get("/labels")
def list_labels(platform: PlatformState, caller: Reader, limit: WholePage, offset: Offset = 0) -> LabelList:
    """Every strategy label of the account's runs."""
    with platform.database.read() as connection:
        found = runs.labels(connection, caller.account_id, caller.key_agent_id)
    shown = found[offset : offset + limit]
    return LabelList(labels=[Label(strategy_label=label, runs=count) for label, count in shown], total=len(found))


@router.get("/compare")
def compare_runs(
    platform: PlatformState,
    caller: Reader,
    run_ids: Annotated[str, Query(max_length=4_000, description="ids, separated by commas")],
) -> Comparison:
    """Figures of up to 20 runs side by side."""
    ids = _ids(run_ids, platform.settings.limits.compared_runs)
    with platform.database.read() as connection:
        rows = runs.several(connection, caller.account_id, ids, caller.key_agent_id)
    return Comparison(runs=[ComparedRun(**runs.view(row)) for row in rows])


@router.get("/runs/{run_id}", responses=_UNKNOWN)
def get_run(run_id: RunId, platform: PlatformState, caller: Reader) -> RunDetail:
    """A run with its curve, its figures and its first 1,000 episodes."""
    with platform.database.read() as connection:
        return _detail(connection, runs.find(connection, caller.account_id, str(run_id)))


@router.delete("/runs/{run_id}", status_code=204, responses=_UNKNOWN)
def delete_run(run_id: RunId, platform: PlatformState, caller: Writer) -> Response:
    """Delete a run with its episodes."""
    with platform.database.write() as connection:
        runs.remove(connection, caller.account_id, str(run_id))
    platform.events.publish(caller.account_id, "run", str(run_id))
    return Response(status_code=204)


@router.get("/runs/{run_id}/episodes", responses=_UNKNOWN)
def list_episodes(
    run_id: RunId,
    platform: PlatformState,
    caller: Reader,
    limit: EpisodesLimit,
    sort: EpisodeSort = "episode_number",
    order: Literal["asc", "desc"] = "asc",
    search: Text = "",
    offset: Offset = 0,
) -> EpisodeList:
    """A page of a run's episodes; `search` is the start of a number or of a session id, or a seed."""
    _require_known("sort", sort, episodes.SORTS)
    wanted = episodes.Wanted(search, sort, order == "desc", limit, offset)
    with platform.database.read() as connection:
        runs.find(connection, caller.account_id, str(run_id))
        rows, total = episodes.page(connection, str(run_id), wanted)
    views = [EpisodeView(**episodes.view(row)) for row in rows]
    return EpisodeList(episodes=views, total=total, limit=limit, offset=offset)


@router.get("/runs/{run_id}/episodes/export", response_class=StreamingResponse, responses=_FILE | _UNKNOWN)
def export_episodes(
    run_id: RunId, platform: PlatformState, caller: Reader, format: Format = "csv"
) -> StreamingResponse:
    """Every episode of a run, as a file."""
    with platform.database.read() as connection:
        runs.find(connection, caller.account_id, str(run_id))
    records = export.episodes_of(platform.database, str(run_id))
    return _download(f"training-{run_id}", format, export.EPISODE_FIELDS, records)


@router.get("/runs/{run_id}/learning-curve", responses=_UNKNOWN)
def learning_curve(
    run_id: RunId,
    platform: PlatformState,
    caller: Reader,
    metric: Metric = "roi_pct",
    window: Annotated[int, Query(ge=1, le=100)] = 10,
    points: Annotated[int, Query(ge=10, le=curves.ALL_POINTS)] = curves.ALL_POINTS,
) -> CurveView:
    """A metric over the episodes. Of more episodes than `points`, those that show the curve's shape."""
    _require_known("metric", metric, METRICS)
    with platform.database.read() as connection:
        row = runs.find(connection, caller.account_id, str(run_id))
        curve = curves.read_curve(connection, row.id, row.episodes_completed, metric, window=window, points=points)
    return CurveView(
        episode_numbers=curve.episode_numbers,
        raw_values=curve.raw,
        smoothed_values=curve.smoothed,
        metric=metric,
        window=window,
        episodes_total=row.episodes_completed,
    )


def _take_in(platform: Platform, caller: Principal, run_id: uuid.UUID, columns: dict[str, Any]) -> ReportedRun:
    with platform.database.write() as connection:
        taken = episodes.add(connection, caller.account_id, str(run_id), columns)
        row = runs.find(connection, caller.account_id, str(run_id))
    if taken.added:
        platform.events.publish(caller.account_id, "run", row.id)
    return ReportedRun(
        **runs.view(row),
        episodes_added=taken.added,
        episodes_known=taken.known,
        episodes_differing=taken.differing[:MOST_DIFFERING],
    )


def _detail(connection: Connection, row: Row[Any]) -> RunDetail:
    def values(metric: str) -> list[float]:
        return curves.read_curve(connection, row.id, row.episodes_completed, metric, window=1, points=DETAIL_POINTS).raw

    rewarded = "reward_sum" in json.loads(row.totals)
    curve = LearningCurve(roi_pct=values("roi_pct"), reward_sum=values("reward_sum") if rewarded else None)
    first = [episodes.view(episode) for episode in episodes.page_after(connection, row.id, 0, FIRST_EPISODES)]
    return RunDetail(**runs.view(row), learning_curve=curve, episodes=[EpisodeView(**episode) for episode in first])


def _ids(text: str, most: int) -> list[str]:
    try:
        ids = list(dict.fromkeys(str(uuid.UUID(part.strip())) for part in text.split(",") if part.strip()))
    except ValueError:
        raise Invalid("run_ids must be UUIDs, separated by commas", field="run_ids") from None
    if not 1 <= len(ids) <= most:
        raise Invalid(
            f"run_ids must name 1 to {most} runs, with commas between the ids; got {len(ids)}", field="run_ids"
        )
    return ids


def _require_known(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise Invalid(f"{field} must be one of {', '.join(known)}; got {value!r}", field=field)


def _download(
    name: str, format: Literal["csv", "json"], fields: tuple[str, ...], records: Iterator[export.Record]
) -> StreamingResponse:
    lines = export.as_csv(fields, records) if format == "csv" else export.as_json(records)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{format}"'}
    return StreamingResponse(lines, media_type=_MEDIA[format], headers=headers)
