"""What Outlook 16 asks of the address book while it makes a profile, request by request and tag by tag."""

import pytest

from mapigw.wire.codes import ErrorCode
from nspi.endpoint import NspiEndpoint
from nspi.entryids import PermanentEntryId
from nspi.stat import Stat
from nspi.values import PropertyError
from tests.nspi.client import TOM, Client, minimal_id

STAT = Stat(code_page=1200, template_locale=0x409, sort_locale=0x809)
OWN = minimal_id(1)
ABSENT = PropertyError(ErrorCode.NotFound)
ENTRY_ID = PermanentEntryId(TOM.legacy_dn).to_bytes()

QUERY_ROWS_TAGS = [
    0x0FFF0102, 0x3001001F, 0x0FFE0003, 0x39000003, 0x3A20001F, 0x3003001F, 0x3002001F, 0x3A40000B, 0x39FF001F,
    0x39FE001F, 0x3A710003,
]  # fmt: skip
GET_MATCHES_TAGS = [
    0x3001001F, 0x3A17001F, 0x3A08001F, 0x3A19001F, 0x3A18001F, 0x39FE001F, 0x3A16001F, 0x3A00001F, 0x3002001F,
    0x0FFF0102, 0x0FFE0003, 0x39000003, 0x39050003, 0x0FF60102, 0x3003001E,
]  # fmt: skip


@pytest.mark.spec("MS-OXNSPI_R1146")
async def test_boot_of_a_new_profile(endpoint: NspiEndpoint) -> None:
    client = Client(endpoint)
    assert (await client.bind(STAT)).error_code == 0

    answer = await client.request("DNToMId", names=[TOM.legacy_dn.encode("ascii")])
    assert (answer.error_code, answer.minimal_ids) == (0, [OWN])

    for tag, value in (
        (0x8C6D0102, TOM.mailbox_guid.bytes_le),
        (0x39FE001F, "tom@bm.lan"),
        (0x3003001F, TOM.legacy_dn),
        (0x800F101F, ["SMTP:tom@bm.lan", "smtp:thomas.bauer@bm.lan"]),
    ):
        answer = await client.request("GetProps", state=STAT._replace(current_rec=OWN), property_tags=[tag])
        assert (answer.error_code, answer.code_page, answer.property_values) == (0, 1200, [(tag, value)])

    answer = await client.request("QueryRows", state=STAT, explicit_table=[OWN], row_count=1, columns=QUERY_ROWS_TAGS)
    assert (answer.error_code, answer.state) == (0, STAT)
    assert answer.rows.columns == QUERY_ROWS_TAGS
    assert answer.rows.rows == [
        [ENTRY_ID, "Tom Bauer", 6, 0, "Tom Bauer", TOM.legacy_dn, "EX", True, "Tom Bauer", "tom@bm.lan", ABSENT]
    ]

    answer = await client.request("GetSpecialTable", flags=4, state=STAT, version=0)
    assert (answer.error_code, len(answer.rows)) == (0, 7)
    assert [tag for tag, _ in answer.rows[0]] == [
        0x0FFF0102, 0x36000003, 0x30050003, 0xFFFD0003, 0x3001001F, 0xFFFB000B,
    ]  # fmt: skip

    state = STAT._replace(sort_type=1000, container_id=0x8110000D, current_rec=OWN)
    answer = await client.request(
        "GetMatches",
        state=state,
        minimal_ids=None,
        interface_option_flags=0x80000000,
        filter=None,
        property_name=None,
        row_count=0x7FFFFFFF,
        columns=GET_MATCHES_TAGS,
    )
    assert (answer.error_code, answer.minimal_ids) == (0, [])
    assert answer.rows == (GET_MATCHES_TAGS, [])
    assert answer.state == state._replace(container_id=OWN)

    assert (await client.request("Unbind")).error_code == ErrorCode.UnbindSuccess


async def test_check_name_in_the_account_dialog(client: Client) -> None:
    answer = await client.request(
        "ResolveNames", state=STAT, property_tags=GET_MATCHES_TAGS, names=["=SMTP:tom@bm.lan", "tom@bm.lan"]
    )
    assert answer.minimal_ids == [2, 2]
    assert answer.rows.rows[1][:1] == ["Tom Bauer"]
    assert answer.rows.rows[1][9] == ENTRY_ID
    assert answer.rows.rows[1][-1] == TOM.legacy_dn.encode()
