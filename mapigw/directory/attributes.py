"""The attributes that the address book shows of an entry, beside its names and addresses (MS-OXOABK 2.2.3 to 2.2.6).

One table says what an attribute is called here, under which tag clients ask for it, and what LDAP servers call it: the
names of Active Directory first, whose property ids (mAPIID) the tags follow, then those of RFC 4519 and RFC 2798.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from mapigw.directory.details import AttributeValue
from mapigw.directory.errors import InvalidAttribute
from mapigw.wire import tags

LONGEST_VALUE: Final = 1024
"""Characters of a value."""
MOST_VALUES: Final = 100
LARGEST_PHOTO: Final = 100 * 1024
"""Bytes, as Active Directory bounds thumbnailPhoto."""
LARGEST_CERTIFICATE: Final = 32 * 1024
MOST_CERTIFICATES: Final = 16

_UNPRINTABLE: Final = {"Cc", "Cs", "Cn", "Zl", "Zp"}
_LINE_BREAKS: Final = frozenset("\r\n\t")


class AttributeKind(Enum):
    TEXT = auto()
    LINES = auto()
    """Text that may have line breaks."""
    NUMBER = auto()
    """A decimal number that fits in 31 bits."""
    POLICY = auto()
    """One of `BOOKING_POLICIES`."""
    ENTRY = auto()
    """The LegacyDN of another entry, `User.manager`; not among the details."""
    BINARY = auto()
    """In the database only: `Directory.photo`, `Directory.certificates`; not among the details."""


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str
    tag: int | None
    """Natively typed; None: the address book does not show it."""
    ldap: tuple[str, ...] = ()
    """LDAP attribute names, the first that an entry has counts."""
    multiple: bool = False
    kind: AttributeKind = AttributeKind.TEXT


BOOKING_POLICIES: Final = ("accept", "refuse-conflicts", "manual")
"""What a room or equipment does with a meeting request: accept every one, refuse those that conflict, or nothing."""

_EXTENSION_TAGS: Final = (
    tags.PidTagAddressBookExtensionAttribute1,
    tags.PidTagAddressBookExtensionAttribute2,
    tags.PidTagAddressBookExtensionAttribute3,
    tags.PidTagAddressBookExtensionAttribute4,
    tags.PidTagAddressBookExtensionAttribute5,
    tags.PidTagAddressBookExtensionAttribute6,
    tags.PidTagAddressBookExtensionAttribute7,
    tags.PidTagAddressBookExtensionAttribute8,
    tags.PidTagAddressBookExtensionAttribute9,
    tags.PidTagAddressBookExtensionAttribute10,
    tags.PidTagAddressBookExtensionAttribute11,
    tags.PidTagAddressBookExtensionAttribute12,
    tags.PidTagAddressBookExtensionAttribute13,
    tags.PidTagAddressBookExtensionAttribute14,
    tags.PidTagAddressBookExtensionAttribute15,
)

_TABLE: Final = (
    Attribute("given_name", tags.PidTagGivenName, ("givenName",)),
    Attribute("surname", tags.PidTagSurname, ("sn",)),
    Attribute("initials", tags.PidTagInitials, ("initials",)),
    Attribute("generation", tags.PidTagGeneration, ("generationQualifier",)),
    Attribute("phonetic_given_name", tags.PidTagAddressBookPhoneticGivenName, ("msDS-PhoneticFirstName",)),
    Attribute("phonetic_surname", tags.PidTagAddressBookPhoneticSurname, ("msDS-PhoneticLastName",)),
    Attribute("phonetic_display_name", tags.PidTagAddressBookPhoneticDisplayName, ("msDS-PhoneticDisplayName",)),
    Attribute("phonetic_company", tags.PidTagAddressBookPhoneticCompanyName, ("msDS-PhoneticCompanyName",)),
    Attribute("phonetic_department", tags.PidTagAddressBookPhoneticDepartmentName, ("msDS-PhoneticDepartment",)),
    Attribute("account", tags.PidTagAccount, ("mailNickname", "sAMAccountName", "uid")),
    Attribute("title", tags.PidTagTitle, ("title",)),
    Attribute("company", tags.PidTagCompanyName, ("company", "o")),
    Attribute("department", tags.PidTagDepartmentName, ("department", "departmentNumber", "ou")),
    Attribute("office", tags.PidTagOfficeLocation, ("physicalDeliveryOfficeName", "roomNumber")),
    Attribute("street", tags.PidTagStreetAddress, ("streetAddress", "street"), kind=AttributeKind.LINES),
    Attribute("post_office_box", tags.PidTagPostOfficeBox, ("postOfficeBox",)),
    Attribute("city", tags.PidTagLocality, ("l",)),
    Attribute("state", tags.PidTagStateOrProvince, ("st",)),
    Attribute("postal_code", tags.PidTagPostalCode, ("postalCode",)),
    Attribute("country", tags.PidTagCountry, ("co", "c")),
    Attribute("business_phone", tags.PidTagBusinessTelephoneNumber, ("telephoneNumber",)),
    Attribute("business_phones_2", tags.PidTagBusiness2TelephoneNumbers, ("otherTelephone",), multiple=True),
    Attribute("home_phone", tags.PidTagHomeTelephoneNumber, ("homePhone",)),
    Attribute("home_phones_2", tags.PidTagHome2TelephoneNumbers, ("otherHomePhone",), multiple=True),
    Attribute("mobile_phone", tags.PidTagMobileTelephoneNumber, ("mobile",)),
    Attribute("pager", tags.PidTagPagerTelephoneNumber, ("pager",)),
    Attribute("fax", tags.PidTagPrimaryFaxNumber, ("facsimileTelephoneNumber",)),
    Attribute("assistant", tags.PidTagAssistant, ("msExchAssistantName",)),
    Attribute("assistant_phone", tags.PidTagAssistantTelephoneNumber, ("telephoneAssistant",)),
    Attribute("comment", tags.PidTagComment, ("info", "description"), kind=AttributeKind.LINES),
    Attribute("home_page", tags.PidTagBusinessHomePage, ("wWWHomePage", "labeledURI")),
    Attribute("manager", tags.PidTagAddressBookManagerDistinguishedName, ("manager",), kind=AttributeKind.ENTRY),
    *(
        Attribute(f"extension_attribute_{number}", tag, (f"extensionAttribute{number}",))
        for number, tag in enumerate(_EXTENSION_TAGS, 1)
    ),
    Attribute("capacity", tags.PidTagAddressBookRoomCapacity, ("msExchResourceCapacity",), kind=AttributeKind.NUMBER),
    Attribute("room_description", tags.PidTagAddressBookRoomDescription),
    Attribute("booking_policy", None, kind=AttributeKind.POLICY),
    Attribute("booking_days", None, kind=AttributeKind.NUMBER),  # how far ahead a resource is booked at most
    Attribute("photo", tags.PidTagThumbnailPhoto, ("thumbnailPhoto", "jpegPhoto"), kind=AttributeKind.BINARY),
    Attribute(
        "certificates",
        tags.PidTagAddressBookX509Certificate,
        ("userCertificate;binary", "userCertificate"),
        multiple=True,
        kind=AttributeKind.BINARY,
    ),
)

ATTRIBUTES: Final = {attribute.name: attribute for attribute in _TABLE}
"""By name, in the order in which they are shown."""

DETAILS: Final = {
    name: attribute
    for name, attribute in ATTRIBUTES.items()
    if attribute.kind not in (AttributeKind.ENTRY, AttributeKind.BINARY)
}
"""Those that `mapigw.directory.details.Details` holds."""

BY_LDAP_NAME: Final = {name.lower(): attribute for attribute in reversed(_TABLE) for name in reversed(attribute.ldap)}
"""By each of the LDAP names, in lower case."""


def checked_value(attribute: Attribute, values: Iterable[str]) -> AttributeValue:
    """The value of a detail to store; "" or () for none. Outer blanks and empty values are left out.

    Raises `InvalidAttribute`.
    """
    kept = tuple(dict.fromkeys(_checked(attribute, value) for value in values if value.strip()))
    if len(kept) > (MOST_VALUES if attribute.multiple else 1):
        raise InvalidAttribute(
            attribute.name, f"it has at most {MOST_VALUES if attribute.multiple else 'one'} value(s), not {len(kept)}"
        )
    if attribute.multiple:
        return kept
    return kept[0] if kept else ""


def _checked(attribute: Attribute, value: str) -> str:
    value = value.strip()
    if len(value) > LONGEST_VALUE:
        raise InvalidAttribute(attribute.name, f"the value is longer than {LONGEST_VALUE} characters")
    allowed = _LINE_BREAKS if attribute.kind is AttributeKind.LINES else frozenset("\t")
    if not value.isascii() or not value.isprintable():
        for character in value:
            if unicodedata.category(character) in _UNPRINTABLE and character not in allowed:
                raise InvalidAttribute(attribute.name, f"the value {value[:40]!r} contains control characters")
    if attribute.kind is AttributeKind.NUMBER:
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            raise InvalidAttribute(attribute.name, f"{value[:40]!r} is not a number from 0 to 999999999")
        return str(int(value))
    if attribute.kind is AttributeKind.POLICY and value not in BOOKING_POLICIES:
        raise InvalidAttribute(attribute.name, f"{value[:40]!r} is none of {', '.join(BOOKING_POLICIES)}")
    return value
