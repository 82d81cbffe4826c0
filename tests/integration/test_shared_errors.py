"""One error that several deliveries are told: what Celery does to the one that fails does not touch the others."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.backing import ROOT

#: Two deliveries wait for the same; its error ends one of them, the other catches it and goes on. `workers.main` is
#: Celery's application, which is imported once in a process.
PLAY = """
import asyncio
from types import SimpleNamespace

from celery.app.trace import traceback_clear
from redis.exceptions import ConnectionError

from workers import main

async def play():
    shared, go_on = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def deliver(key):
        try:
            await shared
        except ConnectionError:
            if key == "fails":
                raise
            await go_on.wait()
        return "went on"

    main._runtime.set(SimpleNamespace(executors={"partsbox": SimpleNamespace(deliver=deliver)}))
    fails, goes_on = (asyncio.create_task(main._deliver("stock.add", key)) for key in ("fails", "goes on"))
    await asyncio.sleep(0)
    shared.set_exception(ConnectionError("the server went away"))
    await asyncio.wait({fails})
    traceback_clear(fails.exception())
    go_on.set()
    print(await asyncio.wait_for(goes_on, 30), fails.exception())

asyncio.run(play())
"""


def test_a_delivery_ends_though_another_one_failed_with_the_same_error() -> None:
    environment = {**os.environ, "REDIS_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run(
        [sys.executable, "-c", PLAY],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout == "went on the server went away\n", done.stderr
