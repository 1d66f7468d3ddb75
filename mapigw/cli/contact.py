"""``mapigw contact``: people elsewhere who stand in an address list."""

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from mapigw.cli.entries import alias_group, change_of, changes, set_command, show_command, yes
from mapigw.cli.group import asynchronous, console, data_option, opened_store
from mapigw.directory.directory import Directory
from mapigw.directory.errors import UnknownContact
from mapigw.directory.model import Contact


async def _find(directory: Directory, address: str, domain: str | None) -> Contact:
    found = await directory.entry(address) if address.startswith("/") else await directory.contact(address, domain)
    if not isinstance(found, Contact):
        raise UnknownContact(address)
    return found


@click.group()
def contact() -> None:
    """Add, change and list contacts: people elsewhere who stand in an address list."""


contact.add_command(set_command(_find))
contact.add_command(show_command(_find))
contact.add_command(alias_group(_find))


@contact.command()
@click.argument("address")
@click.option("--domain", required=True, help="The mail domain whose address list the contact is to be in.")
@changes
@data_option
@asynchronous
async def add(address: str, domain: str, display_name: str | None, data: Path, **given: Any) -> None:
    """Put somebody elsewhere into an address list."""
    change = change_of(**given)
    async with opened_store(data) as (_, directory):
        added = await directory.add_contact(address, domain, display_name=display_name or "", change=change)
    click.echo(f"Added {added.address} to the address list of {added.domain}.")


@contact.command("list")
@click.option("--domain", help="Only the contacts in the address list of this domain.")
@data_option
@asynchronous
async def list_contacts(domain: str | None, data: Path) -> None:
    """List the contacts."""
    async with opened_store(data) as (_, directory):
        contacts = await directory.contacts()
    table = Table("Address", "Name", "List of", "Company", "Hidden")
    for found in contacts:
        if domain in (None, found.domain):
            company = found.details.get("company") or ""
            table.add_row(found.address, found.display_name, found.domain, company, yes(found.hidden))
    console().print(table)


@contact.command()
@click.argument("address")
@click.option("--domain", help="Whose address list; for contacts that are in several.")
@data_option
@asynchronous
async def remove(address: str, domain: str | None, data: Path) -> None:
    """Take a contact out of an address list."""
    async with opened_store(data) as (_, directory):
        found = await _find(directory, address, domain)
        await directory.remove_entry(found)
    click.echo(f"Removed {found.address} from the address list of {found.domain}.")
