"""Who goes into the next request, and in which order its items stand: any load, any hierarchy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.packing import Item, Room, as_they_came, children_first, pack, parents_first
from workers.vendors.request import Call

IDS = st.text(alphabet="abcdé☃", min_size=1, max_size=2)
BODIES = st.text(max_size=30) | st.dictionaries(st.text(max_size=3), st.text(max_size=8), max_size=3)


@dataclass(frozen=True)
class One:
    item: Item
    company: int | None = None
    number: int = 0


ONES = st.builds(
    lambda record_id, body, company: One(Item.of(record_id, body), company),
    IDS,
    BODIES,
    st.none() | st.integers(1, 4),
)
LOADS = st.lists(ONES, max_size=40).map(
    lambda ones: [One(one.item, one.company, number) for number, one in enumerate(ones)]
)
ROOMS = st.builds(Room, st.integers(1, 10), st.integers(2, 200))


def one(record_id: str, body: Any = "", company: int | None = None) -> One:
    return One(Item.of(record_id, body), company)


def item(record_id: str, above: str = "") -> Item:
    return Item.of(record_id, record_id, above=above)


def ids(items: Any) -> list[str]:
    return [item.record_id for item in items]


def packed_to_the_end(load: list[One], room: Room, *, sharing: bool) -> list[list[One]]:
    requests, left = [], load
    while left:
        chosen = pack(left, room, sharing=sharing)
        assert chosen, "somebody waits for ever"
        requests.append(chosen)
        left = [one for one in left if one not in chosen]
    return requests


@given(LOADS, ROOMS, st.booleans())
def test_everyone_is_sent_exactly_once_and_each_record_once_a_request(
    load: list[One],
    room: Room,
    sharing: bool,  # noqa: FBT001  a case, not a switch
) -> None:
    requests = packed_to_the_end(load, room, sharing=sharing)

    sent = [one.number for request in requests for one in request]
    assert sorted(sent) == list(range(len(load)))
    for request in requests:
        named = [one.item.record_id for one in request]
        assert sharing or len(named) == len(set(named))


def test_a_record_that_is_in_a_request_waits_for_the_next_one_with_its_second_write() -> None:
    load = [One(Item.of(name, ""), None, number) for number, name in enumerate("aab")]

    requests = packed_to_the_end(load, Room(500, 10_000, 2), sharing=False)

    assert [[one.number for one in request] for request in requests] == [[0, 2], [1]]


@given(LOADS, ROOMS, st.booleans())
def test_no_request_is_larger_than_its_room_unless_one_item_alone_is(
    load: list[One],
    room: Room,
    sharing: bool,  # noqa: FBT001  a case, not a switch
) -> None:
    for request in packed_to_the_end(load, room, sharing=sharing):
        firsts = {one.item.record_id: one for one in reversed(request)}.values()
        items = [one.item for one in firsts]
        body = Call.post("list", [item.body for item in items]).payload()
        assert len(items) <= room.items
        assert len(body) <= room.body_bytes or len(items) == 1
        assert len(items) <= min(one.company or len(items) for one in firsts)


@given(LOADS, ROOMS)
def test_the_order_of_arrival_is_kept_within_a_request_and_for_each_record(load: list[One], room: Room) -> None:
    requests = packed_to_the_end(load, room, sharing=False)

    assert all([one.number for one in request] == sorted(one.number for one in request) for request in requests)
    for record_id in {one.item.record_id for one in load}:
        numbers = [one.number for request in requests for one in request if one.item.record_id == record_id]
        assert numbers == sorted(numbers)


@given(LOADS, ROOMS)
def test_a_request_is_as_full_as_it_can_be(load: list[One], room: Room) -> None:
    chosen = pack(load, room)
    left = [one for one in load if one not in chosen]
    named = {one.item.record_id for one in chosen}
    following = next((one for one in left if one.item.record_id not in named), None)
    if following is None:
        return

    body = Call.post("list", [one.item.body for one in (*chosen, following)]).payload()
    company = min((one.company for one in (*chosen, following) if one.company), default=room.items)
    assert len(body) > room.body_bytes or len(chosen) + 1 > min(room.items, company)


@given(st.lists(IDS, unique=True, max_size=20), st.integers(2, 200))
def test_the_bytes_around_the_items_are_counted(record_ids: list[str], most: int) -> None:
    def request(asked: list[str]) -> bytes:
        return Call.post("select", {"ids": asked, "projection": ["name"]}).payload()

    room = Room(500, most, frame_bytes=len(request([])))
    chosen = pack([one(record_id, record_id) for record_id in record_ids], room)

    assert len(request([one.item.body for one in chosen])) <= most or len(chosen) <= 1


def test_exactly_so_many_bytes_fit_and_not_one_more() -> None:
    load = [one("a", "xx"), one("b", "xx")]
    exact = len(Call.post("list", ["xx", "xx"]).payload())

    assert len(pack(load, Room(500, exact))) == 2
    assert len(pack(load, Room(500, exact - 1))) == 1


def test_text_is_measured_as_it_is_sent() -> None:
    assert Item.of("a", "é☃").size == len(Call.post("list", "é☃").payload())


def test_one_that_wants_less_company_limits_those_before_it() -> None:
    load = [one("a"), one("b"), one("c", company=2)]

    assert len(pack(load, Room(500, 1000))) == 2
    assert len(pack([one("c", company=1), one("a")], Room(500, 1000))) == 1


def test_nobody_overtakes_one_that_is_too_large_for_what_is_left() -> None:
    load = [one("a", "x"), one("b", "x" * 50), one("c", "x")]

    assert [one.item.record_id for one in pack(load, Room(500, 40))] == ["a"]


def test_readers_of_one_record_take_one_place() -> None:
    load = [one("a", "a"), one("a", "a"), one("b", "b"), one("a", "a"), one("c", "c")]

    assert len(pack(load, Room(2, 1000), sharing=True)) == 4
    assert len(pack(load, Room(2, 1000))) == 2


# order


@st.composite
def hierarchies(draw: st.DrawFn) -> list[Item]:
    """Any parents, circles and strangers included."""
    names = draw(st.lists(IDS, unique=True, min_size=1, max_size=12))
    return [item(name, draw(st.sampled_from([*names, "", "stranger"]))) for name in names]


@st.composite
def trees(draw: st.DrawFn) -> list[Item]:
    """Every record hangs below an earlier one or none; then shuffled."""
    names = draw(st.lists(IDS, unique=True, max_size=12))
    items = [item(name, draw(st.sampled_from(["", "stranger", *names[:at]]))) for at, name in enumerate(names)]
    return draw(st.permutations(items))


@given(hierarchies())
def test_ordering_loses_nobody_even_in_a_circle(items: list[Item]) -> None:
    assert sorted(ids(parents_first(items))) == sorted(ids(items))
    assert sorted(ids(children_first(items))) == sorted(ids(items))


@given(trees())
def test_parents_stand_before_their_children_and_go_after_them(items: list[Item]) -> None:
    first, last = ids(parents_first(items)), ids(children_first(items))

    for one in items:
        if one.above in first:
            assert first.index(one.above) < first.index(one.record_id)
            assert last.index(one.above) > last.index(one.record_id)


@pytest.mark.parametrize("order", [as_they_came, parents_first])
def test_what_is_in_order_stays_as_it_came(order: Any) -> None:
    items = [item("b"), item("a"), item("c", "a"), item("d", "b")]

    assert ids(order(items)) == ["b", "a", "c", "d"]


def test_a_chain_of_thousands_is_put_in_order() -> None:
    chain = [item(str(n), str(n + 1)) for n in range(5000)]

    assert ids(parents_first(chain)) == [str(n) for n in reversed(range(5000))]
