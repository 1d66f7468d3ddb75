"""The address book: who is in it, in which lists and orders, under which ids.

An `AddressBook` is one moment of the directory. Minimal Entry IDs are made of the ids of the directory, so that they
are the same in every session, and outlive a restart of the server, as the constant server GUID of Bind promises
(MS-OXNSPI 3.1.4.6).
"""

import logging
import re
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from itertools import accumulate
from typing import Final
from uuid import UUID

from mapigw.directory import presentation
from mapigw.directory.addresses import lookup_key
from mapigw.directory.details import AttributeValue
from mapigw.directory.model import Entry as Source
from mapigw.directory.model import Group, User
from mapigw.wire.entryids import AddressBookObjectType
from nspi.collation import collation_key, folded, language
from nspi.containers import CONTAINERS, GAL, Table
from nspi.entryids import PermanentEntryId
from nspi.index import Links, Order, gently_sorted

logger = logging.getLogger(__name__)

FIRST_MINIMAL_ID: Final = 0x1000
"""To which a user's id is added."""
FIRST_GROUP_ID: Final = 0x40000000
"""To which a group's id is added."""
FIRST_CONTACT_ID: Final = 0x60000000
"""To which a contact's id is added."""
LAST_MINIMAL_ID: Final = 0x7FFFFFFF

LONGEST_NAME: Final = 1024
"""Nobody has a name, address or DN with more characters."""

_MOST_ADDRESSES: Final = 1 << 12  # of one entry
_PREFIXES = re.compile(r"=?(?:(?:smtp|sip|ex|x500|mailto):)?", re.IGNORECASE)
_BRACKETED = re.compile(r"<([^<>]+)>\s*$")
_WORD = re.compile(r"[^\s,;()\"'<>]+")
_WORDS_OF: Final = (
    "account",
    "given_name",
    "surname",
    "office",
    "phonetic_display_name",
    "phonetic_given_name",
    "phonetic_surname",
)
"""Attributes that an entry is found by, besides its name and addresses, as the offline address book flags them."""


class Link(IntEnum):
    """The relations between entries that the address book shows from both ends."""

    MEMBERS = 0
    GROUPS = 1
    MANAGER = 2
    REPORTS = 3
    OWNERS = 4
    OWNED = 5


class Entry:
    """One object of an address book, for the time of a request."""

    __slots__ = ("_attributes", "book", "slot", "source")

    def __init__(self, book: "AddressBook", slot: int) -> None:
        self.book = book
        self.slot = slot
        self.source: Source = book.sources[slot]
        self._attributes: Mapping[str, AttributeValue] | None = None

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        """The details of the entry, by name (`mapigw.directory.attributes`)."""
        if self._attributes is None:
            self._attributes = self.source.details.all()
        return self._attributes

    @property
    def minimal_id(self) -> int:
        return minimal_id_of(self.source)

    @property
    def user(self) -> User | None:
        """None for what has no mailbox here."""
        return self.source if isinstance(self.source, User) else None

    @property
    def group(self) -> Group | None:
        return self.source if isinstance(self.source, Group) else None

    @property
    def display_type(self) -> AddressBookObjectType:
        """PidTagDisplayType, and the type in entry ids (MS-OXNSPI 2.2.1.3)."""
        return presentation.display_type(self.source)

    @property
    def display_name(self) -> str:
        return presentation.display_name(self.source)

    @property
    def permanent_entry_id(self) -> bytes:
        return PermanentEntryId(self.source.legacy_dn, self.display_type).to_bytes()

    def linked(self, link: Link) -> "list[Entry]":
        """Those that this one is linked to and that lists show, by display name."""
        return [found for found in self.book.at(self.book.links[link].of(self.slot)) if not found.source.hidden]


def minimal_id_of(source: Source) -> int:
    """Raises ValueError for an id that has no room among those of its kind."""
    if isinstance(source, User):
        number, first, end = source.user_id, FIRST_MINIMAL_ID, FIRST_GROUP_ID
    elif isinstance(source, Group):
        number, first, end = source.group_id, FIRST_GROUP_ID, FIRST_CONTACT_ID
    else:
        number, first, end = source.contact_id, FIRST_CONTACT_ID, LAST_MINIMAL_ID + 1
    if not first < first + number < end:
        raise ValueError(f"id {number} is out of range")
    return first + number


def _is_usable(source: Source) -> bool:
    try:
        minimal_id_of(source)
        if "\0" in "".join((source.display_name, source.legacy_dn, *presentation.addresses(source))):
            raise ValueError("NUL in a name")
        source.legacy_dn.encode("ascii")
    except ValueError as error:  # one bad entry never spoils the list
        logger.warning("address book leaves out %s: %s", source.key, error)
        return False
    return True


def _prefix_length(text: str) -> int:
    found = _PREFIXES.match(text)
    return found.end() if found else 0


def _words(source: Source) -> Iterator[str]:
    yield from _WORD.findall(source.display_name)
    if source.details:
        attributes = source.details.all()
        for name in _WORDS_OF:
            value = attributes.get(name)
            if isinstance(value, str):
                yield from _WORD.findall(value)


class AddressBook:
    """What the users of a domain see: every object by its ids, and the lists.

    What is in domains that they do not see does not exist in it, by whatever id, address or name it is asked for:
    minimal ids can be guessed, and domains may belong to strangers. A hidden entry is in no list and has no name that
    is searched for, but whoever knows its DN or an address of it, as its own user does, finds it.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self.sources: Sequence[Source] = list(
            gently_sorted(
                filter(_is_usable, sources),
                lambda source: (collation_key(presentation.display_name(source)), minimal_id_of(source)),
            )
        )
        """Everybody by display name; a place here is called a slot."""
        slots = range(len(self.sources))
        self._hidden = {slot for slot in slots if self.sources[slot].hidden}
        self._tables: dict[tuple[int, bool, int], Table] = {}
        self._minimal_ids = Order(slots, self._minimal_id)
        self._dns = Order(slots, self._dn)
        self._x500 = {dn.lower(): slot for slot, source in enumerate(self.sources) for dn in source.x500}
        self._mailboxes = Order((slot for slot in slots if isinstance(self.sources[slot], User)), self._mailbox)
        self._addresses = Order(
            (
                slot * _MOST_ADDRESSES + number
                for slot, source in enumerate(self.sources)
                for number in range(min(len(presentation.addresses(source)), _MOST_ADDRESSES))
            ),
            self._address,
        )
        """Numbers made of a slot and of the place of an address among those of the entry."""
        self._index_words()
        self.links = self._linked()

    def _index_words(self) -> None:
        slots_of: dict[str, array[int]] = {}
        for slot, source in enumerate(self.sources):
            if slot not in self._hidden:
                for word in {folded(word) for word in _words(source)}:
                    slots_of.setdefault(word, array("Q")).append(slot)
        self._words = list(gently_sorted(slots_of))
        self._starts = array("Q", (0, *accumulate(len(slots_of[word]) for word in self._words)))
        self._postings = array("Q")
        """Slots of the entries with each word, in the order of the words; those of word n begin at start n."""
        for word in self._words:
            self._postings.extend(slots_of.pop(word))

    def _linked(self) -> dict[Link, Links]:
        by_key = {source.key: slot for slot, source in enumerate(self.sources)}
        by_dn = {source.legacy_dn: slot for slot, source in enumerate(self.sources)}
        groups = [(slot, source) for slot, source in enumerate(self.sources) if isinstance(source, Group)]
        members = [(slot, by_key[key]) for slot, group in groups for key in group.members if key in by_key]
        owners = [(slot, by_dn[dn]) for slot, group in groups for dn in group.managers if dn in by_dn]
        managers = [
            (slot, by_dn[source.manager])
            for slot, source in enumerate(self.sources)
            if not isinstance(source, Group) and source.manager in by_dn
        ]
        found = {Link.MEMBERS: members, Link.OWNERS: owners, Link.MANAGER: managers}
        opposite = {Link.MEMBERS: Link.GROUPS, Link.OWNERS: Link.OWNED, Link.MANAGER: Link.REPORTS}
        return {
            **{link: Links(pairs) for link, pairs in found.items()},
            **{opposite[link]: Links((to, of) for of, to in pairs) for link, pairs in found.items()},
        }

    def __len__(self) -> int:
        return len(self.sources)

    def _minimal_id(self, slot: int) -> int:
        return minimal_id_of(self.sources[slot])

    def _name(self, slot: int) -> str:
        return presentation.display_name(self.sources[slot])

    def _phonetic_name(self, slot: int) -> str:
        return self.sources[slot].details.get("phonetic_display_name") or self._name(slot)

    def _dn(self, slot: int) -> str:
        return self.sources[slot].legacy_dn.lower()

    def _mailbox(self, slot: int) -> int:
        source = self.sources[slot]
        return source.mailbox_guid.int if isinstance(source, User) else 0

    def _address(self, number: int) -> str:
        slot, place = divmod(number, _MOST_ADDRESSES)
        return presentation.addresses(self.sources[slot])[place]

    def at(self, slots: Iterable[int]) -> list[Entry]:
        return [Entry(self, slot) for slot in slots]

    def _at(self, slot: int | None) -> Entry | None:
        return None if slot is None else Entry(self, slot)

    def is_in(self, container_id: int, slot: int) -> bool:
        """Whether an entry is in a container."""
        return slot not in self._hidden and CONTAINERS[container_id].holds(self.sources[slot])

    def table(self, container_id: int, *, phonetic: bool = False, sort_locale: int = 0) -> Table:
        """The rows of a container, whose id is one of `CONTAINERS`, by display name or by phonetic name."""
        key = (container_id, phonetic, language(sort_locale))
        table = self._tables.get(key)
        if table is None:
            shown = (slot for slot in range(len(self.sources)) if self.is_in(container_id, slot))
            name = self._phonetic_name if phonetic else self._name
            table = Table(shown, name, self._minimal_id, key[2], are_sorted=not phonetic and not key[2])
            self._tables[key] = table
        return table

    def by_minimal_id(self, minimal_id: int) -> Entry | None:
        return self._at(self._minimal_ids.find(minimal_id))

    def by_dn(self, dn: str) -> Entry | None:
        """By the DN, or by a further one (X500 proxy address)."""
        if len(dn) > LONGEST_NAME:
            return None
        slot = self._dns.find(dn.lower())
        return self._at(slot if slot is not None else self._x500.get(dn.lower()))

    def by_mailbox(self, mailbox_id: str) -> Entry | None:
        """Whose mailbox ``guid@domain`` is, the form of MailboxId in URLs and server names."""
        try:
            return self._at(self._mailboxes.find(UUID(mailbox_id.partition("@")[0]).int))
        except ValueError:
            return None

    def _by_address(self, address: str) -> Entry | None:
        number = self._addresses.find(address)
        return None if number is None else Entry(self, number // _MOST_ADDRESSES)

    def exact(self, text: str) -> Entry | None:
        """Who is meant by an address, alias or DN, with or without its type (``SMTP:``, ``X500:``, ``=SMTP:``)."""
        text = text.strip() if len(text) <= LONGEST_NAME else ""
        bracketed = _BRACKETED.search(text)
        text = bracketed[1] if bracketed else text
        text = text[_prefix_length(text) :].strip()
        return self.by_dn(text) if text.startswith("/") else self._by_address(lookup_key(text) or "")

    def matches(self, text: str, *, asking: Entry | None = None) -> list[int]:
        """The slots of every entry that ``text`` may mean (MS-OXNSPI 3.1.4.7), ascending."""
        exact = self._certain(text, asking)
        if exact is not None:
            return [exact.slot]
        return self._named(text[1:].strip()) if text.startswith("=") else self._by_words(text)

    def resolve(self, text: str, *, asking: Entry | None = None) -> list[int]:
        """Ambiguous name resolution (MS-OXNSPI 3.1.4.7): the slot of who is meant, none, or those of all that may be.

        An address, alias or DN comes first, then the bare account, then the whole display name, and only then, unless
        ``text`` begins with ``=``, what begins with its words. Who asks is found by the own name even if hidden.
        """
        exact = self._certain(text, asking)
        if exact is not None:
            return [exact.slot]
        if text.startswith("="):
            return self._named(text[1:].strip())
        return self._named(text.strip()) or self._by_words(text)

    def _certain(self, text: str, asking: Entry | None) -> Entry | None:
        exact = self.exact(text)
        if exact is None and asking is not None and asking.source.hidden and len(text) <= LONGEST_NAME:
            return asking if _is_called(asking.source, text.removeprefix("=").strip()) else None
        return exact

    def _by_words(self, text: str) -> list[int]:
        """Of the entries in each of which every word of ``text`` begins a word of the name or an address."""
        wanted = {folded(word) for word in _WORD.findall(text)}
        if not wanted or len(text) > LONGEST_NAME:
            return []
        shortest, *others = sorted((self._beginning(word) for word in wanted), key=len)
        for other in others:
            shortest.intersection_update(other)
        return sorted(shortest)

    def _beginning(self, prefix: str) -> set[int]:
        """Slots of the entries with a word or an address that begins so."""
        first = bisect_left(self._words, prefix)
        after = bisect_left(self._words, prefix + chr(sys.maxunicode), first)
        return self._with_address(prefix).union(self._postings[self._starts[first] : self._starts[after]])

    def _with_address(self, prefix: str) -> set[int]:
        found = self._addresses.between(prefix, prefix + chr(sys.maxunicode))
        return {number // _MOST_ADDRESSES for number in found} - self._hidden

    def _named(self, name: str) -> list[int]:
        """Of those with this account (of an alias, too), or else with this display name, whole."""
        if not name or len(name) > LONGEST_NAME:
            return []
        return sorted(self._with_address(name.lower() + "@")) or self.table(GAL).named(name)


def _is_called(source: Source, name: str) -> bool:
    wanted = folded(name)
    return wanted in (folded(presentation.display_name(source)), presentation.account(source).lower())
