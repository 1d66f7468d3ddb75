"""Subscriptions."""

from typing import Any

import pytest

from mapigw.emsmdb.notification import Interest, Subscription
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import LOGON, Client

WHOLE_STORE: dict[str, Any] = {"reserved": None, "want_whole_store": True, "folder_id": None, "message_id": None}


def interest(client: Client, index: int) -> Interest:
    found = client.session.resolve(client.handles[index])
    assert isinstance(found, Subscription)
    return found.interest


@pytest.mark.spec("MS-OXCNOTIF_R35")
@pytest.mark.spec("MS-OXCNOTIF_R287")
@pytest.mark.spec("MS-OXCNOTIF_R289")
@pytest.mark.spec("MS-OXCNOTIF_R291")
@pytest.mark.spec("MS-OXCNOTIF_R52")
async def test_subscriptions_of_the_store_of_folders_and_of_messages(client: Client) -> None:
    """The first is Outlook's for new mail, the third its for LocalFreebusy."""
    await client.value("RegisterNotification", **WHOLE_STORE, notification_types=0x0002)
    assert interest(client, client.last) == Interest(0x0002, True, 0, 0)
    assert client.payloads[0][2:8] == bytes.fromhex("290100000000")
    folder: dict[str, Any] = {
        "notification_types": 0x017E,
        "reserved": None,
        "want_whole_store": False,
        "folder_id": ObjectId(1, 5),
    }
    await client.value("RegisterNotification", **folder, message_id=ObjectId(0, 0))
    assert interest(client, client.last) == Interest(0x017E, False, 5, 0)
    await client.value("RegisterNotification", **folder, message_id=ObjectId(1, 77))
    assert interest(client, client.last) == Interest(0x017E, False, 5, 77)
    handles = client.handles[1:]
    assert len(set(handles)) == 3
    await client.send(client.request("Release", client.last))
    assert await client.error("GetPropertiesList", client.last) == ErrorCode.InvalidObject


async def test_a_subscription_by_a_folder_and_by_nothing_else(client: Client) -> None:
    fields: dict[str, Any] = {**WHOLE_STORE, "notification_types": 0x0010}
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    folder = client.last
    await client.value("RegisterNotification", folder, **fields)
    assert interest(client, client.last).want_whole_store
    await client.value("GetHierarchyTable", folder, table_flags=0)
    assert await client.error("RegisterNotification", client.last, **fields) == ErrorCode.NotSupported
    assert await client.error("RegisterNotification", 99, **fields) == ErrorCode.NullObject


@pytest.mark.spec("MS-OXCNOTIF_R40002")
async def test_the_extended_type_has_a_reserved_byte(client: Client) -> None:
    """MS-OXCNOTIF 2.2.1.2.1.1; types that the specification does not have are not kept."""
    await client.value("RegisterNotification", LOGON, **{**WHOLE_STORE, "reserved": 0}, notification_types=0x8402)
    assert interest(client, client.last).notification_types == 0x0402


async def test_subscriptions_end_with_their_logon(client: Client) -> None:
    await client.value("RegisterNotification", **WHOLE_STORE, notification_types=0x0002)
    await client.send(client.request("Release", LOGON))
    assert client.session.logons == {}
    assert await client.error("GetPropertiesList", client.last) == ErrorCode.InvalidObject
