"""``mapigw queue``: mail that waits to be sent."""

from contextlib import suppress
from pathlib import Path

import click
from rich.filesize import decimal
from rich.table import Table

from mapigw.cli.group import asynchronous, console, data_option, opened_store
from mapigw.mail.queue import remove
from mapigw.mail.queue import retry as retry_entries
from mapigw.server.admin import NoServerError, ask
from mapigw.store import queue as rows
from mapigw.store.queue import RecipientState, Step
from mapigw.wire.properties import from_filetime

_STEPS = {
    Step.SUBMITTED: "submitted",
    Step.EXPANDED: "distributing",
    Step.RELAY: "for the relay",
    Step.READ_RECEIPT: "receipt",
    Step.NON_READ_RECEIPT: "receipt",
}
_SHOWN = 3  # recipients in the list


@click.group()
def queue() -> None:
    """Look at the mail that waits to be sent, try it again or drop it."""


def _moment(value: int) -> str:
    return f"{from_filetime(value):%Y-%m-%d %H:%M:%S}"


@queue.command("list")
@data_option
@asynchronous
async def list_queue(data: Path) -> None:
    """List what waits, oldest first; times are UTC."""
    async with opened_store(data) as (database, _), database.read() as connection:
        entries = await rows.select_listing(connection)
        pending = await rows.select_pending(connection)
    table = Table("Id", "State", "Sender", "Recipients", "Subject", "Size", "Since", "Next attempt", "Attempts")
    for entry in entries:
        addresses = pending.get(entry.outgoing_id, [])
        more = f" and {len(addresses) - _SHOWN} more" if len(addresses) > _SHOWN else ""
        table.add_row(
            str(entry.outgoing_id),
            _STEPS[Step(entry.step)],
            entry.sender or "<>",
            ", ".join(addresses[:_SHOWN]) + more,
            entry.subject,
            decimal(entry.size) if entry.size else "",
            _moment(entry.created),
            _moment(entry.due),
            str(entry.attempts),
        )
    console().print(table)


@queue.command()
@click.argument("entry", type=int)
@data_option
@asynchronous
async def show(entry: int, data: Path) -> None:
    """Show an entry and what is known of each of its recipients."""
    async with opened_store(data) as (database, _), database.read() as connection:
        found = await rows.select_listing(connection, entry)
        recipients = await rows.select_recipients(connection, entry)
    if not found:
        raise click.ClickException(f"there is no entry {entry}")
    row = found[0]
    details = Table.grid(padding=(0, 2))
    for name, value in (
        ("State", _STEPS[Step(row.step)]),
        ("Sender", row.sender or "<>"),
        ("Subject", row.subject),
        ("Since", _moment(row.created)),
        ("Next attempt", _moment(row.due)),
        ("Attempts", str(row.attempts)),
    ):
        details.add_row(name, value)
    table = Table("Recipient", "State", "Status", "Diagnostic")
    for recipient in recipients:
        state = RecipientState(recipient.state).name.lower()
        table.add_row(recipient.address, state, recipient.status, recipient.diagnostic)
    console().print(details, table)


@queue.command()
@click.argument("entry", type=int, required=False)
@data_option
@asynchronous
async def retry(entry: int | None, data: Path) -> None:
    """Try ENTRY now, or again what has failed so far. Without a running server it is tried when one starts."""
    async with opened_store(data) as (database, _):
        count = await retry_entries(database, entry)
    if entry is not None and not count:
        raise click.ClickException(f"there is no entry {entry}")
    with suppress(NoServerError):
        await ask(data, {"command": "wake queue"})
    click.echo(f"{count} {'entry is' if count == 1 else 'entries are'} tried again.")


@queue.command()
@click.argument("entry", type=int)
@data_option
@asynchronous
async def drop(entry: int, data: Path) -> None:
    """Remove ENTRY; its sender is not told."""
    async with opened_store(data) as (database, _):
        if not await remove(database, entry):
            raise click.ClickException(f"there is no entry {entry}")
    click.echo(f"Dropped {entry}.")
