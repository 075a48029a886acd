"""The tables. Times are microseconds since 1970 in UTC, ids are UUIDs as text, JSON is text, money as asked for is text.

A change here needs a migration in `migrations/versions`; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)


def _id(name: str = "id", **options: bool) -> Column[str]:
    return Column(name, String(36), **options)  # type: ignore[arg-type]


def _owner(table: str, name: str, **options: bool) -> Column[str]:
    return Column(name, String(36), ForeignKey(f"{table}.id", ondelete="CASCADE"), **options)  # type: ignore[arg-type]


def rows_of(table: Table, account_id: str, agent_id: str | None = None) -> ColumnElement[bool]:
    """The rows of a table that are an account's; with `agent_id`, only those of this agent of it."""
    mine = table.c.account_id == account_id
    return mine if agent_id is None else mine & (table.c.agent_id == agent_id)


accounts = Table(
    "accounts",
    metadata,
    _id(primary_key=True),
    Column("display_name", String(100), nullable=False),
    Column("email", String(254), unique=True),
    Column("password_hash", String(200)),
    Column("starting_balance", String(40), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # what the account last said that it does, live or backtest, and under which label
    Column("mode", String(16)),
    Column("mode_label", String(200)),
)

agents = Table(
    "agents",
    metadata,
    _id(primary_key=True),
    _owner("accounts", "account_id", nullable=False, index=True),
    Column("display_name", String(100), nullable=False),
    Column("starting_balance", String(40), nullable=False),
    Column("llm_model", String(100)),
    Column("framework", String(100)),
    Column("strategy_tags", Text, nullable=False),
    Column("risk_profile", Text, nullable=False),
    Column("avatar_url", String(500)),
    Column("color", String(7)),
    Column("status", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    _id(primary_key=True),
    _owner("accounts", "account_id", nullable=False, index=True),
    _owner("agents", "agent_id", index=True),
    Column("name", String(100), nullable=False),
    Column("preview", String(20), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("secret_digest", String(64)),
    Column("scopes", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
)

# bearer tokens and logged-in browsers: both end with the key that they came from
logins = Table(
    "logins",
    metadata,
    Column("digest", String(64), primary_key=True),
    _owner("accounts", "account_id", nullable=False, index=True),
    _owner("api_keys", "key_id", index=True),
    Column("scopes", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

training_runs = Table(
    "training_runs",
    metadata,
    _id(primary_key=True),
    _owner("accounts", "account_id", nullable=False),
    Column("strategy_label", String(200), nullable=False),
    Column("strategy_id", String(64)),
    Column("config", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("episodes_completed", Integer, nullable=False),
    # sums over the episodes, kept as they come in, so that a list of runs reads no episode
    Column("totals", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("completed_at", BigInteger),
    # for which it was registered: a key of another agent does not see it
    Column("agent_id", String(36)),
    # why it ended as it did, where it said so
    Column("reason", String(500)),
    Index("ix_training_runs_account_started", "account_id", "started_at"),
    Index("ix_training_runs_account_label", "account_id", "strategy_label"),
    Index("ix_training_runs_account_updated", "account_id", "updated_at"),
)

training_episodes = Table(
    "training_episodes",
    metadata,
    Column("run_id", String(36), ForeignKey("training_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("episode_number", Integer, primary_key=True, autoincrement=False),
    Column("session_id", String(64)),
    Column("roi_pct", Float),
    Column("sharpe_ratio", Float),
    Column("max_drawdown_pct", Float),
    Column("total_trades", Integer),
    Column("reward_sum", Float),
    Column("length", Integer),
    Column("seed", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# what an episode of training is replayed from: its seed is with the episode, its actions are here
episode_actions = Table(
    "episode_actions",
    metadata,
    Column("run_id", String(36), ForeignKey("training_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("episode_number", Integer, primary_key=True, autoincrement=False),
    Column("actions", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# how far the journal of a run that was recorded without a platform has been taken in
journals = Table(
    "journals",
    metadata,
    Column("path", String(500), primary_key=True),
    _owner("accounts", "account_id", nullable=False),
    Column("offset", BigInteger, nullable=False),
)

backtests = Table(
    "backtests",
    metadata,
    _id(primary_key=True),
    _owner("accounts", "account_id", nullable=False),
    Column("agent_id", String(36)),
    Column("strategy_label", String(200), nullable=False),
    Column("start_time", BigInteger, nullable=False),
    Column("end_time", BigInteger, nullable=False),
    Column("candle_interval", Integer, nullable=False),
    Column("starting_balance", String(40), nullable=False),
    Column("fee_rate", String(40)),
    Column("pairs", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("current_step", Integer, nullable=False),
    Column("total_steps", Integer, nullable=False),
    # entries of the journal; an in-memory copy with fewer is behind
    Column("journal_length", Integer, nullable=False),
    Column("final_equity", Float),
    Column("total_pnl", Float),
    Column("roi_pct", Float),
    Column("total_trades", Integer),
    Column("total_fees", Float),
    Column("sharpe_ratio", Float),
    Column("sortino_ratio", Float),
    Column("max_drawdown_pct", Float),
    Column("win_rate", Float),
    Column("profit_factor", Float),
    Column("metrics", Text),
    Column("by_pair", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("updated_at", BigInteger, nullable=False),
    Column("completed_at", BigInteger),
    # the episode of training whose replay this is
    Column("run_id", String(36), index=True),
    Column("episode_number", Integer),
    Index("ix_backtests_account_created", "account_id", "created_at"),
    Index("ix_backtests_account_label", "account_id", "strategy_label"),
    Index("ix_backtests_account_updated", "account_id", "updated_at"),
)

# what a client did, in order; replaying it gives the same session, to the last digit
backtest_journal = Table(
    "backtest_journal",
    metadata,
    Column("session_id", String(36), ForeignKey("backtests.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)

backtest_trades = Table(
    "backtest_trades",
    metadata,
    Column("session_id", String(36), ForeignKey("backtests.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("order_id", BigInteger, nullable=False),
    Column("symbol", String(20), nullable=False),
    Column("side", String(4), nullable=False),
    Column("type", String(16), nullable=False),
    Column("quantity", Float, nullable=False),
    Column("price", Float, nullable=False),
    Column("fee", Float, nullable=False),
    Column("slippage_pct", Float, nullable=False),
    Column("realized_pnl", Float, nullable=False),
    Column("simulated_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

backtest_snapshots = Table(
    "backtest_snapshots",
    metadata,
    Column("session_id", String(36), ForeignKey("backtests.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("simulated_at", BigInteger, nullable=False),
    Column("total_equity", Float, nullable=False),
    Column("available_cash", Float, nullable=False),
    Column("position_value", Float, nullable=False),
    Column("unrealized_pnl", Float, nullable=False),
    Column("realized_pnl", Float, nullable=False),
    sqlite_with_rowid=False,
)

# requests of a minute that the processes have taken for themselves, by who makes them and what kind they are
request_counts = Table(
    "request_counts",
    metadata,
    Column("who", String(64), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("minute", Integer, primary_key=True, autoincrement=False),
    Column("taken", Integer, nullable=False),
    sqlite_with_rowid=False,
)
