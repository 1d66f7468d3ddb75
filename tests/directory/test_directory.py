import asyncio
import os
from pathlib import Path

import pytest
from sqlalchemy import func, select

from mapigw.directory.directory import Directory, legacy_dn
from mapigw.directory.errors import (
    DirectoryError,
    DuplicateAddress,
    InvalidAddress,
    InvalidDisplayName,
    InvalidPassword,
    UnknownAlias,
    UnknownUser,
)
from mapigw.directory.passwords import Passwords
from mapigw.store import directory_changes, schema
from mapigw.store.database import Connection, Database
from mapigw.store.directory import update_entry
from mapigw.store.directory_changes import EntryId, EntryKind
from mapigw.store.stamp import CONFIRMATION_DELAY
from tests.directory.conftest import FAST


async def count(database: Database, table: str) -> int:
    async with database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(schema.metadata.tables[table]))).scalar_one()


async def test_an_added_user_is_found_by_all_that_names_it(directory: Directory) -> None:
    user = await directory.add("Tom@BM.lan", "secret", display_name=" Tom Tester ", admin=True)
    assert (user.address, user.domain, user.display_name) == ("tom@bm.lan", "bm.lan", "Tom Tester")
    assert (user.enabled, user.admin, user.aliases) == (True, True, ())
    assert await directory.by_address("TOM@bm.LAN") == user
    assert await directory.by_legacy_dn(user.legacy_dn.upper()) == user
    assert await directory.by_mailbox(user.mailbox_id) == user
    assert await directory.users() == (user,)


async def test_a_user_brings_its_domain_and_its_mailbox(directory: Directory, database: Database) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    anna = await directory.add("anna@bm.lan", "secret")
    assert (await count(database, "domain"), await count(database, "mailbox")) == (1, 2)
    assert tom.mailbox_guid != anna.mailbox_guid
    async with database.read() as connection:
        guid = (
            await connection.execute(select(schema.mailbox.c.guid).where(schema.mailbox.c.mailbox_id == tom.mailbox_id))
        ).scalar_one()
    assert guid == tom.mailbox_guid.bytes_le


async def test_the_legacy_dn_has_the_form_that_outlook_expects(directory: Directory) -> None:
    user = await directory.add("tom+a/b=c.d@bm.lan", "secret")
    assert user.legacy_dn == (
        "/o=mapigw/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients"
        f"/cn={user.mailbox_guid.hex}-tomabc.d"
    )
    name = legacy_dn(user.mailbox_guid, "x" * 64 + "@bm.lan").rpartition("cn=")[2]
    assert len(name) == 64


async def test_an_address_belongs_to_one_user_as_primary_or_as_alias(directory: Directory) -> None:
    await directory.add("tom@bm.lan", "secret")
    await directory.add("anna@bm.lan", "secret")
    user = await directory.add_alias("tom@bm.lan", "Thomas@BM.lan")
    assert user.aliases == ("thomas@bm.lan",)
    assert await directory.by_address("thomas@bm.lan") == user
    for taken in ("tom@bm.lan", "THOMAS@bm.lan"):
        with pytest.raises(DuplicateAddress, match="already an address of tom@"):
            await directory.add(taken, "secret")
        with pytest.raises(DuplicateAddress, match="already an address of tom@"):
            await directory.add_alias("anna@bm.lan", taken)
    with pytest.raises(DuplicateAddress):
        await directory.add_alias("tom@bm.lan", "tom@bm.lan")


async def test_aliases_are_sorted_and_can_be_removed(directory: Directory) -> None:
    await directory.add("tom@bm.lan", "secret")
    await directory.add_alias("tom@bm.lan", "z@bm.lan")
    user = await directory.add_alias("z@bm.lan", "a@other.lan")
    assert user.aliases == ("a@other.lan", "z@bm.lan")
    user = await directory.remove_alias("z@bm.lan", "Z@bm.lan")
    assert user.aliases == ("a@other.lan",)
    assert await directory.by_address("z@bm.lan") is None
    with pytest.raises(UnknownAlias, match=r"z@bm\.lan is not an alias of tom@bm\.lan"):
        await directory.remove_alias("tom@bm.lan", "z@bm.lan")
    with pytest.raises(UnknownAlias):  # the primary address is no alias
        await directory.remove_alias("tom@bm.lan", "tom@bm.lan")


async def test_removing_a_user_removes_everything_of_it(directory: Directory, database: Database) -> None:
    await directory.add("anna@bm.lan", "secret")
    tables = schema.metadata.tables.keys() - {"directory_change"}
    before = {name: await count(database, name) for name in tables}
    await directory.add("tom@bm.lan", "secret")
    await directory.add_alias("tom@bm.lan", "thomas@bm.lan")
    await directory.remove("thomas@bm.lan")
    assert {name: await count(database, name) for name in tables} == before
    assert await directory.by_address("tom@bm.lan") is None
    assert await directory.by_address("thomas@bm.lan") is None
    again = await directory.add("tom@bm.lan", "other")
    assert again.aliases == ()


async def test_changes_take_an_alias_and_answer_the_changed_user(directory: Directory) -> None:
    await directory.add("tom@bm.lan", "secret")
    await directory.add_alias("tom@bm.lan", "thomas@bm.lan")
    assert not (await directory.set_enabled("thomas@bm.lan", False)).enabled
    assert (await directory.set_enabled("tom@bm.lan", True)).enabled
    assert (await directory.set_admin("thomas@bm.lan", True)).admin
    assert (await directory.set_display_name("thomas@bm.lan", "Tom")).display_name == "Tom"
    assert (await directory.set_display_name("thomas@bm.lan", "  ")).display_name == "tom"
    await directory.set_password("thomas@bm.lan", "new")
    account = await directory.account("tom@bm.lan")
    assert account is not None
    assert await directory.passwords.verify(account.password_hash, "new")


async def test_a_change_to_nobody_is_an_error_of_its_own(directory: Directory) -> None:
    for change in (
        directory.set_enabled("no@bm.lan", True),
        directory.set_admin("no@bm.lan", True),
        directory.set_display_name("no@bm.lan", "No"),
        directory.set_password("no@bm.lan", "x"),
        directory.add_alias("no@bm.lan", "alias@bm.lan"),
        directory.remove_alias("no@bm.lan", "alias@bm.lan"),
        directory.remove("not an address"),
        directory.remove("nö@bm.lan"),
    ):
        with pytest.raises(UnknownUser, match="there is no user n"):
            await change


async def test_users_are_listed_by_display_name_and_by_domain(directory: Directory) -> None:
    await directory.add("1@bm.lan", "secret", display_name="zoe")
    await directory.add("2@bm.lan", "secret", display_name="Anna")
    await directory.add("3@b\u00fccher.example", "secret", display_name="mia")
    await directory.set_enabled("2@bm.lan", False)
    assert [user.display_name for user in await directory.users()] == ["Anna", "mia", "zoe"]
    assert [user.display_name for user in await directory.users("BM.lan")] == ["Anna", "zoe"]
    assert [user.domain for user in await directory.users("B\u00dcCHER.example")] == ["xn--bcher-kva.example"]
    assert await directory.users("no such domain") == ()


async def test_an_international_domain_is_found_in_both_its_spellings(directory: Directory) -> None:
    user = await directory.add("tom@b\u00fccher.example", "secret")
    assert user.address == "tom@xn--bcher-kva.example"
    assert await directory.by_address("TOM@B\u00dcCHER.EXAMPLE") == user
    assert await directory.by_address("tom@xn--bcher-kva.example") == user


async def test_a_letter_that_only_lowers_to_ascii_is_another_letter(directory: Directory) -> None:
    await directory.add("kim@bm.lan", "secret")
    assert await directory.by_address("\u212aim@bm.lan") is None  # KELVIN SIGN


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("tom", "exactly one @"),
        ("", "exactly one @"),
        ("tom@bm@lan", "exactly one @"),
        ("@bm.lan", "before the @"),
        (".tom@bm.lan", "before the @"),
        ("to..m@bm.lan", "before the @"),
        ('"t"@bm.lan', "before the @"),
        ("tom<@bm.lan", "before the @"),
        ("t\u00f6m@bm.lan", "only ASCII"),
        ("x" * 65 + "@bm.lan", "longer than 64"),
        ("tom@", "not a domain name"),
        ("tom@bm..lan", "not a domain name"),
        ("tom@bm.lan.", "not a domain name"),
        ("tom@-bm.lan", "not a domain name"),
        ("tom@bm-.lan", "not a domain name"),
        ("tom@b_m.lan", "not a domain name"),
        ("tom@[127.0.0.1]", "not a domain name"),
        ("tom@" + "x" * 64 + ".lan", "not a domain name"),
        ("tom@" + ".".join(["x" * 62] * 5), "longer than 253"),
        ("x" * 64 + "@" + ".".join(["x" * 47] * 4), "longer than 254"),
        ("tom@" + "\u00fc" * 300, "longer than 253"),
        ("tom@" + "\u00fc" * 70 + ".lan", "international"),
        (" tom@bm.lan", "spaces or control"),
        ("to\tm@bm.lan", "spaces or control"),
        ("tom@bm.lan\n", "spaces or control"),
        ("tom\x00@bm.lan", "spaces or control"),
        ("tom\x7f@bm.lan", "spaces or control"),
        ("tom\udc80@bm.lan", "spaces or control"),
    ],
)
async def test_a_bad_address_is_refused_with_its_reason(directory: Directory, address: str, reason: str) -> None:
    with pytest.raises(InvalidAddress, match=reason):
        await directory.add(address, "secret")
    assert await directory.by_address(address) is None
    assert isinstance(InvalidAddress(address, reason), DirectoryError)


@pytest.mark.parametrize("address", ["a@b", "o'neil+x@bm.lan", "1.2-3_4@123.example", "x" * 64 + "@bm.lan"])
async def test_an_unusual_address_is_taken(directory: Directory, address: str) -> None:
    assert (await directory.add(address, "secret")).address == address


@pytest.mark.parametrize("name", ["a\nb", "a\x00", "a\x1bb", "\udcff", "\uffff", "x" * 257])
async def test_a_display_name_that_xml_cannot_carry_is_refused(directory: Directory, name: str) -> None:
    with pytest.raises(InvalidDisplayName):
        await directory.add("tom@bm.lan", "secret", display_name=name)


async def test_empty_and_overlong_passwords_are_refused(directory: Directory) -> None:
    await directory.add("tom@bm.lan", "x" * 1024)
    for password in ("", "x" * 1025, "\u00fc" * 513):
        with pytest.raises(InvalidPassword):
            await directory.add("anna@bm.lan", password)
        with pytest.raises(InvalidPassword):
            await directory.set_password("tom@bm.lan", password)


async def test_a_refused_user_leaves_nothing_behind(directory: Directory, database: Database) -> None:
    await directory.add("tom@bm.lan", "secret")
    await directory.add_alias("tom@bm.lan", "x@new.lan")
    outcomes = await asyncio.gather(
        *(directory.add("anna@other.lan", "secret") for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(outcome, DuplicateAddress) for outcome in outcomes) == 3
    assert (await count(database, "user"), await count(database, "mailbox"), await count(database, "domain")) == (
        2,
        2,
        2,
    )


async def test_a_change_by_another_process_is_seen_by_the_very_next_read(directory: Directory, tmp_path: Path) -> None:
    other_database = await Database.open(tmp_path / "data")
    try:
        other = Directory(other_database, passwords=Passwords(FAST))
        assert await directory.by_address("tom@bm.lan") is None
        user = await other.add("tom@bm.lan", "secret")
        assert await directory.by_address("tom@bm.lan") == user
        for enabled in (False, True) * 20:  # many within one tick of the file system's clock
            await other.set_enabled("tom@bm.lan", enabled)
            found = await directory.by_legacy_dn(user.legacy_dn)
            assert found is not None
            assert found.enabled is enabled
    finally:
        await other_database.close()


class CountedReads:
    """Counts how often the rows are loaded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        latest = directory_changes.latest

        async def counted(connection: Connection) -> int:
            self.count += 1
            return await latest(connection)

        monkeypatch.setattr(directory_changes, "latest", counted)


async def test_reads_do_not_touch_the_database_while_nothing_changes(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await directory.add("tom@bm.lan", "secret")
    loads = CountedReads(monkeypatch)
    await asyncio.gather(*(directory.by_address(f"{number}@bm.lan") for number in range(100)))
    assert loads.count == 0
    await directory.set_admin("tom@bm.lan", True)
    loads.count = 0
    await asyncio.gather(*(directory.by_address(f"{number}@bm.lan") for number in range(100)))
    assert loads.count == 0  # set_admin itself has read its result


async def test_many_readers_after_a_change_load_it_once(
    directory: Directory, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await directory.add("tom@bm.lan", "secret")
    other = Directory(database, passwords=Passwords(FAST))
    loads = CountedReads(monkeypatch)
    await asyncio.gather(*(other.by_address("tom@bm.lan") for _ in range(100)))
    assert loads.count == 1


async def test_a_writer_that_dies_right_after_its_commit_is_seen_in_the_end(database: Database) -> None:
    now = 0.0
    directory = Directory(database, passwords=Passwords(FAST), clock=lambda: now)
    await directory.add("tom@bm.lan", "secret")
    now += CONFIRMATION_DELAY
    await directory.by_address("tom@bm.lan")  # confirmed
    stamp = directory._stamp
    stamp.bump()
    found = await directory.by_address("tom@bm.lan")
    assert found is not None
    assert found.enabled
    async with database.write() as connection:
        entry = EntryId(EntryKind.USER, found.user_id)
        await update_entry(connection, entry, enabled=False)
        await directory_changes.note(connection, [entry])
    # no second bump: the process has died here
    now += CONFIRMATION_DELAY
    found = await directory.by_address("tom@bm.lan")
    assert found is not None
    assert not found.enabled


async def test_a_failed_change_is_announced_too_and_changes_nothing(directory: Directory) -> None:
    await directory.add("tom@bm.lan", "secret")
    before = directory._stamp.state()
    with pytest.raises(UnknownUser):
        await directory.set_admin("no@bm.lan", True)
    assert directory._stamp.state()[1] == before[1] + 2
    assert (await directory.users())[0].admin is False


def test_the_stamp_is_private_to_the_service(directory: Directory) -> None:
    directory._stamp.bump()
    assert os.stat(directory._stamp._path).st_mode & 0o077 == 0
