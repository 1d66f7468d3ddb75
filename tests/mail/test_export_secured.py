"""S/MIME messages on their way out: signatures verify, encrypted octets are untouched."""

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from mapigw.mail.export.composing import ExportOptions
from mapigw.mail.mime import message_from_mime
from mapigw.mail.names import CONTENT_TYPE
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message
from tests.mail.exported import exported, file, note, sent, structure

HEADER = (
    b"From: Anna <anna@one.test>\r\nTo: ben@two.test\r\nSubject: Signed\r\nDate: Tue, 16 Jan 2024 13:20:00 +0000\r\n"
)
CONTENT = (
    b"Content-Type: text/plain; charset=us-ascii\r\n\r\n"
    b"A text with a line of blanks:   \r\n   \r\nFrom here on\r\n.\r\n\r\n"
)


@pytest.fixture(scope="module")
def signer() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Anna")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def signed_mail(signer: tuple[rsa.RSAPrivateKey, x509.Certificate]) -> bytes:
    key, certificate = signer
    builder = pkcs7.PKCS7SignatureBuilder().set_data(CONTENT).add_signer(certificate, key, hashes.SHA256())
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoAttributes]
    signature = builder.sign(serialization.Encoding.PEM, options)
    text = b"".join(signature.splitlines()[1:-1])
    lines = b"\r\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return (
        HEADER
        + b"MIME-Version: 1.0\r\n"
        + b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n'
        + b' micalg=sha-256; boundary="BB"\r\n'
        + b"\r\nThis is an S/MIME signed message\r\n\r\n--BB\r\n"
        + CONTENT
        + b"\r\n--BB\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n"
        + b"Content-Transfer-Encoding: base64\r\n\r\n"
        + lines
        + b"\r\n--BB--\r\n"
    )


def verify(data: bytes, certificate: x509.Certificate) -> None:
    """Check the signature over the first part, as a mail program does: nothing here uses the code under test."""
    boundary = re.search(rb'boundary="([^"]+)"', data)
    assert boundary is not None
    _preamble, first, second, _end = data.split(b"\r\n--" + boundary[1])
    content = first.removeprefix(b"\r\n")
    signature = message_from_bytes(second.lstrip()).get_payload(decode=True)
    assert isinstance(signature, bytes)
    # Without signed attributes the signature is over the content itself; it is the last value of the structure.
    public = certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(signature[-public.key_size // 8 :], content, padding.PKCS1v15(), hashes.SHA256())


def test_a_clear_signature_verifies_when_the_message_has_been_in_and_out(
    signer: tuple[rsa.RSAPrivateKey, x509.Certificate],
) -> None:
    raw = signed_mail(signer)
    verify(raw, signer[1])
    message = message_from_mime(raw)
    assert message.properties[tags.PidTagMessageClass] == "IPM.Note.SMIME.MultipartSigned"
    data = exported(message)
    verify(data, signer[1])
    assert data.endswith(raw[raw.index(b"\r\n\r\n") :])
    assert structure(sent(message)) == ["multipart/signed", "text/plain", "application/pkcs7-signature"]
    assert data.count(b"MIME-Version") == 1


def test_lines_that_a_client_keeps_with_lf_are_signed_with_cr_lf(
    signer: tuple[rsa.RSAPrivateKey, x509.Certificate],
) -> None:
    message = message_from_mime(signed_mail(signer).replace(b"\r\n", b"\n"))
    verify(exported(message), signer[1])


def test_an_attached_signed_message_verifies(signer: tuple[rsa.RSAPrivateKey, x509.Certificate]) -> None:
    outer = note()
    outer.attachments = [Attachment({tags.PidTagAttachMethod: 5}, message_from_mime(signed_mail(signer)))]
    data = exported(outer)
    inner = data[data.index(b"Content-Type: multipart/signed") :]
    verify(inner, signer[1])


def opaque(content: bytes, content_type: str = "") -> Message:
    properties = {tags.PidTagMessageClass: "IPM.Note.SMIME"} | ({CONTENT_TYPE: content_type} if content_type else {})
    message = note(properties)
    message.attachments = [file("smime.p7m", content, PidTagAttachMimeTag="application/pkcs7-mime")]
    return message


def test_encrypted_octets_are_untouched() -> None:
    content = bytes(range(256)) * 20
    mail = sent(opaque(content, "application/x-pkcs7-mime; smime-type=enveloped-data; name=evil.exe"))
    assert mail.get_content_type() == "application/x-pkcs7-mime"
    assert mail["Content-Type"].params["smime-type"] == "enveloped-data"
    assert mail.get_filename() == "smime.p7m"
    assert mail.get_payload(decode=True) == content
    assert sent(opaque(content, "text/html"))["Content-Type"] == 'application/pkcs7-mime; name="smime.p7m"'


def test_a_signed_entity_under_the_general_class_is_recognized(
    signer: tuple[rsa.RSAPrivateKey, x509.Certificate],
) -> None:
    message = message_from_mime(signed_mail(signer))
    message.properties[tags.PidTagMessageClass] = "IPM.Note.SMIME"
    verify(exported(message), signer[1])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no header",
        b"Content-Type: text/plain\r\n\r\nx",
        b"Content-Type: multipart/signed; boundary=x" + b" " * 70_000 + b"\r\n\r\nx",
        b"\r\n\r\nContent-Type: multipart/signed",
    ],
)
def test_what_is_no_signed_entity_goes_out_as_a_file(data: bytes) -> None:
    message = note({tags.PidTagMessageClass: "IPM.Note.SMIME.MultipartSigned"})
    message.attachments = [file("smime.p7m", data)]
    assert structure(sent(message)) == ["multipart/mixed", "text/plain", "application/pkcs7-mime"]


def test_a_verbatim_field_ends_no_header() -> None:
    message = note({tags.PidTagMessageClass: "IPM.Note.SMIME.MultipartSigned"})
    entity = b"Content-Type: multipart/signed; boundary=x;\n \n\t\r protocol=y\r\nBcc: evil@x.test\r\n"
    entity += b"\r\n--x\r\n\r\n--x--\r\n"
    message.attachments = [file("smime.p7m", entity)]
    mail = sent(message, ExportOptions())
    assert mail["Bcc"] is None
    assert mail.get_content_type() == "multipart/signed"
