"""``mapigw sessions``: who is connected to the running server."""

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from mapigw.cli.group import asynchronous, console, data_option
from mapigw.server.admin import NoServerError, SessionInfo, ask


@click.group()
def sessions() -> None:
    """List the sessions of the running server, and end some."""


@sessions.command("list")
@data_option
@asynchronous
async def list_sessions(data: Path) -> None:
    """List all sessions, the longest idle last."""
    answer = await _answer(data, {"command": "list"})
    table = Table("Session", "User", "Endpoint", "State", "Idle s")
    found = [SessionInfo(**item) for item in answer["sessions"]]
    for item in sorted(found, key=lambda item: (item.idle_seconds, item.user)):
        table.add_row(item.session, item.user, item.endpoint, item.state, str(item.idle_seconds))
    console().print(table)


@sessions.command()
@click.argument("session", required=False)
@click.option("--user", metavar="ADDRESS", help="All sessions of this user instead.")
@data_option
@asynchronous
async def kill(session: str | None, user: str | None, data: Path) -> None:
    """End a session by its name in the list. The client connects again when it next needs to."""
    if (session is None) == (user is None):
        raise click.UsageError("name either a session or a user")
    question = {"session": session} if session is not None else {"user": user or ""}
    killed = (await _answer(data, {"command": "kill", **question}))["killed"]
    if not killed:
        raise click.ClickException("there is no such session")
    click.echo(f"Ended {killed} session{'s' if killed > 1 else ''}.")


async def _answer(data: Path, question: dict[str, str]) -> dict[str, Any]:
    try:
        return await ask(data, question)
    except NoServerError as error:
        raise click.ClickException(str(error)) from None
