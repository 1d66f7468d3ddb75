from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.cursor import Cursor
from mapigw.wire.entryids import AddressBookObjectType
from mapigw.wire.errors import WireError
from nspi.entryids import EntryId, EphemeralEntryId, PermanentEntryId, pull_entry_id


def parse_entry_id(data: bytes) -> EntryId:
    cursor = Cursor(data)
    entry_id = pull_entry_id(cursor)
    if cursor.remaining:
        raise cursor.fail("bytes left over")
    return entry_id


GAL_ENTRY_ID = "00000000 dca740c8c042101ab4b908002b2fe182 01000000 00010000 2f00"


@pytest.mark.spec("MS-OXNSPI_R1664")
@pytest.mark.spec("MS-OXNSPI_R1717")
@pytest.mark.spec("MS-OXNSPI_R1720")
@pytest.mark.spec("MS-OXNSPI_R393")
def test_permanent_entry_id() -> None:
    entry_id = PermanentEntryId("/", AddressBookObjectType.Container)
    assert entry_id.to_bytes() == bytes.fromhex(GAL_ENTRY_ID)
    assert parse_entry_id(bytes.fromhex(GAL_ENTRY_ID)) == entry_id


@pytest.mark.spec("MS-OXNSPI_R362")
@pytest.mark.spec("MS-OXNSPI_R1713")
@pytest.mark.spec("MS-OXNSPI_R1716")
def test_ephemeral_entry_id() -> None:
    entry_id = EphemeralEntryId(UUID("94a5c596-90a8-4985-91fd-57629ee06561"), 0x1234)
    data = bytes.fromhex("87000000 96c5a594a890854991fd57629ee06561 01000000 00000000 34120000")
    assert entry_id.to_bytes() == data
    assert parse_entry_id(data) == entry_id


@pytest.mark.parametrize(
    "data",
    [
        "",
        GAL_ENTRY_ID[:-4],
        GAL_ENTRY_ID + "00",
        "01" + GAL_ENTRY_ID[2:],
        # a one-off entry id
        "00000000 812b1fa4bea310199d6e00dd010f5402 00000190 00000000",
    ],
)
def test_what_is_no_entry_id_of_the_address_book(data: str) -> None:
    with pytest.raises(WireError):
        parse_entry_id(bytes.fromhex(data))


@given(st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=99), st.integers(0, 2**32 - 1))
def test_permanent_entry_ids_round_trip(dn: str, display_type: int) -> None:
    entry_id = PermanentEntryId(dn, display_type)
    assert parse_entry_id(entry_id.to_bytes()) == entry_id


@given(st.uuids(), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_ephemeral_entry_ids_round_trip(provider: UUID, minimal_id: int, display_type: int) -> None:
    entry_id = EphemeralEntryId(provider, minimal_id, display_type)
    assert parse_entry_id(entry_id.to_bytes()) == entry_id
