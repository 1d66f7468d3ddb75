"""Random uploads through collectors, notifications that are asked for, and tables as they were collapsed."""

from typing import Any, Final
from uuid import UUID

from mapigw.wire import tags
from mapigw.wire.primitives import ObjectId
from mapigw.wire.xid import PredecessorChangeList, Xid
from tests.fuzz.rop_actor import Actor, Open, Step

STRANGERS: Final = tuple(UUID(int=number) for number in range(901, 904))
MOMENT: Final = 133_400_000_000_000_000


def source_key(actor: Actor, counter: int) -> bytes:
    """Of an object that exists, mostly; else of one to be made, of one of another replica, or nothing of the kind."""
    pick = actor.source.random()
    guid, first = actor.local_ids
    if pick < 0.6:
        return Xid.gid(guid, counter).build()
    if pick < 0.85:
        return Xid.gid(guid, first + actor.source.randrange(100)).build()
    if pick < 0.97:
        return Xid(actor.source.choice(STRANGERS), actor.source.randrange(20).to_bytes(4, "big")).build()
    return actor.source.randbytes(actor.source.choice((0, 8, 16, 17, 22, 30)))


def _change(actor: Actor) -> Xid:
    return Xid(actor.source.choice(STRANGERS), actor.source.randrange(1, 60).to_bytes(4, "big"))


def _predecessors(actor: Actor, change: Xid) -> bytes:
    if actor.values.chance(0.03):
        return actor.source.randbytes(actor.source.choice((1, 21, 100, 5000)))
    known = [_change(actor) for _ in range(actor.source.randrange(4))]
    if actor.values.chance(0.3):
        # All that the server can have made so far: the version is newer than what is there.
        known.append(Xid.gid(actor.local_ids[0], (1 << 40) + actor.source.randrange(1000)))
    return PredecessorChangeList(known).with_change(change).build()


def _header(actor: Actor, counter: int) -> list[tuple[int, Any]]:
    change = _change(actor)
    modified = actor.source.choice((0, MOMENT, MOMENT + actor.source.getrandbits(40), actor.source.getrandbits(64)))
    values = [
        (tags.PidTagSourceKey, source_key(actor, counter)),
        (tags.PidTagLastModificationTime, modified),
        (tags.PidTagChangeKey, change.build()),
        (tags.PidTagPredecessorChangeList, _predecessors(actor, change)),
    ]
    if actor.values.chance(0.02):
        values.pop(actor.source.randrange(4))
    return values


def _collector(actor: Actor, *, contents: bool) -> tuple[int, Open] | None:
    """An upload context, mostly of the right kind."""
    kinds = ("contents collector", "hierarchy collector")
    slot = actor.any(kinds[not contents]) if actor.values.chance(0.97) else actor.any(*kinds)
    return None if slot is None else (slot, actor.open[slot])


def open_collector(actor: Actor) -> Step | None:
    slot = actor.any("folder")
    if slot is None:
        return None
    item = actor.open[slot]
    contents = actor.values.chance(0.6)
    kind = "contents collector" if contents else "hierarchy collector"
    opened = Open(kind, item.logon_id, item.folder_id)
    return Step("SynchronizationOpenCollector", slot, {"is_contents_collector": contents}, opened)


def import_message(actor: Actor) -> Step | None:
    found = _collector(actor, contents=True)
    if found is None:
        return open_collector(actor)
    slot, item = found
    ids = actor.messages_in(item.folder_id, item.logon_id)
    counter = ids[0].counter if ids else actor.message(item.logon_id)[1]
    fields = {
        "import_flag": actor.source.choice((0, 0, 0, 0x10, 0x40, 0x50, 0xFF)),
        "property_values": _header(actor, counter),
    }
    return Step("SynchronizationImportMessageChange", slot, fields, Open("message", item.logon_id, item.folder_id))


def import_folder(actor: Actor) -> Step | None:
    found = _collector(actor, contents=False)
    if found is None:
        return open_collector(actor)
    slot, item = found
    parent = b""
    if actor.values.chance(0.6):
        parent = Xid.gid(actor.local_ids[0], actor.folder_id(item.logon_id)).build()
    elif actor.values.chance(0.3):
        parent = source_key(actor, actor.folder_id(item.logon_id))
    name = actor.source.choice((f"F{actor.source.randrange(40)}", actor.values.word()))
    fields = {
        "hierarchy_values": [
            (tags.PidTagParentSourceKey, parent),
            *_header(actor, actor.folder_id(item.logon_id)),
            (tags.PidTagDisplayName, name),
        ],
        "property_values": actor.values.properties(actor.named, 3),
    }
    return Step("SynchronizationImportHierarchyChange", slot, fields)


def import_move(actor: Actor) -> Step | None:
    found = _collector(actor, contents=True)
    if found is None:
        return open_collector(actor)
    slot, item = found
    folder_id, message_id = actor.message(item.logon_id)
    guid, first = actor.local_ids
    change = _change(actor)
    fields = {
        "source_folder_id": Xid.gid(guid, folder_id).build(),
        "source_message_id": Xid.gid(guid, message_id).build(),
        "predecessor_change_list": b"" if actor.values.chance(0.5) else _predecessors(actor, change),
        "destination_message_id": Xid.gid(guid, first + actor.source.randrange(100)).build(),
        "change_number": change.build(),
    }
    for name in fields:
        if actor.values.chance(0.05):
            fields[name] = source_key(actor, message_id)
    return Step("SynchronizationImportMessageMove", slot, fields)


def import_deletes(actor: Actor) -> Step | None:
    contents = actor.values.chance(0.7)
    found = _collector(actor, contents=contents)
    if found is None:
        return open_collector(actor)
    slot, item = found
    known = [key.counter for key in actor.messages_in(item.folder_id, item.logon_id)]
    if not contents:
        known = [actor.folder_id(item.logon_id)]
    keys = [source_key(actor, counter) for counter in known[:3]]
    tag = 0x00001102 if actor.values.chance(0.97) else actor.values.tag()
    value = (tag, keys) if tag == 0x00001102 else actor.values.tagged(tag)
    flags = actor.source.choice((0, 2, 0xFF)) | (not contents)
    fields = {"import_delete_flags": flags, "property_values": [value] if value is not None else []}
    return Step("SynchronizationImportDeletes", slot, fields)


def import_read_states(actor: Actor) -> Step | None:
    found = _collector(actor, contents=True)
    if found is None:
        return open_collector(actor)
    slot, item = found
    known = [key.counter for key in actor.messages_in(item.folder_id, item.logon_id)]
    states = [(source_key(actor, counter), actor.values.chance(0.5)) for counter in known]
    return Step("SynchronizationImportReadStateChanges", slot, {"message_read_states": states})


def collector_state(actor: Actor) -> Step | None:
    slot = actor.any("contents collector", "hierarchy collector")
    if slot is None:
        return None
    return Step("SynchronizationGetTransferState", slot, {}, Open("source", actor.open[slot].logon_id))


def local_ids(actor: Actor) -> Step:
    return Step("GetLocalReplicaIds", 0, {"id_count": 100})


def register(actor: Actor) -> Step:
    """Ask for notifications: of a mailbox, of a folder, of a message or of nothing that is there."""
    source = actor.source
    logon_id = actor.logon_id()
    whole = actor.values.chance(0.3)
    types = source.choice((0xFF, 0x7C, 0x02, 0x100, 0x180, 0x400, source.getrandbits(16)))
    folder_id, message_id = actor.message(logon_id)
    wanted = ObjectId(0, 0) if actor.values.chance(0.6) else actor.oid(message_id)
    fields: dict[str, Any] = {
        "notification_types": types,
        "reserved": 0 if types & 0x400 else None,
        "want_whole_store": whole,
        "folder_id": None if whole else actor.oid(folder_id),
        "message_id": None if whole else wanted,
    }
    return Step("RegisterNotification", logon_id, fields, Open("subscription", logon_id))


def collapse_state(actor: Actor) -> Step | None:
    slot = actor.any("table")
    if slot is None or not actor.collapse_states:
        return None
    state = actor.source.choice(actor.collapse_states)
    if actor.values.chance(0.2):
        damaged = bytearray(state or b"\0")
        damaged[actor.source.randrange(len(damaged))] ^= 1 << actor.source.randrange(8)
        state = bytes(damaged[: actor.source.choice((len(damaged), len(damaged) // 2))])
    return Step("SetCollapseState", slot, {"collapse_state": state})


OPERATIONS = (
    (1, local_ids),
    (2, open_collector),
    (5, import_message),
    (3, import_folder),
    (4, import_move),
    (2, import_deletes),
    (2, import_read_states),
    (1, collector_state),
    (2, register),
    (2, collapse_state),
)
