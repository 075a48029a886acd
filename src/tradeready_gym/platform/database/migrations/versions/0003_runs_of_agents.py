"""Whose agent's a training run is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; runs that are there already are the account's."""
    op.add_column("training_runs", sa.Column("agent_id", sa.String(length=36), nullable=True))


def downgrade() -> None:
    """Take it away again; the runs stay."""
    op.drop_column("training_runs", "agent_id")
