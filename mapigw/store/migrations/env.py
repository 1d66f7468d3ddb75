"""Alembic's entry: migrations run on the connection that `mapigw.store.migrate.upgrade` hands in."""

from alembic import context

from mapigw.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
