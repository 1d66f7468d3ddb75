"""Body forms that a message does not hold but a client asks for (MS-OXCMSG 3.2.4.1, MS-OXBBODY).

For the ROPs that read properties and open streams; what is copied or downloaded is what is stored.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from mapigw.emsmdb.message_objects import Message
from mapigw.emsmdb.objects import PropertyObject
from mapigw.emsmdb.values import narrowed
from mapigw.mailbox.bodies.forms import FORM_IDS, FORM_TAGS, BodyForm, native_body, rtf_in_sync, stored_forms
from mapigw.mailbox.bodies.stored import made_body, source_of
from mapigw.mailbox.content import BlobValue
from mapigw.store.blobs import MissingBlobError
from mapigw.wire import tags
from mapigw.wire.properties import PropertyType

STREAMED: Final = 1 << 16
"""Bytes of a body of which no rich form is made for a row, where it would not fit: it is a stream's to ask for it."""

_INFORMATION: Final = frozenset({tags.PidTagNativeBody >> 16, tags.PidTagRtfInSync >> 16})
_BODY_HTML_8: Final = tags.PidTagBodyHtml & ~0xFFFF | PropertyType.STRING8
_STRINGS: Final = frozenset({PropertyType.STRING, PropertyType.STRING8})

_made: WeakKeyDictionary[Message, tuple[Any, int, str | bytes | None]] = WeakKeyDictionary()
"""The last body that was made for an open message: the value that it was made of, its tag, and it."""


async def with_bodies(
    target: PropertyObject, values: Mapping[int, Any], columns: Collection[int], *, stream: bool = False
) -> Mapping[int, Any]:
    """``values`` of an object with the bodies, and what is told about them, that ``columns`` name.

    A large rich form is made only for a ``stream``; otherwise a `BlobValue` stands for it that fits no row. For a
    stream raises `MissingBlobError`.
    """
    ids = {tag >> 16 for tag in columns}
    if not isinstance(target, Message) or ids.isdisjoint(FORM_IDS.keys() | _INFORMATION):
        return values
    completed = {**values, **_information(values, ids)}
    stored = stored_forms(values)
    for column in columns:
        form = FORM_IDS.get(column >> 16)
        if form is None:
            continue
        wanted = FORM_TAGS[form]
        if form is BodyForm.HTML and column & 0xFFFF in _STRINGS:
            wanted = tags.PidTagBodyHtml
        if stored.get(form) == wanted or wanted in completed:
            continue
        made = await _made_body(target, values, wanted, stream=stream)
        if column == _BODY_HTML_8 and isinstance(made, str) and not stream:
            wanted, made = column, narrowed(made, target.code_page)
        if made is not None:
            # First, so that PidTagHtml stays what an untyped request for their common id finds.
            completed = {wanted: made, **completed}
    return completed


def all_bodies(target: PropertyObject, values: Mapping[int, Any]) -> Mapping[int, Any]:
    """``values`` of an object with everything that can be had of its body; forms that are not stored are streams'."""
    if not isinstance(target, Message) or source_of(values) is None:
        return values
    stored = stored_forms(values)
    missing = {tag: _unmade(tag) for form, tag in FORM_TAGS.items() if form not in stored}
    return {**values, **missing, **_information(values, _INFORMATION)}


def _information(values: Mapping[int, Any], ids: Collection[int]) -> dict[int, Any]:
    """PidTagNativeBody and PidTagRtfInSync, where they are asked for.

    Asked for with some of the forms only, the former is the best one of these (MS-OXBBODY 2.1.3.1, step 1).
    """
    information: dict[int, Any] = {}
    if tags.PidTagRtfInSync >> 16 in ids:
        information[tags.PidTagRtfInSync] = rtf_in_sync(values)
    if tags.PidTagNativeBody >> 16 in ids:
        native = native_body(values)
        asked = {FORM_IDS[property_id] for property_id in ids if property_id in FORM_IDS}
        if native and asked and native not in asked:
            native = max(asked)
        information[tags.PidTagNativeBody] = int(native)
    return information


def _unmade(tag: int) -> BlobValue:
    return BlobValue(b"", 0x7FFFFFFF, tag & 0xFFFF)


async def _made_body(message: Message, values: Mapping[int, Any], wanted: int, *, stream: bool) -> Any:
    source = source_of(values)
    if source is None:
        return None
    value = values[source]
    known = _made.get(message)
    if known is not None and known[:2] == (value, wanted):
        return known[2]
    if not stream and wanted != tags.PidTagBody and _size(value) > STREAMED:
        return _unmade(wanted)
    try:
        made = await made_body(message.logon.mailbox, values, wanted)
    except MissingBlobError:
        if stream:
            raise
        return _unmade(wanted)  # the stream will tell
    if stream or _size(value) > STREAMED:
        _made[message] = value, wanted, made
    return made


def _size(value: Any) -> int:
    return value.size if isinstance(value, BlobValue) else len(value)
