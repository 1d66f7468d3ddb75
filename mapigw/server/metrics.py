"""What the server tells Prometheus, at an address of its own: ``GET /metrics``, to anybody who can reach it.

Whoever does the work counts it (`mapigw.server.counting`, `mapigw.store.statistics`); here the numbers get names.
Labels are words of this program: endpoints, request types, ROP names, codes. Nothing that a client has chosen is one.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import accumulate

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from mapigw.directory.authentication import Authenticator
from mapigw.directory.directory import Directory
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.server.app import plain
from mapigw.server.counting import HttpStatistics, RopStatistics
from mapigw.server.mapihttp import MapiHttp
from mapigw.store.statistics import Distribution, Statistics


@dataclass(frozen=True, slots=True)
class Sources:
    """Who has the numbers."""

    transports: Mapping[str, MapiHttp]
    """By path."""
    http: HttpStatistics
    rops: RopStatistics
    store: Statistics
    directory: Directory
    authenticator: Authenticator
    mailboxes: Mailboxes


class Metrics:
    """Answers whoever asks for the metrics."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._entries = 0
        self._registry.register(_Collector(self._collect))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/metrics":
            return plain(HTTPStatus.NOT_FOUND)
        if request.method not in {hdrs.METH_GET, hdrs.METH_HEAD}:
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, {hdrs.ALLOW: "GET, HEAD"})
        directory = self._sources.directory
        self._entries = len(await directory.users()) + len(await directory.groups())
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        # In a thread, as a few thousand lines take some milliseconds.
        return web.Response(
            body=await asyncio.to_thread(encode, self._registry), headers={hdrs.CONTENT_TYPE: content_type}
        )

    def _collect(self) -> Iterator[Metric]:
        yield from _transports(self._sources.transports)
        yield from _http(self._sources.http)
        yield _distributions("mapigw_rop_seconds", "Execution of ROPs.", "rop", self._sources.rops.seconds)
        yield from _store(self._sources.store)
        yield from self._caches()

    def _caches(self) -> Iterator[Metric]:
        sizes = {
            "directory": self._entries,
            "logins": self._sources.authenticator.remembered,
            "mailboxes": self._sources.mailboxes.held,
        }
        family = GaugeMetricFamily("mapigw_cache_entries", "What is held in memory.", labels=["cache"])
        for name, size in sizes.items():
            family.add_metric([name], size)
        yield family


class _Collector(Collector):
    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()

    def describe(self) -> Iterable[Metric]:
        return []


def _transports(transports: Mapping[str, MapiHttp]) -> Iterator[Metric]:
    labels = ["endpoint", "request_type"]
    sessions = GaugeMetricFamily("mapigw_sessions", "Session contexts.", labels=["endpoint"])
    refused = CounterMetricFamily(
        "mapigw_sessions_refused", "Sessions that were refused because of the limit.", labels=["endpoint"]
    )
    waiting = GaugeMetricFamily("mapigw_waits", "NotificationWait requests that wait.", labels=["endpoint"])
    seconds = HistogramMetricFamily(
        "mapigw_request_seconds", "MAPI/HTTP requests, from their headers to their answers.", labels=labels
    )
    received = CounterMetricFamily("mapigw_received_bytes", "Bodies of MAPI/HTTP requests.", labels=labels)
    sent = CounterMetricFamily("mapigw_sent_bytes", "Bodies of MAPI/HTTP responses.", labels=labels)
    failures = CounterMetricFamily(
        "mapigw_request_failures",
        "MAPI/HTTP responses with another X-ResponseCode than 0.",
        labels=["endpoint", "code"],
    )
    for path, transport in transports.items():
        statistics = transport.statistics
        sessions.add_metric([path], len(transport.contexts))
        refused.add_metric([path], transport.contexts.refused)
        waiting.add_metric([path], statistics.waiting)
        for request_type, distribution in list(statistics.seconds.items()):
            _add(seconds, [path, request_type], distribution)
            received.add_metric([path, request_type], statistics.received[request_type])
            sent.add_metric([path, request_type], statistics.sent[request_type])
        for code, number in list(statistics.failures.items()):
            failures.add_metric([path, code.name], number)
    yield from (sessions, refused, waiting, seconds, received, sent, failures)


def _http(statistics: HttpStatistics) -> Iterator[Metric]:
    responses = CounterMetricFamily("mapigw_http_responses", "All HTTP responses.", labels=["status"])
    for status, number in list(statistics.answers.items()):
        responses.add_metric([str(status)], number)
    yield responses
    yield CounterMetricFamily(
        "mapigw_refused_logins", "Requests whose credentials were not accepted.", statistics.refused_logins
    )


def _store(statistics: Statistics) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "mapigw_writers_waiting", "Transactions that wait for their turn.", statistics.writers_waiting
    )
    for name, text, distribution in (
        ("mapigw_write_wait_seconds", "How long transactions wait for their turn.", statistics.write_waits),
        ("mapigw_write_seconds", "Transactions, with their commits.", statistics.writes),
    ):
        family = HistogramMetricFamily(name, text)
        _add(family, [], distribution)
        yield family
    yield CounterMetricFamily("mapigw_blob_read_bytes", "Read from the blob store.", statistics.blob_bytes_read.value)
    yield CounterMetricFamily(
        "mapigw_blob_written_bytes", "Written to the blob store.", statistics.blob_bytes_written.value
    )
    deliveries = CounterMetricFamily("mapigw_deliveries", "Deliveries by their outcome.", labels=["outcome"])
    for outcome, number in list(statistics.deliveries.items()):
        deliveries.add_metric([outcome], number)
    yield deliveries


def _distributions(name: str, text: str, label: str, found: Mapping[str, Distribution]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=[label])
    for key, distribution in list(found.items()):
        _add(family, [key], distribution)
    return family


def _add(family: HistogramMetricFamily, labels: list[str], distribution: Distribution) -> None:
    counts = accumulate(distribution.counts.copy())
    bounds = (*map(str, distribution.bounds), "+Inf")
    family.add_metric(labels, list(zip(bounds, counts, strict=True)), distribution.total)
