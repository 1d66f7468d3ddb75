"""What the directory hands out: one value a user, one a group."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class User:
    """A user and the mailbox that belongs to it. Addresses are lower case, the domain is in its ASCII form."""

    user_id: int
    mailbox_id: int
    mailbox_guid: UUID
    address: str  # primary SMTP address
    display_name: str
    legacy_dn: str
    domain: str  # of the primary address
    aliases: tuple[str, ...]  # sorted
    enabled: bool
    admin: bool


@dataclass(frozen=True, slots=True)
class Account:
    """A user with what a password is checked against; it never leaves the directory."""

    user: User
    password_hash: str


@dataclass(frozen=True, slots=True)
class Group:
    """A distribution group; whoever is in a member group is in this one."""

    group_id: int
    address: str
    display_name: str
    legacy_dn: str
    domain: str
    members: tuple[str, ...]  # primary addresses of users and groups, sorted
