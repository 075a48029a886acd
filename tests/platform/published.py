"""The published schema as a judge: every answer of a documented route is what `/openapi.json` says of it, and no more."""

import copy
import functools
import re
import tempfile
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs

from tradeready_gym.platform import Settings
from tradeready_gym.platform.api.documentation import CODES_FIELD
from tradeready_gym.platform.app import create_app

JSON = "application/json"
Schema = dict[str, Any]


class Published:
    """A schema that is read strictly: what it does not name may not be there."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._components = _closed(copy.deepcopy(schema["components"]))
        self._validators: dict[str, Any] = {}
        # what has no parameters is asked first: /runs/export is not a run
        paths = sorted(schema["paths"], key=lambda path: (path.count("{"), path))
        self._paths = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in paths]

    def problem(self, method: str, path: str, status: int, media: str, body: Any) -> str | None:
        """What is wrong with an answer; None if nothing is, or the route is not a documented one."""
        operation = self._operation(method, path)
        if operation is None:
            return None
        told = f"{method} {path} answered {status}"
        answer = operation["responses"].get(str(status))
        if answer is None:
            return f"{told}, which is not documented: {sorted(operation['responses'])}"
        if status >= 400 and CODES_FIELD in answer and body["error"]["code"] not in answer[CODES_FIELD]:
            return f"{told} {body['error']['code']}, documented are {answer[CODES_FIELD]}"
        content = answer.get("content", {})
        if not content:
            return None if status == 204 else f"{told} without a documented body"
        media = media.partition(";")[0]
        if media not in content:
            return f"{told} as {media}, documented are {sorted(content)}"
        error = next(self._validator(content[media]["schema"]).iter_errors(body), None) if media == JSON else None
        where = "" if error is None else "/".join(map(str, error.instance_path)) or "the top"
        return None if error is None else f"{told}: {error.message} at {where}"

    def _validator(self, schema: Schema) -> Any:
        key = repr(schema)
        if key not in self._validators:
            whole = {**_closed(copy.deepcopy(schema)), "components": self._components}
            self._validators[key] = jsonschema_rs.validator_for(whole)
        return self._validators[key]

    def _operation(self, method: str, path: str) -> Schema | None:
        for pattern, name in self._paths:
            found: Schema | None = self.schema["paths"][name].get(method.lower())
            if found is not None and pattern.fullmatch(path):
                return found
        return None


@functools.cache
def published() -> Published:
    """What this version publishes."""
    return Published(create_app(Settings(home=Path(tempfile.mkdtemp()))).openapi())


def require_published(response: httpx2.Response) -> None:
    """Fail if an answer is not what is published: a hook for every client of the tests."""
    media = response.headers.get("content-type", "")
    body = None
    if media.startswith(JSON):
        response.read()
        body = response.json() if response.content else None
    problem = published().problem(response.request.method, response.request.url.path, response.status_code, media, body)
    if problem is not None:
        raise AssertionError(problem)


def _closed(part: Any) -> Any:
    if isinstance(part, list):
        return [_closed(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    if "properties" in part and part.get("type") == "object":
        part.setdefault("additionalProperties", False)
    return {name: _closed(inner) for name, inner in part.items()}
