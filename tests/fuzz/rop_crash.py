"""python -m tests.fuzz.rop_crash DATA SEED: random ROPs until it is killed, telling what it has acknowledged.

A line after each buffer: the mailbox's counter, then the ids of its messages.
"""

import asyncio
import sys
from pathlib import Path

from tests.fuzz.rop_store import select
from tests.fuzz.rops import World, new_world, refresh


async def acknowledged(world: World) -> str:
    async with world.database.snapshot() as connection:
        key = world.mailbox.mailbox_id
        ((counter,),) = await select(connection, "SELECT next_counter FROM mailbox WHERE mailbox_id = ?", key)
        rows = await select(connection, "SELECT message_id FROM message WHERE mailbox_id = ? ORDER BY 1", key)
    return " ".join(map(str, (counter, *(row[0] for row in rows))))


async def main() -> None:
    world = await new_world(Path(sys.argv[1]), int(sys.argv[2]))
    while True:
        await refresh(world)
        for _ in range(10):
            await world.actors[0].step()
            sys.stdout.write(await acknowledged(world) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
