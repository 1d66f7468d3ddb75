"""What the address book shows."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _entry_columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("hidden", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("details", sa.LargeBinary(), nullable=False, server_default=""),
        sa.Column("source", sa.String(), nullable=True),
    )


def _reference(column: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{table}.{column}"], ondelete="CASCADE")


def upgrade() -> None:
    op.add_column("user", sa.Column("kind", sa.String(), nullable=False, server_default="user"))
    op.add_column("user", sa.Column("manager", sa.String(), nullable=True))
    op.add_column("user", sa.Column("source_dn", sa.String(), nullable=True))
    for column in _entry_columns():
        op.add_column("user", column)
    op.create_index("user_by_source", "user", ["source"], unique=True)
    op.create_index("ix_user_manager", "user", ["manager"], unique=False)
    for column in _entry_columns():
        op.add_column("group", column)
    op.create_index("group_by_source", "group", ["source"], unique=True)

    op.create_table(
        "contact",
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("domain_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("legacy_dn", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        *_entry_columns(),
        sa.Column("manager", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["domain_id"], ["domain.domain_id"]),
        sa.PrimaryKeyConstraint("contact_id"),
        sa.UniqueConstraint("legacy_dn"),
        sqlite_autoincrement=True,
    )
    op.create_index("contact_by_address", "contact", ["domain_id", "address"], unique=True)
    op.create_index("contact_by_source", "contact", ["source"], unique=True)
    op.create_index("ix_contact_manager", "contact", ["manager"], unique=False)

    op.create_table(
        "proxy",
        sa.Column("proxy_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("contact_id", sa.Integer(), nullable=True),
        _reference("user_id", "user"),
        _reference("group_id", "group"),
        _reference("contact_id", "contact"),
        sa.PrimaryKeyConstraint("proxy_id"),
    )
    for name in ("address", "user_id", "group_id", "contact_id"):
        op.create_index(f"ix_proxy_{name}", "proxy", [name], unique=False)
    op.execute("INSERT INTO proxy (address, user_id) SELECT address, user_id FROM alias ORDER BY address")
    op.drop_table("alias")

    with op.batch_alter_table("group_member") as batch_op:  # nothing refers to it, so it may be made anew
        batch_op.add_column(sa.Column("contact_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key(
            "group_member_contact", "contact", ["contact_id"], ["contact_id"], ondelete="CASCADE"
        )
        batch_op.create_index("ix_group_member_contact_id", ["contact_id"], unique=False)
    op.create_table(
        "group_manager",
        sa.Column("group_manager_id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("manager_group_id", sa.Integer(), nullable=True),
        _reference("group_id", "group"),
        _reference("user_id", "user"),
        sa.ForeignKeyConstraint(["manager_group_id"], ["group.group_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("group_manager_id"),
    )
    for name in ("group_id", "user_id", "manager_group_id"):
        op.create_index(f"ix_group_manager_{name}", "group_manager", [name], unique=False)

    op.create_table(
        "binary_attribute",
        sa.Column("legacy_dn", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("legacy_dn", "name", "position"),
    )
    op.create_table(
        "directory_change",
        sa.Column("change_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("change_id"),
        sqlite_autoincrement=True,
    )
