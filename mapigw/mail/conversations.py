"""Conversation properties (MS-OXCMAIL 2.2.3.2.7, 2.2.3.2.8; MS-OXOMSG 2.2.1.2 to 2.2.1.5)."""

import re
from typing import Final

from mapigw.mail.headers import Headers, decode_base64
from mapigw.mailbox.conversations import INDEX_HEADER_SIZE, conversation_id, digest, topic_id
from mapigw.wire import tags
from mapigw.wire.message import Properties

_RESPONSE_SIZE: Final = 5
_MAX_INDEX: Final = INDEX_HEADER_SIZE + 500 * _RESPONSE_SIZE
_MESSAGE_ID: Final = re.compile(r"<[^<>\s]{1,998}>")


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
    if not (INDEX_HEADER_SIZE <= len(index) <= _MAX_INDEX and index[0] == 1):
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
            return digest(root.group().encode("utf-8", "replace"))
    return topic_id(topic)


def conversation_index(guid: bytes, time: int) -> bytes:
    """A header block without response levels: 0x01, the 40 high bits of a FILETIME, the conversation's GUID."""
    return b"\x01" + (time >> 24).to_bytes(5, "big") + guid
