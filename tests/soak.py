"""python -m tests.soak: devices on one mailbox with random seeds, until the time is over or one of them differs."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.emsmdb.convergence import World


async def _run(seed: int, operations: int) -> World:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "data", seed, devices=2 + seed % 3)
        await world.start()
        try:
            await world.run(operations)
        finally:
            await world.stop()
    return world


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--operations", type=int, default=600, help="of one mailbox")
    parser.add_argument("--seed", type=int, help="run this one only")
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.minutes * 60
    runs = operations = crashes = restarts = 0
    while arguments.seed is not None or time.monotonic() < end:
        seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
        try:
            world = asyncio.run(_run(seed, arguments.operations))
        except Exception:
            traceback.print_exc()
            sys.stdout.write(f"seed {seed} fails, after {operations} operations of {runs} runs that did not" + "\n")
            return 1
        runs, operations = runs + 1, operations + world.operations
        crashes, restarts = crashes + world.crashes, restarts + world.restarts
        sys.stdout.write(f"seed {seed}: {operations} operations so far\n")
        sys.stdout.flush()
        if arguments.seed is not None:
            break
    what = f"{operations} operations in {runs} runs, {crashes} crashes of devices, {restarts} of the server"
    sys.stdout.write(f"{what}: no difference\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
