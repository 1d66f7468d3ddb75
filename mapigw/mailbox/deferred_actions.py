"""What rules leave to a client: deferred action and deferred error messages (MS-OXORULE 2.2.6, 2.2.7)."""

from collections.abc import Sequence
from typing import Final

from mapigw.mailbox.batches import batches
from mapigw.mailbox.content import decode_message, stored_value
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.rule_evaluation import ActiveRule, Failure
from mapigw.mailbox.saving import Author, Draft, MessageGoneError, save_message
from mapigw.wire import tags
from mapigw.wire.entryids import folder_entry_id
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import push_rule_actions

DEFERRED_ACTION_CLASS: Final = "IPC.Microsoft Exchange 4.0.Deferred Action"
DEFERRED_ERROR_CLASS: Final = "IPC.Microsoft Exchange 4.0.Deferred Error"


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


def deferred_action(
    mailbox: Mailbox, folder_id: int, delivered: bytes, own_server_id: bytes, rules: Sequence[ActiveRule]
) -> Message:
    """The message that leaves to a client what rules of one provider want done (2.2.6).

    ``folder_id`` is where the rules are, ``delivered`` the EntryID of the message that arrived, ``own_server_id`` the
    PtypServerId of the message that is made.
    """
    actions = bytearray()
    push_rule_actions(actions, [action for rule in rules for action in rule.actions])
    first = ObjectId(OWN_REPLICA, rules[0].rule_id).to_integer().to_bytes(8, "little")
    return Message(
        {
            tags.PidTagMessageClass: DEFERRED_ACTION_CLASS,
            tags.PidTagDamBackPatched: False,
            tags.PidTagDamOriginalEntryId: delivered,
            tags.PidTagRuleProvider: rules[0].provider,
            tags.PidTagRuleFolderEntryId: folder_entry_id(mailbox.guid, mailbox.replica_guid, folder_id),
            tags.PidTagClientActions: bytes(actions),
            tags.PidTagRuleIds: first * len(rules),
            tags.PidTagDeferredActionMessageOriginalEntryId: own_server_id,
        }
    )


def deferred_error(mailbox: Mailbox, folder_id: int, delivered: bytes, failure: Failure) -> Message:
    """The message that tells a client of a rule that failed (2.2.7); parameters as for `deferred_action`."""
    return Message(
        {
            tags.PidTagMessageClass: DEFERRED_ERROR_CLASS,
            tags.PidTagRuleError: int(failure.error),
            tags.PidTagRuleActionType: failure.action_type,
            tags.PidTagRuleActionNumber: failure.number,
            tags.PidTagRuleProvider: failure.rule.provider,
            tags.PidTagDamOriginalEntryId: delivered,
            tags.PidTagRuleFolderEntryId: folder_entry_id(mailbox.guid, mailbox.replica_guid, folder_id),
            tags.PidTagRuleId: ObjectId(OWN_REPLICA, failure.rule.rule_id).to_integer(),
        }
    )
