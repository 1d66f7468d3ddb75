"""Rule ROPs (MS-OXORULE 2.2.1 to 2.2.3, MS-OXCROPS 2.2.11)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Folder, Logon
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.rule_strings import Strings
from mapigw.emsmdb.table import Table
from mapigw.mailbox.deferred_actions import update_deferred_actions
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.mailboxes import MailboxError, NotFoundError
from mapigw.mailbox.permissions import Rights
from mapigw.mailbox.rules import (
    RULE_PROPERTIES,
    ChangeKind,
    InvalidRuleError,
    RuleChange,
    RulesTooLargeError,
    UnknownRuleError,
    folder_rules,
    modify_rules,
)
from mapigw.mailbox.saving import Author
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import address_book_entry_id
from mapigw.wire.primitives import ObjectId

REPLACE: Final = 0x01  # R of ModifyRulesFlags (2.2.1.1)
UNICODE: Final = 0x40  # U of TableFlags (2.2.2.1)

_ERRORS: Final[Mapping[type[MailboxError], ErrorCode]] = {
    InvalidRuleError: ErrorCode.InvalidParameter,
    UnknownRuleError: ErrorCode.NotFound,
    RulesTooLargeError: ErrorCode.NotEnoughMemory,
    NotFoundError: ErrorCode.ObjectDeleted,
}


@handles("ModifyRules")
async def modify_folder_rules(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1: all of the changes or, on an error, none."""
    folder = call.object(Folder)
    if request.modify_rules_flags & ~REPLACE:
        raise RopError(ErrorCode.InvalidParameter)
    await folder.require(Rights.FolderOwner)
    replace = bool(request.modify_rules_flags & REPLACE)
    strings = Strings(folder.code_page, narrow=False)
    changes = [_change(item, strings) for item in request.rules_data]
    if replace and any(change.kind is not ChangeKind.ADD for change in changes):
        raise RopError(ErrorCode.InvalidParameter)
    try:
        await modify_rules(folder.logon.mailbox, folder.folder_id, changes, replace=replace)
    except tuple(_ERRORS) as error:
        raise RopError(_ERRORS[type(error)]) from error
    return {}


def _change(item: Any, strings: Strings) -> RuleChange:
    """One RuleData structure (2.2.1.3). `RopError` InvalidParameter, NotFound."""
    try:
        kind = ChangeKind(item.rule_data_flags)
    except ValueError as error:
        raise RopError(ErrorCode.InvalidParameter) from error
    properties = dict(strings.property(*tagged) for tagged in item.property_values)
    wanted = properties.pop(tags.PidTagRuleId, None)
    if kind is ChangeKind.ADD:
        if wanted is not None:
            raise RopError(ErrorCode.InvalidParameter)
        return RuleChange(kind, None, properties)
    if wanted is None:
        raise RopError(ErrorCode.InvalidParameter)
    rule_id = ObjectId.from_integer(wanted)
    if rule_id.replica_id != OWN_REPLICA:
        raise RopError(ErrorCode.NotFound)
    return RuleChange(kind, rule_id.counter, properties)


class RulesTable(Table):
    """The standard rules of a folder, as they were when the table was opened; a row is a rule's properties."""

    rops = frozenset({"Restrict", "FindRow"})
    value_maximum = 0  # who reads a rule to write it back gets it whole
    default_columns = (tags.PidTagRuleId, *sorted(RULE_PROPERTIES))

    async def load(self, keys: Sequence[Any]) -> list[Mapping[int, Any] | None]:
        return list(keys)


@handles("GetRulesTable")
async def get_rules_table(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2"""
    folder = call.object(Folder)
    if request.table_flags & ~UNICODE:
        raise RopError(ErrorCode.NotSupported)
    await folder.require(Rights.FolderOwner)
    await folder.row()
    strings = None if request.table_flags & UNICODE else Strings(folder.code_page, narrow=True)
    rows: list[dict[int, Any]] = []
    for rule in await folder_rules(folder.logon.mailbox, folder.folder_id):
        row = {tags.PidTagRuleId: ObjectId(OWN_REPLICA, rule.rule_id).to_integer(), **rule.properties}
        if strings is not None:
            for tag in (tags.PidTagRuleCondition, tags.PidTagRuleActions):
                row[tag] = strings.property(tag, row[tag])[1]
        rows.append(row)
    call.open(request, RulesTable(folder, rows, want_unicode=strings is None))
    return {}


@handles("UpdateDeferredActionMessages")
async def update_deferred_action_messages(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3: the messages of the Deferred Action folder that stand for another one from now on."""
    logon = call.object(Logon)
    deferred_action = await logon.mailbox.special_folder("deferred_action")
    await Folder(logon, deferred_action.folder_id).require(Rights.EditAny)
    if not request.server_entry_id:
        raise RopError(ErrorCode.InvalidParameter)
    user = call.session.user
    await update_deferred_actions(
        logon.mailbox,
        deferred_action.folder_id,
        request.server_entry_id,
        request.client_entry_id,
        Author(user.display_name, address_book_entry_id(user.legacy_dn)),
    )
    return {}
