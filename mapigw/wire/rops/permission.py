"""Permission ROPs (MS-OXCROPS 2.2.10)."""

from mapigw.wire.primitives import Byte, Counted, Int16ul, Struct
from mapigw.wire.rops.rop import rop
from mapigw.wire.rows import TaggedValues

PermissionData = Struct("permission_data_flags" / Byte, "property_values" / TaggedValues)
"""MS-OXCROPS 2.2.10.1.1.1."""

rop(
    0x40,
    "ModifyPermissions",
    "2.2.10.1",
    {"modify_flags": Byte, "permissions_data": Counted(Int16ul, PermissionData)},
    {},
)

rop(
    0x3E,
    "GetPermissionsTable",
    "2.2.10.2",
    {"output_handle_index": Byte, "table_flags": Byte},
    {},
    output_handle=True,
)
