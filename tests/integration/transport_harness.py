"""Channels of our transport and of kombu's beside each other on one server, without a worker."""

from __future__ import annotations

import json
import socket
from contextlib import closing, contextmanager, suppress
from queue import Empty
from typing import TYPE_CHECKING, Any

import redis
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.messaging import Consumer
from kombu.transport import redis as kombu_redis

from tasks.envelope import PARKED_STREAM
from workers.acks import Acks
from workers.parking import parking_transport
from workers.transport import batch_transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: kombu's classes have no usable types
connect: Callable[..., Any] = Connection
make_consumer: Callable[..., Any] = Consumer
make_queue: Callable[..., Any] = Queue


def raw_message(tag: str, queue: str = "q", body: str = "hello", **properties: Any) -> str:
    """Return a message as a stock producer's kombu writes it."""
    delivery = {"exchange": "", "routing_key": queue}
    return json.dumps(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "text/plain",
            "headers": {},
            "properties": {"delivery_tag": tag, "delivery_info": delivery, "body_encoding": None, **properties},
        }
    )


class Reader:
    """A consumer of queues that keeps what it is given and acks nothing by itself."""

    def __init__(self, url: str, *queues: str, window: int = 0, no_ack: bool = False, **options: Any) -> None:
        self.messages: list[Any] = []
        self.connection = connect(url, transport_options={"priority_steps": [0], "socket_timeout": 5, **options})
        transport = self.transport()
        self.connection.get_transport_cls = lambda: transport
        self.channel = self.connection.default_channel
        self.channel.basic_qos(0, window, False)
        read = [make_queue(name, routing_key=name) for name in queues or ("q",)]
        self.consumer = make_consumer(self.channel, read, on_message=self.messages.append, no_ack=no_ack)
        self.consumer.consume()

    def transport(self) -> type[Any]:
        return kombu_redis.Transport

    @property
    def tags(self) -> list[str]:
        """The delivery tags of what it was given, in this order."""
        return [message.delivery_tag for message in self.messages]

    def turn(self) -> None:
        """One turn of a worker's event loop: send what is to be sent, and read the answer unless none is due yet."""
        cycle = self.channel.connection.cycle
        cycle.on_poll_start()
        takes = getattr(self.channel, "_take", None) is not None
        for fileno, _ in cycle.poller.poll(10 if takes else 0.2) or ():
            with suppress(Empty):
                cycle.on_readable(fileno)

    def drain(self) -> None:
        """Take turns until three have brought nothing: one may look, one wait, and one be woken in vain."""
        quiet = 0
        while quiet < 3:
            before = len(self.messages)
            self.turn()
            quiet = quiet + 1 if len(self.messages) == before else 0

    def ask(self) -> None:
        """Send what is to be sent, and leave the answer where it is."""
        self.channel.connection.cycle.on_poll_start()

    def leave(self) -> None:
        """Go as a killed worker does: what is unacked stays so."""
        self.channel.do_restore = False
        self.close()

    def close(self) -> None:
        with suppress(*self.connection.connection_errors, socket.timeout):
            self.connection.close()


class BatchReader(Reader):
    """The same with our transport."""

    def __init__(self, url: str, *queues: str, acks: Acks | None = None, **options: Any) -> None:
        self.acks = Acks() if acks is None else acks
        super().__init__(url, *queues, **options)

    def transport(self) -> type[Any]:
        stock: Any = kombu_redis.Transport
        parking: Any = parking_transport(stock)
        return batch_transport(parking, self.acks)


def numbered(count: int, name: str = "m") -> list[str]:
    return [f"{name}{number}" for number in range(count)]


class Bench:
    """A server as the tests see it, and readers that end with the test."""

    def __init__(self, url: str, server: Any) -> None:
        self.url = url
        self.server = server
        self.readers: list[Reader] = []

    def open(self, kind: type[Reader], *queues: str, **options: Any) -> Reader:
        """Open a reader of this kind."""
        self.readers.append(kind(self.url, *queues, **options))
        return self.readers[-1]

    def ours(self, *queues: str, **options: Any) -> Reader:
        """Open a reader on our transport."""
        return self.open(BatchReader, *queues, **options)

    def fill(self, *tags: str, queue: str = "q") -> None:
        """Queue a message for each tag."""
        for tag in tags:
            self.server.lpush(queue, raw_message(tag, queue))

    def queued(self, queue: str = "q") -> list[str]:
        """Return the tags in a queue, the next to be taken first."""
        return [json.loads(raw)["properties"]["delivery_tag"] for raw in reversed(self.server.lrange(queue, 0, -1))]

    def parked(self) -> list[tuple[str, bytes]]:
        """Return why each message was parked, and what it is."""
        undecoded: Any
        with closing(redis.Redis.from_url(self.url)) as undecoded:
            return [(fields[b"reason"].decode(), fields[b"raw"]) for _, fields in undecoded.xrange(PARKED_STREAM)]

    def calls(self, command: str) -> int:
        """Return how often the server has run a command."""
        return int(self.server.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])


@contextmanager
def open_bench(url: str) -> Iterator[Bench]:
    with closing(redis.Redis.from_url(url, decode_responses=True)) as server:
        bench = Bench(url, server)
        try:
            yield bench
        finally:
            for reader in bench.readers:
                reader.close()
