"""Imports from CSV, LDIF and vCard files."""

import base64
from pathlib import Path

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.files import UnreadableFile
from mapigw.directory.importing import import_file
from mapigw.directory.model import MailboxKind
from mapigw.directory.records import RecordKind, Report

JPEG = b"\xff\xd8\xff\xe0picture"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "entries"


async def imported(
    directory: Directory, file: Path, form: str, text: str | bytes, kind: str = "user", *, dry_run: bool = False
) -> Report:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return await import_file(directory, file, form, RecordKind(kind), "bm.lan", dry_run=dry_run)


def failures(report: Report) -> list[str]:
    return [str(failure) for failure in report.failures]


async def test_csv_creates_and_updates(directory: Directory, file: Path) -> None:
    text = (
        "address,kind,display_name,password,title,telephoneNumber,business_phones_2,manager,aliases,members\r\n"
        'tom@bm.lan,,"Bauer, Tom",secret,Engineer,+49 30 1,2; 3,anna@bm.lan,t@bm.lan;x500:/o=Old/cn=tom,\r\n'
        "anna@bm.lan,user,Anna,,Head,,,,,\r\n"
        "bob@example.net,contact,Bob,,,,,,,\r\n"
        "room@bm.lan,room,,,,,,,,\r\n"
        "staff@bm.lan,group,Staff,,,,,,,tom@bm.lan;bob@example.net\r\n"
    )
    report = await imported(directory, file, "csv", text)
    assert (report.added, report.changed, failures(report)) == (5, 0, [])
    tom, anna = await directory.by_address("t@bm.lan"), await directory.by_address("anna@bm.lan")
    assert tom is not None
    assert anna is not None
    assert (tom.address, tom.display_name, tom.x500) == ("tom@bm.lan", "Bauer, Tom", ("/o=old/cn=tom",))
    assert tom.details.all() == {
        "title": "Engineer",
        "business_phone": "+49 30 1",
        "business_phones_2": ("2", "3"),
    }
    assert tom.manager == anna.legacy_dn
    account = await directory.account("tom@bm.lan")
    assert account is not None
    assert await directory.passwords.verify(account.password_hash, "secret")
    assert (tom.password_mark != 0, anna.password_mark) == (True, 0)
    assert [contact.domain for contact in await directory.contacts()] == ["bm.lan"]
    (staff,) = await directory.groups()
    assert staff.members == ("bob@example.net", "tom@bm.lan")
    room = await directory.by_address("room@bm.lan")
    assert room is not None
    assert room.kind is MailboxKind.ROOM

    report = await imported(directory, file, "csv", "mail;title;city\ntom@bm.lan;;Köln\nanna@bm.lan;Head;\n")
    assert (report.added, report.changed, report.unchanged) == (0, 1, 1)
    assert report.lines == ["change user tom@bm.lan: title, city"]
    tom = await directory.by_address("tom@bm.lan")
    assert tom is not None
    assert (tom.details.get("title"), tom.details.get("city")) == (None, "Köln")  # an empty field removes
    assert tom.details.get("business_phone") == "+49 30 1"  # what has no column stays


async def test_csv_lines_that_are_wrong_are_left_out(directory: Directory, file: Path) -> None:
    await directory.add_group("staff@bm.lan")
    lines = [
        "address,display_name,kind,title,hidden,manager",
        "tom@bm.lan,Tom,user,,yes,",
        "tom@bm.lan,Thomas,user,,,",
        "not an address,,,,,",
        "a@bm.lan,too,few",
        "b@bm.lan,x,martian,,,",
        f"c@bm.lan,{'x' * 65536},,,,",
        f"d@bm.lan,,,{'x' * 65536},,",
        "e@bm.lan,a\0b,,,,",
        "f@bm.lan,,,,perhaps,",
        "staff@bm.lan,,user,,,",
        ",Nobody,,,,",
        f"{'x' * 70000}@bm.lan,,,,,",
        "g@bm.lan,,,,,nobody@bm.lan",
        "",
        "last@bm.lan,Last,,,,",
    ]
    report = await imported(directory, file, "csv", "\n".join(lines))
    assert (report.added, report.changed) == (3, 1)
    assert [failure.where for failure in report.failures] == [
        f"line {number}" for number in (5, 6, 10, 12, 4, 7, 8, 9, 11, 13, 14)
    ]
    assert all(len(failure.reason) < 800 for failure in report.failures if failure.where != "line 13")
    reasons = {failure.where: failure.reason for failure in report.failures}
    assert reasons["line 5"] == "it has 3 fields, the header 6"
    assert reasons["line 6"].startswith("kind 'martian' is none of user, shared")
    assert reasons["line 11"] == "staff@bm.lan is a group already, not a user"
    assert reasons["line 14"] == "there is nobody called nobody@bm.lan"
    users = {user.address: user for user in await directory.users()}
    assert users.keys() == {"tom@bm.lan", "g@bm.lan", "last@bm.lan"}
    assert users["tom@bm.lan"].display_name == "Thomas"
    assert users["tom@bm.lan"].hidden


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("address,name\nü@bm.lan,x".encode("latin-1"), "there is no attribute called 'name'"),
        ("address,title\ntom@bm.lan,B\xfcro\n".encode("latin-1"), "line 2: byte 0xFC is not UTF-8"),
        (b"title\nx\n", "there is no column address"),
        (b"address,mail\n", "two columns are the same attribute"),
        (b"", "there is no column address"),
        (b"\x00\x01\x02", "there is no attribute called"),
        (b"\xff\xfea", "not UTF-16"),
        (b'"address\n', "line 1: unexpected end of data"),
    ],
)
async def test_csv_files_that_cannot_be_read(directory: Directory, file: Path, octets: bytes, reason: str) -> None:
    if octets.startswith(b"address,name"):
        octets = octets.decode("latin-1").encode()
    with pytest.raises(UnreadableFile, match=reason):
        await imported(directory, file, "csv", octets)
    assert await directory.users() == ()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
async def test_csv_as_spreadsheets_save_it(directory: Directory, file: Path, encoding: str) -> None:
    text = "address;display_name\r\ntom@bm.lan;Tömäs\r\n"
    assert (await imported(directory, file, "csv", text.encode(encoding))).added == 1
    tom = await directory.by_address("tom@bm.lan")
    assert tom is not None
    assert tom.display_name == "Tömäs"


async def test_a_quote_that_is_not_closed_costs_no_more_than_its_entry(directory: Directory, file: Path) -> None:
    text = 'address,title\ntom@bm.lan,"x"y\nanna@bm.lan,ok\nben@bm.lan,"never closed\n'
    report = await imported(directory, file, "csv", text)
    assert (report.added, len(report.failures)) == (1, 2)
    assert await directory.by_address("anna@bm.lan") is not None


async def test_a_dry_run_leaves_everything_as_it_is(directory: Directory, file: Path) -> None:
    await directory.add("tom@bm.lan", "secret")
    text = "address,title,manager\ntom@bm.lan,Engineer,anna@bm.lan\nanna@bm.lan,Head,nobody@bm.lan\n"
    before = await directory.users()
    report = await imported(directory, file, "csv", text, dry_run=True)
    assert report.lines == ["change user tom@bm.lan: title", "add user anna@bm.lan"]
    assert failures(report) == ["line 3: there is nobody called nobody@bm.lan"]
    assert await directory.users() == before


async def test_circles(directory: Directory, file: Path) -> None:
    text = (
        "address,kind,manager,members\n"
        "tom@bm.lan,user,anna@bm.lan,\nanna@bm.lan,user,tom@bm.lan,\nben@bm.lan,user,ben@bm.lan,\n"
        "a@bm.lan,group,,b@bm.lan\nb@bm.lan,group,,c@bm.lan\nc@bm.lan,group,,a@bm.lan;c@bm.lan\n"
    )
    report = await imported(directory, file, "csv", text)
    assert report.added == 6
    assert sorted(failures(report)) == [
        "line 7: a@bm.lan cannot be a member of c@bm.lan: the group would contain itself",
        "line 7: c@bm.lan cannot be a member of c@bm.lan: the group would contain itself",
    ]
    managers = {user.address: user.manager.rpartition("-")[2] for user in await directory.users()}
    assert managers == {"tom@bm.lan": "anna", "anna@bm.lan": "tom", "ben@bm.lan": "ben"}


LDIF = f"""version: 1
# people of the company
dn: uid=tom,ou=people,dc=bm,dc=lan
objectClass: inetOrgPerson
cn: Tom
sn:: {base64.b64encode("Bäuer".encode()).decode()}
mail: tom@bm.lan
title: A title that
  goes on
# a comment
  that goes on
telephoneNumber: +49 30 1
manager: uid=anna, ou=people, dc=bm, dc=lan
jpegPhoto:: {base64.b64encode(JPEG).decode()}

dn: uid=anna,ou=people,dc=bm,dc=lan
changetype: add
objectClass: inetOrgPerson
mail: anna@bm.lan
cn: Anna

dn: cn=staff,dc=bm,dc=lan
objectClass: groupOfNames
mail: staff@bm.lan
member: uid=tom,ou=people,dc=bm,dc=lan
member: cn=bob,dc=bm,dc=lan
owner: UID=Anna,OU=people,DC=bm,DC=lan

dn:: {base64.b64encode(b"cn=bob,dc=bm,dc=lan").decode()}
objectClass: contact
mail: bob@example.net
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
async def test_ldif(directory: Directory, file: Path, line_end: str) -> None:
    report = await imported(directory, file, "ldif", LDIF.replace("\n", line_end))
    assert (report.added, failures(report)) == (4, [])
    tom, anna = await directory.by_address("tom@bm.lan"), await directory.by_address("anna@bm.lan")
    assert tom is not None
    assert anna is not None
    assert (tom.details.get("surname"), tom.details.get("title")) == ("Bäuer", "A title that goes on")
    assert tom.manager == anna.legacy_dn
    assert await directory.photo(tom.legacy_dn) == JPEG
    (staff,) = await directory.groups()
    assert (staff.members, staff.managers) == (("bob@example.net", "tom@bm.lan"), (anna.legacy_dn,))


async def test_ldif_entries_that_are_wrong_are_left_out(directory: Directory, file: Path) -> None:
    text = """dn: cn=a
mail:: not*base64

dn: cn=b
mail: b@bm.lan
jpegPhoto:< file:///etc/passwd

dn: cn=c
changetype: delete

mail: d@bm.lan

dn: cn=e
this is no attribute

dn:: /////w==
mail: f@bm.lan

dn: cn=g
cn: nobody

 folded from nowhere

dn: cn=h
mail: h@bm.lan
"""
    report = await imported(directory, file, "ldif", text)
    assert [user.address for user in await directory.users()] == ["h@bm.lan"]
    assert failures(report) == [
        "line 1: mail is not base64",
        "line 4: jpegPhoto is in another file, which is not read",
        "line 8: changetype delete cannot be imported, only whole entries",
        "line 11: it does not begin with a dn",
        "line 13: 'this is no attribute' is not an attribute and its value",
        "line 16: its dn is not UTF-8",
        "line 19: it has no mail address",
        "line 22: ' folded from nowhere' is not an attribute and its value",
    ]


# RFC 6350 section 8 and RFC 2426 section 7, the authors' own cards.
RFC_6350 = """BEGIN:VCARD
VERSION:4.0
FN:Simon Perreault
N:Perreault;Simon;;;ing. jr,M.Sc.
BDAY:--0203
GENDER:M
LANG;PREF=1:fr
LANG;PREF=2:en
ORG;TYPE=work:Viagenie
ADR;TYPE=work:;Suite D2-630;2875 Laurier;
 Quebec;QC;G1V 2M2;Canada
TEL;VALUE=uri;TYPE="work,voice";PREF=1:tel:+1-418-656-9254;ext=102
TEL;VALUE=uri;TYPE="work,cell,voice,video,text":tel:+1-418-262-6501
EMAIL;TYPE=work:simon.perreault@viagenie.ca
GEO;TYPE=work:geo:46.772673,-71.282945
URL;TYPE=home:http://nomis80.org
END:VCARD
"""
RFC_2426 = """BEGIN:vCard
VERSION:3.0
FN:Frank Dawson
ORG:Lotus Development Corporation
ADR;TYPE=WORK,POSTAL,PARCEL:;;6544 Battleford Drive
 ;Raleigh;NC;27613-3502;U.S.A.
TEL;TYPE=VOICE,MSG,WORK:+1-919-676-9515
TEL;TYPE=FAX,WORK:+1-919-676-9564
EMAIL;TYPE=INTERNET,PREF:Frank_Dawson@Lotus.com
EMAIL;TYPE=INTERNET:fdawson@earthlink.net
URL:http://home.earthlink.net/~fdawson
END:vCard

BEGIN:vCard
VERSION:3.0
FN:Tim Howes
ORG:Netscape Communications Corp.
ADR;TYPE=WORK:;;501 E. Middlefield Rd.;Mountain View;
 CA; 94043;U.S.A.
TEL;TYPE=VOICE,MSG,WORK:+1-415-937-3419
TEL;TYPE=FAX,WORK:+1-415-528-4164
EMAIL;TYPE=INTERNET:howes@netscape.com
END:vCard
"""


async def test_vcards_of_the_standards(directory: Directory, file: Path) -> None:
    report = await imported(directory, file, "vcard", RFC_6350 + RFC_2426, "contact")
    assert (report.added, failures(report)) == (3, [])
    contacts = {contact.display_name: contact for contact in await directory.contacts()}
    simon = contacts["Simon Perreault"].details.all()
    assert contacts["Simon Perreault"].address == "simon.perreault@viagenie.ca"
    assert (simon["given_name"], simon["surname"], simon["company"]) == ("Simon", "Perreault", "Viagenie")
    assert simon["business_phone"] == "+1-418-656-9254;ext=102"
    assert simon["mobile_phone"] == "+1-418-262-6501"
    assert (simon["street"], simon["city"], simon["country"]) == ("2875 Laurier", "Quebec", "Canada")
    frank = contacts["Frank Dawson"]
    assert (frank.address, frank.aliases) == ("frank_dawson@lotus.com", ("fdawson@earthlink.net",))
    assert frank.details.get("fax") == "+1-919-676-9564"
    assert frank.details.get("postal_code") == "27613-3502"


async def test_vcard_pictures_and_groups(directory: Directory, file: Path) -> None:
    inline = base64.b64encode(JPEG).decode()
    text = (
        "BEGIN:VCARD\nVERSION:3.0\nFN:A\nN:A;;;;\nEMAIL:a@example.net\n"
        f"PHOTO;ENCODING=b;TYPE=JPEG:{inline}\nEND:VCARD\n"
        f"BEGIN:VCARD\nVERSION:4.0\nFN:B\nEMAIL:b@example.net\nPHOTO:data:image/jpeg;base64,{inline}\nEND:VCARD\n"
        "BEGIN:VCARD\nVERSION:4.0\nKIND:group\nFN:All\nEMAIL:all@bm.lan\nMEMBER:mailto:a@example.net\n"
        "PHOTO:https://example.net/photo.jpg\nEND:VCARD\n"
    )
    report = await imported(directory, file, "vcard", text, "contact")
    assert (report.added, failures(report)) == (3, [])
    for contact in await directory.contacts():
        assert await directory.photo(contact.legacy_dn) == JPEG
    (group,) = await directory.groups()
    assert group.members == ("a@example.net",)


async def test_vcards_that_are_wrong_are_left_out(directory: Directory, file: Path) -> None:
    good = "BEGIN:VCARD\nVERSION:3.0\nFN:Good\nN:Good;;;;\nEMAIL:good@example.net\nEND:VCARD\n"
    text = (
        "BEGIN:VCARD\nVERSION:3.0\nFN:No end\nEMAIL:a@example.net\n"
        "BEGIN:VCARD\nVERSION:3.0\nFN:No address\nEND:VCARD\n"
        "BEGIN:VCARD\nthis is no line\nEND:VCARD\n"
        "BEGIN:VCARD\nVERSION:3.0\nFN:Bad\nN:x\nEMAIL:not an address\nPHOTO;ENCODING=b:%%%\nEND:VCARD\n" + good
    )
    report = await imported(directory, file, "vcard", text, "contact")
    assert [contact.address for contact in await directory.contacts() if contact.display_name == "Good"]
    assert {failure.where for failure in report.failures} >= {"line 5", "line 9", "line 12"}


async def test_many_lines_are_more_than_a_batch(directory: Directory, file: Path) -> None:
    lines = [f"c{number}@example.net,Contact {number},Title,c{number // 10}@example.net" for number in range(1100)]
    text = "address,display_name,title,manager\n" + "\n".join(lines)
    report = await imported(directory, file, "csv", text, "contact")
    assert (report.added, failures(report)) == (1100, [])
    managers = {contact.address: contact.manager for contact in await directory.contacts()}
    names = {contact.address: contact.legacy_dn for contact in await directory.contacts()}
    assert managers["c1099@example.net"] == names["c109@example.net"]
