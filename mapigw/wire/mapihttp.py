"""MAPI over HTTP: request and response bodies of the mailbox endpoint, and the text around every body
(MS-OXCMAPIHTTP 2.2.4, 2.2.7, 3.2.5.2).

``DnPrefix`` and ``UserDn`` are bytes (ASCII). An auxiliary buffer is bytes with its RPC_HEADER_EXT, empty for none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

from construct import Struct

from mapigw.wire.definition import Definition
from mapigw.wire.errors import WireError
from mapigw.wire.primitives import Asciiz, Int32ul, SizedBytes, Unicodez


class ResponseCode(IntEnum):
    """Values of the X-ResponseCode header (2.2.3.3.3)."""

    Success = 0
    UnknownFailure = 1
    InvalidVerb = 2
    InvalidPath = 3
    InvalidHeader = 4
    InvalidRequestType = 5
    InvalidContextCookie = 6
    MissingHeader = 7
    AnonymousNotAllowed = 8
    TooLarge = 9
    ContextNotFound = 10
    NoPrivilege = 11
    InvalidRequestBody = 12
    MissingCookie = 13
    InvalidSequence = 15
    EndpointDisabled = 16
    InvalidResponse = 17
    EndpointShuttingDown = 18


class ConnectFlags(IntFlag):
    """Flags of the Connect request (MS-OXCRPC 3.1.4.1, ulFlags)."""

    AdminPrivilege = 0x00000001


class ExecuteFlags(IntFlag):
    """Flags of the Execute request (MS-OXCRPC 3.1.4.2, pulFlags)."""

    NoCompression = 0x00000001
    NoXorMagic = 0x00000002
    Chain = 0x00000004


CONNECT_REQUEST = Definition(
    Struct(
        user_dn=Asciiz,
        flags=Int32ul,
        default_code_page=Int32ul,
        lcid_sort=Int32ul,
        lcid_string=Int32ul,
        auxiliary_buffer=SizedBytes(Int32ul),
    )
)
CONNECT_RESPONSE = Definition(
    Struct(
        status_code=Int32ul,
        error_code=Int32ul,
        polls_max=Int32ul,
        retry_count=Int32ul,
        retry_delay=Int32ul,
        dn_prefix=Asciiz,
        display_name=Unicodez,
        auxiliary_buffer=SizedBytes(Int32ul),
    )
)
EXECUTE_REQUEST = Definition(
    Struct(
        flags=Int32ul,
        rop_buffer=SizedBytes(Int32ul),
        max_rop_out=Int32ul,
        auxiliary_buffer=SizedBytes(Int32ul),
    )
)
EXECUTE_RESPONSE = Definition(
    Struct(
        status_code=Int32ul,
        error_code=Int32ul,
        flags=Int32ul,
        rop_buffer=SizedBytes(Int32ul),
        auxiliary_buffer=SizedBytes(Int32ul),
    )
)
DISCONNECT_REQUEST = Definition(Struct(auxiliary_buffer=SizedBytes(Int32ul)))
DISCONNECT_RESPONSE = Definition(Struct(status_code=Int32ul, error_code=Int32ul, auxiliary_buffer=SizedBytes(Int32ul)))
NOTIFICATION_WAIT_REQUEST = Definition(Struct(flags=Int32ul, auxiliary_buffer=SizedBytes(Int32ul)))
NOTIFICATION_WAIT_RESPONSE = Definition(
    Struct(
        status_code=Int32ul,
        error_code=Int32ul,
        event_pending=Int32ul,
        auxiliary_buffer=SizedBytes(Int32ul),
    )
)
FAILURE_RESPONSE = Definition(Struct(status_code=Int32ul, auxiliary_buffer=SizedBytes(Int32ul)))
"""The failure body of all four request types; ``status_code`` is not zero."""


def failure_response(status_code: int) -> bytes:
    """The failure response body of any request type."""
    return status_code.to_bytes(4, "little") + b"\0\0\0\0"


PROCESSING = b"PROCESSING\r\n"
PENDING = b"PENDING\r\n"
DONE = b"DONE\r\n"


def final_part(headers: Mapping[str, str], payload: bytes, *, before: bytes = b"") -> bytes:
    """The last part of an inner response stream: DONE, additional headers, a blank line and the payload.

    ``before`` are meta-tags that go out with it.
    """
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return b"".join((before, DONE, lines.encode("latin-1"), b"\r\n", payload))


@dataclass(frozen=True, slots=True)
class ResponseBody:
    """An inner response stream as a client reads it: meta-tags in order, additional headers, payload."""

    meta_tags: tuple[str, ...]
    payload: bytes
    headers: dict[str, str] = field(default_factory=dict)


def split_response(body: bytes) -> ResponseBody:
    """Take an inner response stream (all chunks joined) apart. Raises `WireError` when it does not end properly."""
    tags = []
    position = 0
    while True:
        end = body.find(b"\r\n", position)
        if end < 0:
            raise WireError("no DONE meta-tag", offset=position)
        tag = body[position:end]
        if tag not in (b"PROCESSING", b"PENDING", b"DONE"):
            raise WireError("unknown meta-tag", offset=position)
        tags.append(tag.decode("ascii"))
        position = end + 2
        if tag == b"DONE":
            break
    headers = {}
    while True:
        end = body.find(b"\r\n", position)
        if end < 0:
            raise WireError("no blank line after the additional headers", offset=position)
        line = body[position:end].decode("latin-1")
        position = end + 2
        if not line:
            break
        name, separator, value = line.partition(":")
        if not separator:
            raise WireError("additional header without a colon", offset=position)
        headers[name] = value.strip()
    return ResponseBody(tuple(tags), body[position:], headers)
