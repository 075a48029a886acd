"""`/ws/v1`: what happens, pushed to whoever subscribed. The key is `?api_key=`, `X-API-Key` or `Authorization: Bearer`.

A connection is closed with 4401 as soon as its key is revoked (`ending.LOOK_EVERY`).
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from tradeready_gym.platform.accounts import Principal, find_agent, find_by_key, find_by_token
from tradeready_gym.platform.api import channels
from tradeready_gym.platform.api.channels import Channel, Message
from tradeready_gym.platform.ending import until_revoked
from tradeready_gym.platform.errors import PlatformError, Unauthorised
from tradeready_gym.platform.state import Platform

router = APIRouter()
MOST_SUBSCRIPTIONS = 10
PING_EVERY = 30.0
PONG_WITHIN = 10.0
BAD_KEY, TOO_SLOW = 4401, 4408
_LONGEST_MESSAGE = 10_000
EVERYBODY = "everybody"
_log = logging.getLogger(__name__)


@router.websocket("/ws/v1")
async def stream(socket: WebSocket) -> None:
    """Serve one connection until it ends."""
    platform = cast(Platform, socket.app.state.platform)
    await socket.accept()
    try:
        caller = await run_in_threadpool(_caller, platform, socket)
    except PlatformError as error:
        await socket.close(BAD_KEY, str(error)[:120])
        return
    await _Connection(socket, platform, caller).serve()


def _caller(platform: Platform, socket: WebSocket) -> Principal:
    key = socket.query_params.get("api_key") or socket.headers.get("x-api-key")
    scheme, _, token = socket.headers.get("authorization", "").partition(" ")
    if not key and scheme.lower() == "bearer":
        key = token.strip()
    if not key:
        raise Unauthorised("no key: add ?api_key=, X-API-Key or Authorization: Bearer")
    try:
        caller = find_by_key(platform.database, key)
    except Unauthorised:
        caller = find_by_token(platform.database, key)
    caller.require("read")
    agent = socket.query_params.get("agent_id") or socket.headers.get("x-agent-id")
    if agent and caller.agent_id is None:
        with platform.database.read() as connection:
            caller = replace(caller, agent_id=find_agent(connection, caller.account_id, agent).id)
    return caller


class _Connection:
    def __init__(self, socket: WebSocket, platform: Platform, caller: Principal) -> None:
        self.socket, self.platform, self.caller = socket, platform, caller
        self.subscribed: dict[str, Channel] = {}
        self._sending = asyncio.Lock()
        self._ponged = asyncio.Event()
        self._ended = False

    async def serve(self) -> None:
        platform, caller = self.platform, self.caller
        paper = f"paper:{caller.agent_id or caller.account_id}"
        work = [
            self._read(),
            self._ping(),
            self._end_when_revoked(),
            self._push(EVERYBODY, lambda _, what: channels.of_slot(platform, self._channels(), int(what))),
            self._push(paper, lambda kind, what: channels.of_paper(platform, caller, self._channels(), kind, what)),
            self._push(
                caller.account_id, lambda kind, what: channels.of_work(platform, caller, self._channels(), kind, what)
            ),
        ]
        tasks = [asyncio.ensure_future(job) for job in work]
        try:
            # whichever ends first ends the connection: the client is gone, does not answer, or may not listen any more
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for error in await asyncio.gather(*tasks, return_exceptions=True):
                # a client that is gone is how connections end
                if isinstance(error, Exception) and not isinstance(error, WebSocketDisconnect | OSError):
                    _log.error("a WebSocket ended", exc_info=error)

    def _channels(self) -> list[Channel]:
        return list(self.subscribed.values())

    async def _send(self, message: Message) -> None:
        async with self._sending:
            if not self._ended:
                await self.socket.send_json(message)

    async def _read(self) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await self._send_all(await self._answer(await self.socket.receive_text()))

    async def _send_all(self, messages: list[Message]) -> None:
        for message in messages:
            await self._send(message)

    async def _answer(self, text: str) -> list[Message]:
        request = _parsed(text)
        action = request.get("action") or request.get("type")
        if action == "pong":
            self._ponged.set()
            return []
        if action == "ping":
            return [{"type": "pong"}]
        if action not in {"subscribe", "unsubscribe"}:
            known = "subscribe, unsubscribe, ping and pong"
            return [_error("UNKNOWN_ACTION", f"there is no action {action!r}; there are {known}")]
        try:
            return [await self._subscribe(request) if action == "subscribe" else self._unsubscribe(request)]
        except PlatformError as error:
            return [_error(error.code, str(error))]

    async def _subscribe(self, request: Message) -> Message:
        channel = channels.parse(request)
        if channel.key not in self.subscribed and len(self.subscribed) >= MOST_SUBSCRIPTIONS:
            return _error("SUBSCRIPTION_LIMIT", f"a connection has at most {MOST_SUBSCRIPTIONS} subscriptions")
        await run_in_threadpool(channels.require, self.platform, channel)
        self.subscribed[channel.key] = channel
        if channel.name in {"orders", "portfolio"}:
            # the account begins with whoever wants to see it
            await run_in_threadpool(self.platform.paper.of, self.caller)
        return {"type": "subscribed", "channel": channel.key}

    def _unsubscribe(self, request: Message) -> Message:
        channel = channels.parse(request)
        self.subscribed.pop(channel.key, None)
        return {"type": "unsubscribed", "channel": channel.key}

    async def _push(self, topic: str, messages_of: Callable[[str, str], list[Message]]) -> None:
        watched: AsyncIterator[tuple[str, str]] = self.platform.events.watch(topic)
        async for kind, id in watched:
            if self.subscribed:
                with contextlib.suppress(PlatformError):  # such as an account that is gone
                    await self._send_all(await run_in_threadpool(messages_of, kind, id))

    async def _end_when_revoked(self) -> None:
        why = await until_revoked(self.platform.database, self.caller)
        self._ended = True
        await _within(self.socket.close(BAD_KEY, str(why)[:120]), PONG_WITHIN)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY)
            self._ponged.clear()
            await self._send({"type": "ping"})
            if not await _within(self._ponged.wait(), PONG_WITHIN):
                await self.socket.close(TOO_SLOW, "no pong")
                return


async def _within(waiting: Awaitable[Any], seconds: float) -> bool:
    try:
        await asyncio.wait_for(waiting, seconds)
    except TimeoutError:
        return False
    return True


def _parsed(text: str) -> Message:
    if len(text) > _LONGEST_MESSAGE:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _error(code: str, message: str) -> Message:
    return {"type": "error", "code": code, "message": message}
