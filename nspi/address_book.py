"""The address book as a list: who is in it, in which order, under which ids.

An `AddressBook` is one moment of the directory. Minimal Entry IDs are made of the user id, so that they are the same in
every session, and outlive a restart of the server, as the constant server GUID of Bind promises (MS-OXNSPI 3.1.4.6).
The container of a domain, its global address list, holds the domain's users; users of other domains on this server
are found by their exact address or DN, because mail is exchanged with them, but never listed.
"""

import asyncio
import logging
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

from mapigw.directory.addresses import lookup_key
from mapigw.directory.model import User
from nspi.collation import collation_key, folded
from nspi.entryids import PermanentEntryId

logger = logging.getLogger(__name__)

GAL: Final = 0
"""The container id of the Global Address List (MS-OXOABK 2.2.2.3)."""
FIRST_MINIMAL_ID: Final = 0x1000
LAST_MINIMAL_ID: Final = 0x7FFFFFFF

_PREFIXES = re.compile(r"=?(?:(?:smtp|sip|ex|x500|mailto):)?", re.IGNORECASE)
_BRACKETED = re.compile(r"<([^<>]+)>\s*$")
_WORD = re.compile(r"[^\s,;()\"'<>]+")


class Users(Protocol):
    """What the address book needs of `mapigw.directory.directory.Directory`."""

    async def users(self, domain: str | None = None) -> tuple[User, ...]: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of the address book."""

    user: User
    minimal_id: int
    sort_key: tuple[str, str, str]

    @property
    def permanent_entry_id(self) -> bytes:
        return PermanentEntryId(self.user.legacy_dn).to_bytes()

    @property
    def account(self) -> str:
        """The bare account: the primary address without its domain."""
        return self.user.address.partition("@")[0]

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.user.address, *self.user.aliases)


def _entry(user: User) -> Entry | None:
    minimal_id = FIRST_MINIMAL_ID + user.user_id
    try:
        if "\0" in "".join((user.display_name, user.legacy_dn, *user.aliases)):
            raise ValueError("NUL in a name")
        PermanentEntryId(user.legacy_dn).to_bytes()
        if not FIRST_MINIMAL_ID < minimal_id <= LAST_MINIMAL_ID:
            raise ValueError(f"user id {user.user_id} is out of range")
        return Entry(user, minimal_id, collation_key(user.display_name or user.address))
    except ValueError as error:  # one bad entry never spoils the list
        logger.warning("address book leaves out %s: %s", user.address, error)
        return None


class Container:
    """The sorted table of one address list."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(sorted(entries, key=lambda entry: (entry.sort_key, entry.user.user_id)))
        self._positions = {entry.minimal_id: position for position, entry in enumerate(self.entries)}

    def __len__(self) -> int:
        return len(self.entries)

    def position(self, minimal_id: int) -> int | None:
        return self._positions.get(minimal_id)

    def seek(self, name: str) -> int:
        """The position of the first entry whose display name is equal to or after ``name``; the length: none is."""
        return bisect_left(self.entries, collation_key(name), key=lambda entry: entry.sort_key)

    @cached_property
    def _words(self) -> list[tuple[str, int]]:
        return sorted((word, position) for position, entry in enumerate(self.entries) for word in set(_words(entry)))

    def by_words(self, text: str) -> list[Entry]:
        """Entries in each of which every word of ``text`` begins a word of the name or an address, in table order."""
        wanted = {folded(word) for word in _WORD.findall(text)}
        if not wanted:
            return []
        positions = set.intersection(*(self._beginning(word) for word in wanted))
        return [self.entries[position] for position in sorted(positions)]

    def _beginning(self, prefix: str) -> set[int]:
        words = self._words
        positions = set()
        for index in range(bisect_left(words, (prefix, -1)), len(words)):
            word, position = words[index]
            if not word.startswith(prefix):
                break
            positions.add(position)
        return positions

    @cached_property
    def _accounts(self) -> dict[str, list[Entry]]:
        accounts: dict[str, list[Entry]] = {}
        for entry in self.entries:
            for account in {address.partition("@")[0].lower() for address in entry.addresses}:
                accounts.setdefault(account, []).append(entry)
        return accounts

    @cached_property
    def _names(self) -> dict[str, list[Entry]]:
        names: dict[str, list[Entry]] = {}
        for entry in self.entries:
            names.setdefault(folded(entry.user.display_name), []).append(entry)
        return names

    def named(self, name: str) -> list[Entry]:
        """Those with this account (of an alias, too), or else with this display name, whole, in table order."""
        if not name:
            return []
        return self._accounts.get(name.lower()) or self._names.get(folded(name), [])


def _prefix_length(text: str) -> int:
    found = _PREFIXES.match(text)
    return found.end() if found else 0


def _words(entry: Entry) -> Iterator[str]:
    for word in _WORD.findall(entry.user.display_name):
        yield folded(word)
    for address in entry.addresses:
        yield folded(address)


class AddressBook:
    """What the users of one domain see: every object by its ids, and the global address list.

    Users of other domains do not exist in it, by whatever id, address or name they are asked for: minimal ids can be
    guessed, and domains may belong to strangers.
    """

    def __init__(self, users: Iterable[User]) -> None:
        entries = [entry for user in users if (entry := _entry(user)) is not None]
        self._by_minimal_id = {entry.minimal_id: entry for entry in entries}
        self._by_dn = {entry.user.legacy_dn.lower(): entry for entry in entries}
        self._by_address = {address.lower(): entry for entry in entries for address in entry.addresses}
        self._by_guid = {str(entry.user.mailbox_guid): entry for entry in entries}
        self.container = Container(entries)
        """The global address list."""

    def by_minimal_id(self, minimal_id: int) -> Entry | None:
        return self._by_minimal_id.get(minimal_id)

    def by_dn(self, dn: str) -> Entry | None:
        return self._by_dn.get(dn.lower())

    def by_mailbox(self, mailbox_id: str) -> Entry | None:
        """Whose mailbox ``guid@domain`` is, the form of MailboxId in URLs and server names."""
        return self._by_guid.get(mailbox_id.partition("@")[0].lower())

    def exact(self, text: str) -> Entry | None:
        """Who is meant by an address, alias or DN, with or without its type (``SMTP:``, ``X500:``, ``=SMTP:``)."""
        text = text.strip()
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
    """The current `AddressBook` of each domain: made anew, off the event loop, when the directory has other users."""

    def __init__(self, directory: Users) -> None:
        self._directory = directory
        self._users: tuple[User, ...] = ()
        self._books: dict[str, AddressBook] = {}
        self._building = asyncio.Lock()

    async def current(self, domain: str) -> AddressBook:
        """The address book that the users of ``domain`` see."""
        if await self._directory.users() is not self._users:
            async with self._building:
                users = await self._directory.users()  # again: while this request waited, another made the books
                if users is not self._users:
                    if users != self._users:
                        self._books = await asyncio.to_thread(_books, users)
                    self._users = users
        return self._books.get(domain) or AddressBook(())


def _books(users: Iterable[User]) -> dict[str, AddressBook]:
    domains: dict[str, list[User]] = {}
    for user in users:
        domains.setdefault(user.domain, []).append(user)
    return {domain: AddressBook(members) for domain, members in domains.items()}
