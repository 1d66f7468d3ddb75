from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.definition import Definition
from mapigw.wire.errors import WireError
from mapigw.wire.mapihttp import (
    CONNECT_REQUEST,
    CONNECT_RESPONSE,
    DISCONNECT_REQUEST,
    DISCONNECT_RESPONSE,
    EXECUTE_REQUEST,
    EXECUTE_RESPONSE,
    FAILURE_RESPONSE,
    NOTIFICATION_WAIT_REQUEST,
    NOTIFICATION_WAIT_RESPONSE,
    PROCESSING,
    failure_response,
    final_part,
    split_response,
)
from mapigw.wire.rpc_header import join_payloads, split_payloads

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures" / "exchange-se"
RUNS = pytest.mark.parametrize("name", ["hierarchy", "contents"])


@RUNS
def test_connect_request_of_a_client(name: str) -> None:
    data = (CAPTURES / name / "01-connect.request.bin").read_bytes()
    request = CONNECT_REQUEST.parse(data)
    assert request.user_dn.startswith(b"/o=Dev/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=fff")
    assert (request.flags, request.default_code_page, request.lcid_sort, request.lcid_string) == (0, 1252, 1033, 1033)
    assert request.auxiliary_buffer == b""
    assert CONNECT_REQUEST.build(request) == data


@RUNS
@pytest.mark.spec("MS-OXCMAPIHTTP_R1349")
@pytest.mark.spec("MS-OXCMAPIHTTP_R2228")
def test_connect_response_of_exchange(name: str) -> None:
    data = (CAPTURES / name / "01-connect.response.bin").read_bytes()
    body = split_response(data)
    assert body.meta_tags == ("PROCESSING", "DONE")
    assert list(body.headers) == ["X-StartTime", "X-ElapsedTime"]
    response = CONNECT_RESPONSE.parse(body.payload)
    assert (response.status_code, response.error_code) == (0, 0)
    retry_delay = {"hierarchy": 10_146, "contents": 12_364}[name]
    assert (response.polls_max, response.retry_count, response.retry_delay) == (60_000, 6, retry_delay)
    assert (response.dn_prefix, response.display_name) == (b"", "Spike Test Usr")
    assert CONNECT_RESPONSE.build(response) == body.payload
    assert PROCESSING + final_part(body.headers, body.payload) == data


@RUNS
@pytest.mark.parametrize("number", ["02", "03"])
def test_execute_with_exchange(name: str, number: str) -> None:
    data = (CAPTURES / name / f"{number}-execute.request.bin").read_bytes()
    request = EXECUTE_REQUEST.parse(data)
    assert (request.flags, request.max_rop_out, request.auxiliary_buffer) == (3, 0x10000, b"")
    assert join_payloads(split_payloads(request.rop_buffer)) == request.rop_buffer
    assert EXECUTE_REQUEST.build(request) == data
    body = split_response((CAPTURES / name / f"{number}-execute.response.bin").read_bytes())
    response = EXECUTE_RESPONSE.parse(body.payload)
    assert (response.status_code, response.error_code, response.flags) == (0, 0, 0)
    assert join_payloads(split_payloads(response.rop_buffer)) == response.rop_buffer
    assert EXECUTE_RESPONSE.build(response) == body.payload


@pytest.mark.spec("MS-OXCMAPIHTTP_R1371")
def test_notification_wait_success_body_is_16_bytes() -> None:
    body = NOTIFICATION_WAIT_RESPONSE.build(
        {"status_code": 0, "error_code": 0, "event_pending": 1, "auxiliary_buffer": b""}
    )
    assert body == bytes.fromhex("00000000 00000000 01000000 00000000")


def test_failure_body() -> None:
    assert failure_response(0x4B6) == bytes.fromhex("b6040000 00000000")
    assert FAILURE_RESPONSE.parse(failure_response(0x80070005)).status_code == 0x80070005


def test_meta_tags_of_a_slow_answer() -> None:
    data = b"PROCESSING\r\nPENDING\r\nPENDING\r\nDONE\r\nX-ElapsedTime: 61000\r\n\r\n\x00\r\n\x01"
    body = split_response(data)
    assert body.meta_tags == ("PROCESSING", "PENDING", "PENDING", "DONE")
    assert body.headers == {"X-ElapsedTime": "61000"}
    assert body.payload == b"\x00\r\n\x01"


@pytest.mark.parametrize("data", [b"", b"PROCESSING\r\n", b"DOING\r\n\r\n", b"DONE\r\nX: 1\r\n", b"DONE\r\nX\r\n\r\n"])
def test_unfinished_bodies(data: bytes) -> None:
    with pytest.raises(WireError):
        split_response(data)


@pytest.mark.parametrize(
    ("definition", "data"),
    [
        (EXECUTE_REQUEST, "00000000 ffffffff 00"),  # four gigabytes announced
        (EXECUTE_REQUEST, "00000000"),
        (CONNECT_REQUEST, "2f6f3d"),
        (CONNECT_REQUEST, "00 00000000 00000000 00000000 00000000 00000001"),
        (DISCONNECT_REQUEST, ""),
        (DISCONNECT_REQUEST, "00000000 00"),
        (NOTIFICATION_WAIT_REQUEST, "00000000"),
    ],
)
def test_bad_bodies(definition: Definition, data: str) -> None:
    with pytest.raises(WireError):
        definition.parse(bytes.fromhex(data))


UINT32 = st.integers(0, 0xFFFFFFFF)
BUFFER = st.binary(max_size=40)
ASCII = st.binary(max_size=20).filter(lambda value: b"\0" not in value)
TEXT = st.text(st.characters(exclude_characters="\0"), max_size=20)
NUMBERS = ("flags", "default_code_page", "lcid_sort", "lcid_string", "status_code", "error_code", "polls_max")


@pytest.mark.parametrize(
    "definition",
    [
        CONNECT_REQUEST,
        CONNECT_RESPONSE,
        EXECUTE_REQUEST,
        EXECUTE_RESPONSE,
        DISCONNECT_REQUEST,
        DISCONNECT_RESPONSE,
        NOTIFICATION_WAIT_REQUEST,
        NOTIFICATION_WAIT_RESPONSE,
        FAILURE_RESPONSE,
    ],
)
@given(data=st.data())
def test_round_trips(definition: Definition, data: Any) -> None:
    kinds = {
        "user_dn": ASCII,
        "dn_prefix": ASCII,
        "display_name": TEXT,
        "rop_buffer": BUFFER,
        "auxiliary_buffer": BUFFER,
    }
    names = [part.name for part in definition.construct.subcons]
    value = {name: data.draw(kinds.get(name, UINT32)) for name in names}
    parsed = definition.parse(definition.build(value))
    assert {name: parsed[name] for name in names} == value
