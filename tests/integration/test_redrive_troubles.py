"""Bulk replays on a real server when something is wrong: decided meanwhile, damaged, too many, never begun."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from tasks import telemetry
from tasks.dead_letter_records import Filter, LetterState, RedriveState, Skipped
from tasks.dead_letter_redrives import MAX_LETTERS
from tasks.ledger import Ledger
from tasks.records import State
from tasks.registry import InvalidCommandError
from tests.command_examples import NOW_MS
from tests.integration.dead_letter_harness import OTHER_PART, Bench
from tests.integration.redrive_harness import (
    PREFIX,
    begun,
    now,
    part,
    run_to_the_end,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis


@pytest.fixture
def bench(redis_client: Redis) -> Bench:
    return Bench.at(redis_client)


async def test_only_the_first_letters_left_alone_are_named(bench: Bench) -> None:
    key = await bench.dead()
    copies = await bench.copies(key, 120, died_ms=NOW_MS)
    redrive = await begun(bench)
    await bench.redis.delete(*(f"{PREFIX}cmd:{copy}" for copy in copies))

    for _ in range(6):
        await bench.ledgers["partsbox"].move_redrives()

    ended = await now(bench, redrive)
    assert (ended.state, ended.skipped, len(ended.left_alone)) == (RedriveState.DONE, 121, 100)


async def test_the_oldest_bulk_replays_are_forgotten_early(bench: Bench) -> None:
    await bench.dead()
    await bench.redis.zadd(PREFIX + "redrives", {f"old{number}": number for number in range(250)})

    redrive = await begun(bench)

    assert await bench.redis.zcard(PREFIX + "redrives") == 200
    assert (await now(bench, redrive)).total == 1


async def test_what_a_person_decided_meanwhile_is_left_alone_and_said(bench: Bench) -> None:
    replayed, again, discarded, edited, untouched = [await bench.dead(part_id=part(number)) for number in range(5)]
    redrive = await begun(bench)
    for key in (replayed, again):
        await bench.desk.replay(key, "berta")
    await bench.end(again, State.REJECTED)
    await bench.desk.discard(discarded, "berta", "old")
    await bench.desk.edit(edited, "berta", {"quantity": 9})

    moved = await bench.ledgers["partsbox"].move_redrives()

    assert (moved.replayed, moved.skipped, moved.ended) == (1, 4, 1)
    ended = await now(bench, redrive)
    assert (ended.state, ended.total, ended.replayed, ended.skipped) == (RedriveState.DONE, 5, 1, 4)
    changed = "rejected, and has changed since it was looked at"
    assert ended.left_alone == (
        Skipped(replayed, "ready"),
        Skipped(again, changed),
        Skipped(discarded, "rejected"),
        Skipped(edited, changed),
    )
    assert ended.ended_ms is not None
    assert [await bench.state(key) for key in (replayed, again, untouched)] == [
        State.READY,
        State.REJECTED,
        State.READY,
    ]


async def test_what_was_written_down_and_never_begun_goes_away_by_itself(bench: Bench) -> None:
    await bench.dead()
    search_ends = RuntimeError("the process died here")

    class Dying(Ledger):
        async def begin_redrive(self, *_: Any) -> None:
            raise search_ends

    bench.desk._redrives._ledger_of = lambda vendor: Dying(bench.redis, vendor)
    with pytest.raises(RuntimeError):
        await bench.desk.redrive(Filter(), "anna", 1.0)

    (left,) = await bench.redis.keys(PREFIX + "redrive:*")
    assert 0 < await bench.redis.ttl(left) <= 900
    assert await bench.desk.redrives() == ()
    assert (await bench.ledgers["partsbox"].move_redrives()).next_in_ms is None


async def test_a_running_one_is_kept_and_an_ended_one_forgotten_after_the_retention(bench: Bench) -> None:
    for number in range(2):
        await bench.dead(part_id=part(number))
    redrive, ledger = await begun(bench), bench.ledgers["partsbox"]
    name = f"{PREFIX}redrive:{redrive.id}"

    assert [await bench.redis.ttl(one) for one in (name, name + ":keys")] == [-1, -1]
    await run_to_the_end(bench, redrive)

    assert 0 < await bench.redis.ttl(name) <= 30 * 86_400
    assert not await bench.redis.exists(name + ":keys")
    await bench.redis.delete(name)
    assert await bench.desk.redrives() == ()
    assert (await ledger.move_redrives()).next_in_ms is None


@pytest.mark.parametrize("per_second", [0.0, -1.0, 100.5, float("nan"), float("inf"), 1e-9], ids=str)
async def test_a_rate_that_cannot_be_is_refused(bench: Bench, per_second: float) -> None:
    await bench.dead()

    with pytest.raises(InvalidCommandError, match="per_second: not between one an hour and 100 a second"):
        await bench.desk.redrive(Filter(), "anna", per_second)
    assert await bench.desk.redrives() == ()


async def test_a_filter_that_fits_too_much_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.dead_letter_redrives.MAX_LETTERS", 2)
    for number in range(3):
        await bench.dead(part_id=part(number))

    with pytest.raises(InvalidCommandError, match="fits more than 2 dead letters of one vendor; narrow it"):
        await bench.desk.redrive(Filter(kind="stock.add"), "anna", 1.0)
    assert MAX_LETTERS == 100_000


@pytest.mark.parametrize(
    ("field", "value"),
    [("per_second", "soon"), ("total", "many"), ("replayed", ""), ("state", "done"), (None, "text")],
    ids=str,
)
async def test_a_damaged_bulk_replay_ends_and_stops_no_other(
    bench: Bench, field: str | None, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    damaged_letter, letter = await bench.dead(), await bench.dead(part_id=OTHER_PART)
    damaged, sound = await begun(bench, text=damaged_letter), await begun(bench, text=letter)
    if field is None:
        await bench.redis.delete(f"{PREFIX}redrive:{damaged.id}")
        await bench.redis.set(f"{PREFIX}redrive:{damaged.id}", value)
    else:
        await bench.redis.hset(f"{PREFIX}redrive:{damaged.id}", field, value)

    with caplog.at_level(logging.ERROR):
        moved = await bench.ledgers["partsbox"].move_redrives()

    assert (moved.replayed, moved.next_in_ms) == (1, None)
    assert (await now(bench, sound)).state is RedriveState.DONE
    assert await bench.state(damaged_letter) is State.REJECTED
    said = [vars(record)["key"] for record in caplog.records if record.getMessage() == telemetry.RECORD_DAMAGED]
    assert said == [f"redrive:{damaged.id}"]


async def test_an_unreadable_entry_of_a_bulk_replay_is_left_alone_and_said(bench: Bench) -> None:
    key = await bench.dead()
    redrive = await begun(bench)
    await bench.redis.lpush(f"{PREFIX}redrive:{redrive.id}:keys", "nonsense")

    await bench.ledgers["partsbox"].move_redrives()

    assert (await now(bench, redrive)).left_alone == (Skipped("nonsense", "unknown"),)
    assert await bench.state(key) is State.READY


async def test_a_letter_damaged_meanwhile_is_left_alone(bench: Bench) -> None:
    key = await bench.dead()
    redrive = await begun(bench)
    await bench.spoil(key, "kind", "")

    await bench.ledgers["partsbox"].move_redrives()

    assert (await now(bench, redrive)).skipped == 1
    assert (await bench.desk.read(key)).state is LetterState.DAMAGED
