"""One bad item must not be the end of the others in its request."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from tasks.errors import Exchange, InDoubtError, RejectedError, VendorBlockedError
from tests.unit.batching_harness import LOST, Bench, Reply, Request, Sender, bench, done, ids_of, names, outcomes

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["bench"]


def refusing(bad: str, status: int = 400) -> Callable[[Request], Reply]:
    """Refuse every request that holds the bad item, whole."""
    return lambda request: Reply(status, {"detail": "no"}) if bad in ids_of(request) else done(request)


@pytest.mark.parametrize("status", [400, 409, 412, 413, 422])
async def test_one_bad_item_among_500_ends_alone(bench: Bench, status: int) -> None:
    bench.limiter.open = True
    bench.session.answer = refusing("p123", status)
    senders = {name: Sender() for name in names(500)}

    found = dict(zip(senders, await outcomes([bench.upsert(name, one) for name, one in senders.items()]), strict=True))

    bad = found.pop("p123")
    assert type(bad) is RejectedError
    assert bad.exchange is not None
    assert bad.exchange.request["item"]["part_id"] == "p123"
    assert all(isinstance(one, Exchange) for one in found.values())
    assert {sender.permits for sender in senders.values()} == {1}
    assert len(bench.session.sent) <= 1 + 2 * math.ceil(math.log2(500))
    landed = [name for ids in bench.session.writes if "p123" not in ids for name in ids]
    assert sorted(landed) == sorted(found)


async def test_a_request_that_is_too_large_for_the_vendor_is_cut_until_it_fits(bench: Bench) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda request: Reply(413, {}) if len(request.body) > 10 else done(request)

    found = await outcomes([bench.upsert(name) for name in names(100)])

    assert all(isinstance(one, Exchange) for one in found)


async def test_nobody_else_joins_the_halves_of_a_refused_request(bench: Bench) -> None:
    bench.session.answer = refusing("bad")
    first = [bench.upsert("bad"), bench.upsert("good")]
    await bench.limiter.grant()
    await bench.limiter.waits(2)
    later = bench.upsert("later")
    await bench.limiter.waits(3)

    for _ in range(3):
        await bench.limiter.grant()
    bad, good, other = await outcomes([*first, later])

    assert type(bad) is RejectedError
    assert isinstance(good, Exchange)
    assert isinstance(other, Exchange)
    assert bench.session.writes == [["bad", "good"], ["bad"], ["good"], ["later"]]


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 411, 415, 302])
async def test_what_is_about_the_key_or_the_address_is_not_tried_piece_by_piece(bench: Bench, status: int) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: Reply(status, {})

    found = await outcomes([bench.upsert("a"), bench.upsert("b")])

    assert [type(one) for one in found] == [VendorBlockedError] * 2
    assert not any(one.throttled for one in found)
    assert len(bench.session.sent) == 1


async def test_who_comes_back_from_a_lost_request_has_less_company(bench: Bench) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda request: LOST if "p7" in ids_of(request) else done(request)
    left = names(500)
    sizes = []

    for _ in range(6):
        before = len(bench.session.writes)
        found = await outcomes([bench.upsert(name) for name in left])
        sizes.append(max(len(ids) for ids in bench.session.writes[before:]))
        left = [name for name, one in zip(left, found, strict=True) if isinstance(one, InDoubtError)]

    assert left == ["p7"]
    assert sizes[:2] == [500, 125]
    assert len(bench.session.writes) < 100


async def test_a_record_that_was_written_has_company_again(bench: Bench) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: LOST
    await outcomes([bench.upsert("a"), bench.upsert("b")])
    bench.session.answer = done

    for _ in range(2):
        await outcomes([bench.upsert("a"), bench.upsert("b")])

    assert bench.session.writes == [["a", "b"], ["a"], ["b"], ["a", "b"]]


async def test_only_so_many_records_are_remembered_the_latest_losses_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.batching.MAX_REMEMBERED", 2)
    bench.limiter.open = True
    bench.session.answer = lambda _: LOST
    for lost in ("ab", "a", "c"):
        await outcomes([bench.upsert(name) for name in lost])
    bench.session.answer = done
    bench.session.sent.clear()

    for pair in ("bx", "ay", "cz"):
        await outcomes([bench.upsert(name) for name in pair])

    assert bench.session.writes == [["b", "x"], ["a"], ["y"], ["c"], ["z"]]
