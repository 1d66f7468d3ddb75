"""Transport ROPs (MS-OXOMSG 2.2.4, MS-OXCROPS 2.2.7)."""

from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Logon
from mapigw.emsmdb.registry import Call, handles
from mapigw.wire.codes import ErrorCode

ADDRESS_TYPES: Final = (b"EX", b"SMTP")


@handles("GetAddressTypes")
async def get_address_types(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXOMSG 2.2.4.3: what recipients may be. The input object is ignored."""
    return {"address_types": list(ADDRESS_TYPES)}


@handles("OptionsData")
async def options_data(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXOMSG 2.2.4.4: no address type has options or a help file."""
    call.object(Logon)
    if request.address_type not in ADDRESS_TYPES:
        raise RopError(ErrorCode.NotFound)
    return {"reserved": 1, "options_info": b"", "help_file": b"", "help_file_name": None}
