"""`/api/v1/account`: a paper account as a whole. The key's agent, or `X-Agent-Id`, says which account."""

import json
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import func, select, update

from tradeready_gym.platform import clock
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.api.agents import RiskProfile
from tradeready_gym.platform.api.backtest_bodies import Label, Money
from tradeready_gym.platform.api.dependencies import PaperTrader, PlatformState, Reader, Writer
from tradeready_gym.platform.api.documentation import WITH_A_KEY, answers, errors
from tradeready_gym.platform.api.paper_bodies import (
    PAPER,
    AccountInfo,
    PaperBalances,
    PaperPortfolio,
    PaperPositions,
    ProfitAndLoss,
    ResetDone,
)
from tradeready_gym.platform.api.wire import decimal_text
from tradeready_gym.platform.database.tables import accounts, agents, backtests, rows_of
from tradeready_gym.platform.errors import Invalid
from tradeready_gym.platform.state import Platform

router = APIRouter(prefix="/account", tags=["paper account"], responses=WITH_A_KEY)

_DAY = 86_400_000_000
_PERIODS = {"1d": 1, "7d": 7, "30d": 30, "all": None}
View = dict[str, Any]


class ResetRequest(BaseModel):
    """`confirm` must be true: positions and orders are gone afterwards."""

    confirm: bool
    new_starting_balance: Annotated[Money, Field(gt=0, le=Decimal("1e15"))] | None = None


class ModeRequest(BaseModel):
    """What the account does from now on."""

    mode: Literal["live", "backtest"]
    strategy_label: Label | None = None


class Mode(BaseModel):
    """What the account does, and its backtests."""

    mode: Literal["live", "backtest"]
    active_strategy_label: str | None
    active_backtests: int
    total_backtests_completed: int


@router.get("/info", responses=answers(AccountInfo, *PAPER))
def info(platform: PlatformState, caller: Reader) -> View:
    """The account and its session. The key itself is not shown: nobody keeps it."""
    from tradeready_gym.platform.paper import views

    with platform.database.read() as connection:
        owner = connection.execute(select(accounts).where(accounts.c.id == caller.account_id)).one()

    def view(ledger: Any) -> View:
        number = len(ledger.sessions)
        return {
            "status": "suspended" if ledger.killed_at is not None else "active",
            "starting_balance": decimal_text(ledger.exchange.starting_balance),
            "current_session": {
                "session_id": f"{ledger.name}-{number}",
                "started_at": clock.iso(ledger.started_at),
            },
            "risk_profile": _profile(ledger.limits).model_dump(),
            "symbols": list(ledger.symbols),
            "killed_at": clock.iso(ledger.killed_at),
            "terms": views.terms_view(ledger),
        }

    account = platform.paper.of(caller).look(view)
    return {
        "account_id": caller.account_id,
        "agent_id": caller.agent_id,
        "api_key": None,
        "display_name": owner.display_name,
        **account,
        "created_at": clock.iso(owner.created_at),
    }


@router.get("/balance", responses=answers(PaperBalances, *PAPER))
def balance(platform: PlatformState, caller: Reader) -> View:
    """What is there of each asset."""
    from tradeready_gym.platform.paper import views

    return platform.paper.of(caller).look(
        lambda ledger: {
            "balances": views.balances_view(ledger),
            "total_equity_usdt": decimal_text(float(ledger.account.equity)),
        }
    )


@router.get("/positions", responses=answers(PaperPositions, *PAPER))
def positions(platform: PlatformState, caller: Reader) -> View:
    """What is held."""
    from tradeready_gym.platform.paper import views

    return platform.paper.of(caller).look(
        lambda ledger: {
            "positions": views.positions_view(ledger),
            "total_unrealized_pnl": decimal_text(float(ledger.account.unrealized_pnl)),
        }
    )


@router.get("/portfolio", responses=errors(*PAPER))
def portfolio(platform: PlatformState, caller: Reader) -> PaperPortfolio:
    """The account at the newest closes."""
    from tradeready_gym.platform.paper import views

    return PaperPortfolio(**platform.paper.of(caller).look(views.portfolio_view))


@router.get("/pnl", responses=answers(ProfitAndLoss, *PAPER))
def pnl(platform: PlatformState, caller: Reader, period: Literal["1d", "7d", "30d", "all"] = "1d") -> View:
    """What was earned in a period that ends now; `net_pnl` is after fees."""
    from tradeready_gym.platform.paper import views

    days = _PERIODS[period]
    return platform.paper.of(caller).look(
        lambda ledger: views.pnl_view(ledger, period, 0 if days is None else ledger.clock - days * _DAY)
    )


@router.put("/risk-profile", responses=errors(*PAPER))
def set_risk_profile(body: RiskProfile, platform: PlatformState, caller: PaperTrader) -> RiskProfile:
    """Trade under these limits from now on."""
    from tradeready_gym.live.risk import RiskLimits

    account = platform.paper.of(caller)
    account.set_limits(RiskLimits.from_plain(account.look(lambda ledger: ledger.limits.to_plain()) | body.model_dump()))
    if caller.agent_id is not None:
        with platform.database.write() as connection:
            mine = (agents.c.id == caller.agent_id) & (agents.c.account_id == caller.account_id)
            connection.execute(update(agents).where(mine).values(risk_profile=json.dumps(body.model_dump())))
    return body


@router.post("/reset", responses=answers(ResetDone, *PAPER))
def reset(body: ResetRequest, platform: PlatformState, caller: PaperTrader) -> View:
    """Begin anew: no position, no order, no history; also after the kill switch."""
    if not body.confirm:
        raise Invalid("confirm must be true: positions and orders are gone afterwards", field="confirm")
    account = platform.paper.of(caller)
    chosen = None if body.new_starting_balance is None else float(body.new_starting_balance)
    ended = account.reset(chosen)
    begun = account.look(lambda ledger: (len(ledger.sessions), ledger.exchange.starting_balance, ledger.started_at))
    return {
        "message": "the paper account has begun anew",
        "previous_session": {
            "session_id": f"{account.name}-{ended.number}",
            "ending_equity": decimal_text(ended.ending_equity),
            "total_pnl": decimal_text(ended.ending_equity - ended.starting_balance),
            "duration_days": round((ended.ended_at - ended.started_at) / _DAY, 4),
        },
        "new_session": {
            "session_id": f"{account.name}-{begun[0]}",
            "starting_balance": decimal_text(begun[1]),
            "started_at": clock.iso(begun[2]),
        },
    }


@router.get("/mode")
def mode(platform: PlatformState, caller: Reader) -> Mode:
    """What the account does: as it last said, else backtest while one is running; and how many backtests there are."""
    return _mode(platform, caller)


@router.post("/mode")
def set_mode(body: ModeRequest, platform: PlatformState, caller: Writer) -> Mode:
    """Say what the account does now, and under which label. Nothing else depends on it."""
    with platform.database.write() as connection:
        mine = accounts.c.id == caller.account_id
        connection.execute(update(accounts).where(mine).values(mode=body.mode, mode_label=body.strategy_label))
    return _mode(platform, caller)


def _mode(platform: Platform, caller: Principal) -> Mode:
    mine = rows_of(backtests, caller.account_id, caller.key_agent_id)
    with platform.database.read() as connection:
        said = connection.execute(
            select(accounts.c.mode, accounts.c.mode_label).where(accounts.c.id == caller.account_id)
        ).one()
        running = connection.execute(
            select(backtests.c.strategy_label)
            .where(mine, backtests.c.status == "running")
            .order_by(backtests.c.created_at.desc())
        ).all()
        completed = connection.scalar(
            select(func.count()).select_from(backtests).where(mine, backtests.c.status == "completed")
        )
    return Mode(
        mode=said.mode or ("backtest" if running else "live"),
        active_strategy_label=said.mode_label or (running[0].strategy_label if running else None),
        active_backtests=len(running),
        total_backtests_completed=completed or 0,
    )


def _profile(limits: Any) -> RiskProfile:
    return RiskProfile(
        max_position_size_pct=limits.max_position_size_pct,
        daily_loss_limit_pct=limits.daily_loss_limit_pct,
        max_open_orders=limits.max_open_orders,
    )
