"""Contact objects and vCards: which property is which field (MS-OXOCNTC 2.2.1; MS-OXVCARD 2.1; RFC 6350)."""

from typing import Final, NamedTuple

from mapigw.wire import tags
from mapigw.wire.properties import NamedTag, PropertyKey, PropertyName, PropertyType
from mapigw.wire.property_sets import PSETID_Address


def _address(lid: int, kind: PropertyType = PropertyType.STRING) -> NamedTag:
    return NamedTag(PropertyName(PSETID_Address, lid=lid), kind)


FILE_UNDER: Final = _address(0x8005)
FILE_UNDER_ID: Final = _address(0x8006, PropertyType.INTEGER32)
HAS_PICTURE: Final = _address(0x8015, PropertyType.BOOLEAN)
POSTAL_ADDRESS_ID: Final = _address(0x8022, PropertyType.INTEGER32)
PROVIDER_EMAIL_LIST: Final = _address(0x8028, PropertyType.MULTIPLE_INTEGER32)
PROVIDER_ARRAY_TYPE: Final = _address(0x8029, PropertyType.INTEGER32)
WEB_PAGE: Final = _address(0x802B)
INSTANT_MESSAGING: Final = _address(0x8062)
BIRTHDAY_LOCAL: Final = _address(0x80DE, PropertyType.TIME)
ANNIVERSARY_LOCAL: Final = _address(0x80DF, PropertyType.TIME)

CONTACT_CLASS: Final = "IPM.Contact"
CONTACT_ICON: Final = 0x200
PICTURE_FILE: Final = "ContactPicture.jpg"
FILE_UNDER_DISPLAY_NAME: Final = 0x3001  # PidLidFileUnderId: as PidTagDisplayName (2.2.1.1.12)


class Email(NamedTuple):
    """The five properties of an e-mail address (2.2.1.2)."""

    display_name: NamedTag
    address_type: NamedTag
    email_address: NamedTag
    original_display_name: NamedTag
    original_entry_id: NamedTag


EMAILS: Final = tuple(
    Email(
        _address(base),
        _address(base + 2),
        _address(base + 3),
        _address(base + 4),
        _address(base + 5, PropertyType.BINARY),
    )
    for base in (0x8080, 0x8090, 0x80A0)
)


class Postal(NamedTuple):
    """The properties of a postal address, in the order of vCard's ADR after the post office box (2.2.1.3)."""

    vcard_type: str
    number: int  # of PidLidPostalAddressId
    whole: NamedTag
    box: PropertyKey
    street: PropertyKey
    city: PropertyKey
    region: PropertyKey
    code: PropertyKey
    country: PropertyKey


POSTALS: Final = (
    Postal(
        "work",
        2,
        _address(0x801B),
        _address(0x804A),
        _address(0x8045),
        _address(0x8046),
        _address(0x8047),
        _address(0x8048),
        _address(0x8049),
    ),
    Postal(
        "home",
        1,
        _address(0x801A),
        tags.PidTagHomeAddressPostOfficeBox,
        tags.PidTagHomeAddressStreet,
        tags.PidTagHomeAddressCity,
        tags.PidTagHomeAddressStateOrProvince,
        tags.PidTagHomeAddressPostalCode,
        tags.PidTagHomeAddressCountry,
    ),
    Postal(
        "",
        3,
        _address(0x801C),
        tags.PidTagOtherAddressPostOfficeBox,
        tags.PidTagOtherAddressStreet,
        tags.PidTagOtherAddressCity,
        tags.PidTagOtherAddressStateOrProvince,
        tags.PidTagOtherAddressPostalCode,
        tags.PidTagOtherAddressCountry,
    ),
)

# The types that a TEL has (all of them), and the properties that take such numbers, in order (MS-OXVCARD 2.1.3.3).
PHONES: Final[tuple[tuple[frozenset[str], tuple[int, ...]], ...]] = (
    (frozenset({"fax", "work"}), (tags.PidTagBusinessFaxNumber,)),
    (frozenset({"fax", "home"}), (tags.PidTagHomeFaxNumber,)),
    (frozenset({"fax"}), (tags.PidTagPrimaryFaxNumber, tags.PidTagBusinessFaxNumber)),
    (frozenset({"pager"}), (tags.PidTagPagerTelephoneNumber,)),
    (frozenset({"car"}), (tags.PidTagCarTelephoneNumber,)),
    (frozenset({"isdn"}), (tags.PidTagIsdnNumber,)),
    (frozenset({"cell"}), (tags.PidTagMobileTelephoneNumber, tags.PidTagOtherTelephoneNumber)),
    (frozenset({"work"}), (tags.PidTagBusinessTelephoneNumber, tags.PidTagBusiness2TelephoneNumber)),
    (frozenset({"home"}), (tags.PidTagHomeTelephoneNumber, tags.PidTagHome2TelephoneNumber)),
    (frozenset({"pref"}), (tags.PidTagPrimaryTelephoneNumber,)),
    (frozenset(), (tags.PidTagOtherTelephoneNumber, tags.PidTagPrimaryTelephoneNumber)),
)

TEXTS: Final = (
    ("nickname", tags.PidTagNickname),
    ("title", tags.PidTagTitle),
    ("role", tags.PidTagProfession),
    ("x-ms-spouse", tags.PidTagSpouseName),
    ("x-ms-manager", tags.PidTagManagerName),
    ("x-ms-assistant", tags.PidTagAssistant),
    ("x-spouse", tags.PidTagSpouseName),
    ("x-manager", tags.PidTagManagerName),
    ("x-assistant", tags.PidTagAssistant),
)
"""Fields of one text each, as MS-OXVCARD and Evolution write them."""
