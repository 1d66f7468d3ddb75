"""Random ROPs on folders and messages: each function makes one of what the actor has open, or None."""

from typing import Any

from mapigw.wire import tags
from mapigw.wire.rows import RecipientRow
from tests.emsmdb.smallest import smallest_fields
from tests.fuzz.rop_actor import Actor, Open, Step


def open_folder(actor: Actor) -> Step:
    logon_id = actor.logon_id()
    folder_id = actor.folder_id(logon_id)
    fields = {"folder_id": actor.oid(folder_id), "open_mode_flags": actor.source.choice((0, 0, 4, 0xFF))}
    return Step("OpenFolder", logon_id, fields, Open("folder", logon_id, folder_id))


def create_folder(actor: Actor) -> Step | None:
    slot = actor.any("folder")
    if slot is None:
        return open_folder(actor)
    wide = actor.values.chance(0.8)
    name = f"F{actor.source.randrange(40)}"
    fields = {
        "folder_type": actor.source.choice((1, 1, 1, 2, 2, 0, 7)),
        "use_unicode_strings": wide,
        "open_existing": actor.values.chance(0.5),
        "reserved": 0,
        "display_name": name if wide else name.encode(),
        "comment": actor.values.word() if wide else b"c",
    }
    return Step("CreateFolder", slot, fields, Open("folder", actor.open[slot].logon_id))


def delete_folder(actor: Actor) -> Step | None:
    slot = actor.any("folder")
    if slot is None:
        return None
    folder_id = actor.folder_id(actor.open[slot].logon_id)
    flags = actor.source.choice((0, 1, 4, 5, 5, 0x10, 0x15, 0x15, 0xFF))
    return Step("DeleteFolder", slot, {"delete_folder_flags": flags, "folder_id": actor.oid(folder_id)})


def empty(actor: Actor) -> Step | None:
    slot = actor.any("folder")
    if slot is None:
        return None
    name = actor.source.choice(("EmptyFolder", "HardDeleteMessagesAndSubfolders"))
    fields = {"want_asynchronous": actor.values.chance(0.2), "want_delete_associated": actor.values.chance(0.5)}
    return Step(name, slot, fields)


def move_folder(actor: Actor) -> Step | None:
    slot, destination = actor.any("folder"), actor.any("folder")
    if slot is None or destination is None:
        return None
    wide = actor.values.chance(0.8)
    name = actor.source.choice(("", f"F{actor.source.randrange(40)}"))
    fields: dict[str, Any] = {
        "dest_handle_index": destination,
        "want_asynchronous": actor.values.chance(0.2),
        "use_unicode": wide,
        "folder_id": actor.oid(actor.folder_id(actor.open[slot].logon_id)),
        "new_folder_name": name if wide else name.encode(),
    }
    if actor.values.chance(0.6):
        return Step("MoveFolder", slot, fields)
    return Step("CopyFolder", slot, {**fields, "want_recursive": actor.values.chance(0.5)})


def move_copy(actor: Actor) -> Step | None:
    slot, destination = actor.any("folder"), actor.any("folder")
    if slot is None or destination is None:
        return None
    fields = {
        "dest_handle_index": destination if not actor.values.chance(0.02) else actor.source.randrange(60),
        "message_ids": actor.messages_in(actor.open[slot].folder_id, actor.open[slot].logon_id),
        "want_asynchronous": actor.values.chance(0.2),
        "want_copy": actor.values.chance(0.4),
    }
    return Step("MoveCopyMessages", slot, fields)


def delete(actor: Actor) -> Step | None:
    slot = actor.any("folder")
    if slot is None:
        return None
    name = actor.source.choice(("DeleteMessages", "DeleteMessages", "HardDeleteMessages"))
    fields = {
        "want_asynchronous": actor.values.chance(0.2),
        "notify_non_read": actor.values.chance(0.2),
        "message_ids": actor.messages_in(actor.open[slot].folder_id, actor.open[slot].logon_id),
    }
    return Step(name, slot, fields)


def read_flags(actor: Actor) -> Step | None:
    flags = actor.source.choice((0, 1, 4, 5, 0x10, 0x20, 0x40, 0x60, actor.source.getrandbits(8)))
    if actor.values.chance(0.3):
        slot = actor.any("message", "embedded")
        return None if slot is None else Step("SetMessageReadFlag", slot, {"read_flags": flags, "client_data": None})
    slot = actor.any("folder")
    if slot is None:
        return None
    logon_id = actor.open[slot].logon_id
    if actor.values.chance(0.3):
        fields = {
            "message_id": actor.oid(actor.message(logon_id)[1]),
            "message_status_flags": actor.source.getrandbits(16),
            "message_status_mask": actor.source.getrandbits(16),
        }
        return Step("SetMessageStatus", slot, fields)
    ids = actor.messages_in(actor.open[slot].folder_id, logon_id) if actor.values.chance(0.9) else []
    return Step(
        "SetReadFlags",
        slot,
        {"want_asynchronous": actor.values.chance(0.2), "read_flags": flags, "message_ids": ids},
    )


def search(actor: Actor) -> Step | None:
    logon_id = 0
    searches = actor.places[logon_id].searches
    chosen = [key for key, item in actor.open.items() if item.folder_id in searches and item.kind == "folder"]
    if not chosen:
        if not searches:
            return None
        folder_id = actor.source.choice(searches)
        fields = {"folder_id": actor.oid(folder_id), "open_mode_flags": 0}
        return Step("OpenFolder", logon_id, fields, Open("folder", logon_id, folder_id))
    slot = actor.source.choice(chosen)
    if actor.values.chance(0.2):
        return Step("GetSearchCriteria", slot, dict.fromkeys(smallest_fields("GetSearchCriteria"), True))
    flags = actor.source.choice((2, 2, 6, 6, 1, 0x10002, 0x20006, 0x40002, 0x40006, actor.source.getrandbits(19)))
    fields = {
        "restriction_data": actor.values.restriction(actor.named) if actor.values.chance(0.9) else None,
        "folder_ids": [actor.oid(actor.folder_id(logon_id)) for _ in range(actor.source.randrange(3))],
        "search_flags": flags,
    }
    return Step("SetSearchCriteria", slot, fields)


# Messages


def create_message(actor: Actor) -> Step:
    logon_id = actor.logon_id()
    folder_id = actor.folder_id(logon_id)
    fields = {
        "code_page_id": actor.source.choice((0x0FFF, 1252, 65001, 932, 0)),
        "folder_id": actor.oid(folder_id),
        "associated_flag": actor.values.chance(0.2),
    }
    return Step("CreateMessage", logon_id, fields, Open("message", logon_id, folder_id))


def open_message(actor: Actor) -> Step:
    logon_id = actor.logon_id()
    folder_id, message_id = actor.message(logon_id)
    if actor.values.chance(0.1):
        folder_id = actor.folder_id(logon_id)
    fields = {
        "code_page_id": actor.source.choice((0x0FFF, 1252, 0)),
        "folder_id": actor.oid(folder_id),
        "open_mode_flags": actor.source.choice((0, 1, 1, 3, 3, 4, 7)),
        "message_id": actor.oid(message_id),
    }
    return Step("OpenMessage", logon_id, fields, Open("message", logon_id, folder_id))


def save(actor: Actor) -> Step | None:
    slot = actor.any("message", "embedded", "attachment")
    if slot is None:
        return None
    name = "SaveChangesAttachment" if actor.open[slot].kind == "attachment" else "SaveChangesMessage"
    return Step(name, slot, {"save_flags": actor.source.choice((0, 1, 2, 2, 4, 0xA, 0xC, 0xFF))})


def set_properties(actor: Actor) -> Step | None:
    slot = actor.any("message", "message", "embedded", "attachment", "folder")
    if slot is None:
        return None
    values = actor.values.properties(actor.named, 5)
    if actor.open[slot].kind in {"message", "embedded"} and actor.values.chance(0.6):
        values.append((tags.PidTagSubject, f"{actor.values.secret()} {actor.values.word()}"))
    if actor.values.chance(0.1) and values:
        values.append(actor.source.choice(values))
    name = "SetPropertiesNoReplicate" if actor.values.chance(0.15) else "SetProperties"
    return Step(name, slot, {"property_values": values})


def properties(actor: Actor) -> Step | None:
    slot = actor.any("message", "embedded", "attachment", "folder") if actor.values.chance(0.9) else 0
    if slot is None:
        return None
    size = {"property_size_limit": actor.source.choice((0, 0, 100)), "want_unicode": actor.source.randrange(2)}
    name = actor.source.choice(("GetPropertiesSpecific", "GetPropertiesSpecific", "GetPropertiesAll", "List"))
    if name == "List":
        return Step("GetPropertiesList", slot, {})
    if name == "GetPropertiesAll":
        return Step(name, slot, size)
    return Step(name, slot, {**size, "property_tags": actor.values.columns(actor.named)})


def delete_properties(actor: Actor) -> Step | None:
    slot = actor.any("message", "embedded", "attachment", "folder")
    if slot is None:
        return None
    columns = [actor.values.tag(actor.named) for _ in range(actor.source.randrange(4))]
    name = actor.source.choice(("DeleteProperties", "DeletePropertiesNoReplicate"))
    return Step(name, slot, {"property_tags": columns})


def recipients(actor: Actor) -> Step | None:
    slot = actor.any("message", "embedded")
    if slot is None:
        return None
    pick = actor.source.random()
    if pick < 0.1:
        return Step("RemoveAllRecipients", slot, {"reserved": 0})
    if pick < 0.3:
        return Step("ReloadCachedInformation", slot, {"reserved": 0}, alone=True)
    rows = []
    for _ in range(actor.source.randrange(4)):
        name = actor.values.word()
        row = RecipientRow(
            address_kind=3,
            email_address=f"{actor.source.randrange(9)}@bm.lan",
            display_name=name,
            transmittable_is_display_name=True,
            properties=[actor.values.word(), actor.source.randrange(9)],
        )
        rows.append(
            {
                "row_id": actor.source.choice((*range(6), 0xFFFFFFFF)),
                "recipient_type": actor.source.choice((1, 2, 3, 0x81, 0)),
                "recipient_row": None if actor.values.chance(0.2) else row,
            }
        )
    columns = [tags.PidTagSmtpAddress, tags.PidTagRecipientFlags]
    return Step("ModifyRecipients", slot, {"recipient_columns": columns, "recipient_rows": rows})


def attachments(actor: Actor) -> Step | None:
    slot = actor.any("message", "embedded")
    if slot is None:
        return None
    logon_id = actor.open[slot].logon_id
    pick = actor.source.random()
    if pick < 0.5:
        return Step("CreateAttachment", slot, {}, Open("attachment", logon_id))
    number = actor.source.choice((0, 0, 0, 0, 1, 2, 0xFFFFFFFF))
    if pick < 0.8:
        flags = actor.source.choice((0, 1, 3, 0xFF))
        fields = {"open_attachment_flags": flags, "attachment_id": number}
        return Step("OpenAttachment", slot, fields, Open("attachment", logon_id))
    if pick < 0.9:
        return Step("DeleteAttachment", slot, {"attachment_id": number})
    return Step("GetAttachmentTable", slot, {"table_flags": 0x40}, Open("table", logon_id))


def embedded(actor: Actor) -> Step | None:
    slot = actor.any("attachment")
    if slot is None:
        return None
    fields = {"code_page_id": 0x0FFF, "open_mode_flags": actor.source.choice((0, 1, 2, 2, 2, 7))}
    return Step("OpenEmbeddedMessage", slot, fields, Open("embedded", actor.open[slot].logon_id))


def copy(actor: Actor) -> Step | None:
    kinds = actor.source.choice((("message", "embedded"), ("attachment",), ("folder",), ("message", "attachment")))
    slot, destination = actor.any(*kinds), actor.any(*kinds)
    if slot is None or destination is None:
        return None
    columns = actor.values.columns(actor.named)
    extra = (tags.PidTagMessageRecipients, tags.PidTagMessageAttachments, tags.PidTagContainerContents)
    columns += [tag for tag in extra if actor.values.chance(0.3)]
    fields = {
        "dest_handle_index": destination,
        "want_asynchronous": actor.values.chance(0.2),
        "copy_flags": actor.source.choice((0, 0, 1, 2, 3, 0xFF)),
    }
    if actor.values.chance(0.5):
        return Step("CopyProperties", slot, {**fields, "property_tags": columns})
    return Step("CopyTo", slot, {**fields, "want_sub_objects": actor.values.chance(0.6), "excluded_tags": columns})


def release(actor: Actor) -> Step | None:
    slot = actor.any("message", "embedded", "attachment", "folder", "stream", "table", "source", "destination")
    return None if slot is None else Step("Release", slot, {})


OPERATIONS = (
    (6, open_folder),
    (4, create_folder),
    (8, create_message),
    (10, open_message),
    (16, set_properties),
    (20, save),
    (6, properties),
    (3, delete_properties),
    (6, recipients),
    (8, attachments),
    (6, embedded),
    (8, move_copy),
    (6, delete),
    (3, move_folder),
    (2, delete_folder),
    (1, empty),
    (5, read_flags),
    (4, copy),
    (6, search),
    (3, release),
)
