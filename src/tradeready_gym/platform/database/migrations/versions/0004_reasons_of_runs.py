"""Why a training run ended as it did."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; runs that have ended already gave no reason."""
    op.add_column("training_runs", sa.Column("reason", sa.String(length=500), nullable=True))


def downgrade() -> None:
    """Take it away again; the runs stay."""
    op.drop_column("training_runs", "reason")
