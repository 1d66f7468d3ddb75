"""The dialogs in which Outlook shows an entry, offline and online, in each language (MS-OXOABKT 2.2.2)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mapigw.wire import code_pages, tags
from mapigw.wire.properties import PropertyType, property_id, property_tag
from oab.wire.template import Control, ControlFlags, ControlType, DisplayTemplate, build_file, build_template

_LABEL_X, _LABEL_WIDTH = 12, 64
_FIELD_WIDTH, _FIELD_HEIGHT = 96, 12
_COLUMNS: Final = (0, 176)
_LINE: Final = 18
_TOP: Final = 14
_WIDE_FIELD: Final = 272
_LIST_HEIGHT: Final = 120
_ANY_CHARACTER: Final = "*"

_GENERAL: Final = (
    ("first", tags.PidTagGivenName, 64),
    ("last", tags.PidTagSurname, 64),
    ("display", tags.PidTagDisplayName, 256),
    ("alias", tags.PidTagAccount, 64),
    ("title", tags.PidTagTitle, 128),
    ("company", tags.PidTagCompanyName, 64),
    ("department", tags.PidTagDepartmentName, 64),
    ("office", tags.PidTagOfficeLocation, 128),
    ("street", tags.PidTagStreetAddress, 1024),
    ("city", tags.PidTagLocality, 128),
    ("state", tags.PidTagStateOrProvince, 128),
    ("postal", tags.PidTagPostalCode, 40),
    ("country", tags.PidTagCountry, 128),
    ("assistant", tags.PidTagAssistant, 256),
)
_PHONES: Final = (
    ("business", tags.PidTagBusinessTelephoneNumber, 64),
    ("mobile", tags.PidTagMobileTelephoneNumber, 64),
    ("home", tags.PidTagHomeTelephoneNumber, 64),
    ("pager", tags.PidTagPagerTelephoneNumber, 64),
    ("fax", tags.PidTagPrimaryFaxNumber, 64),
    ("assistant_phone", tags.PidTagAssistantTelephoneNumber, 64),
)
_GROUP: Final = (("display", tags.PidTagDisplayName, 256), ("alias", tags.PidTagAccount, 64))


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the dialogs: its LCID, the code page of its strings, and the words."""

    lcid: int
    code_page: str
    words: dict[str, str]


LANGUAGES: Final = (
    Language(
        0x0409,
        "cp1252",
        {
            "user": "User",
            "group": "Distribution List",
            "general_page": "General",
            "phones_page": "Phone/Notes",
            "addresses_page": "E-mail Addresses",
            "members_page": "Members",
            "member_of_page": "Member Of",
            "organization_page": "Organization",
            "manager": "&Manager:",
            "reports": "Direct &reports:",
            "owners_page": "Managed By",
            "contact": "External Contact",
            "first": "&First:",
            "last": "&Last:",
            "display": "Displa&y:",
            "alias": "&Alias:",
            "title": "&Title:",
            "company": "&Company:",
            "department": "&Department:",
            "office": "&Office:",
            "street": "Add&ress:",
            "city": "Cit&y:",
            "state": "&State:",
            "postal": "&Zip code:",
            "country": "Co&untry/Region:",
            "assistant": "A&ssistant:",
            "business": "&Business:",
            "mobile": "&Mobile:",
            "home": "&Home:",
            "pager": "&Pager:",
            "fax": "&Fax:",
            "assistant_phone": "A&ssistant:",
            "notes": "&Notes:",
            "addresses": "&E-mail addresses:",
        },
    ),
    Language(
        0x040C,
        "cp1252",
        {
            "user": "Utilisateur",
            "group": "Liste de distribution",
            "general_page": "Général",
            "phones_page": "Téléphone/Notes",
            "addresses_page": "Adresses de messagerie",
            "members_page": "Membres",
            "member_of_page": "Membre de",
            "organization_page": "Organisation",
            "manager": "&Responsable :",
            "reports": "&Collaborateurs :",
            "owners_page": "Géré par",
            "contact": "Contact externe",
            "first": "&Prénom :",
            "last": "&Nom :",
            "display": "&Afficher :",
            "alias": "A&lias :",
            "title": "&Titre :",
            "company": "&Société :",
            "department": "Ser&vice :",
            "office": "&Bureau :",
            "street": "Ad&resse :",
            "city": "V&ille :",
            "state": "&Région :",
            "postal": "&Code postal :",
            "country": "Pa&ys :",
            "assistant": "Assistan&t :",
            "business": "&Bureau :",
            "mobile": "&Mobile :",
            "home": "&Domicile :",
            "pager": "&Récepteur :",
            "fax": "&Télécopie :",
            "assistant_phone": "&Assistant :",
            "notes": "&Notes :",
            "addresses": "Adr&esses de messagerie :",
        },
    ),
)


def template_file(language: Language) -> bytes:
    """The display template file of a language; the same bytes each time."""
    person = tuple(_person(language.words))
    group = tuple(_group(language.words))
    templates = {
        name: DisplayTemplate(_dn(language, number), language.words[noun], controls)
        for name, number, noun, controls in (
            ("mail_user", 0, "user", person),
            ("distribution_list", 1, "group", group),
            ("remote_mail_user", 6, "contact", person),
        )
    }
    return build_file(templates, language.code_page)


@lru_cache(maxsize=64)  # clients choose the locale and the code page
def dialog_template(display_type: int, locale: int, dn: str | None, code_page: int) -> bytes | None:
    """PidTagTemplateData of the dialog for a display type while online, or of the one that ``dn`` names.

    French where ``locale`` (an LCID) is of any French, else English; and English where ``code_page`` cannot hold the
    French words. None: there is no such dialog.
    """
    french = locale & _PRIMARY_LANGUAGE == _FRENCH
    language = LANGUAGES[1] if french else LANGUAGES[0]
    if dn is not None:
        names = {_dn(language, number).lower(): (language, number) for language in LANGUAGES for number in _ONLINE}
        if dn.lower() not in names:
            return None
        language, display_type = names[dn.lower()]
    build = _ONLINE.get(display_type)
    codec = code_pages.codec_name(code_page)
    if build is None or codec is None:
        return None
    try:
        return build_template(tuple(build(language.words)), codec)
    except UnicodeEncodeError:
        return build_template(tuple(build(LANGUAGES[0].words)), codec)


def _dn(language: Language, display_type: int) -> str:
    return f"/o=mapigw/cn=addressing/cn=display-templates/cn={language.lcid:x}/cn={display_type}"


def _person(words: dict[str, str]) -> Iterator[Control]:
    yield Control(ControlType.PAGE, text=words["general_page"])
    yield from _fields(words, _GENERAL)
    yield Control(ControlType.PAGE, text=words["phones_page"])
    yield from _fields(words, _PHONES)
    yield from _notes(words, _TOP + _LINE * (len(_PHONES) + 1) // 2 + _LINE)
    yield from _addresses(words)


def _group(words: dict[str, str]) -> Iterator[Control]:
    yield Control(ControlType.PAGE, text=words["general_page"])
    yield from _fields(words, _GROUP)
    yield from _notes(words, _TOP + 2 * _LINE)
    yield from _addresses(words)


def _online_person(words: dict[str, str]) -> Iterator[Control]:
    yield from _person(words)
    yield from _organization(words)
    yield from _table(words["member_of_page"], tags.PidTagAddressBookIsMemberOfDistributionList)


def _online_group(words: dict[str, str]) -> Iterator[Control]:
    yield from _group(words)
    yield from _table(words["members_page"], tags.PidTagAddressBookMember)
    yield from _table(words["owners_page"], tags.PidTagAddressBookOwner)
    yield from _table(words["member_of_page"], tags.PidTagAddressBookIsMemberOfDistributionList)


_ONLINE: Final = {0: _online_person, 1: _online_group, 6: _online_person}
_PRIMARY_LANGUAGE: Final = 0x3FF
_FRENCH: Final = 0x0C


def _table(caption: str, tag: int) -> Iterator[Control]:
    """A page with the objects that a property refers to."""
    tag = property_tag(property_id(tag), PropertyType.OBJECT)
    yield Control(ControlType.PAGE, text=caption)
    yield Control(
        ControlType.LIST_BOX, _LABEL_X, _WIDE_FIELD + _LABEL_WIDTH, _TOP, _LIST_HEIGHT + _LINE, property_tag=tag
    )


def _organization(words: dict[str, str]) -> Iterator[Control]:
    """A page with the manager above and the reports below."""
    yield Control(ControlType.PAGE, text=words["organization_page"])
    y = _TOP
    for name, tag, height in (
        ("manager", tags.PidTagAddressBookManager, 2 * _FIELD_HEIGHT),
        ("reports", tags.PidTagAddressBookReports, _LIST_HEIGHT - 3 * _LINE),
    ):
        yield Control(ControlType.LABEL, _LABEL_X, _WIDE_FIELD, y, _FIELD_HEIGHT, words[name])
        yield Control(ControlType.LIST_BOX, _LABEL_X, _WIDE_FIELD + _LABEL_WIDTH, y + _LINE, height, property_tag=tag)
        y += _LINE + height + _LINE


def _fields(words: dict[str, str], fields: Sequence[tuple[str, int, int]]) -> Iterator[Control]:
    """Labels and read-only edit controls in two columns."""
    for index, (name, tag, size) in enumerate(fields):
        x, y = _LABEL_X + _COLUMNS[index % 2], _TOP + _LINE * (index // 2)
        yield Control(ControlType.LABEL, x, _LABEL_WIDTH, y, _FIELD_HEIGHT, words[name])
        yield Control(ControlType.EDIT, x + _LABEL_WIDTH, _FIELD_WIDTH, y, _FIELD_HEIGHT, _ANY_CHARACTER, tag, size)


def _notes(words: dict[str, str], y: int) -> Iterator[Control]:
    yield Control(ControlType.LABEL, _LABEL_X, _LABEL_WIDTH, y, _FIELD_HEIGHT, words["notes"])
    yield Control(
        ControlType.EDIT,
        _LABEL_X + _LABEL_WIDTH,
        _WIDE_FIELD,
        y,
        4 * _FIELD_HEIGHT,
        _ANY_CHARACTER,
        tags.PidTagComment,
        1024,
        ControlFlags.MULTILINE,
    )


def _addresses(words: dict[str, str]) -> Iterator[Control]:
    yield Control(ControlType.PAGE, text=words["addresses_page"])
    yield Control(ControlType.LABEL, _LABEL_X, _WIDE_FIELD, _TOP, _FIELD_HEIGHT, words["addresses"])
    yield Control(
        ControlType.MULTIVALUED_LIST_BOX,
        _LABEL_X,
        _WIDE_FIELD + _LABEL_WIDTH,
        _TOP + _LINE,
        _LIST_HEIGHT,
        property_tag=tags.PidTagAddressBookProxyAddresses,
    )
