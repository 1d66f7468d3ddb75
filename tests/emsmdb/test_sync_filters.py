"""Which properties and what else of messages a download brings, and what it says of its progress."""

import struct
from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.wire import tags
from mapigw.wire.fasttransfer import (
    Marker,
    MetaTagFXDelProp,
)
from mapigw.wire.fasttransfer_stream import Property
from tests.emsmdb.client import Client
from tests.emsmdb.messages import open_message, save
from tests.emsmdb.replica import Delta, Replica
from tests.emsmdb.sync_options import (
    ALL,
    ATTACHMENTS,
    IGNORE_ON_FAI,
    NORMAL,
    ONLY_SPECIFIED,
    PROGRESS,
    RECIPIENTS,
    UNICODE,
    fill,
    message,
)


def body_of(delta: Delta) -> list[Any]:
    """What is in the one message of a download, behind its header."""
    start = delta.lexemes.index(Marker.IncrSyncMessage)
    return delta.lexemes[start + 2 : delta.lexemes.index(Marker.IncrSyncStateBegin)]


# Properties


async def one_message(client: Client, own_mailbox: Mailbox, inbox: int) -> int:
    (message_id,) = await own_mailbox.append(inbox, [NewMessage(message("hello", PidTagImportance=2))])
    slot = await open_message(client, message_id, key="inbox")
    await client.value("CreateAttachment", slot)
    attachment = client.last
    await client.value(
        "SetProperties",
        attachment,
        property_values=[(tags.PidTagAttachMethod, 1), (tags.PidTagAttachDataBinary, b"data")],
    )
    await client.value("SaveChangesAttachment", attachment, save_flags=0)
    await save(client, slot)
    return message_id


@pytest.mark.parametrize(
    "left_out", [(), (RECIPIENTS,), (ATTACHMENTS,), (RECIPIENTS, ATTACHMENTS, tags.PidTagImportance)]
)
async def test_properties_and_what_is_in_a_message_can_be_left_out(
    laptop: Replica, client: Client, inbox: int, own_mailbox: Mailbox, left_out: tuple[int, ...]
) -> None:
    await one_message(client, own_mailbox, inbox)
    delta = await laptop.download(inbox, property_tags=left_out)
    (change,) = delta.changes
    deleted = delta.values(MetaTagFXDelProp)
    assert deleted == [tag for tag in (RECIPIENTS, ATTACHMENTS) if tag not in left_out]
    assert bool(change.recipients) is (RECIPIENTS not in left_out)
    assert bool(change.attachments) is (ATTACHMENTS not in left_out)
    assert change.values[tags.PidTagSubject] == "hello"
    assert (tags.PidTagImportance in change.values) is (tags.PidTagImportance not in left_out)


@pytest.mark.parametrize("wanted", [(tags.PidTagSubject,), (tags.PidTagSubject, RECIPIENTS), (ATTACHMENTS,)])
async def test_only_what_is_specified(
    laptop: Replica, client: Client, inbox: int, own_mailbox: Mailbox, wanted: tuple[int, ...]
) -> None:
    await one_message(client, own_mailbox, inbox)
    delta = await laptop.download(inbox, flags=ALL | ONLY_SPECIFIED, property_tags=wanted)
    (change,) = delta.changes
    assert delta.values(MetaTagFXDelProp) == [tag for tag in (RECIPIENTS, ATTACHMENTS) if tag in wanted]
    assert bool(change.recipients) is (RECIPIENTS in wanted)
    assert bool(change.attachments) is (ATTACHMENTS in wanted)
    top = [item for item in body_of(delta) if isinstance(item, Property)][: len(wanted)]
    assert (tags.PidTagSubject in [item.tag for item in top]) is (tags.PidTagSubject in wanted)
    assert tags.PidTagImportance not in change.values


async def test_fai_can_be_exempt_from_what_is_specified(laptop: Replica, inbox: int, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, inbox, "settings", associated=True)
    flags = ALL | ONLY_SPECIFIED
    (change,) = (await laptop.download(inbox, flags=flags)).changes
    assert tags.PidTagSubject not in change.values
    laptop.states.clear()
    (change,) = (await laptop.download(inbox, flags=flags | IGNORE_ON_FAI)).changes
    assert change.values[tags.PidTagSubject] == "settings"
    assert change.recipients


async def test_properties_of_folders_can_be_left_out_and_specified(laptop: Replica, own_mailbox: Mailbox) -> None:
    root = (await own_mailbox.special_folder("ipm_subtree")).folder_id
    excluded = [tags.PidTagContentCount, tags.PidTagAccess]
    delta = await laptop.download_hierarchy(root, property_tags=excluded)
    assert all(not set(excluded) & change.values.keys() for change in delta.changes)
    assert all(tags.PidTagContentUnreadCount in change.values for change in delta.changes)
    laptop.states.clear()
    delta = await laptop.download_hierarchy(
        root, flags=UNICODE | ONLY_SPECIFIED, property_tags=[tags.PidTagContentCount]
    )
    assert all(tags.PidTagContentCount in change.values for change in delta.changes)
    assert all(tags.PidTagContentUnreadCount not in change.values for change in delta.changes)


@pytest.mark.parametrize(("flags", "options", "wide"), [(0, 0x00, False), (UNICODE, 0x00, True), (0, 0x08, True)])
async def test_strings_are_unicode_when_that_is_asked_for(
    laptop: Replica, inbox: int, own_mailbox: Mailbox, flags: int, options: int, wide: bool
) -> None:
    await fill(own_mailbox, inbox, "Grüße")
    delta = await laptop.download(inbox, flags=NORMAL | flags, send_options=options)
    (values,) = (change.values for change in delta.changes)
    narrow = tags.PidTagSubject & ~0xFFFF | 0x1E
    assert (values.get(tags.PidTagSubject), values.get(narrow)) == (
        ("Grüße", None) if wide else (None, "Grüße".encode("cp1252"))
    )


# Progress


@pytest.mark.spec("MS-OXCFXICS_R1171", "MS-OXCFXICS_R1172", "MS-OXCFXICS_R1179", "MS-OXCFXICS_R1180")
@pytest.mark.spec("MS-OXCFXICS_R1382", "MS-OXCFXICS_R1383", "MS-OXCFXICS_R2188", "MS-OXCFXICS_R2675")
async def test_progress(laptop: Replica, inbox: int, own_mailbox: Mailbox) -> None:
    ids = await fill(own_mailbox, inbox, "one", "two")
    ids += await fill(own_mailbox, inbox, "settings", associated=True)
    rows = await own_mailbox.messages(inbox, ids)
    sizes = [rows[message_id].size for message_id in ids]
    delta = await laptop.download(inbox, flags=ALL)
    assert not {Marker.IncrSyncProgressMode, Marker.IncrSyncProgressPerMsg} & {
        item for item in delta.lexemes if isinstance(item, Marker)
    }
    laptop.states.clear()
    delta = await laptop.download(inbox, flags=ALL | PROGRESS)
    assert delta.lexemes[0] == Marker.IncrSyncProgressMode
    information = delta.lexemes[1]
    assert isinstance(information, Property)
    assert information.value == struct.pack("<HHIQIIQ", 0, 0, 1, sizes[2], 2, 0, sizes[0] + sizes[1])
    told = []
    for place, item in enumerate(delta.lexemes):
        if item == Marker.IncrSyncProgressPerMsg:
            size, associated, following = delta.lexemes[place + 1 : place + 4]
            assert isinstance(size, Property)
            assert isinstance(associated, Property)
            assert following == Marker.IncrSyncChg
            told.append((size.value, associated.value))
    assert sorted(told) == sorted([(sizes[0], False), (sizes[1], False), (sizes[2], True)])
    assert [item.values[tags.PidTagAssociated] for item in delta.changes] == [value for _, value in told]
