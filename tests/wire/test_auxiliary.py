import contextlib
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.auxiliary import AUX_VERSION_1, AuxiliaryBlock, AuxiliaryType, build_auxiliary, parse_auxiliary
from mapigw.wire.errors import WireError
from mapigw.wire.mapihttp import CONNECT_RESPONSE, split_response
from mapigw.wire.rpc_header import join_payloads, split_payloads

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures" / "exchange-se"


@pytest.mark.parametrize("name", ["hierarchy", "contents"])
@pytest.mark.spec("MS-OXCRPC_R1535")
@pytest.mark.spec("MS-OXCRPC_R1539")
@pytest.mark.spec("MS-OXCRPC_R291002")
@pytest.mark.spec("MS-OXCRPC_R4826")
@pytest.mark.spec("MS-OXCRPC_R282")
def test_what_exchange_answers_on_connect(name: str) -> None:
    body = split_response((CAPTURES / name / "01-connect.response.bin").read_bytes())
    buffer = CONNECT_RESPONSE.parse(body.payload).auxiliary_buffer
    (payload,) = split_payloads(buffer)
    blocks = parse_auxiliary(payload)
    assert [(block.version, block.type) for block in blocks] == [
        (2, 0x43),  # not in the specification; skipped by its size
        (1, AuxiliaryType.AUX_TYPE_SERVER_CAPABILITIES),
        (1, AuxiliaryType.AUX_TYPE_ENDPOINT_CAPABILITIES),
        (1, AuxiliaryType.AUX_TYPE_EXORGINFO),
        (1, AuxiliaryType.AUX_SERVER_SESSION_INFO),
        (1, AuxiliaryType.AUX_TYPE_CLIENT_CONTROL),
    ]
    assert blocks[0].value == b"\x02\x19EXCHANGE-LAB-01.dev.local"
    assert blocks[1].value == {"server_capability_flags": 0x0B}
    assert blocks[2].value == {"endpoint_capability_flag": 1}
    assert blocks[3].value == {"org_flags": 2}
    information = blocks[4].value["server_session_context_info"]
    assert information.startswith("ClientAccessServer=EXCHANGE-LAB-01.dev.local,ConnectTime=8/1/2026")
    assert blocks[5].value == {"enable_flags": 0x0D, "expiry_time": 604_800_000}
    assert build_auxiliary(blocks) == payload
    assert join_payloads([build_auxiliary(blocks)]) == buffer


def test_client_connection_info() -> None:
    payload = bytes.fromhex(
        "2600 01 4a  33221100554477668899aabbccddeeff 2000 0000 02000000 01000000 6f006b000000".replace(" ", "")
    )
    # AUX_HEADER 4, GUID 16, two 16-bit and two 32-bit fields: the string begins at 32
    assert parse_auxiliary(payload) == [
        AuxiliaryBlock(
            AUX_VERSION_1,
            AuxiliaryType.AUX_CLIENT_CONNECTION_INFO,
            {
                "connection_guid": UUID("00112233-4455-6677-8899-aabbccddeeff"),
                "reserved": 0,
                "connection_attempts": 2,
                "connection_flags": 1,
                "connection_context_info": "ok",
            },
        )
    ]
    assert build_auxiliary(parse_auxiliary(payload)) == payload


@pytest.mark.spec("MS-OXCRPC_R1536")
def test_an_offset_of_zero_is_an_empty_string() -> None:
    block = AuxiliaryBlock(AUX_VERSION_1, AuxiliaryType.AUX_SERVER_SESSION_INFO, {"server_session_context_info": ""})
    assert build_auxiliary([block]) == bytes.fromhex("0600014b0000")
    assert parse_auxiliary(bytes.fromhex("0600014b0000")) == [block]


@pytest.mark.spec("MS-OXCRPC_R1601")
@pytest.mark.spec("MS-OXCRPC_R1602")
def test_unknown_blocks_are_skipped_by_size() -> None:
    payload = bytes.fromhex("0700 09 99 aabbcc 0800 01 17 01000000")
    blocks = parse_auxiliary(payload)
    assert blocks == [
        AuxiliaryBlock(9, 0x99, bytes.fromhex("aabbcc")),
        AuxiliaryBlock(1, 0x17, {"org_flags": 1}),
    ]
    assert build_auxiliary(blocks) == payload


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("08", "needed"),
        ("0300 01 17", "block of 3"),
        ("0900 01 17 01000000", "needed"),
        ("0600 01 17 0100", "early"),
        ("0600 01 4b ff00", "outside"),
        ("0600 01 4b 0200", "outside"),
        ("0800 01 4b 0600 4100", "unterminated"),
    ],
)
def test_bad_blocks(payload: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        parse_auxiliary(bytes.fromhex(payload))


@given(st.binary(max_size=80))
def test_random_input_raises_only_wire_errors(data: bytes) -> None:
    with contextlib.suppress(WireError):
        parse_auxiliary(data)


@given(
    st.lists(
        st.builds(
            AuxiliaryBlock,
            st.integers(2, 255),
            st.integers(0, 255),
            st.binary(max_size=20),
        )
        | st.builds(
            AuxiliaryBlock,
            st.just(AUX_VERSION_1),
            st.just(int(AuxiliaryType.AUX_SERVER_SESSION_INFO)),
            st.fixed_dictionaries(
                {"server_session_context_info": st.text(st.characters(exclude_characters="\0"), max_size=20)}
            ),
        ),
        max_size=5,
    )
)
def test_round_trip(blocks: list[AuxiliaryBlock]) -> None:
    assert parse_auxiliary(build_auxiliary(blocks)) == blocks
