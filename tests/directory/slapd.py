"""A real OpenLDAP server in a temporary folder."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mapigw.directory.ldap_connection import ldap3_module

ldap3 = ldap3_module()
SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/local/libexec:/usr/libexec")
SCHEMAS = Path("/etc/ldap/schema")
MODULES = Path("/usr/lib/ldap")
BASE = "dc=bm,dc=lan"
ROOT = f"cn=admin,{BASE}"
PASSWORD = "root secret"

needs_slapd = pytest.mark.skipif(
    SLAPD is None or not SCHEMAS.is_dir(), reason="slapd (Debian: the package slapd) is not installed"
)

# What entries of Exchange have and OpenLDAP's schemas have not.
_EXCHANGE_SCHEMA = """
attributetype ( 1.3.6.1.4.1.99999.1 NAME 'proxyAddresses' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.99999.2 NAME 'msExchRecipientTypeDetails' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.3 NAME 'msExchResourceCapacity' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.4 NAME 'msExchHideFromAddressLists' EQUALITY booleanMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.5 NAME 'company' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.99999.10 NAME 'exchangeObject' SUP top AUXILIARY
  MAY ( mail $ proxyAddresses $ msExchRecipientTypeDetails $ msExchResourceCapacity $ msExchHideFromAddressLists $
        company $ displayName ) )
objectclass ( 1.3.6.1.4.1.99999.11 NAME 'contact' SUP person STRUCTURAL MAY ( mail $ displayName $ company ) )
"""


@dataclass(frozen=True)
class Slapd:
    url: str
    process: "subprocess.Popen[bytes]"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    @contextmanager
    def connection(self) -> Iterator[Any]:
        connection = ldap3.Connection(ldap3.Server(self.url, get_info=ldap3.NONE), ROOT, PASSWORD, auto_bind=True)
        yield connection
        connection.unbind()

    def add(self, name: str, classes: str, **attributes: Any) -> str:
        """Add an entry below the base; returns its DN."""
        dn = f"{name},{BASE}"
        with self.connection() as connection:
            assert connection.add(dn, classes.split(), attributes), connection.result
        return dn

    def person(self, name: str, **attributes: Any) -> str:
        values = {"cn": name.capitalize(), "sn": "Tester", "mail": f"{name}@bm.lan", **attributes}
        return self.add(f"uid={name}", "inetOrgPerson exchangeObject", **values)

    def modify(self, dn: str, **attributes: Any) -> None:
        with self.connection() as connection:
            changes = {name: [(ldap3.MODIFY_REPLACE, value)] for name, value in attributes.items()}
            assert connection.modify(dn, changes), connection.result


@contextmanager
def slapd(folder: Path, certificate: Path | None = None, key: Path | None = None) -> Iterator[Slapd]:
    assert SLAPD
    (folder / "db").mkdir(parents=True)
    (folder / "exchange.schema").write_text(_EXCHANGE_SCHEMA)
    lines = [
        *(f"include {SCHEMAS / name}.schema" for name in ("core", "cosine", "inetorgperson")),
        f"include {folder / 'exchange.schema'}",
        f"pidfile {folder / 'pid'}",
        *([f"modulepath {MODULES}", "moduleload back_mdb"] if MODULES.is_dir() else []),
        *([f"TLSCertificateFile {certificate}", f"TLSCertificateKeyFile {key}"] if certificate else []),
        "sizelimit unlimited",
        "database mdb",
        "maxsize 67108864",
        "dbnosync",
        f'suffix "{BASE}"',
        f'rootdn "{ROOT}"',
        f'rootpw "{PASSWORD}"',
        f"directory {folder / 'db'}",
    ]
    (folder / "slapd.conf").write_text("\n".join(lines) + "\n")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"ldap://127.0.0.1:{port}"
    process = subprocess.Popen(
        [SLAPD, "-f", str(folder / "slapd.conf"), "-h", url, "-d", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), 1)):
                break
            assert process.poll() is None, "slapd has ended"
            time.sleep(0.05)
        server = Slapd(url, process)
        with server.connection() as connection:
            assert connection.add(BASE, ["dcObject", "organization"], {"dc": "bm", "o": "BM"}), connection.result
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(10)
