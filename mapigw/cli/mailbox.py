"""mapigw mailbox: import and export of mail, and what a mailbox holds."""

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from mapigw.cli.group import data_option
from mapigw.directory.directory import Directory
from mapigw.directory.errors import DirectoryError, UnknownUser
from mapigw.mail.export.folders import Exporter, ExportSummary, exported_folders, find_folder
from mapigw.mail.export.targets import Format
from mapigw.mail.importer import FolderPathError, Importer, Summary, resolve_folder
from mapigw.mail.sources import read_sources, total_size
from mapigw.mailbox.mailboxes import Mailbox, MailboxError, Mailboxes
from mapigw.store.database import Database
from mapigw.store.folders import Folder

EXIT_UNREADABLE = 3


@click.group()
def mailbox() -> None:
    """Import and export mail, and look at mailboxes. All of it works while the server runs."""


@mailbox.command("import")
@click.argument("user")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--folder",
    help='Where to, with "/" between folder names, in any case. Folders that do not exist are created. Without it mail '
    "goes to the Inbox, and contacts, appointments and tasks to the folders of their kind.",
)
@data_option
def import_command(user: str, paths: tuple[Path, ...], folder: str | None, data: Path) -> None:
    """Import mail, contacts and calendars into the mailbox of USER, an address or alias.

    PATH is a message (.eml), an mbox file, a Maildir, a file of vCards (.vcf), a calendar (.ics), or a folder of any of
    these, which is read recursively. Subfolders of a Maildir become subfolders. Messages are added, never compared:
    importing the same mail twice gives it twice. What cannot be imported is put aside in the data folder's "unreadable"
    and named; the exit status is then 3.
    """
    console = Console(stderr=True)
    summary = _run(_import(user, list(paths), folder, data, console))
    for failure in summary.failures:
        where = f" (kept as {failure.kept})" if failure.kept is not None else ""
        click.echo(f"{failure.source}: {failure.reason}{where}", err=True)
    text = f"{summary.imported} messages ({decimal(summary.size)}) imported into {folder or 'Inbox'}"
    if summary.failures:
        text += f", {len(summary.failures)} could not be read"
    click.echo(text)
    if summary.failures:
        sys.exit(EXIT_UNREADABLE)


@mailbox.command("export")
@click.argument("user")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in Format]),
    required=True,
    help="A file a message, an mbox file a folder, or a Maildir a folder.",
)
@click.option("--folder", help='Which folder, with "/" between folder names, in any case. Without it all of them.')
@data_option
def export_command(user: str, directory: Path, form: str, folder: str | None, data: Path) -> None:
    """Write the mailbox of USER, an address or alias, into DIRECTORY, which is empty or does not exist yet.

    Folders become directories. Mail that came from the Internet is written as it came, unless it was changed. Maildirs
    and mbox files tell what was read, answered or flagged; single files do not, but contacts, appointments and tasks
    among them are vCards and calendars. What cannot be read is named; the exit status is then 3.
    """
    console = Console(stderr=True)
    try:
        summary = _run(_export(user, directory, Format(form), folder, data, console))
    except OSError as error:
        raise click.ClickException(f"{error.filename or directory}: {error.strerror or error}") from error
    for failure in summary.failures:
        click.echo(failure, err=True)
    click.echo(f"{summary.exported} messages ({decimal(summary.size)}) exported into {directory}")
    if summary.failures:
        sys.exit(EXIT_UNREADABLE)


@mailbox.command("stat")
@click.argument("user")
@data_option
def stat_command(user: str, data: Path) -> None:
    """Show the folders of USER's mailbox with their messages and sizes."""
    folders = _run(_statistics(user, data))
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(_table(folders))


_Result = TypeVar("_Result")


def _run(work: Coroutine[Any, Any, _Result]) -> _Result:
    try:
        return asyncio.run(work)
    except (DirectoryError, MailboxError, FolderPathError) as error:
        raise click.ClickException(str(error)) from error


@asynccontextmanager
async def _open(user: str, data: Path) -> AsyncIterator[tuple[Directory, Mailbox]]:
    database = await Database.open(data)
    try:
        directory = Directory(database)
        owner = await directory.by_address(user)
        if owner is None:
            raise UnknownUser(user)
        yield directory, await Mailboxes(database).open(owner.mailbox_id)
    finally:
        await database.close()


async def _import(user: str, paths: list[Path], folder: str | None, data: Path, console: Console) -> Summary:
    async with _open(user, data) as (_directory, opened):
        target = await resolve_folder(opened, folder or "Inbox")
        columns = (
            TextColumn("{task.fields[messages]} messages"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            size = await asyncio.to_thread(total_size, paths)
            task = progress.add_task("import", total=size, messages=0)
            count = 0

            def advanced(messages: int, size: int) -> None:
                nonlocal count
                count += messages
                progress.update(task, advance=size, messages=count)

            importer = Importer(opened, target, data / "unreadable", advanced, by_kind=folder is None)
            return await importer.run(read_sources(paths))


async def _export(
    user: str, directory: Path, form: Format, folder: str | None, data: Path, console: Console
) -> ExportSummary:
    async with _open(user, data) as (people, opened):
        root = await find_folder(opened, folder)
        if not await asyncio.to_thread(_is_free, directory):
            raise click.ClickException(f"{directory} is not an empty directory")

        async def resolve(dn: str) -> str | None:
            entry = await people.entry(dn)
            return entry.address if entry is not None else None

        columns = (TextColumn("{task.completed} messages"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            total = sum(one.content_count for one in exported_folders(await opened.folders(), root))
            task = progress.add_task("export", total=total)
            exporter = Exporter(
                opened, directory, form, resolve=resolve, advanced=lambda count: progress.advance(task, count)
            )
            return await exporter.run(root)


def _is_free(directory: Path) -> bool:
    return not any(directory.iterdir()) if directory.is_dir() else not directory.exists()


async def _statistics(user: str, data: Path) -> list[Folder]:
    async with _open(user, data) as (_directory, opened):
        return await opened.folders()


def _table(folders: list[Folder]) -> Table:
    """The folders as a tree below the mailbox's root, siblings by name, and their sum."""
    table = Table("Folder", show_footer=True)
    children: dict[int, list[Folder]] = {}
    for folder in folders:
        children.setdefault(folder.parent_id, []).append(folder)
    totals = [0, 0, 0, 0]

    def add(parent_id: int, depth: int) -> None:
        for folder in sorted(children.get(parent_id, ()), key=lambda child: child.name.casefold()):
            numbers = (
                folder.content_count,
                folder.content_unread_count,
                folder.associated_count,
                folder.content_size + folder.associated_size,
            )
            for column, number in enumerate(numbers):
                totals[column] += number
            table.add_row("  " * depth + (folder.name or "(root)"), *map(str, numbers[:3]), decimal(numbers[3]))
            add(folder.folder_id, depth + 1)

    for heading in ("Messages", "Unread", "Associated", "Size"):
        table.add_column(heading, justify="right")
    add(0, 0)
    for column, text in zip(table.columns, ("Total", *map(str, totals[:3]), decimal(totals[3])), strict=True):
        column.footer = text
    return table
