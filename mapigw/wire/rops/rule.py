"""Rule ROPs (MS-OXCROPS 2.2.11)."""

from mapigw.wire.primitives import Byte, Counted, Int16ul, SizedBytes, Struct
from mapigw.wire.rops.rop import rop
from mapigw.wire.rows import TaggedValues

RuleData = Struct("rule_data_flags" / Byte, "property_values" / TaggedValues)
"""MS-OXCROPS 2.2.11.1.1.1."""

rop(
    0x41,
    "ModifyRules",
    "2.2.11.1",
    {"modify_rules_flags": Byte, "rules_data": Counted(Int16ul, RuleData)},
    {},
)

rop(
    0x3F,
    "GetRulesTable",
    "2.2.11.2",
    {"output_handle_index": Byte, "table_flags": Byte},
    {},
    output_handle=True,
)

rop(
    0x57,
    "UpdateDeferredActionMessages",
    "2.2.11.3",
    {"server_entry_id": SizedBytes(Int16ul), "client_entry_id": SizedBytes(Int16ul)},
    {},
)
