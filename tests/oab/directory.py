"""People and groups for address lists."""

from collections.abc import Sequence
from uuid import NAMESPACE_DNS, uuid5

from mapigw.directory.model import Group, User


def user(number: int, name: str = "", *, aliases: Sequence[str] = (), domain: str = "bm.lan") -> User:
    address = f"user{number}@{domain}"
    guid = uuid5(NAMESPACE_DNS, address)
    dn = f"/o=mapigw/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn={guid.hex}-user{number}"
    return User(number, number, guid, address, name or f"Number {number:06}", dn, domain, tuple(aliases), True, False)


def group(number: int, name: str = "Staff", domain: str = "bm.lan") -> Group:
    return Group(number, f"group{number}@{domain}", name, f"/o=mapigw/cn=group{number}", domain, ())


class People:
    """A directory that tests change."""

    def __init__(self, users: Sequence[User] = (), groups: Sequence[Group] = ()) -> None:
        self.all_users = tuple(users)
        self.all_groups = tuple(groups)

    async def users(self, domain: str | None = None) -> tuple[User, ...]:
        if domain is None:
            return self.all_users
        return tuple(found for found in self.all_users if found.domain == domain)

    async def groups(self) -> tuple[Group, ...]:
        return self.all_groups
