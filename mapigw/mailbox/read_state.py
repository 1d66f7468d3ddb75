"""What is changed of messages without saving them: read state, receipt flags and status (MS-OXCMSG 3.2.5.8, 3.2.5.10).

None of it is a change to the message: change number, change key and modification time stay. A new read state has a
change number of its own, by which downloads find it.
"""

from collections.abc import Iterator, Sequence
from enum import IntFlag
from typing import Final

from mapigw.mailbox import search
from mapigw.mailbox.batches import existing_folder, messages_of
from mapigw.mailbox.clock import now
from mapigw.mailbox.events import (
    MESSAGE_FLAG_UNSENT,
    Counts,
    Event,
    Kind,
    changing,
    collecting,
    note,
    note_all,
    touch,
)
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.messages import MESSAGE_FLAG_EVER_READ, MESSAGE_FLAG_NOTIFY_READ, MESSAGE_FLAG_NOTIFY_UNREAD
from mapigw.mailbox.permissions import Access, Accessor
from mapigw.store import folders, mailboxes, messages, queue
from mapigw.store.messages import ReadState
from mapigw.store.queue import Step
from mapigw.store.removing import select_summaries

BATCH: Final = 250
"""Messages in a transaction."""


class ReadFlags(IntFlag):
    """MS-OXCMSG 2.2.3.10.1; other bits are ignored. Without any the message becomes read."""

    SuppressReceipt = 0x01
    ClearReadFlag = 0x04
    GenerateReceiptOnly = 0x10
    ClearNotifyRead = 0x20
    ClearNotifyUnread = 0x40


_NOT_READING: Final = (
    ReadFlags.ClearReadFlag | ReadFlags.GenerateReceiptOnly | ReadFlags.ClearNotifyRead | ReadFlags.ClearNotifyUnread
)


def with_read_flags(is_read: bool, message_flags: int, flags: int) -> tuple[bool, int]:
    """(is_read, message_flags) of a message to which ``flags`` are applied.

    A pending receipt stays pending until it is sent, or until the user gives it up.
    """
    if not flags & _NOT_READING:
        is_read = True
    elif flags & ReadFlags.ClearReadFlag:
        is_read = False
    if flags & (ReadFlags.SuppressReceipt | ReadFlags.ClearNotifyRead):
        message_flags &= ~MESSAGE_FLAG_NOTIFY_READ
    if flags & ReadFlags.ClearNotifyUnread:
        message_flags &= ~MESSAGE_FLAG_NOTIFY_UNREAD
    message_flags = message_flags & ~MESSAGE_FLAG_EVER_READ | (MESSAGE_FLAG_EVER_READ if is_read else 0)
    return is_read, message_flags


def owes_receipt(is_read: bool, message_flags: int, flags: int) -> bool:
    """Whether a receipt is due of a message that ``flags`` have made so: one that came from somebody else."""
    asked = message_flags & MESSAGE_FLAG_NOTIFY_READ and not message_flags & MESSAGE_FLAG_UNSENT
    return bool(asked) and (bool(flags & ReadFlags.GenerateReceiptOnly) or (is_read and not flags & _NOT_READING))


def owes_non_read_receipt(state: ReadState) -> bool:
    """Whether a receipt is due of a message that is deleted."""
    asked = state.message_flags & MESSAGE_FLAG_NOTIFY_UNREAD and not state.message_flags & MESSAGE_FLAG_UNSENT
    return bool(asked) and not state.is_read


def batches(message_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(message_ids), BATCH):
        yield message_ids[start : start + BATCH]


async def folders_of(
    mailbox: Mailbox, accessor: Accessor, folder_id: int, message_ids: Sequence[int]
) -> dict[int, list[int]]:
    """Those of the messages that a folder holds or shows and that may be read, by the folders they are in."""
    places: dict[int, list[int]] = {}
    async with mailbox.database.read() as connection:
        folder = await existing_folder(connection, mailbox, folder_id)
        for summary in await messages_of(connection, mailbox, accessor, folder, message_ids, Access.Read):
            places.setdefault(summary.folder_id, []).append(summary.message_id)
    return places


async def set_read_flags(mailbox: Mailbox, folder_id: int, message_ids: Sequence[int], flags: int) -> list[int]:
    """Apply `ReadFlags` to those of the messages that are in the folder, in one transaction; `BATCH` ids a call.

    The receipts that are due now are owed by the queue of outgoing mail, and pending no more (MS-OXOMSG 2.2.1.29).
    Returns the change numbers of the read states that changed.
    """
    async with changing(mailbox) as connection:
        present = await messages.select_read_states(connection, mailbox.mailbox_id, folder_id, message_ids)
        changed: list[ReadState] = []
        owed: list[int] = []
        unread = 0
        for state in present:
            is_read, message_flags = with_read_flags(state.is_read, state.message_flags, flags)
            if owes_receipt(is_read, message_flags, flags):
                owed.append(state.message_id)
                message_flags &= ~(MESSAGE_FLAG_NOTIFY_READ | MESSAGE_FLAG_NOTIFY_UNREAD)
            if (is_read, message_flags) != (state.is_read, state.message_flags):
                changed.append(state._replace(is_read=is_read, message_flags=message_flags))
                if not state.is_associated:
                    unread += state.is_read - is_read
        if not changed:
            return []
        moment = now()
        first = await mailboxes.allocate(connection, mailbox.mailbox_id, len(changed))
        numbered = [state._replace(read_change_number=first + place) for place, state in enumerate(changed)]
        await messages.update_read_states(connection, mailbox.mailbox_id, numbered, commit_time=moment)
        await folders.count_contents(
            connection,
            mailbox.mailbox_id,
            folder_id,
            change_number=first + len(changed) - 1,
            commit_time=moment,
            unread=unread,
        )
        note_all(
            mailbox,
            (
                Event(Kind.OBJECT_MODIFIED, folder_id, state.message_id, is_associated=state.is_associated)
                for state in numbered
            ),
        )
        touch(mailbox, folder_id, Counts.UNREAD if unread else Counts.NONE)
        changed_ids = [state.message_id for state in numbered]
        await search.update(connection, mailbox, changed_ids, text_changed=False)
        if owed:
            await queue.insert_receipts(connection, mailbox.mailbox_id, owed, step=Step.READ_RECEIPT, moment=moment)
    if owed:
        mailbox.database.queued.set()
    return [state.read_change_number for state in numbered]


async def set_message_status(mailbox: Mailbox, message_id: int, *, status: int, mask: int) -> int:
    """Set those bits of PidTagMessageStatus that ``mask`` has to those of ``status``; returns what it was."""
    async with changing(mailbox) as connection:
        before = await messages.update_message_status(connection, mailbox.mailbox_id, message_id, status, mask)
        for summary in await select_summaries(connection, mailbox.mailbox_id, [message_id]) if collecting() else ():
            place = summary.folder_id
            note(mailbox, Event(Kind.OBJECT_MODIFIED, place, message_id, is_associated=summary.is_associated))
        await search.update(connection, mailbox, [message_id], text_changed=False)
    return before
