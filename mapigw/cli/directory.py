"""``mapigw directory``: entries from files, and from LDAP or Active Directory."""

import asyncio
from pathlib import Path

import click

from mapigw.cli.group import asynchronous, config_option, configured, data_option, opened_store
from mapigw.directory.importing import READERS, SUFFIXES, import_file
from mapigw.directory.ldap_sync import Synchronizer
from mapigw.directory.records import RecordKind, Report
from mapigw.server.config import ConfigurationError
from mapigw.server.directories import ldap_source

EXIT_LEFT_OUT = 3


@click.group()
def directory() -> None:
    """Import entries from files, synchronize them from LDAP."""


@directory.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(list(READERS)), help="What FILE is; else its suffix says that.")
@click.option(
    "--kind",
    type=click.Choice(list(RecordKind)),
    help="What entries are that do not say it themselves: contact in vCard files, else user.",
)
@click.option("--domain", default="", help="The mail domain whose address list contacts are put in.")
@click.option("--dry-run", is_flag=True, help="Change nothing; tell what would be changed.")
@data_option
@asynchronous
async def import_command(
    file: Path, form: str | None, kind: str | None, domain: str, dry_run: bool, data: Path
) -> None:
    """Create and update the entries in FILE.

    CSV: the first line names the attributes, as mapigw user set does or as LDAP does, and besides address,
    display_name, kind, domain, aliases, hidden, enabled, password, members, managers. Several values in a field are
    separated by semicolons; an empty field removes what is there. UTF-8.

    Entries are known by their address. One that cannot be taken over is named and left out; the exit status is then 3.
    """
    form = form or SUFFIXES.get(file.suffix.lower())
    if form is None:
        raise click.UsageError(f"{file}: what it is cannot be told from its name; give --format")
    given = RecordKind(kind or ("contact" if form == "vcard" else "user"))
    async with opened_store(data) as (_, opened):
        report = await import_file(opened, file, form, given, domain, dry_run=dry_run)
    _tell(report, dry_run)


@directory.command()
@click.option("--dry-run", is_flag=True, help="Change nothing; tell what would be changed.")
@click.option("--remove", is_flag=True, help="Remove who is not there any more, with the mailbox; else only disable.")
@config_option
@data_option
@asynchronous
async def sync(dry_run: bool, remove: bool, config: Path | None, data: Path) -> None:
    """Take over people, groups, contacts and rooms from the server of the configuration's table [ldap].

    Entries are known by their entryUUID or objectGUID, or the first time by their address. One that cannot be taken
    over is named and left out; the exit status is then 3.
    """
    settings = configured(data, config)
    try:
        source = await asyncio.to_thread(ldap_source, settings)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    async with opened_store(data) as (_, opened):
        report = await Synchronizer(opened, source, dry_run=dry_run, remove=remove).run()
    _tell(report, dry_run)


def _tell(report: Report, dry_run: bool) -> None:
    for failure in report.failures:
        click.echo(str(failure), err=True)
    if dry_run:
        for line in report.lines:
            click.echo(line)
    counts = [
        f"{report.added} added",
        f"{report.changed} changed",
        f"{report.unchanged} unchanged",
        *([f"{report.vanished} vanished"] if report.vanished else []),
        *([f"{len(report.failures)} problems"] if report.failures else []),
    ]
    click.echo(f"{'Would be: ' if dry_run else ''}{', '.join(counts)}.")
    if report.failures:
        raise click.exceptions.Exit(EXIT_LEFT_OUT)
