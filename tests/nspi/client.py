"""A directory of a dozen users, and a client that speaks bodies to the endpoint."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

from mapigw.directory.editing import Change, Editor
from mapigw.directory.model import Contact, Entries, Group, User
from mapigw.endpoint import ClientContext, EndpointSession
from nspi.address_book import FIRST_MINIMAL_ID
from nspi.endpoint import NspiEndpoint
from nspi.stat import Stat
from nspi.wire import REQUESTS, RESPONSES

ORGANIZATION = "/o=Example/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients"
CONTEXT = ClientContext(address="192.0.2.1")


def user(user_id: int, address: str, display_name: str, *aliases: str, enabled: bool = True) -> User:
    account = address.partition("@")[0]
    return User(
        user_id=user_id,
        mailbox_id=user_id,
        mailbox_guid=UUID(int=0x94A5C596_90A8_4985_91FD_57629EE06500 + user_id),
        address=address,
        display_name=display_name,
        legacy_dn=f"{ORGANIZATION}/cn={user_id:032x}-{account}",
        domain=address.partition("@")[2],
        aliases=aliases,
        enabled=enabled,
        admin=False,
    )


def group(group_id: int, address: str, display_name: str, *members: str) -> Group:
    account, _, domain = address.partition("@")
    return Group(group_id, address, display_name, f"{ORGANIZATION}/cn={group_id:032x}-{account}", domain, members)


USERS = (
    user(1, "tom@bm.lan", "Tom Bauer", "thomas.bauer@bm.lan"),
    user(2, "anna@bm.lan", "Anna Müller", "am@bm.lan"),
    user(3, "zoe@bm.lan", "Zoë Ångström"),
    user(4, "otto@bm.lan", "Otto Ost"),
    user(5, "oskar@bm.lan", "Oskar Öst"),
    user(6, "tina@bm.lan", "Tina Turm"),
    user(7, "tom.turm@bm.lan", "Tom Turm"),
    user(8, "emil@bm.lan", "émile Zola"),
    user(9, "bob@bm.lan", "bob"),
    user(10, "bert@bm.lan", "Bert"),
    user(11, "gone@bm.lan", "Gone Away", enabled=False),
    user(12, "yuki@bm.lan", "雪 Yuki"),
    user(13, "eve@other.example", "Eve Other", "info@other.example"),
)
TOM, ANNA = USERS[0], USERS[1]
LISTED = (
    "Anna Müller",
    "Bert",
    "bob",
    "émile Zola",
    "Gone Away",
    "Oskar Öst",
    "Otto Ost",
    "Tina Turm",
    "Tom Bauer",
    "Tom Turm",
    "Zoë Ångström",
    "雪 Yuki",
)
"""Tom's global address list in its order; Eve is of another domain."""


def minimal_id(user_id: int) -> int:
    return FIRST_MINIMAL_ID + user_id


class FakeDirectory:
    """A directory in memory; what is shared with whom stands in ``shared``."""

    def __init__(self, users: tuple[User, ...] = USERS, groups: tuple[Group, ...] = ()) -> None:
        self.all = users
        self.all_groups = groups
        self.all_contacts: tuple[Contact, ...] = ()
        self.shared: dict[str, tuple[str, ...]] = {}
        self.photos: dict[str, bytes] = {}
        self.all_certificates: dict[str, list[bytes]] = {}
        self._entries = Entries((), (), ())

    async def entries(self) -> Entries:
        found = Entries(self.all, self.all_groups, self.all_contacts)
        if found != self._entries:
            self._entries = found
        return self._entries

    def visible_domains(self, domain: str) -> tuple[str, ...]:
        return self.shared.get(domain, (domain,))

    async def names_of(self, user: User) -> frozenset[str]:
        return frozenset({user.legacy_dn.lower()})

    async def photo(self, dn: str) -> bytes | None:
        return self.photos.get(dn)

    async def certificates(self, dn: str) -> list[bytes]:
        return self.all_certificates.get(dn, [])

    @asynccontextmanager
    async def editing(self) -> AsyncIterator[Editor]:
        yield cast("Editor", FakeEditor(self))


class FakeEditor:
    """Changes certificates; who wants more uses the real directory."""

    def __init__(self, directory: FakeDirectory) -> None:
        self.directory = directory

    async def named(self, dn: str) -> str:
        return dn

    async def change(self, dn: str, change: Change) -> None:
        assert change.certificates is not None
        self.directory.all_certificates[dn] = list(change.certificates)


class Client:
    """Builds requests, parses responses; every body is checked to survive both directions."""

    def __init__(self, endpoint: NspiEndpoint, user: User = TOM) -> None:
        self.endpoint = endpoint
        self.user = user
        self.session: EndpointSession | None = None

    async def bind(self, stat: Stat | None) -> Any:
        body = REQUESTS["Bind"].build({"flags": 0, "state": stat, "auxiliary_buffer": b""})
        response, self.session = await self.endpoint.connect(self.user, body, CONTEXT)
        return RESPONSES["Bind"].parse(response)

    async def request(self, request_type: str, **fields: Any) -> Any:
        defaults: dict[str, Any] = {"reserved": 0, "flags": 0, "state": Stat(), "auxiliary_buffer": b""}
        body = REQUESTS[request_type].build(defaults | fields)
        assert REQUESTS[request_type].build(REQUESTS[request_type].parse(body)) == body
        assert self.session is not None
        response = await self.session.request(request_type, body)
        parsed = RESPONSES[request_type].parse(response)
        assert RESPONSES[request_type].build(parsed) == response
        assert parsed.status_code == 0
        return parsed
