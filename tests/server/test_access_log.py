import os
import time

import pytest

from mapigw.server.access_log import LocalTime, combined, escape


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_a_line_that_administrators_parse_today() -> None:
    line = combined(
        "192.168.61.133",
        "tom@bm.lan",
        LocalTime().text(1557154711.9),
        "POST /mapi/nspi/?MailboxId=94a5c596-90a8-4985-91fd-57629ee06561@bm.lan HTTP/1.1",
        200,
        149,
        "-",
        "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.4266; Pro)",
    )
    assert line == (
        "192.168.61.133 - tom@bm.lan [06/May/2019:16:58:31 +0200] "
        '"POST /mapi/nspi/?MailboxId=94a5c596-90a8-4985-91fd-57629ee06561@bm.lan HTTP/1.1" 200 149 "-" '
        '"Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.4266; Pro)"'
    )


@pytest.mark.usefixtures("berlin")
def test_local_time_changes_with_the_second_and_with_summer() -> None:
    local_time = LocalTime()
    assert local_time.text(1557154711.0) == "06/May/2019:16:58:31 +0200"
    assert local_time.text(1557154712.0) == "06/May/2019:16:58:32 +0200"
    assert local_time.text(1546300799.0) == "01/Jan/2019:00:59:59 +0100"


@pytest.mark.parametrize(("zone", "offset"), [("UTC", "+0000"), ("NST+3:30", "-0330"), ("IST-5:30", "+0530")])
def test_offsets(monkeypatch: pytest.MonkeyPatch, zone: str, offset: str) -> None:
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert LocalTime().text(0).endswith(offset)
    finally:
        monkeypatch.setenv("TZ", before or "") if before else monkeypatch.delenv("TZ")
        time.tzset()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain text, 'quoted' [#]", "plain text, 'quoted' [#]"),
        ('say "hi"', r"say \x22hi\x22"),
        ("back\\slash", r"back\x5Cslash"),
        ("tab\tline\r\n\x7f", r"tab\x09line\x0D\x0A\x7F"),
        ("é", r"\xC3\xA9"),
        (b"\xe9".decode("utf-8", "surrogateescape"), r"\xE9"),  # a header in a code page
        ("", ""),
    ],
)
def test_escaping_is_that_of_nginx(value: str, written: str) -> None:
    assert escape(value) == written


def test_a_user_cannot_forge_a_line() -> None:
    line = combined("10.0.0.1", "-", "-", 'GET /" 200 1\n10.0.0.9 - tom HTTP/1.1', 401, 17, '"', "\n")
    assert "\n" not in line
    assert line.count('"') == 6
