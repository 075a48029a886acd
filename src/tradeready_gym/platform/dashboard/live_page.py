"""`/live`: the agents at work on this machine, and the log of what each decided."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from tradeready_gym.errors import TradeReadyError
from tradeready_gym.live import Deployment, list_deployments
from tradeready_gym.live.deployments import decisions_of
from tradeready_gym.platform.api.dependencies import Admin
from tradeready_gym.platform.dashboard.pages import PageRoute, render, wants_part
from tradeready_gym.platform.errors import Conflict, NotFound

router = APIRouter(include_in_schema=False, route_class=PageRoute)
SHOWN = 240


@router.get("/live")
def live(request: Request, caller: Admin) -> Response:
    """Every deployment. They are this machine's, not an account's: an admin's key is needed."""
    found = [_view(deployment) for deployment in list_deployments()]
    return render(request, "parts/deployments.html" if wants_part(request) else "deployments.html", deployments=found)


@router.get("/live/{name}")
def deployment(request: Request, caller: Admin, name: str) -> Response:
    """One deployment: how it is, its equity of late, and its decisions."""
    found = _find(name)
    decisions = decisions_of(found, SHOWN)
    template = "parts/deployment.html" if wants_part(request) else "deployment.html"
    curve = [decision["equity"] for decision in decisions]
    return render(request, template, one=_view(found), decisions=decisions[::-1], points=_points(curve), curve=curve)


@router.post("/live/{name}/ask")
def ask(caller: Admin, name: str, order: Annotated[str, Form(max_length=20)]) -> Response:
    """Ask its process to stop, or to sell everything and stop."""
    try:
        _find(name).ask(order)
    except TradeReadyError as error:
        raise Conflict(str(error)) from error
    return RedirectResponse(f"/live/{name}", 303)


def _find(name: str) -> Deployment:
    for found in list_deployments():
        if found.name == name:
            return found
    raise NotFound(f"There is no deployment {name}.")


def _view(found: Deployment) -> dict[str, Any]:
    status = found.status
    gone = status["state"] == "running" and not status["alive"]
    state = "failed" if gone else status["state"]
    return {"card": found, "status": status, "state": state, "gone": gone, "alive": status["alive"]}


def _points(values: list[float]) -> str:
    """The polyline of a curve in a box of 1000 by 200."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    height = (high - low) or 1.0
    step = 1000.0 / (len(values) - 1)
    return " ".join(f"{k * step:.1f},{195.0 - 190.0 * (value - low) / height:.1f}" for k, value in enumerate(values))
