"""The access log in nginx's format ``combined``, so that what reads nginx's reads this.

``$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"``,
with nginx's escaping (``log_format … escape=default``).
"""

import re
import time

from aiohttp import hdrs
from aiohttp.abc import AbstractAccessLogger
from aiohttp.web import BaseRequest, StreamResponse

from mapigw.server.client_address import TrustedProxies
from mapigw.server.log_file import LogFile
from mapigw.server.request_keys import USER

_MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # in any locale
_ESCAPED = re.compile(r"[^ !#-\[\]-~]")  # control characters, the quote, the backslash, and all above ASCII


def escape(value: str) -> str:
    r"""``value`` as nginx writes a variable: each byte outside printable ASCII, ``"`` and ``\`` becomes ``\xXX``."""
    if not _ESCAPED.search(value):
        return value
    return _ESCAPED.sub(lambda found: "".join(rf"\x{byte:02X}" for byte in _bytes(found[0])), value)


def _bytes(value: str) -> bytes:
    """The bytes that aiohttp has decoded."""
    return value.encode("utf-8", "surrogateescape")


class LocalTime:
    """``$time_local``, made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def text(self, now: float) -> str:
        """``06/May/2019:16:58:31 +0200`` for seconds since 1970."""
        second = int(now)
        if second != self._second:
            local = time.localtime(second)
            sign = "-" if local.tm_gmtoff < 0 else "+"
            hours, minutes = divmod(abs(local.tm_gmtoff) // 60, 60)
            self._text = (
                f"{local.tm_mday:02}/{_MONTHS[local.tm_mon]}/{local.tm_year}:{local.tm_hour:02}:{local.tm_min:02}"
                f":{local.tm_sec:02} {sign}{hours:02}{minutes:02}"
            )
            self._second = second
        return self._text


def combined(
    address: str, user: str, local_time: str, request: str, status: int, sent: int, referer: str, agent: str
) -> str:
    """One line, without its newline. ``user``, ``referer`` and ``agent`` are ``-`` where there is none."""
    return (
        f'{address} - {escape(user)} [{local_time}] "{escape(request)}" {status} {sent} '
        f'"{escape(referer)}" "{escape(agent)}"'
    )


class AccessLog:
    """Writes a line for each request that aiohttp has answered; ``logger_class`` is what aiohttp is given."""

    def __init__(self, file: LogFile, proxies: TrustedProxies) -> None:
        self._file = file
        self._proxies = proxies
        self._local_time = LocalTime()

    @property
    def logger_class(self) -> type[AbstractAccessLogger]:
        access_log = self

        class Logger(AbstractAccessLogger):
            def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
                access_log.write(request, response)

        return Logger

    def write(self, request: BaseRequest, response: StreamResponse) -> None:
        headers = request.headers
        user = request.get(USER)
        line = combined(
            self._proxies.client_address(request),
            user.address if user else "-",
            self._local_time.text(time.time()),
            f"{request.method} {request.raw_path} HTTP/{request.version.major}.{request.version.minor}",
            response.status,
            _body_bytes_sent(request, response),
            headers.get(hdrs.REFERER, "-"),
            headers.get(hdrs.USER_AGENT, "-"),
        )
        self._file.write(line.encode("ascii", "replace") + b"\n")


def _body_bytes_sent(request: BaseRequest, response: StreamResponse) -> int:
    """As nginx counts: what has gone to the connection after the header, the framing of chunks included."""
    sent = request.writer.output_size
    if not sent:
        return 0
    major, minor = request.version
    headers = response.headers
    header = len(f"HTTP/{major}.{minor} {response.status} {response.reason}\r\n\r\n")
    # ": " and the end of each line; aiohttp sends these as UTF-8, ours are ASCII
    header += 4 * len(headers) + sum(map(len, headers.keys())) + sum(map(len, headers.values()))
    return max(0, sent - header)
