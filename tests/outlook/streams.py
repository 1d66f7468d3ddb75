"""FastTransfer streams (MS-OXCFXICS 2.2.4): lexer, grammar and the restrictions on each property list.

The lexer takes the buffers as they came and refuses a split inside an atom (2.2.4.1); the parser follows the ABNF of
2.2.4.2 and the restriction tables of 2.2.4.3, with the flags of the request that asked for the stream.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from tests.outlook.reader import Name, Properties, Tag, ViolationError

MARKERS: Final = {
    0x40090003: "StartTopFld",
    0x400B0003: "EndFolder",
    0x400A0003: "StartSubFld",
    0x400C0003: "StartMessage",
    0x400D0003: "EndMessage",
    0x40100003: "StartFAIMsg",
    0x40010003: "StartEmbed",
    0x40020003: "EndEmbed",
    0x40030003: "StartRecip",
    0x40040003: "EndToRecip",
    0x40000003: "NewAttach",
    0x400E0003: "EndAttach",
    0x40120003: "IncrSyncChg",
    0x407D0003: "IncrSyncChgPartial",
    0x40130003: "IncrSyncDel",
    0x40140003: "IncrSyncEnd",
    0x402F0003: "IncrSyncRead",
    0x403A0003: "IncrSyncStateBegin",
    0x403B0003: "IncrSyncStateEnd",
    0x4074000B: "IncrSyncProgressMode",
    0x4075000B: "IncrSyncProgressPerMsg",
    0x40150003: "IncrSyncMessage",
    0x407B0102: "IncrSyncGroupInfo",
    0x40180003: "FXErrorInfo",
}
IDSET_GIVEN: Final = 0x40170003
CNSET_SEEN: Final = 0x67960102
CNSET_SEEN_FAI: Final = 0x67DA0102
CNSET_READ: Final = 0x67D20102
IDSET_DELETED: Final = 0x67E50102
IDSET_NO_LONGER_IN_SCOPE: Final = 0x40210102
IDSET_EXPIRED: Final = 0x67930102
IDSET_READ: Final = 0x402D0102
IDSET_UNREAD: Final = 0x402E0102
FX_DEL_PROP: Final = 0x40160003
# Meta-properties have their places in the grammar and none in a property list (2.2.4.3.20).
META_TAGS: Final = frozenset(
    (FX_DEL_PROP, 0x400F0003, 0x40110102, 0x407C0003, 0x407A0003, 0x4008001E)  # EcWarning, NewFXFolder, group ids, DN
)
SOURCE_KEY: Final = 0x65E00102
PARENT_SOURCE_KEY: Final = 0x65E10102
CHANGE_KEY: Final = 0x65E20102
PREDECESSOR_CHANGE_LIST: Final = 0x65E30102
LAST_MODIFICATION_TIME: Final = 0x30080040
ASSOCIATED: Final = 0x67AA000B
MID: Final = 0x674A0014
FOLDER_ID: Final = 0x67480014
PARENT_FOLDER_ID: Final = 0x67490014
MESSAGE_SIZE: Final = 0x0E080003
CHANGE_NUMBER: Final = 0x67A40014
ROW_ID: Final = 0x30000003
ATTACH_NUMBER: Final = 0x0E210003
DISPLAY_NAME: Final = 0x3001001F
MESSAGE_RECIPIENTS: Final = 0x0E12000D
MESSAGE_ATTACHMENTS: Final = 0x0E13000D

_FIXED: Final[dict[int, struct.Struct]] = {
    0x0002: struct.Struct("<h"),
    0x0003: struct.Struct("<i"),
    0x0004: struct.Struct("<f"),
    0x0005: struct.Struct("<d"),
    0x0006: struct.Struct("<q"),
    0x0007: struct.Struct("<d"),
    0x000B: struct.Struct("<H"),
    0x0014: struct.Struct("<q"),
    0x0040: struct.Struct("<Q"),
    0x0048: struct.Struct("<16s"),
}
_VARIABLE: Final = frozenset((0x001E, 0x001F, 0x0102, 0x00FB, 0x000D))


@dataclass(slots=True)
class MessageContent:
    """Properties, recipients and attachments, as messageContent and messageChangeFull have them."""

    properties: Properties = field(default_factory=dict)
    recipients: list[Properties] = field(default_factory=list)
    attachments: list["Attachment"] = field(default_factory=list)


@dataclass(slots=True)
class Attachment:
    properties: Properties
    embedded: MessageContent | None = None


@dataclass(slots=True)
class MessageChange:
    header: Properties
    content: MessageContent
    progress_size: int | None = None


@dataclass(slots=True)
class Synchronization:
    """What one contentsSync or hierarchySync held."""

    progress_total: tuple[int, int, int, int] | None = None
    messages: list[MessageChange] = field(default_factory=list)
    folders: list[Properties] = field(default_factory=list)
    deletions: dict[int, bytes] = field(default_factory=dict)
    read_states: dict[int, bytes] = field(default_factory=dict)
    state: dict[int, bytes] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not (self.messages or self.folders or self.deletions or self.read_states)


class Lexer:
    """Markers and property values out of transfer buffers."""

    def __init__(self, buffers: Iterable[bytes]) -> None:
        parts = list(buffers)
        self.data = b"".join(parts)
        self.position = 0
        self._cuts: list[int] = []
        total = 0
        for part in parts:
            total += len(part)
            self._cuts.append(total)
        self._cuts.reverse()
        self._ahead: int | tuple[Tag, Any] | None = None
        self.start = 0

    def fail(self, text: str, section: str = "MS-OXCFXICS 2.2.4.1") -> ViolationError:
        around = self.data[max(0, self.start - 8) : self.start + 24].hex()
        return ViolationError(section, f"stream byte {self.start} of {len(self.data)}: {text} (…{around}…)")

    def _atom(self, size: int, what: str) -> int:
        start, end = self.position, self.position + size
        if end > len(self.data):
            raise self.fail(f"the stream ends inside {what}")
        while self._cuts and self._cuts[-1] <= start:
            self._cuts.pop()
        if self._cuts and self._cuts[-1] < end:
            raise self.fail(f"a buffer ends {self._cuts[-1] - start} bytes into {what}, an atom of {size} bytes")
        self.position = end
        return start

    def _variable(self) -> bytes:
        size = int.from_bytes(self.data[(start := self._atom(4, "a length")) : start + 4], "little")
        if size > len(self.data) - self.position:
            raise self.fail(f"a value of {size} bytes, {len(self.data) - self.position} left")
        self.position += size
        return self.data[self.position - size : self.position]

    def peek(self) -> int | tuple[Tag, Any] | None:
        """The next marker (int) or property (pair); None at the end."""
        if self._ahead is None and self.position < len(self.data):
            self._ahead = self._next()
        return self._ahead

    def next(self) -> int | tuple[Tag, Any]:
        item = self.peek()
        if item is None:
            raise self.fail("the stream ends too early", "MS-OXCFXICS 2.2.4.2")
        self._ahead = None
        return item

    def _next(self) -> int | tuple[Tag, Any]:
        self.start = self.position
        if self.position + 4 > len(self.data):
            raise self.fail("fewer than four bytes left")
        tag = int.from_bytes(self.data[self.position : self.position + 4], "little")
        kind, property_id = tag & 0xFFFF, tag >> 16
        if tag in MARKERS:
            self._atom(4, MARKERS[tag])
            return tag
        key: Tag = tag
        if property_id >= 0x8000:
            key = self._named(kind)
        else:
            self._atom(4, "a propDef")
        if tag == IDSET_GIVEN:  # PtypInteger32 by its tag, binary by its value (2.2.1.1.1)
            return key, self._variable()
        return key, self._value(kind)

    def _named(self, kind: int) -> Name:
        data, start = self.data, self.position
        if start + 21 > len(data):
            raise self.fail("the stream ends inside namedPropInfo")
        guid = UUID(bytes_le=data[start + 4 : start + 20])
        form = data[start + 20]
        if form == 0:
            self._atom(25, "a propDef")
            return Name(guid, int.from_bytes(data[start + 21 : start + 25], "little"), None, kind)
        if form != 1:
            raise self.fail(f"namedPropInfo kind 0x{form:02X}")
        end = start + 21
        while data[end : end + 2] not in (b"\0\0", b""):
            end += 2
        self._atom(end + 2 - start, "a propDef")
        return Name(guid, None, data[start + 21 : end].decode("utf-16-le"), kind)

    def _value(self, kind: int) -> Any:
        fixed = _FIXED.get(kind)
        if fixed is not None:
            (value,) = fixed.unpack_from(self.data, self._atom(fixed.size, "a fixedSizeValue"))
            return self._checked(kind, value)
        if kind in _VARIABLE or kind & 0x8000:
            return self._checked(kind, self._variable())
        if kind & 0x1000:
            single = kind & ~0x1000
            count = int.from_bytes(self.data[(start := self._atom(4, "a length")) : start + 4], "little")
            if count * 2 > len(self.data):
                raise self.fail(f"{count} values")
            if single in _FIXED or single in _VARIABLE:
                return [self._value(single) for _ in range(count)]
        raise self.fail(f"property type 0x{kind:04X}", "MS-OXCFXICS 2.2.4.1.1")

    def _checked(self, kind: int, value: Any) -> Any:
        if kind == 0x000B:
            if value > 1:
                raise self.fail(f"PtypBoolean 0x{value:04X}", "MS-OXCFXICS 2.2.4.1.3")
            return bool(value)
        if kind == 0x0048:
            return UUID(bytes_le=value)
        if kind in (0x001F, 0x84B0):
            if len(value) % 2 or value[-2:] != b"\0\0":
                raise self.fail(f"PtypString without its NUL: {value[-8:].hex()}", "MS-OXCFXICS 2.2.4.1.3")
            return value[:-2].decode("utf-16-le", "surrogatepass")
        if kind == 0x001E or kind & 0x8000:
            if value[-1:] != b"\0":
                raise self.fail(f"PtypString8 without its NUL: {value[-8:].hex()}", "MS-OXCFXICS 2.2.4.1.3")
            return value[:-1]
        return value


class Parser:
    """The grammar. ``flags``, ``extra`` and ``excluded`` are those of RopSynchronizationConfigure."""

    def __init__(
        self, buffers: Iterable[bytes], *, flags: int = 0, extra: int = 0, excluded: Iterable[int] = ()
    ) -> None:
        self.lexer = Lexer(buffers)
        self.flags = flags
        self.extra = extra
        self.excluded = frozenset(tag >> 16 for tag in excluded)

    def _fail(self, section: str, text: str) -> ViolationError:
        return self.lexer.fail(text, f"MS-OXCFXICS {section}")

    def _marker(self, *names: str) -> bool:
        item = self.lexer.peek()
        return isinstance(item, int) and MARKERS[item] in names

    def _accept(self, name: str) -> bool:
        if self._marker(name):
            self.lexer.next()
            return True
        return False

    def _expect(self, name: str) -> None:
        item = self.lexer.next()
        if not isinstance(item, int) or MARKERS[item] != name:
            found = MARKERS[item] if isinstance(item, int) else _show(item[0])
            raise self._fail("2.2.4.2", f"{name} expected, {found} found")

    def _prop_list(self) -> Properties:
        """propList: everything up to the next marker or meta-property."""
        values: Properties = {}
        while True:
            item = self.lexer.peek()
            if item is None or isinstance(item, int) or item[0] in META_TAGS:
                return values
            tag, value = item
            if tag in values:
                raise self._fail("2.2.4.3.20", f"{_show(tag)} twice in one list")
            if (tag.type if isinstance(tag, Name) else tag & 0xFFFF) & 0x1000 and not value:
                raise self._fail("2.2.4.3.20", f"{_show(tag)} has no value")
            values[tag] = value
            self.lexer.next()

    def _only(self, section: str, values: Properties, allowed: Iterable[int]) -> None:
        for tag in values:
            if tag not in frozenset(allowed):
                raise self._fail(section, f"{_show(tag)} is prohibited here")

    def _del_props(self, expected: int) -> None:
        """[MetaTagFXDelProp] before recipients and before attachments."""
        item = self.lexer.peek()
        if isinstance(item, tuple) and item[0] == FX_DEL_PROP and item[1] & 0xFFFFFFFF == expected:
            self.lexer.next()

    def _message_children(self, content: MessageContent) -> None:
        self._del_props(MESSAGE_RECIPIENTS)
        while self._accept("StartRecip"):
            recipient = self._prop_list()
            if next(iter(recipient), None) != ROW_ID:
                raise self._fail("2.2.4.3.23", "a recipient does not begin with PidTagRowid")
            content.recipients.append(recipient)
            self._expect("EndToRecip")
        rows = [recipient[ROW_ID] for recipient in content.recipients]
        if len(set(rows)) != len(rows):
            raise self._fail("2.2.4.3.23", f"PidTagRowid repeats: {rows}")
        self._del_props(MESSAGE_ATTACHMENTS)
        while self._accept("NewAttach"):
            item = self.lexer.peek()
            if not isinstance(item, tuple) or item[0] != ATTACH_NUMBER:
                raise self._fail("2.2.4.2", "an attachment does not begin with PidTagAttachNumber")
            properties = self._prop_list()
            embedded = None
            if self._accept("StartEmbed"):
                embedded = self._message_content()
                self._expect("EndEmbed")
            content.attachments.append(Attachment(properties, embedded))
            self._expect("EndAttach")

    def _message_content(self) -> MessageContent:
        content = MessageContent(self._prop_list())
        self._message_children(content)
        return content

    def message_content(self) -> MessageContent:
        """The root of RopFastTransferSourceCopyTo of a message (2.2.4.4)."""
        content = self._message_content()
        self._finish()
        return content

    def state(self) -> dict[int, bytes]:
        """The root of RopSynchronizationGetTransferState."""
        state = self._state(hierarchy=False)
        self._finish()
        return state

    def contents(self) -> Synchronization:
        found = Synchronization()
        progress = bool(self.flags & 0x8000)
        if self._accept("IncrSyncProgressMode"):
            if not progress:
                raise self._fail("2.2.4.3.19", "progressTotal without the Progress flag")
            found.progress_total = self._progress_total()
        while self._marker("IncrSyncProgressPerMsg", "IncrSyncChg", "IncrSyncGroupInfo"):
            found.messages.append(self._message_change(found.progress_total is not None))
        self._tail(found, hierarchy=False)
        if found.progress_total is not None:
            fai = sum(1 for change in found.messages if change.header[ASSOCIATED])
            normal = len(found.messages) - fai
            if (found.progress_total[0], found.progress_total[2]) != (fai, normal):
                raise self._fail("2.2.2.7", f"{found.progress_total} announced, {fai} FAI and {normal} normal sent")
        return found

    def _progress_total(self) -> tuple[int, int, int, int]:
        values = self._prop_list()
        if list(values) != [0x00000102] or len(values[0x00000102]) != 32:
            raise self._fail("2.2.4.3.19", f"progressTotal holds {[_show(tag) for tag in values]}")
        version, fai, fai_size, normal, normal_size = struct.unpack("<HxxIQI4xQ", values[0x00000102])
        if version:
            raise self._fail("2.2.2.7", f"version {version}")
        return fai, fai_size, normal, normal_size

    def _message_change(self, progress: bool) -> MessageChange:
        size = None
        announced = None
        if self._accept("IncrSyncProgressPerMsg"):
            if not progress:
                raise self._fail("2.2.4.3.18", "progressPerMessage without progressTotal")
            values = self._prop_list()
            if list(values) != [0x00000003, 0x0000000B]:
                raise self._fail("2.2.4.3.18", f"progressPerMessage holds {[_show(tag) for tag in values]}")
            size, announced = values[0x00000003], values[0x0000000B]
        elif progress:
            raise self._fail("2.2.4.3.18", "progressTotal without progressPerMessage")
        if self._marker("IncrSyncGroupInfo"):
            raise self._fail("2.2.4.3.11", "a partial change where full ones only are sent")
        self._expect("IncrSyncChg")
        header = self._prop_list()
        required = (SOURCE_KEY, LAST_MODIFICATION_TIME, CHANGE_KEY, PREDECESSOR_CHANGE_LIST, ASSOCIATED)
        if tuple(header)[:5] != required:
            raise self._fail("2.2.4.3.14", f"header begins with {[_show(tag) for tag in list(header)[:5]]}")
        for tag, bit in ((MID, 1), (MESSAGE_SIZE, 2), (CHANGE_NUMBER, 4)):
            if (tag in header) != bool(self.extra & bit):
                raise self._fail("2.2.4.3.14", f"{_show(tag)} and SynchronizationExtraFlags 0x{self.extra:X}")
        self._only("2.2.4.3.14", header, (*required, MID, MESSAGE_SIZE, CHANGE_NUMBER))
        self._keys(header)
        if announced is not None and announced != header[ASSOCIATED]:
            raise self._fail("2.2.4.3.18", "progressPerMessage and PidTagAssociated disagree")
        if not self.flags & (0x10 if header[ASSOCIATED] else 0x20):
            raise self._fail("3.2.5.3", f"PidTagAssociated {header[ASSOCIATED]} was not asked for")
        self._expect("IncrSyncMessage")
        content = self._message_content()
        self._filters(content)
        return MessageChange(header, content, size)

    def _filters(self, content: MessageContent) -> None:
        """Excluded properties stay out (3.2.5.10), but for the body of a message that has no other."""
        other_body = 0x10130102 in content.properties or 0x10090102 in content.properties
        for tag in content.properties:
            if isinstance(tag, int) and tag >> 16 in self.excluded and (tag >> 16 != 0x1000 or other_body):
                raise self._fail("3.2.5.10", f"{_show(tag)} was excluded")

    def _keys(self, values: Properties) -> None:
        """Source key 22 bytes (2.2.1.2.5), change key an XID (2.2.1.2.7), that XID in the predecessors (2.2.1.2.8)."""
        if len(values[SOURCE_KEY]) != 22:
            raise self._fail("2.2.1.2.5", f"PidTagSourceKey {values[SOURCE_KEY].hex()}")
        key = values[CHANGE_KEY]
        if not 17 <= len(key) <= 24:
            raise self._fail("2.2.2.2", f"PidTagChangeKey {key.hex()}")
        predecessors, position, found = values[PREDECESSOR_CHANGE_LIST], 0, []
        while position < len(predecessors):
            size = predecessors[position]
            found.append(predecessors[position + 1 : position + 1 + size])
            position += 1 + size
            if position > len(predecessors) or not 17 <= size <= 24:
                raise self._fail("2.2.2.3", f"PidTagPredecessorChangeList {predecessors.hex()}")
        guids = [xid[:16] for xid in found]
        if guids != sorted(set(guids)):
            raise self._fail("2.2.2.3", f"PredecessorChangeList not in ascending order: {predecessors.hex()}")
        if key not in found:
            raise self._fail("2.2.1.2.8", f"change key {key.hex()} is not in {predecessors.hex()}")

    def hierarchy(self) -> Synchronization:
        found = Synchronization()
        while self._accept("IncrSyncChg"):
            folder = self._prop_list()
            for tag in (PARENT_SOURCE_KEY, SOURCE_KEY, LAST_MODIFICATION_TIME, CHANGE_KEY, PREDECESSOR_CHANGE_LIST):
                if tag not in folder:
                    raise self._fail("2.2.4.3.5", f"{_show(tag)} is missing")
            if not any(isinstance(tag, int) and tag >> 16 == 0x3001 for tag in folder):
                raise self._fail("2.2.4.3.5", "PidTagDisplayName is missing")
            if (FOLDER_ID in folder) != bool(self.extra & 1):
                raise self._fail("2.2.4.3.5", f"PidTagFolderId and SynchronizationExtraFlags 0x{self.extra:X}")
            if self.flags & 0x0100 and PARENT_FOLDER_ID not in folder:
                raise self._fail("2.2.4.3.5", "PidTagParentFolderId is missing with NoForeignIdentifiers")
            for present in folder:
                if isinstance(present, Name):
                    raise self._fail("2.2.4.3.5", f"a folder with the named property {_show(present)}")
                if present >> 16 in self.excluded:
                    raise self._fail("3.2.5.10", f"{_show(present)} was excluded")
            self._keys(folder)
            found.folders.append(folder)
        self._tail(found, hierarchy=True)
        return found

    def _tail(self, found: Synchronization, *, hierarchy: bool) -> None:
        if self._accept("IncrSyncDel"):
            if self.flags & 0x0002:
                raise self._fail("2.2.4.3.3", "deletions although NoDeletions")
            values = self._prop_list()
            allowed = {IDSET_DELETED}
            if not hierarchy:
                allowed |= {IDSET_EXPIRED} if self.flags & 0x0004 else {IDSET_NO_LONGER_IN_SCOPE, IDSET_EXPIRED}
            self._only("2.2.4.3.3", values, allowed)
            if not values:
                raise self._fail("2.2.4.3.3", "deletions without a property")
            found.deletions = {int(tag): value for tag, value in values.items() if isinstance(tag, int)}
        if self._accept("IncrSyncRead"):
            if hierarchy or not self.flags & 0x0008:
                raise self._fail("2.2.4.3.22", "readStateChanges without the ReadState flag")
            values = self._prop_list()
            self._only("2.2.4.3.22", values, (IDSET_READ, IDSET_UNREAD))
            if not values:
                raise self._fail("2.2.4.3.22", "readStateChanges without a property")
            found.read_states = {int(tag): value for tag, value in values.items() if isinstance(tag, int)}
        found.state = self._state(hierarchy=hierarchy)
        self._expect("IncrSyncEnd")
        self._finish()

    def _state(self, *, hierarchy: bool) -> dict[int, bytes]:
        self._expect("IncrSyncStateBegin")
        values = self._prop_list()
        self._expect("IncrSyncStateEnd")
        allowed = (IDSET_GIVEN, CNSET_SEEN) if hierarchy else (IDSET_GIVEN, CNSET_SEEN, CNSET_SEEN_FAI, CNSET_READ)
        self._only("2.2.4.3.25", values, allowed)
        return {tag: value for tag, value in values.items() if isinstance(tag, int)}

    def _finish(self) -> None:
        if self.lexer.peek() is not None:
            raise self._fail("2.2.4.2", "bytes after the root element")


def _show(tag: Tag) -> str:
    return f"0x{tag:08X}" if isinstance(tag, int) else f"{tag.guid}/{tag.lid if tag.name is None else tag.name!r}"
