from typing import Any

import pytest

from mapigw.directory.attributes import ATTRIBUTES
from mapigw.wire.codes import ErrorCode
from nspi.entryids import EphemeralEntryId, PermanentEntryId
from nspi.stat import MinimalId, Stat
from tests.nspi.client import ANNA, ORGANIZATION, Client, minimal_id

PERMANENT = PermanentEntryId(ANNA.legacy_dn).to_bytes()
GUID_NSPI = bytes.fromhex("dca740c8c042101ab4b908002b2fe182")

VALUES: list[tuple[int, Any]] = [
    (0x0FFF0102, PERMANENT),
    (0x0FFE0003, 6),
    (0x0FF60102, bytes.fromhex("02100000")),
    (0x0FF80102, GUID_NSPI),
    (0x0FF90102, PERMANENT),
    (0x3001001F, "Anna Müller"),
    (0x3002001F, "EX"),
    (0x3003001F, ANNA.legacy_dn),
    (0x300B0102, b"EX:" + ANNA.legacy_dn.upper().encode() + b"\0"),
    (0x39000003, 0),
    (0x39020102, PERMANENT),
    (0x39050003, 0x40000000),
    (0x39FE001F, "anna@bm.lan"),
    (0x39FF001F, "Anna Muller"),
    (0x3A00001F, "anna"),
    (0x3A20001F, "Anna Müller"),
    (0x3A40000B, True),
    (0x3F080003, 0),
    (
        0x8006001F,
        f"{ORGANIZATION.removesuffix('/cn=Recipients')}/cn=Configuration/cn=Servers"
        f"/cn={ANNA.mailbox_guid}@bm.lan/cn=Microsoft Private MDB",
    ),
    (0x800F101F, ["SMTP:anna@bm.lan", "smtp:am@bm.lan"]),
    (0x803C001F, ANNA.legacy_dn),
    (0x8C6D0102, ANNA.mailbox_guid.bytes_le),
    (0xFFFD0003, 0),
]


async def props(client: Client, tags: list[int] | None, **stat: int) -> Any:
    state = Stat(**{"current_rec": minimal_id(2), "code_page": 1200, **stat})
    return await client.request("GetProps", state=state, property_tags=tags)


@pytest.mark.spec("MS-OXNSPI_R859", "MS-OXNSPI_R868", "MS-OXNSPI_R886", "MS-OXNSPI_R905", "MS-OXNSPI_R915")
@pytest.mark.spec("MS-OXNSPI_R447", "MS-OXNSPI_R1942", "MS-OXNSPI_R455", "MS-OXNSPI_R1968")
@pytest.mark.parametrize(("tag", "value"), VALUES)
async def test_value(client: Client, tag: int, value: Any) -> None:
    answer = await props(client, [tag])
    assert (answer.error_code, answer.code_page, answer.property_values) == (0, 1200, [(tag, value)])


@pytest.mark.spec("MS-OXNSPI_R446")
@pytest.mark.spec("MS-OXNSPI_R1934")
@pytest.mark.spec("MS-OXNSPI_R903")
async def test_8_bit_strings_are_in_the_code_page(client: Client) -> None:
    for code_page, name in ((1252, b"Anna M\xfcller"), (65001, "Anna Müller".encode()), (932, b"Anna M?ller")):
        answer = await props(client, [0x3001001E], code_page=code_page)
        assert answer.property_values == [(0x3001001E, name)]
    answer = await props(client, [0x800F101E], code_page=20261)
    assert answer.property_values == [(0x800F101E, [b"SMTP:anna@bm.lan", b"smtp:am@bm.lan"])]
    answer = await props(client, [0x3003001E])
    assert answer.property_values == [(0x3003001E, ANNA.legacy_dn.encode())]


@pytest.mark.spec("MS-OXNSPI_R105", "MS-OXNSPI_R901")
@pytest.mark.spec("MS-OXNSPI_R899")
async def test_ephemeral_entry_ids_on_request(client: Client) -> None:
    state = Stat(current_rec=minimal_id(2))
    answer = await client.request("GetProps", flags=2, state=state, property_tags=[0x0FFF0102, 0x39020102])
    ephemeral = EphemeralEntryId(client.endpoint.server_guid, minimal_id(2)).to_bytes()
    assert answer.property_values == [(0x0FFF0102, ephemeral), (0x39020102, PERMANENT)]


@pytest.mark.spec("MS-OXNSPI_R913", "MS-OXCDATA_R2054", "MS-OXCDATA_R2055", "MS-OXCDATA_R2070", "MS-OXCDATA_R2071")
@pytest.mark.spec("MS-OXNSPI_R909")
@pytest.mark.spec("MS-OXNSPI_R910")
@pytest.mark.spec("MS-OXNSPI_R911")
@pytest.mark.spec("MS-OXNSPI_R912")
async def test_absent_values_are_errors_in_their_place(client: Client) -> None:
    tags = [0x3A17001F, 0x39000003, 0x30010003, 0x39000003, 0x3FFFFFFF]
    answer = await props(client, tags)
    assert answer.error_code == 0x00040380
    assert answer.property_values == [
        (0x3A17000A, 0x8004010F),
        (0x39000003, 0),
        (0x3001000A, 0x8004010F),
        (0x39000003, 0),
        (0x3FFF000A, 0x8004010F),
    ]


@pytest.mark.spec("MS-OXNSPI_R907")
@pytest.mark.spec("MS-OXNSPI_R1985")
@pytest.mark.parametrize("current_rec", [0, MinimalId.CURRENT, 2, 0x0F, 0x7FFFFFFF, 0x80001001])
async def test_an_unknown_object_has_no_values(client: Client, current_rec: int) -> None:
    answer = await props(client, [0x3001001F], current_rec=current_rec)
    assert (answer.error_code, answer.property_values) == (ErrorCode.ErrorsReturned, [(0x3001000A, 0x8004010F)])


@pytest.mark.spec("MS-OXNSPI_R2003005")
@pytest.mark.spec("MS-OXNSPI_R877")
@pytest.mark.spec("MS-OXNSPI_R896")
async def test_refusals(client: Client) -> None:
    answer = await props(client, [0x3001001F], container_id=0x77)
    assert (answer.error_code, answer.property_values) == (ErrorCode.ErrorsReturned, [(0x3001000A, 0x8004010F)])
    assert (await props(client, None, container_id=0x77)).error_code == ErrorCode.ErrorsReturned
    assert (await props(client, [0x3001001F], container_id=minimal_id(1))).error_code == 0
    answer = await props(client, [0x3001001F] * 2001)
    assert (answer.error_code, answer.property_values) == (ErrorCode.TableTooBig, None)


@pytest.mark.spec("MS-OXNSPI_R828", "MS-OXNSPI_R854", "MS-OXNSPI_R858")
@pytest.mark.spec("MS-OXNSPI_R852")
@pytest.mark.spec("MS-OXNSPI_R855")
@pytest.mark.spec("MS-OXNSPI_R1693")
async def test_property_list(client: Client) -> None:
    listed = (await client.request("GetPropList", minimal_id=minimal_id(2), code_page=1252)).property_tags
    assert {tag >> 16 for tag in listed} == {tag >> 16 for tag, _ in VALUES}
    assert not [tag for tag in listed if tag & 0xFFF == 0x1F]
    everything = await props(client, None, code_page=1252)
    assert [tag for tag, _ in everything.property_values] == listed
    assert dict((await props(client, None)).property_values) == dict(VALUES)
    assert (await client.request("GetPropList", minimal_id=5, code_page=1252)).property_tags == []
    assert (await props(client, None, current_rec=5)).property_values == []


@pytest.mark.spec("MS-OXNSPI_R801", "MS-OXNSPI_R802", "MS-OXNSPI_R827", "MS-OXNSPI_R115", "MS-OXNSPI_R116")
@pytest.mark.spec("MS-OXNSPI_R820")
@pytest.mark.spec("MS-OXNSPI_R822")
async def test_query_columns(client: Client) -> None:
    wide = (await client.request("QueryColumns", mapi_flags=0x80000000)).columns
    narrow = (await client.request("QueryColumns", mapi_flags=0)).columns
    assert {tag for tag, _ in VALUES} | {0x36000003, 0x360F000D, 0x8008000D, 0x8009000D, 0x8005000D} <= set(wide)
    assert {attribute.tag for attribute in ATTRIBUTES.values() if attribute.tag is not None} <= set(wide)
    assert len(wide) == len(set(wide))
    assert 0x3001001F in wide
    assert {0x3001001E, 0x800F101E} <= set(narrow)


@pytest.mark.spec("MS-OXCDATA_R903")
@pytest.mark.spec("MS-OXNSPI_R1291")
@pytest.mark.spec("MS-OXNSPI_R1293")
@pytest.mark.spec("MS-OXNSPI_R1303")
@pytest.mark.parametrize(
    ("current_rec", "tags", "code"),
    [
        (minimal_id(1), None, ErrorCode.InvalidParameter),
        (5, [0x8C6A1102], ErrorCode.InvalidParameter),
        (minimal_id(1), [0x3001001F], ErrorCode.AccessDenied),
        (minimal_id(1), [0x8C6A1102, 0x3A16001F], ErrorCode.AccessDenied),
        (minimal_id(2), [0x8C6A1102], ErrorCode.AccessDenied),
    ],
)
async def test_nothing_is_modified(client: Client, current_rec: int, tags: list[int] | None, code: int) -> None:
    answer = await client.request(
        "ModProps", state=Stat(current_rec=current_rec), property_tags=tags, property_values=None
    )
    assert answer.error_code == code


@pytest.mark.spec("MS-OXNSPI_R1326")
@pytest.mark.spec("MS-OXNSPI_R1328")
@pytest.mark.parametrize(
    ("tag", "target", "code"),
    [
        (0x3001001F, minimal_id(1), ErrorCode.NotFound),
        (0x8015000D, 5, ErrorCode.InvalidParameter),
        (0x8009000D, minimal_id(1), ErrorCode.AccessDenied),
        (0x8015000D, minimal_id(1), ErrorCode.GeneralFailure),
    ],
)
async def test_no_delegate_is_added(client: Client, tag: int, target: int, code: int) -> None:
    entry_ids = [PermanentEntryId(ANNA.legacy_dn)]
    answer = await client.request("ModLinkAtt", property_tag=tag, minimal_id=target, entry_ids=entry_ids)
    assert answer.error_code == code


async def test_urls(client: Client) -> None:
    guid = ANNA.mailbox_guid
    (home,) = [value for tag, value in VALUES if tag == 0x8006001F]
    for server_dn in (home, home.lower(), home.removesuffix("/cn=Microsoft Private MDB"), ANNA.legacy_dn):
        answer = await client.request("GetMailboxUrl", server_dn=server_dn)
        assert answer.server_url == f"https://mail.bm.lan/mapi/emsmdb/?MailboxId={guid}@bm.lan"
    answer = await client.request("GetAddressBookUrl", user_dn=ANNA.legacy_dn)
    assert answer.server_url == f"https://mail.bm.lan/mapi/nspi/?MailboxId={guid}@bm.lan"
    for server_dn in ("", "/o=x", "/o=x/cn=Configuration/cn=Servers/cn=elsewhere"):
        answer = await client.request("GetMailboxUrl", server_dn=server_dn)
        assert (answer.error_code, answer.server_url) == (ErrorCode.NotFound, "")
    assert (await client.request("GetAddressBookUrl", user_dn="/o=x")).error_code == ErrorCode.NotFound
