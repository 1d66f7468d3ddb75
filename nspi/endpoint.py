"""The address book endpoint behind the transport (MS-OXCMAPIHTTP 2.2.5, MS-OXNSPI 3.1).

Nothing of a session is kept but its user: ids, server GUID and order are the same in all sessions. So a request whose
session context is gone is answered like any other; Outlook sends DNToMId and Unbind so.
"""

import asyncio
from dataclasses import replace
from typing import Any, Final, Protocol
from uuid import NAMESPACE_URL, uuid5

from mapigw.directory.model import User
from mapigw.endpoint import ClientContext, EndpointSession
from mapigw.wire.codes import ErrorCode
from nspi import codepages
from nspi.binaries import BinarySource
from nspi.books import AddressBooks, Objects
from nspi.errors import NspiError
from nspi.handlers import HANDLERS, Call
from nspi.handlers.changes import CHANGES, Changes
from nspi.handlers.registry import DialogTemplate
from nspi.stat import Stat
from nspi.wire import REQUESTS, RESPONSES

LONG_SEARCHES: Final = frozenset(
    {"GetMatches", "ResolveNames", "SeekEntries", "ResortRestriction", "QueryRows", "UpdateStat", "CompareMIds"}
)
LONG: Final = 2_000
"""From this many entries a search leaves the event loop."""
LARGE: Final = 0x4000
"""So does a request with a body of more bytes than this."""

_NOTHING: Final[dict[str, dict[str, Any]]] = {
    "Unbind": {},
    "CompareMIds": {"result": 0},
    "DNToMId": {"minimal_ids": None},
    "GetMatches": {"minimal_ids": None, "rows": None},
    "GetPropList": {"property_tags": None},
    "GetProps": {"property_values": None},
    "GetSpecialTable": {"version": None, "rows": None},
    "GetTemplateInfo": {"row": None},
    "QueryRows": {"rows": None},
    "QueryColumns": {"columns": None},
    "ResolveNames": {"minimal_ids": None, "rows": None},
    "ResortRestriction": {"minimal_ids": None},
    "SeekEntries": {"rows": None},
    "UpdateStat": {"delta": None},
    "GetMailboxUrl": {"server_url": ""},
    "GetAddressBookUrl": {"server_url": ""},
}
"""The fields of a response that refuses, besides State and CodePage, which are the request's own."""


class Directory(Objects, BinarySource, Changes, Protocol):
    """What the address book needs of `mapigw.directory.directory.Directory`."""


class NspiEndpoint:
    """The `SessionEndpoint` of the address book.

    ``base_url`` is scheme and authority of this server without a slash at the end, ``https://mail.example.org``; the
    server GUID is derived from it, so that each server has another and keeps it (MS-OXNSPI 3.1.4.1.1).
    ``dialog_template`` is what GetTemplateInfo answers with.
    """

    connect_type = "Bind"
    disconnect_type = "Unbind"
    request_types = frozenset({*HANDLERS, *CHANGES})
    too_many_sessions = ErrorCode.OutOfResources  # of the codes that MS-OXNSPI 2.2.1.2 permits

    def __init__(self, directory: Directory, base_url: str, dialog_template: DialogTemplate) -> None:
        self.base_url = base_url.rstrip("/")
        self.server_guid = uuid5(NAMESPACE_URL, self.base_url)
        self._dialog_template = dialog_template
        self._directory = directory
        self._books = AddressBooks(directory)

    async def connect(self, user: User, body: bytes, client: ClientContext) -> tuple[bytes, EndpointSession | None]:
        """Bind (MS-OXNSPI 3.1.4.1.1); a code page that is not supported is refused, fAnonymousLogin is ignored."""
        request = REQUESTS["Bind"].parse(body)
        stat: Stat = request.state if request.state is not None else Stat()
        supported = codepages.is_supported(stat.code_page)
        response = RESPONSES["Bind"].build(
            {
                "status_code": 0,
                "error_code": ErrorCode.Success if supported else ErrorCode.InvalidCodepage,
                "server_guid": self.server_guid,
                "auxiliary_buffer": b"",
            }
        )
        return response, NspiSession(self, user) if supported else None

    async def stateless(self, user: User, request_type: str, body: bytes) -> bytes | None:
        if request_type not in self.request_types:
            return None
        return await self.answer(user, request_type, body)

    async def answer(self, user: User, request_type: str, body: bytes) -> bytes:
        """The response to a request in whatever session. Raises `WireError` for a malformed body."""
        names = await self._directory.names_of(user)
        book = await self._books.current(user.domain)
        call = Call(user, book, self.server_guid, self.base_url, self._dialog_template, names)
        if request_type in CHANGES:
            return await self._changed(call, request_type, body)
        response = await _answered(call, request_type, body)
        binaries = await call.binaries.read(self._directory)
        return response if binaries is None else await _answered(replace(call, binaries=binaries), request_type, body)

    async def _changed(self, call: Call, request_type: str, body: bytes) -> bytes:
        request = await asyncio.to_thread(REQUESTS[request_type].parse, body)
        try:
            await CHANGES[request_type](call, self._directory, request)
        except NspiError as error:
            return _built(request_type, {"error_code": error.code})
        return _built(request_type, {})


async def _answered(call: Call, request_type: str, body: bytes) -> bytes:
    if len(body) > LARGE or (request_type in LONG_SEARCHES and len(call.book) > LONG):
        return await asyncio.to_thread(_answer, call, request_type, body)
    return _answer(call, request_type, body)


def _answer(call: Call, request_type: str, body: bytes) -> bytes:
    request = REQUESTS[request_type].parse(body)
    try:
        fields = HANDLERS[request_type](call, request)
    except NspiError as error:
        stat = request.get("state")
        code_page = stat.code_page if stat is not None else request.get("code_page", 0)
        fields = {"error_code": error.code, "state": stat, "code_page": code_page, **_NOTHING[request_type]}
    return _built(request_type, fields)


def _built(request_type: str, fields: dict[str, Any]) -> bytes:
    defaults = {"status_code": 0, "error_code": ErrorCode.Success, "auxiliary_buffer": b""}
    return RESPONSES[request_type].build(defaults | fields)


class NspiSession:
    """The `EndpointSession` of the address book."""

    def __init__(self, endpoint: NspiEndpoint, user: User) -> None:
        self.user = user
        self._endpoint = endpoint

    async def request(self, request_type: str, body: bytes) -> bytes:
        return await self._endpoint.answer(self.user, request_type, body)

    async def close(self, *, shutting_down: bool = False) -> None:
        """Nothing is held."""
