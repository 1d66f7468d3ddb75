"""The hierarchy of address lists: GetSpecialTable (MS-OXNSPI 3.1.4.1.3, 3.1.4.4.3)."""

from typing import Any, Final

from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import AddressBookObjectType
from nspi import codepages
from nspi.containers import CONTAINERS, Container
from nspi.entryids import PermanentEntryId
from nspi.errors import NspiError
from nspi.handlers.registry import Call, handles, stat_of
from nspi.properties import as_string8

ADDRESS_CREATION_TEMPLATES: Final = 0x00000002  # 2.2.1.12
UNICODE_STRINGS: Final = 0x00000004


@handles("GetSpecialTable")
def get_special_table(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.3: the hierarchy of containers; there are no address creation templates, so that their table is empty.

    The version is neither looked at nor set, as in Exchange (section 7, notes 3 and 4).
    """
    stat = stat_of(request)
    if request.flags & ADDRESS_CREATION_TEMPLATES:
        return {"code_page": stat.code_page, "version": request.version, "rows": []}
    wide = bool(request.flags & UNICODE_STRINGS)
    if not wide and stat.code_page == codepages.CP_WINUNICODE:
        raise NspiError(ErrorCode.InvalidCodepage)
    rows = [container_row(call, container, stat.code_page, wide=wide) for container in CONTAINERS.values()]
    return {"code_page": stat.code_page, "version": request.version, "rows": rows}


def container_row(call: Call, container: Container, code_page: int, *, wide: bool) -> list[tuple[int, Any]]:
    """The properties of a container in the order of constraint 14, that of its parent where it has one."""
    name_tag = tags.PidTagDisplayName if wide else as_string8(tags.PidTagDisplayName)
    row = [
        (tags.PidTagEntryId, _entry_id(call, container)),
        (tags.PidTagContainerFlags, container.flags),
        (tags.PidTagDepth, container.depth),
        (tags.PidTagAddressBookContainerId, container.container_id),
        (name_tag, container.name if wide else codepages.encode(container.name, code_page)),
        (tags.PidTagAddressBookIsMaster, False),
    ]
    if container.parent is not None:
        row.append((tags.PidTagAddressBookParentEntryId, _entry_id(call, CONTAINERS[container.parent])))
    return row


def _entry_id(call: Call, container: Container) -> bytes:
    return PermanentEntryId(container.dn(call.user.domain), AddressBookObjectType.Container).to_bytes()
