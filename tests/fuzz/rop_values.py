"""Random property values, tags, names and restrictions, reproducible by their random source."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from mapigw.wire import tags
from mapigw.wire.properties import MULTIPLE, PropertyName, PropertyType
from mapigw.wire.restrictions import (
    AndRestriction,
    BitMaskRestriction,
    CommentRestriction,
    ComparePropertiesRestriction,
    ContentRestriction,
    CountRestriction,
    ExistRestriction,
    NotRestriction,
    OrRestriction,
    PropertyRestriction,
    Restriction,
    SizeRestriction,
    SubObjectRestriction,
)

ALL_TAGS: Final = sorted(
    {value for name, value in vars(tags).items() if name.startswith("PidTag") and isinstance(value, int)}
)
MESSAGE_TAGS: Final = (
    tags.PidTagSubject,
    tags.PidTagSubjectPrefix,
    tags.PidTagNormalizedSubject,
    tags.PidTagBody,
    tags.PidTagHtml,
    tags.PidTagRtfCompressed,
    tags.PidTagMessageClass,
    tags.PidTagImportance,
    tags.PidTagSensitivity,
    tags.PidTagMessageDeliveryTime,
    tags.PidTagSentRepresentingName,
    tags.PidTagSearchKey,
    tags.PidTagConversationIndex,
    tags.PidTagConversationTopic,
    tags.PidTagMessageFlags,
    tags.PidTagReadReceiptRequested,
    tags.PidTagInternetMessageId,
    tags.PidTagTransportMessageHeaders,
    tags.PidTagAttachDataBinary,
    tags.PidTagAttachFilename,
    tags.PidTagAttachMethod,
    tags.PidTagComment,
    tags.PidTagDisplayName,
    tags.PidTagContainerClass,
    tags.PidTagResolveMethod,
    tags.PidTagLastModificationTime,
    tags.PidTagMid,
    tags.PidTagMessageSize,
    tags.PidTagHasAttachments,
)
KINDS: Final = tuple(
    kind
    for kind in PropertyType
    if kind & ~MULTIPLE
    not in {
        PropertyType.UNSPECIFIED,
        PropertyType.NULL,
        PropertyType.RESTRICTION,
        PropertyType.RULE_ACTION,
        PropertyType.ERROR_CODE,
        PropertyType.OBJECT,
    }
)
SETS: Final = (
    UUID("00062008-0000-0000-c000-000000000046"),
    UUID("00020329-0000-0000-c000-000000000046"),
    UUID("00020386-0000-0000-c000-000000000046"),
    UUID(int=77),
)
_WORDS: Final = (
    "",
    "a",
    "Report",
    "straße",
    "Ärger",
    "日本語",
    "\U0001f600",
    "re: x",
    "FW: ",
    "x" * 300,
    "İ",
    "ß",
    "0",
)
_SIZES: Final = (0, 1, 7, 100, 255, 256, 1000, 4000, 4096, 4097, 8190, 8192, 8193, 12_000, 20_000)


class Values:
    def __init__(self, source: random.Random, prefix: str = "SECRET") -> None:
        self.source = source
        self._prefix = prefix
        self._secrets = 0

    def chance(self, probability: float) -> bool:
        return self.source.random() < probability

    def secret(self) -> str:
        """Text by which what a message says is known wherever it turns up."""
        self._secrets += 1
        return f"{self._prefix}{self._secrets:06}"

    def word(self) -> str:
        return self.source.choice(_WORDS) + str(self.source.randrange(5))

    def tag(self, named: Sequence[int] = ()) -> int:
        source = self.source
        pick = source.random()
        if pick < 0.55:
            return source.choice(MESSAGE_TAGS)
        if pick < 0.8:
            return source.randrange(0x7C00, 0x7C08) << 16 | source.choice(KINDS)
        if pick < 0.9:
            property_id = source.choice(named) if named else source.randrange(0x8000, 0x8020)
            return property_id << 16 | source.choice(KINDS)
        if pick < 0.98:
            return source.choice(ALL_TAGS)
        return source.getrandbits(32)

    def value(self, kind: int, *, size: int | None = None) -> Any:
        """Of a PropertyType; ``size`` bounds what has one."""
        source = self.source
        if kind & MULTIPLE:
            return [self.value(kind & ~MULTIPLE, size=200) for _ in range(source.choice((0, 1, 2, 5)))]
        length = source.choice(_SIZES) if source.random() < 0.5 else source.randrange(30)
        if size is not None:
            length = min(length, size)
        match kind:
            case PropertyType.INTEGER16:
                return source.getrandbits(16) - 0x8000
            case PropertyType.INTEGER32:
                return source.choice((0, 1, 2, 5, -1, 0x7FFFFFFF, source.getrandbits(32) - 0x80000000))
            case PropertyType.FLOATING32:
                return source.choice((0.0, 1.5, -2.25))
            case PropertyType.FLOATING64 | PropertyType.FLOATING_TIME:
                return source.uniform(-1e9, 1e9)
            case PropertyType.CURRENCY | PropertyType.INTEGER64:
                return source.getrandbits(64) - (1 << 63)
            case PropertyType.BOOLEAN:
                return source.random() < 0.5
            case PropertyType.STRING:
                return (self.word() + "ä" * length)[: length + 3]
            case PropertyType.STRING8:
                return source.randbytes(length).replace(b"\0", b"x")
            case PropertyType.TIME:
                return source.choice((0, 1, 133_000_000_000_000_000 + source.getrandbits(40), source.getrandbits(64)))
            case PropertyType.GUID:
                return UUID(int=source.getrandbits(128))
            case PropertyType.ERROR_CODE:
                return source.getrandbits(32)
            case PropertyType.BINARY | PropertyType.SERVER_ID | PropertyType.OBJECT:
                return source.randbytes(length)
        return None

    def tagged(self, tag: int) -> tuple[int, Any] | None:
        """A value for a tag, perhaps as String8; None where no value of its type can be written."""
        kind = tag & 0xFFFF
        if kind in {PropertyType.STRING, PropertyType.MULTIPLE_STRING} and self.chance(0.2):
            kind -= 1
        if kind not in KINDS and kind != PropertyType.OBJECT:
            return None
        return tag & ~0xFFFF | kind, self.value(kind)

    def properties(self, named: Sequence[int] = (), count: int = 4) -> list[tuple[int, Any]]:
        found = [self.tagged(self.tag(named)) for _ in range(self.source.randrange(count + 1))]
        return [item for item in found if item is not None]

    def columns(self, named: Sequence[int] = ()) -> list[int]:
        columns = [self.tag(named) for _ in range(self.source.choice((1, 3, 8)))]
        kinds = {int(kind) for kind in PropertyType}
        return [
            column & ~0xFFFF if self.chance(0.05) and not column & 0x3000 else column
            for column in columns
            if column & 0xFFFF & ~0x2000 in kinds and column & 0xFFFF & ~0x2000 != PropertyType.NULL
        ] or [tags.PidTagSubject]

    def name(self) -> PropertyName:
        source = self.source
        property_set = source.choice(SETS)
        if self.chance(0.5):
            return PropertyName(property_set, lid=source.choice((0x8501, 0x8502, source.randrange(0x10000))))
        return PropertyName(property_set, name=source.choice(("X-One", "x-one", "Keywords", "é", "n" * 100)))

    def restriction(self, named: Sequence[int] = (), depth: int = 0) -> Restriction:
        source = self.source
        if not depth and self.chance(0.3):
            return ExistRestriction(tags.PidTagMessageClass)
        pick = source.randrange(13 if depth < 3 else 7)
        tag = self.tag(named)
        while (tagged := self.tagged(tag)) is None:
            tag = self.tag(named)
        operator = source.choice((0, 1, 2, 3, 4, 5, 6, 100))
        if pick < 2:
            text = (source.choice((tags.PidTagSubject, tags.PidTagBody, tags.PidTagMessageClass)), self.word())
            return ContentRestriction(source.randrange(3), source.choice((0, 1, 2, 4)), text[0], text)
        if pick == 2:
            return PropertyRestriction(operator, tagged[0], tagged)
        if pick == 3:
            return BitMaskRestriction(source.randrange(2), tags.PidTagMessageFlags, source.getrandbits(8))
        if pick == 4:
            return SizeRestriction(source.randrange(6), tag, source.randrange(9000))
        if pick == 5:
            return ExistRestriction(tag)
        if pick == 6:
            return ComparePropertiesRestriction(source.randrange(6), tag, self.tag(named))
        inner = [self.restriction(named, depth + 1) for _ in range(source.randrange(3))]
        one = self.restriction(named, depth + 1)
        return source.choice(
            (
                AndRestriction(tuple(inner)),
                OrRestriction(tuple(inner)),
                NotRestriction(one),
                CommentRestriction((tagged,), one),
                CountRestriction(source.randrange(4), one),
                SubObjectRestriction(source.choice((tags.PidTagMessageRecipients, tags.PidTagMessageAttachments)), one),
            )
        )
