"""Rows of contents tables from property lists: only what a restriction and the sort keys look at is decoded."""

import logging
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from mapigw.mailbox.bodies.forms import FORM_IDS, plain_text
from mapigw.mailbox.bodies.stored import source_of
from mapigw.mailbox.content import INDEX_RECORD, BlobValue, decode_children, decode_properties
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.message_properties import computed_properties, with_subject
from mapigw.mailbox.permissions import Accessor, is_creator
from mapigw.mailbox.restrictions import Candidate, compared_ids, has_subobjects, matches, property_ids
from mapigw.mailbox.subjects import SUBJECT_PARTS
from mapigw.store.blobs import MissingBlobError
from mapigw.store.contents import TEXT_MAXIMUM, PropertyLists
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.errors import WireError
from mapigw.wire.fasttransfer import parse_value
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import MULTIPLE, MULTIPLE_INSTANCE, PropertyType
from mapigw.wire.restrictions import Restriction

log = logging.getLogger("mapigw.mailbox")

LARGE_VALUE_READ: Final = 1 << 20  # bytes that are looked at of a value out of line
SORT_VALUES: Final = 16  # of a multivalue property
LEAF_ROW: Final = 1  # of PidTagRowType: a row of data
_CREATOR_ID: Final = tags.PidTagCreatorEntryId >> 16
_SUBJECT_IDS: Final = frozenset(tag >> 16 for tag in SUBJECT_PARTS)
_BODY_ID: Final = tags.PidTagBody >> 16
_BODY_IDS: Final = FORM_IDS.keys() | {tags.PidTagNativeBody >> 16, tags.PidTagInternetCodepage >> 16}
_WIDE: Final = {int(PropertyType.STRING8): int(PropertyType.STRING)}

Value = TypeVar("Value")
AnyRow = TypeVar("AnyRow", bound=MessageRow | PropertyLists)


class Record(NamedTuple):
    """A row of data while a table is made; ``values`` are those of the sort keys, None where absent."""

    message_id: int
    instance: int
    is_read: bool
    values: tuple[Any, ...]


def single_tag(tag: int) -> int:
    """The tag of one value of a multivalue property that a tag with the instance bit names; any other tag as it is."""
    return tag & ~(MULTIPLE | MULTIPLE_INSTANCE) if tag & MULTIPLE_INSTANCE else tag


def instance_tag(tag: int) -> int:
    """The multivalue property, with the instance bit, that a column or a sort key with that bit names."""
    return stored_tag(tag & ~MULTIPLE_INSTANCE) | MULTIPLE_INSTANCE


def stored_tag(tag: int) -> int:
    """The tag under which a value is stored: text is Unicode."""
    kind = tag & 0xFFFF & ~MULTIPLE
    return tag & ~0xFFFF | tag & MULTIPLE | _WIDE.get(kind, kind)


def row_values(message_id: int, instance: int, depth: int = 0) -> dict[int, Any]:
    """What only rows of data have (MS-OXCTABL 2.2.1)."""
    return {
        tags.PidTagInstID: ObjectId(OWN_REPLICA, message_id).to_integer(),
        tags.PidTagInstanceNum: instance,
        tags.PidTagRowType: LEAF_ROW,
        tags.PidTagDepth: depth,
    }


def sort_value(value: Any) -> Any:
    """As much of a value as a row shows of it: rows sort by no more, as those of many messages are kept for it."""
    if isinstance(value, str):
        return value[:TEXT_MAXIMUM]
    if isinstance(value, bytes):
        return value[: 2 * TEXT_MAXIMUM]
    if isinstance(value, list):
        return [sort_value(item) for item in value[:SORT_VALUES]]
    return value


_ROW_IDS: Final = frozenset(tag >> 16 for tag in row_values(0, 0))


def safely(mailbox: Mailbox, row: AnyRow, values: Callable[[AnyRow], Value]) -> Value | None:
    """``values`` of a message; None, and a line in the log, when what is stored is damaged."""
    try:
        return values(row)
    except (WireError, struct.error) as error:
        log.error("message %d of mailbox %s is left out of a table: %s", row.message_id, mailbox.guid, error)
        return None


def computed_ids(mailbox: Mailbox) -> frozenset[int]:
    """The ids of what messages have without its being stored in their lists: the same for all of them."""
    row = MessageRow(**{**dict.fromkeys(MessageRow.__dataclass_fields__, 0), "change_number": 1})  # type: ignore[arg-type]
    return frozenset(tag >> 16 for tag in computed_properties(mailbox, row))


class Decoder:
    """Decides for messages whether they satisfy a restriction, and gives the values that they sort by."""

    def __init__(
        self,
        mailbox: Mailbox,
        restriction: Restriction | None,
        keys: Sequence[int],
        instance: int,
        creator: Accessor | None,
    ) -> None:
        self._mailbox = mailbox
        self._restriction = restriction
        self._keys = [stored_tag(single_tag(tag)) for tag in keys]
        self._instance = instance & ~MULTIPLE_INSTANCE
        self._creator = creator
        key_ids = {tag >> 16 for tag in keys}
        self._wanted = property_ids(restriction) | key_ids
        if instance:
            self._wanted.add(instance >> 16)
        if creator is not None:
            self._wanted.add(_CREATOR_ID)
        self._stored = set(self._wanted)
        if self._wanted & _SUBJECT_IDS:
            self._stored |= _SUBJECT_IDS
        if _BODY_ID in self._wanted:
            self._stored |= _BODY_IDS
        self._compared = compared_ids(restriction) | key_ids
        self.with_children = has_subobjects(restriction)
        self._computed = bool(self._wanted & computed_ids(mailbox))
        self.needs_rows = self.with_children or self._computed
        """Whether `records` is to be given whole rows, and not only their property lists."""

    def records(self, rows: Iterable[MessageRow | PropertyLists]) -> list[Record]:
        """Blocks: values out of line are read from the blob store."""
        found: list[Record] = []
        for row in rows:
            found += safely(self._mailbox, row, self._of) or ()
        return found

    def _of(self, row: MessageRow | PropertyLists) -> list[Record]:
        values = self._values(row)
        if self._restriction is None and self._creator is None and not self._instance:
            return self._record(row, None, 0, values)
        if self._creator is not None and not is_creator(self._creator, values.get(tags.PidTagCreatorEntryId)):
            return []
        if self._wanted & _ROW_IDS:
            values |= row_values(row.message_id, 0)
        candidate = Candidate(values)
        if self.with_children:
            assert isinstance(row, MessageRow)
            children = decode_children(row.children, row.children_index)
            candidate.recipients = children.recipients
            candidate.attachments = [item.properties for item in children.attachments]
        if not self._instance:
            return self._record(row, candidate, 0, values)
        instances = values.get(self._instance)
        single = self._instance & ~MULTIPLE
        found: list[Record] = []
        for number, value in enumerate(instances if isinstance(instances, list) and instances else [None]):
            candidate.by_id[single >> 16] = value
            found += self._record(row, candidate, number, {**values, single: value})
        return found

    def _record(
        self, row: MessageRow | PropertyLists, candidate: Candidate | None, instance: int, values: dict[int, Any]
    ) -> list[Record]:
        if self._restriction is not None and candidate is not None and not matches(self._restriction, candidate):
            return []
        keys = tuple([sort_value(values.get(tag)) for tag in self._keys])
        return [Record(row.message_id, instance, row.is_read, keys)]

    def _values(self, row: MessageRow | PropertyLists) -> dict[int, Any]:
        stored = self._stored
        index = [
            INDEX_RECORD.pack(*record)
            for record in INDEX_RECORD.iter_unpack(row.properties_index)
            if record[0] >> 16 in stored
        ]
        values = with_subject(decode_properties(row.properties, b"".join(index)))
        for tag, value in values.items():
            if isinstance(value, BlobValue) and tag >> 16 in self._compared:
                values[tag] = self._beginning(value)
        if _BODY_ID in self._wanted and tags.PidTagBody not in values:
            self._add_body(values)
        if self._computed:
            assert isinstance(row, MessageRow)
            computed = computed_properties(self._mailbox, row)
            values.update((tag, value) for tag, value in computed.items() if tag >> 16 in self._wanted)
        return values

    def _add_body(self, values: dict[int, Any]) -> None:
        """The plain text of a body that is stored in another form."""
        source = source_of(values)
        if source is None:
            return
        value = values[source]
        if isinstance(value, BlobValue) and value.size <= LARGE_VALUE_READ:
            value = self._beginning(value)
        if isinstance(value, str | bytes):
            values[tags.PidTagBody] = plain_text(value, source, values.get(tags.PidTagInternetCodepage))

    def _beginning(self, value: BlobValue) -> Any:
        try:
            return parse_value(value.type, self._mailbox.database.blobs.get(value.digest, 0, LARGE_VALUE_READ))
        except MissingBlobError:
            return value
