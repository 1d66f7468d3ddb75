"""The mailboxes that Outlook is told to open beside the user's own (MS-OXDSCLI 2.2.4.1.1.2.5)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lxml import etree

from autodiscover.service import answer
from mapigw.directory.directory import Directory
from mapigw.directory.model import MailboxKind, User
from mapigw.mailbox.permissions import Right
from mapigw.store.database import Database
from tests.autodiscover.test_service import BASE, OUTLOOK_RESPONSE, request

NAMES = {"a": OUTLOOK_RESPONSE}


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Directory]:
    database = await Database.open(tmp_path / "data")
    yield Directory(database)
    await database.close()


@pytest.fixture
async def tom(directory: Directory) -> User:
    return await directory.add("tom@bm.lan", None)


@pytest.fixture
async def info(directory: Directory) -> User:
    return await directory.add_mailbox("info@bm.lan", MailboxKind.SHARED, display_name="Info & more")


async def ask(directory: Directory, user: User, body: bytes) -> etree._Element:
    answered = await answer(directory, user, body, base_url=BASE, mapi_http_capability="1")
    return etree.fromstring(answered.body)


async def alternatives(directory: Directory, user: User) -> list[dict[str, str]]:
    """The AlternativeMailbox elements, in order."""
    root = await ask(directory, user, request())
    found = root.findall("a:Response/a:Account/a:AlternativeMailbox", NAMES)
    return [{etree.QName(child).localname: child.text or "" for child in element} for element in found]


async def settings_of(directory: Directory, user: User, body: bytes) -> str:
    """The address of the mailbox whose settings come; empty for an error."""
    root = await ask(directory, user, body)
    error = root.findtext("a:Response/a:Error/a:ErrorCode", namespaces=NAMES)
    if error:
        assert error == "500"
        return ""
    url = root.findtext("a:Response/a:Account/a:Protocol/a:MailStore/a:InternalUrl", namespaces=NAMES)
    address = root.findtext("a:Response/a:User/a:AutoDiscoverSMTPAddress", namespaces=NAMES)
    assert url
    assert address
    mailbox = await directory.by_address(address)
    assert mailbox is not None
    assert url.endswith(f"?MailboxId={mailbox.mailbox_guid}@{mailbox.domain}")
    return address


async def test_a_mailbox_is_announced_by_subscription_and_right(directory: Directory, tom: User, info: User) -> None:
    sharing = directory.sharing
    assert await alternatives(directory, tom) == []
    await sharing.grant(info, tom, Right.READ)
    assert await alternatives(directory, tom) == []
    await sharing.subscribe(tom, info, active=False)
    assert await alternatives(directory, tom) == []
    await sharing.subscribe(tom, info)
    announced = {
        "Type": "Delegate",
        "DisplayName": "Info & more",
        "SmtpAddress": "info@bm.lan",
        "OwnerSmtpAddress": "info@bm.lan",
    }
    assert await alternatives(directory, tom) == [announced]
    await sharing.revoke(info, tom.legacy_dn)
    assert await alternatives(directory, tom) == []
    await sharing.grant(info, tom, Right.READ)
    await directory.set_enabled("info@bm.lan", False)
    assert await alternatives(directory, tom) == []
    await directory.set_enabled("info@bm.lan", True)
    assert await alternatives(directory, tom) == [announced]
    await sharing.unsubscribe(tom, info)
    assert await alternatives(directory, tom) == []


async def test_a_mailbox_without_an_address_is_announced_by_dn_and_server(directory: Directory, tom: User) -> None:
    """MS-OXDSCLI 2.2.4.1.1.2.5.3: Server stands there if SmtpAddress does not, and only then."""
    files = await directory.add_mailbox("files", MailboxKind.SHARED, domain="bm.lan")
    await directory.sharing.grant(files, tom, Right.WRITE, subscribers=[tom])
    (announced,) = await alternatives(directory, tom)
    assert announced == {
        "Type": "Delegate",
        "DisplayName": "files",
        "LegacyDN": files.legacy_dn,
        "Server": "mail.bm.lan",
    }


async def test_several_come_in_the_same_order_always(directory: Directory, tom: User, info: User) -> None:
    """Outlook acts on every difference between two answers."""
    more = await directory.add_mailbox("more@bm.lan", MailboxKind.SHARED)
    for mailbox in (more, info):
        await directory.sharing.grant(mailbox, tom, Right.READ, subscribers=[tom])
    orders = []
    for _ in range(2):
        orders.append([item["SmtpAddress"] for item in await alternatives(directory, tom)])
        await directory.sharing.subscribe(tom, more)
    assert orders == [["info@bm.lan", "more@bm.lan"]] * 2


async def test_its_settings_are_for_everybody_with_a_right(directory: Directory, tom: User, info: User) -> None:
    """By address, by alias or by DN; for others it cannot be found, as what does not exist."""
    await directory.add_alias("info@bm.lan", "office@bm.lan")
    by_dn = request("", extra=f"<LegacyDN>{info.legacy_dn}</LegacyDN>")
    bodies = (request("info@bm.lan"), request("Office@bm.lan"), by_dn)
    assert [await settings_of(directory, tom, body) for body in bodies] == ["", "", ""]
    await directory.sharing.grant(info, tom, Right.READ)
    assert [await settings_of(directory, tom, body) for body in bodies] == ["info@bm.lan"] * 3
    root = await ask(directory, tom, request("info@bm.lan"))
    assert root.findall(".//a:AlternativeMailbox", NAMES) == []
    await directory.sharing.revoke(info, tom.legacy_dn)
    assert [await settings_of(directory, tom, body) for body in bodies] == ["", "", ""]
