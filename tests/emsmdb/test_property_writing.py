"""Setting and deleting properties of every kind of object, and querying named properties."""

from typing import Any
from uuid import UUID

import pytest

from mapigw.emsmdb.dispatch import ExecuteRecord, execute
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.properties import PropertyName, PropertyType
from mapigw.wire.property_sets import PSETID_Address, PSETID_Common
from mapigw.wire.rop_buffer import join
from mapigw.wire.rows import PropertyProblem, TypedValue
from mapigw.wire.rpc_header import join_payloads
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.logons import log_on_as
from tests.emsmdb.messages import (
    READ_ONLY,
    create,
    create_attachment,
    open_attachment,
    open_folder,
    open_message,
    save,
    save_attachment,
    set_values,
)

TEXT, NUMBER, OTHER = 0x7C01001F, 0x7C020003, 0x7C03001F
SETTERS = ["SetProperties", "SetPropertiesNoReplicate"]
DELETERS = ["DeleteProperties", "DeletePropertiesNoReplicate"]
PAIRS = list(zip(SETTERS, DELETERS, strict=True))
GUID = UUID("12345678-1234-1234-1234-123456789ABC")


async def put(client: Client, name: str, index: int, values: dict[int, Any]) -> list[PropertyProblem]:
    problems: list[PropertyProblem]
    problems = (await client.value(name, index, property_values=list(values.items()))).property_problems
    return problems


async def delete(client: Client, name: str, index: int, *columns: int) -> list[PropertyProblem]:
    problems: list[PropertyProblem]
    problems = (await client.value(name, index, property_tags=list(columns))).property_problems
    return problems


async def everything(client: Client, index: int) -> dict[int, Any]:
    value = await client.value("GetPropertiesAll", index, property_size_limit=0, want_unicode=1)
    return dict(value.property_values)


async def attached(client: Client, message_id: int, *columns: int) -> list[Any]:
    """What another handle sees of a message's only attachment."""
    message = await open_message(client, message_id, READ_ONLY)
    return await client.properties(await open_attachment(client, message, 0, READ_ONLY), *columns)


# Messages


@pytest.mark.spec(
    "MS-OXCPRPT_R101",
    "MS-OXCPRPT_R476",
    "MS-OXCPRPT_R477",
    "MS-OXCPRPT_R478",
    "MS-OXCPRPT_R112",
    "MS-OXCPRPT_R822",
    "MS-OXCPRPT_R823",
    "MS-OXCPRPT_R824",
    "MS-OXCPRPT_R82401",
    "MS-OXCPRPT_R90705",
)
@pytest.mark.parametrize("name", SETTERS)
async def test_a_message_s_properties_are_its_handle_s_until_the_save(client: Client, name: str) -> None:
    message = await create(client)
    await set_values(client, message, {TEXT: "old"})
    message_id = await save(client, message)
    assert await put(client, name, message, {TEXT: "new", NUMBER: 7}) == []
    found = await everything(client, message)
    assert (found[TEXT], found[NUMBER]) == ("new", 7)
    assert await client.properties(message, TEXT, NUMBER) == ["new", 7]
    other = await open_message(client, message_id, READ_ONLY)
    assert await client.properties(other, TEXT, NUMBER) == ["old", ErrorCode.NotFound]
    await save(client, message)
    other = await open_message(client, message_id, READ_ONLY)
    assert await client.properties(other, TEXT, NUMBER) == ["new", 7]


@pytest.mark.spec(
    "MS-OXCPRPT_R113",
    "MS-OXCPRPT_R486",
    "MS-OXCPRPT_R485",
    "MS-OXCPRPT_R487",
    "MS-OXCPRPT_R488",
    "MS-OXCPRPT_R489",
    "MS-OXCPRPT_R124",
    "MS-OXCPRPT_R835",
    "MS-OXCPRPT_R836",
    "MS-OXCPRPT_R83604",
    "MS-OXCPRPT_R83605",
    "MS-OXCPRPT_R8360501",
    "MS-OXCPRPT_R83606",
    "MS-OXCPRPT_R83603",
    "MS-OXCPRPT_R875",
)
@pytest.mark.parametrize("name", DELETERS)
async def test_a_message_s_properties_are_gone_from_its_handle_and_after_the_save_from_the_mailbox(
    client: Client, name: str
) -> None:
    message = await create(client)
    await set_values(client, message, {TEXT: "text", NUMBER: 7, OTHER: "stays"})
    message_id = await save(client, message)
    assert await delete(client, name, message, TEXT, NUMBER) == []
    gone = [ErrorCode.NotFound, ErrorCode.NotFound, "stays"]
    assert await client.properties(message, TEXT, NUMBER, OTHER) == gone
    found = await everything(client, message)
    assert TEXT not in found
    assert NUMBER not in found
    other = await open_message(client, message_id, READ_ONLY)
    assert await client.properties(other, TEXT, NUMBER, OTHER) == ["text", 7, "stays"]
    await save(client, message)
    other = await open_message(client, message_id, READ_ONLY)
    assert await client.properties(other, TEXT, NUMBER, OTHER) == gone


async def test_what_is_read_only(client: Client) -> None:
    message = await create(client)
    await set_values(client, message, {TEXT: "text"})
    message_id = await save(client, message)
    other = await open_message(client, message_id, READ_ONLY)
    for name in SETTERS:
        assert await client.error(name, other, property_values=[(TEXT, "x")]) == ErrorCode.AccessDenied
    for name in DELETERS:
        assert await client.error(name, other, property_tags=[TEXT]) == ErrorCode.AccessDenied
    assert await client.properties(other, TEXT) == ["text"]
    computed = (tags.PidTagMid, tags.PidTagHasAttachments, tags.PidTagEntryId)
    assert await delete(client, "DeleteProperties", message, computed[0], TEXT, *computed[1:]) == [
        PropertyProblem(index, tag, ErrorCode.ComputedValue) for index, tag in zip((0, 2, 3), computed, strict=True)
    ]


# Attachments


@pytest.mark.spec(
    "MS-OXCPRPT_R101",
    "MS-OXCPRPT_R479",
    "MS-OXCPRPT_R480",
    "MS-OXCPRPT_R112",
    "MS-OXCPRPT_R825",
    "MS-OXCPRPT_R82501",
    "MS-OXCPRPT_R490",
    "MS-OXCPRPT_R491",
    "MS-OXCPRPT_R124",
    "MS-OXCPRPT_R83607",
    "MS-OXCPRPT_R83608",
)
@pytest.mark.parametrize(("setter", "deleter"), PAIRS)
async def test_an_attachment_s_properties_need_two_saves(client: Client, setter: str, deleter: str) -> None:
    message = await create(client)
    attachment, _ = await create_attachment(client, message)
    await set_values(client, attachment, {TEXT: "old", NUMBER: 7})
    await save_attachment(client, attachment)
    message_id = await save(client, message)
    old, new = ["old", 7], ["new", ErrorCode.NotFound]
    assert await put(client, setter, attachment, {TEXT: "new"}) == []
    assert await delete(client, deleter, attachment, NUMBER) == []
    assert await client.properties(attachment, TEXT, NUMBER) == new
    found = await everything(client, attachment)
    assert found[TEXT] == "new"
    assert NUMBER not in found
    assert await attached(client, message_id, TEXT, NUMBER) == old
    await save(client, message)
    assert await attached(client, message_id, TEXT, NUMBER) == old
    await save_attachment(client, attachment)
    assert await attached(client, message_id, TEXT, NUMBER) == old
    await save(client, message)
    assert await attached(client, message_id, TEXT, NUMBER) == new


# Folders and the store


@pytest.mark.spec("MS-OXCPRPT_R101", "MS-OXCPRPT_R113", "MS-OXCPRPT_R486", "MS-OXCPRPT_R485", "MS-OXCPRPT_R492")
async def test_a_folder_s_properties_are_the_mailbox_s_at_once(client: Client, own_mailbox: Mailbox) -> None:
    folder, other = await open_folder(client, "inbox"), await open_folder(client, "inbox")
    before = await own_mailbox.special_folder("inbox")
    assert await put(client, "SetProperties", folder, {TEXT: "text", OTHER: "stays"}) == []
    assert await client.properties(other, TEXT, OTHER) == ["text", "stays"]
    middle = await own_mailbox.special_folder("inbox")
    assert await delete(client, "DeleteProperties", folder, TEXT, NUMBER) == []
    assert await client.properties(other, TEXT, OTHER) == [ErrorCode.NotFound, "stays"]
    assert TEXT not in await everything(client, folder)
    after = await own_mailbox.special_folder("inbox")
    assert before.change_number < middle.change_number < after.change_number


@pytest.mark.spec("MS-OXCPRPT_R110", "MS-OXCPRPT_R122", "MS-OXCPRPT_R822", "MS-OXCPRPT_R835", "MS-OXCPRPT_R836")
async def test_without_replication_a_folder_keeps_its_change_number(client: Client, own_mailbox: Mailbox) -> None:
    folder, other = await open_folder(client, "inbox"), await open_folder(client, "inbox")
    before = await own_mailbox.special_folder("inbox")
    assert await put(client, "SetPropertiesNoReplicate", folder, {TEXT: "text", OTHER: "stays"}) == []
    assert await client.properties(other, TEXT, OTHER) == ["text", "stays"]
    assert await delete(client, "DeletePropertiesNoReplicate", folder, TEXT) == []
    assert await client.properties(other, TEXT, OTHER) == [ErrorCode.NotFound, "stays"]
    after = await own_mailbox.special_folder("inbox")
    assert after.change_number == before.change_number


async def test_what_a_folder_does_not_lose(client: Client) -> None:
    folder = await open_folder(client, "inbox")
    columns = (tags.PidTagDisplayName, tags.PidTagEntryId, tags.PidTagContentCount)
    values = await client.properties(folder, *columns)
    problems = await delete(client, "DeleteProperties", folder, *columns)
    assert [(problem.index, problem.property_tag) for problem in problems] == list(enumerate(columns))
    assert await client.properties(folder, *columns) == values


@pytest.mark.spec(
    "MS-OXCPRPT_R101",
    "MS-OXCPRPT_R112",
    "MS-OXCPRPT_R82502",
    "MS-OXCPRPT_R124",
    "MS-OXCPRPT_R83609",
    "MS-OXCPRPT_R49201",
)
@pytest.mark.parametrize(("setter", "deleter"), PAIRS)
async def test_a_logon_s_properties_are_the_mailbox_s_at_once(client: Client, setter: str, deleter: str) -> None:
    assert await put(client, setter, LOGON, {TEXT: "text", OTHER: "stays"}) == []
    dn = client.session.user.legacy_dn

    async def elsewhere() -> list[Any]:
        await log_on_as(client, 1, dn)
        read = client.request(
            "GetPropertiesSpecific", client.last, property_size_limit=0, want_unicode=1, property_tags=[TEXT, OTHER]
        )
        read.logon_id = 1
        (response,) = await client.send(read)
        cells: list[Any] = response.value.row_data
        return cells

    assert await elsewhere() == ["text", "stays"]
    assert await delete(client, deleter, LOGON, TEXT) == []
    assert await client.properties(LOGON, TEXT, OTHER) == [ErrorCode.NotFound, "stays"]
    assert await elsewhere() == [ErrorCode.NotFound, "stays"]


@pytest.mark.parametrize("name", DELETERS)
async def test_deleting_finds_by_id_and_what_is_absent_is_no_problem(client: Client, name: str) -> None:
    """Symptom: an appointment cannot be saved, as Outlook deletes a property that is not there."""
    message = await create(client)
    await set_values(client, message, {TEXT: "text"})
    assert await delete(client, name, message, 0x7C010000, 0x7C090003, 0x9ABC0102, TEXT, TEXT) == []
    assert await client.properties(message, TEXT) == [ErrorCode.NotFound]
    assert await delete(client, name, message) == []


# Types and values


ALL_TYPES: dict[int, Any] = {
    0x7C100002: -5,
    0x7C110003: -70_000,
    0x7C120004: 1.5,
    0x7C130005: -2.25,
    0x7C140006: 123_456_789_012,
    0x7C150007: 36_526.5,
    0x7C16000B: True,
    0x7C170014: -(1 << 62),
    0x7C18001F: "Straße 日本 😀",
    0x7C190040: 131_000_000_000_000_000,
    0x7C1A0048: GUID,
    0x7C1B00FB: b"\x01server",
    0x7C1C0102: b"\0\1\2",
    0x7C201002: [1, -2],
    0x7C211003: [70_000, -70_000],
    0x7C221004: [0.5, -0.5],
    0x7C231005: [1e300],
    0x7C241006: [1, 2, 3],
    0x7C251007: [1.0],
    0x7C261014: [1 << 60],
    0x7C27101F: ["", "ä", "日本"],
    0x7C281040: [1, 131_000_000_000_000_000],
    0x7C291048: [GUID, UUID(int=0)],
    0x7C2A1102: [b"", b"x", bytes(300)],
}


@pytest.mark.parametrize("kind", ["message", "attachment", "folder", "logon"])
async def test_every_type_on_every_object(client: Client, kind: str) -> None:
    message = await create(client)
    if kind == "message":
        index = message
    elif kind == "attachment":
        index, _ = await create_attachment(client, message)
    else:
        index = LOGON if kind == "logon" else await open_folder(client, "inbox")
    assert await put(client, "SetProperties", index, ALL_TYPES) == []
    if kind == "attachment":
        await save_attachment(client, index)
    if kind in {"message", "attachment"}:
        message_id = await save(client, message)
        index = await open_message(client, message_id)
        if kind == "attachment":
            index = await open_attachment(client, index, 0)
    assert await client.properties(index, *ALL_TYPES) == list(ALL_TYPES.values())
    found = await everything(client, index)
    assert {tag: found[tag] for tag in ALL_TYPES} == ALL_TYPES
    untyped = await client.properties(index, *(tag & ~0xFFFF for tag in ALL_TYPES))
    assert untyped == [TypedValue(tag & 0xFFFF, value) for tag, value in ALL_TYPES.items()]
    listed = (await client.value("GetPropertiesList", index)).property_tags
    assert set(ALL_TYPES) <= set(listed)


async def test_impossible_types_and_ids_are_problems_of_their_own(client: Client) -> None:
    """The rest is set; what marks the parts of a stored message is not, for it would end the message there."""
    impossible = [
        (0x7C01000A, 5),
        (0x7C02000D, b"x"),
        (0x7C030001, None),
        (0x7C053003, 7),
        (0x0000001F, "x"),
        (0x400B0003, 1),
        (0x40160003, 1),
        (0x9FFF0003, 1),
    ]
    for index in (await create(client), await open_folder(client, "inbox"), LOGON):
        values = [*impossible, (TEXT, "set")]
        value = await client.value("SetProperties", index, property_values=values)
        assert [item.index for item in value.property_problems] == list(range(len(impossible)))
        codes = {item.error_code for item in value.property_problems}
        assert codes == {ErrorCode.InvalidParameter, ErrorCode.NotFound}
        assert await client.properties(index, TEXT) == ["set"]
    message_id = await save(client, 1)
    assert await client.properties(await open_message(client, message_id), TEXT) == ["set"]


async def test_a_property_takes_the_type_of_its_last_value(client: Client) -> None:
    message = await create(client)
    await set_values(client, message, {0x7C010003: 5})
    await set_values(client, message, {TEXT: "five"})
    assert await client.properties(message, TEXT, 0x7C010003) == ["five", ErrorCode.NotFound]


async def test_ten_thousand_tags(client: Client) -> None:
    message = await create(client)
    columns = [number << 16 | 0x0003 for number in range(0x1000, 0x1000 + 7_000)]
    fields: dict[str, Any] = {"property_size_limit": 0, "want_unicode": 1, "property_tags": columns}
    assert await client.error("GetPropertiesSpecific", message, **fields) == ErrorCode.NotEnoughMemory
    assert await delete(client, "DeleteProperties", message, *columns) == []
    await save(client, message)


async def test_a_count_beyond_the_buffer_is_refused_before_anything_is_done(client: Client) -> None:
    message = await create(client)
    set_one = bytes.fromhex("0A 00 00 1000 0100 0300027C 07000000 0000 0000") + bytes.fromhex("0A 00 00 FF00 FF00 0300")
    data = join_payloads([join([set_one], [client.handles[message]])])
    with pytest.raises(WireError):
        await execute(client.session, data, 3, 0x8007, ExecuteRecord("", 0))
    assert await client.properties(message, NUMBER) == [ErrorCode.NotFound]


@pytest.mark.parametrize("name", [*SETTERS, *DELETERS, "QueryNamedProperties"])
async def test_wrong_objects(client: Client, name: str) -> None:
    fields: dict[str, Any] = {"property_values": [(TEXT, "x")]} if name in SETTERS else {"property_tags": [TEXT]}
    if name == "QueryNamedProperties":
        fields = {"query_flags": 0, "has_guid": False, "property_guid": None}
    folder = await open_folder(client, "inbox")
    await client.value("GetHierarchyTable", folder, table_flags=0)
    assert await client.error(name, client.last, **fields) == ErrorCode.NotSupported
    assert await client.error(name, 99, **fields) == ErrorCode.NullObject
    await client.send(client.request("Release", folder))
    assert await client.error(name, folder, **fields) == ErrorCode.InvalidObject


# Named properties


NAMES = [
    PropertyName(PSETID_Common, lid=0x8580),
    PropertyName(PSETID_Common, name="text"),
    PropertyName(PSETID_Address, lid=0x8080),
    PropertyName(PSETID_Address, name="more"),
]


@pytest.mark.spec(
    "MS-OXCPRPT_R876", "MS-OXCPRPT_R877", "MS-OXCPRPT_R878", "MS-OXCPRPT_R495", "MS-OXCPRPT_R87802", "MS-OXCPRPT_R12904"
)
@pytest.mark.parametrize(
    ("flags", "guid", "expected"),
    [
        (0x00, None, [0, 1, 2, 3]),
        (0x01, None, [0, 2]),
        (0x02, None, [1, 3]),
        (0x03, None, []),
        (0xFC, None, [0, 1, 2, 3]),
        (0x00, PSETID_Common, [0, 1]),
        (0x01, PSETID_Address, [2]),
        (0x82, PSETID_Address, [3]),
        (0x00, UUID(int=5), []),
    ],
)
async def test_named_properties_are_queried(client: Client, flags: int, guid: UUID | None, expected: list[int]) -> None:
    ids = (await client.value("GetPropertyIdsFromNames", flags=2, property_names=NAMES)).property_ids
    for index in (LOGON, await create(client), await open_folder(client, "inbox")):
        fields: dict[str, Any] = {"query_flags": flags, "has_guid": guid is not None, "property_guid": guid}
        value = await client.value("QueryNamedProperties", index, **fields)
        assert value.property_ids == [ids[place] for place in expected]
        assert value.property_names == [NAMES[place] for place in expected]


async def test_more_named_properties_than_fit(client: Client, own_mailbox: Mailbox) -> None:
    names = [PropertyName(PSETID_Common, name=f"http://schemas/{number}") for number in range(1500)]
    await own_mailbox.property_ids(names, create=True)
    fields: dict[str, Any] = {"query_flags": 0, "has_guid": False, "property_guid": None}
    (response,) = await client.send(client.request("QueryNamedProperties", **fields))
    assert response.return_value == ErrorCode.ErrorsReturned
    assert 400 < len(response.value.property_ids) == len(response.value.property_names) < 1500
    assert response.value.property_names == names[: len(response.value.property_names)]
    fields["query_flags"] = 1
    assert (await client.value("QueryNamedProperties", **fields)).property_ids == []


async def test_named_properties_of_a_message_survive_a_restart(
    client: Client, mailboxes: Mailboxes, own_mailbox: Mailbox
) -> None:
    ids = (await client.value("GetPropertyIdsFromNames", flags=2, property_names=NAMES)).property_ids
    message = await create(client)
    values: dict[int, Any] = {property_id << 16 | PropertyType.STRING: f"{property_id}" for property_id in ids}
    await set_values(client, message, values)
    message_id = await save(client, message)
    elsewhere = await Mailboxes(mailboxes.database).open(own_mailbox.mailbox_id)
    assert await elsewhere.message(message_id) is not None
    other = await open_message(client, message_id, READ_ONLY)
    assert await client.properties(other, *values) == list(values.values())
