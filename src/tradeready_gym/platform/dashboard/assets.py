"""Style sheets, scripts and their one address, which changes with their content."""

import hashlib
from functools import cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
_FOREVER = "public, max-age=31536000, immutable"


@cache
def address() -> str:
    """Where the assets are: `/assets/` and a digest of all of them, so that a browser may keep them for good."""
    found = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            found.update(path.relative_to(STATIC).as_posix().encode() + b"\0" + path.read_bytes())
    return f"/assets/{found.hexdigest()[:16]}"


class Assets(StaticFiles):
    """The files of `static`, to be kept by whoever asks."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with the file, or 404."""
        response = await super().get_response(path, scope)
        if response.status_code < 400:
            response.headers["cache-control"] = _FOREVER
        return response
