"""The database: SQLite in a file, or PostgreSQL; one code path, plain SQL through SQLAlchemy Core."""

from tradeready_gym.platform.database.database import Database
from tradeready_gym.platform.database.migrate import upgrade

__all__ = ["Database", "upgrade"]
