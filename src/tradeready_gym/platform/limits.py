"""What stands before every route: the size of a body, and the headers of every answer."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tradeready_gym.platform.errors import PlatformError, TooLarge
from tradeready_gym.platform.rates import Count

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class BodyLimit:
    """Refuses bodies above `limit` bytes: by what they declare, and by what really arrives."""

    def __init__(self, app: Application, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = _header(scope, b"content-length")
        if declared is not None and (not declared.isdigit() or int(declared) > self.limit):
            await _answer(send, self._refusal())
            return
        arrived, refused = 0, False

        async def counted() -> Message:
            nonlocal arrived, refused
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > self.limit:
                if not refused:
                    refused = True
                    await _answer(send, self._refusal())
                return {"type": "http.disconnect"}
            return message

        async def unless_refused(message: Message) -> None:
            if not refused:
                await send(message)

        await self.app(scope, counted, unless_refused)

    def _refusal(self) -> TooLarge:
        return TooLarge(
            f"a body may have {self.limit:,} bytes; send less at once, or start the server with a higher limit",
            limit=self.limit,
        )


class SecurityHeaders:
    """Adds the headers that keep a browser from doing what nobody asked for, and those of the request's rate."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                policy = (b"content-security-policy", CONTENT_POLICY.encode())
                more = [*HEADERS, policy, *_rate_headers(scope)]
                message["headers"] = [*message["headers"], *(header for header in more if header[0] not in own)]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


def _rate_headers(scope: Message) -> list[tuple[bytes, bytes]]:
    count: Count | None = scope.get("state", {}).get("rate")
    if count is None:
        return []
    return [(name.lower().encode(), value.encode()) for name, value in count.headers().items()]


def _header(scope: Message, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


async def _answer(send: Send, error: PlatformError) -> None:
    body = json.dumps(error.envelope()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
