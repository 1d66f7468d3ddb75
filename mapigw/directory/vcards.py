"""People and groups of vCard files, version 3 (RFC 2426) and 4 (RFC 6350), read with vobject."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mapigw.directory.errors import DirectoryError
from mapigw.directory.files import Read, text_of
from mapigw.directory.records import BadRecord, Failure, Record, RecordKind

_CARD: Final = re.compile(r"^BEGIN:VCARD\s*$", re.IGNORECASE | re.MULTILINE)
_LARGEST_CARD: Final = 2 << 20  # characters
_DATA: Final = re.compile(r"^PHOTO(;[^:\n]*)?:data:[^,;\n]*;base64,", re.IGNORECASE | re.MULTILINE)

_TEXTS: Final = {"title": "title", "note": "comment", "url": "home_page"}
_PHONES: Final[tuple[tuple[frozenset[str], str], ...]] = (
    # what a number's types must have, in the order in which they are looked at, and what it is then
    (frozenset({"FAX"}), "fax"),
    (frozenset({"PAGER"}), "pager"),
    (frozenset({"CELL"}), "mobile_phone"),
    (frozenset({"HOME"}), "home_phone"),
    (frozenset(), "business_phone"),
)
_SECOND: Final = {"home_phone": "home_phones_2", "business_phone": "business_phones_2"}


def read_vcards(path: Path, kind: RecordKind, domain: str) -> Read:
    """Records of the cards in a file. Raises `UnreadableFile`."""
    for where, card in _cards(text_of(path)):
        try:
            yield _record(where, card, kind, domain)
        except DirectoryError as error:
            yield Failure(where, str(error))


def _cards(text: str) -> Iterator[tuple[str, str]]:
    starts = [match.start() for match in _CARD.finditer(text)]
    line, counted = 1, 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        line += text.count("\n", counted, start)
        counted = start
        yield f"line {line}", text[start:end]


def _record(where: str, text: str, kind: RecordKind, domain: str) -> Record:
    import vobject

    if len(text) > _LARGEST_CARD:
        raise BadRecord(f"the card is larger than {_LARGEST_CARD} characters")
    text = _DATA.sub("PHOTO;ENCODING=b:", text)  # as version 3 has it: vobject would cut the value at the comma
    try:
        card = vobject.readOne(text)
        if card is None or card.name.upper() != "VCARD":
            raise BadRecord("it is not a card")
        return _of_card(where, card, kind, domain)
    except BadRecord:
        raise
    except Exception as error:  # vobject raises whatever its parts raise
        raise BadRecord(f"the card cannot be read: {str(error)[:200] or type(error).__name__}") from None


def _of_card(where: str, card: Any, kind: RecordKind, domain: str) -> Record:
    content = card.contents
    if _first(content, "kind").lower() == "group":
        kind = RecordKind.GROUP
    addresses = [_mail(str(line.value)) for line in sorted(content.get("email", []), key=_preference)]
    addresses = [address for address in addresses if address]
    if not addresses:
        raise BadRecord("it has no mail address")
    attributes = {name: [value] for key, name in _TEXTS.items() if (value := _first(content, key))}
    attributes |= _names(content) | _organization(content) | _place(content) | _phones(content)
    record = Record(where, kind, addresses[0], domain=domain, attributes=attributes)
    record.display_name = _first(content, "fn") or None
    record.proxies = addresses[1:] or None
    record.photo = _photo(content)
    if kind is RecordKind.GROUP:
        record.members = [_mail(str(line.value)) for line in content.get("member", [])]
    return record


def _first(content: Any, name: str) -> str:
    for line in content.get(name, []):
        value = line.value
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        if text.strip():
            return text.strip()
    return ""


def _preference(line: Any) -> int:
    """PREF of version 4, from 1; TYPE=PREF of version 3."""
    given = line.params.get("PREF", [""])[0]
    if given.isdigit():
        return int(given)
    return 0 if "PREF" in _types(line) else 101


def _types(line: Any) -> set[str]:
    return {part.strip().upper() for value in line.params.get("TYPE", []) for part in value.split(",")}


def _mail(value: str) -> str:
    return value[7:] if value.lower().startswith("mailto:") else value.strip()


def _plain(value: Any) -> str:
    return " ".join(str(part) for part in value if part) if isinstance(value, list) else str(value or "")


def _present(**values: Any) -> dict[str, list[str]]:
    return {name: [text] for name, value in values.items() if (text := _plain(value).strip())}


def _names(content: Any) -> dict[str, list[str]]:
    phonetic = {
        "phonetic_given_name": _first(content, "x-phonetic-first-name"),
        "phonetic_surname": _first(content, "x-phonetic-last-name"),
    }
    found = _present(**phonetic)
    if "n" in content:
        name = content["n"][0].value
        found |= _present(given_name=name.given, surname=name.family, generation=name.suffix)
    return found


def _organization(content: Any) -> dict[str, list[str]]:
    value = content["org"][0].value if "org" in content else []
    parts = list(value) if isinstance(value, list) else [value]
    return _present(company=parts[0] if parts else "", department=parts[1:])


def _place(content: Any) -> dict[str, list[str]]:
    lines = sorted(content.get("adr", []), key=lambda line: "WORK" not in _types(line))
    if not lines:
        return {}
    place = lines[0].value
    return _present(
        street=place.street,
        post_office_box=place.box,
        city=place.city,
        state=place.region,
        postal_code=place.code,
        country=place.country,
    )


def _phones(content: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in content.get("tel", []):
        number = str(line.value).removeprefix("tel:").strip()
        name = next(name for wanted, name in _PHONES if wanted <= _types(line))
        if name in found:
            name = _SECOND.get(name, "")
        if name and number:
            found.setdefault(name, []).append(number)
    return found


def _photo(content: Any) -> bytes | None:
    """None as well for one that is somewhere else: it is not fetched."""
    value = content["photo"][0].value if "photo" in content else None
    return value if isinstance(value, bytes) else None
