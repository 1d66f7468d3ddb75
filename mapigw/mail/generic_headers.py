"""Header fields without a property of their own: named properties of PS_INTERNET_HEADERS (MS-OXCMAIL 2.2.3.2.29).

All fields of a message are in PidTagTransportMessageHeaders anyway. Every new name takes one of a mailbox's 32,766
property ids for ever, and senders choose the names: therefore few, short ones, and `Mailbox.append` gives no ids to
more than a limit.
"""

import re
from typing import Final

from mapigw.mail.headers import Headers
from mapigw.mail.names import header_field
from mapigw.wire.message import Properties

MAX_HEADERS: Final = 32
"""Properties that one message may have."""
_MAX_VALUE: Final = 1024
_NAME: Final = re.compile(r"x-[a-z0-9][a-z0-9_.-]{0,61}")

# What programs and rules look for besides the X- fields.
_STANDARD: Final = frozenset(
    {
        "accept-language",
        "auto-submitted",
        "content-language",
        "list-archive",
        "list-id",
        "list-owner",
        "list-post",
        "list-unsubscribe-post",
        "precedence",
        "user-agent",
    }
)
# Mapped to other properties, or excluded by the specification.
_EXCLUDED: Final = frozenset(
    {
        "x-attachmentorder",
        "x-auto-response-suppress",
        "x-callid",
        "x-callingtelephonenumber",
        "x-faxnumberofpages",
        "x-list-help",
        "x-list-subscribe",
        "x-list-unsubscribe",
        "x-message-flag",
        "x-microsoft-classdesc",
        "x-microsoft-classid",
        "x-microsoft-classification",
        "x-microsoft-classified",
        "x-microsoft-classkeep",
        "x-mimeole",
        "x-ms-tnef-correlator",
        "x-msmail-priority",
        "x-payload-class",
        "x-payload-provider-guid",
        "x-priority",
        "x-unsent",
        "x-voicemessageduration",
        "x-voicemessagesendername",
    }
)
_RESERVED: Final = ("x-ms-exchange-organization-", "x-ms-exchange-forest-")
_NOT_RESERVED: Final = frozenset(
    f"x-ms-exchange-organization-{name}" for name in ("authas", "authdomain", "authmechanism", "authsource")
)


def generic_header_properties(headers: Headers) -> Properties:
    """One property for each of the first `MAX_HEADERS` such fields; the first of several fields of a name."""
    properties: Properties = {}
    for name in headers.names():
        if len(properties) == MAX_HEADERS:
            break
        if _is_generic(name):
            value = headers.text(name)
            if 0 < len(value) <= _MAX_VALUE:
                properties[header_field(name)] = value
    return properties


def _is_generic(name: str) -> bool:
    if name in _STANDARD:
        return True
    if not _NAME.fullmatch(name) or name in _EXCLUDED:
        return False
    return not name.startswith(_RESERVED) or name in _NOT_RESERVED
