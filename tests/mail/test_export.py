"""Messages as Internet mail: what Python's email package reads is what was meant."""

from datetime import UTC, datetime

import pytest
from icalendar import Calendar

from mapigw.mail.addresses import (
    READ_RECEIPT,
    SENDER,
    SENT_REPRESENTING,
    Address,
    group_properties,
    recipient_properties,
)
from mapigw.mail.calendar.importing import message_from_icalendar
from mapigw.mail.export.addressing import Addressing
from mapigw.mail.export.composing import ExportOptions
from mapigw.mail.names import FLAG_REQUEST, KEYWORDS, header_field
from mapigw.wire import rtf_compression, tags
from mapigw.wire.entryids import FLAT_ENTRY_LIST, address_book_entry_id, one_off_entry_id
from mapigw.wire.message import Attachment, Message
from mapigw.wire.properties import NamedTag, PropertyName, PropertyType, filetime
from mapigw.wire.property_sets import PS_INTERNET_HEADERS
from tests.mail.exported import (
    ANNA,
    BEN,
    CARA,
    SENT,
    again,
    exported,
    file,
    html_note,
    note,
    read,
    sent,
    structure,
    text,
)


def test_the_smallest_message_is_one_part() -> None:
    assert exported(note()) == (
        b"From: Anna Adams <anna@one.test>\r\n"
        b"To: Ben Brown <ben@two.test>\r\n"
        b"Subject: Hello\r\n"
        b"Date: Tue, 16 Jan 2024 13:20:00 +0000\r\n"
        b"Message-ID: <1@one.test>\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=us-ascii\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"Text\r\n"
    )


# Addresses


def test_the_author_is_whom_it_is_sent_for_and_the_sender_is_named_when_it_is_another() -> None:
    message = sent(note(group_properties(SENDER, CARA)))
    assert message["From"] == "Anna Adams <anna@one.test>"
    assert message["Sender"] == "Cara Cole <cara@three.test>"
    assert sent(note())["Sender"] is None


def test_without_representing_properties_the_sender_is_the_author() -> None:
    message = note()
    for tag in SENT_REPRESENTING:
        del message.properties[tag]
    assert sent(message)["From"] == "Anna Adams <anna@one.test>"


def test_reply_to_comes_from_the_entry_ids() -> None:
    entries = [one_off_entry_id("Ben; B.", "ben@two.test"), address_book_entry_id("/o=x/cn=cara")]
    properties = {
        tags.PidTagReplyRecipientEntries: FLAT_ENTRY_LIST.build(entries),
        tags.PidTagReplyRecipientNames: "Ben;Cara",
    }
    message = sent(note(properties), addressing=Addressing({"/o=x/cn=cara": "cara@three.test"}))
    assert message["Reply-To"] == "Ben <ben@two.test>, Cara <cara@three.test>"
    properties[tags.PidTagReplyRecipientNames] = "only one"
    message = sent(note(properties), addressing=Addressing({"/o=x/cn=cara": "cara@three.test"}))
    assert message["Reply-To"] == '"Ben; B." <ben@two.test>, cara@three.test'
    properties[tags.PidTagReplyRecipientEntries] = b"\1\2\3"
    assert sent(note(properties))["Reply-To"] is None


def three_kinds() -> Message:
    message = note()
    message.recipients = [
        recipient_properties(address, kind, row) for row, (address, kind) in enumerate(((BEN, 1), (CARA, 2), (ANNA, 3)))
    ]
    return message


def test_blind_recipients_are_named_to_nobody_but_those_who_may_see_them() -> None:
    message = sent(three_kinds())
    assert (message["To"], message["Cc"], message["Bcc"]) == (
        "Ben Brown <ben@two.test>",
        "Cara Cole <cara@three.test>",
        None,
    )
    assert b"anna" not in exported(three_kinds()).replace(b"Anna Adams <anna@one.test>", b"", 1)
    assert sent(three_kinds(), ExportOptions(blind=None))["Bcc"] == "Anna Adams <anna@one.test>"
    assert sent(three_kinds(), ExportOptions(blind=frozenset({"anna@one.test"})))["Bcc"] is not None
    assert sent(three_kinds(), ExportOptions(blind=frozenset({"x@one.test"})))["Bcc"] is None


def test_a_message_to_blind_recipients_alone_has_no_recipients() -> None:
    message = note()
    message.recipients = [recipient_properties(BEN, 3, 0)]
    assert sent(message)["To"] == "undisclosed-recipients:;"


def test_recipients_of_a_resend_are_of_their_kind() -> None:
    message = note()
    message.recipients[0][tags.PidTagRecipientType] = 0x10000001
    assert sent(message)["To"] == "Ben Brown <ben@two.test>"


def test_directory_recipients_go_out_with_their_smtp_address() -> None:
    dn = "/o=org/ou=Exchange Administrative Group/cn=Recipients/cn=Ben"
    message = note()
    message.recipients[0] |= {tags.PidTagAddressType: "EX", tags.PidTagEmailAddress: dn}
    assert sent(message)["To"] == "Ben Brown <ben@two.test>"
    del message.recipients[0][tags.PidTagSmtpAddress]
    assert sent(message, addressing=Addressing({dn.lower(): "ben@one.test"}))["To"] == "Ben Brown <ben@one.test>"
    assert sent(message)["To"] == f"Ben Brown {dn}:;"
    # MS-OXCMAIL 2.1.3.1.8
    encapsulated = sent(message, addressing=Addressing(domain="one.test"))["To"]
    assert encapsulated.addresses[0].addr_spec == (
        "IMCEAEX-_o=org_ou=Exchange+20Administrative+20Group_cn=Recipients_cn=Ben@one.test"
    )


def test_a_recipient_with_an_entry_id_alone_is_found_in_it() -> None:
    message = note()
    message.recipients = [{tags.PidTagRecipientType: 1, tags.PidTagEntryId: one_off_entry_id("Ben", "ben@two.test")}]
    assert sent(message)["To"] == "Ben <ben@two.test>"


def test_addresses_beyond_ascii() -> None:
    who = Address("用户", "用户@例え.test")
    ascii_only = sent(note(None, who, BEN))
    assert [group.display_name for group in ascii_only["To"].groups] == ["用户 用户@例え.test", None]
    assert [address.addr_spec for address in ascii_only["To"].addresses] == ["ben@two.test"]
    data = exported(note({tags.PidTagSubject: "Grüße"}, who), ExportOptions(smtputf8=True))
    assert 'To: "用户" <用户@例え.test>\r\nSubject: Grüße\r\n'.encode() in data
    domain_only = exported(note(None, Address("B", "b@bücher.test")), ExportOptions(smtputf8=True))
    assert b"To: B <b@xn--bcher-kva.test>\r\n" in domain_only


# Fields


def test_fields_of_the_envelope() -> None:
    properties = {
        tags.PidTagSubject: "Grüße",
        tags.PidTagConversationTopic: "Grüße",
        tags.PidTagConversationIndex: bytes(range(22)),
        tags.PidTagInReplyToId: "<0@x.test>",
        tags.PidTagInternetReferences: "<a@x.test> <0@x.test>",
        tags.PidTagImportance: 2,
        tags.PidTagSensitivity: 3,
        KEYWORDS: ["Blau", "Größe"],
        FLAG_REQUEST: "Follow up",
        tags.PidTagReplyTime: filetime(datetime(2024, 2, 1, 12, tzinfo=UTC)),
        tags.PidTagExpiryTime: filetime(datetime(2024, 3, 1, tzinfo=UTC)),
        tags.PidTagDeferredDeliveryTime: filetime(datetime(2024, 1, 17, tzinfo=UTC)),
        tags.PidTagAutoResponseSuppress: 0x12,
        tags.PidTagMessageLocaleId: 0x0407,
        tags.PidTagInternetOrganization: "Org",
        tags.PidTagListHelp: "<mailto:help@x.test>",
        tags.PidTagListSubscribe: "<mailto:sub@x.test>",
        tags.PidTagListUnsubscribe: "<mailto:unsub@x.test>",
    }
    message = sent(note(properties))
    assert message["Subject"] == message["Thread-Topic"] == "Grüße"
    assert message["Thread-Index"] == "AAECAwQFBgcICQoLDA0ODxAREhMUFQ=="
    assert message["In-Reply-To"] == "<0@x.test>"
    assert message["References"] == "<a@x.test> <0@x.test>"
    assert (message["Importance"], message["X-Priority"]) == ("high", "1")
    assert message["Sensitivity"] == "Company-Confidential"
    assert message["Keywords"] == "Blau, Größe"
    assert message["X-Message-Flag"] == "Follow up"
    assert message["Reply-By"] == "Thu, 01 Feb 2024 12:00:00 +0000"
    assert message["Expires"] == "Fri, 01 Mar 2024 00:00:00 +0000"
    assert message["Deferred-Delivery"] == "Wed, 17 Jan 2024 00:00:00 +0000"
    assert message["X-Auto-Response-Suppress"] == "NDR, OOF"
    assert message["Content-Language"] == "de-DE"
    assert message["Organization"] == "Org"
    assert message["List-Unsubscribe"] == "<mailto:unsub@x.test>"


def test_categories_come_back_one_by_one() -> None:
    words = ["Blau", "Größe, weit", "Two words", "=?x?q?y?=", "D. Dot", "x" * 300]
    back = again(note({KEYWORDS: [*words, " ", "\r\n"]}))
    expected = ["Blau", "Größe  weit", "Two words", "=?x?q?y?=", "D. Dot", "x" * 255]
    assert back.properties[KEYWORDS] == expected


def test_a_reply_time_without_a_flag_is_not_told() -> None:
    """MS-OXCMAIL 2.1.3.2.28."""
    assert sent(note({tags.PidTagReplyTime: SENT}))["Reply-By"] is None


@pytest.mark.parametrize(("bits", "words"), [(0, "None"), (-1, "All"), (0x3F, "DR, NDR, RN, NRN, OOF, AutoReply")])
def test_suppressed_automatic_responses(bits: int, words: str) -> None:
    """MS-OXCMAIL 2.1.3.2.20."""
    assert sent(note({tags.PidTagAutoResponseSuppress: bits}))["X-Auto-Response-Suppress"] == words


def test_receipts_are_asked_for() -> None:
    asked = {tags.PidTagReadReceiptRequested: True, tags.PidTagOriginatorDeliveryReportRequested: True}
    message = sent(note(asked))
    assert message["Disposition-Notification-To"] == message["Return-Receipt-To"] == "Anna Adams <anna@one.test>"
    message = sent(note(asked | group_properties(READ_RECEIPT, CARA)))
    assert message["Disposition-Notification-To"] == "Cara Cole <cara@three.test>"


def test_named_properties_become_fields_unless_something_else_is_mapped_to_them() -> None:
    def named(name: str) -> NamedTag:
        return NamedTag(PropertyName(PS_INTERNET_HEADERS, name=name), PropertyType.STRING)

    properties = {
        header_field("x-mailer"): "Mailer\r\nBcc: evil@x.test",
        header_field("list-id"): "<list.x.test>",
        named("X-MyHeader"): "Größe",
        named("subject"): "other",
        named("Bcc"): "evil@x.test",
        named("Resent-Bcc"): "evil@x.test",
        named("Content-Type"): "text/evil",
        named("MIME-Version"): "2.0",
        named("X-MS-Exchange-Organization-SCL"): "-1",
        named("X-Microsoft-Exchange-Forest-X"): "1",
        named("bad name"): "x",
        named("bad:name\r\nBcc"): "x",
    }
    message = sent(note(properties))
    assert message["X-Mailer"] == "Mailer Bcc: evil@x.test"
    assert message["List-Id"] == "<list.x.test>"
    assert message["X-MyHeader"] == "Größe"
    assert message["Subject"] == "Hello"
    assert message.get_content_type() == "text/plain"
    for name in ("Bcc", "Resent-Bcc", "X-MS-Exchange-Organization-SCL", "X-Microsoft-Exchange-Forest-X", "bad name"):
        assert message[name] is None


def test_the_date_and_the_message_id_are_the_messages_own_or_the_callers() -> None:
    message = sent(note(), ExportOptions(date=datetime(2025, 1, 1, tzinfo=UTC), message_id="<2@one.test>"))
    assert message["Date"] == "Wed, 01 Jan 2025 00:00:00 +0000"
    assert message["Message-ID"] == "<2@one.test>"


def test_a_message_id_that_is_made_stays_the_same() -> None:
    message = note({tags.PidTagInternetMessageId: "none", tags.PidTagSearchKey: b"\7" * 16})
    first, second = (sent(message, ExportOptions(domain="one.test"))["Message-ID"] for _ in range(2))
    assert first == second
    assert first.endswith("@one.test>")
    message.properties[tags.PidTagClientSubmitTime] = SENT + 1
    assert sent(message, ExportOptions(domain="one.test"))["Message-ID"] != first


# Bodies


def test_html_goes_with_a_plain_form() -> None:
    message = sent(html_note("<p>Grüße</p>".encode()))
    assert structure(message) == ["multipart/alternative", "text/plain", "text/html"]
    plain, html = message.iter_parts()
    assert text(plain) == "Text\n"
    assert text(html) == "<p>Grüße</p>"
    bare = html_note(b"<p>Some <b>text</b></p>")
    del bare.properties[tags.PidTagBody]
    assert text(next(sent(bare).iter_parts())).strip() == "Some text"


def test_a_message_written_as_plain_text_is_sent_as_such() -> None:
    assert structure(sent(html_note(b"<p>x</p>", PidTagMessageEditorFormat=1))) == "text/plain"


@pytest.mark.parametrize(
    ("code_page", "body", "charset"),
    [
        (1252, "plain", "us-ascii"),
        (1252, "Grüße", "windows-1252"),
        (28591, "Grüße", "iso-8859-1"),
        (20866, "Привет", "koi8-r"),
        (50220, "こんにちは", "iso-2022-jp"),
        (932, "こんにちは", "shift_jis"),
        (936, "你好", "gb2312"),
        (1252, "Привет", "utf-8"),
        (65001, "Grüße", "utf-8"),
        (0, "Grüße", "utf-8"),
        (99999, "Grüße", "utf-8"),
        (28591, "🙂", "utf-8"),
        (1252, "a\ud800b", "utf-8"),
    ],
)
def test_the_character_set_is_the_smallest_that_fits(code_page: int, body: str, charset: str) -> None:
    message = sent(note({tags.PidTagBody: body, tags.PidTagInternetCodepage: code_page}))
    assert message.get_content_charset() == charset
    assert text(message).rstrip() == body.replace("\ud800", "\ufffd")


def test_html_bytes_stay_as_they_are_where_their_code_page_is_true() -> None:
    data = "<p>Grüße</p>".encode("cp1252")
    html = list(sent(html_note(data, 1252)).iter_parts())[1]
    assert html.get_payload(decode=True) == data
    assert html.get_content_charset() == "windows-1252"
    untrue = list(sent(html_note(data, 65001)).iter_parts())[1]
    assert untrue.get_content_charset() == "utf-8"
    japanese = list(sent(html_note("<p>日本</p>".encode("iso2022_jp"), 50220)).iter_parts())[1]
    assert text(japanese) == "<p>日本</p>"


def rtf_note(rtf: bytes) -> Message:
    message = note({tags.PidTagRtfCompressed: rtf_compression.compress(rtf), tags.PidTagRtfInSync: True})
    del message.properties[tags.PidTagBody]
    return message


def test_rtf_goes_out_as_what_is_in_it() -> None:
    plain = sent(rtf_note(rb"{\rtf1\ansi\fromtext{\fonttbl{\f0 Courier;}}\f0 one\par two}"))
    assert structure(plain) == "text/plain"
    assert text(plain).splitlines() == ["one", "two"]
    html = rtf_note(rb"{\rtf1\ansi\fromhtml1{\fonttbl{\f0 Arial;}}{\*\htmltag <p>}Some text{\*\htmltag </p>}}")
    parts = list(sent(html).iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert "<p>Some text</p>" in text(parts[1])
    native = list(sent(rtf_note(rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\f0 Some {\b bold} text}")).iter_parts())
    assert "<b>bold</b>" in text(native[1])
    assert "Some bold text" in text(native[0])


def test_damaged_rtf_is_not_in_the_way() -> None:
    message = note({tags.PidTagRtfCompressed: b"damaged", tags.PidTagRtfInSync: True, tags.PidTagNativeBody: 2})
    assert text(sent(message)) == "Text\n"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("short\r\nlines", "7bit"),
        ("x" * 1200, "quoted-printable"),
        ("mostly ASCII, but Grüße", "quoted-printable"),
        ("Привет, мир", "base64"),
        ("", "7bit"),
        ("ends in a blank " + "y" * 990 + " \r\nnext \r\n", "quoted-printable"),
    ],
)
def test_transfer_encodings(body: str, encoding: str) -> None:
    message = sent(note({tags.PidTagBody: body, tags.PidTagInternetCodepage: 65001}))
    assert message["Content-Transfer-Encoding"] == encoding
    assert text(message).rstrip("\n") == body.replace("\r\n", "\n").rstrip("\n")


def test_text_stays_in_8_bits_where_it_may() -> None:
    data = exported(note({tags.PidTagBody: "Grüße", tags.PidTagInternetCodepage: 65001}), ExportOptions(eight_bit=True))
    assert "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße".encode() in data
    nested = note({tags.PidTagBody: "Grüße"})
    message = note()
    message.attachments = [Attachment({tags.PidTagAttachMethod: 5}, nested)]
    assert sent(message, ExportOptions(eight_bit=True))["Content-Transfer-Encoding"] == "8bit"


# Meetings

REQUEST = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1@x.test\r\n"
    b"DTSTAMP:20240101T000000Z\r\nDTSTART:20240116T120000Z\r\nDTEND:20240116T130000Z\r\nSUMMARY:Lunch\r\n"
    b"ORGANIZER;CN=Anna Adams:mailto:anna@one.test\r\nATTENDEE;CN=Ben Brown;RSVP=TRUE:mailto:ben@two.test\r\n"
    b"END:VEVENT\r\nEND:VCALENDAR\r\n"
)


def meeting() -> Message:
    calendar = message_from_icalendar(REQUEST, method="REQUEST")
    assert calendar is not None
    message = note()
    message.properties |= calendar.properties
    message.properties |= {
        tags.PidTagBody: "Let us eat\r\n",
        tags.PidTagHtml: b"<p>Let us eat</p>",
        tags.PidTagNativeBody: 3,
    }
    return message


def test_a_meeting_request_carries_its_calendar_as_a_form_of_its_text() -> None:
    message = meeting()
    message.attachments = [file("menu.pdf", b"%PDF", PidTagAttachMimeTag="application/pdf")]
    mail = sent(message)
    assert structure(mail) == [
        "multipart/mixed",
        ["multipart/alternative", "text/plain", "text/html", "text/calendar"],
        "application/pdf",
    ]
    calendar = list(next(mail.iter_parts()).iter_parts())[2]
    assert calendar["Content-Type"].params["method"] == "REQUEST"
    assert calendar.get_content_charset() == "utf-8"
    event = Calendar.from_ical(text(calendar)).walk("VEVENT")[0]
    assert (event["UID"], event["SUMMARY"]) == ("1@x.test", "Lunch")
    assert event.decoded("DTSTART") == datetime(2024, 1, 16, 12, tzinfo=UTC)
    assert "ATTACH" not in event


def test_a_meeting_item_without_a_start_is_an_ordinary_message() -> None:
    assert structure(sent(note({tags.PidTagMessageClass: "IPM.Schedule.Meeting.Request"}))) == "text/plain"


# Bad input


ABSURD = [
    Message(),
    Message(
        {}, [{}, {tags.PidTagRecipientType: 77}, {tags.PidTagDisplayName: 5}], [Attachment(), Attachment({}, Message())]
    ),
    note({tags.PidTagSubject: "a\r\nBcc: evil@x.test\r\n\r\nbody"}),
    note({tags.PidTagSubject: "x" * 65_536, tags.PidTagConversationTopic: "ä" * 65_536}),
    note(None, Address("n" * 65_536, "ben@two.test"), Address("ä" * 65_536, "x" * 65_536 + "@x.test")),
    note({tags.PidTagClientSubmitTime: (1 << 63) - 1}),
    note({tags.PidTagClientSubmitTime: -5, tags.PidTagExpiryTime: 1 << 62, tags.PidTagReplyTime: -(1 << 63)}),
    note({tags.PidTagInternetMessageId: "<a b>\r\nX: <evil@x>", tags.PidTagInternetReferences: "\0<>" * 1000}),
    note({tags.PidTagInternetReferences: " ".join(f"<{n}@x>" for n in range(5000))}),
    note({tags.PidTagConversationIndex: bytes(5000)}),
    note({tags.PidTagBody: "\0" * 100 + "\r" * 100 + "\n" * 100 + "\x1a"}),
    note({tags.PidTagHtml: b"\0\xff\r" * 1000, tags.PidTagInternetCodepage: -1}),
    note({tags.PidTagMessageClass: "IPM.Note.SMIME"}),
    note({tags.PidTagMessageClass: "IPM.Note.SMIME.MultipartSigned"}),
    note({tags.PidTagMessageClass: "REPORT.IPM.Note.NDR"}),
    note({tags.PidTagMessageClass: "REPORT.IPM.Note.IPNRN", tags.PidTagReportDispositionMode: "x\r\ny"}),
    note({tags.PidTagMessageClass: "IPM.Schedule.Meeting.Request"}),
    note(dict(zip((*SENDER, *SENT_REPRESENTING), ["\r\n", None, 7, b"x", [1], ""] * 2, strict=True))),
    note({tags.PidTagSubject: b"bytes", tags.PidTagBody: 7, tags.PidTagImportance: "high", KEYWORDS: "word"}),
]


@pytest.mark.parametrize("number", range(len(ABSURD)))
@pytest.mark.parametrize("smtputf8", [False, True])
def test_absurd_values_give_a_valid_message(number: int, smtputf8: bool) -> None:
    data = exported(ABSURD[number], ExportOptions(smtputf8=smtputf8, blind=None))
    message = read(data)
    assert message["Bcc"] is None
    assert message["Date"] is not None
    assert message["From"] is not None
