"""Synchronization from a real LDAP server."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mapigw.directory import ldap_sync
from mapigw.directory.directory import Directory
from mapigw.directory.ldap_connection import LdapServer, LdapUnavailable
from mapigw.directory.ldap_sync import Source, Synchronizer
from mapigw.directory.model import MailboxKind
from mapigw.directory.records import Report
from mapigw.server.config import Ldap
from tests.directory.slapd import BASE, PASSWORD, ROOT, Slapd, needs_slapd, slapd

pytestmark = needs_slapd
_SETTINGS = Ldap()


def source(slapd: Slapd, **changes: object) -> Source:
    filters = {
        "shared": _SETTINGS.shared_filter,
        "room": _SETTINGS.room_filter,
        "equipment": _SETTINGS.equipment_filter,
        "group": _SETTINGS.group_filter,
        "contact": _SETTINGS.contact_filter,
        "user": _SETTINGS.user_filter,
    }
    found = Source(LdapServer(slapd.url, timeout=10), ROOT, PASSWORD, BASE, "bm.lan", filters, {})
    return replace(found, **changes)  # type: ignore[arg-type]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Slapd]:
    with slapd(tmp_path / "slapd") as running:
        yield running


async def synchronized(directory: Directory, server: Slapd, **options: bool) -> Report:
    return await Synchronizer(directory, source(server), **options).run()


async def test_everybody_comes_over_with_what_is_known_of_them(directory: Directory, server: Slapd) -> None:
    boss = server.person("anna", title="Head of Department", jpegPhoto=b"\xff\xd8\xff\xe0photo")
    tom = server.person(
        "tom",
        givenName="Tom",
        sn="Bäuer",
        telephoneNumber=["+49 30 1", "+49 30 2"],
        company="BM",
        manager=boss,
        proxyAddresses=["SMTP:tom@bm.lan", "smtp:thomas@bm.lan", "x500:/o=Old/cn=Tom", "sip:tom@bm.lan"],
    )
    server.add("cn=Room 1", "device exchangeObject", mail="room1@bm.lan", msExchRecipientTypeDetails="16",
               msExchResourceCapacity="12")  # fmt: skip
    server.add("cn=Car", "device exchangeObject", mail="car@bm.lan", msExchRecipientTypeDetails="32")
    server.add("cn=Info", "device exchangeObject", mail="info@bm.lan", msExchRecipientTypeDetails="4",
               msExchHideFromAddressLists="TRUE")  # fmt: skip
    bob = server.add("cn=Bob", "contact", sn="Bob", mail="bob@example.net", company="Example")
    inner = server.add("cn=Inner", "groupOfNames exchangeObject", mail="inner@bm.lan", member=[tom, bob])
    server.add("cn=Staff", "groupOfNames exchangeObject", mail="staff@bm.lan", member=[inner, boss], owner=boss)

    report = await synchronized(directory, server)
    assert (report.added, report.failures) == (8, [])
    found = await directory.by_address("thomas@bm.lan")
    assert found is not None
    assert (found.address, found.display_name, found.x500) == ("tom@bm.lan", "Tom", ("/o=old/cn=tom",))
    assert found.details.all() == {
        "given_name": "Tom",
        "surname": "Bäuer",
        "account": "tom",
        "business_phone": "+49 30 1",
        "company": "BM",
    }
    anna = await directory.by_address("anna@bm.lan")
    assert anna is not None
    assert found.manager == anna.legacy_dn
    assert await directory.photo(anna.legacy_dn) == b"\xff\xd8\xff\xe0photo"
    kinds = {user.address: user.kind for user in await directory.users()}
    assert kinds["room1@bm.lan"] is MailboxKind.ROOM
    assert kinds["car@bm.lan"] is MailboxKind.EQUIPMENT
    assert kinds["info@bm.lan"] is MailboxKind.SHARED
    info, room = await directory.by_address("info@bm.lan"), await directory.by_address("room1@bm.lan")
    assert info is not None
    assert room is not None
    assert (info.hidden, room.hidden, room.details.get("capacity")) == (True, False, "12")
    (contact,) = await directory.contacts()
    assert (contact.address, contact.domain, contact.details.get("company")) == ("bob@example.net", "bm.lan", "Example")
    staff, inside = await directory.group("staff@bm.lan"), await directory.group("inner@bm.lan")
    assert staff is not None
    assert inside is not None
    assert staff.members == ("anna@bm.lan", "inner@bm.lan")
    assert inside.members == ("bob@example.net", "tom@bm.lan")
    assert staff.managers == (anna.legacy_dn,)
    assert await directory.names_of(found) == {
        dn.lower() for dn in (found.legacy_dn, inside.legacy_dn, staff.legacy_dn)
    }

    again = await synchronized(directory, server)
    assert (again.added, again.changed, again.unchanged, again.lines) == (0, 0, 8, [])


async def test_a_renamed_entry_stays_the_same_object(directory: Directory, server: Slapd) -> None:
    dn = server.person("tom")
    await synchronized(directory, server)
    before = await directory.by_address("tom@bm.lan")
    assert before is not None
    with server.connection() as connection:
        assert connection.modify_dn(dn, "uid=thomas")
    server.modify(f"uid=thomas,{BASE}", mail="thomas@bm.lan", cn="Thomas", title="Engineer")
    report = await synchronized(directory, server)
    assert (report.added, report.changed, report.vanished) == (0, 1, 0)
    after = await directory.by_address("thomas@bm.lan")
    assert after is not None
    assert (after.user_id, after.mailbox_guid, after.legacy_dn) == (
        before.user_id,
        before.mailbox_guid,
        before.legacy_dn,
    )
    assert after.details.get("title") == "Engineer"
    assert await directory.by_address("tom@bm.lan") is None


async def test_attributes_that_are_gone_there_go_here(directory: Directory, server: Slapd) -> None:
    boss = server.person("anna")
    dn = server.person("tom", title="Engineer", manager=boss)
    await synchronized(directory, server)
    server.modify(dn, title=[], manager=[])
    assert (await synchronized(directory, server)).changed == 1
    tom = await directory.by_address("tom@bm.lan")
    assert tom is not None
    assert (tom.details.get("title"), tom.manager) == (None, "")


async def test_who_vanished_is_disabled_and_comes_back_enabled(directory: Directory, server: Slapd) -> None:
    server.person("anna")
    dn = server.person("tom")
    contact = server.add("cn=Bob", "contact", sn="Bob", mail="bob@example.net")
    await directory.add("local@bm.lan", "secret")
    await synchronized(directory, server)
    with server.connection() as connection:
        assert connection.delete(contact)
    server.modify(dn, mail=[])  # no longer one that the filter lets through
    report = await synchronized(directory, server)
    assert (report.vanished, sorted(report.lines)) == (2, ["disable user tom@bm.lan", "hide contact bob@example.net"])
    states = {user.address: user.enabled for user in await directory.users()}
    assert states == {"anna@bm.lan": True, "tom@bm.lan": False, "local@bm.lan": True}
    assert [found.hidden for found in await directory.contacts()] == [True]
    assert (await synchronized(directory, server)).vanished == 0  # it is known already
    server.modify(dn, mail="tom@bm.lan")
    await synchronized(directory, server)
    tom = await directory.by_address("tom@bm.lan")
    assert tom is not None
    assert tom.enabled


async def test_an_administrator_keeps_out_whom_the_server_still_has(directory: Directory, server: Slapd) -> None:
    server.person("tom")
    await synchronized(directory, server)
    await directory.set_enabled("tom@bm.lan", False)
    await synchronized(directory, server)
    tom = await directory.by_address("tom@bm.lan")
    assert tom is not None
    assert not tom.enabled


async def test_who_vanished_is_removed_when_asked_for(directory: Directory, server: Slapd) -> None:
    server.person("anna")
    dn = server.person("tom")
    await directory.add("local@bm.lan", "secret")
    await synchronized(directory, server)
    with server.connection() as connection:
        assert connection.delete(dn)
    report = await synchronized(directory, server, remove=True, dry_run=True)
    assert report.lines == ["remove user tom@bm.lan"]
    assert await directory.by_address("tom@bm.lan") is not None
    await synchronized(directory, server, remove=True)
    assert [user.address for user in await directory.users()] == ["anna@bm.lan", "local@bm.lan"]


async def test_a_dry_run_changes_nothing_and_tells_everything(directory: Directory, server: Slapd) -> None:
    tom = server.person("tom")
    server.add("cn=Staff", "groupOfNames exchangeObject", mail="staff@bm.lan", member=[tom, f"cn=nobody,{BASE}"])
    report = await synchronized(directory, server, dry_run=True)
    assert sorted(report.lines) == ["add group staff@bm.lan", "add user tom@bm.lan"]
    assert [str(failure) for failure in report.failures] == [
        f"cn=Staff,{BASE}: there is nobody called cn=nobody,{BASE}"
    ]
    assert await directory.users() == ()
    assert await directory.groups() == ()


async def test_a_bad_entry_is_reported_and_the_others_come_over(directory: Directory, server: Slapd) -> None:
    server.person("anna")
    server.person("tom", mail="not an address")
    server.person("ben", title="x" * 2000)
    server.person("cid", mail="anna@bm.lan")
    report = await synchronized(directory, server)
    assert (report.added, len(report.failures)) == (1, 3)
    reasons = {failure.where.partition(",")[0]: failure.reason for failure in report.failures}
    assert "not a usable address" in reasons["uid=tom"]
    assert reasons["uid=ben"] == "title: the value is longer than 1024 characters"
    (loser,) = {"uid=anna", "uid=cid"} & reasons.keys()  # the server's order decides who was first
    assert "belongs to another entry" in reasons[loser]


async def test_an_entry_that_turns_bad_stays_as_it_was(directory: Directory, server: Slapd) -> None:
    server.person("anna")
    dn = server.person("tom", title="Engineer")
    await synchronized(directory, server)
    server.modify(dn, title="x" * 2000)
    report = await synchronized(directory, server, remove=True)
    assert (len(report.failures), report.vanished) == (1, 0)
    tom = await directory.by_address("tom@bm.lan")
    assert tom is not None
    assert tom.details.get("title") == "Engineer"


async def test_circles_of_groups_and_managers(directory: Directory, server: Slapd) -> None:
    first, second = f"cn=A,{BASE}", f"cn=B,{BASE}"
    server.add("cn=A", "groupOfNames exchangeObject", mail="a@bm.lan", member=second)
    server.add("cn=B", "groupOfNames exchangeObject", mail="b@bm.lan", member=first)
    server.person("tom", manager=f"uid=anna,{BASE}")
    server.person("anna", manager=f"uid=tom,{BASE}")
    report = await synchronized(directory, server)
    assert [failure.reason for failure in report.failures] == [
        "b@bm.lan cannot be a member of a@bm.lan: the group would contain itself"
    ]
    tom, anna = await directory.by_address("tom@bm.lan"), await directory.by_address("anna@bm.lan")
    assert tom is not None
    assert anna is not None
    assert (tom.manager, anna.manager) == (anna.legacy_dn, tom.legacy_dn)


async def test_somebody_who_was_here_first_is_taken_over_by_the_address(directory: Directory, server: Slapd) -> None:
    here = await directory.add("tom@bm.lan", "secret")
    server.person("tom", title="Engineer")
    assert (await synchronized(directory, server)).changed == 1
    tom = await directory.by_address("tom@bm.lan")
    assert tom is not None
    assert (tom.user_id, tom.details.get("title")) == (here.user_id, "Engineer")
    account = await directory.account("tom@bm.lan")
    assert account is not None
    assert account.source_dn == f"uid=tom,{BASE}"


async def test_a_mapping_of_ones_own(directory: Directory, server: Slapd) -> None:
    server.person("tom", employeeType="Engineer", title="not this", mobile="1")
    mapping = {"title": ("employeeType", "title"), "mobile_phone": ()}
    await Synchronizer(directory, source(server, mapping=mapping)).run()
    tom = await directory.by_address("tom@bm.lan")
    assert tom is not None
    assert (tom.details.get("title"), tom.details.get("mobile_phone")) == ("Engineer", None)


async def test_more_than_a_page(directory: Directory, server: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ldap_sync, "PAGE", 7)
    with server.connection() as connection:
        for number in range(30):
            values = {"cn": "x", "sn": "x", "mail": f"u{number}@example.net"}
            assert connection.add(f"cn=u{number},{BASE}", ["contact"], {**values, "cn": f"u{number}"})
    assert (await synchronized(directory, server)).added == 30
    assert len(await directory.contacts()) == 30


async def test_a_server_that_cannot_be_asked_makes_nobody_vanish(directory: Directory, server: Slapd) -> None:
    server.person("tom")
    await synchronized(directory, server)
    for wrong in (
        source(server, base="dc=elsewhere"),
        source(server, base=f"uid=tom,{BASE}", filters={"user": "(uid=nobody)"}),
        source(server, password="wrong"),
        source(server, filters={"user": "(uid="}),
        source(server, server=LdapServer("ldap://127.0.0.1:1", timeout=2)),
        source(server, server=LdapServer("ldap://ldap.example.net", timeout=2)),
    ):
        with pytest.raises(LdapUnavailable):
            await Synchronizer(directory, wrong, remove=True).run()
    server.stop()
    with pytest.raises(LdapUnavailable):
        await synchronized(directory, server)
    tom = await directory.by_address("tom@bm.lan")
    assert tom is not None
    assert tom.enabled


def test_the_password_is_in_no_representation(server: Slapd) -> None:
    assert PASSWORD not in repr(source(server))
