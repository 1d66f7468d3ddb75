"""The time, in the unit of everything that is stored."""

from datetime import UTC, datetime

from mapigw.wire.properties import filetime


def now() -> int:
    """The current FILETIME."""
    return filetime(datetime.now(UTC))
