"""python -m tests.fuzz.rops: random ROPs of several sessions, and everything that must hold of the store after them."""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import UUID

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import Session
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.permissions import CREATOR_RIGHTS, DEFAULT_RIGHTS, Rights
from mapigw.mailbox.provision import create_mailbox
from mapigw.store.database import Database
from tests.emsmdb.client import Client, FakeDirectory
from tests.emsmdb.logons import fields, permit
from tests.fuzz import rop_objects, rop_operations, rop_uploads
from tests.fuzz.rop_actor import Actor, FindingError, Places, Step
from tests.fuzz.rop_replicas import Replicas
from tests.fuzz.rop_secrets import Secrets
from tests.fuzz.rop_store import Contents, problems_of, select
from tests.fuzz.rop_values import Values

CHECK_EVERY = 60
"""Buffers between two checks."""
REPLICATED = ("inbox", "drafts", "deleted_items")
OPERATIONS = (*rop_operations.OPERATIONS, *rop_objects.OPERATIONS, *rop_uploads.OPERATIONS)
DN = "/o=bm/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn="


class Errors(logging.Handler):
    """What the server logs as an error: a handler that raised, a message that cannot be read."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        formatter = logging.Formatter()
        self.records.append(formatter.format(record))


@dataclass
class World:
    """Two mailboxes and the sessions on them."""

    database: Database
    mailbox: Mailbox
    actors: list[Actor]
    replicas: Replicas
    secrets: Secrets
    places: dict[int, Places]
    second: Mailbox


async def new_user(database: Database, number: int, name: str) -> User:
    guid = UUID(int=number)
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, guid)
    return User(
        number, mailbox_id, guid, f"{name}@bm.lan", name.title(), DN + name, "bm.lan", (), enabled=True, admin=False
    )


async def new_world(data: Path, seed: int) -> World:
    """Everything is reproducible by the seed but ids of time."""
    load_handlers()
    source = random.Random(seed)
    database = await Database.open(data)
    mailboxes = Mailboxes(database)
    owner, delegate = await new_user(database, 1, "owner"), await new_user(database, 2, "delegate")
    directory = cast("Directory", FakeDirectory(owner, delegate))
    mailbox, second = await mailboxes.open(owner.mailbox_id), await mailboxes.open(delegate.mailbox_id)
    secret = frozenset([(await mailbox.special_folder(key)).folder_id for key in ("drafts", "sent_items", "root")])
    for key in ("inbox", "deleted_items"):
        await permit(mailbox, key, delegate.legacy_dn, CREATOR_RIGHTS & ~Rights.FolderOwner)
    await permit(second, "inbox", owner.legacy_dn, CREATOR_RIGHTS)
    places = {0: Places(secret=secret), 1: Places()}
    actors = []
    for user, prefix in ((owner, "SECRET"), (delegate, "MINE")):
        session = Session(user, directory, mailboxes)
        values = Values(source, prefix)
        actor = Actor(user.display_name, session, values, places, OPERATIONS, [owner.legacy_dn, delegate.legacy_dn])
        for logon_id, who in enumerate((owner, delegate)):
            step = Step("Logon", logon_id, fields(who.legacy_dn))
            (answer,) = await actor.send([step])
            assert not answer.return_value, f"{user.display_name} cannot log on: 0x{answer.return_value:X}"
        actors.append(actor)
    client = Client(Session(owner, directory, mailboxes))
    await client.log_on()
    replicated = [(await mailbox.special_folder(key)).folder_id for key in REPLICATED]
    replicas = Replicas(client, source, replicated, mailbox.replica_guid)
    secrets = Secrets(mailbox, second, delegate.legacy_dn, DEFAULT_RIGHTS)
    world = World(database, mailbox, actors, replicas, secrets, places, second)
    await refresh(world)
    return world


async def refresh(world: World) -> None:
    """Tell the actors what there is."""
    for number, mailbox in ((0, world.mailbox), (1, world.second)):
        places = world.places[number]
        key = mailbox.mailbox_id
        async with world.database.read() as connection:
            query = "SELECT folder_id, folder_type FROM folder WHERE mailbox_id = ? ORDER BY folder_id"
            found = await select(connection, query, key)
            places.folders = [row[0] for row in found]
            places.searches = [row[0] for row in found if row[1] == 2]
            places.messages = [
                (row[0], row[1])
                for table in ("message", "deleted_message", "search_result")
                for row in await select(
                    connection, f"SELECT message_id, folder_id FROM {table} WHERE mailbox_id = ? ORDER BY 1, 2", key
                )
            ]
            query = "SELECT property_id FROM named_property WHERE mailbox_id = ? ORDER BY 1"
            places.named = [row[0] for row in await select(connection, query, key)]


async def fuzz(world: World, seconds: float, errors: Errors, *, check_every: int = CHECK_EVERY) -> int:
    """Send buffers for a time; returns how many. Raises `FindingError`."""
    source = world.actors[0].source
    end = time.monotonic() + seconds
    before: list[Contents | None] = [None, None]
    count = 0
    while time.monotonic() < end:
        for _ in range(check_every):
            actor = source.choices(world.actors, (3, 1))[0]
            delegated = actor is world.actors[1]
            if delegated:
                await world.secrets.learn()
            await actor.step()
            count += 1
            if delegated:
                world.secrets.check(actor.received)
            if errors.records:
                raise FindingError(f"{actor.name}: {errors.records[0]}")
            if count % 10 == 0:
                await refresh(world)
        await check(world, before, errors)
        for _ in range(3):
            contents = before[0]
            assert contents is not None
            await world.replicas.upload(contents)
            before[0] = (await problems_of(world.mailbox))[0]
    return count


async def check(world: World, before: list[Contents | None], errors: Errors) -> None:
    """Raises `FindingError`."""
    found: list[str] = []
    for number, mailbox in enumerate((world.mailbox, world.second)):
        before[number], problems = await problems_of(mailbox, before[number])
        found += problems
    contents = before[0]
    assert contents is not None
    found += await world.replicas.check(contents)
    found += errors.records
    if found:
        raise FindingError("\n".join(found[:20]))


async def run(seconds: float, seed: int, data: Path) -> int:
    """Number of findings: 0 or 1, which is printed with the buffers before it."""
    errors = Errors()
    logging.getLogger("mapigw").addHandler(errors)
    world = await new_world(data, seed)
    failed = 0
    try:
        count = await fuzz(world, seconds, errors)
        sys.stdout.write(f"seed {seed}: {count} buffers, nothing found\n")
    except Exception as error:
        failed = 1
        if not isinstance(error, FindingError):
            logging.getLogger(__name__).exception("the fuzzer itself failed, or what it looks at cannot be read")
        sys.stdout.write(f"seed {seed}: {error}\n")
        for actor in world.actors:
            sys.stdout.write("".join(f"  {actor.name}: {line}\n" for line in actor.history))
    finally:
        for actor in world.actors:
            await actor.session.close()
        await world.database.close()
        logging.getLogger("mapigw").removeHandler(errors)
    never = sorted({name for actor in world.actors for name in actor.sent} - _successes(world))
    sys.stdout.write(f"  {len(_successes(world))} kinds of ROPs succeeded; never did: {', '.join(never)}\n")
    sys.stdout.flush()
    return failed


def _successes(world: World) -> set[str]:
    return {name for actor in world.actors for name in actor.succeeded}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.rops", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each seed")
    parser.add_argument("--seed", type=int, default=None, help="the first; else another one each time")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    arguments = parser.parse_args()
    first = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 32)
    failed = 0
    for seed in range(first, first + arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            failed += asyncio.run(run(arguments.seconds, seed, Path(folder) / "data"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
