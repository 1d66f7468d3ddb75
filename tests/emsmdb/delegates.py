"""Other users on the mailbox of a test's user, and what their permissions are set with."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from mapigw.directory.directory import Directory
from mapigw.directory.model import Group, User
from mapigw.emsmdb.objects import Logon
from mapigw.emsmdb.session import Session
from mapigw.mailbox.permissions import Accessor, Rights
from mapigw.wire import tags
from mapigw.wire.entryids import address_book_entry_id
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import LOGON, Client, FakeDirectory

ADD, MODIFY, REMOVE = 1, 2, 4
COLUMNS = (tags.PidTagEntryId, tags.PidTagMemberId, tags.PidTagMemberName, tags.PidTagMemberRights)
DN = "/o=bm/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn="

STAFF = Group(1, "staff@bm.lan", "All staff", DN + "g1-Staff", "bm.lan", ())
BOARD = Group(2, "board@bm.lan", "Board", DN + "g2-board", "bm.lan", ())


def user(number: int, name: str) -> User:
    """A user whose own mailbox does not matter."""
    return User(
        number,
        1000 + number,
        UUID(int=number),
        f"{name}@bm.lan",
        name.title(),
        f"{DN}{number}-{name}",
        "bm.lan",
        (),
        enabled=True,
        admin=False,
    )


ANN, BEN = user(2, "ann"), user(3, "ben")


async def log_on_as(owner: Client, who: User, groups: Sequence[Group] = ()) -> Client:
    """A client of another user with a logon to the owner's mailbox; the owner's directory knows both then."""
    session = owner.session
    logon = session.logons[0]
    directory = FakeDirectory(session.user, ANN, BEN, groups={who.legacy_dn: groups, "": (STAFF, BOARD)})
    session.directory = cast("Directory", directory)
    other = Session(who, session.directory, session.mailboxes)
    accessor = Accessor(await directory.names_of(who), is_owner=False)
    client = Client(other)
    client.handles[LOGON] = other.open(Logon(other, 0, logon.mailbox, session.user, accessor))
    return client


async def folder(client: Client, key: str) -> int:
    """The slot of a well-known folder."""
    found = await client.session.logons[0].mailbox.special_folder(key)
    await client.value("OpenFolder", folder_id=ObjectId(1, found.folder_id), open_mode_flags=0)
    return client.last


def entry(flags: int, *, dn: str | None = None, member: int | None = None, rights: int | None = None) -> dict[str, Any]:
    """A PermissionData structure."""
    values: list[tuple[int, Any]] = []
    if dn is not None:
        values.append((tags.PidTagEntryId, address_book_entry_id(dn)))
    if member is not None:
        values.append((tags.PidTagMemberId, member))
    if rights is not None:
        values.append((tags.PidTagMemberRights, rights))
    return {"permission_data_flags": flags, "property_values": values}


async def modify(client: Client, slot: int, *entries: dict[str, Any], flags: int = 0) -> None:
    await client.value("ModifyPermissions", slot, modify_flags=flags, permissions_data=list(entries))


async def grant(owner: Client, key: str, name: User | Group, rights: Rights | int) -> None:
    """Let somebody have exactly these rights on a well-known folder."""
    await modify(owner, await folder(owner, key), entry(ADD, dn=name.legacy_dn, rights=int(rights)), flags=2)


async def table(client: Client, slot: int, *, flags: int = 0) -> int:
    """The slot of a new permissions table with all columns."""
    await client.value("GetPermissionsTable", slot, table_flags=flags)
    await client.value("SetColumns", client.last, set_columns_flags=0, property_tags=list(COLUMNS))
    return client.last


async def listed(client: Client, slot: int, *, flags: int = 0) -> list[list[Any]]:
    """The permissions list of an open folder."""
    opened = await table(client, slot, flags=flags)
    value = await client.value("QueryRows", opened, COLUMNS, query_rows_flags=0, forward_read=True, row_count=100)
    rows: list[list[Any]] = value.row_data
    return rows


async def granted(client: Client, slot: int, *, flags: int = 0) -> dict[str, int]:
    """The rights in a permissions list, by name."""
    return {row[2]: row[3] for row in await listed(client, slot, flags=flags)}
