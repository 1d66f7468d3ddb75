from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.errors import WireError
from mapigw.wire.xid import Precedence, PredecessorChangeList, Xid
from tests.wire.blobs import blob, byte_strings, decoded, field

SERVER, CLIENT = UUID(int=1), UUID(int=2)


def pcl(**last: int) -> PredecessorChangeList:
    namespaces = {"server": SERVER, "client": CLIENT}
    return PredecessorChangeList(Xid(namespaces[key], value.to_bytes(4, "big")) for key, value in last.items())


@pytest.mark.spec("MS-OXCFXICS_R153")
@pytest.mark.parametrize("name", ["XID-1", "XID-2", "XID-3"])
def test_xid_of_a_real_object(name: str) -> None:
    xid = Xid.parse(blob(name))
    assert [f"{{{str(xid.namespace_guid).upper()}}}"] == field(decoded(name), "NamespaceGuid")
    assert [xid.local_id] == byte_strings(decoded(name))
    assert xid.is_gid
    assert xid.build() == blob(name)
    assert Xid.parse_gid(blob(name)) == xid == Xid.gid(xid.namespace_guid, xid.counter)


@pytest.mark.spec("MS-OXCFXICS_R169")
@pytest.mark.parametrize("name", ["PCL-1", "PCL-2", "PCL-3"])
def test_predecessor_change_list_of_a_real_object(name: str) -> None:
    changes = PredecessorChangeList.parse(blob(name))
    found = {(f"{{{str(xid.namespace_guid).upper()}}}", xid.local_id) for xid in changes}
    assert found == set(zip(field(decoded(name), "NamespaceGuid"), byte_strings(decoded(name)), strict=True))
    assert len(changes) == int(field(decoded(name), "Count")[0])
    assert changes.build() == blob(name)


def test_change_key_of_outlook_has_a_four_byte_counter() -> None:
    xid = Xid.parse(bytes.fromhex("c766e6af107e2e4ba1954a22d0e313ff0000045f"))
    assert xid.counter == 0x45F
    assert not xid.is_gid
    with pytest.raises(WireError, match="22 bytes"):
        Xid.parse_gid(xid.build())


@pytest.mark.parametrize("size", [0, 1, 16, 25, 40])
def test_xid_of_a_wrong_size(size: int) -> None:
    with pytest.raises(WireError, match="17 to 24 bytes"):
        Xid.parse(bytes(size))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x14" + bytes(19), "20 bytes needed"),
        (b"\x10" + bytes(16), "17 to 24"),
        (b"\x19" + bytes(25), "17 to 24"),
        (b"\x00", "17 to 24"),
        (b"\x14" + bytes(20) + b"\x16" + bytes(22), "differ in length"),
    ],
)
def test_predecessor_change_list_refuses(data: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        PredecessorChangeList.parse(data)


def test_order_is_of_no_account_for_reading() -> None:
    first, second = Xid.gid(SERVER, 5), Xid.gid(CLIENT, 6)
    parts = [bytes([22]) + xid.build() for xid in (first, second)]
    forward = PredecessorChangeList.parse(b"".join(parts))
    assert PredecessorChangeList.parse(b"".join(reversed(parts))) == forward
    assert forward.build() == b"".join(sorted(parts))


@pytest.mark.spec("MS-OXCFXICS_R1788")
def test_a_list_includes_what_has_the_same_or_a_lower_local_id() -> None:
    assert pcl(server=5, client=3).includes(pcl(server=5))
    assert pcl(server=5).includes(pcl(server=4))
    assert not pcl(server=5).includes(pcl(server=6))
    assert not pcl(server=5).includes(pcl(client=1))
    assert pcl(server=0x100).includes(pcl(server=0xFF))
    assert pcl(server=1).includes(PredecessorChangeList())
    assert pcl(server=5).includes_change(Xid(SERVER, (5).to_bytes(4, "big")))


@pytest.mark.spec("MS-OXCFXICS_R1791")
@pytest.mark.spec("MS-OXCFXICS_R1792")
@pytest.mark.spec("MS-OXCFXICS_R1793")
def test_conflict_detection() -> None:
    present = pcl(server=2, client=1)
    assert pcl(server=2, client=2).precedence_over(present) is Precedence.NEWER
    assert pcl(server=2, client=1).precedence_over(present) is Precedence.OLDER_OR_EQUAL
    assert pcl(server=1, client=1).precedence_over(present) is Precedence.OLDER_OR_EQUAL
    assert pcl(server=1, client=2).precedence_over(present) is Precedence.CONFLICT


@pytest.mark.spec("MS-OXCFXICS_R1805")
def test_successor_of_conflicting_versions() -> None:
    left, right = pcl(server=2, client=1), pcl(server=1, client=2)
    merged = left.merge(right)
    assert merged == pcl(server=2, client=2)
    successor = merged.with_change(Xid(SERVER, (3).to_bytes(4, "big")))
    assert successor.precedence_over(left) is Precedence.NEWER
    assert successor.precedence_over(right) is Precedence.NEWER
    assert "server" not in repr(successor)


namespaces = st.sampled_from([UUID(int=number) for number in range(1, 5)])
lists = st.dictionaries(namespaces, st.binary(min_size=4, max_size=4), max_size=4).map(
    lambda items: PredecessorChangeList(Xid(guid, local_id) for guid, local_id in items.items())
)


@given(st.uuids(), st.binary(min_size=1, max_size=8))
def test_xid_round_trip(guid: UUID, local_id: bytes) -> None:
    assert Xid.parse(Xid(guid, local_id).build()) == Xid(guid, local_id)


@given(lists)
def test_predecessor_change_list_round_trip(changes: PredecessorChangeList) -> None:
    assert PredecessorChangeList.parse(changes.build()) == changes


@pytest.mark.spec("MS-OXCFXICS_R1809")
@given(lists, lists)
def test_a_merge_includes_both_and_nothing_else(left: PredecessorChangeList, right: PredecessorChangeList) -> None:
    merged = left.merge(right)
    assert merged.includes(left)
    assert merged.includes(right)
    assert set(merged) <= set(left) | set(right)
    assert merged == right.merge(left)


@given(st.binary(max_size=120))
def test_random_bytes_raise_only_wire_errors(data: bytes) -> None:
    for parse in (Xid.parse, Xid.parse_gid, PredecessorChangeList.parse):
        try:
            parse(data)
        except WireError:
            continue
