"""The parts that definitions are composed of: integers, ids, strings, counted things (MS-OXCDATA 2.2, 2.11.7).

What Construct cannot express quickly or safely is a pair of functions over a `Cursor`, wrapped as a Construct by
`Pulled`. A counted field is a class that takes its count field as argument, because a count and what it counts are one
value in Python: ``Counted(Int16ul, ObjectId)`` is a list, ``SizedBytes(Int16ul)`` is bytes.
"""

import io
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from construct import (
    Byte,
    Construct,
    ConstructError,
    If,
    IfThenElse,
    Int16sl,
    Int16ul,
    Int32sl,
    Int32ul,
    Int64sl,
    Int64ul,
    Rebuild,
    StreamError,
    Struct,
    len_,
    this,
)

from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError

__all__ = [
    "Asciiz",
    "Boolean",
    "Byte",
    "Bytes",
    "CountOf",
    "Counted",
    "GlobalCount",
    "Guid",
    "If",
    "IfThenElse",
    "Int16sl",
    "Int16ul",
    "Int32sl",
    "Int32ul",
    "Int64sl",
    "Int64ul",
    "LongTermId",
    "LongTermIdField",
    "MultibyteOrUnicode",
    "ObjectId",
    "ObjectIdField",
    "ObjectIds",
    "PropertyTags",
    "Pulled",
    "Repeated",
    "Rest",
    "ShortSizedAsciiz",
    "Sized",
    "SizedAsciiz",
    "SizedBytes",
    "Struct",
    "TypedString",
    "Unicodez",
    "this",
]


class ObjectId(NamedTuple):
    """FolderId or MessageId (MS-OXCDATA 2.2.1.1, 2.2.1.2): replica id and 48-bit GLOBCNT.

    The 8 bytes are the replica id, little-endian, and the counter, big-endian.
    """

    replica_id: int
    counter: int

    @classmethod
    def from_bytes(cls, data: bytes) -> "ObjectId":
        return cls(int.from_bytes(data[:2], "little"), int.from_bytes(data[2:8], "big"))

    def to_bytes(self) -> bytes:
        return self.replica_id.to_bytes(2, "little") + self.counter.to_bytes(6, "big")

    @classmethod
    def from_integer(cls, value: int) -> "ObjectId":
        """The id held by a PtypInteger64 property, signed or unsigned."""
        return cls.from_bytes((value & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "little"))

    def to_integer(self) -> int:
        """The id as a PtypInteger64 property holds it, signed."""
        return int.from_bytes(self.to_bytes(), "little", signed=True)


class LongTermId(NamedTuple):
    """LongTermID (MS-OXCDATA 2.2.1.3.1): replica GUID and 48-bit GLOBCNT; two bytes of padding follow."""

    replica_guid: UUID
    counter: int

    @classmethod
    def from_bytes(cls, data: bytes) -> "LongTermId":
        return cls(UUID(bytes_le=data[:16]), int.from_bytes(data[16:22], "big"))

    def to_bytes(self) -> bytes:
        return self.replica_guid.bytes_le + self.counter.to_bytes(6, "big") + b"\0\0"


_COMPILED = "(???)"


class Pulled(Construct):
    """A Construct made of ``pull(cursor, context) -> value`` and ``push(out, value, context)``.

    Reads from an `io.BytesIO` only, whose bytes it does not copy.
    """

    def __init__(
        self,
        pull: Callable[[Cursor, Any], Any],
        push: Callable[[bytearray, Any, Any], None],
    ) -> None:
        super().__init__()
        self.pull = pull
        self.push = push

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> Any:
        cursor = Cursor(stream.getvalue(), stream.tell())
        try:
            value = self.pull(cursor, context)
        except WireError as error:
            if path == _COMPILED:  # the interpreted form is run next, and knows the path
                raise StreamError(error.reason) from error
            raise WireError(error.reason, offset=error.offset, field=_field(path)) from error
        stream.seek(cursor.position)
        return value

    def _build(self, obj: Any, stream: io.BytesIO, context: Any, path: str) -> Any:
        out = bytearray()
        self.push(out, obj, context)
        stream.write(out)
        return obj


def _field(path: str) -> str:
    return ".".join(part.strip() for part in path.removeprefix("(parsing)").split("->") if part.strip())


def _pushed(method: str) -> Callable[[bytearray, Any, Any], None]:
    def push(out: bytearray, value: Any, context: Any) -> None:
        out += getattr(value, method)()

    return push


ObjectIdField = Pulled(lambda cursor, context: ObjectId.from_bytes(cursor.take(8)), _pushed("to_bytes"))
"""FolderId, MessageId and other 8-byte ids: `ObjectId`."""

LongTermIdField = Pulled(lambda cursor, context: LongTermId.from_bytes(cursor.take(24)), _pushed("to_bytes"))
"""24 bytes: `LongTermId`. What stands in the padding is not kept."""

Guid = Pulled(lambda cursor, context: cursor.guid(), lambda out, value, context: out.extend(value.bytes_le))
"""16 bytes, MS-DTYP 2.3.4: `uuid.UUID`."""


class _Boolean(Construct):
    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> bool:
        data = stream.read(1)
        if not data:
            raise StreamError("1 byte needed, 0 left", path=path)
        return data != b"\0"

    def _build(self, obj: Any, stream: io.BytesIO, context: Any, path: str) -> Any:
        stream.write(b"\1" if obj else b"\0")
        return obj

    def _emitparse(self, code: Any) -> str:
        return "(io.read(1)[0] != 0)"

    def _emitbuild(self, code: Any) -> str:
        return r'(io.write(b"\1" if obj else b"\0"), obj)[1]'


Boolean = _Boolean()
"""One byte, zero or not: bool."""


def push_asciiz(out: bytearray, value: bytes, context: Any = None) -> None:
    if b"\0" in value:
        raise ConstructError("NUL inside a string")
    out += value + b"\0"


def push_unicodez(out: bytearray, value: str, context: Any = None) -> None:
    if "\0" in value:
        raise ConstructError("NUL inside a string")
    out += value.encode("utf-16-le", "surrogatepass") + b"\0\0"


GlobalCount = Pulled(
    lambda cursor, context: int.from_bytes(cursor.take(6), "big"),
    lambda out, value, context: out.extend(value.to_bytes(6, "big")),
)
"""The 6 bytes of a GLOBCNT, big-endian: int."""

Asciiz = Pulled(lambda cursor, context: cursor.string8(), push_asciiz)
"""A NUL-terminated 8-bit string: bytes without the NUL."""

Unicodez = Pulled(lambda cursor, context: cursor.string(), push_unicodez)
"""A NUL-terminated UTF-16LE string: str without the NUL."""


def _pull_sized_asciiz(size: int) -> Callable[[Cursor, Any], bytes]:
    def pull(cursor: Cursor, context: Any) -> bytes:
        data = cursor.take(cursor.uint8() if size == 1 else cursor.uint16())
        if data and (data[-1] or 0 in data[:-1]):
            raise cursor.fail("the string does not end with its only NUL")
        return data[:-1]

    return pull


def _push_sized_asciiz(size: int) -> Callable[[bytearray, Any, Any], None]:
    def push(out: bytearray, value: Any, context: Any) -> None:
        out += ((len(value) + 1) if value else 0).to_bytes(size, "little")
        if value:
            push_asciiz(out, value)

    return push


ShortSizedAsciiz = Pulled(_pull_sized_asciiz(1), _push_sized_asciiz(1))
SizedAsciiz = Pulled(_pull_sized_asciiz(2), _push_sized_asciiz(2))
"""A byte count (8 or 16 bits) that includes the NUL, and the string: bytes without the NUL; none at all is empty."""


def MultibyteOrUnicode(is_unicode: Any) -> Construct:  # noqa: N802 - named as the Constructs it stands among
    """A NUL-terminated string that is str when the flag (an expression of ``this``) is nonzero, else bytes."""
    return IfThenElse(is_unicode, Unicodez, Asciiz)


class Bytes(Construct):
    """A fixed number of bytes, or one that an expression of ``this`` gives."""

    def __init__(self, length: Any) -> None:
        super().__init__()
        self.length = length

    def _evaluate(self, context: Any) -> int:
        return int(self.length(context) if callable(self.length) else self.length)

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> bytes:
        length = self._evaluate(context)
        data = stream.read(length) if length >= 0 else b""
        if len(data) != length:
            raise StreamError(f"{length} bytes needed, {len(data)} left", path=path)
        return data

    def _build(self, obj: bytes, stream: io.BytesIO, context: Any, path: str) -> bytes:
        if len(obj) != self._evaluate(context):
            raise ConstructError(f"{len(obj)} bytes do not fit the field", path=path)
        stream.write(obj)
        return obj

    def _sizeof(self, context: Any, path: str) -> int:
        return self._evaluate(context)


Rest = Pulled(lambda cursor, context: cursor.take(cursor.remaining), lambda out, value, context: out.extend(value))
"""Everything up to the end of the buffer: bytes."""


class _Integer(NamedTuple):
    size: int
    maximum: int


_COUNTS: dict[int, _Integer] = {
    id(field): _Integer(size, (1 << size * 8) - 1) for field, size in ((Byte, 1), (Int16ul, 2), (Int32ul, 4))
}


class _CountedBase(Construct):
    """Base of the fields that begin with a count of 8, 16 or 32 bits (``Byte``, ``Int16ul``, ``Int32ul``)."""

    unit: ClassVar[str]

    def __init__(self, countfield: Construct) -> None:
        super().__init__()
        self.count = _COUNTS[id(countfield)]

    def _read_count(self, stream: io.BytesIO, path: str) -> int:
        data = stream.read(self.count.size)
        if len(data) != self.count.size:
            raise StreamError(f"{self.count.size} bytes needed, {len(data)} left", path=path)
        return int.from_bytes(data, "little")

    def _write_count(self, stream: io.BytesIO, value: int, path: str) -> None:
        if value > self.count.maximum:
            raise ConstructError(f"{value} {self.unit} do not fit a {self.count.size}-byte count", path=path)
        stream.write(value.to_bytes(self.count.size, "little"))


class SizedBytes(_CountedBase):
    """A byte count and that many bytes: bytes."""

    unit = "bytes"

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> bytes:
        size = self._read_count(stream, path)
        data = stream.read(size)
        if len(data) != size:
            raise StreamError(f"{size} bytes needed, {len(data)} left", path=path)
        return data

    def _build(self, obj: bytes, stream: io.BytesIO, context: Any, path: str) -> bytes:
        self._write_count(stream, len(obj), path)
        stream.write(obj)
        return obj


class Sized(_CountedBase):
    """A byte count and a value that must fill exactly that many bytes; with ``optional`` zero bytes are None."""

    unit = "bytes"

    def __init__(self, countfield: Construct, subcon: Construct, *, optional: bool = False) -> None:
        super().__init__(countfield)
        self.subcon = subcon
        self.optional = optional

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> Any:
        size = self._read_count(stream, path)
        start = stream.tell()
        data = stream.read(size)
        if len(data) != size:
            raise StreamError(f"{size} bytes needed, {len(data)} left", path=path)
        if not size and self.optional:
            return None
        inner = io.BytesIO(data)
        try:
            value = self.subcon._parsereport(inner, context, path)
        except WireError as error:
            raise WireError(error.reason, offset=start + error.offset, field=error.field) from error
        if inner.tell() != size:
            raise StreamError(f"{size - inner.tell()} bytes left over", path=path)
        return value

    def _build(self, obj: Any, stream: io.BytesIO, context: Any, path: str) -> Any:
        inner = io.BytesIO()
        if obj is not None or not self.optional:
            self.subcon._build(obj, inner, context, path)
        self._write_count(stream, inner.tell(), path)
        stream.write(inner.getvalue())
        return obj


class Repeated(Construct):
    """As many items as ``count`` (an expression of ``this``) says, where the count stands apart from them: list."""

    def __init__(self, count: Callable[[Any], int], subcon: Construct) -> None:
        super().__init__()
        self.count = count
        self.subcon = subcon

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> list[Any]:
        return [self.subcon._parsereport(stream, context, path) for _ in range(self.count(context))]

    def _build(self, obj: Any, stream: io.BytesIO, context: Any, path: str) -> Any:
        for item in obj:
            self.subcon._build(item, stream, context, path)
        return obj


def CountOf(countfield: Construct, name: str) -> Construct:  # noqa: N802
    """The count field of the list ``name``; when building it is taken from the list."""
    return Rebuild(countfield, len_(this[name]))


class Counted(_CountedBase):
    """An item count and that many items: list."""

    unit = "items"

    def __init__(self, countfield: Construct, subcon: Construct) -> None:
        super().__init__(countfield)
        self.subcon = subcon

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> list[Any]:
        count = self._read_count(stream, path)
        return [self.subcon._parsereport(stream, context, path) for _ in range(count)]

    def _build(self, obj: Any, stream: io.BytesIO, context: Any, path: str) -> Any:
        self._write_count(stream, len(obj), path)
        for item in obj:
            self.subcon._build(item, stream, context, path)
        return obj

    def _emitparse(self, code: Any) -> str:
        name = f"parse_counted_{code.allocateId()}"
        code.append(f"""
            def {name}(io, this):
                count = io.read({self.count.size})
                if len(count) != {self.count.size}:
                    raise StreamError("count")
                return [{self.subcon._compileparse(code)} for _ in range(int.from_bytes(count, "little"))]
        """)
        return f"{name}(io, this)"


def _pull_object_ids(cursor: Cursor, context: Any) -> list[ObjectId]:
    count = cursor.count(cursor.uint16(), 8)
    data = cursor.take(count * 8)
    return [ObjectId.from_bytes(data[offset : offset + 8]) for offset in range(0, count * 8, 8)]


def _push_object_ids(out: bytearray, value: Any, context: Any) -> None:
    out += len(value).to_bytes(2, "little")
    for item in value:
        out += item.to_bytes()


ObjectIds = Pulled(_pull_object_ids, _push_object_ids)
"""A 16-bit count and that many 8-byte ids: list of `ObjectId`."""


def _pull_tags(cursor: Cursor, context: Any) -> list[int]:
    count = cursor.count(cursor.uint16(), 4)
    data = cursor.take(count * 4)
    return [
        # a PropertyTag is the type, then the id, each little-endian: one 32-bit integer
        int.from_bytes(data[offset : offset + 4], "little")
        for offset in range(0, count * 4, 4)
    ]


def _push_tags(out: bytearray, value: Any, context: Any) -> None:
    out += len(value).to_bytes(2, "little")
    for tag in value:
        out += tag.to_bytes(4, "little")


PropertyTags = Pulled(_pull_tags, _push_tags)
"""A 16-bit count and that many PropertyTag structures (MS-OXCDATA 2.9): list of int."""


def _pull_typed_string(cursor: Cursor, context: Any) -> str | bytes | None:
    string_type = cursor.uint8()
    if string_type == 0:
        return None
    if string_type == 1:
        return ""
    if string_type == 2:
        return cursor.string8()
    if string_type == 3:
        return cursor.string8().decode("latin-1")
    if string_type == 4:
        return cursor.string()
    raise cursor.fail(f"string type {string_type} is not known")


def _push_typed_string(out: bytearray, value: str | bytes | None, context: Any) -> None:
    if value is None:
        out.append(0)
    elif not value:
        out.append(1)
    elif isinstance(value, bytes):
        out.append(2)
        push_asciiz(out, value)
    else:
        try:
            reduced = value.encode("latin-1")
        except UnicodeEncodeError:
            out.append(4)
            push_unicodez(out, value)
        else:
            out.append(3)
            push_asciiz(out, reduced)


TypedString = Pulled(_pull_typed_string, _push_typed_string)
"""TypedString (MS-OXCDATA 2.11.7): None, str, or bytes for an 8-bit string.

A str whose characters all have a zero high byte is built in the reduced form, as Exchange does.
"""
