"""What clients may change: the members of groups that they manage, and their own certificates."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID

from mapigw.directory.directory import Directory
from mapigw.directory.editing import Change
from mapigw.directory.passwords import Argon2Parameters, Passwords
from mapigw.store.database import Database
from mapigw.wire.codes import ErrorCode
from nspi.endpoint import NspiEndpoint
from nspi.entryids import EphemeralEntryId, PermanentEntryId
from nspi.stat import MinimalId, SortType, Stat
from oab.dialogs import dialog_template
from tests.nspi.client import Client

NAME, MEMBER, DELEGATES = 0x3001001F, 0x8009000D, 0x8015000D
SMIME, X509 = 0x3A701102, 0x8C6A1102
DELETE = 1


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Directory]:
    """Tom manages the staff, by himself; the heads, of whom Anna is one, manage the heads."""
    database = await Database.open(tmp_path)
    directory = Directory(database, passwords=Passwords(Argon2Parameters(time_cost=1, memory_cost=8, parallelism=1)))
    for name in ("Tom", "Anna", "Otto"):
        await directory.add(f"{name.lower()}@bm.lan", "secret", display_name=name)
    await directory.add_contact("zoe@example.org", "bm.lan", display_name="Zoe")
    await directory.add_group("staff@bm.lan", display_name="Staff")
    await directory.add_group("heads@bm.lan", display_name="Heads")
    await directory.add_member("staff@bm.lan", "otto@bm.lan")
    await directory.add_member("heads@bm.lan", "anna@bm.lan")
    await directory.add_manager("staff@bm.lan", "tom@bm.lan")
    await directory.add_manager("heads@bm.lan", "heads@bm.lan")
    yield directory
    await database.close()


@pytest.fixture
def endpoint(directory: Directory) -> NspiEndpoint:
    return NspiEndpoint(directory, "https://mail.bm.lan", dialog_template)


async def bound(endpoint: NspiEndpoint, directory: Directory, address: str) -> Client:
    user = await directory.by_address(address)
    assert user is not None
    client = Client(endpoint, user)
    await client.bind(Stat(code_page=1200))
    return client


@pytest.fixture
async def tom(endpoint: NspiEndpoint, directory: Directory) -> Client:
    return await bound(endpoint, directory, "tom@bm.lan")


@pytest.fixture
async def anna(endpoint: NspiEndpoint, directory: Directory) -> Client:
    return await bound(endpoint, directory, "anna@bm.lan")


async def ids(client: Client, *names: str) -> list[int]:
    answer = await client.request("ResolveNames", property_tags=[0x0FF60102], names=list(names))
    assert answer.minimal_ids == [2] * len(names)
    return [int.from_bytes(row[0], "little") for row in answer.rows.rows]


async def members(client: Client, group: str, sort_type: int = SortType.DISPLAY_NAME_RO) -> Any:
    (minimal_id,) = await ids(client, group)
    fields = {"minimal_ids": None, "interface_option_flags": 0, "filter": None, "property_name": None}
    answer = await client.request(
        "GetMatches",
        state=Stat(sort_type, MEMBER, minimal_id, code_page=1200),
        row_count=100,
        columns=[NAME],
        **fields,
    )
    return [row[0] for row in answer.rows.rows] if answer.error_code == 0 else ErrorCode(answer.error_code)


async def modify(client: Client, group: str, *names: str, flags: int = 0, tag: int = MEMBER) -> int:
    target, *found = await ids(client, group, *names)
    entry_ids = [EphemeralEntryId(client.endpoint.server_guid, minimal_id) for minimal_id in found]
    fields = {"flags": flags, "property_tag": tag, "minimal_id": target, "entry_ids": entry_ids}
    return int((await client.request("ModLinkAtt", **fields)).error_code)


@pytest.mark.spec("MS-OXNSPI_R128", "MS-OXNSPI_R129", "MS-OXNSPI_R1306", "MS-OXNSPI_R1332", "MS-OXNSPI_R1335")
@pytest.mark.spec("MS-OXNSPI_R1333", "MS-OXNSPI_R1336", "MS-OXNSPI_R1340", "MS-OXNSPI_R1893")
async def test_a_manager_changes_members_and_everybody_sees_it(tom: Client, anna: Client) -> None:
    assert await modify(tom, "staff", "anna", "zoe", "heads", "otto") == ErrorCode.Success
    assert await members(anna, "staff") == await members(tom, "staff") == ["Anna", "Heads", "Otto", "Zoe"]
    assert await modify(tom, "staff", "otto", "zoe", "tom", flags=DELETE) == ErrorCode.Success
    assert await members(anna, "staff") == ["Anna", "Heads"]
    (staff,) = await ids(tom, "staff")
    assert await modify(tom, "staff", flags=DELETE) == ErrorCode.Success
    permanent = [PermanentEntryId(anna.user.legacy_dn)]
    fields = {"flags": 0xFFFFFFFF, "property_tag": MEMBER, "minimal_id": staff, "entry_ids": permanent}
    assert (await tom.request("ModLinkAtt", **fields)).error_code == ErrorCode.Success
    assert await members(anna, "staff") == ["Heads"]


async def test_who_is_in_a_group_of_managers_is_a_manager(tom: Client, anna: Client) -> None:
    assert await modify(anna, "heads", "tom") == ErrorCode.Success
    assert await members(tom, "heads") == ["Anna", "Tom"]
    assert await modify(tom, "heads", "anna", flags=DELETE) == ErrorCode.Success
    assert await modify(anna, "heads", "anna") == ErrorCode.AccessDenied
    assert await members(anna, "heads") == ["Tom"]


@pytest.mark.spec("MS-OXNSPI_R1338", "MS-OXNSPI_R1646", "MS-OXNSPI_R1647", "MS-OXNSPI_R1321")
async def test_what_cannot_be_applied_changes_nothing(tom: Client, anna: Client) -> None:
    assert await modify(anna, "staff", "anna") == ErrorCode.AccessDenied
    assert await modify(tom, "staff", "anna", "staff") == ErrorCode.AccessDenied, "a group in itself"
    (staff, otto) = await ids(tom, "staff", "otto")
    strangers = [
        EphemeralEntryId(tom.endpoint.server_guid, 0x7FFFFFFF),
        EphemeralEntryId(anna.user.mailbox_guid, otto),
        PermanentEntryId("/o=elsewhere/cn=x"),
    ]
    for stranger in strangers:
        entry_ids = [PermanentEntryId(anna.user.legacy_dn), stranger]
        fields = {"property_tag": MEMBER, "minimal_id": staff, "entry_ids": entry_ids}
        assert (await tom.request("ModLinkAtt", **fields)).error_code == ErrorCode.AccessDenied
    fields = {"property_tag": MEMBER, "minimal_id": staff, "entry_ids": [PermanentEntryId(anna.user.legacy_dn)] * 1001}
    assert (await tom.request("ModLinkAtt", **fields)).error_code == ErrorCode.OutOfResources
    assert await modify(tom, "otto", "anna") == ErrorCode.AccessDenied
    assert await modify(tom, "tom", "anna", tag=DELEGATES) == ErrorCode.GeneralFailure
    assert await modify(tom, "staff", "anna", tag=NAME) == ErrorCode.NotFound
    assert await members(tom, "staff") == ["Otto"]


@pytest.mark.spec("MS-OXNSPI_R100", "MS-OXNSPI_R101")
async def test_a_table_is_writable_for_managers_only(tom: Client, anna: Client) -> None:
    await modify(tom, "staff", "anna", "tom")
    assert await members(tom, "staff", SortType.DISPLAY_NAME_W) == ["Anna", "Otto", "Tom"]
    assert await members(anna, "staff", SortType.DISPLAY_NAME_W) == ErrorCode.NotSupported
    assert await members(anna, "tom", SortType.DISPLAY_NAME_W) == ErrorCode.NotSupported


@pytest.fixture(scope="module")
def certificates() -> list[x509.Certificate]:
    found = []
    for number in (1, 2):
        key = ed25519.Ed25519PrivateKey.generate()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Tom {number}")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), number, now, now + timedelta(days=9))
        found.append(builder.sign(key, None))
    return found


async def own(client: Client, tag: int) -> Any:
    (minimal_id,) = await ids(client, client.user.address)
    answer = await client.request("GetProps", state=Stat(current_rec=minimal_id), property_tags=[tag])
    return answer.property_values[0][1] if answer.error_code == 0 else ErrorCode(answer.property_values[0][1])


async def change(client: Client, tags: list[int], values: Any, whose: str = "tom") -> int:
    (minimal_id,) = await ids(client, whose)
    state = Stat(current_rec=minimal_id)
    return int((await client.request("ModProps", state=state, property_tags=tags, property_values=values)).error_code)


@pytest.mark.spec("MS-OXNSPI_R1267", "MS-OXNSPI_R1268", "MS-OXNSPI_R1297", "MS-OXNSPI_R1299", "MS-OXNSPI_R1301")
@pytest.mark.spec("MS-OXNSPI_R1305", "MS-OXPROPS_R5309", "MS-OXPROPS_R5310", "MS-OXPROPS_R8875", "MS-OXPROPS_R8876")
async def test_a_user_publishes_certificates(tom: Client, anna: Client, certificates: list[x509.Certificate]) -> None:
    first, second = (certificate.public_bytes(Encoding.DER) for certificate in certificates)
    assert await own(tom, X509) == ErrorCode.NotFound
    assert await change(tom, [X509], [(X509, [first, second])]) == ErrorCode.Success
    assert await own(tom, X509) == await own(tom, SMIME) == [first, second]
    (minimal_id,) = await ids(anna, "tom")
    columns = [NAME, X509, 0x8C6A0000]
    answer = await anna.request("QueryRows", explicit_table=[minimal_id], row_count=1, columns=columns)
    assert answer.rows == ([NAME, X509, X509], [["Tom", [first, second], [first, second]]])
    answer = await anna.request("ResolveNames", property_tags=[X509], names=["tom", "anna"])
    assert answer.rows.rows[0] == [[first, second]]
    container = pkcs7.serialize_certificates(certificates[1:], Encoding.DER)
    assert await change(tom, [X509, SMIME], [(SMIME, [container])]) == ErrorCode.Success
    assert await own(tom, X509) == [second]
    assert await change(tom, [], None) == ErrorCode.Success
    assert await own(tom, X509) == [second]
    assert await change(tom, [SMIME], None) == ErrorCode.Success
    assert await own(tom, X509) == ErrorCode.NotFound


@pytest.mark.spec("MS-OXNSPI_R1284", "MS-OXNSPI_R1303")
async def test_a_refused_change_of_properties_changes_nothing(
    tom: Client, anna: Client, certificates: list[x509.Certificate]
) -> None:
    first = certificates[0].public_bytes(Encoding.DER)
    assert await change(tom, [X509], [(X509, [first])]) == ErrorCode.Success
    refused: list[tuple[Client, list[int], Any]] = [
        (anna, [X509], None),
        (tom, [NAME], None),
        (tom, [X509, NAME], None),
        (tom, [X509], [(NAME, "Thomas")]),
        (tom, [X509], [(X509, [first, b"no certificate"])]),
        (tom, [X509], [(X509, None)]),
        (tom, [X509], [(X509, [None])]),
        (tom, [X509], [(0x8C6A0102, first)]),
        (tom, [X509], [(X509, [b"\0" * 0x10000])]),
    ]
    for client, tags, values in refused:
        assert await change(client, tags, values) == ErrorCode.AccessDenied
    assert await own(tom, X509) == [first]
    nobody = Stat(current_rec=MinimalId.CURRENT)
    answer = await tom.request("ModProps", state=nobody, property_tags=[X509], property_values=None)
    assert answer.error_code == ErrorCode.InvalidParameter


async def test_photos_are_read_when_asked_for(tom: Client, anna: Client, directory: Directory) -> None:
    photo = b"\xff\xd8\xff" + bytes(5000)
    await directory.change(tom.user, Change(photo=photo))
    (minimal_id,) = await ids(anna, "tom")
    state = Stat(current_rec=minimal_id)
    answer = await anna.request("GetProps", state=state, property_tags=[0x8C9E0102])
    assert answer.property_values == [(0x8C9E0102, photo)]
    everything = await anna.request("GetProps", state=state, property_tags=None)
    assert (0x8C9E0102, photo) in everything.property_values
    listed = (await anna.request("GetPropList", minimal_id=minimal_id, code_page=1252)).property_tags
    assert 0x8C9E0102 in listed
    assert X509 not in listed
