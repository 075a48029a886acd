"""`/login` and `/logout`: a key or a password for a cookie that scripts cannot read."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from tradeready_gym.platform import accounts
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.api.dependencies import COOKIE, PlatformState, count_request
from tradeready_gym.platform.dashboard.pages import PageRoute, render
from tradeready_gym.platform.errors import Forbidden, PlatformError, TooMany, Unauthorised
from tradeready_gym.platform.state import Platform

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Field = Annotated[str, Form(max_length=300)]
HOME = "/training"


@router.get("/")
def home() -> Response:
    """The first page is that of the training runs."""
    return RedirectResponse(HOME, 303)


@router.get("/login")
def login_page(request: Request, platform: PlatformState, next: str = "") -> Response:
    """The form; who is logged in already goes on."""
    token = request.cookies.get(COOKIE)
    if token:
        try:
            accounts.find_by_token(platform.database, token)
            return RedirectResponse(_inside(next), 303)
        except PlatformError:
            pass
    return _form(request, next)


@router.post("/login")
def login(
    request: Request,
    platform: PlatformState,
    api_key: Field = "",
    email: Field = "",
    password: Field = "",
    next: Field = "",
) -> Response:
    """Log in by key, or by e-mail address and password."""
    _require_own_form(request)
    try:
        count_request(request, "login", request.client.host if request.client else "unknown")
        principal = _find(platform, api_key.strip(), email, password)
    except (Unauthorised, Forbidden, TooMany) as error:
        return _form(request, next, str(error), email, error.status)
    token, _ = accounts.log_in(platform.database, principal, platform.settings.login_hours)
    response = RedirectResponse(_inside(next), 303)
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(platform.settings.login_hours * 3600),
        httponly=True,
        samesite="strict",
        secure=platform.settings.secure_cookies,
    )
    return response


@router.post("/logout")
def logout(request: Request, platform: PlatformState) -> Response:
    """Forget this browser."""
    _require_own_form(request)
    token = request.cookies.get(COOKIE)
    if token:
        accounts.log_out(platform.database, token)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=platform.settings.secure_cookies)
    return response


def _find(platform: Platform, key: str, email: str, password: str) -> Principal:
    if key:
        return _by_key(platform, key)
    if email and password:
        return accounts.find_by_password(platform.database, email, password)
    raise Unauthorised("Paste an API key, or give an e-mail address and its password.")


def _by_key(platform: Platform, key: str) -> Principal:
    try:
        return accounts.find_by_key(platform.database, key)
    except Unauthorised as error:
        raise Unauthorised(
            "This key is unknown, or it was revoked. Paste it whole, from ak_live_ to its end, or use another one of the account."
        ) from error


def _form(request: Request, next: str, problem: str = "", email: str = "", status: int = 200) -> Response:
    return render(request, "login.html", status, next=_inside(next), problem=problem, email=email)


def _inside(target: str) -> str:
    # only to pages of this server: "//host" and "/\host" are other ones
    good = target.startswith("/") and not target.startswith(("//", "/\\")) and "\n" not in target and "\r" not in target
    return target if good else HOME


def _require_own_form(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin and origin.partition("://")[2] != request.headers.get("host"):
        raise Forbidden(f"a form of {origin} may not be sent here")
