"""Shared mailboxes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "mailbox_grant",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("legacy_dn", sa.String(), nullable=False),
        sa.Column("right", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "legacy_dn"),
    )
    op.create_table(
        "subscription",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.user_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("mailbox_id", "user_id"),
    )
    op.create_index("ix_subscription_user_id", "subscription", ["user_id"], unique=False)
    op.add_column("mailbox", sa.Column("sent_copy", sa.String(), nullable=False, server_default="both"))
    op.add_column("outgoing", sa.Column("copied", sa.Boolean(), nullable=False, server_default=sa.false()))
