import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.errors import WireError
from mapigw.wire.fasttransfer import (
    MARKER_BYTES,
    VARIABLE,
    Marker,
    MetaTagIdsetGiven,
    push_name,
    push_property,
    value_layout,
)
from mapigw.wire.fasttransfer_stream import (
    LargeProperty,
    Lexeme,
    Property,
    StreamCutter,
    StreamReader,
    ValueData,
    split_point,
)
from tests.wire.test_fasttransfer import FOLDER_CHANGE, FOLDER_CHANGE_PROPERTIES, LID, NAME, Item, properties

Element = Marker | Item


def encode(elements: list[Element]) -> bytes:
    out = bytearray()
    for element in elements:
        if isinstance(element, Marker):
            out += MARKER_BYTES[element]
        else:
            tag, name, value = element
            push_property(out, tag, value, name)
    return bytes(out)


def allowed_cuts(elements: list[Element]) -> set[int]:
    """Where MS-OXCFXICS 2.2.4.1 lets a stream be cut, from what the elements are instead of from their bytes."""
    cuts = {0}
    end = 0
    for element in elements:
        if isinstance(element, Marker):
            end += 4
            cuts.add(end)
            continue
        tag, name, value = element
        end += 4
        if name is not None:
            definition = bytearray()
            push_name(definition, name)
            end += len(definition)
        cuts.add(end)
        size, multiple = value_layout(tag)
        values = value if multiple else [value]
        if multiple:
            end += 4
            cuts.add(end)
        for item in values:
            if size != VARIABLE:
                end += size
                cuts.add(end)
                continue
            one = bytearray()
            push_property(one, 0x00010000 | 0x0102 if tag == MetaTagIdsetGiven else _single(tag), item)
            end += 4
            cuts.update(range(end, end + len(one) - 8 + 1))
            end += len(one) - 8
    assert end == len(encode(elements))
    return cuts


def _single(tag: int) -> int:
    type_code = tag & 0xFFFF
    return 0x00010000 | (type_code if type_code & 0x8000 else type_code & ~0x1000)


elements_strategy = st.lists(st.one_of(st.sampled_from(list(Marker)), properties()), max_size=6)

SAMPLE: list[Element] = [
    Marker.IncrSyncChg,
    (0x00170003, None, 1),
    (0x0037001F, None, "Subject"),
    (0x80010003, LID, 7),
    (0x8002001F, NAME, "value"),
    (0x0001101F, None, ["A", ""]),
    (0x00011003, None, [1, 2, 3]),
    Marker.IncrSyncMessage,
    (MetaTagIdsetGiven, None, b"idset"),
    (0x00011102, None, []),
]


@pytest.mark.spec("MS-OXCFXICS_R981")
@pytest.mark.spec("MS-OXCFXICS_R982")
def test_every_split_point_of_a_stream() -> None:
    data, cuts = encode(SAMPLE), allowed_cuts(SAMPLE)
    for limit in range(len(data) + 5):
        assert split_point(data, limit) == max(cut for cut in cuts if cut <= limit)


@given(elements_strategy, st.integers(0, 300))
def test_split_points_of_any_stream(elements: list[Element], limit: int) -> None:
    assert split_point(encode(elements), limit) == max(cut for cut in allowed_cuts(elements) if cut <= limit)


@given(elements_strategy, st.lists(st.integers(1, 40), min_size=1))
def test_a_cutter_keeps_its_place(elements: list[Element], sizes: list[int]) -> None:
    data, cuts = encode(elements), allowed_cuts(elements)
    cutter = StreamCutter()
    position = index = 0
    while position < len(data):
        limit = position + sizes[index % len(sizes)]
        cut = cutter.cut(data, limit, position)
        assert cut == max(cut for cut in cuts if position <= cut <= limit)
        if cut == position:  # not even one atom had room
            cut = cutter.cut(data, position + 200, position)
        position = cut
        index += 1
    assert position == len(data)
    assert cutter.between_elements


def test_a_cutter_goes_on_inside_a_value() -> None:
    data = encode([(0x10130102, None, b"x" * 100), Marker.IncrSyncEnd])
    cutter = StreamCutter()
    assert cutter.cut(data, 50) == 50
    assert not cutter.between_elements
    assert cutter.cut(data[50:], 57) == 57  # to the end of the value, but not into the marker
    assert cutter.cut(data[50:], 61, 57) == 58
    assert cutter.cut(data[50:], 62, 58) == 62
    assert cutter.between_elements


def test_cutting_refuses_what_is_no_stream() -> None:
    with pytest.raises(WireError):
        split_point(bytes.fromhex("FD000100 00000000"), 100)
    with pytest.raises(WireError, match="kind 2"):
        split_point(bytes.fromhex("03000180") + bytes(16) + b"\2" + bytes(30), 100)
    with pytest.raises(WireError, match="too long"):
        split_point(bytes.fromhex("03000180") + bytes(16) + b"\1" + b"A\0" * 600, 5000)


def read(data: bytes, sizes: list[int], **limits: int) -> list[Lexeme]:
    reader = StreamReader(**limits)
    lexemes: list[Lexeme] = []
    position = index = 0
    while position < len(data):
        size = sizes[index % len(sizes)]
        lexemes += reader.feed(data[position : position + size])
        position += size
        index += 1
    assert reader.complete
    return lexemes


def as_lexemes(elements: list[Element]) -> list[Lexeme]:
    return [element if isinstance(element, Marker) else Property(*element) for element in elements]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_folder_change_of_an_exchange_server(size: int) -> None:
    expected: list[Element] = [Marker.IncrSyncChg, *FOLDER_CHANGE_PROPERTIES]
    assert read(FOLDER_CHANGE, [size]) == as_lexemes(expected)


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_reading_pieces_cut_anywhere(size: int) -> None:
    assert read(encode(SAMPLE), [size]) == as_lexemes(SAMPLE)


@given(elements_strategy, st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_reading_any_stream_in_any_pieces(elements: list[Element], sizes: list[int]) -> None:
    assert read(encode(elements), sizes) == as_lexemes(elements)


@pytest.mark.parametrize("size", [1, 30, 1000])
def test_large_values_come_in_parts(size: int) -> None:
    body = bytes(range(100))
    lexemes = read(
        encode([(0x10130102, None, body), (0x80020102, LID, body[:10]), Marker.IncrSyncEnd]), [size], large=50
    )
    assert lexemes[0] == LargeProperty(0x10130102, None, 100)
    parts: list[Any] = lexemes[1:-2]
    assert b"".join(part.data for part in parts) == body
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert lexemes[-2:] == [Property(0x80020102, LID, body[:10]), Marker.IncrSyncEnd]
    assert isinstance(parts[0], ValueData)


def test_a_stream_that_stops_early_is_not_complete() -> None:
    data = encode(SAMPLE)
    for end in (2, 6, 20, len(data) - 1):
        reader = StreamReader()
        reader.feed(data[:end])
        assert not reader.complete
    reader = StreamReader(large=2)
    reader.feed(encode([(0x10130102, None, b"abcdef")])[:-1])
    assert not reader.complete


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("FD000100 00000000", "cannot stand"),
        ("03000180 0820060000000000C000000000000046 02", "kind 2"),
        ("1F003700 03000000 410000", "odd number"),
        ("03100100 FFFFFFFF", "multiple value too large"),
        ("02110100 02000000 FFFFFFFF", "multiple value too large"),
    ],
)
def test_reading_refuses(data: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        read(bytes.fromhex(data), [1])


def test_errors_name_the_offset_in_the_whole_stream() -> None:
    reader = StreamReader()
    reader.feed(encode(SAMPLE))
    with pytest.raises(WireError) as raised:
        reader.feed(bytes.fromhex("1F003700 03000000 410000"))
    assert raised.value.offset == len(encode(SAMPLE)) + 4
    assert raised.value.field == "0x0037001F"


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_random_bytes_raise_only_wire_errors(pieces: list[bytes]) -> None:
    reader = StreamReader(large=8, multiple_maximum=64)
    cutter = StreamCutter()
    with contextlib.suppress(WireError):
        for piece in pieces:
            reader.feed(piece)
    with contextlib.suppress(WireError):
        cutter.cut(b"".join(pieces), 100)
