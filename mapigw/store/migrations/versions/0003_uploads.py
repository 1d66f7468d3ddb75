"""What synchronization uploads look up: source keys, tombstones by object, ids that will not be used."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "deleted_range",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("folder_id", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "folder_id", "first"),
    )
    op.create_table(
        "foreign_source_key",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("source_key", sa.LargeBinary(length=24), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "source_key"),
    )
    op.create_index("tombstone_by_object", "tombstone", ["mailbox_id", "object_id"], unique=False)
    op.create_index(
        "tombstone_of_folder",
        "tombstone",
        ["mailbox_id", "change_number"],
        unique=False,
        sqlite_where=sa.text("is_folder IS 1"),
        postgresql_where=sa.text("is_folder IS true"),
    )
