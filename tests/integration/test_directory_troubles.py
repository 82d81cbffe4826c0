"""Keeping the directory when the vendor or Redis does not play along, and reading the lines of its orders."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tasks import telemetry
from tasks.directory import OrderHead, ThingType
from tasks.errors import RejectedError, RetryableError, VendorBlockedError
from tasks.parts import Part
from tests.integration.directory_harness import LOT, NEVER_SECONDS, ORDER, PART, PREFIX, Room, Vendor, vid
from workers.directory import MAX_ORDERS_READ
from workers.limits import PausedError
from workers.work import WorkerStoppingError

if TYPE_CHECKING:
    from redis.asyncio import Redis

NEW: Final = vid(77_777)


@pytest.fixture
def room(redis_client: Redis) -> Room:
    return Room(redis_client)


def with_new_part(vendor: Vendor) -> None:
    vendor.part_list += (Part(NEW, "New"),)


@pytest.mark.parametrize("what", ["parts", "storages", "lots", "orders"])
@pytest.mark.parametrize(
    "error", [RetryableError("cut"), PausedError(9.0, "paused", paused=True), WorkerStoppingError()], ids=repr
)
async def test_a_failed_refresh_keeps_what_is_there_and_is_tried_again_after_the_gap(
    room: Room, what: str, error: Exception
) -> None:
    await room.refresh()
    before = await room.redis.hgetall(PREFIX + "head")
    with_new_part(room.vendor)
    room.vendor.troubles[what] = [error]
    await room.directory.wanted(NEW)

    assert await room.keeper()._look() == 0.0

    after = await room.redis.hgetall(PREFIX + "head")
    assert {**after, "tried_ms": ""} == {**before, "tried_ms": ""}
    assert await room.redis.exists(PREFIX + "lease") == 0
    await room.keeper(min_gap_seconds=60)._look()
    assert await room.directory.resolve(NEW) is None
    await room.keeper()._look()
    assert await room.directory.resolve(NEW) is not None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (VendorBlockedError("429", throttled=True), True),
        (RetryableError("no connection", unreachable=True), True),
        (PausedError(9.0, "paused", paused=True), True),
        (RetryableError("cut"), False),
        (RejectedError("refused", code="forbidden"), False),
    ],
    ids=repr,
)
async def test_what_the_vendor_tells_all_alike_is_passed_on_to_pause_it(
    room: Room, error: Exception, *, told: bool
) -> None:
    room.vendor.troubles["parts"] = [error]

    await room.keeper()._look()

    assert room.paused_by == ([error] if told else [])


@pytest.mark.parametrize(("what", "kind", "lost"), [("lots", ThingType.LOT, LOT), ("orders", ThingType.ORDER, ORDER)])
async def test_a_list_that_the_plan_does_not_have_leaves_the_others(
    room: Room, what: str, kind: ThingType, lost: str
) -> None:
    room.vendor.troubles[what] = [RejectedError("not in this plan", code="forbidden")]

    await room.refresh()

    summary = await room.directory.summary()
    assert summary is not None
    assert summary.counts == dict.fromkeys(ThingType, 1) | {kind: None}
    assert await room.directory.resolve(lost) is None
    assert await room.directory.resolve(PART) is not None


async def test_parts_that_are_refused_do_not_empty_the_directory(room: Room) -> None:
    await room.refresh()
    room.vendor.troubles["parts"] = [RejectedError("role", code="forbidden")]
    await room.directory.wanted(NEW)

    await room.keeper()._look()

    assert await room.directory.resolve(PART) is not None


@pytest.mark.parametrize("error", [ValueError("a bug"), RedisConnectionError("away")], ids=repr)
async def test_the_loop_goes_on_after_any_error(
    room: Room, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("workers.directory.ERROR_GAP_SECONDS", 0.0)
    room.vendor.troubles["storages"] = [error]

    await room.refresh()

    assert room.vendor.refreshes == 2
    logged = {record.getMessage() for record in caplog.records}
    assert logged & {telemetry.LOOP_BROKEN, telemetry.LEDGER_UNREACHABLE}


async def test_a_refresh_is_logged_with_its_counts(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "workers.directory")

    await room.refresh()

    (record,) = caplog.records
    assert record.getMessage() == telemetry.DIRECTORY_REFRESHED
    fields = vars(record)
    assert [fields[name] for name in ("vendor", "part", "storage", "lot", "order", "codes")] == [
        "partsbox",
        1,
        1,
        1,
        1,
        1,
    ]


# orders whose lines must be read


async def test_the_lines_of_an_order_are_read_once_and_a_few_orders_at_a_time(room: Room) -> None:
    numbers = range(1_000, 1_000 + MAX_ORDERS_READ + 3)
    room.vendor.order_list = tuple(OrderHead(vid(n), "ordered") for n in numbers)
    room.vendor.skus = {vid(n): ((f"SKU-{n}", PART),) for n in numbers}
    keeper = room.keeper(refresh_seconds=0)

    await keeper._look()
    assert len(await room.directory.parts_of(f"SKU-{numbers[0]}")) == 1
    assert await room.directory.parts_of(f"SKU-{numbers[-1]}") == ()
    await keeper._look()
    assert len(await room.directory.parts_of(f"SKU-{numbers[-1]}")) == 1
    await keeper._look()

    assert sorted(read for read in room.vendor.reads if read.startswith("skus")) == [
        f"skus of {vid(n)}" for n in numbers
    ]


async def test_an_order_that_was_edited_is_read_again(room: Room) -> None:
    keeper = room.keeper(refresh_seconds=0)
    room.vendor.skus = {ORDER: (("SKU-1", PART),)}
    await keeper._look()
    room.vendor.order_list = (OrderHead(ORDER, "open"),)  # only an open order can be edited
    await keeper._look()
    assert await room.directory.parts_of("SKU-1") == ()

    room.vendor.order_list, room.vendor.skus = (OrderHead(ORDER, "ordered"),), {ORDER: (("SKU-2", PART),)}
    await keeper._look()

    assert len(await room.directory.parts_of("SKU-2")) == 1


async def test_an_order_whose_lines_are_refused_does_not_stop_the_others(room: Room) -> None:
    room.vendor.order_list = (OrderHead(vid(41), "ordered"), OrderHead(vid(42), "ordered"))
    room.vendor.skus = {vid(42): (("SKU-2", PART),)}
    room.vendor.troubles[f"skus of {vid(41)}"] = [RejectedError("gone", code="not-found")]

    await room.refresh(refresh_seconds=NEVER_SECONDS)

    assert len(await room.directory.parts_of("SKU-2")) == 1
