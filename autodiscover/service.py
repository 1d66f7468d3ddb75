"""What Autodiscover answers, without the HTTP around it (MS-OXDSCLI 3.2.5, MS-ASCMD 2.2.1.1).

`answer` serves /autodiscover/autodiscover.xml to users who have logged in; every answer is HTTP status 200, refusals
too, as the specification has it. `answer_json` serves /autodiscover/autodiscover.json to everybody.

Nobody learns here which addresses exist. The XML is answered for the user's own addresses, and for those of mailboxes
that the user has a right on; any other one, known or not, "can't be found". The JSON depends on the protocol alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from autodiscover import documents
from autodiscover.request import InvalidRequest, NoProvider, Request, Schema, parse
from mapigw.directory.addresses import lookup_key
from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.mailbox.permissions import Right

_XML = "text/xml; charset=utf-8"
_JSON = "application/json; charset=utf-8"

# Protocol of the JSON request, lower case (Outlook writes "Autodiscoverv1", Exchange "AutodiscoverV1"): name and path.
_PROTOCOLS = {"autodiscoverv1": ("AutodiscoverV1", "/autodiscover/autodiscover.xml")}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


async def answer(
    directory: Directory, user: User, body: bytes, *, base_url: str, mapi_http_capability: str | None
) -> Answer:
    """Answer a POST of ``body``, or a GET, which has none and so is an invalid request as on Exchange.

    ``base_url`` is scheme and host that the client is to use, ``https://mail.example.org``, without a slash at the end;
    ``mapi_http_capability`` the value of the X-MapiHttpCapability header. The caller need not read more of a body than
    `autodiscover.request.BODY_LIMIT` + 1 bytes.
    """
    document = await _document(directory, user, body, base_url, mapi_http_capability)
    return Answer(200, _XML, document, {"Cache-Control": "private"})


async def _document(
    directory: Directory, user: User, body: bytes, base_url: str, mapi_http_capability: str | None
) -> bytes:
    moment = datetime.now(UTC)
    try:
        request = parse(body)
    except (InvalidRequest, NoProvider) as refusal:
        # An ActiveSync client gets its errors in its own schema (MS-ASCMD 4.2.3), others in the common one.
        schema = refusal.schema if refusal.schema is Schema.MOBILE_SYNC else None
        return documents.error(600 if isinstance(refusal, InvalidRequest) else 601, base_url, moment, schema)
    address = lookup_key(request.email_address)
    if request.email_address:
        is_own = address == user.address or address in user.aliases
    else:
        is_own = request.legacy_dn.lower() == user.legacy_dn.lower()
    if request.schema is Schema.MOBILE_SYNC:
        if not is_own:
            return documents.mobile_sync_error(request.email_address)
        if address != user.address:
            return documents.mobile_sync_redirect(user, request.email_address)
        return documents.error(601, base_url, moment, request.schema)  # ActiveSync is not served
    mailbox = user if is_own else await _shared(directory, user, request)
    if mailbox is None:
        return documents.error(500, base_url, moment, request.schema)
    if not _is_capable(mapi_http_capability):
        # MS-OXDSCLI 3.2.5.1: the answer then names RPC endpoints (EXCH, EXPR) and never mapiHttp. There are none here,
        # so for such a client (Outlook 2010, or one with MAPI over HTTP switched off) the address has no settings.
        return documents.error(501, base_url, moment, request.schema)
    alternatives = await _alternative_mailboxes(directory, user) if is_own else []
    return documents.outlook_settings(mailbox, base_url, alternatives)


async def _shared(directory: Directory, user: User, request: Request) -> User | None:
    """The mailbox that is asked for, if the user has a right on it as a whole."""
    if request.email_address:
        found = await directory.by_address(request.email_address)
    else:
        found = await directory.by_legacy_dn(request.legacy_dn)
    return found if found is not None and await _is_shown(directory, user, found) else None


async def _alternative_mailboxes(directory: Directory, user: User) -> list[User]:
    """The mailboxes that the user has subscribed to and may open, always in the same order."""
    found = []
    for mailbox_id, active in (await directory.sharing.subscriptions(user)).items():
        mailbox = await directory.by_mailbox(mailbox_id) if active else None
        if mailbox is not None and await _is_shown(directory, user, mailbox):
            found.append(mailbox)
    return sorted(found, key=lambda mailbox: mailbox.mailbox_id)


async def _is_shown(directory: Directory, user: User, mailbox: User) -> bool:
    return mailbox.enabled and await directory.mailbox_rights(user, mailbox) > Right.NONE


def _is_capable(mapi_http_capability: str | None) -> bool:
    """Whether the header is an integer greater than zero (MS-OXDSCLI 3.2.5.1); the format's one version is 1."""
    digits = (mapi_http_capability or "").strip()
    return digits.isascii() and digits.isdigit() and digits.strip("0") != ""


def answer_json(email: str | None, protocol: str | None, *, base_url: str) -> Answer:
    """Answer a GET by its Email and Protocol parameters ("Autodiscover V2"; Microsoft has not specified it).

    Success and error have the form that Exchange 2016 gives them: Protocol and Url, or ErrorCode and ErrorMessage with
    status 400.
    """
    if not email or not protocol:
        missing = "Protocol" if email else "Email"
        return _json_error("MandatoryParameterMissing", f"The mandatory parameter '{missing}' is missing or empty.")
    known = _PROTOCOLS.get(protocol.lower())
    if known is None:
        names = ",".join(name for name, _ in _PROTOCOLS.values())
        return _json_error(
            "ProtocolNotSupported", f"The given protocol value is not supported. Supported values are '{names}'"
        )
    name, path = known
    return Answer(200, _JSON, json.dumps({"Protocol": name, "Url": base_url + path}, separators=(",", ":")).encode())


def _json_error(code: str, message: str) -> Answer:
    body = json.dumps({"ErrorCode": code, "ErrorMessage": message}, separators=(",", ":"))
    return Answer(400, _JSON, body.encode())
