"""Soft deletes, permissions, rules, search folders, per-user information, foreign replicas, groups."""

import struct

import sqlalchemy as sa
from alembic import op

from mapigw.wire.cursor import Cursor
from mapigw.wire.fasttransfer import pull_property

revision = "0002"
down_revision = "0001"

_TABLE_COLUMNS = [
    "mailbox_id",
    "folder_id",
    "is_associated",
    "delivery_time",
    "message_id",
    "is_read",
    "message_flags",
    "message_status",
    "has_attachments",
    "size",
    "modified",
    "local_commit_time",
    "change_number",
    "importance",
    "message_class",
    "subject",
    "normalized_subject",
    "sent_representing_name",
    "conversation_id",
]
_COPIED = {
    0x0E060040: "delivery_time",
    0x0037001F: "subject",
    0x0E1D001F: "normalized_subject",
    0x0042001F: "sent_representing_name",
}


def _copy_properties() -> None:
    """Fill the columns that repeat properties from the messages' property lists."""
    connection = op.get_bind()
    last = -1
    select = sa.text(
        "SELECT rowid, properties, properties_index FROM message WHERE rowid > :last ORDER BY rowid LIMIT 200"
    )
    update = sa.text(
        "UPDATE message SET delivery_time = :delivery_time, subject = :subject,"
        " normalized_subject = :normalized_subject, sent_representing_name = :sent_representing_name"
        " WHERE rowid = :rowid"
    )
    while rows := connection.execute(select, {"last": last}).all():
        last = rows[-1][0]
        connection.execute(update, [{"rowid": row[0], **_copied(row[1], row[2])} for row in rows])


def _copied(properties: bytes, index: bytes) -> dict[str, int | str | None]:
    values: dict[str, int | str | None] = dict.fromkeys(_COPIED.values())
    for tag, offset, _length, real_length in struct.iter_unpack("<IIII", index):
        if tag in _COPIED:
            values[_COPIED[tag]] = "" if real_length else pull_property(Cursor(properties, offset))[2]
    return values


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
        sa.Column("delivery_time", sa.BigInteger(), nullable=True),
        sa.Column("message_class", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("normalized_subject", sa.String(), nullable=True),
        sa.Column("sent_representing_name", sa.String(), nullable=True),
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
        batch_op.create_index(
            "deleted_message_by_time", ["mailbox_id", "folder_id", "deleted", "is_associated"], unique=False
        )

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
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "folder_id"),
    )
    op.create_table(
        "search_result",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("folder_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("is_read", sa.Boolean(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "folder_id", "message_id"),
    )
    with op.batch_alter_table("search_result", schema=None) as batch_op:
        batch_op.create_index("search_result_by_message", ["mailbox_id", "message_id"], unique=False)

    op.create_table(
        "search_queue",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("queued", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "message_id", "queued"),
    )
    op.execute("INSERT INTO search_queue SELECT mailbox_id, message_id, 0 FROM message")
    # Trigrams find any three letters and more anywhere in a word; without positions the index has half the size.
    op.execute("CREATE VIRTUAL TABLE search_text USING fts5(text, tokenize = 'trigram', detail = none, columnsize = 0)")

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
        batch_op.add_column(sa.Column("hierarchy_change_number", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("hier_rev", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.create_index("folder_by_parent", ["mailbox_id", "parent_id"], unique=False)
        batch_op.create_index("folder_by_special", ["mailbox_id", "special"], unique=False)

    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.add_column(sa.Column("message_status", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("local_commit_time", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("delivery_time", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("subject", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("sent_representing_name", sa.String(), nullable=True))
        batch_op.alter_column("normalized_subject", existing_type=sa.String(), nullable=True)
        batch_op.drop_column("sender_name")
        batch_op.create_index("message_by_delivery", _TABLE_COLUMNS, unique=False)

    _copy_properties()
    op.execute("UPDATE message SET local_commit_time = modified")
    op.execute(
        "UPDATE folder SET hier_rev = modified, hierarchy_change_number = (SELECT count(*) FROM folder AS child"
        " WHERE child.mailbox_id = folder.mailbox_id AND child.parent_id = folder.folder_id)"
    )
