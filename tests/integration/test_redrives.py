"""Bulk replays on a real server: each letter once, in its lane's order, at the rate, until done or cancelled."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tasks.dead_letter_records import Filter, LetterState, RedriveState
from tasks.errors import UnknownRedriveError
from tasks.ledger import Ledger
from tasks.records import State
from tests.command_examples import NOW_MS
from tests.integration.dead_letter_harness import OTHER_PART, Bench
from tests.integration.redrive_harness import (
    FAST,
    HOUR_MS,
    ONE_AN_HOUR,
    PREFIX,
    begun,
    now,
    part,
    pass_hours,
    run_to_the_end,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis


@pytest.fixture
def bench(redis_client: Redis) -> Bench:
    return Bench.at(redis_client)


async def test_a_bulk_replay_takes_what_fits_now_one_for_each_vendor(bench: Bench) -> None:
    fitting = await bench.dead(reason="not enough stock")
    other_reason = await bench.dead(part_id=OTHER_PART, reason="unknown part")
    catalog = await bench.dead("catalog.upsert_part", reason="not enough stock")
    damaged = await bench.dead(part_id=part(1), reason="not enough stock")
    await bench.spoil(damaged, "attempts", "many")

    redrives = await bench.desk.redrive(Filter(reason="not enough stock"), "anna", ONE_AN_HOUR)
    later = await bench.dead(part_id=part(2), reason="not enough stock")

    assert [(one.vendor, one.total, one.state, one.by) for one in redrives] == [
        ("partium", 1, RedriveState.RUNNING, "anna"),
        ("partsbox", 1, RedriveState.RUNNING, "anna"),
    ]
    for ledger in bench.ledgers.values():
        await ledger.move_redrives()
    assert await bench.state(fitting) is State.READY
    assert await bench.state(catalog) is State.READY
    assert [await bench.state(key) for key in (other_reason, later)] == [State.REJECTED] * 2
    assert {(one.replayed, one.left, one.state) for one in await bench.desk.redrives()} == {(1, 0, RedriveState.DONE)}


async def test_nothing_that_fits_begins_nothing(bench: Bench) -> None:
    await bench.dead()

    assert await bench.desk.redrive(Filter(state=LetterState.HELD), "anna", 1.0) == ()
    assert await bench.desk.redrives() == ()


async def test_letters_of_one_lane_are_replayed_in_the_order_they_were_accepted(bench: Bench) -> None:
    first, second, third = [await bench.admit() for _ in range(3)]
    for key in (first, second, third):
        await bench.end(key, State.REJECTED)
    # the first dies last
    await bench.desk.replay(first, "berta")
    await bench.end(first, State.REJECTED)
    await bench.redis.delete(PREFIX + "events")

    # the server's clock went back between the first and the second
    await bench.spoil(first, "accepted_ms", str(NOW_MS * 2))

    order = await run_to_the_end(bench, await begun(bench))

    assert order == [first, second, third]
    assert await bench.lane() == [first, second, third]


async def test_a_held_one_keeps_its_place_and_a_corrected_one_goes_as_corrected(bench: Bench) -> None:
    held, behind = await bench.dead(state=State.HELD), await bench.admit()
    corrected = await bench.dead(part_id=OTHER_PART)
    await bench.desk.edit(corrected, "berta", {"quantity": 9})

    await run_to_the_end(bench, await begun(bench))

    assert await bench.lane() == [held, behind]
    record = await bench.ledgers["partsbox"].find(corrected)
    assert record is not None
    assert record.summary.startswith("add 9 of part")
    assert record.replayed_by == "anna"


async def test_one_is_replayed_at_a_time_at_its_rate_and_hours_of_silence_are_not_made_up_for(bench: Bench) -> None:
    for number in range(5):
        await bench.dead(part_id=part(number))
    redrive, ledger = await begun(bench), bench.ledgers["partsbox"]

    moved = [await ledger.move_redrives() for _ in range(3)]
    assert [one.replayed for one in moved] == [1, 0, 0]
    assert moved[-1].next_in_ms is not None
    assert 0 < moved[-1].next_in_ms <= HOUR_MS
    await pass_hours(bench, redrive)
    assert (await ledger.move_redrives()).replayed == 1
    await pass_hours(bench, redrive, 10)
    assert [(await ledger.move_redrives()).replayed for _ in range(3)] == [1, 0, 0]


async def test_a_moment_that_nobody_looked_is_made_up_for(bench: Bench) -> None:
    for number in range(40):
        await bench.dead(part_id=part(number))
    redrive, ledger = await begun(bench, FAST), bench.ledgers["partsbox"]
    await ledger.move_redrives()

    await pass_hours(bench, redrive)
    moved = await ledger.move_redrives()

    assert (moved.replayed, moved.next_in_ms) == (25, 0)


async def test_several_bulk_replays_share_what_one_look_may_do(bench: Bench) -> None:
    for number in range(40):
        await bench.dead(part_id=part(number))
    redrives = [await begun(bench, FAST, state=LetterState.REJECTED) for _ in range(2)]
    for redrive in redrives:
        await pass_hours(bench, redrive)

    moved = [await bench.ledgers["partsbox"].move_redrives() for _ in range(2)]

    assert [one.replayed + one.skipped for one in moved] == [25, 25]


async def test_many_workers_at_once_replay_each_letter_once(bench: Bench, redis_client: Redis) -> None:
    keys = [await bench.dead(part_id=part(number)) for number in range(60)]
    redrive = await begun(bench, FAST)
    workers = [Ledger(redis_client, "partsbox") for _ in range(8)]

    while (await now(bench, redrive)).state is RedriveState.RUNNING:
        await pass_hours(bench, redrive)
        await asyncio.gather(*(worker.move_redrives() for worker in workers))

    assert (await now(bench, redrive)).replayed == len(keys)
    for key in keys:
        replays = [entry for entry in await bench.ledgers["partsbox"].evidence(key) if entry["what"] == "replayed"]
        assert [(entry["by"], entry["redrive"]) for entry in replays] == [("anna", redrive.id)]


async def test_a_cancelled_bulk_replay_leaves_the_rest_dead(bench: Bench) -> None:
    keys = [await bench.dead(part_id=part(number)) for number in range(3)]
    redrive, ledger = await begun(bench), bench.ledgers["partsbox"]
    await ledger.move_redrives()

    stopped = await bench.desk.cancel_redrive(redrive.id, "berta")

    assert (stopped.state, stopped.cancelled_by, stopped.replayed, stopped.left) == (
        RedriveState.CANCELLED,
        "berta",
        1,
        0,
    )
    assert (await ledger.move_redrives()).replayed == 0
    assert [await bench.state(key) for key in keys] == [State.READY, State.REJECTED, State.REJECTED]
    again = await bench.desk.cancel_redrive(redrive.id, "carla")
    assert (again.state, again.cancelled_by) == (RedriveState.CANCELLED, "berta")


async def test_one_that_has_ended_cannot_be_cancelled_any_more(bench: Bench) -> None:
    await bench.dead()
    redrive = await begun(bench)
    await bench.ledgers["partsbox"].move_redrives()

    assert (await bench.desk.cancel_redrive(redrive.id, "berta")).state is RedriveState.DONE
    with pytest.raises(UnknownRedriveError, match="nothing: no such bulk replay"):
        await bench.desk.cancel_redrive("nothing", "berta")


async def test_begun_twice_is_begun_once(bench: Bench) -> None:
    keys = [await bench.dead(part_id=part(number)) for number in range(2)]
    redrive, ledger = await begun(bench), bench.ledgers["partsbox"]
    await ledger.move_redrives()

    await ledger.begin_redrive(redrive.id, "berta", {}, FAST)

    assert (await now(bench, redrive)).per_second == ONE_AN_HOUR
    assert [await bench.state(key) for key in keys] == [State.READY, State.REJECTED]


async def test_newest_bulk_replays_are_listed_first(bench: Bench) -> None:
    await bench.dead()
    first = await begun(bench)
    await bench.redis.hincrby(f"{PREFIX}redrive:{first.id}", "created_ms", -1_000)
    second = await begun(bench)

    assert [one.id for one in await bench.desk.redrives()] == [second.id, first.id]


async def test_the_filter_is_told_back(bench: Bench) -> None:
    await bench.dead(died_ms=NOW_MS)
    wanted = Filter(vendor="partsbox", kind="stock.add", state=LetterState.REJECTED, reason="stock", since_ms=NOW_MS)

    (redrive,) = await bench.desk.redrive(wanted, "anna", ONE_AN_HOUR)

    assert redrive.filter == wanted
    assert Filter.from_json({**wanted.to_json(), "later": 1}) == wanted
    assert replace(wanted, text="x").to_json()["text"] == "x"


async def test_more_letters_than_one_page_are_all_replayed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.dead_letter_redrives._CHUNK", 3)
    keys = [await bench.dead(part_id=part(number)) for number in range(8)]

    assert set(await run_to_the_end(bench, await begun(bench))) == set(keys)
