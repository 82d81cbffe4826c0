"""Every inside of kombu that our Redis transport relies on, each with what breaks if it goes.

When one of these fails after an upgrade, workers/transport.py or workers/acks.py has to be compared with the new kombu.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from queue import Empty
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import kombu.asynchronous
import pytest
from celery.worker.consumer import Consumer
from kombu.connection import Connection
from kombu.transport import redis as kombu_redis
from kombu.utils.scheduling import cycle_by_name
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ResponseError

from workers.acks import Acks, CollectingQoS
from workers.parking import ParkingChannel, ParkingConsumer
from workers.transport import (
    SEVERAL_QUEUES_SECONDS,
    BatchChannel,
    BatchConsumer,
    BatchPoller,
    BatchTransport,
    batch_transport,
)

if TYPE_CHECKING:
    from collections.abc import Callable

#: kombu's classes have no usable types
connect: Callable[[str], Any] = Connection
make_hub: Callable[[], Any] = kombu.asynchronous.Hub
make_poller: Callable[[], Any] = kombu_redis.MultiChannelPoller
make_cycle: Callable[[str], Callable[..., Any]] = cycle_by_name
make_qos: Callable[..., Any] = CollectingQoS
STOCK: Any = kombu_redis.Transport


def source_hash(function: Any) -> str:
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("function", "known"),
    [
        (kombu_redis.Channel._brpop_start, "06723d707ddf2240"),
        (kombu_redis.Channel._brpop_read, "c42518699709f2df"),
        (kombu_redis.Channel._basic_cancel, "f799ede5037500a9"),
        (kombu_redis.Channel.close, "101e9b9cdad44b88"),
        (kombu_redis.Channel.conn_or_acquire, "25883caca6c4121e"),
        (kombu_redis.QoS.append, "35c655f6ecc62fe6"),
        (kombu_redis.QoS.ack, "1bc15a4ddf541af6"),
        (kombu_redis.QoS.reject, "747a02434344d1a6"),
        (kombu_redis.QoS.restore_by_tag, "58e161d81b6fe18d"),
        (kombu_redis.MultiChannelPoller.on_poll_start, "414f76caaa675bc0"),
        (kombu_redis.Transport.__init__, "4fc30e8fa54df374"),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_kombus_method_is_the_one_that_ours_stands_in_for(function: Any, known: str) -> None:
    assert source_hash(function) == known, f"kombu changed {function.__qualname__}: compare ours with it"


# -- fetching


class Scripted(BatchChannel):
    """A channel without a server: what it sends is kept, what it is to read is given."""

    def __init__(self, *queues: str) -> None:
        sent: list[tuple[object, ...]] = []
        answers: list[Any] = []
        wire = SimpleNamespace(_sock=object(), send_command=lambda *command: sent.append(command), disconnect=print)

        def read(*_: object, **__: object) -> Any:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        client = type("Client", (), {"connection": wire, "parse_response": read})
        self.sent, self.answers, self.delivered = sent, answers, list[str]()
        self.client = client()
        self.connection_errors = (RedisConnectionError,)
        self.brpop_timeout, self.priority_steps = 1, [0]
        self.acks = Acks()
        self._qos = make_qos(self, 10)
        self.do_restore = False
        self._queue_cycle = make_cycle("round_robin")(list(queues))
        self._active_queues, self.active_fanout_queues = list(queues), set()
        self.handlers = {"BRPOP": self._brpop_read}
        self.closed = False

    def deliver_or_park(self, item: bytes, queue: str) -> None:
        self.delivered.append(f"{item.decode()} from {queue}")


def polled(channel: Any) -> Any:
    """Return kombu's poller with the channel registered in it."""
    poller = make_poller()
    poller.add(channel)
    poller._chan_to_sock[channel, channel.client, "BRPOP"] = channel.client.connection._sock
    poller._fd_to_chan[7] = (channel, "BRPOP")
    return poller


def test_the_poller_fetches_by_brpop_start_and_brpop_read_one_at_a_time() -> None:
    channel: Any = Scripted("q")
    poller = polled(channel)
    poller.on_poll_start()
    poller.on_poll_start()
    assert [command[0] for command in channel.sent] == ["EVAL"]

    channel.answers.append([[3, b"m", None]])
    poller.on_readable(7)
    assert channel.delivered == ["m from q"]
    poller.on_poll_start()
    assert [command[0] for command in channel.sent] == ["EVAL", "BLMOVE"]

    channel.answers.append(None)
    with pytest.raises(Empty):
        poller.on_readable(7)
    poller.on_poll_start()
    assert [command[0] for command in channel.sent] == ["EVAL", "BLMOVE", "EVAL"]


def test_the_poller_does_not_fetch_while_the_window_is_full() -> None:
    channel: Any = Scripted("q")
    channel.qos.prefetch_count = 1
    channel.qos.hold("t")
    polled(channel).on_poll_start()
    assert channel.sent == []


@pytest.mark.parametrize(("queues", "seconds"), [(["q"], 1), (["q", "r"], SEVERAL_QUEUES_SECONDS)])
def test_a_channel_waits_for_its_first_queue_as_long_as_kombu_would_unless_there_are_others(
    queues: list[str], seconds: float
) -> None:
    channel: Any = Scripted(*queues)
    channel.global_keyprefix = "east:"
    channel._drained = True
    channel._brpop_start()
    assert channel.sent == [("BLMOVE", "east:q", "east:q", "RIGHT", "RIGHT", seconds)]


def test_a_late_answer_is_missed_by_kombus_health_check() -> None:
    channel: Any = Scripted("q")
    channel._brpop_start()
    assert channel._brpop_sent_at is not None, "kombu tells by it that a connection is half open"
    assert "channel._brpop_sent_at" in inspect.getsource(kombu_redis.MultiChannelPoller.maybe_check_brpop_health)


def test_kombu_closes_a_channel_by_reading_what_is_under_way_with_closing_set() -> None:
    read: list[bool] = []

    class Closing(kombu_redis.Channel):
        def __init__(self) -> None:
            self._in_poll = True
            self.closed = True

        def _brpop_read(self, **_: Any) -> bool:
            read.append(self._closing)
            raise Empty

    channel: Any = Closing()
    channel._consumers, channel._cycle, channel._qos = set(), None, None
    channel.close()
    assert read == [True]


def test_a_wait_is_not_waited_for_when_the_channel_closes() -> None:
    channel: Any = Scripted("q")
    channel._drained = True
    channel._brpop_start()
    channel._closing = True
    with pytest.raises(Empty):
        channel._brpop_read()
    assert channel.sent[0][0] == "BLMOVE"  # and no answer was there to be read


def test_a_channel_that_may_not_wait_for_want_of_memory_rests_instead() -> None:
    channel: Any = Scripted("q")
    channel._drained = True
    channel._brpop_start()
    channel.answers.append(OutOfMemoryError())
    with pytest.raises(Empty):
        channel._brpop_read()

    channel._brpop_start()
    assert len(channel.sent) == 1, "it would ask again and again"
    channel._rest_until -= channel.brpop_timeout
    channel._brpop_start()
    assert [command[0] for command in channel.sent] == ["BLMOVE", "EVAL"]


def test_a_queue_cycle_gives_the_queues_and_puts_the_last_used_behind() -> None:
    cycle = make_cycle("round_robin")()
    cycle.update(["a", "b", "c"])
    cycle.rotate("a")
    assert cycle.consume(3) == ["b", "c", "a"]


def test_redis_py_names_a_refusal_for_want_of_memory() -> None:
    assert issubclass(OutOfMemoryError, ResponseError)
    assert "OOM" in inspect.getsource(importlib.import_module("redis._parsers.base"))
    assert inspect.signature(AbstractConnection.can_read).parameters["timeout"].default == 0


# -- the window and the acks


class FakeChannel(BatchChannel):
    """As much of a closed channel as its QoS asks for."""

    def __init__(self) -> None:
        self.acks = Acks()
        self.closed = True
        self._commands = SimpleNamespace(connection_pool=None)
        self._pool = None


def test_the_room_in_the_window_is_what_kombus_check_allows() -> None:
    qos = make_qos(FakeChannel(), 2)
    room = []
    for step in (lambda: None, lambda: qos.hold("a"), lambda: qos.hold("b"), lambda: qos.ack("a")):
        step()
        room.append((qos.can_consume_max_estimate(), qos.can_consume()))
    assert room == [(2, True), (1, True), (0, False), (1, True)]
    qos.channel.do_restore = False
    qos.prefetch_count = 0
    assert qos.can_consume_max_estimate() is None, "no limit has another sign"


def test_unacked_messages_are_restored_by_their_tags_only() -> None:
    restored: list[str] = []
    qos = make_qos(FakeChannel(), 0)
    qos.restore_by_tag = lambda tag, **_: restored.append(tag)
    qos.hold("held")
    qos.hold("acked")
    qos.ack("acked")
    qos.restore_unacked_once()
    assert restored == ["held"]


def test_nothing_is_restored_by_a_channel_that_shall_not() -> None:
    qos = make_qos(FakeChannel(), 0)
    qos.restore_by_tag = pytest.fail
    qos.hold("held")
    qos.channel.do_restore = False
    qos.restore_unacked_once()


def test_kombu_makes_a_client_for_every_command() -> None:
    made: list[object] = []

    class Making(kombu_redis.Channel):
        def __init__(self) -> None: ...

        def _create_client(self, asynchronous: object = None) -> object:
            del asynchronous
            made.append(object())
            return made[-1]

    channel: Any = Making()
    with channel.conn_or_acquire(), channel.conn_or_acquire():
        assert len(made) == 2, "kombu keeps one now: BatchChannel.conn_or_acquire can go"


def test_the_hub_calls_the_poller_after_the_acks_of_a_turn_and_before_it_polls() -> None:
    order: list[str] = []
    transport: Any = batch_transport(STOCK, Acks())(client=connect("redis://127.0.0.1:1"))
    transport.cycle.on_poll_start = lambda: order.append("poller")
    hub = make_hub()
    try:
        transport.register_with_event_loop(transport, hub)
        hub.call_soon(order.append, "ack")
        next(hub.create_loop())
    finally:
        hub.close()
    assert order == ["ack", "poller"]


# -- mixing it in


def test_our_channel_and_poller_stand_before_kombus() -> None:
    for stock in (kombu_redis.Transport, kombu_redis.SentinelTransport):
        cls: Any = stock
        acks = Acks()
        mixed: Any = batch_transport(cls, acks)
        order = mixed.Channel.__mro__
        assert order.index(BatchChannel) < order.index(ParkingChannel) < order.index(stock.Channel)
        assert mixed.Channel.acks is acks
        assert mixed.Channel.QoS is CollectingQoS
        assert issubclass(mixed, (BatchTransport, stock))
        assert batch_transport(mixed, acks) is mixed
        assert isinstance(mixed(client=connect("redis://127.0.0.1:1")).cycle, BatchPoller)


def consumer_of(connection: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a consumer that has everything but a server."""
    monkeypatch.setattr(Consumer, "ensure_connected", lambda _, connection: connection)
    consumer: Any = object.__new__(BatchConsumer)
    consumer._acks = Acks()
    consumer.app = SimpleNamespace(connection_for_read=lambda **_: connection)
    return consumer


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_the_worker_reads_by_our_transport_after_a_failover_too(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connect(f"{scheme}://127.0.0.1:1;{scheme}://127.0.0.1:2")
    consumer = consumer_of(connection, monkeypatch)
    assert consumer.connection_for_read() is connection
    for port in (1, 2):
        assert connection.port == port
        channel = connection.create_transport().Channel
        assert issubclass(channel, BatchChannel)
        assert channel.acks is consumer._acks
        connection.maybe_switch_next()


def test_celery_connects_its_consumer_by_ensure_connected() -> None:
    assert "self.ensure_connected(" in inspect.getsource(ParkingConsumer.connection_for_read)
