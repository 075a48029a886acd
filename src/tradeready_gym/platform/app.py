"""The ASGI application."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

import tradeready_gym
from tradeready_gym.platform import dashboard, ingest
from tradeready_gym.platform.api import (
    account,
    agents,
    auth,
    backtest,
    deployments,
    feed,
    health,
    keys,
    market,
    metrics,
    sandbox,
    stream,
    trade,
    training,
)
from tradeready_gym.platform.api.documentation import DocumentedApplication
from tradeready_gym.platform.background import Repeated
from tradeready_gym.platform.dashboard import problems
from tradeready_gym.platform.database import Database, upgrade
from tradeready_gym.platform.errors import Invalid, PlatformError
from tradeready_gym.platform.ingest import JournalIngest
from tradeready_gym.platform.limits import BodyLimit, SecurityHeaders
from tradeready_gym.platform.masking import mask_server_logs
from tradeready_gym.platform.measures import Measured
from tradeready_gym.platform.retention import forget
from tradeready_gym.platform.settings import Settings
from tradeready_gym.platform.state import Platform
from tradeready_gym.platform.warm import warming

PREFIX = "/api/v1"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_HTTP_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 400: "BAD_REQUEST"}
_RETENTION_SECONDS = 3600.0
_PAPER_SECONDS = 5.0
_log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application of these settings; the database is migrated first.

    Raises:
        StoreError: the database was made by a later version.
    """
    settings = settings or Settings()
    mask_server_logs()
    database = Database(settings.database_url)
    try:
        upgrade(database)
    finally:
        # of an application that never serves, such as one that is made for its schema, nothing stays open
        database.close()
    platform = Platform(settings, database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        work = [Repeated("retention", _RETENTION_SECONDS, lambda: forget(database, settings.keep_days))]
        if settings.ingest_journals:
            journals = JournalIngest(settings.home, database, platform.events)
            work.append(Repeated("journals", ingest.SECONDS, journals.poll))
        if settings.feed != "none":
            # in its thread, for it loads the engine
            work.append(Repeated("paper", _PAPER_SECONDS, lambda: platform.paper.keep()))
        for repeated in work:
            repeated.start()
        first = warming(app, database)
        first.start()
        yield
        first.join()
        for repeated in work:
            repeated.stop()
        platform.close()

    app = DocumentedApplication(
        title="TradeReady",
        version=tradeready_gym.__version__,
        description="Backtests, training runs and paper trading. A key goes into the header X-API-Key, a token into "
        "`Authorization: Bearer`; with a key of the account, the header X-Agent-Id (a UUID) acts for one of its agents; a key "
        "of an agent is told of that agent's work alone, and all else of the account is a 404 to it. "
        "Money, prices and percentages are decimals in strings, times ISO 8601 in UTC.",
        lifespan=lifespan,
        # FastAPI's own pages load their scripts from elsewhere; /docs is the dashboard's
        docs_url=None,
        redoc_url=None,
    )
    app.limits = settings.limits
    app.state.platform = platform
    app.include_router(health.router)
    for resource in (
        auth,
        agents,
        keys,
        market,
        feed,
        metrics,
        training,
        backtest,
        sandbox,
        trade,
        account,
        deployments,
    ):
        app.include_router(resource.router, prefix=PREFIX)
    app.include_router(stream.router)
    dashboard.add_to(app)
    app.add_exception_handler(PlatformError, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(Exception, _answer_unexpected)
    app.add_middleware(BodyLimit, limit=settings.limits.body_bytes)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Measured, measures=platform.measures, prefix=PREFIX)
    return app


async def _answer_error(_: Request, error: Exception) -> JSONResponse:
    assert_error = error if isinstance(error, PlatformError) else PlatformError(str(error))
    headers = {}
    if "retry_after_seconds" in assert_error.details:
        headers["Retry-After"] = str(assert_error.details["retry_after_seconds"])
    return JSONResponse(jsonable_encoder(assert_error.envelope()), assert_error.status, headers=headers)


async def _answer_validation_error(request: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    plain = [{"field": _field(problem), "problem": _in_words(problem)} for problem in problems]
    first = f"{plain[0]['field'] or 'the body'}: {plain[0]['problem']}" if plain else "the request cannot be read"
    return await _answer_error(request, Invalid(first, field=plain[0]["field"] if plain else "", problems=plain))


def _field(problem: dict[str, Any]) -> str:
    # where a body is no JSON, its place is a number of characters
    where = () if problem["type"] == "json_invalid" else problem["loc"]
    return ".".join(str(part) for part in where if part not in {"body", "query", "path"})


def _in_words(problem: dict[str, Any]) -> str:
    if problem["type"] == "json_invalid":
        return f"it is no valid JSON: {problem.get('ctx', {}).get('error', '')}, at character {problem['loc'][-1]}"
    if problem["loc"] == ("body",) and problem["type"] in {"missing", "model_attributes_type"}:
        return "it must be a JSON object, sent with the header Content-Type: application/json"
    return str(problem["msg"])


async def _answer_http_error(request: Request, error: Exception) -> Response:
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, str(error))
    if (page := problems.page(request, status)) is not None:
        return page
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == 405:
        allowed = ", ".join(_methods_of(request))
        headers["Allow"], detail = allowed, f"{request.method} is not for this path, which takes {allowed}"
    code = _HTTP_CODES.get(status, f"HTTP_{status}")
    return JSONResponse({"error": {"code": code, "message": str(detail)}}, status, headers=headers)


def _methods_of(request: Request) -> list[str]:
    # a path may have several routes, of which each knows its own methods
    routes = request.app.router.routes
    asked = [{"type": "http", "path": request.url.path, "root_path": "", "method": method} for method in _METHODS]
    return [one["method"] for one in asked if any(route.matches(dict(one))[0] is Match.FULL for route in routes)]


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    _log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    if (page := problems.page(request, 500)) is not None:
        return page
    body = {"error": {"code": "INTERNAL_ERROR", "message": "the server failed at this request; its log says why"}}
    return JSONResponse(body, 500)
