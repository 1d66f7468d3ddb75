"""Replicas that synchronize as the store changes: each must become what a full download gives."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from mapigw.wire import tags
from mapigw.wire.primitives import ObjectId
from mapigw.wire.xid import PredecessorChangeList, Xid
from tests.emsmdb.client import Client
from tests.emsmdb.replica import Change, Delta, Replica
from tests.fuzz.rop_store import Contents

KEPT_STATES: Final = 3
MODIFIED: Final = 133_400_000_000_000_000
READ: Final = 0x001
VOLATILE: Final = 0x701
"""Message flags that come and go with the read state: mfRead, mfNotifyRead, mfNotifyUnread, mfEverRead."""

Copy = tuple[dict[int, Any], list[dict[int, Any]], list[dict[int, Any]]]
"""Properties, recipients, attachments."""


@dataclass
class Held:
    """What a client has of a folder, and the state that it got with it."""

    state: dict[int, bytes] = field(default_factory=dict)
    messages: dict[int, Copy | None] = field(default_factory=dict)
    """None: what the client has uploaded, and the server has perhaps completed."""
    read: dict[int, bool] = field(default_factory=dict)

    def copy(self) -> Held:
        return Held(dict(self.state), dict(self.messages), dict(self.read))

    def apply(self, delta: Delta) -> None:
        for change in delta.changes:
            key = ObjectId.from_integer(change.values[tags.PidTagMid]).counter
            self.messages[key] = _frozen(change)
            self.read[key] = bool(change.values.get(tags.PidTagMessageFlags, 0) & READ)
        for key in (*delta.deleted, *delta.out_of_scope):
            self.messages.pop(key, None)
            self.read.pop(key, None)
        for keys, value in ((delta.read, True), (delta.unread, False)):
            self.read.update(dict.fromkeys(keys, value))
        self.state = dict(delta.state)


def _frozen(change: Change) -> Copy:
    values = dict(change.values)
    values[tags.PidTagMessageFlags] = values.get(tags.PidTagMessageFlags, 0) & ~VOLATILE
    values.pop(tags.PidTagRead, None)
    return values, change.recipients, change.attachments


def _different(mine: Held, full: Held, now: Contents) -> list[str]:
    found = []
    if mine.messages.keys() != full.messages.keys():
        missing = sorted(full.messages.keys() - mine.messages.keys())
        found.append(f"lacks {missing}, has {sorted(mine.messages.keys() - full.messages.keys())} too many")
    for key in mine.messages.keys() & full.messages.keys():
        held, wanted = mine.messages[key], full.messages[key]
        assert wanted is not None
        if held is not None and held != wanted:
            changed = [
                f"0x{tag:08X}" for tag in held[0].keys() | wanted[0].keys() if held[0].get(tag) != wanted[0].get(tag)
            ]
            found.append(f"has message {key} as it is not (properties {changed}, or what is in it)")
        # The read state of FAI messages is not synchronized.
        if not now.messages[key].is_associated and mine.read.get(key, full.read[key]) != full.read[key]:
            found.append(f"has message {key} with the read state {mine.read[key]}")
    return found


class Replicas:
    """Of some folders, one full download at each check, and increments from states that were kept on the way."""

    def __init__(self, client: Client, source: random.Random, folder_ids: list[int], replica_guid: UUID) -> None:
        self._client = client
        self._source = source
        self.folder_ids = folder_ids
        self._device = Replica(client, UUID(int=0xD1), replica_guid)
        self._kept: dict[int, list[Held]] = {}
        self._uploading: dict[int, Held] = {}
        self._hierarchy: list[tuple[dict[int, bytes], dict[int, Any]]] = []

    async def _download(self, folder_id: int, state: dict[int, bytes]) -> Delta:
        self._device.states[folder_id] = state
        delta = await self._device.download(folder_id)
        await self._tidy()
        return delta

    async def _tidy(self) -> None:
        """Use the slots of the client anew."""
        for handle in self._client.handles[1:]:
            await self._client.session.release(handle)
        del self._client.handles[1:]

    async def check(self, now: Contents) -> list[str]:
        """Everything that is wrong; what was downloaded is kept for later checks."""
        found = []
        for folder_id in self.folder_ids:
            if not now.exists(folder_id):
                continue
            full = Held()
            full.apply(await self._download(folder_id, {}))
            found += self._against_store(folder_id, full, now)
            kept = self._kept.setdefault(folder_id, [])
            for number, held in enumerate([*kept, self._uploading.get(folder_id, Held())]):
                mine = held.copy()
                mine.apply(await self._download(folder_id, mine.state))
                found += [f"replica {number} of folder {folder_id} {text}" for text in _different(mine, full, now)]
                if number == len(kept):
                    self._uploading[folder_id] = mine
            if len(kept) == KEPT_STATES:
                kept.pop(self._source.randrange(KEPT_STATES))
            kept.append(full)
        return found + await self._check_hierarchy(now)

    def _against_store(self, folder_id: int, full: Held, now: Contents) -> list[str]:
        rows = {key: row for key, row in now.messages.items() if row.folder_id == folder_id}
        found = []
        if rows.keys() != full.messages.keys():
            found.append(f"a full download of {folder_id} differs by {sorted(rows.keys() ^ full.messages.keys())}")
        for key in rows.keys() & full.messages.keys():
            held, row = full.messages[key], rows[key]
            assert held is not None
            number = ObjectId.from_integer(held[0][tags.PidTagChangeNumber]).counter
            if number != row.change_number or full.read[key] != row.is_read:
                found.append(f"message {key} is downloaded with change number {number}, read {full.read[key]}")
        return found

    async def _check_hierarchy(self, now: Contents) -> list[str]:
        mailbox = self._client.session.logons[0].mailbox
        root = (await mailbox.special_folder("ipm_subtree")).folder_id

        async def updated(state: dict[int, bytes], held: dict[int, Any]) -> tuple[dict[int, bytes], dict[int, Any]]:
            self._device.states[root] = state
            delta = await self._device.download_hierarchy(root)
            await self._tidy()
            held = dict(held)
            for change in delta.changes:
                held[ObjectId.from_integer(change.values[tags.PidTagFolderId]).counter] = (
                    change.values[tags.PidTagParentFolderId],
                    change.values[tags.PidTagChangeKey],
                )
            for key in delta.deleted:
                held.pop(key, None)
            return delta.state, held

        full_state, full = await updated({}, {})
        inside = {key for key in now.folders if now.exists(key) and root in now.path(key)[1:]}
        found = []
        if full.keys() != inside:
            found.append(f"a full download of the hierarchy differs by {sorted(full.keys() ^ inside)}")
        for state, held in self._hierarchy:
            _, mine = await updated(state, held)
            if mine != full:
                changed = {
                    key: (mine.get(key), full.get(key))
                    for key in mine.keys() | full.keys()
                    if mine.get(key) != full.get(key)
                }
                found.append(f"a replica of the hierarchy differs in folders {changed}")
        self._hierarchy = [*self._hierarchy[-KEPT_STATES:], (full_state, full)]
        return found

    async def upload(self, now: Contents) -> None:
        """The uploading device makes, changes, deletes, moves or marks a message of a folder."""
        source, device = self._source, self._device
        folder_id = source.choice(self.folder_ids)
        if not now.exists(folder_id):
            return
        held = self._uploading.setdefault(folder_id, Held())
        device.states[folder_id] = held.state
        collector = await device.collector(folder_id)
        known = [key for key in held.messages if key in now.messages and now.messages[key].source_key is None]
        pick = source.random()
        if pick < 0.35 or not known:
            new = await device.new_key()
            change = device.next_change()
            code = await device.import_message(
                collector,
                new,
                {tags.PidTagMessageClass: "IPM.Note", tags.PidTagSubject: f"U{new.counter}"},
                modified=MODIFIED + source.getrandbits(30),
                change=change,
                predecessors=PredecessorChangeList().with_change(change),
                flags=0x10 if source.random() < 0.1 else 0,
            )
            if not code:
                held.messages[new.counter] = None
                device.states[folder_id] = held.state
                device.given(folder_id, new.counter)
        elif pick < 0.6:
            await self._change(collector, held, source.choice(known), now)
        elif pick < 0.8:
            chosen = source.sample(known, min(len(known), 3))
            keys = [device_key(device, key) for key in chosen]
            states = [(key.build(), source.random() < 0.5) for key in keys]
            await self._client.value("SynchronizationImportReadStateChanges", collector, message_read_states=states)
            for (_, is_read), key in zip(states, chosen, strict=True):
                row = now.messages[key]
                if row.folder_id == folder_id and not row.is_associated and key in held.read:
                    held.read[key] = is_read
        else:
            chosen = source.sample(known, 1)
            gone = [device_key(device, key).build() for key in chosen]
            await self._client.value(
                "SynchronizationImportDeletes",
                collector,
                import_delete_flags=source.choice((0, 2)),
                property_values=[(0x00001102, gone)],
            )
            for key in chosen:
                held.messages.pop(key)
                held.read.pop(key, None)
        await device.keep_state(collector, folder_id)
        held.state = dict(device.states[folder_id])
        await self._tidy()

    async def _change(self, collector: int, held: Held, key: int, now: Contents) -> None:
        """A new version of a message, made of the one that the device has, or in conflict with what is there."""
        device, row = self._device, now.messages[key]
        mine = held.messages[key]
        if mine is None:
            return
        before = PredecessorChangeList.parse(mine[0][tags.PidTagPredecessorChangeList])
        change = device.next_change()
        code = await device.import_message(
            collector,
            device_key(device, key),
            {tags.PidTagSubject: f"C{self._source.randrange(1000)}"},
            modified=MODIFIED + self._source.getrandbits(30),
            change=change,
            predecessors=before.with_change(change),
            flags=0x10 if row.is_associated else 0,
        )
        if not code:
            held.messages[key] = None


def device_key(device: Replica, counter: int) -> Xid:
    """The source key of a message that the server made."""
    return Xid.gid(device.replica_guid, counter)
