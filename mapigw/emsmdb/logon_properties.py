"""The properties of a Logon object on a private mailbox (MS-OXCSTOR 2.2.2.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.mail.submission import MAXIMUM_SUBMIT_KILOBYTES
from mapigw.mailbox.folder_properties import FolderReader
from mapigw.mailbox.out_of_office import is_out_of_office
from mapigw.mailbox.replicas import replica_map
from mapigw.mailbox.rules import EXTENDED_RULE_SIZE_LIMIT
from mapigw.mailbox.store_properties import special_folders, store_properties, store_totals
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import address_book_entry_id, serialized_replid_guid_map

if TYPE_CHECKING:
    from mapigw.emsmdb.objects import Logon

NO_LIMIT: Final = -1
RESOURCE_FLAGS: Final = 0  # a primary mailbox of a user, not a resource
STORE_HAS_SEARCHES: Final = 0x01000000

_COMPUTED: Final = frozenset(
    tag >> 16
    for tag in (
        tags.PidTagSerializedReplidGuidMap,
        tags.PidTagUserEntryId,
        tags.PidTagMailboxOwnerEntryId,
        tags.PidTagMailboxOwnerName,
        tags.PidTagStoreRecordKey,
        tags.PidTagRecordKey,
        tags.PidTagMaximumSubmitMessageSize,
        tags.PidTagContentCount,
        tags.PidTagMessageSize,
        tags.PidTagMessageSizeExtended,
        tags.PidTagCodePageId,
        tags.PidTagIpmSubtreeEntryId,
        tags.PidTagResourceFlags,
        tags.PidTagExtendedRuleSizeLimit,
        tags.PidTagProhibitReceiveQuota,
        tags.PidTagProhibitSendQuota,
        tags.PidTagStoreState,
    )
)
"""Property ids (2.2.2.1.1)."""

# What clients could write up to Exchange 2010 (MS-OXCSTOR section 6, notes 14 to 16).
_DENIED: Final = frozenset(
    tag >> 16 for tag in (tags.PidTagComment, tags.PidTagDisplayName, tags.PidTagDeleteAfterSubmit)
)

_WRITABLE: Final = {
    tag >> 16: tag
    for tag in (tags.PidTagOutOfOfficeState, tags.PidTagLocaleId, tags.PidTagSortLocaleId, tags.PidTagSentMailSvrEID)
}
"""What the server or its clients give a meaning to; refused under another type."""


async def logon_properties(logon: Logon) -> dict[int, Any]:
    """What clients set, what leads to the special folders, and what the mailbox is.

    Like Exchange it has no server type name and no icons: with a name the status bar of Outlook reads "Connected to"
    that name. Raises `RopError` UnknownUser.
    """
    mailbox, parameters = logon.mailbox, logon.session.parameters
    rows = await special_folders(mailbox)
    if not rows:  # deleted in this moment
        raise RopError(ErrorCode.UnknownUser)
    reader = FolderReader(mailbox, rows)
    totals = await store_totals(mailbox)
    subtree = next(row for row in rows if row.special == "ipm_subtree")
    return {
        tags.PidTagDisplayName: logon.owner.display_name,
        tags.PidTagLocaleId: parameters.lcid_string,
        tags.PidTagSortLocaleId: parameters.lcid_sort,
        **await store_properties(mailbox),
        tags.PidTagOutOfOfficeState: await is_out_of_office(mailbox),
        **reader.identification(),
        tags.PidTagSerializedReplidGuidMap: serialized_replid_guid_map(await replica_map(mailbox)),
        tags.PidTagUserEntryId: address_book_entry_id(logon.session.user.legacy_dn),
        tags.PidTagMailboxOwnerEntryId: address_book_entry_id(logon.owner.legacy_dn),
        tags.PidTagMailboxOwnerName: logon.owner.display_name,
        tags.PidTagStoreRecordKey: mailbox.guid.bytes_le,
        tags.PidTagRecordKey: mailbox.guid.bytes_le,
        tags.PidTagIpmSubtreeEntryId: reader.entry_id(subtree.folder_id),
        tags.PidTagResourceFlags: RESOURCE_FLAGS,
        tags.PidTagMaximumSubmitMessageSize: MAXIMUM_SUBMIT_KILOBYTES,
        tags.PidTagExtendedRuleSizeLimit: EXTENDED_RULE_SIZE_LIMIT,
        tags.PidTagProhibitReceiveQuota: NO_LIMIT,
        tags.PidTagProhibitSendQuota: NO_LIMIT,
        tags.PidTagStoreState: STORE_HAS_SEARCHES if totals.has_searches else 0,
        tags.PidTagContentCount: totals.content_count,
        tags.PidTagMessageSize: min(totals.size, 0x7FFFFFFF),
        tags.PidTagMessageSizeExtended: totals.size,
        tags.PidTagCodePageId: parameters.default_code_page,
    }


def unsettable(columns: Iterable[int]) -> dict[int, ErrorCode]:
    """Those of the tags that clients cannot set, with why."""
    problems = {}
    for tag in columns:
        if tag >> 16 in _COMPUTED:
            problems[tag] = ErrorCode.ComputedValue
        elif tag >> 16 in _DENIED:
            problems[tag] = ErrorCode.AccessDenied
        elif _WRITABLE.get(tag >> 16, tag) != tag:
            problems[tag] = ErrorCode.UnexpectedType
    return problems


def undeletable(columns: Collection[int]) -> dict[int, ErrorCode]:
    """Those of the tags that clients cannot delete, with why. PidTagDeleteAfterSubmit they can (2.2.2.1.2.2)."""
    kept = tags.PidTagDeleteAfterSubmit >> 16
    reasons = unsettable(column & ~0xFFFF for column in columns if column >> 16 not in {kept, *_WRITABLE})
    return {column: reasons[column & ~0xFFFF] for column in columns if column & ~0xFFFF in reasons}
