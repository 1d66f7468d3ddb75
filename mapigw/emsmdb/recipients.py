"""The rows that show a message's recipients, and what rows make of them (MS-OXCMSG 2.2.3.5.1, MS-OXCDATA 2.8.3)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mapigw.emsmdb.values import is_storable, stored_form
from mapigw.mailbox.content import BlobValue
from mapigw.wire import code_pages, tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import address_book_entry_id
from mapigw.wire.rows import RecipientRow, TypedValue

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
_DISTRIBUTION_LISTS: Final = (0x6, 0x7)
_ADDRESS_KINDS: Final = {"EX": _X500_DN, "MS": 0x2, "SMTP": 0x3, "FAX": 0x4, "PROFS": 0x5, "MAPIPDL": 0x6}
_ADDRESS_TYPES: Final = {kind: name for name, kind in _ADDRESS_KINDS.items()} | {0x7: "MAPIPDL"}
_DISTRIBUTION_LIST: Final = 1  # PidTagDisplayType
_OBJECT_TYPE_USER: Final = 6
_OBJECT_TYPE_LIST: Final = 8


def recipient_columns(recipients: Sequence[Mapping[int, Any]]) -> list[int]:
    """What the recipients have besides the parts of their rows, in the order of first occurrence."""
    found = dict.fromkeys(tag for recipient in recipients for tag in recipient)
    return [tag for tag in found if tag not in _ROW_PARTS]


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
    elif row.address_kind in _DISTRIBUTION_LISTS:
        row.entry_id = _binary(recipient, tags.PidTagEntryId)
        row.search_key = _binary(recipient, tags.PidTagSearchKey)
    elif address_type and not row.address_kind:
        row.address_type = address_type.encode("ascii", "replace")
    return row


def before_nul(text: str) -> str:
    """``text`` as a field that ends with a NUL can hold it."""
    return text.partition("\0")[0]


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
    if isinstance(value, list):
        return [before_nul(item) if isinstance(item, str) else item for item in value]
    return before_nul(value) if isinstance(value, str) else value


def recipient_properties(
    row_id: int, recipient_type: int, row: RecipientRow, columns: Sequence[int], code_page: int, own_dn: str
) -> dict[int, Any]:
    """A recipient as it is stored, made of a client's row; 8-bit strings are in ``code_page``.

    ``own_dn`` is a legacy DN of this organization: an X500DN with an AddressPrefixUsed leaves so much of it out
    (MS-OXCDATA 2.8.3.2).
    """
    values = _column_values(row, columns, code_page)
    values |= {tags.PidTagRowid: row_id, tags.PidTagRecipientType: recipient_type}
    address_type = _ADDRESS_TYPES.get(row.address_kind)
    if row.address_type is not None:
        address_type = row.address_type.decode("ascii", "replace")
    texts = {
        tags.PidTagAddressType: address_type,
        tags.PidTagEmailAddress: _text(row.email_address, code_page),
        tags.PidTagDisplayName: _text(row.display_name, code_page),
        tags.PidTagAddressBookDisplayNamePrintable: _text(row.simple_display_name, code_page),
        tags.PidTagTransmittableDisplayName: _text(row.transmittable_display_name, code_page),
    }
    if row.transmittable_is_display_name:
        texts[tags.PidTagTransmittableDisplayName] = texts[tags.PidTagDisplayName]
    if row.address_kind == _X500_DN:
        dn = own_dn[: row.address_prefix_used] + row.x500_dn.decode("ascii", "replace")
        texts[tags.PidTagEmailAddress] = dn
        _add_address_book_user(values, dn, row.display_type)
    elif row.address_kind in _DISTRIBUTION_LISTS:
        values[tags.PidTagEntryId] = row.entry_id
        values[tags.PidTagSearchKey] = row.search_key
    values |= {tag: text for tag, text in texts.items() if text is not None}
    values[tags.PidTagSendRichInfo] = not row.is_non_rich
    if row.is_responsible:
        values[tags.PidTagResponsibility] = True
    return values


def _column_values(row: RecipientRow, columns: Sequence[int], code_page: int) -> dict[int, Any]:
    values = {}
    for column, cell in zip(columns, row.properties, strict=False):
        tag, value = column, cell
        if isinstance(cell, TypedValue):
            tag, value = column & ~0xFFFF | cell.type, cell.value
        # An error or nothing in a cell says that the recipient does not have the property.
        if value is not None and not isinstance(value, ErrorCode):
            tag, value = stored_form(tag, value, code_page)
            if is_storable(tag):
                values[tag] = value
    return values


def _add_address_book_user(values: dict[int, Any], dn: str, display_type: int) -> None:
    values.setdefault(tags.PidTagDisplayType, display_type)
    is_list = display_type == _DISTRIBUTION_LIST
    values.setdefault(tags.PidTagObjectType, _OBJECT_TYPE_LIST if is_list else _OBJECT_TYPE_USER)
    if tags.PidTagEntryId not in values and dn.isascii():
        values[tags.PidTagEntryId] = address_book_entry_id(dn, display_type)


def _text(value: str | bytes | None, code_page: int) -> str | None:
    return code_pages.decode(value, code_page) if isinstance(value, bytes) else value
