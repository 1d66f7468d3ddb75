"""Server objects: what a handle of a session stands for (MS-OXCROPS 1.3.1).

Each handler module subclasses `ServerObject` for its own kind (folder, message, attachment, table, stream, …).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.listening import Listening
from mapigw.emsmdb.logon_properties import logon_properties, undeletable, unsettable
from mapigw.mailbox.folder_properties import IDENTIFICATION_IDS, folder_properties
from mapigw.mailbox.folder_writing import FolderWriteError, delete_folder_properties, write_folder_properties
from mapigw.mailbox.out_of_office import set_state
from mapigw.mailbox.permissions import Accessor, Rights, effective_rights
from mapigw.mailbox.store_properties import StoreFullError, change_store_properties
from mapigw.store.folders import Folder as FolderRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode

if TYPE_CHECKING:
    from mapigw.directory.model import User
    from mapigw.emsmdb.logon_per_user import PerUserUpload
    from mapigw.emsmdb.progress import Operation
    from mapigw.emsmdb.session import Session
    from mapigw.emsmdb.stream_objects import Stream
    from mapigw.mailbox.mailboxes import Mailbox


class ServerObject:
    """Anything that has a handle. ``logon`` is the logon that it was opened under."""

    logon: Logon
    handle = 0
    """Its handle, as soon as it is open."""

    def __init__(self, logon: Logon) -> None:
        self.logon = logon

    async def close(self) -> None:
        """Let go of what the object holds. Called once: on RopRelease, with its logon, or at the session's end."""


class PropertyObject(ServerObject):
    """An object with properties: a logon, a folder, a message or an attachment (MS-OXCPRPT 1.3)."""

    def __init__(self, logon: Logon) -> None:
        super().__init__(logon)
        self.streams: list[Stream] = []
        """The open streams that can change a property of it."""

    @property
    def code_page(self) -> int:
        """The code page of its 8-bit strings (MS-OXCPRPT 3.2.5.1): the logon's, unless it was opened with another."""
        return self.logon.session.parameters.default_code_page

    async def properties(self) -> Mapping[int, Any]:
        """Every property, by tag; large values as `BlobValue`."""
        raise NotImplementedError

    async def set_properties(self, values: Mapping[int, Any]) -> list[tuple[int, ErrorCode]]:
        """Set properties; returns the tags that could not be set, with why. `RopError` where none can be."""
        raise RopError(ErrorCode.NotImplemented)

    async def delete_properties(self, columns: Collection[int]) -> list[tuple[int, ErrorCode]]:
        """Remove properties, found by id; returns those that could not be, with why. What is absent is no problem."""
        raise RopError(ErrorCode.NotImplemented)


class Logon(PropertyObject):
    """A logon to one private mailbox (MS-OXCSTOR 1.3.1): the root of every object opened under its LogonId.

    ``owner`` is the user whose mailbox it is, who need not be the session's user.
    """

    def __init__(self, session: Session, logon_id: int, mailbox: Mailbox, owner: User, accessor: Accessor) -> None:
        super().__init__(self)
        self.session = session
        self.logon_id = logon_id
        self.mailbox = mailbox
        self.owner = owner
        self.accessor = accessor
        self.operation: Operation | None = None
        """What goes on in the background, until RopProgress has told of its end."""
        self.per_user_upload: PerUserUpload | None = None
        self.listening = Listening(self)

    async def close(self) -> None:
        if self.operation is not None:
            await self.operation.drop()

    async def rights(self, folder_id: int) -> Rights:
        """What the session's user may do with a folder of this mailbox."""
        return await effective_rights(self.mailbox, self.accessor, folder_id)

    async def properties(self) -> Mapping[int, Any]:
        return await logon_properties(self)

    async def set_properties(self, values: Mapping[int, Any]) -> list[tuple[int, ErrorCode]]:
        """What leads to the special folders is the Inbox's, wherever it is written."""
        self._require_owner()
        problems = unsettable(values)
        leading = {tag: value for tag, value in values.items() if tag >> 16 in IDENTIFICATION_IDS}
        refused = list(problems.items())
        if leading:
            refused += await (await self._inbox()).set_properties(leading)
        own = {tag: value for tag, value in values.items() if tag not in leading and tag not in problems}
        if tags.PidTagOutOfOfficeState in own:
            await set_state(self.mailbox, is_out=own.pop(tags.PidTagOutOfOfficeState))
        if own:
            try:
                await change_store_properties(self.mailbox, own)
            except StoreFullError:
                refused += [(tag, ErrorCode.TooBig) for tag in own]
        return refused

    async def delete_properties(self, columns: Collection[int]) -> list[tuple[int, ErrorCode]]:
        self._require_owner()
        problems = undeletable(columns)
        leading = [column for column in columns if column >> 16 in IDENTIFICATION_IDS]
        refused = list(problems.items())
        if leading:
            refused += await (await self._inbox()).delete_properties(leading)
        own = [column for column in columns if column not in leading and column not in problems]
        if any(column >> 16 == tags.PidTagOutOfOfficeState >> 16 for column in own):
            await set_state(self.mailbox, is_out=False)
        if own:
            await change_store_properties(self.mailbox, {}, own)
        return refused

    async def _inbox(self) -> Folder:
        return Folder(self, (await self.mailbox.special_folder("inbox")).folder_id)

    def _require_owner(self) -> None:
        if not self.accessor.is_owner:
            raise RopError(ErrorCode.AccessDenied)


class Folder(PropertyObject):
    """An open folder (MS-OXCFOLD)."""

    def __init__(self, logon: Logon, folder_id: int) -> None:
        super().__init__(logon)
        self.folder_id = folder_id

    async def require(self, rights: Rights) -> None:
        """`RopError` AccessDenied unless the user has one of ``rights`` on the folder."""
        if not await self.logon.rights(self.folder_id) & rights:
            raise RopError(ErrorCode.AccessDenied)

    async def row(self) -> FolderRow:
        """The folder as it is now. `RopError` ObjectDeleted when it is gone."""
        row = await self.logon.mailbox.folder(self.folder_id)
        if row is None:
            raise RopError(ErrorCode.ObjectDeleted)
        return row

    async def properties(self) -> Mapping[int, Any]:
        values = await folder_properties(self.logon.mailbox, self.logon.accessor, self.folder_id)
        if values is None:
            raise RopError(ErrorCode.ObjectDeleted)
        return values

    async def set_properties(self, values: Mapping[int, Any], *, replicate: bool = True) -> list[tuple[int, ErrorCode]]:
        """Without ``replicate`` the folder keeps its change number (MS-OXCPRPT 3.2.5.6)."""
        await self.require(Rights.FolderOwner)
        problems = await write_folder_properties(self.logon.mailbox, await self.row(), values, replicate=replicate)
        return [(tag, _FOLDER_ERRORS[reason]) for tag, reason in problems]

    async def delete_properties(
        self, columns: Collection[int], *, replicate: bool = True
    ) -> list[tuple[int, ErrorCode]]:
        await self.require(Rights.FolderOwner)
        problems = await delete_folder_properties(self.logon.mailbox, await self.row(), columns, replicate=replicate)
        return [(tag, _FOLDER_ERRORS[reason]) for tag, reason in problems]


_FOLDER_ERRORS: Final = {
    FolderWriteError.COMPUTED: ErrorCode.ComputedValue,
    FolderWriteError.DENIED: ErrorCode.AccessDenied,
    FolderWriteError.NAME_TAKEN: ErrorCode.CollidingNames,
    FolderWriteError.WRONG_TYPE: ErrorCode.UnexpectedType,
    FolderWriteError.EMPTY_NAME: ErrorCode.InvalidParameter,
    FolderWriteError.LONG_NAME: ErrorCode.StringTooLong,
    FolderWriteError.TOO_LARGE: ErrorCode.TooBig,
}
