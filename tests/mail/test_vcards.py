"""vCards in and out, against the examples of RFC 6350 and MS-OXVCARD and what old programs write."""

import binascii

import pytest
import vobject

from mapigw.mail.contacts import (
    BIRTHDAY_LOCAL,
    EMAILS,
    FILE_UNDER,
    HAS_PICTURE,
    POSTAL_ADDRESS_ID,
    POSTALS,
    PROVIDER_ARRAY_TYPE,
    PROVIDER_EMAIL_LIST,
)
from mapigw.mail.export.vcards import vcard_of
from mapigw.mail.names import KEYWORDS
from mapigw.mail.vcards import contact_from_vcard, split_cards
from mapigw.wire import tags
from mapigw.wire.entryids import ONE_OFF_ENTRY_ID
from mapigw.wire.message import Attachment, Message
from mapigw.wire.properties import from_filetime
from tests.mail.exported import note, sent, structure, text

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(300)
CARD = "\r\n".join(
    (
        "BEGIN:VCARD",
        "VERSION:3.0",
        "N:Müller;Anna;Maria;Dr.;MBA",
        "FN:Dr. Anna Maria Müller",
        "NICKNAME:Anni",
        "ORG:ACME;Research;Lab 1",
        "TITLE:Engineer",
        "EMAIL;TYPE=INTERNET,WORK:anna@work.test",
        "EMAIL;TYPE=INTERNET,PREF:anna@home.test",
        "TEL;TYPE=WORK,VOICE:+49 1",
        "TEL;TYPE=CELL:+49 2",
        "TEL;TYPE=WORK,FAX:+49 3",
        "TEL;TYPE=HOME:+49 4",
        "TEL;TYPE=HOME:+49 5",
        "ADR;TYPE=WORK,PREF:;;Street 1;Town;Region;123;Germany",
        "ADR;TYPE=HOME:Box 1;2nd floor;Home 2;Ville;;9;France",
        "BDAY:1980-02-29",
        "NOTE:line 1\\nline 2\\, with comma",
        "CATEGORIES:Friends,Work",
        "URL;TYPE=WORK:http://work.test/",
        f"PHOTO;ENCODING=b;TYPE=PNG:{binascii.b2a_base64(PICTURE, newline=False).decode()}",
        "X-MS-SPOUSE:Bob",
        "CLASS:PRIVATE",
        "END:VCARD",
        "",
    )
).encode()


def contact(data: bytes = CARD) -> Message:
    message = contact_from_vcard(data)
    assert message is not None
    return message


def test_a_card_becomes_a_contact() -> None:
    message = contact()
    properties = message.properties
    assert {
        tags.PidTagMessageClass: "IPM.Contact",
        tags.PidTagSurname: "Müller",
        tags.PidTagGivenName: "Anna",
        tags.PidTagMiddleName: "Maria",
        tags.PidTagDisplayNamePrefix: "Dr.",
        tags.PidTagGeneration: "MBA",
        tags.PidTagDisplayName: "Dr. Anna Maria Müller",
        tags.PidTagSubject: "Dr. Anna Maria Müller",
        FILE_UNDER: "Dr. Anna Maria Müller",
        tags.PidTagNickname: "Anni",
        tags.PidTagCompanyName: "ACME",
        tags.PidTagDepartmentName: "Research Lab 1",
        tags.PidTagTitle: "Engineer",
        tags.PidTagBusinessTelephoneNumber: "+49 1",
        tags.PidTagMobileTelephoneNumber: "+49 2",
        tags.PidTagBusinessFaxNumber: "+49 3",
        tags.PidTagHomeTelephoneNumber: "+49 4",
        tags.PidTagHome2TelephoneNumber: "+49 5",
        tags.PidTagHomeAddressPostOfficeBox: "Box 1",
        tags.PidTagHomeAddressStreet: "Home 2\r\n2nd floor",
        tags.PidTagBusinessHomePage: "http://work.test/",
        tags.PidTagBody: "line 1\r\nline 2, with comma",
        tags.PidTagSpouseName: "Bob",
        tags.PidTagSensitivity: 2,
        KEYWORDS: ["Friends", "Work"],
        POSTAL_ADDRESS_ID: 2,
        POSTALS[0].whole: "Street 1\r\nTown Region 123\r\nGermany",
        POSTALS[0].city: "Town",
        HAS_PICTURE: True,
    }.items() <= properties.items()
    assert from_filetime(properties[tags.PidTagBirthday]).isoformat() == "1980-02-29T11:59:00+00:00"
    assert from_filetime(properties[BIRTHDAY_LOCAL]).isoformat() == "1980-02-29T00:00:00+00:00"


def test_e_mail_addresses_have_their_five_properties() -> None:
    """MS-OXOCNTC 2.2.1.2."""
    properties = contact().properties
    assert properties[PROVIDER_EMAIL_LIST] == [0, 1]
    assert properties[PROVIDER_ARRAY_TYPE] == 3
    first = EMAILS[0]
    assert properties[first.email_address] == properties[first.original_display_name] == "anna@home.test"
    assert properties[first.address_type] == "SMTP"
    assert properties[first.display_name] == "Dr. Anna Maria Müller (anna@home.test)"
    entry = ONE_OFF_ENTRY_ID.parse(properties[first.original_entry_id])
    assert (entry.display_name, entry.email_address) == ("Dr. Anna Maria Müller", "anna@home.test")
    assert properties[EMAILS[1].email_address] == "anna@work.test"
    assert EMAILS[2].email_address not in properties


def test_the_photo_is_attached_as_outlook_does() -> None:
    (picture,) = contact().attachments
    assert picture.properties[tags.PidTagAttachLongFilename] == "ContactPicture.jpg"
    assert picture.properties[tags.PidTagAttachmentContactPhoto] is True
    assert picture.properties[tags.PidTagAttachDataBinary] == PICTURE


def test_a_card_of_version_2_1() -> None:
    data = (
        b"BEGIN:VCARD\nVERSION:2.1\n"
        b"N;CHARSET=utf-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;Anna\n"
        b"FN;CHARSET=utf-8;ENCODING=QUOTED-PRINTABLE:Anna M=C3=BCller\n"
        b"TEL;WORK;VOICE:1\nTEL;CELL:2\nEMAIL;PREF;INTERNET:a@x.test\nNOTE;ENCODING=QUOTED-PRINTABLE:a=0D=0Ab\nEND:VCARD\n"
    )
    properties = contact(data).properties
    assert properties[tags.PidTagSurname] == "Müller"
    assert properties[tags.PidTagDisplayName] == "Anna Müller"
    assert properties[tags.PidTagBusinessTelephoneNumber] == "1"
    assert properties[tags.PidTagMobileTelephoneNumber] == "2"
    assert properties[tags.PidTagBody] == "a\r\nb"


def test_the_card_of_rfc_6350_section_8() -> None:
    data = b"""BEGIN:VCARD
VERSION:4.0
FN:Simon Perreault
N:Perreault;Simon;;;ing. jr,M.Sc.
BDAY:--0203
ANNIVERSARY:20090808T1430-0500
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
KEY;TYPE=work;VALUE=uri:
 http://www.viagenie.ca/simon.perreault/simon.asc
TZ:-0500
URL;TYPE=home:http://nomis80.org
END:VCARD
"""
    properties = contact(data).properties
    assert properties[tags.PidTagDisplayName] == "Simon Perreault"
    assert properties[tags.PidTagBusinessTelephoneNumber] == "+1-418-656-9254;ext=102"
    assert properties[tags.PidTagMobileTelephoneNumber] == "+1-418-262-6501"
    assert properties[POSTALS[0].street] == "2875 Laurier\r\nSuite D2-630"
    assert properties[tags.PidTagPersonalHomePage] == "http://nomis80.org"
    assert properties[tags.PidTagGender] == 2
    assert from_filetime(properties[tags.PidTagWeddingAnniversary]).date().isoformat() == "2009-08-08"
    assert tags.PidTagBirthday not in properties


def test_a_photo_as_a_data_uri() -> None:
    uri = binascii.b2a_base64(b"\xff\xd8\xff\xe0jpeg", newline=False).decode()
    data = f"BEGIN:VCARD\nVERSION:4.0\nFN:X\nPHOTO:data:image/jpeg;base64,{uri}\nEND:VCARD\n".encode()
    assert contact(data).attachments[0].properties[tags.PidTagAttachDataBinary] == b"\xff\xd8\xff\xe0jpeg"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no card",
        b"BEGIN:VCARD\n",
        b"BEGIN:VCALENDAR\nEND:VCALENDAR\n",
        b"BEGIN:VCARD\nBEGIN:VCARD\nEND:VCARD\n",
        bytes(100),
        b"BEGIN:VCARD\n" + b"FN:" + b"x" * (17 << 20) + b"\nEND:VCARD\n",
    ],
)
def test_what_is_no_card(data: bytes) -> None:
    assert contact_from_vcard(data) is None or contact(data).properties[tags.PidTagMessageClass] == "IPM.Contact"


@pytest.mark.parametrize(
    "line",
    [
        "BDAY:9999-99-99",
        "BDAY:1066-10-14",
        "PHOTO;ENCODING=b:!!!",
        "PHOTO:http://x.test/a.jpg",
        "N:;;;;",
        "N:\x00\x01",
        "ADR:;",
        "TEL:",
        "EMAIL:",
        "ORG:",
        "X" * 5000 + ":y",
        "nonsense",
        "NOTE:" + "x" * 2_000_000,
    ],
)
def test_odd_fields_are_not_in_the_way(line: str) -> None:
    message = contact(f"BEGIN:VCARD\nVERSION:3.0\nFN:Anna\n{line}\nEND:VCARD\n".encode())
    assert message.properties[tags.PidTagDisplayName] == "Anna"


def test_a_file_of_cards_is_split() -> None:
    assert [contact(card).properties[tags.PidTagSurname] for card in split_cards(b"x\n" + CARD + b"\n" + CARD)] == [
        "Müller",
        "Müller",
    ]


def test_what_is_written_is_what_was_read() -> None:
    first = contact()
    second = contact(vcard_of(first, None))
    assert second.properties == first.properties
    assert second.attachments[0].properties[tags.PidTagAttachDataBinary] == PICTURE
    card = vobject.readOne(vcard_of(first, None).decode())
    assert card.n.value.family == "Müller"
    assert card.contents["email"][0].value == "anna@home.test"


def test_an_empty_contact_has_a_card() -> None:
    assert contact_from_vcard(vcard_of(Message({tags.PidTagMessageClass: "IPM.Contact"}), None)) is not None


def test_an_attached_contact_goes_out_as_a_card() -> None:
    """MS-OXCMAIL 2.1.3.4.6."""
    message = note()
    message.attachments = [Attachment({tags.PidTagAttachMethod: 5}, contact())]
    mail = sent(message)
    assert structure(mail) == ["multipart/mixed", "text/plain", "text/directory"]
    part = list(mail.iter_parts())[1]
    assert part["Content-Type"].params["profile"] == "vCard"
    assert part.get_filename() == "Dr. Anna Maria Müller.vcf"
    assert contact(text(part).encode()).properties[tags.PidTagSurname] == "Müller"
