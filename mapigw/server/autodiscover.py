"""Autodiscover over HTTP: reads requests and writes answers; what they say is `autodiscover.service`'s business."""

from http import HTTPStatus

from aiohttp import web

from autodiscover.request import BODY_LIMIT
from autodiscover.service import Answer, answer, answer_json
from mapigw.directory.directory import Directory
from mapigw.server.app import plain
from mapigw.server.client_address import TrustedProxies
from mapigw.server.request_keys import USER


class AutodiscoverHandler:
    """``public_url`` is what is announced; where it is empty, the host that the client has asked."""

    def __init__(self, directory: Directory, public_url: str, proxies: TrustedProxies) -> None:
        self._directory = directory
        self._public_url = public_url
        self._proxies = proxies

    async def xml(self, request: web.BaseRequest) -> web.StreamResponse:
        """/autodiscover/autodiscover.xml, for an authenticated user."""
        if request.method not in {"POST", "GET"}:
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, POST"})
        body = await _read(request, BODY_LIMIT + 1)
        capability = request.headers.get("X-MapiHttpCapability")
        base_url = self._base_url(request)
        return _response(
            await answer(self._directory, request[USER], body, base_url=base_url, mapi_http_capability=capability)
        )

    async def json(self, request: web.BaseRequest) -> web.StreamResponse:
        """/autodiscover/autodiscover.json, for anybody."""
        if request.method != "GET":
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET"})
        query = {name.lower(): value for name, value in request.query.items()}
        return _response(answer_json(query.get("email"), query.get("protocol"), base_url=self._base_url(request)))

    def _base_url(self, request: web.BaseRequest) -> str:
        return self._public_url or f"{self._proxies.scheme(request)}://{request.host}"


def _response(content: Answer) -> web.Response:
    headers = {**content.headers, "Content-Type": content.content_type}
    return web.Response(status=content.status, body=content.body, headers=headers)


async def _read(request: web.BaseRequest, limit: int) -> bytes:
    """The body, or its first ``limit`` bytes."""
    body = bytearray()
    while len(body) < limit and (chunk := await request.content.read(limit - len(body))):
        body += chunk
    return bytes(body)
