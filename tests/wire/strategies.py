"""Hypothesis strategies for wire values, and one that draws a value for any Construct of the wire package."""

from typing import Any
from uuid import UUID

from construct import Computed, Container, FormatField, IfThenElse, Rebuild, Renamed, Struct
from hypothesis import strategies as st

from mapigw.wire import primitives, restrictions, rows
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import LongTermId, ObjectId
from mapigw.wire.properties import PropertyName
from mapigw.wire.rops import logon, notification, sync, transport

COLUMNS = (0x67480014, 0x3001001F, 0x36020003, 0x30070040, 0x0FFF0102, 0x00370000, 0x360A000B, 0x101A0001)

uint8 = st.integers(0, 0xFF)
uint16 = st.integers(0, 0xFFFF)
uint32 = st.integers(0, 0xFFFFFFFF)
int64 = st.integers(-(1 << 63), (1 << 63) - 1)
counters = st.integers(0, (1 << 48) - 1)
guids = st.binary(min_size=16, max_size=16).map(lambda data: UUID(bytes_le=data))
strings = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
octets = st.binary(max_size=12).map(lambda data: data.replace(b"\0", b"?"))
object_ids = st.builds(ObjectId, uint16, counters)
long_term_ids = st.builds(LongTermId, guids, counters)
error_codes = uint32.map(ErrorCode)
property_names = st.one_of(
    st.builds(PropertyName, guids),
    st.builds(PropertyName, guids, lid=uint32),
    st.builds(PropertyName, guids, name=strings),
)

_SIMPLE = {
    0x0002: st.integers(-(1 << 15), (1 << 15) - 1),
    0x0003: st.integers(-(1 << 31), (1 << 31) - 1),
    0x0004: st.floats(width=32, allow_nan=False),
    0x0005: st.floats(allow_nan=False),
    0x0006: int64,
    0x000A: uint32,
    0x000B: st.booleans(),
    0x0014: int64,
    0x001E: octets,
    0x001F: strings,
    0x0040: st.integers(0, (1 << 64) - 1),
    0x0048: guids,
    0x00FB: st.binary(max_size=8),
    0x0102: st.binary(max_size=8),
}
VALUES: dict[int, st.SearchStrategy[Any]] = {
    **_SIMPLE,
    0x0001: st.none(),
    **{
        code | 0x1000: st.lists(_SIMPLE[code], max_size=3)
        for code in (0x0002, 0x0003, 0x0004, 0x0005, 0x0006, 0x0014, 0x001E, 0x001F, 0x0040, 0x0048, 0x0102)
    },
}


@st.composite
def tagged_values(draw: st.DrawFn) -> tuple[int, Any]:
    code = draw(st.sampled_from(sorted(VALUES)))
    return draw(uint16) << 16 | code, draw(VALUES[code])


leaf_restrictions: st.SearchStrategy[restrictions.Restriction] = st.one_of(
    st.builds(restrictions.ContentRestriction, uint16, uint16, uint32, tagged_values()),
    st.builds(restrictions.PropertyRestriction, uint8, uint32, tagged_values()),
    st.builds(restrictions.ComparePropertiesRestriction, uint8, uint32, uint32),
    st.builds(restrictions.BitMaskRestriction, uint8, uint32, uint32),
    st.builds(restrictions.SizeRestriction, uint8, uint32, uint32),
    st.builds(restrictions.ExistRestriction, uint32),
)
any_restriction: st.SearchStrategy[restrictions.Restriction] = st.recursive(
    leaf_restrictions,
    lambda inner: st.one_of(
        st.builds(restrictions.AndRestriction, st.lists(inner, max_size=3).map(tuple)),
        st.builds(restrictions.OrRestriction, st.lists(inner, max_size=3).map(tuple)),
        st.builds(restrictions.NotRestriction, inner),
        st.builds(restrictions.SubObjectRestriction, uint32, inner),
        st.builds(restrictions.CountRestriction, uint32, inner),
        st.builds(
            restrictions.CommentRestriction,
            st.lists(tagged_values(), max_size=2).map(tuple),
            st.one_of(st.none(), inner),
        ),
    ),
    max_leaves=5,
)


@st.composite
def action_blocks(draw: st.DrawFn, *, wide: bool) -> restrictions.ActionBlock:
    action_type = draw(st.integers(1, 12))
    blobs = st.binary(max_size=8)
    match action_type:
        case 1 | 2:
            data: Any = draw(st.builds(restrictions.MoveCopyData, st.none() if wide else st.booleans(), blobs, blobs))
        case 3 | 4:
            template = blobs if wide else st.tuples(object_ids, object_ids)
            data = draw(st.builds(restrictions.ReplyData, template, guids))
        case 6:
            data = draw(uint32)
        case 7 | 8:
            values = st.lists(tagged_values(), max_size=2).map(tuple)
            data = draw(st.lists(st.builds(restrictions.RecipientBlock, uint8, values), max_size=2).map(tuple))
        case 9:
            data = draw(tagged_values())
        case _:
            data = draw(blobs)
    return restrictions.ActionBlock(action_type, draw(uint32), draw(uint32), data)


@st.composite
def cells(draw: st.DrawFn, tag: int) -> Any:
    code = tag & 0xFFFF
    if draw(st.integers(0, 9)) == 0:
        return draw(st.one_of(error_codes, st.none()))
    if code == 0:
        code = draw(st.sampled_from(sorted(VALUES)))
        return rows.TypedValue(code, draw(VALUES[code]))
    return draw(VALUES[code])


def row(columns: tuple[int, ...] = COLUMNS) -> st.SearchStrategy[list[Any]]:
    return st.tuples(*(cells(tag) for tag in columns)).map(list)


@st.composite
def recipient_rows(draw: st.DrawFn, columns: tuple[int, ...] = COLUMNS) -> rows.RecipientRow:
    is_unicode = draw(st.booleans())
    some: st.SearchStrategy[Any] = strings if is_unicode else octets
    text = st.one_of(st.none(), some)
    kind = draw(st.integers(0, 7))
    made = rows.RecipientRow(
        address_kind=kind,
        address_type=draw(st.one_of(st.none(), octets)) if kind == 0 else None,
        email_address=draw(text),
        display_name=draw(text),
        simple_display_name=draw(text),
        transmittable_display_name=draw(text),
        transmittable_is_display_name=draw(st.booleans()),
        is_responsible=draw(st.booleans()),
        is_non_rich=draw(st.booleans()),
        is_unicode=is_unicode,
        properties=draw(row(columns[: draw(st.integers(0, len(columns)))])),
    )
    if kind == 1:
        made.address_prefix_used, made.display_type, made.x500_dn = draw(uint8), draw(uint8), draw(octets)
    elif kind in (6, 7):
        made.entry_id, made.search_key = draw(st.binary(max_size=8)), draw(st.binary(max_size=8))
    return made


_PULLED: dict[int, st.SearchStrategy[Any]] = {
    id(construct): strategy
    for construct, strategy in (
        (primitives.Boolean, st.booleans()),
        (primitives.ObjectIdField, object_ids),
        (primitives.ObjectIds, st.lists(object_ids, max_size=3)),
        (primitives.LongTermIdField, long_term_ids),
        (primitives.Guid, guids),
        (primitives.GlobalCount, counters),
        (primitives.Asciiz, octets),
        (primitives.SizedAsciiz, octets),
        (primitives.ShortSizedAsciiz, octets),
        (primitives.Unicodez, strings),
        (primitives.Rest, st.binary(max_size=20)),
        (primitives.PropertyTags, st.lists(uint32, max_size=3)),
        (primitives.TypedString, st.one_of(st.none(), strings, octets.filter(bool))),
        (rows.TaggedValues, st.lists(tagged_values(), max_size=3)),
        (
            rows.PropertyProblems,
            st.lists(st.builds(rows.PropertyProblem, uint16, uint32, error_codes), max_size=3),
        ),
        (rows.PropertyNameField, property_names),
        (rows.SortOrderField, st.builds(rows.SortOrder, uint32, uint8)),
        (rows.Row, row()),
        (restrictions.RestrictionField, any_restriction),
        (logon.ReplicaServersField, st.builds(logon.ReplicaServers, uint16, st.lists(octets, max_size=3))),
        (transport.AddressTypes, st.lists(octets, max_size=3)),
        (sync.MessageReadStates, st.lists(st.tuples(st.binary(max_size=22), st.booleans()), max_size=3)),
        (notification.Tags, st.one_of(st.none(), st.lists(uint32, max_size=3))),
    )
}

_BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    # a magic number that announces another field
    "byte_count": st.sampled_from([0, 4096, 0xBABE]),
    "buffer_size": st.sampled_from([0, 4096, 0xBABE]),
    "table_event_type": st.sampled_from([1, 3, 4, 5, 7]),
    "recipient_columns": st.just(list(COLUMNS)),
    "recipient_row": recipient_rows(),
    "notification_flags": st.builds(
        lambda kind, bits: kind | bits << 12,
        st.sampled_from([2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x400]),
        st.integers(0, 15),
    ),
}


@st.composite
def values(draw: st.DrawFn, construct: Any, context: Any = None, name: str = "") -> Any:
    """A value that ``construct`` can build; parameters are is_public and columns."""
    if isinstance(construct, Renamed):
        return draw(values(construct.subcon, context, construct.name))
    if isinstance(construct, Struct):
        drawn = Container(_params=context._params, _=context)
        for field in construct.subcons:
            drawn[field.name] = draw(values(field, drawn))
        return Container({key: value for key, value in drawn.items() if not key.startswith("_")})
    if isinstance(construct, IfThenElse):
        chosen = construct.thensubcon if construct.condfunc(context) else construct.elsesubcon
        if isinstance(chosen, Computed):
            return chosen.func
        return (
            draw(values(chosen, context, name))
            if chosen.name != "Pass" and chosen.__class__.__name__ != "Pass"
            else None
        )
    if isinstance(construct, Rebuild) or (isinstance(construct, FormatField) and name == "row_count"):
        return draw(st.integers(0, 3))
    if isinstance(construct, primitives.Sized) and construct.optional and draw(st.booleans()):
        return None
    if name in _BY_NAME:
        return draw(_BY_NAME[name])
    if isinstance(construct, primitives.Sized):
        return draw(values(construct.subcon, context, name))
    if isinstance(construct, primitives.SizedBytes):
        return draw(st.binary(max_size=20))
    if isinstance(construct, primitives.Counted):
        return [draw(values(construct.subcon, context, name)) for _ in range(draw(st.integers(0, 3)))]
    if isinstance(construct, primitives.Repeated):
        return [draw(values(construct.subcon, context, name)) for _ in range(construct.count(context))]
    if isinstance(construct, primitives.Bytes):
        return draw(st.binary(min_size=construct.length, max_size=construct.length))
    if isinstance(construct, FormatField):
        bits = 8 * construct.length
        signed = construct.fmtstr[-1].islower()
        return draw(st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else st.integers(0, (1 << bits) - 1))
    if name in ("row_data", "rows"):
        columns = logon.RECEIVE_FOLDER_COLUMNS if name == "rows" else COLUMNS
        if id(construct) not in _PULLED:
            return [draw(row(columns)) for _ in range(context.row_count)]
    return draw(_PULLED[id(construct)])
