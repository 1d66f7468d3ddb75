"""``mapigw room``: rooms and equipment that meetings are held in and with."""

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from mapigw.cli.entries import (
    alias_group,
    change_of,
    changes,
    mailboxes,
    remove_command,
    set_command,
    show_command,
    yes,
)
from mapigw.cli.group import asynchronous, console, data_option, opened_store
from mapigw.directory.attributes import BOOKING_POLICIES
from mapigw.directory.model import MailboxKind

_KINDS = (MailboxKind.ROOM, MailboxKind.EQUIPMENT)
_find = mailboxes(_KINDS)


@click.group()
def room() -> None:
    """Add, change and list rooms and equipment."""


room.add_command(set_command(_find))
room.add_command(show_command(_find))
room.add_command(remove_command(_find, "a room or equipment"))
room.add_command(alias_group(_find))


@room.command()
@click.argument("address")
@click.option("--equipment", is_flag=True, help="It is no room but equipment: a projector, a car.")
@click.option("--capacity", metavar="N", help="How many people there is room for.")
@click.option(
    "--policy",
    type=click.Choice(BOOKING_POLICIES),
    help="What it does with meeting requests; without this option they wait for somebody to answer them.",
)
@click.option("--days", metavar="N", help="How many days ahead it can be booked at most.")
@changes
@data_option
@asynchronous
async def add(
    address: str,
    equipment: bool,
    capacity: str | None,
    policy: str | None,
    days: str | None,
    display_name: str | None,
    data: Path,
    **given: Any,
) -> None:
    """Add a room with its mailbox, which nobody logs in to."""
    change = change_of(**given)
    options = {"capacity": capacity, "booking_policy": policy, "booking_days": days}
    change.attributes = {**change.attributes, **{name: [value] for name, value in options.items() if value}}
    kind = MailboxKind.EQUIPMENT if equipment else MailboxKind.ROOM
    async with opened_store(data) as (_, directory):
        added = await directory.add_mailbox(address, kind, display_name=display_name or "", change=change)
    click.echo(f"Added {added.address}.")


@room.command("list")
@click.option("--domain", help="Only those of this domain.")
@data_option
@asynchronous
async def list_rooms(domain: str | None, data: Path) -> None:
    """List rooms and equipment."""
    async with opened_store(data) as (_, directory):
        users = await directory.users(domain)
    table = Table("Address", "Name", "Kind", "Capacity", "Meeting requests", "Hidden")
    for found in users:
        if found.kind in _KINDS:
            table.add_row(
                found.address,
                found.display_name,
                found.kind.value,
                found.details.get("capacity") or "",
                found.details.get("booking_policy") or "manual",
                yes(found.hidden),
            )
    console().print(table)
