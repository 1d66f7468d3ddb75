"""Who gets mail that is sent to an address: mailboxes here, and addresses elsewhere."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from mapigw.directory.addresses import lookup_key
from mapigw.directory.directory import Directory
from mapigw.directory.errors import UnknownContact
from mapigw.directory.model import Contact, Entries, Entry, Group, User

SEPARATOR: Final = "+"
"""Between a local part and what a user has added to it (RFC 5233)."""


@dataclass(slots=True)
class Destinations:
    """Whom something reaches, each once."""

    users: dict[int, User] = field(default_factory=dict)
    """By mailbox id."""
    contacts: dict[str, Contact] = field(default_factory=dict)
    """By the address elsewhere."""
    disabled: list[User] = field(default_factory=list)

    def add(self, entry: User | Contact) -> None:
        if isinstance(entry, Contact):
            self.contacts.setdefault(entry.address, entry)
        elif entry.enabled:
            self.users.setdefault(entry.mailbox_id, entry)
        elif entry not in self.disabled:
            self.disabled.append(entry)


class Addresses:
    """Looks addresses up. ``catch_all`` has, by domain, the address that gets what nobody else gets there."""

    def __init__(self, directory: Directory, catch_all: Mapping[str, str] = MappingProxyType({})) -> None:
        self._directory = directory
        self._entries: Entries | None = None
        self._domains: frozenset[str] = frozenset()
        self._catch_all = {domain.lower(): address for domain, address in catch_all.items()}

    async def find(self, address: str) -> Entry | None:
        """Whose address it is: its own, one with something added after `SEPARATOR`, or a domain's catch-all."""
        key = lookup_key(address)
        if key is None:
            return None
        found = await self.named(key)
        local_part, _, domain = key.rpartition("@")
        if found is None and SEPARATOR in local_part[1:]:
            found = await self.named(f"{local_part[0]}{local_part[1:].partition(SEPARATOR)[0]}@{domain}")
        if found is None and domain in self._catch_all:
            found = await self.named(self._catch_all[domain])
        return found

    async def named(self, address: str) -> Entry | None:
        """Whose address it is, to the letter. A contact that is in several address lists is the same in all of them."""
        directory = self._directory
        found: Entry | None = await directory.by_address(address) or await directory.group(address)
        if found is None:
            with suppress(UnknownContact):
                found = await directory.contact(address)
        return found

    async def is_local(self, address: str) -> bool:
        """Whether mail for the address would come here: whether there is a mailbox or a group in its domain."""
        key = lookup_key(address)
        entries = await self._directory.entries()
        if entries is not self._entries:
            self._domains = await asyncio.to_thread(_domains, entries)
            self._entries = entries
        return key is not None and key.rpartition("@")[2] in self._domains

    async def destinations(self, entry: Entry) -> Destinations:
        """Whom mail for ``entry`` reaches: the members of a group, and of the groups in it."""
        found = Destinations()
        seen: set[str] = set()
        waiting = [entry]
        while waiting:
            current = waiting.pop(0)
            if current.legacy_dn in seen:
                continue
            seen.add(current.legacy_dn)
            if isinstance(current, Group):
                waiting += await self._directory.members_of(current)
            else:
                found.add(current)
        return found


def _domains(entries: Entries) -> frozenset[str]:
    owners: list[User | Group] = [*entries.users, *entries.groups]
    addresses = [address for entry in owners for address in (entry.address, *entry.aliases)]
    return frozenset(address.rpartition("@")[2] for address in addresses if address)
