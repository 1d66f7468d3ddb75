"""What Prometheus is told, read with its own parser."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer, TestClient
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from mapigw.directory.authentication import Authenticator
from mapigw.directory.directory import Directory
from mapigw.emsmdb.dispatch import ExecuteRecord
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.server.counting import HttpStatistics, RopStatistics
from mapigw.server.mapihttp import MapiHttp
from mapigw.server.metrics import Metrics, Sources
from mapigw.store.database import Database
from mapigw.wire.mapihttp import ResponseCode

Found = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Found:
    families = text_string_to_metric_families(text)
    return {(item.name, frozenset(item.labels.items())): item.value for family in families for item in family.samples}


def value(found: Found, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


@pytest.fixture
async def sources(tmp_path: Path) -> AsyncIterator[Sources]:
    database = await Database.open(tmp_path)
    directory = Directory(database)
    transport = MapiHttp("/mapi/emsmdb", cast("object", Endpoint()))  # type: ignore[arg-type]
    yield Sources(
        {"/mapi/emsmdb": transport},
        HttpStatistics(),
        RopStatistics(),
        database.statistics,
        directory,
        Authenticator(directory),
        Mailboxes(database),
    )
    await database.close()


class Endpoint:
    connect_type = "Connect"
    disconnect_type = "Disconnect"
    request_types = frozenset({"Execute", "Disconnect"})


@pytest.fixture
async def client(sources: Sources) -> AsyncIterator[TestClient[web.BaseRequest, None]]:
    server = RawTestServer(Metrics(sources).handle)
    await server.start_server()
    async with TestClient[web.BaseRequest, None](server) as client:
        yield client


async def test_what_was_counted_is_told(sources: Sources, client: TestClient[web.BaseRequest, None]) -> None:
    statistics = sources.transports["/mapi/emsmdb"].statistics
    statistics.seconds["Execute"].add(0.003)
    statistics.seconds["Execute"].add(0.3)
    statistics.received["Execute"] += 100
    statistics.sent["Execute"] += 2000
    statistics.failures[ResponseCode.InvalidSequence] += 1
    statistics.waiting = 7
    sources.http.answers[401] += 3
    sources.http.refused_logins = 2
    sources.rops.add(ExecuteRecord("tom@bm.lan", 1, rop_seconds=[("OpenFolder", 0.0002), ("OpenFolder", 20.0)]))
    sources.store.writers_waiting = 4
    sources.store.deliveries["delivered"] += 5
    sources.store.blob_bytes_read.add(11)
    response = await client.get("/metrics")
    assert response.status == 200
    assert response.content_type == "text/plain"
    found = samples(await response.text())
    emsmdb = {"endpoint": "/mapi/emsmdb", "request_type": "Execute"}
    assert value(found, "mapigw_request_seconds_bucket", **emsmdb, le="0.0025") == 0
    assert value(found, "mapigw_request_seconds_bucket", **emsmdb, le="0.005") == 1
    assert value(found, "mapigw_request_seconds_bucket", **emsmdb, le="+Inf") == 2
    assert value(found, "mapigw_request_seconds_count", **emsmdb) == 2
    assert value(found, "mapigw_request_seconds_sum", **emsmdb) == pytest.approx(0.303)
    assert value(found, "mapigw_received_bytes_total", **emsmdb) == 100
    assert value(found, "mapigw_sent_bytes_total", **emsmdb) == 2000
    assert value(found, "mapigw_request_failures_total", endpoint="/mapi/emsmdb", code="InvalidSequence") == 1
    assert value(found, "mapigw_waits", endpoint="/mapi/emsmdb") == 7
    assert value(found, "mapigw_sessions", endpoint="/mapi/emsmdb") == 0
    assert value(found, "mapigw_http_responses_total", status="401") == 3
    assert value(found, "mapigw_refused_logins_total") == 2
    assert value(found, "mapigw_rop_seconds_count", rop="OpenFolder") == 2
    assert value(found, "mapigw_rop_seconds_bucket", rop="OpenFolder", le="10.0") == 1
    assert value(found, "mapigw_writers_waiting") == 4
    assert value(found, "mapigw_deliveries_total", outcome="delivered") == 5
    assert value(found, "mapigw_blob_read_bytes_total") == 11
    assert value(found, "mapigw_write_seconds_count") >= 1
    assert value(found, "mapigw_cache_entries", cache="directory") == 0
    assert value(found, "process_open_fds") > 0


async def test_the_newer_format(client: TestClient[web.BaseRequest, None]) -> None:
    response = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response.content_type == "application/openmetrics-text"
    names = {family.name for family in openmetrics.text_string_to_metric_families(await response.text())}  # type: ignore[no-untyped-call]
    assert {"mapigw_sessions", "mapigw_write_seconds", "process_cpu_seconds"} <= names


async def test_there_is_nothing_else(client: TestClient[web.BaseRequest, None]) -> None:
    assert (await client.get("/")).status == 404
    assert (await client.post("/metrics")).status == 405


async def test_caches_are_counted(sources: Sources, client: TestClient[web.BaseRequest, None]) -> None:
    user = await sources.directory.add("tom@bm.lan", "secret")
    assert await sources.authenticator.authenticate("tom@bm.lan", "secret", "192.0.2.1") is not None
    await sources.mailboxes.open(user.mailbox_id)
    found = samples(await (await client.get("/metrics")).text())
    for cache in ("directory", "logins", "mailboxes"):
        assert value(found, "mapigw_cache_entries", cache=cache) == 1
