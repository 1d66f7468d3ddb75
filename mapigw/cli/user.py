"""``mapigw user``: who may use the server."""

import sys
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from mapigw.cli.entries import alias_group, change_of, changes, remove_command, set_command, show_command, yes
from mapigw.cli.group import asynchronous, console, data_option, opened_store
from mapigw.directory.directory import Directory
from mapigw.directory.errors import UnknownUser
from mapigw.directory.model import MailboxKind, User

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


async def _find(directory: Directory, address: str, domain: str | None) -> User:
    found = await directory.by_address(address)
    if found is None or found.kind is not MailboxKind.USER:
        raise UnknownUser(address)
    return found


@click.group()
def user() -> None:
    """Add, change and list users."""


user.add_command(set_command(_find))
user.add_command(show_command(_find))
user.add_command(remove_command(_find, "a user"))
user.add_command(alias_group(_find))


@user.command()
@click.argument("address")
@click.option("--admin", is_flag=True, help="The user may ask for administrative privilege.")
@click.option("--no-password", is_flag=True, help="The password is checked by another server, or there is none yet.")
@changes
@password_option
@data_option
@asynchronous
async def add(
    address: str,
    admin: bool,
    no_password: bool,
    password_stdin: bool,
    display_name: str | None,
    data: Path,
    **given: Any,
) -> None:
    """Add a user, its mailbox, and its domain if it is the first there."""
    change = change_of(**given)
    password = None if no_password else read_password(password_stdin)
    async with opened_store(data) as (_, directory):
        added = await directory.add(address, password, display_name=display_name or "", admin=admin, change=change)
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
        if found.kind is not MailboxKind.USER:
            continue
        aliases = ", ".join(found.aliases)
        table.add_row(found.address, found.display_name, aliases, yes(found.enabled), yes(found.admin))
    console().print(table)


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
