"""Keeping the directory: one refresh at a time over all processes, seldom enough, and never half a one to be seen."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tasks.errors import RetryableError
from tasks.parts import Part
from tests.integration.directory_harness import PART, PREFIX, Room, Vendor, vid
from tests.process import Process
from workers.directory import LONGEST_GAP_SECONDS

if TYPE_CHECKING:
    from redis.asyncio import Redis

ROOT: Final = Path(__file__).resolve().parents[2]
NEW: Final = vid(77_777)


@pytest.fixture
def room(redis_client: Redis) -> Room:
    return Room(redis_client)


def with_new_part(vendor: Vendor) -> None:
    vendor.part_list += (Part(NEW, "New"),)


# one at a time


async def test_two_runners_make_one_refresh(room: Room) -> None:
    other = Vendor()
    room.vendor.gate.clear()
    async with room.running():
        await room.vendor.at_gate.wait()
        async with room.running(other):
            assert await room.keeper(other)._look() == LONGEST_GAP_SECONDS
            room.vendor.gate.set()
            await room.until_known(PART)
            assert await room.keeper(other)._look() == LONGEST_GAP_SECONDS

    assert (room.vendor.refreshes, other.refreshes) == (1, 0)


async def test_a_killed_runner_is_replaced_when_its_lease_ends(room: Room, tmp_path: Path) -> None:
    address = "redis://{host}:{port}/{db}".format(**room.redis.connection_pool.connection_kwargs)
    command = [sys.executable, "-m", "tests.integration.directory_harness", address, "60"]
    log = tmp_path / "runner.log"
    with Process("runner", command, log=log, ready=lambda: "at the gate" in log.read_text(), folder=ROOT) as runner:
        runner.kill()
    await room.keeper()._look()
    assert room.vendor.refreshes == 0

    await room.redis.pexpire(PREFIX + "lease", 1)
    await room.refresh()

    assert room.vendor.refreshes == 1
    assert await room.directory.resolve(PART) is not None


async def test_a_lease_ends_by_itself_and_another_runner_waits_for_that(room: Room) -> None:
    room.vendor.gate.clear()
    async with room.running(lease_seconds=60):
        await room.vendor.at_gate.wait()

        assert 0 < await room.redis.pttl(PREFIX + "lease") <= 60_000


async def test_a_runner_that_was_frozen_beyond_its_lease_puts_nothing_in_place(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    slow = Vendor(part_list=(Part(PART, "of long ago"),))
    slow.gate.clear()
    late = asyncio.create_task(room.keeper(slow)._look())
    await slow.at_gate.wait()
    await room.redis.delete(PREFIX + "lease")  # as when its time is over
    await room.refresh()

    slow.gate.set()
    await late

    thing = await room.directory.resolve(PART)
    assert thing is not None
    assert thing.name == "Resistor 10k"
    assert [record.__dict__["reason"] for record in caplog.records] == ["lost"]


async def test_a_runner_that_was_frozen_does_not_free_the_lease_of_the_next_one(room: Room) -> None:
    slow = Vendor()
    slow.gate.clear()
    late = asyncio.create_task(room.keeper(slow)._look())
    await slow.at_gate.wait()
    await room.redis.set(PREFIX + "lease", "another owner")

    slow.gate.set()
    await late

    assert await room.redis.get(PREFIX + "lease") == "another owner"


async def test_a_refresh_ends_with_its_lease(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    room.vendor.gate.clear()

    await room.keeper(lease_seconds=0.05)._look()

    assert await room.directory.summary() is None
    assert [record.__dict__["reason"] for record in caplog.records] == ["took longer than 0.05 s"]


async def test_a_cancelled_runner_frees_its_lease_at_once(room: Room) -> None:
    room.vendor.gate.clear()
    async with room.running():
        await room.vendor.at_gate.wait()

    assert await room.redis.exists(PREFIX + "lease") == 0


# when


async def test_it_is_refreshed_again_when_it_is_old_enough(room: Room) -> None:
    await room.refresh()
    with_new_part(room.vendor)
    keeper = room.keeper(refresh_seconds=900)
    await keeper._look()
    assert room.vendor.refreshes == 1

    for name in ("refreshed_ms", "tried_ms"):
        moment = int(await room.redis.hget(PREFIX + "head", name) or 0)
        await room.redis.hset(PREFIX + "head", name, str(moment - 900_000))
    await keeper._look()

    assert room.vendor.refreshes == 2
    assert await room.directory.resolve(NEW) is not None


async def test_a_miss_brings_a_refresh_before_its_time(room: Room) -> None:
    await room.refresh()
    with_new_part(room.vendor)

    async with room.running():
        assert await room.directory.wanted(NEW)
        await room.until_known(NEW)
        assert not await room.directory.wanted(NEW)

    assert room.vendor.refreshes == 2


async def test_however_many_misses_there_are_the_vendor_is_read_once_in_a_gap(room: Room) -> None:
    await room.refresh()
    keepers = [room.keeper(min_gap_seconds=60) for _ in range(3)]

    for _ in range(20):
        assert await room.directory.wanted(NEW)
        for keeper in keepers:
            await keeper._look()

    assert room.vendor.refreshes == 1  # the gap counts from the one before the misses
    tried_ms = int(await room.redis.hget(PREFIX + "head", "tried_ms") or 0)
    await room.redis.hset(PREFIX + "head", "tried_ms", str(tried_ms - 60_000))
    for keeper in keepers:
        await keeper._look()
    assert room.vendor.refreshes == 2


async def test_a_refresh_that_is_wanted_more_often_than_the_gap_is_not_held_back_by_it(room: Room) -> None:
    for _ in range(2):
        await room.keeper(refresh_seconds=0, min_gap_seconds=60)._look()

    assert room.vendor.refreshes == 2


async def test_a_refresh_answers_all_misses_before_it(room: Room) -> None:
    await room.refresh()
    for _ in range(5):
        await room.directory.wanted(NEW)

    for _ in range(3):
        await room.keeper()._look()

    assert room.vendor.refreshes == 2
    assert await room.redis.exists(PREFIX + "wanted") == 0


async def test_a_miss_during_a_refresh_brings_another_one(room: Room) -> None:
    await room.refresh()
    await room.directory.wanted(NEW)
    room.vendor.gate.clear()
    room.vendor.at_gate.clear()
    first = asyncio.create_task(room.keeper()._look())
    await room.vendor.at_gate.wait()
    with_new_part(room.vendor)  # after the parts were read

    await room.directory.wanted(NEW)
    room.vendor.gate.set()
    await first

    assert await room.directory.resolve(NEW) is None
    await room.keeper()._look()
    assert await room.directory.resolve(NEW) is not None


@pytest.mark.parametrize("name", ["refreshed_ms", "tried_ms"])
async def test_a_server_clock_that_was_set_back_does_not_stop_the_refreshes(room: Room, name: str) -> None:
    await room.refresh()
    await room.directory.wanted(NEW)
    moment = int(await room.redis.hget(PREFIX + "head", name) or 0)
    await room.redis.hset(PREFIX + "head", name, str(moment + 86_400_000))

    await room.keeper()._look()

    assert room.vendor.refreshes == 2


# never half a one


async def test_a_reader_never_sees_half_a_generation(room: Room) -> None:
    count = 1_200  # several batches
    directory, checked = room.directory, 0

    def parts(name: str) -> tuple[Part, ...]:
        return tuple(Part(vid(n), name, mpn="ALL") for n in range(count))

    room.vendor.part_list = parts("generation 0")
    room.vendor.storage_list = ()
    await room.refresh()
    async with room.running():
        for number in range(1, 4):
            room.vendor.part_list = parts(f"generation {number}")
            assert await directory.wanted(NEW)
            names: set[str] = set()
            while names != {f"generation {number}"}:
                things = await directory.parts_of("all")
                names = {thing.name for thing in things}
                assert (len(things), len(names)) == (count, 1)
                checked += 1

    assert checked >= 3


async def test_until_the_new_one_is_whole_the_old_one_is_read(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    await room.refresh()
    with_new_part(room.vendor)
    monkeypatch.setattr("workers.directory._BATCH", 1)
    keeper, seen = room.keeper(), []
    publish = keeper._run

    async def watched(operation: str, *arguments: Any) -> Any:
        if operation == "publish":
            seen.append(await room.directory.resolve(NEW))
        return await publish(operation, *arguments)

    monkeypatch.setattr(keeper, "_run", watched)
    await room.directory.wanted(NEW)
    await keeper._look()

    assert seen == [None]
    assert await room.directory.resolve(NEW) is not None


async def test_a_generation_that_lost_a_part_of_itself_is_not_put_in_place(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await room.refresh()
    keeper = room.keeper()
    publish = keeper._run

    async def damaging(operation: str, owner: str, *arguments: Any) -> Any:
        if operation == "publish":
            await room.redis.delete(f"{PREFIX}{arguments[0]}:codes")
        return await publish(operation, owner, *arguments)

    monkeypatch.setattr(keeper, "_run", damaging)
    await room.directory.wanted(NEW)
    await keeper._look()

    assert [record.__dict__["reason"] for record in caplog.records] == ["incomplete"]
    assert len(await room.directory.parts_of("RC-10K")) == 1


async def test_only_the_present_generation_is_kept_for_ever(room: Room) -> None:
    await room.refresh()
    old = await room.generation()
    await room.directory.wanted(NEW)
    room.vendor.troubles["orders"] = [RetryableError("in the middle")]
    await room.refresh()

    new = await room.generation()
    keys = {key: await room.redis.ttl(key) for key in await room.redis.keys(f"{PREFIX}*:*")}
    for_ever = {key for key, ttl in keys.items() if ttl == -1}
    assert for_ever == {f"{PREFIX}{new}:things", f"{PREFIX}{new}:codes"}
    assert 0 < keys[f"{PREFIX}{old}:things"] <= 60


async def test_what_a_lost_runner_has_written_expires(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = room.keeper()
    run = keeper._run

    async def dying(operation: str, *arguments: Any) -> Any:
        if operation == "publish":
            raise RedisConnectionError("away")
        return await run(operation, *arguments)

    monkeypatch.setattr(keeper, "_run", dying)
    await keeper._look()

    left = await room.redis.keys(f"{PREFIX}*:*")
    assert len(left) == 2
    assert all([0 < await room.redis.ttl(key) <= 180 for key in left])
