import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.errors import (
    DuplicateAddress,
    DuplicateMember,
    GroupCycle,
    InvalidAddress,
    UnknownGroup,
    UnknownMember,
    UnknownUser,
)
from mapigw.directory.passwords import Passwords
from mapigw.store.database import Database
from tests.directory.conftest import FAST


async def test_the_names_of_a_user_are_its_own_and_those_of_all_its_groups(directory: Directory) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    ann = await directory.add("ann@bm.lan", "secret")
    inner = await directory.add_group("inner@bm.lan")
    outer = await directory.add_group("outer@bm.lan")
    other = await directory.add_group("other@bm.lan")
    await directory.add_member("inner@bm.lan", "tom@bm.lan")
    await directory.add_member("outer@bm.lan", "inner@bm.lan")
    await directory.add_member("other@bm.lan", "ann@bm.lan")
    assert await directory.names_of(tom) == {dn.lower() for dn in (tom.legacy_dn, inner.legacy_dn, outer.legacy_dn)}
    assert await directory.names_of(ann) == {ann.legacy_dn.lower(), other.legacy_dn.lower()}


async def test_a_user_is_in_a_group_by_two_ways_once(directory: Directory) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    for name in ("a", "b", "c"):
        await directory.add_group(f"{name}@bm.lan")
    for outer, member in (("a", "b"), ("a", "c"), ("b", "tom"), ("c", "tom")):
        await directory.add_member(f"{outer}@bm.lan", f"{member}@bm.lan")
    assert len(await directory.names_of(tom)) == 4
    await directory.remove_member("b@bm.lan", "tom@bm.lan")
    assert len(await directory.names_of(tom)) == 3  # still in a, by c


async def test_an_alias_names_a_member(directory: Directory) -> None:
    await directory.add("tom@bm.lan", "secret")
    await directory.add_alias("tom@bm.lan", "thomas@bm.lan")
    await directory.add_group("staff@bm.lan")
    assert (await directory.add_member("STAFF@bm.lan", "Thomas@bm.lan")).members == ("tom@bm.lan",)
    with pytest.raises(DuplicateMember):
        await directory.add_member("staff@bm.lan", "tom@bm.lan")


async def test_groups_do_not_contain_themselves(directory: Directory) -> None:
    for name in ("a", "b", "c"):
        await directory.add_group(f"{name}@bm.lan")
    await directory.add_member("a@bm.lan", "b@bm.lan")
    await directory.add_member("b@bm.lan", "c@bm.lan")
    for outer, member in (("a", "a"), ("b", "a"), ("c", "a")):
        with pytest.raises(GroupCycle):
            await directory.add_member(f"{outer}@bm.lan", f"{member}@bm.lan")
    await directory.add_member("a@bm.lan", "c@bm.lan")  # twice below is no cycle


async def test_an_address_is_a_users_or_a_groups(directory: Directory) -> None:
    await directory.add("tom@bm.lan", "secret")
    await directory.add_alias("tom@bm.lan", "thomas@bm.lan")
    await directory.add_group("staff@bm.lan")
    for address in ("tom@bm.lan", "thomas@bm.lan", "staff@bm.lan"):
        with pytest.raises(DuplicateAddress):
            await directory.add_group(address)
    with pytest.raises(DuplicateAddress):
        await directory.add("staff@bm.lan", "secret")
    with pytest.raises(DuplicateAddress):
        await directory.add_alias("tom@bm.lan", "staff@bm.lan")
    with pytest.raises(InvalidAddress):
        await directory.add_group("staff")


async def test_what_is_not_there(directory: Directory) -> None:
    await directory.add_group("staff@bm.lan")
    await directory.add("tom@bm.lan", "secret")
    assert await directory.group("nobody@bm.lan") is None
    with pytest.raises(UnknownGroup):
        await directory.remove_group("nobody@bm.lan")
    with pytest.raises(UnknownGroup):
        await directory.add_member("nobody@bm.lan", "tom@bm.lan")
    with pytest.raises(UnknownUser):
        await directory.add_member("staff@bm.lan", "nobody@bm.lan")
    with pytest.raises(UnknownMember):
        await directory.remove_member("staff@bm.lan", "tom@bm.lan")


async def test_a_namesake_of_a_removed_group_or_user_has_another_name(directory: Directory) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    staff = await directory.add_group("staff@bm.lan")
    await directory.add_member("staff@bm.lan", "tom@bm.lan")
    await directory.remove_group("staff@bm.lan")
    assert await directory.names_of(tom) == {tom.legacy_dn.lower()}
    assert await directory.entry(staff.legacy_dn) is None
    assert (await directory.add_group("staff@bm.lan")).legacy_dn != staff.legacy_dn
    assert (await directory.groups())[0].members == ()
    await directory.add_member("staff@bm.lan", "tom@bm.lan")
    await directory.remove("tom@bm.lan")
    assert (await directory.groups())[0].members == ()
    again = await directory.add("tom@bm.lan", "secret")
    assert again.legacy_dn != tom.legacy_dn
    assert await directory.names_of(again) == {again.legacy_dn.lower()}


async def test_entries_are_found_by_their_dn_in_any_case(directory: Directory) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    staff = await directory.add_group("staff@bm.lan", display_name="All staff")
    assert await directory.entry(tom.legacy_dn.upper()) == tom
    assert await directory.entry(staff.legacy_dn.upper()) == staff
    assert staff.display_name == "All staff"


async def test_another_process_sees_a_new_member_at_once(directory: Directory, database: Database) -> None:
    tom = await directory.add("tom@bm.lan", "secret")
    await directory.add_group("staff@bm.lan")
    other = Directory(database, passwords=Passwords(FAST))
    assert len(await other.names_of(tom)) == 1
    await directory.add_member("staff@bm.lan", "tom@bm.lan")
    assert len(await other.names_of(tom)) == 2
