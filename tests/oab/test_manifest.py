from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.errors import WireError
from oab.wire.manifest import AddressList, File, Template, build, is_file_name, parse

# The first address list of MS-OXWOAB 4.
EXAMPLE = b"""<?xml version="1.0" encoding="UTF-8"?>
<OAB>
    <OAL id='f867b9e0-d01e-43e3-8708-ba86a1c77dff' dn='/guid=F8E7206B268E404B9519453F0F184D24' name='\\All Rooms'>
        <Full seq='2' ver='32' size='554' uncompressedsize='1165' SHA='d626d8d782332b7e8d689eea266ee315c31f19da'>
            f867b9e0-d01e-43e3-8708-ba86a1c77dff-data-2.lzx
        </Full>
        <Template seq='2' ver='7' size='5794' uncompressedsize='25620' SHA='53fb16d6dcdf1a559b8649e9b269eee84b85c91b' \
langid='0409' type='windows'>
            f867b9e0-d01e-43e3-8708-ba86a1c77dff-lng0409-2.lzx
        </Template>
        <Template seq='2' ver='7' size='5794' uncompressedsize='25620' SHA='53fb16d6dcdf1a559b8649e9b269eee84b85c91b' \
langid='0409' type='mac'>
            f867b9e0-d01e-43e3-8708-ba86a1c77dff-mac0409-2.lzx
        </Template>
        <Diff seq='2' ver='32' size='132' uncompressedsize='1165' SHA='f53ec568b6fc3e4adce0e7d7dfd51ace604a9234'>
            f867b9e0-d01e-43e3-8708-ba86a1c77dff-binpatch-2.lzx
        </Diff>
    </OAL>
</OAB>
"""
GUID = "f867b9e0-d01e-43e3-8708-ba86a1c77dff"
ROOMS = AddressList(
    UUID(GUID),
    "/guid=F8E7206B268E404B9519453F0F184D24",
    "\\All Rooms",
    File(f"{GUID}-data-2.lzx", 2, 32, 554, 1165, "d626d8d782332b7e8d689eea266ee315c31f19da"),
    (
        Template(File(f"{GUID}-lng0409-2.lzx", 2, 7, 5794, 25620, "53fb16d6dcdf1a559b8649e9b269eee84b85c91b"), 0x409),
        Template(
            File(f"{GUID}-mac0409-2.lzx", 2, 7, 5794, 25620, "53fb16d6dcdf1a559b8649e9b269eee84b85c91b"),
            0x409,
            "mac",
        ),
    ),
    (File(f"{GUID}-binpatch-2.lzx", 2, 32, 132, 1165, "f53ec568b6fc3e4adce0e7d7dfd51ace604a9234"),),
)


def test_the_published_example_is_read() -> None:
    assert parse(EXAMPLE) == [ROOMS]
    assert parse(build([ROOMS])) == [ROOMS]


_FILES = st.builds(
    File,
    st.builds(lambda guid, number: f"{guid}-data-{number}.lzx", st.uuids(), st.integers(0, 10**9)),
    st.integers(0, 10**9),
    st.sampled_from((7, 32)),
    st.integers(0, 10**12 - 1),
    st.integers(0, 10**12 - 1),
    st.binary(min_size=20, max_size=20).map(bytes.hex),
)
_NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF), max_size=30)


@given(
    st.builds(
        AddressList,
        st.uuids(),
        _NAMES,
        _NAMES,
        _FILES,
        st.lists(st.builds(Template, _FILES, st.integers(0, 0xFFFF)), max_size=3).map(tuple),
        st.lists(_FILES, max_size=3, unique_by=lambda file: file.sequence)
        .map(lambda files: sorted(files, key=lambda file: file.sequence))
        .map(tuple),
    )
)
def test_manifests_come_back(address_list: AddressList) -> None:
    assert parse(build([address_list])) == [address_list]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<OAB>", b""),
        (b"OAB>", b"OABC>"),
        (b"id='f867", b"id='x867"),
        (b"<Full ", b"<Half "),
        (b"seq='2'", b"seq='-2'"),
        (b"seq='2'", b""),
        (b"size='554'", b"size='5e4'"),
        (b"d626d8", b"d626"),
        (b"-data-2.lzx", b"/../../data-2.lzx"),
        (b"langid='0409'", b"langid='English'"),
    ],
)
def test_what_is_no_manifest_is_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(WireError):
        parse(EXAMPLE.replace(old, new))


def test_entities_are_not_resolved() -> None:
    hostile = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><OAB><OAL id="&e;" dn="" name=""/></OAB>'
    with pytest.raises(WireError):
        parse(hostile)


@pytest.mark.parametrize("name", ["oab.xml", "../x.lzx", f"{GUID}-data-2.lzx/..", f"{GUID}-data-2.lzx\n", ".lock", ""])
def test_other_names_are_no_file_names(name: str) -> None:
    assert not is_file_name(name)
