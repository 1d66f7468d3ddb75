"""Transport ROPs (MS-OXOMSG 2.2.4, MS-OXCROPS 2.2.7)."""

from typing import Any, Final

from mapigw.emsmdb.registry import Call, handles

ADDRESS_TYPES: Final = (b"EX", b"SMTP")


@handles("GetAddressTypes")
async def get_address_types(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXOMSG 2.2.4.3: what recipients may be. The input object is ignored."""
    return {"address_types": list(ADDRESS_TYPES)}
