"""The ceiling: an aiohttp server that hands out stored answers from memory and does nothing else.

``python -m benchmarks.ceiling FILE``: FILE is a pickled list of bodies; they go out in their order, over and over, with
the headers of a real answer. It prints its port.
"""

import asyncio
import pickle
import sys
from itertools import cycle
from pathlib import Path

import uvloop
from aiohttp import web

HEADERS = {
    "Content-Type": "application/mapi-http",
    "X-RequestType": "Execute",
    "X-RequestId": "{00000000-0000-0000-0000-000000000001}:1",
    "X-ClientInfo": "{00000000-0000-0000-0000-000000000002}",
    "X-ResponseCode": "0",
    "X-ServerApplication": "Exchange/15.00.0847.032",
    "X-PendingPeriod": "30000",
    "X-ExpirationInfo": "900000",
}


async def _serve(bodies: list[bytes]) -> None:
    answers = cycle(bodies)

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=next(answers), headers=HEADERS)

    app = web.Application(client_max_size=1 << 20)
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(pickle.loads(Path(sys.argv[1]).read_bytes())))
