"""`POST /v1/scans`: an answer for every item, order within a lane, and what happens when the ledger is away."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from producers.webhooks import scans as scans_module
from producers.webhooks import submissions as submissions_module
from producers.webhooks.scans import MAX_BYTES
from producers.webhooks.schemas import MAX_SCANS
from tasks.records import State
from tasks.submit import Accepted
from tests.integration.command_api_harness import (
    PROBLEM,
    STATION_TOKEN,
    AlwaysReady,
    Door,
    FakeLedger,
    move,
    serving_intake,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tasks.commands import Command

PATH = "/v1/scans"


def scan(number: int, part: str = "p", **changes: Any) -> dict[str, Any]:
    return move(part_id=part * 26, stock_timestamp=1_790_000_000_000 + number, **changes)


def _summary(document: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(result["status"], (result.get("problem") or {}).get("code")) for result in document["results"]]


@dataclass
class ToldIntake:
    """Accepts after being told so, each command by its timestamp; notes the order and who waited beside whom."""

    broken: set[int] = field(default_factory=set)
    slow: dict[int, asyncio.Event] = field(default_factory=dict)
    begun: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    #: Set once one is accepted.
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0

    async def accept(self, command: Command, **_: Any) -> Accepted:
        number = command.stock_timestamp - 1_790_000_000_000
        self.begun.append(number)
        if number in self.slow:
            await self.slow[number].wait()
        if number in self.broken:
            raise RedisConnectionError("refused")
        self.done.append(number)
        self.accepted.set()
        return Accepted(command.key(), command.kind, State.READY, duplicate=False)

    async def find(self, _: str) -> None:
        return None

    def withdraw(self, _: str) -> bool:
        return False


async def test_every_item_gets_its_own_answer_in_order(door: Door) -> None:
    again = scan(0)
    items = [again, scan(1, quantity=0), again, "text", scan(2, source="ST-01"), {**scan(3), "idempotency_key": "a"}]
    items += [{**scan(4), "idempotency_key": "a"}, {**scan(5), "idempotency_key": "a b"}, {"quantity": 1}]

    status, _, document = await door.post(items, PATH)

    assert status == 200
    assert _summary(document) == [
        ("stored", None),
        ("refused", "invalid-command"),
        ("duplicate", None),
        ("refused", "malformed"),
        ("refused", "foreign-source"),
        ("stored", None),
        ("refused", "key-reused"),
        ("refused", "invalid-command"),
        ("refused", "invalid-command"),
    ]
    first, bad = document["results"][0], document["results"][1]
    assert (first["state"], bad["state"], bad["key"]) == ("ready", None, None)
    assert [error["field"] for error in bad["problem"]["errors"]] == ["quantity"]
    assert document["results"][2]["key"] == first["key"]


async def test_the_items_are_the_commands_that_are_sent_one_by_one(door: Door, redis_client: Redis) -> None:
    _, _, alone = await door.post(scan(0))
    _, _, document = await door.post([scan(0)], PATH)

    assert document["results"] == [{"key": alone["key"], "status": "duplicate", "state": "ready"}]
    assert await redis_client.llen("vendor.partsbox") == 1


async def test_the_source_of_an_item_is_the_tokens_client(door: Door) -> None:
    _, _, document = await door.post([scan(0)], PATH, Authorization=f"Bearer {STATION_TOKEN}")
    _, _, record = await door.get(f"/v1/commands/{document['results'][0]['key']}")

    assert record["state"] == "ready"


async def test_items_of_one_lane_keep_their_order_in_the_ledger(door: Door, redis_client: Redis) -> None:
    items = [scan(number, "pqr"[number % 3]) for number in range(120)]

    _, _, document = await door.post(items, PATH)

    keys = [result["key"] for result in document["results"]]
    for place, part in enumerate("pqr"):
        assert await redis_client.lrange(f"sr:{{partsbox}}:lane:part:{part * 26}", 0, -1) == keys[place::3]


async def test_items_of_one_lane_wait_for_each_other_and_others_do_not() -> None:
    gate = asyncio.Event()
    intake = ToldIntake(slow={0: gate})
    async with serving_intake(intake, AlwaysReady()) as door:
        asking = asyncio.create_task(door.post([scan(0), scan(1), scan(2, "q")], PATH))
        async with asyncio.timeout(30):
            await intake.accepted.wait()
        assert intake.begun == [0, 2]
        gate.set()
        status, _, _ = await asking

    assert (status, intake.done) == (200, [2, 0, 1])


async def test_what_comes_after_an_unavailable_one_of_its_lane_is_unavailable_too() -> None:
    intake = ToldIntake(broken={1})
    items = [scan(0), scan(1), scan(2), scan(3, "q"), scan(4), {"kind": "nothing"}]
    async with serving_intake(intake, AlwaysReady()) as door:
        status, _, document = await door.post(items, PATH)

    assert status == 200
    assert [word for word, _ in _summary(document)] == [
        "stored",
        "unavailable",
        "unavailable",
        "stored",
        "unavailable",
        "refused",
    ]
    assert intake.begun == [0, 3, 1]
    assert document["results"][2]["key"] is not None


async def test_a_refused_one_does_not_hold_up_its_lane(door: Door) -> None:
    items = [{**scan(0), "idempotency_key": "a"}, {**scan(1), "idempotency_key": "a"}, scan(2)]

    _, _, document = await door.post(items, PATH)

    assert [word for word, _ in _summary(document)] == ["stored", "refused", "stored"]


async def test_nothing_stored_at_all_is_a_503_for_the_whole_request(fake_door: Door, fake_ledger: FakeLedger) -> None:
    fake_ledger.error = RedisConnectionError("refused")

    status, headers, problem = await fake_door.post([scan(0), scan(1)], PATH)

    assert (status, headers["Content-Type"], headers["Retry-After"]) == (503, PROBLEM, "5")
    assert problem["code"] == "unavailable"


async def test_what_takes_too_long_is_unavailable_and_the_rest_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans_module, "TOTAL_SECONDS", 1.0)
    monkeypatch.setattr(submissions_module, "LEDGER_SECONDS", 3_600.0)
    intake = ToldIntake(slow={0: asyncio.Event()})
    async with serving_intake(intake, AlwaysReady()) as door:
        status, _, document = await door.post([scan(0), scan(1), scan(2, "q")], PATH)

    assert (status, [word for word, _ in _summary(document)]) == (200, ["unavailable", "unavailable", "stored"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ([], 400, "malformed"),
        ([{}] * (MAX_SCANS + 1), 400, "malformed"),
        ({}, 400, "malformed"),
        (b"[", 400, "malformed"),
        (b"[" * 100_000, 400, "malformed"),
        (io.BytesIO(b'["' + b"x" * MAX_BYTES + b'"]'), 413, "request-entity-too-large"),
    ],
)
async def test_what_is_no_list_of_commands_is_refused_as_a_whole(
    fake_door: Door, fake_ledger: FakeLedger, body: Any, status: int, code: str
) -> None:
    found, headers, problem = await fake_door.post(body, PATH)

    assert (found, headers["Content-Type"], problem["code"], fake_ledger.submitted) == (status, PROBLEM, code, [])


async def test_an_upload_of_the_largest_size_is_taken_whole(door: Door) -> None:
    status, _, document = await door.post([scan(number, "pqrs"[number % 4]) for number in range(MAX_SCANS)], PATH)

    assert (status, {word for word, _ in _summary(document)}) == (200, {"stored"})
    assert len({result["key"] for result in document["results"]}) == MAX_SCANS
