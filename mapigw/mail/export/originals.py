"""The Internet mail that a message came as, when it still is this message.

It is kept beside the message and dropped by the save that changes it (`mailbox.saving`): what is left is true.
"""

import re
from collections.abc import Iterator
from typing import Final

from mapigw.mail.export.composing import ExportOptions
from mapigw.mail.export.entities import canonical_lines
from mapigw.mail.export.reader import CHUNK
from mapigw.mail.headers import Headers
from mapigw.store.blobs import FolderBlobStore
from mapigw.store.messages import MimeRow

_HEADER_MAXIMUM: Final = 1 << 20
_MAX_LINE: Final = 998
_BLIND: Final = re.compile(rb"(?im)^(?:resent-)?bcc[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*")
_FIELDS: Final = re.compile(rb"(?:[!-9;-~]+[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+\r\n")
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,896}>")


class Original:
    """The bytes as they came, in the blob store or in the row. Methods block."""

    def __init__(self, row: MimeRow, blobs: FolderBlobStore) -> None:
        self._row = row
        self._blobs = blobs

    def chunks(self) -> Iterator[bytes]:
        if not self._row.is_digest:
            yield self._row.mime
            return
        offset = 0
        while chunk := self._blobs.get(self._row.mime, offset, CHUNK):
            yield chunk
            offset += len(chunk)

    def header(self) -> bytes:
        """The header with the empty line after it, with CR LF; b"" if it has no end within a MiB."""
        head = b""
        for chunk in canonical_lines(self.chunks()):
            head += chunk
            end = head.find(b"\r\n\r\n")
            if end >= 0:
                return head[: end + 4]
            if len(head) > _HEADER_MAXIMUM:
                break
        return b""


class Sendable:
    """An original as it can be sent: lines ended by CR LF, with Bcc only for its owner. Methods block."""

    def __init__(self, original: Original, header: bytes, *, blind: bool) -> None:
        self._original = original
        self._size = len(header)
        self.header = header if blind else _BLIND.sub(b"", header)
        found = _MESSAGE_ID.search(Headers(header).first("message-id"))
        self.message_id = found.group() if found else ""
        self.eight_bit = False

    def chunks(self) -> Iterator[bytes]:
        yield self.header
        skipped = self._size
        for chunk in canonical_lines(self._original.chunks()):
            piece = chunk[skipped:]
            skipped = max(0, skipped - len(chunk))
            if piece:
                yield piece


def sendable(original: Original, options: ExportOptions) -> Sendable | None:
    """The original for the relay; None where it is no mail that may be sent there as it is. Blocks.

    That is one with a header in ASCII (or RFC 6532, if it may be), lines of at most 998 bytes, no NUL, and bytes over
    0x7F only if they may be.
    """
    header = original.header()
    if not _FIELDS.fullmatch(header) or (not header.isascii() and not options.smtputf8):
        return None
    found = Sendable(original, header, blind=options.blind is None)
    if not found.message_id:
        return None
    column = 0
    for chunk in found.chunks():
        if b"\0" in chunk:
            return None
        if not chunk.isascii():
            if not options.eight_bit:
                return None
            found.eight_bit = True
        lines = [*map(len, chunk.split(b"\r\n"))]
        lines[0] += column
        if max(lines) > _MAX_LINE:
            return None
        column = lines[-1]
    return found
