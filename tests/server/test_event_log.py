import json
import logging
from pathlib import Path
from typing import Any

from mapigw.emsmdb.access import AccessRecord
from mapigw.emsmdb.dispatch import ExecuteRecord
from mapigw.server.event_log import EventLog, EventLogHandler
from mapigw.server.log_file import LogFile


async def logged(tmp_path: Path, write: Any) -> list[dict[str, Any]]:
    path = tmp_path / "events.jsonl"
    file = await LogFile.open(path)
    write(EventLog(file))
    await file.close()
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_an_execute(tmp_path: Path) -> None:
    record = ExecuteRecord("tom@bm.lan", request_bytes=120)
    record.response_bytes, record.milliseconds = 340, 1.23456
    record.rops += [("OpenFolder", 0), ("GetPropertiesSpecific", 0x8004010F)]
    [line] = await logged(tmp_path, lambda events: events.execute(record))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "event": "execute",
        "user": "tom@bm.lan",
        "request_bytes": 120,
        "response_bytes": 340,
        "milliseconds": 1.235,
        "rops": [["OpenFolder", "0x00000000"], ["GetPropertiesSpecific", "0x8004010F"]],
    }


async def test_an_execute_that_failed_as_a_whole(tmp_path: Path) -> None:
    record = ExecuteRecord("tom@bm.lan", request_bytes=1, error="truncated")
    [line] = await logged(tmp_path, lambda events: events.execute(record))
    assert (line["error"], line["rops"]) == ("truncated", [])


async def test_a_refused_login_names_the_client_only(tmp_path: Path) -> None:
    [line] = await logged(tmp_path, lambda events: events.refused("10.0.0.1", "POST", "/mapi/nspi"))
    assert {key: line[key] for key in line if key != "time"} == {
        "event": "refused",
        "client": "10.0.0.1",
        "method": "POST",
        "path": "/mapi/nspi",
    }


async def test_a_logon_to_another_mailbox(tmp_path: Path) -> None:
    record = AccessRecord("tom@bm.lan", "info@bm.lan", "write", allowed=True)
    [line] = await logged(tmp_path, lambda events: events.access(record))
    assert {key: line[key] for key in line if key != "time"} == {
        "event": "access",
        "user": "tom@bm.lan",
        "mailbox": "info@bm.lan",
        "right": "write",
        "allowed": True,
    }


async def test_an_error_comes_with_its_traceback_on_one_line(tmp_path: Path) -> None:
    def write(events: EventLog) -> None:
        logger = logging.getLogger("tests.event_log")
        handler = EventLogHandler(events)
        logger.addHandler(handler)
        try:
            raise ValueError("bad")
        except ValueError:
            logger.exception("%s failed", "it")
        logger.info("nothing to worry about")
        logger.removeHandler(handler)

    [line] = await logged(tmp_path, write)
    assert (line["event"], line["level"], line["logger"], line["text"]) == (
        "message",
        "error",
        "tests.event_log",
        "it failed",
    )
    assert line["traceback"].endswith("ValueError: bad\n")


def test_without_a_file_it_keeps_quiet() -> None:
    EventLog(None).refused("10.0.0.1", "GET", "/")
