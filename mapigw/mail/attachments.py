"""Attached files, inline images and attached messages (MS-OXCMAIL 2.2.3.4, MS-OXCMSG 2.2.2)."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from mapigw.mail.apple import (
    MACBINARY_ENCODING,
    MAX_FORK,
    AppleFile,
    parse_apple_file,
    parse_binhex,
)
from mapigw.mail.fields import parse_date
from mapigw.mail.headers import clean
from mapigw.mail.names import ATTACHMENT_MAC_CONTENT_TYPE, ATTACHMENT_MAC_INFO
from mapigw.mail.octets import pieces
from mapigw.mail.parts import Part
from mapigw.mail.values import Values, size_of
from mapigw.mailbox.content import BlobValue
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
_MAX_CHARSET: Final = 64
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


def attachment_from_part(
    part: Part, *, number: int, related: bool, references: HtmlReferences, values: Values
) -> Attachment:
    """An attachment by value. ``number`` (from 1) names it if it has no name, as "ATT00001.txt"."""
    if part.type == "message/external-body":
        return _external_body(part, number, values)
    apple = _apple_file(part, number, values)
    if apple is not None:
        return apple
    attachment = Attachment(file_properties(_name(part, number), part.type, values.keep(part.pieces())))
    _add_header_properties(part, attachment.properties)
    # Inline only what is shown (2.2.3.4.1.4.1): an attachment marked so and not referred to would be seen nowhere.
    keys = [key.encode("utf-8", "replace") for key in (_content_id(part), part.headers.text("content-location")) if key]
    if related and part.type in _INLINE_TYPES and any(key in references for key in keys):
        attachment.properties[tags.PidTagAttachFlags] = RENDERED_IN_BODY
        attachment.properties[tags.PidTagAttachmentHidden] = True
    return attachment


def _name(part: Part, number: int, fallback: str = "") -> str:
    name = legal_file_name(part.filename or fallback) or legal_file_name(part.headers.text("content-description"))
    if not name:
        return f"ATT{number:05}{_EXTENSIONS.get(part.type, '.dat')}"
    return name if split_extension(name)[1] else name + _EXTENSIONS.get(part.type, "")


def leftover_name(name: str, number: int) -> str:
    """The name of a file that was found in a text."""
    return legal_file_name(name) or f"ATT{number:05}.dat"


def _content_id(part: Part) -> str:
    return clean(part.headers.first("content-id").strip().removeprefix("<").removesuffix(">"))


_TEXTS: Final = (
    ("content-description", tags.PidTagDisplayName),
    ("content-location", tags.PidTagAttachContentLocation),
    ("content-base", tags.PidTagAttachContentBase),
    ("x-payload-class", tags.PidTagAttachPayloadClass),
    ("x-payload-provider-guid", tags.PidTagAttachPayloadProviderGuidString),
)
_TIMES: Final = (
    ("creation-date", tags.PidTagCreationTime),
    ("modification-date", tags.PidTagLastModificationTime),
)


def _add_header_properties(part: Part, properties: Properties) -> None:
    """What the part's header says besides name and type (2.2.3.4.1)."""
    for field, tag in _TEXTS:
        if field in part.headers and (text := part.headers.text(field)):
            properties[tag] = text
    if content_id := _content_id(part):
        properties[tags.PidTagAttachContentId] = content_id
    for parameter, tag in _TIMES:
        if (time := parse_date(part.disposition_parameters.get(parameter, ""))) is not None:
            properties[tag] = time
    if part.type.startswith("text/") and (charset := part.parameters.get("charset")):
        properties[tags.PidTagTextAttachmentCharset] = charset[:_MAX_CHARSET]


_FTP_MODES: Final = {"ascii": ";type=a", "image": ";type=i"}
_NOT_IN_URL: Final = re.compile(r"[^!-~]")


def _external_body(part: Part, number: int, values: Values) -> Attachment:
    """A file that is elsewhere: a shortcut to it where it can be fetched by FTP, else the part as it is (2.2.3.5)."""
    parameters = part.parameters
    if parameters.get("access-type", "").lower() != "anon-ftp":
        whole = pieces(part.data, part.start, part.end)
        return Attachment(file_properties(_name(part, number), part.type, values.keep(whole)))
    site, directory, name = (parameters.get(key, "") for key in ("site", "directory", "name"))
    path = "/".join(piece for piece in (site, directory.strip("/"), name) if piece)
    url = _NOT_IN_URL.sub("", f"ftp://{path}{_FTP_MODES.get(parameters.get('mode', '').lower(), '')}")
    stem = split_extension(legal_file_name(name))[0] or f"ATT{number:05}"
    shortcut = f"[InternetShortcut]\r\nURL={url}\r\n".encode("ascii")
    return Attachment(file_properties(f"{stem}.url", part.type, shortcut))


def _apple_file(part: Part, number: int, values: Values) -> Attachment | None:
    """A file of the Macintosh (2.2.3.4.2); None where the part is none or cannot be read.

    Of BinHex the data fork is taken, which is all that Windows can open (2.2.3.4.1.3).
    """
    if part.is_binhex and part.size <= MAX_FORK:
        file = parse_binhex(b"".join(part.raw_pieces()))
        if file is None:
            return None
        attachment = Attachment(file_properties(_name(part, number, file.text_name), part.type, file.data))
        _add_header_properties(part, attachment.properties)
        return attachment
    if part.type == "application/applefile" and part.size <= MAX_FORK:
        file = parse_apple_file(part.content())
        if file is None:
            return None
        name = _name(part, number, file.text_name)
        return _macbinary(name, part, file, iter((file.data,)), len(file.data), values)
    if part.type == "multipart/appledouble" and len(part.parts) == 2:
        header, data = sorted(part.parts, key=lambda child: child.type != "application/applefile")
        file = parse_apple_file(header.content()) if header.size <= MAX_FORK else None
        if file is None:
            return None
        name = _name(part, number, data.filename or header.filename or file.text_name)
        size = sum(map(len, data.pieces()))
        attachment = _macbinary(name, part, file, data.pieces(), size, values)
        for source in (header, data, part):
            _add_header_properties(source, attachment.properties)
        attachment.properties[ATTACHMENT_MAC_CONTENT_TYPE] = data.headers.text("content-type")
        attachment.properties[ATTACHMENT_MAC_INFO] = header.content()
        return attachment
    return None


def _macbinary(name: str, part: Part, file: AppleFile, data: Iterator[bytes], size: int, values: Values) -> Attachment:
    stream = values.keep(file.macbinary(data, size))
    attachment = Attachment(file_properties(name, part.type, stream))
    attachment.properties[tags.PidTagAttachEncoding] = MACBINARY_ENCODING
    _add_header_properties(part, attachment.properties)
    return attachment


def file_properties(name: str, mime_type: str, data: bytes | BlobValue) -> Properties:
    """The properties of an attached file (MS-OXCMSG 2.2.2)."""
    return {
        tags.PidTagAttachMethod: BY_VALUE,
        tags.PidTagAttachSize: size_of(data),
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
