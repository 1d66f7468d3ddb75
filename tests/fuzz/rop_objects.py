"""Random ROPs on streams, tables, lists of permissions and rules, transfers, and those that nothing else sends."""

from typing import Any, Final
from uuid import UUID

from mapigw.wire import tags
from mapigw.wire.entryids import address_book_entry_id
from mapigw.wire.fasttransfer import MetaTagCnsetRead, MetaTagCnsetSeen, MetaTagCnsetSeenFAI, MetaTagIdsetGiven
from mapigw.wire.primitives import LongTermId, ObjectId
from mapigw.wire.restrictions import ActionBlock, ActionType
from tests.emsmdb.smallest import smallest_fields
from tests.fuzz.rop_actor import Actor, Open, Step

UNMODELLED: Final = (
    "GetReceiveFolder",
    "GetReceiveFolderTable",
    "SetReceiveFolder",
    "GetPerUserGuid",
    "GetPerUserLongTermIds",
    "GetOwningServers",
    "PublicFolderIsGhosted",
    "GetStoreState",
    "LongTermIdFromId",
    "IdFromLongTermId",
    "OptionsData",
    "GetAddressTypes",
    "QueryNamedProperties",
    "ReadPerUserInformation",
    "WritePerUserInformation",
    "UpdateDeferredActionMessages",
    "SetLocalReplicaMidsetDeleted",
    "TellVersion",
    "Progress",
)
"""ROPs whose smallest request is sent to whatever is open."""
CHUNK: Final = 24_000
STREAMED: Final = (
    tags.PidTagBody,
    tags.PidTagHtml,
    tags.PidTagRtfCompressed,
    tags.PidTagAttachDataBinary,
    tags.PidTagSubject,
    tags.PidTagTransportMessageHeaders,
    0x7C01001F,
    0x7C020102,
)


def open_stream(actor: Actor) -> Step | None:
    slot = actor.any("message", "attachment", "attachment", "embedded", "folder")
    if slot is None:
        return None
    tag = actor.source.choice(STREAMED) if actor.values.chance(0.9) else actor.values.tag(actor.named)
    if tag & 0xFFFF == 0x1F and actor.values.chance(0.2):
        tag -= 1
    fields = {"property_tag": tag, "open_mode_flags": actor.source.choice((0, 1, 2, 2, 2, 3, 9))}
    return Step("OpenStream", slot, fields, Open("stream", actor.open[slot].logon_id))


def use_stream(actor: Actor) -> Step | None:
    slot = actor.any("stream")
    if slot is None:
        return None
    source = actor.source
    size = source.choice((0, 1, 100, 5000, CHUNK, CHUNK))
    offset = source.choice((0, 1, -1, 7, 8191, 8192, 300_000, 5_000_000, -(1 << 63), (1 << 63) - 1))
    data = source.randbytes(16) * (size // 16 + 1)
    large = {"byte_count": 0xBABE, "maximum_byte_count": source.choice((0, 9000, 1 << 31, 0xFFFFFFFF))}
    destination = actor.any("stream")
    assert destination is not None
    name, fields = source.choice(
        (
            ("WriteStream", {"data": data[:size]}),
            ("WriteStream", {"data": data[:size]}),
            ("WriteStreamExtended", {"data": data[:size]}),
            ("WriteAndCommitStream", {"data": data[:size]}),
            ("ReadStream", {"byte_count": source.choice((0, 10, 4096, 0xFFFF)), "maximum_byte_count": None}),
            ("ReadStream", large),
            ("CommitStream", {}),
            ("GetStreamSize", {}),
            ("SetStreamSize", {"stream_size": source.choice((0, 1, 8192, 9001, 2_000_000, 9_000_000, 1 << 63))}),
            ("SeekStream", {"origin": source.choice((0, 0, 1, 2, 3)), "offset": offset}),
            ("SeekStream", {"origin": source.choice((0, 2)), "offset": 0}),
            (
                "CopyToStream",
                {"dest_handle_index": destination, "byte_count": source.choice((0, 10, 100_000, (1 << 64) - 1))},
            ),
            ("CloneStream", {}),
            ("Release", {}),
        )
    )
    opens = Open("stream", actor.open[slot].logon_id) if name == "CloneStream" else None
    return Step(name, slot, fields, opens)


def open_table(actor: Actor) -> Step | None:
    slot = actor.any("folder")
    if slot is None:
        return None
    name = actor.source.choice(
        ("GetContentsTable", "GetContentsTable", "GetHierarchyTable", "GetPermissionsTable", "GetRulesTable")
    )
    flags = actor.source.choice((0, 0, 2, 4, 8, 0x20, 0x22, 0x24, 0x40, 0x80, 0x48, actor.source.getrandbits(8)))
    if name in {"GetPermissionsTable", "GetRulesTable"}:
        flags = actor.source.choice((0, 2, 0x40))
    return Step(name, slot, {"table_flags": flags}, Open("table", actor.open[slot].logon_id))


def use_table(actor: Actor) -> Step | None:
    slot = actor.any("table")
    if slot is None:
        return None
    source, values = actor.source, actor.values
    if not actor.open[slot].columns or values.chance(0.1):
        columns = values.columns(actor.named)
        if values.chance(0.5):
            columns = [tags.PidTagMid, tags.PidTagInstID, tags.PidTagSubject, tags.PidTagDisplayName, *columns]
        return Step(
            "SetColumns", slot, {"set_columns_flags": source.choice((0, 1)), "property_tags": columns}, alone=True
        )
    bookmark = source.choice(actor.bookmarks)
    restriction = values.restriction(actor.named) if values.chance(0.9) else None
    orders = [(tag & ~0x3000 if values.chance(0.5) else tag, source.choice((0, 1, 4))) for tag in values.columns()[:3]]
    many = source.choice((0, 1, 5, 50, 0xFFFF))
    moved = {"row_count": source.choice((0, 1, -1, 10, -10, 1 << 30, -(1 << 31))), "want_row_moved_count": True}
    category = ObjectId(1, source.choice((0, 1, 2, source.getrandbits(20))))
    name, fields = source.choice(
        (
            ("QueryRows", {"query_rows_flags": source.choice((0, 1, 2)), "forward_read": True, "row_count": many}),
            ("QueryRows", {"query_rows_flags": 0, "forward_read": values.chance(0.5), "row_count": many}),
            ("QueryRows", {"query_rows_flags": 0, "forward_read": True, "row_count": many}),
            ("SeekRow", {"origin": source.choice((0, 0, 1, 2)), **moved}),
            ("SeekRow", {"origin": 0, "row_count": 0, "want_row_moved_count": False}),
            ("SeekRowBookmark", {"bookmark": bookmark, **moved}),
            ("SeekRowFractional", {"numerator": source.choice((0, 1, 2)), "denominator": source.choice((0, 1, 2, 3))}),
            ("CreateBookmark", {}),
            ("FreeBookmark", {"bookmark": bookmark}),
            ("QueryColumnsAll", {}),
            ("QueryPosition", {}),
            ("GetStatus", {}),
            ("Abort", {}),
            ("ResetTable", {}),
            ("Restrict", {"restrict_flags": source.choice((0, 1)), "restriction_data": restriction}),
            ("Restrict", {"restrict_flags": 0, "restriction_data": None}),
            (
                "SortTable",
                {
                    "sort_table_flags": source.choice((0, 1)),
                    "category_count": source.choice((0, 0, 1, 2)),
                    "expanded_count": source.choice((0, 0, 1)),
                    "sort_orders": orders,
                },
            ),
            (
                "FindRow",
                {
                    "find_row_flags": source.choice((0, 1)),
                    "restriction_data": restriction,
                    "origin": source.choice((0, 1, 2, 3)),
                    "bookmark": bookmark,
                },
            ),
            ("ExpandRow", {"max_row_count": source.choice((0, 5)), "category_id": category}),
            ("CollapseRow", {"category_id": category}),
            ("GetCollapseState", {"row_id": category, "row_instance_number": 0}),
        )
    )
    return Step(name, slot, fields)


def permissions(actor: Actor) -> Step | None:
    slot = actor.any("folder")
    if (
        slot is None
        or actor.open[slot].logon_id
        or actor.open[slot].folder_id in actor.places[actor.open[slot].logon_id].secret
    ):
        return None
    rights = actor.source.choice(
        (0, 0x401, 0x400, 0x402, 0x41B, 0x479, 0x5FB, 0x408, 0x410, actor.source.getrandbits(13))
    )
    member: list[tuple[int, Any]] = [(tags.PidTagMemberRights, rights)]
    if actor.values.chance(0.7):
        member.append((tags.PidTagEntryId, address_book_entry_id(actor.source.choice(actor.names))))
    else:
        member.append((tags.PidTagMemberId, actor.source.choice((0, -1, 5))))
    fields = {
        "modify_flags": actor.source.choice((0, 0, 0, 1, 2, 3, 8)),
        "permissions_data": [
            {"permission_data_flags": actor.source.choice((1, 1, 1, 2, 4, 3)), "property_values": member}
        ],
    }
    return Step("ModifyPermissions", slot, fields)


def rules(actor: Actor) -> Step | None:
    slot = actor.any("folder")
    if slot is None:
        return None
    action = ActionBlock(ActionType.OP_MARK_AS_READ, 0, 0, b"")
    values: list[tuple[int, Any]] = [
        (tags.PidTagRuleSequence, actor.source.randrange(20)),
        (tags.PidTagRuleState, 1),
        (tags.PidTagRuleName, actor.values.word()),
        (tags.PidTagRuleProvider, "RuleOrganizer"),
        (tags.PidTagRuleLevel, 0),
        (tags.PidTagRuleCondition, actor.values.restriction(actor.named)),
        (tags.PidTagRuleActions, [action]),
    ]
    kind = actor.source.choice((1, 1, 1, 2, 4))
    if kind != 1:
        values = [*values[:2], (tags.PidTagRuleId, ObjectId(1, actor.source.randrange(1, 900)).to_integer())]
    fields = {
        "modify_rules_flags": actor.source.choice((0, 0, 1)),
        "rules_data": [{"rule_data_flags": kind, "property_values": values}],
    }
    return Step("ModifyRules", slot, fields)


# Transfers: a source's ``folder_id`` in `Open` is the SourceOperation of the destination that takes its stream.


def fast_transfer_source(actor: Actor) -> Step | None:
    slot = actor.any("message", "attachment", "folder", "folder", "embedded")
    if slot is None:
        return None
    item = actor.open[slot]
    flags = {"copy_flags": actor.source.choice((0, 0, 0x10, 0x20)), "send_options": actor.source.choice((0, 1, 9, 3))}
    name = "FastTransferSourceCopyTo"
    operation = 1
    fields: dict[str, Any] = {**flags, "level": actor.source.choice((0, 0, 1)), "property_tags": []}
    if item.kind == "folder" and actor.values.chance(0.7):
        name, operation, fields = "FastTransferSourceCopyFolder", 4, flags
        if actor.values.chance(0.7):
            ids = actor.messages_in(item.folder_id, item.logon_id)
            name, operation, fields = "FastTransferSourceCopyMessages", 3, {**flags, "message_ids": ids}
    elif actor.values.chance(0.3):
        name, operation = "FastTransferSourceCopyProperties", 2
        fields["property_tags"] = actor.values.columns(actor.named)
    actor.streams.pop(operation, None)
    return Step(name, slot, fields, Open("source", item.logon_id, operation))


def get_buffer(actor: Actor) -> Step | None:
    slot = actor.any("source")
    if slot is None:
        return None
    fields = {"buffer_size": 0xBABE, "maximum_buffer_size": actor.source.choice((500, 4000, 0x7BC0, 0x7BC0))}
    return Step("FastTransferSourceGetBuffer", slot, fields)


def fast_transfer_destination(actor: Actor) -> Step | None:
    slot = actor.any("destination")
    if slot is not None and actor.values.chance(0.7):
        item = actor.open[slot]
        stream = actor.streams.get(item.folder_id, b"")
        start = sum(item.columns)
        data = stream[start : start + actor.source.choice((1, 100, 5000, CHUNK))]
        item.columns = (*item.columns, len(data))
        if actor.values.chance(0.03):
            data = actor.source.randbytes(30)
        name = actor.source.choice(("FastTransferDestinationPutBuffer", "FastTransferDestinationPutBufferExtended"))
        return Step(name, slot, {"transfer_data": data})
    slot = actor.any("message", "attachment", "folder", "folder", "embedded")
    if slot is None:
        return None
    operation = actor.source.choice((1, 2, 3, 4, 1, 3, 9))
    fields = {"source_operation": operation, "copy_flags": actor.source.choice((0, 0, 1))}
    opens = Open("destination", actor.open[slot].logon_id, operation)
    return Step("FastTransferDestinationConfigure", slot, fields, opens)


def synchronization(actor: Actor) -> Step | None:
    slot = actor.any("folder", "source", "contents collector", "hierarchy collector")
    if slot is None:
        return None
    source = actor.source
    item = actor.open[slot]
    if item.kind != "folder":
        state = source.choice((MetaTagCnsetSeen, MetaTagIdsetGiven, MetaTagCnsetSeenFAI, MetaTagCnsetRead, 0x12340102))
        name, fields = source.choice(
            (
                ("SynchronizationUploadStateStreamBegin", {"state_property": state, "transfer_buffer_size": 0}),
                ("SynchronizationUploadStateStreamContinue", {"stream_data": source.randbytes(source.randrange(30))}),
                ("SynchronizationUploadStateStreamEnd", {}),
                ("SynchronizationUploadStateStreamEnd", {}),
                ("SynchronizationGetTransferState", {}),
            )
        )
        opens = Open("source", item.logon_id) if name == "SynchronizationGetTransferState" else None
        return Step(name, slot, fields, opens)
    configuration = {
        "synchronization_type": source.choice((1, 1, 2, 3)),
        "send_options": source.choice((0, 1, 9)),
        "synchronization_flags": source.choice(
            (0x2139, 0x39, 0x101, 0x9, 0x21, 0x8039, source.getrandbits(16) & ~0x1000)
        ),
        "restriction_data": actor.values.restriction(actor.named) if actor.values.chance(0.2) else None,
        "synchronization_extra_flags": source.getrandbits(4),
        "property_tags": actor.values.columns(actor.named) if actor.values.chance(0.3) else [],
    }
    return Step("SynchronizationConfigure", slot, configuration, Open("source", item.logon_id))


def other(actor: Actor) -> Step | None:
    source = actor.source
    slot = 0 if actor.values.chance(0.6) else source.choice([0, *actor.open])
    pick = source.random()
    if pick < 0.3:
        names = [actor.values.name() for _ in range(source.randrange(5))]
        return Step("GetPropertyIdsFromNames", slot, {"flags": source.choice((0, 2, 2, 0xFF)), "property_names": names})
    if pick < 0.4:
        ids = [source.randrange(0x7FF0, 0x8020) for _ in range(3)]
        return Step("GetNamesFromPropertyIds", slot, {"property_ids": ids})
    if pick < 0.5:
        return Step("GetLocalReplicaIds", slot, {"id_count": source.choice((0, 1, 100, 1 << 31))})
    if pick < 0.6:
        wanted = {"row_id": source.choice((0, 1, 3)), "reserved": 0}
        found = actor.any("message", "embedded")
        usable = found is not None and actor.first and actor.open[found].fresh
        return Step("ReadRecipients", found, wanted, alone=True) if found is not None and usable else None
    name = source.choice(UNMODELLED)
    fields: dict[str, Any] = dict(smallest_fields(name))
    for key, value in fields.items():
        if isinstance(value, ObjectId):
            fields[key] = actor.oid(actor.folder_id(0))
        elif isinstance(value, LongTermId):
            fields[key] = LongTermId(UUID(int=source.randrange(3)), source.randrange(9))
        elif isinstance(value, bool):
            fields[key] = actor.values.chance(0.5)
    if fields.get("has_guid"):
        fields["property_guid"] = UUID(int=77)
    return Step(name, slot, fields)


OPERATIONS = (
    (5, open_stream),
    (14, use_stream),
    (5, open_table),
    (18, use_table),
    (3, permissions),
    (2, rules),
    (3, fast_transfer_source),
    (8, get_buffer),
    (4, fast_transfer_destination),
    (3, synchronization),
    (5, other),
)
