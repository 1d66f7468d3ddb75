"""Attachments and embedded messages of an open message (MS-OXCMSG 3.2.5.12 to 3.2.5.17)."""

from typing import Any

import pytest

from mapigw.emsmdb import attachment as attachment_rops
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from tests.emsmdb.client import Client
from tests.emsmdb.delegates import ANN, grant, log_on_as
from tests.emsmdb.messages import (
    BEST_ACCESS,
    LOGON_CODE_PAGE,
    READ_ONLY,
    READ_WRITE,
    attach,
    cell,
    create,
    create_attachment,
    modify_recipients,
    open_attachment,
    open_embedded,
    open_message,
    save,
    saved,
    set_values,
    smtp,
    stored,
)

CREATE = 0x02
KEEP = 0x02


async def rows(client: Client, slot: int, *columns: int, flags: int = 0x40) -> list[list[Any]]:
    """The attachment table of an open message."""
    await client.value("GetAttachmentTable", slot, table_flags=flags)
    await client.value("SetColumns", client.last, set_columns_flags=0, property_tags=list(columns))
    value = await client.value("QueryRows", client.last, columns, query_rows_flags=0, forward_read=True, row_count=100)
    return [] if not value.row_count else list(value.row_data)


async def numbers(client: Client, slot: int) -> list[int]:
    return [row[0] for row in await rows(client, slot, tags.PidTagAttachNumber)]


# Creating, saving, deleting


@pytest.mark.spec("MS-OXCMSG_R861", "MS-OXCMSG_R446", "MS-OXCMSG_R448", "MS-OXCMSG_R875")
async def test_an_attachment_is_part_of_the_message_when_it_is_saved(client: Client) -> None:
    slot = await create(client)
    attachment, number = await create_attachment(client, slot)
    assert (number, await cell(client, attachment, tags.PidTagAttachNumber)) == (0, 0)
    assert await numbers(client, slot) == []
    assert await cell(client, slot, tags.PidTagHasAttachments) is False
    await client.value("SaveChangesAttachment", attachment, save_flags=0)
    assert await numbers(client, slot) == [0]
    assert await cell(client, slot, tags.PidTagHasAttachments) is True
    _other, number = await create_attachment(client, slot)
    assert number == 1


@pytest.mark.spec("MS-OXCMSG_R451", "MS-OXCMSG_R2035", "MS-OXCMSG_R1649", "MS-OXCMSG_R1650", "MS-OXCMSG_R1651")
@pytest.mark.spec("MS-OXCMSG_R588", "MS-OXCMSG_R1921")
async def test_what_a_new_attachment_has(client: Client) -> None:
    slot = await create(client)
    created = await cell(client, slot, tags.PidTagCreationTime)
    attachment, _number = await create_attachment(client, slot)
    expected = {
        tags.PidTagAttachMethod: 0,
        tags.PidTagAttachSize: 0,
        tags.PidTagAccessLevel: 0,
        tags.PidTagRenderingPosition: -1,
        tags.PidTagObjectType: ErrorCode.NotFound,
    }
    assert await client.properties(attachment, *expected) == list(expected.values())
    times = await client.properties(attachment, tags.PidTagCreationTime, tags.PidTagLastModificationTime)
    assert times[0] == times[1]
    assert 0 <= times[0] - created < 10_000_000


@pytest.mark.spec("MS-OXCMSG_R1062")
async def test_an_attachment_is_on_disk_when_the_message_is_saved(client: Client) -> None:
    message_id = await saved(client)
    slot = await open_message(client, message_id)
    await attach(client, slot, {tags.PidTagAttachLongFilename: "a.txt"})
    before = await stored(client, message_id)
    assert not before.has_attachments
    assert await numbers(client, await open_message(client, message_id)) == []
    await save(client, slot)
    assert (await stored(client, message_id)).has_attachments
    assert await numbers(client, await open_message(client, message_id)) == [0]


@pytest.mark.spec("MS-OXCMSG_R868", "MS-OXCMSG_R469", "MS-OXCMSG_R1523", "MS-OXCMSG_R1063")
async def test_an_attachment_is_deleted_from_this_handle_s_message(client: Client) -> None:
    slot = await create(client)
    await attach(client, slot)
    message_id = await save(client, slot)
    assert await client.error("DeleteAttachment", slot, attachment_id=1) == ErrorCode.NotFound
    await client.value("DeleteAttachment", slot, attachment_id=0)
    cells = await client.properties(slot, tags.PidTagHasAttachments, tags.PidTagMessageFlags)
    assert (cells[0], cells[1] & 0x10) == (False, 0)
    assert await client.error("DeleteAttachment", slot, attachment_id=0) == ErrorCode.NotFound
    assert await numbers(client, await open_message(client, message_id)) == [0]
    await save(client, slot)
    assert await numbers(client, await open_message(client, message_id)) == []
    assert not (await stored(client, message_id)).has_attachments


@pytest.mark.spec("MS-OXCMSG_R1836")
async def test_numbers_stay_and_are_not_used_again(client: Client) -> None:
    slot = await create(client)
    assert [await attach(client, slot) for _ in range(3)] == [0, 1, 2]
    await client.value("DeleteAttachment", slot, attachment_id=1)
    await client.value("DeleteAttachment", slot, attachment_id=2)
    assert await attach(client, slot) == 3
    assert await numbers(client, slot) == [0, 3]
    opened = await open_message(client, await save(client, slot))
    assert await numbers(client, opened) == [0, 3]
    assert await attach(client, opened) == 4
    assert await attach(client, slot) == 4  # another handle


async def test_handles_of_an_attachment_do_not_see_each_other(client: Client) -> None:
    slot = await create(client)
    number = await attach(client, slot, {tags.PidTagAttachLongFilename: "a"})
    one, two = [await open_attachment(client, slot, number) for _ in range(2)]
    await set_values(client, one, {tags.PidTagAttachLongFilename: "one"})
    assert await cell(client, two, tags.PidTagAttachLongFilename) == "a"
    await client.value("SaveChangesAttachment", one, save_flags=KEEP)
    assert await rows(client, slot, tags.PidTagAttachLongFilename) == [["one"]]
    await client.value("DeleteAttachment", slot, attachment_id=number)
    await set_values(client, two, {tags.PidTagAttachLongFilename: "two"})
    assert await client.error("SaveChangesAttachment", two, save_flags=KEEP) == ErrorCode.NotFound
    assert await numbers(client, slot) == []


@pytest.mark.spec("MS-OXCMSG_R466", "MS-OXCMSG_R467")
async def test_what_is_not_saved_as_an_attachment(client: Client) -> None:
    slot = await create(client)
    attachment, _number = await create_attachment(client, slot)
    for flags in (0x03, 0x10, 0xFF):
        assert await client.error("SaveChangesAttachment", attachment, save_flags=flags) == ErrorCode.NotSupported
    assert await numbers(client, slot) == []
    assert await client.error("SaveChangesAttachment", slot, save_flags=0) == ErrorCode.NotSupported
    for flags in (0x00, 0x01, 0x02, 0x04, 0x0A, 0x0C):
        await client.value("SaveChangesAttachment", attachment, save_flags=flags)
    assert await numbers(client, slot) == [0]


async def test_a_message_has_a_limited_number_of_attachments(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachment_rops, "ATTACHMENTS_MAXIMUM", 2)
    slot = await create(client)
    await attach(client, slot)
    await attach(client, slot)
    assert await client.error("CreateAttachment", slot) == ErrorCode.MaxAttachmentExceeded


# Properties


@pytest.mark.spec("MS-OXCMSG_R302", "MS-OXCMSG_R236", "MS-OXCMSG_R590", "MS-OXCMSG_R604")
async def test_the_contents_of_a_file(client: Client) -> None:
    slot = await create(client)
    values = {
        tags.PidTagAttachMethod: 1,
        tags.PidTagAttachDataBinary: b"contents" * 100,
        tags.PidTagAttachLongFilename: "a.txt",
        tags.PidTagAttachFilename: "a.txt",
        tags.PidTagAttachExtension: ".txt",
        tags.PidTagDisplayName: "a.txt",
    }
    number = await attach(client, slot, values)
    opened = await open_message(client, await save(client, slot))
    attachment = await open_attachment(client, opened, number, READ_ONLY)
    assert await client.properties(attachment, *values) == list(values.values())
    assert await cell(client, attachment, tags.PidTagAttachSize) > 800


@pytest.mark.spec("MS-OXCMSG_R1078", "MS-OXCMSG_R231")
async def test_what_clients_cannot_set_on_an_attachment(client: Client) -> None:
    slot = await create(client)
    attachment = await open_attachment(client, slot, await attach(client, slot))
    columns = [
        tags.PidTagAccessLevel,
        tags.PidTagObjectType,
        tags.PidTagRecordKey,
        tags.PidTagAttachSize,
        tags.PidTagAttachNumber,
    ]
    before = await client.properties(attachment, *columns)
    wanted = {tag: b"x" if tag == tags.PidTagRecordKey else 77 for tag in columns}
    problems = await set_values(client, attachment, wanted)
    assert [problem.property_tag for problem in problems] == columns
    assert {problem.error_code for problem in problems} == {ErrorCode.ComputedValue}
    deleted = await client.value("DeleteProperties", attachment, property_tags=columns)
    assert len(deleted.property_problems) == 5
    assert await client.properties(attachment, *columns) == before


@pytest.mark.spec("MS-OXCMSG_R312", "MS-OXCMSG_R905", "MS-OXCMSG_R906", "MS-OXCMSG_R907")
@pytest.mark.parametrize("flags", [0x00, 0x40])
async def test_a_table_of_the_attachments(client: Client, flags: int) -> None:
    slot = await create(client)
    await attach(client, slot, {tags.PidTagAttachLongFilename: "Прa.txt"})
    await attach(client, slot, {tags.PidTagAttachLongFilename: "b.txt"})
    found = await rows(client, slot, tags.PidTagAttachNumber, tags.PidTagAttachLongFilename, flags=flags)
    assert found == [[0, "Прa.txt"], [1, "b.txt"]]


@pytest.mark.parametrize("flags", [0x01, 0x02, 0x80])
async def test_unknown_flags_of_a_table(client: Client, flags: int) -> None:
    slot = await create(client)
    assert await client.error("GetAttachmentTable", slot, table_flags=flags) == ErrorCode.InvalidParameter


@pytest.mark.spec("MS-OXCMSG_R1640")
async def test_valid_attachments_are_not_told_as_on_exchange(client: Client) -> None:
    assert await client.error("GetValidAttachments", await create(client)) == ErrorCode.NotImplemented


# Opening


@pytest.mark.spec("MS-OXCMSG_R918", "MS-OXCMSG_R919", "MS-OXCMSG_R442")
async def test_attachments_are_as_writable_as_their_message(client: Client) -> None:
    slot = await create(client)
    await attach(client, slot, {tags.PidTagAttachLongFilename: "a"})
    message_id = await save(client, slot)
    for mode, level in ((READ_ONLY, 0), (READ_WRITE, 1), (BEST_ACCESS, 1)):
        attachment = await open_attachment(client, slot, 0, mode)
        assert await cell(client, attachment, tags.PidTagAccessLevel) == level
    ann = await log_on_as(client, ANN)
    await grant(client, "drafts", ANN, Rights.ReadAny)
    opened = await open_message(ann, message_id, READ_ONLY)
    code = await ann.error("OpenAttachment", opened, open_attachment_flags=READ_WRITE, attachment_id=0)
    assert code == ErrorCode.AccessDenied
    attachment = await open_attachment(ann, opened, 0, BEST_ACCESS)
    assert await cell(ann, attachment, tags.PidTagAccessLevel) == 0
    values = [(tags.PidTagAttachLongFilename, "b")]
    assert await ann.error("SetProperties", attachment, property_values=values) == ErrorCode.AccessDenied


@pytest.mark.spec("MS-OXCMSG_R1064")
async def test_attachments_are_not_deleted_by_who_may_only_read(client: Client) -> None:
    slot = await create(client)
    await attach(client, slot)
    message_id = await save(client, slot)
    ann = await log_on_as(client, ANN)
    await grant(client, "drafts", ANN, Rights.ReadAny)
    opened = await open_message(ann, message_id, BEST_ACCESS)
    assert await ann.error("DeleteAttachment", opened, attachment_id=0) == ErrorCode.AccessDenied
    assert await ann.error("CreateAttachment", opened) == ErrorCode.AccessDenied


# Embedded messages


@pytest.mark.spec("MS-OXCMSG_R913", "MS-OXCMSG_R912", "MS-OXCMSG_R481")
async def test_a_message_is_embedded_step_by_step(client: Client) -> None:
    slot = await create(client, {tags.PidTagSubject: "outer"})
    attachment, number = await create_attachment(client, slot, {tags.PidTagAttachMethod: 5})
    embedded = await open_embedded(client, attachment, CREATE)
    assert await client.properties(embedded, tags.PidTagMessageClass, tags.PidTagAccessLevel) == ["IPM.Note", 1]
    await set_values(client, embedded, {tags.PidTagSubject: "RE: inner"})
    await modify_recipients(client, embedded, {0: smtp("Anna")})
    fields = {"code_page_id": LOGON_CODE_PAGE, "open_mode_flags": READ_WRITE}
    assert await client.error("OpenEmbeddedMessage", attachment, **fields) == ErrorCode.NotFound  # nothing is saved
    value = await client.value("SaveChangesMessage", embedded, save_flags=KEEP)
    assert (value.message_id.replica_id, value.message_id.counter) == (0, 0)
    again = await open_embedded(client, attachment)
    assert await cell(client, again, tags.PidTagSubject) == "RE: inner"
    assert await numbers(client, slot) == []
    await client.value("SaveChangesAttachment", attachment, save_flags=KEEP)
    opened = await open_message(client, await save(client, slot))
    attachment = await open_attachment(client, opened, number)
    assert await cell(client, attachment, tags.PidTagAttachMethod) == 5
    told = await client.value("OpenEmbeddedMessage", attachment, code_page_id=LOGON_CODE_PAGE, open_mode_flags=0)
    assert (told.subject_prefix, told.normalized_subject, told.recipient_count) == ("RE: ", "inner", 1)
    assert await cell(client, client.last, tags.PidTagDisplayTo) == "Anna"


@pytest.mark.spec("MS-OXCMSG_R3013")
async def test_an_embedded_message_is_as_writable_as_its_attachment(client: Client) -> None:
    """Exchange 2010 and later open it for reading and writing even when asked for reading only."""
    slot = await create(client)
    attachment, number = await create_attachment(client, slot)
    embedded = await open_embedded(client, attachment, CREATE)
    await client.value("SaveChangesMessage", embedded, save_flags=KEEP)
    await client.value("SaveChangesAttachment", attachment, save_flags=KEEP)
    message_id = await save(client, slot)
    embedded = await open_embedded(client, await open_attachment(client, slot, number), READ_ONLY)
    assert await cell(client, embedded, tags.PidTagAccessLevel) == 1
    await set_values(client, embedded, {tags.PidTagSubject: "x"})
    opened = await open_message(client, message_id, READ_ONLY)
    embedded = await open_embedded(client, await open_attachment(client, opened, number, BEST_ACCESS), READ_WRITE)
    assert await cell(client, embedded, tags.PidTagAccessLevel) == 0
    values = [(tags.PidTagSubject, "y")]
    assert await client.error("SetProperties", embedded, property_values=values) == ErrorCode.AccessDenied


@pytest.mark.spec("MS-OXCMSG_R1066")
async def test_nothing_is_embedded_by_who_may_only_read(client: Client) -> None:
    slot = await create(client)
    number = await attach(client, slot)
    message_id = await save(client, slot)
    opened = await open_message(client, message_id, READ_ONLY)
    attachment = await open_attachment(client, opened, number, READ_ONLY)
    fields = {"code_page_id": LOGON_CODE_PAGE, "open_mode_flags": CREATE}
    assert await client.error("OpenEmbeddedMessage", attachment, **fields) == ErrorCode.AccessDenied


async def test_changing_an_embedded_message_that_is_stored(client: Client) -> None:
    slot = await create(client)
    attachment, number = await create_attachment(client, slot)
    embedded = await open_embedded(client, attachment, CREATE)
    await set_values(client, embedded, {tags.PidTagSubject: "x", tags.PidTagTransportMessageHeaders: "h" * 10_000})
    await client.value("SaveChangesMessage", embedded, save_flags=KEEP)
    await client.value("SaveChangesAttachment", attachment, save_flags=KEEP)
    message_id = await save(client, slot)
    opened = await open_message(client, message_id)
    attachment = await open_attachment(client, opened, number)
    embedded = await open_embedded(client, attachment)
    await set_values(client, embedded, {tags.PidTagSubject: "y"})
    await client.value("SaveChangesMessage", embedded, save_flags=KEEP)
    unsaved = await open_message(client, message_id)
    inner = await open_embedded(client, await open_attachment(client, unsaved, number))
    assert await cell(client, inner, tags.PidTagSubject) == "x"
    await client.value("SaveChangesAttachment", attachment, save_flags=KEEP)
    await save(client, opened)
    changed = await open_message(client, message_id)
    inner = await open_embedded(client, await open_attachment(client, changed, number))
    cells = await client.properties(inner, tags.PidTagSubject, tags.PidTagTransportMessageHeaders)
    assert cells == ["y", "h" * 10_000]


async def test_messages_are_embedded_in_embedded_messages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachment_rops, "DEPTH_MAXIMUM", 3)
    slot = await create(client, {tags.PidTagSubject: "0"})
    chain = []
    outer = slot
    for depth in range(1, 4):
        attachment, _number = await create_attachment(client, outer)
        embedded = await open_embedded(client, attachment, CREATE)
        await set_values(client, embedded, {tags.PidTagSubject: str(depth)})
        chain.append((attachment, embedded))
        outer = embedded
    attachment, _number = await create_attachment(client, outer)
    fields = {"code_page_id": LOGON_CODE_PAGE, "open_mode_flags": CREATE}
    assert await client.error("OpenEmbeddedMessage", attachment, **fields) == ErrorCode.TooBig
    for attachment, embedded in reversed(chain):
        await client.value("SaveChangesMessage", embedded, save_flags=KEEP)
        await client.value("SaveChangesAttachment", attachment, save_flags=KEEP)
    current = await open_message(client, await save(client, slot), READ_ONLY)
    for depth in range(1, 4):
        current = await open_embedded(client, await open_attachment(client, current, 0, READ_ONLY), READ_ONLY)
        assert await cell(client, current, tags.PidTagSubject) == str(depth)
    keys = set()
    for attachment, _embedded in chain:
        keys.add(await cell(client, attachment, tags.PidTagRecordKey))
    assert len(keys) == 3


async def test_the_deepest_message_a_client_can_embed_is_saved_and_read(client: Client) -> None:
    slot = await create(client)
    chain = []
    outer = slot
    for _depth in range(attachment_rops.DEPTH_MAXIMUM):
        attachment, _number = await create_attachment(client, outer)
        outer = await open_embedded(client, attachment, CREATE)
        chain.append((attachment, outer))
    for attachment, embedded in reversed(chain):
        await client.value("SaveChangesMessage", embedded, save_flags=KEEP)
        await client.value("SaveChangesAttachment", attachment, save_flags=KEEP)
    opened = await open_message(client, await save(client, slot), READ_ONLY)
    assert await numbers(client, opened) == [0]
