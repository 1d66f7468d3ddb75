"""TLS: the configured certificate, or a self-signed one made on first start."""

import os
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=825)  # the longest that every common client accepts of a server certificate
_COMMON_NAME_LIMIT = 64
_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


class CertificateError(Exception):
    """The certificate cannot be used. The message names the file and the reason."""


def replace_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None = None) -> None:
    """Give a context in use another certificate; connections that are open keep theirs.

    A handshake has the old certificate with its key or the new one with its own: loaded into the context itself, they
    would not match for a moment, and the handshakes of that moment would fail.

    Blocks. Raises `CertificateError`; the context then works on with what it had.
    """
    replacement = server_context(certificate, key)

    def replace(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = replacement

    context.sni_callback = replace  # called in every handshake, also without a server name


def server_context(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """A context for a server: TLS 1.2 or newer. Blocks. Raises `CertificateError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        names = " and ".join(str(name) for name in (certificate, key) if name)
        raise CertificateError(f"{names}: {error.strerror or error}") from None
    return context


def self_signed_certificate(folder: Path, names: Iterable[str]) -> tuple[Path, Path]:
    """The certificate and key in ``folder``, made for ``names`` and localhost if there is none. Blocks.

    An existing one is kept whatever its names: clients were told to trust it. Raises `CertificateError`.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not (certificate.exists() and key.exists()):
        certificate_pem, key_pem = _make(list(dict.fromkeys([*names, "localhost", "127.0.0.1", "::1"])))
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(key, key_pem)
            _write(certificate, certificate_pem)
        except OSError as error:
            raise CertificateError(f"{error.filename}: {error.strerror}") from None
    return certificate, key


def _make(names: list[str]) -> tuple[bytes, bytes]:
    private_key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_COMMON_NAME_LIMIT])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # for clients whose clock is slow
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        # An authority of its own, so that Windows takes it into the trusted roots.
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_KEY_USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private_key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(private_key.public_key()), critical=False)
        .sign(private_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name.encode("idna").decode("ascii"))
    except UnicodeError:
        raise CertificateError(f"{name!r} is not a host name for the certificate") from None


def _write(path: Path, content: bytes) -> None:
    """Write ``path`` at once, readable to its owner only."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)
