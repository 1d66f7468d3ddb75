"""Mail on its way."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "outgoing",
        sa.Column("outgoing_id", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("locale", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("warned", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("eight_bit", sa.Boolean(), nullable=False),
        sa.Column("smtputf8", sa.Boolean(), nullable=False),
        sa.Column("properties", sa.LargeBinary(), nullable=False),
        sa.Column("properties_index", sa.LargeBinary(), nullable=False),
        sa.Column("children", sa.LargeBinary(), nullable=False),
        sa.Column("children_index", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("outgoing_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("outgoing_by_due", "outgoing", ["due"], unique=False)
    op.create_index("outgoing_by_message", "outgoing", ["mailbox_id", "message_id"], unique=False)
    op.create_table(
        "outgoing_recipient",
        sa.Column("outgoing_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("diagnostic", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["outgoing_id"], ["outgoing.outgoing_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("outgoing_id", "number"),
    )
    op.create_table(
        "sent_twin",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "message_id"),
    )
    op.create_table(
        "calendar_item",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("folder_id", sa.BigInteger(), nullable=False),
        sa.Column("global_object_id", sa.LargeBinary(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "message_id"),
    )
    op.create_index("calendar_item_by_id", "calendar_item", ["mailbox_id", "global_object_id"], unique=False)
    op.create_index("calendar_item_by_time", "calendar_item", ["mailbox_id", "folder_id", "end"], unique=False)
    op.create_table(
        "calendar_folder",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("folder_id", sa.BigInteger(), nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "folder_id"),
    )
