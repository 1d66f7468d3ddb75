from typing import Any

import pytest

from mapigw.wire.codes import ErrorCode
from oab.wire.template import Control, ControlType, parse_template
from tests.nspi.client import Client

ENGLISH, FRENCH = 0x0409, 0x040C
TEMPLATE, SCRIPT = 1, 4
USER, GROUP, REMOTE_USER = 0, 1, 6
MEMBER, IS_MEMBER_OF, MANAGER, REPORTS, OWNER = 0x8009000D, 0x8008000D, 0x8005000D, 0x800E000D, 0x800C000D
PERSON_TABLES, GROUP_TABLES = [MANAGER, REPORTS, IS_MEMBER_OF], [MEMBER, OWNER, IS_MEMBER_OF]
PERSON_PAGES = ["General", "Phone/Notes", "E-mail Addresses", "Organization", "Member Of"]
GROUP_PAGES = ["General", "E-mail Addresses", "Members", "Managed By", "Member Of"]
FRENCH_GROUP_DN = b"/o=mapigw/cn=addressing/cn=display-templates/cn=40c/cn=1"


async def info(client: Client, **fields: Any) -> Any:
    defaults: dict[str, Any] = {
        "flags": TEMPLATE,
        "display_type": USER,
        "template_dn": None,
        "code_page": 1252,
        "locale_id": ENGLISH,
    }
    return await client.request("GetTemplateInfo", **(defaults | fields))


async def controls(client: Client, **fields: Any) -> list[Control]:
    answer = await info(client, **fields)
    assert answer.error_code == 0
    ((tag, data),) = answer.row
    assert tag == 0x00010102
    return parse_template(data, f"cp{fields.get('code_page', 1252)}")


def pages(found: list[Control]) -> list[str]:
    return [control.text for control in found if control.type == ControlType.PAGE]


@pytest.mark.spec("MS-OXNSPI_R1444", "MS-OXNSPI_R120", "MS-OXNSPI_R1492")
@pytest.mark.parametrize(
    ("display_type", "locale", "captions", "tables"),
    [
        (USER, ENGLISH, PERSON_PAGES, PERSON_TABLES),
        (USER, 0x0809, PERSON_PAGES, PERSON_TABLES),
        (USER, 0x0407, PERSON_PAGES, PERSON_TABLES),
        (REMOTE_USER, 0, PERSON_PAGES, PERSON_TABLES),
        (GROUP, ENGLISH, GROUP_PAGES, GROUP_TABLES),
        (
            USER,
            FRENCH,
            ["Général", "Téléphone/Notes", "Adresses de messagerie", "Organisation", "Membre de"],
            PERSON_TABLES,
        ),
        (
            GROUP,
            0x0C0C,
            ["Général", "Adresses de messagerie", "Membres", "Géré par", "Membre de"],
            GROUP_TABLES,
        ),
    ],
)
async def test_dialog(client: Client, display_type: int, locale: int, captions: list[str], tables: list[int]) -> None:
    found = await controls(client, display_type=display_type, locale_id=locale)
    assert pages(found) == captions
    assert [control.property_tag for control in found if control.type == ControlType.LIST_BOX] == tables
    assert 0x3001001F in [control.property_tag for control in found if control.type == ControlType.EDIT]


async def test_strings_are_in_the_code_page_or_else_in_english(client: Client) -> None:
    assert pages(await controls(client, locale_id=FRENCH, code_page=65001))[0] == "Général"
    assert pages(await controls(client, locale_id=FRENCH, code_page=932))[0] == "General"
    assert (await info(client, code_page=0)).row == (await info(client)).row


@pytest.mark.spec("MS-OXNSPI_R1982", "MS-OXNSPI_R1983")
@pytest.mark.parametrize("display_type", [USER, GROUP, 2, 0xFFFFFFFF])
@pytest.mark.parametrize("locale", [ENGLISH, FRENCH, 0, 0xFFFFFFFF])
async def test_a_dn_prevails_over_display_type_and_locale(client: Client, display_type: int, locale: int) -> None:
    wanted = await info(client, display_type=GROUP, locale_id=FRENCH)
    answer = await info(client, template_dn=FRENCH_GROUP_DN, display_type=display_type, locale_id=locale)
    assert (answer.error_code, answer.row) == (0, wanted.row)


@pytest.mark.spec("MS-OXNSPI_R1692")
async def test_other_flags_are_ignored_and_there_is_no_script(client: Client) -> None:
    wanted = (await info(client)).row
    assert (await info(client, flags=0x61)).row == wanted
    assert (await info(client, flags=0xFFFFFFFB)).row == wanted
    answer = await info(client, flags=SCRIPT)
    assert (answer.error_code, answer.row) == (0, [(0x0004000A, 0x8004010F)])
    assert (await info(client, flags=TEMPLATE | SCRIPT)).row == [*wanted, (0x0004000A, 0x8004010F)]


@pytest.mark.spec("MS-OXNSPI_R1462", "MS-OXNSPI_R1467", "MS-OXNSPI_R1469", "MS-OXNSPI_R1476")
@pytest.mark.spec("MS-OXCDATA_R973", "MS-OXCDATA_R974", "MS-OXCDATA_R975", "MS-OXCDATA_R976")
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"code_page": 1200}, 0x8004011E),
        ({"code_page": 4711}, 0x8004011E),
        ({"code_page": 0xFFFFFFFF}, 0x8004011E),
        ({"display_type": 2}, 0x8004011F),
        ({"display_type": 0xFFFFFFFF}, 0x8004011F),
        ({"template_dn": b"/o=mapigw/cn=nothing"}, 0x8004011F),
        ({"template_dn": b""}, 0x8004011F),
        ({"template_dn": b"\xff" * 65_536}, 0x8004011F),
    ],
)
async def test_refusals(client: Client, fields: dict[str, Any], code: int) -> None:
    answer = await info(client, **fields)
    assert (answer.error_code, answer.row, answer.code_page) == (code, None, fields.get("code_page", 1252))
    assert ErrorCode(code).name in ("InvalidCodepage", "InvalidLocale")
