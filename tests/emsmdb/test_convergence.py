"""Several devices and an online client on one mailbox, with crashes: all end with the same, and nothing is lost."""

from pathlib import Path

from tests.emsmdb.convergence import World

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
