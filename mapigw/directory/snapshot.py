"""The directory as it was at one moment, by everything it is asked for."""

from collections.abc import Iterable
from dataclasses import dataclass

from mapigw.directory.model import Account, Group, User
from mapigw.store.directory import AliasRow, UserRow
from mapigw.store.groups import GroupRow, MemberRow


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Legacy DNs are keys in lower case."""

    users: tuple[User, ...]  # by display name
    groups: tuple[Group, ...]  # by display name
    by_address: dict[str, Account]
    by_legacy_dn: dict[str, Account]
    by_mailbox: dict[int, Account]
    group_by_address: dict[str, Group]
    group_by_legacy_dn: dict[str, Group]
    containing: dict[str, list[Group]]
    """By the primary address of a user or a group: the groups that it is a member of itself."""

    def names_of(self, user: User) -> frozenset[str]:
        """The legacy DNs, in lower case, of a user and of every group that the user is in, at any depth."""
        names = {user.legacy_dn.lower()}
        waiting = [user.address]
        while waiting:
            for group in self.containing.get(waiting.pop(), ()):
                name = group.legacy_dn.lower()
                if name not in names:
                    names.add(name)
                    waiting.append(group.address)
        return frozenset(names)


def snapshot_of(
    users: Iterable[UserRow], aliases: Iterable[AliasRow], groups: Iterable[GroupRow], members: Iterable[MemberRow]
) -> Snapshot:
    """Take the rows of one moment together."""
    aliases_of: dict[int, list[str]] = {}
    for alias in aliases:
        aliases_of.setdefault(alias.user_id, []).append(alias.address)
    accounts = [
        Account(
            User(
                user_id=row.user_id,
                mailbox_id=row.mailbox_id,
                mailbox_guid=row.mailbox_guid,
                address=row.address,
                display_name=row.display_name,
                legacy_dn=row.legacy_dn,
                domain=row.domain,
                aliases=tuple(aliases_of.get(row.user_id, ())),
                enabled=row.enabled,
                admin=row.admin,
            ),
            row.password_hash,
        )
        for row in users
    ]
    found = _groups(groups, members, [account.user for account in accounts])
    containing: dict[str, list[Group]] = {}
    for group in found:
        for address in group.members:
            containing.setdefault(address, []).append(group)
    return Snapshot(
        users=tuple(sorted((account.user for account in accounts), key=_by_name)),
        groups=tuple(sorted(found, key=_by_name)),
        by_address={
            address: account for account in accounts for address in (account.user.address, *account.user.aliases)
        },
        by_legacy_dn={account.user.legacy_dn.lower(): account for account in accounts},
        by_mailbox={account.user.mailbox_id: account for account in accounts},
        group_by_address={group.address: group for group in found},
        group_by_legacy_dn={group.legacy_dn.lower(): group for group in found},
        containing=containing,
    )


def _groups(groups: Iterable[GroupRow], members: Iterable[MemberRow], users: Iterable[User]) -> list[Group]:
    rows = list(groups)
    user_addresses = {user.user_id: user.address for user in users}
    group_addresses = {row.group_id: row.address for row in rows}
    members_of: dict[int, list[str]] = {}
    for member in members:
        address = (
            group_addresses[member.member_group_id]
            if member.member_group_id is not None
            else user_addresses[member.user_id or 0]
        )
        members_of.setdefault(member.group_id, []).append(address)
    return [
        Group(
            row.group_id,
            row.address,
            row.display_name,
            row.legacy_dn,
            row.domain,
            tuple(sorted(members_of.get(row.group_id, ()))),
        )
        for row in rows
    ]


def _by_name(entry: User | Group) -> tuple[str, str]:
    return entry.display_name.casefold(), entry.address
