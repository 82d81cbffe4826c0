"""Reads of single records that wait for a permit share its request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tasks.errors import RejectedError, RetryableError
from tests.unit.batching_harness import LOST, Bench, Reply, Request, bench, names, outcomes, turns

if TYPE_CHECKING:
    from workers.vendors.request import Call

__all__ = ["bench"]


def records(request: Request, present: tuple[str, ...]) -> Reply:
    ids = [name for name in request.body["part_ids"] if name in present]
    return Reply(body=[{"part_id": name, "name": {"en": name}, "attributes": []} for name in ids])


async def test_reads_that_wait_share_one_request_and_each_gets_its_own_record(bench: Bench) -> None:
    bench.session.answer = lambda request: records(request, ("a", "b"))
    tasks = [bench.read(name) for name in ("a", "b", "missing", "a")]
    await turns()

    await bench.limiter.grant()
    a, b, missing, again = await outcomes(tasks)

    assert [request.body["part_ids"] for request in bench.session.sent] == [["a", "b", "missing"]]
    assert (a.record_id, b.record_id, missing, again) == ("a", "b", None, a)
    assert bench.limiter.log[0][1].startswith("read:")


async def test_a_reader_that_is_cancelled_leaves_and_another_of_the_same_record_stays(bench: Bench) -> None:
    bench.session.answer = lambda request: records(request, ("a", "b"))
    gone, stays, same = bench.read("a"), bench.read("b"), bench.read("b")
    await turns()

    gone.cancel()
    same.cancel()
    await bench.limiter.grant()
    found = await outcomes([gone, stays, same])

    assert found[1].record_id == "b"
    assert [request.body["part_ids"] for request in bench.session.sent] == [["b"]]


async def test_an_answer_that_is_too_large_is_asked_for_in_halves(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.vendors.base.MAX_ANSWER_BYTES", 200)
    bench.limiter.open = True
    bench.session.answer = lambda request: records(request, tuple(names(8)))

    found = await outcomes([bench.read(name) for name in names(8)])

    assert [one.record_id for one in found] == names(8)
    assert len(bench.session.sent) > 1


@pytest.mark.parametrize(
    "reply", [LOST, Reply(500, {}), Reply(504, {}), Reply(200, {"a": 1}), Reply(200, [], cut=True)]
)
async def test_a_read_that_got_no_answer_is_not_asked_again_in_halves(bench: Bench, reply: Reply) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: reply

    found = await outcomes([bench.read("a"), bench.read("b")])

    assert [type(one) for one in found] == [RetryableError] * 2
    assert len(bench.session.sent) == 1
    assert [one.exchange.request for one in found] == [
        {"item": "a", "batch_size": 2},
        {"item": "b", "batch_size": 2},
    ]


async def test_a_refused_read_is_cut_down_to_the_id_at_fault(bench: Bench) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda request: (
        Reply(422, {}) if "bad" in request.body["part_ids"] else records(request, ("a", "b"))
    )

    a, bad, b, again = await outcomes([bench.read(name) for name in ("a", "bad", "b", "bad")])

    assert (a.record_id, b.record_id) == ("a", "b")
    assert (type(bad), type(again)) == (RejectedError, RejectedError)
    assert len(bench.session.sent) <= 5


async def test_who_reads_again_behind_an_unclear_answer_has_less_company(bench: Bench) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda request: (
        LOST if "p3" in request.body["part_ids"] else records(request, tuple(names(8)))
    )

    for _ in range(3):
        found = await outcomes([bench.read(name) for name in names(8)])

    assert [one is None or type(one) is RetryableError for one in found].count(True) == 1
    assert type(found[3]) is RetryableError


async def test_a_request_that_cannot_be_made_leaves_no_slot_behind(bench: Bench) -> None:
    def broken(_: object) -> Call:
        raise LookupError("a mistake of ours")

    bench.limiter.open = True
    reads = bench.partium._parts._reads
    reads._operation = replace(reads._operation, call=broken)

    with pytest.raises(LookupError):
        await bench.read("a")
    assert [entry[0] for entry in bench.limiter.log] == ["acquire", "release"]
