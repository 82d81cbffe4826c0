"""Many commands in one request to Partium: each has its own outcome, whatever happens to the request."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tasks.catalog import Attribute, AttributeValue, DeleteAssembly, DeletePart, UpsertAssembly, UpsertPart
from tasks.records import State
from tasks.submit import to_new_command
from tests.conformance.catalogue.case import event
from tests.conformance.rounds import HANGING_SECONDS, SETTLE_SECONDS, reopening
from tests.relay import consuming, open_relay, settings_of
from tests.sandbox.partium import PartiumSandbox
from workers.retries import Budgets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio import Redis

    from tasks.commands import Command
    from tasks.records import CommandRecord
    from tests.relay import Relay

#: A vendor's own twelve attempts take a quarter of an hour; these take as long as a few requests.
QUICK = Budgets(attempts=20, first_backoff_seconds=0.05, longest_backoff_seconds=0.2)


@pytest.fixture
async def sandbox() -> AsyncIterator[PartiumSandbox]:
    async with PartiumSandbox.running(seed_fixture="warehouse") as vendor:
        yield vendor


@pytest.fixture
async def relay(redis_client: Redis, sandbox: PartiumSandbox) -> AsyncIterator[Relay]:
    chosen = settings_of(sandbox, settle_seconds=SETTLE_SECONDS, timeout_seconds=HANGING_SECONDS)
    async with open_relay(redis_client, [chosen], budgets=QUICK) as opened:
        yield opened


async def admitted(relay: Relay, commands: Sequence[Command]) -> list[str]:
    admissions = await relay.ledger.admit([to_new_command(command, command.key(), "test") for command in commands])
    return [admission.key for admission in admissions]


@asynccontextmanager
async def together(relay: Relay, commands: Sequence[Command]) -> AsyncIterator[list[str]]:
    """Take all commands while the vendor is paused, so that they wait together, and let it go on then."""
    keys = await admitted(relay, commands)
    await relay.limiter.pause(2.5, "until all are there")
    async with consuming(relay):
        while (await relay.ledger.counts()).get(State.READY):  # noqa: ASYNC110  the ledger is in Redis
            await asyncio.sleep(0.01)
        await relay.limiter.resume()
        yield keys


async def all_ended(relay: Relay, commands: Sequence[Command]) -> list[CommandRecord]:
    async with together(relay, commands) as keys, reopening(relay):
        return [await relay.until(key) for key in keys]


def parts(count: int = 40, **fields: Any) -> list[UpsertPart]:
    return [
        UpsertPart(part_id=f"N-{number}", name={"en": f"name {number}"}, **fields, **event()) for number in range(count)
    ]


def names(sandbox: PartiumSandbox) -> dict[str, str]:
    stored = sandbox.state.parts.objects
    return {part_id: found.value["name"]["en"] for part_id, found in stored.items() if part_id.startswith("N-")}


def written(sandbox: PartiumSandbox) -> list[str]:
    """Every id that a write of ours was committed for, in order."""
    return [effect.subjects[0] for effect in sandbox.journal.own_effects()]


WANTED = {f"N-{number}": f"name {number}" for number in range(40)}

# the request as a whole

#: Commits, and gets in the way of the answer: nothing is sent again.
LANDED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("accept_then_drop", {}),
    ("wrong_shape", {}),
    ("hang", {"commit": True}),
    ("late_commit", {"delay_seconds": 0.2}),
    ("status", {"status": 500, "commit": True}),
)
#: Does not commit, and leaves that open.
LOST: tuple[tuple[str, dict[str, Any]], ...] = (
    ("drop_before", {}),
    ("status", {"status": 500}),
    ("hang", {}),
)
#: Certainly did not commit. What is refused whole is sent again in halves.
TURNED_AWAY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("status", {"status": 400}),
    ("status", {"status": 422}),
    ("status", {"status": 401}),
    ("status", {"status": 429, "retry_after": "zero"}),
    ("maintenance", {}),
    ("redirect", {}),
)


@pytest.mark.parametrize(("kind", "options"), [*LANDED, *LOST, *TURNED_AWAY])
async def test_forty_commands_survive_what_happens_to_their_requests(
    relay: Relay, sandbox: PartiumSandbox, kind: str, options: dict[str, Any]
) -> None:
    count = 1 if (kind, options) in LANDED else 2
    switch = sandbox.faults.add(kind, "parts/upsert", count=count, **options)

    records = await all_ended(relay, parts())

    assert switch.fired == count
    assert {record.state for record in records} == {State.APPLIED}
    assert names(sandbox) == WANTED
    assert sorted(written(sandbox)) == sorted(WANTED)
    assert max(record.attempts for record in records) <= (3 if (kind, options) in LOST else 1)
    if (kind, options) in TURNED_AWAY:
        assert not any(record.doubted for record in records)


async def test_forty_commands_share_one_request(relay: Relay, sandbox: PartiumSandbox) -> None:
    records = await all_ended(relay, parts())

    requests = sandbox.journal.requests_of("parts/upsert")
    assert {(record.state, record.attempts) for record in records} == {(State.APPLIED, 1)}
    assert [sorted(request.subjects) for request in requests] == [sorted(WANTED)]


async def test_in_maintenance_nothing_is_spent_and_one_request_at_a_time_asks(
    relay: Relay, sandbox: PartiumSandbox
) -> None:
    sandbox.state.maintenance.on = True
    async with together(relay, parts()) as keys:
        for key in keys:
            assert (await relay.until(key, State.DELAYED)).attempts == 0
        limits = await relay.limiter.snapshot()
        await sandbox.journal.until_requests(len(sandbox.journal.requests) + 1, timeout_seconds=20)
        await sandbox.until_quiet()
        asked = [len(request.subjects) for request in sandbox.journal.requests]
        sandbox.state.maintenance.on = False
        await relay.limiter.resume()
        records = [await relay.until(key) for key in keys]

    assert limits.paused_until_ms is not None
    assert limits.probing
    assert {request.outcome for request in sandbox.journal.requests[: len(asked)]} == {"maintenance"}
    assert {(record.state, record.attempts) for record in records} == {(State.APPLIED, 1)}
    assert sorted(written(sandbox)) == sorted(WANTED)


# one item of it


def split(records: list[CommandRecord], number: int) -> tuple[CommandRecord, set[tuple[State, int, bool]]]:
    """Give the record of one command, and how the others ended."""
    others = {
        (record.state, record.attempts, record.doubted) for place, record in enumerate(records) if place != number
    }
    return records[number], others


async def test_an_item_that_the_vendor_names_among_the_errors_is_refused_alone(
    relay: Relay, sandbox: PartiumSandbox
) -> None:
    commands = parts()
    unknown = Attribute(attribute_id="no-such", values=(AttributeValue(value={"en": "x"}),))
    commands[17] = commands[17].model_copy(update={"attributes": (unknown,)})

    bad, others = split(await all_ended(relay, commands), 17)

    assert (bad.state, bad.attempts) == (State.REJECTED, 1)
    assert "attribute no-such does not exist" in bad.reason
    assert others == {(State.APPLIED, 1, False)}
    assert sorted(written(sandbox)) == sorted(WANTED.keys() - {"N-17"})


@pytest.mark.parametrize("status", [400, 422])
async def test_an_item_that_gets_whole_requests_refused_is_refused_alone(
    relay: Relay, sandbox: PartiumSandbox, status: int
) -> None:
    sandbox.faults.add("status", "parts/upsert", match='"N-17"', count=None, status=status)

    bad, others = split(await all_ended(relay, parts()), 17)

    assert (bad.state, bad.attempts) == (State.REJECTED, 1)
    assert f"Fault with status {status}" in bad.reason
    assert others == {(State.APPLIED, 1, False)}
    assert sorted(written(sandbox)) == sorted(WANTED.keys() - {"N-17"})


async def test_an_item_that_the_vendor_does_not_survive_is_left_alone_in_the_end(
    relay: Relay, sandbox: PartiumSandbox
) -> None:
    sandbox.faults.add("status", "parts/upsert", match='"N-17"', count=None, status=500)
    relay.executor.outcomes.budgets = replace(QUICK, attempts=6)

    records = await all_ended(relay, parts())

    assert records[17].state is State.REJECTED
    assert "6 sends were lost" in records[17].reason
    assert {record.state for place, record in enumerate(records) if place != 17} == {State.APPLIED}
    assert sorted(written(sandbox)) == sorted(WANTED.keys() - {"N-17"})


@pytest.mark.parametrize(("commit", "attempts"), [(True, 1), (False, 2)])
async def test_an_item_that_the_answer_does_not_name_is_looked_up_alone(
    relay: Relay, sandbox: PartiumSandbox, attempts: int, *, commit: bool
) -> None:
    sandbox.faults.add("item_left_out", "parts/upsert", id="N-17", commit=commit)

    missing, others = split(await all_ended(relay, parts()), 17)

    assert (missing.state, missing.attempts, missing.doubted) == (State.APPLIED, attempts, True)
    assert others == {(State.APPLIED, 1, False)}
    assert sorted(written(sandbox)) == sorted(WANTED)


async def test_two_commands_on_one_record_never_share_a_request_and_the_later_one_stands(
    relay: Relay, sandbox: PartiumSandbox
) -> None:
    sandbox.faults.add("drop_before", "parts/upsert")
    first, second = (UpsertPart(part_id="N-1", name={"en": text}, **event()) for text in ("older", "newer"))

    records = await all_ended(relay, [first, second, *parts(5)[2:]])

    assert {record.state for record in records} == {State.APPLIED}
    assert names(sandbox)["N-1"] == "newer"
    assert all(len(set(request.subjects)) == len(request.subjects) for request in sandbox.journal.requests)


# deletions, and what refers to what


async def test_parts_that_something_refers_to_stay_and_say_why(relay: Relay, sandbox: PartiumSandbox) -> None:
    ids = ("P-1001", "P-2005", "P-4001", "P-1002")

    records = await all_ended(relay, [DeletePart(part_id=part_id, **event()) for part_id in ids])

    assert [record.state for record in records] == [State.APPLIED, State.REJECTED, State.REJECTED, State.APPLIED]
    assert "is assigned to press-motor" in records[1].reason
    assert "has images" in records[2].reason
    assert [part_id in sandbox.state.parts for part_id in ids] == [False, True, True, False]


def tree(count: int = 12) -> list[UpsertAssembly]:
    """Give a chain of assemblies, the lowest first."""
    parents = ["", *(f"A-{number}" for number in range(count - 1))]
    chain = [
        UpsertAssembly(ass_id=f"A-{number}", parent_id=parent, name={"en": f"level {number}"}, **event())
        for number, parent in enumerate(parents)
    ]
    return chain[::-1]


@pytest.mark.parametrize("fault", ["", "drop_before", "accept_then_drop"])
async def test_parents_and_children_that_come_in_the_wrong_order_are_written_in_the_right_one(
    relay: Relay, sandbox: PartiumSandbox, fault: str
) -> None:
    if fault:
        sandbox.faults.add(fault, "assemblies/upsert")
    commands = tree()

    records = await all_ended(relay, commands)

    assert {record.state for record in records} == {State.APPLIED}, [record.reason for record in records]
    assert written(sandbox) == [command.ass_id for command in reversed(commands)]
    assert sandbox.state.ancestors("A-11") == [command.ass_id for command in commands]
    if not fault:
        assert len(sandbox.journal.requests_of("assemblies/upsert")) == 1


@pytest.mark.parametrize("fault", ["", "drop_before", "accept_then_drop"])
async def test_a_whole_tree_is_deleted_from_below(relay: Relay, sandbox: PartiumSandbox, fault: str) -> None:
    if fault:
        sandbox.faults.add(fault, "assemblies/delete")
    for command in reversed(tree()):
        sandbox.load.assembly(command.ass_id, command.parent_id, dict(command.name))
    commands = [DeleteAssembly(ass_id=f"A-{number}", **event()) for number in range(12)]

    records = await all_ended(relay, commands)

    assert {record.state for record in records} == {State.APPLIED}, [record.reason for record in records]
    assert written(sandbox) == [command.ass_id for command in reversed(commands)]
    if not fault:
        assert len(sandbox.journal.requests_of("assemblies/delete")) == 1


async def test_an_assembly_whose_parent_never_comes_is_rejected_with_its_name(
    relay: Relay, sandbox: PartiumSandbox
) -> None:
    relay.executor.outcomes.budgets = replace(QUICK, attempts=4)
    lonely = UpsertAssembly(ass_id="A-1", parent_id="nowhere", name={"en": "x"}, **event())
    beside = UpsertAssembly(ass_id="A-2", parent_id="saw", name={"en": "y"}, **event())

    records = await all_ended(relay, [lonely, beside])

    assert [record.state for record in records] == [State.REJECTED, State.APPLIED]
    assert "parent_id: there is no assembly nowhere yet" in records[0].reason
    assert written(sandbox) == ["A-2"]


async def test_assemblies_that_would_hang_below_each_other_are_refused(relay: Relay, sandbox: PartiumSandbox) -> None:
    circle = UpsertAssembly(ass_id="press", parent_id="press-motor", name={"en": "Press"}, **event())

    (record,) = await all_ended(relay, [circle])

    assert (record.state, record.attempts, written(sandbox)) == (State.REJECTED, 1, [])
    assert "parent press-motor is a sub-assembly of press" in record.reason


async def test_an_assembly_that_something_hangs_below_stays_and_says_why(relay: Relay, sandbox: PartiumSandbox) -> None:
    relay.executor.outcomes.budgets = replace(QUICK, attempts=4)
    children, parts_in_it = (DeleteAssembly(ass_id=ass_id, **event()) for ass_id in ("press-drive", "press-belt"))

    records = await all_ended(relay, [children, parts_in_it])

    assert [record.state for record in records] == [State.REJECTED, State.REJECTED]
    assert "there are still assemblies below press-drive" in records[0].reason
    assert "has the parts P-3001" in records[1].reason
    assert written(sandbox) == []


# input that only the vendor can judge


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": {"es": "Tornillo"}}, "language es, which the catalog does not have"),
        (
            {"attributes": [{"attribute_id": "nope", "values": [{"value": {"en": "x"}}]}]},
            "attribute nope does not exist",
        ),
        ({"attributes": [{"attribute_id": "color", "values": [{"value": {"en": "pink"}}]}]}, "color cannot be"),
        (
            {"attributes": [{"attribute_id": "voltage", "values": [{"organization": "org-x", "value": {"en": "9"}}]}]},
            "organization org-x does not exist",
        ),
        (
            {
                "attributes": [
                    {"attribute_id": "weight", "values": [{"organization": "org-north", "value": {"en": "9"}}]}
                ]
            },
            "weight has no values for single organizations",
        ),
    ],
)
async def test_what_the_catalog_does_not_have_is_a_dead_letter_with_the_vendors_words(
    relay: Relay, sandbox: PartiumSandbox, fields: dict[str, Any], words: str
) -> None:
    given = {"part_id": "N-1", "name": {"en": "x"}, **event(), **fields}
    command = UpsertPart.model_validate(given, strict=False)

    (record,) = await all_ended(relay, [command])

    assert (record.state, record.attempts, names(sandbox)) == (State.REJECTED, 1, {})
    assert words in record.reason
