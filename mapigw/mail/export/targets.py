"""The files that an export writes: single messages, mbox files, Maildirs. Everything here blocks."""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Final

from mapigw.mail.calendar.exporting import icalendar_of
from mapigw.mail.export.addressing import Addressing
from mapigw.mail.export.composing import ExportOptions
from mapigw.mail.export.names import Names, safe_name
from mapigw.mail.export.originals import Original
from mapigw.mail.export.outgoing import compose, write
from mapigw.mail.export.reader import PropertyReader
from mapigw.mail.export.vcards import is_contact, vcard_of
from mapigw.store.blobs import FolderBlobStore
from mapigw.wire import tags
from mapigw.wire.message import Message

_STATUS: Final = re.compile(rb"(?im)^(?:x-mozilla-status2?|x-mozilla-keys|x-status|status):[^\n]*\n(?:[ \t][^\n]*\n)*")
_FROM: Final = re.compile(rb"(?m)^(?=>*From )")
_HEADER_MAXIMUM: Final = 1 << 20


class Format(Enum):
    EML = "eml"
    MBOX = "mbox"
    MAILDIR = "maildir"


@dataclass(frozen=True, slots=True)
class State:
    """What a message's user has done with it."""

    read: bool
    flagged: bool
    replied: bool
    forwarded: bool
    draft: bool

    def maildir(self) -> str:
        letters = zip("DFPRS", (self.draft, self.flagged, self.forwarded, self.replied, self.read), strict=True)
        return "".join(letter for letter, is_set in letters if is_set)

    def mbox(self) -> bytes:
        """The fields that mail programs keep it in (RFC 4155 leaves them to them)."""
        marks = ("A" * self.replied) + ("F" * self.flagged) + ("T" * self.draft)
        return f"Status: {'RO' if self.read else 'O'}\n{f'X-Status: {marks}' + chr(10) if marks else ''}".encode()


@dataclass(slots=True)
class Source:
    """One message: as it came if it came as Internet mail, else made, with CR LF."""

    number: int
    message: Message
    original: Original | None
    smtp: dict[str, str]
    """The addresses of legacy DNs."""
    blobs: FolderBlobStore
    unsent: bool

    def write(self, sink: Callable[[bytes], object]) -> None:
        if self.original is not None:
            for chunk in self.original.chunks():
                sink(chunk)
            return
        last = b""

        def follow(data: bytes) -> None:
            nonlocal last
            last = data[-1:] or last
            sink(data)

        options = ExportOptions(blind=None, unsent=self.unsent)
        write(compose(self.message, Addressing(self.smtp), self.blobs, options), follow)
        if last != b"\n":
            sink(b"\r\n")


class Target:
    """Where the messages of a folder go."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def open(self) -> None:
        self.place.mkdir(parents=True)

    def close(self) -> None:
        pass

    def add(self, source: Source, reader: PropertyReader, state: State, moment: datetime) -> int:
        """Write a message; returns its bytes. What was written of one that turns out to be damaged is removed."""
        raise NotImplementedError


class _Files(Target):
    """A file a message, named by its time and subject; contacts are vCards, appointments and tasks calendars."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self._names = Names()

    def add(self, source: Source, reader: PropertyReader, state: State, moment: datetime) -> int:
        subject = reader.text(tags.PidTagSubject)
        data, suffix = _other_form(source, reader)
        if data is not None:
            name = self._names.take(safe_name(reader.text(tags.PidTagDisplayName) or subject), suffix)
            (self.place / name).write_bytes(data)
            return len(data)
        path = self.place / self._names.take(safe_name(f"{moment:%Y-%m-%d %H%M%S} {subject}"), ".eml")
        return _write_file(path, path, source, moment)


_CALENDAR_CLASSES: Final = ("ipm.appointment", "ipm.task")


def _other_form(source: Source, reader: PropertyReader) -> tuple[bytes | None, str]:
    """What is no mail, in the form that other programs read it in, and the suffix of its file."""
    if is_contact(source.message):
        return vcard_of(source.message, source.blobs), ".vcf"
    if f"{reader.text(tags.PidTagMessageClass)}.".lower().startswith(tuple(f"{name}." for name in _CALENDAR_CLASSES)):
        found = icalendar_of(source.message, addressing=Addressing(source.smtp), blobs=source.blobs)
        if found is not None:
            return found.data, ".ics"
    return None, ""


class _Maildir(Target):
    """https://cr.yp.to/proto/maildir.html, with a directory below it for each folder below."""

    def open(self) -> None:
        for name in ("cur", "new", "tmp"):
            (self.place / name).mkdir(parents=True)

    def add(self, source: Source, reader: PropertyReader, state: State, moment: datetime) -> int:
        name = f"{int(moment.timestamp())}.{source.number}.mapigw"
        return _write_file(
            self.place / "tmp" / name, self.place / "cur" / f"{name}:2,{state.maildir()}", source, moment
        )


def _write_file(temporary: Path, path: Path, source: Source, moment: datetime) -> int:
    try:
        with temporary.open("xb") as file:
            source.write(file.write)
            size = file.tell()
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    os.utime(temporary, (moment.timestamp(), moment.timestamp()))
    if temporary != path:
        temporary.rename(path)
    return size


class _Mbox(Target):
    """mboxrd: lines that begin with "From " are quoted, lines end in LF."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self._path = place.with_name(f"{place.name}.mbox")
        self._file: BinaryIO | None = None

    def open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("xb")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, source: Source, reader: PropertyReader, state: State, moment: datetime) -> int:
        file = self._file
        assert file is not None
        start = file.tell()
        try:
            sender = re.sub(r"[^!-~]", "", reader.text(tags.PidTagSenderEmailAddress))[:320] or "MAILER-DAEMON"
            file.write(f"From {sender} {moment:%a %b %d %H:%M:%S %Y}\n".encode("ascii"))
            lines = _MboxLines(file.write, state.mbox())
            source.write(lines.write)
            lines.finish()
        except BaseException:
            file.seek(start)
            file.truncate()
            raise
        return file.tell() - start


class _MboxLines:
    """Turns a message into the lines of an mbox, piece by piece."""

    def __init__(self, sink: Callable[[bytes], object], status: bytes) -> None:
        self._sink = sink
        self._status: bytes | None = status  # until the header has been written
        self._pending = b""

    def write(self, data: bytes) -> None:
        self._pending = (self._pending + data).replace(b"\r\n", b"\n")
        if self._status is not None:
            end = self._pending.find(b"\n\n")
            if end < 0 and len(self._pending) < _HEADER_MAXIMUM:
                return
            self._header(end)
        last = self._pending.rfind(b"\n") + 1
        if not last and len(self._pending) > _HEADER_MAXIMUM:
            last = len(self._pending) - 1
        self._sink(_FROM.sub(b">", self._pending[:last]))
        self._pending = self._pending[last:]

    def _header(self, end: int) -> None:
        status, self._status = self._status or b"", None
        if end < 0:
            return
        self._sink(_FROM.sub(b">", _STATUS.sub(b"", self._pending[: end + 1])) + status)
        self._pending = self._pending[end + 1 :]

    def finish(self) -> None:
        if self._status is not None:
            self._header(self._pending.find(b"\n\n"))
        self._sink(_FROM.sub(b">", self._pending))
        self._sink(b"\n\n" if self._pending else b"\n")


TARGETS: Final[dict[Format, Callable[[Path], Target]]] = {
    Format.EML: _Files,
    Format.MBOX: _Mbox,
    Format.MAILDIR: _Maildir,
}
