"""Folder ROPs: opening, making, deleting and emptying folders (MS-OXCFOLD 2.2.1, MS-OXCROPS 2.2.4)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntFlag
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message import own_counter
from mapigw.emsmdb.objects import Folder, Logon, ServerObject
from mapigw.emsmdb.progress import Progress, perform
from mapigw.emsmdb.registry import Call, handles
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.folder_writing import MAXIMUM_NAME
from mapigw.mailbox.folders import FolderFullError, create_folder
from mapigw.mailbox.mailboxes import (
    GENERIC_FOLDER,
    FolderExistsError,
    MailboxError,
    NamedPropertiesExhaustedError,
    NotFoundError,
    SearchFolderError,
)
from mapigw.mailbox.moving import FolderCycleError
from mapigw.mailbox.permissions import Rights
from mapigw.mailbox.removing import SpecialFolderError, delete_folder, delete_messages, empty_folder
from mapigw.store.folders import Folder as FolderRow
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.wire import code_pages, tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId

_ERRORS: Final[Mapping[type[MailboxError], ErrorCode]] = {
    NotFoundError: ErrorCode.NotFound,
    FolderExistsError: ErrorCode.CollidingNames,
    FolderCycleError: ErrorCode.FolderCycle,
    FolderFullError: ErrorCode.TooBig,
    SearchFolderError: ErrorCode.SearchFolder,
    SpecialFolderError: ErrorCode.AccessDenied,
    NamedPropertiesExhaustedError: ErrorCode.OutOfMemory,
}


class DeleteFolderFlags(IntFlag):
    """2.2.1.3.1; other bits are ignored (section 6, note 15)."""

    DEL_MESSAGES = 0x01
    DEL_FOLDERS = 0x04
    DELETE_HARD_DELETE = 0x10


@contextmanager
def folder_errors() -> Iterator[None]:
    """Raise `RopError` for what operations on folders raise."""
    try:
        yield
    except MailboxError as error:
        raise RopError(_ERRORS[type(error)]) from error


def text(value: str | bytes, code_page: int) -> str:
    """A string that came as Unicode or in the session's code page."""
    return value if isinstance(value, str) else code_pages.decode(value, code_page)


def checked_name(name: str) -> str:
    """`RopError` InvalidParameter, StringTooLong for what no folder can be called."""
    if not name:
        raise RopError(ErrorCode.InvalidParameter)
    if len(name) > MAXIMUM_NAME:
        raise RopError(ErrorCode.StringTooLong)
    return name


@handles("OpenFolder")
async def open_folder(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.1: by a logon or any of its folders.

    Like Exchange 2013 and later it ignores OpenSoftDeleted, and never tells of rules (section 6, notes 1 and 2).
    """
    parent = call.object(ServerObject)
    if not isinstance(parent, Logon | Folder):
        raise RopError(ErrorCode.NotSupported)
    folder_id = own_counter(request.folder_id)
    await _require_visible(parent.logon, await parent.logon.mailbox.folder(folder_id))
    call.open(request, Folder(parent.logon, folder_id))
    return {"has_rules": False, "is_ghosted": False, "servers": None}


async def _require_visible(logon: Logon, row: FolderRow | None) -> None:
    """Who may not see a folder is not told that it exists (3.2.5.1)."""
    if row is None or not await logon.rights(row.folder_id) & Rights.FolderVisible:
        raise RopError(ErrorCode.NotFound)


@handles("CreateFolder")
async def create(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.2. IsExistingFolder is always zero in a private mailbox."""
    parent = call.object(Folder)
    logon = parent.logon
    if request.folder_type not in (GENERIC_FOLDER, SEARCH_FOLDER):
        raise RopError(ErrorCode.InvalidParameter)
    code_page = call.session.parameters.default_code_page
    name = checked_name(text(request.display_name, code_page))
    comment = text(request.comment, code_page)
    if await logon.mailbox.folder(parent.folder_id) is None:
        raise RopError(ErrorCode.NotFound)
    existing = await logon.mailbox.child_by_name(parent.folder_id, name)
    if existing is not None:
        if not request.open_existing:
            raise RopError(ErrorCode.CollidingNames)
        await _require_visible(logon, existing)
        folder_id = existing.folder_id
    else:
        await parent.require(Rights.CreateSubFolder)
        with folder_errors():
            created = await create_folder(
                logon.mailbox,
                parent.folder_id,
                name,
                folder_type=request.folder_type,
                properties={tags.PidTagComment: comment} if comment else {},
                creator=creator(logon),
            )
        folder_id = created.folder_id
    call.open(request, Folder(logon, folder_id))
    return {
        "folder_id": ObjectId(OWN_REPLICA, folder_id),
        "is_existing_folder": False,
        "has_rules": None,
        "is_ghosted": None,
        "servers": None,
    }


def creator(logon: Logon) -> str | None:
    """Who becomes the owner of folders made under a logon, where that is not the mailbox's owner."""
    return None if logon.accessor.is_owner else logon.session.user.legacy_dn


@handles("DeleteFolder")
async def delete(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.3"""
    logon = call.object(Folder).logon
    if not request.folder_id.counter:
        raise RopError(ErrorCode.InvalidParameter)
    folder_id = own_counter(request.folder_id)
    row = await logon.mailbox.folder(folder_id)
    await _require_visible(logon, row)
    assert row is not None
    if row.special == "root":
        raise RopError(ErrorCode.NotSupported)
    await Folder(logon, folder_id).require(Rights.FolderOwner)
    flags = request.delete_folder_flags
    with folder_errors():
        left = await delete_folder(
            logon.mailbox,
            logon.accessor,
            folder_id,
            with_messages=bool(flags & DeleteFolderFlags.DEL_MESSAGES),
            with_folders=bool(flags & DeleteFolderFlags.DEL_FOLDERS),
            hard=bool(flags & DeleteFolderFlags.DELETE_HARD_DELETE),
            progress=Progress(),
        )
    return {"partial_completion": left}


@handles("EmptyFolder")
async def empty(call: Call, request: Any) -> Mapping[str, Any]:
    """2.2.1.9: subfolders go whatever WantDeleteAssociated says."""
    return await _empty(call, request, hard=False)


@handles("HardDeleteMessagesAndSubfolders")
async def hard_delete_messages_and_subfolders(call: Call, request: Any) -> Mapping[str, Any]:
    """2.2.1.10"""
    return await _empty(call, request, hard=True)


async def _empty(call: Call, request: Any, *, hard: bool) -> Mapping[str, Any]:
    folder = call.object(Folder)
    row = await folder.row()
    if row.special == "root" or row.folder_type == SEARCH_FOLDER:
        raise RopError(ErrorCode.NotSupported)
    await folder.require(Rights.DeleteAny | Rights.DeleteOwned)
    logon = folder.logon

    async def work(progress: Progress) -> Mapping[str, Any]:
        with folder_errors():
            left = await empty_folder(
                logon.mailbox,
                logon.accessor,
                folder.folder_id,
                associated=bool(request.want_delete_associated),
                hard=hard,
                progress=progress,
            )
        return {"partial_completion": left}

    return await perform(call, work, asynchronous=bool(request.want_asynchronous))


@handles("DeleteMessages")
async def delete_some(call: Call, request: Any) -> Mapping[str, Any]:
    """2.2.1.11: they can be recovered."""
    return await _delete_messages(call, request, hard=False)


@handles("HardDeleteMessages")
async def hard_delete_some(call: Call, request: Any) -> Mapping[str, Any]:
    """2.2.1.12"""
    return await _delete_messages(call, request, hard=True)


async def _delete_messages(call: Call, request: Any, *, hard: bool) -> Mapping[str, Any]:
    folder = call.object(Folder)
    row = await folder.row()
    if row.folder_type != SEARCH_FOLDER:  # what a search folder shows is deleted where it is
        await folder.require(Rights.DeleteAny | Rights.DeleteOwned)
    logon = folder.logon
    message_ids = list(map(own_counter, request.message_ids))

    async def work(progress: Progress) -> Mapping[str, Any]:
        with folder_errors():
            left = await delete_messages(
                logon.mailbox,
                logon.accessor,
                folder.folder_id,
                message_ids,
                hard=hard,
                progress=progress,
                notify_non_read=bool(request.notify_non_read),
            )
        return {"partial_completion": left}

    return await perform(call, work, asynchronous=bool(request.want_asynchronous))
