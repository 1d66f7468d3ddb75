"""``mapigw group``: groups of users, to which mailboxes' owners grant permissions."""

from pathlib import Path

import click
from rich.table import Table

from mapigw.cli.group import asynchronous, console, data_option, opened_store
from mapigw.directory.errors import UnknownGroup

_NAME_WIDTH = 10


@click.group()
def group() -> None:
    """Add, change and list groups."""


@group.command()
@click.argument("address")
@click.option("--display-name", default="", help="The name in lists of permissions; else the part before the @.")
@data_option
@asynchronous
async def add(address: str, display_name: str, data: Path) -> None:
    """Add an empty group, and its domain if it is the first there."""
    async with opened_store(data) as (_, directory):
        added = await directory.add_group(address, display_name=display_name)
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


@group.command()
@click.argument("address")
@data_option
@asynchronous
async def show(address: str, data: Path) -> None:
    """Show everything about a group."""
    async with opened_store(data) as (_, directory):
        found = await directory.group(address)
    if found is None:
        raise UnknownGroup(address)
    details = [
        ("Address", found.address),
        ("Name", found.display_name),
        ("Members", ", ".join(found.members)),
        ("LegacyDN", found.legacy_dn),
    ]
    for name, value in details:
        click.echo(f"{name:<{_NAME_WIDTH}}{value}".rstrip())


@group.command("list")
@data_option
@asynchronous
async def list_groups(data: Path) -> None:
    """List the groups."""
    async with opened_store(data) as (_, directory):
        groups = await directory.groups()
    table = Table("Address", "Name", "Members")
    for found in groups:
        table.add_row(found.address, found.display_name, ", ".join(found.members))
    console().print(table)


@group.command()
@click.argument("address")
@click.argument("member")
@data_option
@asynchronous
async def add_member(address: str, member: str, data: Path) -> None:
    """Let MEMBER, a user or another group, be in the group ADDRESS."""
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
