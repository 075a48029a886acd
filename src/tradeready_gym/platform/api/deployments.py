"""`/api/v1/deployments`: trained agents at work, each in a process of its own, with virtual money."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tradeready_gym.live.deployments import Deployment, decisions_of
from tradeready_gym.platform.api.dependencies import PaperTrader, PlatformState, Reader
from tradeready_gym.platform.api.training_bodies import RunId
from tradeready_gym.platform.api.wire import optional_exact, optional_text
from tradeready_gym.platform.beside import numbers
from tradeready_gym.platform.deployments import NAME_LENGTH, view_of
from tradeready_gym.platform.errors import NotFound

router = APIRouter(prefix="/deployments", tags=["deployments"])
Limit = Annotated[int, Query(ge=1, le=500)]


class DeploymentRequest(BaseModel):
    """Which agent is to trade, and on what.

    `binance` are real prices, now; `replay` plays what the agent has not learned from, `speed` times as fast as the market, or
    as fast as it decides with null. A day (UTC) that loses `daily_loss_pct` sells everything and ends it.
    """

    run_id: RunId
    feed: Literal["binance", "replay"] = "binance"
    speed: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] | None = 3600.0
    name: (
        Annotated[str, Field(min_length=1, max_length=NAME_LENGTH, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")] | None
    ) = None
    daily_loss_pct: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 20.0


class DeploymentView(BaseModel):
    """An agent at work, or that was. `state` is starting, running, stopped, flat, killed, ruined, feed ended, failed, never
    started, or dead: its process ended without a word; `log` has its last lines then."""

    deployment_id: str
    run_id: str | None
    symbols: list[str]
    timeframe: str
    feed: str
    daily_loss_pct: float
    state: str
    alive: bool
    virtual_time: str | None
    step: int | None
    equity: str | None
    roi_pct: str | None
    cash: str | None
    positions: dict[str, str]
    open_orders: int | None
    problem: str | None
    log: str


class DeploymentList(BaseModel):
    """The account's deployments, by name."""

    deployments: list[DeploymentView]
    total: int


class BesideBacktest(BaseModel):
    """An agent's equity beside what its own backtest lets expect.

    `side` is inside, below or above the band of 90 %, beyond its horizon, or unknown, `since` when. `expected` has a row for each
    of `quantiles`; its columns, like `equity`, are so many `candles` after `begin`.
    """

    basis: str
    in_sample: bool
    side: str
    since: str | None
    sentence: str
    begin: str
    candles: list[int]
    equity: list[float]
    quantiles: list[float]
    expected: list[list[float | None]]


class Decisions(BaseModel):
    """The newest decisions, oldest first, as its log has them."""

    decisions: list[dict[str, Any]]


@router.post("", status_code=201)
def deploy_agent(body: DeploymentRequest, platform: PlatformState, caller: PaperTrader) -> DeploymentView:
    """Let the agent of a training run trade. Its process goes on if the server ends; `state` is `starting` for seconds."""
    made = platform.deployments.deploy(
        caller,
        str(body.run_id),
        feed=body.feed,
        speed=body.speed,
        name=body.name,
        daily_loss_pct=body.daily_loss_pct,
    )
    return _view(made)


@router.get("")
def list_deployed(platform: PlatformState, caller: Reader) -> DeploymentList:
    """Every deployment of the account."""
    found = [_view(one) for one in platform.deployments.of(caller)]
    return DeploymentList(deployments=found, total=len(found))


@router.get("/{deployment_id}")
def get_deployment(deployment_id: str, platform: PlatformState, caller: Reader) -> DeploymentView:
    """How a deployment is."""
    return _view(platform.deployments.find(caller, deployment_id))


@router.get("/{deployment_id}/decisions")
def list_decisions(deployment_id: str, platform: PlatformState, caller: Reader, limit: Limit = 100) -> Decisions:
    """What it decided of late, what that meant, and how late it came."""
    return Decisions(decisions=decisions_of(platform.deployments.find(caller, deployment_id), limit))


@router.get("/{deployment_id}/expectation")
def get_expectation(deployment_id: str, platform: PlatformState, caller: Reader) -> BesideBacktest:
    """Whether it does what its backtest let expect. 404 EXPECTATION_NOT_FOUND before its first candle."""
    found = numbers(platform.deployments.find(caller, deployment_id))
    if found is None:
        raise NotFound(
            f"{deployment_id} has not seen a candle yet", code="EXPECTATION_NOT_FOUND", deployment_id=deployment_id
        )
    return BesideBacktest(**found)


@router.post("/{deployment_id}/stop")
def stop_deployment(deployment_id: str, platform: PlatformState, caller: PaperTrader) -> DeploymentView:
    """End its process after the candle that is running; its account stays as it is."""
    return _view(platform.deployments.ask(caller, deployment_id, "stop"))


@router.post("/{deployment_id}/flatten")
def flatten_deployment(deployment_id: str, platform: PlatformState, caller: PaperTrader) -> DeploymentView:
    """Cancel its orders, sell everything, and end its process."""
    return _view(platform.deployments.ask(caller, deployment_id, "flatten"))


@router.post("/{deployment_id}/resume")
def resume_deployment(deployment_id: str, platform: PlatformState, caller: PaperTrader) -> DeploymentView:
    """Go on where its journal ends, in another process."""
    return _view(platform.deployments.resume(caller, deployment_id))


def _view(found: Deployment) -> DeploymentView:
    view = view_of(found)
    status = view["status"]
    return DeploymentView(
        deployment_id=found.name,
        run_id=found.training_run,
        symbols=list(found.symbols),
        timeframe=found.timeframe,
        feed=found.feed,
        daily_loss_pct=found.daily_loss_pct,
        state=view["state"],
        alive=view["alive"],
        virtual_time=status.get("virtual_time"),
        step=status.get("step"),
        equity=optional_text(status.get("equity")),
        roi_pct=optional_text(status.get("roi_pct")),
        cash=optional_text(status.get("cash")),
        positions={symbol: optional_exact(held) or "0" for symbol, held in status.get("positions", {}).items()},
        open_orders=status.get("open_orders"),
        problem=status.get("problem"),
        log=view["log"],
    )
