"""Names of folders and messages as file names that every file system takes."""

import binascii
import re
import unicodedata
from typing import Final

_MAX_BYTES: Final = 120
_NOT_ALLOWED: Final = re.compile(r'[\x00-\x1f\x7f-\x9f"*/:<>?\\|\u2028\u2029\ud800-\udfff]+')
_DEVICES: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_MAILDIR: Final = frozenset({"cur", "new", "tmp"})
_NOT_DIRECT: Final = re.compile(r"[^\x20-\x25\x27-\x7e]+|&")


def safe_name(name: str, *, suffix: str = "") -> str:
    """A file name that looks like ``name``: never empty, hidden, a device or a path."""
    name = unicodedata.normalize("NFC", _NOT_ALLOWED.sub("_", name)).strip(" ").rstrip(". ")
    if name.startswith("."):
        name = f"_{name[1:]}"
    while len(name.encode("utf-8")) > _MAX_BYTES:
        name = name[:-1]
    name = name.rstrip(". ")
    if not name or _DEVICES.fullmatch(name):
        name = f"_{name}"
    return name + suffix


class Names:
    """The names in one directory: different from each other in any case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str, suffix: str = "", *, maildir: bool = False) -> str:
        """A safe name that nothing else here has; ``maildir`` in modified UTF-7, as mail servers name folders."""
        number = 1
        while True:
            numbered = name if number == 1 else f"{name} ({number})"
            candidate = safe_name(numbered)
            if number > 1 and not candidate.endswith(f"({number})"):
                candidate = safe_name(f"{candidate[: _MAX_BYTES // 4]} ({number})")
            if maildir:
                candidate = modified_utf7(f"_{candidate}" if candidate.lower() in _MAILDIR else candidate)
            candidate += suffix
            if candidate.casefold() not in self._taken:
                self._taken.add(candidate.casefold())
                return candidate
            number += 1


def modified_utf7(name: str) -> str:
    """RFC 3501 5.1.3."""

    def shifted(found: re.Match[str]) -> str:
        if found[0] == "&":
            return "&-"
        data = binascii.b2a_base64(found[0].encode("utf-16-be"), newline=False).decode("ascii")
        return f"&{data.rstrip('=').replace('/', ',')}-"

    return _NOT_DIRECT.sub(shifted, name)
