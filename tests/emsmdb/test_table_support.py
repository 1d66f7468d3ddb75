"""Which table ROPs which objects support (MS-OXCTABL 3.2.5), and what they need before."""

from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.message import Attachment, Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import ExistRestriction
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.tables import contents, fill, finding, hierarchy, set_columns, sorting

EXISTS = ExistRestriction(tags.PidTagMessageClass)
NOT_SUPPORTED, NULL_OBJECT = 0x80040102, 0x000004B9
NO_CATEGORY = ObjectId(0, 1)

ROPS: dict[str, dict[str, Any]] = {
    "SetColumns": {"set_columns_flags": 0, "property_tags": [tags.PidTagSubject]},
    "SortTable": sorting((tags.PidTagSubject, 0)),
    "Restrict": {"restrict_flags": 0, "restriction_data": EXISTS},
    "QueryRows": {"query_rows_flags": 0, "forward_read": True, "row_count": 0},
    "Abort": {},
    "GetStatus": {},
    "QueryPosition": {},
    "SeekRow": {"origin": 0, "row_count": 0, "want_row_moved_count": True},
    "SeekRowBookmark": {"bookmark": b"", "row_count": 0, "want_row_moved_count": True},
    "SeekRowFractional": {"numerator": 0, "denominator": 1},
    "CreateBookmark": {},
    "QueryColumnsAll": {},
    "FindRow": finding(ExistRestriction(0x7F00001F)),
    "FreeBookmark": {"bookmark": b""},
    "ResetTable": {},
    "ExpandRow": {"max_row_count": 0, "category_id": NO_CATEGORY},
    "CollapseRow": {"category_id": NO_CATEGORY},
    "GetCollapseState": {"row_id": NO_CATEGORY, "row_instance_number": 0},
    "SetCollapseState": {"collapse_state": b""},
}
# What a supported ROP answers to the fields above, where that is not success.
ANSWERS = {
    "Abort": 0x80040114,
    "SeekRowBookmark": 0x80040405,
    "FindRow": 0x8004010F,
    "FreeBookmark": 0x80040405,
    "ExpandRow": 0x8004010F,
    "CollapseRow": 0x8004010F,
    "SetCollapseState": 0x80070057,
}
EVERY_TABLE = {
    "SetColumns",
    "QueryRows",
    "GetStatus",
    "QueryPosition",
    "SeekRow",
    "SeekRowFractional",
    "QueryColumnsAll",
}
HIERARCHY = EVERY_TABLE | {"Restrict", "Abort", "SeekRowBookmark", "CreateBookmark", "FindRow", "FreeBookmark"}
RULES = EVERY_TABLE | {"Restrict", "FindRow"}
CONTENTS = set(ROPS)


async def answers(client: Client, table: int) -> dict[str, int]:
    """The ReturnValue of every table ROP, on a table with columns."""
    found = {}
    for name, fields in ROPS.items():
        await client.send(client.request("SetColumns", table, **ROPS["SetColumns"]))
        (response,) = await client.send(client.request(name, table, **fields), columns={table: [tags.PidTagSubject]})
        found[name] = response.return_value
    return found


def expected(supported: set[str]) -> dict[str, int]:
    return {name: ANSWERS.get(name, 0) if name in supported else NOT_SUPPORTED for name in ROPS}


async def attachments(client: Client, mailbox: Mailbox) -> int:
    """The slot of a message's attachment table."""
    message = Message({tags.PidTagSubject: "with"}, attachments=[Attachment({tags.PidTagAttachDataBinary: b"x"})])
    (message_id,) = await mailbox.append(5, [NewMessage(message)])
    await client.value(
        "OpenMessage",
        code_page_id=0x0FFF,
        folder_id=ObjectId(1, 5),
        open_mode_flags=0,
        message_id=ObjectId(1, message_id),
    )
    await client.value("GetAttachmentTable", client.last, table_flags=0)
    return client.last


async def rules(client: Client) -> int:
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    await client.value("GetRulesTable", client.last, table_flags=0x40)
    return client.last


async def permissions(client: Client) -> int:
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    await client.value("GetPermissionsTable", client.last, table_flags=0)
    return client.last


@pytest.mark.spec(
    "MS-OXCTABL_R447", "MS-OXCTABL_R834", "MS-OXCTABL_R831", "MS-OXCTABL_R837", "MS-OXCTABL_R483", "MS-OXCTABL_R842",
    "MS-OXCTABL_R846", "MS-OXCTABL_R850", "MS-OXCTABL_R508", "MS-OXCTABL_R855", "MS-OXCTABL_R526", "MS-OXCTABL_R876",
    "MS-OXCTABL_R859", "MS-OXCTABL_R549", "MS-OXCTABL_R564", "MS-OXCTABL_R568", "MS-OXCTABL_R574", "MS-OXCTABL_R582",
    "MS-OXCTABL_R588", "MS-OXCTABL_R910", "MS-OXCFOLD_R326", "MS-OXCFOLD_R1170", "MS-OXCFOLD_R1167",
    "MS-OXCFOLD_R100502",
)  # fmt: skip
async def test_contents_tables_support_everything(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 1)
    assert await answers(client, await contents(client, 5)) == expected(CONTENTS)


@pytest.mark.spec(
    "MS-OXCTABL_R833", "MS-OXCTABL_R829", "MS-OXCTABL_R835", "MS-OXCTABL_R839", "MS-OXCTABL_R860", "MS-OXCTABL_R840",
    "MS-OXCTABL_R844", "MS-OXCTABL_R848", "MS-OXCTABL_R852", "MS-OXCTABL_R861", "MS-OXCTABL_R853", "MS-OXCTABL_R857",
    "MS-OXCTABL_R862", "MS-OXCTABL_R875", "MS-OXCTABL_R858", "MS-OXCTABL_R547", "MS-OXCTABL_R450", "MS-OXCTABL_R566",
    "MS-OXCTABL_R572", "MS-OXCTABL_R578", "MS-OXCTABL_R584", "MS-OXCTABL_R590", "MS-OXCFOLD_R311", "MS-OXCFOLD_R1163",
    "MS-OXCFOLD_R1160", "MS-OXCFOLD_R100002",
)  # fmt: skip
async def test_hierarchy_tables_are_neither_sorted_nor_categorized(client: Client) -> None:
    assert await answers(client, await hierarchy(client, 4)) == expected(HIERARCHY)


@pytest.mark.spec(
    "MS-OXCTABL_R832", "MS-OXCTABL_R459", "MS-OXCTABL_R830", "MS-OXCTABL_R836", "MS-OXCTABL_R841", "MS-OXCTABL_R845",
    "MS-OXCTABL_R849", "MS-OXCTABL_R854", "MS-OXCTABL_R877", "MS-OXCTABL_R874", "MS-OXCTABL_R542", "MS-OXCTABL_R486",
    "MS-OXCTABL_R512", "MS-OXCTABL_R529", "MS-OXCTABL_R551",
)  # fmt: skip
async def test_rules_tables_are_restricted_and_searched(client: Client) -> None:
    assert await answers(client, await rules(client)) == expected(RULES)


@pytest.mark.spec(
    "MS-OXCTABL_R432", "MS-OXCTABL_R474", "MS-OXCTABL_R488", "MS-OXCTABL_R493", "MS-OXCTABL_R499", "MS-OXCTABL_R519",
    "MS-OXCTABL_R531", "MS-OXCTABL_R461", "MS-OXCTABL_R544",
)  # fmt: skip
async def test_attachment_and_permission_tables_are_only_read(client: Client, own_mailbox: Mailbox) -> None:
    assert await answers(client, await attachments(client, own_mailbox)) == expected(EVERY_TABLE)
    assert await answers(client, await permissions(client)) == expected(EVERY_TABLE)


@pytest.mark.spec(
    "MS-OXCTABL_R45", "MS-OXCTABL_R57", "MS-OXCTABL_R88", "MS-OXCTABL_R614", "MS-OXCTABL_R124", "MS-OXCTABL_R129",
    "MS-OXCTABL_R612", "MS-OXCTABL_R142", "MS-OXCTABL_R168", "MS-OXCTABL_R200", "MS-OXCTABL_R209", "MS-OXCTABL_R218",
    "MS-OXCTABL_R682", "MS-OXCTABL_R249", "MS-OXCTABL_R259", "MS-OXCTABL_R274", "MS-OXCTABL_R284", "MS-OXCTABL_R290",
    "MS-OXCTABL_R306", "MS-OXCTABL_R436", "MS-OXCTABL_R477", "MS-OXCTABL_R490", "MS-OXCTABL_R495", "MS-OXCTABL_R502",
    "MS-OXCTABL_R521", "MS-OXCTABL_R533",
)  # fmt: skip
async def test_table_rops_on_other_objects(client: Client) -> None:
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    folder = client.last
    for name, fields in ROPS.items():
        assert await client.error(name, folder, **fields) == NOT_SUPPORTED
        assert await client.error(name, LOGON, **fields) == NOT_SUPPORTED
        assert await client.error(name, 99, **fields) == NULL_OBJECT


@pytest.mark.spec(
    "MS-OXCTABL_R768", "MS-OXCTABL_R827", "MS-OXCTABL_R8271", "MS-OXCTABL_R8273", "MS-OXCTABL_R8274",
    "MS-OXCTABL_R8275", "MS-OXCTABL_R8276", "MS-OXCTABL_R8277", "MS-OXCTABL_R866", "MS-OXCTABL_R867",
    "MS-OXCTABL_R539",
)  # fmt: skip
async def test_what_needs_columns(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 1)
    table = await contents(client, 5)
    for name in (
        "QueryRows", "FindRow", "CollapseRow", "ExpandRow", "FreeBookmark", "GetCollapseState", "SeekRowBookmark",
        "SetCollapseState",
    ):  # fmt: skip
        assert await client.error(name, table, **ROPS[name]) == NULL_OBJECT
    for name in ("SortTable", "Restrict", "GetStatus", "QueryPosition", "SeekRow", "CreateBookmark", "QueryColumnsAll"):
        await client.value(name, table, **ROPS[name])
    await set_columns(client, table, tags.PidTagSubject)
    await client.value("QueryRows", table, **ROPS["QueryRows"])


@pytest.mark.spec("MS-OXCTABL_R443", "MS-OXCTABL_R456", "MS-OXCTABL_R610")
@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("SetColumns", {"set_columns_flags": 0x80}),
        ("SortTable", {"sort_table_flags": 0x02}),
        ("SortTable", {"category_count": 2}),
        ("Restrict", {"restrict_flags": 0x04}),
    ],
)
async def test_a_failure_takes_the_rows_away_until_a_success(
    client: Client, own_mailbox: Mailbox, name: str, bad: dict[str, Any]
) -> None:
    await fill(own_mailbox, 5, 1)
    table = await contents(client, 5, tags.PidTagSubject)
    assert await client.error(name, table, **{**ROPS[name], **bad}) == ErrorCode.InvalidParameter
    assert await client.error("QueryRows", table, **ROPS["QueryRows"]) == NULL_OBJECT
    assert await client.error("FindRow", table, **ROPS["FindRow"]) == NULL_OBJECT
    await client.value(name, table, **ROPS[name])
    await client.value("QueryRows", table, **ROPS["QueryRows"])


@pytest.mark.spec("MS-OXCTABL_R770", "MS-OXCTABL_R772", "MS-OXCTABL_R774", "MS-OXCTABL_R812", "MS-OXCTABL_R33")
async def test_asynchronous_requests_are_complete_when_they_are_answered(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 1)
    table = await contents(client, 5)
    for name, flag in (
        ("SetColumns", {"set_columns_flags": 1}),
        ("SortTable", {"sort_table_flags": 1}),
        ("Restrict", {"restrict_flags": 1}),
    ):
        assert (await client.value(name, table, **{**ROPS[name], **flag})).table_status == 0
        assert (await client.value("GetStatus", table)).table_status == 0
