"""Contents tables: which messages they list, for whom (MS-OXCFOLD 2.2.1.14, 3.2.5.14)."""

import pytest

from mapigw.emsmdb import contents_table
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import address_book_entry_id
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import PropertyRestriction, RelationalOperator
from mapigw.wire.rop_buffer import parse_responses
from tests.emsmdb.captures import exchange_answer, exchange_request
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.delegates import ANN, grant, log_on_as
from tests.emsmdb.folders import delete_messages
from tests.emsmdb.tables import (
    ASSOCIATED,
    BEGINNING,
    CONVERSATION_MEMBERS,
    CURRENT,
    DEFERRED_ERRORS,
    NO_NOTIFICATIONS,
    SOFT_DELETES,
    USE_UNICODE,
    add,
    all_rows,
    contents,
    fill,
    find,
    position,
    remove,
    restrict,
    rows,
    seek,
    set_columns,
    sort,
    subjects,
)
from tests.emsmdb.test_hierarchy_table import folder_with_id

INBOX, ROOT = 5, 1
SUBJECT = tags.PidTagSubject


@pytest.mark.spec("MS-OXCFOLD_R661")
@pytest.mark.spec("MS-OXCFOLD_R663")
@pytest.mark.spec("MS-OXCTABL_R831")
@pytest.mark.spec("MS-OXCTABL_R837")
async def test_a_recorded_contents_table(client: Client, own_mailbox: Mailbox) -> None:
    columns = (0x674A0014, 0x0037001F, 0x0E060040, 0x0E070003)
    theirs = parse_responses(exchange_answer("contents/03"), (), {2: columns})
    folder_id = await folder_with_id(own_mailbox, 4, "Seeded", 0x10C)
    for _, subject, delivered, _ in theirs.responses[3].value.row_data:
        item = Message({tags.PidTagSubject: subject, tags.PidTagMessageDeliveryTime: delivered})
        await own_mailbox.append(folder_id, [NewMessage(item)])
    ours = await client.replay(exchange_request("contents/03"), LOGON, -1, -1)
    for mine, other in zip(ours, theirs.responses, strict=True):
        assert (mine.rop, mine.handle_index, mine.return_value) == (other.rop, other.handle_index, other.return_value)
    assert [row[1:3] for row in ours[3].value.row_data] == [row[1:3] for row in theirs.responses[3].value.row_data]
    assert len(client.payloads[0]) == len(exchange_answer("contents/03"))


@pytest.mark.spec("MS-OXCFOLD_R662", "MS-OXCFOLD_R663", "MS-OXCFOLD_R333")
async def test_normal_and_fai_messages_apart(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 3)
    await fill(own_mailbox, 5, 2, is_associated=True)
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    folder = client.last
    columns = (tags.PidTagSubject, tags.PidTagAssociated)
    for flags, expected in ((0, ["2", "1", "0"]), (ASSOCIATED, ["1", "0"]), (SOFT_DELETES, [])):
        value = await client.value("GetContentsTable", folder, table_flags=flags)
        assert value.row_count == len(expected)
        found = await all_rows(client, client.last, *columns)
        assert found == [[subject, flags == ASSOCIATED] for subject in expected]


@pytest.mark.spec("MS-OXCFOLD_R1017", "MS-OXCFOLD_R665")
async def test_soft_deleted_messages_apart(client: Client, own_mailbox: Mailbox) -> None:
    """They are sorted, restricted and found like others."""
    ids = await fill(own_mailbox, 5, 4)
    (hidden,) = await fill(own_mailbox, 5, 1, is_associated=True)
    table = await contents(client, 5, SUBJECT)
    assert await position(client, table) == (0, 4)
    await delete_messages(client, table - 1, [ids[0], ids[3], hidden])
    assert (await subjects(client, table))[0] == ["2", "1"]
    assert (await subjects(client, await contents(client, 5, SUBJECT)))[0] == ["2", "1"]
    deleted = await client.value("GetContentsTable", table - 1, table_flags=SOFT_DELETES)
    assert deleted.row_count == 2
    table = client.last
    await set_columns(client, table, SUBJECT)
    assert (await subjects(client, table))[0] == ["3", "0"]
    await sort(client, table, (SUBJECT, 0))
    assert (await subjects(client, table))[0] == ["0", "3"]
    wanted = PropertyRestriction(RelationalOperator.EQUAL, SUBJECT, (SUBJECT, "3"))
    assert (await find(client, table, [SUBJECT], wanted)).row_data == ["3"]
    for restriction in (wanted, PropertyRestriction(4, tags.PidTagSensitivity, (tags.PidTagSensitivity, 0))):
        await restrict(client, table, restriction)
        assert "3" in (await subjects(client, table))[0]
    found = await contents(client, 5, SUBJECT, flags=SOFT_DELETES | ASSOCIATED)
    assert (await subjects(client, found))[0] == ["0"]


@pytest.mark.spec(
    "MS-OXCFOLD_R330", "MS-OXCFOLD_R330002", "MS-OXCFOLD_R671", "MS-OXCFOLD_R672", "MS-OXCFOLD_R1178",
    "MS-OXCFOLD_R1179",
)  # fmt: skip
async def test_flags_and_objects_that_are_refused(client: Client) -> None:
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    folder = client.last
    for flag in (0x01, 0x04):
        code = await client.error("GetContentsTable", folder, table_flags=flag)
        assert code == 0x80070057  # InvalidParameter
    for flag in (0x02, 0x08, 0x10, 0x20, 0x40):
        await client.value("GetContentsTable", folder, table_flags=flag)
    assert await client.error("GetContentsTable", LOGON, table_flags=0) == 0x80040102  # NotSupported
    assert await client.error("GetContentsTable", 200, table_flags=0) == ErrorCode.NullObject


@pytest.mark.spec("MS-OXCFOLD_R1020", "MS-OXCFOLD_R1021")
async def test_text_is_unicode_or_in_the_code_page(client: Client, own_mailbox: Mailbox) -> None:
    """As the columns say, whose types follow the flag."""
    await add(own_mailbox, 5, {SUBJECT: "Grüße"})
    for flags, kind, text in ((USE_UNICODE, 0x1F, "Grüße"), (0, 0x1E, b"Gr\xfc\xdfe")):
        table = await contents(client, 5, flags=flags)
        found = (await client.value("QueryColumnsAll", table)).property_tags
        (column,) = [tag for tag in found if tag >> 16 == SUBJECT >> 16]
        assert column & 0xFFFF == kind
        assert await all_rows(client, table, column) == [[text]]


# Conversations


@pytest.mark.spec("MS-OXCFOLD_R10251", "MS-OXCFOLD_R1174", "MS-OXCTABL_R723")
async def test_the_messages_of_a_conversation(client: Client, own_mailbox: Mailbox) -> None:
    """Of all folders, once the table is restricted to one."""
    topics = {"first": 5, "second": 4, "first again": 4}
    for number, (subject, folder_id) in enumerate(topics.items()):
        topic = subject.split()[0]
        properties = {SUBJECT: subject, tags.PidTagConversationTopic: topic, tags.PidTagMessageDeliveryTime: number}
        await add(own_mailbox, folder_id, properties)
    flags = CONVERSATION_MEMBERS | USE_UNICODE | DEFERRED_ERRORS
    table = await contents(client, ROOT, SUBJECT, tags.PidTagConversationId, flags=flags)
    found = await all_rows(client, table, SUBJECT, tags.PidTagConversationId)
    assert [row[0] for row in found] == ["first again", "second", "first"]
    identifier = found[0][1]
    assert identifier == found[2][1] != found[1][1]
    tag = tags.PidTagConversationId
    await restrict(client, table, PropertyRestriction(RelationalOperator.EQUAL, tag, (tag, identifier)))
    await set_columns(client, table, SUBJECT)
    assert (await subjects(client, table))[0] == ["first again", "first"]
    unknown = PropertyRestriction(RelationalOperator.EQUAL, tag, (tag, b"x" * 16))
    code = await client.error("Restrict", table, restrict_flags=0, restriction_data=unknown)
    assert code == 0x00000496  # ConversationNotFound
    await client.value("OpenFolder", folder_id=ObjectId(1, INBOX), open_mode_flags=0)
    assert await client.error("GetContentsTable", client.last, table_flags=flags) == ErrorCode.NotSupported


# Other users


async def test_who_may_not_read_sees_only_own_messages(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 2)
    creator = {tags.PidTagCreatorEntryId: address_book_entry_id(ANN.legacy_dn)}
    await add(own_mailbox, 5, {SUBJECT: "mine", **creator})
    ann = await log_on_as(client, ANN)
    for rights, expected in (
        (Rights.ReadAny, ["1", "0", "mine"]),
        (Rights.FolderVisible, ["mine"]),
        (Rights.FolderOwner, ["mine"]),
    ):
        await grant(client, "inbox", ANN, rights)
        await ann.value("OpenFolder", folder_id=ObjectId(1, INBOX), open_mode_flags=0)
        value = await ann.value("GetContentsTable", ann.last, table_flags=0)
        assert value.row_count == len(expected)
        found = await all_rows(ann, ann.last, SUBJECT, tags.PidTagAccess)
        assert [row[0] for row in found] == expected
        assert {row[1] for row in found} == {0x02}
        await sort(ann, ann.last, (SUBJECT, 1))
        assert sorted(row[0] for row in await all_rows(ann, ann.last, SUBJECT)) == sorted(expected)
    folder, table = ann.last - 1, ann.last
    await grant(client, "inbox", ANN, Rights.ReadAny)
    await ann.value("GetContentsTable", folder, table_flags=0)
    everything = ann.last
    assert len(await all_rows(ann, everything, SUBJECT)) == 3
    # A right that was taken away counts for tables that are open.
    await grant(client, "inbox", ANN, 0)
    assert [row[0] for row in await all_rows(ann, everything, SUBJECT)] == ["mine"]
    assert [row[0] for row in await all_rows(ann, table, SUBJECT)] == ["mine"]
    assert await ann.error("GetContentsTable", folder, table_flags=0) == ErrorCode.AccessDenied


# Rows


async def test_a_damaged_message_does_not_spoil_the_table(
    client: Client, own_mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor a search or a sort that has to look at its contents."""
    ids = await fill(own_mailbox, 5, 3)
    async with own_mailbox.database.write() as connection:
        statement = "UPDATE message SET properties = substr(properties, 1, 20) WHERE message_id = ?"
        await connection.exec_driver_sql(statement, (ids[1],))
    table = await contents(client, 5, SUBJECT)
    assert (await subjects(client, table))[0] == ["2", "0"]
    assert f"message {ids[1]}" in caplog.text
    await sort(client, table, (tags.PidTagSearchKey, 0))
    assert sorted((await subjects(client, table))[0]) == ["0", "2"]
    sensitive = PropertyRestriction(RelationalOperator.EQUAL, tags.PidTagSensitivity, (tags.PidTagSensitivity, 0))
    await restrict(client, table, sensitive)
    assert sorted((await subjects(client, table))[0]) == ["0", "2"]


async def test_the_first_rows_of_outlooks_tables(client: Client, own_mailbox: Mailbox) -> None:
    """The Rules Organizer among the Inbox's FAI messages: restricted to its class, sorted by time, one row."""
    for number, name in enumerate(("IPM.Note", "IPM.RuleOrganizer", "ipm.ruleorganizer")):
        await add(own_mailbox, 5, {tags.PidTagMessageClass: name, SUBJECT: str(number)}, is_associated=True)
    columns = (0x67480014, 0x674A0014, 0x674D0014, 0x674E0003, 0x001A001F, 0x30080040)
    table = await contents(client, 5, *columns, flags=ASSOCIATED)
    tag = tags.PidTagMessageClass
    wanted = PropertyRestriction(RelationalOperator.EQUAL, tag, (tag, "IPM.RuleOrganizer"))
    await restrict(client, table, wanted)
    await sort(client, table, (0x30080040, 0))
    (row,) = (await rows(client, table, columns, 1)).row_data
    assert row[0] == ObjectId(1, INBOX).to_integer()
    assert row[1] == row[2]
    assert row[3:5] == [0, "IPM.RuleOrganizer"]
    assert await position(client, table) == (1, 2)


def test_the_flags_are_those_of_the_specification() -> None:
    assert contents_table.FLAGS == 0x02 | 0x08 | 0x10 | 0x20 | 0x40 | 0x80


async def test_the_first_rows_are_listed_alone(
    client: Client, own_mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes in or goes before the others are listed neither repeats a row nor hides one."""
    monkeypatch.setattr(contents_table, "FIRST_ROWS", 4)
    ids = await fill(own_mailbox, 5, 8)
    table = await contents(client, 5, SUBJECT, flags=NO_NOTIFICATIONS)
    assert await subjects(client, table, 2) == (["7", "6"], CURRENT)
    await add(own_mailbox, 5, {SUBJECT: "new", tags.PidTagMessageDeliveryTime: 5000})
    await remove(own_mailbox, ids[4], ids[2])
    assert await position(client, table) == (2, 7)
    assert (await subjects(client, table))[0] == ["5", "3", "1", "0"]
    assert (await subjects(client, table, 100, forward=False))[0] == ["7", "6", "5", "3", "1", "0"]
    # All of them may have gone.
    other = await contents(client, 5, SUBJECT)
    assert (await subjects(client, other, 1))[0] == ["new"]
    (*gone,) = await own_mailbox.message_ids(5, associated=False)
    await remove(own_mailbox, *gone[:-1])
    await seek(client, other, BEGINNING, 0)
    assert (await subjects(client, other))[0] == ["0"]
