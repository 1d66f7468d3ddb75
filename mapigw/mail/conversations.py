"""Conversation properties (MS-OXCMAIL 2.2.3.2.7, 2.2.3.2.8; MS-OXOMSG 2.2.1.2 to 2.2.1.5)."""

import re
from hashlib import md5
from typing import Final

from mapigw.mail.headers import Headers, decode_base64
from mapigw.wire import tags
from mapigw.wire.message import Properties

_HEADER_SIZE: Final = 22
_RESPONSE_SIZE: Final = 5
_MAX_INDEX: Final = _HEADER_SIZE + 500 * _RESPONSE_SIZE
_MESSAGE_ID: Final = re.compile(r"<[^<>\s]{1,998}>")
_TOPIC_CHARACTERS: Final = 255


def conversation_properties(headers: Headers, topic: str, delivery_time: int) -> Properties:
    """Index, topic and id of the conversation that a message belongs to.

    Without a Thread-Index the conversation is named by the first message of the References, so that replies of mailers
    that know nothing of indexes are kept together whatever order they arrive in.
    """
    properties: Properties = {}
    topic = headers.text("thread-topic") or topic
    if topic:
        properties[tags.PidTagConversationTopic] = topic
    index = (
        decode_base64(headers.first("thread-index").encode("utf-8", "replace")) if "thread-index" in headers else b""
    )
    if not (_HEADER_SIZE <= len(index) <= _MAX_INDEX and index[0] == 1):
        index = conversation_index(_conversation_guid(headers, topic), delivery_time)
    properties[tags.PidTagConversationIndex] = index
    properties[tags.PidTagConversationIndexTracking] = True
    identifier = conversation_id(properties)
    if identifier is not None:
        properties[tags.PidTagConversationId] = identifier
    return properties


def _conversation_guid(headers: Headers, topic: str) -> bytes:
    for name in ("references", "in-reply-to", "message-id"):
        root = _MESSAGE_ID.search(headers.first(name))
        if root is not None:
            return _digest(root.group().encode("utf-8", "replace"))
    return topic_id(topic)


def conversation_index(guid: bytes, time: int) -> bytes:
    """A header block without response levels: 0x01, the 40 high bits of a FILETIME, the conversation's GUID."""
    return b"\x01" + (time >> 24).to_bytes(5, "big") + guid


def conversation_id(properties: Properties) -> bytes | None:
    """PidTagConversationId as computed from the other conversation properties (MS-OXOMSG 2.2.1.2)."""
    index = properties.get(tags.PidTagConversationIndex, b"")
    if properties.get(tags.PidTagConversationIndexTracking) and len(index) >= _HEADER_SIZE and index[0] == 1:
        identifier: bytes = index[6:_HEADER_SIZE]
        return identifier
    topic = properties.get(tags.PidTagConversationTopic)
    return topic_id(topic) if topic is not None else None


def topic_id(topic: str) -> bytes:
    return _digest(topic[:_TOPIC_CHARACTERS].upper().encode("utf-16-le", "surrogatepass"))


def _digest(data: bytes) -> bytes:
    return md5(data, usedforsecurity=False).digest()
