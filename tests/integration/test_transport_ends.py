"""Our Redis transport on a real server, beside kombu's: what it acks, gives back and restores."""

from __future__ import annotations

import socket
from queue import Empty
from typing import TYPE_CHECKING, Any

import pytest
from kombu.transport import redis as kombu_redis

from tests.integration.transport_harness import BatchReader, Bench, Reader, connect, numbered, open_bench, raw_message
from workers.acks import Acks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import MakeValkey, SharedValkey


@pytest.fixture
def bench(valkey: SharedValkey) -> Iterator[Bench]:
    with open_bench(valkey.url) as bench:
        yield bench


# -- acks


def test_acks_of_one_turn_share_a_round_trip(bench: Bench) -> None:
    bench.fill(*numbered(20))
    reader = bench.ours()
    reader.drain()
    before = bench.calls("hdel"), bench.calls("zrem")
    for message in reader.messages:
        message.ack()
    assert bench.server.hlen("unacked") == 20

    reader.turn()
    assert not bench.server.exists("unacked", "unacked_index")
    assert (bench.calls("hdel"), bench.calls("zrem")) == (before[0] + 1, before[1] + 1)


def test_acks_are_sent_while_the_window_is_full_and_the_queue_is_idle(bench: Bench) -> None:
    bench.fill(*numbered(2))
    reader = bench.ours(window=3)
    reader.drain()
    reader.messages[0].ack()
    reader.turn()
    assert bench.server.hkeys("unacked") == ["m1"]


def test_a_rejected_message_is_acked_or_goes_back(bench: Bench) -> None:
    bench.fill("away", "back")
    reader = bench.ours(window=2)
    reader.drain()
    reader.messages[0].reject()
    reader.messages[1].requeue()
    assert bench.queued() == ["back"]
    reader.drain()
    assert reader.tags == ["away", "back", "back"]
    assert bench.server.hkeys("unacked") == ["back"]


def test_a_stopping_consumer_acks_at_once(bench: Bench) -> None:
    # the loop has ended, and what still runs may take long
    bench.fill(*numbered(2))
    reader = bench.ours()
    reader.drain()
    reader.consumer.cancel()
    reader.messages[0].ack()
    assert bench.server.hkeys("unacked") == ["m1"]


def test_acks_are_sent_when_the_channel_closes(bench: Bench) -> None:
    bench.fill(*numbered(3))
    reader = bench.ours()
    reader.drain()
    for message in reader.messages[:2]:
        message.ack()
    reader.close()
    assert not bench.server.exists("unacked", "unacked_index")
    assert bench.queued() == ["m2"]


def test_a_closed_channel_leaves_no_connection_behind(bench: Bench) -> None:
    bench.fill("t")
    alone = len(bench.server.client_list())
    reader = bench.ours()
    reader.drain()
    assert len(bench.server.client_list()) > alone
    reader.close()
    while len(bench.server.client_list()) > alone:
        pass
    assert bench.queued() == ["t"]


def test_an_ack_that_comes_after_the_connection_is_gone_goes_out_over_the_next(bench: Bench) -> None:
    bench.fill("t")
    acks = Acks()
    lost = bench.ours(acks=acks)
    lost.drain()
    lost.leave()
    lost.messages[0].ack()
    assert bench.server.hkeys("unacked") == ["t"]

    bench.ours(acks=acks).turn()
    assert not bench.server.exists("unacked", "unacked_index")
    assert not len(acks)


def test_a_message_of_a_closed_channel_can_still_be_rejected(bench: Bench) -> None:
    bench.fill("t")
    reader = bench.ours()
    reader.drain()
    reader.close()
    reader.messages[0].requeue()
    assert bench.queued() == ["t"]


def test_acks_are_kept_while_the_server_is_away(make_valkey: MakeValkey, caplog: pytest.LogCaptureFixture) -> None:
    own, acks = make_valkey(), Acks()
    with open_bench(own.url) as bench:
        bench.fill(*numbered(3))
        reader = bench.ours(acks=acks)
        reader.drain()
        for message in reader.messages[:2]:
            message.ack()
        own.kill()
        with pytest.raises(reader.connection.connection_errors):
            reader.turn()
        reader.channel.close()  # nor does it raise, or try to restore
        assert "2 acks wait for Redis" in caplog.text
        reader.messages[2].ack()

        own.start()
        assert bench.server.hlen("unacked") == 3
        bench.ours(acks=acks).turn()
        assert not bench.server.exists("unacked", "unacked_index", "q")


# -- giving back


@pytest.mark.parametrize("noticed", ["when read", "when closed", "by the health check"])
def test_messages_whose_answer_is_lost_with_the_connection_come_again(bench: Bench, noticed: str) -> None:
    bench.fill(*numbered(5))
    acks = Acks()
    reader = bench.ours(acks=acks)
    reader.ask()
    while not bench.server.hlen("unacked"):
        pass
    connection = reader.channel.client.connection
    if noticed == "by the health check":
        connection.disconnect()
    else:
        connection._sock.shutdown(socket.SHUT_RDWR)
        connection._sock.recv(1 << 20)
    if noticed == "when read":
        with pytest.raises(reader.connection.connection_errors):
            reader.turn()
    if noticed != "by the health check":
        reader.close()
        reader = bench.ours(acks=acks)

    reader.drain()
    assert sorted(reader.tags) == numbered(5)
    assert set(bench.server.hkeys("unacked")) == set(numbered(5))
    assert not acks.lost_takes


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_what_is_taken_while_the_consumer_ends_goes_back_in_its_order(bench: Bench, end: str) -> None:
    bench.fill("m0", "m1")
    bench.server.lpush("q", raw_message("odd", note="\ud800"))
    bench.fill("", "m2")
    reader = bench.ours()
    reader.ask()
    while not bench.server.hlen("unacked"):
        pass

    reader.consumer.cancel() if end == "cancel" else reader.connection.close()

    assert bench.queued() == ["m0", "m1", "odd", "", "m2"]
    assert not bench.server.exists("unacked", "unacked_index")
    assert reader.tags == []


def test_messages_of_a_queue_that_is_cancelled_meanwhile_go_back_and_the_others_are_delivered(bench: Bench) -> None:
    bench.fill("a0", "a1", queue="a")
    bench.fill("b0", "b1", queue="b")
    reader = bench.ours("a", "b")
    reader.ask()
    while not bench.server.hlen("unacked"):
        pass

    reader.consumer.cancel_by_queue("a")
    reader.drain()

    assert reader.tags == ["b0", "b1"]
    assert bench.queued("a") == ["a0", "a1"]
    assert set(bench.server.hkeys("unacked")) == {"b0", "b1"}


def test_an_answer_that_cancelling_has_read_is_not_waited_for_again(bench: Bench) -> None:
    bench.fill("t")
    reader = bench.ours(socket_timeout=0.5)
    reader.ask()
    sock = reader.channel.client.connection._sock
    reader.consumer.cancel()
    # the loop, which saw the answer before, comes to it only now; a second read would time out
    with pytest.raises(Empty):
        reader.channel.connection.cycle.on_readable(sock.fileno())
    assert bench.queued() == ["t"]


def test_a_consumer_that_fails_in_a_batch_leaves_the_rest_of_it_to_others(bench: Bench) -> None:
    bench.fill(*numbered(5))
    reader = bench.ours()

    def fail_at_second(message: Any) -> None:
        reader.messages.append(message)
        if len(reader.messages) == 2:
            raise SystemExit(3)

    reader.consumer.on_message = fail_at_second
    with pytest.raises(SystemExit):
        reader.turn()
    reader.messages[0].ack()
    reader.close()

    assert sorted(bench.queued()) == ["m1", "m2", "m3", "m4"]
    assert not bench.server.exists("unacked", "unacked_index")


# -- beside kombu's own


@pytest.mark.parametrize(("first", "second"), [(Reader, BatchReader), (BatchReader, Reader)], ids=["up", "down"])
def test_each_restores_what_the_other_left_unacked(bench: Bench, first: type[Reader], second: type[Reader]) -> None:
    bench.fill(*numbered(5))
    dead = bench.open(first, window=3)
    dead.drain()
    dead.leave()
    assert bench.server.hlen("unacked") == 3

    heir = bench.open(second, visibility_timeout=0)
    heir.channel.qos.restore_visible()
    assert not bench.server.exists("unacked", "unacked_index")
    heir.drain()
    assert sorted(heir.tags) == numbered(5)
    redelivered = {message.delivery_tag for message in heir.messages if message.headers.get("redelivered")}
    assert redelivered == set(numbered(3))
    for message in heir.messages:
        message.ack()
    heir.turn()
    assert not bench.server.exists("unacked", "unacked_index", "q")


def test_a_sweep_by_one_keeps_the_other_from_sweeping(bench: Bench) -> None:
    bench.fill("t")
    ours = bench.ours(visibility_timeout=0)
    ours.drain()
    bench.server.set("unacked_mutex", "another worker's")
    ours.channel.qos.restore_visible()
    assert bench.server.hkeys("unacked") == ["t"]


def test_a_channel_keeps_one_client_for_its_commands(bench: Bench) -> None:
    reader = bench.ours()
    with reader.channel.conn_or_acquire() as first, reader.channel.conn_or_acquire() as second:
        assert first is second
    with reader.channel.conn_or_acquire("given") as given:
        assert given == "given"
    reader.channel._disconnect_pools()
    with reader.channel.conn_or_acquire() as third:
        assert third is not first
        assert third.ping()


def test_publishing_over_our_transport_is_kombus(bench: Bench) -> None:
    reader = bench.ours()
    reader.connection.SimpleQueue("q").put({"n": 1})
    reader.drain()
    assert [message.payload for message in reader.messages] == [{"n": 1}]


def test_a_stock_connection_is_left_as_it_is() -> None:
    assert connect("redis://127.0.0.1:1").get_transport_cls() is kombu_redis.Transport
