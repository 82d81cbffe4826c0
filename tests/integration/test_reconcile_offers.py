"""What a comparison offers: right in amount and lot, one command however often it is offered, and then no more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tasks.identity import marker_of
from tasks.part_upsert import UpsertPart
from tasks.records import State
from tests.conformance.catalogue.case import event
from tests.integration.reconciler_harness import COLLEAGUE, command_of, only, put_right, summed
from tests.integration.stock_bench import Bench, opened_bench
from tests.sandbox.partsbox import API_USER
from workers.reconciler.findings import Finding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from redis.asyncio import Redis

    from workers.reconciler.findings import Difference


@pytest.fixture
async def bench(redis_client: Redis) -> AsyncIterator[Bench]:
    async with opened_bench(redis_client) as opened:
        yield opened


async def found_by(bench: Bench) -> Difference:
    return only(await bench.house.reconcile("partsbox"))


def gone(bench: Bench, _key: str) -> None:
    bench.sandbox.state.withdraw(bench.newest)


def copied(bench: Bench, key: str) -> None:
    bench.write(API_USER, marker_of(key), quantity=5)


def strange(bench: Bench, _key: str) -> None:
    bench.write(API_USER)


def elsewhere(bench: Bench, _key: str) -> None:
    entry = bench.newest
    bench.sandbox.state.withdraw(entry)
    entry.storage_id = bench.line
    bench.sandbox.state.book(entry)


#: What happens to an entry, the finding, and what is on the shelf and the line when it is put right.
TAMPERED: dict[str, tuple[str, Callable[[Bench, str], None], Finding, tuple[int, int]]] = {
    "an addition is gone": ("add", gone, Finding.MISSING, (105, 0)),
    "a removal is gone": ("remove", gone, Finding.MISSING, (95, 0)),
    "half of a move is gone": ("move", gone, Finding.MISSING, (95, 5)),
    "an addition is doubled": ("add", copied, Finding.DOUBLE, (105, 0)),
    "an addition lies elsewhere": ("add", elsewhere, Finding.CHANGED, (105, 0)),
    "a stranger added": ("add", strange, Finding.FOREIGN, (105, 0)),
}


@pytest.mark.parametrize("tampered", TAMPERED)
async def test_what_was_put_right_is_not_found_and_offered_a_second_time(bench: Bench, tampered: str) -> None:
    make, tamper, finding, wanted = TAMPERED[tampered]
    tamper(bench, await bench.applied(getattr(bench, make)()))
    found = await found_by(bench)
    assert found.finding is finding

    await put_right(bench.house, found)

    report = await bench.house.reconcile("partsbox")
    assert (report.differences, report.uncompared) == ((), ())
    assert bench.on_hand() == wanted


async def test_two_reports_offer_one_command_so_that_two_people_put_it_right_once(bench: Bench) -> None:
    copied(bench, await bench.applied(bench.add()))
    strange(bench, "")
    first = await bench.house.reconcile("partsbox")
    second = await bench.house.reconcile("partsbox")
    assert summed(first) == [(Finding.DOUBLE, f"part {bench.part}"), (Finding.FOREIGN, f"part {bench.part}")]

    await put_right(bench.house, *first.differences)
    await put_right(bench.house, *second.differences)

    assert bench.on_hand() == (105, 0)


async def test_what_goes_wrong_again_is_offered_as_another_command_of_what_is_still_wrong(bench: Bench) -> None:
    key = await bench.applied(bench.add())
    copied(bench, key)
    first = await found_by(bench)
    await put_right(bench.house, first)
    copied(bench, key)

    again = await found_by(bench)

    assert [offer.fields["quantity"] for offer in again.offers] == [5]
    assert "1 commands were to put it right" in again.detail
    await put_right(bench.house, again)
    assert bench.on_hand() == (105, 0)
    assert (await bench.house.reconcile("partsbox")).differences == ()


@pytest.mark.parametrize("worse", [False, True], ids=["as it was", "and worse by now"])
@pytest.mark.parametrize("tamper", [copied, strange], ids=["double", "foreign"])
async def test_while_a_command_that_puts_it_right_has_not_ended_no_other_is_offered(
    bench: Bench, tamper: Callable[[Bench, str], None], *, worse: bool
) -> None:
    tamper(bench, await bench.applied(bench.add()))
    entry = bench.newest
    (offer,) = (await found_by(bench)).offers
    bench.sandbox.faults.add("duplicate_commit", "stock/remove")
    (held,) = await bench.house.apply(command_of(offer))
    assert held.state is State.HELD
    if worse:
        bench.sandbox.state.amend(entry, entry.quantity + 1)

    report = await bench.house.reconcile("partsbox")

    assert [(each.finding, each.key) for each in report.differences] == [(Finding.DOUBLE, held.key)]
    assert any(held.key in gap.why for gap in report.uncompared)


async def test_an_offer_that_the_vendor_refused_is_offered_as_another_command(bench: Bench) -> None:
    copied(bench, key := await bench.applied(bench.add()))
    (offer,) = (await found_by(bench)).offers
    bench.sandbox.faults.add("error_category", "stock/remove", category="conflict")
    (refused,) = await bench.house.apply(command_of(offer))
    assert refused.state is State.REJECTED

    found = await found_by(bench)

    assert [each.key() for each in found.offers] != [offer.key()]
    await put_right(bench.house, found)
    assert bench.on_hand() == (105, 0)

    copied(bench, key)
    await put_right(bench.house, await found_by(bench))
    assert bench.on_hand() == (105, 0)


async def test_a_created_part_that_was_made_again_is_not_offered_a_second_time(bench: Bench) -> None:
    (parent,) = await bench.house.apply(UpsertPart(name="BC847", description="NPN", **event()))
    assert parent.state is State.APPLIED
    (part,) = bench.sandbox.state.parts.keys() - {bench.part}
    bench.sandbox.state.forget_part(part)
    await put_right(bench.house, only(await bench.house.reconcile("partsbox")))

    report = await bench.house.reconcile("partsbox")

    assert (report.differences, report.uncompared) == ((), ())
    assert len(bench.sandbox.state.parts) == 2


# lots


def put_into(bench: Bench, lot_id: str) -> None:
    """Have the newest entry be about another lot."""
    entry = bench.newest
    bench.sandbox.state.withdraw(entry)
    entry.lot_id = lot_id
    bench.sandbox.state.book(entry)


async def test_a_doubled_addition_is_taken_out_of_the_lot_that_is_too_many(bench: Bench) -> None:
    bench.sandbox.state.lot_control = True
    key = await bench.applied(bench.add())
    own = bench.newest.lot_id
    copied(bench, key)
    doubled = bench.newest.lot_id
    found = await found_by(bench)

    assert [offer.fields["lot_id"] for offer in found.offers] == [doubled]
    await put_right(bench.house, found)
    on_hand = bench.sandbox.state.on_hand
    assert [on_hand(bench.part, bench.shelf, lot) for lot in (own, doubled)] == [5, 0]
    assert (await bench.house.reconcile("partsbox")).differences == ()


@pytest.mark.parametrize("make", ["remove", "move"])
async def test_pieces_of_another_lot_are_changed_named_by_lot_and_no_command_can_put_that_right(
    bench: Bench, make: str
) -> None:
    state = bench.sandbox.state
    state.lot_control = True
    await bench.applied(bench.add())
    lot, other = bench.newest.lot_id, state.create_lot(bench.part, {})
    given: dict[str, Any] = {"lot_id": lot, "quantity": 2}
    await bench.applied(getattr(bench, make)(**given))
    put_into(bench, other)

    found = await found_by(bench)

    assert (found.finding, found.offers) == (Finding.CHANGED, ())
    assert f"in lot {other}" in found.detail
    assert f"in lot {lot}" in found.detail


# what the ledger no longer knows


async def test_after_a_lost_ledger_nothing_that_was_rightly_applied_is_offered_to_be_taken_back(bench: Bench) -> None:
    for command in (bench.add(), bench.move()):
        await bench.applied(command)
    names = [name async for name in bench.house.redis.scan_iter("sr:{partsbox}:*")]
    await bench.house.redis.delete(*names)
    empty = await bench.house.reconcile("partsbox")
    await bench.applied(bench.add())

    report = await bench.house.reconcile("partsbox")

    for each in (empty, report):
        assert [(one.finding, one.offers) for one in each.differences] == [(Finding.FOREIGN, ())] * 3
    assert all("remembers nothing at all: it may have been lost" in one.detail for one in empty.differences)
    assert all("remembers nothing from before" in one.detail for one in report.differences)


async def test_a_movement_from_before_the_window_that_is_doubled_in_it_is_double(bench: Bench) -> None:
    key = await bench.applied(bench.add())
    await bench.applied(bench.move())
    since_ms = bench.newest.timestamp_ms + 1
    await asyncio.sleep((since_ms - bench.sandbox.state.now_ms()) / 1000)
    bench.sandbox.write_as(
        COLLEAGUE,
        "stock/add",
        {
            "stock/part-id": bench.part, "stock/storage-id": bench.shelf, "stock/quantity": 5,
            "stock/comments": marker_of(key),
        },
    )  # fmt: skip

    async def again() -> Any:
        return await bench.house.reconcile("partsbox", since_ms=since_ms)

    found = only(await again())

    assert (found.finding, found.key) == (Finding.DOUBLE, key)
    await put_right(bench.house, found)
    assert (await again()).differences == ()
    assert bench.on_hand() == (100, 5)
