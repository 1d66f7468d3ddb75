"""The attributes of an entry, held as one string of bytes: a hundred thousand entries are in memory at once."""

import json
from collections.abc import Mapping
from typing import Final

AttributeValue = str | tuple[str, ...]
"""Of an attribute with several values the tuple of them, which is never empty; no value is empty or has a NUL."""


class Details(bytes):
    """A JSON object of attribute names (`mapigw.directory.attributes`) and values, or nothing; parsed when asked."""

    __slots__ = ()

    @classmethod
    def of(cls, values: Mapping[str, AttributeValue]) -> "Details":
        """The attributes with a value. The same ones give the same bytes."""
        present = {name: value for name, value in sorted(values.items()) if value}
        if not present:
            return NO_DETAILS
        return cls(json.dumps(present, ensure_ascii=False, separators=(",", ":")).encode())

    def all(self) -> dict[str, AttributeValue]:
        """By attribute name."""
        if not self:
            return {}
        found: dict[str, str | list[str]] = json.loads(self)
        return {name: value if isinstance(value, str) else tuple(value) for name, value in found.items()}

    def get(self, name: str) -> str | None:
        """The value of an attribute, of several the first; None where it has none."""
        return next(iter(self.values(name)), None)

    def values(self, name: str) -> tuple[str, ...]:
        """The values of an attribute."""
        if self.find(f'"{name}":'.encode()) < 0:  # mostly an entry has few of them
            return ()
        value = self.all().get(name, ())
        return (value,) if isinstance(value, str) else value


NO_DETAILS: Final = Details()
