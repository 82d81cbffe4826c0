"""OpenBOM's rows, documents, tokens and few requests at a time, as far as no other vendor has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tasks.boms import SetBomProperty, SetCatalogProperty
from tasks.lookup import Why
from tasks.records import State
from tests.conformance.catalogue.case import event
from tests.conformance.rounds import SETTLE_SECONDS, TIMEOUT_SECONDS, reopening
from tests.relay import running_relay
from tests.sandbox.openbom import APP_KEY, EMAIL, PASSWORD, Assumptions, OpenBomSandbox, id_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from tests.relay import Relay

STOCK, BOARD, SENSOR = (
    id_for("catalog", "Stock items"),
    id_for("bom", "Controller board"),
    id_for("bom", "Sensor board"),
)
TOOLS = id_for("catalog", "Tools")


@pytest.fixture
async def sandbox() -> AsyncIterator[OpenBomSandbox]:
    async with OpenBomSandbox.running(seed_fixture="warehouse", assumptions=Assumptions()) as vendor:
        yield vendor


@pytest.fixture
async def relay(redis_client: Redis, sandbox: OpenBomSandbox) -> AsyncIterator[Relay]:
    async with running_relay(
        redis_client, sandbox, settle_seconds=SETTLE_SECONDS, timeout_seconds=TIMEOUT_SECONDS
    ) as running:
        yield running


def quantity(part_number: str = "R-10R", value: str = "25", column: str = "Quantity On Hand") -> SetCatalogProperty:
    return SetCatalogProperty(catalog_id=STOCK, part_number=part_number, property=column, value=value, **event())


def stored(sandbox: OpenBomSandbox, part_number: str = "R-10R", column: str = "Quantity On Hand") -> list[Any]:
    return sandbox.vendor.documents[STOCK].values(part_number, column)


def writes(sandbox: OpenBomSandbox) -> list[str]:
    return [request.outcome for request in sandbox.journal.requests if request.operation.endswith("propertyvalue")]


# what a read shows to be impossible: nothing is sent


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            SetBomProperty(bom_id=SENSOR, part_number="R-10K", property="Quantity", value="7", **event()),
            "part_number: 2 rows have R-10K",
        ),
        (quantity("R-47K"), "part_number: there is no R-47K"),
        (quantity(column="Qty"), "property: there is no column Qty; there are Part Number, Description, Bin"),
        (
            SetCatalogProperty(catalog_id=TOOLS, part_number="T-IRON", property="Description", value="x", **event()),
            "part_number_property: there is no column Part Number; there are Item Number",
        ),
    ],
    ids=["ambiguous row", "unknown row", "unknown column", "no part numbers"],
)
async def test_what_the_document_does_not_have_is_refused_with_what_to_do(
    relay: Relay, sandbox: OpenBomSandbox, command: SetBomProperty | SetCatalogProperty, words: str
) -> None:
    record = await relay.until(await relay.submit(command))

    assert (record.state, writes(sandbox)) == (State.REJECTED, [])
    assert record.reason.startswith(words)


@pytest.mark.parametrize(("status", "words"), [(404, "bom_id: there is no nowhere"), (500, "Something went wrong")])
async def test_an_unknown_document_is_refused_after_a_few_reads(
    relay: Relay, sandbox: OpenBomSandbox, status: int, words: str
) -> None:
    sandbox.assumptions.statuses["unknown-document"] = status

    command = SetBomProperty(bom_id="nowhere", part_number="R-1K", property="Quantity", value="7", **event())
    record = await relay.until(await relay.submit(command))

    assert (record.state, writes(sandbox)) == (State.REJECTED, [])
    assert words in record.reason
    assert len(sandbox.journal.requests_of("bom")) == (1 if status == 404 else 3)


async def test_a_500_that_never_ends_is_given_up_after_three_sends(relay: Relay, sandbox: OpenBomSandbox) -> None:
    sandbox.faults.add("status", "catalog/propertyvalue", count=None, status=500)

    record = await relay.until(await relay.submit(quantity()))

    assert (record.state, record.attempts, len(writes(sandbox))) == (State.REJECTED, 3, 3)
    assert stored(sandbox) == ["1000"]


async def test_a_row_that_became_ambiguous_is_held(relay: Relay, sandbox: OpenBomSandbox) -> None:
    switch = sandbox.faults.add("drop_before", "catalog/propertyvalue")

    key = await relay.submit(quantity())
    await sandbox.changes.until(lambda: switch.fired > 0, 60)
    sandbox.vendor.documents[STOCK].add_row({"Part Number": "R-10R"})
    record = await relay.until(key)

    assert (record.state, len(writes(sandbox))) == (State.HELD, 1)
    assert Why.AMBIGUOUS.value in record.reason


# the shapes of a document

SHAPES: tuple[dict[str, Any], ...] = (
    {"document_shape": "cells"},
    {"document_shape": "cells", "canonical_numbers": True},
    {"document_shape": "data", "column_definitions": "list"},
    {"document_shape": "data", "column_definitions": "map", "canonical_numbers": True},
)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape.values())))
@pytest.mark.parametrize("lost", ["accept_then_drop", "drop_before"])
async def test_a_property_is_set_once_whatever_the_document_looks_like(
    relay: Relay, sandbox: OpenBomSandbox, shape: dict[str, Any], lost: str
) -> None:
    for name, value in shape.items():
        setattr(sandbox.assumptions, name, value)
    sandbox.faults.add(lost, "catalog/propertyvalue")

    record = await relay.until(await relay.submit(quantity()))

    assert (record.state, stored(sandbox)) == (State.APPLIED, ["25"])
    assert len(sandbox.journal.own_effects()) == 1


async def test_a_document_that_names_no_columns_is_refused_before_anything_is_sent(
    relay: Relay, sandbox: OpenBomSandbox
) -> None:
    sandbox.assumptions.document_shape = "data"

    record = await relay.until(await relay.submit(quantity()))

    assert (record.state, writes(sandbox)) == (State.REJECTED, [])
    assert record.reason.startswith("part_number_property: there is no column Part Number; there are c")


# tokens


async def test_tokens_that_ended_are_renewed_once_for_all_commands(relay: Relay, sandbox: OpenBomSandbox) -> None:
    assert (await relay.until(await relay.submit(quantity("R-1K")))).state is State.APPLIED
    sandbox.accounts.expire_tokens()

    numbers = ["R-10R", "R-100R", "R-10K", "C-10N", "C-100N", "C-1U", "LED-RED", "Q-NPN"]
    keys = [await relay.submit(quantity(number)) for number in numbers]
    records = [await relay.until(key) for key in keys]

    assert {(record.state, record.attempts, record.waits, record.doubted) for record in records} == {
        (State.APPLIED, 1, 0, False)
    }
    assert sandbox.accounts.logins == 2
    assert len(sandbox.journal.own_effects()) == 1 + len(numbers)


async def test_a_token_that_ends_right_before_the_write_costs_no_attempt(relay: Relay, sandbox: OpenBomSandbox) -> None:
    gate = sandbox.faults.add("gate", "catalog", gate="read", place="after_commit")

    key = await relay.submit(quantity())
    await sandbox.gates["read"].until_arrived(1)
    sandbox.accounts.expire_tokens()
    sandbox.gates["read"].open()
    record = await relay.until(key)

    assert gate.fired == 1
    assert (record.state, record.attempts, record.waits) == (State.APPLIED, 1, 0)
    assert [request.status for request in sandbox.journal.requests_of("catalog/propertyvalue")] == [401, 200]
    assert len(sandbox.journal.own_effects()) == 1


async def test_an_account_that_is_locked_pauses_the_vendor_and_tells_no_secret(
    relay: Relay, sandbox: OpenBomSandbox
) -> None:
    sandbox.assumptions.errors_echo_credentials = True
    sandbox.accounts.passwords[EMAIL] = "changed by someone"

    key = await relay.submit(quantity())
    record = await relay.until(key, State.DELAYED)
    limits = await relay.limiter.snapshot()

    assert (record.attempts, sandbox.journal.own_effects()) == (0, [])
    assert limits.paused_until_ms is not None
    told = json.dumps([record.reason, limits.pause_reason, await relay.ledger.evidence(key)])
    assert not [secret for secret in (APP_KEY, EMAIL, PASSWORD) if secret in told]

    sandbox.accounts.passwords[EMAIL] = PASSWORD
    async with reopening(relay):
        assert (await relay.until(key)).state is State.APPLIED


@pytest.mark.parametrize("as_objects", [False, True])
async def test_a_refusal_that_names_app_key_and_user_is_a_dead_letter_without_them(
    relay: Relay, sandbox: OpenBomSandbox, *, as_objects: bool
) -> None:
    sandbox.assumptions.errors_echo_credentials = True
    sandbox.assumptions.errors_as_objects = as_objects
    sandbox.faults.add("status", "catalog/propertyvalue", status=400)

    key = await relay.submit(quantity())
    record = await relay.until(key)

    assert record.state is State.REJECTED
    assert "Fault with status 400" in record.reason
    told = json.dumps([record.reason, await relay.ledger.evidence(key)])
    assert not [secret for secret in (APP_KEY, EMAIL) if secret in told]


# a few requests at a time


async def test_there_is_never_a_sixth_request_at_once(relay: Relay, sandbox: OpenBomSandbox) -> None:
    sandbox.read_latency_seconds = sandbox.write_latency_seconds = (0.05, 0.05)
    numbers = [row["Part Number"] for row in sandbox.vendor.documents[STOCK].described()["rows"]]
    sandbox.faults.add("accept_then_drop", "catalog/propertyvalue", skip=2, count=2)

    keys = [await relay.submit(quantity(number)) for number in numbers]
    records = [await relay.until(key) for key in keys]

    assert {record.state for record in records} == {State.APPLIED}
    assert [stored(sandbox, number) for number in numbers] == [["25"]] * len(numbers)
    assert sandbox.limits.violations == []
    assert sandbox.limits.max_in_flight == 4


@pytest.mark.parametrize("status", [429, 503])
async def test_an_answer_for_too_many_requests_costs_no_command_anything(
    relay: Relay, sandbox: OpenBomSandbox, status: int
) -> None:
    """Someone else's requests count too: here the vendor allows two at once, and we ask four."""
    sandbox.assumptions.max_concurrent_requests = 2
    sandbox.assumptions.statuses["too-many-requests"] = status
    numbers = ["R-10R", "R-100R", "R-10K", "C-10N", "C-100N", "C-1U"]
    async with reopening(relay):
        keys = [await relay.submit(quantity(number)) for number in numbers]
        records = [await relay.until(key) for key in keys]

    assert {record.state for record in records} == {State.APPLIED}
    assert len(sandbox.journal.own_effects()) == len(numbers)
