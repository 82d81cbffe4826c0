"""Looking at the dead-letter desk, on a real server: found by filter, page by page, with evidence and lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ResponseError

from tasks.dead_letter_records import Filter, LetterState
from tasks.errors import TransitionRefusedError, UnknownCommandError
from tasks.ledger import prefix_of
from tasks.records import State
from tasks.registry import InvalidCommandError
from tests.command_examples import NOW_MS, PART
from tests.integration.dead_letter_harness import OTHER_PART, Bench

if TYPE_CHECKING:
    from redis.asyncio import Redis


DAY_MS = 86_400_000
SUMMARY = "add 3 of part pppppppp… to ssssssss…"


@pytest.fixture
def bench(redis_client: Redis) -> Bench:
    return Bench.at(redis_client)


async def keys_of(bench: Bench, limit: int = 50, **wanted: Any) -> list[str]:
    """Find all pages of so many."""
    found, after = [], None
    while True:
        page = await bench.desk.find(Filter(**wanted), limit, after)
        assert len(page.letters) <= limit
        found += [letter.key for letter in page.letters]
        after = page.after
        if after is None:
            return found


async def test_the_letters_of_all_vendors_come_newest_first_whatever_the_page(bench: Bench) -> None:
    kinds = ("stock.add", "catalog.upsert_part", "catalog.set_property")
    dead = [
        (await bench.dead(kinds[number % 3], died_ms=NOW_MS + number // 2, **_lane(number)), number)
        for number in range(20)
    ]
    newest_first = sorted(dead, key=lambda one: -(one[1] // 2))

    whole = await keys_of(bench)

    assert {key for key, _ in dead} == set(whole)
    moments = {key: number // 2 for key, number in newest_first}
    assert [moments[key] for key in whole] == [moments[key] for key, _ in newest_first]
    for limit in (1, 3, 19, 20):
        assert await keys_of(bench, limit) == whole


def _lane(number: int) -> dict[str, Any]:
    """Give a command a lane of its own, whatever its kind."""
    match number % 3:
        case 0:
            return {"part_id": f"{number:026d}"}
        case 1:
            return {"part_id": f"P-{number}"}
    return {"part_number": f"R-{number}"}


async def test_many_that_died_in_one_moment_are_all_found_once(bench: Bench) -> None:
    keys = await bench.copies(await bench.dead(died_ms=NOW_MS), 230, died_ms=NOW_MS)

    for limit in (7, 100, 1_000):
        found = await keys_of(bench, limit)
        assert len(found) == len(set(found))
        assert set(found) == set(keys)


async def test_a_page_stands_still_while_others_are_decided(bench: Bench) -> None:
    keys = [await bench.dead(part_id=f"{number:026d}", died_ms=NOW_MS - number) for number in range(6)]
    first = await bench.desk.find(Filter(), 3)
    await bench.desk.discard(keys[2], "anna", "old")
    await bench.desk.replay(keys[4], "anna")
    newest = await bench.dead(part_id=OTHER_PART, died_ms=NOW_MS + 1)

    second = await bench.desk.find(Filter(), 3, first.after)

    assert [letter.key for letter in second.letters] == [keys[3], keys[5]]
    assert newest not in {letter.key for letter in second.letters}


async def test_filters_find_what_fits_all_of_them(bench: Bench) -> None:
    old = await bench.dead(died_ms=NOW_MS - DAY_MS, reason="Not enough STOCK")
    held = await bench.dead(state=State.HELD, died_ms=NOW_MS, part_id=OTHER_PART, reason="nobody knows")
    catalog = await bench.dead("catalog.upsert_part", died_ms=NOW_MS, reason="conflict")
    damaged = await bench.dead("stock.remove", died_ms=NOW_MS, part_id="t" * 26)
    await bench.spoil(damaged, "attempts", "many")

    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {old, held, catalog, damaged}),
        ({"vendor": "partium"}, {catalog}),
        ({"kind": "stock.add"}, {old, held}),
        ({"state": LetterState.HELD}, {held}),
        ({"state": LetterState.REJECTED}, {old, catalog}),
        ({"state": LetterState.DAMAGED}, {damaged}),
        ({"reason": "enough stock"}, {old}),
        ({"reason": "field attempts"}, {damaged}),
        ({"text": f"part:{OTHER_PART}"}, {held}),
        ({"text": "PART:T"}, {damaged}),
        ({"text": f"[cmd:{old}]"}, {old}),
        ({"text": old[4:12].upper()}, {old}),
        ({"since_ms": NOW_MS}, {held, catalog, damaged}),
        ({"until_ms": NOW_MS}, {old}),
        ({"since_ms": NOW_MS - DAY_MS, "until_ms": NOW_MS - DAY_MS + 1}, {old}),
        ({"kind": "stock.add", "state": LetterState.HELD, "vendor": "partsbox"}, {held}),
        ({"kind": "stock.add", "state": LetterState.HELD, "reason": "stock"}, set()),
    ]
    for wanted, fitting in cases:
        assert set(await keys_of(bench, **wanted)) == fitting, wanted
        assert set(await keys_of(bench, 1, **wanted)) == fitting, wanted


async def test_a_page_counts_all_dead_letters_of_its_vendors(bench: Bench) -> None:
    await bench.dead()
    await bench.dead(part_id=OTHER_PART)
    await bench.dead("catalog.upsert_part")

    assert (await bench.desk.find(Filter(reason="nothing so"), 5)).total == 3
    assert (await bench.desk.find(Filter(vendor="partsbox"), 1)).total == 2
    assert await bench.desk.counts() == {**dict.fromkeys(bench.ledgers, 0), "partsbox": 2, "partium": 1}


async def test_one_call_looks_at_so_many_letters_and_no_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.dead_letter_search.MAX_LOOKED", 150)
    common = await bench.dead(reason="common", died_ms=NOW_MS)
    await bench.copies(common, 250, died_ms=NOW_MS)
    rare = await bench.dead(part_id=OTHER_PART, died_ms=NOW_MS - 1, reason="rare")

    first = await bench.desk.find(Filter(reason="rare"), 5)

    assert first.letters == ()
    assert first.after is not None
    second = await bench.desk.find(Filter(reason="rare"), 5, first.after)
    assert [letter.key for letter in second.letters] == [rare]
    assert second.after is None


@pytest.mark.parametrize(
    ("wanted", "limit", "after", "field"),
    [
        pytest.param({"vendor": "nobody"}, 5, None, "vendor", id="vendor"),
        pytest.param({"kind": "stock.ad"}, 5, None, "kind", id="kind"),
        pytest.param({}, 0, None, "limit", id="limit"),
        pytest.param({}, 1_001, None, "limit", id="limit too large"),
        pytest.param({"since_ms": 5, "until_ms": 5}, 5, None, "until_ms", id="until"),
        pytest.param({}, 5, "yesterday", "after", id="cursor"),
        pytest.param({}, 5, "5.nobody.key", "after", id="cursor of no vendor"),
    ],
)
async def test_what_cannot_be_searched_for_names_the_field(
    bench: Bench, wanted: dict[str, Any], limit: int, after: str | None, field: str
) -> None:
    with pytest.raises(InvalidCommandError) as caught:
        await bench.desk.find(Filter(**wanted), limit, after)

    assert [problem.field for problem in caught.value.problems] == [field]


async def test_an_index_of_another_type_is_an_error_and_no_empty_list(bench: Bench) -> None:
    await bench.redis.set(prefix_of("partsbox") + "dead", "text")

    with pytest.raises(ResponseError):
        await bench.desk.find(Filter())


async def test_a_letter_shows_what_it_is_and_since_when(bench: Bench) -> None:
    key = await bench.dead(state=State.HELD, reason="nobody knows", died_ms=NOW_MS)

    shown = (await bench.desk.read(key)).public()

    assert shown["accepted_ms"] > 0
    assert {name: value for name, value in shown.items() if name != "accepted_ms"} == {
        "key": key,
        "kind": "stock.add",
        "vendor": "partsbox",
        "state": "held",
        "summary": SUMMARY,
        "reason": "nobody knows",
        "attempts": 0,
        "doubted": False,
        "died_ms": NOW_MS,
        "revision": f"{NOW_MS}.0",
        "edited_by": None,
        "lanes": [f"part:{PART}"],
        "effect": "relative",
    }


async def test_what_is_no_dead_letter_says_what_it_is(bench: Bench) -> None:
    ready = await bench.admit()
    discarded = await bench.dead(part_id=OTHER_PART)
    await bench.desk.discard(discarded, "anna", "old")

    with pytest.raises(TransitionRefusedError, match=f"{ready} is ready, not a dead letter"):
        await bench.desk.read(ready)
    with pytest.raises(TransitionRefusedError, match=f"{discarded} is discarded, not a dead letter"):
        await bench.desk.replay(discarded, "anna")
    with pytest.raises(UnknownCommandError, match="no such command"):
        await bench.desk.evidence("a" * 20)


async def test_the_evidence_is_told_in_its_order_with_what_people_did(bench: Bench) -> None:
    key = await bench.admit()
    exchange = {"operation": "stock/add", "request": {}, "status": 422, "answer": {}, "elapsed_ms": 3}
    await bench.end(
        key, State.REJECTED, evidence={"what": "rejected", "before": {"timestamps": []}, "exchange": exchange}
    )
    await bench.desk.edit(key, "anna", {"quantity": 2})

    entries = await bench.desk.evidence(key)

    assert [(entry["what"], entry.get("by")) for entry in entries] == [("rejected", None), ("edited", "anna")]
    assert entries[0]["exchange"] == exchange
    assert entries[1]["changes"] == [{"field": "quantity", "old": 3, "new": 2}]


async def test_its_lanes_tell_who_stands_there(bench: Bench) -> None:
    held = await bench.dead(state=State.HELD)
    behind = [await bench.admit() for _ in range(7)]

    (lane,) = await bench.desk.lanes(held)

    assert (lane.name, lane.length) == (f"part:{PART}", 8)
    assert [(one.key, one.state) for one in lane.first] == [(held, "held"), *((key, "waiting") for key in behind[:4])]
    assert lane.first[0].summary == SUMMARY


async def test_the_lanes_of_a_corrected_letter_are_those_it_will_stand_in(bench: Bench) -> None:
    rejected = await bench.dead()
    waiting = await bench.admit(part_id=OTHER_PART)
    await bench.desk.edit(rejected, "anna", {"part_id": OTHER_PART})

    (lane,) = await bench.desk.lanes(rejected)

    assert (lane.name, [one.key for one in lane.first]) == (f"part:{OTHER_PART}", [waiting])
