"""PartsBox compared with its ledger: what was applied and is there, and each way in which it can be there otherwise."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tasks.commands import Currency
from tasks.identity import marker_of
from tasks.parts import DeletePart
from tasks.records import State
from tasks.stock import CorrectStock
from tests.conformance.catalogue.case import event
from tests.integration.reconciler_harness import COLLEAGUE, only, put_right, summed
from tests.integration.stock_bench import Bench, opened_bench
from tests.sandbox.partsbox import API_USER
from workers.reconciler.findings import Finding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redis.asyncio import Redis

    from workers.reconciler.findings import Report

#: Settled long before a late commit comes.
SETTLE_SECONDS = 0.3
LATE_SECONDS = 1.2


@pytest.fixture
async def bench(redis_client: Redis) -> AsyncIterator[Bench]:
    async with opened_bench(redis_client, settle_seconds=SETTLE_SECONDS) as opened:
        yield opened


async def test_what_was_applied_and_is_there_is_no_difference(bench: Bench) -> None:
    for command in (
        bench.add(comments="bin 7"),
        bench.remove(),
        bench.move(),
        bench.add(price="0.0628", currency=Currency.EUR),
    ):
        await bench.applied(command)

    report = await bench.house.reconcile("partsbox")

    assert (report.compared, report.differences, report.uncompared) == (4, (), ())


async def test_an_entry_that_is_gone_is_missing_and_its_offer_brings_it_back(bench: Bench) -> None:
    key = await bench.applied(bench.add(price="0.5", currency=Currency.USD))
    bench.sandbox.state.withdraw(bench.newest)

    found = only(await bench.house.reconcile("partsbox"))

    assert (found.finding, found.key, found.kind) == (Finding.MISSING, key, "stock.add")
    await put_right(bench.house, found)
    assert bench.on_hand() == (105, 0)
    assert bench.newest.price == 0.5


async def test_half_of_a_move_that_is_gone_is_missing_and_its_offer_restores_the_other_half(bench: Bench) -> None:
    key = await bench.applied(bench.move())
    bench.sandbox.state.withdraw(bench.newest)

    found = only(await bench.house.reconcile("partsbox"))

    assert (found.finding, found.key) == (Finding.MISSING, key)
    await put_right(bench.house, found)
    assert bench.on_hand() == (95, 5)


@pytest.mark.parametrize(("make", "wanted"), [("add", (105, 0)), ("remove", (95, 0)), ("move", (95, 5))])
async def test_a_commit_later_than_the_settle_time_is_found_doubled_and_its_offer_takes_it_back(
    bench: Bench, make: str, wanted: tuple[int, int]
) -> None:
    bench.sandbox.faults.add("late_commit", f"stock/{make}", match=bench.part, delay_seconds=LATE_SECONDS)
    key = await bench.applied(getattr(bench, make)())
    await bench.sandbox.journal.until_effects(2, timeout_seconds=60)

    found = only(await bench.house.reconcile("partsbox"))

    assert (found.finding, found.key) == (Finding.DOUBLE, key)
    await put_right(bench.house, found)
    assert bench.on_hand() == wanted


async def test_a_held_movement_that_is_there_twice_is_double(bench: Bench) -> None:
    bench.sandbox.faults.add("duplicate_commit", "stock/add")
    (record,) = await bench.house.apply(bench.add())
    assert record.state is State.HELD

    report = await bench.house.reconcile("partsbox")

    assert (only(report).finding, only(report).key, report.undecided) == (Finding.DOUBLE, record.key, 1)


CHANGES: dict[str, tuple[Callable[[Bench], None], bool]] = {
    "another quantity": (lambda bench: bench.update(quantity=8), True),
    "another comment": (lambda bench: bench.update(comments=f"bin 9 {bench.newest.comments[-26:]}"), False),
    "a lost marker": (lambda bench: bench.update(comments="bin 7"), False),
    "another price": (lambda bench: bench.update(price=0.7, currency="eur"), True),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_an_entry_that_someone_changed_is_changed(bench: Bench, change: str) -> None:
    key = await bench.applied(bench.add(comments="bin 7", price="0.0628", currency=Currency.EUR))
    alter, is_offered = CHANGES[change]
    alter(bench)

    found = only(await bench.house.reconcile("partsbox"))

    assert (found.finding, found.key, bool(found.offers)) == (Finding.CHANGED, key, is_offered)


async def test_an_entry_that_was_moved_elsewhere_by_hand_is_changed_and_its_offer_moves_it_back(bench: Bench) -> None:
    await bench.applied(bench.add())
    entry = bench.newest
    bench.sandbox.state.withdraw(entry)
    entry.storage_id = bench.line
    bench.sandbox.state.book(entry)

    found = only(await bench.house.reconcile("partsbox"))

    assert found.finding is Finding.CHANGED
    assert [offer.kind for offer in found.offers] == ["stock.move"]
    await put_right(bench.house, found)
    assert bench.on_hand() == (105, 0)


async def test_our_own_corrections_are_no_difference_until_someone_changes_what_they_set(bench: Bench) -> None:
    await bench.applied(bench.add(comments="bin 7"))
    stamp = bench.newest.timestamp_ms
    correction = CorrectStock(
        part_id=bench.part, entry_timestamp=stamp, quantity=4, price=Decimal("0.2"), currency=Currency.EUR,
        new_comments="bin 8", **event(),
    )  # fmt: skip
    key = await bench.applied(correction)
    assert (await bench.house.reconcile("partsbox")).differences == ()

    bench.update(quantity=6)

    found = only(await bench.house.reconcile("partsbox"))
    assert (found.finding, found.key, found.kind) == (Finding.CHANGED, key, "stock.correct")
    assert (found.expected, found.found) == ({"quantity": 4}, {"quantity": 6})
    await put_right(bench.house, found)
    assert bench.newest.quantity == 4


STRANGERS: dict[str, tuple[Callable[[Bench], None], str, bool]] = {
    "our user without a marker": (lambda bench: bench.write(API_USER), "our API user wrote it", True),
    "a marker that nobody knows": (
        lambda bench: bench.write(API_USER, marker_of("a" * 20)), "does not know its marker", True,
    ),
    "a colleague": (lambda bench: bench.write(COLLEAGUE), "on a part that commands have moved", False),
}  # fmt: skip


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_an_entry_that_no_command_made_is_foreign(bench: Bench, stranger: str) -> None:
    await bench.applied(bench.add())
    write, words, is_offered = STRANGERS[stranger]
    write(bench)

    found = only(await bench.house.reconcile("partsbox"))

    assert found.finding is Finding.FOREIGN
    assert words in found.detail
    assert bool(found.offers) == is_offered
    if is_offered:
        await put_right(bench.house, found)
        assert bench.on_hand() == (105, 0)


async def test_nothing_is_offered_for_an_unmarked_entry_while_our_own_user_is_not_known(bench: Bench) -> None:
    """It may be a colleague's own booking."""
    await bench.applied(bench.add())
    bench.write(COLLEAGUE)

    found = only(await bench.house.reconcile("partsbox", user=None))

    assert (found.finding, found.offers) == (Finding.FOREIGN, ())


async def test_on_parts_that_no_command_has_moved_only_our_users_entries_are_foreign(bench: Bench) -> None:
    theirs = Bench(bench.sandbox, bench.house, "theirs")
    theirs.write(COLLEAGUE)
    bench.write(API_USER)

    report = await bench.house.reconcile("partsbox")

    assert summed(report) == [(Finding.FOREIGN, f"part {bench.part}")]


async def test_the_effect_of_a_command_that_was_refused_is_foreign(bench: Bench) -> None:
    (record,) = await bench.house.apply(bench.remove(quantity=1_000))
    assert record.state is State.REJECTED
    bench.write(API_USER, marker_of(record.key))

    found = only(await bench.house.reconcile("partsbox"))

    assert (found.finding, found.key) == (Finding.FOREIGN, record.key)
    assert "its command is rejected in the ledger" in found.detail


async def test_entries_from_before_the_window_are_not_foreign(bench: Bench) -> None:
    await bench.applied(bench.add())
    bench.write(COLLEAGUE)
    later = bench.newest.timestamp_ms + 1

    report = await bench.house.reconcile("partsbox", since_ms=later)

    assert (report.compared, report.differences) == (0, ())


async def test_an_entry_whose_comment_the_vendor_dropped_is_known_by_its_receipt(bench: Bench) -> None:
    bench.sandbox.faults.add("comment_stripped", "stock/add")
    await bench.applied(bench.add())

    report = await bench.house.reconcile("partsbox")

    assert (report.compared, report.differences) == (1, ())


async def test_a_part_that_is_gone_is_one_difference_whatever_was_moved_on_it(bench: Bench) -> None:
    for command in (bench.add(), bench.remove(), bench.move()):
        await bench.applied(command)
    bench.sandbox.state.forget_part(bench.part)

    found = only(await bench.house.reconcile("partsbox"))

    assert (found.finding, found.subject) == (Finding.MISSING, f"part {bench.part}")
    assert len(found.expected) == 3


async def test_a_part_that_a_command_deleted_takes_its_history_along(bench: Bench) -> None:
    await bench.applied(bench.add())
    await bench.applied(DeletePart(part_id=bench.part, **event()))

    report = await bench.house.reconcile("partsbox")

    assert (report.differences, report.uncompared) == ((), ())


async def reconciled_while(bench: Bench, read: int, happens: Callable[[], Awaitable[object]]) -> Report:
    """Reconcile, and let something happen while a read of all parts waits: the first of them, or the second."""
    bench.sandbox.faults.add("gate", "part/all", skip=read - 1)
    comparing = asyncio.create_task(bench.house.reconcile("partsbox"))
    gate = bench.sandbox.gates["gate"]
    await gate.until_arrived(1, 60)
    await happens()
    gate.open()
    return await comparing


async def test_what_shows_itself_in_the_second_look_is_no_difference(bench: Bench) -> None:
    await bench.applied(bench.add())
    entry = bench.newest
    bench.sandbox.state.withdraw(entry)

    async def shown() -> None:
        bench.sandbox.state.book(entry)

    report = await reconciled_while(bench, 2, shown)

    assert (report.compared, report.differences, report.uncompared) == (1, (), ())


async def test_a_command_that_is_applied_between_the_readings_is_no_stranger(bench: Bench) -> None:
    report = await reconciled_while(bench, 1, lambda: bench.applied(bench.add()))

    assert (report.differences, report.uncompared) == ((), ())


async def test_a_part_that_commands_went_on_with_is_told_as_not_compared(bench: Bench) -> None:
    await bench.applied(bench.add())
    bench.sandbox.state.withdraw(bench.newest)

    report = await reconciled_while(bench, 2, lambda: bench.applied(bench.add()))

    assert report.differences == ()
    assert [gap.what for gap in report.uncompared] == [f"part {bench.part}"]
