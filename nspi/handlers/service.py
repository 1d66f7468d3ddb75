"""What concerns the server and not an entry: Unbind, templates, URLs (MS-OXNSPI 3.1.4.1, MS-OXCMAPIHTTP 2.2.5.18)."""

import re
from typing import Any

from mapigw.wire.codes import ErrorCode
from nspi import codepages
from nspi.address_book import Entry
from nspi.errors import NspiError
from nspi.handlers.registry import Call, handles

_SERVER = re.compile(r"/cn=Servers/cn=([^/]+)", re.IGNORECASE)


@handles("Unbind")
def unbind(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.2."""
    return {"error_code": ErrorCode.UnbindSuccess}


@handles("GetTemplateInfo")
def get_template_info(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.18: this server has no templates, which is InvalidLocale (constraint 5)."""
    if not codepages.is_8_bit(request.code_page):
        raise NspiError(ErrorCode.InvalidCodepage)
    raise NspiError(ErrorCode.InvalidLocale)


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
    if entry is None:
        raise NspiError(ErrorCode.NotFound)
    return f"{call.base_url}/mapi/{endpoint}/?MailboxId={entry.user.mailbox_guid}@{entry.user.domain}"
