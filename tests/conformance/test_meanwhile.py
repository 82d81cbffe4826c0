"""What someone else does at the vendor meanwhile: every kind of command ends as its effect says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tasks.custom_fields import DeleteCustomField
from tasks.effects import Effect
from tasks.lookup import Why
from tasks.part_upsert import UpsertPart
from tasks.records import State
from tests.conformance.catalogue import CASES
from tests.conformance.catalogue.case import event
from tests.conformance.rounds import SETTLE_SECONDS, Seen, opened
from tests.conformance.warehouse import PART
from tests.relay import consuming, running_relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from tests.conformance.catalogue import Case
    from tests.conformance.rounds import Round, Rounds
    from tests.relay import Relay
    from tests.sandbox.faults import Fault
    from tests.sandbox.partsbox import PartsBoxSandbox

# someone gives a third value to what we set, while our answer is lost

#: Parts are linked or are not.
LINKS = ("part.add_members", "part.remove_members", "part.add_substitutes", "part.remove_substitutes")
#: True or false: there is no third value.
TWO_VALUED = {"storage.change_setting", *LINKS}
#: Its child is that of another case.
IMPORTED = {"cad.import_part"}
SET = [case for case in CASES.values() if case.effect in (Effect.SET, Effect.UPSERT)]
MEDDLED = [case for case in SET if case.name not in TWO_VALUED | IMPORTED]


async def with_a_meddler(lost: str, redis_url: str) -> dict[str, Seen | Exception]:
    async with opened(redis_url, MEDDLED) as played:
        switches = {case: played.switch(case, lost) for case in MEDDLED}
        for case in MEDDLED:
            await played.admit(case)
        async with consuming(played.relay):
            left = await asyncio.gather(*(meddle(played, case, switches[case]) for case in MEDDLED))
            endings = await played.endings(switches)
    made = {case.name: value for case, value in zip(MEDDLED, left, strict=True)}
    return {name: replace(seen, left=made[name]) if isinstance(seen, Seen) else seen for name, seen in endings.items()}


async def meddle(played: Round, case: Case, switch: Fault) -> Any:
    """Meddle as soon as our write has landed, or was lost: before the first look."""
    scene = played.scenes[case]
    await played.vendors.of(case.vendor).changes.until(
        lambda: bool(case.effects(played.vendors, scene) if switch.commits else switch.fired), 60
    )
    assert scene.meddle is not None
    scene.meddle()
    return scene.found()


@pytest.mark.parametrize("lost", ["accept_then_drop", "drop_before"])
@pytest.mark.parametrize("case", MEDDLED, ids=str)
async def test_a_value_that_someone_else_changed_is_held_or_the_whole_record_written_again(
    rounds: Rounds, lost: str, case: Case
) -> None:
    seen = await rounds.seen(f"meddler-{lost}", partial(with_a_meddler, lost), case)

    assert seen.left != seen.wanted
    if case.effect is Effect.SET:
        # never overwritten: nobody knows whose value is right
        assert (seen.record.state, seen.found) == (State.HELD, seen.left), str(seen)
        assert Why.CHANGED.value in seen.record.reason
        assert seen.dead
    else:
        # the record is ours to say, and writing it again whole does no harm
        assert (seen.record.state, seen.found) == (State.APPLIED, seen.wanted), str(seen)
        assert seen.effects == {"accept_then_drop": 2, "drop_before": 1}[lost]


# a colleague does the same, without our marker, just before or after us, and our answer is lost

#: What a colleague can do once only: then ours is refused, and the look-up finds it done.
ONCE_ONLY = {"part.delete", "project.delete", "project.delete_entries", "part.create", "part.upsert of a new name"}
#: The same at another vendor's case, beside children that a colleague does not touch.
ROUTED = {"catalog.route_part", "cad.import_part"}
#: OpenBOM's and Partium's colleague writes another value, which is what a meddler does.
ELSEWHERE = ("openbom", "partium")
DOUBLES = [case for case in CASES.values() if case.name not in ROUTED and case.vendor not in ELSEWHERE]


async def beside_a_colleague(place: str, redis_url: str) -> dict[str, Seen | Exception]:
    async with opened(redis_url, DOUBLES) as played:
        for case in DOUBLES:
            played.switch(case, "second_writer", place=place)
            played.switch(case, "accept_then_drop")
            await played.admit(case)
        async with consuming(played.relay):
            return await played.endings()


@pytest.mark.parametrize("place", ["before_commit", "after_commit"])
@pytest.mark.parametrize("case", DOUBLES, ids=str)
async def test_a_colleague_who_does_the_same_is_not_taken_for_us(rounds: Rounds, place: str, case: Case) -> None:
    seen = await rounds.seen(f"colleague-{place}", partial(beside_a_colleague, place), case)

    overtaken = case.name in ONCE_ONLY and place == "before_commit"
    assert (seen.record.state, seen.effects, seen.record.attempts) == (State.APPLIED, 0 if overtaken else 1, 1), str(
        seen
    )


# a colleague does the same while ours is lost for good


def from_place(command: Any, place: str) -> dict[str, Any]:
    return {"source/part-id": command.part_id, "source/storage-id": place}


#: What a colleague sends who does by hand what the command asks for.
BY_HAND: dict[str, Callable[[Any], dict[str, Any]]] = {
    "stock.add": lambda asked: {
        "stock/part-id": asked.part_id,
        "stock/storage-id": asked.storage_id,
        "stock/quantity": asked.quantity,
    },
    "stock.remove": lambda asked: {
        "stock/source": from_place(asked, asked.storage_id),
        "stock/quantity": asked.quantity,
    },
    "stock.move": lambda asked: {
        "stock/source": from_place(asked, asked.from_storage_id),
        "stock/quantity": asked.quantity,
        "stock/storage-id": asked.to_storage_id,
    },
    "order.receive_line": lambda asked: {
        "order/id": asked.order_id,
        "storage/id": asked.storage_id,
        "stock-entries": [{"stock/id": asked.stock_id, "stock/quantity": asked.quantity}],
    },
    "project.create": lambda asked: {"project/name": asked.name},
    "project.add_entries": lambda asked: {
        "project/id": asked.project_id,
        "entries": [{"entry/part-id": new.part_id, "entry/quantity": new.quantity} for new in asked.entries],
    },
    "part.create": lambda asked: {
        "part/type": asked.part_type,
        "part/name": asked.name,
        "part/description": asked.description,
    },
}
#: Stock entries tell their user, so that a colleague's is not ours; of the others it is not known whose they are. A
#: part of the name is what was asked for, whoever created it.
UNMARKED: dict[str, tuple[State, str, int]] = {
    "stock.add": (State.APPLIED, "", 1),
    "stock.remove": (State.APPLIED, "", 1),
    "stock.move": (State.APPLIED, "", 1),
    "order.receive_line": (State.HELD, Why.CHANGED.value, 0),
    "project.create": (State.HELD, Why.UNMARKED.value, 0),
    "project.add_entries": (State.HELD, Why.UNMARKED.value, 0),
    "part.create": (State.APPLIED, "found at the vendor", 0),
}


async def instead_of_us(redis_url: str) -> dict[str, Seen | Exception]:
    cases = [CASES[name] for name in UNMARKED]
    async with opened(redis_url, cases) as played:
        switches = {case: played.switch(case, "drop_before") for case in cases}
        for case in cases:
            await played.admit(case)

        async def repeat(case: Case) -> None:
            sandbox = played.vendors.partsbox
            await sandbox.changes.until(lambda: switches[case].fired > 0, 60)
            sandbox.write_as("colleague", case.operation, BY_HAND[case.name](played.scenes[case].command))

        async with consuming(played.relay):
            await asyncio.gather(*map(repeat, cases))
            return await played.endings()


@pytest.mark.parametrize("name", UNMARKED)
async def test_what_a_colleague_did_instead_of_us_is_ours_only_where_it_is_the_same(rounds: Rounds, name: str) -> None:
    seen = await rounds.seen("instead of us", instead_of_us, CASES[name])

    state, reason, effects = UNMARKED[name]
    assert (seen.record.state, seen.effects) == (state, effects), str(seen)
    assert reason in seen.record.reason
    assert seen.record.attempts == 1 + effects


async def test_a_part_that_a_colleague_created_otherwise_is_not_ours(relay: Relay, sandbox: PartsBoxSandbox) -> None:
    switch = sandbox.faults.add("drop_before", "part/create")

    key = await relay.submit(UpsertPart(name="new part", description="ours", **event()))
    await sandbox.changes.until(lambda: switch.fired > 0, 60)
    theirs = {"part/type": "local", "part/name": "new part", "part/description": "theirs"}
    sandbox.write_as("colleague", "part/create", theirs)
    (child,) = (await relay.until(key, State.WAITING)).children
    record = await relay.until(child)

    assert (record.state, sandbox.journal.own_effects()) == (State.HELD, [])
    assert Why.CHANGED.value in record.reason


async def test_a_lost_deletion_of_a_field_that_was_never_shown_is_sent_again_by_a_replay(
    redis_client: Redis, sandbox: PartsBoxSandbox
) -> None:
    sandbox.faults.add("drop_before", "part/delete-custom-field", count=2)
    async with running_relay(redis_client, sandbox, settle_seconds=0.2) as relay:
        key = await relay.submit(DeleteCustomField(part_id=PART, field_key="not shown", **event()))
        for sends in (1, 2):
            record = await relay.until(key, State.HELD)

            assert Why.IGNORED.value in record.reason
            assert len(sandbox.journal.requests_of("part/delete-custom-field")) == sends
            await relay.ledger.replay(key, "anna")
        record = await relay.until(key)

    assert (record.state, record.reason, (record.receipt or {})["proof"]) == (State.APPLIED, "", "answer")


# a list that is carried out in part and answered as if it were done

LISTS = [
    CASES[name]
    for name in (
        *LINKS,
        "part.set_custom_fields",
        "project.add_entries",
        "project.update_entries",
        "project.delete_entries",
    )
]


def _in_any_order(found: Any) -> Any:
    return sorted(found, key=repr) if isinstance(found, list) else found


async def in_part(cut: str, lost: str, redis_url: str) -> dict[str, Seen | Exception]:
    async with opened(redis_url, LISTS) as played:
        for case in LISTS:
            played.switch(case, cut)
            if lost:
                played.switch(case, lost)
            await played.admit(case)
        async with consuming(played.relay):
            return await played.endings()


@pytest.mark.parametrize("cut", ["batch_cut", "batch_gap"])
@pytest.mark.parametrize("lost", ["", "accept_then_drop"])
@pytest.mark.parametrize("case", LISTS, ids=str)
async def test_of_a_list_that_was_carried_out_in_part_only_the_rest_is_sent_again(
    rounds: Rounds, cut: str, lost: str, case: Case
) -> None:
    seen = await rounds.seen(f"{cut} {lost}", partial(in_part, cut, lost), case)

    assert (seen.record.state, seen.effects, seen.record.attempts) == (State.APPLIED, 2, 2), str(seen)
    assert _in_any_order(seen.found) == _in_any_order(seen.wanted)


# a vendor that carries one request out twice

#: What cannot be carried out twice, or is the same twice.
HARMLESS_TWICE = {Effect.SET, Effect.UPSERT, Effect.GUARDED}
#: Where the effect does not say it all: a line is received in parts, and a name is had by one part.
OTHERWISE = {"order.receive_line": State.HELD, "part.create": State.APPLIED}


async def twice(redis_url: str) -> dict[str, Seen | Exception]:
    async with opened(redis_url, CASES.values()) as played:
        for case in played.scenes:
            played.switch(case, "duplicate_commit")
            await played.admit(case)
        async with consuming(played.relay):
            return await played.endings()


@pytest.mark.parametrize("case", CASES.values(), ids=str)
async def test_a_vendor_that_does_it_twice_is_noticed_where_it_matters(rounds: Rounds, case: Case) -> None:
    seen = await rounds.seen("twice", twice, case)

    expected = OTHERWISE.get(case.writer, State.APPLIED if case.effect in HARMLESS_TWICE else State.HELD)
    assert seen.record.state is expected, str(seen)
    if expected is State.APPLIED:
        assert seen.found == seen.wanted
    else:
        assert (seen.effects, seen.record.reason) == (2, f"the vendor confirmed it, but {Why.DOUBLE.value}")


# a vendor whose reads are behind its answers

#: A quarter of the settle time.
LAG_SECONDS = SETTLE_SECONDS / 4


async def read_late(redis_url: str) -> dict[str, Seen | Exception]:
    async with opened(redis_url, CASES.values()) as played:
        for vendor in {case.vendor for case in CASES.values()}:
            played.vendors.of(vendor).faults.add("stale_read", "*", count=None, lag_seconds=LAG_SECONDS)
        for case in played.scenes:
            await played.admit(case)
        async with consuming(played.relay):
            return await played.endings()


@pytest.mark.parametrize("case", CASES.values(), ids=str)
async def test_a_confirmed_write_that_shows_later_is_applied_and_sent_once(rounds: Rounds, case: Case) -> None:
    seen = await rounds.seen("read late", read_late, case)

    assert (seen.record.state, seen.parent) == (State.APPLIED, State.APPLIED), str(seen)
    assert (seen.effects, seen.record.attempts) == (1, 1)
    assert seen.found == seen.wanted
