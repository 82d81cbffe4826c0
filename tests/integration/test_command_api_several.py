"""Asking about several commands at once, taking one back, and commands that are on this machine's disk only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from producers.webhooks.spool import SpooledRecord
from tasks.ledger import Ledger
from tasks.records import State
from tasks.submit import Submitter
from tests.integration.command_api_harness import (
    OPERATOR_TOKEN,
    PROBLEM,
    STATION_TOKEN,
    AlwaysReady,
    DirectIntake,
    Door,
    move,
    serving_intake,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis

UNKNOWN = "a" * 20
DESK = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
ST01 = {"Authorization": f"Bearer {STATION_TOKEN}"}


async def _accept(door: Door, number: int = 0, **headers: str) -> str:
    _, _, accepted = await door.post(move(stock_timestamp=1_790_000_000_000 + number), **headers)
    return str(accepted["key"])


async def test_several_commands_are_shown_by_key_and_null_for_the_unknown(door: Door) -> None:
    first, second = await _accept(door), await _accept(door, 1)

    status, _, found = await door.get(f"/v1/commands?keys={second},{UNKNOWN},{first},{second}")

    assert status == 200
    assert list(found["commands"]) == [second, UNKNOWN, first]
    assert found["commands"][UNKNOWN] is None
    _, _, alone = await door.get(f"/v1/commands/{first}")
    assert found["commands"][first] == alone


async def test_a_damaged_record_among_several_does_not_hide_the_others(door: Door, redis_client: Redis) -> None:
    good, bad = await _accept(door), await _accept(door, 1)
    await redis_client.hset(f"sr:{{partsbox}}:cmd:{bad}", "state", "verifying")

    status, _, found = await door.get(f"/v1/commands?keys={good},{bad}")

    assert (status, found["commands"][good]["state"]) == (200, "ready")
    assert found["commands"][bad]["state"] == "held"
    assert "damaged" in found["commands"][bad]["reason"]


@pytest.mark.parametrize(
    "query",
    ["", "?keys=", "?keys=,", "?keys=x", f"?keys={UNKNOWN},x", "?keys=" + ",".join(f"{n:a>20}" for n in range(9))],
)
async def test_a_question_without_readable_keys_is_refused(door: Door, query: str) -> None:
    status, headers, problem = await door.get("/v1/commands" + query)

    assert (status, headers["Content-Type"], problem["code"]) == (400, PROBLEM, "malformed")


async def test_a_hundred_keys_are_answered_and_one_more_is_refused(door: Door) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    keys = [f"{letters[number // 32]}{letters[number % 32]}".rjust(20, "a") for number in range(101)]

    status, _, found = await door.get("/v1/commands?keys=" + ",".join(keys[:100]))
    refused, _, _ = await door.get("/v1/commands?keys=" + ",".join(keys))
    repeated, _, _ = await door.get("/v1/commands?keys=" + ",".join(keys[:1] * 101))

    assert (status, refused, repeated) == (200, 400, 200)
    assert set(found["commands"].values()) == {None}


async def test_a_ledger_that_is_away_is_said_for_several_too(fake_door: Door, fake_ledger: Any) -> None:
    fake_ledger.error = ConnectionError("refused")

    status, headers, _ = await fake_door.get(f"/v1/commands?keys={UNKNOWN},{'b' * 20}")

    assert (status, headers["Retry-After"]) == (503, "5")


async def test_a_command_is_taken_back_by_its_sender_and_its_lane_goes_on(door: Door) -> None:
    first, second = await _accept(door), await _accept(door, 1)

    status, _, record = await door.post({}, f"/v1/commands/{first}/cancel")
    again, _, repeated = await door.post({}, f"/v1/commands/{first}/cancel")
    _, _, behind = await door.get(f"/v1/commands/{second}")

    assert (status, record["key"], record["state"]) == (200, first, "cancelled")
    assert (again, repeated) == (200, record)
    assert behind["state"] == "ready"


async def test_a_command_is_taken_back_without_a_body(door: Door) -> None:
    key = await _accept(door)
    async with door.session.post(f"{door.url}/v1/commands/{key}/cancel", headers=ST01) as foreign:
        assert foreign.status == 403
    async with door.session.post(f"{door.url}/v1/commands/{key}/cancel", headers=DESK) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (200, "cancelled by desk")


async def test_another_client_takes_nothing_back_and_an_operator_does(door: Door) -> None:
    key = await _accept(door)

    foreign, _, problem = await door.post({}, f"/v1/commands/{key}/cancel", **ST01)
    _, _, untouched = await door.get(f"/v1/commands/{key}")
    operator, _, record = await door.post({}, f"/v1/commands/{key}/cancel", **DESK)

    assert (foreign, problem["code"], untouched["state"]) == (403, "foreign-command", "ready")
    assert (operator, record["state"]) == (200, "cancelled")


async def test_what_a_worker_has_begun_is_too_late_to_take_back(door: Door, redis_client: Redis) -> None:
    key = await _accept(door)
    ledger = Ledger(redis_client, "partsbox")
    await ledger.claim(key, "owner", 60)

    status, headers, problem = await door.post({}, f"/v1/commands/{key}/cancel")
    await ledger.settle(key, "owner", State.APPLIED)
    ended, _, ended_problem = await door.post({}, f"/v1/commands/{key}/cancel")

    assert (status, headers["Content-Type"], problem["code"], problem["state"]) == (409, PROBLEM, "too-late", "sending")
    assert (ended, ended_problem["state"]) == (409, "applied")


@pytest.mark.parametrize(("key", "status"), [(UNKNOWN, 404), ("x", 400)])
async def test_nothing_can_be_taken_back_that_is_not_there(door: Door, key: str, status: int) -> None:
    found, _, _ = await door.post({}, f"/v1/commands/{key}/cancel")

    assert found == status


async def test_the_key_of_the_sender_may_stand_in_the_body_as_in_an_upload(door: Door) -> None:
    first, _, _ = await door.post({**move(), "idempotency_key": "order-4711"})
    same, _, _ = await door.post(move(), Idempotency_Key="order-4711")
    other, _, problem = await door.post({**move(quantity=6), "idempotency_key": "order-4711"})
    twice, _, differ = await door.post({**move(), "idempotency_key": "a"}, Idempotency_Key="b")

    assert (first, same) == (202, 200)
    assert (other, problem["code"]) == (422, "key-reused")
    assert (twice, differ["code"]) == (400, "malformed")


async def test_a_command_whose_acceptance_was_not_heard_of_is_taken_back_in_the_ledger_too(redis_client: Redis) -> None:
    """Redis took it and its answer was lost, so that it went onto the disk as well."""
    ready = AlwaysReady()
    intake = SpoolingIntake(Submitter(redis_client), ready)
    async with serving_intake(intake, ready, redis_client) as door:
        key = await _accept(door)
        intake.on_disk = SpooledRecord(key, "stock.move", "partsbox", "move 5", "erp", "spooled", "")
        status, _, cancelled = await door.post({}, f"/v1/commands/{key}/cancel")
        _, _, record = await door.get(f"/v1/commands/{key}")

    assert (status, cancelled["state"], record["state"]) == (200, "cancelled", "cancelled")
    assert record["reason"] == "cancelled by erp"


class SpoolingIntake(DirectIntake):
    """Has one command on its disk."""

    on_disk: SpooledRecord | None = None

    async def find(self, key: str) -> Any:
        return self.on_disk if self.on_disk and self.on_disk.key == key else await super().find(key)

    def withdraw(self, key: str) -> bool:
        is_there = self.on_disk is not None and self.on_disk.key == key
        self.on_disk = None if is_there else self.on_disk
        return is_there


async def test_a_command_on_the_disk_is_shown_and_taken_back_like_any_other(redis_client: Redis) -> None:
    ready = AlwaysReady()
    intake = SpoolingIntake(Submitter(redis_client), ready)
    intake.on_disk = SpooledRecord(UNKNOWN, "stock.move", "partsbox", "move 5", "erp", "spooled", "")
    async with serving_intake(intake, ready, redis_client) as door:
        _, _, shown = await door.get(f"/v1/commands/{UNKNOWN}")
        foreign, _, _ = await door.post({}, f"/v1/commands/{UNKNOWN}/cancel", **ST01)
        status, _, cancelled = await door.post({}, f"/v1/commands/{UNKNOWN}/cancel")

    assert shown["state"] == "spooled"
    assert (foreign, status, cancelled["state"]) == (403, 200, "cancelled")
    assert intake.on_disk is None
