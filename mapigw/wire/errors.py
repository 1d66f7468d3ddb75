"""The one exception that malformed input raises."""


class WireError(ValueError):
    """Bytes that do not follow their specification.

    ``offset`` is the byte position in the parsed buffer where reading stopped, ``field`` the name of the field
    that was being read (dotted from the outermost structure).
    """

    def __init__(self, reason: str, *, offset: int = 0, field: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        self.field = field

    def __str__(self) -> str:
        where = f" in {self.field}" if self.field else ""
        return f"{self.reason}{where} at offset {self.offset}"
