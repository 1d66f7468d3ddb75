"""Extended rules: FAI messages of a folder with a condition and actions in them (MS-OXORULE 2.2.4)."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from mapigw.mailbox.content import BlobValue, decode_properties
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.restrictions import with_ids
from mapigw.mailbox.rule_evaluation import ActiveRule
from mapigw.mailbox.rules import EXTENDED_RULE_CLASS, EXTENDED_RULE_SIZE_LIMIT
from mapigw.store import messages
from mapigw.store.blobs import MissingBlobError
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError
from mapigw.wire.properties import PropertyName
from mapigw.wire.restrictions import ActionBlock, ActionType, Restriction, pull_restriction, pull_rule_actions
from mapigw.wire.rows import pull_property_name

ACTIONS_MAXIMUM: Final = EXTENDED_RULE_SIZE_LIMIT
_VERSION: Final = 1

_log = logging.getLogger(__name__)


async def extended_rules(mailbox: Mailbox, folder_id: int) -> list[ActiveRule]:
    """Those of a folder that can be read; one that cannot is logged and passed over."""
    async with mailbox.database.read() as connection:
        rows = await messages.select_associated(connection, mailbox.mailbox_id, folder_id, EXTENDED_RULE_CLASS)
    found = []
    for row in rows:
        try:
            found.append(await _rule(mailbox, row))
        except (WireError, MissingBlobError) as error:
            _log.warning("extended rule %d of mailbox %s cannot be read: %s", row.message_id, mailbox.guid, error)
    return found


async def _rule(mailbox: Mailbox, row: MessageRow) -> ActiveRule:
    values = decode_properties(row.properties, row.properties_index)
    condition = Cursor(await _bytes(mailbox, values, tags.PidTagExtendedRuleMessageCondition))
    actions = Cursor(await _bytes(mailbox, values, tags.PidTagExtendedRuleMessageActions))
    condition_names = _pull_names(condition)
    restriction = pull_restriction(condition, wide=True)
    action_names = _pull_names(actions)
    version = actions.uint32()
    if version != _VERSION:
        raise actions.fail(f"version {version} of extended rules is not known", "RuleVersion")
    return ActiveRule(
        row.message_id,
        extended=True,
        sequence=values.get(tags.PidTagRuleMessageSequence, 0),
        state=values.get(tags.PidTagRuleMessageState, 0),
        provider=values.get(tags.PidTagRuleMessageProvider, ""),
        condition=await _with_own_ids(mailbox, restriction, condition_names),
        actions=tuple([await _tagged(mailbox, item, action_names) for item in pull_rule_actions(actions, wide=True)]),
    )


async def _bytes(mailbox: Mailbox, values: Mapping[int, Any], tag: int) -> bytes:
    value = values.get(tag, b"")
    if isinstance(value, BlobValue):
        if value.size > ACTIONS_MAXIMUM:
            raise WireError(f"{value.size} bytes", field=f"0x{tag:08X}")
        return await mailbox.read_blob(value.digest)
    return bytes(value)


def _pull_names(cursor: Cursor) -> dict[int, PropertyName]:
    """NamedPropertyInformation (2.2.4.2): the names of the property ids in what follows."""
    count = cursor.uint16()
    if not count:
        return {}
    ids = [cursor.uint16() for _ in range(cursor.count(count, 2))]
    size = cursor.uint32()
    end = cursor.position + size
    names = [pull_property_name(cursor) for _ in range(count)]
    if cursor.position != end:
        raise cursor.fail(f"{size} bytes of names end elsewhere", "NamedPropertiesSize")
    return dict(zip(ids, names, strict=True))


async def _own_ids(mailbox: Mailbox, names: Mapping[int, PropertyName]) -> dict[int, int]:
    """The mailbox's ids by those of a rule."""
    own = await mailbox.property_ids(names.values(), create=True) if names else {}
    return {property_id: own[name] for property_id, name in names.items()}


async def _with_own_ids(mailbox: Mailbox, restriction: Restriction, names: Mapping[int, PropertyName]) -> Restriction:
    return with_ids(restriction, await _own_ids(mailbox, names)) if names else restriction


async def _tagged(mailbox: Mailbox, action: ActionBlock, names: Mapping[int, PropertyName]) -> ActionBlock:
    if action.action_type != ActionType.OP_TAG:
        return action
    ids = await _own_ids(mailbox, names)
    tag, value = action.action_data
    return replace(action, action_data=(ids.get(tag >> 16, tag >> 16) << 16 | tag & 0xFFFF, value))
