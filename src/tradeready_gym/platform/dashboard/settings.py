"""`/settings`: keys and the account. Keys are made and revoked through `/api/v1/keys`."""

from fastapi import APIRouter, Request
from sqlalchemy import func, select
from starlette.responses import Response

import tradeready_gym
from tradeready_gym.platform import accounts, keys
from tradeready_gym.platform.api.dependencies import PlatformState, Reader
from tradeready_gym.platform.dashboard.pages import PageRoute, render, wants_part
from tradeready_gym.platform.database.tables import accounts as accounts_table
from tradeready_gym.platform.database.tables import backtests, rows_of, training_runs

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/settings")
def settings(request: Request, platform: PlatformState, caller: Reader) -> Response:
    """The account and its keys."""
    with platform.database.read() as connection:
        account = connection.execute(select(accounts_table).where(accounts_table.c.id == caller.account_id)).one()
        listed = accounts.list_keys(connection, caller.account_id, caller.key_agent_id)
        counts = {
            name: connection.scalar(
                select(func.count()).select_from(table).where(rows_of(table, account.id, caller.key_agent_id))
            )
            or 0
            for name, table in (("runs", training_runs), ("backtests", backtests))
        }
    name = "parts/keys.html" if wants_part(request) == "keys" else "settings.html"
    allowed = [scope for scope in keys.SCOPES if scope in caller.scopes or "admin" in caller.scopes]
    return render(
        request,
        name,
        account=account,
        keys=listed,
        counts=counts,
        scopes=allowed,
        own=caller.key_id,
        version=tradeready_gym.__version__,
    )
