"""What routes ask for: the platform, and who is asking, with the scope that the route needs."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, cast

from fastapi import Depends, Request

from tradeready_gym.platform.accounts import Principal, find_agent, find_by_key, find_by_token
from tradeready_gym.platform.errors import Forbidden, Invalid, NotFound, Unauthorised
from tradeready_gym.platform.ownership import require_own
from tradeready_gym.platform.rates import group_of
from tradeready_gym.platform.state import Platform

COOKIE = "tradeready_login"


def platform_of(request: Request) -> Platform:
    """The platform that the application was made for."""
    return cast(Platform, request.app.state.platform)


PlatformState = Annotated[Platform, Depends(platform_of)]


def principal_of(request: Request) -> Principal:
    """Who asks: by `X-API-Key`, else `Authorization: Bearer`, else the cookie of a logged-in browser.

    Raises:
        Unauthorised: there is none of these, or it is not good (any more).
        TooMany: too many requests in this minute.
        Invalid: `X-Agent-Id` is no UUID.
        Forbidden: `X-Agent-Id` is no agent of the account.
    """
    platform = platform_of(request)
    principal = _found(request, platform)
    count_request(request, group_of(request.url.path), principal.account_id)
    chosen = request.headers.get("x-agent-id")
    if chosen and principal.agent_id is None:
        agent_id = _uuid(chosen)
        with platform.database.read() as connection:
            try:
                principal = replace(principal, agent_id=find_agent(connection, principal.account_id, agent_id).id)
            except NotFound as error:
                raise Forbidden(f"X-Agent-Id: {error}") from error
    return principal


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise Invalid(f"X-Agent-Id must be the UUID of an agent; got {text[:50]!r}", field="X-Agent-Id") from None


def count_request(request: Request, group: str, who: str) -> None:
    """Count a request against the limit of its group.

    Raises:
        TooMany: it is one too many in this minute.
    """
    count = platform_of(request).rates.count(group, who)
    request.state.rate = count
    if count is not None:
        count.require()


def count_by_address(group: str) -> Callable[[Request], None]:
    """A dependency that counts a request that needs no key by the address that it comes from."""

    def dependency(request: Request) -> None:
        count_request(request, group, request.client.host if request.client else "unknown")

    return dependency


def _found(request: Request, platform: Platform) -> Principal:
    key = request.headers.get("x-api-key")
    if key:
        return find_by_key(platform.database, key)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return find_by_token(platform.database, token.strip())
    cookie = request.cookies.get(COOKIE)
    if cookie:
        _require_same_origin(request)
        return find_by_token(platform.database, cookie)
    raise Unauthorised("no key: send the header X-API-Key, or log in")


def _require_same_origin(request: Request) -> None:
    # the cookie is SameSite=Strict; a browser that does not know that still says where a request comes from
    origin = request.headers.get("origin")
    if request.method not in {"GET", "HEAD"} and origin and origin.partition("://")[2] != request.headers.get("host"):
        raise Forbidden(f"a request from {origin} may not change anything here")


def _with_scope(scope: str) -> Callable[[Request, Principal], Principal]:
    def dependency(request: Request, principal: Annotated[Principal, Depends(principal_of)]) -> Principal:
        principal.require(scope)
        require_own(platform_of(request).database, principal, request.path_params)
        return principal

    return dependency


Reader = Annotated[Principal, Depends(_with_scope("read"))]
Writer = Annotated[Principal, Depends(_with_scope("write"))]
PaperTrader = Annotated[Principal, Depends(_with_scope("paper"))]
Admin = Annotated[Principal, Depends(_with_scope("admin"))]
