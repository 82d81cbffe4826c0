"""kombu's Redis transport with the same keys and messages, and fewer round trips. For the worker's consumer.

kombu pops a message (BRPOP), registers it in `unacked`, and takes it out when it is acked: three round trips, each of
which the server syncs to disk. Here `transport.lua` takes as many messages as the prefetch window has room for and
registers them in the same step, so that none is lost between the two. Acks are sent once in a turn of the event loop.

**Waiting** must not take anything either: a BRPOP of a worker that dies meanwhile takes its message along. So an idle
worker asks Redis to move the oldest message of the queue from its right end to its right end (BLMOVE). That is answered
as soon as there is one, and changes nothing.

Stock workers may consume, and restore, from the same queues at any time; stock producers need not know.
"""

from __future__ import annotations

import functools
import logging
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final

from celery.worker import state
from kombu.transport import redis as kombu_redis
from redis.exceptions import OutOfMemoryError, ResponseError

from workers.acks import Acks, CollectingQoS
from workers.parking import ParkingChannel, ParkingConsumer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

logger = logging.getLogger(__name__)

#: messages in one call: a millisecond of the server's time, and by then a round trip no longer counts
MOST_TAKEN: Final = 64

#: only one queue can be waited for at a time; a worker of several looks at the others this often
SEVERAL_QUEUES_SECONDS: Final = 0.1

#: how long an event waits for others; who watches the tasks sees them that much later
EVENTS_SECONDS: Final = 0.2

#: more are not kept waiting: some 100 KiB
EVENTS_TOGETHER: Final = 300

#: sent in full each time, 3 KiB, so that nobody has to know whether the server still has it
_TAKE: Final = Path(__file__).with_suffix(".lua").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that the script took. It is in `unacked` if it has a tag."""

    key: str
    queue: str
    raw: bytes
    tag: str | None


@dataclass(frozen=True, slots=True)
class Take:
    """A call of the script that is under way: keys and queues by place, and how many it may take."""

    keys: Sequence[tuple[str, str]]
    most: int
    #: the worker's clock (s), as text because Redis finds by it what it registered
    moment: str

    def read(self, answer: Sequence[tuple[int, bytes, bytes | None]]) -> list[Taken]:
        """Return what it took."""
        return [Taken(*self.keys[place - 3], raw, None if tag is None else tag.decode()) for place, raw, tag in answer]


class BatchChannel(ParkingChannel):
    """A channel that takes messages in batches, on the connection and in the methods in which kombu has its BRPOP."""

    QoS = CollectingQoS
    acks: Acks

    #: what was sent to Redis last and is not answered: a call of the script, or None for a wait
    _take: Take | None = None
    #: nothing was left in the queues: wait before the next call
    _drained = False
    _rest_until = 0.0
    _commands: Any = None

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        # kombu makes a client for each command; it is its pool that has the connections
        if client is None:
            if self._commands is None or self._commands.connection_pool is not self._pool:
                self._commands = self._create_client()  # type: ignore[no-untyped-call]  # kombu
            client = self._commands
        yield client

    # -- from Redis

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues or monotonic() < self._rest_until:
            return
        keys = [
            (self._q_for_pri(queue, step), queue)  # type: ignore[no-untyped-call]  # kombu
            for step in self.priority_steps
            for queue in queues
        ]
        self._note_lost_take()
        command = self._wait_command(keys, timeout) if self._drained else self._take_command(keys, len(queues))
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()  # type: ignore[assignment]  # kombu: or None
        self.client.connection.send_command(*command)

    def _take_command(self, keys: Sequence[tuple[str, str]], width: int) -> tuple[object, ...]:
        room = self.qos.can_consume_max_estimate()
        self._take = Take(keys, MOST_TAKEN if room is None else min(room, MOST_TAKEN), repr(time()))
        names = (self.unacked_index_key, self.unacked_key, *(key for key, _ in keys))
        prefixed = [self.global_keyprefix + name for name in names]
        return ("EVAL", _TAKE, len(prefixed), *prefixed, self._take.most, self._take.moment, width)

    def _wait_command(self, keys: Sequence[tuple[str, str]], timeout: float | None) -> tuple[object, ...]:
        seconds = self.brpop_timeout if timeout is None else timeout
        if len(keys) > 1:
            seconds = SEVERAL_QUEUES_SECONDS
        key = self.global_keyprefix + keys[0][0]
        return ("BLMOVE", key, key, "RIGHT", "RIGHT", seconds or 0)

    def _brpop_read(self, **options: Any) -> bool:
        taken = self._read_answer(**options)
        consumed = () if self._closing else self.active_queues
        self._give_back([one for one in taken if one.queue not in consumed])
        wanted = [one for one in taken if one.queue in consumed]
        if not wanted:
            raise Empty
        self._hand_out(wanted)
        return True

    def _read_answer(self, **options: Any) -> list[Taken]:
        connection, take = self.client.connection, self._take
        if self._closing and take is None:
            connection.disconnect()  # rather than wait until there is a message, or none
            return []
        if not self._in_poll and not connection.can_read():
            return []  # answered already: the loop saw it, and before it came here a consumer was cancelled
        self._drained = False
        try:
            answer = self.client.parse_response(connection, "BLMOVE" if take is None else "EVAL", **options)
        except self.connection_errors:
            connection.disconnect()
            raise
        except OutOfMemoryError:  # BLMOVE counts as a write, the script does not: it pops before it adds
            self._rest_until = monotonic() + self.brpop_timeout
            return []
        finally:
            self._in_poll = None  # type: ignore[assignment]  # kombu: a connection, None or False
            self._flush_brpop_reauth()  # type: ignore[no-untyped-call]  # kombu
        self._take = None
        if take is None:
            return []
        taken = take.read(answer)
        self._drained = len(taken) < take.most
        return taken

    # -- to the consumers

    def _hand_out(self, taken: Sequence[Taken]) -> None:
        for one in taken:
            if one.tag is not None:
                self.qos.hold(one.tag)
        for one in taken:
            self._queue_cycle.rotate(one.queue)
            self.qos.registered = one.tag is not None
            try:
                self.deliver_or_park(one.raw, one.queue)
            finally:
                self.qos.registered = False
            if one.tag is not None:
                self.qos.release(one.tag)

    def _give_back(self, taken: Sequence[Taken]) -> None:
        """Put messages that nobody here consumes any more back where they came from, in their order."""
        for one in reversed(taken):
            with self.conn_or_acquire() as client:
                if one.tag is None:
                    client.rpush(one.key, one.raw)
                else:
                    self.qos.restore_by_tag(one.tag, client)

    # -- the end

    def _basic_cancel(self, consumer_tag: str) -> Any:
        cancelled = super()._basic_cancel(consumer_tag)  # type: ignore[no-untyped-call]  # kombu
        if self._in_poll and self._take is not None and not self.active_queues:
            with suppress(Empty):  # the worker stops, and its jobs may take long: others should have these meanwhile
                self._brpop_read()
        return cancelled

    def close(self) -> None:
        if not self.closed and self._qos is not None:
            self._flush_before_close()
        try:
            super().close()
        finally:
            self._note_lost_take()
            self._disconnect_pools()  # type: ignore[no-untyped-call]  # kombu opens one again to restore messages

    def _note_lost_take(self) -> None:
        if self._take is not None:
            self.acks.lost_takes.append(self._take.moment)
            self._take = None

    def restore_lost_takes(self) -> None:
        """Restore what calls have taken whose answers never came."""
        while self.acks.lost_takes:
            moment = self.acks.lost_takes[0]
            with self.conn_or_acquire() as client:
                for tag in client.zrange(self.unacked_index_key, moment, moment, byscore=True):
                    self.qos.restore_by_tag(tag.decode(), client)
            self.acks.lost_takes.popleft()

    def flush_acks(self) -> None:
        """Send the collected acks. They are kept, and the error raised, if Redis does not answer."""
        tags = self.acks.take()
        if not tags:
            return
        try:
            with self.conn_or_acquire() as client, client.pipeline() as pipe:
                pipe.zrem(self.unacked_index_key, *tags).hdel(self.unacked_key, *tags).execute()
        except BaseException:
            self.acks.add(*tags)
            raise

    def _flush_before_close(self) -> None:
        try:
            self.flush_acks()
        except (*self.connection_errors, ResponseError):
            # kombu would now try, and wait, for each message that it restores
            self.do_restore = False
            logger.warning("%d acks wait for Redis; those not sent in the end let messages come again", len(self.acks))


class BatchPoller(kombu_redis.MultiChannelPoller):
    """kombu's poller, called in each turn of the event loop."""

    def on_poll_start(self) -> None:
        super().on_poll_start()  # type: ignore[no-untyped-call]  # kombu
        for channel in self._channels:
            if channel.active_queues:
                channel.flush_acks()  # after the fetch was sent: Redis answers both in one turn of its own
                channel.restore_lost_takes()


class BatchTransport(kombu_redis.Transport):
    """The transport whose channels are BatchChannels."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]  # kombu
        self.cycle = BatchPoller()  # type: ignore[no-untyped-call, assignment]  # kombu


@functools.cache
def batch_transport(transport: type[Any], acks: Acks) -> type[Any]:
    """Return one of kombu's Redis transports with BatchChannel mixed into its channels."""
    if issubclass(transport, BatchTransport):
        return transport
    channel = type("BatchChannel", (BatchChannel, transport.Channel), {"acks": acks})
    return type("BatchTransport", (BatchTransport, transport), {"Channel": channel})


class BatchConsumer(ParkingConsumer):
    """The consumer (setting `worker_consumer`) whose connections use this transport, a failover's too.

    Events of tasks are sent together a few times a second: each message is a round trip in which no job moves on.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._acks = Acks()
        self._events_wait = False
        super().__init__(*args, **kwargs)

    def on_send_event_buffered(self) -> None:
        if state.should_stop is not None or state.should_terminate is not None:
            super().on_send_event_buffered()  # the hub's timers no longer run
        elif self.hub and not self._events_wait:
            self._events_wait = True
            self.event_dispatcher.buffer_limit = EVENTS_TOGETHER
            self.hub.call_later(EVENTS_SECONDS, self._send_events)

    def _send_events(self) -> None:
        self._events_wait = False
        self._flush_events()

    def stop(self) -> None:
        with suppress(*self.connection_errors):
            self._flush_events()
        super().stop()

    def ensure_connected(self, conn: Any) -> Any:
        transport_of = conn.get_transport_cls
        conn.get_transport_cls = lambda: batch_transport(transport_of(), self._acks)
        self._events_wait = False  # a new connection comes with a hub that was emptied of its timers
        return super().ensure_connected(conn)
