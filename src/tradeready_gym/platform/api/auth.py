"""`/api/v1/auth`: register and log in."""

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from tradeready_gym.platform import accounts, clock
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.api.dependencies import PlatformState, count_by_address
from tradeready_gym.platform.api.documentation import errors
from tradeready_gym.platform.api.wire import decimal_text
from tradeready_gym.platform.errors import Invalid
from tradeready_gym.platform.state import Platform

router = APIRouter(prefix="/auth", tags=["auth"])
TOKEN_HOURS = 1.0
_NO_TOKEN = "there is no such token: this server sends no mail"
_COUNTED = errors("RATE_LIMIT_EXCEEDED")
_LOGIN_ERRORS = errors("INVALID_API_KEY", "ACCOUNT_SUSPENDED", "RATE_LIMIT_EXCEEDED")

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


class PasswordForgotten(BaseModel):
    """Whose password it was."""

    username: Annotated[str, Field(max_length=254)]


class EmailToken(BaseModel):
    """What would have come by mail."""

    token: Annotated[str, Field(max_length=500)]


class PasswordReset(EmailToken):
    """The same, and the password from now on."""

    new_password: Password


class Message(BaseModel):
    """A sentence for people."""

    message: str


class Token(BaseModel):
    """What goes into `Authorization: Bearer`."""

    token: str
    expires_at: str
    token_type: Literal["Bearer"] = "Bearer"


@router.post(
    "/register",
    status_code=201,
    dependencies=[Depends(count_by_address("register"))],
    responses=errors("PERMISSION_DENIED", "DUPLICATE_ACCOUNT", "RATE_LIMIT_EXCEEDED"),
)
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


@router.post("/login", dependencies=[Depends(count_by_address("login"))], responses=_LOGIN_ERRORS)
def login(body: KeyLogin, platform: PlatformState) -> Token:
    """A token for a key and its secret."""
    return _token(platform, accounts.find_by_secret(platform.database, body.api_key, body.api_secret))


@router.post("/user-login", dependencies=[Depends(count_by_address("login"))], responses=_LOGIN_ERRORS)
def user_login(body: PasswordLogin, platform: PlatformState) -> Token:
    """A token for an e-mail address and its password."""
    return _token(platform, accounts.find_by_password(platform.database, body.email, body.password))


@router.post("/forgot-password", dependencies=[Depends(count_by_address("login"))], responses=_COUNTED)
def forgot_password(body: PasswordForgotten) -> Message:
    """No mail is sent, whoever asks; the answer says what to do instead."""
    return Message(message="This server sends no mail. A key of the account still works; who runs the server can help.")


@router.post("/reset-password", dependencies=[Depends(count_by_address("login"))], responses=_COUNTED)
def reset_password(body: PasswordReset) -> Message:
    """Refused: a token would have come by mail, and no mail is sent."""
    raise Invalid(_NO_TOKEN, field="token")


@router.post("/verify-email", dependencies=[Depends(count_by_address("login"))], responses=_COUNTED)
def verify_email(body: EmailToken) -> Message:
    """Refused, as above. An address that is not verified is not restricted."""
    raise Invalid(_NO_TOKEN, field="token")


def _token(platform: Platform, principal: Principal) -> Token:
    token, expires = accounts.log_in(platform.database, principal, TOKEN_HOURS)
    return Token(token=token, expires_at=clock.iso(expires) or "")
