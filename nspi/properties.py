"""Which properties an object of the address book has, and their values (MS-OXOABK 2.2.3, MS-OXNSPI 3.1.4.3)."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from mapigw.directory.model import User
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import PropertyType, property_id, property_tag, property_type
from nspi import codepages
from nspi.address_book import GAL, Entry
from nspi.entryids import GUID_NSPI, EphemeralEntryId
from nspi.values import PropertyError

MAPI_MAILUSER: Final = 0x00000006
MAPI_DISTLIST: Final = 0x00000008
DT_SEC_DISTLIST: Final = 0x00000009
DTE_FLAG_ACL_CAPABLE: Final = 0x40000000
AB_RECIPIENTS, AB_UNMODIFIABLE = 0x00000001, 0x00000008  # MS-OXOABK 2.2.2.1


@dataclass(frozen=True, slots=True)
class Format:
    """How the values of one request are expressed."""

    server_guid: UUID
    code_page: int
    ephemeral: bool = False
    """Entry ids in ephemeral form, as fEphID asks (MS-OXNSPI 2.2.1.11)."""


Getter = Callable[[Entry, Format], Any]


def _printable(entry: Entry, form: Format) -> str:
    """The display name in ASCII (PidTagAddressBookDisplayNamePrintable, MS-OXOABK 2.2.3.7)."""
    name = unicodedata.normalize("NFKD", entry.source.display_name).encode("ascii", "ignore").decode()
    return name.strip() or entry.account


def _entry_id(entry: Entry, form: Format) -> bytes:
    if form.ephemeral:
        return EphemeralEntryId(form.server_guid, entry.minimal_id, entry.display_type).to_bytes()
    return entry.permanent_entry_id


def _search_key(entry: Entry, form: Format) -> bytes:
    return b"EX:" + entry.source.legacy_dn.upper().encode("ascii") + b"\0"


def _proxy_addresses(entry: Entry, form: Format) -> list[str]:
    return [f"SMTP:{entry.source.address}", *(f"smtp:{alias}" for alias in entry.aliases)]


def server_dn(user: User) -> str:
    """The DN of the mailbox server that a mailbox names as its own; `GetMailboxUrl` takes it back."""
    organization = user.legacy_dn.lower().find("/cn=recipients")
    prefix = user.legacy_dn[:organization] if organization >= 0 else ""
    return f"{prefix}/cn=Configuration/cn=Servers/cn={user.mailbox_guid}@{user.domain}"


def _database(entry: Entry, form: Format) -> str | None:
    return None if entry.user is None else server_dn(entry.user) + "/cn=Microsoft Private MDB"


def _object_guid(entry: Entry, form: Format) -> bytes | None:
    return None if entry.user is None else entry.user.mailbox_guid.bytes_le


def _for_groups(value: Any) -> Getter:
    return lambda entry, form: value if entry.user is None else None


def _permanent(entry: Entry, form: Format) -> bytes:
    return entry.permanent_entry_id


def _display_name(entry: Entry, form: Format) -> str:
    return entry.source.display_name or entry.source.address


def _legacy_dn(entry: Entry, form: Format) -> str:
    return entry.source.legacy_dn


_LINKS: Final[dict[int, Callable[[Entry], tuple[str, ...]]]] = {
    property_id(tags.PidTagAddressBookMember): lambda entry: entry.members,
    property_id(tags.PidTagAddressBookIsMemberOfDistributionList): lambda entry: entry.groups,
}


def linked_addresses(entry: Entry, tag: int) -> tuple[str, ...]:
    """The addresses of the objects that a property refers to; none for one that refers to nobody."""
    links = _LINKS.get(property_id(tag))
    return links(entry) if links else ()


def _object(tag: int) -> Getter:
    """The value of PtypEmbeddedTable: always zero, as GetMatches gets the rows; absent where there are none."""
    return lambda entry, form: 0 if linked_addresses(entry, tag) else None


_IS_MEMBER_OF: Final = property_tag(
    property_id(tags.PidTagAddressBookIsMemberOfDistributionList), PropertyType.OBJECT
)  # as NSPI servers have it, MS-OXOABK 2.2.5

PROPERTIES: Final[dict[int, Getter]] = {
    tags.PidTagEntryId: _entry_id,
    tags.PidTagObjectType: lambda entry, form: MAPI_DISTLIST if entry.user is None else MAPI_MAILUSER,
    tags.PidTagInstanceKey: lambda entry, form: entry.minimal_id.to_bytes(4, "little"),
    tags.PidTagMappingSignature: lambda entry, form: GUID_NSPI,
    tags.PidTagRecordKey: _permanent,
    tags.PidTagDisplayName: _display_name,
    tags.PidTagAddressType: lambda entry, form: "EX",
    tags.PidTagEmailAddress: _legacy_dn,
    tags.PidTagSearchKey: _search_key,
    tags.PidTagContainerFlags: _for_groups(AB_RECIPIENTS | AB_UNMODIFIABLE),
    tags.PidTagContainerContents: _for_groups(0),
    tags.PidTagDisplayType: lambda entry, form: int(entry.display_type),
    tags.PidTagTemplateid: _permanent,
    tags.PidTagDisplayTypeEx: lambda entry, form: DTE_FLAG_ACL_CAPABLE | (DT_SEC_DISTLIST if entry.user is None else 0),
    tags.PidTagSmtpAddress: lambda entry, form: entry.source.address,
    tags.PidTagAddressBookDisplayNamePrintable: _printable,
    tags.PidTagAccount: lambda entry, form: entry.account,
    tags.PidTagTransmittableDisplayName: _display_name,
    tags.PidTagSendRichInfo: lambda entry, form: True,
    tags.PidTagInitialDetailsPane: lambda entry, form: 0,
    tags.PidTagAddressBookHomeMessageDatabase & ~0xFFFF | PropertyType.STRING: _database,
    _IS_MEMBER_OF: _object(_IS_MEMBER_OF),
    tags.PidTagAddressBookMember: _object(tags.PidTagAddressBookMember),
    tags.PidTagAddressBookProxyAddresses: _proxy_addresses,
    tags.PidTagAddressBookObjectDistinguishedName: _legacy_dn,
    tags.PidTagAddressBookObjectGuid: _object_guid,
    tags.PidTagAddressBookContainerId: lambda entry, form: GAL,
}
"""Every property an object can have, under the tag of its native type."""

_BY_ID: Final = {property_id(tag): (property_type(tag), getter) for tag, getter in PROPERTIES.items()}

_TO_STRING8: Final = {
    int(PropertyType.STRING): int(PropertyType.STRING8),
    int(PropertyType.MULTIPLE_STRING): int(PropertyType.MULTIPLE_STRING8),
}
_TO_STRING: Final = {narrow: wide for wide, narrow in _TO_STRING8.items()}

NOT_FOUND: Final = PropertyError(ErrorCode.NotFound)


def as_string8(tag: int) -> int:
    """The tag with string types as 8-bit ones."""
    return property_tag(property_id(tag), _TO_STRING8.get(property_type(tag), property_type(tag)))


def specified(tag: int) -> int:
    """The tag of a column as it is returned: PtypUnspecified gives way to the native type (MS-OXNSPI 2.2.1.1)."""
    if property_type(tag) != PropertyType.UNSPECIFIED:
        return tag
    native = _BY_ID.get(property_id(tag))
    return property_tag(property_id(tag), native[0] if native else PropertyType.ERROR_CODE)


def native_value(entry: Entry, tag: int, form: Format) -> Any:
    """The value with strings as str, whichever string type the tag has; None where there is none."""
    found = _BY_ID.get(property_id(tag))
    if found is None:
        return None
    native, getter = found
    wanted = property_type(tag)
    if wanted not in (native, _TO_STRING8.get(native), PropertyType.UNSPECIFIED):
        return None
    return getter(entry, form)


def value(entry: Entry | None, tag: int, form: Format) -> Any:
    """The value of a property as the tag's type has it, or a `PropertyError`; an object that is not there has none."""
    found = native_value(entry, tag, form) if entry is not None else None
    if found is None:
        return NOT_FOUND
    wanted = property_type(tag)
    if wanted == PropertyType.STRING8:
        return codepages.encode(found, form.code_page)
    if wanted == PropertyType.MULTIPLE_STRING8:
        return [codepages.encode(item, form.code_page) for item in found]
    return found


def row(entry: Entry | None, columns: list[int], form: Format) -> list[Any]:
    """The values of ``columns``, whose types are all specified, in their order."""
    return [value(entry, column, form) for column in columns]


def property_list(entry: Entry, form: Format, *, objects: bool = True) -> list[int]:
    """The tags, natively typed, of the properties that have a value on the object; with PtypEmbeddedTable or not."""
    return [
        tag
        for tag in PROPERTIES
        if (objects or property_type(tag) != PropertyType.OBJECT) and native_value(entry, tag, form) is not None
    ]
