"""Queries on rights to whole mailboxes, on subscriptions, and on what becomes of copies of sent mail."""

from typing import NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import mailbox, mailbox_grant, subscription, user


class GrantRow(NamedTuple):
    mailbox_id: int
    legacy_dn: str
    right: str


class SubscriptionRow(NamedTuple):
    mailbox_id: int
    user_id: int
    active: bool


async def select_grants(connection: AsyncConnection) -> list[GrantRow]:
    """All of them."""
    columns = mailbox_grant.c
    statement = select(columns.mailbox_id, columns.legacy_dn, columns.right)
    return [GrantRow._make(row) for row in await connection.execute(statement)]


async def select_subscriptions(connection: AsyncConnection) -> list[SubscriptionRow]:
    """All of them."""
    columns = subscription.c
    statement = select(columns.mailbox_id, columns.user_id, columns.active)
    return [SubscriptionRow._make(row) for row in await connection.execute(statement)]


async def select_sent_copies(connection: AsyncConnection, usual: str) -> dict[int, str]:
    """By mailbox: where copies go, of those that are not set to ``usual``."""
    statement = select(mailbox.c.mailbox_id, mailbox.c.sent_copy).where(mailbox.c.sent_copy != usual)
    return {row[0]: row[1] for row in await connection.execute(statement)}


async def replace_grant(connection: AsyncConnection, row: GrantRow) -> None:
    """Let somebody have this right on a mailbox, and no other."""
    await delete_grant(connection, row.mailbox_id, row.legacy_dn)
    await connection.execute(insert(mailbox_grant).values(**row._asdict()))


async def delete_grant(connection: AsyncConnection, mailbox_id: int, legacy_dn: str) -> bool:
    """Returns whether there was one."""
    columns = mailbox_grant.c
    statement = delete(mailbox_grant).where(columns.mailbox_id == mailbox_id, columns.legacy_dn == legacy_dn)
    return (await connection.execute(statement)).rowcount > 0


async def replace_subscription(connection: AsyncConnection, row: SubscriptionRow) -> None:
    await delete_subscription(connection, row.mailbox_id, row.user_id)
    await connection.execute(insert(subscription).values(**row._asdict()))


async def delete_subscription(connection: AsyncConnection, mailbox_id: int, user_id: int) -> bool:
    """Returns whether there was one."""
    columns = subscription.c
    statement = delete(subscription).where(columns.mailbox_id == mailbox_id, columns.user_id == user_id)
    return (await connection.execute(statement)).rowcount > 0


async def update_sent_copy(connection: AsyncConnection, mailbox_id: int, sent_copy: str) -> None:
    await connection.execute(update(mailbox).where(mailbox.c.mailbox_id == mailbox_id).values(sent_copy=sent_copy))


async def has_mailbox(connection: AsyncConnection, mailbox_id: int) -> bool:
    statement = select(user.c.user_id).where(user.c.mailbox_id == mailbox_id)
    return (await connection.execute(statement)).first() is not None


async def has_user(connection: AsyncConnection, user_id: int) -> bool:
    return (await connection.execute(select(user.c.user_id).where(user.c.user_id == user_id))).first() is not None
