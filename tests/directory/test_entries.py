"""Contacts, shared mailboxes, rooms, and what address books show of anybody."""

import random
from typing import Any

import pytest

from mapigw.directory import attributes
from mapigw.directory import directory as directory_module
from mapigw.directory.attributes import ATTRIBUTES, DETAILS, LARGEST_PHOTO
from mapigw.directory.details import NO_DETAILS, Details
from mapigw.directory.directory import Directory
from mapigw.directory.editing import Change
from mapigw.directory.errors import (
    DirectoryError,
    DuplicateAddress,
    InvalidAddress,
    InvalidAttribute,
    InvalidName,
    NoPassword,
    UnknownAlias,
    UnknownContact,
    UnknownEntry,
    UnknownManager,
)
from mapigw.directory.model import Contact, Entry, Group, MailboxKind, User
from mapigw.directory.passwords import Passwords
from mapigw.directory.snapshot import Snapshot
from mapigw.store.database import Database
from mapigw.wire import tags
from tests.directory.conftest import FAST

JPEG = b"\xff\xd8\xff\xe0picture"


async def test_attributes_of_an_entry_are_kept_and_removed(directory: Directory) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    assert tom.details is NO_DETAILS
    tom = await directory.change(
        tom, Change(attributes={"title": [" Engineer "], "business_phones_2": ["1", "2", "1"], "city": ["Köln"]})
    )
    assert tom.details.all() == {"title": "Engineer", "business_phones_2": ("1", "2"), "city": "Köln"}
    assert (tom.details.get("title"), tom.details.values("business_phones_2")) == ("Engineer", ("1", "2"))
    assert (tom.details.get("surname"), tom.details.values("surname")) == (None, ())
    tom = await directory.change(tom, Change(attributes={"title": [""], "business_phones_2": [], "office": ["1.2"]}))
    assert tom.details.all() == {"city": "Köln", "office": "1.2"}
    assert await directory.by_address("tom@bm.lan") == tom


def test_details_do_not_take_a_value_for_a_name() -> None:
    details = Details.of({"comment": '"title":"no"', "city": "x"})
    assert details.get("title") is None
    assert details.get("comment") == '"title":"no"'
    assert Details.of({"title": "", "city": ()}) is NO_DETAILS
    assert Details.of({"b": "1", "a": "2"}) == Details.of({"a": "2", "b": "1"})


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("title", ["x" * 65536], "longer than 1024"),
        ("title", ["a\0b"], "control characters"),
        ("title", ["a\nb"], "control characters"),
        ("title", ["a", "b"], "at most one"),
        ("comment", ["a\x07b"], "control characters"),
        ("business_phones_2", [str(number) for number in range(101)], "at most 100"),
        ("capacity", ["-1"], "not a number"),
        ("capacity", ["٣"], "not a number"),
        ("capacity", ["1" * 10], "not a number"),
        ("booking_policy", ["sometimes"], "none of accept"),
        ("shoe_size", ["1"], "no such attribute"),
        ("photo", ["x"], "given as a file"),
    ],
)
async def test_attributes_that_are_refused(directory: Directory, name: str, values: list[str], reason: str) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    with pytest.raises(InvalidAttribute, match=reason) as caught:
        await directory.change(tom, Change(display_name="Other", attributes={"city": ["x"], name: values}))
    assert len(str(caught.value)) < 300
    assert await directory.by_address("tom@bm.lan") == tom


async def test_lines_are_kept_where_they_belong(directory: Directory) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    tom = await directory.change(tom, Change(attributes={"street": ["First Street 1\r\nBack door"]}))
    assert tom.details.get("street") == "First Street 1\r\nBack door"


def test_the_table_of_attributes() -> None:
    assert ATTRIBUTES["given_name"].tag == tags.PidTagGivenName
    assert ATTRIBUTES["certificates"].tag == tags.PidTagAddressBookX509Certificate
    assert ATTRIBUTES["extension_attribute_15"].tag == tags.PidTagAddressBookExtensionAttribute15
    assert attributes.BY_LDAP_NAME["telephonenumber"].name == "business_phone"
    assert {"manager", "photo", "certificates"} == ATTRIBUTES.keys() - DETAILS.keys()
    shown = [attribute.tag for attribute in ATTRIBUTES.values() if attribute.tag is not None]
    assert len(set(shown)) == len(shown)
    # Property types 0x101F and 0x1102 are the multiple ones (MS-OXCDATA 2.11.1).
    assert all(bool(item.tag & 0x1000) == item.multiple for item in ATTRIBUTES.values() if item.tag is not None)


async def test_a_manager_is_another_entry_until_it_goes(directory: Directory) -> None:
    anna = await directory.add("anna@bm.lan", "secret")
    tom = await directory.add("tom@bm.lan", "secret")
    bob = await directory.add_contact(
        "bob@example.net", "bm.lan", change=Change(attributes={"manager": ["anna@bm.lan"]})
    )
    tom = await directory.change(tom, Change(attributes={"manager": ["ANNA@bm.lan"]}))
    assert (tom.manager, bob.manager) == (anna.legacy_dn, anna.legacy_dn)
    anna = await directory.change(anna, Change(attributes={"manager": [tom.legacy_dn]}))  # a circle is nobody's harm
    assert anna.manager == tom.legacy_dn
    with pytest.raises(UnknownEntry):
        await directory.change(tom, Change(attributes={"manager": ["nobody@bm.lan"]}))
    await directory.remove("anna@bm.lan")
    assert [user.manager for user in await directory.users()] == [""]
    assert [contact.manager for contact in await directory.contacts()] == [""]


async def test_a_contact_is_in_the_list_of_a_domain(directory: Directory, database: Database) -> None:
    bob = await directory.add_contact("Bob@Example.NET", "BM.lan", display_name="Bob")
    assert (bob.address, bob.domain, bob.display_name) == ("bob@example.net", "bm.lan", "Bob")
    assert await directory.contact("BOB@example.net") == bob
    assert await directory.entry(bob.legacy_dn.upper()) == bob
    assert await directory.by_address("bob@example.net") is None
    assert (await directory.entries()).contacts == (bob,)
    other = Directory(database, passwords=Passwords(FAST))
    assert await other.contacts() == (bob,)
    await directory.remove_entry(bob)
    assert await other.contacts() == ()


async def test_an_address_is_in_a_list_once(directory: Directory) -> None:
    await directory.add("tom@bm.lan", "secret")
    await directory.add_group("staff@bm.lan")
    await directory.add_contact("bob@example.net", "bm.lan")
    for address in ("tom@bm.lan", "staff@bm.lan", "bob@example.net"):
        with pytest.raises(DuplicateAddress):
            await directory.add_contact(address, "bm.lan")
    # Another domain's list may have them: that a mailbox exists is nobody's business there.
    for address in ("tom@bm.lan", "bob@example.net"):
        assert (await directory.add_contact(address, "other.lan")).domain == "other.lan"
    assert await directory.by_address("tom@bm.lan") is not None
    with pytest.raises(UnknownContact, match=r"bm\.lan, other\.lan: name the domain"):
        await directory.contact("bob@example.net")
    found = await directory.contact("bob@example.net", "other.lan")
    assert found is not None
    assert found.domain == "other.lan"
    await directory.add_contact("new@third.lan", "third.lan")
    with pytest.raises(DuplicateAddress):
        await directory.add("new@third.lan", "secret")
    await directory.add_contact("late@third.lan", "bm.lan")
    await directory.add("late@third.lan", "secret")


async def test_a_contact_of_another_domain_gives_nobody_a_groups_rights(directory: Directory) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    await directory.add_contact("tom@bm.lan", "other.lan")
    await directory.add_group("staff@other.lan")
    contact = await directory.contact("tom@bm.lan", "other.lan")
    assert contact is not None
    async with directory.editing() as editor:
        group, member = await editor.named("staff@other.lan"), await editor.named(contact.legacy_dn)
        await editor.add_member(group, member)
    staff = await directory.group("staff@other.lan")
    assert staff is not None
    assert staff.members == ("tom@bm.lan",)
    assert await directory.members_of(staff) == (contact,)
    assert await directory.names_of(tom) == {tom.legacy_dn.lower()}


async def test_a_shared_mailbox_may_have_a_name_instead_of_an_address(directory: Directory) -> None:
    files = await directory.add_mailbox("Files", MailboxKind.SHARED, domain="bm.lan", display_name="Our files")
    assert (files.address, files.name, files.key, files.domain) == ("", "files", "files", "bm.lan")
    assert await directory.by_address("FILES") == files
    assert await directory.by_address("") is None
    assert await directory.by_mailbox(files.mailbox_id) == files
    await directory.add_group("staff@bm.lan")
    assert (await directory.add_member("staff@bm.lan", "files")).members == ("files",)
    files = await directory.change(files, Change(address="files@bm.lan"))
    assert (files.address, files.name) == ("files@bm.lan", "")
    staff = await directory.group("staff@bm.lan")
    assert staff is not None
    assert staff.members == ("files@bm.lan",)
    for name, domain in (("files two", "bm.lan"), ("", "bm.lan"), ("x" * 65, "bm.lan"), ("more", "")):
        with pytest.raises((InvalidName, InvalidAddress)):
            await directory.add_mailbox(name, MailboxKind.SHARED, domain=domain)
    with pytest.raises(InvalidAddress):
        await directory.add_mailbox("room", MailboxKind.ROOM)


async def test_rooms_have_a_capacity_and_no_password(directory: Directory) -> None:
    change = Change(attributes={"capacity": ["012"], "booking_policy": ["refuse-conflicts"]})
    room = await directory.add_mailbox("room@bm.lan", MailboxKind.ROOM, change=change)
    assert (room.kind, room.details.get("capacity"), room.password_mark) == (MailboxKind.ROOM, "12", 0)
    with pytest.raises(NoPassword):
        await directory.set_password("room@bm.lan", "secret")
    with pytest.raises(NoPassword):
        await directory.change(room, Change(password_hash="$argon2id$x"))


async def test_further_addresses_and_dns_of_everybody(directory: Directory) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    staff = await directory.add_group("staff@bm.lan")
    bob = await directory.add_contact("bob@example.net", "bm.lan")
    tom = await directory.add_proxy(tom, "x500:/o=Old/cn=Tom")
    staff = await directory.add_proxy(staff, "smtp:All@BM.lan")
    bob = await directory.add_proxy(bob, "robert@example.net")
    assert isinstance(tom, User)
    assert isinstance(staff, Group)
    assert isinstance(bob, Contact)
    assert (tom.x500, tom.aliases, staff.aliases, bob.aliases) == (
        ("/o=old/cn=tom",),
        (),
        ("all@bm.lan",),
        ("robert@example.net",),
    )
    assert await directory.entry("/O=OLD/CN=TOM") == tom
    assert await directory.by_legacy_dn("/o=Old/cn=Tom") == tom
    assert await directory.group("ALL@bm.lan") == staff
    assert await directory.contact("robert@example.net") == bob
    for entry, taken in ((bob, "all@bm.lan"), (tom, "/o=OLD/cn=tom"), (staff, tom.legacy_dn), (tom, "tom@bm.lan")):
        with pytest.raises(DuplicateAddress):
            await directory.add_proxy(entry, taken)
    for wrong in ("x500:/o=Ä", "/" + "x" * 600, "/", "x500:", "two words@bm.lan"):
        with pytest.raises(InvalidAddress):
            await directory.add_proxy(tom, wrong)
    assert (await directory.remove_proxy(tom, "/o=old/CN=Tom")).x500 == ()
    with pytest.raises(UnknownAlias):
        await directory.remove_proxy(tom, "/o=old/cn=tom")


async def test_an_alias_can_become_the_address(directory: Directory) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    await directory.add_alias("tom@bm.lan", "thomas@other.lan")
    await directory.add_group("staff@bm.lan")
    await directory.add_member("staff@bm.lan", "tom@bm.lan")
    tom = await directory.change(tom, Change(address="thomas@other.lan", proxies=["tom@bm.lan"]))
    assert (tom.address, tom.aliases, tom.domain) == ("thomas@other.lan", ("tom@bm.lan",), "other.lan")
    staff = await directory.group("staff@bm.lan")
    assert staff is not None
    assert staff.members == ("thomas@other.lan",)
    await directory.add("anna@bm.lan", "secret")
    with pytest.raises(DuplicateAddress):
        await directory.change(tom, Change(address="anna@bm.lan"))


async def test_pictures_and_certificates_stay_in_the_database(directory: Directory) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    await directory.change(tom, Change(photo=JPEG, certificates=[b"0one", b"0two"]))
    assert await directory.photo(tom.legacy_dn.upper()) == JPEG
    assert await directory.certificates(tom.legacy_dn) == [b"0one", b"0two"]
    for wrong in (
        Change(photo=b"<svg>"),
        Change(photo=JPEG + bytes(LARGEST_PHOTO)),
        Change(certificates=[b"x"] * 17),
        Change(certificates=[bytes(32769)]),
    ):
        with pytest.raises(InvalidAttribute):
            await directory.change(tom, wrong)
    await directory.change(tom, Change(photo=b"", certificates=[]))
    assert await directory.photo(tom.legacy_dn) is None
    assert await directory.certificates(tom.legacy_dn) == []
    await directory.change(tom, Change(photo=JPEG))
    await directory.remove("tom@bm.lan")
    assert await directory.photo(tom.legacy_dn) is None


async def test_managers_of_a_group(directory: Directory) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    board = await directory.add_group("board@bm.lan")
    await directory.add_group("staff@bm.lan")
    await directory.add_contact("bob@example.net", "bm.lan")
    await directory.add_manager("staff@bm.lan", "tom@bm.lan")
    await directory.add_manager("staff@bm.lan", "tom@bm.lan")
    staff = await directory.add_manager("staff@bm.lan", "board@bm.lan")
    assert set(staff.managers) == {tom.legacy_dn, board.legacy_dn}
    with pytest.raises(InvalidAttribute):
        await directory.add_manager("staff@bm.lan", "bob@example.net")
    assert (await directory.remove_manager("staff@bm.lan", "board@bm.lan")).managers == (tom.legacy_dn,)
    with pytest.raises(UnknownManager):
        await directory.remove_manager("staff@bm.lan", "board@bm.lan")
    await directory.remove("tom@bm.lan")
    assert (await directory.groups())[1].managers == ()


async def test_domains_see_each_other_by_configuration(database: Database) -> None:
    directory = Directory(database, address_lists=[{"a.example", "b.example"}, {"b.example", "c.example"}])
    assert directory.visible_domains("a.example") == {"a.example", "b.example"}
    assert directory.visible_domains("b.example") == {"a.example", "b.example", "c.example"}
    assert directory.visible_domains("d.example") == {"d.example"}


def _picture(snapshot: Snapshot) -> Any:
    """All that a snapshot says; which objects are the same ones does not count."""
    return (
        snapshot.entries,
        snapshot.by_address,
        snapshot.group_by_address,
        snapshot.contact_by_address,
        snapshot.in_dn_order,
        snapshot.by_x500,
        snapshot.in_mailbox_order,
        {name: set(groups) for name, groups in snapshot.containing.items()},
        {number: sorted(names) for number, names in snapshot.members.items() if names},
    )


async def _change_something(directory: Directory, chance: random.Random) -> None:
    names = [f"{name}@bm.lan" for name in "abcdef"]
    entries: list[Entry] = [*await directory.users(), *await directory.groups(), *await directory.contacts()]
    one, other = chance.choice(names), chance.choice(names)
    match chance.randrange(9):
        case 0:
            await directory.add_mailbox(one, MailboxKind.ROOM)
        case 1:
            await directory.add_group(one)
        case 2:
            await directory.add_contact(one, "bm.lan")
        case 3:
            await directory.add_member(one, other)
        case 4:
            await directory.add_manager(one, other)
        case 5 if entries and chance.random() < 0.5:
            await directory.remove_entry(chance.choice(entries))
        case 6 if entries:
            await directory.add_proxy(chance.choice(entries), chance.choice([f"x{one}", f"/cn={other}"]))
        case 7 if entries:
            await directory.change(chance.choice(entries), Change(display_name=one, address=other))
        case 8 if entries:
            await directory.change(chance.choice(entries), Change(attributes={"manager": [other], "title": [one]}))


@pytest.mark.parametrize("seed", range(4))
async def test_reading_what_has_changed_gives_what_reading_everything_gives(
    directory: Directory, database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    watching = Directory(database)
    for _ in range(60):
        try:
            await _change_something(directory, chance)
        except DirectoryError:
            continue
        if chance.random() < 0.5:
            assert _picture(await watching._kept.get()) == _picture(await Directory(database)._kept.get())


async def test_a_change_reads_what_has_changed(
    directory: Directory, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await directory.add_contact(f"c{number}@example.net", "bm.lan")
    before = await directory.contacts()
    read: list[Any] = []
    reading = directory_module._read

    async def counted(connection: Any, changed: Any = None) -> Any:
        read.append(changed)
        return await reading(connection, changed)

    monkeypatch.setattr(directory_module, "_read", counted)
    await directory.change(before[0], Change(attributes={"title": ["x"]}))
    after = await directory.contacts()
    assert [len(changed) for changed in read] == [1]
    assert all(one is other for one, other in zip(before[1:], after[1:], strict=True))
