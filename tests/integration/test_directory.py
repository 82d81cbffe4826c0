"""Reading the directory: what ids and part numbers stand for, how old that is, and asking for what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tasks.directory import MAX_CODE, OrderHead, Thing, ThingType
from tasks.lots import Lot
from tasks.parts import Part
from tasks.storage import Storage
from tests.integration.directory_harness import LOT, ORDER, PART, PREFIX, SHELF, Room, Vendor, vid

if TYPE_CHECKING:
    from redis.asyncio import Redis


@pytest.fixture
def room(redis_client: Redis) -> Room:
    return Room(redis_client)


async def test_before_the_first_refresh_nothing_is_known(room: Room) -> None:
    directory = room.directory

    assert await directory.resolve(PART) is None
    assert await directory.parts_of("RC-10K") == ()
    assert await directory.summary() is None
    assert await directory.age() is None


async def test_an_id_of_each_type_is_resolved_to_its_type_and_name(room: Room) -> None:
    room.vendor.storage_list += (Storage(vid(5), "Old shelf", archived=True),)

    await room.refresh()

    things = [
        Thing(PART, ThingType.PART, "Resistor 10k", manufacturer="Yageo"),
        Thing(SHELF, ThingType.STORAGE, "Shelf 1"),
        Thing(LOT, ThingType.LOT, "Lot 7"),
        Thing(ORDER, ThingType.ORDER, "Acme 77"),
        Thing(vid(5), ThingType.STORAGE, "Old shelf", archived=True),
    ]
    assert [await room.directory.resolve(thing.id) for thing in things] == things
    assert await room.directory.resolve(vid(9)) is None


async def test_the_summary_counts_each_type_and_tells_the_age_by_the_servers_clock(room: Room) -> None:
    await room.refresh()

    summary = await room.directory.summary()

    assert summary is not None
    assert summary.counts == dict.fromkeys(ThingType, 1)
    assert summary.codes == 1
    seconds, micros = await room.redis.time()
    assert summary.refreshed_ms + summary.age_seconds * 1000 <= seconds * 1000 + micros / 1000


async def test_the_age_grows_from_the_moment_of_the_refresh(room: Room) -> None:
    await room.refresh()
    refreshed_ms = int(await room.redis.hget(PREFIX + "head", "refreshed_ms") or 0)
    await room.redis.hset(PREFIX + "head", "refreshed_ms", str(refreshed_ms - 90_000))

    age = await room.directory.age()

    assert age is not None
    assert age >= 90


@pytest.mark.parametrize("scanned", ["RC-10K", " rc-10k\n", "Rc-10k"])
async def test_a_part_is_found_by_its_manufacturers_number_however_it_is_written(room: Room, scanned: str) -> None:
    await room.refresh()

    assert await room.directory.parts_of(scanned) == (
        Thing(PART, ThingType.PART, "Resistor 10k", manufacturer="Yageo"),
    )


async def test_a_number_of_several_parts_gives_them_all(room: Room) -> None:
    room.vendor.part_list = (
        Part(vid(11), "10k", mpn="RC-10K", manufacturer="Yageo"),
        Part(vid(12), "10k too", mpn="rc-10k", manufacturer="Koa"),
        Part(vid(13), "other", mpn="RC-22K"),
    )

    await room.refresh()

    found = await room.directory.parts_of("RC-10K")
    assert [(thing.id, thing.manufacturer) for thing in found] == [(vid(11), "Yageo"), (vid(12), "Koa")]


async def test_the_skus_of_open_orders_name_their_parts(room: Room) -> None:
    room.vendor.order_list = (
        OrderHead(vid(41), "ordered"),
        OrderHead(vid(42), "ordered", skus=(("SKU-B", PART),)),
        OrderHead(vid(43), "open"),
        OrderHead(vid(44), "received"),
        OrderHead(vid(45), None),
    )
    room.vendor.skus = {
        vid(41): (("SKU-A", PART), ("SKU-A", vid(99))),  # the second part is not in the list of parts
        vid(45): (("rc-10k", PART), ("SKU-OF-NOTHING", vid(99))),
    }

    await room.refresh()

    summary = await room.directory.summary()
    assert summary is not None
    assert summary.codes == 3

    part = await room.directory.resolve(PART)
    for code in ("sku-a", "SKU-B", "RC-10K"):
        assert await room.directory.parts_of(code) == (part,)
    assert [read for read in room.vendor.reads if read.startswith("skus")] == [
        f"skus of {vid(41)}",
        f"skus of {vid(45)}",
    ]
    assert await room.directory.resolve(vid(44)) is None
    assert await room.directory.resolve(vid(43)) == Thing(vid(43), ThingType.ORDER, "")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Shelf\n1\r\x00\x1b[2J", "Shelf 1 [2J"),
        ("  two\t tabs ", "two tabs"),
        ("\u202eevil\u200b", "evil"),
        ("Größe 5 µ 中", "Größe 5 µ 中"),
        ("x" * 1_000, "x" * 200),
        ("", ""),
    ],
)
async def test_a_name_is_one_bounded_line_without_control_characters(room: Room, sent: str, shown: str) -> None:
    room.vendor.part_list = (Part(PART, sent, manufacturer=sent),)
    room.vendor.storage_list, room.vendor.lot_list = (Storage(SHELF, sent),), (Lot(LOT, sent),)
    room.vendor.order_list = (OrderHead(ORDER, name=sent),)

    await room.refresh()

    found = [await room.directory.resolve(vendor_id) for vendor_id in (PART, SHELF, LOT, ORDER)]
    assert [thing and thing.name for thing in found] == [shown] * 4
    assert found[0]
    assert found[0].manufacturer == shown


async def test_what_could_not_be_scanned_is_left_out(room: Room) -> None:
    room.vendor.part_list += (
        Part("", "no id"),
        Part("../head", "bad id"),
        Part(PART.replace("1", "u"), "no such letter"),
    )
    room.vendor.part_list += (Part(vid(7), "long", mpn="x" * (MAX_CODE + 1)), Part(vid(8), "blank", mpn=" "))

    await room.refresh()

    summary = await room.directory.summary()
    assert summary is not None
    assert (summary.counts[ThingType.PART], summary.codes) == (3, 1)
    for text in ("", " ", "x" * (MAX_CODE + 1), "x" * 1_000_000, "\udc80"):
        assert await room.directory.parts_of(text) == ()
        assert await room.directory.resolve(text) is None


@pytest.mark.parametrize("damage", ["", "[]", "7", '["shelf","n",0,""]', "{"])
async def test_a_damaged_record_is_a_miss_and_the_next_refresh_mends_it(room: Room, damage: str) -> None:
    await room.refresh()
    generation = await room.generation()
    await room.redis.hset(f"{PREFIX}{generation}:things", PART, damage)

    assert await room.directory.resolve(PART) is None
    assert await room.directory.parts_of("RC-10K") == ()

    await room.redis.incr(PREFIX + "wanted")
    await room.refresh()
    assert await room.directory.resolve(PART) is not None


async def test_ten_thousand_parts_are_resolved(room: Room) -> None:
    count = 10_000
    room.vendor.part_list = tuple(Part(vid(n), f"Part {n}", mpn=f"MPN-{n // 2}") for n in range(count))
    room.vendor.storage_list = ()

    await room.refresh()

    summary = await room.directory.summary()
    assert summary is not None
    assert (summary.counts[ThingType.PART], summary.codes) == (count, count // 2)
    for n in (0, 499, 500, 9_999):
        assert await room.directory.resolve(vid(n)) == Thing(vid(n), ThingType.PART, f"Part {n}")
    assert [thing.id for thing in await room.directory.parts_of("mpn-4999")] == [vid(9_998), vid(9_999)]


async def test_an_empty_vendor_is_a_directory_too(room: Room) -> None:
    room.vendor = Vendor((), (), (), ())

    await room.refresh()

    summary = await room.directory.summary()
    assert summary is not None
    assert summary.counts == dict.fromkeys(ThingType, 0)


# asking for what is missing


async def test_what_is_known_is_not_asked_for(room: Room) -> None:
    await room.refresh()

    for known in (PART, SHELF, "RC-10K", "rc-10k "):
        assert not await room.directory.wanted(known)
    assert await room.redis.exists(PREFIX + "wanted") == 0


@pytest.mark.parametrize("text", ["", "x" * (MAX_CODE + 1)])
async def test_what_nobody_could_know_is_not_asked_for(room: Room, text: str) -> None:
    assert not await room.directory.wanted(text)
    assert await room.redis.exists(PREFIX + "wanted") == 0


async def test_a_wish_that_no_worker_hears_is_forgotten_in_the_end(room: Room) -> None:
    assert await room.directory.wanted(vid(9))

    assert 0 < await room.redis.ttl(PREFIX + "wanted") <= 3_600


async def test_directories_of_different_vendors_do_not_meet(room: Room) -> None:
    await room.refresh()

    keys: list[Any] = await room.redis.keys("*")
    assert all(key.startswith(PREFIX) for key in keys)
