"""Records of all kinds of entries, within the limits, and what only the server has."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mapigw.directory.attributes import DETAILS, AttributeKind
from mapigw.directory.details import Details
from mapigw.directory.model import Contact, Entry, MailboxKind
from oab import entries
from oab.background import AddressListKeeper
from oab.entries import ENTRY_PROPERTIES, Binaries, in_order, no_binaries, records
from oab.publication import Publication
from oab.wire.details import RecordCodec
from tests.oab.directory import People, group, user

TRUNCATED, PROXIES, COMMENT, X509, PHOTO = 0x68051003, 0x800F101F, 0x3004001F, 0x8C6A1102, 0x8C9E0102
PERSON = user(1, "Anna", aliases=("a@bm.lan",))
CONTACT = Contact(1, "zed@example.org", "Zed", "/o=mapigw/cn=zed", "bm.lan", aliases=("z@example.net",))


def made(*people: Entry, read: entries.ReadBinaries = no_binaries) -> dict[str, dict[int, Any]]:
    """Records by address, each after it has come back from bytes."""
    codec = RecordCodec(ENTRY_PROPERTIES)
    return {address: codec.parse(codec.build(record)) for address, record in records(in_order(people), read)}


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        (PERSON, {0x39000003: 0, 0x39050003: 0x40000000, 0x0FFE0003: 6, 0x3A40000B: True, 0x3A00001F: "user1"}),
        (replace(PERSON, kind=MailboxKind.SHARED), {0x39000003: 0, 0x39050003: 0}),
        (
            replace(PERSON, kind=MailboxKind.ROOM, details=Details.of({"capacity": "12"})),
            {0x39000003: 0, 0x39050003: 7, 0x08070003: 12},
        ),
        (replace(PERSON, kind=MailboxKind.EQUIPMENT), {0x39000003: 0, 0x39050003: 8}),
        (replace(PERSON, details=Details.of({"account": "anna"})), {0x3A00001F: "anna"}),
        (replace(PERSON, x500=("/o=old/cn=a",)), {PROXIES: ["SMTP:user1@bm.lan", "smtp:a@bm.lan", "X500:/o=old/cn=a"]}),
        (group(1), {0x39000003: 1, 0x39050003: 0x40000009, 0x0FFE0003: 8, PROXIES: ["SMTP:group1@bm.lan"]}),
        (
            CONTACT,
            {
                0x39000003: 6,
                0x39050003: 6,
                0x0FFE0003: 6,
                0x3A40000B: False,
                0x8011001F: "SMTP:zed@example.org",
                0x39FE001E: "zed@example.org",
                PROXIES: ["SMTP:zed@example.org", "smtp:z@example.net"],
            },
        ),
    ],
)
def test_kinds(entry: Entry, values: dict[int, Any]) -> None:
    (record,) = made(entry).values()
    assert {tag: record.get(tag) for tag in values} == values
    assert TRUNCATED not in record


def test_every_attribute_that_dialogs_show_is_there() -> None:
    words = {
        name: ("one", "two") if attribute.multiple else f"the {name}"
        for name, attribute in DETAILS.items()
        if attribute.kind in (AttributeKind.TEXT, AttributeKind.LINES)
    }
    (record,) = made(replace(PERSON, details=Details.of(words))).values()
    left_out = {name for name in words if DETAILS[name].tag not in record}
    assert left_out == {f"extension_attribute_{number}" for number in range(1, 16)}
    assert record[0x3A1B101F] == ["one", "two"]
    assert record[0x8C92001F] == "the phonetic_display_name"


def test_who_is_not_in_the_list() -> None:
    hidden, nameless = replace(user(2), hidden=True), replace(user(3), address="", name="archive")
    assert list(made(PERSON, hidden, nameless, replace(group(1), hidden=True), replace(CONTACT, hidden=True))) == [
        PERSON.address
    ]


def test_long_values_are_cut_and_named() -> None:
    """MS-OXOAB 2.9.2.2.1, with the limits that Exchange begins with: 3,400 bytes, together 64 KiB."""
    person = replace(
        PERSON,
        details=Details.of({"comment": "ö" * 1701, "title": "x" * 3400}),
        aliases=tuple(f"{number:060}@bm.lan" for number in range(1000)),
    )
    record = made(person)[PERSON.address]
    assert record[COMMENT] == "ö" * 1700
    assert record[0x3A17001F] == "x" * 3400
    kept = record[PROXIES]
    assert kept == ["SMTP:user1@bm.lan", *(f"smtp:{alias}" for alias in person.aliases)][: len(kept)]
    assert 65536 - 72 < sum(len(item) for item in kept) <= 65536
    assert record[TRUNCATED] == [COMMENT, PROXIES]


def test_a_character_is_not_cut_in_two() -> None:
    record = made(replace(PERSON, details=Details.of({"comment": "x" + "ö" * 1700})))[PERSON.address]
    assert record[COMMENT] == "x" + "ö" * 1699
    assert record[TRUNCATED] == [COMMENT]


def test_links_are_named_and_not_there() -> None:
    boss = replace(user(1, "Boss"))
    person = replace(user(2, "Person"), manager=boss.legacy_dn)
    staff = replace(group(1), members=(person.address, "group2@bm.lan"), managers=(boss.legacy_dn,))
    found = made(boss, person, staff, group(2), replace(CONTACT, manager=boss.legacy_dn))
    assert {address: record.get(TRUNCATED) for address, record in found.items()} == {
        boss.address: [0x800E000D, 0x8024000D],
        person.address: [0x8005000D, 0x8008000D],
        staff.address: [0x8009000D, 0x800C000D],
        "group2@bm.lan": [0x8008000D],
        CONTACT.address: [0x8005000D],
    }
    assert not [tag for record in found.values() for tag in record if tag & 0xFFFF == 0x000D]


def test_certificates_are_there_and_photos_are_fetched_online() -> None:
    asked: list[int] = []

    def read(batch: Sequence[Entry]) -> Binaries:
        asked.append(len(batch))
        dns = [entry.legacy_dn.lower() for entry in batch]
        return Binaries({dn: [b"one", b"x" * 60000, b"y" * 6000] for dn in dns[:1]}, dns[:1])

    found = list(made(*(user(number) for number in range(100)), read=read).values())
    assert asked == [64, 36]
    assert found[0][X509] == [b"one", b"x" * 60000]
    assert found[0][TRUNCATED] == [X509, PHOTO]
    assert X509 not in found[1]


async def test_the_keeper_reads_them_from_the_directory_and_sees_their_changes(tmp_path: Path) -> None:
    people = People([user(number) for number in range(100)], [group(1)])
    people.all_contacts = (CONTACT, replace(CONTACT, contact_id=2, legacy_dn="/o=mapigw/cn=y", domain="other.lan"))
    people.certificates = {people.all_users[7].legacy_dn.lower(): [b"certificate"]}
    keeper = AddressListKeeper(people, tmp_path, poll=0.01, quiet=0.01)
    running = asyncio.create_task(keeper.run())

    async def until(sequence: int) -> None:
        for _ in range(1000):
            current = Publication(tmp_path, "bm.lan").current()
            if current and current.full.sequence == sequence:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(sequence)

    try:
        await until(1)
        assert await keeper.verify("bm.lan") == []
        assert await keeper.count("bm.lan") == 102
        before = people.certificates
        people.certificates = {}
        assert [line.endswith("stands twice") for line in await keeper.verify("bm.lan")] == [True]
        people.all_users = (replace(people.all_users[0]), *people.all_users[1:])  # equal, but made anew
        await until(2)
        people.certificates = before
        people.all_users = (replace(people.all_users[0], password_mark=5), *people.all_users[1:])
        await asyncio.sleep(0.2)
        await until(2)
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_domains_share_a_list_by_configuration(tmp_path: Path) -> None:
    people = People([user(1), user(2, domain="other.lan")])
    people.shared = {"bm.lan": ("bm.lan", "other.lan")}
    keeper = AddressListKeeper(people, tmp_path)
    assert (await keeper.count("bm.lan"), await keeper.count("other.lan")) == (2, 1)
    await keeper.make_all()
    assert await keeper.verify("bm.lan") == await keeper.verify("other.lan") == []


async def test_a_generation_that_is_cancelled_reads_no_more(tmp_path: Path) -> None:
    people = People([user(number) for number in range(1000)])
    keeper = AddressListKeeper(people, tmp_path)
    reading, reads = asyncio.Event(), 0
    with_photo = people.with_photo

    async def counted(dns: Any) -> set[str]:
        nonlocal reads
        reads += 1
        reading.set()
        return await with_photo(dns)

    people.with_photo = counted  # type: ignore[method-assign]
    making = asyncio.create_task(keeper.make("bm.lan"))
    await reading.wait()
    making.cancel()
    await asyncio.wait({making})
    after = reads
    await asyncio.sleep(0.05)
    assert reads == after <= 3
    assert making.cancelled()
    assert Publication(tmp_path, "bm.lan").current() is None
