"""Forget what is older than somebody wants to keep: finished runs and backtests, and what is of no more use to anybody."""

from sqlalchemy import delete

from tradeready_gym.platform import clock
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.database.tables import backtests, logins, training_runs
from tradeready_gym.platform.rates import forget_counts

DAY = 86_400_000_000


def forget(database: Database, keep_days: float | None) -> int:
    """Delete what ended more than `keep_days` ago, with everything that belongs to it; returns how many rows were roots.

    A backtest that was made so long ago and never started goes too; what is still running is kept however old it is. None
    keeps everything but logins that have expired and the counts of requests of minutes that are over.
    """
    with database.write() as connection:
        connection.execute(delete(logins).where(logins.c.expires_at < clock.now()))
    forget_counts(database)
    if keep_days is None:
        return 0
    before = clock.now() - int(keep_days * DAY)
    gone = 0
    never_started = (backtests.c.status == "created") & (backtests.c.created_at < before)
    old = (training_runs.c.completed_at < before, (backtests.c.completed_at < before) | never_started)
    for table, condition in zip((training_runs, backtests), old, strict=True):
        with database.write() as connection:
            gone += connection.execute(delete(table).where(condition)).rowcount
    return gone
