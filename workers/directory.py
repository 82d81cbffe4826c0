"""Keeping the directory: one process at a time reads the vendor's lists and puts them in the place of the older ones.

The reads go through the vendor's client, and so through its limiter; a refresh that fails leaves what is there.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from redis.exceptions import RedisError

from tasks import telemetry
from tasks.directory import directory_prefix
from tasks.errors import RejectedError, VendorError, told
from workers.directory_draft import Draft
from workers.limits import PausedError
from workers.outcomes import is_vendors_trouble
from workers.work import WorkerStoppingError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Redis

    from tasks.directory import OrderHead
    from tasks.lots import Lot
    from tasks.parts import Part
    from tasks.storage import Storage

logger = logging.getLogger(__name__)

R = TypeVar("R")

#: What is new at the vendor is known after this long, unless someone misses it earlier.
REFRESH_SECONDS: Final = 900.0
#: Between the beginnings of two refreshes, whatever is missed or fails: four to two dozen reads a minute at most.
MIN_GAP_SECONDS: Final = 60.0
#: A refresh ends within it or is given up; a killed one is replaced after it.
LEASE_SECONDS: Final = 120.0
#: A miss, or a lease that ended, is noticed this late at most.
LONGEST_GAP_SECONDS: Final = 1.0
#: The shortest gap, so that a time that is just over cannot spin the loop.
SHORTEST_GAP_SECONDS: Final = 0.01
#: How long to leave Redis alone after an error.
ERROR_GAP_SECONDS: Final = 1.0
#: Longer than any look into a generation takes.
OLD_GENERATION_SECONDS: Final = 60
#: Orders whose lines are read in one refresh; the others' turn comes with the next ones.
MAX_ORDERS_READ: Final = 20
#: Fields written in one call: a millisecond of the server's time.
_BATCH: Final = 500
#: No line can be received any more, so that nobody scans its label for that.
_CLOSED: Final = frozenset({"received"})
_SCRIPT: Final = (Path(__file__).with_suffix(".lua")).read_text(encoding="utf-8")


class DirectoryPort(Protocol):
    """What the directory is made of. Every method raises the vendor errors of `tasks.errors`; none retries."""

    async def parts(self) -> tuple[Part, ...]:
        """Read all parts."""

    async def storages(self) -> tuple[Storage, ...]:
        """Read all storage locations."""

    async def lots(self) -> tuple[Lot, ...]:
        """Read all lots."""

    async def orders(self) -> tuple[OrderHead, ...]:
        """Read all orders."""

    async def order_skus(self, order_id: str) -> tuple[tuple[str, str], ...]:
        """Read the vendor SKUs of an order's lines with their part ids."""


class DirectoryKeeper:
    """Keeps one vendor's directory; run one in every process that serves the vendor, Redis says whose turn it is.

    `pause` is told of what the vendor answers to all alike (429, a refused key, no connection), as `Outcomes.pause` is.
    """

    def __init__(
        self,
        redis: Redis,
        port: DirectoryPort,
        pause: Callable[[VendorError | PausedError], Awaitable[object]],
        *,
        vendor: str = "partsbox",
        refresh_seconds: float = REFRESH_SECONDS,
        min_gap_seconds: float = MIN_GAP_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._redis = redis
        self._port = port
        self._pause = pause
        self._vendor = vendor
        self._refresh_ms = int(refresh_seconds * 1000)
        self._gap_ms = int(min(min_gap_seconds, refresh_seconds) * 1000)
        self._lease_seconds = lease_seconds
        self._prefix = directory_prefix(vendor)
        self._script = redis.register_script(_SCRIPT)
        #: The lines of ordered orders, which change no more: order id -> (SKU, part id).
        self._skus: dict[str, tuple[tuple[str, str], ...]] = {}

    async def keep_for_ever(self) -> None:
        """Refresh when it is time or something was missed, until cancelled."""
        while True:  # noqa: ASYNC110  it is time that is waited for
            await asyncio.sleep(await self._look())

    async def _look(self) -> float:
        owner = uuid.uuid4().hex
        try:
            mine, said = await self._run("take", owner, int(self._lease_seconds * 1000), self._refresh_ms, self._gap_ms)
            if not mine:
                return min(max(int(said) / 1000, SHORTEST_GAP_SECONDS), LONGEST_GAP_SECONDS)
            try:
                await self._refresh(owner, misses=said)
            finally:
                with suppress(RedisError):  # the lease ends by itself
                    await self._run("release", owner)
        except RedisError as error:
            logger.warning(telemetry.LEDGER_UNREACHABLE, extra={"vendor": self._vendor, "error": told(error)})
            return ERROR_GAP_SECONDS
        except Exception:
            # whatever it is: without this loop the directory would only grow older
            logger.exception(telemetry.LOOP_BROKEN, extra={"vendor": self._vendor, "loop": "directory"})
            return ERROR_GAP_SECONDS
        return 0.0

    async def _refresh(self, owner: str, misses: str) -> None:
        try:
            async with asyncio.timeout(self._lease_seconds):
                draft = await self._read()
                generation = uuid.uuid4().hex
                await self._write(generation, draft)
                counts = json.dumps(draft.counts)
                sizes = (len(draft.things), len(draft.codes))
                became = await self._run("publish", owner, generation, *sizes, counts, OLD_GENERATION_SECONDS, misses)
        except (VendorError, PausedError) as error:
            if is_vendors_trouble(error):
                await self._pause(error)
            self._failed(str(error))
        except WorkerStoppingError:
            self._failed("the worker stops")
        except TimeoutError:
            self._failed(f"took longer than {self._lease_seconds:g} s")
        else:
            if became != "published":
                self._failed(became)
            else:
                fields = {**draft.counts, "codes": len(draft.codes), "left_out": draft.left_out}
                logger.info(telemetry.DIRECTORY_REFRESHED, extra={"vendor": self._vendor, **fields})

    def _failed(self, reason: str) -> None:
        logger.warning(telemetry.DIRECTORY_NOT_REFRESHED, extra={"vendor": self._vendor, "reason": reason})

    async def _read(self) -> Draft:
        draft = Draft()
        draft.add_parts(await self._port.parts())
        draft.add_storages(await self._port.storages())
        # a plan without lots, or a key without leave to see orders, still has parts to scan
        draft.add_lots(await _unless_refused(self._port.lots()))
        orders = await _unless_refused(self._port.orders())
        still_open = None if orders is None else [order for order in orders if order.status not in _CLOSED]
        draft.add_orders(still_open)
        draft.add_skus(await self._read_skus(still_open or []))
        return draft

    async def _read_skus(self, orders: Sequence[OrderHead]) -> list[tuple[str, str]]:
        """Take the SKUs from the list, else from the lines of those ordered, each read once."""
        ordered = [order for order in orders if not order.skus and order.status in (None, "ordered")]
        self._skus = {order.order_id: self._skus[order.order_id] for order in ordered if order.order_id in self._skus}
        unread = (order for order in ordered if order.order_id not in self._skus)
        for order in itertools.islice(unread, MAX_ORDERS_READ):
            self._skus[order.order_id] = await _unless_refused(self._port.order_skus(order.order_id)) or ()
        shown = (order.skus for order in orders)
        return [pair for pairs in (*shown, *self._skus.values()) for pair in pairs]

    async def _write(self, generation: str, draft: Draft) -> None:
        for name, fields in (("things", draft.things), ("codes", draft.written_codes())):
            key = f"{self._prefix}{generation}:{name}"
            left = iter(fields.items())
            while batch := dict[Any, Any](itertools.islice(left, _BATCH)):
                async with self._redis.pipeline(transaction=True) as pipeline:
                    pipeline.hset(key, mapping=batch)
                    # what a killed process has half written is gone again
                    pipeline.expire(key, int(self._lease_seconds) + OLD_GENERATION_SECONDS)
                    await pipeline.execute()

    async def _run(self, operation: str, owner: str, *arguments: Any) -> Any:
        return await self._script(keys=[self._prefix], args=[operation, owner, *arguments])


async def _unless_refused(reading: Awaitable[R]) -> R | None:
    """Await a read; None where the vendor does not show such things to our key."""
    try:
        return await reading
    except RejectedError:
        return None
