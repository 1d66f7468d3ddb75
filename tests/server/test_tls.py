import ssl
from pathlib import Path

import pytest
from cryptography import x509

from mapigw.server.tls import CertificateError, replace_certificate, self_signed_certificate, server_context


def names(certificate: Path) -> list[str]:
    extension = x509.load_pem_x509_certificate(certificate.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return [str(name.value) for name in extension.value]


def test_a_certificate_for_the_names_and_localhost(tmp_path: Path) -> None:
    certificate, key = self_signed_certificate(tmp_path / "tls", ["mail.example.org", "bücher.example", "10.1.2.3"])
    assert names(certificate) == [
        "mail.example.org",
        "xn--bcher-kva.example",
        "10.1.2.3",
        "localhost",
        "127.0.0.1",
        "::1",
    ]
    assert key.stat().st_mode & 0o777 == 0o600
    assert server_context(certificate, key).minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_certificate_that_clients_trust_already_is_kept(tmp_path: Path) -> None:
    first = self_signed_certificate(tmp_path, ["a.example"])[0].read_bytes()
    assert self_signed_certificate(tmp_path, ["b.example"])[0].read_bytes() == first


def shown(context: ssl.SSLContext, trusted: Path, name: str) -> str:
    """The common name that the server with this context shows to a client that trusts one certificate."""
    client = ssl.create_default_context(cafile=str(trusted))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = context.wrap_bio(to_server, to_client, server_side=True)
    client_side = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(3):
        for side in (client_side, server_side):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return str(client_side.getpeercert()["issuer"][0][0][1])  # type: ignore[index]


def test_it_is_trusted_by_a_client_that_was_given_it(tmp_path: Path) -> None:
    certificate, key = self_signed_certificate(tmp_path, ["mail.example.org"])
    assert shown(server_context(certificate, key), certificate, "mail.example.org") == "mail.example.org"


def test_a_name_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="is not a host name"):
        self_signed_certificate(tmp_path, ["a" * 70 + ".example"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"nowhere\.pem: No such file"):
        server_context(tmp_path / "nowhere.pem")


def test_a_pair_that_does_not_match_leaves_the_context_as_it_was(tmp_path: Path) -> None:
    first, second = (self_signed_certificate(tmp_path / name, [name]) for name in ("a", "b"))
    context = server_context(*first)
    with pytest.raises(CertificateError, match=r"certificate\.pem and .*key\.pem"):
        replace_certificate(context, first[0], second[1])
    assert shown(context, first[0], "a") == "a"
    replace_certificate(context, *second)
    assert shown(context, second[0], "b") == "b"
