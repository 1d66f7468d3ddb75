"""``mapigw subscribe``, ``unsubscribe`` and ``subscriptions``: which shared mailboxes Outlook opens for a user."""

from pathlib import Path

import click
from rich.table import Table

from mapigw.cli.entries import mailboxes, yes
from mapigw.cli.group import asynchronous, console, data_option, opened_store
from mapigw.cli.shared import shared_mailbox
from mapigw.directory.directory import Directory
from mapigw.directory.model import MailboxKind, User
from mapigw.mailbox.permissions import Right

_find = mailboxes((MailboxKind.USER,))


@click.command()
@click.argument("user")
@click.argument("mailbox")
@click.option("--inactive", is_flag=True, help="Keep the subscription, but do not show the mailbox.")
@data_option
@asynchronous
async def subscribe(user: str, mailbox: str, inactive: bool, data: Path) -> None:
    """Let Outlook open a shared mailbox for USER, who needs a right on it as well."""
    async with opened_store(data) as (_, directory):
        found, owner = await _user(directory, user), await shared_mailbox(directory, mailbox)
        await directory.sharing.subscribe(found, owner, active=not inactive)
        right = await directory.mailbox_rights(found, owner)
    unseen = "" if right else " It is not shown before there is a right on it: mapigw shared grant."
    click.echo(f"{found.key} has subscribed to {owner.key}{', inactive' * inactive}.{unseen}")


@click.command()
@click.argument("user")
@click.argument("mailbox")
@data_option
@asynchronous
async def unsubscribe(user: str, mailbox: str, data: Path) -> None:
    """Do not let Outlook open a shared mailbox for USER any more; the rights stay."""
    async with opened_store(data) as (_, directory):
        found, owner = await _user(directory, user), await shared_mailbox(directory, mailbox)
        await directory.sharing.unsubscribe(found, owner)
    click.echo(f"{found.key} has not subscribed to {owner.key} any more.")


@click.command()
@click.argument("user")
@data_option
@asynchronous
async def subscriptions(user: str, data: Path) -> None:
    """List the shared mailboxes that USER has subscribed to."""
    table = Table("Mailbox", "Name", "Right", "Active")
    async with opened_store(data) as (_, directory):
        found = await _user(directory, user)
        own = await directory.sharing.subscriptions(found)
        for owner in await directory.users():
            if owner.mailbox_id in own:
                right: Right = await directory.mailbox_rights(found, owner)
                table.add_row(owner.key, owner.display_name, right.name.lower(), yes(own[owner.mailbox_id]))
    console().print(table)


async def _user(directory: Directory, name: str) -> User:
    found = await _find(directory, name, None)
    assert isinstance(found, User)
    return found
