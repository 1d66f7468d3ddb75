from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Request

from mapigw.server.client_address import TrustedProxies

PROXIES = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("::1/128")])


def request(remote: str, **headers: str) -> Request:
    made = make_mocked_request("GET", "/", headers={name.replace("_", "-"): value for name, value in headers.items()})
    return made.clone(remote=remote)


@pytest.mark.parametrize(
    ("remote", "forwarded", "expected"),
    [
        ("10.0.0.1", "192.168.61.133", "192.168.61.133"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("::ffff:10.0.0.1", "192.168.61.133", "192.168.61.133"),
        # What stands left of the first untrusted address is the client's own word.
        ("10.0.0.1", "8.8.8.8, 192.168.61.133", "192.168.61.133"),
        ("10.0.0.1", "8.8.8.8, 192.168.61.133, 10.0.0.2", "192.168.61.133"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "192.168.1.1, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_behind_a_trusted_proxy(remote: str, forwarded: str, expected: str) -> None:
    assert PROXIES.client_address(request(remote, X_Forwarded_For=forwarded)) == expected


def test_anybody_else_is_not_believed() -> None:
    forged = request("192.168.1.1", X_Forwarded_For="10.9.9.9", X_Forwarded_Proto="https")
    assert PROXIES.client_address(forged) == "192.168.1.1"
    assert PROXIES.scheme(forged) == "http"
    assert TrustedProxies().client_address(request("10.0.0.1", X_Forwarded_For="1.1.1.1")) == "10.0.0.1"


def test_the_scheme_is_the_proxys() -> None:
    assert PROXIES.scheme(request("10.0.0.1", X_Forwarded_Proto="https")) == "https"
    assert PROXIES.scheme(request("10.0.0.1", X_Forwarded_Proto="gopher")) == "http"
    assert PROXIES.scheme(request("10.0.0.1")) == "http"
