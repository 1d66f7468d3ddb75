"""Soft deletes, permissions, rules, search folders, per-user information, foreign replicas, groups."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "deleted_message",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("folder_id", sa.BigInteger(), nullable=False),
        sa.Column("is_associated", sa.Boolean(), nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.Column("read_change_number", sa.BigInteger(), nullable=False),
        sa.Column("source_key", sa.LargeBinary(), nullable=True),
        sa.Column("change_key", sa.LargeBinary(), nullable=True),
        sa.Column("predecessor_change_list", sa.LargeBinary(), nullable=True),
        sa.Column("message_flags", sa.Integer(), nullable=False),
        sa.Column("message_status", sa.Integer(), nullable=False),
        sa.Column("is_read", sa.Boolean(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("modified", sa.BigInteger(), nullable=False),
        sa.Column("local_commit_time", sa.BigInteger(), nullable=False),
        sa.Column("sort_time", sa.BigInteger(), nullable=False),
        sa.Column("message_class", sa.String(), nullable=False),
        sa.Column("normalized_subject", sa.String(), nullable=False),
        sa.Column("sender_name", sa.String(), nullable=False),
        sa.Column("importance", sa.Integer(), nullable=False),
        sa.Column("has_attachments", sa.Boolean(), nullable=False),
        sa.Column("conversation_id", sa.LargeBinary(), nullable=True),
        sa.Column("properties", sa.LargeBinary(), nullable=False),
        sa.Column("properties_index", sa.LargeBinary(), nullable=False),
        sa.Column("children", sa.LargeBinary(), nullable=False),
        sa.Column("children_index", sa.LargeBinary(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "message_id"),
    )
    with op.batch_alter_table("deleted_message", schema=None) as batch_op:
        batch_op.create_index("deleted_message_by_time", ["mailbox_id", "folder_id", "deleted"], unique=False)

    op.create_table(
        "foreign_replica",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("replica_id", sa.Integer(), nullable=False),
        sa.Column("replica_guid", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "replica_id"),
    )
    op.create_table(
        "per_user",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("folder", sa.LargeBinary(length=24), nullable=False),
        sa.Column("replica_guid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("modified", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "folder"),
    )
    op.create_table(
        "permission",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("folder_id", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("legacy_dn", sa.String(), nullable=False),
        sa.Column("rights", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "folder_id", "member_id"),
    )
    op.create_table(
        "rule",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("folder_id", sa.BigInteger(), nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("properties", sa.LargeBinary(), nullable=False),
        sa.Column("properties_index", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "folder_id", "rule_id"),
    )
    op.create_table(
        "search_folder",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("folder_id", sa.BigInteger(), nullable=False),
        sa.Column("restriction", sa.LargeBinary(), nullable=False),
        sa.Column("folder_ids", sa.LargeBinary(), nullable=False),
        sa.Column("search_flags", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "folder_id"),
    )
    op.create_table(
        "search_result",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("folder_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "folder_id", "message_id"),
    )
    with op.batch_alter_table("search_result", schema=None) as batch_op:
        batch_op.create_index("search_result_by_message", ["mailbox_id", "message_id"], unique=False)

    op.create_table(
        "group",
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("domain_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("legacy_dn", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["domain_id"],
            ["domain.domain_id"],
        ),
        sa.PrimaryKeyConstraint("group_id"),
        sa.UniqueConstraint("address"),
        sa.UniqueConstraint("legacy_dn"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("group", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_group_domain_id"), ["domain_id"], unique=False)

    op.create_table(
        "group_member",
        sa.Column("group_member_id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("member_group_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["group.group_id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["member_group_id"], ["group.group_id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["user.user_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("group_member_id"),
    )
    with op.batch_alter_table("group_member", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_group_member_group_id"), ["group_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_group_member_member_group_id"), ["member_group_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_group_member_user_id"), ["user_id"], unique=False)

    with op.batch_alter_table("folder", schema=None) as batch_op:
        batch_op.add_column(sa.Column("deleted", sa.BigInteger(), nullable=True))

    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.add_column(sa.Column("message_status", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("local_commit_time", sa.BigInteger(), nullable=False, server_default="0"))

    op.execute("UPDATE message SET local_commit_time = modified")
