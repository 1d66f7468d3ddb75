"""Calendar items and meeting messages as they are stored: read with named properties by name, and saved again."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mapigw.directory.model import User
from mapigw.mail.calendar import names as lid
from mapigw.mail.export.reader import PropertyReader, with_names
from mapigw.mailbox.content import DecodedAttachment, DecodedMessage, decode_message, names_of
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.saving import Author, Draft, save_message
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.entryids import address_book_entry_id
from mapigw.wire.errors import WireError
from mapigw.wire.global_object_ids import GlobalObjectId
from mapigw.wire.message import Message, Properties
from mapigw.wire.properties import NamedTag, PropertyName, property_tag


@dataclass(frozen=True, slots=True)
class Item:
    """A stored message. ``message`` is a copy that can be changed; what it holds is saved by `save`."""

    row: MessageRow
    message: Message
    values: PropertyReader

    @property
    def message_class(self) -> str:
        """Lower case."""
        return self.row.message_class.lower()

    def identity(self) -> GlobalObjectId | None:
        """PidLidGlobalObjectId."""
        for key in (lid.PidLidGlobalObjectId, lid.PidLidCleanGlobalObjectId):
            try:
                if data := self.values.binary(key):
                    return GlobalObjectId.parse(data)
            except WireError:
                continue
        return None


async def load(mailbox: Mailbox, message_id: int) -> Item | None:
    """None for a message that is not there (any more)."""
    row = await mailbox.message(message_id)
    if row is None:
        return None
    names = await mailbox.property_names()
    message = await asyncio.to_thread(lambda: with_names(decode_message(row), names))
    return Item(row, message, PropertyReader(message.properties, mailbox.database.blobs))


async def save(mailbox: Mailbox, item: Item, message: Message, user: User, *, keeps_mime: bool = False) -> None:
    """Save an item as ``message``; with ``keeps_mime`` the mail that it came as still stands for it.

    Raises `MessageChangedError`, `MessageGoneError`.
    """
    ids = await mailbox.property_ids(set(names_of(message)), create=True)
    author = Author(user.display_name, address_book_entry_id(user.legacy_dn))
    await save_message(mailbox, Draft(item.row, _decoded(message, ids), author, keeps_mime=keeps_mime))


def _decoded(message: Message, ids: Mapping[PropertyName, int]) -> DecodedMessage:
    return DecodedMessage(
        _tagged(message.properties, ids),
        [_tagged(row, ids) for row in message.recipients],
        [
            DecodedAttachment(
                {**_tagged(item.properties, ids), tags.PidTagAttachNumber: number},
                None if item.embedded is None else _decoded(item.embedded, ids),
            )
            for number, item in enumerate(message.attachments)
        ],
    )


def _tagged(properties: Properties, ids: Mapping[PropertyName, int]) -> dict[int, Any]:
    return {
        property_tag(ids[key.property_name], key.type) if isinstance(key, NamedTag) else key: value
        for key, value in properties.items()
    }
