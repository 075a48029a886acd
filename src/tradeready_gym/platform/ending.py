"""A stream that stays open ends when what it was opened with is not good any more."""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from tradeready_gym.platform.accounts import Principal, require_good
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.errors import PlatformError

# the database is asked, for another server on it may have revoked the key
LOOK_EVERY = 0.5
_log = logging.getLogger(__name__)


async def until_revoked(database: Database, caller: Principal) -> PlatformError:
    """Wait until the caller's key is revoked, its login ended, or its account suspended; why it is refused now.

    It is told within `LOOK_EVERY` seconds and the time of one query; while the database does not answer nothing is.
    """
    while True:
        await asyncio.sleep(LOOK_EVERY)
        try:
            if caller.credential is not None:
                await run_in_threadpool(require_good, database, caller.credential)
        except PlatformError as error:
            return error
        except SQLAlchemyError:
            _log.exception("an open stream could not be checked; it is tried again")
