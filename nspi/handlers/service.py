"""What concerns the server and not an entry: Unbind, templates, URLs (MS-OXNSPI 3.1.4.1, MS-OXCMAPIHTTP 2.2.5.18)."""

import re
from typing import Any, Final

from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import PropertyType, property_id, property_tag
from nspi import codepages
from nspi.address_book import Entry
from nspi.errors import NspiError
from nspi.handlers.registry import Call, handles

TEMPLATE: Final = 0x00000001  # TI_TEMPLATE, 2.2.1.14
SCRIPT: Final = 0x00000004

_SERVER = re.compile(r"/cn=Servers/cn=([^/]+)", re.IGNORECASE)


@handles("Unbind")
def unbind(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.2."""
    return {"error_code": ErrorCode.UnbindSuccess}


@handles("GetTemplateInfo")
def get_template_info(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.18: the dialog for a display type, or the one that a DN names. There are no scripts."""
    if not codepages.is_8_bit(request.code_page):
        raise NspiError(ErrorCode.InvalidCodepage)
    dn = request.template_dn.decode("ascii", "replace") if request.template_dn is not None else None
    code_page = codepages.usable(request.code_page)
    template = call.dialog_template(request.display_type, request.locale_id, dn, code_page)
    if template is None:
        raise NspiError(ErrorCode.InvalidLocale)
    row: list[tuple[int, Any]] = []
    if request.flags & TEMPLATE:
        row.append((tags.PidTagTemplateData, template))
    if request.flags & SCRIPT:
        row.append((property_tag(property_id(tags.PidTagScriptData), PropertyType.ERROR_CODE), ErrorCode.NotFound))
    return {"code_page": request.code_page, "row": row}


@handles("GetMailboxUrl")
def get_mailbox_url(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXCMAPIHTTP 2.2.5.18: the mailbox endpoint for a server DN as PidTagAddressBookHomeMessageDatabase has it."""
    server = _SERVER.search(request.server_dn)
    entry = call.book.by_mailbox(server[1]) if server else call.book.by_dn(request.server_dn)
    return {"server_url": _url(call, "emsmdb", entry)}


@handles("GetAddressBookUrl")
def get_address_book_url(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXCMAPIHTTP 2.2.5.19: the address book endpoint for a user's DN."""
    return {"server_url": _url(call, "nspi", call.book.by_dn(request.user_dn))}


def _url(call: Call, endpoint: str, entry: Entry | None) -> str:
    user = entry.user if entry is not None else None
    if user is None:
        raise NspiError(ErrorCode.NotFound)
    return f"{call.base_url}/mapi/{endpoint}/?MailboxId={user.mailbox_guid}@{user.domain}"
