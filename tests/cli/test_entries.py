import re
from pathlib import Path

from click.testing import Result
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from mapigw.server.tls import self_signed_certificate
from tests.cli.conftest import Run

JPEG = b"\xff\xd8\xff\xe0picture"


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def cells(result: Result) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in done(result).splitlines() if "│" in line]


def refused(result: Result, reason: str, status: int = 1) -> None:
    assert result.exit_code == status, result.output
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def test_attributes_of_a_user(run: Run, tmp_path: Path) -> None:
    done(run("user", "add", "anna@bm.lan", "--no-password", "title=Head"))
    done(run("user", "add", "tom@bm.lan", "--password-stdin", text="secret\n"))
    picture = tmp_path / "tom.jpg"
    picture.write_bytes(JPEG)
    certificate, _ = self_signed_certificate(tmp_path / "tls", ["bm.lan"])
    der = tmp_path / "tom.der"
    der.write_bytes(load_pem_x509_certificate(certificate.read_bytes()).public_bytes(Encoding.DER))
    files = ("--photo", str(picture), "--certificate", str(certificate), "--certificate", str(der))
    changed = run(
        "user", "set", "tom@bm.lan", "title=Engineer", "business_phones_2=1", "business_phones_2=2",
        "manager=anna@bm.lan", "--display-name", "Tom B", "--hidden", *files,
    )  # fmt: skip
    assert done(changed) == "Changed tom@bm.lan.\n"
    shown = done(run("user", "show", "tom@bm.lan"))
    for name, value in (
        ("Name", "Tom B"),
        ("Hidden", "yes"),
        ("title", "Engineer"),
        ("business_phones_2", "1, 2"),
        ("manager", "anna@bm.lan"),
        ("photo", "11 bytes"),
        ("certificates", "2"),
    ):
        assert re.search(rf"^{name} +{value}$", shown, re.MULTILINE), shown
    done(run("user", "set", "tom@bm.lan", "title=", "photo=", "certificates=", "manager=", "--visible"))
    shown = done(run("user", "show", "tom@bm.lan"))
    assert not re.search("title|photo|certificates|manager|Hidden", shown)
    assert "business_phones_2" in shown


def test_what_cannot_be_set(run: Run, tmp_path: Path) -> None:
    done(run("user", "add", "tom@bm.lan", "--no-password"))
    no_certificate = tmp_path / "x.pem"
    no_certificate.write_bytes(b"nothing")
    set_tom = ("user", "set", "tom@bm.lan")
    refused(run(*set_tom, "shoe_size=44"), "'shoe_size=44' is not ATTRIBUTE=VALUE", 2)
    refused(run(*set_tom, "title"), "'title' is not ATTRIBUTE=VALUE", 2)
    refused(run(*set_tom, "photo=/etc/passwd"), "--photo FILE", 2)
    refused(run(*set_tom, "--photo", str(no_certificate)), "photo: it is no JPEG")
    refused(run(*set_tom, "--certificate", str(no_certificate)), "no X.509 certificate")
    refused(run(*set_tom, "capacity=many"), "capacity: 'many' is not a number")
    refused(run(*set_tom, "manager=nobody@bm.lan"), "there is nobody called nobody@bm.lan")
    refused(run("user", "set", "nobody@bm.lan", "title=x"), "there is no user nobody@bm.lan")


def test_a_contact_from_its_making_to_its_removal(run: Run) -> None:
    added = run("contact", "add", "Bob@Example.net", "--domain", "bm.lan", "--display-name", "Bob", "company=Example")
    assert done(added) == "Added bob@example.net to the address list of bm.lan.\n"
    assert cells(run("contact", "list"))[0] == ["bob@example.net", "Bob", "bm.lan", "Example", "no"]
    assert cells(run("contact", "list", "--domain", "other.lan")) == []
    done(run("contact", "set", "bob@example.net", "title=Boss", "--hidden"))
    assert re.search("^title +Boss$", done(run("contact", "show", "bob@example.net")), re.MULTILINE)
    alias = run("contact", "alias", "add", "bob@example.net", "robert@example.net")
    assert done(alias) == "Aliases of bob@example.net: robert@example.net\n"
    done(run("contact", "add", "bob@example.net", "--domain", "other.lan"))
    refused(run("contact", "show", "bob@example.net"), "in the lists of bm.lan, other.lan: name the domain")
    done(run("contact", "show", "bob@example.net", "--domain", "other.lan"))
    removed = run("contact", "remove", "bob@example.net", "--domain", "bm.lan")
    assert done(removed) == "Removed bob@example.net from the address list of bm.lan.\n"
    assert [row[2] for row in cells(run("contact", "list"))] == ["other.lan"]
    refused(run("contact", "remove", "nobody@example.net"), "there is no contact nobody@example.net")


def test_a_room_from_its_making_to_its_removal(run: Run) -> None:
    options = ("--capacity", "12", "--policy", "refuse-conflicts", "--days", "90", "--display-name", "Big room")
    assert done(run("room", "add", "room@bm.lan", *options)) == "Added room@bm.lan.\n"
    done(run("room", "add", "car@bm.lan", "--equipment"))
    assert cells(run("room", "list")) == [
        ["room@bm.lan", "Big room", "room", "12", "refuse-conflicts", "no"],
        ["car@bm.lan", "car", "equipment", "", "manual", "no"],
    ]
    done(run("room", "set", "room@bm.lan", "capacity=14", "booking_policy="))
    shown = done(run("room", "show", "room@bm.lan"))
    assert re.search("^capacity +14$", shown, re.MULTILINE)
    assert re.search("^booking_days +90$", shown, re.MULTILINE)
    assert re.search("^Kind +room$", shown, re.MULTILINE)
    refused(run("room", "add", "other@bm.lan", "--policy", "sometimes"), "sometimes", 2)
    refused(run("room", "show", "nobody@bm.lan"), "there is nobody called nobody@bm.lan")
    refused(run("user", "show", "room@bm.lan"), "there is no user room@bm.lan")
    refused(run("user", "passwd", "room@bm.lan", "--password-stdin", text="x\n"), "nobody logs in with it")
    assert "room@bm.lan" not in done(run("user", "list"))
    assert done(run("room", "remove", "room@bm.lan", "--yes")) == "Removed room@bm.lan.\n"


def test_a_shared_mailbox_from_its_making_to_its_removal(run: Run) -> None:
    assert done(run("shared", "add", "info@bm.lan", "--display-name", "Information")) == "Added info@bm.lan.\n"
    assert done(run("shared", "add", "files", "--domain", "bm.lan")) == "Added files.\n"
    refused(run("shared", "add", "more"), "needs a domain")
    rows = cells(run("shared", "list"))
    assert rows == [["files", "files", "bm.lan", "", "no"], ["info@bm.lan", "Information", "bm.lan", "", "no"]]
    done(run("shared", "set", "files", "comment=Everything"))
    assert re.search("^comment +Everything$", done(run("shared", "show", "FILES")), re.MULTILINE)
    assert run("shared", "remove", "files", text="n\n").exit_code == 1
    done(run("shared", "remove", "files", "--yes"))
    refused(run("shared", "remove", "files", "--yes"), "there is nobody called files")


def test_managers_and_contacts_of_a_group(run: Run) -> None:
    done(run("user", "add", "tom@bm.lan", "--no-password"))
    done(run("group", "add", "staff@bm.lan", "comment=All of us", "--hidden"))
    done(run("contact", "add", "bob@example.net", "--domain", "bm.lan"))
    done(run("group", "add-member", "staff@bm.lan", "bob@example.net"))
    done(run("group", "add-manager", "staff@bm.lan", "tom@bm.lan"))
    done(run("group", "alias", "add", "staff@bm.lan", "x500:/o=Old/cn=Staff"))
    shown = done(run("group", "show", "staff@bm.lan"))
    for line in ("Members +bob@example.net", "Managers +tom@bm.lan", "Hidden +yes", "Aliases +x500:/o=old/cn=staff"):
        assert re.search(f"^{line}$", shown, re.MULTILINE), shown
    refused(run("group", "add-manager", "staff@bm.lan", "bob@example.net"), "is not a user or a group")
    done(run("group", "remove-manager", "staff@bm.lan", "tom@bm.lan"))
    refused(run("group", "remove-manager", "staff@bm.lan", "tom@bm.lan"), "is not a manager of staff@bm.lan")
