"""What clients set on folders and delete from them: what may be, and where it goes (MS-OXCFOLD 2.2.2.2)."""

from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from mapigw.mailbox.content import BlobValue
from mapigw.mailbox.folder_properties import (
    IDENTIFICATION_PROPERTIES,
    LEADING_FOLDERS,
    FolderReader,
    PidTagDeletedAssociatedMessageCount,
    PidTagDeletedFolderCount,
    PidTagDeletedMessageCount,
)
from mapigw.mailbox.folders import MAXIMUM_SIZE, FolderFullError, change_folder
from mapigw.mailbox.mailboxes import FolderExistsError, Mailbox
from mapigw.store import folders
from mapigw.store.database import Connection
from mapigw.store.folders import Folder
from mapigw.wire import tags
from mapigw.wire.fasttransfer import parse_value

MAXIMUM_NAME: Final = 255
"""Characters of a folder's name, as Exchange has it."""


class FolderWriteError(Enum):
    """Why a folder's property could not be set or deleted."""

    COMPUTED = "computed by the server"
    DENIED = "a special folder keeps its name, and every folder has one"
    NAME_TAKEN = "a sibling has the name"
    EMPTY_NAME = "a folder has a name"
    LONG_NAME = "a name has at most 255 characters"
    WRONG_TYPE = "the property has another type"
    TOO_LARGE = "a folder's properties are too large"


Problems = list[tuple[int, FolderWriteError]]


async def write_folder_properties(
    mailbox: Mailbox, folder: Folder, values: Mapping[int, Any], *, replicate: bool = True
) -> Problems:
    """Set what can be set on a folder; returns the tags that could not be, with why.

    Identification properties of the root folder are the Inbox's (MS-OXOSFLD 2.2.4). Without ``replicate`` the folder
    keeps its change number. Raises `NotFoundError`.
    """
    own, inbox, problems = await settable(mailbox, folder, values)
    if inbox:
        problems += await _write_inbox(mailbox, inbox, replicate=replicate)
    if own:
        problems += await _write(mailbox, folder.folder_id, own, replicate=replicate)
    return problems


async def settable(
    mailbox: Mailbox, folder: Folder, values: Mapping[int, Any]
) -> tuple[dict[int, Any], dict[int, Any], Problems]:
    """What of some properties can be set on a folder, what on the Inbox in its place, and why not the others."""
    problems: Problems = []
    own: dict[int, Any] = {}
    inbox: dict[int, Any] = {}
    for tag, value in values.items():
        reason = _reason(folder, tag, value)
        if reason is not None:
            problems.append((tag, reason))
        elif tag in IDENTIFICATION_PROPERTIES and folder.special in LEADING_FOLDERS:
            inbox[tag] = value
        elif isinstance(value, BlobValue):
            own[tag] = parse_value(value.type, await mailbox.read_blob(value.digest))
        else:
            own[tag] = value
    return own, inbox, problems


async def delete_folder_properties(
    mailbox: Mailbox, folder: Folder, columns: Collection[int], *, replicate: bool = True
) -> Problems:
    """Delete what can be deleted from a folder, found by id; returns the tags that could not be, with why.

    What leads to the special folders is then again what the server fills in. Raises `NotFoundError`.
    """
    problems: Problems = []
    own: list[int] = []
    inbox: list[int] = []
    for tag in columns:
        if tag >> 16 in _READ_ONLY_IDS:
            problems.append((tag, FolderWriteError.COMPUTED))
        elif tag >> 16 == tags.PidTagDisplayName >> 16:
            problems.append((tag, FolderWriteError.DENIED))
        else:
            typed = _TYPED_TAGS.get(tag >> 16, tag)
            leading = typed in IDENTIFICATION_PROPERTIES and folder.special in LEADING_FOLDERS
            (inbox if leading else own).append(typed)
    if inbox:
        target = await mailbox.special_folder("inbox")
        await change_folder(mailbox, target.folder_id, {}, inbox, replicate=replicate)
    if own:
        await change_folder(mailbox, folder.folder_id, {}, own, replicate=replicate)
    return problems


def _reason(folder: Folder, tag: int, value: Any) -> FolderWriteError | None:
    if tag >> 16 in _READ_ONLY_IDS:
        return FolderWriteError.COMPUTED
    if _TYPED_TAGS.get(tag >> 16, tag) != tag:
        return FolderWriteError.WRONG_TYPE
    if isinstance(value, BlobValue):
        if tag == tags.PidTagDisplayName:
            return FolderWriteError.LONG_NAME
        return FolderWriteError.TOO_LARGE if value.size > MAXIMUM_SIZE or tag in _TYPED_TAGS.values() else None
    if tag != tags.PidTagDisplayName:
        return None
    if folder.special and value != folder.name:
        return FolderWriteError.DENIED
    if not value:
        return FolderWriteError.EMPTY_NAME
    return FolderWriteError.LONG_NAME if len(value) > MAXIMUM_NAME else None


async def _write_inbox(mailbox: Mailbox, values: dict[int, Any], *, replicate: bool) -> Problems:
    async with mailbox.database.read() as connection:
        inbox = await folders.select_special_folder(connection, mailbox.mailbox_id, "inbox")
        values = await with_slots(connection, mailbox, values)
    return await _write(mailbox, inbox.folder_id, values, replicate=replicate)


async def with_slots(connection: Connection, mailbox: Mailbox, values: dict[int, Any]) -> dict[int, Any]:
    """What is to be set on the Inbox, with the slots of PidTagAdditionalRenEntryIds that the client left out."""
    ren = tags.PidTagAdditionalRenEntryIds
    if ren not in values:
        return values
    reader = FolderReader(mailbox, await folders.select_special_rows(connection, mailbox.mailbox_id))
    return values | {ren: merged(reader.identification()[ren], values[ren])}


async def _write(mailbox: Mailbox, folder_id: int, values: dict[int, Any], *, replicate: bool) -> Problems:
    problems: Problems = []
    try:
        try:
            await change_folder(mailbox, folder_id, values, replicate=replicate)
        except FolderExistsError:
            problems.append((tags.PidTagDisplayName, FolderWriteError.NAME_TAKEN))
            del values[tags.PidTagDisplayName]
            if values:
                await change_folder(mailbox, folder_id, values, replicate=replicate)
    except FolderFullError:
        problems += [(tag, FolderWriteError.TOO_LARGE) for tag in values]
    return problems


def merged(known: Sequence[bytes], written: Sequence[bytes]) -> list[bytes]:
    """PidTagAdditionalRenEntryIds after a client wrote it: Outlook leaves slots empty and stops after the fourth.

    What it leaves out stays, else the Junk E-mail folder is lost.
    """
    length = max(len(known), len(written))
    return [
        (written[slot] if slot < len(written) else b"") or (known[slot] if slot < len(known) else b"")
        for slot in range(length)
    ]


# What has a meaning for the server is refused under another type.
_TYPED_TAGS: Final = {
    tag >> 16: tag for tag in (*IDENTIFICATION_PROPERTIES, tags.PidTagDisplayName, tags.PidTagContainerClass)
}

_READ_ONLY_IDS: Final = frozenset(
    tag >> 16
    for tag in (
        tags.PidTagFolderType,
        tags.PidTagFolderFlags,
        tags.PidTagFolderId,
        tags.PidTagParentFolderId,
        tags.PidTagEntryId,
        tags.PidTagParentEntryId,
        tags.PidTagRecordKey,
        tags.PidTagStoreRecordKey,
        tags.PidTagObjectType,
        tags.PidTagSourceKey,
        tags.PidTagParentSourceKey,
        tags.PidTagChangeKey,
        tags.PidTagPredecessorChangeList,
        tags.PidTagChangeNumber,
        tags.PidTagCreationTime,
        tags.PidTagLastModificationTime,
        tags.PidTagLocalCommitTime,
        tags.PidTagLocalCommitTimeMax,
        tags.PidTagContentCount,
        tags.PidTagContentUnreadCount,
        tags.PidTagAssociatedContentCount,
        tags.PidTagDeletedCountTotal,
        tags.PidTagMessageSize,
        tags.PidTagMessageSizeExtended,
        tags.PidTagSubfolders,
        tags.PidTagAccess,
        tags.PidTagAccessLevel,
        tags.PidTagRights,
        tags.PidTagHierarchyChangeNumber,
        tags.PidTagHierRev,
        tags.PidTagHasRules,
        tags.PidTagDeletedOn,
        PidTagDeletedMessageCount,
        PidTagDeletedFolderCount,
        PidTagDeletedAssociatedMessageCount,
    )
)
