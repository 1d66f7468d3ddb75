"""What all commands share: how they end, and how they reach the store."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

import click
from rich.console import Console

from mapigw.directory.directory import Directory
from mapigw.directory.errors import DirectoryError
from mapigw.server.config import ConfigurationError, Settings, load
from mapigw.store.database import Database, StoreError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_PIPE_WIDTH = 1000


class Group(click.Group):
    """Reports what went wrong in one line on standard error; status 1, or 2 for a wrong command line."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        extra["standalone_mode"] = False
        try:
            status = super().main(*args, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            click.echo(f"mapigw: {error.format_message()}", err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            click.echo("mapigw: aborted", err=True)
            sys.exit(1)
        except (ConfigurationError, DirectoryError, StoreError) as error:
            click.echo(f"mapigw: {error}", err=True)
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)


data_option = click.option(
    "--data",
    required=True,
    envvar="MAPIGW_DATA",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder that holds everything; made on first use.",
)


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The server's configuration, as for mapigw serve.",
)


def configured(data: Path, config: Path | None) -> Settings:
    """The server's settings, with this data folder."""
    try:
        return load(config, {"data": data})
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None


def console() -> Console:
    """Standard output. Lines are never folded for a pipe, so that a script can read a table."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, markup=False, highlight=False)


def asynchronous(function: Callable[Parameters, Awaitable[Result]]) -> Callable[Parameters, Result]:
    """Make a command out of a coroutine function."""

    @wraps(function)
    def run(*args: Parameters.args, **options: Parameters.kwargs) -> Result:
        return asyncio.run(_await(function(*args, **options)))

    return run


async def _await(work: Awaitable[Result]) -> Result:
    return await work


@asynccontextmanager
async def opened_store(
    data: Path, address_lists: Sequence[Collection[str]] = ()
) -> AsyncIterator[tuple[Database, Directory]]:
    """The store in ``data``; a server may be running on it. ``address_lists`` are as `Directory` takes them."""
    try:
        database = await Database.open(data)
    except OSError as error:
        raise click.ClickException(f"{error.filename or data}: {error.strerror}") from None
    try:
        yield database, Directory(database, address_lists=address_lists)
    finally:
        await database.close()
