"""FastTransfer copies that a test's client downloads and uploads, and what messages are made of, to compare them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mapigw.mailbox.content import BlobValue, DecodedMessage, decode_message
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store.blobs import digest_of
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.fasttransfer import NAMED_MINIMUM, Marker, MetaTagFXDelProp, build_value
from mapigw.wire.fasttransfer_stream import Property, StreamReader
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import PropertyName
from tests.emsmdb.client import Client

COPY_TO, COPY_PROPERTIES, COPY_MESSAGES, COPY_FOLDER = 1, 2, 3, 4
MOVE, COPY_SUBFOLDERS, SEND_ENTRY_ID = 0x01, 0x10, 0x20
UNICODE, USE_CPID, RECOVER_MODE, FORCE_UNICODE = 0x01, 0x02, 0x04, 0x08
OUTLOOK: dict[str, Any] = {"level": 0, "copy_flags": 0x2000, "send_options": UNICODE | FORCE_UNICODE}
DONE = 3
LARGE = 4096

RECIPIENTS, ATTACHMENTS, EMBEDDED = (
    tags.PidTagMessageRecipients,
    tags.PidTagMessageAttachments,
    tags.PidTagAttachDataObject,
)
CONTENTS, ASSOCIATED, HIERARCHY = (
    tags.PidTagContainerContents,
    tags.PidTagFolderAssociatedContents,
    tags.PidTagContainerHierarchy,
)


async def read_all(client: Client, slot: int, size: int = 0x7BC0) -> bytes:
    """The whole stream of a download context."""
    data = bytearray()
    while True:
        value = await client.value("FastTransferSourceGetBuffer", slot, buffer_size=0xBABE, maximum_buffer_size=size)
        data += value.transfer_buffer
        if value.transfer_status == DONE:
            return bytes(data)


async def copy_to(client: Client, slot: int, *excluded: int, **fields: Any) -> bytes:
    """The stream of RopFastTransferSourceCopyTo."""
    await client.value("FastTransferSourceCopyTo", slot, **{**OUTLOOK, "property_tags": list(excluded), **fields})
    return await read_all(client, client.last)


async def copy_properties(client: Client, slot: int, *wanted: int, **fields: Any) -> bytes:
    given = {**OUTLOOK, "copy_flags": 0, "property_tags": list(wanted), **fields}
    await client.value("FastTransferSourceCopyProperties", slot, **given)
    return await read_all(client, client.last)


async def copy_messages(
    client: Client, slot: int, ids: Iterable[int], *, flags: int = SEND_ENTRY_ID, options: int = UNICODE
) -> bytes:
    message_ids = [ObjectId(1, message_id) for message_id in ids]
    given: dict[str, Any] = {"message_ids": message_ids, "copy_flags": flags, "send_options": options}
    await client.value("FastTransferSourceCopyMessages", slot, **given)
    return await read_all(client, client.last)


async def copy_folder(client: Client, slot: int, *, flags: int = COPY_SUBFOLDERS, options: int = UNICODE) -> bytes:
    await client.value("FastTransferSourceCopyFolder", slot, copy_flags=flags, send_options=options)
    return await read_all(client, client.last)


async def destination(client: Client, slot: int, operation: int = COPY_TO, flags: int = 0) -> int:
    """The slot of an upload context."""
    await client.value("FastTransferDestinationConfigure", slot, source_operation=operation, copy_flags=flags)
    return client.last


async def put(client: Client, slot: int, stream: bytes, size: int = 0x7000, *, extended: bool = False) -> None:
    """Upload a stream in pieces."""
    name = "FastTransferDestinationPutBufferExtended" if extended else "FastTransferDestinationPutBuffer"
    for start in range(0, len(stream), size):
        await client.value(name, slot, transfer_data=stream[start : start + size])


async def refused(client: Client, slot: int, stream: bytes) -> int:
    """The ReturnValue of the piece that fails; the next one must fail alike."""
    for start in range(0, len(stream), 0x7000):
        piece = stream[start : start + 0x7000]
        (answer,) = await client.send(client.request("FastTransferDestinationPutBuffer", slot, transfer_data=piece))
        assert answer.value.buffer_used_size == len(piece)
        if answer.return_value:
            again = await client.error("FastTransferDestinationPutBuffer", slot, transfer_data=b"")
            assert again == answer.return_value
            return answer.return_value
    raise AssertionError("the stream was taken")


def lexemes(stream: bytes) -> list[Marker | Property]:
    reader = StreamReader(large=1 << 30)
    found = reader.feed(stream)
    assert reader.complete
    return [item for item in found if isinstance(item, Marker | Property)]


def tags_of(stream: bytes) -> list[int]:
    """Every marker and every property tag, in order."""
    return [item.tag if isinstance(item, Property) else int(item) for item in lexemes(stream)]


def shape(stream: bytes) -> list[Marker | int]:
    """The markers, and what MetaTagFXDelProp names, in order."""
    found: list[Marker | int] = []
    for item in lexemes(stream):
        if isinstance(item, Marker):
            found.append(item)
        elif item.tag == MetaTagFXDelProp:
            found.append(item.value)
    return found


def values_of(stream: bytes) -> dict[int, Any]:
    """The properties up to the first marker or meta-property."""
    values: dict[int, Any] = {}
    for item in lexemes(stream):
        if not isinstance(item, Property) or item.tag == MetaTagFXDelProp:
            break
        assert item.tag not in values
        values[item.tag] = item.value
    return values


# What is compared

# Who saved it and when, where it is, and what is computed of the rest whenever it is saved.
OF_THE_COPY = frozenset(
    tag >> 16
    for tag in (
        tags.PidTagCreatorName,
        tags.PidTagCreatorEntryId,
        tags.PidTagLastModifierName,
        tags.PidTagLastModifierEntryId,
        tags.PidTagRowid,
        tags.PidTagAttachNumber,
    )
)


@dataclass
class Whole:
    """A message: properties by name or tag, values in their stream form, large ones by digest and size."""

    properties: dict[Any, Any] = field(default_factory=dict)
    recipients: list[dict[Any, Any]] = field(default_factory=list)
    attachments: list[tuple[dict[Any, Any], "Whole | None"]] = field(default_factory=list)


def whole(content: DecodedMessage, names: Mapping[int, PropertyName]) -> Whole:
    def named(properties: Mapping[int, Any]) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for tag, value in properties.items():
            if tag >> 16 in OF_THE_COPY:
                continue
            key = (names[tag >> 16], tag & 0xFFFF) if tag >= NAMED_MINIMUM else tag
            found[key] = _comparable(tag & 0xFFFF, value)
        return found

    return Whole(
        named(content.properties),
        [named(recipient) for recipient in content.recipients],
        [
            (named(item.properties), None if item.embedded is None else whole(item.embedded, names))
            for item in content.attachments
        ],
    )


def _comparable(kind: int, value: Any) -> Any:
    """What is large by digest and size, wherever it is kept."""
    if isinstance(value, BlobValue):
        return value.digest, value.size
    if isinstance(value, list):
        return [build_value(kind & 0x0FFF, item) for item in value]
    data = build_value(kind, value)  # floating point numbers too, as NaN equals nothing
    return data if len(data) < LARGE else (digest_of(data), len(data))


async def whole_row(mailbox: Mailbox, row: MessageRow) -> Whole:
    return whole(decode_message(row), await mailbox.property_names())


async def rows_in(mailbox: Mailbox, folder_id: int) -> list[MessageRow]:
    """The messages of a folder, FAI first, in the order of their ids."""
    found: list[MessageRow] = []
    for associated in (True, False):
        ids = sorted(await mailbox.message_ids(folder_id, associated=associated))
        rows = await mailbox.messages(folder_id, ids)
        found += [rows[message_id] for message_id in ids]
    return found


async def whole_folder(mailbox: Mailbox, folder_id: int) -> list[tuple[bool, bool, int, Whole]]:
    """(FAI, read, message flags, content) of each message, in an order that ids do not decide."""
    found = [
        (row.is_associated, row.is_read, row.message_flags, await whole_row(mailbox, row))
        for row in await rows_in(mailbox, folder_id)
    ]
    return sorted(found, key=repr)


def marker_count(stream: bytes, *markers: Marker) -> int:
    found: Sequence[Any] = shape(stream)
    return sum(item in markers for item in found)
