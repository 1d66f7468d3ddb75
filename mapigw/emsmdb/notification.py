"""Notification ROPs (MS-OXCNOTIF 2.2.1.2, MS-OXCROPS 2.2.14)."""

from dataclasses import dataclass
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Folder, Logon, ServerObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.wire.codes import ErrorCode

# CriticalError, NewMail, ObjectCreated, ObjectDeleted, ObjectModified, ObjectMoved, ObjectCopied, SearchComplete,
# and the bit that older clients set for table events (MS-OXCNOTIF 2.2.1.2.1.1).
KNOWN_TYPES: Final = 0x05FF


@dataclass(frozen=True, slots=True)
class Interest:
    """What a subscription is about: ids of 0 stand for the whole store or for any message of the folder."""

    notification_types: int
    want_whole_store: bool
    folder_id: int
    message_id: int


class Subscription(ServerObject):
    """A Notification Subscription object; releasing it ends the subscription."""

    def __init__(self, logon: Logon, interest: Interest) -> None:
        super().__init__(logon)
        self.interest = interest


@handles("RegisterNotification")
async def register_notification(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.2.1"""
    target = call.object(ServerObject)
    if not isinstance(target, Logon | Folder):
        raise RopError(ErrorCode.NotSupported)
    whole_store = bool(request.want_whole_store)
    folder_id, message_id = (0, 0) if whole_store else (request.folder_id.counter, request.message_id.counter)
    interest = Interest(request.notification_types & KNOWN_TYPES, whole_store, folder_id, message_id)
    call.open(request, Subscription(target.logon, interest))
    return {}
