"""Forget what is older than somebody wants to keep: finished runs and backtests, and logins that have ended."""

from sqlalchemy import delete

from tradeready_gym.platform import clock
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.database.tables import backtests, logins, training_runs

DAY = 86_400_000_000


def forget(database: Database, keep_days: float | None) -> int:
    """Delete what ended more than `keep_days` ago, with everything that belongs to it; returns how many rows were roots.

    What is still running is kept however old it is. None keeps everything but expired logins.
    """
    with database.write() as connection:
        connection.execute(delete(logins).where(logins.c.expires_at < clock.now()))
    if keep_days is None:
        return 0
    before = clock.now() - int(keep_days * DAY)
    gone = 0
    for table in (training_runs, backtests):
        with database.write() as connection:
            gone += connection.execute(delete(table).where(table.c.completed_at < before)).rowcount
    return gone
