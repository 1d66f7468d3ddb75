"""Users beside the fixtures' one, their mailboxes, permissions and logons."""

from __future__ import annotations

import dataclasses
from typing import Any, cast
from uuid import uuid4

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import UNASSIGNED_HANDLE, ConnectParameters, Session
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.permissions import ChangeKind, PermissionChange, Rights, modify_permissions
from mapigw.mailbox.provision import create_mailbox
from mapigw.wire.rop_buffer import RopResponse
from tests.emsmdb.client import Client, FakeDirectory

OPEN_FLAGS = 0x2100040C  # what Outlook 16 sends


def fields(dn: str, *, logon_flags: int = 1, open_flags: int = OPEN_FLAGS) -> dict[str, Any]:
    """The fields of RopLogon."""
    return {"logon_flags": logon_flags, "open_flags": open_flags, "store_state": 0, "essdn": dn.encode()}


def new_client(mailboxes: Mailboxes, user: User, *others: User, **parameters: Any) -> Client:
    """A client without a logon; the directory knows ``user`` and ``others``."""
    load_handlers()
    directory = cast("Directory", FakeDirectory(user, *others))
    return Client(Session(user, directory, mailboxes, ConnectParameters(**parameters)))


async def another_user(mailboxes: Mailboxes, user: User, name: str, **changes: Any) -> User:
    """A user with a new mailbox."""
    guid = uuid4()
    async with mailboxes.database.write() as connection:
        mailbox_id = await create_mailbox(connection, guid)
    return dataclasses.replace(
        user,
        user_id=100 + mailbox_id,
        mailbox_id=mailbox_id,
        mailbox_guid=guid,
        address=f"{name}@bm.lan",
        display_name=name.title(),
        legacy_dn=f"/o=bm/cn={name}",
        **changes,
    )


async def permit(mailbox: Mailbox, special: str, legacy_dn: str, rights: Rights) -> None:
    """Give somebody rights on a well-known folder."""
    folder = await mailbox.special_folder(special)
    change = PermissionChange(ChangeKind.ADD, legacy_dn=legacy_dn.lower(), rights=rights)
    await modify_permissions(mailbox, folder.folder_id, [change], replace=False, include_free_busy=False)


async def log_on_as(client: Client, logon_id: int, dn: str, **flags: int) -> RopResponse:
    """RopLogon with a LogonId; its handle goes to a new slot."""
    client.handles.append(UNASSIGNED_HANDLE)
    sent = client.request("Logon", client.last, **fields(dn, **flags))
    sent.logon_id = logon_id
    (response,) = await client.send(sent)
    return response
