"""Search folder ROPs (MS-OXCFOLD 2.2.1.4, 2.2.1.5; MS-OXCROPS 2.2.4.4, 2.2.4.5)."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message import own_counter
from mapigw.emsmdb.objects import Folder
from mapigw.emsmdb.registry import Call, handles
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.mailboxes import MailboxError, NotFoundError
from mapigw.mailbox.permissions import Rights
from mapigw.mailbox.search_criteria import criteria, to_string8, to_unicode
from mapigw.mailbox.search_folders import (
    EXCLUSIVE,
    NotInitializedError,
    NotSearchFolderError,
    ScopeViolationError,
    SearchFlags,
    search_criteria,
    searched_folders,
    set_search_criteria,
)
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId

_FLAGS: Final = int(reduce(or_, SearchFlags))
_ERRORS: Final[dict[type[MailboxError], ErrorCode]] = {
    NotFoundError: ErrorCode.NotFound,
    NotSearchFolderError: ErrorCode.NotSearchFolder,
    NotInitializedError: ErrorCode.NotInitialized,
    ScopeViolationError: ErrorCode.SearchFolderScopeViolation,
}


@handles("SetSearchCriteria")
async def set_criteria(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.4"""
    folder = call.object(Folder)
    await folder.row()
    await folder.require(Rights.FolderOwner)
    if request.search_flags & ~_FLAGS:
        raise RopError(ErrorCode.NotSupported)  # as Exchange 2019 answers; InvalidParameter until then
    flags = SearchFlags(request.search_flags)
    if any(flags & pair == pair for pair in EXCLUSIVE):
        raise RopError(ErrorCode.InvalidParameter)
    folder_ids = list(map(own_counter, request.folder_ids))
    restriction = request.restriction_data
    if restriction is not None:
        restriction = to_unicode(restriction, folder.code_page)
    try:
        if not folder.logon.accessor.is_owner:
            await _require_readable(folder, folder_ids, recursive=bool(flags & SearchFlags.RECURSIVE_SEARCH))
        await set_search_criteria(folder.logon.mailbox, folder.folder_id, restriction, folder_ids, flags)
    except MailboxError as error:
        raise RopError(_ERRORS[type(error)]) from error
    return {}


async def _require_readable(folder: Folder, folder_ids: Sequence[int], *, recursive: bool) -> None:
    """`RopError` AccessDenied where a search would show what the user may not read; raises as `search_criteria`."""
    mailbox = folder.logon.mailbox
    scope = folder_ids or (await search_criteria(mailbox, folder.folder_id)).folder_ids
    for folder_id in await searched_folders(mailbox, scope, recursive=recursive):
        if not await folder.logon.rights(folder_id) & Rights.ReadAny:
            raise RopError(ErrorCode.AccessDenied)


@handles("GetSearchCriteria")
async def get_criteria(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.5"""
    folder = call.object(Folder)
    await folder.row()
    await folder.require(Rights.ReadAny)
    try:
        row = await search_criteria(folder.logon.mailbox, folder.folder_id)
    except MailboxError as error:
        raise RopError(_ERRORS[type(error)]) from error
    restriction = None
    if request.include_restriction:
        restriction = criteria(row.restriction).restriction
        if not request.use_unicode:
            restriction = to_string8(restriction, folder.code_page)
    return {
        "restriction_data": restriction,
        "logon_id": call.logon_id,
        "folder_ids": [ObjectId(OWN_REPLICA, item) for item in row.folder_ids] if request.include_folders else [],
        "search_flags": row.search_flags,
    }
