"""Mail to be imported: single messages, mbox files and Maildirs, one message at a time; cards and calendars.

Sources block; they are read in worker threads. What cannot be read is reported as `Unreadable` in its place, and
reading goes on behind it.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Final

from mapigw.mail.charsets import decode
from mapigw.mail.fields import parse_date
from mapigw.mail.headers import Headers
from mapigw.mail.vcards import split_cards
from mapigw.wire.properties import from_filetime

MAX_MESSAGE: Final = 256 << 20  # bytes; what is larger is not mail
_PIECE: Final = 1 << 20
_STATUS_REGION: Final = 256 << 10  # flags are looked for in this much of a header

_MESSAGE_SUFFIXES: Final = frozenset({".eml", ".mail", ".mht"})
_MBOX_SUFFIXES: Final = frozenset({".mbox", ".mbx", ""})


class Kind(Enum):
    """What a source holds."""

    MAIL = 0
    VCARD = 1
    CALENDAR = 2


_KINDS: Final = {".vcf": Kind.VCARD, ".ics": Kind.CALENDAR}


@dataclass(frozen=True, slots=True)
class Flags:
    """What the source knows of a message besides its text."""

    read: bool = False
    flagged: bool = False
    replied: bool = False
    forwarded: bool = False
    draft: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A message, a card or a whole calendar.

    ``folder`` is its place below the imported path (Maildir subfolders), outermost first.
    """

    source: str
    raw: bytes
    flags: Flags = Flags()
    received: datetime | None = None
    folder: tuple[str, ...] = ()
    kind: Kind = Kind.MAIL


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that should have been a message. ``raw`` is what was read of it, if anything."""

    source: str
    reason: str
    raw: bytes | None = None


def read_sources(paths: list[Path]) -> Iterator[Item | Unreadable]:
    """The messages in files, mbox files, Maildirs and folders of any of them, folders recursively."""
    for path in paths:
        yield from _read(path, ())


def total_size(paths: list[Path]) -> int:
    """Bytes that `read_sources` will read, for a progress bar; what cannot be looked at counts nothing."""
    total = 0
    for path in paths:
        if path.is_dir():
            for entry in _entries(path):
                if entry.is_dir() and not entry.is_symlink():
                    total += total_size([entry])
                elif entry.is_file():
                    total += _size(entry)
        else:
            total += _size(path)
    return total


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _entries(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError:
        return []


def _read(path: Path, folder: tuple[str, ...]) -> Iterator[Item | Unreadable]:
    try:
        if not path.is_dir():
            if path.suffix.lower() in _KINDS:
                yield from _read_other(path, folder)
            else:
                yield from _read_mbox(path, folder) if _is_mbox(path) else _read_message(path, folder)
            return
        entries = sorted(path.iterdir())
    except OSError as error:
        yield Unreadable(str(path), error.strerror or str(error))
        return
    if is_maildir(path):
        yield from _read_maildir(path, folder)
        entries = [entry for entry in entries if entry.name not in ("cur", "new", "tmp")]
    for entry in entries:
        if entry.is_dir():
            if entry.is_symlink():  # might lead back here
                continue
            yield from _read(entry, folder + maildir_folder(entry.name) if is_maildir(entry) else folder)
        elif entry.is_file() and not entry.name.startswith("."):
            suffix = entry.suffix.lower()
            if suffix in _MESSAGE_SUFFIXES:
                yield from _read_message(entry, folder)
            elif suffix in _KINDS:
                yield from _read_other(entry, folder)
            elif suffix in _MBOX_SUFFIXES and _size(entry) and _is_mbox(entry):
                yield from _read_mbox(entry, folder)


def _is_mbox(path: Path) -> bool:
    if path.suffix.lower() in _MESSAGE_SUFFIXES:
        return False
    try:
        with path.open("rb") as file:
            return file.read(5) == b"From "
    except OSError:
        return False


def _read_message(path: Path, folder: tuple[str, ...], flags: Flags | None = None) -> Iterator[Item | Unreadable]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            raw = file.read(MAX_MESSAGE + 1) if status.st_size <= MAX_MESSAGE else None
    except OSError as error:
        yield Unreadable(str(path), error.strerror or str(error))
        return
    if raw is None or len(raw) > MAX_MESSAGE:
        yield Unreadable(str(path), f"larger than {MAX_MESSAGE >> 20} MiB")
    elif not raw.strip(b"\0\r\n\t "):
        yield Unreadable(str(path), "empty", raw)
    else:
        received = datetime.fromtimestamp(status.st_mtime, UTC)
        yield Item(str(path), raw, flags if flags is not None else status_flags(raw), received, folder)


def _read_other(path: Path, folder: tuple[str, ...]) -> Iterator[Item | Unreadable]:
    """A file of cards, one at a time, or a calendar."""
    kind = _KINDS[path.suffix.lower()]
    for item in _read_message(path, folder, Flags(read=True)):
        if isinstance(item, Unreadable):
            yield item
        elif kind is Kind.CALENDAR:
            yield replace(item, kind=kind)
        else:
            found = False
            for number, card in enumerate(split_cards(item.raw), 1):
                found = True
                yield replace(item, source=f"{path}:{number}", raw=card, kind=kind)
            if not found:
                yield Unreadable(str(path), "no vCard", item.raw)


def is_maildir(path: Path) -> bool:
    return (path / "cur").is_dir() and (path / "new").is_dir()


_MAILDIR_INFO: Final = re.compile(r"[:;!]2,([A-Za-z]*)\Z")


def _read_maildir(path: Path, folder: tuple[str, ...]) -> Iterator[Item | Unreadable]:
    for name in ("cur", "new"):
        for entry in _entries(path / name):
            if not entry.name.startswith(".") and entry.is_file():
                yield from _read_message(entry, folder, maildir_flags(entry.name))


def maildir_flags(name: str) -> Flags:
    """Flags of a message file's name ("...:2,FS")."""
    found = _MAILDIR_INFO.search(name)
    letters = found[1] if found else ""
    return Flags(
        read="S" in letters,
        flagged="F" in letters,
        replied="R" in letters,
        forwarded="P" in letters,
        draft="D" in letters,
        deleted="T" in letters,
    )


_MODIFIED_UTF7: Final = re.compile(r"&([A-Za-z0-9+,]*)-")


def maildir_folder(name: str) -> tuple[str, ...]:
    """Folder names in the directory name of a Maildir++ subfolder (".Lists.Python"), which is in modified UTF-7."""

    def letters(found: re.Match[str]) -> str:
        if not found[1]:
            return "&"
        return decode(f"+{found[1].replace(',', '/')}-".encode("ascii"), "utf-7")[0]

    parts = name.removeprefix(".").split(".") if name.startswith(".") else [name]
    return tuple(_MODIFIED_UTF7.sub(letters, part) for part in parts if part)


def status_flags(raw: bytes) -> Flags:
    """Flags in the Status, X-Status and X-Mozilla-Status fields that mail programs write into mbox files."""
    if b"status:" not in raw[:_STATUS_REGION].lower():
        return Flags()
    headers = Headers(raw, 0, min(len(raw), _STATUS_REGION))
    status = headers.first("status").upper()
    more = headers.first("x-status").upper()
    try:
        mozilla = int(headers.first("x-mozilla-status") or "0", 16)
    except ValueError:
        mozilla = 0
    return Flags(
        read="R" in status or bool(mozilla & 0x0001),
        flagged="F" in more or bool(mozilla & 0x0004),
        replied="A" in more or bool(mozilla & 0x0002),
        forwarded=bool(mozilla & 0x1000),
        draft="T" in more,
        deleted="D" in more or bool(mozilla & 0x0008),
    )


_SEPARATOR: Final = re.compile(rb"^From [^\n]*\n(?=[!-9;-~]+[ \t]*:|>?From )", re.MULTILINE)
_SURE_SEPARATOR: Final = re.compile(rb"From (?:.*[0-9][0-9]:[0-9][0-9]|- *\r?\n)")
_QUOTED_FROM: Final = re.compile(rb"^>(?=>*From )", re.MULTILINE)
_LOOKAHEAD: Final = 4096  # a separator and the beginning of the line below it are shorter
_CONTEXT: Final = 4  # bytes before a separator that tell whether it follows a blank line


def _read_mbox(path: Path, folder: tuple[str, ...]) -> Iterator[Item | Unreadable]:
    try:
        with path.open("rb") as file:
            for number, (separator, raw) in enumerate(split_mbox(file), 1):
                source = f"{path}:{number}"
                if raw is None:
                    yield Unreadable(source, f"larger than {MAX_MESSAGE >> 20} MiB")
                elif not raw.strip():
                    yield Unreadable(source, "empty", raw)
                else:
                    yield replace(Item(source, raw, status_flags(raw), _separator_time(separator)), folder=folder)
    except OSError as error:
        yield Unreadable(str(path), error.strerror or str(error))


def _separator_time(separator: bytes) -> datetime | None:
    time = parse_date(b" ".join(separator.split()[2:]).decode("ascii", "replace"))
    return from_filetime(time) if time is not None else None


def split_mbox(file: BinaryIO) -> Iterator[tuple[bytes, bytes | None]]:
    """(separator line, message) of each message of an mbox; None for a message larger than `MAX_MESSAGE`.

    A line "From ..." begins a message when a header field follows it and a blank line precedes it; Mozilla's "From - "
    and one with a time of day need no blank line, and may have another From line below. Quoted From lines lose one ">"
    (mboxrd, right for most mboxo files).
    """
    separator = b""
    buffer = bytearray()  # what is read of the current message, and a little more
    scanned = 0  # no separator begins before it
    skipping = False  # the current message is too large; its bytes are dropped
    ended = False
    while not ended:
        piece = file.read(_PIECE)
        ended = not piece
        buffer += piece
        while True:
            found = _SEPARATOR.search(buffer, scanned)
            if found is None or not (ended or found.end() + _LOOKAHEAD <= len(buffer)):
                scanned = found.start() if found else max(scanned, len(buffer) - _LOOKAHEAD)
                break
            if not _begins_message(buffer, found):
                scanned = found.end()
                continue
            if separator or found.start():
                yield separator, None if skipping else _message_bytes(buffer, found.start())
            separator, skipping = found.group(), False
            del buffer[: found.end()]
            scanned = _second_separator(buffer)
        if scanned > MAX_MESSAGE:
            skipping = True
        if skipping and scanned > _CONTEXT:
            del buffer[: scanned - _CONTEXT]
            scanned = _CONTEXT
    if separator or buffer:
        yield separator, None if skipping else _message_bytes(buffer, len(buffer))


def _begins_message(buffer: bytearray, found: re.Match[bytes]) -> bool:
    if _SURE_SEPARATOR.match(found.group()):
        return True
    start = found.start()
    after_blank = start == 0 or buffer.endswith((b"\n\n", b"\n\r\n"), max(0, start - 3), start)
    return after_blank and not buffer.startswith((b"From ", b">From "), found.end())


def _second_separator(buffer: bytearray) -> int:
    """Where to look on when another From line stands above the same header: behind it."""
    return buffer.find(b"\n") + 1 if buffer.startswith(b"From ") else 0


def _message_bytes(buffer: bytearray, end: int) -> bytes:
    if buffer.endswith(b"\r\n\r\n", 0, end):  # the blank line belongs to the separator
        end -= 2
    elif buffer.endswith(b"\n\n", 0, end):
        end -= 1
    raw = bytes(buffer[:end])
    return _QUOTED_FROM.sub(b"", raw) if b"\n>" in raw else raw
