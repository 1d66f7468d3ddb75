"""What RopCopyTo and RopCopyProperties copy of a folder beside its properties (MS-OXCPRPT 3.2.5.8)."""

from collections.abc import Collection
from typing import Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.folder import creator, folder_errors
from mapigw.emsmdb.objects import Folder
from mapigw.emsmdb.progress import Progress
from mapigw.mailbox.moving import Place, copy_folder, copy_messages
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode

HIERARCHY: Final = tags.PidTagContainerHierarchy >> 16
CONTENTS: Final = tags.PidTagContainerContents >> 16
ASSOCIATED: Final = tags.PidTagFolderAssociatedContents >> 16


async def require_place(source: Folder, destination: Folder, held: Collection[int]) -> None:
    """`RopError` CollidingNames, AccessDenied: where the destination cannot take what ``held`` names of the source."""
    if not {CONTENTS, ASSOCIATED}.isdisjoint(held):
        await destination.require(Rights.Create)
    if HIERARCHY in held:
        await destination.require(Rights.CreateSubFolder)
        taken = {row.name.casefold() for row in await destination.logon.mailbox.children(destination.folder_id)}
        if any(row.name.casefold() in taken for row in await source.logon.mailbox.children(source.folder_id)):
            raise RopError(ErrorCode.CollidingNames)


async def copy_subobjects(source: Folder, destination: Folder, held: Collection[int], progress: Progress) -> None:
    """Copy what ``held`` names: messages, FAI messages, subfolders with all that they hold."""
    mailbox, accessor = source.logon.mailbox, source.logon.accessor
    place = Place(destination.logon.mailbox, destination.folder_id)
    with folder_errors():
        for property_id in {CONTENTS, ASSOCIATED}.intersection(held):
            ids = await mailbox.message_ids(source.folder_id, associated=property_id == ASSOCIATED)
            await copy_messages(mailbox, accessor, source.folder_id, ids, place, progress=progress)
        for row in await mailbox.children(source.folder_id) if HIERARCHY in held else ():
            await copy_folder(
                mailbox,
                accessor,
                row.folder_id,
                place,
                row.name,
                recursive=True,
                progress=progress,
                creator=creator(destination.logon),
            )
