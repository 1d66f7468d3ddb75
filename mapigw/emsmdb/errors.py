"""How a handler answers anything but success."""

from collections.abc import Mapping
from typing import Any


class RopError(Exception):
    """Answers the ROP with ``code`` as ReturnValue.

    ``value`` holds the fields that follow it, for the ROPs whose failure response has any (`Rop.failure`).
    """

    def __init__(self, code: int, value: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"0x{code:08X}")
        self.code = int(code)
        self.value = value


class NeedsRoomError(Exception):
    """The ROP was not executed: its response is to have ``size`` bytes, for which there is no room."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size
