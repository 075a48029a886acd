"""What `/openapi.json` says beyond the routes themselves: who may ask, and which errors each route answers.

A route names what it answers, `responses=answers(Model, "BACKTEST_NOT_FOUND")`; what every route of its kind answers (no
key, a bad body, too many requests) is added here.
"""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from tradeready_gym.platform.api import paging
from tradeready_gym.platform.api.dependencies import COOKIE
from tradeready_gym.platform.settings import Limits

Responses = dict[int | str, dict[str, Any]]
CODES_FIELD = "x-error-codes"
_SCHEMAS = "#/components/schemas/"

# how a request says who asks, in the order in which they count; see `dependencies.principal_of`
SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "of an account or an agent"},
    "token": {"type": "http", "scheme": "bearer", "description": "what /api/v1/auth/login answers"},
    "login": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "of a browser that is logged in"},
}
STATUSES = {
    "AGENT_BUNDLE_NOT_FOUND": 404,
    "AGENT_NOT_FOUND": 404,
    "ACCOUNT_SUSPENDED": 403,
    "BACKTEST_BUSY": 409,
    "BACKTEST_DATA_CHANGED": 409,
    "BACKTEST_INVALID_STATE": 409,
    "BACKTEST_NOT_FOUND": 404,
    "BACKTEST_NO_DATA": 400,
    "BAD_REQUEST": 400,
    "BATCH_TOO_LARGE": 413,
    "BODY_TOO_LARGE": 413,
    "CLIENT_ORDER_ID_TAKEN": 409,
    "DATA_DAMAGED": 503,
    "DATA_NOT_AVAILABLE": 404,
    "DEPLOYMENTS_OFF": 403,
    "DEPLOYMENT_EXISTS": 409,
    "DEPLOYMENT_NOT_FOUND": 404,
    "DEPLOYMENT_NOT_RUNNING": 409,
    "DEPLOYMENT_RUNNING": 409,
    "DUPLICATE_ACCOUNT": 409,
    "EXPECTATION_NOT_FOUND": 404,
    "FORMAT_NOT_AVAILABLE": 406,
    "INSUFFICIENT_BALANCE": 400,
    "INVALID_API_KEY": 401,
    "INVALID_DEPLOYMENT": 400,
    "INVALID_RANGE": 400,
    "INVALID_RISK_PROFILE": 400,
    "INVALID_SYMBOL": 400,
    "INVALID_TOKEN": 401,
    "KEY_NOT_FOUND": 404,
    "KEY_SHOWN_ONCE": 409,
    "NO_DATA": 400,
    "ORDER_NOT_CANCELLABLE": 409,
    "ORDER_NOT_FOUND": 404,
    "ORDER_REJECTED": 400,
    "PERMISSION_DENIED": 403,
    "PRICE_NOT_AVAILABLE": 503,
    "RANGE_TOO_LARGE": 413,
    "RATE_LIMIT_EXCEEDED": 429,
    "TOO_MANY_DEPLOYMENTS": 409,
    "TRAINING_RUN_NOT_FOUND": 404,
    "VALIDATION_ERROR": 422,
}
_KEYED = (
    "INVALID_API_KEY",
    "INVALID_TOKEN",
    "PERMISSION_DENIED",
    "ACCOUNT_SUSPENDED",
    "RATE_LIMIT_EXCEEDED",
    "VALIDATION_ERROR",
)
_WITH_A_BODY = ("BAD_REQUEST", "BODY_TOO_LARGE", "VALIDATION_ERROR")


class ErrorDetail(BaseModel):
    """What is wrong: a code for programs, a sentence for people, and what it is about, where there is more to say."""

    code: str
    message: str
    details: dict[str, Any] = {}


class ErrorAnswer(BaseModel):
    """Every answer that is not what was asked for."""

    error: ErrorDetail


def errors(*codes: str) -> Responses:
    """The errors of a route, by status; see `STATUSES` for the codes."""
    found: dict[int, list[str]] = {}
    for code in codes:
        found.setdefault(STATUSES[code], []).append(code)
    return {status: {CODES_FIELD: named} for status, named in found.items()}


# of a router: its routes need a key, and answer what this makes them answer
WITH_A_KEY = errors("INVALID_TOKEN")


def answers(model: Any, *codes: str) -> Responses:
    """The same for a route whose answer is this model; it is not validated against it again at run time."""
    return {200: {"model": model}, **errors(*codes)}


class DocumentedApplication(FastAPI):
    """An application whose schema has the error envelope of each route, its limits, and its first sentence as summary."""

    limits = Limits()

    def openapi(self) -> dict[str, Any]:
        """The schema."""
        known = self.openapi_schema
        schema = super().openapi()
        if schema is not known:
            _complete(schema, self.limits)
        return schema


def _complete(schema: dict[str, Any], limits: Limits) -> None:
    models = schema.setdefault("components", {}).setdefault("schemas", {})
    error = ErrorAnswer.model_json_schema(ref_template=_SCHEMAS + "{model}")
    models.update(error.pop("$defs"), ErrorAnswer=error)
    schema["components"]["securitySchemes"] = SCHEMES
    for name in ("HTTPValidationError", "ValidationError"):
        models.pop(name, None)
    for item in schema["paths"].values():
        for operation in item.values():
            _complete_operation(operation)
            for parameter in operation.get("parameters", ()):
                paging.document(parameter, limits)


def _complete_operation(operation: dict[str, Any]) -> None:
    first = operation.get("description", "").partition(". ")[0].partition("\n")[0].rstrip(".:")
    operation["summary"] = first or operation["summary"]
    responses = operation["responses"]
    responses.pop("422", None)
    if "INVALID_TOKEN" in responses.get("401", {}).get(CODES_FIELD, ()):
        operation["security"] = [{name: []} for name in SCHEMES]
    for code in _usual(operation):
        named = responses.setdefault(str(STATUSES[code]), {}).setdefault(CODES_FIELD, [])
        if code not in named:
            named.append(code)
    for status, response in responses.items():
        if CODES_FIELD in response:
            response["description"] = ", ".join(response[CODES_FIELD])
            response["content"] = {"application/json": {"schema": {"$ref": _SCHEMAS + "ErrorAnswer"}}}
        for content in response.get("content", {}).values():
            _name_alone(content, status)
    operation["responses"] = dict(sorted(responses.items()))


def _usual(operation: dict[str, Any]) -> tuple[str, ...]:
    found: tuple[str, ...] = _KEYED if "security" in operation else ()
    if "requestBody" in operation:
        found += _WITH_A_BODY
    return (*found, "VALIDATION_ERROR") if "parameters" in operation else found


def _name_alone(content: dict[str, Any], status: str) -> None:
    # a documented model lies beside what the annotation of the function says, which is less
    reference = content.get("schema", {}).get("$ref")
    if reference and status.startswith("2"):
        content["schema"] = {"$ref": reference}
