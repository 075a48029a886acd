"""Counts of requests, the mode of an account, and indices for those who ask what has changed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add them; no row of the first tables is touched."""
    op.create_table(
        "request_counts",
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("minute", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("who", "kind", "minute", name=op.f("pk_request_counts")),
        sqlite_with_rowid=False,
    )
    op.add_column("accounts", sa.Column("mode", sa.String(length=16), nullable=True))
    op.add_column("accounts", sa.Column("mode_label", sa.String(length=200), nullable=True))
    op.create_index("ix_training_runs_account_updated", "training_runs", ["account_id", "updated_at"], unique=False)
    op.create_index("ix_backtests_account_updated", "backtests", ["account_id", "updated_at"], unique=False)


def downgrade() -> None:
    """Take them away again; the rows of the first tables stay."""
    op.drop_index("ix_backtests_account_updated", table_name="backtests")
    op.drop_index("ix_training_runs_account_updated", table_name="training_runs")
    op.drop_column("accounts", "mode_label")
    op.drop_column("accounts", "mode")
    op.drop_table("request_counts")
