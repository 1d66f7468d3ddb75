"""The MAPI/HTTP transport of the mailbox and the address book endpoint (MS-OXCMAPIHTTP 2.2.2, 2.2.3, 3.2)."""

from __future__ import annotations

import asyncio
import html
import logging
import time
from collections.abc import Coroutine, Mapping
from datetime import datetime
from email.utils import formatdate
from functools import lru_cache

from aiohttp import HttpVersion11, hdrs, web
from multidict import CIMultiDict, istr

from mapigw.directory.model import User
from mapigw.endpoint import ClientContext, SessionEndpoint
from mapigw.server.app import SERVER
from mapigw.server.capture import CaptureWriter, Exchange, public_headers
from mapigw.server.contexts import (
    CONTEXT_COOKIE,
    EXPIRATION,
    SEQUENCE_COOKIE,
    ContextError,
    Kind,
    SessionContext,
    SessionContexts,
    TooManySessionsError,
)
from mapigw.server.counting import RequestStatistics
from mapigw.server.request_keys import CLIENT_ADDRESS, USER
from mapigw.wire.errors import WireError
from mapigw.wire.mapihttp import PENDING, PROCESSING, ResponseCode, failure_response, final_part

logger = logging.getLogger("mapigw.mapihttp")

SERVER_APPLICATION = "Exchange/15.00.0847.032"
"""Promises what MS-OXCRPC 3.1.4.1.3.2 lists up to RopWriteStreamExtended; clients read it as a version."""
CONTENT_TYPE = "application/mapi-http"
ACCEPTED_CONTENT_TYPES = frozenset({CONTENT_TYPE, "application/octet-stream"})
"""Connectivity analyzers send the second."""
PENDING_PERIOD = 30.0
"""Seconds between PENDING meta-tags (X-PendingPeriod 30000)."""
QUICK = 0.1
"""An answer that is ready within this many seconds goes out whole."""
MAXIMUM_BODY = 0x80000
"""Bytes. The largest lawful request is an Execute with a ROP buffer of 256 KiB."""
SHUTDOWN_GRACE = 10.0
"""Seconds that running requests have when the server stops."""

# Names that are looked up in, or put into, the headers of every exchange: an istr knows its lower case already.
_REQUEST_TYPE = istr("X-RequestType")
_REQUEST_ID = istr("X-RequestId")
_CLIENT_INFO = istr("X-ClientInfo")
_RESPONSE_CODE = istr("X-ResponseCode")
_ECHOED = (_REQUEST_TYPE, _REQUEST_ID, _CLIENT_INFO)


class RefusalError(Exception):
    """The transport refuses a request with ``code``."""

    def __init__(self, code: ResponseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class MapiHttp:
    """Answers the requests to one endpoint; an application sends them to `handle` and calls `shutdown` at its end.

    ``path`` (such as ``/mapi/emsmdb``) names the endpoint in logs and captures. The authenticated user is
    ``request[USER]``; a request without one is refused. ``capture`` records one user's exchanges.
    """

    def __init__(
        self,
        path: str,
        endpoint: SessionEndpoint,
        *,
        capture: CaptureWriter | None = None,
        contexts: SessionContexts | None = None,
        pending_period: float = PENDING_PERIOD,
        quick: float = QUICK,
        maximum_body: int = MAXIMUM_BODY,
    ) -> None:
        self.path = path
        self.endpoint = endpoint
        self.capture = capture
        self.contexts = SessionContexts() if contexts is None else contexts
        self.pending_period = pending_period
        self.quick = quick
        self.maximum_body = maximum_body
        self.headers = CIMultiDict(
            {
                istr("X-ServerApplication"): SERVER_APPLICATION,
                istr("X-PendingPeriod"): str(int(pending_period * 1000)),
                istr("X-ExpirationInfo"): str(int(EXPIRATION * 1000)),
                hdrs.SERVER: SERVER,
            }
        )
        """What every answer has."""
        self.statistics = RequestStatistics()
        self._shutting_down = False
        self.captures: set[asyncio.Task[None]] = set()
        self._kinds = dict.fromkeys(endpoint.request_types, Kind.Sequenced) | {
            endpoint.connect_type: Kind.Connect,
            endpoint.disconnect_type: Kind.Disconnect,
            "PING": Kind.Ping,
        }
        if "NotificationWait" in endpoint.request_types:
            self._kinds["NotificationWait"] = Kind.Wait

    async def shutdown(self) -> None:
        """Refuse new requests, end waiting ones with the shutting-down code, let running ones end, close sessions."""
        self._shutting_down = True
        await self.contexts.shutdown(SHUTDOWN_GRACE)
        if self.captures:
            await asyncio.wait(self.captures)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request to the endpoint's path."""
        if request.method in ("GET", "HEAD"):
            return web.Response(text=_PAGE.format(path=html.escape(request.path)), content_type="text/html")
        exchange = _Exchange(self, request)
        try:
            return await self._answer(exchange)
        except RefusalError as refusal:
            return exchange.refuse(refusal.code, str(refusal))
        except ContextError as error:
            exchange.context = error.context
            return exchange.refuse(error.code, str(error))

    async def _answer(self, exchange: _Exchange) -> web.StreamResponse:
        request = exchange.request
        kind = self._check(request)
        user: User = request[USER]
        exchange.kind = kind
        request_type = exchange.request_type
        exchange.body = body = await self._read(request)
        cookies = _cookies(request)
        if kind is Kind.Connect:
            self.contexts.enter(user, kind, cookies)
            return await exchange.respond(self._connect(exchange, user, body))
        if kind is Kind.Ping:
            if CONTEXT_COOKIE in cookies:
                exchange.context = self.contexts.enter(user, kind, cookies)
            return await exchange.respond(_nothing())
        try:
            context = self.contexts.enter(user, kind, cookies)
        except ContextError as error:
            if error.code not in (ResponseCode.ContextNotFound, ResponseCode.MissingCookie) or error.context:
                raise
            answer = await self._stateless(user, request_type, body)
            if answer is None:
                raise
            return await exchange.respond(_nothing(answer))
        assert context is not None
        exchange.context = context
        return await exchange.respond(self._in_context(context, kind, request_type, body))

    def _check(self, request: web.BaseRequest) -> Kind:
        """The kind of a request whose headers are in order; `RefusalError` otherwise."""
        headers = request.headers
        if self._shutting_down:
            raise RefusalError(ResponseCode.EndpointShuttingDown, "The server is shutting down.")
        if request.method != "POST":
            raise RefusalError(ResponseCode.InvalidVerb, "Requests use the POST method.")
        if USER not in request:
            raise RefusalError(ResponseCode.AnonymousNotAllowed, "Anonymous requests are not allowed.")
        for name in (_REQUEST_TYPE, _REQUEST_ID):
            if name not in headers:
                raise RefusalError(ResponseCode.MissingHeader, f"The {name} header is missing.")
        for name in _ECHOED:
            if not _is_text(headers.get(name, "")):
                raise RefusalError(ResponseCode.InvalidHeader, f"The {name} header is not text.")
        kind = self._kinds.get(headers[_REQUEST_TYPE])
        if kind is None:
            raise RefusalError(ResponseCode.InvalidRequestType, "This endpoint does not know that X-RequestType.")
        if kind is not Kind.Ping:
            content_type = headers.get(hdrs.CONTENT_TYPE)
            if content_type is None:
                raise RefusalError(ResponseCode.MissingHeader, "The Content-Type header is missing.")
            if content_type != CONTENT_TYPE and request.content_type not in ACCEPTED_CONTENT_TYPES:
                raise RefusalError(ResponseCode.InvalidHeader, f"The Content-Type must be {CONTENT_TYPE}.")
        return kind

    async def _read(self, request: web.BaseRequest) -> bytes:
        if (request.content_length or 0) > self.maximum_body:
            raise self._too_large()
        content = request.content
        try:
            # A small body has come with its headers.
            body = content.read_nowait() if content.is_eof() else await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise self._too_large() from None
        except web.RequestPayloadError as error:
            raise RefusalError(ResponseCode.InvalidRequestBody, "The request body cannot be decoded.") from error
        except ConnectionError as error:  # nobody will see the answer
            raise RefusalError(ResponseCode.InvalidRequestBody, "The connection was lost.") from error
        if len(body) > self.maximum_body:
            raise self._too_large()
        return body

    def _too_large(self) -> RefusalError:
        return RefusalError(ResponseCode.TooLarge, f"The request is larger than {self.maximum_body} bytes.")

    async def _connect(self, exchange: _Exchange, user: User, body: bytes) -> bytes:
        headers = exchange.request.headers
        client = ClientContext(
            address=_client_address(exchange.request),
            application=headers.get("X-ClientApplication", ""),
            user_agent=headers.get("User-Agent", ""),
            request_id=headers[_REQUEST_ID],
        )
        response, session = await self.endpoint.connect(user, body, client)
        if session is not None:
            try:
                exchange.context = self.contexts.add(user, session)
            except TooManySessionsError:
                await session.close()
                return failure_response(self.endpoint.too_many_sessions)
        return response

    async def _stateless(self, user: User, request_type: str, body: bytes) -> bytes | None:
        try:
            return await self.endpoint.stateless(user, request_type, body)
        except WireError as error:
            raise RefusalError(ResponseCode.InvalidRequestBody, f"The request body is invalid: {error}.") from error

    async def _in_context(self, context: SessionContext, kind: Kind, request_type: str, body: bytes) -> bytes:
        try:
            return await context.session.request(request_type, body)
        finally:
            self.contexts.leave(context, kind)


class _Exchange:
    """One POST on its way to an answer."""

    def __init__(self, transport: MapiHttp, request: web.BaseRequest) -> None:
        self.transport = transport
        self.request = request
        self.request_type = request.headers.get(_REQUEST_TYPE, "")
        self.body = b""
        self.context: SessionContext | None = None
        self.kind: Kind | None = None
        self.started = time.perf_counter()
        self.start_time = _http_date(int(time.time()))

    async def respond(self, work: Coroutine[None, None, bytes]) -> web.StreamResponse:
        """Do ``work`` and send its result, whole when it is quick, with PROCESSING and PENDING before it when not."""
        task = asyncio.create_task(work)
        kind = self.kind
        if self.context is not None and kind is not None:
            running = self.context.running
            running[task] = kind
            task.add_done_callback(lambda done: running.pop(done, None))
        if kind is not Kind.Wait:
            await asyncio.sleep(0)  # most work never waits for anything: it is done after its first step
            if not task.done():
                # The cookies of a new context are not known before the end of its Connect, and headers come first.
                await asyncio.wait((task,), timeout=None if kind is Kind.Connect else self.transport.quick)
            if task.done():
                return self._whole(task)
        return await self._streamed(task)

    def _whole(self, task: asyncio.Task[bytes]) -> web.StreamResponse:
        payload, code, reason = self._outcome(task)
        if code:
            return self.refuse(code, reason)
        content = final_part(self._additional_headers(), payload, before=PROCESSING)
        response = web.Response(body=content, headers=self._headers(ResponseCode.Success))
        self._chunk(response)
        self._done(response.headers, code, content)
        return response

    async def _streamed(self, task: asyncio.Task[bytes]) -> web.StreamResponse:
        response = web.StreamResponse(headers=self._headers(ResponseCode.Success))
        self._chunk(response)
        parts = [PROCESSING]
        waits = self.kind is Kind.Wait
        self.transport.statistics.waiting += waits
        try:
            await response.prepare(self.request)
            await response.write(PROCESSING)
            while not (await asyncio.wait((task,), timeout=self.transport.pending_period))[0]:
                await response.write(PENDING)
                parts.append(PENDING)
            payload, code, reason = self._outcome(task)
            headers = self._additional_headers()
            if code:
                # The failure is known only now: it replaces the code in the first headers (3.2.5.2).
                headers = {"X-ResponseCode": str(int(code)), "Content-Type": "text/html", **headers}
                payload = _failure_page(code, reason)
            parts.append(final_part(headers, payload))
            await response.write(parts[-1])
            await response.write_eof()
            self._done(response.headers, code, b"".join(parts))
        except ConnectionError as error:
            logger.debug("%s of %s: the client has gone: %s", self.request_type, _client_address(self.request), error)
        finally:
            self.transport.statistics.waiting -= waits
            if waits:
                task.cancel()
            task.add_done_callback(_note_failure)
        return response

    def _chunk(self, response: web.StreamResponse) -> None:
        """Have the response chunked; a proxy that speaks HTTP/1.0 knows no chunks."""
        if self.request.version >= HttpVersion11:
            response.enable_chunked_encoding()

    def _outcome(self, task: asyncio.Task[bytes]) -> tuple[bytes, ResponseCode, str]:
        """The payload of work that has ended, or the code and reason of its failure."""
        if task.cancelled():
            return b"", ResponseCode.EndpointShuttingDown, "The server is shutting down."
        error = task.exception()
        if error is None:
            return task.result(), ResponseCode.Success, ""
        if isinstance(error, WireError):
            return b"", ResponseCode.InvalidRequestBody, f"The request body is invalid: {error}."
        logger.error("%s failed (user %s)", self.request_type, self.request[USER].address, exc_info=error)
        return b"", ResponseCode.UnknownFailure, "The request failed."

    def refuse(self, code: ResponseCode, reason: str) -> web.Response:
        """A transport error: HTTP 200, the code and a page for humans (2.2.3.3.3)."""
        user = self.request.get(USER)
        logger.info(
            "%s %a by %s from %s: %d %s",
            self.transport.path,
            self.request_type or self.request.method,
            user.address if user else "-",
            _client_address(self.request),
            code,
            reason,
        )
        content = _failure_page(code, reason)
        response = web.Response(body=content, headers=self._headers(code))
        self._done(response.headers, code, content)
        return response

    def _headers(self, code: ResponseCode) -> CIMultiDict[str]:
        headers = self.transport.headers.copy()
        for name in _ECHOED:
            value = self.request.headers.get(name)
            if value is not None and _is_text(value):
                headers[name] = value
        headers[_RESPONSE_CODE] = str(int(code))
        headers[hdrs.CONTENT_TYPE] = "text/html; charset=utf-8" if code else CONTENT_TYPE
        context = self.context
        if context is not None:
            attributes = f"; path={self.request.rel_url.raw_path.rstrip('/')}; HttpOnly"
            if self.request.secure:
                attributes += "; Secure"
            headers.add(hdrs.SET_COOKIE, f"{CONTEXT_COOKIE}={context.cookie}{attributes}")
            if self.kind is not Kind.Wait:
                # A NotificationWait overlaps other requests: its answer would set an old sequence in the client.
                headers.add(hdrs.SET_COOKIE, f"{SEQUENCE_COOKIE}={context.sequence}{attributes}")
        return headers

    def _additional_headers(self) -> dict[str, str]:
        elapsed = int((time.perf_counter() - self.started) * 1000)
        return {"X-StartTime": self.start_time, "X-ElapsedTime": str(elapsed)}

    def _done(self, headers: Mapping[str, str], code: ResponseCode, content: bytes) -> None:
        """Count the exchange, and hand it to the capture if its user is the one to be traced."""
        self._count(code, content)
        capture = self.transport.capture
        user = self.request.get(USER)
        if capture is None or user is None or user.address != capture.user:
            return
        exchange = Exchange(
            time=datetime.now().astimezone().isoformat(timespec="milliseconds"),
            user=user.address,
            path=self.transport.path,
            context=self.context.label if self.context else "",
            request_type=self.request_type,
            request_headers=public_headers(self.request.headers),
            request_body=self.body,
            response_code=int(code),
            response_headers=public_headers(headers),
            response_body=content,
            milliseconds=round((time.perf_counter() - self.started) * 1000, 3),
        )
        task = asyncio.create_task(capture.write(exchange))
        self.transport.captures.add(task)
        task.add_done_callback(self.transport.captures.discard)

    def _count(self, code: ResponseCode, content: bytes) -> None:
        statistics = self.transport.statistics
        if code:
            statistics.failures[code] += 1
        if self.kind is not None:  # else nobody knows what it was
            request_type = self.request_type
            statistics.seconds[request_type].add(time.perf_counter() - self.started)
            statistics.received[request_type] += len(self.body)
            statistics.sent[request_type] += len(content)


@lru_cache(maxsize=4)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _note_failure(task: asyncio.Task[bytes]) -> None:
    """Fetch the outcome of work whose client may have gone, so that asyncio does not complain about it."""
    if not task.cancelled():
        task.exception()


async def _nothing(answer: bytes = b"") -> bytes:
    return answer


def _is_text(value: str) -> bool:
    """Whether a header's value was UTF-8, so that it can be sent back."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _client_address(request: web.BaseRequest) -> str:
    return str(request.get(CLIENT_ADDRESS) or request.remote or "-")


def _cookies(request: web.BaseRequest) -> dict[str, str]:
    """The cookies of the request, verbatim; of several with one name the first, which has the longer path."""
    cookies: dict[str, str] = {}
    for header in request.headers.getall(hdrs.COOKIE, ()):
        for cookie in header.split(";"):
            name, _, value = cookie.strip().partition("=")
            cookies.setdefault(name, value)
    return cookies


def _failure_page(code: ResponseCode, reason: str) -> bytes:
    text = html.escape(reason)
    return f"<html><head><title>{code.name}</title></head><body><p>{text}</p></body></html>\n".encode()


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>MAPI over HTTP</title></head>
<body><h1>MAPI over HTTP</h1>
<p>This address, {path}, is for Microsoft Outlook. It works; there is nothing to see here in a browser.</p>
<p>To connect, add the account in Outlook with its e-mail address and password.</p></body></html>
"""
