"""Address lists as people and programs write them."""

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.mail.addresses import Address, Addressing, address_properties, parse_addresses
from mapigw.mail.headers import Headers
from mapigw.mail.parts import Budget
from mapigw.wire import tags
from mapigw.wire.entryids import FLAT_ENTRY_LIST


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@x.de", [("a@x.de", "a@x.de")]),
        ("Tom <tom@bm.lan>", [("Tom", "tom@bm.lan")]),
        ('"Tom, the \\"Cat\\"" <tom@bm.lan>', [('Tom, the "Cat"', "tom@bm.lan")]),
        ("tom@bm.lan (Tom)", [("Tom", "tom@bm.lan")]),
        ("<a@x>, <b@y>", [("a@x", "a@x"), ("b@y", "b@y")]),
        ("=?utf-8?q?M=C3=BCller=2C_T?= <t@x>", [("Müller, T", "t@x")]),
        # RFC 5322, appendix A
        ("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;", [
            ("Ed Jones", "c@a.test"), ("joe@where.test", "joe@where.test"), ("John", "jdoe@one.test"),
        ]),
        ("Undisclosed recipients:;", []),
        ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", [("Pete", "pete@silly.test")]),
        ("Mary <@node.test:mary@example.net>, , jdoe@test  . example", [
            ("Mary", "mary@example.net"), ("jdoe@test.example", "jdoe@test.example"),
        ]),
        ('"joe smith"@x.de', [('"joe smith"@x.de', '"joe smith"@x.de')]),
        # what the grammar does not know
        ("Doe, John <j@x>, a@b", [("Doe, John", "j@x"), ("a@b", "a@b")]),
        ("a@x; b@y", [("a@x", "a@x"), ("b@y", "b@y")]),
        ("Mikel@Lindsaar <r@gmail.com>", [("Mikel@Lindsaar", "r@gmail.com")]),
        ("Big Bug bb@bug.com", [("Big Bug", "bb@bug.com")]),
        ("a@x b@y", [("a@x", "a@x"), ("b@y", "b@y")]),
        ("root, bob", [("root", "root"), ("bob", "bob")]),
        ("MAILER-DAEMON <>", [("MAILER-DAEMON", "MAILER-DAEMON")]),
        ("<a@x, b@y", [("a@x", "a@x"), ("b@y", "b@y")]),
        ('"broken, a@x, <b@y>', [("broken", "broken"), ("a@x", "a@x"), ("b@y", "b@y")]),
        ("'Tom' <t@x>", [("Tom", "t@x")]),
        (", ,", []),
        ("", []),
    ],
)  # fmt: skip
def test_address_lists(value: str, expected: list[tuple[str, str]]) -> None:
    assert [(address.name, address.email) for address in parse_addresses(value)] == expected


WORDS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12)
NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20).filter(
    lambda name: name.strip("'") == name and "=?" not in name
)


@given(st.lists(st.tuples(NAMES, WORDS, WORDS), max_size=5))
def test_what_the_email_package_writes_is_read_back(people: list[tuple[str, str, str]]) -> None:
    value = ", ".join(email.utils.formataddr((name, f"{local}@{domain}")) for name, local, domain in people)
    assert [(address.name, address.email) for address in parse_addresses(value)] == [
        (name, f"{local}@{domain}") for name, local, domain in people
    ]


@given(st.text(alphabet='ab@.,;:<>()"\\ =?', max_size=60))
def test_no_list_raises_or_gives_an_empty_address(value: str) -> None:
    for address in parse_addresses(value):
        assert address.name
        assert address.email


def test_entry_id_is_a_one_off() -> None:
    """MS-OXCDATA 2.2.5.1."""
    assert Address("Tom", "t@x").entry_id == bytes.fromhex(
        "00000000 812b1fa4bea310199d6e00dd010f5402 0000 018054006f006d000000 53004d00540050000000 7400400078000000"
    )


def addressing(header: bytes) -> Addressing:
    return address_properties(Headers(header), Budget())


def test_search_key() -> None:
    assert Address("Tom", "tom@bm.lan").search_key == b"SMTP:TOM@BM.LAN\0"


def test_sender_and_represented_sender() -> None:
    """MS-OXCMAIL 2.2.3.1.3 and 2.2.3.1.4."""
    properties = addressing(b"From: Boss <boss@x>, Other <o@x>\nSender: Aide <aide@x>\n\n").properties
    assert properties[tags.PidTagSentRepresentingName] == "Boss"
    assert properties[tags.PidTagSentRepresentingSmtpAddress] == "boss@x"
    assert properties[tags.PidTagSenderName] == "Aide"
    assert properties[tags.PidTagSenderAddressType] == "SMTP"
    assert properties[tags.PidTagSenderEmailAddress] == "aide@x"


@pytest.mark.parametrize("field", [b"From", b"Sender"])
def test_one_author_field_stands_for_both(field: bytes) -> None:
    properties = addressing(field + b": Tom <t@x>\n\n").properties
    assert properties[tags.PidTagSenderEmailAddress] == properties[tags.PidTagSentRepresentingEmailAddress] == "t@x"


def test_mail_without_an_author_has_no_sender_properties() -> None:
    assert tags.PidTagSenderName not in addressing(b"Subject: x\n\n").properties


def test_recipients_of_every_field() -> None:
    properties, recipients, _ = addressing(b"To: A <a@x>, b@x\nCc: C <c@x>\nBcc: D <d@x>\nTo: E <e@x>\n\n")
    assert [(row[tags.PidTagRecipientType], row[tags.PidTagDisplayName]) for row in recipients] == [
        (1, "A"),
        (1, "b@x"),
        (1, "E"),
        (2, "C"),
        (3, "D"),
    ]
    assert properties[tags.PidTagDisplayTo] == "A; b@x; E"
    assert properties[tags.PidTagDisplayCc] == "C"
    assert properties[tags.PidTagDisplayBcc] == "D"


def test_reply_recipients() -> None:
    """MS-OXCMAIL 2.2.3.1.6: as many names as entry ids, though a name may hold the separator."""
    properties = addressing(b'Reply-To: "a;b" <a@x>, C <c@x>\n\n').properties
    assert properties[tags.PidTagReplyRecipientNames] == "a,b;C"
    assert FLAT_ENTRY_LIST.parse(properties[tags.PidTagReplyRecipientEntries]) == [
        Address("a;b", "a@x").entry_id,
        Address("C", "c@x").entry_id,
    ]


def test_receipts() -> None:
    properties = addressing(b"Disposition-Notification-To: T <t@x>\nReturn-Receipt-To: t@x\n\n").properties
    assert properties[tags.PidTagReadReceiptRequested] is True
    assert properties[tags.PidTagReadReceiptEmailAddress] == "t@x"
    assert properties[tags.PidTagOriginatorDeliveryReportRequested] is True


def test_a_huge_address_fits_in_a_recipient_row() -> None:
    (recipient,) = addressing(b"To: " + b"n" * 100_000 + b" <" + b"a" * 100_000 + b"@x>\n\n").recipients
    assert len(recipient[tags.PidTagDisplayName]) == 256
    assert len(recipient[tags.PidTagEmailAddress]) == 1024
