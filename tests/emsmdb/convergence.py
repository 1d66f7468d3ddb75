"""A mailbox that several devices and an online client use at once, with crashes of any of them: do all end the same?

`World` does random things, from a seed. After each reconciliation every device must have what a full download gives,
property for property, and every change that the server acknowledged must be in what is left: in a version of the
message or in one that was made by somebody who had seen it, unless somebody deleted the message.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from uuid import UUID

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import Session
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.provision import create_mailbox
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.properties import PropertyName
from mapigw.wire.rop_buffer import RopRequest, RopResponse
from tests.emsmdb.client import Client, FakeDirectory
from tests.emsmdb.devices import FILE_VALUES, Device, Item, Version
from tests.emsmdb.folders import EVERYTHING, creating, delete_folder, delete_messages, move_copy, oid, open_folder
from tests.emsmdb.messages import create_attachment, creation, modify_recipients, opening, save, save_attachment, smtp

GUID: Final = UUID("94a5c596-90a8-4985-91fd-57629ee06561")
DN: Final = "/o=bm/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=1-tom"
START: Final = 133_000_000_000_000_000
SECOND: Final = 10_000_000
KEYWORDS: Final = PropertyName(UUID("00020329-0000-0000-c000-000000000046"), name="Keywords")
FOLDER_NAMES: Final = ("Projects", "Archive", "projects", "Travel", "2026")
ROUNDS: Final = 8
CRASH: Final = 0.01
RESTART: Final = 0.002
RECONCILE: Final = 60
"""Operations between two reconciliations."""


Kind = TypeVar("Kind", bound=Client)


class CrashError(Exception):
    """The device, or the server, has gone between two requests."""


class DeviceClient(Client):
    """A device's connection; whatever is sent may be the last that it lives to send, or to hear of."""

    def __init__(self, session: Session, world: World) -> None:
        super().__init__(session)
        self._world = world

    async def send(self, *requests: RopRequest, **options: Any) -> list[RopResponse]:
        if self._world.happens(RESTART):
            await self._world.restart()
            raise CrashError
        answer = await super().send(*requests, **options)
        if self._world.happens(CRASH):
            raise CrashError
        return answer


class TrackedDevice(Device):
    """A device whose acknowledged changes are noted."""

    world: World

    def acknowledged(self, item: Item, version: Version) -> None:
        self.world.acknowledge(item.key, version.stamp)


class World:
    """One run. ``seed`` decides everything that happens."""

    def __init__(self, data: Path, seed: int, devices: int = 3) -> None:
        self.data = data
        self.random = random.Random(seed)
        self.operations = 0
        self.crashes = 0
        self.restarts = 0
        self._device_count = devices
        self._crashing = False
        self._time = START
        self._stamps = 0
        self.devices: list[TrackedDevice] = []
        # What the check of acknowledged changes needs: messages are the same under all ids that moves gave them.
        self._message_of: dict[int, int] = {}
        self._acknowledged: dict[int, set[str]] = {}
        self._includes: dict[str, frozenset[str]] = {}
        self._doomed: set[int] = set()
        self._places: dict[int, set[int]] = {}

    # The server and its clients

    async def start(self) -> None:
        load_handlers()
        self.database = await Database.open(self.data)
        async with self.database.write() as connection:
            mailbox_id = await create_mailbox(connection, GUID)
        self.user = User(1, mailbox_id, GUID, "tom@bm.lan", "Tom", DN, "bm.lan", (), enabled=True, admin=False)
        await self._open()
        self.root = (await self.mailbox.special_folder("ipm_subtree")).folder_id
        self.contents = {(await self.mailbox.special_folder(key)).folder_id for key in ("inbox", "deleted_items")}
        self.online = await self._connect(Client(self._session()))
        value = await self.online.value("GetPropertyIdsFromNames", flags=2, property_names=[KEYWORDS])
        self.keywords = value.property_ids[0] << 16 | 0x101F
        for number in range(self._device_count):
            client = await self._connect(DeviceClient(self._session(), self))
            guid = UUID(int=self.random.getrandbits(128), version=4)
            device = TrackedDevice(
                f"device {number}", client, guid, self.mailbox.replica_guid, self.root, self.contents
            )
            device.world = self
            await device.set_up()
            self.devices.append(device)
        self._crashing = True

    async def _open(self) -> None:
        self.mailboxes = Mailboxes(self.database)
        self.mailbox: Mailbox = await self.mailboxes.open(self.user.mailbox_id)
        self._sessions: list[Session] = []

    def _session(self) -> Session:
        session = Session(self.user, cast("Directory", FakeDirectory(self.user)), self.mailboxes)
        self._sessions.append(session)
        return session

    async def _connect(self, client: Kind) -> Kind:
        crashing, self._crashing = self._crashing, False
        await client.log_on()
        self._crashing = crashing
        return client

    async def restart(self) -> None:
        """The server goes, with all that it had in memory, and comes back on the same files."""
        self.restarts += 1
        await self.stop()
        self.database = await Database.open(self.data)
        await self._open()
        self.online = await self._connect(Client(self._session()))
        for device in self.devices:
            device.replica.client = await self._connect(DeviceClient(self._session(), self))

    async def stop(self) -> None:
        for session in self._sessions:
            await session.close()
        await self.database.close()

    def happens(self, probability: float) -> bool:
        return self._crashing and self.random.random() < probability

    # What happens

    async def run(self, operations: int) -> None:
        end = self.operations + operations
        while self.operations < end:
            for _ in range(RECONCILE):
                await self.step()
                self.operations += 1
            await self.reconcile()

    async def step(self) -> None:
        chance = self.random.random()
        device = self.random.choice(self.devices)
        if chance < 0.60:
            self._offline(device)
        elif chance < 0.80:
            await self._synchronize(device)
        else:
            await self._online()

    async def _synchronize(self, device: TrackedDevice) -> bool:
        """Whether it came to its end."""
        try:
            await device.sync()
        except CrashError:
            self.crashes += 1
            if device.replica.client.session in self._sessions:
                client = device.replica.client
                self._sessions.remove(client.session)
                await client.session.close()
                device.replica.client = await self._connect(DeviceClient(self._session(), self))
            return False
        return True

    def _now(self) -> int:
        """Time goes on, but not always."""
        self._time += self.random.choice((0, 0, SECOND, 5 * SECOND))
        return self._time + self.random.choice((0, 0, 0, -20 * SECOND))

    def _content(
        self, seen: frozenset[str], message: int | None = None
    ) -> tuple[dict[int, Any], tuple[str, ...], tuple[bytes, ...]]:
        """A new version by somebody who has seen ``seen``."""
        source = self.random
        self._stamps += 1
        stamp = f"version {self._stamps}"
        self._includes[stamp] = seen | {stamp}
        values: dict[int, Any] = {
            tags.PidTagMessageClass: source.choice(("IPM.Note", "IPM.Task", "IPM.Appointment")),
            tags.PidTagSubject: stamp,
            tags.PidTagNormalizedSubject: stamp,
            tags.PidTagBody: "é" * source.choice((0, 5, 300, 6000)),
            tags.PidTagImportance: source.randrange(3),
            tags.PidTagFlagStatus: source.randrange(3),
            self.keywords: [source.choice(("red", "blue")) for _ in range(source.randrange(1, 3))],
        }
        names = tuple(f"Person {number}" for number in range(source.randrange(3)))
        files = tuple(source.randbytes(source.choice((0, 10, 9000))) for _ in range(source.choice((0, 0, 1, 2))))
        return values, names, files

    def _seen(self, versions: Sequence[Version]) -> frozenset[str]:
        return frozenset().union(*(self._includes[version.stamp] for version in versions))

    def _placed(self, key: int, folder: int, origin: int | None = None) -> int:
        """The message that an id stands for; ``origin`` is the id that it had before a move."""
        message = self._message_of.setdefault(key, key if origin is None else self._message_of[origin])
        self._places.setdefault(message, set()).add(folder)
        return message

    def acknowledge(self, key: int, stamp: str) -> None:
        self._acknowledged.setdefault(self._message_of[key], set()).add(stamp)

    def _offline(self, device: TrackedDevice) -> None:
        source = self.random
        place = source.choice(device.open_places)
        found = [pair for pair in device.all_items() if pair[1].key in self._message_of]
        chance = source.random()
        if chance < 0.25 or not found:
            values, names, files = self._content(frozenset())
            item = device.create(place, values, names, files, fai=source.random() < 0.2, at=self._now())
            self._placed(item.key, place.key)
            return
        home, item = source.choice(found)
        if chance < 0.5:
            values, names, files = self._content(self._seen(item.versions))
            device.edit(item, values, names, files, self._now())
        elif chance < 0.62:
            before = item.key
            device.move(home, item, place)
            self._placed(item.key, place.key, before)
        elif chance < 0.70:
            self._doomed.add(self._message_of[item.key])
            device.delete(home, item)
        elif chance < 0.85:
            if not item.is_associated:
                device.mark(item, read=source.random() < 0.5)
        else:
            self._offline_folder(device)

    def _offline_folder(self, device: TrackedDevice) -> None:
        source = self.random
        mine = [place for key, place in device.places.items() if key not in device.special]
        chance = source.random()
        if chance < 0.45 or not mine:
            if len(mine) < 6:
                parent = source.choice([self.root, *(place.key for place in device.open_places)])
                device.create_folder(parent, source.choice(FOLDER_NAMES), self._now())
            return
        place = source.choice(mine)
        if chance < 0.6:
            device.change_folder(
                place, self._now(), name=source.choice(FOLDER_NAMES), comment=f"c{source.randrange(9)}"
            )
        elif chance < 0.8:
            parent = source.choice([self.root, *(other.key for other in device.open_places)])
            if parent not in device.below(place.key):
                device.change_folder(place, self._now(), parent=parent)
        else:
            device.delete_folder(place.key)

    # The online client

    async def _online(self) -> None:
        source = self.random
        client = self.online
        folders = {row.folder_id: row for row in await self.mailbox.folders()}
        mine = [row for row in folders.values() if row.folder_id in self.contents or self._is_made(row)]
        place = source.choice(mine).folder_id
        kind = source.random() < 0.15
        ids = await self.mailbox.message_ids(place, associated=kind)
        chance = source.random()
        if chance < 0.2:
            await self._online_message(place, None, associated=kind)
        elif chance < 0.45 and ids:
            await self._online_message(place, source.choice(ids), associated=kind)
        elif chance < 0.65 and ids:
            await self._online_transfer(place, source.choice(ids), source.choice(mine).folder_id)
        elif chance < 0.72 and ids:
            chosen = source.choice(ids)
            self._doomed.add(self._message_of[chosen])
            await delete_messages(client, await open_folder(client, place), [chosen], hard=source.random() < 0.5)
        elif chance < 0.85 and ids and not kind:
            slot = await open_folder(client, place)
            some = source.sample(ids, min(len(ids), 3))
            flags = source.choice((0x00, 0x04))
            await client.value(
                "SetReadFlags",
                slot,
                want_asynchronous=False,
                read_flags=flags,
                message_ids=[oid(key) for key in some],
            )
        elif chance >= 0.85:
            await self._online_folder([row for row in mine if row.folder_id not in self.contents])
        await client.send(*(client.request("Release", slot) for slot in range(1, len(client.handles))))
        del client.handles[1:]

    def _is_made(self, row: Any) -> bool:
        return not row.special

    async def _online_message(self, folder: int, key: int | None, *, associated: bool) -> None:
        client = self.online
        seen: frozenset[str] = frozenset()
        if key is None:
            await client.value("CreateMessage", **creation(folder, associated=associated))
        else:
            row = await self.mailbox.message(key)
            assert row is not None
            assert row.subject is not None
            message = self._message_of[key]
            seen = self._includes[row.subject] | frozenset().union(
                *(self._includes[stamp] for stamp in self._acknowledged.get(message, ()))
            )
            await client.value("OpenMessage", **opening(folder, key))
        slot = client.last
        values, names, files = self._content(seen)
        value = await client.value("SetProperties", slot, property_values=list(values.items()))
        assert not value.property_problems
        await modify_recipients(client, slot, {number: smtp(name) for number, name in enumerate(names, 1)})
        for data in files:
            inner, _ = await create_attachment(client, slot, {**FILE_VALUES, tags.PidTagAttachDataBinary: data})
            await save_attachment(client, inner)
        saved = await save(client, slot)
        self._placed(saved, folder)
        self.acknowledge(saved, values[tags.PidTagSubject])

    async def _online_transfer(self, folder: int, key: int, target: int) -> None:
        client = self.online
        keep = self.random.random() < 0.3
        before = await self._ids(target)
        source_slot, target_slot = await open_folder(client, folder), await open_folder(client, target)
        await move_copy(client, source_slot, target_slot, [key], copy=keep)
        for new in await self._ids(target) - before:
            if keep:
                message = self._placed(new, target)
                self._acknowledged[message] = set(self._acknowledged.get(self._message_of[key], ()))
            else:
                self._placed(new, target, key)

    async def _ids(self, folder: int) -> set[int]:
        normal = await self.mailbox.message_ids(folder, associated=False)
        return {*normal, *await self.mailbox.message_ids(folder, associated=True)}

    async def _online_folder(self, mine: Sequence[Any]) -> None:
        source, client = self.random, self.online
        chance = source.random()
        name = source.choice(FOLDER_NAMES)
        parents = [self.root, *(row.folder_id for row in mine)]
        if chance < 0.5 or not mine:
            if len(mine) < 6:
                slot = await open_folder(client, source.choice(parents))
                await client.send(client.request("CreateFolder", slot, **creating(name)))
            return
        row = source.choice(mine)
        if chance < 0.7:
            slot = await open_folder(client, row.folder_id)
            value = await client.value(
                "SetProperties", slot, property_values=[(tags.PidTagComment, f"o{source.random()}")]
            )
            assert not value.property_problems
        elif chance < 0.85:
            old, new = await open_folder(client, row.parent_id), await open_folder(client, source.choice(parents))
            await client.send(
                client.request(
                    "MoveFolder",
                    old,
                    dest_handle_index=new,
                    want_asynchronous=False,
                    use_unicode=True,
                    folder_id=oid(row.folder_id),
                    new_folder_name=row.name,
                )
            )
        else:
            await delete_folder(client, await open_folder(client, row.parent_id), row.folder_id, EVERYTHING)

    # What must be so

    async def reconcile(self) -> None:
        """Bring everything together, without crashes at last, and compare."""
        for _ in range(2):
            for device in self.devices:
                await self._synchronize(device)
        self._crashing = False
        for _ in range(ROUNDS):
            for device in self.devices:
                assert await self._synchronize(device)
            if not any(self._pending(device) for device in self.devices):
                break
        for device in self.devices:
            await device.sync()
        await self._compare()
        self._crashing = True

    def _pending(self, device: Device) -> bool:
        items = any(item.dirty or item.read_dirty or item.origin for _place, item in device.all_items())
        places = any(place.dirty or place.deletes for place in device.places.values())
        return items or places or bool(device.folder_deletes)

    async def _compare(self) -> None:
        truth = Device("server", self.online, UUID(int=0), self.mailbox.replica_guid, self.root, self.contents)
        truth.special = self.devices[0].special
        await truth._download_hierarchy()
        for place in truth.open_places:
            await truth._download_contents(place)
        await truth._release()
        for device in self.devices:
            self._compare_device(device, truth)
        self._require_acknowledged(truth)

    def _compare_device(self, device: Device, truth: Device) -> None:
        assert not device.places.keys() ^ truth.places.keys(), f"{device.name}: folders"
        for key, place in truth.places.items():
            mine = device.places[key]
            for name in ("parent", "name", "comment", "change_key", "predecessors", "modified"):
                assert getattr(mine, name) == getattr(place, name), f"{device.name}: {name} of folder {key}"
            assert not mine.items.keys() ^ place.items.keys(), f"{device.name}: messages of folder {key}"
            for message_id, item in place.items.items():
                label = f"{device.name}: message {message_id} of folder {key}"
                _compare_item(mine.items[message_id], item, label)

    def _require_acknowledged(self, truth: Device) -> None:
        left: dict[int, Item] = {}
        for _place, item in truth.all_items():
            message = self._message_of[item.key]
            assert message not in left, f"message {message} is there twice"
            left[message] = item
            if not item.is_associated:  # of which the last writer wins
                missing = self._acknowledged.get(message, set()) - self._seen(item.versions)
                assert not missing, f"message {message} has lost {missing}"
        for message in self._acknowledged.keys() - left.keys() - self._doomed:
            lost = self._places[message] <= truth.places.keys()
            assert not lost, f"message {message} is gone"


def _compare_item(mine: Item, theirs: Item, label: str) -> None:
    assert mine.read == theirs.read, f"{label}: read state"
    assert mine.is_associated == theirs.is_associated, label
    versions = {version.change_key: version for version in theirs.versions}
    found = {version.change_key: version for version in mine.versions}
    assert found.keys() == versions.keys(), f"{label}: versions {found} instead of {versions}"
    for change_key, version in versions.items():
        other = found[change_key]
        assert other.predecessors == version.predecessors, f"{label}: history"
        assert other.modified == version.modified, f"{label}: time"
        assert other.names == version.names, f"{label}: recipients"
        assert other.files == version.files, f"{label}: attachments"
        wanted: Mapping[int, Any] = version.values
        if not other.whole:
            wanted = {tag: value for tag, value in version.values.items() if tag in other.values and _own(tag)}
        different = {f"0x{tag:08X}" for tag, value in wanted.items() if other.values.get(tag) != value}
        assert not different, f"{label}: {different}"


def _own(tag: int) -> bool:
    """Whether a property is not the server's, which an edited version has as it was before."""
    return tag in _WRITTEN or tag >> 16 >= 0x8000


_WRITTEN: Final = frozenset(
    {
        tags.PidTagMessageClass,
        tags.PidTagSubject,
        tags.PidTagBody,
        tags.PidTagImportance,
        tags.PidTagFlagStatus,
        tags.PidTagCreationTime,
        tags.PidTagSearchKey,
    }
)
