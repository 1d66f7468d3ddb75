"""Deferred action messages: what rules leave to a client (MS-OXORULE 2.2.6)."""

from mapigw.mailbox.batches import batches
from mapigw.mailbox.content import decode_message, stored_value
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.saving import Author, Draft, MessageGoneError, save_message
from mapigw.wire import tags


async def update_deferred_actions(
    mailbox: Mailbox, folder_id: int, server_entry_id: bytes, client_entry_id: bytes, author: Author
) -> None:
    """Let the messages of the Deferred Action folder that name ``server_entry_id`` name ``client_entry_id`` instead,
    which is the message that the client has downloaded (3.2.5.4).
    """
    wanted = tags.PidTagDeferredActionMessageOriginalEntryId
    async for batch in batches(mailbox, await mailbox.message_ids(folder_id, associated=False)):
        for row in (await mailbox.messages(folder_id, batch)).values():
            if stored_value(row.properties, row.properties_index, wanted) != server_entry_id:
                continue
            message = decode_message(row)
            message.properties |= {
                wanted: client_entry_id,
                tags.PidTagDamOriginalEntryId: client_entry_id,
                tags.PidTagDamBackPatched: True,
            }
            try:
                await save_message(mailbox, Draft(row, message, author), force=True)
            except MessageGoneError:
                continue
