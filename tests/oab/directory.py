"""People and groups for address lists."""

from collections.abc import Collection, Mapping, Sequence
from uuid import NAMESPACE_DNS, uuid5

from mapigw.directory.model import Contact, Entries, Group, User


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
        self.all_contacts: tuple[Contact, ...] = ()
        self.shared: dict[str, Sequence[str]] = {}
        self.certificates: dict[str, list[bytes]] = {}
        self.photos: set[str] = set()

    async def entries(self) -> Entries:
        return Entries(self.all_users, self.all_groups, self.all_contacts)

    def visible_domains(self, domain: str) -> Sequence[str]:
        return self.shared.get(domain, (domain,))

    async def certificates_of(self, dns: Collection[str]) -> Mapping[str, list[bytes]]:
        return {dn: self.certificates[dn] for dn in dns if dn in self.certificates}

    async def with_photo(self, dns: Collection[str]) -> set[str]:
        return self.photos.intersection(dns)
