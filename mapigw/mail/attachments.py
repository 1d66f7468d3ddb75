"""Attached files, inline images and attached messages (MS-OXCMAIL 2.2.3.4, MS-OXCMSG 2.2.2)."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from mapigw.mail.headers import clean
from mapigw.mail.parts import Part
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message, Properties

BY_VALUE: Final = 1
EMBEDDED_MESSAGE: Final = 5
NOT_RENDERED: Final = 0xFFFFFFFF
RENDERED_IN_BODY: Final = 4

_INLINE_TYPES: Final = frozenset(
    {"image/jpeg", "image/jpg", "image/pjpeg", "image/gif", "image/bmp", "image/png", "image/x-png"}
)
# Extensions of parts that have no file name.
_EXTENSIONS: Final = {
    "text/plain": ".txt",
    "text/html": ".htm",
    "text/calendar": ".ics",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
    "text/csv": ".csv",
    "text/rfc822-headers": ".txt",
    "text/enriched": ".txt",
    "message/rfc822": ".eml",
    "message/global": ".eml",
    "message/partial": ".eml",
    "message/delivery-status": ".txt",
    "message/disposition-notification": ".txt",
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "image/pjpeg": ".jpg",
    "image/png": ".png",
    "image/x-png": ".png",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
    "image/svg+xml": ".svg",
    "image/webp": ".webp",
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "application/gzip": ".gz",
    "application/rtf": ".rtf",
    "application/msword": ".doc",
    "application/json": ".json",
    "application/xml": ".xml",
    "text/xml": ".xml",
    "application/pgp-signature": ".asc",
    "application/pgp-encrypted": ".asc",
    "application/pkcs7-signature": ".p7s",
    "application/x-pkcs7-signature": ".p7s",
    "application/pkcs7-mime": ".p7m",
    "application/x-pkcs7-mime": ".p7m",
    "application/ms-tnef": ".dat",
    "audio/mpeg": ".mp3",
    "audio/wav": ".wav",
    "video/mp4": ".mp4",
}
_ILLEGAL: Final = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|]')
_MAX_NAME: Final = 250
_NOT_SHORT: Final = re.compile(r"[^A-Za-z0-9_$~!#%&'()@^`{}-]")


def legal_file_name(name: str) -> str:
    """A sender's file name without its folders and what Windows does not allow (2.2.3.4.1.1); "" if nothing is left."""
    if re.match(r"(?:[A-Za-z]:|\.{0,2})[\\/]", name):  # a whole path, as old mailers sent
        name = re.split(r"[\\/]", name)[-1]
    name = _ILLEGAL.sub("", clean(name)).strip(" ").rstrip(".")
    if len(name) > _MAX_NAME:
        stem, extension = split_extension(name)
        name = stem[: _MAX_NAME - len(extension)] + extension
    return name


def split_extension(name: str) -> tuple[str, str]:
    """Stem and extension with its dot; an extension of more than 20 characters is none."""
    stem, dot, extension = name.rpartition(".")
    return (stem, dot + extension) if dot and 0 < len(extension) <= 20 else (name, "")


def short_file_name(name: str) -> str:
    """The 8.3 form of a name, for PidTagAttachFilename (MS-OXCMSG 2.2.2.11)."""
    stem, extension = split_extension(name)
    short_stem, short_extension = _NOT_SHORT.sub("", stem), _NOT_SHORT.sub("", extension)[:3]
    if short_stem != stem or len(stem) > 8 or len(short_extension) + 1 < len(extension):
        short_stem = f"{short_stem[:6] or 'ATT'}~1"
    return f"{short_stem}.{short_extension}" if short_extension else short_stem


class HtmlReferences:
    """The content ids and locations that an HTML body refers to."""

    _SOURCE: Final = re.compile(
        rb"""(?:src|background)\s*=\s*(?:"([^"]{1,2048})"|'([^']{1,2048})'|([^\s"'>]{1,2048}))|url\(\s*["']?([^"')]{1,2048})""",
        re.IGNORECASE,
    )

    def __init__(self, html: bytes) -> None:
        self._found: set[bytes] | None = None
        self._html = html

    def __contains__(self, reference: bytes) -> bool:
        if self._found is None:
            sources = (b"".join(found.groups(b"")).strip() for found in self._SOURCE.finditer(self._html))
            self._found = {
                unquote_to_bytes(source[4:]) if source[:4].lower() == b"cid:" else source for source in sources
            }
        return reference in self._found


def attachment_from_part(part: Part, *, number: int, related: bool, references: HtmlReferences) -> Attachment:
    """An attachment by value. ``number`` (from 1) names it if it has no name, as "ATT00001.txt"."""
    data = part.content()
    content_id = part.headers.first("content-id").strip().removeprefix("<").removesuffix(">")
    location = part.headers.text("content-location")
    description = part.headers.text("content-description")
    name = legal_file_name(part.filename) or legal_file_name(description)
    if not name:
        name = f"ATT{number:05}{_EXTENSIONS.get(part.type, '.dat')}"
    elif not split_extension(name)[1]:
        name += _EXTENSIONS.get(part.type, "")
    properties = file_properties(name, part.type, data)
    if description:
        properties[tags.PidTagDisplayName] = description
    if content_id:
        properties[tags.PidTagAttachContentId] = clean(content_id)
    if location:
        properties[tags.PidTagAttachContentLocation] = location
    if "content-base" in part.headers:
        properties[tags.PidTagAttachContentBase] = part.headers.text("content-base")
    # Inline only what is shown (2.2.3.4.1.4.1): an attachment marked so and not referred to would be seen nowhere.
    keys = [key.encode("utf-8", "replace") for key in (content_id, location) if key]
    if related and part.type in _INLINE_TYPES and any(key in references for key in keys):
        properties[tags.PidTagAttachFlags] = RENDERED_IN_BODY
        properties[tags.PidTagAttachmentHidden] = True
    return Attachment(properties)


def file_properties(name: str, mime_type: str, data: bytes) -> Properties:
    """The properties of an attached file (MS-OXCMSG 2.2.2)."""
    return {
        tags.PidTagAttachMethod: BY_VALUE,
        tags.PidTagAttachSize: len(data),
        tags.PidTagAttachLongFilename: name,
        tags.PidTagAttachFilename: short_file_name(name),
        tags.PidTagAttachExtension: split_extension(name)[1],
        tags.PidTagDisplayName: name,
        tags.PidTagAttachMimeTag: mime_type,
        tags.PidTagRenderingPosition: NOT_RENDERED,
        tags.PidTagAttachFlags: 0,
        tags.PidTagAttachmentHidden: False,
        tags.PidTagAttachDataBinary: data,
    }


def attachment_from_message(part: Part, embedded: Message, size: int) -> Attachment:
    """An attached message, opened as one (2.2.3.4.3); its subject is its name."""
    subject = embedded.properties.get(tags.PidTagSubject) or legal_file_name(part.filename)
    return Attachment(
        {
            tags.PidTagAttachMethod: EMBEDDED_MESSAGE,
            tags.PidTagAttachSize: size,
            tags.PidTagDisplayName: subject,
            tags.PidTagAttachMimeTag: part.type,
            tags.PidTagRenderingPosition: NOT_RENDERED,
            tags.PidTagAttachFlags: 0,
            tags.PidTagAttachmentHidden: False,
        },
        embedded,
    )
