"""Requests without sockets meet a vendor's sandbox as those over HTTP do, faults and broken connections included."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from yarl import URL

from tests.sandbox import partsbox
from tests.simulation.clock import Scheduler
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import Network, Session
from tests.simulation.trace import Trace
from tests.simulation.vendors import Vendors

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

PART = {"part/name": "a new part", "part/type": "local"}
HOST = "https://partsbox.example/api/1/"


class Body:
    """A body as a `VendorClient` gives it: it decides in the moment of writing whether it leaves."""

    def __init__(self, value: bytes, look: Callable[[], object] = lambda: None) -> None:
        self._value = value
        self._look = look

    async def write_with_length(self, writer: Any, _length: int | None) -> None:
        self._look()
        await writer.write(self._value)


class Stage:
    """A PartsBox and one client process."""

    def __init__(self, seed: int = 1) -> None:
        self.scheduler = Scheduler()
        self.vendors_loop = VirtualLoop(self.scheduler, "vendors")
        self.loop = VirtualLoop(self.scheduler, "worker")
        self.trace = Trace(self.scheduler)
        self.network = Network(self.scheduler, self.vendors_loop, Random(seed), self.trace.tell)
        self.sandbox = Vendors(self.scheduler, self.network, 1).sandboxes["partsbox"]
        self.session = Session(self.network, self.loop)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run it to its end; gives its result, or its error."""
        task = self.loop.create_task(work)
        self.scheduler.run(task.done)
        return task.exception() or task.result()

    def rest(self, seconds: float) -> None:
        """Let time pass."""
        self.run(asyncio.sleep(seconds))

    async def create(self, look: Callable[[], object] = lambda: None) -> tuple[int, bytes]:
        """Ask for a new part, as a client does that gives up after 20 s without a byte, and after 30 in all."""
        async with self.session.request(
            "POST",
            URL(HOST + "part/create"),
            params=None,
            data=Body(b'{"part/name":"a new part","part/type":"local"}', look),
            headers={"Authorization": f"APIKey {partsbox.API_KEY}", "Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(30.0, sock_read=20.0),
        ) as response:
            return response.status, b"".join([piece async for piece in response.content.iter_any()])

    def end(self) -> None:
        """Let go of everything."""
        for loop in (self.loop, self.vendors_loop):
            loop.kill()
            loop.dispose()

    @property
    def created(self) -> int:
        return len(self.sandbox.journal.effects)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.end()


def test_a_request_is_served_and_its_way_takes_virtual_time(stage: Stage) -> None:
    status, body = stage.run(stage.create())
    assert (status, stage.created) == (200, 1)
    assert b'"partsbox.status\\/category":"ok"' in body or b"ok" in body
    assert 0.02 < stage.scheduler.now < 0.3
    assert [record.status for record in stage.sandbox.journal.requests] == [200]


def test_a_request_that_may_not_leave_reaches_nobody(stage: Stage) -> None:
    def refuse() -> None:
        raise RuntimeError("not now")

    assert isinstance(stage.run(stage.create(refuse)), RuntimeError)
    stage.rest(1.0)
    assert stage.sandbox.journal.requests == []


@pytest.mark.parametrize(
    ("kind", "options", "error", "created"),
    [
        pytest.param("accept_then_drop", {}, aiohttp.ServerDisconnectedError, 1, id="dropped behind the commit"),
        pytest.param("accept_then_drop", {"reset": True}, aiohttp.ClientOSError, 1, id="reset behind the commit"),
        pytest.param("drop_before", {}, aiohttp.ServerDisconnectedError, 0, id="dropped before"),
        pytest.param("truncated", {}, aiohttp.ClientPayloadError, 1, id="cut in the middle of the body"),
        pytest.param("hang", {"commit": True}, aiohttp.SocketTimeoutError, 1, id="no answer"),
        pytest.param("late_commit", {"delay_seconds": 5.0}, aiohttp.ServerDisconnectedError, 1, id="commits late"),
    ],
)
def test_a_fault_shows_to_the_client_as_over_http(
    stage: Stage, kind: str, options: dict[str, Any], error: type[Exception], created: int
) -> None:
    stage.sandbox.faults.add(kind, "part/create", **options)
    assert isinstance(stage.run(stage.create()), error)
    stage.rest(6.0)
    assert stage.created == created
    assert stage.sandbox.in_flight == []


def test_a_vendor_notices_that_its_client_has_died_and_commits_all_the_same(stage: Stage) -> None:
    stage.sandbox.faults.add("delay", "part/create", delay_seconds=3.0, place="before_commit")
    stage.loop.create_task(stage.create())
    stage.vendors_loop.call_later(1.0, stage.loop.kill)
    stage.vendors_loop.call_later(1.0, stage.network.lost, "worker")
    watching = VirtualLoop(stage.scheduler, "watching")
    over = watching.create_task(asyncio.sleep(5.0))
    stage.scheduler.run(over.done)
    (record,) = stage.sandbox.journal.requests
    assert record.client_left
    assert stage.created == 1


@pytest.mark.parametrize("seed", range(20))
def test_a_request_that_left_is_not_overtaken_by_the_end_of_its_connection(seed: int) -> None:
    stage = Stage(seed)
    stage.sandbox.faults.add("delay", "part/create", delay_seconds=3.0, place="before_commit")
    request: asyncio.Task[Any] = stage.loop.create_task(
        stage.create(lambda: stage.loop.call_soon(stage.loop.call_soon, request.cancel))
    )
    stage.rest(5.0)
    assert [record.client_left for record in stage.sandbox.journal.requests] == [True]
    stage.end()


def test_what_a_dead_client_had_not_sent_does_not_arrive(stage: Stage) -> None:
    stage.loop.create_task(stage.create())
    stage.loop.after_steps(2, stage.loop.kill)
    watching = VirtualLoop(stage.scheduler, "watching")
    over = watching.create_task(asyncio.sleep(5.0))
    stage.scheduler.run(over.done)
    assert stage.sandbox.journal.requests == []
