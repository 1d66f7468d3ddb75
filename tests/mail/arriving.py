"""A mailbox of a test with rules, and mail that arrives in it."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from mapigw.directory.model import User
from mapigw.mail.receiving import received
from mapigw.mailbox.content import DecodedMessage, decode_message
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.out_of_office import OofState, OutOfOffice, set_out_of_office
from mapigw.mailbox.rules import ChangeKind, RuleChange, RuleState, modify_rules
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.entryids import server_id
from mapigw.wire.message import Message, Properties
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import (
    ActionBlock,
    ActionType,
    ContentRestriction,
    MoveCopyData,
    RecipientBlock,
    ReplyData,
    Restriction,
)
from tests.mail.sending import Site, site

TEMPLATE = UUID("11223344-5566-7788-99aa-bbccddeeff00")
SUBJECT = tags.PidTagSubject
INVOICE = ContentRestriction(1, 1, SUBJECT, (SUBJECT, "invoice"))
HOLIDAY = ContentRestriction(1, 1, SUBJECT, (SUBJECT, "holiday"))
ENABLED, OOF, EXIT = int(RuleState.ST_ENABLED), int(RuleState.ST_ONLY_WHEN_OOF), int(RuleState.ST_EXIT_LEVEL)
HISTORY = int(RuleState.ST_KEEP_OOF_HIST)
DAM_CLASS = "IPC.Microsoft Exchange 4.0.Deferred Action"
DEM_CLASS = "IPC.Microsoft Exchange 4.0.Deferred Error"
REPLY_CLASS = "IPM.Note.rules.ReplyTemplate.Microsoft"

READ = ActionBlock(ActionType.OP_MARK_AS_READ, 0, 0, b"")
DELETE = ActionBlock(ActionType.OP_DELETE, 0, 0, b"")
DEFER = ActionBlock(ActionType.OP_DEFER_ACTION, 0, 0, b"play a sound")
STOP = ActionBlock(ActionType.OP_DEFER_ACTION, 0, 0, b"show a window")


@pytest.fixture
async def mail(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as opened:
        await opened.add("tom@bm.lan", "Tom")
        await opened.add("ann@bm.lan", "Ann")
        yield opened


class Inbox:
    """Tom's mailbox, with what arrives in it."""

    def __init__(self, mail: Site, user: User, mailbox: Mailbox, folders: dict[str, int]) -> None:
        self.mail, self.user, self.mailbox, self.folders = mail, user, mailbox, folders

    async def rules(self, *rules: Properties) -> None:
        changes = [RuleChange(ChangeKind.ADD, None, values) for values in rules]  # type: ignore[arg-type]
        await modify_rules(self.mailbox, self.folders["inbox"], changes, replace=True)

    async def arrive(self, text: str = "", sender: str = "anna@far.example", **fields: str) -> int:
        """Let a message arrive; returns its id."""
        head = {"From": f"Anna <{sender}>", "To": "tom@bm.lan", "Subject": "Your invoice", "Message-ID": "<1@far>"}
        head |= {name.replace("_", "-"): value for name, value in fields.items()}
        lines = [f"Return-Path: <{sender}>", *(f"{name}: {value}" for name, value in head.items()), "", text or "Text."]
        raw = "\r\n".join(lines).encode() + b"\r\n"
        message = await received(self.mail.database, raw)
        return await self.mail.deliverer.deliver(self.user, message, "tom@bm.lan")

    async def rows(self, key: str) -> list[MessageRow]:
        folder_id = self.folders[key]
        ids = await self.mailbox.message_ids(folder_id, associated=False)
        found = await self.mailbox.messages(folder_id, ids)
        return [found[message_id] for message_id in sorted(found)]

    async def subjects(self, key: str) -> list[str | None]:
        return [row.subject for row in await self.rows(key)]

    async def deferred(self) -> list[DecodedMessage]:
        return [decode_message(row) for row in await self.rows("deferred_action")]

    async def template(self, *recipients: str, message_class: str = REPLY_CLASS, **values: Any) -> ReplyData:
        """Store a reply template; what names it in a rule."""
        properties: Properties = {
            tags.PidTagMessageClass: message_class,
            tags.PidTagReplyTemplateId: TEMPLATE.bytes_le,
            tags.PidTagSubject: "Got it",
            tags.PidTagBody: "Thank you.",
            **{getattr(tags, name): value for name, value in values.items()},
        }
        rows: list[Properties] = [
            {
                tags.PidTagRecipientType: 1,
                tags.PidTagDisplayName: address,
                tags.PidTagAddressType: "SMTP",
                tags.PidTagEmailAddress: address,
            }
            for address in recipients
        ]
        folder_id = self.folders["inbox"]
        (message_id,) = await self.mailbox.append(
            folder_id, [NewMessage(Message(properties, rows), is_associated=True)]
        )
        return ReplyData((ObjectId(1, folder_id), ObjectId(1, message_id)), TEMPLATE)


@pytest.fixture
async def inbox(mail: Site) -> Inbox:
    user = await mail.directory.by_address("tom@bm.lan")
    assert user is not None
    mailbox = await mail.mailboxes.open(user.mailbox_id)
    folders = {row.special: row.folder_id for row in await mailbox.folders() if row.special}
    return Inbox(mail, user, mailbox, folders)


def rule(*actions: ActionBlock, condition: Restriction = INVOICE, **more: Any) -> Properties:
    return {
        tags.PidTagRuleSequence: more.get("sequence", 10),
        tags.PidTagRuleState: more.get("state", ENABLED),
        tags.PidTagRuleName: "rule",
        tags.PidTagRuleProvider: more.get("provider", "RuleOrganizer"),
        tags.PidTagRuleLevel: 0,
        tags.PidTagRuleCondition: condition,
        tags.PidTagRuleActions: list(actions),
    }


def move(folder_id: int, kind: ActionType = ActionType.OP_MOVE, *, here: bool = True) -> ActionBlock:
    return ActionBlock(kind, 0, 0, MoveCopyData(here, b"store", server_id(folder_id)))


def to(kind: ActionType, *addresses: str, flavor: int = 0) -> ActionBlock:
    blocks = tuple(
        RecipientBlock(
            1, ((tags.PidTagDisplayName, address), (tags.PidTagEmailAddress, address), (tags.PidTagRecipientType, 1))
        )
        for address in addresses
    )
    return ActionBlock(kind, flavor, 0, blocks)


def forward(*addresses: str, flavor: int = 0) -> ActionBlock:
    return to(ActionType.OP_FORWARD, *addresses, flavor=flavor)


async def out(inbox: Inbox, **more: Any) -> None:
    await set_out_of_office(inbox.mailbox, OutOfOffice(OofState.ENABLED, **more))


async def in_office(inbox: Inbox) -> None:
    await set_out_of_office(inbox.mailbox, OutOfOffice())


async def relayed(inbox: Inbox, count: int = 1) -> Sequence[Any]:
    """What has left for elsewhere."""
    async with inbox.mail.working():
        await inbox.mail.settled()
    assert len(inbox.mail.relay.taken) == count
    return inbox.mail.relay.taken
