"""Search folders: criteria, what is found, what follows changes (MS-OXCFOLD 2.2.1.4, 2.2.1.5, 3.2.5.4, 3.2.5.5)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mapigw.mailbox import search_population
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store import folders
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import (
    AndRestriction,
    BitMaskRestriction,
    CommentRestriction,
    CountRestriction,
    ExistRestriction,
    NotRestriction,
    OrRestriction,
    PropertyRestriction,
    RelationalOperator,
    Restriction,
    SubObjectRestriction,
)
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.searches import (
    BACKGROUND,
    CI_TOTALLY,
    CI_WITH_TWIR_RESIDUAL,
    CONTENT_INDEXED,
    FOREGROUND,
    NON_CONTENT_INDEXED,
    RECURSIVE,
    RESTART,
    SEARCH_COMPLETE,
    SEARCH_REBUILD,
    SEARCH_RECURSIVE,
    SEARCH_RUNNING,
    SEARCH_STATIC,
    SHALLOW,
    STATIC,
    STOP,
    TWIR_TOTALLY,
    append,
    counts,
    criteria,
    finished,
    make,
    remove,
    search,
    shown,
    state,
    subject,
)

UNREAD = BitMaskRestriction(0, tags.PidTagMessageFlags, 0x1)


@pytest.fixture
async def inbox(own_mailbox: Mailbox) -> int:
    return (await own_mailbox.special_folder("inbox")).folder_id


@pytest.fixture
async def subtree(own_mailbox: Mailbox) -> int:
    return (await own_mailbox.special_folder("ipm_subtree")).folder_id


async def get(client: Client, slot: int, **fields: int) -> Any:
    asked: dict[str, Any] = {"use_unicode": 1, "include_restriction": 1, "include_folders": 1} | fields
    return await client.value("GetSearchCriteria", slot, **asked)


class Held:
    """Keeps searches from looking at messages until it is told to let them go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = asyncio.Event()
        self.waiting = asyncio.Event()
        look = search_population._Population._look

        async def wait(population: Any, ids: Any) -> Any:
            self.waiting.set()
            await self.go_on.wait()
            return await look(population, ids)

        monkeypatch.setattr(search_population._Population, "_look", wait)


@pytest.fixture
async def held(client: Client, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Held]:
    holding = Held(monkeypatch)
    yield holding
    holding.go_on.set()  # the store waits for its searches when it is closed


# Setting criteria


@pytest.mark.spec("MS-OXCFOLD_R47", "MS-OXCFOLD_R98", "MS-OXCFOLD_R409", "MS-OXCFOLD_R512", "MS-OXCFOLD_R515")
@pytest.mark.spec("MS-OXCFOLD_R766", "MS-OXCFOLD_R812", "MS-OXCFOLD_R552", "MS-OXCFOLD_R1100")
async def test_a_search_folder_shows_the_messages_that_match(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    wanted, _other, again = await append(own_mailbox, inbox, "Quarterly report", "Lunch", "Re: REPORT of May")
    slot, folder_id = await make(client)
    assert await client.properties(slot, tags.PidTagFolderType) == [2]
    (answer,) = await client.send(client.request("SetSearchCriteria", slot, **criteria(subject("report"), [inbox])))
    assert (answer.rop.name, answer.return_value) == ("SetSearchCriteria", 0)
    await finished(client, slot)
    assert await shown(client, slot) == [wanted, again]
    assert (await counts(own_mailbox, folder_id))[:2] == (2, 2)


async def test_results_keep_the_ids_of_their_own_folder(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    await append(own_mailbox, inbox, "Report")
    slot, _ = await make(client)
    await search(client, slot, subject("report"), [inbox])
    columns = (tags.PidTagParentFolderId, tags.PidTagParentEntryId, tags.PidTagEntryId)
    cells = []
    for folder in (slot, LOGON):
        if folder == LOGON:
            await client.value("OpenFolder", folder_id=ObjectId(1, inbox), open_mode_flags=0)
            folder = client.last
        await client.value("GetContentsTable", folder, table_flags=0)
        await client.value("SetColumns", client.last, set_columns_flags=0, property_tags=list(columns))
        value = await client.value("QueryRows", client.last, columns, query_rows_flags=0, forward_read=1, row_count=10)
        cells.append(value.row_data)
    assert cells[0] == cells[1]
    assert cells[0][0][0] == ObjectId(1, inbox).to_integer()


@pytest.mark.spec("MS-OXCFOLD_R105", "MS-OXCFOLD_R109", "MS-OXCFOLD_R1241", "MS-OXCFOLD_R767", "MS-OXCFOLD_R546")
async def test_what_is_left_out_is_as_in_the_search_before(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    first, second = await append(own_mailbox, inbox, "alpha", "beta")
    slot, _ = await make(client)
    await search(client, slot, subject("alpha"), [inbox], STATIC | RESTART)
    later, _ = await append(own_mailbox, inbox, "alpha later", "beta later")
    await search(client, slot, None, [inbox], STATIC | RESTART)
    assert await shown(client, slot) == [first, later]
    await search(client, slot, subject("beta"), [], STATIC)
    assert second in await shown(client, slot)
    await search(client, slot, None, [], STATIC | RESTART)
    found = await get(client, slot)
    assert found.restriction_data == subject("beta")
    assert found.folder_ids == [ObjectId(1, inbox)]


@pytest.mark.spec("MS-OXCFOLD_R1240", "MS-OXCFOLD_R565", "MS-OXCFOLD_R566")
async def test_a_first_search_needs_folders_and_a_restriction(client: Client, inbox: int) -> None:
    slot, _ = await make(client)
    for fields in (criteria(subject("x"), []), criteria(None, [inbox]), criteria(None, [], STOP)):
        assert await client.error("SetSearchCriteria", slot, **fields) == 0x80040605
    asked = {"use_unicode": 1, "include_restriction": 1, "include_folders": 1}
    assert await client.error("GetSearchCriteria", slot, **asked) == 0x80040605


@pytest.mark.spec("MS-OXCFOLD_R569", "MS-OXCFOLD_R570", "MS-OXCFOLD_R579", "MS-OXCFOLD_R580")
async def test_other_folders_do_not_search(client: Client, inbox: int) -> None:
    slot, _ = await make(client, folder_type=1)
    assert await client.error("SetSearchCriteria", slot, **criteria(subject("x"), [inbox])) == 0x461
    asked = {"use_unicode": 1, "include_restriction": 1, "include_folders": 1}
    assert await client.error("GetSearchCriteria", slot, **asked) == 0x461


@pytest.mark.spec("MS-OXCFOLD_R573", "MS-OXCFOLD_R574", "MS-OXCFOLD_R581", "MS-OXCFOLD_R582")
async def test_only_folders_search(client: Client, inbox: int) -> None:
    assert await client.error("SetSearchCriteria", LOGON, **criteria(subject("x"), [inbox])) == 0x80040102
    asked = {"use_unicode": 1, "include_restriction": 1, "include_folders": 1}
    assert await client.error("GetSearchCriteria", LOGON, **asked) == 0x80040102


@pytest.mark.spec("MS-OXCFOLD_R1233", "MS-OXCFOLD_R124201", "MS-OXCFOLD_R1243", "MS-OXCFOLD_R1244")
async def test_a_search_folder_does_not_search_itself(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    slot, folder_id = await make(client)
    assert await client.error("SetSearchCriteria", slot, **criteria(subject("x"), [inbox, folder_id])) == 0x490
    await search(client, slot, subject("x"), [inbox])
    other, other_id = await make(client, "Other")
    await search(client, other, subject("x"), [folder_id])
    assert await client.error("SetSearchCriteria", slot, **criteria(None, [other_id])) == 0x490
    assert (await get(client, slot)).folder_ids == [ObjectId(1, inbox)]


@pytest.mark.spec("MS-OXCFOLD_R116003")
@pytest.mark.parametrize("bit", [0x40, 0x1000, 0x80000, 0x80000000])
async def test_unknown_flags_are_refused(client: Client, inbox: int, bit: int) -> None:
    slot, _ = await make(client)
    assert await client.error("SetSearchCriteria", slot, **criteria(subject("x"), [inbox], bit)) == 0x80040102


@pytest.mark.spec("MS-OXCFOLD_R1091", "MS-OXCFOLD_R1092")
@pytest.mark.parametrize(
    "flags",
    [STOP | RESTART, RECURSIVE | SHALLOW, FOREGROUND | BACKGROUND, CONTENT_INDEXED | NON_CONTENT_INDEXED],
)
async def test_contradicting_flags_are_refused(client: Client, inbox: int, flags: int) -> None:
    slot, _ = await make(client)
    assert await client.error("SetSearchCriteria", slot, **criteria(subject("x"), [inbox], flags)) == 0x80070057


async def test_scopes_that_do_not_exist(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    """A refused request leaves criteria and results as they are."""
    (wanted,) = await append(own_mailbox, inbox, "report")
    slot, _ = await make(client)
    await search(client, slot, subject("report"), [inbox])
    for folder_ids in ([0x7FFFFFFF], [inbox, 0], list(range(1, 3000))):
        fields = criteria(subject("x"), folder_ids)
        assert await client.error("SetSearchCriteria", slot, **fields) == ErrorCode.NotFound
    foreign = criteria(subject("x"), []) | {"folder_ids": [ObjectId(7, inbox)]}
    assert await client.error("SetSearchCriteria", slot, **foreign) == ErrorCode.NotFound
    assert await shown(client, slot) == [wanted]
    assert (await get(client, slot)).restriction_data == subject("report")


async def test_a_scope_that_names_a_folder_thousands_of_times(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    (wanted,) = await append(own_mailbox, inbox, "report")
    slot, _ = await make(client)
    await search(client, slot, subject("report"), [inbox] * 3000)
    assert await shown(client, slot) == [wanted]
    assert (await get(client, slot)).folder_ids == [ObjectId(1, inbox)]


async def test_a_search_folder_that_is_gone(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    slot, folder_id = await make(client)
    async with own_mailbox.database.write() as connection:
        await folders.delete_folders(connection, own_mailbox.mailbox_id, [folder_id])
    assert await client.error("SetSearchCriteria", slot, **criteria(subject("x"), [inbox])) == ErrorCode.ObjectDeleted
    asked = {"use_unicode": 1, "include_restriction": 1, "include_folders": 1}
    assert await client.error("GetSearchCriteria", slot, **asked) == ErrorCode.ObjectDeleted


# Reading criteria


@pytest.mark.spec("MS-OXCFOLD_R127", "MS-OXCFOLD_R128")
async def test_restrictions_come_in_unicode_or_not(client: Client, inbox: int) -> None:
    name = tags.PidTagSenderName & 0xFFFF0000
    tree = (
        CommentRestriction(
            ((0x6800001E, "Büro".encode("cp1252")), (0x6801101E, [b"\xe4", b"b"])),
            NotRestriction(
                OrRestriction(
                    (
                        subject("Grüße".encode("cp1252")),
                        PropertyRestriction(RelationalOperator.EQUAL, name | 0x1E, (name | 0x1E, b"Zo\xeb")),
                        SubObjectRestriction(tags.PidTagMessageRecipients, subject(b"\xfc")),
                        CountRestriction(5, ExistRestriction(tags.PidTagHtml)),
                    )
                )
            ),
        ),
        CommentRestriction(
            ((0x6800001F, "Büro"), (0x6801101F, ["ä", "b"])),
            NotRestriction(
                OrRestriction(
                    (
                        subject("Grüße"),
                        PropertyRestriction(RelationalOperator.EQUAL, name | 0x1F, (name | 0x1F, "Zoë")),
                        SubObjectRestriction(tags.PidTagMessageRecipients, subject("ü")),
                        CountRestriction(5, ExistRestriction(tags.PidTagHtml)),
                    )
                )
            ),
        ),
    )
    slot, _ = await make(client)
    for given in tree:
        await search(client, slot, given, [inbox])
        assert (await get(client, slot, use_unicode=0)).restriction_data == tree[0]
        assert (await get(client, slot, use_unicode=1)).restriction_data == tree[1]


@pytest.mark.spec("MS-OXCFOLD_R129", "MS-OXCFOLD_R130", "MS-OXCFOLD_R131", "MS-OXCFOLD_R132", "MS-OXCFOLD_R136")
@pytest.mark.spec("MS-OXCFOLD_R959", "MS-OXCFOLD_R139", "MS-OXCFOLD_R2141", "MS-OXCFOLD_R1103", "MS-OXCFOLD_R1104")
async def test_only_what_is_asked_for_comes(client: Client, inbox: int, subtree: int) -> None:
    slot, _ = await make(client)
    await search(client, slot, subject("report"), [inbox, subtree])
    whole = await get(client, slot)
    assert whole.restriction_data == subject("report")
    assert whole.folder_ids == [ObjectId(1, inbox), ObjectId(1, subtree)]
    without = await get(client, slot, include_restriction=0)
    assert (without.restriction_data, without.folder_ids) == (None, whole.folder_ids)
    # RopId, handle index, ReturnValue, RestrictionDataSize 0, LogonId, FolderIdCount 2
    assert client.payloads[0][2:13].hex(" ") == f"31 {slot:02x} 00 00 00 00 00 00 00 02 00"
    without = await get(client, slot, include_folders=0)
    assert (without.restriction_data, without.folder_ids) == (whole.restriction_data, [])
    neither = await get(client, slot, include_restriction=0, include_folders=0)
    assert (neither.restriction_data, neither.folder_ids) == (None, [])
    # RestrictionDataSize 0, LogonId, FolderIdCount 0, then the flags
    assert client.payloads[0][2:17].hex(" ") == f"31 {slot:02x} 00 00 00 00 00 00 00 00 00 00 10 00 01"


# How it searches


@pytest.mark.spec("MS-OXCFOLD_R770", "MS-OXCFOLD_R772", "MS-OXCFOLD_R1200", "MS-OXCFOLD_R789", "MS-OXCFOLD_R960")
async def test_recursive_and_shallow_searches(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    below = await own_mailbox.create_folder(inbox, "Below")
    deeper = await own_mailbox.create_folder(below.folder_id, "Deeper")
    (top,) = await append(own_mailbox, inbox, "report")
    (middle,) = await append(own_mailbox, below.folder_id, "report")
    (bottom,) = await append(own_mailbox, deeper.folder_id, "report")
    slot, _ = await make(client)
    for flags, found in (
        (RECURSIVE, [top, middle, bottom]),
        (SHALLOW, [top]),
        (0, [top]),
    ):
        await search(client, slot, subject("report"), [inbox], flags)
        assert await shown(client, slot) == found
        assert bool(await state(client, slot) & SEARCH_RECURSIVE) == (flags == RECURSIVE)
    await search(client, slot, subject("report"), [below.folder_id], RECURSIVE)
    assert await shown(client, slot) == [middle, bottom]


@pytest.mark.spec("MS-OXCFOLD_R526", "MS-OXCFOLD_R785")
async def test_the_answer_comes_before_the_results(
    client: Client, own_mailbox: Mailbox, inbox: int, held: Held
) -> None:
    (wanted,) = await append(own_mailbox, inbox, "report")
    slot, _ = await make(client)
    await client.value("SetSearchCriteria", slot, **criteria(subject("report"), [inbox]))
    assert await state(client, slot) & (SEARCH_RUNNING | SEARCH_COMPLETE) == SEARCH_RUNNING
    assert await shown(client, slot) == []
    held.go_on.set()
    await finished(client, slot)
    assert await state(client, slot) & (SEARCH_RUNNING | SEARCH_REBUILD | SEARCH_COMPLETE) == SEARCH_COMPLETE
    assert await shown(client, slot) == [wanted]


@pytest.mark.spec("MS-OXCFOLD_R673", "MS-OXCFOLD_R54301", "MS-OXCFOLD_R768")
async def test_a_search_stops_and_starts_again(client: Client, own_mailbox: Mailbox, inbox: int, held: Held) -> None:
    (wanted,) = await append(own_mailbox, inbox, "report")
    slot, _ = await make(client)
    await client.value("SetSearchCriteria", slot, **criteria(subject("report"), [inbox], STATIC))
    await held.waiting.wait()
    await client.value("SetSearchCriteria", slot, **criteria(None, [], STOP))
    assert await state(client, slot) & (SEARCH_RUNNING | SEARCH_REBUILD | SEARCH_COMPLETE) == 0
    held.go_on.set()
    await asyncio.sleep(0.1)
    assert await shown(client, slot) == []
    await search(client, slot, None, [], RESTART | STATIC)
    assert await shown(client, slot) == [wanted]


async def test_stopping_leaves_a_dynamic_search_dynamic(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    slot, _ = await make(client)
    await search(client, slot, subject("report"), [inbox])
    before = await state(client, slot)
    await client.value("SetSearchCriteria", slot, **criteria(subject("other"), [], STOP))
    assert await state(client, slot) == before
    (wanted,) = await append(own_mailbox, inbox, "report")
    assert await shown(client, slot) == [wanted]


@pytest.mark.spec("MS-OXCFOLD_R782", "MS-OXCFOLD_R783")
async def test_searches_with_the_index_and_without(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    wanted, _ = await append(own_mailbox, inbox, "Unexpected results", "other")
    slot, _ = await make(client)
    both = CI_TOTALLY | CI_WITH_TWIR_RESIDUAL | TWIR_TOTALLY
    mixed = AndRestriction((subject("expect"), UNREAD))
    for restriction, flags, used in (
        (subject("expect"), CONTENT_INDEXED, CI_TOTALLY),
        (subject("expect"), 0, CI_TOTALLY),
        (subject("expect"), NON_CONTENT_INDEXED, TWIR_TOTALLY),
        (mixed, CONTENT_INDEXED, CI_WITH_TWIR_RESIDUAL),
        (NotRestriction(subject("other")), CONTENT_INDEXED, TWIR_TOTALLY),
        (subject("ts"), CONTENT_INDEXED, TWIR_TOTALLY),
    ):
        await search(client, slot, restriction, [inbox], flags)
        assert await state(client, slot) & both == used
        assert await shown(client, slot) == [wanted]


@pytest.mark.spec("MS-OXCFOLD_R784", "MS-OXCFOLD_R795", "MS-OXCFOLD_R1084", "MS-OXCFOLD_R549", "MS-OXCFOLD_R1093")
@pytest.mark.spec("MS-OXCFOLD_R551")
async def test_a_static_search_keeps_what_it_found(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    (first,) = await append(own_mailbox, inbox, "report")
    slot, folder_id = await make(client)
    await search(client, slot, subject("report"), [inbox], STATIC)
    assert await state(client, slot) & SEARCH_STATIC
    (second,) = await append(own_mailbox, inbox, "report")
    assert await shown(client, slot) == [first]
    assert (await counts(own_mailbox, folder_id))[0] == 1
    await search(client, slot, None, [], STATIC | RESTART)
    assert await shown(client, slot) == [first, second]


@pytest.mark.spec("MS-OXCFOLD_R1210", "MS-OXCFOLD_R1097", "MS-OXCFOLD_R1238002")
@pytest.mark.parametrize("how", [0, CONTENT_INDEXED, NON_CONTENT_INDEXED])
async def test_a_dynamic_search_follows_what_arrives(
    client: Client, own_mailbox: Mailbox, inbox: int, how: int
) -> None:
    slot, folder_id = await make(client)
    await search(client, slot, subject("report"), [inbox], how)
    assert not await state(client, slot) & SEARCH_STATIC
    before = await own_mailbox.folder(folder_id)
    _, wanted = await append(own_mailbox, inbox, "other", "the report", is_read=True)
    await append(own_mailbox, inbox, "report", is_associated=True)
    assert await shown(client, slot) == [wanted]
    row = await own_mailbox.message(wanted)
    assert row is not None
    assert await counts(own_mailbox, folder_id) == (1, 0, row.size)
    after = await own_mailbox.folder(folder_id)
    assert before is not None
    assert after is not None
    assert after.content_change_number > before.content_change_number
    assert after.change_number == before.change_number


@pytest.mark.spec("MS-OXCFOLD_R519")
async def test_new_criteria_leave_only_their_own_results(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    first, second = await append(own_mailbox, inbox, "alpha", "beta")
    slot, folder_id = await make(client)
    await search(client, slot, subject("alpha"), [inbox])
    assert await shown(client, slot) == [first]
    await search(client, slot, subject("beta"), [inbox])
    assert await shown(client, slot) == [second]
    assert (await counts(own_mailbox, folder_id))[:2] == (1, 1)


async def test_what_arrives_while_it_searches_is_there_once(
    client: Client, own_mailbox: Mailbox, inbox: int, held: Held
) -> None:
    first, gone = await append(own_mailbox, inbox, "report", "report")
    slot, folder_id = await make(client)
    await client.value("SetSearchCriteria", slot, **criteria(subject("report"), [inbox]))
    await held.waiting.wait()
    (second,) = await append(own_mailbox, inbox, "report")
    assert await shown(client, slot) == [second]
    await remove(client, inbox, gone)
    held.go_on.set()
    await finished(client, slot)
    assert await shown(client, slot) == [first, second]
    assert (await counts(own_mailbox, folder_id))[:2] == (2, 2)


async def test_a_restriction_as_deep_as_is_allowed(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    wanted, _ = await append(own_mailbox, inbox, "report", "other")
    slot, _folder_id = await make(client)
    restriction: Restriction = subject("report")
    for level in range(120):
        both = (UNREAD, restriction, subject(f"never {level}"))
        restriction = AndRestriction(both[:2]) if level % 2 else OrRestriction(both[1:])
    for flags in (CONTENT_INDEXED, NON_CONTENT_INDEXED):
        await search(client, slot, restriction, [inbox], flags)
        assert await shown(client, slot) == [wanted]


async def test_a_restriction_as_wide_as_a_buffer_holds(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    wanted, _ = await append(own_mailbox, inbox, "word 699.", "other")
    slot, _folder_id = await make(client)
    words = OrRestriction(tuple(subject(f"word {number}.") for number in range(700)))
    for flags in (CONTENT_INDEXED, NON_CONTENT_INDEXED):
        await search(client, slot, words, [inbox], flags)
        assert await shown(client, slot) == [wanted]
        await search(client, slot, NotRestriction(words), [inbox], flags)
        assert wanted not in await shown(client, slot)


async def test_a_restriction_too_large_for_sql(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    wanted, _ = await append(own_mailbox, inbox, "report", "other")
    slot, _folder_id = await make(client)
    many = BitMaskRestriction(1, tags.PidTagMessageFlags, 0x40)
    restriction: Restriction = subject("report")
    for _ in range(10):
        restriction = OrRestriction((*[many] * 200, restriction))
    await search(client, slot, restriction, [inbox], NON_CONTENT_INDEXED)
    assert await shown(client, slot) == [wanted]
