"""ROPs on handles that they cannot use: the specified error, and the other ROPs of the buffer are done."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.emsmdb.dispatch import ExecuteRecord, execute
from mapigw.emsmdb.objects import Logon, ServerObject
from mapigw.emsmdb.session import MAXIMUM_HANDLES, RELEASED_HANDLE, UNASSIGNED_HANDLE, Session
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.permissions import Accessor
from mapigw.wire.codes import ErrorCode
from mapigw.wire.rop_buffer import RopRequest, build_requests, parse_responses
from mapigw.wire.rops import ROPS_BY_NAME
from mapigw.wire.rpc_header import join_payloads, split_payloads
from tests.emsmdb.client import MAX_ROP_OUT, FakeDirectory
from tests.emsmdb.smallest import ON_OBJECTS, probe, smallest

pytestmark = pytest.mark.usefixtures("no_defect")
BOOKMARKS = frozenset({"SeekRowBookmark", "FreeBookmark"})
"""For which a released table is no object at all (MS-OXCTABL 3.2.5.15)."""
USER = User(1, 1, UUID(int=1), "tom@bm.lan", "Tom", "/o=bm/cn=tom", "bm.lan", (), enabled=True, admin=False)
NEVER = 0x00ABCDEF
"""A number that no handle has had."""


class Useless(ServerObject):
    """An object that no ROP is for."""


@pytest.fixture
def bare() -> Session:
    """A session with a logon to no mailbox, handle 1, and an object of no use, handle 2; handle 3 was released."""
    session = Session(USER, cast("Directory", FakeDirectory(USER)), cast("Mailboxes", None))
    logon = Logon(session, 0, cast("Mailbox", None), USER, Accessor(frozenset({USER.legacy_dn}), is_owner=True))
    for opened in (logon, Useless(logon), Useless(logon)):
        session.open(opened)
    return session


async def answers(session: Session, requests: list[RopRequest], handles: list[int]) -> tuple[list[Any], list[int]]:
    """The responses to one buffer, and the handle table that comes back."""
    data = join_payloads([build_requests(requests, handles)])
    answer = await execute(session, data, 3, MAX_ROP_OUT, ExecuteRecord("tom", 0))
    parsed = parse_responses(split_payloads(answer)[0], requests)
    return parsed.responses, parsed.handles


@pytest.mark.spec("MS-OXCROPS_R4555", "MS-OXCROPS_R4712")
@pytest.mark.parametrize("name", ON_OBJECTS)
async def test_a_rop_on_what_is_no_object(bare: Session, name: str) -> None:
    """MS-OXCROPS 3.2.5.4. The ROPs before and after it are done; nothing stays in the slot of what it opens."""
    await bare.release(3)
    logon, output = 1, 2  # slots 0 and 2
    cases = {
        UNASSIGNED_HANDLE: ErrorCode.NullObject,
        NEVER: ErrorCode.NullObject,
        0: ErrorCode.NullObject,
        3: ErrorCode.InvalidObject,
        RELEASED_HANDLE: ErrorCode.InvalidObject,
    }
    if name in BOOKMARKS:
        cases |= {3: ErrorCode.NullObject, RELEASED_HANDLE: ErrorCode.NullObject}
    for handle, code in cases.items():
        requests = [probe(), smallest(name, 1, output=output), probe()]
        responses, table = await answers(bare, requests, [logon, handle, UNASSIGNED_HANDLE])
        assert [response.return_value for response in responses] == [0, code, 0], hex(handle)
        assert table == [logon, handle, UNASSIGNED_HANDLE]
    for index in (3, 0x7F, 0xFF):
        requests = [probe(), smallest(name, index, output=output), probe()]
        responses, table = await answers(bare, requests, [logon, UNASSIGNED_HANDLE, UNASSIGNED_HANDLE])
        assert [response.return_value for response in responses] == [0, ErrorCode.NullObject, 0]
        assert table == [logon, UNASSIGNED_HANDLE, UNASSIGNED_HANDLE]


@pytest.mark.parametrize("name", ON_OBJECTS)
async def test_a_rop_on_an_object_of_the_wrong_kind(bare: Session, name: str) -> None:
    """NotSupported, or where a section says so NullObject (MS-OXCMSG 3.2.5); never something else."""
    responses, table = await answers(bare, [probe(), smallest(name, 1, output=2), probe()], [1, 2, UNASSIGNED_HANDLE])
    first, refused, last = (response.return_value for response in responses)
    assert (first, last) == (0, 0)
    assert refused in {ErrorCode.NotSupported, ErrorCode.NullObject, ErrorCode.NotImplemented}
    assert table == [1, 2, UNASSIGNED_HANDLE]


@pytest.mark.parametrize("name", ON_OBJECTS)
async def test_a_rop_under_a_logon_that_is_not_there(bare: Session, name: str) -> None:
    """The handle of one logon with the LogonId of another, or of none."""
    sent = smallest(name, 1, output=2)
    sent.logon_id = 9
    responses, table = await answers(bare, [probe(), sent, probe()], [1, 2, UNASSIGNED_HANDLE])
    first, refused, last = (response.return_value for response in responses)
    assert (first, last) == (0, 0)
    assert refused not in {0, ErrorCode.GeneralFailure}
    assert table == [1, 2, UNASSIGNED_HANDLE]


@pytest.mark.parametrize("name", sorted(name for name in ON_OBJECTS if ROPS_BY_NAME[name].output_handle))
async def test_no_rop_opens_more_than_a_session_may_hold(bare: Session, name: str) -> None:
    """And what it could not open is not left behind."""
    while len(bare._objects) < MAXIMUM_HANDLES:
        bare.open(Useless(bare.logons[0]))
    before = set(bare._objects)
    responses, _ = await answers(bare, [smallest(name, 1, output=2), probe()], [1, 2, UNASSIGNED_HANDLE])
    assert responses[0].return_value
    assert responses[1].return_value == 0
    assert set(bare._objects) == before
