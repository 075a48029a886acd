"""`/api/v1/agents`: an account's agents, each with a key of its own."""

import contextlib
import json
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection, Row, delete, func, select, update

from tradeready_gym.platform import accounts, clock
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.api.dependencies import PlatformState, Reader, Writer
from tradeready_gym.platform.api.documentation import WITH_A_KEY, Responses, errors
from tradeready_gym.platform.api.paging import Offset, PageLimit, WholePage
from tradeready_gym.platform.api.skill import skill_of
from tradeready_gym.platform.api.wire import decimal_text
from tradeready_gym.platform.database.tables import agents, api_keys, logins
from tradeready_gym.platform.errors import Conflict, Forbidden, Unavailable
from tradeready_gym.platform.state import Platform

router = APIRouter(prefix="/agents", tags=["agents"], responses=WITH_A_KEY)
AGENT_SCOPES = ("read", "write", "paper")
_MARKDOWN: Responses = {200: {"description": "a text", "content": {"text/markdown": {"schema": {"type": "string"}}}}}
SHOWN_ONCE = "Keep this key: it is shown only once."

# a database may refuse a NUL
_TEXT = r"^[^\x00]*$"
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=_TEXT)]
Text = Annotated[str, Field(max_length=100, pattern=_TEXT)]
Color = Annotated[str, Field(max_length=7, pattern=_TEXT)]
Address = Annotated[str, Field(max_length=500, pattern=_TEXT)]
Tags = Annotated[list[Annotated[str, Field(max_length=50, pattern=_TEXT)]], Field(max_length=50)]
Nothing = Annotated[dict[str, Any], Field(max_length=0)]


class RiskProfile(BaseModel):
    """Limits of a paper account."""

    max_position_size_pct: Annotated[float, Field(ge=1, le=100)] = 25
    daily_loss_limit_pct: Annotated[float, Field(ge=1, le=100)] = 20
    max_open_orders: Annotated[int, Field(ge=1, le=10_000)] = 50


class AgentRequest(BaseModel):
    """A new agent."""

    display_name: Name
    starting_balance: Annotated[Decimal, Field(gt=0, le=Decimal("1e15"), allow_inf_nan=False)] = Decimal("10000.00")
    llm_model: Text | None = None
    framework: Text | None = None
    strategy_tags: Tags = []
    risk_profile: RiskProfile | Nothing = {}
    color: Color | None = None


class AgentChange(BaseModel):
    """What is to be changed; the rest stays."""

    display_name: Name | None = None
    llm_model: Text | None = None
    framework: Text | None = None
    strategy_tags: Tags | None = None
    risk_profile: RiskProfile | None = None
    color: Color | None = None
    avatar_url: Address | None = None


class AgentView(BaseModel):
    """An agent."""

    id: str
    account_id: str
    display_name: str
    api_key_preview: str
    starting_balance: str
    llm_model: str | None
    framework: str | None
    strategy_tags: list[str]
    risk_profile: dict[str, Any]
    avatar_url: str | None
    color: str | None
    status: str
    created_at: str
    updated_at: str


class AgentList(BaseModel):
    """Agents, newest first; `total` counts all of them."""

    agents: list[AgentView]
    total: int


class NewAgent(BaseModel):
    """An agent's key, shown this once."""

    agent_id: str
    api_key: str
    display_name: str
    starting_balance: str
    message: str = SHOWN_ONCE


class NewAgentKey(BaseModel):
    """An agent's new key, shown this once."""

    agent_id: str
    api_key: str
    message: str = SHOWN_ONCE


@router.post("", status_code=201)
def make_agent(body: AgentRequest, platform: PlatformState, caller: Writer) -> NewAgent:
    """Make an agent with a key of its own; an agent's key cannot."""
    caller.require_agent(None)
    fields = body.model_dump() | {"starting_balance": decimal_text(body.starting_balance)}
    return _add(platform, caller, fields)


@router.get("")
def list_agents(
    platform: PlatformState,
    caller: Reader,
    limit: PageLimit,
    include_archived: bool = False,
    offset: Offset = 0,
) -> AgentList:
    """The account's agents; an agent's key is told of that agent."""
    mine = agents.c.account_id == caller.account_id
    if caller.key_agent_id is not None:
        mine &= agents.c.id == caller.key_agent_id
    if not include_archived:
        mine &= agents.c.status == "active"
    with platform.database.read() as connection:
        total = connection.scalar(select(func.count()).select_from(agents).where(mine)) or 0
        query = select(agents).where(mine).order_by(agents.c.created_at.desc(), agents.c.id)
        rows = connection.execute(query.limit(limit).offset(offset)).all()
        return AgentList(agents=[_view(connection, row) for row in rows], total=total)


@router.get("/overview")
def overview(platform: PlatformState, caller: Reader, limit: WholePage, offset: Offset = 0) -> AgentList:
    """All active agents."""
    return list_agents(platform, caller, limit, offset=offset)


@router.get("/{agent_id}", responses=errors("AGENT_NOT_FOUND"))
def get_agent(agent_id: str, platform: PlatformState, caller: Reader) -> AgentView:
    """One agent."""
    with platform.database.read() as connection:
        return _view(connection, accounts.find_agent(connection, caller.account_id, agent_id))


@router.put("/{agent_id}", responses=errors("AGENT_NOT_FOUND"))
def change_agent(agent_id: str, body: AgentChange, platform: PlatformState, caller: Writer) -> AgentView:
    """Change what is given."""
    caller.require_agent(agent_id)
    values: dict[str, Any] = body.model_dump(exclude_unset=True, exclude_none=True)
    for name in ("strategy_tags", "risk_profile"):
        if name in values:
            values[name] = json.dumps(values[name])
    return _change(platform, caller.account_id, agent_id, values)


@router.post("/{agent_id}/clone", status_code=201, responses=errors("AGENT_NOT_FOUND"))
def clone_agent(
    agent_id: str,
    platform: PlatformState,
    caller: Writer,
    new_name: Annotated[str | None, Query(min_length=1, max_length=100, pattern=_TEXT)] = None,
) -> NewAgent:
    """Make another agent like this one; an agent's key cannot."""
    caller.require_agent(None)
    with platform.database.read() as connection:
        row = accounts.find_agent(connection, caller.account_id, agent_id)
    fields = dict(row._mapping)
    for name in ("strategy_tags", "risk_profile"):
        fields[name] = json.loads(fields[name])
    return _add(platform, caller, fields | {"display_name": new_name or f"{row.display_name} (copy)"[:100]})


@router.post("/{agent_id}/archive", responses=errors("AGENT_NOT_FOUND"))
def archive_agent(agent_id: str, platform: PlatformState, caller: Writer) -> AgentView:
    """Put an agent away; its keys stop working, none of which may do what the caller's cannot."""
    caller.require_agent(agent_id)
    with platform.database.write() as connection:
        accounts.find_agent(connection, caller.account_id, agent_id)
        _revoke_keys(connection, caller, agent_id)
    return _change(platform, caller.account_id, agent_id, {"status": "archived"})


@router.delete("/{agent_id}", status_code=204, responses=errors("AGENT_NOT_FOUND"))
def delete_agent(agent_id: str, platform: PlatformState, caller: Writer) -> Response:
    """Delete an agent and its keys, none of which may do what the caller's cannot."""
    caller.require_agent(agent_id)
    with platform.database.write() as connection:
        accounts.find_agent(connection, caller.account_id, agent_id)
        _revoke_keys(connection, caller, agent_id)
        connection.execute(delete(agents).where(agents.c.id == agent_id))
    return Response(status_code=204)


@router.post("/{agent_id}/reset", responses=errors("AGENT_NOT_FOUND", "INVALID_RISK_PROFILE"))
def reset_agent(agent_id: str, platform: PlatformState, caller: Writer) -> AgentView:
    """Begin the agent's paper account anew; without a feed it has none, and nothing changes."""
    caller.require_agent(agent_id)
    with platform.database.read() as connection:
        accounts.find_agent(connection, caller.account_id, agent_id)
    with contextlib.suppress(Unavailable):
        platform.paper.of(replace(caller, agent_id=agent_id)).reset(None)
    return _change(platform, caller.account_id, agent_id, {})


@router.get("/{agent_id}/api-key", responses=errors("AGENT_NOT_FOUND", "KEY_SHOWN_ONCE"))
def get_key(agent_id: str, platform: PlatformState, caller: Reader) -> NewAgentKey:
    """Refused: only a digest of the key is kept, so it cannot be shown again."""
    with platform.database.read() as connection:
        accounts.find_agent(connection, caller.account_id, agent_id)
    raise Conflict(
        "the key was shown once, when it was made, and only its digest is kept; POST .../regenerate-key makes another",
        code="KEY_SHOWN_ONCE",
        agent_id=agent_id,
    )


@router.post("/{agent_id}/regenerate-key", responses=errors("AGENT_NOT_FOUND"))
def regenerate_key(agent_id: str, platform: PlatformState, caller: Writer) -> NewAgentKey:
    """A new key for the agent; the old ones, none of which may do what the caller's cannot, stop working at once."""
    caller.require_agent(agent_id)
    with platform.database.write() as connection:
        row = accounts.find_agent(connection, caller.account_id, agent_id)
        if row.status != "active":
            raise Forbidden(f"the agent is {row.status}; only an active one gets a key")
        _revoke_keys(connection, caller, agent_id)
        key = _make_key(connection, caller, agent_id)
    return NewAgentKey(agent_id=agent_id, api_key=key)


@router.get("/{agent_id}/risk-profile", responses=errors("AGENT_NOT_FOUND"))
def get_risk_profile(agent_id: str, platform: PlatformState, caller: Reader) -> RiskProfile:
    """The agent's limits; the default ones where it has none."""
    with platform.database.read() as connection:
        row = accounts.find_agent(connection, caller.account_id, agent_id)
    return RiskProfile(**json.loads(row.risk_profile))


@router.put("/{agent_id}/risk-profile", responses=errors("AGENT_NOT_FOUND"))
def put_risk_profile(agent_id: str, body: RiskProfile, platform: PlatformState, caller: Writer) -> RiskProfile:
    """Set the agent's limits."""
    caller.require_agent(agent_id)
    _change(platform, caller.account_id, agent_id, {"risk_profile": body.model_dump_json()})
    return body


@router.get("/{agent_id}/skill.md", response_class=Response, responses=_MARKDOWN | errors("AGENT_NOT_FOUND"))
def get_skill(agent_id: str, platform: PlatformState, caller: Reader) -> Response:
    """How a program that reads Markdown works for this agent."""
    with platform.database.read() as connection:
        row = accounts.find_agent(connection, caller.account_id, agent_id)
    return Response(skill_of(row.id, row.display_name), media_type="text/markdown")


def _add(platform: Platform, caller: Principal, fields: dict[str, Any]) -> NewAgent:
    with platform.database.write() as connection:
        agent_id = accounts.create_agent(connection, caller.account_id, fields)
        key = _make_key(connection, caller, agent_id)
    return NewAgent(
        agent_id=agent_id,
        api_key=key,
        display_name=fields["display_name"],
        starting_balance=fields["starting_balance"],
    )


def _change(platform: Platform, account_id: str, agent_id: str, values: dict[str, Any]) -> AgentView:
    with platform.database.write() as connection:
        accounts.find_agent(connection, account_id, agent_id)
        changed = values | {"updated_at": clock.now()}
        connection.execute(update(agents).where(agents.c.id == agent_id).values(changed))
        return _view(connection, accounts.find_agent(connection, account_id, agent_id))


def _make_key(connection: Connection, caller: Principal, agent_id: str) -> str:
    # it cannot do more than who asks for it
    scopes = tuple(scope for scope in AGENT_SCOPES if scope in caller.scopes or "admin" in caller.scopes)
    return accounts.create_key(connection, caller.account_id, name="agent's key", agent_id=agent_id, scopes=scopes)[1]


def _revoke_keys(connection: Connection, caller: Principal, agent_id: str) -> None:
    theirs = api_keys.c.agent_id == agent_id
    good = theirs & api_keys.c.revoked_at.is_(None)
    # as with any key: none is taken back with one that can do less
    for scope in sorted(
        {scope for text in connection.scalars(select(api_keys.c.scopes).where(good)) for scope in text.split()}
    ):
        caller.require(scope)
    connection.execute(update(api_keys).where(good).values(revoked_at=clock.now()))
    connection.execute(delete(logins).where(logins.c.key_id.in_(select(api_keys.c.id).where(theirs))))


def _view(connection: Connection, row: Row[Any]) -> AgentView:
    preview = connection.scalar(
        select(api_keys.c.preview).where(api_keys.c.agent_id == row.id).order_by(api_keys.c.created_at.desc()).limit(1)
    )
    fields = dict(row._mapping)
    fields["strategy_tags"] = json.loads(row.strategy_tags)
    fields["risk_profile"] = json.loads(row.risk_profile)
    fields["created_at"], fields["updated_at"] = clock.iso(row.created_at), clock.iso(row.updated_at)
    return AgentView(api_key_preview=preview or "", **fields)
