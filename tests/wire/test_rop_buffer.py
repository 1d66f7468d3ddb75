"""ROP buffers: the published examples, what Outlook sent, what Exchange answered."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import AndRestriction, ContentRestriction, NotRestriction, PropertyRestriction
from mapigw.wire.rop_buffer import (
    MAXIMUM_ROP_SIZE,
    RopRequest,
    RopRequests,
    RopResponse,
    build_requests,
    build_response,
    join,
    parse_requests,
    parse_responses,
    request,
)
from mapigw.wire.rops import ROPS_BY_NAME

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"


def requests_of(data: str) -> list[RopRequest]:
    """Parse the ROPs in hex, and check that building gives the same bytes."""
    payload = join([bytes.fromhex(data)], [1])
    parsed = parse_requests(payload)
    assert build_requests(parsed.requests, parsed.handles) == payload
    return parsed.requests


def responses_of(data: str, *sent: RopRequest, columns: list[int] | None = None) -> list[RopResponse]:
    """Parse the responses in hex; the table with ``columns`` has handle 1."""
    payload = join([bytes.fromhex(data)], [1, 1, 1])
    parsed = parse_responses(payload, sent, None if columns is None else {1: columns})
    built = [
        build_response(item.rop, item.handle_index, item.return_value, item.value, columns=columns)
        for item in parsed.responses
    ]
    assert join(built, parsed.handles) == payload
    return parsed.responses


@pytest.mark.spec("MS-OXCROPS_R4668")
def test_single_request_example() -> None:
    parsed = parse_requests(bytes.fromhex("09001501010201ff0f6d00000056000000"))
    (item,) = parsed.requests
    assert (item.rop.name, item.logon_id, item.handle_index) == ("QueryRows", 1, 1)
    assert item.value == {"query_rows_flags": 2, "forward_read": True, "row_count": 0x0FFF}
    assert parsed.handles == [0x6D, 0x56]


def test_two_requests_example() -> None:
    parsed = parse_requests(bytes.fromhex("14000200000101005965737369720004000102046e000000ffffffffffffffff"))
    assert [item.rop.name for item in parsed.requests] == ["OpenFolder", "GetHierarchyTable"]
    open_folder, get_table = parsed.requests
    assert (open_folder.handle_index, open_folder.response_handle_index) == (0, 1)
    assert (get_table.handle_index, get_table.response_handle_index, get_table.value.table_flags) == (1, 2, 4)
    assert parsed.handles == [0x6E, 0xFFFFFFFF, 0xFFFFFFFF]
    # what BufferTooSmall hands back when only the first was executed
    assert parsed.rops[get_table.offset :].hex() == "0400010204"


@pytest.mark.spec("MS-OXCROPS_R4675")
def test_release_example() -> None:
    """MS-OXCROPS 4.4."""
    parsed = parse_requests(bytes.fromhex("08000100000100016f0000006e000000"))
    assert [(item.rop.name, item.handle_index) for item in parsed.requests] == [("Release", 0), ("Release", 1)]
    assert parsed.handles == [0x6F, 0x6E]


def test_create_folder_example() -> None:
    """MS-OXCFOLD 4.1."""
    (item,) = requests_of("1c0000010101000046006f006c00640065007200310000000000")
    assert item.value.display_name == "Folder1"
    assert item.value.comment == ""
    (answer,) = responses_of("1c0100000000010000000e91521200")
    assert answer.value.folder_id == ObjectId(1, 0x0E915212)
    assert answer.value.is_existing_folder is False


def test_delete_folder_example() -> None:
    """MS-OXCFOLD 4.2."""
    (item,) = requests_of("1d000105010000000e8edf36")
    assert item.value == {"delete_folder_flags": 5, "folder_id": ObjectId(1, 0x0E8EDF36)}


def test_delete_messages_example() -> None:
    """MS-OXCFOLD 4.3."""
    (item,) = requests_of("1e000000010200010000000e8ef148010000000e8ec302")
    assert item.value.message_ids == [ObjectId(1, 0x0E8EF148), ObjectId(1, 0x0E8EC302)]
    assert item.value.notify_non_read is True


def test_move_and_copy_examples() -> None:
    """MS-OXCFOLD 4.4 to 4.6."""
    (move,) = requests_of("330000010100010000000e8eec5d0000")
    assert (move.handle_index, move.value.dest_handle_index) == (0, 1)
    assert (move.value.message_ids, move.value.want_copy) == ([ObjectId(1, 0x0E8EEC5D)], False)
    (folder,) = requests_of("350001020101010000000e8edf3646006f006c0064006500720031000000")
    assert (folder.value.use_unicode, folder.value.new_folder_name) == (True, "Folder1")
    (copy,) = requests_of("36000001010101010000000e8edf3646006f006c0064006500720031000000")
    assert (copy.value.want_recursive, copy.value.new_folder_name) == (True, "Folder1")


def test_create_message_example() -> None:
    """MS-OXCMSG 4.1."""
    (item,) = requests_of("06000001ff0f0100000000f0799300")
    assert item.value.code_page_id == 0x0FFF
    assert item.value.folder_id == ObjectId(1, 0x00F07993)


def test_set_properties_example() -> None:
    """MS-OXCPRPT 4.3.1."""
    (item,) = requests_of("0a0000240002001f003d0000001f001d0e480065006c006c006f00200057006f0072006c0064000000")
    assert item.value.property_values == [(0x003D001F, ""), (0x0E1D001F, "Hello World")]


def test_names_to_ids_example() -> None:
    """Two named properties of PSETID_Common, as Outlook asks for them when it starts."""
    (item,) = requests_of(
        "560000020200000820060000000000c000000000000046808500000008200600000000 00c00000000000004681850000".replace(
            " ", ""
        )
    )
    assert [name.lid for name in item.value.property_names] == [0x8580, 0x8581]


def test_table_examples() -> None:
    """MS-OXCTABL 4.1, 4.2, 4.4, 4.5."""
    columns, sort, category, expand, rows = (
        requests_of(data)[0].value
        for data in (
            "1200010006001400486714004a6714004d6703004e671f0037004000060e",
            "130001000100000000004000060e01",
            "130000000200010001001f300880004000060e01",
            "59000100000100000000f188bd",
            "15000000013200",
        )
    )
    assert columns.property_tags == [0x67480014, 0x674A0014, 0x674D0014, 0x674E0003, 0x0037001F, 0x0E060040]
    assert [tuple(order) for order in sort.sort_orders] == [(0x0E060040, 1)]
    assert (category.sort_order_count, category.category_count, category.expanded_count) == (2, 1, 1)
    assert (expand.max_row_count, expand.category_id) == (0, ObjectId(1, 0x00F188BD))
    assert rows.row_count == 50


def test_set_search_criteria_example() -> None:
    """MS-OXCFOLD 4.7."""
    for line in (CAPTURES / "outlook-vectors" / "vectors.tsv").read_text("utf-8").splitlines():
        if "set search criteria" in line:
            (item,) = requests_of(line.split("\t")[3])
    classes = [
        *((2, name) for name in ("Appointment", "Contact", "DistList", "Activity", "StickyNote")),
        (0, "Task"),
        (2, "Task."),
    ]
    no_items = tuple(
        NotRestriction(ContentRestriction(fuzzy, 1, 0x001A001F, (0x001A001F, f"IPM.{name}"))) for fuzzy, name in classes
    )
    important = PropertyRestriction(4, 0x00170003, (0x00170003, 2))
    assert item.value.restriction_data == AndRestriction((AndRestriction(no_items), AndRestriction((important,))))
    assert item.value.folder_ids == [ObjectId(1, 0x1488)]
    assert item.value.search_flags == 0x0002002A


def test_backoff_examples() -> None:
    """MS-OXCROPS 2.2.15.2."""
    parsed = parse_responses(bytes.fromhex("120012000000000000f9003412000000000028000000"))
    assert [item.rop.name for item in parsed.responses] == ["SetColumns", "Backoff"]
    assert parsed.responses[1].value.duration == 0x1234
    parsed = parse_responses(bytes.fromhex("18000201000000000000f90000000000011c174f040000000a00000024000000"))
    (backoff,) = parsed.responses[1].value.backoff_rop_data
    assert (backoff.rop_id_backoff, backoff.duration) == (0x1C, 0x00044F17)


def test_buffer_too_small() -> None:
    requests = bytes.fromhex("03000001ff0f010015890078271e030100158900782fbb")
    assert requests_of(requests.hex())[0].rop.name == "OpenMessage"
    data = build_response(ROPS_BY_NAME["BufferTooSmall"], value={"size_needed": 0x8000, "request_buffers": requests})
    assert data.hex() == "ff0080" + requests.hex()


def test_null_destination_has_a_four_byte_handle_index() -> None:
    """MS-OXCROPS 2.2.4.6.3, 2.2.9.9.3."""
    move = build_response(
        ROPS_BY_NAME["MoveCopyMessages"], 0, ErrorCode.NullDestinationObject, {"dest_handle_index": 2}
    )
    assert move.hex() == "3300030500000200000000"
    copy = build_response(ROPS_BY_NAME["CopyToStream"], 1, ErrorCode.NullDestinationObject, {"dest_handle_index": 2})
    assert copy.hex() == "3a010305000002000000" + "00" * 16


def test_a_failed_read_stream_keeps_its_layout() -> None:
    """MS-OXCROPS 2.2.9.2.2 has one response layout: DataSize stays."""
    assert build_response(ROPS_BY_NAME["ReadStream"], 1, ErrorCode.NullObject).hex() == "2c01b90400000000"


def test_a_logon_to_another_server_is_redirected() -> None:
    """MS-OXCROPS 2.2.3.1.4."""
    data = build_response(
        ROPS_BY_NAME["Logon"], 0, ErrorCode.WrongServer, {"logon_flags": 1, "server_name": b"/o=x/cn=mail"}
    )
    assert data.hex() == "fe0078040000010d" + b"/o=x/cn=mail\0".hex()
    assert responses_of(data.hex())[0].value.server_name == b"/o=x/cn=mail"
    assert build_response(ROPS_BY_NAME["Logon"], 0, ErrorCode.UnknownUser).hex() == "fe00eb030000"


def test_get_buffer_backoff() -> None:
    """MS-OXCROPS 2.2.12.4.2: BackoffTime instead of TransferBuffer."""
    value = {
        "transfer_status": 1,
        "in_progress_count": 0,
        "total_step_count": 1,
        "reserved": 0,
        "transfer_buffer_size": 0,
        "backoff_time": 5000,
    }
    data = build_response(ROPS_BY_NAME["FastTransferSourceGetBuffer"], 2, ErrorCode.ServerBusy, value)
    assert data.hex() == "4e028004000001000000010000000088130000"
    assert responses_of(data.hex())[0].value == value


def test_get_message_status_is_answered_as_set_message_status() -> None:
    """MS-OXCROPS 2.2.6.9.2."""
    data = build_response(ROPS_BY_NAME["GetMessageStatus"], 0, value={"message_status_flags": 4})
    assert data.hex() == "20000000000004000000"


def test_notification_of_new_mail() -> None:
    """NotificationFlags 0x8002, flags 0, ASCII class: as Exchange sends it."""
    (item,) = responses_of(
        "2a" "44000000" "00" "0280" "0100000000000b0c" "0100000000000d0e" "00000000" "00" + b"IPM.Note\0".hex()
    )  # fmt: skip
    assert item.value.notification_handle == 0x44
    data = item.value.notification_data
    assert (data.folder_id, data.message_id) == (ObjectId(1, 0x0B0C), ObjectId(1, 0x0D0E))
    assert (data.message_flags, data.message_class) == (0, b"IPM.Note")
    assert data.parent_folder_id is None


def test_notification_of_a_modified_table_row() -> None:
    """The message fields of a row are there when 0x8000 is set; the row stands under the table's columns."""
    row = "0005000000"
    (item,) = responses_of(
        "2a01000000" "00" "00c1" "0500"
        "0100000000000001" "0100000000000002" "00000000"
        "0000000000000000" "0000000000000000" "00000000"
        "0500" + row,
        columns=[0x36020003],
    )  # fmt: skip
    data = item.value.notification_data
    assert data.table_event_type == 5
    assert (data.table_row_folder_id, data.table_row_message_id) == (ObjectId(1, 1), ObjectId(1, 2))
    assert data.table_row_data == [5]


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        ("0001", "0100"),  # TableChanged
        ("0001", "0400" + "0100000000000001"),  # a folder's row deleted
        ("0400", "01000000000000010100000000000002ffff"),  # folder created
        ("0480", "0100000000000001010000000000000201001f003700"),  # message created
        ("04c0", "0100000000000001010000000000000201000000000000030000"),  # in a search folder
        ("1030", "010000000000000100000700000003000000"),  # folder modified, with both counts
        ("2000", "0100000000000001" * 1 + "010000000000000201000000000000030100000000000004"),
        ("2080", "0100000000000001010000000000000201000000000000030100000000000004"),
        ("8000", "0100000000000001"),  # search completed
    ],
)
def test_notifications(flags: str, fields: str) -> None:
    responses_of("2a0100000000" + flags + fields)


@pytest.mark.spec("MS-OXCNOTIF_R194", "MS-OXCNOTIF_R202", "MS-OXCNOTIF_R203", "MS-OXCNOTIF_R20301")
@pytest.mark.parametrize(
    ("fields", "tags"), [("0200 1f003700 1f003d00", [0x0037001F, 0x003D001F]), ("0000", []), ("ffff", None)]
)
def test_changed_properties_in_a_notification(fields: str, tags: list[int] | None) -> None:
    """MS-OXCNOTIF 2.2.1.4.1.2: no tags follow a TagCount of 0 or 0xFFFF."""
    (item,) = responses_of("2a0100000000108001000000000000010100000000000002" + fields)
    assert item.value.notification_data.tags == tags


def test_register_notification() -> None:
    """The request recorded from Outlook: new mail in the whole store."""
    (item,) = requests_of("29000001020001")
    assert item.value.want_whole_store is True
    (item,) = requests_of("2900000110000001000000000000010000000000000000")
    assert item.value.folder_id == ObjectId(1, 1)


def test_saving_names_the_object_in_the_second_index() -> None:
    (item,) = requests_of("0c0000010a")
    assert (item.handle_index, item.response_handle_index, item.value.save_flags) == (1, 0, 0x0A)


def test_client_data_only_on_a_public_logon() -> None:
    """MS-OXCROPS 2.2.6.11.1."""
    (item,) = requests_of("1100000105")
    assert item.value.client_data is None
    payload = join([bytes.fromhex("1103000105") + bytes(24)], [])
    assert parse_requests(payload, {3}).requests[0].value.client_data == bytes(24)
    # the logon in the same buffer counts
    logon = bytes.fromhex("fe03000000000000000000000000")
    payload = join([logon, bytes.fromhex("1103000105") + bytes(24)], [])
    assert [item.rop.name for item in parse_requests(payload).requests] == ["Logon", "SetMessageReadFlag"]


def test_request_helper() -> None:
    items = [
        request("OpenFolder", 0, output_handle_index=1, folder_id=ObjectId(1, 4), open_mode_flags=0),
        request("SaveChangesMessage", 2, response_handle_index=1, save_flags=8),
        request("Release", 1),
    ]
    parsed = parse_requests(build_requests(items, [7]))
    assert [(item.handle_index, item.response_handle_index) for item in parsed.requests] == [(0, 1), (2, 1), (1, 1)]


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ("", "rop_size"),
        ("05", "rop_size"),
        ("0100", "rop_size"),
        ("ffff0102", "rop_size"),
        ("0200aabbcc", "server_object_handle_table"),
        ("030000", "rop_id"),
        ("03002a", "rop_id"),
        ("0300a4", "rop_id"),
        ("04000100", "Release"),
        ("060002000001", "OpenFolder.folder_id"),
        ("0d001e00000001ffff00000000", "DeleteMessages.message_ids"),
        ("0c000a0000050001001f003d", "SetProperties.property_values"),
        ("0d000a0000070001001f003d00", "SetProperties.property_values"),
        ("0f007600 00ffffffff000000000000", "SynchronizationUploadStateStreamContinue.stream_data"),
    ],
)
def test_malformed_requests(payload: str, field: str) -> None:
    with pytest.raises(WireError) as caught:
        parse_requests(bytes.fromhex(payload))
    assert caught.value.field == field
    assert 0 <= caught.value.offset <= len(payload) // 2


def test_offsets_count_from_the_payload() -> None:
    with pytest.raises(WireError) as caught:
        parse_requests(bytes.fromhex("0b0001000027000049504d"))
    assert (caught.value.field, caught.value.offset) == ("GetReceiveFolder.message_class", 8)


@pytest.mark.parametrize(
    "payload",
    ["030001", "04000200", "080002000000", "0a001500000000000001", "07000200000000"],
)
def test_malformed_responses(payload: str) -> None:
    with pytest.raises(WireError):
        parse_responses(bytes.fromhex(payload))


def test_rows_without_columns() -> None:
    payload = join([bytes.fromhex("15000000000002010000")], [1])
    with pytest.raises(WireError, match="columns of these rows are not known"):
        parse_responses(payload)
    none = join([bytes.fromhex("150000000000020000")], [1])
    assert parse_responses(none).responses[0].value.row_data == []


def test_rows_already_encoded_are_built_as_they_are() -> None:
    data = build_response(
        ROPS_BY_NAME["QueryRows"], 1, value={"origin": 2, "row_count": 1, "row_data": bytes.fromhex("0005000000")}
    )
    assert data.hex() == "1501000000000201000005000000"
    (answer,) = responses_of(data.hex(), columns=[0x36020003])
    assert answer.value.row_data == [[5]]


def test_properties_stand_under_the_tags_of_the_request() -> None:
    sent = [
        request("Release", 5),
        request("GetPropertiesSpecific", 0, property_size_limit=0, want_unicode=0, property_tags=[0x36020003]),
        request("GetPropertiesSpecific", 0, property_size_limit=0, want_unicode=0, property_tags=[0x3001001F]),
    ]
    data = bytes.fromhex("07000000000000050000000700000000000061000000")
    parsed = parse_responses(join([data], [1]), sent)
    assert [item.value.row_data for item in parsed.responses] == [[5], ["a"]]


def test_rop_size_is_sixteen_bits() -> None:
    assert len(join([bytes(MAXIMUM_ROP_SIZE - 2)], [])) == MAXIMUM_ROP_SIZE
    with pytest.raises(ValueError, match="do not fit"):
        join([bytes(MAXIMUM_ROP_SIZE - 1)], [])


def test_only_requests_are_built_as_requests() -> None:
    with pytest.raises(ValueError, match="Notify is not a request"):
        build_requests([request("Notify")], [])


def _outlook() -> list[Any]:
    lines = (CAPTURES / "outlook-vectors" / "execute-ok.jsonl").read_text("utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    # one is a lone GID that is no ROP
    return [entry for entry in entries if not entry["id"].endswith("removes_fai_by_outlook_source_key")]


@pytest.mark.parametrize("entry", _outlook(), ids=lambda entry: entry["id"])
def test_what_outlook_sends(entry: dict[str, str]) -> None:
    body = base64.b64decode(entry["request_body"])
    size = struct.unpack_from("<I", body, 4)[0]
    payload = body[16 : 8 + size]
    parsed = parse_requests(payload)
    assert build_requests(parsed.requests, parsed.handles) == payload
    for length in range(2, struct.unpack_from("<H", payload)[0]):
        cut = struct.pack("<H", length) + payload[2:length]
        try:
            shorter = parse_requests(cut)
        except WireError:
            continue
        assert [item.rop for item in shorter.requests] == [item.rop for item in parsed.requests][
            : len(shorter.requests)
        ]


def _exchange(name: str) -> tuple[bytes, bytes]:
    """The ROP buffers of one captured Execute."""
    folder = CAPTURES / "exchange-se"
    sent = (folder / f"{name}.request.bin").read_bytes()
    answer = (folder / f"{name}.response.bin").read_bytes()
    answer = answer[answer.index(b"\r\n\r\n") + 4 :]
    return (
        sent[16 : 8 + struct.unpack_from("<I", sent, 4)[0]],
        answer[24 : 16 + struct.unpack_from("<I", answer, 12)[0]],
    )


def _conversation(name: str) -> tuple[RopRequests, list[RopResponse]]:
    sent, answer = _exchange(name)
    requests = parse_requests(sent)
    assert build_requests(requests.requests, requests.handles) == sent
    tags: list[int] = next(
        (item.value.property_tags for item in requests.requests if item.rop.name == "SetColumns"), []
    )
    responses = parse_responses(answer, requests.requests, {2: tags})
    built = [
        build_response(item.rop, item.handle_index, item.return_value, item.value, columns=tags)
        for item in responses.responses
    ]
    assert join(built, responses.handles) == answer
    return requests, responses.responses


@pytest.mark.parametrize("table", ["hierarchy", "contents"])
def test_logon_to_exchange(table: str) -> None:
    requests, (answer,) = _conversation(f"{table}/02-execute")
    assert requests.requests[0].rop.name == "Logon"
    assert len(answer.value.folder_ids) == 13
    assert answer.value.response_flags == 7
    assert (answer.value.repl_id, answer.value.logon_time.year) == (5, 2026)
    assert answer.value.per_user_guid is None


def test_hierarchy_table_of_exchange() -> None:
    _, answers = _conversation("hierarchy/03-execute")
    assert [item.rop.name for item in answers] == ["OpenFolder", "GetHierarchyTable", "SetColumns", "QueryRows"]
    rows = answers[3].value.row_data
    assert len(rows) == answers[1].value.row_count == 15
    assert rows[0][1:] == ["Calendar", 0, False]
    assert ObjectId.from_integer(rows[0][0]) == ObjectId(1, 0x010D)


def test_contents_table_of_exchange() -> None:
    _, answers = _conversation("contents/03-execute")
    rows = answers[3].value.row_data
    assert len(rows) == answers[1].value.row_count == 5
    assert "Second seeded message with unicode: naive cafe résumé ünïcödé" in [row[1] for row in rows]
