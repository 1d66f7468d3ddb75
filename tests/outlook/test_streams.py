"""The client's own stream parser: what it reads, and what it refuses."""

import struct
from uuid import UUID

import pytest

from tests.outlook import streams
from tests.outlook.reader import Name, ViolationError
from tests.outlook.streams import Lexer, Parser

_GUID = bytes.fromhex("0102030405060708090a0b0c0d0e0f10")
_KEY = _GUID + bytes.fromhex("000000000101")


def _p(tag: int, value: bytes) -> bytes:
    return struct.pack("<HH", tag & 0xFFFF, tag >> 16) + value


def _b(tag: int, value: bytes) -> bytes:
    return _p(tag, struct.pack("<I", len(value)) + value)


def _s(tag: int, text: str) -> bytes:
    return _b(tag, text.encode("utf-16-le") + b"\0\0")


def _m(name: str) -> bytes:
    (tag,) = (tag for tag, marker in streams.MARKERS.items() if marker == name)
    return struct.pack("<HH", tag & 0xFFFF, tag >> 16)


def _header(*, associated: bool = False) -> bytes:
    return (
        _b(streams.SOURCE_KEY, _KEY)
        + _p(streams.LAST_MODIFICATION_TIME, bytes(8))
        + _b(streams.CHANGE_KEY, _KEY)
        + _b(streams.PREDECESSOR_CHANGE_LIST, b"\x16" + _KEY)
        + _p(streams.ASSOCIATED, struct.pack("<H", associated))
        + _p(streams.MID, bytes(8))
        + _p(streams.CHANGE_NUMBER, bytes(8))
    )


_RECIPIENT = _m("StartRecip") + _p(streams.ROW_ID, bytes(4)) + _s(0x3001001F, "Anna") + _m("EndToRecip")
_ATTACHMENT = _m("NewAttach") + _p(streams.ATTACH_NUMBER, bytes(4)) + _b(0x37010102, b"data") + _m("EndAttach")
_EMBEDDED = (
    _m("NewAttach")
    + _p(streams.ATTACH_NUMBER, b"\1\0\0\0")
    + _m("StartEmbed")
    + _s(0x0037001F, "inner")
    + _m("EndEmbed")
    + _m("EndAttach")
)
_DEL_RECIPIENTS = _p(streams.FX_DEL_PROP, struct.pack("<I", streams.MESSAGE_RECIPIENTS))
_DEL_ATTACHMENTS = _p(streams.FX_DEL_PROP, struct.pack("<I", streams.MESSAGE_ATTACHMENTS))
_NAMED = _p(
    0x8001001F, _GUID + b"\1" + "Keywords".encode("utf-16-le") + b"\0\0" + b"\4\0\0\0" + "x\0".encode("utf-16-le")
)
_CHANGE = (
    _m("IncrSyncChg")
    + _header()
    + _m("IncrSyncMessage")
    + _s(0x0037001F, "subject")
    + _NAMED
    + _DEL_RECIPIENTS
    + _RECIPIENT
    + _DEL_ATTACHMENTS
    + _ATTACHMENT
    + _EMBEDDED
)
_STATE = (
    _m("IncrSyncStateBegin")
    + _b(streams.CNSET_SEEN, b"")
    + _b(streams.CNSET_SEEN_FAI, b"")
    + _b(streams.IDSET_GIVEN, b"\1")
    + _b(streams.CNSET_READ, b"")
    + _m("IncrSyncStateEnd")
)
_TAIL = _STATE + _m("IncrSyncEnd")
_TOTAL = _m("IncrSyncProgressMode") + _b(0x00000102, struct.pack("<HxxIQI4xQ", 0, 0, 0, 1, 100))
_PER_MESSAGE = _m("IncrSyncProgressPerMsg") + _p(0x00000003, struct.pack("<I", 100)) + _p(0x0000000B, b"\0\0")


def _parser(data: bytes, flags: int = 0xA139, excluded: tuple[int, ...] = ()) -> Parser:
    return Parser([data], flags=flags, extra=0x0D, excluded=excluded)


def test_contents() -> None:
    found = _parser(_TOTAL + _PER_MESSAGE + _CHANGE + _TAIL).contents()
    (change,) = found.messages
    assert found.progress_total == (0, 0, 1, 100)
    assert change.progress_size == 100
    assert change.header[streams.SOURCE_KEY] == _KEY
    name = Name(UUID(bytes_le=_GUID), None, "Keywords", 0x001F)
    assert change.content.properties == {0x0037001F: "subject", name: "x"}
    assert change.content.recipients == [{streams.ROW_ID: 0, 0x3001001F: "Anna"}]
    assert change.content.attachments[0].properties == {streams.ATTACH_NUMBER: 0, 0x37010102: b"data"}
    embedded = change.content.attachments[1].embedded
    assert embedded is not None
    assert embedded.properties == {0x0037001F: "inner"}
    assert found.state[streams.IDSET_GIVEN] == b"\1"
    assert not found.empty


def test_an_empty_synchronization() -> None:
    found = _parser(_TAIL).contents()
    assert found.empty
    assert set(found.state) == {
        streams.CNSET_SEEN,
        streams.CNSET_SEEN_FAI,
        streams.IDSET_GIVEN,
        streams.CNSET_READ,
    }


def test_deletions_and_read_states() -> None:
    deletions = _m("IncrSyncDel") + _b(streams.IDSET_DELETED, b"\1")
    read = _m("IncrSyncRead") + _b(streams.IDSET_READ, b"\2")
    found = _parser(deletions + read + _TAIL).contents()
    assert found.deletions == {streams.IDSET_DELETED: b"\1"}
    assert found.read_states == {streams.IDSET_READ: b"\2"}


_BAD = {
    "message header out of order": _m("IncrSyncChg")
    + _p(streams.LAST_MODIFICATION_TIME, bytes(8))
    + _b(streams.SOURCE_KEY, _KEY)
    + _TAIL,
    "read states before deletions": _m("IncrSyncRead")
    + _b(streams.IDSET_READ, b"")
    + _m("IncrSyncDel")
    + _b(streams.IDSET_DELETED, b"")
    + _TAIL,
    "change key that no predecessor has": _CHANGE.replace(b"\x16" + _KEY, b"\x16" + _KEY[:-1] + b"\2") + _TAIL,
    "attachments before recipients": _CHANGE + _RECIPIENT + _TAIL,
    "recipient without its row id": _CHANGE.replace(_p(streams.ROW_ID, bytes(4)), b"") + _TAIL,
    "attachment without its number": _CHANGE.replace(_p(streams.ATTACH_NUMBER, bytes(4)), b"") + _TAIL,
    "per-message progress without a total": _PER_MESSAGE + _CHANGE + _TAIL,
    "a total without per-message progress": _TOTAL + _CHANGE + _TAIL,
    "a total of other messages": _TOTAL + _TAIL,
    "no state": _m("IncrSyncEnd"),
    "no IncrSyncEnd": _STATE,
    "something after the end": _TAIL + _m("IncrSyncEnd"),
    "partial change": _m("IncrSyncGroupInfo") + _b(0x00000102, b"") + _TAIL,
    "a property twice": _CHANGE.replace(_s(0x0037001F, "subject"), _s(0x0037001F, "subject") * 2) + _TAIL,
    "error value": _CHANGE.replace(_s(0x0037001F, "subject"), _p(0x0037000A, bytes(4))) + _TAIL,
    "string without NUL": _CHANGE.replace(_s(0x0037001F, "subject"), _b(0x0037001F, b"a\0b\0")) + _TAIL,
    "multiple value without a value": _CHANGE.replace(_NAMED, _p(0x36D81102, bytes(4))) + _TAIL,
    "excluded property": _CHANGE.replace(_NAMED, _p(0x10060003, bytes(4))) + _TAIL,
    "Boolean of one byte": _CHANGE.replace(_NAMED, _p(0x0E1F000B, b"\1")) + _TAIL,
    "empty deletions": _m("IncrSyncDel") + _TAIL,
    "end inside a value": _TAIL[:-7],
}


@pytest.mark.parametrize("what", _BAD)
def test_the_grammar_is_enforced(what: str) -> None:
    with pytest.raises(ViolationError):
        _parser(_BAD[what], excluded=(0x10060003,)).contents()


def test_progress_needs_its_flag() -> None:
    with pytest.raises(ViolationError, match="Progress flag"):
        _parser(_TOTAL + _PER_MESSAGE + _CHANGE + _TAIL, flags=0x2139).contents()


def test_a_plain_body_may_stay_when_there_is_no_other() -> None:
    body = _CHANGE.replace(_NAMED, _s(0x1000001F, "text"))
    assert _parser(body + _TAIL, excluded=(0x1000001F,)).contents().messages
    both = _CHANGE.replace(_NAMED, _s(0x1000001F, "text") + _b(0x10130102, b"<p>"))
    with pytest.raises(ViolationError, match="0x1000001F was excluded"):
        _parser(both + _TAIL, excluded=(0x1000001F,)).contents()


@pytest.mark.spec("MS-OXCFXICS_R981")
@pytest.mark.spec("MS-OXCFXICS_R982")
def test_buffers_split_between_atoms_or_inside_a_value_only() -> None:
    data = _s(0x0037001F, "subject") + _p(0x0E070003, bytes(4))
    atoms = (4, 4, 16, 4, 4)
    allowed = {0, 4, *range(8, 25), 28, 32}
    assert sum(atoms) == len(data)
    for cut in range(len(data) + 1):
        lexer = Lexer([data[:cut], data[cut:]])
        if cut in allowed:
            assert lexer.next() == (0x0037001F, "subject")
            assert lexer.next() == (0x0E070003, 0)
        else:
            with pytest.raises(ViolationError, match="a buffer ends"):
                lexer.next(), lexer.next()


def test_a_named_property_definition_is_one_atom() -> None:
    for cut in range(1, 4 + 17 + 18):
        with pytest.raises(ViolationError, match="a buffer ends"):
            Lexer([_NAMED[:cut], _NAMED[cut:]]).next()


def _folder(*, parent: bytes = b"") -> bytes:
    return (
        _m("IncrSyncChg")
        + _b(streams.PARENT_SOURCE_KEY, parent)
        + _b(streams.SOURCE_KEY, _KEY)
        + _p(streams.LAST_MODIFICATION_TIME, bytes(8))
        + _b(streams.CHANGE_KEY, _KEY)
        + _b(streams.PREDECESSOR_CHANGE_LIST, b"\x16" + _KEY)
        + _s(streams.DISPLAY_NAME, "Inbox")
        + _p(streams.FOLDER_ID, bytes(8))
        + _p(streams.PARENT_FOLDER_ID, bytes(8))
    )


_HIERARCHY_TAIL = (
    _m("IncrSyncStateBegin")
    + _b(streams.CNSET_SEEN, b"")
    + _b(streams.IDSET_GIVEN, b"")
    + _m("IncrSyncStateEnd")
    + _m("IncrSyncEnd")
)


def test_hierarchy() -> None:
    found = Parser([_folder() + _HIERARCHY_TAIL], flags=0x0101, extra=1).hierarchy()
    assert [folder[streams.DISPLAY_NAME] for folder in found.folders] == ["Inbox"]
    with pytest.raises(ViolationError, match="PidTagParentFolderId"):
        Parser([_folder()[:-12] + _HIERARCHY_TAIL], flags=0x0101, extra=1).hierarchy()
    with pytest.raises(ViolationError, match="named property"):
        Parser([_folder() + _NAMED + _HIERARCHY_TAIL], flags=0x0101, extra=1).hierarchy()
    with pytest.raises(ViolationError, match="0x67DA0102 is prohibited"):
        Parser([_TAIL], flags=0x0101, extra=1).hierarchy()
