"""Restrictions and orders have the same answer in SQL and on decoded properties."""

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from mapigw.mailbox.categories import SortKey, order_key
from mapigw.mailbox.contents import View, list_messages, matching_ids, matching_rows
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.message_properties import message_properties
from mapigw.mailbox.provision import create_mailbox
from mapigw.mailbox.restrictions import Candidate, matches
from mapigw.store import contents
from mapigw.store.contents import Scope
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message
from mapigw.wire.restrictions import (
    AndRestriction,
    BitMaskRestriction,
    CommentRestriction,
    ComparePropertiesRestriction,
    ContentRestriction,
    ExistRestriction,
    NotRestriction,
    OrRestriction,
    PropertyRestriction,
    Restriction,
    SizeRestriction,
    SubObjectRestriction,
)

INBOX = 5
TEXTS = ["", "a", "A", "ab", "Äb", "äB", "straße", "STRASSE", "x\0y", "😀 smile", "\ud83d", "K elvin", "\u212aelvin"]
NUMBERS = [-1, 0, 1, 2, 0x10, 1 << 40, (1 << 63) + 5]
TEXT_TAGS = [
    tags.PidTagSubject,
    tags.PidTagNormalizedSubject,
    tags.PidTagSentRepresentingName,
    tags.PidTagMessageClass,
]
NUMBER_TAGS = [
    tags.PidTagMessageFlags,
    tags.PidTagMessageStatus,
    tags.PidTagMessageSize,
    tags.PidTagLastModificationTime,
    tags.PidTagLocalCommitTime,
    tags.PidTagMessageDeliveryTime,
    tags.PidTagImportance,
    tags.PidTagRead,
    tags.PidTagHasAttachments,
    tags.PidTagAssociated,
]
PROMOTED = [*TEXT_TAGS, *NUMBER_TAGS, tags.PidTagConversationId]


@pytest.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    """One with messages that have many different values, or lack them."""
    database = await Database.open(tmp_path / "data")
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, UUID(int=7))
    mailbox = await Mailboxes(database).open(mailbox_id)
    chance = random.Random(1)
    items = []
    for number in range(60):
        properties: dict[Any, Any] = {tags.PidTagBody: "x" * number}
        for tag in TEXT_TAGS[:3]:
            if chance.random() < 0.8:
                properties[tag] = chance.choice(TEXTS)
        if number % 9 == 0:
            properties[tags.PidTagSubject] = "long " * 3000
        if chance.random() < 0.8:
            properties[tags.PidTagMessageDeliveryTime] = chance.choice([value for value in NUMBERS if value >= 0])
        if chance.random() < 0.5:
            properties[tags.PidTagConversationIndex] = bytes([1, *[number % 5] * 21])
        properties[tags.PidTagMessageClass] = chance.choice(["IPM.Note", "IPM.note", "IPM.Appointment"])
        properties[tags.PidTagImportance] = number % 3
        recipients: list[dict[Any, Any]] = [{tags.PidTagDisplayName: f"r{number % 4}"}]
        attachments = [Attachment({tags.PidTagAttachLongFilename: f"{number}.txt"})] if number % 2 else []
        items.append(NewMessage(Message(properties, recipients, attachments), is_read=number % 3 == 0))
    await mailbox.append(INBOX, items)
    yield mailbox
    await database.close()


def leaf(chance: random.Random) -> Restriction:
    tag = chance.choice(PROMOTED)
    value = chance.choice([*TEXTS, *NUMBERS, b"", b"\1" * 16])
    if chance.random() < 0.7:  # of the kind of the property
        value = chance.choice(TEXTS if tag in TEXT_TAGS else NUMBERS)
    match chance.randrange(6):
        case 0 | 1:
            return PropertyRestriction(chance.choice([0, 1, 2, 3, 4, 5, 0x64]), tag, (tag, value))
        case 2:
            tag = chance.choice(TEXT_TAGS + NUMBER_TAGS)
            return ContentRestriction(chance.choice([0, 1, 2, 16, 32]), chance.randrange(8), tag, (tag, value))
        case 3:
            return ComparePropertiesRestriction(chance.randrange(6), tag, chance.choice(PROMOTED))
        case 4:
            return BitMaskRestriction(chance.randrange(2), tag, chance.choice([0, 1, 3, 0x10, 0xFFFFFFFF]))
    return ExistRestriction(tag)


def tree(chance: random.Random, depth: int = 0) -> Restriction:
    kind = chance.randrange(7) if depth < 3 else 6
    match kind:
        case 0:
            return AndRestriction(tuple(tree(chance, depth + 1) for _ in range(chance.randrange(4))))
        case 1:
            return OrRestriction(tuple(tree(chance, depth + 1) for _ in range(chance.randrange(4))))
        case 2:
            return NotRestriction(tree(chance, depth + 1))
        case 3:
            return CommentRestriction((), tree(chance, depth + 1))
    return leaf(chance)


async def everything(mailbox: Mailbox) -> dict[int, dict[int, Any]]:
    """The properties of all messages, large texts read as far as restrictions look at them."""
    ids = await mailbox.message_ids(INBOX, associated=False)
    found = {}
    for message_id, row in (await mailbox.messages(INBOX, ids)).items():
        values = message_properties(mailbox, row)
        if not isinstance(values.get(tags.PidTagSubject, ""), str):
            values[tags.PidTagSubject] = "long " * 3000
        found[message_id] = values
    return found


async def test_restrictions_in_sql_and_on_decoded_properties_agree(mailbox: Mailbox) -> None:
    messages = await everything(mailbox)
    scope = Scope(mailbox.mailbox_id, INBOX)
    chance = random.Random(2)
    some = 0
    for _ in range(120):
        restriction = tree(chance)
        expected = {key for key, values in messages.items() if matches(restriction, Candidate(values))}
        in_sql = await matching_ids(mailbox, scope, restriction)
        assert in_sql == expected, restriction
        decoded = await matching_rows(mailbox, View(scope), messages, restriction)
        assert {key for key, _ in decoded} == expected, restriction
        # Part of it in SQL, the rest decoded.
        both = AndRestriction((restriction, SizeRestriction(3, tags.PidTagBody, 40)))
        listing = await list_messages(mailbox, View(scope, both))
        assert set(listing.ids) == {key for key in expected if len(messages[key][tags.PidTagBody]) >= 20}, restriction
        some += 0 < len(expected) < len(messages)
    assert some > 20


@pytest.mark.parametrize("tag", [*PROMOTED, tags.PidTagSubject & ~0xFFFF | 0x1E])
async def test_orders_in_sql_and_on_decoded_properties_agree(mailbox: Mailbox, tag: int) -> None:
    messages = await everything(mailbox)
    scope = Scope(mailbox.mailbox_id, INBOX)
    assert contents.is_promoted(tag)
    stored = tag & ~0xFFFF | 0x1F if tag & 0xFFFF == 0x1E else tag
    for descending in (False, True):
        order = (SortKey(tag, descending), SortKey(tags.PidTagMid))
        listing = await list_messages(mailbox, View(scope, order=order))
        keys = [order_key(messages[message_id].get(stored)) for message_id in listing.ids]
        if stored != tags.PidTagMessageDeliveryTime:  # larger ones than SQLite has are all equal
            assert keys == sorted(keys, reverse=descending)
        in_columns = await list_messages(mailbox, View(scope, order=(SortKey(tag, descending),)))
        again = [order_key(messages[message_id].get(stored)) for message_id in in_columns.ids]
        assert again == keys


async def test_the_default_order_is_by_delivery_time(mailbox: Mailbox) -> None:
    messages = await everything(mailbox)
    listing = await list_messages(mailbox, View(Scope(mailbox.mailbox_id, INBOX)))
    times = [messages[message_id].get(tags.PidTagMessageDeliveryTime, -1) for message_id in listing.ids]
    assert times == sorted(times, reverse=True)
    ordered = View(Scope(mailbox.mailbox_id, INBOX), order=(SortKey(tags.PidTagMessageDeliveryTime),))
    times = [
        messages[item].get(tags.PidTagMessageDeliveryTime, -1) for item in (await list_messages(mailbox, ordered)).ids
    ]
    assert times == sorted(times)


async def test_recipients_and_attachments_decide(mailbox: Mailbox) -> None:
    name, file = tags.PidTagDisplayName, tags.PidTagAttachLongFilename
    to_r1 = SubObjectRestriction(tags.PidTagMessageRecipients, PropertyRestriction(4, name, (name, "R1")))
    with_5 = SubObjectRestriction(tags.PidTagMessageAttachments, ContentRestriction(1, 0, file, (file, "5")))
    scope = Scope(mailbox.mailbox_id, INBOX)
    for restriction, count in (
        (to_r1, 15),
        (with_5, 10),
        (AndRestriction((to_r1, with_5)), 5),
        (AndRestriction((to_r1, PropertyRestriction(4, tags.PidTagRead, (tags.PidTagRead, True)))), 5),
    ):
        assert len((await list_messages(mailbox, View(scope, restriction))).ids) == count
        assert await matching_ids(mailbox, scope, restriction) is None


async def test_large_values_are_looked_at(mailbox: Mailbox) -> None:
    """What is out of line in the blob store."""
    (message_id,) = await mailbox.append(INBOX, [NewMessage(Message({0x7C01001F: "needle " + "hay" * 9000 + " pin"}))])
    scope = Scope(mailbox.mailbox_id, INBOX)
    for text, low in (("NEEDLE", 2), ("pin", 1)):
        wanted = ContentRestriction(low, 1, 0x7C01001F, (0x7C01001F, text))
        assert list((await list_messages(mailbox, View(scope, wanted))).ids) == [message_id]
    order = (SortKey(0x7C01001F, descending=True),)
    assert (await list_messages(mailbox, View(scope, order=order))).ids[0] == message_id


async def test_a_body_is_looked_at_in_whatever_form_it_is_stored(mailbox: Mailbox) -> None:
    (message_id,) = await mailbox.append(INBOX, [NewMessage(Message({tags.PidTagHtml: b"<p>one <b>need</b>le</p>"}))])
    wanted = ContentRestriction(1, 1, tags.PidTagBody, (tags.PidTagBody, "NEEDLE"))
    scope = Scope(mailbox.mailbox_id, INBOX)
    assert list((await list_messages(mailbox, View(scope, wanted))).ids) == [message_id]


async def test_a_message_by_its_id(mailbox: Mailbox) -> None:
    messages = await everything(mailbox)
    scope = Scope(mailbox.mailbox_id, INBOX)
    wanted, values = next(iter(messages.items()))
    mid = values[tags.PidTagMid]
    for tag in (tags.PidTagMid, tags.PidTagInstID):
        assert await matching_ids(mailbox, scope, PropertyRestriction(4, tag, (tag, mid))) == {wanted}
        assert await matching_ids(mailbox, scope, PropertyRestriction(4, tag, (tag, 0))) == set()
        other = PropertyRestriction(5, tag, (tag, mid))
        assert await matching_ids(mailbox, scope, other) is None
        assert len((await list_messages(mailbox, View(scope, other))).ids) == len(messages) - 1
