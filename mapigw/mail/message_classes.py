"""The message class that a Content-Class field asks for (MS-OXCMAIL 2.2.3.2.15)."""

from collections.abc import Iterable
from typing import Final

from mapigw.mail.names import INFO_PATH_FORM_NAME
from mapigw.wire import tags
from mapigw.wire.message import Properties

NOTE: Final = "IPM.Note"

# Content class: message class, and what type of file the message must have for it (2.2.3.2.15.1, 2.2.3.2.15.2)
_CLASSES: Final = {
    "fax": ("IPM.Note.Microsoft.Fax", "image/"),
    "fax-ca": ("IPM.Note.Microsoft.Fax.CA", "image/"),
    "missedcall": ("IPM.Note.Microsoft.Missed.Voice", ""),
    "voice-uc": ("IPM.Note.Microsoft.Conversation.Voice", "audio/"),
    "voice-ca": ("IPM.Note.Microsoft.Voicemail.UM.CA", "audio/"),
    "voice": ("IPM.Note.Microsoft.Voicemail.UM", "audio/"),
}
_CUSTOM: Final = "urn:content-class:custom."
_INFO_PATH: Final = "infopathform."
_MAX_CLASS: Final = 200  # PidTagMessageClass has fewer than 256 characters (MS-OXCMSG 2.2.1.3)


def content_class_properties(content_class: str, attached_types: Iterable[str]) -> Properties:
    """PidTagMessageClass and what goes with it; none where the message stays an ordinary one."""
    lower = content_class.lower()
    known = _CLASSES.get(lower)
    if known is not None:
        message_class, needed = known
        fits = not needed or any(mime_type.startswith(needed) for mime_type in attached_types)
        return {tags.PidTagMessageClass: message_class} if fits else {}
    if lower.startswith(_CUSTOM) and (suffix := _suffix(content_class[len(_CUSTOM) :])):
        return {tags.PidTagMessageClass: f"{NOTE}.Custom.{suffix}"}
    if lower.startswith(_INFO_PATH) and (suffix := _suffix(content_class[len(_INFO_PATH) :])):
        return {tags.PidTagMessageClass: f"IPM.InfoPathForm.{suffix}", INFO_PATH_FORM_NAME: content_class}
    return {}


def _suffix(text: str) -> str:
    """The text as a part of a message class: visible ASCII, no period at either end; "" if it is none."""
    text = text[:_MAX_CLASS].strip(".")
    return text if text.isascii() and text.isprintable() and " " not in text else ""
