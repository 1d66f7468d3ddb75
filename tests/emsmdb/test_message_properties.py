"""Properties of messages and attachments: what clients write comes back, what the server computes is its own."""

import struct
from typing import Any
from uuid import UUID

import pytest

from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import PropertyName, PropertyType
from mapigw.wire.property_sets import PS_INTERNET_HEADERS
from mapigw.wire.restrictions import ContentRestriction, PropertyRestriction
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.messages import (
    FORCE_SAVE,
    KEEP_OPEN_READ_WRITE,
    READ_ONLY,
    attach,
    cell,
    create,
    modify_recipients,
    open_attachment,
    open_folder,
    open_message,
    save,
    saved,
    set_values,
    smtp,
)

COMMON = UUID("00062008-0000-0000-C000-000000000046")
ATTACHMENT = UUID("96357F7F-59E1-47D0-99A7-46515C183B54")
PUBLIC_STRINGS = UUID("00020329-0000-0000-C000-000000000046")


async def round_trip(client: Client, values: dict[int, Any]) -> None:
    """Write properties to a new message; another handle reads the same after the save."""
    opened = await open_message(client, await saved(client, values), READ_ONLY)
    assert await client.properties(opened, *values) == list(values.values())


async def named(client: Client, name: PropertyName, kind: int) -> int:
    """The tag of a named property."""
    value = await client.value("GetPropertyIdsFromNames", LOGON, flags=2, property_names=[name])
    tag: int = value.property_ids[0] << 16 | kind
    return tag


@pytest.mark.spec("MS-OXCMSG_R72", "MS-OXCMSG_R73", "MS-OXCMSG_R74", "MS-OXCMSG_R78", "MS-OXCMSG_R79")
@pytest.mark.spec("MS-OXCMSG_R80", "MS-OXCMSG_R84", "MS-OXCMSG_R86", "MS-OXCMSG_R87", "MS-OXCMSG_R88")
@pytest.mark.parametrize(
    ("tag", "values"),
    [
        (tags.PidTagImportance, (0, 1, 2)),
        (tags.PidTagPriority, (1, 0, -1)),
        (tags.PidTagSensitivity, (0, 1, 2, 3)),
    ],
)
async def test_what_the_sender_thinks_of_it(client: Client, tag: int, values: tuple[int, ...]) -> None:
    for value in values:
        await round_trip(client, {tag: value})


@pytest.mark.spec("MS-OXCMSG_R2008", "MS-OXCMSG_R2009", "MS-OXCMSG_R2010", "MS-OXCMSG_R2011", "MS-OXCMSG_R2012")
@pytest.mark.spec("MS-OXCMSG_R2013", "MS-OXCMSG_R2014", "MS-OXCMSG_R2015", "MS-OXCMSG_R2016", "MS-OXCMSG_R2017")
@pytest.mark.spec("MS-OXCMSG_R2018", "MS-OXCMSG_R1654", "MS-OXCMSG_R1655")
async def test_side_effects_and_aging(client: Client) -> None:
    effects = await named(client, PropertyName(COMMON, lid=0x8510), PropertyType.INTEGER32)
    dont_age = await named(client, PropertyName(COMMON, lid=0x850E), PropertyType.BOOLEAN)
    for bit in (0x01, 0x08, 0x10, 0x20, 0x40, 0x100, 0x400, 0x800, 0x1000, 0x2000, 0x4000):
        await round_trip(client, {effects: bit, dont_age: bool(bit & 0x55)})


@pytest.mark.spec("MS-OXCMSG_R1797", "MS-OXCMSG_R1214", "MS-OXCMSG_R2076", "MS-OXCMSG_R2077")
async def test_values_of_the_message_itself(client: Client) -> None:
    await round_trip(
        client,
        {
            tags.PidTagAlternateRecipientAllowed: True,
            tags.PidTagPurportedSenderDomain: "bm.lan",
            tags.PidTagBodyContentLocation: "http://bm.lan/body",
            tags.PidTagInternetMessageId: "<1@bm.lan>",
        },
    )
    await round_trip(client, {tags.PidTagBodyContentLocation: "body/1", tags.PidTagAlternateRecipientAllowed: False})


@pytest.mark.spec("MS-OXCMSG_R1208", "MS-OXCMSG_R1210", "MS-OXCMSG_R2038", "MS-OXCMSG_R218102")
async def test_values_under_names_of_strings(client: Client) -> None:
    values = {}
    for name, value in (
        ("content-base", "http://bm.lan/"),
        ("accept-language", "en-US"),
        ("content-type", "application/ms-tnef"),
        ("msip_labels", "MSIP_Label_1_Enabled=True;"),
    ):
        values[await named(client, PropertyName(PS_INTERNET_HEADERS, name=name), PropertyType.STRING)] = value
    await round_trip(client, values)


@pytest.mark.spec("MS-OXCMSG_R1204", "MS-OXCMSG_R1799")
async def test_messages_support_named_properties(client: Client) -> None:
    keywords = await named(client, PropertyName(PUBLIC_STRINGS, name="Keywords"), PropertyType.MULTIPLE_STRING)
    slot = await create(client)
    assert await cell(client, slot, tags.PidTagHasNamedProperties) is False
    await set_values(client, slot, {keywords: ["red", "blue"]})
    assert await cell(client, slot, tags.PidTagHasNamedProperties) is True
    opened = await open_message(client, await save(client, slot))
    assert await client.properties(opened, tags.PidTagHasNamedProperties, keywords) == [True, ["red", "blue"]]


# Subject


@pytest.mark.spec("MS-OXCMSG_R1238", "MS-OXCMSG_R58", "MS-OXCMSG_R64", "MS-OXCMSG_R1801", "MS-OXCMSG_R1802")
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"Subject": "Hello"}, ("Hello", "", "Hello")),
        ({"Subject": "RE: Hello"}, ("RE: Hello", "RE: ", "Hello")),
        ({"Subject": "12: Hello"}, ("12: Hello", "", "12: Hello")),
        ({"Subject": "Antwort: Hello"}, ("Antwort: Hello", "", "Antwort: Hello")),
        ({"Subject": "Antwort: Hello", "SubjectPrefix": "Antwort: "}, ("Antwort: Hello", "Antwort: ", "Hello")),
        ({"Subject": "Hello", "SubjectPrefix": ""}, ("Hello", "", "Hello")),
        ({"Subject": "RE: Hello", "NormalizedSubject": "Hello"}, ("RE: Hello", "RE: ", "Hello")),
        ({"Subject": "RE: Hello", "NormalizedSubject": "RE: Hello"}, ("RE: Hello", "", "RE: Hello")),
        ({"SubjectPrefix": "FW: ", "NormalizedSubject": "Hello"}, ("FW: Hello", "FW: ", "Hello")),
        ({"NormalizedSubject": "Hello"}, ("Hello", "", "Hello")),
        ({"SubjectPrefix": "FW: "}, ("FW: ", "FW: ", "")),
        (
            {"Subject": "odd", "SubjectPrefix": "RE: ", "NormalizedSubject": "Hello"},
            ("odd", "RE: ", "Hello"),  # what a client writes is kept
        ),
    ],
)
async def test_the_parts_of_a_subject(client: Client, written: dict[str, str], expected: tuple[str, ...]) -> None:
    values = {getattr(tags, f"PidTag{name}"): value for name, value in written.items()}
    slot = await create(client, values)
    columns = (tags.PidTagSubject, tags.PidTagSubjectPrefix, tags.PidTagNormalizedSubject)
    assert tuple(await client.properties(slot, *columns)) == expected
    opened = await open_message(client, await save(client, slot))
    assert tuple(await client.properties(opened, *columns)) == expected


async def test_a_subject_is_changed_part_by_part(client: Client) -> None:
    slot = await create(client, {tags.PidTagSubject: "RE: Hello"})
    columns = (tags.PidTagSubject, tags.PidTagSubjectPrefix, tags.PidTagNormalizedSubject)
    await set_values(client, slot, {tags.PidTagSubjectPrefix: "FW: "})
    assert await client.properties(slot, *columns) == ["FW: Hello", "FW: ", "Hello"]
    await set_values(client, slot, {tags.PidTagNormalizedSubject: "World"})
    assert await client.properties(slot, *columns) == ["FW: World", "FW: ", "World"]
    await set_values(client, slot, {tags.PidTagSubject: "Done"})
    assert await client.properties(slot, *columns) == ["Done", "", "Done"]


# Read-only properties


@pytest.mark.spec("MS-OXCMSG_R1724", "MS-OXCMSG_R15", "MS-OXCMSG_R47")
async def test_what_clients_cannot_set_on_a_message(client: Client) -> None:
    slot = await create(client, {tags.PidTagSubject: "x"})
    await save(client, slot)
    wanted = {
        tags.PidTagAccess: 99,
        tags.PidTagChangeKey: b"x" * 22,
        tags.PidTagCreationTime: 1,
        tags.PidTagLastModificationTime: 1,
        tags.PidTagLastModifierName: "Eve",
        tags.PidTagObjectType: 99,
        tags.PidTagRecordKey: b"x",
        tags.PidTagSearchKey: b"x" * 16,
        tags.PidTagHasAttachments: True,
        tags.PidTagMessageSize: 1,
        tags.PidTagDisplayTo: "Eve",
        tags.PidTagCreatorEntryId: b"x",
    }
    before = await client.properties(slot, *wanted)
    problems = await set_values(client, slot, wanted)
    assert [(item.property_tag, item.error_code) for item in problems] == [
        (tag, ErrorCode.ComputedValue) for tag in wanted
    ]
    assert await client.properties(slot, *wanted) == before
    deleted = await client.value("DeleteProperties", slot, property_tags=list(wanted))
    assert {item.error_code for item in deleted.property_problems} == {ErrorCode.ComputedValue}
    assert await client.properties(slot, *wanted) == before


async def test_what_a_first_save_may_bring(client: Client) -> None:
    """Outlook's uploads name creation time, search key and last modifier, and want them back."""
    values = {
        tags.PidTagCreationTime: 131_000_000_000_000_000,
        tags.PidTagSearchKey: b"k" * 16,
        tags.PidTagLastModifierName: "ann@bm.lan",
    }
    await round_trip(client, values)


@pytest.mark.spec("MS-OXCMSG_R1644", "MS-OXCMSG_R1869", "MS-OXCMSG_R1883", "MS-OXCMSG_R1884")
@pytest.mark.parametrize(
    "wanted",
    [
        {tags.PidTagMessageSize: 1},
        {tags.PidTagAccess: 99},
        {tags.PidTagAccessLevel: 99},
        {tags.PidTagObjectType: 99},
        {tags.PidTagRecordKey: b"x"},
        {tags.PidTagMessageStatus: 0x0800},
        {tags.PidTagHasAttachments: True},
    ],
)
async def test_a_save_fails_after_an_attempt_on_read_only_properties(client: Client, wanted: dict[int, Any]) -> None:
    slot = await create(client, {tags.PidTagSubject: "x"})
    message_id = await save(client, slot)
    await set_values(client, slot, {**wanted, tags.PidTagSubject: "y"})
    code = await client.error("SaveChangesMessage", slot, save_flags=KEEP_OPEN_READ_WRITE)
    assert code == ErrorCode.GeneralFailure
    assert await cell(client, await open_message(client, message_id), tags.PidTagSubject) == "x"


@pytest.mark.spec("MS-OXCMSG_R1870", "MS-OXCMSG_R1871", "MS-OXCMSG_R1872", "MS-OXCMSG_R1873", "MS-OXCMSG_R1874")
@pytest.mark.spec("MS-OXCMSG_R1875", "MS-OXCMSG_R1876", "MS-OXCMSG_R1877", "MS-OXCMSG_R1878", "MS-OXCMSG_R1879")
@pytest.mark.spec("MS-OXCMSG_R1880", "MS-OXCMSG_R1881", "MS-OXCMSG_R1882")
@pytest.mark.parametrize(
    "flag",
    [0x01, 0x08, 0x80, 0x02, 0x04, 0x10, 0x20, 0x40, 0x100, 0x200, 0x400, 0x2000, 0x8000],
)
async def test_a_save_fails_after_an_attempt_on_the_flags(client: Client, flag: int) -> None:
    slot = await create(client)
    message_id = await save(client, slot)
    flags = await cell(client, slot, tags.PidTagMessageFlags)
    assert await set_values(client, slot, {tags.PidTagMessageFlags: flags ^ flag})
    for save_flags in (KEEP_OPEN_READ_WRITE, FORCE_SAVE):
        assert await client.error("SaveChangesMessage", slot, save_flags=save_flags) == ErrorCode.GeneralFailure
    opened = await open_message(client, message_id)
    assert await cell(client, opened, tags.PidTagMessageFlags) == flags


async def test_repeating_what_a_read_only_property_is_does_no_harm(client: Client) -> None:
    slot = await create(client)
    await save(client, slot)
    tag = tags.PidTagMessageFlags
    (problem,) = await set_values(client, slot, {tag: await cell(client, slot, tag)})
    assert problem.error_code == ErrorCode.ComputedValue
    await set_values(client, slot, {tags.PidTagSubject: "y"})
    await save(client, slot)


async def test_types_that_the_server_cannot_use(client: Client) -> None:
    slot = await create(client)
    (problem,) = await set_values(client, slot, {tags.PidTagImportance & ~0xFFFF | PropertyType.STRING: "high"})
    assert problem.error_code == ErrorCode.UnexpectedType
    assert await cell(client, slot, tags.PidTagImportance) == 1
    other = 0x6001001F
    await set_values(client, slot, {other: "text"})
    await set_values(client, slot, {other & ~0xFFFF | PropertyType.INTEGER32: 5})
    opened = await open_message(client, await save(client, slot))
    assert await client.properties(opened, 0x60010003, other) == [5, ErrorCode.NotFound]


# Bodies


@pytest.mark.spec("MS-OXCMSG_R1714", "MS-OXCMSG_R2058", "MS-OXCMSG_R2059", "MS-OXCMSG_R2060", "MS-OXCMSG_R2061")
@pytest.mark.spec("MS-OXCMSG_R2082", "MS-OXCMSG_R2068")
@pytest.mark.parametrize(
    ("values", "native"),
    [
        ({}, 0),
        ({tags.PidTagBody: "text"}, 1),
        ({tags.PidTagRtfCompressed: b"RTF", tags.PidTagRtfInSync: True}, 2),
        ({tags.PidTagHtml: b"<p>text</p>"}, 3),
    ],
)
async def test_the_best_body(client: Client, values: dict[int, Any], native: int) -> None:
    if tags.PidTagRtfCompressed in values:
        rtf = b"{\\rtf1 text}"
        values = {
            **values,
            tags.PidTagRtfCompressed: struct.pack("<IIII", len(rtf) + 12, len(rtf), 0x414C454D, 0) + rtf,
        }
    opened = await open_message(client, await saved(client, values))
    assert await client.properties(opened, tags.PidTagNativeBody, *values) == [native, *values.values()]


# Retention


RETENTION = {
    tags.PidTagArchiveTag: b"a" * 16,
    tags.PidTagPolicyTag: b"p" * 16,
    tags.PidTagRetentionPeriod: 30,
    tags.PidTagArchivePeriod: 60,
}


@pytest.mark.spec("MS-OXCMSG_R2194", "MS-OXCMSG_R2113", "MS-OXCMSG_R2119", "MS-OXCMSG_R2149", "MS-OXCMSG_R2165")
@pytest.mark.spec("MS-OXCMSG_R2131")
async def test_retention_of_a_message(client: Client) -> None:
    start = struct.pack("<IQ", 30, 131_000_000_000_000_000)
    await round_trip(
        client,
        {
            **RETENTION,
            tags.PidTagRetentionFlags: 0x40,
            tags.PidTagStartDateEtc: start,
            tags.PidTagRetentionDate: 131_000_000_000_000_000,
            tags.PidTagArchiveDate: 131_000_000_000_000_000,
        },
    )


@pytest.mark.spec("MS-OXCMSG_R2195", "MS-OXCMSG_R2114", "MS-OXCMSG_R2120", "MS-OXCMSG_R2150", "MS-OXCMSG_R2166")
@pytest.mark.spec("MS-OXCMSG_R2133", "MS-OXCMSG_R2136", "MS-OXCMSG_R2174")
async def test_retention_of_a_folder(client: Client) -> None:
    folder = await open_folder(client, "drafts")
    values = {**RETENTION, tags.PidTagRetentionFlags: 0x09}
    assert await set_values(client, folder, values) == []
    again = await open_folder(client, "drafts")
    assert await client.properties(again, *values) == list(values.values())
    absent = (tags.PidTagStartDateEtc, tags.PidTagRetentionDate, tags.PidTagArchiveDate)
    assert await client.properties(again, *absent) == [ErrorCode.NotFound] * 3


@pytest.mark.spec("MS-OXCMSG_R2154", "MS-OXCMSG_R2155", "MS-OXCMSG_R2156", "MS-OXCMSG_R2157", "MS-OXCMSG_R2158")
@pytest.mark.spec("MS-OXCMSG_R2159", "MS-OXCMSG_R2160", "MS-OXCMSG_R1909", "MS-OXCMSG_R1911")
@pytest.mark.parametrize("flag", [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x100])
async def test_retention_flags(client: Client, flag: int) -> None:
    await round_trip(client, {tags.PidTagRetentionFlags: flag})
    folder = await open_folder(client, "drafts")
    await set_values(client, folder, {tags.PidTagRetentionFlags: flag})
    assert await cell(client, folder, tags.PidTagRetentionFlags) == flag


# Attachments and recipients


@pytest.mark.spec("MS-OXCMSG_R498")
async def test_attachments_are_announced_while_there_is_one(client: Client) -> None:
    slot = await create(client)
    assert await cell(client, slot, tags.PidTagHasAttachments) is False
    number = await attach(client, slot)
    assert await cell(client, slot, tags.PidTagHasAttachments) is True
    message_id = await save(client, slot)
    assert await cell(client, await open_message(client, message_id), tags.PidTagHasAttachments) is True
    await client.value("DeleteAttachment", slot, attachment_id=number)
    await save(client, slot)
    assert await cell(client, await open_message(client, message_id), tags.PidTagHasAttachments) is False


@pytest.mark.spec("MS-OXCMSG_R592", "MS-OXCMSG_R594", "MS-OXCMSG_R59801", "MS-OXCMSG_R59802", "MS-OXCMSG_R953")
@pytest.mark.spec("MS-OXCMSG_R954", "MS-OXCMSG_R955", "MS-OXCMSG_R2031", "MS-OXCMSG_R2032", "MS-OXCMSG_R2033")
@pytest.mark.spec("MS-OXCMSG_R963", "MS-OXCMSG_R964", "MS-OXCMSG_R965", "MS-OXCMSG_R967", "MS-OXCMSG_R1284")
@pytest.mark.spec("MS-OXCMSG_R1286", "MS-OXCMSG_R128002", "MS-OXCMSG_R128003", "MS-OXCMSG_R128004")
@pytest.mark.spec("MS-OXCMSG_R128005", "MS-OXCMSG_R128006", "MS-OXCMSG_R128009", "MS-OXCMSG_R128010")
@pytest.mark.spec("MS-OXCMSG_R128011", "MS-OXCMSG_R128012", "MS-OXCMSG_R128013", "MS-OXCMSG_R128014")
@pytest.mark.spec("MS-OXCMSG_R128017", "MS-OXCMSG_R128018", "MS-OXCMSG_R128019", "MS-OXCMSG_R128020")
@pytest.mark.spec("MS-OXCMSG_R128021", "MS-OXCMSG_R128022")
async def test_properties_of_attachments(client: Client) -> None:
    provider = await named(client, PropertyName(ATTACHMENT, name="AttachmentProviderType"), PropertyType.STRING)
    original = await named(
        client, PropertyName(ATTACHMENT, name="AttachmentOriginalPermissionType"), PropertyType.INTEGER32
    )
    permission = await named(client, PropertyName(ATTACHMENT, name="AttachmentPermissionType"), PropertyType.INTEGER32)
    method, path = tags.PidTagAttachMethod, tags.PidTagAttachLongPathname
    cases: list[dict[int, Any]] = [
        {method: 2, path: r"\\server\share\a.txt"},
        {method: 4, path: r"\\server\share\a.txt"},
        {method: 7, path: "https://bm.lan/a.txt", provider: "OneDrivePro", original: 0, permission: 0},
        {method: 7, path: "https://bm.lan/a.txt", provider: "OneDriveConsumer", original: 1, permission: 1},
        {method: 7, path: "https://bm.lan/a.txt", provider: "OneDrivePro", original: 2, permission: 2},
        {tags.PidTagAttachTag: bytes.fromhex("2A864886F714030A01")},
        {tags.PidTagAttachTag: bytes.fromhex("2A864886F714030A030201")},
        {tags.PidTagAttachTag: bytes.fromhex("2A864886F714030A04")},
        {tags.PidTagAttachFlags: 0x01},
        {tags.PidTagAttachFlags: 0x02},
        {tags.PidTagAttachFlags: 0x04},
        {
            tags.PidTagAttachMimeTag: "text/plain",
            tags.PidTagAttachContentId: "1@bm.lan",
            tags.PidTagAttachContentLocation: "images/a.png",
            tags.PidTagAttachContentBase: "http://bm.lan/",
            tags.PidTagAttachPayloadClass: "Class",
            tags.PidTagAttachPayloadProviderGuidString: "{0}",
        },
    ]
    slot = await create(client)
    attached = [await attach(client, slot, values) for values in cases]
    opened = await open_message(client, await save(client, slot), READ_ONLY)
    for number, values in zip(attached, cases, strict=True):
        attachment = await open_attachment(client, opened, number, READ_ONLY)
        assert await client.properties(attachment, *values) == list(values.values())


async def test_a_hidden_attachment_does_not_show(client: Client) -> None:
    slot = await create(client)
    await attach(client, slot, {tags.PidTagAttachmentHidden: True})
    assert await cell(client, slot, tags.PidTagHasAttachments) is False
    await attach(client, slot)
    assert await cell(client, slot, tags.PidTagHasAttachments) is True


async def test_names_of_recipients_in_their_order(client: Client) -> None:
    slot = await create(client)
    await modify_recipients(client, slot, {0: smtp("Anna"), 1: smtp("Tom")})
    await modify_recipients(client, slot, {2: smtp("Eve")}, kind=3)
    cells = await client.properties(slot, tags.PidTagDisplayTo, tags.PidTagDisplayCc, tags.PidTagDisplayBcc)
    assert cells == ["Anna; Tom", "", "Eve"]


@pytest.mark.spec("MS-OXCMSG_R1605")
@pytest.mark.parametrize(
    "restriction",
    [
        PropertyRestriction(4, tags.PidTagMessageClass, (tags.PidTagMessageClass, "ipm.TASK")),
        ContentRestriction(0x0002, 0x0000, tags.PidTagMessageClass, (tags.PidTagMessageClass, "IPM.task")),
    ],
)
async def test_message_classes_are_equal_whatever_their_case(client: Client, restriction: Any) -> None:
    await saved(client, {tags.PidTagMessageClass: "IPM.Task"})
    await saved(client, {tags.PidTagMessageClass: "IPM.Note"})
    folder = await open_folder(client, "drafts")
    await client.value("GetContentsTable", folder, table_flags=0)
    table = client.last
    columns = [tags.PidTagMessageClass]
    await client.value("SetColumns", table, set_columns_flags=0, property_tags=columns)
    await client.value("Restrict", table, restrict_flags=0, restriction_data=restriction)
    found = await client.value("QueryRows", table, columns, query_rows_flags=0, forward_read=True, row_count=10)
    assert found.row_data == [["IPM.Task"]]
