"""Header fields as they are written, compared with published examples and read by Python's email package."""

from email import policy
from email.header import decode_header, make_header
from email.parser import BytesParser

import pytest
from hypothesis import given, strategies

from mapigw.mail.export.fields import Fields, Mailbox, encoded_words, internet_address, line_of, needs_utf8
from mapigw.mail.headers import Headers, parse_parameters
from tests.mail.lines import _fields as checked_fields


def written(fields: Fields) -> bytes:
    data = bytes(fields)
    assert not data or data.endswith(b"\r\n")
    checked_fields(data.removesuffix(b"\r\n"), utf8=fields.utf8)
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    return data


def text(value: str, name: str = "Subject", *, utf8: bool = False) -> bytes:
    fields = Fields(utf8=utf8)
    fields.text(name, value)
    return written(fields)


def addresses(*mailboxes: Mailbox, utf8: bool = False) -> bytes:
    fields = Fields(utf8=utf8)
    fields.addresses("To", mailboxes)
    return written(fields)


def read(data: bytes, name: str) -> str:
    return str(BytesParser(policy=policy.default).parsebytes(data + b"\r\n")[name])


def test_plain_text_is_written_as_it_is() -> None:
    assert text("A subject") == b"Subject: A subject\r\n"


def test_long_text_is_folded_at_blanks_and_unfolds_to_itself() -> None:
    value = "  ".join(["word"] * 60)
    data = text(value)
    assert max(map(len, data.split(b"\r\n"))) <= 76
    assert data.replace(b"\r\n", b"") == b"Subject: " + value.encode()


def test_the_examples_of_rfc_2047_section_8_come_back() -> None:
    for value in ("Keld Jørn Simonsen", "If you can read this you understand the example.", "Patrik Fältström"):
        assert str(make_header(decode_header(text(value).decode().partition(": ")[2].strip()))) == value


def test_words_have_75_characters_at_most_and_split_no_character() -> None:
    value = "ä🙂漢" * 40
    words = encoded_words(value, 9)
    assert max(map(len, words)) <= 75
    assert "".join(str(make_header(decode_header(word))) for word in words) == value


def test_mostly_latin_text_is_quoted_printable_and_other_scripts_are_base64() -> None:
    assert b"=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_Wien?=" in text("Grüße aus Wien")
    assert b"=?utf-8?B?" in text("Привет из Москвы")


def test_text_that_looks_like_an_encoded_word_is_encoded() -> None:
    assert read(text("=?utf-8?Q?no?="), "Subject") == "=?utf-8?Q?no?="


def test_utf8_text_is_left_alone_where_it_may_be() -> None:
    assert text("Grüße", utf8=True) == "Subject: Grüße\r\n".encode()


@pytest.mark.parametrize(
    "value",
    [
        "one\r\nBcc: evil@x.test",
        "one\nBcc: evil@x.test",
        "one\rBcc: evil@x.test",
        "one\0\r\n\r\nbody",
        "one\x0b\x0cBcc: x",
        "one\u2028Bcc: x\u2029y\x85z",
        "\r\n",
        "\ud800lone",
        "a" * 9_000,
        "ä" * 9_000,
        " " * 5_000 + "x",
        "x" + " " * 5_000 + "y",
    ],
)
def test_no_value_ends_its_field(value: str) -> None:
    for utf8 in (False, True):
        data = text(value, utf8=utf8)
        assert list(checked_fields(data.removesuffix(b"\r\n"), utf8=utf8)) in ([b"subject"], [])
        addresses(Mailbox(value, value), Mailbox(value, "a@b.test"), Mailbox("x", f"{value}@b.test"), utf8=utf8)
        fields = Fields(utf8=utf8)
        fields.parameters("Content-Type", "text/plain", {"name": value, "filename": value})
        fields.parameters("Content-Disposition", "attachment", {"name": value, "filename": value}, in_words=True)
        written(fields)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ä", "x\r\nBcc", "x" * 100])
def test_a_name_that_is_none_writes_nothing(name: str) -> None:
    fields = Fields()
    fields.text(name, "value")
    assert bytes(fields) == b""


@given(strategies.text(max_size=300))
def test_any_text_comes_back(value: str) -> None:
    data = text(value)
    shown = line_of(value)
    if shown:
        assert Headers(data).text("subject") == shown


@given(strategies.text(max_size=80), strategies.text(max_size=300))
def test_any_parameter_comes_back(name: str, value: str) -> None:
    fields = Fields()
    fields.parameters("Content-Disposition", "attachment", {"filename": value, "x": name})
    written(fields)
    shown = line_of(value)
    found = parse_parameters(Headers(bytes(fields)).first("content-disposition"))[1]
    assert found.get("filename", "") == shown


def test_names_are_phrases() -> None:
    assert addresses(Mailbox("Ben Brown", "ben@two.test")) == b"To: Ben Brown <ben@two.test>\r\n"
    assert addresses(Mailbox("Brown, Ben", "ben@two.test")) == b'To: "Brown, Ben" <ben@two.test>\r\n'
    assert addresses(Mailbox('B. "B" \\', "ben@two.test")) == b'To: "B. \\"B\\" \\\\" <ben@two.test>\r\n'
    assert addresses(Mailbox("Jörg", "j@two.test")) == b"To: =?utf-8?Q?J=C3=B6rg?= <j@two.test>\r\n"
    assert addresses(Mailbox("ben@two.test", "ben@two.test")) == b"To: ben@two.test\r\n"


def test_a_list_is_folded_between_its_members() -> None:
    people = [Mailbox(f"Person {number}", f"person{number}@example.test") for number in range(200)]
    data = addresses(*people)
    assert max(map(len, data.split(b"\r\n"))) <= 76
    found = BytesParser(policy=policy.default).parsebytes(data + b"\r\n")["To"].addresses
    assert [(address.display_name, address.addr_spec) for address in found] == [tuple(vars_of(one)) for one in people]


def vars_of(mailbox: Mailbox) -> tuple[str, str]:
    return mailbox.name, mailbox.email


def test_somebody_without_an_address_is_a_group() -> None:
    assert addresses(Mailbox("undisclosed-recipients", "")) == b"To: undisclosed-recipients :;\r\n"
    assert addresses(Mailbox("Jörg", "no address")) == b"To: =?utf-8?Q?J=C3=B6rg_no_address?= :;\r\n"
    assert addresses(Mailbox("", "")) == b""


@pytest.mark.parametrize(
    ("email", "ascii_form", "wide_form"),
    [
        ("a@b.test", "a@b.test", "a@b.test"),
        ("a.b+c@[192.0.2.1]", "a.b+c@[192.0.2.1]", "a.b+c@[192.0.2.1]"),
        ("two words@b.test", '"two words"@b.test', '"two words"@b.test'),
        ('"two words"@b.test', '"two words"@b.test', '"two words"@b.test'),
        ("a..b@b.test", '"a..b"@b.test', '"a..b"@b.test'),
        ("a@bücher.test", "a@xn--bcher-kva.test", "a@bücher.test"),
        ("用户@例え.test", "", "用户@例え.test"),
        ("no address", "", ""),
        ("@b.test", "", ""),
        ("a@", "", ""),
        ("a@b c", "", ""),
        ("a@b>,<c@d", '"a@b>,<c"@d', '"a@b>,<c"@d'),
        ("x" * 600 + "@b.test", "", ""),
        ("ä b@b.test", "", ""),
    ],
)
def test_addresses_are_valid_or_nothing(email: str, ascii_form: str, wide_form: str) -> None:
    assert internet_address(email, utf8=False) == ascii_form
    assert internet_address(email, utf8=True) == wide_form
    assert needs_utf8(email) == (not ascii_form and bool(wide_form))


def test_a_short_file_name_is_a_token_or_quoted() -> None:
    fields = Fields()
    fields.parameters("Content-Disposition", "attachment", {"filename": "a.pdf", "x": "a b.pdf"})
    assert bytes(fields) == b'Content-Disposition: attachment; filename=a.pdf; x="a b.pdf"\r\n'


def test_a_file_name_in_rfc_2231_and_in_encoded_words() -> None:
    fields = Fields()
    fields.parameters("Content-Disposition", "attachment", {"filename": "Résumé.pdf"})
    fields.parameters("Content-Type", "application/pdf", {"name": "Résumé.pdf"}, in_words=True)
    assert bytes(fields) == (
        b"Content-Disposition: attachment; filename*=utf-8''R%C3%A9sum%C3%A9.pdf\r\n"
        b'Content-Type: application/pdf; name="=?utf-8?Q?R=C3=A9sum=C3=A9=2Epdf?="\r\n'
    )


def test_a_long_file_name_is_continued_and_every_reader_puts_it_together() -> None:
    name = "かきくけこ" * 20 + ".txt"
    fields = Fields()
    fields.parameters("Content-Disposition", "attachment", {"filename": name})
    data = written(fields)
    assert b"filename*0*=utf-8''%E3%81%8B" in data
    assert max(map(len, data.split(b"\r\n"))) <= 76
    found = BytesParser(policy=policy.default).parsebytes(data + b"\r\n")
    assert found.get_filename() == name
    assert found["Content-Disposition"].defects == ()
