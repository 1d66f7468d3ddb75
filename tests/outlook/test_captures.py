"""The client's response readers against answers of a real Exchange Server (fixtures/captures/exchange-se)."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from tests.outlook import rops
from tests.outlook.emsmdb import Session, connect_body, decompress, execute_body, frame, frames, rop_payload
from tests.outlook.http import MapiHttp, Web
from tests.outlook.http import _framed as framed
from tests.outlook.reader import ViolationError

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures" / "exchange-se"
Opener = Callable[[int, int, int], rops.Rop]


def _fail(section: str, text: str) -> ViolationError:
    return ViolationError(section, text)


class _Replay(MapiHttp):
    """Answers each request with the next captured response."""

    def __init__(self, folder: str) -> None:
        super().__init__(Web("http://localhost", "", ""), "/")
        self._files = sorted((CAPTURES / folder).glob("*.response.bin"))

    def request(self, request_type: str, body: bytes) -> bytes:
        self.cookies["MapiContext"] = "captured"
        return framed(self._files.pop(0).read_bytes(), _fail)


def _requests(folder: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CAPTURES / folder).glob("*.request.bin"))]


def test_connect_body() -> None:
    essdn = _requests("contents")[0].split(b"\0")[0].decode()
    assert connect_body(essdn) == _requests("contents")[0]


@pytest.mark.parametrize(
    ("folder", "table", "tags"),
    [
        ("hierarchy", rops.get_hierarchy_table, (0x67480014, 0x3001001F, 0x36020003, 0x360A000B)),
        ("contents", rops.get_contents_table, (0x674A0014, 0x0037001F, 0x0E060040, 0x0E070003)),
    ],
)
def test_exchange_answers_are_read(folder: str, table: Opener, tags: tuple[int, ...]) -> None:
    session = Session(_Replay(folder))
    essdn = _requests(folder)[0].split(b"\0")[0].decode()
    session.connect(essdn)
    assert session.display_name == "Spike Test Usr"
    executed = session.run([rops.logon(0, essdn, open_flags=0x01000000)], [rops.NO_HANDLE])
    logon = executed.results[0]
    assert isinstance(logon, rops.Logon)
    assert logon.folder_ids[4] == int.from_bytes(bytes.fromhex("010000000000010c"), "little")
    assert logon.response_flags == 0x07
    assert logon.mailbox_guid == UUID(bytes_le=bytes.fromhex("b1dabf19a9df93449bc4960341178336"))
    assert logon.rep_id == 5
    asked = [rops.open_folder(0, 1, 0), table(1, 2, 0), rops.set_columns(2, tags), rops.query_rows(2, tags, 0x1000)]
    executed = session.run(asked, executed.handles)
    rows = executed.results[-1]
    assert len(rows) == executed.results[-3]
    names = [row[tags[1]] for row in rows]
    if folder == "hierarchy":
        assert names[:3] == ["Calendar", "Contacts", "Conversation Action Settings"]
        assert len(names) == 15
    else:
        assert names[0] == "First seeded message"
        assert len(names) == 5


def test_execute_requests_are_the_bytes_of_the_captures() -> None:
    body = _requests("contents")[1]
    essdn = _requests("contents")[0].split(b"\0")[0].decode()
    logon = rops.logon(0, essdn, open_flags=0x01000000)
    assert execute_body(frame(rop_payload([logon], [rops.NO_HANDLE])), flags=3, max_rop_out=0x10000) == body


def test_plain_lz77_of_the_specification() -> None:
    """MS-XCA 3.1"""
    assert decompress(bytes.fromhex("3f000000") + b"abcdefghijklmnopqrstuvwxyz", 26) == b"abcdefghijklmnopqrstuvwxyz"
    compressed = bytes.fromhex("ffffff1f61626317000fff2601")
    assert decompress(compressed, 300) == b"abc" * 100


def test_only_the_last_frame_says_last() -> None:
    assert frames(frame(b"one", 0) + frame(b"two")) == [b"one", b"two"]
    for data in (frame(b"one") + frame(b"two"), frame(b"one", 0), frame(b"one", 6), frame(b"one")[:-1]):
        with pytest.raises(ViolationError):
            frames(data)


@pytest.mark.parametrize(
    "body", [b"DONE\r\n\r\n", b"PROCESSING\r\nDONE\r\n\r\n", b"PROCESSING\r\nPEND\r\nDONE\r\n\r\n"]
)
def test_malformed_meta_tags_are_refused(body: bytes) -> None:
    with pytest.raises(ViolationError):
        framed(body, _fail)
