"""``mapigw serve``: the server."""

import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import click
import uvloop

from mapigw.server import gateway
from mapigw.server.config import ConfigurationError, Settings, load


@click.command()
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="The data folder.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The configuration, a TOML file.")
@click.option("--listen", metavar="HOST:PORT", help="Where to listen; 0.0.0.0:443 if nothing else is configured.")
@click.option("--plain-http", is_flag=True, default=None, help="No TLS: for tests, or behind a proxy that does it.")
@click.option("--lmtp", metavar="HOST:PORT|PATH", help="Take mail by LMTP there.")
@click.option("--relay", metavar="HOST:PORT", help="The SMTP server that takes mail for others.")
@click.option("--trace-user", metavar="ADDRESS", help="Record this user's exchanges below the data folder.")
def serve(config: Path | None, **options: Path | str | bool | None) -> None:
    """Answer Outlook until SIGTERM; SIGHUP reopens the logs and reloads the certificate."""
    try:
        settings = load(config, options)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    run(settings, _tell)


def _tell(running: gateway.Gateway) -> None:
    click.echo(f"Listening on {running.url}")
    if running.lmtp:
        click.echo(f"Taking mail on {running.lmtp}")


def run(settings: Settings, started: Callable[[gateway.Gateway], None]) -> None:
    """Serve in this process until it is told to stop. Raises `click.ClickException` when that cannot be begun."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # its INFO tells of every start
    loop_factory = uvloop.new_event_loop if settings.uvloop else asyncio.new_event_loop
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(gateway.serve(settings, started))
    except gateway.StartError as error:
        raise click.ClickException(str(error)) from None
