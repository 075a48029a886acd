"""`/api/v1/auth`: register and log in."""

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from tradeready_gym.platform import accounts, clock
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.api.dependencies import PlatformState, count_by_address
from tradeready_gym.platform.api.wire import decimal_text
from tradeready_gym.platform.state import Platform

router = APIRouter(prefix="/auth", tags=["auth"])
TOKEN_HOURS = 1.0

Password = Annotated[str, Field(min_length=8, max_length=72)]
Email = Annotated[str, Field(min_length=3, max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]


class Registration(BaseModel):
    """A new account."""

    display_name: Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")] = ""
    email: Email | None = None
    password: Password | None = None
    starting_balance: Annotated[Decimal, Field(gt=0, le=Decimal("1e15"), allow_inf_nan=False)] = Decimal("10000.00")


class Registered(BaseModel):
    """The account's and its first agent's keys, shown this once."""

    account_id: str
    api_key: str
    api_secret: str
    display_name: str
    starting_balance: str
    agent_id: str | None
    agent_api_key: str | None
    message: str


class KeyLogin(BaseModel):
    """An account's key and its secret."""

    api_key: Annotated[str, Field(max_length=200)]
    api_secret: Annotated[str, Field(max_length=200)]


class PasswordLogin(BaseModel):
    """An e-mail address and a password."""

    email: Annotated[str, Field(max_length=254)]
    password: Annotated[str, Field(max_length=200)]


class Token(BaseModel):
    """What goes into `Authorization: Bearer`."""

    token: str
    expires_at: str
    token_type: Literal["Bearer"] = "Bearer"


@router.post("/register", status_code=201, dependencies=[Depends(count_by_address("register"))])
def register(body: Registration, platform: PlatformState) -> Registered:
    """Make an account with a first agent, where the server lets people register."""
    balance = decimal_text(body.starting_balance)
    name = body.display_name.strip() or "Agent"
    with platform.database.write() as connection:
        scopes = accounts.scopes_of_new(connection, platform.settings.registration)
        account_id = accounts.create_account(
            connection, name, email=body.email, password=body.password, starting_balance=balance
        )
        _, key, secret = accounts.create_key(connection, account_id, name="first key", scopes=scopes, with_secret=True)
        fields = {"display_name": f"{name}'s Agent"[:100], "starting_balance": balance}
        agent_id = accounts.create_agent(connection, account_id, fields)
        _, agent_key, _ = accounts.create_key(connection, account_id, name="agent's key", agent_id=agent_id)
    return Registered(
        account_id=account_id,
        api_key=key,
        api_secret=secret or "",
        display_name=name,
        starting_balance=balance,
        agent_id=agent_id,
        agent_api_key=agent_key,
        message="Keep the keys and the secret: they are shown only once.",
    )


@router.post("/login", dependencies=[Depends(count_by_address("login"))])
def login(body: KeyLogin, platform: PlatformState) -> Token:
    """A token for a key and its secret."""
    return _token(platform, accounts.find_by_secret(platform.database, body.api_key, body.api_secret))


@router.post("/user-login", dependencies=[Depends(count_by_address("login"))])
def user_login(body: PasswordLogin, platform: PlatformState) -> Token:
    """A token for an e-mail address and its password."""
    return _token(platform, accounts.find_by_password(platform.database, body.email, body.password))


def _token(platform: Platform, principal: Principal) -> Token:
    token, expires = accounts.log_in(platform.database, principal, TOKEN_HOURS)
    return Token(token=token, expires_at=clock.iso(expires) or "")
