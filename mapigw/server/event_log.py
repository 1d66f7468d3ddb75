"""The structured log: one JSON object a line, for each Execute, each refused login and each error of the server.

Every line has ``time`` (RFC 3339) and ``event``; what else it has depends on the event:

``execute``   user, request_bytes, response_bytes, milliseconds, rops (list of [name, return code in hex]), error if any
``refused``   client, method, path: a login that was not accepted; neither the name that was tried nor the password
``access``    user, mailbox, right, allowed: a logon to a mailbox that is not the user's own; ``right`` is the one by
              which it was allowed, "none" where it was refused; of a mailbox that nobody has, the DN that was tried
``message``   level, logger, text, traceback if any: a warning or error of the server itself
"""

import json
import logging
import time
import traceback
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from mapigw.emsmdb.access import AccessRecord
from mapigw.emsmdb.dispatch import ExecuteRecord
from mapigw.server.log_file import LogFile


class EventLog:
    """Writes events into ``file``, from any thread; without a file it keeps quiet."""

    def __init__(self, file: LogFile | None) -> None:
        self._file = file

    def execute(self, record: ExecuteRecord) -> None:
        if self._file is None:
            return
        # Put together by hand, as every request makes one: ROP names and addresses need no escaping but the quote's.
        rops = ",".join([f'["{name}","0x{code:08X}"]' for name, code in record.rops])
        error = f',"error":{json.dumps(record.error)}' if record.error else ""
        line = (
            f'{{"time":"{_moment(time.time())}","event":"execute","user":{_quoted(record.user)},'
            f'"request_bytes":{record.request_bytes},"response_bytes":{record.response_bytes},'
            f'"milliseconds":{record.milliseconds:.3f},"rops":[{rops}]{error}}}\n'
        )
        self._file.write(line.encode())

    def refused(self, client: str, method: str, path: str) -> None:
        self._write("refused", {"client": client, "method": method, "path": path})

    def access(self, record: AccessRecord) -> None:
        self._write("access", asdict(record))

    def message(self, record: logging.LogRecord) -> None:
        fields = {"level": record.levelname.lower(), "logger": record.name, "text": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            fields["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        self._write("message", fields, record.created)

    def _write(self, event: str, fields: dict[str, Any], at: float | None = None) -> None:
        if self._file is None:
            return
        line = {"time": _moment(time.time() if at is None else at), "event": event, **fields}
        self._file.write(json.dumps(line, separators=(",", ":"), default=str).encode() + b"\n")


def _moment(at: float) -> str:
    second, fraction = divmod(at, 1)
    return f"{_second(int(second))}.{int(fraction * 1000):03}+00:00"


@lru_cache(maxsize=4)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=1024)
def _quoted(text: str) -> str:
    return json.dumps(text)


class EventLogHandler(logging.Handler):
    """Takes the records of the ``logging`` module into an `EventLog`."""

    def __init__(self, log: EventLog, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.message(record)
