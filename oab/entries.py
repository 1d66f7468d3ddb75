"""What the files say of an entry (MS-OXOAB 2.9.2.2, MS-OXOABK 2.2.3), who is in them, and in which order."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from mapigw.directory import presentation
from mapigw.directory.attributes import DETAILS, AttributeKind
from mapigw.directory.model import Entry, Group
from mapigw.wire import tags
from mapigw.wire.properties import PropertyType, property_type
from oab.wire.details import Property, PropertyFlags, Record

EMAIL_ADDRESS: Final = tags.PidTagEmailAddress & ~0xFFFF | PropertyType.STRING8
SMTP_ADDRESS: Final = tags.PidTagSmtpAddress & ~0xFFFF | PropertyType.STRING8
"""Both are ASCII in these files (2.9)."""
_MEMBER_OF: Final = tags.PidTagAddressBookIsMemberOfDistributionList & ~0xFFFF | PropertyType.OBJECT

_KEY: Final = PropertyFlags.PRIMARY_KEY
_ANR: Final = PropertyFlags.ANR

LONGEST_STRING: Final = 3400
LARGEST_BINARY: Final = 32 * 1024
LARGEST_MULTIPLE: Final = 64 * 1024
"""Bytes of a value; of one with several values, of all together. These are the limits that Exchange begins with."""

BATCH: Final = 64
"""Entries that are made together."""

HEADER_PROPERTIES: Final = tuple(
    Property(tag)
    for tag in (
        tags.PidTagOfflineAddressBookName,
        tags.PidTagOfflineAddressBookDistinguishedName,
        tags.PidTagOfflineAddressBookSequence,
        tags.PidTagOfflineAddressBookContainerGuid,
    )
)
"""rgHdrAtts (2.9.2.1)."""

ENTRY_PROPERTIES: Final = (
    Property(EMAIL_ADDRESS, _KEY),
    Property(SMTP_ADDRESS, _KEY),
    Property(tags.PidTagDisplayName, _ANR),
    Property(tags.PidTagAccount, _ANR),
    Property(tags.PidTagSurname, _ANR),
    Property(tags.PidTagGivenName, _ANR),
    Property(tags.PidTagAddressBookProxyAddresses, _ANR),
    Property(tags.PidTagOfficeLocation, _ANR),
    Property(tags.PidTagAddressBookPhoneticDisplayName, _ANR),
    Property(tags.PidTagAddressBookPhoneticGivenName, _ANR),
    Property(tags.PidTagAddressBookPhoneticSurname, _ANR),
    *map(
        Property,
        (
            tags.PidTagDisplayType,
            tags.PidTagObjectType,
            tags.PidTagSendRichInfo,
            tags.PidTagBusinessTelephoneNumber,
            tags.PidTagInitials,
            tags.PidTagStreetAddress,
            tags.PidTagLocality,
            tags.PidTagStateOrProvince,
            tags.PidTagPostalCode,
            tags.PidTagCountry,
            tags.PidTagTitle,
            tags.PidTagCompanyName,
            tags.PidTagAssistant,
            tags.PidTagDepartmentName,
            tags.PidTagAddressBookTargetAddress,
            tags.PidTagHomeTelephoneNumber,
            tags.PidTagBusiness2TelephoneNumbers,
            tags.PidTagHome2TelephoneNumbers,
            tags.PidTagPrimaryFaxNumber,
            tags.PidTagMobileTelephoneNumber,
            tags.PidTagAssistantTelephoneNumber,
            tags.PidTagPagerTelephoneNumber,
            tags.PidTagComment,
            tags.PidTagUserCertificate,
            tags.PidTagUserX509Certificate,
            tags.PidTagAddressBookX509Certificate,
            tags.PidTagDisplayTypeEx,
            tags.PidTagAddressBookObjectGuid,
            tags.PidTagAddressBookPhoneticCompanyName,
            tags.PidTagAddressBookPhoneticDepartmentName,
            tags.PidTagGeneration,
            tags.PidTagPostOfficeBox,
            tags.PidTagBusinessHomePage,
            tags.PidTagAddressBookRoomCapacity,
            tags.PidTagAddressBookRoomDescription,
            tags.PidTagThumbnailPhoto,
            tags.PidTagAddressBookManager,
            tags.PidTagAddressBookReports,
            tags.PidTagAddressBookMember,
            _MEMBER_OF,
            tags.PidTagAddressBookOwner,
            tags.PidTagAddressBookOwnerBackLink,
            tags.PidTagOfflineAddressBookTruncatedProperties,
        ),
    ),
)
"""rgOabAtts (2.9.2.2); what the directory does not know of anybody is declared all the same."""

_DECLARED: Final = frozenset(item.tag for item in ENTRY_PROPERTIES)
_DETAILS: Final = tuple(
    (item.name, item.tag, item.kind is AttributeKind.NUMBER)
    for item in DETAILS.values()
    if item.tag is not None and item.tag in _DECLARED
)


class Binaries(NamedTuple):
    """What the directory does not hold in memory of some entries, by their DNs in lower case."""

    certificates: Mapping[str, Sequence[bytes]]
    with_photo: Collection[str]


ReadBinaries = Callable[[Sequence[Entry]], Binaries]
"""It blocks: it is called from the thread in which the files are made."""


def no_binaries(entries: Sequence[Entry]) -> Binaries:
    """Of a directory without photos and certificates."""
    return Binaries({}, ())


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Those that are shown, by display name; an order that never changes keeps differences small.

    What is hidden is left out, as it is in no list (MS-OXOABK), and so is who has no address: it is a primary key.
    """
    return sorted(
        (entry for entry in entries if not entry.hidden and entry.address),
        key=lambda entry: (entry.display_name.casefold(), entry.address, entry.legacy_dn),
    )


def records(entries: Sequence[Entry], read: ReadBinaries) -> Iterator[tuple[str, Record]]:
    """The address and the record of each entry."""
    links = _Links(entries)
    remaining = iter(entries)
    while batch := list(islice(remaining, BATCH)):
        binaries = read(batch)
        for entry in batch:
            yield entry.address, _record(entry, links, binaries)


class _Links:
    """Who is linked to whom; the files tell only that there is something to ask the server for."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        groups = [entry for entry in entries if isinstance(entry, Group)]
        self._members = {key for group in groups for key in group.members}
        self._owners = {dn for group in groups for dn in group.managers}
        self._managers = {entry.manager for entry in entries if not isinstance(entry, Group) and entry.manager}

    def of(self, entry: Entry) -> Iterator[int]:
        """The object-valued properties that the entry has online."""
        if isinstance(entry, Group):
            if entry.members:
                yield tags.PidTagAddressBookMember
            if entry.managers:
                yield tags.PidTagAddressBookOwner
        elif entry.manager:
            yield tags.PidTagAddressBookManager
        if entry.key in self._members:
            yield _MEMBER_OF
        if entry.legacy_dn in self._managers:
            yield tags.PidTagAddressBookReports
        if entry.legacy_dn in self._owners:
            yield tags.PidTagAddressBookOwnerBackLink


def _record(entry: Entry, links: _Links, binaries: Binaries) -> Record:
    dn = entry.legacy_dn.lower()
    attributes = entry.details.all()
    record: Record = {
        tag: int(attributes[name]) if is_number else attributes[name]  # type: ignore[arg-type] # it has one value
        for name, tag, is_number in _DETAILS
        if name in attributes
    }
    mailbox_guid = getattr(entry, "mailbox_guid", None)
    record |= {
        EMAIL_ADDRESS: entry.legacy_dn,
        SMTP_ADDRESS: entry.address,
        tags.PidTagDisplayName: presentation.display_name(entry),
        tags.PidTagAccount: presentation.account(entry),
        tags.PidTagAddressBookProxyAddresses: presentation.proxy_addresses(entry),
        tags.PidTagDisplayType: int(presentation.display_type(entry)),
        tags.PidTagObjectType: presentation.object_type(entry),
        tags.PidTagDisplayTypeEx: presentation.display_type_ex(entry),
        tags.PidTagSendRichInfo: presentation.send_rich_info(entry),
        tags.PidTagAddressBookTargetAddress: presentation.target_address(entry),
        tags.PidTagAddressBookObjectGuid: mailbox_guid.bytes_le if mailbox_guid is not None else None,
        tags.PidTagAddressBookX509Certificate: list(binaries.certificates.get(dn, ())) or None,
    }
    online = [*links.of(entry), *(tags.PidTagThumbnailPhoto for _ in range(dn in binaries.with_photo))]
    return _truncated({tag: value for tag, value in record.items() if value is not None}, online)


def _truncated(record: Record, online: list[int]) -> Record:
    """Within the limits; what is cut or left out is named (2.9.2.2.1), with what there is ``online`` only."""
    kept: Record = {}
    for tag, value in record.items():
        limited = _limited(value, property_type(tag))
        if limited != value:
            online.append(tag)
        if limited is not None:
            kept[tag] = limited
    if online:
        kept[tags.PidTagOfflineAddressBookTruncatedProperties] = sorted(online)
    return kept


def _limited(value: Any, kind: int) -> Any:
    if isinstance(value, str):
        return _cut(value)
    if kind == PropertyType.BINARY:
        return value if len(value) <= LARGEST_BINARY else None
    if isinstance(value, (list, tuple)):
        left, kept = LARGEST_MULTIPLE, []
        for item in value:
            left -= len(item.encode()) if isinstance(item, str) else len(item)
            if left < 0:
                break
            kept.append(item)
        return type(value)(kept) or None
    return value


def _cut(text: str) -> str:
    if len(text) * 4 <= LONGEST_STRING or len(text.encode(errors="surrogatepass")) <= LONGEST_STRING:
        return text
    return text.encode(errors="surrogatepass")[:LONGEST_STRING].decode(errors="ignore")
