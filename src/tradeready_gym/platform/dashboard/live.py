"""`/live`: the account's agents at work, the log of what each decided, and the buttons that start and stop them."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from tradeready_gym.live.deployments import Deployment, decisions_of
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.api.dependencies import PaperTrader, PlatformState, Reader
from tradeready_gym.platform.dashboard.fan import picture
from tradeready_gym.platform.dashboard.pages import PageRoute, render, wants_part
from tradeready_gym.platform.deployments import FEEDS, NAME_LENGTH, run_id_of, view_of
from tradeready_gym.platform.errors import BadRequest, Conflict, Unavailable
from tradeready_gym.platform.state import Platform

OptionalNumber = Annotated[float | None, Form(gt=0, allow_inf_nan=False)]
router = APIRouter(include_in_schema=False, route_class=PageRoute)
SHOWN = 240
_PARTS = {
    "": "deployment.html",
    "controls": "parts/deployment_controls.html",
    "decisions": "parts/decisions.html",
}


@router.get("/live")
def live(request: Request, platform: PlatformState, caller: Reader) -> Response:
    """Every deployment of the account."""
    found = [view_of(deployment) for deployment in platform.deployments.of(caller)]
    name = "parts/deployments.html" if wants_part(request) else "deployments.html"
    return render(request, name, deployments=found, damaged=platform.deployments.damaged(caller))


@router.get("/live/{name}")
def deployment(request: Request, platform: PlatformState, caller: Reader, name: str) -> Response:
    """One deployment: how it is, its equity, and its decisions."""
    found = platform.deployments.find(caller, name)
    decisions = decisions_of(found, SHOWN)
    curve = [decision["equity"] for decision in decisions]
    return render(
        request,
        _PARTS.get(wants_part(request), "parts/deployment.html"),
        one=view_of(found),
        decisions=decisions[::-1],
        **_beside(found),
        points=_points(curve),
        curve=curve,
        may=_may_act(caller),
        may_start=_may_act(caller) and platform.deployments.allowed,
    )


@router.post("/live/{name}/ask")
def ask(
    platform: PlatformState, caller: PaperTrader, name: str, order: Annotated[str, Form(max_length=20)]
) -> Response:
    """Ask its process to stop, or to sell everything and stop; start another one that goes on; or throw it all away."""
    if order == "remove":
        platform.deployments.remove(caller, name)
        return RedirectResponse("/live", 303)
    if order == "resume":
        platform.deployments.resume(caller, name)
    elif order in {"stop", "flatten"}:
        platform.deployments.ask(caller, name, order)
    else:
        raise Conflict(f"a deployment can be asked to stop, flatten, resume or remove; got {order!r}")
    return RedirectResponse(f"/live/{name}", 303)


@router.post("/training/{run_id}/deploy")
def deploy(
    run_id: str,
    platform: PlatformState,
    caller: PaperTrader,
    feed: Annotated[str, Form(max_length=20)],
    name: Annotated[str, Form(max_length=NAME_LENGTH)] = "",
    speed: Annotated[str, Form(max_length=20)] = "",
    daily_loss_pct: Annotated[float, Form(gt=0, le=100)] = 20.0,
    max_position_size_pct: OptionalNumber = None,
    max_order_size_pct: OptionalNumber = None,
    orders_per_minute: Annotated[int | None, Form(gt=0)] = None,
    stale_after_seconds: OptionalNumber = None,
    max_missed_candles: Annotated[int | None, Form(gt=0)] = None,
) -> Response:
    """Let the agent of a run trade, and show it; a limit that is left empty is none."""
    if feed not in FEEDS:
        raise BadRequest(f"a feed is one of {', '.join(FEEDS)}; got {feed!r}")
    limits = {
        "max_position_size_pct": max_position_size_pct,
        "max_order_size_pct": max_order_size_pct,
        "orders_per_minute": orders_per_minute,
        "stale_after_seconds": stale_after_seconds,
        "max_missed_candles": max_missed_candles,
    }
    made = platform.deployments.deploy(
        caller,
        run_id_of(run_id),
        feed=feed,
        speed=_speed(speed),
        name=name.strip() or None,
        daily_loss_pct=daily_loss_pct,
        limits={name: float(value) for name, value in limits.items() if value is not None},
    )
    return RedirectResponse(f"/live/{made.name}", 303)


def offer(platform: Platform, caller: Principal, run_id: str) -> dict[str, object]:
    """What a run's page says about deploying its agent: the agent, a free name, and who is at work already."""
    agent = platform.deployments.agent_of(caller, run_id)
    mine = platform.deployments.of(caller) if agent is not None else []
    return {
        "agent": agent,
        "deployed": [view_of(found) for found in mine if found.training_run == run_id],
        "free_name": platform.deployments.free_name(agent.label) if agent is not None else "",
        "may_deploy": _may_act(caller) and platform.deployments.allowed,
    }


def _beside(found: Deployment) -> dict[str, Any]:
    try:
        return {"fan": picture(found), "damaged": ""}
    except Unavailable as error:
        return {"fan": None, "damaged": str(error)}


def _may_act(caller: Principal) -> bool:
    return caller.agent_id is None and not caller.scopes.isdisjoint({"paper", "admin"})


def _speed(text: str) -> float | None:
    try:
        speed = float(text) if text else None
    except ValueError as error:
        raise BadRequest(f"a speed is a number; got {text!r}") from error
    if speed is not None and not 0.0 < speed <= 1e6:
        raise BadRequest(f"a speed is positive and at most 1,000,000; got {text}")
    return speed


def _points(values: list[float]) -> str:
    """The polyline of a curve in a box of 1000 by 200."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    height = (high - low) or 1.0
    step = 1000.0 / (len(values) - 1)
    return " ".join(f"{k * step:.1f},{195.0 - 190.0 * (value - low) / height:.1f}" for k, value in enumerate(values))
