"""Entries as Active Directory has them, from ldap3's simulated server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from mapigw.directory import ldap_sync
from mapigw.directory.directory import Directory
from mapigw.directory.errors import InvalidAttribute
from mapigw.directory.ldap_connection import LdapServer, ldap3_module
from mapigw.directory.ldap_records import LdapMapping, lowered, reference
from mapigw.directory.ldap_sync import Source, Synchronizer
from mapigw.directory.model import MailboxKind
from mapigw.directory.records import BadRecord, RecordKind

ldap3 = ldap3_module()
BASE = "DC=bm,DC=lan"
GUID = UUID("8f1c2b1e-53f6-4b3a-9d5c-0a1b2c3d4e5f")


@pytest.fixture
def forest(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The simulated server's entries: ``forest.add(dn, attributes)``."""
    connection = ldap3.Connection(
        ldap3.Server("active-directory", get_info=ldap3.NONE),
        user=f"CN=reader,{BASE}",
        password="secret",
        client_strategy=ldap3.MOCK_SYNC,
        check_names=False,
    )
    connection.strategy.add_entry(f"CN=reader,{BASE}", {"userPassword": "secret", "sn": "reader"})

    @contextmanager
    def connected(server: LdapServer, dn: str, password: str) -> Iterator[Any]:
        yield connection

    monkeypatch.setattr(ldap_sync, "connected", connected)
    return connection.strategy


def source() -> Source:
    filters = {
        "room": "(msExchRecipientTypeDetails=16)",
        "group": "(&(objectClass=group)(mail=*))",
        "contact": "(objectClass=contact)",
        "user": "(&(objectClass=user)(mail=*))",
    }
    return Source(LdapServer("ldaps://dc.bm.lan"), f"CN=reader,{BASE}", "secret", BASE, "bm.lan", filters, {})


def add(forest: Any, name: str, number: int, classes: list[str], **attributes: Any) -> str:
    dn = f"CN={name},{BASE}"
    guid = UUID(int=number, version=4)
    forest.add_entry(dn, {"objectClass": classes, "cn": name, "objectGUID": guid.bytes_le, **attributes})
    return dn


async def test_people_groups_and_rooms(directory: Directory, forest: Any) -> None:
    anna = add(
        forest, "Anna", 1, ["top", "person", "user"], mail="anna@bm.lan", userAccountControl="512", displayName="Anna A"
    )
    add(
        forest,
        "Tom",
        2,
        ["top", "person", "user"],
        mail="tom@bm.lan",
        userAccountControl="514",
        manager=anna,
        wWWHomePage="https://bm.lan/tom",
        info="first line\r\nsecond line",
        extensionAttribute3="three",
        legacyExchangeDN="/o=Old/ou=First/cn=Recipients/cn=tom",
        proxyAddresses=["SMTP:tom@bm.lan", "smtp:t@bm.lan", "X500:/o=Older/cn=tom", "EUM:1;phone-context=x"],
        msExchHideFromAddressLists="TRUE",
    )
    add(forest, "Room", 3, ["user"], mail="room@bm.lan", msExchRecipientTypeDetails="16", userAccountControl="514")
    add(forest, "Staff", 4, ["group"], mail="staff@bm.lan", member=[anna, f"CN=Room,{BASE}"], managedBy=anna)
    report = await Synchronizer(directory, source()).run()
    assert (report.added, report.failures) == (4, [])
    tom = await directory.by_address("t@bm.lan")
    assert tom is not None
    assert (tom.enabled, tom.hidden) == (False, True)  # ACCOUNTDISABLE is 0x2 (MS-ADTS 2.2.16)
    assert tom.x500 == ("/o=old/ou=first/cn=recipients/cn=tom", "/o=older/cn=tom")
    assert tom.details.all() == {
        "home_page": "https://bm.lan/tom",
        "comment": "first line\r\nsecond line",
        "extension_attribute_3": "three",
    }
    found = await directory.by_address("anna@bm.lan")
    room = await directory.by_address("room@bm.lan")
    staff = await directory.group("staff@bm.lan")
    assert found is not None
    assert room is not None
    assert staff is not None
    assert (found.enabled, found.display_name, tom.manager) == (True, "Anna A", found.legacy_dn)
    assert room.kind is MailboxKind.ROOM
    assert (staff.members, staff.managers) == (("anna@bm.lan", "room@bm.lan"), (found.legacy_dn,))


def test_the_objectguid_is_little_endian() -> None:
    mapping = LdapMapping()
    # [MS-DTYP] 2.3.4.2: the first three fields of the packet are little-endian.
    octets = bytes.fromhex("1e2b1c8f f653 3a4b 9d5c 0a1b2c3d4e5f")
    assert mapping.source(lowered({"objectGUID": [octets]})) == str(GUID)
    assert mapping.source(lowered({"entryUUID": [str(GUID).encode()]})) == str(GUID)
    for wrong in ({}, {"entryUUID": [b"x"]}, {"objectGUID": [b"short"]}, {"entryUUID": ["ü".encode()]}):
        with pytest.raises(BadRecord):
            mapping.source(lowered(wrong))


def test_what_is_no_text_is_refused() -> None:
    mapping = LdapMapping()
    for name in ("title", "mail", "displayName"):
        values = lowered({"mail": [b"tom@bm.lan"], name: [b"\xff\xfe"]} if name != "mail" else {"mail": [b"\xff"]})
        with pytest.raises(BadRecord, match="not UTF-8"):
            mapping.record("cn=x", values, RecordKind.USER, "here", domain="", whole=True)
    with pytest.raises(BadRecord, match="no mail address"):
        mapping.record("cn=x", {}, RecordKind.USER, "here", domain="", whole=True)


def test_an_attribute_that_is_not_there_cannot_be_mapped() -> None:
    with pytest.raises(InvalidAttribute, match="shoe_size"):
        LdapMapping({"shoe_size": ("x",)})
    assert "shoesize" not in LdapMapping().requested
    assert "employeeType" in LdapMapping({"title": ("employeeType",)}).requested


def test_certificates_with_and_without_the_option_are_one_attribute() -> None:
    values = lowered({"userCertificate": [b"two"], "userCertificate;binary": [b"one"], "mail": [b"tom@bm.lan"]})
    record = LdapMapping().record("cn=x", values, RecordKind.USER, "here", domain="", whole=False)
    assert record.certificates == [b"one", b"two"]


def test_dns_compare_without_case_and_spaces() -> None:
    assert reference("CN=Tom, OU=People , DC=bm") == reference("cn=tom,ou=people,dc=bm")
