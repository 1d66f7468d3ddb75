"""Automatic replies: the out-of-office settings of mailboxes, and who was answered."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "automatic_reply",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "rule_id", "sender"),
    )
    op.create_table(
        "out_of_office",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("audience", sa.Integer(), nullable=False),
        sa.Column("internal", sa.String(), nullable=False),
        sa.Column("external", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id"),
    )
