"""Files of the Macintosh, which a mailbox has as MacBinary streams, as AppleDouble (MS-OXCMAIL 2.1.3.4.3; RFC 1740)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mapigw.mail.apple import MACBINARY_ENCODING, MAX_FORK
from mapigw.mail.export.reader import CHUNK, PropertyReader
from mapigw.mail.names import ATTACHMENT_MAC_INFO
from mapigw.wire import tags

_BLOCK: Final = 128
_DOUBLE: Final = struct.Struct(">II16xH")
_ENTRY: Final = struct.Struct(">III")
_MAGIC: Final = 0x00051607
_VERSION: Final = 0x00020000
_RESOURCE_FORK, _REAL_NAME, _FINDER_INFO = 2, 3, 9


@dataclass(frozen=True, slots=True)
class MacintoshFile:
    """The two parts that a file goes out in: the octets of an application/applefile, and where the data fork is."""

    header: bytes
    data_start: int
    data_size: int

    def data(self, reader: PropertyReader) -> Iterator[bytes]:
        """The data fork, piece by piece."""
        end = self.data_start + self.data_size
        for offset in range(self.data_start, end, CHUNK):
            yield reader.piece(tags.PidTagAttachDataBinary, offset, min(CHUNK, end - offset))


def macintosh_file(reader: PropertyReader) -> MacintoshFile | None:
    """The file in an attachment; None where it is no MacBinary stream, or none that is whole."""
    if reader.binary(tags.PidTagAttachEncoding) != MACBINARY_ENCODING:
        return None
    size = reader.size(tags.PidTagAttachDataBinary)
    head = reader.piece(tags.PidTagAttachDataBinary, 0, _BLOCK)
    if len(head) < _BLOCK or head[0] or head[74] or head[82] or not 0 < head[1] < 64:
        return None
    data_size, resource_size = struct.unpack_from(">II", head, 83)
    (secondary,) = struct.unpack_from(">H", head, 120)
    start = _BLOCK + _padded(secondary)
    resource_start = start + _padded(data_size)
    if resource_start + resource_size > size or resource_size > MAX_FORK:
        return None
    header = reader.binary(ATTACHMENT_MAC_INFO)
    if not header:
        resource = reader.piece(tags.PidTagAttachDataBinary, resource_start, resource_size)
        finder_info = head[65:73] + head[73:74] + head[101:102] + head[75:81]
        header = _apple_double(head[2 : 2 + head[1]], finder_info.ljust(32, b"\0"), resource)
    return MacintoshFile(header, start, data_size)


def _padded(size: int) -> int:
    return size + -size % _BLOCK


def _apple_double(name: bytes, finder_info: bytes, resource: bytes) -> bytes:
    """The header of an AppleDouble file (RFC 1740 appendix B)."""
    entries = ((_REAL_NAME, name), (_FINDER_INFO, finder_info), (_RESOURCE_FORK, resource))
    out = bytearray(_DOUBLE.pack(_MAGIC, _VERSION, len(entries)))
    offset = len(out) + len(entries) * _ENTRY.size
    for kind, value in entries:
        out += _ENTRY.pack(kind, offset, len(value))
        offset += len(value)
    return bytes(out) + b"".join(value for _kind, value in entries)
