"""`/docs`: the routes of the REST API, from its own schema; nothing is loaded from anywhere else."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from tradeready_gym.platform.api.documentation import CODES_FIELD
from tradeready_gym.platform.dashboard.pages import render

router = APIRouter(include_in_schema=False)
_METHODS = ("get", "post", "put", "patch", "delete")


@router.get("/docs")
def docs(request: Request) -> Response:
    """Every documented route, by group. No key is needed to read it."""
    schema = request.app.openapi()
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, item in schema["paths"].items():
        for method in _METHODS:
            if method in item:
                groups.setdefault(item[method].get("tags", ["other"])[0], []).append(
                    _route(path, method, item[method], schema)
                )
    return render(request, "docs.html", groups=groups, version=schema["info"]["version"])


@router.get("/redoc")
def redoc() -> Response:
    """The documented API has the same page under this address, too."""
    return RedirectResponse("/docs", 307)


def _route(path: str, method: str, operation: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    answers = {code: answer for code, answer in operation["responses"].items() if code.startswith("2")}
    parameters = [_field(p["name"], p["schema"], p.get("required", False)) for p in operation.get("parameters", ())]
    return {
        "path": path,
        "method": method.upper(),
        "summary": operation.get("description") or operation.get("summary", ""),
        "anchor": f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}",
        "parameters": parameters,
        "body": _fields(body, schema),
        "code": next(iter(answers), "200"),
        "answer": _fields(_answer(answers), schema),
        "keyed": "security" in operation,
        "refusals": [
            (code, answer[CODES_FIELD]) for code, answer in operation["responses"].items() if CODES_FIELD in answer
        ],
    }


def _answer(answers: dict[str, Any]) -> dict[str, Any]:
    for answer in answers.values():
        found: dict[str, Any] = answer.get("content", {}).get("application/json", {}).get("schema", {})
        return found
    return {}


def _fields(part: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, str]]:
    reference = part.get("$ref") or part.get("items", {}).get("$ref")
    if not reference:
        return []
    model = schema["components"]["schemas"][reference.rsplit("/", 1)[-1]]
    needed = model.get("required", ())
    return [_field(name, field, name in needed) for name, field in model.get("properties", {}).items()]


def _field(name: str, field: dict[str, Any], needed: bool) -> dict[str, str]:
    kinds = [_kind(option) for option in field.get("anyOf", (field,))]
    return {"name": name, "kind": " or ".join(dict.fromkeys(kinds)), "needed": "yes" if needed else ""}


def _kind(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"].rsplit("/", 1)[-1])
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    if field.get("type") == "array":
        return f"list of {_kind(field.get('items', {}))}"
    most = f", at most {field['maximum']:,}" if field.get("type") == "integer" and "maximum" in field else ""
    return str(field.get("const") or field.get("type", "any")) + most
