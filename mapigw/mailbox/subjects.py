"""The subject of a message: the whole, its prefix and the rest (MS-OXCMSG 2.2.1.9, 2.2.1.10, 2.2.1.46)."""

import re
from collections.abc import Mapping
from typing import Any, Final

from mapigw.wire import tags

SUBJECT_PREFIX: Final = re.compile(r"([^:\s0-9]{1,3}): *")
"""What a reply or a forward begins with (MS-OXCMAIL 2.2.3.2.6.1)."""

SUBJECT_PARTS: Final = frozenset({tags.PidTagSubject, tags.PidTagSubjectPrefix, tags.PidTagNormalizedSubject})


def whole_subject(values: Mapping[Any, Any]) -> Any:
    """PidTagSubject, made of its parts where only these were written; None where there is none (MS-OXCMSG 2.2.1.46)."""
    normalized = values.get(tags.PidTagNormalizedSubject)
    if tags.PidTagSubject in values or not isinstance(normalized, str):
        return values.get(tags.PidTagSubject)
    prefix = values.get(tags.PidTagSubjectPrefix)
    return (prefix if isinstance(prefix, str) else "") + normalized


def completed_subject(stored: Mapping[int, Any], written: Mapping[int, Any]) -> dict[int, Any]:
    """The parts of the subject that follow from those in ``written``; ``stored`` is the message as it was.

    Nothing follows from a part that is out of line.
    """
    parts = {tag: written[tag] for tag in SUBJECT_PARTS if tag in written}
    if not parts or not all(isinstance(value, str) for value in parts.values()):
        return {}
    prefix, normalized = parts.get(tags.PidTagSubjectPrefix), parts.get(tags.PidTagNormalizedSubject)
    if tags.PidTagSubject in parts:
        return _split(parts[tags.PidTagSubject], prefix, normalized)
    return _joined({tag: value for tag, value in stored.items() if isinstance(value, str)}, prefix, normalized)


def _split(subject: str, prefix: str | None, normalized: str | None) -> dict[int, Any]:
    """A whole was written, and perhaps parts of it, which are kept as they are."""
    if prefix is None and normalized is None:
        found = SUBJECT_PREFIX.match(subject)
        prefix = found[0] if found else ""
    elif prefix is None:
        prefix = subject.removesuffix(normalized) if normalized and subject.endswith(normalized) else ""
    return _parts(subject, prefix, subject.removeprefix(prefix) if normalized is None else normalized)


def _joined(stored: Mapping[int, str], prefix: str | None, normalized: str | None) -> dict[int, Any]:
    """Only parts were written."""
    before = stored.get(tags.PidTagSubjectPrefix, "")
    if normalized is None:
        whole = stored.get(tags.PidTagSubject, "")
        normalized = stored.get(tags.PidTagNormalizedSubject, whole.removeprefix(before))
        if prefix and not before:
            normalized = normalized.removeprefix(prefix)
    if prefix is None:
        prefix = before
    return _parts(prefix + normalized, prefix, normalized)


def _parts(subject: str, prefix: str, normalized: str) -> dict[int, Any]:
    return {
        tags.PidTagSubject: subject,
        tags.PidTagSubjectPrefix: prefix,
        tags.PidTagNormalizedSubject: normalized,
    }
