"""What the commands of all kinds of entries have in common: attributes, pictures, further addresses."""

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mapigw.cli.group import asynchronous, data_option, opened_store
from mapigw.directory.attributes import ATTRIBUTES, AttributeKind
from mapigw.directory.directory import Directory
from mapigw.directory.editing import Change
from mapigw.directory.errors import UnknownEntry
from mapigw.directory.model import Contact, Entry, Group, MailboxKind, User

_NAME_WIDTH = 10
_Function = TypeVar("_Function", bound=Callable[..., Any])

Find = Callable[[Directory, str, str | None], Awaitable[Entry]]
"""The entry of a kind with an address, in the list of a domain where that is given. Raises a `DirectoryError`."""

More = Callable[[Directory, Entry], Awaitable[list[tuple[str, str]]]]
"""Names and values of lines to show of an entry."""

_ATTRIBUTE_HELP = "Attributes: " + ", ".join(ATTRIBUTES) + "."


def changes(function: _Function) -> _Function:
    """The arguments and options that `change_of` takes."""
    for option in reversed(
        (
            click.argument("values", metavar="[ATTRIBUTE=VALUE]...", nargs=-1),
            click.option("--display-name", help="The name in address lists."),
            click.option("--hidden/--visible", default=None, help="Not in address lists, or in them again."),
            click.option("--photo", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE"),
            click.option(
                "--certificate",
                "certificates",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                metavar="FILE",
                multiple=True,
                help="X.509, PEM or DER; several times for several. They replace those that are there.",
            ),
        )
    ):
        function = option(function)
    return function


def change_of(
    values: Iterable[str],
    display_name: str | None = None,
    hidden: bool | None = None,
    photo: Path | None = None,
    certificates: Iterable[Path] = (),
) -> Change:
    """What the command line asks for. Blocks for the files."""
    attributes: dict[str, list[str]] = {}
    for item in values:
        name, equals, value = item.partition("=")
        if not equals or name not in ATTRIBUTES:
            raise click.UsageError(f"{item[:80]!r} is not ATTRIBUTE=VALUE. {_ATTRIBUTE_HELP}")
        attributes.setdefault(name, []).append(value)
    change = Change(display_name=display_name, hidden=hidden)
    for name in ("photo", "certificates"):
        if any(attributes.get(name, ())):
            raise click.UsageError(f"{name} is given as a file: --{name.removesuffix('s')} FILE; {name}= removes it")
    if attributes.pop("photo", None) is not None:
        change.photo = b""
    if attributes.pop("certificates", None) is not None:
        change.certificates = []
    change.attributes = attributes
    if photo is not None:
        change.photo = photo.read_bytes()
    if files := list(certificates):
        change.certificates = [found for file in files for found in _certificates(file)]
    return change


def _certificates(file: Path) -> list[bytes]:
    octets = file.read_bytes()
    try:
        if b"-----BEGIN" in octets:
            return [found.public_bytes(Encoding.DER) for found in x509.load_pem_x509_certificates(octets)]
        return [x509.load_der_x509_certificate(octets).public_bytes(Encoding.DER)]
    except ValueError as error:
        raise click.ClickException(f"{file}: no X.509 certificate: {error}") from None


def set_command(find: Find) -> click.Command:
    """``set ADDRESS ATTRIBUTE=VALUE...``."""

    @click.command(
        "set",
        help=f"Change what address books show of ADDRESS.\n\n{_ATTRIBUTE_HELP}\n\n"
        "An empty value removes it; of an attribute with several values each is given for itself. The manager is given "
        "by address.",
    )
    @click.argument("address")
    @click.option("--domain", help="Whose address list the entry is in; for contacts that are in several.")
    @changes
    @data_option
    @asynchronous
    async def command(address: str, domain: str | None, data: Path, **given: Any) -> None:
        change = change_of(**given)
        async with opened_store(data) as (_, directory):
            entry = await directory.change(await find(directory, address, domain), change)
        click.echo(f"Changed {entry.key}.")

    return command


def show_command(find: Find, more: More | None = None) -> click.Command:
    """``show ADDRESS``; ``more`` tells what a kind of entry has beside its attributes."""

    @click.command("show", help="Show everything about ADDRESS.")
    @click.argument("address")
    @click.option("--domain", help="Whose address list the entry is in; for contacts that are in several.")
    @data_option
    @asynchronous
    async def command(address: str, domain: str | None, data: Path) -> None:
        async with opened_store(data) as (_, directory):
            entry = await find(directory, address, domain)
            lines = await _lines(directory, entry) + (await more(directory, entry) if more else [])
        width = max(_NAME_WIDTH, max(len(name) for name, _ in lines) + 2)
        for name, value in lines:
            click.echo(f"{name:<{width}}{value}".rstrip())

    return command


def remove_command(find: Find, what: str) -> click.Command:
    """``remove ADDRESS``, for what has a mailbox."""

    @click.command("remove", help=f"Remove {what} with its mailbox and all that is in it.")
    @click.argument("address")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @data_option
    @asynchronous
    async def command(address: str, yes: bool, data: Path) -> None:
        async with opened_store(data) as (_, directory):
            found = await find(directory, address, None)
            if not yes:
                click.confirm(f"Remove {found.key} and everything in its mailbox?", abort=True, err=True)
            await directory.remove_entry(found)
        click.echo(f"Removed {found.key}.")

    return command


def alias_group(find: Find) -> click.Group:
    """``alias add``, ``remove`` and ``list``."""

    @click.group("alias", help="Further addresses, and the DNs that old mail and profiles name: x500:/o=…")
    def alias() -> None:
        pass

    domain_option = click.option("--domain", help="Whose address list the entry is in; for contacts in several.")

    @alias.command("add", help="Let ALIAS be an address of ADDRESS.")
    @click.argument("address")
    @click.argument("alias")
    @domain_option
    @data_option
    @asynchronous
    async def add(address: str, alias: str, domain: str | None, data: Path) -> None:
        async with opened_store(data) as (_, directory):
            changed = await directory.add_proxy(await find(directory, address, domain), alias)
        click.echo(f"Aliases of {changed.key}: {', '.join(_further(changed))}")

    @alias.command("remove", help="Take ALIAS from ADDRESS.")
    @click.argument("address")
    @click.argument("alias")
    @domain_option
    @data_option
    @asynchronous
    async def remove(address: str, alias: str, domain: str | None, data: Path) -> None:
        async with opened_store(data) as (_, directory):
            changed = await directory.remove_proxy(await find(directory, address, domain), alias)
        click.echo(f"Aliases of {changed.key}: {', '.join(_further(changed)) or 'none'}")

    @alias.command("list", help="List the further addresses of ADDRESS, one a line.")
    @click.argument("address")
    @domain_option
    @data_option
    @asynchronous
    async def list_aliases(address: str, domain: str | None, data: Path) -> None:
        async with opened_store(data) as (_, directory):
            found = await find(directory, address, domain)
        for name in _further(found):
            click.echo(name)

    return alias


def mailboxes(kinds: Iterable[MailboxKind]) -> Find:
    """Finds mailboxes of these kinds."""
    wanted = frozenset(kinds)

    async def find(directory: Directory, address: str, domain: str | None) -> Entry:
        found = await directory.entry(address) if address.startswith("/") else await directory.by_address(address)
        if not isinstance(found, User) or found.kind not in wanted:
            raise UnknownEntry(address)
        return found

    return find


def yes(value: bool) -> str:
    return "yes" if value else "no"


def _further(entry: Entry) -> tuple[str, ...]:
    return (*entry.aliases, *(f"x500:{name}" for name in entry.x500))


async def _lines(directory: Directory, entry: Entry) -> list[tuple[str, str]]:
    lines = [("Address", entry.address)] if entry.address else [("Name", entry.key)]
    lines.append(("Name", entry.display_name) if entry.address else ("Shown as", entry.display_name))
    lines += [("Aliases", ", ".join(_further(entry)))] if not isinstance(entry, Group) or _further(entry) else []
    if isinstance(entry, Group):
        lines.append(("Members", ", ".join(entry.members)))
        lines += [("Managers", ", ".join([await _name(directory, dn) for dn in entry.managers]))] * bool(entry.managers)
    elif isinstance(entry, User):
        lines += [("Kind", entry.kind.value)] * (entry.kind is not MailboxKind.USER)
        lines += [("Enabled", yes(entry.enabled)), ("Admin", yes(entry.admin)), ("Mailbox", str(entry.mailbox_guid))]
    if not isinstance(entry, User) or not entry.address:
        lines += [("Domain", entry.domain)] * (not isinstance(entry, Group))
    lines += [("LegacyDN", entry.legacy_dn)]
    lines += [("Hidden", "yes")] * entry.hidden
    details = entry.details.all()
    for name, attribute in ATTRIBUTES.items():
        if attribute.kind is AttributeKind.ENTRY and isinstance(entry, User | Contact) and entry.manager:
            lines.append((name, await _name(directory, entry.manager)))
        elif (value := details.get(name)) is not None:
            shown = value if isinstance(value, str) else ", ".join(value)
            lines.append((name, " / ".join(shown.splitlines())))
    photo = await directory.photo(entry.legacy_dn)
    lines += [("photo", f"{len(photo)} bytes")] if photo else []
    certificates = await directory.certificates(entry.legacy_dn)
    return lines + ([("certificates", str(len(certificates)))] if certificates else [])


async def _name(directory: Directory, dn: str) -> str:
    found = await directory.entry(dn)
    return found.key if found else dn
