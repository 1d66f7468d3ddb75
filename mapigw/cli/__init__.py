"""The mapigw command."""

import click

from mapigw.cli.contact import contact
from mapigw.cli.demo import demo
from mapigw.cli.directory import directory
from mapigw.cli.group import Group
from mapigw.cli.groups import group
from mapigw.cli.mailbox import mailbox
from mapigw.cli.oab import oab
from mapigw.cli.queue import queue
from mapigw.cli.room import room
from mapigw.cli.serve import serve
from mapigw.cli.sessions import sessions
from mapigw.cli.shared import shared
from mapigw.cli.subscriptions import subscribe, subscriptions, unsubscribe
from mapigw.cli.user import user


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mapigw")
def main() -> None:
    """Lets Microsoft Outlook work natively against a self-hosted mail store."""


main.add_command(serve)
main.add_command(user)
main.add_command(group)
main.add_command(contact)
main.add_command(room)
main.add_command(shared)
main.add_command(subscribe)
main.add_command(unsubscribe)
main.add_command(subscriptions)
main.add_command(directory)
main.add_command(mailbox)
main.add_command(oab)
main.add_command(queue)
main.add_command(sessions)
main.add_command(demo)
