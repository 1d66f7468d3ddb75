"""Members at work on one shared mailbox while their rights change: they converge, and see only what they may.

Everything that a client is sent is searched for what it had no right to when it asked, not what the client made of it.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.model import MailboxKind, User
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import Session
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.permissions import Right, Rights
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.rpc_header import split_payloads
from tests.emsmdb.client import Client
from tests.emsmdb.folders import oid
from tests.emsmdb.logons import fields, permit
from tests.emsmdb.messages import open_folder, saved
from tests.emsmdb.replica import FolderGoneError, Replica

MEMBERS = 5
STEPS = 10
FOLDERS = ("inbox", "drafts", "notes")
OPEN_TO_ALL = "notes"
"""The folder whose own list lets everybody read it."""
_MARK = re.compile("letter-(inbox|drafts|notes)-[0-9]+")


@dataclass
class Site:
    """The mailbox, and what everybody may do with it now."""

    directory: Directory
    info: User
    shared: Mailbox
    ids: dict[str, int]
    rights: dict[str, Right] = field(default_factory=dict)
    """By address, as they were given."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Requests and changes of rights happen one after another, so that it is known which came first."""
    written: int = 0

    def readable(self, address: str) -> set[str]:
        return set(FOLDERS) if self.rights[address] else {OPEN_TO_ALL}

    def mark(self, key: str) -> str:
        self.written += 1
        return f"letter-{key}-{self.written}"

    async def give(self, user: User, right: Right) -> None:
        async with self.turn:
            if right:
                await self.directory.sharing.grant(self.info, user, right)
            elif self.rights[user.address]:
                await self.directory.sharing.revoke(self.info, user.legacy_dn)
            self.rights[user.address] = right


class Member(Client):
    """A client whose traffic is watched, and its copy of the mailbox: subjects by id, by folder."""

    def __init__(self, site: Site, mailboxes: Mailboxes, user: User, number: int) -> None:
        super().__init__(Session(user, site.directory, mailboxes))
        self.site = site
        self.user = user
        self.copy: dict[str, dict[int, str]] = {key: {} for key in FOLDERS}
        self.replica = Replica(self, UUID(int=number), site.shared.replica_guid)
        self.leaked: set[str] = set()
        self.seen = 0
        self.refused = 0

    async def execute(self, data: bytes, flags: int, max_rop_out: int) -> bytes:
        async with self.site.turn:
            readable = self.site.readable(self.user.address)
            asked = marks(split_payloads(data))
            answer = await super().execute(data, flags, max_rop_out)
        shown = marks(split_payloads(answer)) - asked
        self.leaked |= {mark for mark in shown if mark.split("-")[1] not in readable}
        self.seen += len(shown)
        await asyncio.sleep(0)  # whoever waits has the next turn
        return answer

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """What may be refused: the client goes on with what it has, after a new logon."""
        try:
            yield
        except (FolderGoneError, AssertionError):  # a request of `Client` or `Replica` that failed
            self.refused += 1

    async def enter(self) -> None:
        """Log on anew unless the logon is still there."""
        if not self.session.logons:
            self.handles = self.handles[:1]
            await self.value("Logon", **fields(self.site.info.legacy_dn))

    async def work(self, choice: random.Random) -> None:
        async with self.attempt():
            await self.enter()
            key = choice.choice(FOLDERS)
            if choice.random() < 0.5:
                await saved(self, {tags.PidTagSubject: self.site.mark(key)}, key=key)
            elif self.copy[key]:
                slot = await open_folder(self, key)
                message_id = choice.choice(sorted(self.copy[key]))
                delete: dict[str, Any] = {"want_asynchronous": 0, "notify_non_read": 0}
                await self.value("DeleteMessages", slot, **delete, message_ids=[oid(message_id)])

    async def synchronize(self) -> None:
        async with self.attempt():
            await self.enter()
            await self.replica.download_hierarchy((await self.site.shared.special_folder("root")).folder_id)
        for key in FOLDERS:
            async with self.attempt():
                await self.enter()
                delta = await self.replica.download(self.site.ids[key])
                for change in delta.changes:
                    number = ObjectId.from_integer(change.values[tags.PidTagMid]).counter
                    self.copy[key][number] = change.values[tags.PidTagSubject]
                for number in delta.deleted:
                    self.copy[key].pop(number, None)


def marks(payloads: Collection[bytes]) -> set[str]:
    """The subjects in these octets, wherever they stand."""
    texts = [payload[start:].decode("utf-16-le", "replace") for payload in payloads for start in (0, 1)]
    texts += [payload.decode("latin-1") for payload in payloads]
    return {found.group() for text in texts for found in _MARK.finditer(text)}


@pytest.fixture
async def site(mailboxes: Mailboxes) -> Site:
    directory = Directory(mailboxes.database)
    info = await directory.add_mailbox("info@bm.lan", MailboxKind.SHARED)
    shared = await mailboxes.open(info.mailbox_id)
    ids = {key: (await shared.special_folder(key)).folder_id for key in FOLDERS}
    found = Site(directory, info, shared, ids)
    for key, folder_id in ids.items():
        first = [NewMessage(Message({tags.PidTagSubject: found.mark(key)}, [], [])) for _ in range(5)]
        await shared.append(folder_id, first)
    return found


@pytest.mark.parametrize("seed", range(2))
async def test_five_members_with_changing_rights(site: Site, mailboxes: Mailboxes, seed: int) -> None:
    load_handlers()
    members = []
    for number in range(MEMBERS):
        user = await site.directory.add(f"m{number}@bm.lan", None)
        await permit(site.shared, OPEN_TO_ALL, user.legacy_dn, Rights.ReadAny)
        site.rights[user.address] = Right.NONE
        members.append(Member(site, mailboxes, user, number + 1))
    done = asyncio.Event()

    async def administer() -> None:
        choice = random.Random(seed)
        while not done.is_set():
            await site.give(choice.choice(members).user, choice.choice(list(Right)))
            await asyncio.sleep(0.01)

    async def use(member: Member, choice: random.Random) -> None:
        for _ in range(STEPS):
            await member.work(choice)
            await member.synchronize()

    administering = asyncio.create_task(administer())
    async with asyncio.TaskGroup() as group:
        for number, member in enumerate(members):
            group.create_task(use(member, random.Random(seed * 100 + number)))
    done.set()
    await administering
    assert [member.leaked for member in members] == [set()] * MEMBERS
    assert all(member.seen for member in members)
    assert sum(member.refused for member in members) > MEMBERS

    for member in members:
        await site.give(member.user, Right.READ)
        await member.synchronize()  # which ends the logon of who could write
        member.refused = 0
        await member.synchronize()
        assert (member.refused, member.leaked) == (0, set())
    for key, folder_id in site.ids.items():
        ids = await site.shared.message_ids(folder_id, associated=False)
        stored = {number: row.subject for number, row in (await site.shared.messages(folder_id, ids)).items()}
        assert all(member.copy[key] == stored for member in members), key
    for member in members:
        await member.session.close()
