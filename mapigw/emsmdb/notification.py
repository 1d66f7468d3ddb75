"""Subscriptions and what they tell (MS-OXCNOTIF 2.2.1.2, 2.2.1.4; MS-OXCROPS 2.2.14)."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message import own_counter
from mapigw.emsmdb.notices import Notice
from mapigw.emsmdb.objects import Folder, Logon, ServerObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.mailbox.events import Changes, Event, Kind
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.permissions import Rights
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId
from mapigw.wire.rop_buffer import build_response
from mapigw.wire.rops import ROPS_BY_NAME
from mapigw.wire.rops.notification import (
    IN_SEARCH_FOLDER,
    ON_MESSAGE,
    TOTAL_CHANGED,
    UNREAD_CHANGED,
    NotificationData,
)

# CriticalError, NewMail, ObjectCreated, ObjectDeleted, ObjectModified, ObjectMoved, ObjectCopied, SearchComplete,
# TableModified and Extended (2.2.1.2.1.1). Tables tell of themselves, whoever subscribes.
KNOWN_TYPES: Final = 0x05FF
SEEN: Final = Rights.FolderVisible | Rights.ReadAny
_NOTIFY: Final = ROPS_BY_NAME["Notify"]
_ABSENT: Final = dict.fromkeys(field.name for field in NotificationData.subcons)


@dataclass(frozen=True, slots=True)
class Interest:
    """What a subscription is about: ids of 0 stand for the whole store or for any message of the folder."""

    notification_types: int
    want_whole_store: bool
    folder_id: int
    message_id: int

    def covers(self, event: Event) -> bool:
        if not self.notification_types & event.kind:
            return False
        if self.want_whole_store:
            return True
        if event.search_folder_id:
            return self.folder_id == event.search_folder_id and self.message_id in (0, event.message_id)
        if self.message_id:
            return self.message_id in (event.message_id, event.old_message_id)
        places = (event.folder_id, event.parent_id, event.old_folder_id, event.old_parent_id)
        return bool(self.folder_id) and self.folder_id in places


class Subscription(ServerObject):
    """A Notification Subscription object; releasing it ends the subscription."""

    def __init__(self, logon: Logon, interest: Interest) -> None:
        super().__init__(logon)
        self.interest = interest

    def hear(self, changes: Changes) -> None:
        for event in changes.events:
            if self.interest.covers(event):
                self.logon.session.notices.put(ObjectNotice(self, event))

    async def close(self) -> None:
        self.logon.listening.remove(self)
        self.logon.session.notices.drop(self)

    def summary(self, latest: Notice) -> Notice:
        """What stands for all that a client did not fetch: that its folder, or the root folder, was modified.

        A client that does not want to hear this gets the last of its notifications instead.
        """
        return Overflow(self) if self.interest.notification_types & Kind.OBJECT_MODIFIED else latest


@dataclass(frozen=True, slots=True)
class ObjectNotice:
    """What a subscription tells of an event."""

    source: Subscription
    event: Event

    @property
    def subject(self) -> Hashable:
        event = self.event
        return event.kind, event.folder_id, event.message_id, event.search_folder_id

    async def responses(self) -> list[bytes]:
        logon, event = self.source.logon, self.event
        if not logon.accessor.is_owner and not await _is_visible(logon, event):
            return []
        return [notify(self.source.handle, logon.logon_id, notification(event))]


@dataclass(frozen=True, slots=True)
class Overflow:
    """See `Subscription.summary`."""

    source: Subscription
    subject: Hashable = None

    async def responses(self) -> list[bytes]:
        logon, interest = self.source.logon, self.source.interest
        folder_id = interest.folder_id or (await logon.mailbox.special_folder("root")).folder_id
        event = Event(Kind.OBJECT_MODIFIED, folder_id, interest.message_id)
        return [notify(self.source.handle, logon.logon_id, notification(event))]


async def _is_visible(logon: Logon, event: Event) -> bool:
    """Whether the user may know of it: of a folder that it can see, with its messages if it can read them."""
    rights = await logon.rights(event.search_folder_id or event.folder_id)
    return bool(rights & Rights.ReadAny if event.message_id else rights & SEEN)


def notify(handle: int, logon_id: int, data: Mapping[str, Any]) -> bytes:
    """A RopNotify response; ``data`` are those fields of NotificationData that its flags call for."""
    value = {"notification_handle": handle, "logon_id": logon_id, "notification_data": {**_ABSENT, **data}}
    return build_response(_NOTIFY, value=value)


def notification(event: Event) -> dict[str, Any]:
    """The NotificationData of an event (2.2.1.4.1.2). Like Exchange 2013 and later it names no changed properties."""
    flags = int(event.kind)
    if event.message_id:
        flags |= ON_MESSAGE
    if event.search_folder_id:
        flags |= IN_SEARCH_FOLDER
    if event.total is not None:
        flags |= TOTAL_CHANGED
    if event.unread is not None:
        flags |= UNREAD_CHANGED
    return {
        "notification_flags": flags,
        "folder_id": own_id(event.folder_id),
        "message_id": own_id(event.message_id),
        "parent_folder_id": own_id(event.search_folder_id or event.parent_id),
        "old_folder_id": own_id(event.old_folder_id),
        "old_message_id": own_id(event.old_message_id),
        "old_parent_folder_id": own_id(event.old_parent_id),
        "tags": [],
        "total_message_count": event.total,
        "unread_message_count": event.unread,
        "message_flags": event.message_flags,
        # Cached mode takes an 8-bit class; a class is ASCII (MS-OXCMSG 2.2.1.3).
        "unicode_flag": False,
        "message_class": event.message_class.encode("ascii", "replace"),
    }


def own_id(counter: int) -> ObjectId:
    """The id of an object of the mailbox; for 0 the id of nothing."""
    return ObjectId(OWN_REPLICA, counter) if counter else ObjectId(0, 0)


@handles("RegisterNotification")
async def register_notification(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.2.1: of a folder that may be seen, of a message in it or of the whole store."""
    target = call.object(ServerObject)
    if not isinstance(target, Logon | Folder):
        raise RopError(ErrorCode.NotSupported)
    logon = target.logon
    whole_store = bool(request.want_whole_store)
    folder_id = message_id = 0
    if not whole_store:
        folder_id, message_id = own_counter(request.folder_id), request.message_id.counter
        if not await logon.rights(folder_id) & SEEN:
            raise RopError(ErrorCode.AccessDenied)
    interest = Interest(request.notification_types & KNOWN_TYPES, whole_store, folder_id, message_id)
    subscription = Subscription(logon, interest)
    call.open(request, subscription)
    await logon.listening.add(subscription)
    return {}
