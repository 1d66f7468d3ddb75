"""Message and Attachment objects, and the rows that show a message's recipients (MS-OXCMSG 1.3, MS-OXCDATA 2.8.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Logon, PropertyObject
from mapigw.mailbox.content import BlobValue, DecodedAttachment, DecodedMessage
from mapigw.mailbox.message_properties import ACCESS_LEVEL_READ_ONLY
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import parse_value
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import NAMED_PROPERTY_MINIMUM, PropertyType
from mapigw.wire.rows import RecipientRow

READ_WRITE: Final = 0x01
"""The bit that tells ReadWrite and BestAccess from ReadOnly in an open mode (MS-OXCMSG 2.2.3.1.1, 2.2.3.12.1)."""

SUBJECT_MAXIMUM: Final = 8192  # bytes of a subject that is shown when a message is opened

# Parts of a RecipientRow, so that they are not columns as well (MS-OXCMSG 2.2.3.5.1).
_ROW_PARTS: Final = frozenset(
    {
        tags.PidTagRowid,
        tags.PidTagRecipientType,
        tags.PidTagAddressType,
        tags.PidTagEmailAddress,
        tags.PidTagDisplayName,
        tags.PidTagTransmittableDisplayName,
        tags.PidTagSendRichInfo,
        tags.PidTagEntryId,
        tags.PidTagSearchKey,
        tags.PidTagInstanceKey,
    }
)
_X500_DN: Final = 0x1
_PERSONAL_DISTRIBUTION_LIST: Final = 0x6
_ADDRESS_KINDS: Final = {
    "EX": _X500_DN,
    "MS": 0x2,
    "SMTP": 0x3,
    "FAX": 0x4,
    "PROFS": 0x5,
    "MAPIPDL": _PERSONAL_DISTRIBUTION_LIST,
}


class OpenedObject(PropertyObject):
    """A message or an attachment as it was when it was opened: each handle sees its own (MS-OXCMSG 3.2.1.3)."""

    def __init__(self, logon: Logon, values: Mapping[int, Any], code_page: int, *, read_only: bool) -> None:
        super().__init__(logon)
        self.read_only = read_only
        self.values = {**values, tags.PidTagAccessLevel: ACCESS_LEVEL_READ_ONLY} if read_only else dict(values)
        self._code_page = code_page

    @property
    def code_page(self) -> int:
        return self._code_page

    async def properties(self) -> Mapping[int, Any]:
        return self.values


class Message(OpenedObject):
    """An open message, or an embedded one."""

    def __init__(self, logon: Logon, content: DecodedMessage, code_page: int, *, read_only: bool) -> None:
        super().__init__(logon, content.properties, code_page, read_only=read_only)
        self.recipients: Sequence[Mapping[int, Any]] = content.recipients
        self.attachments: Sequence[DecodedAttachment] = content.attachments
        """Each with every property: the rows of the attachment table."""

    def attachment(self, number: int) -> DecodedAttachment:
        """The attachment of a PidTagAttachNumber. `RopError` NotFound."""
        for attachment in self.attachments:
            if attachment.properties[tags.PidTagAttachNumber] == number:
                return attachment
        raise RopError(ErrorCode.NotFound)

    def recipient_place(self, row_id: int) -> int:
        """Where the recipient of a RowId stands. `RopError` NotFound."""
        for place, recipient in enumerate(self.recipients):
            if recipient[tags.PidTagRowid] == row_id:
                return place
        raise RopError(ErrorCode.NotFound)

    @cached_property
    def recipient_columns(self) -> list[int]:
        """What the recipients have besides the parts of their rows, in the order of first occurrence."""
        found = dict.fromkeys(tag for recipient in self.recipients for tag in recipient)
        return [tag for tag in found if tag not in _ROW_PARTS]

    def recipient_rows(self, start: int = 0) -> Iterable[tuple[int, int, RecipientRow]]:
        """(RowId, RecipientType, row) of each recipient from the place ``start`` on."""
        for recipient in self.recipients[start:]:
            row = recipient_row(recipient, self.recipient_columns)
            yield recipient[tags.PidTagRowid], recipient.get(tags.PidTagRecipientType, 1) & 0xFF, row

    async def opening(self) -> dict[str, Any]:
        """What opening tells of a message, but for its recipients' rows (MS-OXCMSG 2.2.3.1.2)."""
        prefix = await self._text(tags.PidTagSubjectPrefix)
        normalized = await self._text(tags.PidTagNormalizedSubject)
        if tags.PidTagNormalizedSubject not in self.values:
            normalized = (await self._text(tags.PidTagSubject)).removeprefix(prefix)
        return {
            "has_named_properties": any(tag >> 16 >= NAMED_PROPERTY_MINIMUM for tag in self.values),
            "subject_prefix": prefix,
            "normalized_subject": normalized,
            "recipient_count": min(len(self.recipients), 0xFFFF),
            "recipient_columns": self.recipient_columns,
        }

    async def _text(self, tag: int) -> str:
        value = self.values.get(tag, "")
        if isinstance(value, BlobValue):
            head = await self.logon.mailbox.read_blob(value.digest, 0, SUBJECT_MAXIMUM)
            value = parse_value(PropertyType.STRING, head)
        return before_nul(value)


class Attachment(OpenedObject):
    """An open attachment of a message."""

    def __init__(self, message: Message, attachment: DecodedAttachment, *, read_only: bool) -> None:
        super().__init__(
            message.logon, attachment.properties, message.code_page, read_only=read_only or message.read_only
        )
        self.embedded = attachment.embedded


NO_MESSAGE_ID: Final = ObjectId(0, 0)
"""What an embedded message has for an id."""


def before_nul(text: str) -> str:
    """``text`` as a field that ends with a NUL can hold it."""
    return text.partition("\0")[0]


def recipient_row(recipient: Mapping[int, Any], columns: Sequence[int]) -> RecipientRow:
    """The row of a stored recipient, Unicode; what it lacks of ``columns`` is NotFound in its cell."""
    address_type = _part(recipient, tags.PidTagAddressType) or ""
    email_address = _part(recipient, tags.PidTagEmailAddress)
    display_name = _part(recipient, tags.PidTagDisplayName)
    transmittable = _part(recipient, tags.PidTagTransmittableDisplayName)
    same = transmittable is not None and transmittable == display_name
    row = RecipientRow(
        address_kind=_ADDRESS_KINDS.get(address_type.upper(), 0),
        email_address=email_address,
        display_name=display_name,
        transmittable_display_name=None if same else transmittable,
        transmittable_is_display_name=same,
        is_responsible=bool(recipient.get(tags.PidTagResponsibility, False)),
        is_non_rich=not recipient.get(tags.PidTagSendRichInfo, True),
        properties=[_cell(recipient.get(tag)) for tag in columns],
    )
    if row.address_kind == _X500_DN:
        row.x500_dn = (email_address or "").encode("ascii", "replace")
        row.email_address = None
        row.display_type = recipient.get(tags.PidTagDisplayType, 0) & 0xFF
    elif row.address_kind == _PERSONAL_DISTRIBUTION_LIST:
        row.entry_id = _binary(recipient, tags.PidTagEntryId)
        row.search_key = _binary(recipient, tags.PidTagSearchKey)
    elif address_type and not row.address_kind:
        row.address_type = address_type.encode("ascii", "replace")
    return row


def _part(recipient: Mapping[int, Any], tag: int) -> str | None:
    value = recipient.get(tag)
    return before_nul(value) if isinstance(value, str) else None


def _binary(recipient: Mapping[int, Any], tag: int) -> bytes:
    value = recipient.get(tag)
    return value if isinstance(value, bytes) else b""


def _cell(value: Any) -> Any:
    if value is None:
        return ErrorCode.NotFound
    if isinstance(value, BlobValue):
        return ErrorCode.NotEnoughMemory
    return before_nul(value) if isinstance(value, str) else value
