from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.entryids import (
    ADDRESS_BOOK_ENTRY_ID,
    FLAT_ENTRY_LIST,
    FOLDER_ENTRY_ID,
    MAILBOX_STORE_UID,
    MESSAGE_ENTRY_ID,
    ONE_OFF_ENTRY_ID,
    PUBLIC_STORE_PROVIDER_UID,
    PUBLIC_STORE_UID,
    SERIALIZED_REPLID_GUID_MAP,
    SERVER_ID,
    STORE_OBJECT_ENTRY_ID,
    AddressBookObjectType,
    ElementId,
    MessagingObjectType,
    OneOffFlags,
    PersistId,
    additional_ren_entry_ids_ex,
    address_book_entry_id,
    change_key,
    folder_entry_id,
    message_entry_id,
    one_off_entry_id,
    parse_additional_ren_entry_ids_ex,
    parse_folder_id,
    serialized_replid_guid_map,
    server_id,
    source_key,
    store_entry_id,
)
from mapigw.wire.errors import WireError
from mapigw.wire.primitives import LongTermId
from tests.wire.blobs import blob, byte_strings, decoded, field

counters = st.integers(0, (1 << 48) - 1)


def guid_of(text: str) -> UUID:
    return UUID(text.split("}")[0].strip("{"))


@pytest.mark.parametrize("name", ["ENTRYID-8", "ENTRYID-10", "ENTRYID-11", "ENTRYID-12"])
def test_folder_entry_ids(name: str) -> None:
    data, text = blob(name), decoded(name)
    entry_id = FOLDER_ENTRY_ID.parse(data)
    assert len(data) == 46
    assert entry_id.provider_uid == guid_of(field(text, "Provider GUID")[0])
    assert entry_id.folder == LongTermId(
        guid_of(field(text, "Database GUID")[0]), int.from_bytes(byte_strings(text)[0], "big")
    )
    assert FOLDER_ENTRY_ID.build(entry_id) == data
    if entry_id.folder_type == MessagingObjectType.PrivateFolder:
        assert folder_entry_id(entry_id.provider_uid, *entry_id.folder) == data
    else:
        assert (entry_id.folder_type, entry_id.provider_uid) == (
            MessagingObjectType.PublicFolder,
            PUBLIC_STORE_PROVIDER_UID,
        )


@pytest.mark.parametrize("name", ["ENTRYID-13", "ENTRYID-14", "ENTRYID-15"])
def test_message_entry_ids(name: str) -> None:
    data, text = blob(name), decoded(name)
    entry_id = MESSAGE_ENTRY_ID.parse(data)
    assert len(data) == 70
    folder, _, message, _ = byte_strings(text)
    assert entry_id.folder == (guid_of(field(text, "Folder Database GUID")[0]), int.from_bytes(folder, "big"))
    assert entry_id.message == (guid_of(field(text, "Message Database GUID")[0]), int.from_bytes(message, "big"))
    assert MESSAGE_ENTRY_ID.build(entry_id) == data


def test_message_entry_id_of_a_mailbox() -> None:
    mailbox, replica = UUID(int=1), UUID(int=2)
    entry_id = message_entry_id(mailbox, replica, 5, 6)
    assert entry_id == (
        bytes(4)
        + mailbox.bytes_le
        + bytes.fromhex("0700")
        + replica.bytes_le
        + bytes.fromhex("000000000005 0000")
        + replica.bytes_le
        + bytes.fromhex("000000000006 0000")
    )


@pytest.mark.parametrize("form", ["entry id", "long-term id"])
def test_outlook_writes_folder_ids_in_two_forms(form: str) -> None:
    entry_id = folder_entry_id(UUID(int=1), UUID(int=2), 0x10203)
    assert parse_folder_id(entry_id if form == "entry id" else entry_id[22:]) == LongTermId(UUID(int=2), 0x10203)


@pytest.mark.parametrize("size", [0, 23, 45, 47, 70])
def test_folder_id_of_a_wrong_size(size: int) -> None:
    with pytest.raises(WireError):
        parse_folder_id(bytes(size))


@pytest.mark.parametrize(
    "name", ["ENTRYID-1", "ENTRYID-2", "ENTRYID-6", "ENTRYID-7", "ENTRYID-30", "ENTRYID-31", "ENTRYID-33"]
)
def test_store_object_entry_ids(name: str) -> None:
    data, text = blob(name), decoded(name)
    entry_id = STORE_OBJECT_ENTRY_ID.parse(data)
    private = "g_muidStorePrivate" in text
    assert entry_id.wrapped_provider_uid == (MAILBOX_STORE_UID if private else PUBLIC_STORE_UID)
    assert entry_id.wrapped_type == (0x0C if private else 0x06)
    assert [entry_id.server_shortname.decode()] == field(text, "ServerShortname")
    assert ([] if entry_id.mailbox_dn is None else [entry_id.mailbox_dn.decode()]) == field(text, "MailboxDN")
    assert bool(entry_id.extension) == ("Entry ID V2" in text)
    assert STORE_OBJECT_ENTRY_ID.build(entry_id) == data
    if private and not entry_id.extension:
        assert store_entry_id(field(text, "ServerShortname")[0], field(text, "MailboxDN")[0]) == data


@pytest.mark.parametrize("name", ["ENTRYID-16", "ENTRYID-21", "ENTRYID-23"])
def test_address_book_entry_ids(name: str) -> None:
    data, text = blob(name), decoded(name)
    entry_id = ADDRESS_BOOK_ENTRY_ID.parse(data)
    assert [entry_id.x500_dn.decode()] == field(text, "X500DN")
    assert address_book_entry_id(field(text, "X500DN")[0], entry_id.type) == data
    assert f"0x{AddressBookObjectType(entry_id.type):08X}" in field(text, "Type")[0]


def test_one_off_entry_id_in_a_code_page() -> None:
    entry_id = ONE_OFF_ENTRY_ID.parse(blob("ENTRYID-17"))
    assert entry_id.one_off_flags == OneOffFlags.M | OneOffFlags.L
    assert entry_id.display_name == b"'admin@example.com'"
    assert (entry_id.address_type, entry_id.email_address) == (b"SMTP", b"admin@example.com")
    assert ONE_OFF_ENTRY_ID.build(entry_id) == blob("ENTRYID-17")


def test_one_off_entry_id_in_unicode() -> None:
    entry_id = ONE_OFF_ENTRY_ID.parse(blob("ENTRYID-40"))
    assert entry_id.one_off_flags == OneOffFlags.M | OneOffFlags.U
    assert entry_id.display_name == entry_id.email_address == "nobody_@microsoft.com"
    assert one_off_entry_id("nobody_@microsoft.com", "nobody_@microsoft.com") == blob("ENTRYID-40")


@pytest.mark.parametrize("name", ["ENTRYID-8", "ENTRYID-16", "ENTRYID-25"])
def test_entry_ids_of_other_providers_are_refused(name: str) -> None:
    for definition in (STORE_OBJECT_ENTRY_ID, ONE_OFF_ENTRY_ID, MESSAGE_ENTRY_ID):
        with pytest.raises(WireError):
            definition.parse(blob(name))


def test_flat_entry_list() -> None:
    data = blob("FLATENTRYLIST-1")
    entries = FLAT_ENTRY_LIST.parse(data)
    assert [len(entry) for entry in entries] == [0x6D, 0x6D, 0x6D]
    assert all(entry.startswith(bytes.fromhex("00000000FE42AA0A18C71A10E8850B651C240000")) for entry in entries)
    built = FLAT_ENTRY_LIST.build(entries)
    assert len(built) == len(data)
    assert FLAT_ENTRY_LIST.parse(built) == entries
    assert FLAT_ENTRY_LIST.parse(bytes.fromhex("01000000 05000000 01000000 AA")) == [b"\xaa"]


@pytest.mark.parametrize(
    "data",
    ["01000000", "01000000 FF000000 01000000 AA000000", "FFFFFFFF 00000000", "02000000 08000000 01000000 AA000000"],
)
def test_flat_entry_list_refuses(data: str) -> None:
    with pytest.raises(WireError):
        FLAT_ENTRY_LIST.parse(bytes.fromhex(data))


@pytest.mark.parametrize("name", ["ADDITIONALRENENTRYIDSEX-1", "ADDITIONALRENENTRYIDSEX-3"])
def test_additional_ren_entry_ids_ex(name: str) -> None:
    text = decoded(name)
    blocks = parse_additional_ren_entry_ids_ex(blob(name))
    listed = [int(value[:6], 16) for value in field(text, "PersistID")]
    assert [block.persist_id for block in blocks] == [value for value in listed if value]
    elements = [
        data for block in blocks for element_id, data in block.elements if element_id == ElementId.RSF_ELID_ENTRYID
    ]
    assert elements == [value for value in byte_strings(text) if len(value) == 46]


def test_additional_ren_entry_ids_ex_that_were_written_by_outlook_are_built_alike() -> None:
    blocks = parse_additional_ren_entry_ids_ex(blob("ADDITIONALRENENTRYIDSEX-1"))
    folders = {block.persist_id: block.elements[0][1] for block in blocks}
    assert PersistId.RSF_PID_TODO_SEARCH in folders
    assert additional_ren_entry_ids_ex(folders) == blob("ADDITIONALRENENTRYIDSEX-1")
    assert parse_additional_ren_entry_ids_ex(b"") == []


@pytest.mark.parametrize("data", ["0180", "01803200 0100", "01800600 01000300 AABB", "0180020001000000"])
def test_additional_ren_entry_ids_ex_refuses_broken_blocks(data: str) -> None:
    with pytest.raises(WireError):
        parse_additional_ren_entry_ids_ex(bytes.fromhex(data))


def test_additional_ren_entry_ids_ex_refuses_an_element_beyond_its_block() -> None:
    with pytest.raises(WireError, match="beyond the end"):
        parse_additional_ren_entry_ids_ex(blob("ADDITIONALRENENTRYIDSEX-2"))


def test_server_id() -> None:
    assert server_id(0x10, 0x20) == bytes.fromhex("01 0100000000000010 0100000000000020 00000000")
    assert server_id(0x10) == bytes.fromhex("01 0100000000000010 0000000000000000 00000000")
    assert SERVER_ID.parse(server_id(0x10, 0x20)).message_id.counter == 0x20


def test_serialized_replid_guid_map_of_one_replica_has_18_bytes() -> None:
    data = serialized_replid_guid_map({1: UUID(int=7)})
    assert data == b"\1\0" + UUID(int=7).bytes_le
    assert [(item.repl_id, item.repl_guid) for item in SERIALIZED_REPLID_GUID_MAP.parse(data)] == [(1, UUID(int=7))]


@given(st.uuids(), counters)
def test_source_key_is_a_gid(guid: UUID, counter: int) -> None:
    assert source_key(guid, counter) == change_key(guid, counter) == folder_entry_id(guid, guid, counter)[22:44]


@given(st.uuids(), st.uuids(), counters, counters)
def test_entry_id_round_trips(mailbox: UUID, replica: UUID, folder: int, message: int) -> None:
    assert parse_folder_id(folder_entry_id(mailbox, replica, folder)) == (replica, folder)
    parsed = MESSAGE_ENTRY_ID.parse(message_entry_id(mailbox, replica, folder, message))
    assert (parsed.provider_uid, parsed.folder, parsed.message) == (mailbox, (replica, folder), (replica, message))


strings = st.text(st.characters(exclude_characters="\0"), max_size=30)


@given(strings, strings)
def test_one_off_round_trip(display_name: str, email_address: str) -> None:
    parsed = ONE_OFF_ENTRY_ID.parse(one_off_entry_id(display_name, email_address))
    assert (parsed.display_name, parsed.address_type, parsed.email_address) == (display_name, "SMTP", email_address)


@given(st.lists(st.binary(max_size=30), max_size=6))
def test_flat_entry_list_round_trip(entries: list[bytes]) -> None:
    assert FLAT_ENTRY_LIST.parse(FLAT_ENTRY_LIST.build(entries)) == entries


@given(
    st.binary(max_size=100),
    st.sampled_from(["ENTRYID-1", "ENTRYID-8", "ENTRYID-13", "ENTRYID-16", "ENTRYID-40"]),
    st.integers(0, 60),
)
def test_random_bytes_raise_only_wire_errors(tail: bytes, name: str, kept: int) -> None:
    for data in (tail, blob(name)[:kept] + tail):
        for parse in (
            FOLDER_ENTRY_ID.parse,
            MESSAGE_ENTRY_ID.parse,
            STORE_OBJECT_ENTRY_ID.parse,
            ADDRESS_BOOK_ENTRY_ID.parse,
            ONE_OFF_ENTRY_ID.parse,
            FLAT_ENTRY_LIST.parse,
            SERVER_ID.parse,
            SERIALIZED_REPLID_GUID_MAP.parse,
            parse_additional_ren_entry_ids_ex,
            parse_folder_id,
        ):
            try:
                parse(data)
            except WireError:
                continue
