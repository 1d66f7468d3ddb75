"""The address book as a list: who is in it, in which order, under which ids.

An `AddressBook` is one moment of the directory. Minimal Entry IDs are made of the ids of users and groups, so that they
are the same in every session, and outlive a restart of the server, as the constant server GUID of Bind promises
(MS-OXNSPI 3.1.4.6). The container of a domain, its global address list, holds the domain's users and groups.
"""

import asyncio
import logging
import re
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, islice, takewhile
from typing import Final, Protocol
from uuid import UUID

from mapigw.directory.addresses import lookup_key
from mapigw.directory.model import Group, User
from mapigw.wire.entryids import AddressBookObjectType
from nspi.collation import collation_key, folded
from nspi.entryids import PermanentEntryId

logger = logging.getLogger(__name__)

GAL: Final = 0
"""The container id of the Global Address List (MS-OXOABK 2.2.2.3)."""
FIRST_MINIMAL_ID: Final = 0x1000
"""To which a user's id is added."""
FIRST_GROUP_ID: Final = 0x40000000
"""To which a group's id is added."""
LAST_MINIMAL_ID: Final = 0x7FFFFFFF

LONGEST_NAME: Final = 1024
"""Nobody has a name, address or DN with more characters."""

_PREFIXES = re.compile(r"=?(?:(?:smtp|sip|ex|x500|mailto):)?", re.IGNORECASE)
_BRACKETED = re.compile(r"<([^<>]+)>\s*$")
_WORD = re.compile(r"[^\s,;()\"'<>]+")


class Objects(Protocol):
    """What the address book needs of `mapigw.directory.directory.Directory`."""

    async def users(self, domain: str | None = None) -> tuple[User, ...]: ...

    async def groups(self) -> tuple[Group, ...]: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of the address book."""

    source: User | Group
    minimal_id: int
    sort_key: tuple[str, str, str]
    groups: tuple[str, ...] = ()
    """Addresses of the groups that it is a member of itself."""

    @property
    def user(self) -> User | None:
        """None for a group."""
        return self.source if isinstance(self.source, User) else None

    @property
    def display_type(self) -> AddressBookObjectType:
        """PidTagDisplayType, and the type in entry ids (MS-OXNSPI 2.2.1.3)."""
        is_group = isinstance(self.source, Group)
        return AddressBookObjectType.DistributionList if is_group else AddressBookObjectType.LocalMailUser

    @property
    def permanent_entry_id(self) -> bytes:
        return PermanentEntryId(self.source.legacy_dn, self.display_type).to_bytes()

    @property
    def account(self) -> str:
        """The bare account: the primary address without its domain."""
        return self.source.address.partition("@")[0]

    @property
    def aliases(self) -> tuple[str, ...]:
        return self.source.aliases if isinstance(self.source, User) else ()

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.source.address, *self.aliases)

    @property
    def members(self) -> tuple[str, ...]:
        """Addresses of a group's members."""
        return self.source.members if isinstance(self.source, Group) else ()


def _entry(source: User | Group, groups: tuple[str, ...]) -> Entry | None:
    if isinstance(source, Group):
        number, first, end = source.group_id, FIRST_GROUP_ID, LAST_MINIMAL_ID + 1
    else:
        number, first, end = source.user_id, FIRST_MINIMAL_ID, FIRST_GROUP_ID
    try:
        if not first < first + number < end:
            raise ValueError(f"id {number} is out of range")
        entry = Entry(source, first + number, collation_key(source.display_name or source.address), groups)
        if "\0" in "".join((source.display_name, source.legacy_dn, *entry.addresses)):
            raise ValueError("NUL in a name")
        source.legacy_dn.encode("ascii")
        return entry
    except ValueError as error:  # one bad entry never spoils the list
        logger.warning("address book leaves out %s: %s", source.address, error)
        return None


class Container:
    """The sorted table of one address list, and the words by which its entries are found."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(sorted(entries, key=lambda entry: (entry.sort_key, entry.minimal_id)))
        self._positions = {entry.minimal_id: position for position, entry in enumerate(self.entries)}
        positions_of: dict[str, array[int]] = {}
        for position, entry in enumerate(self.entries):
            for word in set(_words(entry)):
                positions_of.setdefault(word, array("I")).append(position)
        self._words = sorted(positions_of)
        self._starts = array("I", (0, *accumulate(len(positions_of[word]) for word in self._words)))
        self._postings = array("I")
        """Positions of the entries with each word, in the order of the words; those of word n begin at start n."""
        for word in self._words:
            self._postings.extend(positions_of.pop(word))

    def __len__(self) -> int:
        return len(self.entries)

    def position(self, minimal_id: int) -> int | None:
        return self._positions.get(minimal_id)

    def seek(self, name: str) -> int:
        """The position of the first entry whose display name is equal to or after ``name``; the length: none is."""
        return bisect_left(self.entries, collation_key(name), key=lambda entry: entry.sort_key)

    def by_words(self, text: str) -> list[Entry]:
        """Entries in each of which every word of ``text`` begins a word of the name or an address, in table order."""
        wanted = {folded(word) for word in _WORD.findall(text)}
        if not wanted or len(text) > LONGEST_NAME:
            return []
        shortest, *others = sorted((self._beginning(word) for word in wanted), key=len)
        positions = set(shortest)
        for other in others:
            positions.intersection_update(other)
        return [self.entries[position] for position in sorted(positions)]

    def _beginning(self, prefix: str) -> "array[int]":
        """Positions of the entries with a word that begins so, some more than once."""
        first = bisect_left(self._words, prefix)
        after = bisect_left(self._words, prefix + chr(sys.maxunicode), first)
        return self._postings[self._starts[first] : self._starts[after]]

    def named(self, name: str) -> list[Entry]:
        """Those with this account (of an alias, too), or else with this display name, whole, in table order."""
        if not name or len(name) > LONGEST_NAME:
            return []
        account = name.lower() + "@"
        found = [self.entries[position] for position in sorted(set(self._beginning(account)))]
        accounts = [entry for entry in found if any(address.startswith(account) for address in entry.addresses)]
        return accounts or self._with_name(folded(name))

    def _with_name(self, name: str) -> list[Entry]:
        first = bisect_left(self.entries, name, key=lambda entry: entry.sort_key[0])
        return list(takewhile(lambda entry: entry.sort_key[0] == name, islice(self.entries, first, None)))


def _prefix_length(text: str) -> int:
    found = _PREFIXES.match(text)
    return found.end() if found else 0


def _words(entry: Entry) -> Iterator[str]:
    for word in _WORD.findall(entry.source.display_name):
        yield folded(word)
    yield from entry.addresses  # lower case and ASCII as they are: the same strings, not others


class AddressBook:
    """What the users of one domain see: every object by its ids, and the global address list.

    What is in other domains does not exist in it, by whatever id, address or name it is asked for: minimal ids can be
    guessed, and domains may belong to strangers.
    """

    def __init__(self, sources: Iterable[User | Group]) -> None:
        sources = tuple(sources)
        containing: dict[str, list[str]] = {}
        for group in sources:
            if isinstance(group, Group):
                for member in group.members:
                    containing.setdefault(member, []).append(group.address)
        found = (_entry(source, tuple(containing.get(source.address, ()))) for source in sources)
        entries = [entry for entry in found if entry is not None]
        self._by_address = {address: entry for entry in entries for address in entry.addresses}
        self._by_guid = {entry.source.mailbox_guid: entry for entry in entries if isinstance(entry.source, User)}
        self.container = Container(entries)
        """The global address list."""
        self._in_dn_order = array("I", sorted(range(len(entries)), key=self._dn))

    def _dn(self, position: int) -> str:
        return self.container.entries[position].source.legacy_dn.lower()

    def by_minimal_id(self, minimal_id: int) -> Entry | None:
        position = self.container.position(minimal_id)
        return None if position is None else self.container.entries[position]

    def by_addresses(self, addresses: Iterable[str]) -> list[Entry]:
        """Those of the primary addresses that this book has, in table order."""
        known = [entry for address in addresses if (entry := self._by_address.get(address)) is not None]
        return sorted(known, key=lambda entry: self.container.position(entry.minimal_id) or 0)

    def by_dn(self, dn: str) -> Entry | None:
        dn = dn.lower()
        index = bisect_left(self._in_dn_order, dn, key=self._dn)
        if index == len(self._in_dn_order) or self._dn(self._in_dn_order[index]) != dn:
            return None
        return self.container.entries[self._in_dn_order[index]]

    def by_mailbox(self, mailbox_id: str) -> Entry | None:
        """Whose mailbox ``guid@domain`` is, the form of MailboxId in URLs and server names."""
        try:
            return self._by_guid.get(UUID(mailbox_id.partition("@")[0]))
        except ValueError:
            return None

    def exact(self, text: str) -> Entry | None:
        """Who is meant by an address, alias or DN, with or without its type (``SMTP:``, ``X500:``, ``=SMTP:``)."""
        text = text.strip() if len(text) <= LONGEST_NAME else ""
        bracketed = _BRACKETED.search(text)
        text = bracketed[1] if bracketed else text
        text = text[_prefix_length(text) :].strip()
        return self.by_dn(text) if text.startswith("/") else self._by_address.get(lookup_key(text) or "")

    def matches(self, text: str) -> list[Entry]:
        """Every entry that ``text`` may mean (MS-OXNSPI 3.1.4.7), in table order."""
        container = self.container
        exact = self.exact(text)
        if exact is not None:
            return [exact]
        return container.named(text[1:].strip()) if text.startswith("=") else container.by_words(text)

    def resolve(self, text: str) -> list[Entry]:
        """Ambiguous name resolution (MS-OXNSPI 3.1.4.7): the entry that is meant, none, or all that may be.

        An address, alias or DN comes first, then the bare account, then the whole display name, and
        only then, unless ``text`` begins with ``=``, what begins with its words.
        """
        exact = self.exact(text)
        if exact is not None:
            return [exact]
        container = self.container
        if text.startswith("="):
            return container.named(text[1:].strip())
        return container.named(text.strip()) or container.by_words(text)


class AddressBooks:
    """The current `AddressBook` of each domain: made anew, off the event loop, when the directory has changed."""

    def __init__(self, directory: Objects) -> None:
        self._directory = directory
        self._users: tuple[User, ...] = ()
        self._groups: tuple[Group, ...] = ()
        self._books: dict[str, AddressBook] = {}
        self._building = asyncio.Lock()

    async def current(self, domain: str) -> AddressBook:
        """The address book that the users of ``domain`` see."""
        if await self._changed():
            async with self._building:
                if await self._changed():  # again: while this request waited, another made the books
                    users, groups = await self._directory.users(), await self._directory.groups()
                    self._books = await asyncio.to_thread(self._made, users, groups)
                    self._users, self._groups = users, groups
        return self._books.get(domain) or AddressBook(())

    async def _changed(self) -> bool:
        return await self._directory.users() is not self._users or await self._directory.groups() is not self._groups

    def _made(self, users: tuple[User, ...], groups: tuple[Group, ...]) -> dict[str, AddressBook]:
        """The books of these; those that are there where only what they do not show has changed."""
        if users == self._users and groups == self._groups:
            return self._books
        return _books((*users, *groups))


def _books(sources: Iterable[User | Group]) -> dict[str, AddressBook]:
    domains: dict[str, list[User | Group]] = {}
    for source in sources:
        domains.setdefault(source.domain, []).append(source)
    return {domain: AddressBook(found) for domain, found in domains.items()}
