"""`/api/v1/keys`: make, list and revoke keys. (Additive to the documented API.)"""

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from tradeready_gym.platform import accounts
from tradeready_gym.platform.api.dependencies import PlatformState, Reader, Writer
from tradeready_gym.platform.api.documentation import WITH_A_KEY, errors
from tradeready_gym.platform.api.paging import Offset, WholePage
from tradeready_gym.platform.errors import Forbidden

router = APIRouter(prefix="/keys", tags=["keys"], responses=WITH_A_KEY)


class KeyRequest(BaseModel):
    """A new key."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
    scopes: list[Literal["read", "write", "paper", "admin"]] = ["read", "write", "paper"]


class KeyView(BaseModel):
    """A key without what would open anything."""

    key_id: str
    name: str
    api_key_preview: str
    agent_id: str | None
    scopes: list[str]
    created_at: str
    last_used_at: str | None
    revoked_at: str | None


class KeyList(BaseModel):
    """The account's keys, or for an agent's key that agent's, newest first; `total` counts all of them."""

    keys: list[KeyView]
    total: int


class NewKey(BaseModel):
    """A key, shown this once."""

    key_id: str
    api_key: str
    name: str
    scopes: list[str]
    message: str = "Keep this key: it is shown only once."


@router.get("")
def list_keys(platform: PlatformState, caller: Reader, limit: WholePage, offset: Offset = 0) -> KeyList:
    """The account's keys; an agent's key is told of that agent's."""
    with platform.database.read() as connection:
        found = accounts.list_keys(connection, caller.account_id, caller.key_agent_id)
    return KeyList(keys=[KeyView(**key) for key in found[offset : offset + limit]], total=len(found))


@router.post("", status_code=201)
def make_key(body: KeyRequest, platform: PlatformState, caller: Writer) -> NewKey:
    """Make a key; it cannot do more than the one that asks for it, and is the same agent's where that is an agent's."""
    for scope in body.scopes:
        if scope not in caller.scopes and "admin" not in caller.scopes:
            raise Forbidden(f"this key has no scope '{scope}' and cannot give it to another")
    scopes = tuple(dict.fromkeys(body.scopes))
    with platform.database.write() as connection:
        key_id, key, _ = accounts.create_key(
            connection, caller.account_id, name=body.name, scopes=scopes, agent_id=caller.key_agent_id
        )
    return NewKey(key_id=key_id, api_key=key, name=body.name, scopes=list(scopes))


@router.delete("/{key_id}", status_code=204, responses=errors("KEY_NOT_FOUND"))
def revoke_key(key_id: str, platform: PlatformState, caller: Writer) -> Response:
    """Revoke a key, at once; one that can do more than the caller's needs `admin`."""
    with platform.database.write() as connection:
        accounts.revoke_key(connection, caller, key_id)
    return Response(status_code=204)
