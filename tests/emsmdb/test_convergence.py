"""Several devices and an online client on one mailbox, with crashes: all end with the same, and nothing is lost."""

from pathlib import Path
from uuid import UUID

from mapigw.mailbox.mailboxes import Mailbox
from tests.emsmdb.client import Client
from tests.emsmdb.convergence import World
from tests.emsmdb.devices import Device
from tests.emsmdb.uploads import FIRST, LAPTOP, PHONE

SEED = 4
OPERATIONS = 240


async def test_all_devices_and_the_server_come_to_the_same(tmp_path: Path) -> None:
    world = World(tmp_path / "data", SEED)
    await world.start()
    try:
        await world.run(OPERATIONS)
    finally:
        await world.stop()
    assert world.crashes
    assert world.restarts


async def _device(client: Client, mailbox: Mailbox, guid: UUID) -> Device:
    root = (await mailbox.special_folder("ipm_subtree")).folder_id
    device = Device(str(guid), client, guid, mailbox.replica_guid, root, set())
    await device.set_up()
    return device


async def test_a_folder_that_was_saved_from_a_deleted_one_keeps_what_is_below_it(
    client: Client, own_mailbox: Mailbox
) -> None:
    """The change of the deleted folder is refused; that says nothing of where the others are by now (3.3.4.3.3.1.1)."""
    laptop, phone = [await _device(client, own_mailbox, guid) for guid in (LAPTOP, PHONE)]
    doomed = laptop.create_folder(laptop.root, "Doomed", FIRST)
    saved = laptop.create_folder(doomed.key, "Saved", FIRST)
    inner = laptop.create_folder(saved.key, "Inner", FIRST)
    await laptop.sync()
    await phone.sync()
    laptop.change_folder(saved, FIRST, parent=laptop.root)
    await laptop.sync()
    laptop.delete_folder(doomed.key)
    await laptop.sync()
    phone.change_folder(phone.places[doomed.key], FIRST, comment="changed")
    await phone.sync()
    assert phone.places.keys() == laptop.places.keys() >= {saved.key, inner.key}
    assert phone.places[saved.key].parent == phone.root


async def test_a_folder_made_below_a_deleted_one_goes_and_what_was_moved_there_goes_back(
    client: Client, own_mailbox: Mailbox
) -> None:
    laptop, phone = [await _device(client, own_mailbox, guid) for guid in (LAPTOP, PHONE)]
    doomed = laptop.create_folder(laptop.root, "Doomed", FIRST)
    other = laptop.create_folder(laptop.root, "Other", FIRST)
    await laptop.sync()
    await phone.sync()
    laptop.delete_folder(doomed.key)
    await laptop.sync()
    made = phone.create_folder(doomed.key, "Made", FIRST)
    phone.change_folder(phone.places[other.key], FIRST, parent=made.key)
    await phone.sync()
    await laptop.sync()
    assert phone.places.keys() == laptop.places.keys()
    assert not phone.places.keys() & {doomed.key, made.key}
    assert phone.places[other.key].parent == laptop.places[other.key].parent == phone.root
