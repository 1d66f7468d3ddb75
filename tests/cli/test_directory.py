import os
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_entries import cells, done, refused
from tests.directory.slapd import BASE, PASSWORD, ROOT, needs_slapd, slapd


def test_import_tells_what_it_did_and_what_it_left_out(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("address,title\ntom@bm.lan,Engineer\nnobody,x\n")
    result = run("directory", "import", str(file), "--dry-run")
    assert (result.exit_code, result.stdout) == (
        3,
        "add user tom@bm.lan\nWould be: 1 added, 0 changed, 0 unchanged, 1 problems.\n",
    )
    assert cells(run("user", "list")) == []
    result = run("directory", "import", str(file))
    assert (result.exit_code, result.stdout) == (3, "1 added, 0 changed, 0 unchanged, 1 problems.\n")
    assert result.stderr.startswith("line 3: 'nobody' is not a usable address")
    assert cells(run("user", "list"))[0][0] == "tom@bm.lan"
    file.write_text("address,title\ntom@bm.lan,Engineer\n")
    assert done(run("directory", "import", str(file))) == "0 added, 0 changed, 1 unchanged.\n"


def test_import_knows_files_by_their_names(run: Run, tmp_path: Path) -> None:
    card = "BEGIN:VCARD\nVERSION:3.0\nFN:Bob\nN:Bob;;;;\nEMAIL:bob@example.net\nEND:VCARD\n"
    (tmp_path / "bob.vcf").write_text(card)
    (tmp_path / "bob").write_text(card)
    done(run("directory", "import", str(tmp_path / "bob.vcf"), "--domain", "bm.lan"))
    assert cells(run("contact", "list"))[0][:3] == ["bob@example.net", "Bob", "bm.lan"]
    refused(run("directory", "import", str(tmp_path / "bob")), "give --format", 2)
    again = run("directory", "import", str(tmp_path / "bob"), "--format", "vcard", "--domain", "bm.lan")
    assert done(again) == "0 added, 0 changed, 1 unchanged.\n"
    (tmp_path / "x.csv").write_bytes("address,title\ntom@bm.lan,Büro\n".encode("latin-1"))
    refused(run("directory", "import", str(tmp_path / "x.csv")), "line 2: byte 0xFC is not UTF-8")


@needs_slapd
def test_sync_by_the_configuration(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, secret = tmp_path / "mapigw.toml", tmp_path / "secret"
    secret.write_text(PASSWORD + "\n")
    with slapd(tmp_path / "slapd") as server:
        server.person("tom", employeeType="Engineer")
        config.write_text(
            f'[ldap]\nurl = "{server.url}"\nbind_dn = "{ROOT}"\npassword_file = "{secret}"\nbase = "{BASE}"\n'
            'domain = "bm.lan"\nattributes = { title = ["employeeType"] }\n'
        )
        sync = ("directory", "sync", "--config", str(config))
        dry = done(run(*sync, "--dry-run"))
        assert dry == "add user tom@bm.lan\nWould be: 1 added, 0 changed, 0 unchanged.\n"
        assert done(run(*sync)) == "1 added, 0 changed, 0 unchanged.\n"
        assert "title" in done(run("user", "show", "tom@bm.lan"))
        secret.write_text("wrong")
        refused(run(*sync), "invalidCredentials")
    secret.write_text(PASSWORD)
    refused(run(*sync), "ldap://127.0.0.1")
    os.remove(secret)
    refused(run(*sync), "key ldap.password_file", 2)
    for line, reason in (
        ('[ldap]\nurl = "ldap://ldap.example.net"', "passwords go by ldaps://"),
        ("", "key ldap.url is missing"),
        ('[ldap]\nurl = "ldaps://ldap.example.net"', "key ldap.base is missing"),
        ('[ldap]\nurl = "ldaps://x"\nshoe = 1', "key ldap.shoe is unknown"),
    ):
        config.write_text(line)
        refused(run(*sync), reason, 2)
