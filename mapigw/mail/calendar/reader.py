"""iCalendar text to components and properties (RFC 5545 3.1, 3.2; RFC 6868), as far as they can be understood.

The icalendar package gives a whole calendar up at the first line that is wrong, and keeps every VTIMEZONE for the life
of the process; calendars from mail are read with neither. Values are read by `values`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from mapigw.mail.charsets import decode

MAX_COMPONENTS: Final = 20_000
MAX_LINES: Final = 500_000
_MAX_DEPTH: Final = 8

_FOLD: Final = re.compile(rb"\r?\n[ \t]")
_LINE_BREAK: Final = re.compile(r"\r\n|\n|\r")
_PROPERTY: Final = re.compile(r'\s*([A-Za-z0-9_.-]+)[ \t]*((?:;(?:[^":;]|"[^"]*")*+)*+):(.*)', re.DOTALL)
_PARAMETER: Final = re.compile(r';[ \t]*([^=;:"]+?)[ \t]*=[ \t]*((?:"[^"]*"|[^";])*+)')
_CARET: Final = re.compile(r"\^[n^']")
_CARETS: Final = {"^n": "\n", "^^": "^", "^'": '"'}
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Property:
    """One content line; ``params`` by upper-case name, several values of one joined by commas."""

    name: str
    value: str
    params: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The value as TEXT (3.3.11), without what no string of a mailbox can hold."""
        return unescape(self.value)

    def texts(self) -> list[str]:
        """The value as a list of TEXT."""
        return [unescape(item) for item in re.split(r"(?<!\\),", self.value)]


@dataclass(slots=True)
class Component:
    name: str
    properties: dict[str, list[Property]] = field(default_factory=dict)
    components: list["Component"] = field(default_factory=list)

    def all(self, name: str) -> list[Property]:
        return self.properties.get(name, [])

    def first(self, name: str) -> Property | None:
        found = self.properties.get(name)
        return found[0] if found else None

    def value(self, name: str) -> str:
        """The first value of a name without blanks at its ends; "" when there is none."""
        found = self.first(name)
        return found.value.strip() if found is not None else ""

    def text(self, name: str) -> str:
        found = self.first(name)
        return found.text.strip() if found is not None else ""

    def walk(self, name: str) -> Iterator["Component"]:
        """The components of a name directly in this one."""
        return (component for component in self.components if component.name == name)


def unescape(value: str) -> str:
    if "\\" in value:
        value = _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)
    return value.replace("\0", "")


def read_calendars(data: bytes, charset: str = "") -> list[Component]:
    """The VCALENDAR components; one that is made up when components stand outside of any.

    Lines that are none continue the value above them, an END closes what it names, and what is not closed ends with
    the data.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16", "replace").encode("utf-8", "replace")
    text = decode(_FOLD.sub(b"", data), charset)[0].removeprefix("\ufeff")
    root = Component("")
    stack = [root]
    count = 0
    last: list[Property] | None = None
    for number, line in enumerate(_LINE_BREAK.split(text)):
        if number >= MAX_LINES:
            break
        if not line:
            continue
        found = _PROPERTY.match(line)
        if found is None:
            if last:
                last[-1] = Property(last[-1].name, f"{last[-1].value}\\n{line}", last[-1].params)
            continue
        name, parameters, value = found.groups()
        name = name.upper()
        if name == "BEGIN":
            component = Component(value.strip().upper())
            count += 1
            if count <= MAX_COMPONENTS:
                stack[-1].components.append(component)
            if len(stack) <= _MAX_DEPTH:
                stack.append(component)
            last = None
        elif name == "END":
            names = [component.name for component in stack]
            wanted = value.strip().upper()
            if wanted in names[1:]:
                del stack[len(names) - 1 - names[::-1].index(wanted) :]
            last = None
        else:
            last = stack[-1].properties.setdefault(name, [])
            last.append(Property(name, value, _parameters(parameters)))
    calendars = list(root.walk("VCALENDAR"))
    loose = [component for component in root.components if component.name != "VCALENDAR"]
    if loose:
        calendars.append(Component("VCALENDAR", root.properties, loose))
    return calendars


def _parameters(text: str) -> dict[str, str]:
    if not text:
        return {}
    params: dict[str, str] = {}
    for found in _PARAMETER.finditer(text):
        value = found[2].replace('"', "").strip()
        if "^" in value:
            value = _CARET.sub(lambda caret: _CARETS[caret[0]], value)
        params.setdefault(found[1].upper(), value.replace("\0", ""))
    return params
