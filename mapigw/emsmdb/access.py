"""Who logs on to whose mailbox, and with which right (MS-OXCSTOR 3.2.5.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mapigw.mailbox.permissions import Accessor, Right

if TYPE_CHECKING:
    from mapigw.directory.directory import Directory
    from mapigw.directory.model import User


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """A logon to a mailbox that is not the user's own."""

    user: str
    """The address of who asked."""
    mailbox: str
    """The address of the mailbox, or its name; the DN that was asked for where nobody has it."""
    right: str
    """By which it was allowed: "administrator", "read", "write", "manage", or "folder permissions"; else "none"."""
    allowed: bool


async def accessor_of(directory: Directory, user: User, owner: User, *, administrative: bool) -> Accessor:
    """What a user is to a mailbox by now, from memory. ``administrative``: an administrator asks for access as one."""
    names = await directory.names_of(user)
    if user.user_id == owner.user_id or administrative:
        return Accessor(names, is_owner=True)
    right = await directory.mailbox_rights(user, owner)
    return Accessor(names, is_owner=right >= Right.WRITE, right=right)


def is_less(now: Accessor, before: Accessor) -> bool:
    """Whether something was lost: a right on the mailbox, or a group to which folders may give something."""
    return now.right < before.right or not before.names <= now.names


def is_administrative(accessor: Accessor) -> bool:
    """Of somebody who is not the mailbox's owner: whether everything is allowed to an administrator."""
    return accessor.is_owner and not accessor.right


def right_name(accessor: Accessor) -> str:
    """As `AccessRecord.right`, of a logon that is allowed to somebody who is not the mailbox's owner."""
    if is_administrative(accessor):
        return "administrator"
    return accessor.right.name.lower() if accessor.right else "folder permissions"
