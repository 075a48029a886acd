"""`/events`: tells open pages what has changed. They fetch the new points themselves."""

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from tradeready_gym.platform import clock
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.api.dependencies import PlatformState, Reader
from tradeready_gym.platform.dashboard import backtests, runs
from tradeready_gym.platform.dashboard.inputs import Moment
from tradeready_gym.platform.ending import until_revoked
from tradeready_gym.platform.events import Topic
from tradeready_gym.platform.ownership import own_topics
from tradeready_gym.platform.state import Platform

router = APIRouter(include_in_schema=False)
LOOK_EVERY = 2.0
_MEMORY = 3_600_000_000  # what changed longer ago is not told to a browser that was away
_GATHER = 0.2  # what changes within so many seconds is told once
_LOOK_BACK = 2_000_000  # a transaction that began before the last look may be seen only now


@router.get("/events")
def events(request: Request, platform: PlatformState, caller: Reader, since: Moment = 0) -> StreamingResponse:
    """A stream of server-sent events: `change` with `{"kind": "run" | "backtest", "id"}`.

    `since`, or the id of the last event that a browser has seen, says from when on it wants to know, in microseconds. The
    stream ends with the login or the key with which it was asked for.
    """
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    last = request.headers.get("last-event-id", "")
    wanted = int(last) if last.isdecimal() and len(last) < 19 else since
    stream = _changes(platform, caller, request, max(wanted, clock.now() - _MEMORY) if wanted else clock.now())
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


async def _changes(platform: Platform, caller: Principal, request: Request, since: int) -> AsyncIterator[str]:
    watched = platform.events.watch(caller.account_id)
    pending = asyncio.ensure_future(anext(watched))
    revoked = asyncio.ensure_future(until_revoked(platform.database, caller))
    seen: dict[Topic, int] = {}
    yield "retry: 2000\n: hello\n\n"
    try:
        while not (revoked.done() or await request.is_disconnected() or _is_stopping(request)):
            found, since = await run_in_threadpool(_look, platform, caller.account_id, since, seen)
            told = dict.fromkeys(found)
            if pending.done():
                await asyncio.sleep(_GATHER)
            while pending.done():
                told[pending.result()] = None
                pending = asyncio.ensure_future(anext(watched))
                await asyncio.sleep(0)
            if revoked.done():
                return
            if caller.key_agent_id is not None:
                told = dict.fromkeys(await run_in_threadpool(own_topics, platform.database, caller, told))
            yield "".join(_message(topic, since) for topic in told) or ": nothing new\n\n"
            await asyncio.wait({pending, revoked}, timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)
    finally:
        pending.cancel()
        revoked.cancel()
        await asyncio.gather(pending, revoked, return_exceptions=True)
        await watched.aclose()  # type: ignore[attr-defined]


def _is_stopping(request: Request) -> bool:
    # a server waits for its streams before it ends; this one would never end by itself
    return bool(getattr(getattr(request.app.state, "server", None), "should_exit", False))


def _look(platform: Platform, account_id: str, since: int, seen: dict[Topic, int]) -> tuple[list[Topic], int]:
    # other processes write to the same database and publish nothing here
    with platform.database.read() as connection:
        rows = [
            (("run", row.id), row.updated_at) for row in runs.newest_change(connection, account_id, since - _LOOK_BACK)
        ]
        rows += [
            (("backtest", row.id), row.updated_at)
            for row in backtests.newest_change(connection, account_id, since - _LOOK_BACK)
        ]
    found = [topic for topic, changed in rows if seen.get(topic) != changed]
    since = max([since, *(changed for _, changed in rows)])
    seen.clear()
    seen.update(rows)
    return found, since


def _message(topic: Topic, since: int) -> str:
    return f"id: {since}\nevent: change\ndata: {json.dumps({'kind': topic[0], 'id': topic[1]})}\n\n"
