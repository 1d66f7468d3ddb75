"""``mapigw shared``: mailboxes that several people use and nobody logs in to."""

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from mapigw.cli.entries import alias_group, change_of, changes, mailboxes, remove_command, show_command, yes
from mapigw.cli.group import asynchronous, console, data_option, opened_store
from mapigw.directory.directory import Directory
from mapigw.directory.model import Entry, Group, MailboxKind, User
from mapigw.directory.sharing import GRANTABLE, SentCopy

_find = mailboxes((MailboxKind.SHARED,))
_SENT_COPY = "sent_copy"


async def shared_mailbox(directory: Directory, name: str) -> User:
    """The shared mailbox with this address, name or DN. Raises `UnknownEntry`."""
    found = await _find(directory, name, None)
    assert isinstance(found, User)
    return found


async def _sharing(directory: Directory, entry: Entry) -> list[tuple[str, str]]:
    """Who has a right on a mailbox, who has subscribed to it, and who keeps what is sent as it."""
    assert isinstance(entry, User)
    sharing = directory.sharing
    lines = []
    for legacy_dn, right in sorted((await sharing.grants(entry)).items()):
        grantee = await directory.entry(legacy_dn)
        lines.append((right.name.lower(), grantee.key if grantee is not None else legacy_dn))
    lines.sort()
    subscribers = await sharing.subscribers(entry)
    names = [
        user.key + ("" if subscribers[user.user_id] else " (inactive)")
        for user in await directory.users()
        if user.user_id in subscribers
    ]
    return [*lines, ("Subscribed", ", ".join(sorted(names))), (_SENT_COPY, (await sharing.sent_copy(entry)).value)]


@click.group()
def shared() -> None:
    """Add, change and list shared mailboxes."""


shared.add_command(show_command(_find, _sharing))
shared.add_command(remove_command(_find, "a shared mailbox"))
shared.add_command(alias_group(_find))


@shared.command()
@click.argument("address")
@click.option("--domain", default="", help="Whose mailbox it is, where it has a name instead of an address.")
@changes
@data_option
@asynchronous
async def add(address: str, domain: str, display_name: str | None, data: Path, **given: Any) -> None:
    """Add a shared mailbox. ADDRESS may be a name without @: then no mail can be sent to it."""
    change = change_of(**given)
    async with opened_store(data) as (_, directory):
        added = await directory.add_mailbox(
            address, MailboxKind.SHARED, display_name=display_name or "", domain=domain, change=change
        )
    click.echo(f"Added {added.key}.")


@shared.command("list")
@click.option("--domain", help="Only those of this domain.")
@data_option
@asynchronous
async def list_shared(domain: str | None, data: Path) -> None:
    """List the shared mailboxes."""
    async with opened_store(data) as (_, directory):
        users = await directory.users(domain)
    table = Table("Address or name", "Name", "Domain", "Aliases", "Hidden")
    for found in users:
        if found.kind is MailboxKind.SHARED:
            table.add_row(found.key, found.display_name, found.domain, ", ".join(found.aliases), yes(found.hidden))
    console().print(table)


@shared.command("set")
@click.argument("address")
@changes
@data_option
@asynchronous
async def set_shared(address: str, data: Path, values: tuple[str, ...], **given: Any) -> None:
    """Change what address books show of ADDRESS, as mapigw user set.

    sent_copy=member, mailbox or both: whose Sent Items keep what a member sends as the mailbox.
    """
    rest = [value for value in values if value.partition("=")[0] != _SENT_COPY]
    wanted = [value.partition("=")[2] for value in values if value not in rest]
    if any(value not in set(SentCopy) for value in wanted) or len(wanted) > 1:
        raise click.UsageError(f"{_SENT_COPY} is one of {', '.join(SentCopy)}")
    change = change_of(rest, **given)
    async with opened_store(data) as (_, directory):
        found = await directory.change(await shared_mailbox(directory, address), change)
        for value in wanted:
            await directory.sharing.set_sent_copy(found, SentCopy(value))
    click.echo(f"Changed {found.key}.")


@shared.command()
@click.argument("mailbox")
@click.argument("grantee", metavar="USER_OR_GROUP")
@click.argument("right", type=click.Choice(list(GRANTABLE)))
@click.option("--subscribe", is_flag=True, help="Let the user, or all who are in the group now, see it in Outlook.")
@data_option
@asynchronous
async def grant(mailbox: str, grantee: str, right: str, subscribe: bool, data: Path) -> None:
    """Give somebody a right on a shared mailbox, in the place of what they had.

    read: see everything in it; write: change everything, and send as it; manage: also give permissions in Outlook.
    """
    async with opened_store(data) as (_, directory):
        owner = await shared_mailbox(directory, mailbox)
        entry = await directory.named(grantee)
        members = await _members(directory, entry) if subscribe else []
        await directory.sharing.grant(owner, entry, GRANTABLE[right], subscribers=members)
    subscribed = f" Subscribed: {', '.join(user.key for user in members) or 'nobody'}." if subscribe else ""
    click.echo(f"{entry.key} has {right} on {owner.key}.{subscribed}")


@shared.command()
@click.argument("mailbox")
@click.argument("grantee", metavar="USER_OR_GROUP")
@data_option
@asynchronous
async def revoke(mailbox: str, grantee: str, data: Path) -> None:
    """Take back what somebody has on a shared mailbox: its sessions end at their next request.

    Who has been removed is named by the DN that show tells.
    """
    async with opened_store(data) as (_, directory):
        owner = await shared_mailbox(directory, mailbox)
        if not grantee.startswith("/"):
            grantee = (await directory.named(grantee)).legacy_dn
        await directory.sharing.revoke(owner, grantee)
        entry = await directory.entry(grantee)
    click.echo(f"{entry.key if entry is not None else grantee} has no right on {owner.key} any more.")


async def _members(directory: Directory, entry: Entry) -> list[User]:
    """A user, or the users in a group at any depth."""
    if not isinstance(entry, Group):
        return [entry] if isinstance(entry, User) else []
    name = entry.legacy_dn.lower()
    users = [user for user in await directory.users() if user.kind is MailboxKind.USER]
    return [user for user in users if name in await directory.names_of(user)]
