"""The mapigw command."""

import click

from mapigw.cli.demo import demo
from mapigw.cli.group import Group
from mapigw.cli.groups import group
from mapigw.cli.mailbox import mailbox
from mapigw.cli.oab import oab
from mapigw.cli.serve import serve
from mapigw.cli.sessions import sessions
from mapigw.cli.user import user


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mapigw")
def main() -> None:
    """Lets Microsoft Outlook work natively against a self-hosted mail store."""


main.add_command(serve)
main.add_command(user)
main.add_command(group)
main.add_command(mailbox)
main.add_command(oab)
main.add_command(sessions)
main.add_command(demo)
