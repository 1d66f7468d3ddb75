"""What the files say of a user or a group (MS-OXOAB 2.9.2.2, MS-OXOABK 2.2.3), and in which order."""

from collections.abc import Iterable, Iterator
from typing import Final

from mapigw.directory.model import Group, User
from mapigw.wire import tags
from mapigw.wire.entryids import AddressBookObjectType
from mapigw.wire.properties import PropertyType
from oab.wire.details import Property, PropertyFlags, Record

MAPI_MAILUSER: Final = 6
MAPI_DISTLIST: Final = 8
DT_SEC_DISTLIST: Final = 9
DTE_FLAG_ACL_CAPABLE: Final = 0x40000000
"""Both may be granted permissions, so a group is a security group (MS-OXOABK 2.2.3.12)."""

EMAIL_ADDRESS: Final = tags.PidTagEmailAddress & ~0xFFFF | PropertyType.STRING8
SMTP_ADDRESS: Final = tags.PidTagSmtpAddress & ~0xFFFF | PropertyType.STRING8
"""Both are ASCII in these files (2.9)."""

_KEY: Final = PropertyFlags.PRIMARY_KEY
_ANR: Final = PropertyFlags.ANR

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
        ),
    ),
)
"""rgOabAtts (2.9.2.2); what the directory does not know of anybody is declared all the same."""


def in_order(users: Iterable[User], groups: Iterable[Group]) -> list[User | Group]:
    """Users and groups together by display name; an order that never changes keeps differences small."""
    return sorted([*users, *groups], key=lambda entry: (entry.display_name.casefold(), entry.address))


def records(entries: Iterable[User | Group]) -> Iterator[tuple[str, Record]]:
    """The address and the record of each entry."""
    for entry in entries:
        yield entry.address, _user(entry) if isinstance(entry, User) else _group(entry)


def _user(user: User) -> Record:
    return {
        **_common(user),
        tags.PidTagAddressBookProxyAddresses: [f"SMTP:{user.address}", *(f"smtp:{alias}" for alias in user.aliases)],
        tags.PidTagDisplayType: AddressBookObjectType.LocalMailUser,
        tags.PidTagObjectType: MAPI_MAILUSER,
        tags.PidTagDisplayTypeEx: DTE_FLAG_ACL_CAPABLE,
        tags.PidTagAddressBookObjectGuid: user.mailbox_guid.bytes_le,
    }


def _group(group: Group) -> Record:
    return {
        **_common(group),
        tags.PidTagAddressBookProxyAddresses: [f"SMTP:{group.address}"],
        tags.PidTagDisplayType: AddressBookObjectType.DistributionList,
        tags.PidTagObjectType: MAPI_DISTLIST,
        tags.PidTagDisplayTypeEx: DTE_FLAG_ACL_CAPABLE | DT_SEC_DISTLIST,
    }


def _common(entry: User | Group) -> Record:
    return {
        EMAIL_ADDRESS: entry.legacy_dn,
        SMTP_ADDRESS: entry.address,
        tags.PidTagDisplayName: entry.display_name or entry.address,
        tags.PidTagAccount: entry.address.partition("@")[0],
        tags.PidTagSendRichInfo: True,
    }
