"""Reading and writing properties, and named properties."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from mapigw.mailbox import mailboxes as mailboxes_module
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.store import mailboxes as store
from mapigw.store.blobs import MissingBlobError
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import PropertyName, PropertyType
from mapigw.wire.property_sets import PS_INTERNET_HEADERS, PSETID_Address, PSETID_Common
from mapigw.wire.rows import TypedValue
from tests.emsmdb.captures import outlook_boot
from tests.emsmdb.client import LOGON, Client

PS_MAPI = UUID("00020328-0000-0000-C000-000000000046")
PS_PUBLIC_STRINGS = UUID("00020329-0000-0000-C000-000000000046")
CREATE = 0x02
TEXT, BINARY = 0x7C01001F, 0x7C020102


def text8(tag: int) -> int:
    return tag & ~0xFFFF | PropertyType.STRING8


async def open_folder(client: Client, folder_id: int = 5) -> int:
    await client.value("OpenFolder", folder_id=ObjectId(1, folder_id), open_mode_flags=0)
    return client.last


async def set_values(client: Client, index: int, *values: tuple[int, Any]) -> None:
    assert not (await client.value("SetProperties", index, property_values=values)).property_problems


async def specific(client: Client, index: int, *columns: int, limit: int = 0, want_unicode: int = 0) -> list[Any]:
    value = await client.value(
        "GetPropertiesSpecific",
        index,
        property_size_limit=limit,
        want_unicode=want_unicode,
        property_tags=list(columns),
    )
    row: list[Any] = value.row_data
    return row


async def everything(client: Client, index: int, limit: int = 0, want_unicode: int = 1) -> dict[int, Any]:
    value = await client.value("GetPropertiesAll", index, property_size_limit=limit, want_unicode=want_unicode)
    return dict(value.property_values)


async def open_message(client: Client, mailbox: Mailbox, properties: dict[Any, Any]) -> int:
    (message_id,) = await mailbox.append(5, [NewMessage(Message(properties))])
    await client.value(
        "OpenMessage",
        code_page_id=0x0FFF,
        folder_id=ObjectId(1, 5),
        open_mode_flags=0,
        message_id=ObjectId(1, message_id),
    )
    return client.last


# Names and ids


async def ids_of(client: Client, names: Sequence[PropertyName], flags: int = 0, index: int = LOGON) -> list[int]:
    value = await client.value("GetPropertyIdsFromNames", index, flags=flags, property_names=names)
    ids: list[int] = value.property_ids
    return ids


async def names_of(client: Client, ids: Sequence[int], index: int = LOGON) -> list[PropertyName]:
    value = await client.value("GetNamesFromPropertyIds", index, property_ids=ids)
    names: list[PropertyName] = value.property_names
    return names


@pytest.mark.spec("MS-OXCPRPT_R628")
@pytest.mark.spec("MS-OXCPRPT_R62801")
@pytest.mark.spec("MS-OXCPRPT_R216")
@pytest.mark.spec("MS-OXCPRPT_R220")
@pytest.mark.spec("MS-OXCPRPT_R222")
@pytest.mark.spec("MS-OXCPRPT_R226")
@pytest.mark.spec("MS-OXCPRPT_R532")
@pytest.mark.spec("MS-OXCPRPT_R533")
@pytest.mark.spec("MS-OXCPRPT_R534")
@pytest.mark.spec("MS-OXCPRPT_R535")
async def test_ids_are_made_only_on_demand(client: Client) -> None:
    names = [PropertyName(PSETID_Common, lid=0x8580), PropertyName(PS_PUBLIC_STRINGS, name="Keywords")]
    assert await ids_of(client, names) == [0, 0]
    first, second = await ids_of(client, names, CREATE)
    assert first != second
    assert all(0x8000 < item < 0xFFFF for item in (first, second))
    unknown = PropertyName(PSETID_Address, lid=0x8580)
    assert await ids_of(client, [names[1], unknown, names[0]]) == [second, 0, first]
    assert await ids_of(client, names, CREATE) == [first, second]


@pytest.mark.spec("MS-OXCPRPT_R530")
@pytest.mark.spec("MS-OXCPRPT_R531")
@pytest.mark.spec("MS-OXCPRPT_R521")
@pytest.mark.spec("MS-OXCPRPT_R249")
async def test_a_batch_of_218_names(client: Client, mailboxes: Mailboxes, own_mailbox: Mailbox) -> None:
    """As Outlook sends it on the Logon; the ids are the same for every process and for ever."""
    names = [PropertyName(PSETID_Common, lid=0x8500 + number) for number in range(109)]
    names += [PropertyName(PSETID_Address, lid=0x8086 + 16 * number) for number in range(60)]
    names += [PropertyName(PS_PUBLIC_STRINGS, name=f"http://schemas/{number}") for number in range(49)]
    assert len(names) == 218
    ids = await ids_of(client, names, CREATE)
    assert len(set(ids)) == 218
    assert await names_of(client, ids) == names
    elsewhere = await Mailboxes(mailboxes.database).open(own_mailbox.mailbox_id)
    assert await elsewhere.property_ids(names, create=True) == dict(zip(names, ids, strict=True))
    twice = await ids_of(client, [names[0], names[0], PropertyName(PSETID_Common, lid=1)] * 2, CREATE)
    assert twice == [ids[0], ids[0], twice[2]] * 2


@pytest.mark.spec("MS-OXCPRPT_R642")
@pytest.mark.spec("MS-OXCPRPT_R225")
@pytest.mark.spec("MS-OXCPRPT_R518")
@pytest.mark.spec("MS-OXCPRPT_R519")
@pytest.mark.spec("MS-OXCPRPT_R520")
async def test_ps_mapi_is_the_property_id_itself(client: Client) -> None:
    names = [PropertyName(PS_MAPI, lid=0x0037), PropertyName(PS_MAPI, lid=0x8001), PropertyName(PS_MAPI, name="x")]
    assert await ids_of(client, names, CREATE) == [0x0037, 0, 0]
    assert await names_of(client, [0x0037, 0x7FFF]) == [names[0], PropertyName(PS_MAPI, lid=0x7FFF)]
    assert (await client.value("GetPropertyIdsFromNames", flags=0, property_names=[])).property_ids == []


@pytest.mark.spec("MS-OXCPRPT_R523")
async def test_ids_and_names_that_nobody_has(client: Client) -> None:
    (known,) = await ids_of(client, [PropertyName(PSETID_Common, lid=1)], CREATE)
    found = await names_of(client, [0xFFF0, known, 0x8000])
    assert [(item.lid, item.name) for item in found] == [(None, None), (1, None), (None, None)]
    nameless = [PropertyName(PSETID_Common), PropertyName(PSETID_Common, name="")]
    assert await ids_of(client, nameless, CREATE) == [0, 0]


@pytest.mark.spec("MS-OXCPRPT_R529")
async def test_names_of_internet_headers_are_the_same_in_any_case(client: Client) -> None:
    upper, lower = (PropertyName(PS_INTERNET_HEADERS, name=name) for name in ("X-Spam-Level", "x-spam-level"))
    (property_id,) = await ids_of(client, [upper], CREATE)
    assert await ids_of(client, [lower, upper]) == [property_id, property_id]
    assert await names_of(client, [property_id]) == [lower]
    others = [PropertyName(PS_PUBLIC_STRINGS, name=name) for name in ("Keywords", "keywords")]
    assert len(set(await ids_of(client, others, CREATE))) == 2


@pytest.mark.spec("MS-OXCPRPT_R213")
@pytest.mark.spec("MS-OXCPRPT_R217")
@pytest.mark.spec("MS-OXCPRPT_R526")
async def test_no_name_asks_for_every_id(client: Client, own_mailbox: Mailbox) -> None:
    await own_mailbox.property_ids([PropertyName(PSETID_Common, lid=lid) for lid in range(5)], create=True)
    ids = await ids_of(client, [])
    assert len(ids) == 5
    assert {item.lid for item in await names_of(client, ids)} == set(range(5))


@pytest.mark.spec("MS-OXCPRPT_R53501")
@pytest.mark.spec("MS-OXCPRPT_R53502")
async def test_when_all_ids_are_taken(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailboxes_module, "LAST_NAMED_PROPERTY", 0x8003)
    names = [PropertyName(PSETID_Common, lid=lid) for lid in range(4)]
    assert await ids_of(client, names[:3], CREATE) == [0x8001, 0x8002, 0x8003]
    fields: dict[str, Any] = {"flags": CREATE, "property_names": names}
    assert await client.error("GetPropertyIdsFromNames", **fields) == 0x8007000E  # OutOfMemory
    assert await ids_of(client, names) == [0x8001, 0x8002, 0x8003, 0]


@pytest.mark.spec("MS-OXCPRPT_R20703")
@pytest.mark.spec("MS-OXCPRPT_R20704")
async def test_names_on_other_objects(client: Client) -> None:
    name = [PropertyName(PSETID_Common, lid=3)]
    folder = await open_folder(client)
    ids = await ids_of(client, name, CREATE, index=folder)
    assert await names_of(client, ids, index=folder) == name
    await client.value("GetHierarchyTable", folder, table_flags=0)
    for rop, fields in (
        ("GetPropertyIdsFromNames", {"flags": 0, "property_names": name}),
        ("GetNamesFromPropertyIds", {"property_ids": ids}),
        ("GetPropertiesList", {}),
        ("GetPropertiesAll", {"property_size_limit": 0, "want_unicode": 0}),
        ("GetPropertiesSpecific", {"property_size_limit": 0, "want_unicode": 0, "property_tags": [TEXT]}),
        ("SetProperties", {"property_values": [(TEXT, "x")]}),
    ):
        assert await client.error(rop, client.last, **fields) == ErrorCode.NotSupported
        assert await client.error(rop, 99, **fields) == ErrorCode.NullObject


async def test_thousands_of_unknown_ids_cost_one_look(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    look = store.select_named_properties

    async def counted(*arguments: Any) -> Any:
        nonlocal looks
        looks += 1
        return await look(*arguments)

    monkeypatch.setattr(store, "select_named_properties", counted)
    await names_of(client, range(0xE000, 0xE600))
    values = [(number << 16 | 0x0003, 1) for number in range(0xE000, 0xE300)]
    problems = (await client.value("SetProperties", property_values=values)).property_problems
    assert [item.index for item in problems] == list(range(0x300))
    assert looks <= 2


# Reading


@pytest.mark.spec("MS-OXCPRPT_R45701")
@pytest.mark.spec("MS-OXCPRPT_R457")
async def test_absent_properties_are_cells_of_a_row_that_succeeds(client: Client) -> None:
    """Symptom: EMSMDB32 dies when the ReturnValue is a warning. The rows are those of MS-OXCDATA 2.8.1."""
    folder = await open_folder(client)
    await set_values(client, folder, (TEXT, "ab"))
    assert await specific(client, folder, 0x36E00102, TEXT, 0x36DF0102) == [
        ErrorCode.NotFound,
        "ab",
        ErrorCode.NotFound,
    ]
    assert client.payloads[0][2 : -4 * len(client.handles)] == bytes.fromhex(
        "07 01 00000000 01 0a0f010480 00 610062000000 0a0f010480"
    )
    assert await specific(client, folder, TEXT) == ["ab"]
    assert client.payloads[0][2 : -4 * len(client.handles)] == bytes.fromhex("07 01 00000000 00 610062000000")
    assert await specific(client, folder) == []


@pytest.mark.spec("MS-OXCPRPT_R458")
@pytest.mark.spec("MS-OXCPRPT_R459")
@pytest.mark.spec("MS-OXCPRPT_R460")
@pytest.mark.spec("MS-OXCPRPT_R465")
@pytest.mark.spec("MS-OXCPRPT_R6401")
@pytest.mark.spec("MS-OXCPRPT_R65")
async def test_strings_come_in_the_type_that_is_asked_for(client: Client) -> None:
    folder = await open_folder(client)
    many = 0x7C03101F
    await set_values(client, folder, (text8(TEXT), "Grüße €".encode("cp1252")), (many, ["ü", "日"]))
    assert await specific(client, folder, TEXT, text8(TEXT), many) == ["Grüße €", b"Gr\xfc\xdfe \x80", ["ü", "日"]]
    assert await specific(client, folder, 0x7C03101E) == [[b"\xfc", b"?"]]
    for wanted, expected in ((0, (0x1E, b"Gr\xfc\xdfe \x80")), (1, (0x1F, "Grüße €"))):
        assert await specific(client, folder, TEXT & ~0xFFFF, want_unicode=wanted) == [TypedValue(*expected)]
        tag, value = TEXT & ~0xFFFF | expected[0], expected[1]
        assert (await everything(client, folder, want_unicode=wanted))[tag] == value


async def test_another_type_is_absent(client: Client) -> None:
    folder = await open_folder(client)
    await set_values(client, folder, (TEXT, "7"), (0x7C03101F, ["a"]))
    row = await specific(client, folder, 0x7C010003, 0x7C010102, 0x7C01101F, 0x7C01000A, 0x7C03301F, 0x7C03201F)
    assert row == [ErrorCode.NotFound] * 6


async def test_two_properties_of_one_id(client: Client) -> None:
    """PidTagMessageSize and PidTagMessageSizeExtended."""
    folder = await open_folder(client)
    assert await specific(client, folder, tags.PidTagMessageSize, tags.PidTagMessageSizeExtended) == [0, 0]


@pytest.mark.spec("MS-OXCPRPT_R9070102", "MS-OXCPRPT_R90707")
async def test_property_size_limit_is_ignored(client: Client) -> None:
    """As Exchange 2010 and later."""
    folder = await open_folder(client)
    many = 0x7C031102
    await set_values(client, folder, (TEXT, "x" * 49), (BINARY, b"y" * 100), (many, [b"z" * 50, b"z" * 50]))
    columns = (TEXT, BINARY, many, tags.PidTagContentCount)
    row: list[Any] = ["x" * 49, b"y" * 100, [b"z" * 50] * 2, 0]
    for limit in (0, 1, 99, 0xFFFF):
        assert await specific(client, folder, *columns, limit=limit) == row
        found = await everything(client, folder, limit=limit)
        assert [found[tag] for tag in columns] == row


@pytest.mark.spec("MS-OXCPRPT_R643")
@pytest.mark.spec("MS-OXCPRPT_R62")
@pytest.mark.spec("MS-OXCPRPT_R84")
async def test_what_does_not_fit_is_left_to_streams(client: Client, own_mailbox: Mailbox) -> None:
    """The largest go first, and no more of them than must. The cell has 0x8007000E, and the stream opens."""
    names = ("PidTagHtml", "PidTagTransportMessageHeaders", "PidTagBody")
    html, headers, body = b"h" * 20_000, "x" * 6_000, "b" * 100_000
    item = dict(zip((getattr(tags, name) for name in names), (html, headers, body), strict=True))
    index = await open_message(client, own_mailbox, item)
    row = await specific(client, index, *item, tags.PidTagMessageClass)
    assert row == [html, headers, ErrorCode.NotEnoughMemory, "IPM.Note"]
    (response,) = await client.send(
        client.request(
            "GetPropertiesSpecific", index, property_size_limit=0, want_unicode=1, property_tags=[*item, *item]
        )
    )
    assert response.return_value == 0
    assert response.value.row_data.count(ErrorCode.NotEnoughMemory) == 4
    assert response.value.row_data[1] == response.value.row_data[4] == headers
    found = await everything(client, index)
    assert found[tags.PidTagTransportMessageHeaders] == headers
    assert found[tags.PidTagBody & ~0xFFFF | PropertyType.ERROR_CODE] == ErrorCode.NotEnoughMemory
    # In a small buffer even the HTML body.
    fields = {"property_size_limit": 0, "want_unicode": 1}
    (response,) = await client.send(client.request("GetPropertiesAll", index, **fields), max_rop_out=0x2000)
    values = dict(response.value.property_values)
    assert values[tags.PidTagHtml & ~0xFFFF | PropertyType.ERROR_CODE] == ErrorCode.NotEnoughMemory
    await client.value("OpenStream", index, property_tag=tags.PidTagBody, open_mode_flags=0)


async def test_a_large_value_asked_for_a_thousand_times(client: Client, own_mailbox: Mailbox) -> None:
    index = await open_message(client, own_mailbox, {tags.PidTagHtml: b"h" * 32_000, tags.PidTagSubject: "s"})
    row = await specific(client, index, *[tags.PidTagHtml] * 4000, tags.PidTagSubject)
    assert row == [ErrorCode.NotEnoughMemory] * 4000 + ["s"]


async def test_a_value_that_is_lost_is_an_error_in_its_cell(
    client: Client, own_mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Never an empty value, and the other properties are read."""
    index = await open_message(
        client, own_mailbox, {tags.PidTagTransportMessageHeaders: "h" * 10_000, tags.PidTagSubject: "s"}
    )

    async def lost(self: Mailbox, digest: bytes, *rest: Any) -> bytes:
        raise MissingBlobError(digest)

    monkeypatch.setattr(Mailbox, "read_blob", lost)
    row = await specific(client, index, tags.PidTagTransportMessageHeaders, tags.PidTagSubject)
    assert row == [ErrorCode.StorageReadFault, "s"]
    assert "cannot be read" in caplog.text


@pytest.mark.spec("MS-OXCPRPT_R471")
@pytest.mark.spec("MS-OXCPRPT_R472")
@pytest.mark.spec("MS-OXCPRPT_R10001")
async def test_all_and_list_are_of_one_mind(client: Client) -> None:
    for index in (LOGON, await open_folder(client), await open_folder(client, 1)):
        found = await everything(client, index)
        listed = (await client.value("GetPropertiesList", index)).property_tags
        assert sorted(found) == sorted(listed)
        assert len(set(listed)) == len(listed)
        assert await specific(client, index, *found) == list(found.values())


@pytest.mark.spec("MS-OXCPRPT_R47505")
async def test_several_problems_come_in_the_order_of_the_request(client: Client) -> None:
    folder = await open_folder(client)
    wanted = [(tags.PidTagRights, 1), (0x9FFF0003, 1), (TEXT, "kept"), (tags.PidTagEntryId, b""), (0x8FFF001E, b"x")]
    problems = (await client.value("SetProperties", folder, property_values=wanted)).property_problems
    assert [(item.index, item.property_tag) for item in problems] == [
        (index, tag) for index, (tag, _) in enumerate(wanted) if tag != TEXT
    ]
    assert await specific(client, folder, TEXT) == ["kept"]


async def test_a_named_property_on_a_folder(client: Client, mailboxes: Mailboxes, own_mailbox: Mailbox) -> None:
    (property_id,) = await ids_of(client, [PropertyName(PSETID_Common, lid=0x8580)], CREATE)
    folder = await open_folder(client)
    await set_values(client, folder, (property_id << 16 | 0x0003, 5))
    elsewhere = await Mailboxes(mailboxes.database).open(own_mailbox.mailbox_id)
    assert (await elsewhere.property_name(property_id)) == PropertyName(PSETID_Common, lid=0x8580)
    assert await specific(client, folder, property_id << 16 | 0x0003) == [5]


async def test_outlooks_named_properties(client: Client) -> None:
    """PSETID_Common 0x8580 and 0x8581, byte for byte."""
    (response,) = await client.replay(outlook_boot("named_property_request"), LOGON)
    assert response.return_value == 0
    assert await names_of(client, response.value.property_ids) == [
        PropertyName(PSETID_Common, lid=0x8580),
        PropertyName(PSETID_Common, lid=0x8581),
    ]
