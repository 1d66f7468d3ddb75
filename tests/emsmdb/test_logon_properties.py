"""The properties of a store: what it computes, what clients set, and where it is kept."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from mapigw.directory.model import User
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.store_properties import MAXIMUM_SIZE, change_store_properties
from mapigw.store.folders import update_folder
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import address_book_entry_id, folder_entry_id
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import PropertyName
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.logons import new_client

READ_ONLY: dict[int, Any] = {
    tags.PidTagExtendedRuleSizeLimit: 0x18000,
    tags.PidTagMaximumSubmitMessageSize: 153_600,
    tags.PidTagProhibitReceiveQuota: -1,
    tags.PidTagProhibitSendQuota: -1,
    tags.PidTagStoreState: 0,
    tags.PidTagContentCount: 0,
    tags.PidTagMailboxOwnerName: "Tom",
    tags.PidTagMessageSize: 0,
    tags.PidTagMessageSizeExtended: 0,
    tags.PidTagCodePageId: 1252,
}
"""Section 2.2.2.1.1, without what depends on the mailbox; the types are those of the tags."""

SERVER_ID = bytes.fromhex("01") + ObjectId(1, 7).to_bytes() + bytes(12)


async def set_on_store(client: Client, *values: tuple[int, Any]) -> dict[int, int]:
    """The problems of RopSetProperties."""
    value = await client.value("SetProperties", property_values=list(values))
    assert all(item.property_tag == values[item.index][0] for item in value.property_problems)
    return {item.property_tag: item.error_code for item in value.property_problems}


async def delete_on_store(client: Client, *columns: int) -> dict[int, int]:
    """The problems of RopDeleteProperties."""
    value = await client.value("DeleteProperties", property_tags=list(columns))
    return {item.property_tag: item.error_code for item in value.property_problems}


async def everything(client: Client) -> dict[int, Any]:
    return dict((await client.value("GetPropertiesAll", property_size_limit=0, want_unicode=1)).property_values)


# Read-only properties


@pytest.mark.spec("MS-OXCSTOR_R667", "MS-OXCSTOR_R657", "MS-OXCSTOR_R651", "MS-OXCSTOR_R4003004")
@pytest.mark.spec("MS-OXCSTOR_R655", "MS-OXCSTOR_R3071", "MS-OXCSTOR_R3072", "MS-OXCSTOR_R3067")
async def test_the_store_has_what_outlook_reads_and_no_more(mailboxes: Mailboxes, user: User) -> None:
    client = new_client(mailboxes, user, default_code_page=1251, lcid_sort=0x419, lcid_string=0x407)
    await client.log_on()
    row = await client.properties(
        LOGON,
        tags.PidTagMailboxOwnerName,
        tags.PidTagDisplayName,
        tags.PidTagCodePageId,
        tags.PidTagSortLocaleId,
        tags.PidTagLocaleId,
        tags.PidTagOutOfOfficeState,
        tags.PidTagContentCount,
        tags.PidTagStoreRecordKey,
    )
    assert row == ["Tom", "Tom", 1251, 0x419, 0x407, False, 0, user.mailbox_guid.bytes_le]
    # Like Exchange: no server type name, icons, archive, PST size.
    absent = (0x341D001F, 0x341E0102, 0x341F0102, 0x346F0003, 0x0EA00048)
    assert await client.properties(LOGON, *absent) == [ErrorCode.NotFound] * 5


@pytest.mark.spec(
    "MS-OXCSTOR_R3055",
    "MS-OXCSTOR_R3056",
    "MS-OXCSTOR_R3057",
    "MS-OXCSTOR_R3058",
    "MS-OXCSTOR_R3059",
    "MS-OXCSTOR_R3061",
    "MS-OXCSTOR_R3062",
    "MS-OXCSTOR_R3063",
    "MS-OXCSTOR_R3064",
    "MS-OXCSTOR_R3065",
    "MS-OXCSTOR_R3066",
    "MS-OXCSTOR_R3077",
    "MS-OXCSTOR_R3093",
    "MS-OXCSTOR_R59732",
    "MS-OXCSTOR_R59737",
    "MS-OXCSTOR_R656",
    "MS-OXCSTOR_R664",
    "MS-OXCSTOR_R647",
    "MS-OXCSTOR_R649",
)
async def test_the_read_only_properties(client: Client, user: User) -> None:
    own = address_book_entry_id(user.legacy_dn)
    expected = READ_ONLY | {tags.PidTagUserEntryId: own, tags.PidTagMailboxOwnerEntryId: own}
    assert await client.properties(LOGON, *expected) == list(expected.values())
    found = await everything(client)
    assert expected.items() <= found.items(), "under these tags, so with these types"
    listed = (await client.value("GetPropertiesList")).property_tags
    assert set(listed) == set(found)


@pytest.mark.spec(
    "MS-OXCSTOR_R3055001",
    "MS-OXCSTOR_R3055002",
    "MS-OXCSTOR_R3055003",
    "MS-OXCSTOR_R3055004",
    "MS-OXCSTOR_R3055005",
    "MS-OXCSTOR_R3055006",
    "MS-OXCSTOR_R3055007",
    "MS-OXCSTOR_R3055008",
    "MS-OXCSTOR_R3055009",
    "MS-OXCSTOR_R3055010",
    "MS-OXCSTOR_R3055011",
    "MS-OXCSTOR_R3055012",
    "MS-OXCSTOR_R3093001",
    "MS-OXCPRPT_R47506",
)
async def test_what_the_store_computes_cannot_be_set(client: Client) -> None:
    """Not under another type either; what else is in the request is set."""
    wanted = [
        *((tag, 1) for tag in READ_ONLY if tag & 0xFFFF in {0x03, 0x14}),
        (tags.PidTagUserEntryId, b"x"),
        (tags.PidTagMailboxOwnerEntryId, b"x"),
        (tags.PidTagSerializedReplidGuidMap, bytes(18)),
        (tags.PidTagMailboxOwnerName & ~0xFFFF | 0x1E, b"me"),
        (tags.PidTagMailboxOwnerName & ~0xFFFF | 0x03, 1),
        (tags.PidTagLocaleId, 0x40C),
    ]
    before = await everything(client)
    problems = await set_on_store(client, *wanted)
    assert problems == {tag: ErrorCode.ComputedValue for tag, _ in wanted[:-1]}
    assert await everything(client) == {**before, tags.PidTagLocaleId: 0x40C}
    problems = await delete_on_store(client, *READ_ONLY)
    assert problems == dict.fromkeys(READ_ONLY, ErrorCode.ComputedValue)
    assert await everything(client) == {**before, tags.PidTagLocaleId: 0x40C}


@pytest.mark.spec("MS-OXCSTOR_R651", "MS-OXCSTOR_R658", "MS-OXCSTOR_R660")
async def test_the_sums_over_all_folders(client: Client, own_mailbox: Mailbox) -> None:
    """FAI messages count for the size only; a search folder holds nothing of its own."""
    for special in ("inbox", "notes"):
        folder = await own_mailbox.special_folder(special)
        normal = [NewMessage(Message({tags.PidTagSubject: "mail", tags.PidTagBody: "text" * 100}))] * 2
        hidden = NewMessage(Message({tags.PidTagMessageClass: "IPM.Configuration.X"}), is_associated=True)
        await own_mailbox.append(folder.folder_id, [*normal, hidden])
    finder = await own_mailbox.create_folder((await own_mailbox.special_folder("search")).folder_id, "Results")
    async with own_mailbox.database.write() as connection:
        await update_folder(
            connection, own_mailbox.mailbox_id, finder.folder_id, folder_type=2, content_count=4, content_size=1 << 40
        )
    rows = [row for row in await own_mailbox.folders() if row.folder_type != 2]
    size = sum(row.content_size + row.associated_size for row in rows)
    assert size > 4 * 800
    columns = tags.PidTagContentCount, tags.PidTagMessageSize, tags.PidTagMessageSizeExtended
    assert await client.properties(LOGON, *columns) == [4, size, size]
    async with own_mailbox.database.write() as connection:
        await update_folder(connection, own_mailbox.mailbox_id, rows[0].folder_id, associated_size=5 << 30)
    assert await client.properties(LOGON, *columns) == [4, 0x7FFFFFFF, size - rows[0].associated_size + (5 << 30)]


async def test_reading_the_store_does_not_load_all_folders(client: Client, own_mailbox: Mailbox) -> None:
    """The sums are SQL's, and only the well-known folders are read."""
    for number in range(40):
        await own_mailbox.create_folder(1, f"folder {number}")
    fetched: list[str] = []
    engine = own_mailbox.database._reader.sync_engine

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        fetched.append(" ".join(statement.split()))

    event.listen(engine, "before_cursor_execute", note)
    try:
        await client.properties(LOGON, tags.PidTagContentCount, tags.PidTagDisplayName)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    folders = [statement for statement in fetched if "FROM folder" in statement]
    assert folders
    assert all("special" in statement.partition("WHERE")[2] or "sum(" in statement for statement in folders)


# Properties that clients set


@pytest.mark.spec(
    "MS-OXCSTOR_R3068004",
    "MS-OXCSTOR_R3068005",
    "MS-OXCSTOR_R3068006",
    "MS-OXCSTOR_R3068007",
    "MS-OXCSTOR_R3073",
    "MS-OXCSTOR_R3130",
    "MS-OXCSTOR_R59734",
    "MS-OXCSTOR_R661",
    "MS-OXCPRPT_R847",
    "MS-OXCPRPT_R10204",
)
async def test_what_clients_set_on_the_store_stays(mailboxes: Mailboxes, user: User) -> None:
    client = new_client(mailboxes, user)
    await client.log_on()
    wanted = [
        (tags.PidTagOutOfOfficeState, True),
        (tags.PidTagLocaleId, 0x40C),
        (tags.PidTagSortLocaleId, 0x40C),
        (tags.PidTagSentMailSvrEID, SERVER_ID),
        (0x7C07001F, "of a client's own"),
    ]
    assert not await set_on_store(client, *wanted)
    again = new_client(Mailboxes(mailboxes.database), user)
    await again.log_on()
    columns = [tag for tag, _ in wanted]
    assert await again.properties(LOGON, *columns) == [value for _, value in wanted]
    # Once deleted, they are what they were at first, or absent.
    assert not await delete_on_store(again, *columns, tags.PidTagOutOfOfficeState)
    gone = [False, 0x409, 0x409, ErrorCode.NotFound, ErrorCode.NotFound]
    assert await client.properties(LOGON, *columns) == gone
    assert not await delete_on_store(again, *columns)  # what is absent is no problem


async def test_named_properties_on_the_store(client: Client, own_mailbox: Mailbox, mailboxes: Mailboxes) -> None:
    name = PropertyName(UUID(int=7), name="colour")
    value = await client.value("GetPropertyIdsFromNames", flags=2, property_names=[name])
    tag = value.property_ids[0] << 16 | 0x1F
    assert not await set_on_store(client, (tag, "blue"))
    client.session.mailboxes = Mailboxes(mailboxes.database)
    await client.log_on()
    assert not await set_on_store(client, (tags.PidTagLocaleId, 1))
    assert await client.properties(LOGON, tag) == ["blue"]


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (tags.PidTagOutOfOfficeState & ~0xFFFF | 0x03, 1),
        (tags.PidTagLocaleId & ~0xFFFF | 0x1F, "en"),
        (tags.PidTagSortLocaleId & ~0xFFFF | 0x02, 1),
        (tags.PidTagSentMailSvrEID & ~0xFFFF | 0x102, b"x"),
    ],
)
async def test_what_has_a_meaning_keeps_its_type(client: Client, tag: int, value: Any) -> None:
    before = await everything(client)
    assert await set_on_store(client, (tag, value)) == {tag: ErrorCode.UnexpectedType}
    assert await everything(client) == before


@pytest.mark.spec(
    "MS-OXCSTOR_R650",
    "MS-OXCSTOR_R3069",
    "MS-OXCSTOR_R3070",
    "MS-OXCSTOR_R3068001",
    "MS-OXCSTOR_R653",
    "MS-OXCSTOR_R654",
    "MS-OXCSTOR_R3128",
    "MS-OXCSTOR_R6280001",
    "MS-OXCSTOR_R306800301",
    "MS-OXCSTOR_R654001",
)
async def test_what_clients_could_set_up_to_exchange_2010(client: Client, own_mailbox: Mailbox) -> None:
    """Comment, display name and DeleteAfterSubmit are the administrator's; the last one can be deleted."""
    stored = {
        tags.PidTagComment: "of the board",
        tags.PidTagDisplayName: "Tom (board)",
        tags.PidTagDeleteAfterSubmit: True,
    }
    await change_store_properties(own_mailbox, stored)
    assert await client.properties(LOGON, *stored) == list(stored.values())
    assert stored.items() <= (await everything(client)).items()
    values = [(tags.PidTagComment, "mine"), (tags.PidTagDisplayName, "Me"), (tags.PidTagDeleteAfterSubmit, False)]
    assert await set_on_store(client, *values) == dict.fromkeys(stored, 0x80070005)  # ecAccessDenied
    assert await client.properties(LOGON, *stored) == list(stored.values())
    problems = await delete_on_store(client, *stored)
    assert problems == dict.fromkeys((tags.PidTagComment, tags.PidTagDisplayName), ErrorCode.AccessDenied)
    assert await client.properties(LOGON, *stored) == ["of the board", "Tom (board)", ErrorCode.NotFound]


async def test_what_leads_to_the_special_folders_is_the_inboxs(client: Client, own_mailbox: Mailbox) -> None:
    calendar = folder_entry_id(own_mailbox.guid, own_mailbox.replica_guid, 0x1234)
    assert not await set_on_store(client, (tags.PidTagIpmAppointmentEntryId, calendar))
    inbox = await own_mailbox.special_folder("inbox")
    await client.value("OpenFolder", folder_id=ObjectId(1, inbox.folder_id), open_mode_flags=0)
    for slot in (LOGON, client.last):
        assert await client.properties(slot, tags.PidTagIpmAppointmentEntryId) == [calendar]


async def test_the_store_does_not_grow_without_end(client: Client) -> None:
    """Each read takes all of them."""
    value = b"x" * 30_000
    count = MAXIMUM_SIZE // len(value)
    for number in range(count):
        assert not await set_on_store(client, ((0x7C10 + number) << 16 | 0x102, value))
    last = (0x7C10 + count) << 16 | 0x102
    assert await set_on_store(client, (last, value)) == {last: ErrorCode.TooBig}
    assert await client.properties(LOGON, last) == [ErrorCode.NotFound]
    assert not await set_on_store(client, (0x7C100102, b"short"), (last, b"short"))
