"""Several who wait for the same: each has an error of his own, and one that nobody waits for is not printed."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from tasks.errors import VendorBlockedError, shared


async def test_each_waiter_gets_an_error_of_its_own() -> None:
    awaited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiters = [asyncio.ensure_future(shared(awaited)) for _ in range(2)]
    await asyncio.sleep(0)
    awaited.set_exception(VendorBlockedError("closed", throttled=True))

    first, second = await asyncio.gather(*waiters, return_exceptions=True)

    assert (str(first), str(second)) == ("closed", "closed")
    assert isinstance(first, VendorBlockedError)
    assert first is not second
    assert first.throttled


async def test_it_goes_on_without_who_stops_waiting_and_asyncio_prints_no_error_of_it() -> None:
    loop, printed = asyncio.get_running_loop(), list[Any]()
    loop.set_exception_handler(lambda _, context: printed.append(context))
    go = asyncio.Event()

    async def fail() -> None:
        await go.wait()
        raise VendorBlockedError("closed")

    awaited = asyncio.ensure_future(fail())
    waiter = asyncio.ensure_future(shared(awaited))
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert not awaited.done()
    go.set()
    await asyncio.wait([awaited])
    del awaited
    gc.collect()

    assert printed == []
