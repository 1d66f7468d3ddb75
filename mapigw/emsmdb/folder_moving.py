"""Folder ROPs that move and copy messages and folders (MS-OXCFOLD 2.2.1.6 to 2.2.1.8)."""

from collections.abc import Mapping
from typing import Any

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.folder import checked_name, creator, folder_errors, text
from mapigw.emsmdb.message import own_counter
from mapigw.emsmdb.objects import Folder
from mapigw.emsmdb.progress import Progress, perform
from mapigw.emsmdb.registry import Call, handles
from mapigw.mailbox.moving import Place, copy_folder, copy_messages, move_folder, move_messages
from mapigw.mailbox.permissions import Rights
from mapigw.store.folders import Folder as FolderRow
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.wire.codes import ErrorCode


async def _destination(call: Call, request: Any, rights: Rights) -> Place:
    """The folder that something is put into; its user must have the rights that this takes."""
    folder = call.destination(request.dest_handle_index, Folder)
    if (await folder.row()).folder_type == SEARCH_FOLDER:
        raise RopError(ErrorCode.SearchFolder)
    await folder.require(rights)
    return Place(folder.logon.mailbox, folder.folder_id)


@handles("MoveCopyMessages")
async def move_copy_messages(call: Call, request: Any) -> Mapping[str, Any]:
    """2.2.1.6: within a mailbox or between two. The source may be a search folder."""
    source = call.object(Folder)
    place = await _destination(call, request, Rights.Create)
    await source.row()
    message_ids = list(map(own_counter, request.message_ids))
    transfer = copy_messages if request.want_copy else move_messages
    logon = source.logon

    async def work(progress: Progress) -> Mapping[str, Any]:
        with folder_errors():
            left = await transfer(
                logon.mailbox, logon.accessor, source.folder_id, message_ids, place, progress=progress
            )
        return {"partial_completion": left}

    return await perform(call, work, asynchronous=bool(request.want_asynchronous))


async def _source(call: Call, request: Any) -> tuple[Folder, FolderRow]:
    """The folder that a request names by its id, which who may not see it is not told of."""
    logon = call.object(Folder).logon
    folder = Folder(logon, own_counter(request.folder_id))
    row = await logon.mailbox.folder(folder.folder_id)
    if row is None or not await logon.rights(folder.folder_id) & Rights.FolderVisible:
        raise RopError(ErrorCode.NotFound)
    return folder, row


def _new_name(call: Call, request: Any, row: FolderRow) -> str:
    """NewFolderName; the old one where it is empty."""
    return checked_name(text(request.new_folder_name, call.session.parameters.default_code_page) or row.name)


@handles("MoveFolder")
async def move(call: Call, request: Any) -> Mapping[str, Any]:
    """2.2.1.7: within a mailbox, or to another one."""
    source, row = await _source(call, request)
    place = await _destination(call, request, Rights.CreateSubFolder)
    name = _new_name(call, request, row)
    await source.require(Rights.FolderOwner)
    logon = source.logon

    async def work(progress: Progress) -> Mapping[str, Any]:
        with folder_errors():
            left = await move_folder(logon.mailbox, logon.accessor, source.folder_id, place, name, progress=progress)
        return {"partial_completion": left}

    return await perform(call, work, asynchronous=bool(request.want_asynchronous))


@handles("CopyFolder")
async def copy(call: Call, request: Any) -> Mapping[str, Any]:
    """2.2.1.8. Like Exchange 2010 and later it does not tell what it could not copy (section 6, note 6)."""
    source, row = await _source(call, request)
    place = await _destination(call, request, Rights.CreateSubFolder)
    name = _new_name(call, request, row)
    logon = source.logon
    owner = creator(call.destination(request.dest_handle_index, Folder).logon)

    async def work(progress: Progress) -> Mapping[str, Any]:
        with folder_errors():
            await copy_folder(
                logon.mailbox,
                logon.accessor,
                source.folder_id,
                place,
                name,
                recursive=bool(request.want_recursive),
                progress=progress,
                creator=owner,
            )
        return {"partial_completion": False}

    return await perform(call, work, asynchronous=bool(request.want_asynchronous))
