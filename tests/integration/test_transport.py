"""Our Redis transport on a real server: what it takes, how it registers and waits, and what it parks."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ResponseError

from tests.integration.transport_harness import BatchReader, Bench, Reader, numbered, open_bench, raw_message
from workers.malformed import Fault
from workers.transport import MOST_TAKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import MakeValkey, SharedValkey


@pytest.fixture
def bench(valkey: SharedValkey) -> Iterator[Bench]:
    with open_bench(valkey.url) as bench:
        yield bench


# -- taking


@pytest.mark.parametrize(
    ("exchange", "routing_key", "body"),
    [("", "q", "hello"), ('orders/"eu"', "q.key/1", "hello"), ("", "q", "Schrauben M3 \u00f6\u20ac\U0001f529")],
    ids=["default exchange", "quotes and slashes", "not ASCII"],
)
def test_a_message_is_registered_as_kombu_registers_it(
    bench: Bench, exchange: str, routing_key: str, body: str
) -> None:
    raw = raw_message("t", body=body, delivery_info={"exchange": exchange, "routing_key": routing_key})
    raw = json.dumps(json.loads(raw), ensure_ascii=False)
    found = []
    for kind in (Reader, BatchReader):
        bench.server.lpush("q", raw)
        reader = bench.open(kind)
        before = time.time()
        reader.drain()
        assert reader.tags == ["t"]
        assert before <= bench.server.zscore("unacked_index", "t") <= time.time()
        found.append(json.loads(bench.server.hget("unacked", "t")))
        reader.leave()
        bench.server.delete("unacked", "unacked_index")

    assert found[0] == found[1] == [json.loads(raw), exchange, routing_key]


def test_no_more_is_taken_than_the_window_has_room_for(bench: Bench) -> None:
    bench.fill(*numbered(30))
    reader = bench.ours(window=10)
    registered = bench.calls("hset"), bench.calls("zadd")

    reader.drain()
    assert reader.tags == numbered(10)
    assert (bench.server.llen("q"), bench.server.hlen("unacked"), bench.server.zcard("unacked_index")) == (20, 10, 10)
    assert (bench.calls("hset"), bench.calls("zadd")) == (registered[0] + 1, registered[1] + 1)

    for message in reader.messages[:4]:
        message.ack()
    reader.drain()
    assert reader.tags == numbered(14)
    assert (bench.server.llen("q"), bench.server.hlen("unacked"), bench.server.zcard("unacked_index")) == (16, 10, 10)


def test_one_call_takes_no_more_than_its_most_however_wide_the_window(bench: Bench) -> None:
    bench.fill(*numbered(MOST_TAKEN + 5))
    reader = bench.ours()

    reader.turn()
    assert reader.tags == numbered(MOST_TAKEN)
    reader.turn()
    assert reader.tags == numbered(MOST_TAKEN + 5)


def test_a_batch_is_shared_fairly_by_all_queues(bench: Bench) -> None:
    bench.fill(*numbered(20, "a"), queue="a")
    bench.fill(*numbered(2, "b"), queue="b")
    bench.fill(*numbered(20, "c"), queue="c")
    reader = bench.ours("a", "b", "empty", "c", window=8)

    reader.drain()
    assert sorted(reader.tags) == [*numbered(3, "a"), *numbered(2, "b"), *numbered(3, "c")]
    assert [tag for tag in reader.tags if tag[0] == "a"] == numbered(3, "a")


def test_queues_take_turns_also_when_there_is_room_for_one_message_at_a_time(bench: Bench) -> None:
    for queue in ("a", "b", "c"):
        bench.fill(*numbered(4, queue), queue=queue)
    reader = bench.ours("a", "b", "c", window=1)

    for _ in range(6):
        reader.turn()
        reader.messages[-1].ack()
    assert sorted(reader.tags) == ["a0", "a1", "b0", "b1", "c0", "c1"]


def test_urgent_messages_of_all_queues_come_before_the_others(bench: Bench) -> None:
    bench.fill("late-a", "late-b", queue="a")
    bench.server.rename("a", "a\x06\x163")
    bench.fill(*numbered(3, "b"), queue="b")
    reader = bench.ours("a", "b", priority_steps=[0, 3])

    reader.drain()
    assert reader.tags == [*numbered(3, "b"), "late-a", "late-b"]


@pytest.mark.parametrize("queues", [("q",), ("other", "q", "third")], ids=["one queue", "several queues"])
def test_an_idle_consumer_gets_a_message_that_comes_later(bench: Bench, queues: tuple[str, ...]) -> None:
    reader = bench.ours(*queues)
    reader.drain()
    for tag in numbered(3):
        bench.fill(tag)
        while tag not in reader.tags:
            reader.turn()
    assert reader.tags == numbered(3)


@pytest.mark.parametrize("queues", [("q",), ("q", "other")], ids=["one queue", "several queues"])
def test_a_message_is_not_lost_with_the_idle_worker_that_waited_for_it(bench: Bench, queues: tuple[str, ...]) -> None:
    reader = bench.ours(*queues)
    for _ in range(5):
        reader.turn()
        reader.ask()
        bench.fill("t")
        reader.channel.client.connection.disconnect()
        assert bench.queued() == ["t"]
        bench.server.delete("q")


def test_nothing_is_taken_while_it_could_not_be_registered(bench: Bench) -> None:
    bench.fill(*numbered(3), queue="a")
    reader = bench.ours("a", "b")
    for key, value in {"unacked": "no hash", "unacked_index": "no sorted set", "b": "no list"}.items():
        bench.server.set(key, value)
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            reader.turn()
        assert bench.queued("a") == numbered(3)
        bench.server.delete(key)
    reader.drain()
    assert reader.tags == numbered(3)


def test_a_consumer_without_acks_leaves_nothing_unacked(bench: Bench) -> None:
    bench.fill(*numbered(3))
    reader = bench.ours(no_ack=True)
    reader.drain()
    assert reader.tags == numbered(3)
    assert not bench.server.exists("unacked", "unacked_index")


def test_keys_get_the_prefix_that_kombu_gives_them(bench: Bench) -> None:
    reader = bench.ours(global_keyprefix="east:")
    bench.fill("of another application")
    bench.server.lpush("east:q", raw_message("t"))
    reader.drain()
    assert reader.tags == ["t"]
    assert bench.server.hkeys("east:unacked") == ["t"]
    reader.messages[0].ack()
    reader.turn()
    assert bench.server.keys() == ["q"]


def test_a_server_without_memory_stops_neither_waiting_nor_taking(make_valkey: MakeValkey) -> None:
    with open_bench(make_valkey().url) as bench:
        reader = bench.ours()
        bench.fill("t")
        bench.server.config_set("maxmemory", "1mb")
        reader.drain()
        assert reader.tags == ["t"]
        assert bench.server.hkeys("unacked") == ["t"]

        bench.server.config_set("maxmemory", 0)
        bench.fill("u")
        while "u" not in reader.tags:
            reader.turn()


# -- messages that are none


def test_a_malformed_message_in_a_batch_is_parked_and_the_others_are_delivered(bench: Bench) -> None:
    not_base64 = raw_message("bad", body="a", body_encoding="base64")
    bench.fill("first")
    bench.server.lpush("q", b"\xff\xfe", not_base64, "{", json.dumps([1]), raw_message(""), b'{"properties": "\xff"}')
    bench.fill("last")
    reader = bench.ours()

    reader.turn()
    assert reader.tags == ["first", "", "last"]
    reader.turn()
    assert set(bench.server.hkeys("unacked")) == {"first", "", "last"}
    assert bench.parked() == [
        (Fault.NOT_JSON, b"\xff\xfe"),
        (Fault.BODY_ENCODING, not_base64.encode()),
        (Fault.NOT_JSON, b"{"),
        (Fault.ENVELOPE, b"[1]"),
        (Fault.NOT_JSON, b'{"properties": "\xff"}'),
    ]


def test_a_parked_message_frees_its_place_in_the_window(bench: Bench) -> None:
    for number in range(6):
        bench.server.lpush("q", raw_message(f"bad{number}", body="a", body_encoding="base64"))
    bench.fill("good")
    reader = bench.ours(window=2)
    for _ in range(4):
        reader.turn()
    assert reader.tags == ["good"]


@pytest.mark.parametrize("text", ["\ud800", "\udc00x"], ids=["half a pair", "the other half"])
def test_what_only_the_script_cannot_read_is_registered_by_kombus_own_way(bench: Bench, text: str) -> None:
    bench.fill("first")
    bench.server.lpush("q", raw_message("odd", note=text))
    reader = bench.ours()
    reader.drain()
    assert reader.tags == ["first", "odd"]
    assert set(bench.server.hkeys("unacked")) == {"first", "odd"} == set(bench.server.zrange("unacked_index", 0, -1))


@pytest.mark.parametrize("text", ["ASCII", "\u00f6 \u20ac \ud7ff \ue000 \U00010000 \U0001f529 \U0010ffff"])
def test_text_is_registered_in_the_step_that_takes_it(bench: Bench, text: str) -> None:
    message = json.loads(raw_message("t", body=text))
    bench.server.lpush("q", json.dumps(message, ensure_ascii=False))
    bench.ours().ask()
    while bench.server.llen("q"):
        pass
    assert json.loads(bench.server.hget("unacked", "t"))[0] == message


def test_a_message_that_is_fetched_alone_after_a_batch_is_registered(bench: Bench) -> None:
    bench.fill("of a batch")
    reader = bench.ours()
    reader.turn()
    bench.fill("alone")
    assert reader.channel.basic_get("q").delivery_tag == "alone"
    assert set(bench.server.hkeys("unacked")) == {"of a batch", "alone"}


INVALID = [b"\xc0\xaf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80"]
INVALID += [b"\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x94"]


@pytest.mark.parametrize("sequence", INVALID, ids=lambda sequence: sequence.hex())
def test_what_is_not_utf8_is_never_registered(bench: Bench, sequence: bytes) -> None:
    # a sweep that meets it in `unacked` would fail, for ever, and restore nothing any more
    bench.server.lpush("q", raw_message("t").encode().replace(b"hello", b"\xc3\xb6" + sequence + b" "))
    reader = bench.ours()
    reader.ask()
    while bench.server.llen("q"):
        pass
    assert not bench.server.exists("unacked")
    reader.drain()
    assert [reason for reason, _ in bench.parked()] == [Fault.NOT_JSON]
