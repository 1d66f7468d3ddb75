"""PidLidGlobalObjectId: real values, and the UIDs they stand for (MS-OXCICAL 2.1.3.1.1.20.26)."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.errors import WireError
from mapigw.wire.global_object_ids import GlobalObjectId
from tests.wire.blobs import blob, byte_strings, decoded


@pytest.mark.parametrize(("number", "instance"), [(1, (0, 0, 0)), (2, (2011, 1, 18))])
def test_real_values(number: int, instance: tuple[int, int, int]) -> None:
    data = blob(f"GLOBALOBJECTID-{number}")
    value = GlobalObjectId.parse(data)
    assert value.instance == instance
    assert [value.data] == byte_strings(decoded(f"GLOBALOBJECTID-{number}"))[1:]
    assert value.build() == data
    assert value.clean.build() == data[:16] + bytes(4) + data[20:]
    assert value.uid == (data[:16] + bytes(4) + data[20:]).hex().upper()
    assert GlobalObjectId.from_uid(value.uid) == value.clean


def test_uid_of_another_calendar_is_wrapped() -> None:
    value = GlobalObjectId.from_uid("19960401T080045Z-4000F192713-0052@example.com")
    assert (
        value.build()
        == bytes.fromhex(
            "040000008200E00074C5B7101A82E008 00000000 0000000000000000 0000000000000000 3A000000"
            "7643616C2D55696401000000"
        )
        + b"19960401T080045Z-4000F192713-0052@example.com\0"
    )
    assert value.uid == "19960401T080045Z-4000F192713-0052@example.com"


@pytest.mark.parametrize("uid", ["040000008200E00074C5B7101A82E008zz", "040000008200e00074c5b7101a82e00800"])
def test_uid_that_only_begins_like_an_encoded_one(uid: str) -> None:
    assert GlobalObjectId.from_uid(uid).uid == uid


def test_id_of_one_occurrence() -> None:
    series = GlobalObjectId.from_uid("x@y")
    value = series.of_instance(date(2026, 11, 21))
    assert value.build()[16:20] == bytes.fromhex("07EA0B15")
    assert (value.clean, value.uid) == (series, "x@y")


@pytest.mark.parametrize(
    "data", [b"", b"\4" + bytes(60), GlobalObjectId(b"abc").build()[:-1], GlobalObjectId(b"").build() + b"x"]
)
def test_malformed_values(data: bytes) -> None:
    with pytest.raises(WireError):
        GlobalObjectId.parse(data)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_uid_comes_back(uid: str) -> None:
    assert GlobalObjectId.parse(GlobalObjectId.from_uid(uid).build()).uid == uid
