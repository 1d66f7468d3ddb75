"""The mapigw command."""

from importlib import import_module
from typing import Any, Final

import click

from mapigw.cli.group import Group

# The modules of the commands, in alphabetical order as the help has them.
_MODULES: Final = {
    "contact": "contact",
    "demo": "demo",
    "directory": "directory",
    "group": "groups",
    "mailbox": "mailbox",
    "oab": "oab",
    "queue": "queue",
    "room": "room",
    "serve": "serve",
    "sessions": "sessions",
    "shared": "shared",
    "subscribe": "subscriptions",
    "subscriptions": "subscriptions",
    "unsubscribe": "subscriptions",
    "user": "user",
}


class _Commands(Group):
    """Loads a command when it is asked for: scripts call many of them, and no one needs the server or the mail."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        module: Any = import_module(f"mapigw.cli.{_MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mapigw")
def main() -> None:
    """Lets Microsoft Outlook work natively against a self-hosted mail store."""
