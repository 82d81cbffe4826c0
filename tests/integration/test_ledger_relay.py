"""From an outbox into the ledger itself: once, in order per lane, and through a Redis that goes away."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from producers import relays
from producers import results as results_module
from producers.delivery import Delivery
from producers.handover import Refused, Status, Taken, Unavailable
from producers.outbox import Capture, Outbox, OutboxState, Stored
from producers.relays import LedgerRelay
from tasks.errors import DamagedRecordError
from tasks.records import DamagedRecord, State
from tasks.redis_client import open_redis
from tasks.registry import parse_command
from tasks.submit import Accepted, Submitter
from tests.command_examples import GOOD, NOW_MS, OTHER, PART
from tests.integration.ledger_harness import Desk

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

    from tasks.commands import Command
    from tasks.records import CommandRecord
    from tests.conftest import MakeValkey

ADD = {**GOOD["stock.add"], "source": "feed"}
TAKEN = Taken(duplicate=False)


def _body(at: int = 0, part: str = PART, **options: Any) -> str:
    return json.dumps({"kind": "stock.add", **ADD, "part_id": part, "stock_timestamp": NOW_MS + at, **options})


def _stored(body: str, *lanes: str, key: str = "k") -> Stored:
    return Stored(1, key, lanes, 1, body, "", "{}", OutboxState.STORED, 0, 0, None, None, None, offered=True)


def _key(body: str) -> str:
    fields = json.loads(body)
    return parse_command(fields.pop("kind"), fields).key()


class FakeLedger:
    """Takes commands slowly, noting who was under way together; raises what is planned for a moment."""

    def __init__(self) -> None:
        self.order: list[int] = []
        self.together: defaultdict[int, set[int]] = defaultdict(set)
        self.troubles: dict[int, Exception] = {}
        self._under_way: set[int] = set()

    async def submit(self, command: Command, **options: str | None) -> Accepted:
        assert set(options) == {"idempotency_key", "client", "trace"}
        number = command.stock_timestamp - NOW_MS
        self._under_way.add(number)
        for _tick in range(5):
            await asyncio.sleep(0)
            for one in self._under_way:
                self.together[one] |= self._under_way - {one}
        self._under_way.discard(number)
        if number in self.troubles:
            raise self.troubles[number]
        self.order.append(number)
        return Accepted(command.key(), command.kind, State.READY, duplicate=False)

    async def find(self, key: str) -> CommandRecord | None:
        raise DamagedRecordError(DamagedRecord(key, "partsbox", "field state: missing", {}))


async def test_entries_that_share_no_lane_go_side_by_side_and_the_others_in_order() -> None:
    ledger = FakeLedger()
    lanes = [("a",), ("b",), ("a", "c"), (), ("a",), ("c",), ("a", "c")]
    batch = [_stored(_body(number), *names) for number, names in enumerate(lanes)]

    answers = await LedgerRelay(ledger).submit(batch)

    assert answers == [TAKEN] * 7
    assert sorted(ledger.order) == list(range(7))
    assert ledger.together[0] == {1}
    assert ledger.together[2] <= {1}
    assert ledger.together[3] == set()
    assert ledger.together[4] == {5}
    assert ledger.together[6] == set()
    assert ledger.order.index(0) < ledger.order.index(2) < ledger.order.index(3) < ledger.order.index(4)


@pytest.mark.parametrize(
    ("error", "alone"),
    [
        (ConnectionRefusedError(), False),
        (RedisTimeoutError(), False),
        (TimeoutError(), False),
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), False),
        (ReadOnlyError("You can't write against a read only replica."), False),
        (ResponseError("MISCONF Redis is configured to save RDB snapshots"), False),
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), True),
        (DamagedRecordError(DamagedRecord("k", "partsbox", "field state: missing", {})), True),
    ],
)
async def test_behind_one_that_could_not_be_taken_nothing_of_its_lane_is_tried(
    error: Exception, *, alone: bool
) -> None:
    ledger = FakeLedger()
    ledger.troubles[0] = error
    batch = [_stored(_body(0), "a"), _stored(_body(1), "b"), _stored(_body(2), "a", "c"), _stored(_body(3), "c")]

    stuck, other, *behind = await LedgerRelay(ledger).submit(batch)

    assert isinstance(stuck, Unavailable)
    assert (stuck.alone, stuck.unreached) == (alone, False)
    assert other == TAKEN
    assert behind == [Unavailable("what is before it has to wait", alone=alone, unreached=True)] * 2
    assert ledger.order == [1]


async def test_a_ledger_that_is_not_ready_is_not_asked() -> None:
    answers = {"no AOF": "no AOF", "away": "the ledger does not answer (ConnectionRefusedError)"}
    for trouble, reason in answers.items():

        async def is_ready(trouble: str = trouble) -> str:
            if trouble == "away":
                raise ConnectionRefusedError
            return trouble

        ledger = FakeLedger()
        found = await LedgerRelay(ledger, is_ready=is_ready).submit([_stored(_body())] * 2)
        assert list(found) == [Unavailable(reason, unreached=True)] * 2
        assert ledger.order == []


async def test_a_ledger_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(FakeLedger):
        async def submit(self, *_: Any, **__: Any) -> Accepted:
            await asyncio.sleep(600)
            raise AssertionError

    monkeypatch.setattr(relays, "LEDGER_SECONDS", 0.05)
    answers = await LedgerRelay(Hanging()).submit([_stored(_body())])
    assert answers == [Unavailable("the ledger does not answer (TimeoutError)")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not a JSON object with a kind"),
        ("[1]", "not a JSON object with a kind"),
        ('{"part_id": "x"}', "not a JSON object with a kind"),
        ('{"kind": 5}', "not a JSON object with a kind"),
        (_body(quantity=0), "quantity"),
    ],
)
async def test_what_is_no_command_is_refused_with_its_field_and_lets_its_lane_go_on(
    redis_client: Redis, body: str, reason: str
) -> None:
    relay = LedgerRelay(Submitter(redis_client))

    refused, taken = await relay.submit([_stored(body, "a"), _stored(_body(), "a")])

    assert isinstance(refused, Refused)
    assert reason in refused.reason
    assert taken == TAKEN


@pytest.mark.parametrize(
    ("body", "reason"), [('{"kind": "stock.explode"}', "kind"), (_body(idempotencykey="x"), "idempotencykey")]
)
async def test_what_only_a_newer_release_can_have_stored_waits_for_it(
    redis_client: Redis, body: str, reason: str
) -> None:
    (waits,) = await LedgerRelay(Submitter(redis_client)).submit([_stored(body, "a")])

    assert isinstance(waits, Unavailable)
    assert waits.alone
    assert waits.reason.startswith("waits for a newer release")
    assert reason in waits.reason


async def test_a_repetition_is_taken_and_another_command_under_the_same_key_refused(redis_client: Redis) -> None:
    relay = LedgerRelay(Submitter(redis_client), client="files")
    one = _body(idempotency_key="feed:1")
    batch = [_stored(one, "a"), _stored(one, "a"), _stored(_body(1, idempotency_key="feed:1"), "a")]

    first, again, other = await relay.submit(batch)

    assert (first, again) == (TAKEN, Taken(duplicate=True))
    assert isinstance(other, Refused)
    assert "the key is used for a different command" in other.reason


async def test_the_command_is_whose_the_body_says(redis_client: Redis) -> None:
    submitter = Submitter(redis_client)
    relay = LedgerRelay(submitter, client="files")
    mine, theirs = _body(), _body(1, client="shop")

    await relay.submit([_stored(mine), _stored(theirs)])

    found = [await submitter.find(_key(mine)), await submitter.find(_key(_body(1)))]
    assert [record.client for record in found if record is not None] == ["files", "shop"]


async def test_a_status_is_the_ledgers_and_a_damaged_record_says_nothing(redis_client: Redis) -> None:
    relay = LedgerRelay(Submitter(redis_client))
    body = _body()
    await relay.submit([_stored(body)])

    assert await relay.status([_key(body), "z" * 20]) == {
        _key(body): Status("ready", ""),
        "z" * 20: Status("unknown", ""),
    }
    assert await LedgerRelay(FakeLedger()).status(["k"]) == {}


async def test_what_is_stored_while_redis_is_away_is_in_the_ledger_once_when_it_is_back(
    tmp_path: Path, make_valkey: MakeValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_module, "BACKOFF_MAX_SECONDS", 0.05)
    server = make_valkey()
    redis = open_redis(server.url)
    bodies = [_body(number, PART if number % 2 else OTHER) for number in range(60)]
    gone = asyncio.Event()
    try:
        with Outbox(tmp_path / "spool.sqlite3", "files") as outbox:
            submitter = Submitter(redis)

            def announce(stored: Stored, state: OutboxState | None, reason: str) -> None:
                if state is None:
                    assert (stored.state, reason != "") == (OutboxState.STORED, True)
                    gone.set()

            delivery = Delivery(outbox, LedgerRelay(submitter), announce)
            task = asyncio.create_task(delivery.deliver())
            for number, body in enumerate(bodies):
                lanes = (f"part:{number % 2}",)
                outbox.store(Capture(_key(body), lanes, number, body, ""))
                delivery.wake()
                await asyncio.sleep(0)
                if number == 20:
                    await asyncio.to_thread(server.kill)
            async with asyncio.timeout(60):
                await gone.wait()
                await asyncio.to_thread(server.restart)
                await delivery.finish()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

            assert outbox.counts() == {OutboxState.SENT: 60}
        records = [await submitter.find(_key(body)) for body in bodies]
        assert all(record is not None for record in records)
        lane = await Desk.at(redis).lane(f"part:{PART}")
        assert lane == [_key(body) for number, body in enumerate(bodies) if number % 2]
    finally:
        await redis.aclose()
