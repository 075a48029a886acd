"""Run by Alembic: migrate over the connection that `upgrade` holds, inside its transaction."""

from alembic import context

from tradeready_gym.platform.database.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
