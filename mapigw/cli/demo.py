"""``mapigw demo``: a server with two users and some mail to try Outlook with (``make run``)."""

import asyncio
from pathlib import Path
from socket import gethostname

import click
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from mapigw.cli.group import data_option, opened_store
from mapigw.cli.serve import run
from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.mail.importer import Importer
from mapigw.mail.sources import read_sources
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.server.config import ConfigurationError, load
from mapigw.server.gateway import Gateway
from mapigw.store.database import Database

DOMAIN = "bm.lan"
PASSWORD = "secret"  # noqa: S105
USERS = (("tom", "Tom Bauer"), ("anna", "Anna Maier"))


@click.command()
@data_option
@click.option(
    "--mail",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Mail as mapigw mailbox import takes it, to be put into both inboxes once.",
)
@click.option("--listen", metavar="HOST:PORT", default="0.0.0.0:8443", show_default=True)
def demo(data: Path, mail: Path | None, listen: str) -> None:
    """Serve a demonstration domain, bm.lan, with the users tom and anna."""
    try:
        settings = load(None, {"data": data, "listen": listen, "tls": {"names": [f"autodiscover.{DOMAIN}", DOMAIN]}})
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    asyncio.run(prepare(data, mail))
    run(settings, _explain)


async def prepare(data: Path, mail: Path | None) -> None:
    """Make the users that are missing, and put the mail of ``mail`` into mailboxes that have not had it yet."""
    async with opened_store(data) as (database, directory):
        for name, display_name in USERS:
            user = await _ensure_user(directory, f"{name}@{DOMAIN}", display_name)
            done = data / f"demo-mail-{user.mailbox_guid}"
            if mail and not done.exists():
                count = await _fill(database, user, data, mail)
                done.touch()
                click.echo(f"Put {count} messages into the inbox of {user.address}.")


async def _ensure_user(directory: Directory, address: str, display_name: str) -> User:
    known = await directory.by_address(address)
    return known or await directory.add(address, PASSWORD, display_name=display_name)


async def _fill(database: Database, user: User, data: Path, mail: Path) -> int:
    mailbox = await Mailboxes(database).open(user.mailbox_id)
    inbox = await mailbox.special_folder("inbox")
    summary = await Importer(mailbox, inbox, data / "unreadable").run(read_sources([mail]))
    return summary.imported


def _explain(gateway: Gateway) -> None:
    port = gateway.settings.address[1]
    table = Table.grid(padding=(0, 2))
    for name, _ in USERS:
        table.add_row("Address", f"[bold]{name}@{DOMAIN}[/]")
    table.add_row("Password", f"[bold]{PASSWORD}[/]")
    server = f"https://{gethostname()}:{port}/"
    table.add_row("Server", f"{server}  (mailboxes at /mapi/emsmdb, address book at /mapi/nspi)")
    table.add_row(
        "Autodiscover",
        f"https://autodiscover.{DOMAIN}{'' if port == 443 else f':{port}'}/autodiscover/autodiscover.xml",
    )
    table.add_row("Certificate", f"{gateway.certificate}  (put it into Windows' trusted root certificates)")
    table.add_row("Name", f"let autodiscover.{DOMAIN} be this machine, in the DNS or in Windows' hosts file")
    if port != 443:
        table.add_row("Port", "Outlook asks on port 443: forward it here, or stop and start with LISTEN=0.0.0.0:443")
    Console().print(Panel(table, title="Type into Outlook", expand=False))
