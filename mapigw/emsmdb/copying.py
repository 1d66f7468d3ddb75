"""RopCopyTo and RopCopyProperties (MS-OXCPRPT 2.2.10, 2.2.11, 3.2.5.7, 3.2.5.8).

Like Exchange 2013 and later the server leaves what it was to move in the source object, and refuses to combine the
flags. Values are not read: large ones are passed on as they are, named properties under the destination mailbox's ids.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import IntFlag
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.folder_copying import ASSOCIATED, CONTENTS, HIERARCHY, copy_subobjects, require_place
from mapigw.emsmdb.message_objects import Attachment, EmbeddedMessage, Message, OpenedObject
from mapigw.emsmdb.objects import Folder, PropertyObject
from mapigw.emsmdb.progress import Progress, perform
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.stream_objects import commit_streams
from mapigw.emsmdb.values import agrees
from mapigw.mailbox.content import DecodedAttachment, DecodedMessage
from mapigw.mailbox.folder_properties import IDENTIFICATION_IDS
from mapigw.mailbox.mailboxes import Mailbox, NamedPropertiesExhaustedError
from mapigw.mailbox.renumbering import ids_between
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import NAMED_PROPERTY_MINIMUM
from mapigw.wire.rows import PropertyProblem


class CopyFlags(IntFlag):
    """2.2.10.1, 2.2.11.1"""

    Move = 0x01
    NoOverwrite = 0x02


RECIPIENTS: Final = tags.PidTagMessageRecipients >> 16
ATTACHMENTS: Final = tags.PidTagMessageAttachments >> 16
EMBEDDED: Final = tags.PidTagAttachDataObject >> 16
_NOT_WRITABLE: Final = frozenset({ErrorCode.ComputedValue, ErrorCode.AccessDenied})


@handles("CopyTo")
async def copy_to(call: Call, request: Any) -> Mapping[str, Any]:
    """2.2.11: every property that can be set but the excluded ones, and with WantSubObjects what the object holds."""
    source, destination = await _objects(call, request)
    excluded = {tag >> 16 for tag in request.excluded_tags}
    subobjects = _subobjects(source) - excluded if request.want_sub_objects else set()

    async def work(progress: Progress) -> Mapping[str, Any]:
        values = {tag: value for tag, value in (await _stored(source)).items() if tag >> 16 not in excluded}
        problems = await _copy(source, destination, values, subobjects, await _kept(destination, request), progress)
        places = {tag: index for index, tag in enumerate(values)}
        return {
            "property_problems": [
                PropertyProblem(places[tag], tag, code) for tag, code in problems if code not in _NOT_WRITABLE
            ]
        }

    return await perform(call, work, asynchronous=request.want_asynchronous)


@handles("CopyProperties")
async def copy_properties(call: Call, request: Any) -> Mapping[str, Any]:
    """2.2.10: the properties that are named, among them PidTagMessageRecipients and its like."""
    source, destination = await _objects(call, request)
    if isinstance(source, Folder) and request.copy_flags & CopyFlags.Move:
        raise RopError(ErrorCode.NotSupported)

    async def work(progress: Progress) -> Mapping[str, Any]:
        present = {**await _stored(source), **await source.properties()}
        by_id = {tag >> 16: tag for tag in present}
        possible = _subobjects(source)
        asked: dict[int, int] = {}  # tag in the source: its place in the request
        subobjects: set[int] = set()
        problems = []
        for index, column in enumerate(request.property_tags):
            tag = by_id.get(column >> 16)
            if column >> 16 in possible:
                subobjects.add(column >> 16)
            elif tag is not None and agrees(column & 0xFFFF, tag & 0xFFFF):
                asked.setdefault(tag, index)
            else:
                problems.append(PropertyProblem(index, column, ErrorCode.NotFound))
        values = {tag: present[tag] for tag in asked}
        kept = await _kept(destination, request)
        for tag, code in await _copy(source, destination, values, subobjects, kept, progress):
            problems.append(PropertyProblem(asked[tag], request.property_tags[asked[tag]], code))
        return {"property_problems": sorted(problems, key=lambda problem: problem.index)}

    return await perform(call, work, asynchronous=request.want_asynchronous)


async def _objects(call: Call, request: Any) -> tuple[PropertyObject, PropertyObject]:
    """Source and destination: two folders, two messages or two attachments. `RopError`"""
    source = call.object(PropertyObject)
    destination = call.destination(request.dest_handle_index, PropertyObject)
    if not any(isinstance(source, kind) and isinstance(destination, kind) for kind in (Folder, Message, Attachment)):
        raise RopError(ErrorCode.NotSupported)
    if request.copy_flags not in {0, CopyFlags.Move, CopyFlags.NoOverwrite}:
        raise RopError(ErrorCode.InvalidParameter)
    if isinstance(destination, OpenedObject):
        destination.require_write()
    if isinstance(source, Folder) and isinstance(destination, Folder):
        await _require_no_folder_cycle(source, destination)
    elif source is destination:
        raise RopError(ErrorCode.AccessDenied)
    elif any(_same(source, outer) for outer in _containers(destination)):
        raise RopError(ErrorCode.MessageCycle)
    return source, destination


async def _require_no_folder_cycle(source: Folder, destination: Folder) -> None:
    """`RopError` AccessDenied for the same folder, FolderCycle for one inside of the source."""
    if source.logon.mailbox is not destination.logon.mailbox:
        return
    if source.folder_id == destination.folder_id:
        raise RopError(ErrorCode.AccessDenied)
    parents = {row.folder_id: row.parent_id for row in await source.logon.mailbox.folders()}
    folder_id = destination.folder_id
    while folder_id := parents.get(folder_id, 0):
        if folder_id == source.folder_id:
            raise RopError(ErrorCode.FolderCycle)


def _containers(inner: PropertyObject) -> Iterable[PropertyObject]:
    """The attachments and messages that an open object is inside of."""
    while isinstance(inner, Attachment | EmbeddedMessage):
        inner = inner.parent
        yield inner


def _same(one: PropertyObject, other: PropertyObject) -> bool:
    """Whether two handles are of one message or attachment."""
    if isinstance(one, Attachment) and isinstance(other, Attachment):
        return one.logon.mailbox is other.logon.mailbox and one.record_key == other.record_key
    if isinstance(one, Message) and isinstance(other, Message):
        return one.logon.mailbox is other.logon.mailbox and one.key == other.key
    return False


def _subobjects(source: PropertyObject) -> set[int]:
    """The ids of the properties that stand for what the object holds."""
    if isinstance(source, Folder):
        return {HIERARCHY, CONTENTS, ASSOCIATED}
    if isinstance(source, Attachment):
        return {EMBEDDED} if source.content.embedded is not None else set()
    return {RECIPIENTS, ATTACHMENTS}


async def _stored(source: PropertyObject) -> dict[int, Any]:
    """The properties that were set; what leads to a mailbox's special folders stays with it."""
    if isinstance(source, OpenedObject):
        await commit_streams(source)
        return dict(source.content.properties)
    values = await source.properties()
    return {tag: value for tag, value in values.items() if tag >> 16 not in IDENTIFICATION_IDS}


async def _kept(destination: PropertyObject, request: Any) -> Collection[int]:
    """The ids of what NoOverwrite keeps in the destination."""
    if not request.copy_flags & CopyFlags.NoOverwrite:
        return ()
    kept = {tag >> 16 for tag in await destination.properties()}
    if isinstance(destination, Message):
        kept |= {RECIPIENTS} if destination.content.recipients else set()
        kept |= {ATTACHMENTS} if destination.content.attachments else set()
    elif isinstance(destination, Attachment):
        kept |= {EMBEDDED} if destination.content.embedded is not None else set()
    return kept


async def _copy(
    source: PropertyObject,
    destination: PropertyObject,
    values: Mapping[int, Any],
    subobjects: Collection[int],
    kept: Collection[int],
    progress: Progress,
) -> list[tuple[int, ErrorCode]]:
    """Copy properties and subobjects but those in ``kept``; returns the source's tags that could not be, with why."""
    values = {tag: value for tag, value in values.items() if tag >> 16 not in kept}
    held = {property_id for property_id in subobjects if property_id not in kept}
    mailboxes = source.logon.mailbox, destination.logon.mailbox
    if isinstance(source, Folder) and isinstance(destination, Folder):
        await require_place(source, destination, held)
        problems = await _set(destination, values, await _ids(*mailboxes, [values]))
        await copy_subobjects(source, destination, held, progress)
        return problems
    copies = {property_id: _held(source, property_id) for property_id in held}
    sets = [values, *(properties for copy in copies.values() for properties in copy.property_sets())]
    ids = await _ids(*mailboxes, sets)
    problems = await _set(destination, values, ids)
    for property_id, copy in copies.items():
        _put(destination, property_id, _renamed(copy, ids) if ids else copy)
    return problems


async def _set(
    destination: PropertyObject, values: Mapping[int, Any], ids: Mapping[int, int]
) -> list[tuple[int, ErrorCode]]:
    problems: list[tuple[int, ErrorCode]] = []
    if isinstance(destination, OpenedObject):
        # Not even tried: a save fails after an attempt to set what is read-only.
        refused = destination.read_only_ids()
        problems += [(tag, ErrorCode.ComputedValue) for tag in values if tag >> 16 in refused]
        values = {tag: value for tag, value in values.items() if tag >> 16 not in refused}
    asked = {_renamed_tag(tag, ids): tag for tag in values}
    if values:
        told = await destination.set_properties({tag: values[old] for tag, old in asked.items()})
        problems += [(asked[tag], code) for tag, code in told]
    return problems


async def _ids(source: Mailbox, destination: Mailbox, sets: Iterable[Mapping[int, Any]]) -> dict[int, int]:
    """What the named properties of one mailbox are called in another. `RopError`"""
    if source is destination:
        return {}
    named = {tag >> 16 for properties in sets for tag in properties if tag >> 16 >= NAMED_PROPERTY_MINIMUM}
    try:
        return await ids_between(source, destination, named) if named else {}
    except NamedPropertiesExhaustedError as error:
        raise RopError(ErrorCode.OutOfMemory) from error


def _held(source: PropertyObject, property_id: int) -> DecodedMessage:
    """A copy of an attachment's message; of a message one that has only its recipients, or only its attachments."""
    if isinstance(source, Attachment) and source.content.embedded is not None:
        return source.content.embedded.copy()
    assert isinstance(source, Message)
    copy = source.content.copy()
    if property_id == RECIPIENTS:
        return DecodedMessage(recipients=copy.recipients)
    return DecodedMessage(attachments=copy.attachments)


def _put(destination: PropertyObject, property_id: int, held: DecodedMessage) -> None:
    """Replace what the destination holds by what `_held` returned."""
    if isinstance(destination, Attachment):
        destination.put_embedded(held)
    elif isinstance(destination, Message):
        if property_id == RECIPIENTS:
            destination.content.recipients = held.recipients
        else:
            for attachment in held.attachments:
                attachment.properties[tags.PidTagAttachNumber] = destination.next_number()
            destination.content.attachments = held.attachments
        destination.dirty = True


def _renamed_tag(tag: int, ids: Mapping[int, int]) -> int:
    return ids.get(tag >> 16, tag >> 16) << 16 | tag & 0xFFFF


def _renamed(message: DecodedMessage, ids: Mapping[int, int]) -> DecodedMessage:
    """The message under other ids of its named properties."""

    def renamed(properties: Mapping[int, Any]) -> dict[int, Any]:
        return {_renamed_tag(tag, ids): value for tag, value in properties.items()}

    return DecodedMessage(
        renamed(message.properties),
        [renamed(recipient) for recipient in message.recipients],
        [
            DecodedAttachment(renamed(item.properties), None if item.embedded is None else _renamed(item.embedded, ids))
            for item in message.attachments
        ],
    )
