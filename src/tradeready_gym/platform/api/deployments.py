"""`/api/v1/deployments`: trained agents at work, each in a process of its own, with virtual money."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from tradeready_gym.live.deployments import Deployment, decisions_of
from tradeready_gym.live.risk import AgentLimits
from tradeready_gym.platform.api.dependencies import PaperTrader, PlatformState, Reader
from tradeready_gym.platform.api.documentation import WITH_A_KEY, errors
from tradeready_gym.platform.api.paging import Offset, PageLimit, WholePage
from tradeready_gym.platform.api.training_bodies import RunId
from tradeready_gym.platform.api.wire import optional_exact, optional_text
from tradeready_gym.platform.beside import numbers
from tradeready_gym.platform.deployments import NAME_LENGTH, view_of
from tradeready_gym.platform.errors import NotFound

router = APIRouter(prefix="/deployments", tags=["deployments"], responses=WITH_A_KEY)
_LIMITS = tuple(AgentLimits.__dataclass_fields__)
_UNKNOWN = errors("DEPLOYMENT_NOT_FOUND", "DATA_DAMAGED")
_ASKED = errors("DEPLOYMENT_NOT_FOUND", "DEPLOYMENT_NOT_RUNNING", "DATA_DAMAGED")


class DeploymentRequest(BaseModel):
    """Which agent is to trade, and on what.

    `binance` are real prices, now; `replay` plays what the agent has not learned from, `speed` times as fast as the market, or
    as fast as it decides with null. A day (UTC) that loses `daily_loss_pct` sells everything and ends it. Orders beyond a limit are
    refused: what would make a position, or is worth, more of the equity, or is one too many in its minute; null is no limit.
    Nothing is decided by what was seen `stale_after_seconds` ago, one candle with null. Once `max_missed_candles` have closed before its
    decisions, one after the other, it sells everything and ends.
    """

    run_id: RunId
    feed: Literal["binance", "replay"] = "binance"
    speed: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] | None = 3600.0
    name: (
        Annotated[str, Field(min_length=1, max_length=NAME_LENGTH, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")] | None
    ) = None
    daily_loss_pct: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 20.0
    max_position_size_pct: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    max_order_size_pct: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    orders_per_minute: Annotated[int, Field(gt=0)] | None = None
    stale_after_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    max_missed_candles: Annotated[int, Field(gt=0)] | None = None


class DeploymentView(BaseModel):
    """An agent at work, or that was. `state` is starting, running, stopped, flat, killed, ruined, feed ended, failed, never
    started, or dead: its process ended without a word; `log` has its last lines then. `refused_by_limits` counts orders,
    `stale_candles` what passed without a decision because it came too late."""

    deployment_id: str
    run_id: str | None
    symbols: list[str]
    timeframe: str
    feed: str
    daily_loss_pct: float
    limits: dict[str, float]
    refused_by_limits: int
    stale: bool
    stale_candles: int
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
    """A page of the account's deployments, by name; `total` counts all of them.

    `damaged` names those whose files cannot be read, which are not among them: to ask for one says what to do.
    """

    deployments: list[DeploymentView]
    total: int
    damaged: list[str]


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


@router.post(
    "",
    status_code=201,
    responses=errors(
        "AGENT_BUNDLE_NOT_FOUND",
        "TRAINING_RUN_NOT_FOUND",
        "NO_DATA",
        "INVALID_DEPLOYMENT",
        "DEPLOYMENTS_OFF",
        "DEPLOYMENT_EXISTS",
        "TOO_MANY_DEPLOYMENTS",
    ),
)
def deploy_agent(body: DeploymentRequest, platform: PlatformState, caller: PaperTrader) -> DeploymentView:
    """Let the agent of a training run trade. Its process goes on if the server ends; `state` is `starting` for seconds."""
    made = platform.deployments.deploy(
        caller,
        str(body.run_id),
        feed=body.feed,
        speed=body.speed,
        name=body.name,
        daily_loss_pct=body.daily_loss_pct,
        limits={name: value for name in _LIMITS if (value := getattr(body, name)) is not None},
    )
    return _view(made)


@router.get("")
def list_deployed(platform: PlatformState, caller: Reader, limit: WholePage, offset: Offset = 0) -> DeploymentList:
    """Every deployment of the account; an agent's key is told of those that came out of that agent's runs."""
    found = platform.deployments.of(caller)
    return DeploymentList(
        deployments=[_view(one) for one in found[offset : offset + limit]],
        total=len(found),
        damaged=platform.deployments.damaged(caller),
    )


@router.get("/{deployment_id}", responses=_UNKNOWN)
def get_deployment(deployment_id: str, platform: PlatformState, caller: Reader) -> DeploymentView:
    """How a deployment is."""
    return _view(platform.deployments.find(caller, deployment_id))


@router.get("/{deployment_id}/decisions", responses=_UNKNOWN)
def list_decisions(deployment_id: str, platform: PlatformState, caller: Reader, limit: PageLimit) -> Decisions:
    """What it decided of late, what that meant, and how late it came."""
    return Decisions(decisions=decisions_of(platform.deployments.find(caller, deployment_id), limit))


@router.get(
    "/{deployment_id}/expectation", responses=errors("DEPLOYMENT_NOT_FOUND", "EXPECTATION_NOT_FOUND", "DATA_DAMAGED")
)
def get_expectation(deployment_id: str, platform: PlatformState, caller: Reader) -> BesideBacktest:
    """Whether it does what its backtest let expect. 404 EXPECTATION_NOT_FOUND before its first candle."""
    found = numbers(platform.deployments.find(caller, deployment_id))
    if found is None:
        raise NotFound(
            f"{deployment_id} has not seen a candle yet", code="EXPECTATION_NOT_FOUND", deployment_id=deployment_id
        )
    return BesideBacktest(**found)


@router.post("/{deployment_id}/stop", responses=_ASKED)
def stop_deployment(deployment_id: str, platform: PlatformState, caller: PaperTrader) -> DeploymentView:
    """End its process; its account stays as it is. A decision that still waits for its candle is taken back."""
    return _view(platform.deployments.ask(caller, deployment_id, "stop"))


@router.post("/{deployment_id}/flatten", responses=_ASKED)
def flatten_deployment(deployment_id: str, platform: PlatformState, caller: PaperTrader) -> DeploymentView:
    """Cancel its orders, sell everything, and end its process."""
    return _view(platform.deployments.ask(caller, deployment_id, "flatten"))


@router.post(
    "/{deployment_id}/resume",
    responses=errors(
        "DEPLOYMENT_NOT_FOUND", "DEPLOYMENT_RUNNING", "DEPLOYMENTS_OFF", "TOO_MANY_DEPLOYMENTS", "DATA_DAMAGED"
    ),
)
def resume_deployment(deployment_id: str, platform: PlatformState, caller: PaperTrader) -> DeploymentView:
    """Go on where its journal ends, in another process."""
    return _view(platform.deployments.resume(caller, deployment_id))


@router.delete(
    "/{deployment_id}", status_code=204, responses=errors("DEPLOYMENT_NOT_FOUND", "DEPLOYMENT_RUNNING", "DATA_DAMAGED")
)
def remove_deployment(deployment_id: str, platform: PlatformState, caller: PaperTrader) -> None:
    """Throw it away with its account and its log, unless it is at work; its name is free again."""
    platform.deployments.remove(caller, deployment_id)


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
        limits=dict(found.limits),
        refused_by_limits=status.get("refused_by_limits", 0),
        stale=status.get("stale", False),
        stale_candles=status.get("stale_candles", 0),
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
