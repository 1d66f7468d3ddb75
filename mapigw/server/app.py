"""The web application: which path leads where, and who may go there.

It stands on aiohttp's low-level server: every request takes one road here, so a router, signals and middlewares would
only cost each of them their time.
"""

import asyncio
import logging
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import HttpVersion11, StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from mapigw.directory.authentication import Authenticator
from mapigw.directory.backends import BackendUnavailable
from mapigw.server.client_address import TrustedProxies
from mapigw.server.counting import HttpStatistics
from mapigw.server.event_log import EventLog
from mapigw.server.request_keys import USER

SERVER = "mapigw"
"""The Server header; aiohttp would tell its own version and Python's."""
RETRY_SECONDS = 30
"""When to come again, where nobody can say whether a password is right."""
CHALLENGE = 'Basic realm="mapigw", charset="UTF-8"'

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_log = logging.getLogger(__name__)

_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>mapigw</title>
<h1>mapigw</h1>
<p>This server speaks to Microsoft Outlook. Add your account there with your e-mail address and password;
Outlook finds the rest by itself.</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What answers a path. Unless ``anonymous``, its requests come with their user, ``request[USER]``.

    With ``below`` it answers every path below its own as well.
    """

    handler: Handler
    anonymous: bool = False
    below: bool = False


async def home(request: web.BaseRequest) -> web.StreamResponse:
    """The page for people who open the server in a browser."""
    if request.method not in {"GET", "HEAD"}:
        return plain(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
    return web.Response(text=_PAGE, content_type="text/html")


def plain(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer for people that says what its status means and nothing else."""
    return web.Response(status=status, text=f"{status.value} {status.phrase}\n", headers=headers)


class Application:
    """Finds the endpoint of a request, authenticates it, and answers what goes wrong in either.

    ``endpoints`` are keyed by path in lower case without a slash at the end, ``/`` excepted. Clients write them in any
    case, with or without that slash; both are levelled here and nowhere else.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        authenticator: Authenticator,
        proxies: TrustedProxies,
        events: EventLog,
        *,
        request_body_limit: int,
    ) -> None:
        self._endpoints = dict(endpoints)
        self._authenticator = authenticator
        self._proxies = proxies
        self._events = events
        self._request_body_limit = request_body_limit
        self.statistics = HttpStatistics()

    def make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        """The ``request_factory`` of the `aiohttp.web.Server` whose handler is `handle`."""
        loop = asyncio.get_running_loop()
        limit = self._request_body_limit
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=limit)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request. A handler that prepares its response itself names the `SERVER` itself."""
        response = await self._answer(request)
        self.statistics.answers[response.status] += 1
        if not response.prepared:
            response.headers[hdrs.SERVER] = SERVER
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        endpoint = self._endpoint(request.path.lower().rstrip("/") or "/")
        if endpoint is None:
            return plain(HTTPStatus.NOT_FOUND)
        try:
            if hdrs.EXPECT in request.headers and not await _go_on(request):
                return plain(HTTPStatus.EXPECTATION_FAILED)
            if not endpoint.anonymous and not await self._authenticate(request):
                return plain(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": CHALLENGE})
            return await endpoint.handler(request)
        except BackendUnavailable:  # it has been logged; a client that gets a 401 would ask for another password
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, {hdrs.RETRY_AFTER: str(RETRY_SECONDS)})
        except web.HTTPException as refusal:
            refusal.headers[hdrs.SERVER] = SERVER
            self.statistics.answers[refusal.status] += 1
            raise
        except Exception:
            if request.writer.output_size:
                raise  # an answer has begun: aiohttp logs the error and closes the connection
            _log.exception("%s %s failed", request.method, request.path)
            return plain(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _endpoint(self, path: str) -> Endpoint | None:
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            above = self._endpoints.get(f"/{path[1:].partition('/')[0]}")
            return above if above and above.below else None
        return endpoint

    async def _authenticate(self, request: web.BaseRequest) -> bool:
        header = request.headers.get(hdrs.AUTHORIZATION, "")
        client = self._proxies.client_address(request)
        user = self._authenticator.recall(header)
        if user is None:
            given = basic_credentials(header)
            if given is None:
                return False
            user = await self._authenticator.authenticate(*given, client, text=header)
            if user is None:
                self.statistics.refused_logins += 1
                self._events.refused(client, request.method, request.path)
                return False
        request[USER] = user
        return True


async def _go_on(request: web.BaseRequest) -> bool:
    """Tell a client that waits for it to send its body (RFC 9110 10.1.1); False for an expectation nobody knows."""
    if request.version < HttpVersion11:
        return True
    if request.headers[hdrs.EXPECT].lower() != "100-continue":
        return False
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer proper has not begun
    return True


def basic_credentials(header: str) -> tuple[str, str] | None:
    """(user, password) of an Authorization header (RFC 7617), None where it is of another kind or malformed.

    The text is UTF-8 as the challenge asks for; clients that do not know that send their ANSI code page.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        octets = b64decode(encoded.strip(), validate=True)
    except ValueError:
        return None
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    user, colon, password = text.partition(":")
    return (user, password) if colon else None
