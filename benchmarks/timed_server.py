"""python -m benchmarks.timed_server FILE serve …: the server, which also notes when each change was committed.

A line of FILE is the number of a mailbox and the time at which the transaction that changed it was on disk, in seconds
since 1970; changes that nobody listens to have none.
"""

import sqlite3
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from mapigw.cli import main
from mapigw.mailbox.events import Changes, Hub


class _Moment:
    at = 0.0


class _Connection(sqlite3.Connection):
    def commit(self) -> None:
        super().commit()
        _Moment.at = time.time()


def serve() -> None:
    path, *arguments = sys.argv[1:]
    publish = Hub.publish
    connect: Any = partial(sqlite3.connect, factory=_Connection)
    with Path(path).open("a", buffering=1) as file:

        def noted(self: Hub, changes: Changes) -> None:
            file.write(f"{changes.mailbox_id} {_Moment.at:.7f}\n")
            publish(self, changes)

        Hub.publish = noted  # type: ignore[method-assign]
        sqlite3.connect = connect
        main(arguments)


if __name__ == "__main__":
    serve()
