"""The offline address book over HTTP (MS-OXWOAB 2.2.1): the manifest and the files that it names.

Outlook fetches them in the background by BITS, which asks for sizes with HEAD and for pieces with Range, and expects
Last-Modified and ETag to stay as long as the bytes do.
"""

from http import HTTPStatus

from aiohttp import hdrs, web

from autodiscover.documents import deployment_id
from mapigw.server.app import plain
from mapigw.server.request_keys import USER
from oab.background import AddressListKeeper

_TYPES = {".xml": "text/xml; charset=utf-8", ".lzx": "application/octet-stream"}


class OabHandler:
    """Answers ``/oab/{deployment}/{file}``, each user with the list of the own domain and none else."""

    def __init__(self, address_lists: AddressListKeeper) -> None:
        self._address_lists = address_lists

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in {hdrs.METH_GET, hdrs.METH_HEAD}:
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, {hdrs.ALLOW: "GET, HEAD"})
        user = request[USER]
        parts = [part for part in request.path.lower().split("/") if part]  # some join with one slash too many
        if len(parts) != 3 or parts[1] != str(deployment_id(user)):
            return plain(HTTPStatus.NOT_FOUND)
        path = await self._address_lists.find(user.domain, parts[2])
        if path is None:
            return plain(HTTPStatus.NOT_FOUND)
        headers = {hdrs.CONTENT_TYPE: _TYPES[path.suffix], hdrs.CACHE_CONTROL: "private, no-cache"}
        return web.FileResponse(path, headers=headers)
