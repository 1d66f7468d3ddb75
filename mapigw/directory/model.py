"""What the directory hands out: one value a mailbox, one a group, one an external contact."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from mapigw.directory.details import NO_DETAILS, Details


class MailboxKind(StrEnum):
    """What a mailbox is there for. Nobody logs in as one that is not a user's."""

    USER = "user"
    SHARED = "shared"
    ROOM = "room"
    EQUIPMENT = "equipment"


@dataclass(frozen=True, slots=True)
class User:
    """A mailbox and whom or what it belongs to. Addresses are lower case, the domain is in its ASCII form."""

    user_id: int
    mailbox_id: int
    mailbox_guid: UUID
    address: str  # primary SMTP address; "" for a shared mailbox that has none
    display_name: str
    legacy_dn: str
    domain: str  # whose address list it is in; that of the primary address where there is one
    aliases: tuple[str, ...]  # sorted
    enabled: bool
    admin: bool
    kind: MailboxKind = MailboxKind.USER
    hidden: bool = False
    """Not in address lists; whoever knows an address of it finds it all the same."""
    x500: tuple[str, ...] = ()
    """Further DNs, as in old mail and profiles; sorted, in lower case."""
    manager: str = ""
    """Legacy DN of another entry."""
    details: Details = NO_DETAILS
    name: str = ""
    """Names a mailbox that has no address; else empty."""
    password_mark: int = field(default=0, compare=False, repr=False)
    """Another one after each change of the password; 0: there is none."""

    @property
    def key(self) -> str:
        """The primary address, or the name of what has none: by which groups and commands name it."""
        return self.address or self.name


@dataclass(frozen=True, slots=True)
class Account:
    """A user with what a password is checked against; it never leaves the directory."""

    user: User
    password_hash: str  # "" where nobody logs in, or somebody else checks
    source_dn: str = ""
    """The DN of the entry that the user is synchronized from."""


@dataclass(frozen=True, slots=True)
class Group:
    """A distribution group; whoever is in a member group is in this one."""

    group_id: int
    address: str
    display_name: str
    legacy_dn: str
    domain: str
    members: tuple[str, ...]  # primary addresses (`key`) of users, groups and contacts, sorted
    hidden: bool = False
    aliases: tuple[str, ...] = ()
    x500: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    """Legacy DNs of the users and groups who may change the membership, sorted."""
    details: Details = NO_DETAILS

    @property
    def key(self) -> str:
        return self.address


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody elsewhere who stands in the address list of a domain, under an address that is in that list once."""

    contact_id: int
    address: str  # where mail goes
    display_name: str
    legacy_dn: str
    domain: str  # of the address list that it is in, not of its address
    hidden: bool = False
    aliases: tuple[str, ...] = ()
    x500: tuple[str, ...] = ()
    manager: str = ""
    details: Details = NO_DETAILS

    @property
    def key(self) -> str:
        return self.address


Entry = User | Group | Contact
"""Anything that an address list has."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Everything of one moment, each kind by display name: the same object until something changes."""

    users: tuple[User, ...]
    groups: tuple[Group, ...]
    contacts: tuple[Contact, ...]
