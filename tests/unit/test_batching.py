"""Writes that wait for a permit share its request, and each gets its own outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest

from tasks.errors import (
    Exchange,
    InDoubtError,
    LeaseLostError,
    RetryableError,
    VendorBlockedError,
    VendorError,
)
from tasks.registry import parse_command
from tests.unit.batching_harness import (
    LOST,
    NOW_MS,
    SETTLE_SECONDS,
    Bench,
    Reply,
    Request,
    Sender,
    bench,
    done,
    names,
    outcomes,
    slots,
    turns,
)
from workers.limits import PausedError
from workers.work import WorkerStoppingError

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey

__all__ = ["bench"]


# who joins


async def test_those_who_wait_when_the_permit_comes_share_one_request(bench: Bench) -> None:
    first = bench.upsert("a")
    await bench.limiter.waits()
    others = [bench.upsert("b"), bench.upsert("c")]
    await turns()

    await bench.limiter.grant()
    found = await outcomes([first, *others])

    assert bench.session.writes == [["a", "b", "c"]]
    assert all(isinstance(one, Exchange) for one in found)
    (slot,) = slots(bench)
    assert slot.startswith("batch:")
    assert bench.limiter.log == [("acquire", slot), ("release", slot), ("reward",)]


async def test_the_next_request_waits_for_its_permit_while_the_former_is_under_way(bench: Bench) -> None:
    hanging, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Reply:
        hanging.set()
        await go_on.wait()
        return done(request)

    bench.session.answer = slow
    first = bench.upsert("a")
    await bench.limiter.grant()
    await hanging.wait()
    second = bench.upsert("b")
    await bench.limiter.grant()
    await turns()

    assert bench.session.writes == [["a"], ["b"]]
    go_on.set()
    await outcomes([first, second])


async def test_who_comes_while_the_intents_are_written_goes_into_the_next_request(bench: Bench) -> None:
    sender = Sender(gate=asyncio.Event())
    first = bench.upsert("a", sender)
    await bench.limiter.grant()
    await sender.asked.wait()
    second = bench.upsert("b")
    await bench.limiter.waits()

    assert sender.gate is not None
    sender.gate.set()
    await first
    assert bench.session.writes == [["a"]]
    await bench.limiter.grant()
    await second
    assert bench.session.writes == [["a"], ["b"]]


async def test_a_second_write_of_a_record_goes_into_the_next_request(bench: Bench) -> None:
    both = [bench.upsert("a", text="old"), bench.upsert("a", text="new"), bench.upsert("b")]
    await bench.limiter.waits()
    await turns()

    await bench.limiter.grant()
    await bench.limiter.grant()
    await outcomes(both)

    assert bench.session.writes == [["a", "b"], ["a"]]
    assert [request.body[0]["name"]["en"] for request in bench.session.sent] == ["old", "new"]


async def test_no_request_has_more_than_500_items(bench: Bench) -> None:
    tasks = [bench.upsert(name) for name in names(501)]
    await turns()

    await bench.limiter.grant()
    await bench.limiter.grant()
    await outcomes(tasks)

    assert [len(ids) for ids in bench.session.writes] == [500, 1]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_no_request_has_more_than_4_mib(bench: Bench) -> None:
    bench.limiter.open = True
    text = "x" * 20_000
    tasks = [asyncio.ensure_future(bench.partium.upsert_part(large(name, text), Sender())) for name in names(50)]

    found = await outcomes(tasks)

    assert all(isinstance(one, Exchange) for one in found)
    sizes = [len(request.payload) for request in bench.session.sent]
    assert max(sizes) <= 4 * 1024 * 1024
    assert max(sizes) > 3.8 * 1024 * 1024
    assert sorted(name for ids in bench.session.writes for name in ids) == sorted(names(50))


def large(part_id: str, text: str) -> Any:
    value = {"value": dict.fromkeys(("en", "de", "fr", "it", "es"), text)}
    attributes = [{"attribute_id": name, "values": [value]} for name in ("first", "second")]
    given = {"stock_timestamp": NOW_MS, "part_id": part_id, "name": {"en": "x"}, "attributes": attributes}
    return parse_command("catalog.upsert_part", given)


# permission


async def test_every_member_makes_its_intent_durable_before_a_byte_leaves_and_all_at_once(bench: Bench) -> None:
    senders = [Sender(gate=asyncio.Event()) for _ in range(3)]
    tasks = [bench.upsert(name, sender) for name, sender in zip("abc", senders, strict=True)]
    await bench.limiter.grant()

    await asyncio.gather(*(sender.asked.wait() for sender in senders))
    assert bench.session.sent == []
    for sender in senders:
        assert sender.gate is not None
        sender.gate.set()
    await outcomes(tasks)

    assert bench.session.writes == [["a", "b", "c"]]
    assert [sender.permits for sender in senders] == [1, 1, 1]


@pytest.mark.parametrize("error", [LeaseLostError("another owner"), WorkerStoppingError(), ConnectionError("redis")])
async def test_who_is_not_permitted_drops_out_with_its_own_error(bench: Bench, error: Exception) -> None:
    bad = bench.upsert("bad", Sender(error=error))
    good = bench.upsert("good")
    await turns()

    await bench.limiter.grant()
    found = await outcomes([bad, good])

    assert found[0] is error
    assert isinstance(found[1], Exchange)
    assert found[1].request["batch_size"] == 1
    assert bench.session.writes == [["good"]]


async def test_where_nobody_is_permitted_no_request_is_made(bench: Bench) -> None:
    tasks = [bench.upsert(name, Sender(error=LeaseLostError("another owner"))) for name in "ab"]
    await turns()

    await bench.limiter.grant()
    found = await outcomes(tasks)
    await turns()

    assert [type(one) for one in found] == [LeaseLostError, LeaseLostError]
    assert bench.session.sent == []
    (slot,) = slots(bench)
    assert bench.limiter.log == [("acquire", slot), ("release", slot)]


@pytest.mark.parametrize(
    "error", [PausedError(30.0, "maintenance", paused=True), WorkerStoppingError(), ConnectionError("redis is away")]
)
async def test_what_the_limiter_raises_reaches_everyone_who_waits_and_nothing_is_sent(
    bench: Bench, error: Exception
) -> None:
    senders = [Sender(), Sender(), Sender()]
    tasks = [bench.upsert(name, sender) for name, sender in zip("aab", senders, strict=True)]
    await turns()

    await bench.limiter.refuse(error)
    found = await outcomes(tasks)

    assert [type(one) for one in found] == [type(error)] * 3
    assert [str(one) for one in found] == [str(error)] * 3
    assert len({id(one) for one in found}) == 3  # a shared one's traceback grows with each who raises it
    assert [sender.permits for sender in senders] == [0, 0, 0]
    assert bench.session.sent == []
    assert bench.limiter.waiting == 0

    again = bench.upsert("a")
    await bench.limiter.grant()
    assert isinstance(await again, Exchange)


# leaving


async def test_who_may_not_leave_stays_and_the_others_go_without_a_new_intent(bench: Bench) -> None:
    bench.limiter.open = True
    frozen, fine = Sender(leaves=[False]), Sender()

    bad, good = await outcomes([bench.upsert("frozen", frozen), bench.upsert("fine", fine)])

    assert type(bad) is RetryableError
    assert not bad.unreachable
    assert bad.exchange is not None
    assert bad.exchange.request["item"]["part_id"] == "frozen"
    assert isinstance(good, Exchange)
    assert bench.session.writes == [["fine"]]
    assert (frozen.permits, fine.permits) == (1, 1)
    first, second = slots(bench)
    assert first != second
    assert ("release", first) in bench.limiter.log


async def test_where_nobody_may_leave_nothing_is_sent(bench: Bench) -> None:
    bench.limiter.open = True

    found = await outcomes([bench.upsert(name, Sender(leaves=[False])) for name in "ab"])
    await turns()

    assert [type(one) for one in found] == [RetryableError, RetryableError]
    assert bench.session.sent == []
    assert len(slots(bench)) == 1


# each its own outcome


async def test_the_evidence_of_one_is_about_its_own_item(bench: Bench) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: Reply(body={"created": ["a"], "updated": ["b"], "errors": {}})

    a, b = await outcomes([bench.upsert("a"), bench.upsert("b")])

    assert a.request == {"item": {"part_id": "a", "name": {"en": "Screw"}, "attributes": []}, "batch_size": 2}
    assert a.answer == {"created": ["a"]}
    assert b.answer == {"updated": ["b"]}
    assert (a.operation, a.status) == ("POST /1/catalog/parts", 200)


@pytest.mark.parametrize("reply", [LOST, Reply(500, {}), Reply(502, b"<html>"), Reply(200, {"created": ["a"]})])
async def test_a_lost_answer_leaves_everyone_in_doubt_with_own_evidence_and_a_ghost(bench: Bench, reply: Reply) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: reply

    a, b = await outcomes([bench.upsert("a"), bench.upsert("b")])

    assert (type(a), type(b)) == (InDoubtError, InDoubtError)
    assert a is not b
    assert [one.exchange.request["item"]["part_id"] for one in (a, b)] == ["a", "b"]
    assert [one.exchange.request["batch_size"] for one in (a, b)] == [2, 2]
    assert [one.exchange.status for one in (a, b)] == [reply.status] * 2
    assert str(a) == str(b)
    (slot,) = slots(bench)
    assert bench.limiter.log[-1] == ("ghost", slot, SETTLE_SECONDS)
    assert len(bench.session.sent) == 1


async def test_a_429_turns_everyone_away_with_the_vendors_wish(bench: Bench) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: Reply(429, {}, {"Retry-After": "7"})

    found = await outcomes([bench.upsert("a"), bench.upsert("b")])

    for one in found:
        assert type(one) is VendorBlockedError
        assert (one.throttled, one.retry_after_seconds) == (True, 7)
    assert found[0] is not found[1]


async def test_every_error_of_a_request_is_one_of_the_vendor_errors_with_the_same_words(bench: Bench) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: Reply(503, {"detail": "later"}, {"Retry-After": "9"})

    found = await outcomes([bench.upsert("a"), bench.upsert("b")])

    for one in found:
        assert isinstance(one, VendorError)
        assert isinstance(one, InDoubtError)
        assert (one.overloaded, one.retry_after_seconds) == (True, 9)
        assert "later" in str(one)


async def test_without_a_connection_everyone_is_told_that_the_vendor_is_away(bench: Bench) -> None:
    bench.limiter.open = True

    async def refuse() -> None:
        raise aiohttp.ClientConnectorError(
            cast("ConnectionKey", type("Key", (), {"host": "h", "port": 1, "ssl": True})), OSError(111, "refused")
        )

    bench.session.connecting = refuse

    found = await outcomes([bench.upsert("a"), bench.upsert("b")])

    assert [(type(one), one.unreachable) for one in found] == [(RetryableError, True)] * 2


async def test_an_error_of_our_own_behind_the_answer_reaches_everyone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.limiter.open = True

    def broken(*_: object) -> None:
        raise LookupError("a mistake of ours")

    monkeypatch.setattr("workers.vendors.partium.wire.outcome_of", broken)
    monkeypatch.setattr("workers.vendors.partium.wire.is_documented", lambda *_: True)

    found = await outcomes([bench.upsert("a"), bench.upsert("b")])

    assert [type(one) for one in found] == [LookupError, LookupError]
