"""Every definition of every ROP gives back what was built, and nothing but WireError on anything else."""

import pytest
from construct import Container
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapigw.wire.errors import WireError
from mapigw.wire.rop_buffer import (
    RopRequest,
    build_request,
    build_requests,
    build_response,
    join,
    parse_requests,
    parse_responses,
)
from mapigw.wire.rops import ROPS, Rop
from tests.wire.strategies import COLUMNS, values

quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))

REQUESTS = [rop for rop in ROPS.values() if rop.request is not None]
RESPONSES = [
    (rop, code)
    for rop in ROPS.values()
    if rop.response is not None
    for code in {*rop.success, *rop.failures, 0x80004005}
    if rop.layout(code) is not None
]


def _root(is_public: bool) -> Container:
    return Container(_params=Container(is_public=is_public, columns=COLUMNS))


@pytest.mark.parametrize("rop", REQUESTS, ids=lambda rop: rop.name)
@quick
@given(data=st.data())
def test_request_round_trip(rop: Rop, data: st.DataObject) -> None:
    assert rop.request is not None
    is_public = data.draw(st.booleans())
    value = data.draw(values(rop.request.construct, _root(is_public)))
    logon_id, index = data.draw(st.integers(0, 255)), data.draw(st.integers(0, 255))
    input_index = value.get("input_handle_index", index)
    response_index = value.get("output_handle_index", index)
    item = RopRequest(rop, logon_id, input_index, response_index, value)
    payload = join([build_request(item, is_public=is_public)], [7])
    parsed = parse_requests(payload, {logon_id} if is_public else ())
    assert parsed.handles == [7]
    assert parsed.requests == [item]
    # the interpreted form, which names fields in errors, reads the same
    assert rop.request.construct.parse(payload[5:-4], is_public=is_public, columns=COLUMNS) == value


@pytest.mark.parametrize(("rop", "code"), RESPONSES, ids=lambda item: getattr(item, "name", item))
@quick
@given(data=st.data())
def test_response_round_trip(rop: Rop, code: int, data: st.DataObject) -> None:
    layout = rop.layout(code)
    assert layout is not None
    value = data.draw(values(layout.construct, _root(False)))
    built = layout.build(value, columns=COLUMNS)
    assert layout.parse(built, columns=COLUMNS) == value
    assert layout.construct.parse(built, columns=COLUMNS) == value


@pytest.mark.parametrize("rop", REQUESTS, ids=lambda rop: rop.name)
@settings(max_examples=30, deadline=None)
@given(fields=st.binary(max_size=80))
def test_any_bytes_are_a_request_or_a_wire_error(rop: Rop, fields: bytes) -> None:
    try:
        parsed = parse_requests(join([bytes((rop.rop_id, 0, 0)) + fields], []), {0})
    except WireError:
        return
    assert parsed.requests[0].rop is rop


@settings(max_examples=500, deadline=None)
@given(payload=st.binary(max_size=200))
def test_any_payload_is_a_buffer_or_a_wire_error(payload: bytes) -> None:
    for parse in (parse_requests, parse_responses):
        try:
            parse(payload)
        except WireError:
            continue


@pytest.mark.parametrize(("rop", "code"), RESPONSES, ids=lambda item: getattr(item, "name", item))
@settings(max_examples=20, deadline=None)
@given(fields=st.binary(max_size=80))
def test_any_bytes_are_a_response_or_a_wire_error(rop: Rop, code: int, fields: bytes) -> None:
    header = bytes((rop.response_rop_id, 0)) + code.to_bytes(4, "little") if rop.common_header else bytes((rop.rop_id,))
    try:
        parse_responses(join([header + fields], [9]), columns={9: COLUMNS})
    except WireError:
        return


@pytest.mark.parametrize("rop", REQUESTS, ids=lambda rop: rop.name)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_truncated_request_is_a_wire_error(rop: Rop, data: st.DataObject) -> None:
    assert rop.request is not None
    value = data.draw(values(rop.request.construct, _root(False)))
    index = value.get("output_handle_index", 0)
    whole = build_request(RopRequest(rop, 0, value.get("input_handle_index", 0), index, value))
    for length in range(1, len(whole)):
        with pytest.raises(WireError):
            parse_requests(join([whole[:length]], []))


def test_a_failure_without_values_is_that_of_a_rop_that_did_nothing() -> None:
    for rop in ROPS.values():
        if rop.response is None or not rop.common_header:
            continue
        response = build_response(rop, 3, 0x80070005)
        parsed = parse_responses(join([response], [])).responses[0]
        assert (parsed.handle_index, parsed.return_value) == (3, 0x80070005)
        assert (parsed.value is None) == (rop.failure is None)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_buffer_of_all_requests(data: st.DataObject) -> None:
    """Whatever a ROP holds, it can be parsed past."""
    items = []
    for rop in data.draw(st.permutations(REQUESTS)):
        assert rop.request is not None
        value = data.draw(values(rop.request.construct, _root(False)))
        input_index, response_index = value.get("input_handle_index", 0), value.get("output_handle_index", 0)
        items.append(RopRequest(rop, 5, input_index, response_index, value))
        if rop.name == "Logon":
            value["logon_flags"] |= 1
    parsed = parse_requests(build_requests(items, [1, 2]))
    assert [item.value for item in parsed.requests] == [item.value for item in items]
    assert [item.rop for item in parsed.requests] == [item.rop for item in items]
