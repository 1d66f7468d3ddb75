"""The address book with many entries, in this process: what a client waits for, and the memory of the directory."""

import asyncio
import gc
import random
import time
import uuid
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from mapigw.directory.details import Details
from mapigw.directory.directory import legacy_dn
from mapigw.directory.editing import Editor
from mapigw.directory.model import Contact, Entries, Group, User
from mapigw.directory.snapshot import EntryReader, Part, Snapshot, proxies_by_owner, snapshot_of
from mapigw.endpoint import ClientContext, EndpointSession
from mapigw.store.directory_loading import ContactRow, GroupRow, MemberRow, ProxyRow, UserRow
from mapigw.wire import tags
from mapigw.wire.restrictions import PropertyRestriction
from nspi.endpoint import NspiEndpoint
from nspi.stat import MinimalId, Stat
from nspi.wire import REQUESTS, RESPONSES
from oab.dialogs import dialog_template

MEGABYTE = 1 << 20
ROUNDS = 40
PAGE = 50
COLUMNS = [
    tags.PidTagDisplayName,
    tags.PidTagBusinessTelephoneNumber,
    tags.PidTagOfficeLocation,
    tags.PidTagSmtpAddress,
    tags.PidTagEntryId,
    tags.PidTagObjectType,
    tags.PidTagDisplayType,
    tags.PidTagDisplayTypeEx,
    tags.PidTagInstanceKey,
    tags.PidTagEmailAddress,
]
_TITLES = ("Engineer", "Senior Engineer", "Assistant", "Head of Department", "Accountant", "Sales Manager")
_DEPARTMENTS = ("Research and Development", "Sales", "Purchasing", "Human Resources", "Production")
_SYLLABLES = ("an", "bo", "cel", "da", "er", "fin", "gre", "hel", "io", "jan", "ka", "lo", "ma", "ni", "öl", "pe", "ro")


class _Held:
    """A directory of one moment."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    async def entries(self) -> Entries:
        return self.snapshot.entries

    async def users(self, domain: str | None = None) -> tuple[User, ...]:
        return self.snapshot.entries.users

    async def groups(self) -> tuple[Group, ...]:
        return self.snapshot.entries.groups

    async def contacts(self) -> tuple[Contact, ...]:
        return self.snapshot.entries.contacts

    def visible_domains(self, domain: str) -> frozenset[str]:
        return frozenset({domain})

    async def names_of(self, user: User) -> frozenset[str]:
        return self.snapshot.names_of(user)

    async def photo(self, dn: str) -> bytes | None:
        return None

    async def certificates(self, dn: str) -> list[bytes]:
        return []

    def editing(self) -> AbstractAsyncContextManager[Editor]:
        raise NotImplementedError


def _name(generator: random.Random) -> str:
    return "".join(generator.choice(_SYLLABLES) for _ in range(generator.randint(2, 4))).capitalize()


def details_of(generator: random.Random, given_name: str, surname: str) -> Details:
    """What a company keeps of everybody: names, title, department, place, phones."""
    extension = generator.randrange(10_000)
    return Details.of(
        {
            "given_name": given_name,
            "surname": surname,
            "title": generator.choice(_TITLES),
            "department": f"{generator.choice(_DEPARTMENTS)} {generator.randrange(40)}",
            "company": "Example Manufacturing GmbH",
            "office": f"{generator.randrange(1, 9)}.{generator.randrange(400):03}",
            "city": "Berlin",
            "business_phone": f"+49 30 123456-{extension:04}",
            "mobile_phone": f"+49 170 {generator.randrange(10**7):07}",
        }
    )


def _snapshot(entries: int) -> Snapshot:
    """One entry in a hundred is a group of twenty, one in fifty a contact; every tenth user has an alias."""
    generator = random.Random(entries)
    groups, contacts = entries // 100, entries // 50
    users = entries - groups - contacts
    aliases = (ProxyRow(f"alias{number}@bm.lan", number) for number in range(1, users + 1, 10))
    reader = EntryReader(proxies_by_owner(aliases))
    bosses: list[str] = []

    def user(number: int) -> User:
        guid = uuid.UUID(int=generator.getrandbits(128))
        given_name, surname = _name(generator), _name(generator)
        address = f"user{number}@bm.lan"
        dn = legacy_dn(guid, address)
        if number % 10 == 1:
            bosses.append(dn)
        return reader.user(
            UserRow(
                number,
                number + users,
                guid.bytes_le,
                "".join(("bm", ".lan")),  # a string of its own, as from a database
                address,
                f"{given_name} {surname}",
                dn,
                "$argon2id$v=19$m=65536,t=3,p=4$" + guid.hex * 2,
                enabled=True,
                admin=False,
                manager="".join(("", generator.choice(bosses))),
                details=bytes(details_of(generator, given_name, surname)),
            )
        )

    def contact(number: int) -> Contact:
        address = f"contact{number}@example.net"
        dn = legacy_dn(uuid.UUID(int=generator.getrandbits(128)), address)
        given_name, surname = _name(generator), _name(generator)
        details = bytes(details_of(generator, given_name, surname))
        name = f"{given_name} {surname}"
        return reader.contact(ContactRow(number, "bm.lan", address, name, dn, details=details))

    def group(number: int) -> GroupRow:
        address = f"group{number}@bm.lan"
        dn = legacy_dn(uuid.UUID(int=generator.getrandbits(128)), address)
        return GroupRow(number, "bm.lan", address, f"Group {_name(generator)}", dn)

    part = Part(
        users=[user(number) for number in range(1, users + 1)],
        contacts=[contact(number) for number in range(1, contacts + 1)],
        groups=[group(number) for number in range(1, groups + 1)],
    )
    part.members = [
        MemberRow(number, generator.randint(1, users)) for number in range(1, groups + 1) for _ in range(20)
    ]
    return snapshot_of(part)


def _resident() -> int:
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS"))


class _Client:
    def __init__(self, endpoint: NspiEndpoint, user: User) -> None:
        self.endpoint = endpoint
        self.user = user
        self.session: EndpointSession | None = None

    async def bind(self) -> None:
        body = REQUESTS["Bind"].build({"flags": 0, "state": Stat(code_page=1200), "auxiliary_buffer": b""})
        _, self.session = await self.endpoint.connect(self.user, body, ClientContext(address="192.0.2.1"))

    async def request(self, request_type: str, **fields: Any) -> Any:
        """The response, and the seconds until it was there."""
        assert self.session is not None
        body = REQUESTS[request_type].build({"reserved": 0, "flags": 0, "auxiliary_buffer": b"", **fields})
        started = time.perf_counter()
        answer = await self.session.request(request_type, body)
        spent = time.perf_counter() - started
        return RESPONSES[request_type].parse(answer), spent


async def _first_page(client: _Client) -> float:
    started = time.perf_counter()
    await client.bind()
    spent = time.perf_counter() - started
    state = Stat(code_page=1200)
    for request_type, fields in (
        ("GetSpecialTable", {"flags": 4, "state": state, "version": None}),
        ("UpdateStat", {"state": state, "delta_requested": True}),
        ("QueryRows", {"state": state, "explicit_table": [], "row_count": PAGE, "columns": COLUMNS}),
    ):
        answer, seconds = await client.request(request_type, **fields)
        spent += seconds
    assert len(answer.rows.rows) == PAGE
    return spent


async def _while_made_anew(client: _Client, held: _Held) -> tuple[list[float], str]:
    """What requests take after one entry has changed, until the address book shows it."""
    users = held.snapshot.entries.users
    held.snapshot = replace(
        held.snapshot,
        entries=replace(held.snapshot.entries, users=(replace(users[0], display_name="Renamed"), *users[1:])),
    )
    spent = []
    while True:
        spent.append(await _first_page(client))
        answer, _ = await client.request("ResolveNames", state=None, property_tags=COLUMNS, names=["Renamed"])
        if answer.minimal_ids == [2]:
            return spent, "no stall"
        await asyncio.sleep(0.02)


async def _measure(entries: int) -> Table:
    table = Table("address book", "median ms", "worst ms", "wanted", title=f"An address book of {entries} entries")
    generator = random.Random(1)
    before = _resident()
    snapshot = _snapshot(entries)
    directory = _resident() - before
    held = _Held(snapshot)
    client = _Client(NspiEndpoint(held, "https://mail.bm.lan", dialog_template), snapshot.entries.users[0])
    started = time.perf_counter()
    await _first_page(client)
    building = time.perf_counter() - started
    whole = _resident() - before

    def add(name: str, spent: list[float], wanted: str) -> None:
        table.add_row(name, f"{median(spent) * 1e3:.2f}", f"{max(spent) * 1e3:.2f}", wanted)

    add("Bind to first page", [await _first_page(client) for _ in range(ROUNDS)], "under 10 ms")
    state = Stat(code_page=1200)

    async def seconds(request_type: str, **fields: Any) -> float:
        return float((await client.request(request_type, state=state, **fields))[1])

    matching, resolving = [], []
    for _ in range(ROUNDS):
        text = _name(generator)[:3]
        restriction = PropertyRestriction(4, tags.PidTagAnr, (tags.PidTagAnr, text))
        fields: dict[str, Any] = {
            "minimal_ids": None,
            "interface_option_flags": 0,
            "filter": restriction,
            "property_name": None,
        }
        matching.append(await seconds("GetMatches", **fields, row_count=PAGE, columns=COLUMNS))
        resolving.append(await seconds("ResolveNames", property_tags=COLUMNS, names=[text]))
    add("ANR on three letters: GetMatches", matching, "under 10 ms")
    add("ANR on three letters: ResolveNames", resolving, "under 10 ms")
    spent = []
    for _ in range(ROUNDS):
        chosen = generator.sample(snapshot.entries.users, PAGE)
        names = [user.address if number % 2 else user.display_name for number, user in enumerate(chosen)]
        spent.append(await seconds("ResolveNames", property_tags=COLUMNS, names=names))
    add(f"ResolveNames of {PAGE} names", spent, "under 20 ms")
    spent = []
    for _ in range(ROUNDS):
        place = state._replace(current_rec=MinimalId.CURRENT, num_pos=generator.randrange(entries), total_recs=entries)
        page: dict[str, Any] = {"explicit_table": [], "row_count": PAGE, "columns": COLUMNS}
        spent.append((await client.request("QueryRows", state=place, **page))[1])
    add(f"QueryRows of {PAGE} rows anywhere", spent, "under 5 ms")
    add("Bind to first page while it is made anew", *await _while_made_anew(client, held))
    table.add_section()
    table.add_row("made anew after a change, s", f"{building:.2f}", "", "")
    table.add_row("memory of the directory, MB", f"{directory / MEGABYTE:.0f}", "", "")
    table.add_row("with the address book, MB", f"{whole / MEGABYTE:.0f}", "", "under 200 MB")
    return table


def measure_nspi(entries: int) -> Table:
    """``entries`` users and groups of one domain."""
    return asyncio.run(_measure(entries))
