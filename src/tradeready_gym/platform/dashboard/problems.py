"""What a person sees where a program gets an error: addresses that lead nowhere, and failures."""

from fastapi import Request
from starlette.responses import Response

from tradeready_gym.platform.dashboard.pages import render

_PROGRAMS = ("/api/", "/dashboard/", "/assets/", "/ws/", "/events", "/openapi.json", "/metrics", "/health")
_WORDS = {
    404: ("Not found", "There is no page at this address."),
    500: ("It failed", "The server failed at this page; its log says why. What was recorded is still there."),
}


def page(request: Request, status: int) -> Response | None:
    """The error's page for a browser that asked for one, else None."""
    wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if status not in _WORDS or not wants_page or request.url.path.startswith(_PROGRAMS):
        return None
    title, problem = _WORDS[status]
    return render(request, "error.html", status, title=title, problem=problem)
