"""``mapigw oab``: the offline address books."""

import asyncio
from pathlib import Path

import click
from rich.table import Table

from mapigw.cli.group import asynchronous, config_option, configured, console, data_option, opened_store
from mapigw.directory.directory import Directory
from mapigw.server.directories import shared_lists
from mapigw.wire.errors import WireError
from oab.background import AddressListKeeper
from oab.publication import Publication

domain_option = click.option("--domain", help="Only the address list of this mail domain.")


@click.group()
def oab() -> None:
    """Make, check and list the offline address books; the server makes them by itself."""


async def _domains(directory: Directory, domain: str | None) -> list[str]:
    known = list(dict.fromkeys(user.domain for user in await directory.users(domain)))
    if domain and not known:
        raise click.ClickException(f"nobody has an address in {domain}")
    return known


@oab.command()
@domain_option
@config_option
@data_option
@asynchronous
async def generate(domain: str | None, config: Path | None, data: Path) -> None:
    """Make the address lists now; one that says what the directory says stays as it is."""
    async with opened_store(data, shared_lists(configured(data, config))) as (_, directory):
        keeper = AddressListKeeper(directory, data)
        for name in await _domains(directory, domain):
            await keeper.make(name)
            published = await asyncio.to_thread(Publication(data, name).current)
            if published:
                click.echo(f"{name}: sequence {published.full.sequence}, {published.full.size} bytes")


@oab.command()
@domain_option
@config_option
@data_option
@asynchronous
async def verify(domain: str | None, config: Path | None, data: Path) -> None:
    """Read the files back and compare every entry with the directory; status 1 if anything is wrong."""
    wrong = False
    async with opened_store(data, shared_lists(configured(data, config))) as (_, directory):
        keeper = AddressListKeeper(directory, data)
        for name in await _domains(directory, domain):
            lines = await keeper.verify(name)
            for line in lines:
                click.echo(line)
            if not lines:
                click.echo(f"{name}: {await keeper.count(name)} entries, all right")
            wrong = wrong or bool(lines)
    if wrong:
        raise click.exceptions.Exit(1)


@oab.command("list")
@domain_option
@config_option
@data_option
@asynchronous
async def list_lists(domain: str | None, config: Path | None, data: Path) -> None:
    """List the published files."""
    table = Table("Domain", "Sequence", "File", "Bytes", "Uncompressed", "SHA-1")
    async with opened_store(data, shared_lists(configured(data, config))) as (_, directory):
        for name in await _domains(directory, domain):
            try:
                found = await asyncio.to_thread(Publication(data, name).current)
            except WireError as error:
                raise click.ClickException(f"{name}: {error}") from None
            if found is None:
                continue
            for file in (found.full, *(item.file for item in found.templates), *found.differences):
                table.add_row(
                    name, str(file.sequence), file.name, str(file.size), str(file.uncompressed_size), file.sha
                )
    console().print(table)
