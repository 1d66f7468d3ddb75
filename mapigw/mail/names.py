"""Named properties of mail (MS-OXPROPS 2): PidLid and PidName properties in capitals."""

from typing import Final

from mapigw.wire.properties import NamedTag, PropertyName, PropertyType
from mapigw.wire.property_sets import (
    PS_INTERNET_HEADERS,
    PS_PUBLIC_STRINGS,
    PSETID_Attachment,
    PSETID_Common,
    PSETID_Task,
)


def header_field(name: str) -> NamedTag:
    """The property of a header field, whose name is in lower case."""
    return NamedTag(PropertyName(PS_INTERNET_HEADERS, name=name), PropertyType.STRING)


def _common(lid: int, kind: PropertyType) -> NamedTag:
    return NamedTag(PropertyName(PSETID_Common, lid=lid), kind)


CONTENT_CLASS: Final = header_field("content-class")
CONTENT_TYPE: Final = header_field("content-type")
KEYWORDS: Final = NamedTag(PropertyName(PS_PUBLIC_STRINGS, name="Keywords"), PropertyType.MULTIPLE_STRING)
FLAG_REQUEST: Final = _common(0x8530, PropertyType.STRING)
TO_DO_TITLE: Final = _common(0x85A4, PropertyType.STRING)
TASK_STATUS: Final = NamedTag(PropertyName(PSETID_Task, lid=0x8101), PropertyType.INTEGER32)
PERCENT_COMPLETE: Final = NamedTag(PropertyName(PSETID_Task, lid=0x8102), PropertyType.FLOATING64)
TASK_COMPLETE: Final = NamedTag(PropertyName(PSETID_Task, lid=0x811C), PropertyType.BOOLEAN)
CLASSIFIED: Final = _common(0x85B5, PropertyType.BOOLEAN)
CLASSIFICATION: Final = _common(0x85B6, PropertyType.STRING)
CLASSIFICATION_DESCRIPTION: Final = _common(0x85B7, PropertyType.STRING)
CLASSIFICATION_GUID: Final = _common(0x85B8, PropertyType.STRING)
CLASSIFICATION_KEEP: Final = _common(0x85BA, PropertyType.BOOLEAN)
INFO_PATH_FORM_NAME: Final = _common(0x85B1, PropertyType.STRING)
ATTACHMENT_MAC_CONTENT_TYPE: Final = NamedTag(
    PropertyName(PSETID_Attachment, name="AttachmentMacContentType"), PropertyType.STRING
)
ATTACHMENT_MAC_INFO: Final = NamedTag(PropertyName(PSETID_Attachment, name="AttachmentMacInfo"), PropertyType.BINARY)
