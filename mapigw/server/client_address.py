"""Who is at the other end of a request, seen through the reverse proxies that the administrator trusts."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp.web import BaseRequest

from mapigw.server.config import Network
from mapigw.server.request_keys import CLIENT_ADDRESS


class TrustedProxies:
    """Reads X-Forwarded-For and X-Forwarded-Proto of requests that come from one of ``networks``."""

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        self._networks = tuple(networks)

    def client_address(self, request: BaseRequest) -> str:
        """The client's address as text, ``-`` when there is none.

        X-Forwarded-For grows to the right, each proxy adding its peer, so the rightmost address that is not a trusted
        proxy is the last one somebody trustworthy has seen; what stands left of it is only the client's word.
        """
        known = request.get(CLIENT_ADDRESS)
        if known is None:
            known = request[CLIENT_ADDRESS] = self._client_address(request)
        return known

    def scheme(self, request: BaseRequest) -> str:
        """``http`` or ``https``, as the client wrote it."""
        if self._networks and self._is_trusted(request.remote or ""):
            forwarded = request.headers.get("X-Forwarded-Proto", "").strip().lower()
            if forwarded in {"http", "https"}:
                return forwarded
        return request.scheme

    def _client_address(self, request: BaseRequest) -> str:
        address = request.remote or "-"
        if not self._networks or not self._is_trusted(address):
            return address
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        for entry in reversed(forwarded):
            found = _address(entry.strip())
            if found is None:
                break
            address = str(found)
            if not self._is_trusted(address):
                break
        return address

    def _is_trusted(self, address: str) -> bool:
        found = _address(address)
        return found is not None and any(found in network for network in self._networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address in ``text``; an IPv4 address that was mapped into IPv6 is the IPv4 address."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
