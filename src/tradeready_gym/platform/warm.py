"""What is built when it is first needed, and makes the first request of a server wait for it: routes, pages, queries."""

import logging
import threading

from fastapi import FastAPI

from tradeready_gym.platform import clock
from tradeready_gym.platform.dashboard import backtests, pages, runs
from tradeready_gym.platform.database import Database

_NOWHERE = {"type": "http", "path": "/nowhere", "root_path": "", "method": "GET"}
_NOBODY = "nobody"
_log = logging.getLogger(__name__)


def warming(app: FastAPI, database: Database) -> threading.Thread:
    """A thread, to be started, that builds it while nobody asks yet: the server answers as early as without it."""

    def work() -> None:
        try:
            warm(app, database)
        except Exception:
            _log.exception("what the first request needs could not be built before it")

    return threading.Thread(target=work, name="tradeready-warm", daemon=True)


def warm(app: FastAPI, database: Database) -> None:
    """Build the routes with their checks of parameters and bodies, the templates, and the queries of the first pages."""
    for route in app.router.routes:
        # a router builds all of its routes when it is first asked whether it has one
        route.matches(dict(_NOWHERE))
    pages.prepare()
    with database.read() as connection:
        runs.list_runs(connection, _NOBODY, runs.Wanted())
        runs.live_runs(connection, _NOBODY, clock.now())
        runs.mini_curves(connection, [_NOBODY])
        backtests.list_backtests(connection, _NOBODY, backtests.Wanted())
        backtests.live_backtests(connection, _NOBODY)
