"""Synchronizations of what has changed, and uploads: whole request buffers through the dispatcher, in this process.

What is compared is the processor time of all threads, which other processes do not change; uploads wait for the disk.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from uuid import UUID, uuid4

from rich.table import Table

from mapigw.directory.model import User
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import Session
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.provision import create_mailbox
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.globset import CounterSet, IdSet
from mapigw.wire.message import Message
from mapigw.wire.xid import PredecessorChangeList
from tests.emsmdb.client import Client, FakeDirectory
from tests.emsmdb.folders import delete_messages, open_folder
from tests.emsmdb.replica import Replica

INBOX, DRAFTS = 5, 16
ROUNDS = 9
CHANGES = 10
DEVICE = UUID(int=77)
UPLOADED = 10_000  # bytes of a body


def measure_deltas(messages: int, folders: int, uploads: int, ids: int) -> Table:
    """Fill mailboxes of its own and measure."""
    return asyncio.run(_measure(messages, folders, uploads, ids))


async def _measure(messages: int, folders: int, uploads: int, ids: int) -> Table:
    load_handlers()
    table = Table("deltas", "small", "large", "ratio (wanted: under 1.3)", title="Deltas and uploads")
    with tempfile.TemporaryDirectory() as folder:
        database = await Database.open(Path(folder))
        mailboxes = Mailboxes(database)
        small, large = [await _client(mailboxes) for _ in range(2)]
        for client, count in ((small, messages // 100), (large, messages)):
            await _fill(_mailbox(client), count)
        _add(
            table,
            f"{CHANGES} changes in {messages // 100} and {messages} messages, CPU ms",
            *await _contents(small, large),
        )
        for client, count in ((small, folders // 100), (large, folders)):
            await _fill_hierarchy(_mailbox(client), count)
        name = f"{CHANGES} changes in {folders // 100} and {folders} folders, CPU ms"
        _add(table, name, *await _hierarchies(small, large))
        table.add_section()
        rate = await _uploads(small, uploads)
        table.add_row(
            f"{uploads} messages of {UPLOADED // 1000} KB uploaded, messages/s (wanted: 200)", "", f"{rate:.0f}"
        )
        encoding, decoding = _id_sets(ids)
        table.add_row(f"IDSET of {ids} single ids encoded, CPU ms (wanted: under 150)", "", f"{encoding * 1e3:.0f}")
        table.add_row("decoded, CPU ms (wanted: under 150)", "", f"{decoding * 1e3:.0f}")
        for client in (small, large):
            await client.session.close()
        await database.close()
    return table


def _add(table: Table, name: str, small: float, large: float) -> None:
    table.add_row(name, f"{small * 1e3:.1f}", f"{large * 1e3:.1f}", f"{large / small:.2f}")


async def _client(mailboxes: Mailboxes) -> Client:
    guid = uuid4()
    async with mailboxes.database.write() as connection:
        mailbox_id = await create_mailbox(connection, guid)
    dn = f"/o=bm/cn={mailbox_id}"
    user = User(mailbox_id, mailbox_id, guid, "t@bm.lan", "Tom", dn, "bm.lan", (), enabled=True, admin=False)
    client = Client(Session(user, FakeDirectory(user), mailboxes))  # type: ignore[arg-type]
    await client.log_on()
    return client


def _mailbox(client: Client) -> Mailbox:
    return client.session.logons[0].mailbox


async def _fill(mailbox: Mailbox, count: int) -> list[int]:
    body = "A sentence of a message that somebody has written. " * 40
    made: list[int] = []
    for start in range(0, count, 500):
        items = [
            NewMessage(Message({tags.PidTagSubject: f"Report {number}", tags.PidTagBody: body}))
            for number in range(start, min(start + 500, count))
        ]
        made += await mailbox.append(INBOX, items)
    return made


async def _fill_hierarchy(mailbox: Mailbox, count: int) -> None:
    for number in range(count):
        await mailbox.create_folder(INBOX, f"Folder {number}")


async def _in_turns(
    small: Client, large: Client, one: Callable[[Client, Replica], Awaitable[float]]
) -> tuple[float, float]:
    """The medians of the processor seconds that each took."""
    replicas = [Replica(client, DEVICE, _mailbox(client).replica_guid) for client in (small, large)]
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS + 1):
        for client, replica, seconds in zip((small, large), replicas, spent, strict=True):
            seconds.append(await one(client, replica))
            del client.handles[1:]
    return median(spent[0][1:]), median(spent[1][1:])  # without the first, which downloads everything


async def _contents(small: Client, large: Client) -> tuple[float, float]:
    made: dict[Client, list[int]] = {small: [], large: []}

    async def one(client: Client, replica: Replica) -> float:
        await delete_messages(client, await open_folder(client, INBOX), made[client][:1])
        made[client] = await _fill(_mailbox(client), CHANGES - 1)
        started = time.process_time()
        await replica.download(INBOX)
        return time.process_time() - started

    return await _in_turns(small, large, one)


async def _hierarchies(small: Client, large: Client) -> tuple[float, float]:
    root = (await _mailbox(small).special_folder("ipm_subtree")).folder_id

    async def one(client: Client, replica: Replica) -> float:
        for row in (await _mailbox(client).children(INBOX))[:CHANGES]:
            slot = await open_folder(client, row.folder_id)
            await client.value("SetProperties", slot, property_values=[(tags.PidTagComment, str(random.random()))])
        started = time.process_time()
        await replica.download_hierarchy(root)
        return time.process_time() - started

    return await _in_turns(small, large, one)


async def _uploads(client: Client, count: int) -> float:
    """Messages a second; each is on disk when its save is answered."""
    replica = Replica(client, DEVICE, _mailbox(client).replica_guid)
    values = {
        tags.PidTagMessageClass: "IPM.Note",
        tags.PidTagSubject: "uploaded",
        tags.PidTagBody: "x" * (UPLOADED // 2),
    }
    collector = await replica.collector(DRAFTS)
    keep = len(client.handles)
    started = time.perf_counter()
    for _ in range(count):
        change = replica.next_change()
        code = await replica.import_message(
            collector,
            await replica.new_key(),
            values,
            modified=133_000_000_000_000_000,
            change=change,
            predecessors=PredecessorChangeList([change]),
        )
        if code:
            raise RuntimeError(f"an upload was answered 0x{code:08X}")
        await client.send(*(client.request("Release", slot) for slot in range(keep, len(client.handles))))
        del client.handles[keep:]
    return count / (time.perf_counter() - started)


def _id_sets(ids: int) -> tuple[float, float]:
    """Seconds to encode and to decode the worst fragmentation: no two ids follow one another."""
    source = random.Random(1)
    counter, counters = 0, []
    for _ in range(ids):
        counter += source.randrange(2, 4000)
        counters.append(counter)
    idset = IdSet({DEVICE: CounterSet.of(counters)})
    encoding, decoding = [], []
    for _ in range(ROUNDS):
        started = time.process_time()
        data = idset.build()
        middle = time.process_time()
        found = IdSet.parse_replguid(data)
        encoding.append(middle - started)
        decoding.append(time.process_time() - middle)
        if found != idset:
            raise RuntimeError("the set is another one after its way over the wire")
    return median(encoding), median(decoding)
