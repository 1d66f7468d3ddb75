"""Which conversation a message belongs to (MS-OXOMSG 2.2.1.2 to 2.2.1.5)."""

from collections.abc import Mapping
from hashlib import md5
from typing import Any, Final

from mapigw.wire import tags

INDEX_HEADER_SIZE: Final = 22
"""Bytes of a PidTagConversationIndex without response levels."""
_TOPIC_CHARACTERS: Final = 255


def conversation_id(properties: Mapping[Any, Any]) -> bytes | None:
    """PidTagConversationId as computed from the other conversation properties (MS-OXOMSG 2.2.1.2)."""
    index = properties.get(tags.PidTagConversationIndex, b"")
    tracked = properties.get(tags.PidTagConversationIndexTracking) and isinstance(index, bytes)
    if tracked and len(index) >= INDEX_HEADER_SIZE and index[0] == 1:
        identifier: bytes = index[6:INDEX_HEADER_SIZE]
        return identifier
    topic = properties.get(tags.PidTagConversationTopic)
    return topic_id(topic) if isinstance(topic, str) else None


def topic_id(topic: str) -> bytes:
    """The id of a conversation that is known by its topic alone."""
    return digest(topic[:_TOPIC_CHARACTERS].upper().encode("utf-16-le", "surrogatepass"))


def digest(data: bytes) -> bytes:
    return md5(data, usedforsecurity=False).digest()
