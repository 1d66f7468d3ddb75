"""``mapigw group``: groups, which are lists of recipients, and to which mailboxes' owners grant permissions."""

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from mapigw.cli.entries import alias_group, change_of, changes, set_command, show_command, yes
from mapigw.cli.group import asynchronous, console, data_option, opened_store
from mapigw.directory.directory import Directory
from mapigw.directory.errors import UnknownGroup
from mapigw.directory.model import Group


async def _find(directory: Directory, address: str, domain: str | None) -> Group:
    found = await directory.group(address)
    if found is None:
        raise UnknownGroup(address)
    return found


@click.group()
def group() -> None:
    """Add, change and list groups."""


group.add_command(set_command(_find))
group.add_command(show_command(_find))
group.add_command(alias_group(_find))


@group.command()
@click.argument("address")
@changes
@data_option
@asynchronous
async def add(address: str, display_name: str | None, data: Path, **given: Any) -> None:
    """Add an empty group, and its domain if it is the first there."""
    change = change_of(**given)
    async with opened_store(data) as (_, directory):
        added = await directory.add_group(address, display_name=display_name or "", change=change)
    click.echo(f"Added {added.address}.")


@group.command()
@click.argument("address")
@data_option
@asynchronous
async def remove(address: str, data: Path) -> None:
    """Remove a group and what was granted to it; its members stay."""
    async with opened_store(data) as (_, directory):
        await directory.remove_group(address)
    click.echo(f"Removed {address}.")


@group.command("list")
@data_option
@asynchronous
async def list_groups(data: Path) -> None:
    """List the groups."""
    async with opened_store(data) as (_, directory):
        groups = await directory.groups()
    table = Table("Address", "Name", "Members", "Hidden")
    for found in groups:
        table.add_row(found.address, found.display_name, ", ".join(found.members), yes(found.hidden))
    console().print(table)


@group.command()
@click.argument("address")
@click.argument("member")
@data_option
@asynchronous
async def add_member(address: str, member: str, data: Path) -> None:
    """Let MEMBER, a user, another group or a contact, be in the group ADDRESS."""
    async with opened_store(data) as (_, directory):
        changed = await directory.add_member(address, member)
    click.echo(f"Members of {changed.address}: {', '.join(changed.members)}")


@group.command()
@click.argument("address")
@click.argument("member")
@data_option
@asynchronous
async def remove_member(address: str, member: str, data: Path) -> None:
    """Take MEMBER out of the group ADDRESS."""
    async with opened_store(data) as (_, directory):
        changed = await directory.remove_member(address, member)
    click.echo(f"Members of {changed.address}: {', '.join(changed.members) or 'none'}")


@group.command()
@click.argument("address")
@click.argument("manager")
@data_option
@asynchronous
async def add_manager(address: str, manager: str, data: Path) -> None:
    """Let MANAGER, a user or whoever is in another group, change who is in the group ADDRESS."""
    async with opened_store(data) as (_, directory):
        await directory.add_manager(address, manager)
    click.echo(f"{manager} is a manager of {address}.")


@group.command()
@click.argument("address")
@click.argument("manager")
@data_option
@asynchronous
async def remove_manager(address: str, manager: str, data: Path) -> None:
    """Take the management of the group ADDRESS from MANAGER."""
    async with opened_store(data) as (_, directory):
        await directory.remove_manager(address, manager)
    click.echo(f"{manager} is no manager of {address} any more.")
