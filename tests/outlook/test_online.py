"""A day of Outlook in online mode: after every step the server shows what was written, and nothing else."""

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest

from tests.outlook import online_rops, rops
from tests.outlook.conftest import MAIL, source_files
from tests.outlook.online import (
    BODY,
    CONTENT_COUNT,
    DELETE,
    DELIVERY_TIME,
    DISPLAY_TO,
    FLAGS,
    HAS_ATTACHMENTS,
    HTML,
    IMPORTANCE,
    MARK_AS_READ,
    MESSAGE_CLASS,
    MID,
    NATIVE_BODY,
    RTF,
    SIZE,
    SOFT_DELETES,
    SUBJECT,
    UNREAD_COUNT,
    Item,
    Online,
    error_of,
    rule_actions,
    shown,
)
from tests.outlook.online_rops import Recipient
from tests.outlook.reader import Properties
from tests.outlook.server import Server, add_user, import_mail
from tests.outlook.source import Source, squeezed, without_tags

ACCESS_DENIED, NOT_FOUND, OBJECT_CHANGED = 0x80070005, 0x8004010F, 0x80040109
READ = 0x01
PS_PUBLIC_STRINGS = UUID("00020329-0000-0000-c000-000000000046")
SEARCH_RESTART, SEARCH_RECURSIVE = 0x02, 0x04
SEARCH_SECONDS = 20
SUBJECTS = (SUBJECT, 0x003D001F, 0x0E1D001F)  # with PidTagSubjectPrefix and PidTagNormalizedSubject
SOURCES = source_files()


@pytest.fixture(scope="module")
def mailboxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("online")
    add_user(data, "olga@bm.lan", "secret", "Olga Stern")
    add_user(data, "paul@bm.lan", "secret", "Paul Weiss")
    import_mail(data, "olga@bm.lan", SOURCES)
    with Server(data) as running:
        yield running
        assert not running.tracebacks(), "".join(running.output)


@pytest.fixture(scope="module")
def olga(mailboxes: Server) -> Online:
    return Online(mailboxes.web("olga@bm.lan")).start()


@pytest.fixture
def folder(olga: Online, request: pytest.FixtureRequest) -> int:
    """A folder of the test's own."""
    return olga.create_folder(olga.special("IPM Subtree"), request.node.name)


ITEM = Item(
    "Quarterly figures – Größe",
    "First line\r\nZweite Zeile: größer\r\n" + "and more " * 3000,
    2,
    (Recipient(1, "Paul Weiss", "paul@bm.lan"), Recipient(2, "Søren", "soren@example.org")),
    (("notes.txt", b"plain notes"), ("Übersicht.bin", bytes(range(256)) * 200)),
)


def filled(olga: Online, folder: int, count: int = 12) -> dict[str, int]:
    """Small messages: ids by subject. Importance goes round, every third has an attachment."""
    return {
        subject: olga.create(
            folder,
            Item(
                subject,
                f"body of {subject}",
                number % 3,
                (Recipient(1, f"Person {number % 4}", f"p{number % 4}@example.org"),),
                (("a.txt", b"x"),) if number % 3 == 0 else (),
            ),
        )
        for number, subject in enumerate(f"Item {number:02}" for number in range(count))
    }


def test_the_imported_mail_is_read_as_it_was_sent(olga: Online) -> None:
    rows = olga.rows(olga.special("Inbox"), MID, SUBJECT)
    rows.sort(key=lambda row: row[0].to_bytes(8, "little"))  # they were imported in the order of their counters
    assert len(rows) == len(SOURCES)
    for path, (message_id, subject) in zip(SOURCES, rows, strict=True):
        source = Source.read(path.read_bytes())
        if source.subject:
            assert squeezed(subject or "") == squeezed(source.subject), path.relative_to(MAIL)
        if source.headers_end_early or source.signed or not (source.plain or source.html):
            continue
        with olga.message(olga.special("Inbox"), message_id, mode=0) as message:
            text = squeezed(olga.read_stream(message, BODY).decode("utf-16-le"))
            html = olga.read_stream(message, HTML)
            assert olga.read_stream(message, RTF)[8:12] in (b"LZFu", b"MELA")
        assert html
        if source.plain:
            assert text.startswith(squeezed(source.plain)[:200]), path.relative_to(MAIL)
        elif source.html:
            assert text or not without_tags(source.html), path.relative_to(MAIL)


def test_create_and_read_again(olga: Online, folder: int) -> None:
    message_id = olga.create(folder, ITEM)
    assert olga.read(folder, message_id) == ITEM
    rows = olga.rows(folder, MID, SUBJECT, IMPORTANCE, HAS_ATTACHMENTS, DISPLAY_TO, MESSAGE_CLASS)
    assert rows == [[message_id, ITEM.subject, 2, True, "Paul Weiss", "IPM.Note"]]
    assert olga.folder_properties(folder, CONTENT_COUNT) == [1]


def test_edit(olga: Online, folder: int) -> None:
    message_id = olga.create(folder, ITEM)
    (size,) = olga.values(folder, message_id, SIZE)
    with olga.message(folder, message_id) as message:
        assert not olga.call(online_rops.set_values(0, {SUBJECT: "Changed", IMPORTANCE: 0}), message)
        olga.write_stream(message, HTML, b"<html><body><p>A <b>new</b> text</p></body></html>")
        olga.call(online_rops.delete_attachment(0, 0), message)
        olga.attach(message, "third.txt", b"3" * 100_000)
        assert olga.read(folder, message_id) == ITEM  # nothing is seen before the save
        olga.save(message)
    changed = replace(
        ITEM,
        subject="Changed",
        importance=0,
        body="A new text\r\n",
        attachments=(ITEM.attachments[1], ("third.txt", b"3" * 100_000)),
    )
    assert olga.read(folder, message_id) == changed
    assert olga.values(folder, message_id, NATIVE_BODY) == [3]
    assert olga.values(folder, message_id, SIZE) != [size]
    with olga.message(folder, message_id) as message:
        assert not olga.call(online_rops.delete_properties(0, [HTML]), message)
        olga.save(message)
    assert olga.read(folder, message_id) == replace(changed, body="")


def test_two_windows_on_one_message(olga: Online, folder: int) -> None:
    message_id = olga.create(folder, ITEM)
    with olga.message(folder, message_id) as first, olga.message(folder, message_id) as second:
        olga.call(online_rops.set_values(0, {SUBJECT: "first"}), first)
        olga.call(online_rops.set_values(0, {SUBJECT: "second"}), second)
        olga.save(first)
        assert error_of(olga.save, second) == OBJECT_CHANGED
    assert olga.values(folder, message_id, SUBJECT) == ["first"]


def test_move_and_copy(olga: Online, folder: int) -> None:
    items = filled(olga, folder)
    other = olga.create_folder(folder, "Other")
    some = [items[subject] for subject in ("Item 00", "Item 01", "Item 02")]
    olga.move(folder, other, some, copy=True)
    assert sorted(olga.ids(other)) == ["Item 00", "Item 01", "Item 02"]
    assert olga.ids(folder) == items
    olga.move(folder, other, [items["Item 07"]])
    assert sorted(olga.ids(other)) == ["Item 00", "Item 01", "Item 02", "Item 07"]
    assert sorted(olga.ids(folder)) == sorted(items.keys() - {"Item 07"})
    moved = olga.ids(other)["Item 07"]
    assert olga.read(other, moved).body == "body of Item 07"
    assert olga.folder_properties(folder, CONTENT_COUNT) == [11]
    assert olga.folder_properties(other, CONTENT_COUNT) == [4]
    with olga.folder(folder) as source, olga.folder(other) as destination:
        assert olga.call(online_rops.copy_folder(0, 1, other, "Copy of other"), source, source) is False
        copied = olga.subfolders(folder)["Copy of other"]
        assert sorted(olga.ids(copied)) == sorted(olga.ids(other))
        assert olga.call(online_rops.move_folder(0, 1, copied, "Moved"), source, destination) is False
    assert olga.subfolders(folder) == {"Other": other}
    assert list(olga.subfolders(other)) == ["Moved"]


def test_sort_and_restrict(olga: Online, folder: int) -> None:
    items = filled(olga, folder)
    shown = olga.rows(folder, SUBJECT, sort=[(SUBJECT, True)])
    assert [subject for (subject,) in shown] == sorted(items, reverse=True)
    by_importance = olga.rows(folder, IMPORTANCE, SUBJECT, sort=[(IMPORTANCE, True), (SUBJECT, False)])
    assert by_importance == sorted(by_importance, key=lambda row: (-row[0], row[1]))
    # PidTagNormalizedSubject is a column of the store's, the importance of some is 2.
    restriction = online_rops.all_of(
        online_rops.compares(IMPORTANCE, online_rops.EQUAL, 2), online_rops.contains(SUBJECT, "item 0")
    )
    assert set(olga.ids(folder, restriction=restriction)) == {"Item 02", "Item 05", "Item 08"}
    with_files = online_rops.compares(HAS_ATTACHMENTS, online_rops.EQUAL, True)
    assert set(olga.ids(folder, restriction=with_files)) == {"Item 00", "Item 03", "Item 06", "Item 09"}
    unread = olga.ids(folder, restriction=online_rops.has_bits(FLAGS, READ))
    with olga.folder(folder) as handle:
        rop = online_rops.set_read_flags(0, [items["Item 01"]], 0x04)  # rfClearReadFlag
        assert olga.call(rop, handle) is False
    after = olga.ids(folder, restriction=online_rops.has_bits(FLAGS, READ))
    assert set(unread) - set(after) <= {"Item 01"}
    assert "Item 01" not in after
    assert olga.folder_properties(folder, UNREAD_COUNT) == [len(items) - len(after)]


def test_find_and_seek(olga: Online) -> None:
    inbox = olga.special("Inbox")
    rows = olga.rows(inbox, MID, SUBJECT, sort=[(DELIVERY_TIME, True)])
    tags = (MID, SUBJECT)
    with olga.folder(inbox) as handle, olga.opened(rops.get_contents_table(0, 1, 0), handle) as table:
        olga.call(rops.set_columns(0, tags), table)
        olga.call(online_rops.sort_table(0, [(DELIVERY_TIME, True)]), table)
        assert olga.call(online_rops.seek_row(0, 2, -3), table) == (False, -3)
        last = olga.call(rops.query_rows(0, tags, 10), table)
        assert [[shown(row, tag) for tag in tags] for row in last] == rows[-3:]
        assert olga.call(online_rops.seek_row(0, 0, len(rows) // 2), table) == (False, len(rows) // 2)
        assert olga.call(online_rops.query_position(0), table) == (len(rows) // 2, len(rows))
        wanted = next(row for row in rows[5:] if row[1])
        found = olga.call(
            online_rops.find_row(0, tags, online_rops.compares(SUBJECT, online_rops.EQUAL, wanted[1])), table
        )
        assert found[SUBJECT] == wanted[1]
        assert shown(found, MID) == next(row[0] for row in rows if row[1].lower() == wanted[1].lower())
        nothing = online_rops.compares(SUBJECT, online_rops.EQUAL, "no such subject")
        assert error_of(olga.call, online_rops.find_row(0, tags, nothing), table) == NOT_FOUND


def test_group_by_importance(olga: Online, folder: int) -> None:
    filled(olga, folder)
    tags = (SUBJECT, IMPORTANCE, 0x0FF50003, 0x36020003, 0x674D0014)  # PidTagRowType, ContentCount, InstID
    with olga.folder(folder) as handle, olga.opened(rops.get_contents_table(0, 1, 0), handle) as table:
        olga.call(rops.set_columns(0, tags), table)
        olga.call(online_rops.sort_table(0, [(IMPORTANCE, False), (SUBJECT, False)], categories=1), table)
        headers = olga.call(rops.query_rows(0, tags, 50), table)
        assert [(row[IMPORTANCE], row[0x36020003]) for row in headers] == [(0, 4), (1, 4), (2, 4)]
        assert olga.call(online_rops.expand_row(0, headers[1][0x674D0014]), table) == 4
        olga.call(online_rops.seek_row(0, 0, 0), table)
        rows = olga.call(rops.query_rows(0, tags, 50), table)
        shown_below = [row.get(SUBJECT) for row in rows[2:6]]
        assert shown_below == ["Item 01", "Item 04", "Item 07", "Item 10"]
        assert olga.call(online_rops.query_position(0), table)[1] == 7
        assert olga.call(online_rops.collapse_row(0, headers[1][0x674D0014]), table) == 4
        assert olga.call(online_rops.query_position(0), table)[1] == 3


def test_categories(olga: Online, folder: int) -> None:
    items = filled(olga, folder, 4)
    (keyword_id,) = olga.call(rops.get_property_ids_from_names(0, 2, [(PS_PUBLIC_STRINGS, "Keywords")]), olga.logon)
    keywords = keyword_id << 16 | 0x101F
    for subject, colors in (("Item 00", ["Red", "Blue"]), ("Item 02", ["Red"])):
        olga.change(folder, items[subject], {keywords: colors})
        assert olga.values(folder, items[subject], keywords) == [colors]
    assert set(olga.ids(folder, restriction=online_rops.exists(keywords))) == {"Item 00", "Item 02"}
    shown = dict(olga.rows(folder, SUBJECT, keywords))
    assert shown == {"Item 00": ["Red", "Blue"], "Item 01": None, "Item 02": ["Red"], "Item 03": None}
    with olga.message(folder, items["Item 02"]) as message:
        assert not olga.call(online_rops.delete_properties(0, [keywords]), message)
        olga.save(message)
    assert set(olga.ids(folder, restriction=online_rops.exists(keywords))) == {"Item 00"}


def test_search(olga: Online, folder: int) -> None:
    items = filled(olga, folder)
    found = olga.create_folder(olga.special("Search"), f"Search {folder}", search=True)
    restriction = online_rops.compares(IMPORTANCE, online_rops.EQUAL, 2)
    with olga.folder(found) as handle:
        olga.call(online_rops.set_search_criteria(0, restriction, [folder], SEARCH_RESTART | SEARCH_RECURSIVE), handle)
    expected = {"Item 02", "Item 05", "Item 08", "Item 11"}
    _wait_for(olga, found, expected)
    with olga.folder(found) as handle:
        kept, folders, flags = olga.call(online_rops.get_search_criteria(0), handle)
        assert (kept, folders, flags & SEARCH_RECURSIVE) == (restriction, [folder], SEARCH_RECURSIVE)
    # The results follow what happens to the messages.
    new = olga.create(folder, Item("Item 99", "x", 2))
    olga.change(folder, items["Item 02"], {IMPORTANCE: 1})
    olga.delete(folder, [items["Item 05"]])
    _wait_for(olga, found, {"Item 08", "Item 11", "Item 99"})
    assert olga.ids(found)["Item 99"] == new
    with olga.folder(olga.special("Search")) as handle:
        assert olga.call(online_rops.delete_folder(0, found, 0x05), handle) is False
    assert olga.ids(folder)["Item 99"] == new


def _wait_for(olga: Online, search_folder: int, subjects: set[str]) -> None:
    deadline = time.monotonic() + SEARCH_SECONDS
    while (found := set(olga.ids(search_folder))) != subjects and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found == subjects


def test_share_a_folder(mailboxes: Server, olga: Online, folder: int) -> None:
    """The second user sees what he may, changes what he may, and nothing else."""
    items = filled(olga, folder, 4)
    private = olga.create_folder(olga.special("IPM Subtree"), "Private")
    paul = Online(mailboxes.web("paul@bm.lan")).start()
    paul.stop()
    assert olga.account is not None
    guest = Online(mailboxes.web("paul@bm.lan"), olga.account.legacy_dn)
    entry_id = olga.entry_id("paul@bm.lan")
    member_rights, member_id, member_entry = 0x66730003, 0x66710014, 0x0FFF0102
    visible, read_any, create, edit_owned = 0x400, 0x001, 0x002, 0x008
    with olga.folder(folder) as handle:
        rows: list[tuple[int, Properties]] = [(0x01, {member_entry: entry_id, member_rights: visible | read_any})]
        olga.call(online_rops.modify_permissions(0, rows), handle)
    guest.start()
    assert guest.ids(folder) == items
    assert guest.read(folder, items["Item 00"]) == olga.read(folder, items["Item 00"])
    assert error_of(guest.create, folder, Item("not his")) == ACCESS_DENIED
    assert error_of(guest.delete, folder, [items["Item 00"]]) or olga.ids(folder) == items
    assert error_of(guest.ids, private) in (ACCESS_DENIED, NOT_FOUND)
    assert error_of(guest.change, folder, items["Item 00"], {SUBJECT: "spoilt"}) == ACCESS_DENIED
    assert olga.ids(folder) == items
    with olga.folder(folder) as handle, olga.opened(online_rops.get_permissions_table(0, 1), handle) as table:
        tags = (member_id, 0x6672001F, member_rights)
        olga.call(rops.set_columns(0, tags), table)
        members = {row[0x6672001F]: row for row in olga.call(rops.query_rows(0, tags, 50), table)}
    assert members["Paul Weiss"][member_rights] & 0x7FF == visible | read_any
    with olga.folder(folder) as handle:
        more: Properties = {
            member_id: members["Paul Weiss"][member_id],
            member_rights: visible | read_any | create | edit_owned,
        }
        olga.call(online_rops.modify_permissions(0, [(0x02, more)]), handle)
    his = guest.create(folder, Item("his own"))
    assert olga.ids(folder) == {**items, "his own": his}
    with olga.folder(folder) as handle:
        gone: Properties = {member_id: members["Paul Weiss"][member_id]}
        olga.call(online_rops.modify_permissions(0, [(0x04, gone)]), handle)
    assert error_of(guest.ids, folder) in (ACCESS_DENIED, NOT_FOUND)
    guest.stop()


def test_rules(olga: Online) -> None:
    inbox = olga.special("Inbox")
    rule_id, sequence, state, name = 0x66740014, 0x66760003, 0x66770003, 0x6682001F
    condition, actions, provider, level = 0x667900FD, 0x668000FE, 0x6681001F, 0x66830003
    wanted: Properties = {
        sequence: 10,
        state: 1,
        name: "Read them",
        provider: "RuleOrganizer",
        level: 0,
        condition: online_rops.contains(SUBJECT, "newsletter"),
        actions: rule_actions(MARK_AS_READ),
    }
    with olga.folder(inbox) as handle:
        olga.call(online_rops.modify_rules(0, [(0x01, wanted)]), handle)
    assert _rules(olga) == {"Read them": (10, 1)}
    with olga.folder(inbox) as handle, olga.opened(online_rops.get_rules_table(0, 1), handle) as table:
        tags = (rule_id, name)
        olga.call(rops.set_columns(0, tags), table)
        (row,) = olga.call(rops.query_rows(0, tags, 50), table)
        changed: Properties = {rule_id: row[rule_id], state: 0, actions: rule_actions(DELETE)}
        olga.call(online_rops.modify_rules(0, [(0x02, changed)]), handle)
        assert _rules(olga) == {"Read them": (10, 0)}
        olga.call(online_rops.modify_rules(0, [(0x04, {rule_id: row[rule_id]})]), handle)
    assert _rules(olga) == {}


def _rules(olga: Online) -> dict[str, tuple[int, int]]:
    tags = (0x6682001F, 0x66760003, 0x66770003)
    with olga.folder(olga.special("Inbox")) as handle, olga.opened(online_rops.get_rules_table(0, 1), handle) as table:
        olga.call(rops.set_columns(0, tags), table)
        return {row[tags[0]]: (row[tags[1]], row[tags[2]]) for row in olga.call(rops.query_rows(0, tags, 50), table)}


def test_a_large_attachment(olga: Online, folder: int) -> None:
    data = random.Random(1).randbytes(5_000_000)
    message_id = olga.create(folder, Item("large", "see file", 1, (), (("large.bin", data),)))
    assert olga.read(folder, message_id).attachments == (("large.bin", data),)
    with (
        olga.message(folder, message_id) as message,
        olga.opened(rops.open_attachment(0, 1, 0), message) as attachment,
        olga.opened(online_rops.open_stream(0, 1, 0x37010102, mode=0), attachment) as stream,
    ):
        assert olga.call(online_rops.seek_stream(0, 2, -1000), stream) == len(data) - 1000
        assert olga.call(rops.read_stream(0, 0x7000), stream) == data[-1000:]
    (size,) = olga.values(folder, message_id, SIZE)
    assert size > len(data)


def test_copy_the_properties_of_a_message(olga: Online, folder: int) -> None:
    message_id = olga.create(folder, ITEM)
    created = olga.opened(online_rops.create_message(0, 1, folder), olga.logon)
    with olga.message(folder, message_id) as source, created as copy:
        assert not olga.call(online_rops.copy_to(0, 1, SUBJECTS), source, copy)
        copied = olga.save(copy)
    subject, *rest = olga.values(folder, copied, SUBJECT, IMPORTANCE, HAS_ATTACHMENTS)
    assert (subject or "", rest) == ("", [2, True])
    with olga.message(folder, copied, mode=0) as message:
        assert tuple(olga.recipients(message)) == ITEM.recipients
        assert tuple(olga.attachments(message)) == ITEM.attachments
        assert olga.read_stream(message, BODY).decode("utf-16-le") == ITEM.body


def test_delete_and_recover(olga: Online, folder: int) -> None:
    items = filled(olga, folder, 5)
    trash = olga.special("Deleted Items")
    before = set(olga.ids(trash))
    olga.move(folder, trash, [items["Item 00"]])
    assert set(olga.ids(trash)) - before == {"Item 00"}
    olga.delete(folder, [items["Item 01"], items["Item 02"]])
    olga.delete(folder, [items["Item 03"]], hard=True)
    assert set(olga.ids(folder)) == {"Item 04"}
    assert error_of(olga.read, folder, items["Item 01"]) == NOT_FOUND
    assert set(olga.ids(folder, flags=SOFT_DELETES)) == {"Item 01", "Item 02"}
    olga.move(folder, folder, [olga.ids(folder, flags=SOFT_DELETES)["Item 01"]])
    assert set(olga.ids(folder)) == {"Item 01", "Item 04"}
    assert olga.read(folder, olga.ids(folder)["Item 01"]).body == "body of Item 01"
    assert set(olga.ids(folder, flags=SOFT_DELETES)) == {"Item 02"}
    with olga.folder(folder) as handle:
        assert olga.call(online_rops.empty_folder(0), handle) is False
    assert olga.ids(folder) == {}
    with olga.folder(olga.special("IPM Subtree")) as handle:
        assert olga.call(online_rops.delete_folder(0, folder, 0x05), handle) is False
    assert folder not in olga.subfolders(olga.special("IPM Subtree")).values()


def test_everything_is_there_after_a_new_logon(mailboxes: Server, olga: Online, folder: int) -> None:
    message_id = olga.create(folder, ITEM)
    again = Online(mailboxes.web("olga@bm.lan")).start()
    assert again.read(folder, message_id) == ITEM
    again.stop()


def test_long_rows(olga: Online, folder: int) -> None:
    """A table of long values comes in several answers, cut to the size that a row's values have."""
    long = "x" * 4000
    for number in range(30):
        olga.create(folder, Item(f"{number:02} {long}"))
    rows = olga.rows(folder, SUBJECT, sort=[(SUBJECT, False)])
    assert [row[0][:6] for row in rows] == [f"{number:02} xxx" for number in range(30)]
    assert {len(row[0]) for row in rows} == {255}
