"""A page: its template, and what a person sees where a program would get an error."""

from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from tradeready_gym.platform import clock
from tradeready_gym.platform.dashboard import assets, terms, words
from tradeready_gym.platform.errors import PlatformError, Unauthorised

_TEMPLATES = Path(__file__).parent / "templates"
_FILTERS = (
    "number",
    "percent",
    "amount",
    "exact",
    "brief",
    "coded",
    "count",
    "currency",
    "tone",
    "duration",
    "day",
    "moment",
    "interval",
    "spark",
    "moved",
)


def render(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The page of a template. Everything in it is escaped; nothing is kept by the browser."""
    text = _environment().get_template(name).render(path=request.url.path, now=clock.now(), **values)
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store", "Vary": "Cookie, X-Part"})


def prepare() -> None:
    """Compile every template, which otherwise happens when its page is first asked for."""
    environment = _environment()
    for name in environment.list_templates():
        environment.get_template(name)


def wants_part(request: Request) -> str:
    """The part of the page that a script asks for again, empty for the whole page."""
    return request.headers.get("x-part", "")


class PageRoute(APIRoute):
    """A route whose caller is a person: who is not logged in is sent to the login, errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler around the route's own."""
        handler = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handler(request)
            except Unauthorised:
                return _to_login(request)
            except PlatformError as error:
                return render(
                    request, "error.html", error.status, title=_TITLES.get(error.status, "Not done"), problem=error
                )
            except RequestValidationError:
                return render(
                    request,
                    "error.html",
                    422,
                    title="Not understood",
                    problem="The address has a part that this page does not know.",
                )

        return shown


_TITLES = {403: "Not allowed", 404: "Not found", 409: "Not now", 429: "Too many requests"}


def _to_login(request: Request) -> Response:
    if wants_part(request):
        return Response(status_code=401)
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    known = "" if target in {"/", "/training"} else f"?next={quote(target, safe='')}"
    return RedirectResponse(f"/login{known}", 303)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # a server whose package is upgraded under it keeps the templates of its own version
    )
    environment.filters |= {name: getattr(words, name) for name in _FILTERS}
    environment.filters["iso"] = clock.iso
    environment.filters["meaning"] = terms.meaning
    environment.globals |= {"terms": terms.TERMS, "assets": assets.address(), "query": _query}
    return environment


def _query(values: dict[str, Any], **changed: Any) -> str:
    return "?" + urlencode({name: value for name, value in (values | changed).items() if value not in {None, ""}})
