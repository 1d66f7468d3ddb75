"""What downloads are asked for in tests (MS-OXCFXICS 2.2.3.2.1.1.1), and messages to be downloaded."""

from typing import Any

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.wire import tags
from mapigw.wire.message import Message

UNICODE, NO_DELETIONS, IGNORE_SCOPE, READ_STATE, FAI, NORMAL = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
ONLY_SPECIFIED, NO_FOREIGN, RESERVED, BEST_BODY, IGNORE_ON_FAI, PROGRESS = 0x80, 0x100, 0x1000, 0x2000, 0x4000, 0x8000
ALL = UNICODE | READ_STATE | FAI | NORMAL
EID, MESSAGE_SIZE, CN, ORDER = 0x01, 0x02, 0x04, 0x08
CONTENTS, HIERARCHY = 1, 2
DELIVERED = 133_000_000_000_000_000
RECIPIENTS, ATTACHMENTS = tags.PidTagMessageRecipients, tags.PidTagMessageAttachments


def message(subject: str, **values: Any) -> Message:
    return Message(
        {tags.PidTagSubject: subject, **{getattr(tags, name): value for name, value in values.items()}},
        recipients=[{tags.PidTagRecipientType: 1, tags.PidTagDisplayName: "Anna"}],
    )


async def fill(mailbox: Mailbox, folder_id: int, *subjects: str, associated: bool = False) -> list[int]:
    return await mailbox.append(folder_id, [NewMessage(message(item), is_associated=associated) for item in subjects])
