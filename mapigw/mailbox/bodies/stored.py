"""Body forms of stored and open messages: made on demand, and what writing one does to the others."""

import asyncio
import logging
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from mapigw.mailbox.bodies.forms import FORM_IDS, BodyForm, converted, native_body, plain_text, stored_forms
from mapigw.mailbox.bodies.html_text import encode_html
from mapigw.mailbox.content import BlobValue
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store.blobs import FolderBlobStore, MissingBlobError
from mapigw.wire import tags
from mapigw.wire.errors import WireError
from mapigw.wire.fasttransfer import parse_value

log = logging.getLogger("mapigw.mailbox")

CONVERTED_MAXIMUM: Final = 1 << 23
"""Bytes of a body that others are made of; of a larger one there are no other forms."""
PREVIEW_SOURCE: Final = 1 << 16
"""Bytes of an HTML body that the beginning of the text in a table is made of, and of an RTF one that is read for it."""
UTF8_CODE_PAGE: Final = 65001
_BODY_IDS: Final = FORM_IDS.keys() | {tags.PidTagNativeBody >> 16, tags.PidTagRtfInSync >> 16}


async def made_body(mailbox: Mailbox, properties: Mapping[int, Any], wanted: int) -> str | bytes | None:
    """The property ``wanted``, one of the four bodies, made of the best form that a message has.

    None when it has none, or one that is too large or damaged. Raises `MissingBlobError`.
    """
    source = source_of(properties)
    if source is None:
        return None
    code_page = properties.get(tags.PidTagInternetCodepage)
    try:
        return await asyncio.to_thread(_convert, mailbox.database.blobs, properties[source], source, wanted, code_page)
    except WireError as error:
        log.warning("a body in mailbox %s cannot be converted: %s", mailbox.guid, error)
        return None


def source_of(properties: Mapping[int, Any]) -> int | None:
    """The tag of the body that the missing forms are made of; None when there is none or it is too large."""
    native = native_body(properties)
    tag = stored_forms(properties).get(native)
    value = properties.get(tag) if tag is not None else None
    too_large = isinstance(value, BlobValue) and value.size > CONVERTED_MAXIMUM
    return None if value is None or too_large else tag


def _convert(blobs: FolderBlobStore, value: Any, tag: int, wanted: int, code_page: int | None) -> str | bytes:
    if isinstance(value, BlobValue):
        value = parse_value(tag & 0xFFFF, blobs.get(value.digest))
    return converted(value, tag, wanted, code_page)


async def add_plain_bodies(mailbox: Mailbox, rows: Iterable[dict[int, Any]]) -> None:
    """Give the properties of several messages a PidTagBody where another form is stored: its beginning, for tables."""
    without = [row for row in rows if tags.PidTagBody not in row and source_of(row) is not None]
    if without:
        await asyncio.to_thread(_add_previews, mailbox, without)


def _add_previews(mailbox: Mailbox, rows: Iterable[dict[int, Any]]) -> None:
    for row in rows:
        tag = source_of(row)
        if tag is None:
            continue
        try:
            value = row[tag]
            if isinstance(value, BlobValue):
                if tag == tags.PidTagRtfCompressed and value.size > PREVIEW_SOURCE:
                    continue
                value = parse_value(tag & 0xFFFF, mailbox.database.blobs.get(value.digest, 0, PREVIEW_SOURCE))
            row[tags.PidTagBody] = plain_text(value[:PREVIEW_SOURCE], tag, row.get(tags.PidTagInternetCodepage))
        except (MissingBlobError, WireError) as error:
            log.warning("a body in mailbox %s cannot be shown: %s", mailbox.guid, error)


async def written_bodies(
    mailbox: Mailbox, stored: Mapping[int, Any], written: Mapping[int, Any], fresh: set[int]
) -> tuple[Mapping[int, Any], Collection[int]]:
    """What writing properties means for the bodies of a message: (values to store, ids of the stored ones to remove).

    A form that is written is the body: other forms go, as they show an older text, and are made of it when they are
    asked for. Those that are written between two saves stay together: ``fresh`` holds the ids of what was, and is added
    to. A plain text that says the same as the rich form that is there leaves it alone, as does one that the writer
    calls in sync with the RTF. PidTagBodyHtml becomes PidTagHtml. Raises `MissingBlobError`.
    """
    forms = stored_forms(written)
    fresh.update(_BODY_IDS & {tag >> 16 for tag in written})
    if not forms:
        return written, ()
    if forms.get(BodyForm.HTML) == tags.PidTagBodyHtml:
        written = await _with_binary_html(mailbox, stored, written)
    if set(forms) == {BodyForm.PLAIN} and await _says_the_same(mailbox, stored, written):
        return (
            written if source_of(stored) != tags.PidTagRtfCompressed else {**written, tags.PidTagRtfInSync: True}
        ), ()
    return written, _BODY_IDS - fresh


async def _with_binary_html(mailbox: Mailbox, stored: Mapping[int, Any], written: Mapping[int, Any]) -> dict[int, Any]:
    """PidTagHtml in the message's code page, or in UTF-8 where it has none."""
    code_page = written.get(tags.PidTagInternetCodepage, stored.get(tags.PidTagInternetCodepage))
    value = written[tags.PidTagBodyHtml]
    if isinstance(value, BlobValue):
        value = parse_value(tags.PidTagBodyHtml & 0xFFFF, await mailbox.read_blob(value.digest))
    values = {tag: value for tag, value in written.items() if tag != tags.PidTagBodyHtml}
    if not code_page:
        values[tags.PidTagInternetCodepage] = code_page = UTF8_CODE_PAGE
    values[tags.PidTagHtml] = await asyncio.to_thread(encode_html, value, code_page)
    return values


async def _says_the_same(mailbox: Mailbox, stored: Mapping[int, Any], written: Mapping[int, Any]) -> bool:
    """Whether a plain text that is written says what a rich form that is stored does, white space and marks aside."""
    source = source_of(stored)
    if source is None or source == tags.PidTagBody:
        return False
    if source == tags.PidTagRtfCompressed and written.get(tags.PidTagRtfInSync) is True:
        return True
    present = await made_body(mailbox, stored, tags.PidTagBody)
    text = written[tags.PidTagBody]
    if isinstance(text, BlobValue):
        if text.size > CONVERTED_MAXIMUM:
            return False
        text = parse_value(tags.PidTagBody & 0xFFFF, await mailbox.read_blob(text.digest))
    return isinstance(present, str) and await asyncio.to_thread(lambda: _words(present) == _words(text))


def _words(text: str) -> str:
    return re.sub(r"\W+", "", text)
