"""``mapigw user``: who may use the server."""

import sys
from pathlib import Path

import click
from rich.table import Table

from mapigw.cli.group import asynchronous, console, data_option, opened_store
from mapigw.directory.errors import UnknownUser
from mapigw.directory.model import User

_NAME_WIDTH = 10

password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)


def read_password(from_stdin: bool) -> str:
    """The password, asked for twice at a terminal."""
    if from_stdin:
        line = sys.stdin.readline()
        return line.removesuffix("\n").removesuffix("\r")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


@click.group()
def user() -> None:
    """Add, change and list users."""


@user.command()
@click.argument("address")
@click.option("--display-name", default="", help="The name in the address book; else the part before the @.")
@click.option("--admin", is_flag=True, help="The user may ask for administrative privilege.")
@password_option
@data_option
@asynchronous
async def add(address: str, display_name: str, admin: bool, password_stdin: bool, data: Path) -> None:
    """Add a user, its mailbox, and its domain if it is the first there."""
    password = read_password(password_stdin)
    async with opened_store(data) as (_, directory):
        added = await directory.add(address, password, display_name=display_name, admin=admin)
    click.echo(f"Added {added.address}.")


@user.command("list")
@click.option("--domain", help="Only the users of this domain.")
@data_option
@asynchronous
async def list_users(domain: str | None, data: Path) -> None:
    """List the users."""
    async with opened_store(data) as (_, directory):
        users = await directory.users(domain)
    table = Table("Address", "Name", "Aliases", "Enabled", "Admin")
    for found in users:
        aliases = ", ".join(found.aliases)
        table.add_row(found.address, found.display_name, aliases, _yes(found.enabled), _yes(found.admin))
    console().print(table)


@user.command()
@click.argument("address")
@data_option
@asynchronous
async def show(address: str, data: Path) -> None:
    """Show everything about a user."""
    async with opened_store(data) as (_, directory):
        found = await directory.by_address(address)
    if found is None:
        raise UnknownUser(address)
    for name, value in _details(found):
        click.echo(f"{name:<{_NAME_WIDTH}}{value}".rstrip())


@user.command()
@click.argument("address")
@password_option
@data_option
@asynchronous
async def passwd(address: str, password_stdin: bool, data: Path) -> None:
    """Give a user another password; the old one stops working at once."""
    password = read_password(password_stdin)
    async with opened_store(data) as (_, directory):
        changed = await directory.set_password(address, password)
    click.echo(f"Changed the password of {changed.address}.")


@user.command()
@click.argument("address")
@data_option
@asynchronous
async def enable(address: str, data: Path) -> None:
    """Let a user in again."""
    async with opened_store(data) as (_, directory):
        changed = await directory.set_enabled(address, True)
    click.echo(f"Enabled {changed.address}.")


@user.command()
@click.argument("address")
@data_option
@asynchronous
async def disable(address: str, data: Path) -> None:
    """Keep a user out at once; the mailbox stays."""
    async with opened_store(data) as (_, directory):
        changed = await directory.set_enabled(address, False)
    click.echo(f"Disabled {changed.address}.")


@user.command()
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
@asynchronous
async def remove(address: str, yes: bool, data: Path) -> None:
    """Remove a user with its mailbox and all that is in it."""
    async with opened_store(data) as (_, directory):
        found = await directory.by_address(address)
        if found is None:
            raise UnknownUser(address)
        if not yes:
            click.confirm(f"Remove {found.address} and everything in its mailbox?", abort=True, err=True)
        await directory.remove(found.address)
    click.echo(f"Removed {found.address}.")


@user.group()
def alias() -> None:
    """Further addresses of a user."""


@alias.command("add")
@click.argument("address")
@click.argument("alias")
@data_option
@asynchronous
async def add_alias(address: str, alias: str, data: Path) -> None:
    """Let ALIAS be an address of the user ADDRESS."""
    async with opened_store(data) as (_, directory):
        changed = await directory.add_alias(address, alias)
    click.echo(f"Aliases of {changed.address}: {', '.join(changed.aliases)}")


@alias.command("remove")
@click.argument("address")
@click.argument("alias")
@data_option
@asynchronous
async def remove_alias(address: str, alias: str, data: Path) -> None:
    """Take ALIAS from the user ADDRESS."""
    async with opened_store(data) as (_, directory):
        changed = await directory.remove_alias(address, alias)
    click.echo(f"Aliases of {changed.address}: {', '.join(changed.aliases) or 'none'}")


@alias.command("list")
@click.argument("address")
@data_option
@asynchronous
async def list_aliases(address: str, data: Path) -> None:
    """List the aliases of the user ADDRESS, one a line."""
    async with opened_store(data) as (_, directory):
        found = await directory.by_address(address)
    if found is None:
        raise UnknownUser(address)
    for name in found.aliases:
        click.echo(name)


def _details(found: User) -> list[tuple[str, str]]:
    return [
        ("Address", found.address),
        ("Name", found.display_name),
        ("Aliases", ", ".join(found.aliases)),
        ("Enabled", _yes(found.enabled)),
        ("Admin", _yes(found.admin)),
        ("Mailbox", str(found.mailbox_guid)),
        ("LegacyDN", found.legacy_dn),
    ]


def _yes(value: bool) -> str:
    return "yes" if value else "no"
