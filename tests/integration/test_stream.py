"""The event stream over a real server: what arrives, to whom, and that a client that comes back misses nothing."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from producers.webhooks import events as events_module
from producers.webhooks import stream as stream_module
from producers.webhooks.events import Position
from producers.webhooks.stream import MAX_STREAMS_PER_CLIENT
from tasks.ledger import Ledger, prefix_of
from tests.integration.command_api_harness import OPERATOR_TOKEN, PROBLEM, STATION_TOKEN, TOKEN, move
from tests.integration.stream_harness import PATIENCE_SECONDS, streaming

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.integration.command_api_harness import Door

EVENTS = prefix_of("partsbox") + "events"
ST01 = {"Authorization": f"Bearer {STATION_TOKEN}"}


async def _accept(door: Door, number: int, **headers: str) -> str:
    status, _, accepted = await door.post(move(stock_timestamp=1_790_000_000_000 + number), **headers)
    assert status == 202
    return str(accepted["key"])


async def _trim(redis: Redis, length: int = 1) -> None:
    await redis.xtrim(EVENTS, maxlen=length, approximate=False)


async def test_what_becomes_of_a_command_is_told_step_by_step(door: Door, redis_client: Redis) -> None:
    async with streaming(door) as reader:
        key = await _accept(door, 0)
        await Ledger(redis_client, "partsbox").claim(key, "owner", 60)
        events = [await reader.event() for _ in range(3)]

    assert reader.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert reader.answer.headers["Cache-Control"] == "no-store"
    assert [event.data["state"] for event in events] == ["accepted", "ready", "sending"]
    data = events[0].data
    assert isinstance(data.pop("at_ms"), int)
    assert data == {
        "key": key,
        "kind": "stock.move",
        "vendor": "partsbox",
        "state": "accepted",
        "reason": "",
        "client": "erp",
    }


async def test_events_of_all_vendors_come_in_one_stream(door: Door) -> None:
    part = {
        "kind": "bom.set_property",
        "bom_id": "b",
        "part_number_property": "MPN",
        "part_number": "R",
        "property": "D",
    }
    async with streaming(door) as reader:
        await _accept(door, 0)
        await door.post({**part, "value": "x", "stock_timestamp": 1_790_000_000_000})
        events = [await reader.event() for _ in range(4)]

    assert {event.data["vendor"] for event in events} == {"partsbox", "openbom"}


async def test_a_client_hears_of_its_own_commands_only_and_so_does_an_operator(door: Door) -> None:
    async with (
        streaming(door) as erp,
        streaming(door, token=STATION_TOKEN) as station,
        streaming(door, token=OPERATOR_TOKEN) as desk,
    ):
        of_erp = await _accept(door, 0)
        of_station = await _accept(door, 1, **ST01)
        of_desk = await _accept(door, 2, Authorization=f"Bearer {OPERATOR_TOKEN}")

        assert await erp.states(1) == [(of_erp, "accepted")]
        assert await station.states(1) == [(of_station, "accepted")]
        assert await desk.states(1) == [(of_desk, "accepted")]


async def test_a_stream_without_a_position_begins_now(door: Door) -> None:
    await _accept(door, 0)
    async with streaming(door) as reader:
        later = await _accept(door, 1)

        assert (await reader.event()).data["key"] == later


async def test_events_are_read_only_while_somebody_listens(door: Door, redis_client: Redis) -> None:
    async def reads() -> int:
        stats: Any = await redis_client.info("commandstats")
        return int(stats["cmdstat_xread"]["calls"]) if "cmdstat_xread" in stats else 0

    numbers = itertools.count()
    feed = events_module.EventFeed(redis_client)
    before = await reads()
    async with feed.running(), asyncio.timeout(PATIENCE_SECONDS):
        await _accept(door, next(numbers))
        assert (await reads(), feed.ready.is_set()) == (before, False)

        for _ in range(2):
            with feed.listening(lambda event: event.client == "erp", lambda: None) as listener:
                await feed.begin()
                key = await _accept(door, next(numbers))
                await listener.arrived.wait()
                assert listener.waiting[0].data["key"] == key  # nothing of what was before
            while feed.ready.is_set():  # the reader wakes up, and finds that nobody listens any more
                await _accept(door, next(numbers))
            stopped = await reads()
            await _accept(door, next(numbers))
            assert await reads() == stopped


async def test_a_client_that_comes_back_misses_nothing_and_gets_nothing_twice(door: Door) -> None:
    """Disconnects at every place of a history of two clients, while more of it happens."""
    seen: list[tuple[str, str]] = []
    keys: list[str] = []
    last_id = ""
    for turn in range(12):
        async with streaming(door, last_id=last_id) as reader:
            keys.append(await _accept(door, 10 * turn))
            await _accept(door, 10 * turn + 1, **ST01)
            seen += await reader.states(1 + turn % 2)
            last_id = reader.last_id
        keys.append(await _accept(door, 10 * turn + 2))
    async with streaming(door, last_id=last_id) as reader:
        # each gives `accepted`; all move the same part, so that only the first becomes ready
        seen += await reader.states(len(keys) + 1 - len(seen))
        keys.append(await _accept(door, 1_000))
        assert await reader.states(1) == [(keys[-1], "accepted")]

    assert seen == [(keys[0], "accepted"), (keys[0], "ready"), *((key, "accepted") for key in keys[1:-1])]


async def test_a_long_absence_is_made_good_in_the_order_of_each_vendor(
    door: Door, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_CHUNK", 3)
    async with streaming(door) as reader:
        await _accept(door, 0)
        await reader.states(2)
        last_id = reader.last_id
    keys = [await _accept(door, number) for number in range(1, 20)]

    async with streaming(door, last_id=last_id) as reader:
        assert await reader.states(19) == [(key, "accepted") for key in keys]


async def test_events_that_come_while_the_missed_ones_are_sent_come_once_and_after_them(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with streaming(door) as reader:
        await _accept(door, 0)
        await reader.states(2)
    missed = await _accept(door, 1)
    keeps = events_module.EventFeed.keeps
    meanwhile: list[str] = []

    async def busy(feed: events_module.EventFeed, position: Position) -> bool:
        meanwhile.append(await _accept(door, 2 + len(meanwhile)))
        return await keeps(feed, position)

    monkeypatch.setattr(events_module.EventFeed, "keeps", busy)
    async with streaming(door, last_id=reader.last_id) as again:
        found = await again.states(3)
        after = await _accept(door, 9)

        assert found == [(missed, "accepted"), *((key, "accepted") for key in meanwhile)]
        assert await again.states(1) == [(after, "accepted")]


async def test_what_was_trimmed_is_told_as_a_gap_and_the_stream_goes_on(door: Door, redis_client: Redis) -> None:
    async with streaming(door) as reader:
        await _accept(door, 0)
        await reader.states(2)
    await _accept(door, 1)
    await _accept(door, 2)
    await _trim(redis_client)

    async with streaming(door, last_id=reader.last_id) as again:
        gap = await again.event()
        key = await _accept(door, 3)

        assert (gap.type, gap.data) == ("stream.gap", {})
        assert await again.states(1) == [(key, "accepted")]
    async with streaming(door, last_id=gap.id) as third:
        assert await third.states(1) == [(key, "accepted")]


async def test_a_stream_that_was_empty_when_it_was_left_is_told_as_a_gap_once_trimmed(
    door: Door, redis_client: Redis
) -> None:
    at_the_beginning = str(Position({}))
    await _accept(door, 0)
    async with streaming(door, last_id=at_the_beginning) as whole:
        assert len(await whole.states(2)) == 2
    await _trim(redis_client)

    async with streaming(door, last_id=at_the_beginning) as trimmed:
        assert (await trimmed.event()).type == "stream.gap"


async def test_events_that_were_trimmed_while_the_missed_ones_were_read_are_told_as_a_gap(
    door: Door, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with streaming(door) as reader:
        await _accept(door, 0)
        await reader.states(2)
    await _accept(door, 1)
    keeps = events_module.EventFeed.keeps

    async def then_trimmed(feed: events_module.EventFeed, position: Position) -> bool:
        found = await keeps(feed, position)
        await _trim(redis_client)
        return found

    monkeypatch.setattr(events_module.EventFeed, "keeps", then_trimmed)
    async with streaming(door, last_id=reader.last_id) as again:
        assert [(await again.event()).type for _ in range(2)] == ["command.state", "stream.gap"]


@pytest.mark.parametrize(
    "last_id",
    [
        "5",
        "partsbox:1-1,",
        "partsbox:1",
        "partsbox:99999999999999999999-0",
        "partsbox:1-0;openbom:1-0",
        "x" * 5_000,
        "partsbox:1790000000000-0",
        "partsbox:9999999999999-0",
    ],
)
async def test_a_position_that_says_nothing_is_a_gap_and_no_error(door: Door, last_id: str) -> None:
    await _accept(door, 0)
    async with streaming(door, last_id=last_id) as reader:
        gap = await reader.event()
        key = await _accept(door, 1)

        assert gap.type == "stream.gap"
        assert await reader.states(1) == [(key, "accepted")]


async def test_an_idle_stream_gives_signs_of_life_that_move_its_position_on(
    door: Door, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "HEARTBEAT_SECONDS", 0.05)
    async with streaming(door) as reader:
        await _accept(door, 0, **ST01)
        newest: Any = await redis_client.xrevrange(EVENTS, count=1)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while newest[0][0] not in reader.last_id:
                assert "data" not in await reader.block()
    await _trim(redis_client)

    async with streaming(door, last_id=reader.last_id) as again:
        key = await _accept(door, 1)
        assert await again.states(1) == [(key, "accepted")]


async def test_a_client_that_is_cut_off_before_its_first_event_comes_back_to_it(door: Door) -> None:
    async with streaming(door) as reader:
        await reader.block()
    key = await _accept(door, 0)

    async with streaming(door, last_id=reader.last_id) as again:
        assert await again.states(1) == [(key, "accepted")]


async def test_a_client_has_so_many_streams_and_one_that_ends_makes_place(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "HEARTBEAT_SECONDS", 3_600.0)  # no write that would find out first
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answers = [await door.session.get(f"{door.url}/v1/stream", headers=headers) for _ in range(MAX_STREAMS_PER_CLIENT)]

    refused, given, problem = await door.get("/v1/stream")
    async with streaming(door, token=STATION_TOKEN) as other:
        assert other.answer.status == 200
    answers.pop().close()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (again := await door.session.get(f"{door.url}/v1/stream", headers=headers)).status == 429:
            again.close()

    assert (refused, given["Content-Type"], problem["code"]) == (429, PROBLEM, "too-many-streams")
    for answer in (*answers, again):
        answer.close()


async def test_a_stream_asks_for_a_token_and_takes_no_head_request(door: Door) -> None:
    async with door.session.get(f"{door.url}/v1/stream") as refused:
        assert refused.status == 401
    async with door.session.head(f"{door.url}/v1/stream", headers={"Authorization": f"Bearer {TOKEN}"}) as head:
        assert head.status == 405


@pytest.mark.parametrize(
    "answer",
    [
        {"sr:{openbom}:events": [[("5-1", {"key": "k"})]]},  # RESP3
        [["sr:{openbom}:events", [("5-1", {"key": "k"})]]],  # RESP2
    ],
)
def test_events_are_read_in_either_version_of_the_protocol(answer: Any) -> None:
    ((vendor, raw),) = events_module._by_vendor(answer)
    (event,) = events_module._events(vendor, raw)

    assert (event.vendor, event.id, event.client) == ("openbom", (5, 1), "")
    assert event.data["at_ms"] == 5
    assert events_module._by_vendor(None) == []


def test_a_position_survives_being_written_and_read() -> None:
    position = Position({"partsbox": (5, 1), "openbom": (7, 0)})

    assert str(position) == "partsbox:5-1,openbom:7-0"
    found = Position.parse(str(position))
    assert found is not None
    assert [found.of(vendor) for vendor in ("partsbox", "openbom", "partium")] == [(5, 1), (7, 0), (0, 0)]
    assert Position.parse("unheard_of:5-1") is not None  # of another version, which has more vendors
