"""Which properties an object of the address book has, and their values (MS-OXOABK 2.2.3, MS-OXNSPI 3.1.4.3)."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from mapigw.directory import presentation
from mapigw.directory.attributes import DETAILS, Attribute, AttributeKind
from mapigw.directory.model import User
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import PropertyType, property_id, property_tag, property_type
from nspi import codepages
from nspi.address_book import Entry, Link
from nspi.binaries import Binaries
from nspi.containers import AB_RECIPIENTS, AB_UNMODIFIABLE, GAL
from nspi.entryids import GUID_NSPI, EphemeralEntryId
from nspi.values import PropertyError


@dataclass(frozen=True, slots=True)
class Format:
    """How the values of one request are expressed."""

    server_guid: UUID
    code_page: int
    ephemeral: bool = False
    """Entry ids in ephemeral form, as fEphID asks (MS-OXNSPI 2.2.1.11)."""
    binaries: Binaries | None = None
    """Photos and certificates; None: nobody has any, as when everybody is searched."""


Getter = Callable[[Entry, Format], Any]


def _printable(entry: Entry, form: Format) -> str:
    """The display name in ASCII (PidTagAddressBookDisplayNamePrintable, MS-OXOABK 2.2.3.7)."""
    name = unicodedata.normalize("NFKD", entry.display_name).encode("ascii", "ignore").decode()
    return name.strip() or presentation.account(entry.source)


def _entry_id(entry: Entry, form: Format) -> bytes:
    if form.ephemeral:
        return EphemeralEntryId(form.server_guid, entry.minimal_id, entry.display_type).to_bytes()
    return entry.permanent_entry_id


def _search_key(entry: Entry, form: Format) -> bytes:
    return b"EX:" + entry.source.legacy_dn.upper().encode("ascii") + b"\0"


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
    return lambda entry, form: None if entry.group is None else value


def _permanent(entry: Entry, form: Format) -> bytes:
    return entry.permanent_entry_id


def _display_name(entry: Entry, form: Format) -> str:
    return entry.display_name


def _legacy_dn(entry: Entry, form: Format) -> str:
    return entry.source.legacy_dn


def _manager_dn(entry: Entry, form: Format) -> str | None:
    return next((manager.source.legacy_dn for manager in entry.linked(Link.MANAGER)), None)


LINKS: Final[dict[int, Link]] = {
    property_id(tags.PidTagAddressBookMember): Link.MEMBERS,
    property_id(tags.PidTagAddressBookIsMemberOfDistributionList): Link.GROUPS,
    property_id(tags.PidTagAddressBookManager): Link.MANAGER,
    property_id(tags.PidTagAddressBookReports): Link.REPORTS,
    property_id(tags.PidTagAddressBookOwner): Link.OWNERS,
    property_id(tags.PidTagAddressBookOwnerBackLink): Link.OWNED,
}
"""Which relation an object-valued property shows, by its id (MS-OXOABK 2.2.5, 2.2.6)."""


def _object(link: Link) -> Getter:
    """The value of PtypEmbeddedTable: always zero, as GetMatches gets the rows; absent where there are none."""
    return lambda entry, form: 0 if entry.linked(link) else None


def _attribute(attribute: Attribute) -> Getter:
    name = attribute.name
    if attribute.kind is AttributeKind.NUMBER:
        return lambda entry, form: int(entry.attributes[name]) if name in entry.attributes else None  # type: ignore[arg-type]
    if attribute.multiple:
        return lambda entry, form: list(entry.attributes[name]) if name in entry.attributes else None
    return lambda entry, form: entry.attributes.get(name)


def _photo(entry: Entry, form: Format) -> bytes | None:
    return form.binaries.photo(entry.source) if form.binaries is not None else None


def _certificates(entry: Entry, form: Format) -> list[bytes] | None:
    return form.binaries.certificates(entry.source) if form.binaries is not None else None


PROPERTIES: Final[dict[int, Getter]] = {
    **{item.tag: _attribute(item) for item in DETAILS.values() if item.tag is not None},
    tags.PidTagEntryId: _entry_id,
    tags.PidTagObjectType: lambda entry, form: presentation.object_type(entry.source),
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
    tags.PidTagDisplayTypeEx: lambda entry, form: presentation.display_type_ex(entry.source),
    tags.PidTagSmtpAddress: lambda entry, form: entry.source.address or None,
    tags.PidTagAddressBookDisplayNamePrintable: _printable,
    tags.PidTagAccount: lambda entry, form: presentation.account(entry.source),
    tags.PidTagTransmittableDisplayName: _display_name,
    tags.PidTagSendRichInfo: lambda entry, form: presentation.send_rich_info(entry.source),
    tags.PidTagInitialDetailsPane: lambda entry, form: 0,
    tags.PidTagAddressBookHomeMessageDatabase: _database,  # natively 8-bit, and ASCII
    tags.PidTagAddressBookTargetAddress: lambda entry, form: presentation.target_address(entry.source),
    tags.PidTagAddressBookManagerDistinguishedName: _manager_dn,
    **{property_tag(number, PropertyType.OBJECT): _object(link) for number, link in LINKS.items()},
    tags.PidTagAddressBookProxyAddresses: lambda entry, form: presentation.proxy_addresses(entry.source) or None,
    tags.PidTagAddressBookObjectDistinguishedName: _legacy_dn,
    tags.PidTagAddressBookObjectGuid: _object_guid,
    tags.PidTagAddressBookContainerId: lambda entry, form: GAL,
    tags.PidTagThumbnailPhoto: _photo,
    tags.PidTagAddressBookX509Certificate: _certificates,
    tags.PidTagUserX509Certificate: _certificates,
}
"""Every property an object can have, under the tag of its native type; an id may stand for a string and for objects."""

_BY_ID: Final[dict[int, dict[int, Getter]]] = {}
for _tag, _getter in PROPERTIES.items():
    _BY_ID.setdefault(property_id(_tag), {})[property_type(_tag)] = _getter

_TO_STRING8: Final = {
    int(PropertyType.STRING): int(PropertyType.STRING8),
    int(PropertyType.MULTIPLE_STRING): int(PropertyType.MULTIPLE_STRING8),
}
_TO_STRING: Final = {narrow: wide for wide, narrow in _TO_STRING8.items()}

NOT_FOUND: Final = PropertyError(ErrorCode.NotFound)


def as_string8(tag: int) -> int:
    """The tag with string types as 8-bit ones."""
    return property_tag(property_id(tag), _TO_STRING8.get(property_type(tag), property_type(tag)))


def as_string(tag: int) -> int:
    """The tag with string types as Unicode ones."""
    return property_tag(property_id(tag), _TO_STRING.get(property_type(tag), property_type(tag)))


def specified(tag: int) -> int:
    """The tag of a column as it is returned: PtypUnspecified gives way to the native type (MS-OXNSPI 2.2.1.1)."""
    if property_type(tag) != PropertyType.UNSPECIFIED:
        return tag
    return property_tag(property_id(tag), next(iter(_BY_ID.get(property_id(tag), ())), PropertyType.ERROR_CODE))


def native_value(entry: Entry, tag: int, form: Format) -> Any:
    """The value with strings as str, whichever string type the tag has; None where there is none."""
    natives = _BY_ID.get(property_id(tag))
    if natives is None:
        return None
    wanted = property_type(tag)
    if wanted == PropertyType.UNSPECIFIED:
        wanted = next(iter(natives))
    for native in (wanted, _TO_STRING.get(wanted), _TO_STRING8.get(wanted)):
        if native in natives:
            return natives[native](entry, form)
    return None


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
