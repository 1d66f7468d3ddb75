"""The composition root: makes everything that serves out of the settings, starts it and stops it."""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from mapigw.directory.authentication import Authenticator
from mapigw.directory.directory import Directory
from mapigw.emsmdb.dispatch import ExecuteRecord
from mapigw.emsmdb.endpoint import EmsmdbEndpoint
from mapigw.endpoint import SessionEndpoint
from mapigw.mail.lmtp import AddressInUseError
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.server.access_log import AccessLog
from mapigw.server.admin import Admin
from mapigw.server.app import Application, Endpoint, home
from mapigw.server.autodiscover import AutodiscoverHandler
from mapigw.server.capture import CaptureWriter
from mapigw.server.client_address import TrustedProxies
from mapigw.server.config import DEFAULT_PORT, ConfigurationError, Settings, split_address
from mapigw.server.contexts import SessionContexts
from mapigw.server.counting import RopStatistics
from mapigw.server.directories import password_backend, shared_lists
from mapigw.server.event_log import EventLog, EventLogHandler
from mapigw.server.log_file import LogFile
from mapigw.server.mail import start_mail
from mapigw.server.mapihttp import MapiHttp
from mapigw.server.metrics import Metrics, Sources
from mapigw.server.oab import OabHandler
from mapigw.server.tls import CertificateError, replace_certificate, self_signed_certificate, server_context
from mapigw.store.collect import collect_daily
from mapigw.store.database import Database
from nspi.endpoint import NspiEndpoint
from oab.background import AddressListKeeper
from oab.dialogs import dialog_template

SHUTDOWN_SECONDS = 10.0  # what requests in flight have to finish
BACKLOG = 1024

_log = logging.getLogger(__name__)


class StartError(Exception):
    """The server cannot start; the message says why."""


class Gateway:
    """Everything that answers, made from ``settings``. `running` starts and stops it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = ""
        """Scheme, host and port that it listens on."""
        self.lmtp = ""
        """Where it takes mail; empty: nowhere."""
        self.metrics_url = ""
        """Where it tells its metrics; empty: nowhere."""
        self.certificate: Path | None = None
        self._key: Path | None = None
        self._tls: ssl.SSLContext | None = None
        self._log_files: list[LogFile] = []

    async def start(self, stack: AsyncExitStack) -> None:
        """Serve; what is to be undone at the end goes on ``stack``."""
        settings = self.settings
        try:
            database = await Database.open(settings.data)
        except OSError as error:
            raise StartError(f"{error.filename}: {error.strerror}") from None
        stack.push_async_callback(database.close)
        collecting = asyncio.create_task(collect_daily(database))
        stack.push_async_callback(_ended, collecting)
        try:
            directory = Directory(database, address_lists=shared_lists(settings))
            backend = password_backend(settings)
        except ConfigurationError as error:
            raise StartError(str(error)) from None
        proxies = TrustedProxies(settings.trusted_proxies)

        events_file = await self._open_log(settings.log.events, stack)
        events = EventLog(events_file)
        handler = EventLogHandler(events)
        logging.getLogger().addHandler(handler)
        stack.callback(logging.getLogger().removeHandler, handler)
        access_file = await self._open_log(settings.log.access, stack)

        await self._prepare_tls()
        capture = await self._capture(directory)
        mailboxes = Mailboxes(database)
        rops = RopStatistics()

        def observe(record: ExecuteRecord) -> None:
            events.execute(record)
            rops.add(record)

        mapi = {
            path: self._mapi(path, endpoint, capture)
            for path, endpoint in (
                ("/mapi/emsmdb", EmsmdbEndpoint(directory, mailboxes, observe=observe, audit=events.access)),
                ("/mapi/nspi", NspiEndpoint(directory, settings.public_url or self._private_url, dialog_template)),
            )
        }
        autodiscover = AutodiscoverHandler(directory, settings.public_url, proxies)
        address_lists = AddressListKeeper(directory, settings.data)
        keeping = asyncio.create_task(address_lists.run())
        stack.push_async_callback(_ended, keeping)
        endpoints = {
            "/": Endpoint(home, anonymous=True),
            "/autodiscover/autodiscover.xml": Endpoint(autodiscover.xml),
            "/autodiscover/autodiscover.json": Endpoint(autodiscover.json, anonymous=True),
            "/oab": Endpoint(OabHandler(address_lists).handle, below=True),
            **{path: Endpoint(transport.handle) for path, transport in mapi.items()},
        }
        authenticator = Authenticator(directory, backend=backend)
        application = Application(
            endpoints, authenticator, proxies, events, request_body_limit=settings.limits.request_body
        )
        runner = _runner(application, AccessLog(access_file, proxies) if access_file else None)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await self._listen(runner)
        if settings.metrics:
            statistics = application.statistics, rops, database.statistics
            await self._tell_metrics(Sources(mapi, *statistics, directory, authenticator, mailboxes), stack)
        try:
            self.lmtp = await start_mail(settings, mailboxes, directory, _host_name(settings), stack)
        except OSError as error:
            raise StartError(f"cannot listen on {settings.lmtp}: {_reason(error)}") from None
        except AddressInUseError as error:
            raise StartError(str(error)) from None
        admin = Admin({path: transport.contexts for path, transport in mapi.items()}, database.queued.set)
        await stack.enter_async_context(admin.listening(settings.data))
        for transport in mapi.values():
            stack.push_async_callback(transport.shutdown)  # first of all, while the answers can still be given

    async def reload(self) -> None:
        """Open the logs anew and take the certificate as its files are now. Failures are logged."""
        for log_file in self._log_files:
            await log_file.reopen()
        if self._tls and self.certificate:
            try:
                await asyncio.to_thread(replace_certificate, self._tls, self.certificate, self._key)
            except CertificateError as error:
                _log.error("%s; the certificate stays as it was", error)

    @property
    def _scheme(self) -> str:
        return "http" if self.settings.plain_http else "https"

    @property
    def _private_url(self) -> str:
        """What to call this server where nobody has configured a public URL and no request tells one."""
        port = self.settings.address[1]
        return f"{self._scheme}://{_host_name(self.settings)}" + (f":{port}" if port != DEFAULT_PORT else "")

    async def _open_log(self, name: str, stack: AsyncExitStack) -> LogFile | None:
        if not name:
            return None
        try:
            log_file = await LogFile.open(None if name == "-" else self.settings.data / name)
        except OSError as error:
            raise StartError(f"{error.filename}: {error.strerror}") from None
        self._log_files.append(log_file)
        stack.push_async_callback(log_file.close)
        return log_file

    async def _prepare_tls(self) -> None:
        tls = self.settings.tls
        if self.settings.plain_http:
            return
        try:
            certificate, key = (
                (tls.certificate, tls.key)
                if tls.certificate
                else await asyncio.to_thread(
                    self_signed_certificate, self.settings.data / "tls", [_host_name(self.settings), *tls.names]
                )
            )
            self._tls = await asyncio.to_thread(server_context, certificate, key)
            self.certificate, self._key = certificate, key
        except CertificateError as error:
            raise StartError(str(error)) from None

    async def _capture(self, directory: Directory) -> CaptureWriter | None:
        address = self.settings.trace_user
        if not address:
            return None
        user = await directory.by_address(address)
        if user is None:
            raise StartError(f"there is no user {address} to trace")
        folder = self.settings.data / "trace"
        await asyncio.to_thread(folder.mkdir, mode=0o700, exist_ok=True)
        return CaptureWriter(folder / f"{user.address}.jsonl", user.address)

    def _mapi(self, path: str, endpoint: SessionEndpoint, capture: CaptureWriter | None) -> MapiHttp:
        limits = self.settings.limits
        contexts = SessionContexts(maximum_per_user=limits.sessions_per_user, maximum=limits.sessions)
        return MapiHttp(path, endpoint, capture=capture, contexts=contexts, maximum_body=limits.request_body)

    async def _listen(self, runner: web.ServerRunner) -> None:
        address = await _start(runner, self.settings.listen, self._tls)
        self.url = f"{self._scheme}://{address}"

    async def _tell_metrics(self, sources: Sources, stack: AsyncExitStack) -> None:
        runner = web.ServerRunner(web.Server(Metrics(sources).handle, access_log=None))
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        self.metrics_url = f"http://{await _start(runner, self.settings.metrics)}/metrics"
        _log.info("metrics are at %s", self.metrics_url)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gateway]:
    """A gateway that serves while the block runs. Raises `StartError`.

    At its end new requests are refused, sessions learn that the server shuts down, requests in flight finish.
    """
    async with AsyncExitStack() as stack:
        gateway = Gateway(settings)
        await gateway.start(stack)
        yield gateway


def allow_open_files() -> None:
    """Let this process have as many open files as the system permits: each client that waits holds a connection."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def collect_garbage_seldom() -> None:
    """A full collection looks at every object, with thousands of sessions for a good part of a second: all would wait.

    What is there by now stays for good and is not looked at any more; of the rest little is garbage that only a
    collection finds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000, 10, 100)


async def serve(settings: Settings, started: Callable[[Gateway], None]) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reloads. ``started`` is called when requests are being answered."""
    allow_open_files()
    loop = asyncio.get_running_loop()
    stop, hangups = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hangups.set)
    async with running(settings) as gateway:
        reloading = asyncio.create_task(_reload_on(hangups, gateway))
        collect_garbage_seldom()
        started(gateway)
        await stop.wait()
        _log.info("stopping")
        reloading.cancel()


async def _start(runner: web.ServerRunner, listen: str, tls: ssl.SSLContext | None = None) -> str:
    """Listen on ``HOST:PORT``; the same with the port that it has become, if it was 0. Raises `StartError`."""
    host, port = split_address(listen)
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls, backlog=BACKLOG).start()
    except OSError as error:
        raise StartError(f"cannot listen on {listen}: {_reason(error)}") from None
    port = runner.addresses[0][1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))


async def _reload_on(hangups: asyncio.Event, gateway: Gateway) -> None:
    while True:
        await hangups.wait()
        hangups.clear()
        await gateway.reload()
        _log.info("logs and certificate have been reloaded")


def _reason(error: OSError) -> str:
    """What the system says; asyncio wraps it into words of its own."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)


def _host_name(settings: Settings) -> str:
    """The name that clients know this server by, as far as that is known."""
    return urlsplit(settings.public_url).hostname or socket.gethostname()


def _runner(application: Application, access_log: AccessLog | None) -> web.ServerRunner:
    logging.getLogger("aiohttp.server").addFilter(_not_the_clients_fault)
    logs: dict[str, Any] = {"access_log_class": access_log.logger_class} if access_log else {"access_log": None}
    server = web.Server(application.handle, request_factory=application.make_request, **logs)
    return web.ServerRunner(server, shutdown_timeout=SHUTDOWN_SECONDS)


def _not_the_clients_fault(record: logging.LogRecord) -> bool:
    """What is not HTTP is answered with 400 and stands in the access log; a traceback would help nobody."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
